//! Client-side caching in a cluster: when a node no longer serves a key, or gets it from elsewhere, the clients that
//! read it there are notified.
//!
//! What can happen to a key on a single node is in `tests/compat/tracking/mod.rs`.

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::key_slot;
use integration::wait::{secs, wait_until};

const KEY: &str = "foo";
const EVERYTHING: &str = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

/// A client that tracks and has read these keys, on a primary or on a replica.
#[track_caller]
fn reader(mut client: Client, keys: &[&str]) -> Client {
    assert!(!client.cmd("HELLO 3").is_error());
    for line in ["READONLY", "CLIENT TRACKING ON"] {
        client.ok(line);
    }
    for key in keys {
        let reply = client.cmd(&format!("GET {key}"));
        assert!(!reply.is_error(), "{reply:?}");
    }
    client
}

/// The next notification of a client.
#[track_caller]
fn told(client: &mut Client) -> String {
    String::from_utf8_lossy(&client.frame(secs(20)).expect("it is told")).into_owned()
}

fn invalid(key: &str) -> String {
    format!(">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n", key.len())
}

/// A cluster with a key, and the primary and the replica that have it.
fn cluster_with_key() -> (Cluster, usize, usize) {
    let cluster = ClusterSpec::new(3, 1).create();
    cluster.client().call(&["SET", KEY, "v"]);
    let owner = cluster.owner_of(key_slot(KEY.as_bytes()));
    let replica = cluster.replicas_of(owner)[0];
    wait_until("the replica to have the key", secs(20), || cluster.nodes[replica].cmd("DBSIZE").int() == 1);
    (cluster, owner, replica)
}

#[test]
fn readers_of_a_replica_hear_of_what_its_primary_and_other_shards_change() {
    let (cluster, owner, replica) = cluster_with_key();
    let mut on_replica = reader(cluster.connect(replica), &[KEY]);
    let mut all_of_it = cluster.connect(replica);
    assert!(!all_of_it.cmd("HELLO 3").is_error());
    all_of_it.ok("CLIENT TRACKING ON BCAST");
    cluster.client().call(&["SET", KEY, "w"]);
    assert_eq!([told(&mut on_replica), told(&mut all_of_it)], [invalid(KEY), invalid(KEY)]);

    // The whole data set of another primary replaces this one.
    let mut on_replica = reader(cluster.connect(replica), &[KEY]);
    let other = cluster.id((owner + 1) % 3);
    assert!(cluster.nodes[replica].cmd(&format!("CLUSTER REPLICATE {other}")).is_ok());
    let mut heard = Vec::new();
    while heard.last().is_none_or(|message| message != EVERYTHING) {
        heard.push(told(&mut on_replica));
    }
}

/// Redis deletes the keys without notifying clients, and keys that a client knows to be absent could not be invalidated
/// that way.
#[test]
fn what_was_read_in_a_slot_that_another_node_takes_is_invalid() {
    if slotd_is_stock() {
        return;
    }
    let (cluster, owner, replica) = cluster_with_key();
    let absent = format!("{{{KEY}}}absent");
    let slot = key_slot(KEY.as_bytes());
    let thief = (owner + 1) % 3;
    let keys = [KEY, &absent];
    let mut readers = [owner, replica].map(|node| reader(cluster.connect(node), &keys));
    let id = cluster.id(thief);
    assert!(cluster.nodes[thief].cmd(&format!("CLUSTER SETSLOT {slot} NODE {id}")).is_ok());
    assert!(!cluster.nodes[thief].cmd("CLUSTER BUMPEPOCH").is_error());
    let mut expected = keys.map(invalid);
    expected.sort();
    for client in &mut readers {
        let mut heard = keys.map(|_| told(client));
        heard.sort();
        assert_eq!(heard, expected);
    }
}

#[test]
fn a_reset_tells_readers_of_a_replica_to_forget_everything() {
    let (cluster, _, replica) = cluster_with_key();
    let mut on_replica = reader(cluster.connect(replica), &[KEY]);
    assert!(cluster.nodes[replica].cmd("CLUSTER RESET").is_ok());
    assert_eq!(told(&mut on_replica), EVERYTHING);
}

/// Only keys known to be absent can be cached there, since the command requires an empty node.
#[test]
fn what_was_read_in_slots_that_are_given_up_is_invalid() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::cluster(Binary::Slotd, 2000).start();
    for line in ["CLUSTER FLUSHSLOTS", "CLUSTER DELSLOTSRANGE 0 16383", "CLUSTER RESET"] {
        assert!(node.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
        wait_until("the node to serve", secs(10), || !node.cmd("GET none").is_error());
        let mut client = reader(node.client(), &["none"]);
        assert!(node.cmd(line).is_ok(), "{line}");
        assert_eq!(told(&mut client), invalid("none"), "{line}");
    }
}
