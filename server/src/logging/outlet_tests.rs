//! Outlets whose readers sleep, wake up, or are gone.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::fd::OwnedFd;

use super::*;

/// An outlet into a pipe.
fn piped() -> (PipeReader, Outlet) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (reader, Outlet::file(File::from(OwnedFd::from(writer))))
}

/// An outlet into a pipe that is full, so that nothing is written until the reader has taken what is in it. That is
/// read by [`empty`].
fn into_full_pipe() -> (PipeReader, usize, Outlet) {
    let (reader, writer) = io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be that");
    let mut file = File::from(OwnedFd::from(writer));
    let mut filler = 0;
    while let Ok(count) = file.write(&[b'x'; 4096]) {
        filler += count;
    }
    rustix::io::ioctl_fionbio(&file, false).expect("and this");
    (reader, filler, Outlet::file(file))
}

/// Reads what the pipe was filled with.
fn empty(reader: &mut impl Read, filler: usize) {
    reader.read_exact(&mut vec![0; filler]).expect("it is there");
}

fn line(number: usize) -> String {
    format!("{number:099}\n")
}

/// Waits until all is written; the outlet itself gives up when its thread gets no turn for a while.
fn settle(outlet: &Outlet) {
    for _ in 0..600 {
        outlet.settle();
        if outlet.0.0.queue.lock().len() == 0 {
            return;
        }
    }
    panic!("{} bytes are left", outlet.0.0.queue.lock().len());
}

/// More lines than the queue has room for.
const MANY: usize = (QUEUE_MAX + (256 << 10)) / 100;

#[test]
fn nobody_waits_for_a_reader_and_what_was_dropped_is_counted() {
    let (mut reader, filler, outlet) = into_full_pipe();
    let began = Instant::now();
    (0..MANY).for_each(|number| outlet.put(line(number)));
    assert!(outlet.0.0.queue.lock().len() <= QUEUE_MAX);
    outlet.settle();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // The report of lost lines comes as soon as there is room, not with the next line.
    empty(&mut reader, filler);
    let mut lines = BufReader::new(reader).lines().map(|line| line.expect("text"));
    let read: Vec<String> = lines.by_ref().take_while(|line| line.len() == 99).collect();
    assert!(read.iter().enumerate().all(|(number, line)| line.parse() == Ok(number)), "the oldest are kept, in order");
    assert_eq!(read.len(), QUEUE_MAX / 100, "as many as the queue has room for");
    assert!(outlet.0.0.queue.lock().lost == 0);
    outlet.put(line(7));
    drop(outlet);
    assert_eq!(lines.collect::<Vec<_>>(), [line(7).trim_end()]);
}

#[test]
fn the_number_of_dropped_lines_is_exact() {
    let (mut reader, filler, outlet) = into_full_pipe();
    outlet.on_loss(|lines| format!("lost {lines}\n"));
    (0..MANY).for_each(|number| outlet.put(line(number)));
    empty(&mut reader, filler);
    let lines: Vec<String> = {
        let reader = BufReader::new(reader);
        drop(outlet);
        reader.lines().map(|line| line.expect("text")).collect()
    };
    let lost = lines.last().and_then(|line| line.strip_prefix("lost ")).expect("it is said at the end");
    assert_eq!(lost.parse::<usize>().expect("a number") + lines.len() - 1, MANY);
}

#[test]
fn a_reader_that_is_gone_is_no_trouble() {
    let (reader, outlet) = piped();
    drop(reader);
    (0..MANY).for_each(|number| outlet.put(line(number)));
    settle(&outlet);
}

#[test]
fn what_is_queued_is_written_before_the_end_if_somebody_reads() {
    let (mut reader, outlet) = piped();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    (0..5000).for_each(|number| outlet.put(line(number)));
    settle(&outlet);
    drop(outlet);
    assert_eq!(reading.join().expect("no panic").expect("text"), (0..5000).map(line).collect::<String>());
}

#[test]
fn pieces_are_whole_lines() {
    let text = [line(1).repeat(60), "x".repeat(10_000), "\n".to_owned(), "end".to_owned()].concat();
    let (mut rest, mut pieces) = (text.as_bytes(), Vec::new());
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(piece_len(rest));
        pieces.push(piece.len());
        rest = others;
    }
    assert_eq!(pieces, [4000, 2000, 10_001, 3]);
}
