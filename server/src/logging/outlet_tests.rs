//! Outlets whose readers sleep, wake up, or are gone.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::fd::OwnedFd;

use super::*;

/// An outlet into a pipe.
fn piped() -> (PipeReader, Outlet) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (reader, Outlet::file(File::from(OwnedFd::from(writer))))
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

/// More lines than the queue and the pipe have room for.
const MANY: usize = (QUEUE_MAX + (256 << 10)) / 100;

#[test]
fn nobody_waits_for_a_reader_and_what_was_dropped_is_counted() {
    let (reader, outlet) = piped();
    let began = Instant::now();
    (0..MANY).for_each(|number| outlet.put(line(number)));
    assert!(outlet.0.0.queue.lock().len() <= QUEUE_MAX);
    outlet.settle();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // The report of lost lines comes as soon as there is room, not with the next line.
    let mut lines = BufReader::new(reader).lines().map(|line| line.expect("text"));
    let read: Vec<String> = lines.by_ref().take_while(|line| line.len() == 99).collect();
    assert!(read.iter().enumerate().all(|(number, line)| line.parse() == Ok(number)), "the oldest are kept, in order");
    assert!(read.len() * 100 > QUEUE_MAX, "{} lines", read.len());
    assert!(outlet.0.0.queue.lock().lost == 0);
    outlet.put(line(7));
    drop(outlet);
    assert_eq!(lines.collect::<Vec<_>>(), [line(7).trim_end()]);
}

#[test]
fn the_number_of_dropped_lines_is_exact() {
    let (reader, outlet) = piped();
    outlet.on_loss(|lines| format!("lost {lines}\n"));
    (0..MANY).for_each(|number| outlet.put(line(number)));
    let lines: Vec<String> = {
        let reader = BufReader::new(reader);
        drop(outlet);
        reader.lines().map(|line| line.expect("text")).collect()
    };
    assert!(lines.last().is_some_and(|line| line.starts_with("lost ")), "it is said at the end");
    // And before, if the writer got on while lines were still put.
    let (confessions, kept): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with("lost "));
    let lost = |line: &String| line["lost ".len()..].parse::<usize>().expect("a number");
    assert_eq!(confessions.into_iter().map(lost).sum::<usize>() + kept.len(), MANY);
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
