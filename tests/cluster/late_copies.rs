//! A copy that MIGRATE sent and gave up on arrives late: it does not overwrite what clients have written since.
//!
//! The target may read the connection of a MIGRATE that timed out after that of the next one, which succeeded. In Redis
//! one thread reads both in turn; here any thread may be the first.

use integration::client::Client;
use integration::cluster::ClusterSpec;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::{self, Value, key_slot};
use integration::wait::{secs, wait_until};

/// A node whose SAVE takes about half a second, and the payload of a string.
fn slow_saver() -> (Node, Vec<u8>) {
    let node = NodeSpec::new(Binary::Slotd).with("rdb-key-save-delay", "100000").start();
    for n in 0..5 {
        assert!(node.cmd(&format!("SET other:{n} v")).is_ok());
    }
    let old = payload(&node, "old");
    (node, old)
}

fn payload(node: &Node, text: &str) -> Vec<u8> {
    node.cmd(&format!("SET source {text}"));
    let Value::Bulk(payload) = node.cmd("DUMP source") else { panic!("DUMP replies with a string") };
    payload
}

/// Sends a copy of `k` behind a SAVE.
fn send_late_copy(node: &Node, payload: &[u8]) -> Client {
    let mut sender = node.client();
    let mut bytes = resp::encode(&["SAVE"]);
    bytes.extend(resp::encode(&[b"RESTORE-ASKING".as_slice(), b"k", b"0", payload, b"REPLACE"]));
    sender.send_raw(&bytes).expect("sent");
    sender
}

#[test]
fn a_copy_whose_sender_has_left_is_dropped() {
    let (node, old) = slow_saver();
    let sender = send_late_copy(&node, &old);
    wait_until("the sender to be there", secs(20), || node.cmd("CLIENT LIST").text().contains("cmd=save"));
    node.client().ok("SET k new");
    drop(sender);
    wait_until("the sender to be gone", secs(20), || !node.cmd("CLIENT LIST").text().contains("cmd=save"));
    assert_eq!(node.cmd("GET k").text(), "new");
}

#[test]
fn a_copy_whose_sender_waits_is_taken() {
    let (node, old) = slow_saver();
    let mut sender = send_late_copy(&node, &old);
    for _ in 0..2 {
        assert!(sender.reply(secs(20)).is_ok_and(|reply| reply.is_ok()));
    }
    assert_eq!(node.cmd("GET k").text(), "old");
    // Each on its own, and as a part of a transaction.
    for _ in 0..3 {
        assert!(sender.call(&[b"RESTORE-ASKING".as_slice(), b"k", b"0", &old, b"REPLACE"]).is_ok());
    }
    sender.ok("MULTI");
    sender.call(&[b"RESTORE-ASKING".as_slice(), b"k", b"0", &old, b"REPLACE"]);
    assert!(sender.call(&["EXEC"]).items()[0].is_ok());
}

/// A target that is frozen while the first MIGRATE times out finds both connections when it goes on.
#[test]
fn a_write_at_the_target_outlives_a_migrate_that_gave_up() {
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(20_000).create();
    let (slot, from) = (key_slot(b"{k}"), cluster.owner_of(key_slot(b"{k}")));
    let to = (from + 1) % 3;
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    // So many that the target's threads share them.
    let mut clients: Vec<Client> = (0..20).map(|_| target.client()).collect();
    clients.iter_mut().for_each(|client| assert!(!client.call(&["PING"]).is_error()));
    let port = target.port().to_string();
    let migrate = |key: &str, timeout: &str| {
        let words = ["MIGRATE", "127.0.0.1", &port, key, "0", timeout, "REPLACE"];
        cluster.connect(from).call(&words)
    };
    assert!(target.cmd(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", cluster.id(from))).is_ok());
    assert!(source.cmd(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", cluster.id(to))).is_ok());
    for round in 0..10 {
        let keys: Vec<String> = (0..8).map(|n| format!("{{k}}{round}:{n}")).collect();
        for key in &keys {
            assert!(source.cmd(&format!("CLUSTER SETSLOT {slot} STABLE")).is_ok());
            assert!(cluster.connect(from).call(&["SET", key, "old"]).is_ok());
            assert!(source.cmd(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", cluster.id(to))).is_ok());
        }
        target.freeze();
        for key in &keys {
            assert!(migrate(key, "20").text().starts_with("IOERR"), "the target is frozen");
        }
        target.thaw();
        for (key, client) in keys.iter().zip(&mut clients) {
            assert!(migrate(key, "5000").is_ok());
            client.ok("ASKING");
            assert!(client.call(&["SET", key, "new"]).is_ok());
        }
        for (key, client) in keys.iter().zip(&mut clients) {
            client.ok("ASKING");
            assert_eq!(client.call(&["GET", key]).text(), "new", "{key}");
        }
    }
}
