//! `redis-cli --cluster fix`: slots left open by an interrupted reshard, and slots without an owner.

use integration::cluster::{Cluster, ClusterSpec};
use integration::resp::key_slot;
use integration::wait::{secs, wait_until};

/// Both sides hold keys: redis-cli gives the slot to the side that holds more.
#[test]
fn an_open_slot_is_finished() {
    let cluster = ClusterSpec::new(3, 0).create();
    for (tag, moved) in [("few", 20), ("many", 30)] {
        let mut client = cluster.client();
        for i in 0..50 {
            client.call(&["SET", &format!("{{{tag}}}:{i}"), "v"]);
        }
        let slot = key_slot(tag.as_bytes());
        let from = cluster.owner_of(slot);
        let to = (from + 1) % 3;
        open_half_way(&cluster, slot, (from, to), moved);
        let check = cluster.check();
        assert_ne!(check.code, 0);
        check.expect("[WARNING] The following slots are open:");
        cluster.cli(&["fix", &cluster.nodes[0].addr()]).expect_success();
        cluster.wait_stable();
        cluster.check().expect_success();
        let (winner, loser) = if moved > 25 { (to, from) } else { (from, to) };
        assert_eq!(cluster.owner_of(slot), winner);
        assert_eq!(cluster.nodes[loser].cmd(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).int(), 0);
        let mut client = cluster.client();
        for i in 0..50 {
            assert_eq!(client.call(&["GET", &format!("{{{tag}}}:{i}")]).text(), "v");
        }
    }
}

/// Opens a slot on both sides and moves so many keys, like an interrupted reshard.
fn open_half_way(cluster: &Cluster, slot: u16, (from, to): (usize, usize), moved: usize) {
    let (from_id, to_id) = (cluster.id(from), cluster.id(to));
    assert!(cluster.nodes[to].cmd(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).is_ok());
    assert!(cluster.nodes[from].cmd(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).is_ok());
    let port = cluster.nodes[to].port();
    let keys = cluster.nodes[from].cmd(&format!("CLUSTER GETKEYSINSLOT {slot} {moved}"));
    assert_eq!(keys.items().len(), moved);
    for key in keys.items() {
        assert!(cluster.nodes[from].cmd(&format!("MIGRATE 127.0.0.1 {port} {} 0 5000", key.text())).is_ok());
    }
}

#[test]
fn a_slot_that_only_one_side_opened_is_closed() {
    let cluster = ClusterSpec::new(3, 0).create();
    let slot = 200;
    let from = cluster.owner_of(slot);
    let to = (from + 1) % 3;
    assert!(cluster.nodes[from].cmd(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", cluster.id(to))).is_ok());
    cluster.cli(&["fix", &cluster.nodes[0].addr()]).expect_success();
    assert!(cluster.nodes[to].cmd(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", cluster.id(from))).is_ok());
    cluster.cli(&["fix", &cluster.nodes[0].addr()]).expect_success();
    cluster.wait_stable();
    cluster.check().expect_success();
    assert!((0..3).all(|i| cluster.myself(i).open_slots.is_empty()));
}

#[test]
fn uncovered_slots_get_an_owner() {
    let cluster = ClusterSpec::new(3, 0).create();
    for node in &cluster.nodes {
        node.cmd("CLUSTER DELSLOTS 300 301 302");
    }
    wait_until("the hole to be seen", secs(10), || {
        cluster.live().all(|n| n.cmd("CLUSTER INFO").text().contains("cluster_state:fail"))
    });
    let check = cluster.check();
    assert_ne!(check.code, 0);
    check.expect("[ERR] Not all 16384 slots are covered by nodes.");
    cluster.cli(&["fix", &cluster.nodes[0].addr()]).expect_success();
    cluster.wait_stable();
    cluster.check().expect_success().expect("[OK] All 16384 slots covered.");
}

/// `cluster-allow-replica-migration`: a primary that has lost its replicas gets one from a shard that has two.
#[test]
fn an_orphaned_primary_gets_a_spare_replica() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let spare = cluster.add_empty_node(integration::oracle::Binary::Slotd);
    let (addr, seed, primary) = (cluster.nodes[spare].addr(), cluster.nodes[0].addr(), cluster.id(0));
    cluster.cli(&["add-node", &addr, &seed, "--cluster-slave", "--cluster-master-id", &primary]).expect_success();
    cluster.wait_stable();
    assert_eq!(cluster.replicas_of(0).len(), 2);
    let lonely = cluster.replicas_of(1)[0];
    cluster.nodes[lonely].kill();
    wait_until("a replica to migrate", secs(60), || cluster.replicas_of(1).len() == 1);
    assert_eq!(cluster.replicas_of(0).len(), 1);
    cluster.wait_stable();
}

/// Redis deletes them as soon as it hears of the new owner, whatever `redis-cli` was about to do with them.
#[test]
fn keys_of_a_slot_that_was_claimed_while_it_was_open_stay_until_somebody_decides() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let mut client = cluster.client();
    let open: Vec<(u16, usize, usize)> = ["removed", "moved"]
        .into_iter()
        .map(|key| {
            client.call(&["SET", key, "v"]);
            let slot = key_slot(key.as_bytes());
            let from = cluster.owner_of(slot);
            let to = (from + 1) % 3;
            open_half_way(&cluster, slot, (from, to), 0);
            assert!(cluster.nodes[to].cmd(&format!("CLUSTER SETSLOT {slot} NODE {}", cluster.id(to))).is_ok());
            (slot, from, to)
        })
        .collect();
    cluster.wait_stable();
    let count = |cluster: &Cluster, (slot, from, _): (u16, usize, usize)| {
        cluster.nodes[from].cmd(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).int()
    };
    for (key, &(slot, from, to)) in ["removed", "moved"].iter().zip(&open) {
        assert!(cluster.nodes[from].cmd(&format!("GET {key}")).text().starts_with(&format!("MOVED {slot} ")));
        assert!(cluster.nodes[to].cmd(&format!("GET {key}")).text().is_empty(), "the new owner has nothing yet");
        assert_eq!(count(&cluster, (slot, from, to)), 1);
    }
    // The operator may drop them.
    assert!(cluster.nodes[open[0].1].cmd(&format!("CLUSTER FLUSHSLOT {}", open[0].0)).is_ok());
    assert_eq!(count(&cluster, open[0]), 0);
    // After a restart the node says that it has some, and `redis-cli` moves them.
    let (slot, from, to) = open[1];
    assert!(cluster.nodes[from].cmd("SAVE").is_ok());
    cluster.nodes[from].kill();
    cluster.nodes[from].restart();
    cluster.wait_all_ok();
    let importing = format!("[{slot}-<-{}]", cluster.id(to));
    assert!(cluster.nodes[from].cmd("CLUSTER NODES").text().contains(&importing));
    cluster.cli(&["fix", &cluster.nodes[0].addr()]).expect_success();
    cluster.wait_stable();
    assert_eq!(cluster.client().call(&["GET", "moved"]).text(), "v");
    assert_eq!((0..3).filter(|&node| count(&cluster, (slot, node, node)) == 1).count(), 1);
}
