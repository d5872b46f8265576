//! A node whose disk is full does not discard its data: it goes on serving, reports why, and ends when it can or must.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

/// Makes every save fail until it is dropped: a directory has the name of the file.
struct Obstacle(PathBuf);

impl Obstacle {
    fn new(dir: &Path) -> Self {
        let path = dir.join("dump.rdb");
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir(&path).expect("the node's directory is writable");
        Self(path)
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_node_that_cannot_save_goes_on_serving() {
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    let obstacle = Obstacle::new(node.dir());
    let mut client = node.client();
    client.ok("SET k v");
    for (count, signal) in ["TERM", "INT", "INT"].into_iter().enumerate() {
        node.signal(signal);
        wait_until("the shutdown to fail", secs(20), || {
            node.log().matches("Errors trying to shut down the server. Check the logs").count() == count + 1
        });
        client.ok("SET k v");
    }
    assert!(node.log().contains("Error trying to save the DB, can't exit."), "{}", node.log_tail(9));
    for command in ["SHUTDOWN", "SHUTDOWN SAVE", "SHUTDOWN NOW"] {
        assert_eq!(client.cmd(command).text(), "ERR Errors trying to SHUTDOWN. Check logs.", "{command}");
        client.ok("SET k v2");
    }
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok", "that was no background save");
    // As soon as there is room again, it ends in order, and the data is there.
    drop(obstacle);
    node.terminate();
    node.restart();
    assert_eq!(node.cmd("GET k").text(), "v2");
    // SHUTDOWN FORCE loses what could not be saved.
    let _obstacle = Obstacle::new(node.dir());
    node.client().send(&["SHUTDOWN", "FORCE"]).expect("sent");
    assert_eq!(node.wait_end(secs(20)), Some(0));
    assert!(node.log().contains("Error trying to save the DB. Exit anyway."), "{}", node.log_tail(9));
}

/// The same with a disk that is really full, if the system lets the test have one.
#[test]
fn a_full_disk_keeps_the_node_alive() {
    let place = NodeSpec::new(Binary::Slotd).prepare();
    let disk = place.dir().join("small");
    std::fs::create_dir(&disk).expect("the directory is writable");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "none"]).arg(&disk).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("NOT RUN: only root may mount a small tmpfs");
        return;
    }
    let _mounted = Mounted(disk.clone());
    let mut node = NodeSpec::new(Binary::Slotd)
        .with("save", "3600 1")
        .with("rdbcompression", "no")
        .with("dbfilename", "small.rdb")
        .with("enable-protected-configs", "yes")
        .start();
    let mut client = node.client();
    client.ok(&format!("CONFIG SET dir {}", disk.display()));
    client.ok("SET k v");
    client.ok("SAVE");
    client.call(&["SET", "large", &"x".repeat(600_000)]);
    assert_eq!(client.cmd("SAVE").text(), "ERR");
    node.signal("TERM");
    wait_until("the shutdown to fail", secs(20), || node.log().contains("can't exit"));
    client.ok("SET k v2");
    assert!(node.log().contains("No space left on device"), "{}", node.log_tail(9));
    assert_eq!(files(&disk), ["small.rdb"], "unfinished files are removed");
    client.ok("CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(client.cmd("DEL large").int(), 1);
    // It is found to be full within a large collection, and that ends the save.
    let members: Vec<String> = (0..30_000).map(|n| format!("a-longer-member:{n:08}")).collect();
    for part in members.chunks(1000) {
        let words: Vec<&str> = ["SADD", "large"].into_iter().chain(part.iter().map(String::as_str)).collect();
        assert_eq!(client.call(&words).int(), 1000);
    }
    client.cmd("BGSAVE");
    wait_until("the save to fail", secs(20), || node.info("rdb_last_bgsave_status") == "err");
    assert!(node.log().contains("Background saving error"), "{}", node.log_tail(9));
    assert_eq!(files(&disk), ["small.rdb"], "unfinished files are removed");
    assert_eq!(client.cmd("DEL large").int(), 1);
    client.ok("SAVE");
    node.terminate();
}

fn files(dir: &Path) -> Vec<OsString> {
    std::fs::read_dir(dir).expect("mounted").map(|entry| entry.expect("an entry").file_name()).collect()
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes are refused after a failed background save only if there are save points, which promise that writes are
/// saved.
#[test]
fn a_failed_save_closes_the_gate_for_writes_only_with_save_points() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let obstacle = Obstacle::new(node.dir());
    let mut client = node.client();
    client.ok("SET k v");
    assert_eq!(client.cmd("BGSAVE").text(), "Background saving started");
    wait_until("the save to fail", secs(20), || node.info("rdb_last_bgsave_status") == "err");
    client.ok("SET k v");
    assert_eq!(client.cmd("PING").text(), "PONG");
    client.ok("CONFIG SET save \"3600 1\"");
    for line in ["SET k v", "PING"] {
        assert!(client.cmd(line).text().starts_with("MISCONF Redis is configured to save RDB snapshots"), "{line}");
    }
    assert_eq!(client.cmd("GET k").text(), "v");
    assert_eq!(client.cmd("PUBLISH a b").int(), 0, "that changes nothing that could be saved");
    client.ok("REPLICAOF 127.0.0.1 1");
    for line in ["SET k v", "PING"] {
        assert!(client.cmd(line).text().starts_with("MISCONF"), "a replica's {line}");
    }
    client.ok("REPLICAOF NO ONE");
    client.ok("CONFIG SET stop-writes-on-bgsave-error no");
    client.ok("SET k v");
    client.ok("CONFIG SET stop-writes-on-bgsave-error yes");
    drop(obstacle);
    client.ok("SAVE");
    client.ok("SET k v");
}
