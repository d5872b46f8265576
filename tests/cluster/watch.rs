//! WATCH in a cluster: when a key leaves a node, for whatever reason, EXEC there must not run as if the key were still
//! as it was watched.
//!
//! Causes on a single node are in `tests/compat/changes`.

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::{Value, key_slot};
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

const KEY: &str = "foo";

/// A client that watches a key and has begun a transaction which needs no slot at all.
#[track_caller]
fn watching(mut client: Client, key: &str) -> Client {
    client.ok("READONLY");
    client.ok(&format!("WATCH {key}"));
    client.ok("MULTI");
    client.cmd("PING");
    client
}

/// A cluster, the node that has the key, its replica, and a client that watches the key there.
#[track_caller]
fn watched_on_a_replica() -> (Cluster, usize, usize, Client) {
    let cluster = ClusterSpec::new(3, 1).create();
    cluster.client().call(&["SET", KEY, "v"]);
    let owner = cluster.owner_of(key_slot(KEY.as_bytes()));
    let replica = cluster.replicas_of(owner)[0];
    wait_until("the replica to have the key", secs(20), || cluster.nodes[replica].cmd("DBSIZE").int() == 1);
    let watcher = watching(cluster.connect(replica), KEY);
    (cluster, owner, replica, watcher)
}

#[test]
fn exec_aborts_when_a_reset_takes_the_watched_key() {
    let (cluster, _, replica, mut watcher) = watched_on_a_replica();
    assert!(cluster.nodes[replica].cmd("CLUSTER RESET").is_ok());
    assert_eq!(cluster.nodes[replica].cmd("DBSIZE").int(), 0, "the data are gone before the answer");
    assert_eq!(watcher.cmd("EXEC"), Value::Null);
}

/// A client that is notified of a reset may give the node slots and data at once: the reset must not remove those.
#[test]
fn what_is_written_after_a_reset_stays() {
    let cluster = ClusterSpec::new(3, 1).create();
    let replica = cluster.replicas_of(0)[0];
    let mut client = cluster.connect(replica);
    for line in ["CLUSTER RESET", "CLUSTER ADDSLOTSRANGE 0 16383"] {
        client.ok(line);
    }
    wait_until("the node to serve", secs(20), || client.cmd("SET foo v").is_ok());
    std::thread::sleep(secs(1));
    assert_eq!(client.cmd("GET foo").text(), "v");
}

#[test]
fn exec_aborts_when_another_node_takes_the_slot_of_the_watched_key() {
    let cluster = ClusterSpec::new(3, 1).create();
    cluster.client().call(&["SET", KEY, "v"]);
    let slot = key_slot(KEY.as_bytes());
    let owner = cluster.owner_of(slot);
    let (thief, replica) = ((owner + 1) % 3, cluster.replicas_of(owner)[0]);
    wait_until("the replica to have the key", secs(20), || cluster.nodes[replica].cmd("DBSIZE").int() == 1);
    let absent = format!("{{{KEY}}}absent");
    let mut watchers = [(owner, KEY), (replica, KEY), (owner, &absent), (replica, &absent)]
        .map(|(node, key)| watching(cluster.connect(node), key));
    let id = cluster.id(thief);
    assert!(cluster.nodes[thief].cmd(&format!("CLUSTER SETSLOT {slot} NODE {id}")).is_ok());
    assert!(!cluster.nodes[thief].cmd("CLUSTER BUMPEPOCH").is_error());
    let moved = format!("MOVED {slot}");
    for node in [owner, replica] {
        wait_until("the slot to be seen as lost", secs(20), || {
            cluster.nodes[node].cmd(&format!("GET {KEY}")).text() == format!("{moved} {}", cluster.nodes[thief].addr())
        });
    }
    if slotd_is_stock() {
        // A stock replica learns of it through its primary's DEL; a key that did not exist causes no notification.
        wait_until("the key to be deleted", secs(20), || cluster.nodes[replica].cmd("DBSIZE").int() == 0);
    }
    let replies = watchers.each_mut().map(|client| client.cmd("EXEC"));
    assert_eq!(replies[..2], [Value::Null, Value::Null], "the key was taken");
    if !slotd_is_stock() {
        assert_eq!(replies[2..], [Value::Null, Value::Null], "nobody here would notice if it were set");
    }
}

#[test]
fn exec_aborts_when_a_replica_gets_the_data_of_another_primary() {
    let (cluster, owner, replica, mut watcher) = watched_on_a_replica();
    let other = cluster.id((owner + 1) % 3);
    assert!(cluster.nodes[replica].cmd(&format!("CLUSTER REPLICATE {other}")).is_ok());
    cluster.wait_stable();
    assert_eq!(watcher.cmd("EXEC"), Value::Null);
}

/// The key still exists unchanged: there is no reason to abort.
#[test]
fn exec_runs_after_a_failover_that_keeps_the_watched_key() {
    let (cluster, _, replica, mut watcher) = watched_on_a_replica();
    assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    assert_eq!(watcher.cmd("EXEC").items().len(), 1);
}
