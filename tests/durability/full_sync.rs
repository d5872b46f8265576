//! The primary's side of a full resynchronisation: a slow replica delays no other work, costs a bounded amount of
//! memory, and is dropped in the end; a replica that wants no keys gets none; odd numbers in the handshake do no harm.

use std::fs;
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::proxy::Proxy;
use integration::redis_cli::redis_cli;
use integration::wait::{secs, wait_for, wait_ok, wait_until};

use crate::resync_keeps_data::fill;
use crate::{take_snapshot, wait_link_up, wait_same_data};

const SIZE: usize = 40_000_000;

/// A primary with much data. On stock Redis the file on disk decouples the replicas.
fn primary() -> NodeSpec {
    NodeSpec::new(Binary::Slotd)
        .with("repl-diskless-sync", "no")
        .with("repl-diskless-sync-delay", "0")
        .with("shutdown-timeout", "0")
}

fn filled(spec: NodeSpec) -> Node {
    let node = spec.start();
    fill(&mut node.client(), "a", SIZE, 0);
    node
}

/// A replica of the old kind, which needs the length first, or of the new kind, which takes a mark. It reads only when
/// the test does.
fn begin_sync(primary: &Node, marked: bool) -> Client {
    let mut client = primary.client();
    if marked {
        client.ok("REPLCONF capa eof capa psync2");
        client.send(&["PSYNC", "?", "-1"]).expect("sent");
    } else {
        client.send(&["SYNC"]).expect("sent");
    }
    wait_until("the sync to begin", secs(20), || primary.info("connected_slaves") == "1");
    client
}

/// Kilobytes of resident memory of the process, and those not backed by a file.
fn resident_kb(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a line of every status");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}

#[test]
fn a_slow_replica_holds_nobody_up() {
    let mut primary = filled(primary());
    let replica = || NodeSpec::new(Binary::Slotd).start();
    let (slow, fast) = (replica(), replica());
    let proxy = Proxy::start(primary.port());
    proxy.let_pass(100_000);
    assert!(slow.cmd(&format!("REPLICAOF 127.0.0.1 {}", proxy.port())).is_ok());
    wait_until("the slow one to stand still", secs(20), || proxy.is_holding());
    // Another replica.
    assert!(fast.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    wait_link_up(&fast);
    wait_same_data(&primary, &fast);
    assert_eq!(slow.info("master_sync_in_progress"), "1");
    // Writes, and their replication to the other replica.
    assert!(primary.cmd("SET more v").is_ok());
    wait_same_data(&primary, &fast);
    // Saving.
    assert!(primary.cmd("SAVE").is_ok());
    assert!(!primary.cmd("BGSAVE").is_error());
    wait_until("BGSAVE", secs(20), || primary.info("rdb_bgsave_in_progress") == "0");
    assert_eq!(primary.info("rdb_last_bgsave_status"), "ok");
    // The slow one gets everything in the end.
    proxy.open();
    wait_link_up(&slow);
    wait_same_data(&primary, &slow);
    // And the end of the node.
    proxy.cut();
    fill(&mut primary.client(), "a", 3_000_000, 1);
    proxy.accept();
    proxy.let_pass(100_000);
    wait_until("the slow one to stand still", secs(20), || proxy.is_holding());
    let started = Instant::now();
    primary.terminate();
    assert!(started.elapsed() < secs(5), "{:?}", started.elapsed());
}

/// Bytes that a replica has not taken are not in the primary's memory, and it gets every byte in the end.
#[test]
fn a_slow_replica_costs_a_window_of_memory() {
    for marked in [true, false] {
        let primary = filled(primary());
        // What one sync leaves in the allocator is not counted for the replica.
        let mut warm = begin_sync(&primary, marked);
        take(&mut warm, marked);
        drop(warm);
        wait_until("it to be gone", secs(10), || primary.info("connected_slaves") == "0");
        let before = resident_kb(&primary);
        let mut client = begin_sync(&primary, marked);
        // While the snapshot is being made, its size grows.
        let mut most = 0;
        let until = Instant::now() + secs(3);
        while Instant::now() < until {
            most = most.max(resident_kb(&primary));
            std::thread::sleep(Duration::from_millis(20));
        }
        let more = most.saturating_sub(before);
        assert!(more < 16 * 1024, "marked {marked}: {more} KB more, of {} of data", SIZE / 1024);
        let snapshot = take(&mut client, marked);
        assert!(snapshot.len() > SIZE, "{}", snapshot.len());
        assert_eq!(keys_in(&primary, &snapshot), SIZE / crate::resync_keeps_data::VALUE);
    }
}

/// The next line that is not empty: empty ones keep the link alive.
fn said(client: &mut Client) -> String {
    wait_for("a line", secs(20), || Some(client.line(secs(20))).filter(|line| !line.is_empty()))
}

/// Reads a snapshot to its end.
fn take(client: &mut Client, marked: bool) -> Vec<u8> {
    if marked {
        let line = said(client);
        assert!(line.starts_with("+FULLRESYNC "), "{line}");
    }
    let line = said(client);
    match line.strip_prefix("$EOF:") {
        Some(mark) => client.read_until(mark.as_bytes(), secs(20)),
        None => {
            let length = line.strip_prefix('$').and_then(|n| n.parse().ok()).expect("a length");
            client.read_exactly(length, secs(20))
        }
    }
}

/// The keys that `redis-check-rdb` finds in a snapshot.
fn keys_in(node: &Node, snapshot: &[u8]) -> usize {
    let path = node.dir().join("received.rdb");
    fs::write(&path, snapshot).expect("the node's directory is writable");
    check_rdb(&path)
}

fn check_rdb(path: &std::path::Path) -> usize {
    let output = std::process::Command::new("redis-check-rdb").arg(path).output().expect("redis-check-rdb runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("RDB looks OK"), "{text}");
    let line = text.lines().find(|line| line.contains(" keys read")).expect("it counts them");
    line.split_whitespace().find_map(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_replica_that_stands_still_is_dropped_after_the_timeout() {
    let primary = filled(primary().with("repl-diskless-sync", "yes").with("repl-timeout", "2"));
    let _silent = begin_sync(&primary, true);
    wait_until("it to be dropped", secs(20), || primary.info("connected_slaves") == "0");
    wait_until("the log to say so", secs(5), || primary.log().contains("Disconnecting timedout replica (full sync): "));
}

/// Writes during the transfer are kept for the replica, but not without bound.
#[test]
fn a_replica_that_falls_behind_during_its_sync_is_dropped_by_its_output_limit() {
    let primary = filled(primary().with("client-output-buffer-limit", "replica 2mb 0 0"));
    let _silent = begin_sync(&primary, true);
    fill(&mut primary.client(), "b", 1_000_000, 0);
    assert_eq!(primary.info("connected_slaves"), "1");
    fill(&mut primary.client(), "b", 4_000_000, 0);
    wait_until("it to be dropped", secs(20), || primary.info("connected_slaves") == "0");
}

/// `redis-cli --functions-rdb`: no keys were requested.
#[test]
fn a_replica_that_wants_functions_gets_no_keys() {
    let node = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    fill(&mut node.client(), "a", 100_000, 0);
    for (option, keys) in [("--functions-rdb", 0), ("--rdb", 50)] {
        let path = node.dir().join("received.rdb");
        let port = node.port().to_string();
        redis_cli(&["-p", &port, option, path.to_str().expect("a path of letters")]).expect_success();
        assert_eq!(check_rdb(&path), keys, "{option}");
    }
    for (filter, capable) in [("functions", true), ("", true), ("functions", false)] {
        let mut client = node.client();
        assert!(client.call(&["REPLCONF", "rdb-only", "1", "rdb-filter-only", filter]).is_ok());
        if capable {
            client.ok("REPLCONF capa eof");
            client.send(&["PSYNC", "?", "-1"]).expect("sent");
            assert_eq!(keys_in(&node, &take(&mut client, true)), 0, "{filter:?}");
        } else {
            assert_eq!(client.cmd("SYNC").text(), "ERR Filtered replica requires EOF capability");
        }
    }
}

/// A replica's handshake with invalid numbers gets the replies of stock Redis, and does no harm.
#[test]
fn odd_words_of_a_replica_are_answered_as_by_redis() {
    let server = |binary| NodeSpec::new(binary).with("repl-diskless-sync-delay", "0").start();
    let (ours, stock) = (server(Binary::Slotd), server(Binary::Stock));
    let mut words = vec!["REPLCONF", "REPLCONF capa", "REPLCONF bogus 1", "REPLCONF rdb-only 2", "REPLCONF rdb-only x"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let numbers = ["-1", "0", "65536", "70000", "2147483647", "9223372036854775807", "-9223372036854775808"];
    for number in numbers.into_iter().chain(["9223372036854775808", "1.5", "x", "\"\""]) {
        words.push(format!("REPLCONF listening-port {number}"));
        words.push(format!("PSYNC {} {number} extra", "a".repeat(40)));
        words.push(format!("REPLCONF capa eof listening-port {number}"));
    }
    for filter in ["functions", "\"\"", "\"functions functions\"", "data", "\"functions data\"", "\"\\\"open\""] {
        words.push(format!("REPLCONF rdb-filter-only {filter}"));
    }
    for line in words {
        let reply = |node: &Node| {
            let mut client = node.client();
            client.send(&integration::resp::split_line(&line)).expect("sent");
            said(&mut client)
        };
        let (mine, theirs) = (reply(&ours), reply(&stock));
        let same = |text: &str| text.split(' ').next() == Some("+FULLRESYNC");
        assert!(mine == theirs || (same(&mine) && same(&theirs)), "{line}: {mine}, stock {theirs}");
    }
}

/// What a replica announces is shown, and its acknowledgements may be any number.
#[test]
fn odd_numbers_of_a_replica_are_survived() {
    let node = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    node.cmd("SET k v");
    let mut client = node.client();
    client.ok("REPLCONF listening-port 70000 capa eof capa psync2");
    client.send(&["PSYNC", "?", "-1"]).expect("sent");
    take(&mut client, true);
    for number in ["0", "-1", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "x"] {
        client.send(&["REPLCONF", "ACK", number]).expect("sent");
    }
    wait_ok("the replica to be shown", secs(10), || {
        client.send(&["REPLCONF", "ACK", "9223372036854775807"]).expect("sent");
        let replication = node.cmd("INFO replication").text();
        let line = "slave0:ip=127.0.0.1,port=70000,state=online,offset=9223372036854775807,";
        if replication.contains(line) { Ok(()) } else { Err(replication) }
    });
    assert_eq!(node.cmd("ROLE").items()[2].items()[0].items()[1].text(), "70000");
    let mut writer = node.client();
    writer.ok("SET after v");
    assert_eq!(writer.cmd("WAIT 1 1000").int(), 1);
    if !slotd_is_stock() {
        assert!(node.cmd("FAILOVER").is_ok());
        assert!(node.cmd("FAILOVER ABORT").is_ok());
    }
    assert_eq!(node.cmd("PING").text(), "PONG");
}

/// A server whose data directory can be removed.
fn with_directory(spec: NodeSpec) -> (Node, std::path::PathBuf) {
    let mut node = spec.prepare();
    let directory = node.dir().join("data");
    fs::create_dir(&directory).expect("the node's directory is writable");
    node.set_directive("dir", directory.to_str().expect("a path of letters"));
    node.restart();
    (node, directory)
}

/// Without a file the slowest replica sets the pace, in bounded memory, and other saves are not prevented.
#[test]
fn without_a_disk_a_slow_replica_still_costs_a_window_of_memory() {
    if slotd_is_stock() {
        return; // It forks.
    }
    let (primary, directory) = with_directory(primary());
    fill(&mut primary.client(), "a", SIZE, 0);
    fs::remove_dir_all(&directory).expect("it is there");
    take(&mut begin_sync(&primary, true), true);
    wait_until("it to be gone", secs(10), || primary.info("connected_slaves") == "0");
    let before = resident_kb(&primary);
    let mut slow = begin_sync(&primary, true);
    std::thread::sleep(secs(2));
    let more = resident_kb(&primary).saturating_sub(before);
    assert!(more < 16 * 1024, "{more} KB more");
    assert_eq!(primary.cmd("GET {a}:1").text().len(), crate::resync_keeps_data::VALUE);
    let snapshot = take(&mut slow, true);
    let path = primary.dir().join("received.rdb");
    fs::write(&path, snapshot).expect("the node's directory is writable");
    assert_eq!(check_rdb(&path), SIZE / crate::resync_keeps_data::VALUE);
    drop(slow);
    // A replica that needs the length first is told that it cannot be served.
    wait_until("it to be gone", secs(10), || primary.info("connected_slaves") == "0");
    let mut old = primary.client();
    old.send(&["SYNC"]).expect("sent");
    old.expect_close(secs(20));
    // And the end of the node does not wait for a replica that hangs.
    let _silent = begin_sync(&primary, true);
    let mut primary = primary;
    let started = Instant::now();
    primary.terminate();
    assert!(started.elapsed() < secs(5), "{:?}", started.elapsed());
}

/// It has no room for the new data, reports that, and keeps the old data.
#[test]
fn a_replica_that_cannot_keep_a_snapshot_keeps_its_data() {
    let primary = filled(primary());
    let (replica, directory) = with_directory(NodeSpec::new(Binary::Slotd));
    assert!(replica.cmd("SET old v").is_ok());
    fs::remove_dir_all(&directory).expect("it is there");
    assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    wait_until("the log to say so", secs(30), || {
        replica.log().contains("Opening the temp file needed for MASTER <-> REPLICA synchronization: ")
    });
    assert_eq!(replica.cmd("GET old").text(), "v");
    assert!(replica.cmd("REPLICAOF NO ONE").is_ok());
    assert_eq!(replica.cmd("GET old").text(), "v");
}

/// The snapshot that a replica gets that says this of itself.
fn snapshot_for(primary: &Node, says: &[&str]) -> Vec<u8> {
    let mut replica = primary.client();
    says.iter().for_each(|line| replica.ok(line));
    take_snapshot(&mut replica)
}

#[test]
fn a_full_sync_has_the_forms_of_redis_7_2_if_all_who_get_it_know_them() {
    if slotd_is_stock() {
        return;
    }
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    let mut client = primary.client();
    client.ok("MULTI");
    for line in ["SADD s b a 1", "XGROUP CREATE x g $ MKSTREAM", "XGROUP CREATECONSUMER x g c"] {
        client.cmd(line);
    }
    client.cmd("EXEC");
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let listpack = b"\x14\x01s\x0f\x0f\0\0\0\x03\0\x81b\x02\x81a\x02\x01\x01\xff";
    for version in ["7.2.0", "8.0.6", "9.1.2", "10.0.0"] {
        let bytes = snapshot_for(&primary, &["REPLCONF capa eof capa psync2", &format!("REPLCONF version {version}")]);
        assert!(has(&bytes, b"REDIS0011") && has(&bytes, listpack), "{version}: {}", bytes.escape_ascii());
        assert!(has(&bytes, b"\x15\x01x"), "{version}: {}", bytes.escape_ascii());
    }
    for version in ["7.0.15", "6.2", "7", "x", ""] {
        let words: &[&str] = &["REPLCONF capa eof capa psync2", &format!("REPLCONF version \"{version}\"")];
        let bytes = snapshot_for(&primary, if version.is_empty() { &words[..1] } else { words });
        assert!(has(&bytes, b"REDIS0010") && has(&bytes, b"\x02\x01s\x03\x01b\x01a\xc0\x01"), "{version}");
        assert!(has(&bytes, b"\x13\x01x"), "{version}: {}", bytes.escape_ascii());
    }
}

/// A replica of version 7.2 tells a consumer that has never got anything from others; stock 7.0.15 gets what it can
/// read.
#[test]
fn replicas_of_every_version_get_small_sets_and_consumers() {
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    let mut client = primary.client();
    client.cmd("SADD s b a 1");
    client.ok("XGROUP CREATE x g $ MKSTREAM");
    client.cmd("XGROUP CREATECONSUMER x g c");
    for binary in [Binary::Slotd, Binary::Stock] {
        let replica = NodeSpec::new(binary).start();
        replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
        let (reply, encoding) = (replica.cmd("XINFO CONSUMERS x g"), replica.cmd("OBJECT ENCODING s").text());
        if binary.is_stock() {
            assert_eq!(encoding, "hashtable");
        } else {
            assert_eq!((encoding.as_str(), reply.items()[0].items()[7].int()), ("listpack", -1));
        }
    }
}
