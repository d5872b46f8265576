//! What a client can make a server hold: memory, buffers, file descriptors. The bounds are those of stock Redis,
//! measured when the tests run with it in slotd's place.
//!
//! Memory is measured as resident memory, as the system and an operator's alarm see it, and each test has its own
//! server.

mod contention;
mod descriptors;
mod limits;
mod memory;
mod memory_limit;
mod memory_usage;
mod waiting;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

fn start() -> Node {
    NodeSpec::new(Binary::Slotd).start()
}

/// Sends `bytes` on `count` new connections and waits until the server has read them all.
#[track_caller]
fn send_on(node: &Node, count: usize, bytes: &[u8]) -> Vec<Client> {
    let read = || node.info("total_net_input_bytes").parse::<u64>().expect("a number");
    let goal = read() + (count * bytes.len()) as u64;
    let clients: Vec<Client> = (0..count)
        .map(|_| {
            let mut client = node.client();
            client.send_raw(bytes).expect("the server takes it");
            client
        })
        .collect();
    wait_until("the server to read what was sent", secs(30), || read() >= goal);
    clients
}

/// A request with one argument of `len` times `x`.
fn request_of(words: &[&str], len: usize) -> Vec<u8> {
    let long = "x".repeat(len);
    let words: Vec<&str> = words.iter().copied().chain([long.as_str()]).collect();
    integration::resp::encode(&words)
}
