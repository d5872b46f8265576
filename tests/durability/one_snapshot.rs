//! One snapshot at a time: a request for another is refused at once, and the end of a node waits for none.

use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

const BUSY: &str = "ERR Background save already in progress";

/// A node in the middle of a full sync that takes a minute by itself. How much a kernel takes for a replica that does
/// not read, and whether there is a file for the rest, differs from machine to machine.
fn in_a_slow_full_sync(timeout_s: &str) -> (Node, Client) {
    let node = NodeSpec::new(Binary::Slotd)
        .with("save", "3600 1")
        .with("repl-diskless-sync-delay", "0")
        .with("rdb-key-save-delay", "60000000")
        .with("shutdown-timeout", timeout_s)
        .start();
    node.client().ok("SET a b");
    let mut replica = node.client();
    replica.ok("REPLCONF capa eof capa psync2");
    replica.send(&["PSYNC", "?", "-1"]).expect("sent");
    wait_until("the full sync to begin", secs(20), || {
        node.log().contains("Starting BGSAVE for SYNC") && node.info("rdb_bgsave_in_progress") == "1"
    });
    wait_until("the delay to begin", secs(20), || node.info("current_save_keys_processed") == "1");
    node.client().ok("CONFIG SET rdb-key-save-delay 0");
    (node, replica)
}

#[test]
fn a_save_during_a_full_sync_is_refused_as_often_as_it_is_asked_for() {
    let (mut node, _replica) = in_a_slow_full_sync("0");
    let mut client = node.client();
    for _ in 0..5 {
        for line in ["BGSAVE", "BGSAVE SCHEDULE", "SAVE"] {
            assert_eq!(client.cmd(line).text(), BUSY, "{line}");
        }
    }
    client.ok("SET k v");
    assert_eq!(node.info("rdb_saves"), "0");
    node.terminate();
    node.restart();
    assert_eq!(node.cmd("GET k").text(), "v");
}

/// A full sync is cancelled for the last save: stopping a node does not wait for the slowest replica.
#[test]
fn a_stop_does_not_wait_for_a_slow_full_sync() {
    for way in ["TERM", "SHUTDOWN"] {
        let (mut node, _replica) = in_a_slow_full_sync("1");
        node.client().ok("SET k v");
        let began = Instant::now();
        if way == "TERM" {
            node.signal("TERM");
        } else {
            node.client().send(&["SHUTDOWN"]).expect("sent");
        }
        assert_eq!(node.wait_end(secs(15)), Some(0), "{way}");
        assert!(began.elapsed() < secs(9), "{way} took {:?}", began.elapsed());
        assert!(node.log().contains("0 of 1 replicas are in sync when shutting down."), "{}", node.log_tail(9));
        node.restart();
        assert_eq!(node.cmd("GET k").text(), "v", "{way}");
    }
}

/// A second Ctrl+C ends the process at once.
#[test]
fn a_second_interrupt_ends_the_process_at_once() {
    for (first, second, code) in [("INT", "INT", Some(1)), ("TERM", "INT", Some(1)), ("INT", "TERM", None)] {
        let (mut node, _replica) = in_a_slow_full_sync("30");
        node.client().ok("SET k v");
        node.signal(first);
        wait_until("the shutdown to wait", secs(20), || {
            node.log().contains("Waiting for replicas before shutting down.")
        });
        node.signal(second);
        if code.is_some() {
            assert_eq!(node.wait_end(secs(5)), code, "{first} {second}");
            assert!(node.log().contains("You insist... exiting now."), "{}", node.log_tail(5));
        } else {
            wait_until("the second to be heard", secs(20), || {
                node.log().contains("Received SIGTERM scheduling shutdown...")
            });
            assert!(node.try_cmd("PING").is_some(), "it still waits");
        }
    }
    // Also in the middle of a save, whose incomplete file is removed with the process.
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").with("rdb-key-save-delay", "10000000").start();
    let mut client = node.client();
    client.ok("SET a v");
    client.ok("SET b v");
    node.signal("INT");
    wait_until("the save to begin", secs(20), || node.log().contains("Received SIGINT"));
    std::thread::sleep(Duration::from_millis(400));
    node.signal("INT");
    assert_eq!(node.wait_end(secs(5)), Some(1));
    let names: Vec<_> = std::fs::read_dir(node.dir())
        .expect("the node's directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["log"]);
}

/// There is no moment for a snapshot between the commands of a transaction: it is made right after.
#[test]
fn a_save_in_a_transaction_comes_after_it() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    client.ok("MULTI");
    client.cmd("SET a b");
    client.cmd("BGSAVE");
    client.cmd("BGSAVE SCHEDULE");
    client.cmd("SET c d");
    let replies: Vec<_> = client.cmd("EXEC").items().iter().map(integration::resp::Value::text).collect();
    assert_eq!(replies, ["OK", "Background saving scheduled", "Background saving scheduled", "OK"]);
    wait_until("the save to be done", secs(20), || node.info("rdb_changes_since_last_save") == "0");
    assert!(node.dir().join("dump.rdb").exists());
    client.ok("MULTI");
    assert_eq!(client.cmd("SAVE").text(), "ERR Command not allowed inside a transaction");
}

/// A client that has shut down its sending side still gets the reply.
#[test]
fn a_client_that_closes_its_half_hears_the_answer() {
    let node = NodeSpec::new(Binary::Slotd).with("rdb-key-save-delay", "100000").start();
    node.client().ok("SET a b");
    node.client().ok("SET b c");
    for line in
        ["SAVE", "DEBUG RELOAD", "DEBUG RELOAD NOSAVE", "DEBUG SLEEP 0.2", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"]
    {
        let mut client = node.client();
        let mut bytes = integration::resp::encode(&integration::resp::split_line(line));
        bytes.extend(integration::resp::encode(&["ECHO", "more"]));
        client.send_raw(&bytes).expect("sent");
        client.shutdown_write();
        let answers = String::from_utf8_lossy(&client.expect_close(secs(20))).into_owned();
        assert_eq!(answers, "+OK\r\n$4\r\nmore\r\n", "{line}");
    }
}

/// Redis forks before it replies, so a client may take the reply for the instant of the file.
#[test]
fn what_is_written_after_the_reply_of_bgsave_is_not_in_its_file() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    for round in 0..20 {
        let (early, late) = (format!("early:{round}:"), format!("late:{round}:"));
        client.ok(&format!("SET {early} v"));
        assert_eq!(client.cmd("BGSAVE").text(), "Background saving started");
        client.ok(&format!("SET {late} v"));
        wait_until("the save to be done", secs(20), || node.info("rdb_bgsave_in_progress") == "0");
        let file = std::fs::read(node.dir().join("dump.rdb")).expect("a file");
        let has = |key: &str| file.windows(key.len()).any(|text| text == key.as_bytes());
        assert!(has(&early) && !has(&late), "round {round}");
    }
}
