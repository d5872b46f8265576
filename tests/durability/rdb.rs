//! dump.rdb: written by SAVE, BGSAVE, save points and shutdown, loaded at start, and exchangeable with stock Redis.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use crate::{PAIRS, fill_with_everything, nodes_conf_of_a_replica};

/// Stock `redis-check-rdb` accepts the file.
#[track_caller]
fn check_rdb(path: &Path) {
    let output = Command::new("redis-check-rdb").arg(path).output().expect("Debian's package redis-tools");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("RDB looks OK!"), "{said}");
}

/// A server of the other kind starts on the file and holds the same data.
#[test]
fn files_are_exchangeable_with_stock_redis() {
    for (writer, reader) in PAIRS {
        let source = NodeSpec::new(writer).start();
        fill_with_everything(&mut source.client());
        let digest = source.cmd("DEBUG DIGEST").text();
        assert!(source.cmd("SAVE").is_ok());
        let path = source.dir().join("dump.rdb");
        check_rdb(&path);
        let bytes = fs::read(&path).expect("SAVE wrote it");
        assert_eq!(&bytes[..9], b"REDIS0010", "the version that Redis 7.0 reads");
        let target = NodeSpec::new(reader).with_file("dump.rdb", &bytes).start();
        assert_eq!(target.cmd("DEBUG DIGEST").text(), digest, "{writer:?} to {reader:?}");
        assert_eq!(target.cmd("PEXPIRETIME expires-far").int(), 33_177_117_420_123);
        assert_eq!(target.cmd("DBSIZE"), source.cmd("DBSIZE"));
        assert_eq!(target.cmd("OBJECT ENCODING int").text(), "int");
    }
}

#[test]
fn bgsave_saves_and_says_so() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    fill_with_everything(&mut client);
    let before = client.cmd("LASTSAVE").int();
    std::thread::sleep(secs(1));
    assert_eq!(client.cmd("BGSAVE").text(), "Background saving started");
    wait_until("LASTSAVE to move", secs(20), || client.cmd("LASTSAVE").int() > before);
    wait_until("the save to end", secs(20), || node.info("rdb_bgsave_in_progress") == "0");
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(node.info("rdb_changes_since_last_save"), "0");
    check_rdb(&node.dir().join("dump.rdb"));
    assert_eq!(client.cmd("BGSAVE BOGUS").text(), "ERR syntax error");
    assert_eq!(client.cmd("BGSAVE SCHEDULE").text(), "Background saving started");
}

/// A snapshot is of one instant: later writes are not in it, and it does not stop them.
#[test]
fn a_snapshot_is_consistent_under_writes() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    for i in 0..20_000 {
        client.call(&["SET", &format!("n:{i}"), "0"]);
    }
    // Both counters are incremented together in transactions: a snapshot in which they differ is wrong.
    let mut writer = node.client();
    assert_eq!(client.cmd("BGSAVE").text(), "Background saving started");
    for i in 0..500 {
        writer.cmd("MULTI");
        writer.cmd("INCR left");
        writer.cmd(&format!("SET n:{i} changed"));
        writer.cmd("INCR right");
        writer.cmd("EXEC");
    }
    wait_until("the save to end", secs(30), || node.info("rdb_bgsave_in_progress") == "0");
    check_rdb(&node.dir().join("dump.rdb"));
    let bytes = fs::read(node.dir().join("dump.rdb")).expect("saved");
    let copy = NodeSpec::new(Binary::Stock).with_file("dump.rdb", &bytes).start();
    assert_eq!(copy.cmd("GET left"), copy.cmd("GET right"));
    let changed = (0..500).filter(|i| copy.cmd(&format!("GET n:{i}")).text() == "changed").count();
    let left = copy.cmd("GET left").text().parse().unwrap_or(0);
    assert_eq!(changed, left, "the snapshot shows as many changes as its counter says");
}

#[test]
fn a_save_point_fires_by_itself() {
    let node = NodeSpec::new(Binary::Slotd).with("save", "1 10").start();
    let mut client = node.client();
    for i in 0..20 {
        client.ok(&format!("SET k:{i} v"));
    }
    let path = node.dir().join("dump.rdb");
    wait_until("the save point to fire", secs(20), || path.exists());
    wait_until("the save to end", secs(20), || node.info("rdb_changes_since_last_save") == "0");
    check_rdb(&path);
}

#[test]
fn shutdown_saves_if_there_are_save_points() {
    for (points, expected) in [("3600 1", "v"), ("", "")] {
        let mut node = NodeSpec::new(Binary::Slotd).with("save", points).start();
        assert!(node.cmd("SET k v").is_ok());
        node.terminate();
        assert!(node.log().contains("bye bye"), "the last words of Redis: {}", node.log_tail(5));
        node.restart();
        assert_eq!(node.cmd("GET k").text(), expected, "save {points:?}");
    }
}

#[test]
fn shutdown_by_command() {
    for (command, kept) in [("SHUTDOWN SAVE", true), ("SHUTDOWN NOSAVE", false), ("SHUTDOWN", false)] {
        let mut node = NodeSpec::new(Binary::Slotd).prepare();
        node.spawn();
        node.wait_ready();
        let mut client = node.client();
        client.ok("SET k v");
        client.send(&command.split(' ').collect::<Vec<_>>()).expect("sent");
        assert_eq!(client.expect_close(secs(10)), b"", "SHUTDOWN answers nothing");
        wait_until("the port to close", secs(10), || integration::client::Client::connect(node.port()).is_err());
        assert_eq!(node.dir().join("dump.rdb").exists(), kept, "{command}");
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    assert_eq!(node.cmd("SHUTDOWN BOGUS").text(), "ERR syntax error");
    assert_eq!(node.cmd("SHUTDOWN SAVE NOSAVE").text(), "ERR syntax error");
    assert_eq!(node.cmd("SHUTDOWN ABORT").text(), "ERR No shutdown in progress.");
}

/// Keys that expired while the file was on disk are not loaded.
#[test]
fn expired_keys_are_left_out_at_load() {
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    let mut client = node.client();
    client.ok("SET short v PX 700");
    client.ok("SET long v EX 1000");
    node.terminate();
    std::thread::sleep(secs(1));
    node.restart();
    assert_eq!(node.cmd("DBSIZE").int(), 1);
    assert!(node.cmd("TTL long").int() > 900);
}

/// A replica also loads expired keys: only its primary's DEL removes them, since its own clock may be ahead.
#[test]
fn a_replica_keeps_expired_keys_at_load() {
    let source = NodeSpec::new(Binary::Stock).start();
    let mut client = source.client();
    client.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    client.ok("SET old v PX 1");
    client.ok("SET new v");
    client.ok("SAVE");
    let bytes = fs::read(source.dir().join("dump.rdb")).expect("saved");
    for binary in [Binary::Stock, Binary::Slotd] {
        let primary = NodeSpec::new(binary).with_file("dump.rdb", &bytes).start();
        assert_eq!(primary.cmd("DBSIZE").int(), 1, "{binary:?}");
        let replica = NodeSpec::new(binary).with("replicaof", "127.0.0.1 1").with_file("dump.rdb", &bytes).start();
        assert_eq!(replica.cmd("DBSIZE").int(), 2, "{binary:?}");
        let member = NodeSpec::cluster(binary, 15_000)
            .with_file("nodes.conf", nodes_conf_of_a_replica().as_bytes())
            .with_file("dump.rdb", &bytes)
            .start();
        assert_eq!(member.cmd("DBSIZE").int(), 2, "{binary:?} in a cluster");
    }
}

/// A damaged file is refused with a reason, and left unchanged: its contents may still be recovered.
#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let source = NodeSpec::new(Binary::Stock).start();
    fill_with_everything(&mut source.client());
    assert!(source.cmd("SAVE").is_ok());
    let good = fs::read(source.dir().join("dump.rdb")).expect("saved");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x40;
    let mut future = good.clone();
    future[5..9].copy_from_slice(b"9999");
    let bad = [
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 4].to_vec(),
        flipped,
        future,
        b"not an rdb file".to_vec(),
    ];
    for bytes in bad {
        let mut node = NodeSpec::new(Binary::Slotd).with_file("dump.rdb", &bytes).prepare();
        let (code, log) = node.run_to_end();
        assert_ne!(code, Some(0), "{log}");
        assert!(fs::read(node.dir().join("dump.rdb")).expect("still there") == bytes, "left alone");
    }
}

/// DEBUG RELOAD writes and reads back everything.
#[test]
fn debug_reload_changes_nothing() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    fill_with_everything(&mut client);
    let digest = client.cmd("DEBUG DIGEST");
    client.ok("DEBUG RELOAD");
    assert_eq!(client.cmd("DEBUG DIGEST"), digest);
}

/// Only dump.rdb is left, also when saves follow each other or fail.
#[test]
fn saving_is_all_or_nothing() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    fill_with_everything(&mut client);
    for _ in 0..3 {
        client.ok("SAVE");
    }
    assert_eq!(files(&node), ["dump.rdb", "log"]);
    // A directory in the file's place cannot be replaced: the save fails, leaves nothing behind, and the next one is
    // complete again.
    let path = node.dir().join("dump.rdb");
    fs::remove_file(&path).expect("saved");
    fs::create_dir(&path).expect("free now");
    assert_eq!(client.cmd("SAVE").text(), "ERR");
    assert_eq!(files(&node), ["dump.rdb", "log"]);
    fs::remove_dir(&path).expect("empty");
    client.ok("SAVE");
    check_rdb(&path);
}

fn files(node: &Node) -> Vec<String> {
    let entries = fs::read_dir(node.dir()).expect("the directory is there");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
