//! Keys whose flush was acknowledged do not come back: FLUSHALL reaches the file on disk before its reply leaves.

use std::time::Duration;

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use crate::{wait_link_up, wait_same_data};

fn kill_and_restart(node: &mut Node) {
    node.kill();
    node.restart();
}

#[test]
fn what_was_flushed_is_not_back_after_a_crash() {
    for way in [&["FLUSHALL"][..], &["FLUSHALL ASYNC"], &["FLUSHALL SYNC"], &["MULTI", "SET a b", "FLUSHALL", "EXEC"]] {
        let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
        let mut client = node.client();
        client.ok("SET k v");
        client.ok("SELECT 3");
        client.ok("SET other v");
        client.ok("SAVE");
        client.ok("SET since v");
        for line in way {
            assert!(!client.cmd(line).is_error(), "{line}");
        }
        assert_eq!(node.info("rdb_changes_since_last_save"), "0", "{way:?}");
        assert_eq!(node.info("rdb_saves"), "1", "only SAVE is counted");
        // A later key is not in the file, and counts as a change.
        client.ok("SET later v");
        assert_eq!(node.info("rdb_changes_since_last_save"), "1", "{way:?}");
        kill_and_restart(&mut node);
        assert_eq!(node.info("db0") + &node.info("db3"), "", "{way:?}");
    }
}

/// FLUSHDB is a change as any other: it reaches the file with the next save.
#[test]
fn flushdb_does_not_touch_the_file() {
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    let mut client = node.client();
    client.ok("SET k v");
    client.ok("SAVE");
    client.ok("FLUSHDB");
    assert_eq!(node.info("rdb_changes_since_last_save"), "1");
    kill_and_restart(&mut node);
    assert_eq!(node.cmd("DBSIZE").int(), 1);
}

/// A running save contains the flushed keys: it is cancelled, and must not replace the empty file.
#[test]
fn a_running_save_does_not_bring_back_what_was_flushed() {
    for (points, in_transaction) in [("3600 1", false), ("3600 1", true), ("", false)] {
        let mut node = NodeSpec::new(Binary::Slotd).with("save", points).start();
        let mut client = node.client();
        client.ok("SET old v");
        client.ok("SAVE");
        for n in 0..200 {
            client.ok(&format!("SET k:{n} v"));
        }
        client.ok("CONFIG SET rdb-key-save-delay 1000000");
        assert_eq!(client.cmd("BGSAVE").text(), "Background saving started");
        std::thread::sleep(Duration::from_millis(200));
        if in_transaction {
            client.ok("MULTI");
            client.cmd("FLUSHALL");
            client.cmd("EXEC");
        } else {
            client.ok("FLUSHALL");
        }
        wait_until("the save to be ended", secs(5), || node.info("rdb_bgsave_in_progress") == "0");
        assert_eq!(node.info("rdb_last_bgsave_status"), "ok", "that is no failure");
        assert!(node.log().contains("Background saving terminated by signal 10"), "{}", node.log_tail(5));
        // Without save points nothing is written: the file of the last save stays.
        let wanted = i64::from(points.is_empty());
        kill_and_restart(&mut node);
        assert_eq!(node.cmd("DBSIZE").int(), wanted, "save {points:?}");
        assert_eq!(node.cmd("EXISTS k:1").int(), 0);
    }
}

/// A replica with save points of its own flushes its file, too.
#[test]
fn a_flush_in_the_stream_reaches_the_replicas_file() {
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    primary.client().ok("SET k v");
    let mut replica = NodeSpec::new(Binary::Slotd)
        .with("replicaof", &format!("127.0.0.1 {}", primary.port()))
        .with("save", "3600 1")
        .start();
    wait_link_up(&replica);
    wait_same_data(&primary, &replica);
    replica.client().ok("SAVE");
    primary.client().ok("FLUSHALL");
    wait_until("the flush to arrive", secs(20), || replica.cmd("DBSIZE").int() == 0);
    // It is counted once it is done.
    wait_until("the file to be written", secs(20), || replica.info("rdb_changes_since_last_save") == "0");
    replica.kill();
    replica.set_directive("replicaof", "127.0.0.1 1");
    replica.restart();
    assert_eq!(replica.cmd("DBSIZE").int(), 0);
}

/// A file that cannot be written does not prevent a flush; the changes count as not saved.
#[test]
fn a_flush_without_a_file_is_answered_and_counted() {
    let node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    std::fs::create_dir(node.dir().join("dump.rdb")).expect("nothing was saved yet");
    let mut client = node.client();
    client.ok("SET k v");
    client.ok("FLUSHALL");
    assert_eq!(node.info("rdb_changes_since_last_save"), "2");
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok");
    assert!(node.log().contains("Error moving temp DB file"), "{}", node.log_tail(5));
    client.ok("SET k v");
}
