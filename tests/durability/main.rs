//! What must not be lost: snapshots, replication, and acknowledged writes while nodes die and freeze.
//!
//! `DEBUG DIGEST` decides whenever two servers must hold the same data: slotd computes it as Redis does, so the digests
//! of different servers can be compared. The two loops at the end are the long ones; `KILL_ROUNDS` and `FREEZE_ROUNDS`
//! set their length (20).

mod clean_stop;
mod damaged_files;
mod empty_restart;
mod failover_command;
mod field_expiry;
mod flush;
mod freeze_loop;
mod full_disk;
mod full_disk_cluster;
mod full_sync;
mod functions;
mod kill_loop;
mod one_snapshot;
mod psync;
mod rdb;
mod reconnect;
mod reload;
mod replica_link;
mod resync_keeps_data;
mod role_changes;
mod stream_database;
mod wait_command;
mod writers;

use std::env;

use integration::client::Client;
use integration::node::Node;
use integration::oracle::Binary;
use integration::wait::{secs, wait_ok};

/// Both servers in both roles. (Stock with stock is what `SLOTD_BIN=redis-server` makes of these.)
const PAIRS: [(Binary, Binary); 3] =
    [(Binary::Stock, Binary::Slotd), (Binary::Slotd, Binary::Stock), (Binary::Slotd, Binary::Slotd)];

/// Keys of every kind: all string encodings, small and large lists, hashes and sets, expiries, binary names, several
/// databases.
fn fill_with_everything(client: &mut Client) {
    for line in [
        "SET int 12345",
        "SET negative -1",
        "SET big-int 9223372036854775807",
        "SET embstr short",
        "SET empty \"\"",
        "SET \"binary\\x00key\" \"\\x00\\xff\\r\\n\"",
        "SET \"\" empty-name",
        "SET expires later PX 10000000",
        "SET expires-far later PXAT 33177117420123",
        "RPUSH small a b c 1 2 -3 9223372036854775807 1.5",
        "EXPIRE small 10000",
        "SADD integers 1 -2 300 70000",
        "SADD wide-integers 1 9223372036854775807",
        "SADD few-members a b 1 \"\"",
        "HSET small-hash a 1 b text 300 -70000 \"\" \"\"",
        "EXPIRE small-hash 10000",
        "SELECT 3",
        "SET other-database yes",
        "RPUSH other-list x",
        "SELECT 0",
    ] {
        let reply = client.cmd(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
    client.call(&["SET", "compressible", &"abcabcab".repeat(4_000)]);
    client.call(&["SET", "one-byte-repeated", &"x".repeat(50_000)]);
    client.call(&["RPUSH", "plain-nodes", &"y".repeat(20_000), "between", &"z".repeat(30_000)]);
    client.call(&["HSET", "long-values", "f", &"v".repeat(100), "huge", &"w".repeat(5_000), &"g".repeat(3_000), "x"]);
    for i in 0..3_000 {
        client.call(&["HSET", "big-hash", &format!("field:{i}"), &format!("value {}", i * i)]);
    }
    for i in 0..500 {
        client.call(&["RPUSH", "long-list", &format!("an-element-of-a-longer-list-{i}")]);
        client.call(&["SADD", "large-set", &format!("member-{i}"), &i.to_string()]);
        client.call(&["SET", &format!("key:{i}"), &format!("value-{i}")]);
    }
}

/// Waits until two servers hold the same data.
#[track_caller]
fn wait_same_data(one: &Node, other: &Node) {
    wait_ok("both servers to hold the same data", secs(30), || {
        let (a, b) = (one.cmd("DEBUG DIGEST").text(), other.cmd("DEBUG DIGEST").text());
        assert_eq!(a.len(), 40, "DEBUG DIGEST: {a}");
        if a == b { Ok(()) } else { Err((one.port(), a, other.port(), b)) }
    });
}

/// Begins a full sync on a connection that has said `capa eof`, and takes the snapshot.
fn take_snapshot(replica: &mut Client) -> Vec<u8> {
    replica.send(&["PSYNC", "?", "-1"]).expect("sent");
    let mark = loop {
        let line = replica.line(secs(20));
        if let Some(mark) = line.strip_prefix("$EOF:") {
            break mark.to_owned();
        }
    };
    replica.read_until(mark.as_bytes(), secs(20))
}

/// Waits until a replica's link is up.
#[track_caller]
fn wait_link_up(replica: &Node) {
    wait_ok("the replica's link to be up", secs(30), || {
        let state = replica.info("master_link_status");
        if state == "up" { Ok(()) } else { Err(state) }
    });
}

/// The nodes.conf of a replica whose primary cannot be reached.
fn nodes_conf_of_a_replica() -> String {
    let (me, primary) = ("a".repeat(40), "b".repeat(40));
    format!(
        "{me} 127.0.0.1:1@10001 myself,slave {primary} 0 0 1 connected\n{primary} 127.0.0.1:2@10002 master - 0 0 1 connected 0-16383\nvars currentEpoch 1 lastVoteEpoch 0\n"
    )
}

/// Rounds of a loop: from the environment, or 20.
fn rounds(variable: &str) -> usize {
    env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(20)
}
