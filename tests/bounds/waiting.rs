//! A long command delays only commands that need what it holds.
//!
//! Connections are spread over workers: the first eight share one, the next go to another. A command that needs the
//! slot of a long one is parked, and the other connections of its worker are served.

use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::Node;
use integration::wait::secs;

use super::start;

/// Elements of the list that a long command searches.
const ELEMENTS: usize = 100_000;
/// How long it searches.
const LONG: Duration = Duration::from_secs(3);
/// The limit for a reply that does not depend on the long command, on a machine that does other things too.
const SOON: Duration = Duration::from_millis(500);

pub(crate) fn fill_list(client: &mut Client) {
    let element = "x".repeat(20);
    let mut words = vec!["RPUSH", "list"];
    words.extend(std::iter::repeat_n(&*element, ELEMENTS));
    assert!(!client.call(&words).is_error());
}

/// Sends a transaction that searches the list again and again.
pub(crate) fn begin_long_exec(client: &mut Client) {
    let once = |_| {
        let begun = Instant::now();
        assert!(!client.cmd("LPOS list missing").is_error());
        begun.elapsed()
    };
    // The fastest of a few: other load on the machine makes a search slow, and the transaction would be too short.
    let fastest = (0..5).map(once).min().expect("five of them");
    let rounds = LONG.as_micros() / fastest.as_micros().max(1) + 1;
    client.ok("MULTI");
    for _ in 0..rounds {
        client.send(&["LPOS", "list", "missing"]).expect("sent");
    }
    for _ in 0..rounds {
        client.reply(secs(30)).expect("QUEUED");
    }
    client.send(&["EXEC"]).expect("sent");
}

/// Clients on another worker than that of the first eight.
pub(crate) fn elsewhere(node: &Node, count: usize) -> (Vec<Client>, Vec<Client>) {
    let mut first: Vec<Client> = (0..8).map(|_| node.client()).collect();
    first.iter_mut().for_each(|client| assert!(!client.cmd("PING").is_error()));
    let mut others: Vec<Client> = (0..count).map(|_| node.client()).collect();
    others.iter_mut().for_each(|client| assert!(!client.cmd("PING").is_error()));
    (first, others)
}

#[test]
fn nobody_waits_for_a_long_command_who_does_not_need_its_slot() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    begin_long_exec(&mut first[0]);
    // Each of these needs the slot, or all slots, or the barrier; they share a worker with the last client.
    let waiting: [&[&str]; 5] =
        [&["LLEN", "list"], &["MSET", "other", "1", "list", "2"], &["KEYS", "li*"], &["SWAPDB", "1", "2"], &["BGSAVE"]];
    for (client, command) in others.iter_mut().zip(waiting) {
        client.send(command).expect("sent");
    }
    let neighbour = others.last_mut().expect("six clients");
    for round in 0..10 {
        for command in ["PING", "SET free 1", "INFO", "DBSIZE"] {
            let asked = Instant::now();
            assert!(!neighbour.cmd(command).is_error());
            assert!(asked.elapsed() < SOON, "{command} took {:?} in round {round}", asked.elapsed());
        }
    }
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    for (client, command) in others.iter_mut().zip(waiting) {
        let reply = client.frame(secs(60)).unwrap_or_else(|_| panic!("{command:?} is answered"));
        assert!(!reply.starts_with(b"-"), "{command:?}: {}", String::from_utf8_lossy(&reply));
    }
}
