//! How often a replica retries with a primary that accepts it and closes the link.

use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::secs;

use crate::psync::request;

/// Plays a primary up to PSYNC and sends this answer.
fn accept(socket: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    socket.set_read_timeout(Some(secs(20)))?;
    let mut requests = BufReader::new(socket.try_clone()?);
    loop {
        match request(&mut requests)[0].to_ascii_lowercase().as_str() {
            "ping" => socket.write_all(b"+PONG\r\n")?,
            "replconf" => socket.write_all(b"+OK\r\n")?,
            "psync" => return socket.write_all(answer),
            other => panic!("{other} in a handshake"),
        }
    }
}

/// The number of attempts within three seconds, with a primary that gives this answer to PSYNC and closes the link.
fn attempts(answer: &[u8]) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("an option of every socket");
    let replica = NodeSpec::new(Binary::Slotd).start();
    replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", listener.local_addr().expect("bound").port()));
    let (mut attempts, began) = (0, Instant::now());
    while began.elapsed() < secs(3) {
        match listener.accept() {
            Ok((mut socket, _)) => {
                socket.set_nonblocking(false).expect("an option of every socket");
                accept(&mut socket, answer).expect("the replica listens");
                attempts += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
    attempts
}

/// Each answer brings the link up. Without a pause it would come up and break hundreds of times a second.
#[test]
fn a_primary_that_accepts_and_hangs_up_is_not_asked_without_a_pause() {
    if slotd_is_stock() {
        return; // Redis asks it 170 times a second
    }
    let full = format!("+FULLRESYNC {} 7\r\n$18\r\n", "a".repeat(40));
    let snapshot = b"REDIS0010\xff\0\0\0\0\0\0\0\0";
    let full = [full.as_bytes(), snapshot].concat();
    let answers: [(&str, Vec<u8>); 3] = [
        ("a full sync", full.clone()),
        ("a full sync and a ping", [&full, b"*1\r\n$4\r\nPING\r\n".as_slice()].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, answer) in answers {
        let attempts = attempts(&answer);
        assert!((1..=10).contains(&attempts), "{what}: {attempts} attempts in three seconds");
    }
}
