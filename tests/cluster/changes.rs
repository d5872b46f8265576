//! Changes of keys that only a cluster can cause, against all parties that must learn of them: the slot is lost to
//! another node, or CLUSTER RESET wipes a replica. The notifications are compared with Redis's.
//!
//! Causes on a single node are in `tests/compat/changes/mod.rs`; watches of a lost key are in `watch.rs`, cached keys
//! in `tracking.rs`.

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::Binary;
use integration::resp::{Value, key_slot};
use integration::wait::{secs, wait_until};

const KEY: &str = "foo";
const ABSENT: &str = "{foo}absent";

struct Scene {
    cluster: Cluster,
    owner: usize,
    replica: usize,
}

impl Scene {
    /// A cluster whose nodes are all of this binary, with a string and a list in one slot.
    fn new(binary: Binary) -> Self {
        let spec = (0..6).fold(ClusterSpec::new(3, 1), |spec, index| spec.binary(index, binary));
        let cluster = spec.with("notify-keyspace-events", "KEA").create();
        let mut client = cluster.client();
        client.call(&["SET", KEY, "v"]);
        client.call(&["RPUSH", "{foo}list", "a"]);
        let owner = cluster.owner_of(key_slot(KEY.as_bytes()));
        let replica = cluster.replicas_of(owner)[0];
        wait_until("the replica to have the keys", secs(20), || cluster.nodes[replica].cmd("DBSIZE").int() == 2);
        Self { cluster, owner, replica }
    }

    fn listener(&self, node: usize) -> Client {
        let mut client = self.cluster.connect(node);
        assert!(!client.cmd("HELLO 3").is_error());
        client.cmd("PSUBSCRIBE __key*");
        client
    }

    fn changes(&self, node: usize) -> String {
        self.cluster.nodes[node].info("rdb_changes_since_last_save")
    }
}

/// The messages of a subscriber, in any order: the keys of a slot have none.
fn heard(client: &mut Client) -> Vec<String> {
    client.send(&["ECHO", "mark"]).expect("sent");
    let mut messages = Vec::new();
    loop {
        match client.reply(secs(10)).expect("a reply") {
            Value::Bulk(mark) if mark == b"mark" => break,
            push => messages.push(push.items().iter().map(Value::text).collect::<Vec<_>>().join(" ")),
        }
    }
    messages.sort();
    messages
}

fn when_the_slot_is_lost(binary: Binary) -> Vec<String> {
    let scene = Scene::new(binary);
    let Scene { cluster, owner, replica } = &scene;
    let slot = key_slot(KEY.as_bytes());
    let thief = (owner + 1) % 3;
    let mut listener = scene.listener(*owner);
    let mut waiter = cluster.connect(*owner);
    waiter.send(&["BLPOP", ABSENT, "0"]).expect("sent");
    wait_until("the client to wait", secs(10), || cluster.nodes[*owner].info("blocked_clients") == "1");
    let before = scene.changes(*owner);
    let id = cluster.id(thief);
    assert!(cluster.nodes[thief].cmd(&format!("CLUSTER SETSLOT {slot} NODE {id}")).is_ok());
    assert!(!cluster.nodes[thief].cmd("CLUSTER BUMPEPOCH").is_error());
    wait_until("the keys to go", secs(20), || cluster.nodes[*owner].cmd("DBSIZE").int() == 0);
    // Stock 7.0.15 may delay the propagation of the deletions for long.
    if !binary.is_stock() {
        wait_until("the keys to go", secs(20), || cluster.nodes[*replica].cmd("DBSIZE").int() == 0);
    }
    let reply = waiter.reply(secs(20)).expect("a reply").text();
    let moved = format!("MOVED {slot} {}", cluster.nodes[thief].addr());
    vec![
        format!("events: {:?}", heard(&mut listener)),
        format!("blocked: {}", if reply == moved { "MOVED".to_owned() } else { reply }),
        format!("changes: {before} and then {}", scene.changes(*owner)),
    ]
}

fn when_a_replica_is_reset(binary: Binary) -> Vec<String> {
    let scene = Scene::new(binary);
    let mut listener = scene.listener(scene.replica);
    let before = scene.changes(scene.replica);
    assert!(scene.cluster.nodes[scene.replica].cmd("CLUSTER RESET").is_ok());
    vec![
        format!("events: {:?}", heard(&mut listener)),
        format!("keys: {:?}", scene.cluster.nodes[scene.replica].cmd("DBSIZE").int()),
        format!("changes: {before} and then {}", scene.changes(scene.replica)),
        format!("the primary: {:?}", scene.cluster.nodes[scene.owner].cmd("DBSIZE").int()),
    ]
}

#[test]
fn who_must_learn_of_a_lost_slot_learns_of_it_as_with_redis() {
    assert_eq!(when_the_slot_is_lost(Binary::Slotd), when_the_slot_is_lost(Binary::Stock));
}

#[test]
fn who_must_learn_of_a_reset_learns_of_it_as_with_redis() {
    assert_eq!(when_a_replica_is_reset(Binary::Slotd), when_a_replica_is_reset(Binary::Stock));
}
