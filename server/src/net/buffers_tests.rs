//! Buffers of a connection: they hold what arrived, grow with it and are freed again.

use super::*;

#[test]
fn a_buffer_grows_with_what_arrives_and_copies_little() {
    // Twice a power of four as well as a power of four, and neither.
    for need in [70_000, 1 << 20, 128 << 20, 256 << 20, 512 << 20, (512 << 20) + 35, 100_000_000] {
        let (mut size, mut copied) = (DIRECT_FROM, 0);
        while size < need {
            let held = size;
            size = next_size(need, held);
            assert!(size > held && size < (held + 1) * GROWTH, "{held} of {need}: {size}");
            assert!(held * GROWTH <= need || size == need, "old and new together stay within the request");
            copied += held;
        }
        assert_eq!(size, need);
        assert!(copied <= need / 15 + DIRECT_FROM, "{copied} bytes copied for {need}");
    }
}

#[test]
fn a_request_of_many_long_words_is_copied_a_few_times_only() {
    let (word, words) = (100_000, 1_000);
    let (mut size, mut copied) = (DIRECT_FROM, 0);
    for end in (1..=words).map(|count| count * word) {
        while size < end {
            let held = size;
            size = next_size(end, held);
            copied += held;
        }
    }
    assert!(copied <= 6 * word * words, "{copied} bytes copied for {}", word * words);
}

#[test]
fn a_pipeline_that_is_used_up_in_steps_is_moved_a_few_times_only() {
    let mut input = Input::default();
    input.append(&vec![7; 1 << 20]);
    let mut moves = 0;
    while !input.is_empty() {
        let before = input.used;
        let step = input.len().min(100);
        input.consume(step);
        moves += usize::from(input.used < before);
    }
    assert!(moves <= 16, "{moves}");
    assert_eq!(input.bytes.capacity(), 0, "nothing is kept");
}

#[test]
fn what_is_consumed_is_gone_and_the_rest_is_in_place() {
    let mut input = Input::default();
    input.append(b"abcdef");
    input.consume(2);
    assert_eq!(input.unread(), b"cdef");
    input.append(b"gh");
    input.consume(3);
    assert_eq!((input.unread().to_vec(), input.len()), (b"fgh".to_vec(), 3));
    assert_eq!(input.into_bytes(), b"fgh");
}

#[test]
fn long_output_is_taken_over_and_short_output_is_copied() {
    let mut unsent = Unsent::default();
    let mut output = vec![1; READ_BUFFER * 3];
    let buffer = output.as_ptr();
    unsent.take(&mut output, 10);
    assert_eq!((unsent.bytes.as_ptr(), unsent.len(), output.len()), (buffer, READ_BUFFER * 3 - 10, 0));
    unsent.take(&mut vec![2; 5], 1);
    assert_eq!(unsent.len(), READ_BUFFER * 3 - 6);
    assert_eq!(unsent.rest().last(), Some(&2));
    unsent.advance(unsent.len());
    assert_eq!((unsent.is_empty(), unsent.bytes.capacity()), (true, 0));
}

#[tokio::test]
async fn many_short_words_are_read_in_large_pieces() {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut sender = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (receiver, _) = listener.accept().expect("it is connected");
    receiver.set_nonblocking(true).expect("a socket can");
    let mut stream = TcpStream::from_std(receiver).expect("within a runtime");
    let mut input = Input::default();
    input.append(&vec![b'x'; 4 * READ_BUFFER]);
    sender.write_all(&vec![b'y'; READ_BUFFER]).expect("there is room");
    let (whole, mut reads) = (input.len() + READ_BUFFER, 0);
    while input.len() < whole {
        // The parser knows of the next word only.
        input.need = input.len() + 10;
        assert!(input.is_long());
        let read = std::future::poll_fn(|cx| input.poll_read(cx, &mut stream)).await.expect("it is open");
        assert_ne!(read, 0);
        reads += 1;
    }
    assert!(reads <= READ_BUFFER / LEAST_ROOM + 1, "{reads}");
}
