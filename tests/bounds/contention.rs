//! What an operator sees of threads that are in each other's way: SLOTD CONTENTION.

use integration::client::Client;
use integration::oracle::slotd_is_stock;
use integration::wait::{secs, wait_until};

use super::start;
use super::waiting::{begin_long_exec, elsewhere, fill_list};

const NAMES: [&str; 6] = ["slot_waits", "slot_retries", "gate_waits", "gate_retries", "exclusive_waits", "feed_waits"];

/// The counters, in the order of their names.
fn counters(client: &mut Client) -> Vec<i64> {
    let reply = client.cmd("SLOTD CONTENTION");
    let (names, counts): (Vec<_>, Vec<_>) = reply.items().chunks(2).map(|pair| (pair[0].text(), pair[1].int())).unzip();
    assert_eq!(names, NAMES);
    counts
}

#[test]
fn contention_is_counted_until_the_statistics_are_reset() {
    if slotd_is_stock() || std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 3);
    let [waiting, alone, operator] = &mut others[..] else { unreachable!("three clients") };
    fill_list(&mut first[0]);
    assert_eq!(counters(operator), [0; 6]);

    begin_long_exec(&mut first[0]);
    // Until the transaction has begun, the slot is free and the command is answered.
    waiting.send(&["LLEN", "list"]).expect("sent");
    wait_until("a command to be set aside because of its slot", secs(20), || {
        if waiting.arrived().is_some() {
            waiting.send(&["LLEN", "list"]).expect("sent");
        }
        let counts = counters(operator);
        counts[0] > 0 && counts[1] > 0
    });
    alone.send(&["SWAPDB", "1", "2"]).expect("sent");
    wait_until("a command that needs the node for itself to be set aside", secs(20), || {
        let counts = counters(operator);
        counts[3] > 0 && counts[4] > 0
    });
    first[0].frame(secs(60)).expect("EXEC's reply");
    for client in [waiting, alone] {
        assert!(!client.reply(secs(60)).expect("an answer").is_error());
    }
    assert!(counters(operator).iter().sum::<i64>() > 0);
    operator.ok("CONFIG RESETSTAT");
    for command in ["SET key 1", "GET key", "MSET key 1 other 2", "KEYS *"] {
        assert!(!operator.cmd(command).is_error());
    }
    assert_eq!(counters(operator), [0; 6]);
}
