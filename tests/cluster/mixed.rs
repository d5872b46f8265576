//! Clusters of slotd and stock `redis-server` together: the proof that bus, replication and elections are compatible
//! with Redis.

use integration::cluster::ClusterSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

/// Both ways of mixing: the binaries of the leader and of the follower.
fn takes_over(leader: Binary, follower: Binary) {
    let mut spec = ClusterSpec::new(3, 1);
    for index in 0..3 {
        spec = spec.binary(index, leader).binary(index + 3, follower);
    }
    let mut cluster = spec.create();
    let written = cluster.fill("mixed", 300);
    let replicas = cluster.replicas_of(0);
    wait_until("the replica to have the data", secs(20), || {
        cluster.nodes[replicas[0]].cmd("DBSIZE") == cluster.nodes[0].cmd("DBSIZE")
    });
    cluster.nodes[0].kill();
    let promoted = cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
    assert_eq!(cluster.nodes[promoted].binary(), follower);
    cluster.wait_all_ok();
    cluster.verify("mixed", written);
    let more = cluster.fill("later", 100);
    cluster.nodes[0].restart();
    wait_until("the old primary to follow", FAILOVER_LIMIT, || cluster.replicas_of(promoted) == [0]);
    cluster.wait_stable();
    cluster.check().expect_success();
    cluster.verify("later", more);
    assert_eq!(cluster.nodes[0].cmd("DBSIZE"), cluster.nodes[promoted].cmd("DBSIZE"));
}

/// A stock replica follows slotd, is elected by the votes of slotd primaries, and leads slotd afterwards.
#[test]
fn stock_replicas_take_over_from_slotd() {
    takes_over(Binary::Slotd, Binary::Stock);
}

/// A slotd replica follows stock Redis, is elected by its votes, and leads it afterwards.
#[test]
fn slotd_replicas_take_over_from_stock() {
    takes_over(Binary::Stock, Binary::Slotd);
}

/// Stock primaries and slotd primaries side by side: every view agrees, slots move both ways, messages reach everyone.
#[test]
fn primaries_of_both_kinds_share_one_cluster() {
    let cluster = ClusterSpec::new(3, 1).binary(1, Binary::Stock).binary(4, Binary::Stock).create();
    let written = cluster.fill("both", 500);
    for (from, to) in [(0, 1), (1, 0), (1, 2)] {
        let (from_id, to_id, seed) = (cluster.id(from), cluster.id(to), cluster.nodes[2].addr());
        let args = ["reshard", &seed, "--cluster-from", &from_id, "--cluster-to", &to_id, "--cluster-slots", "200"];
        cluster.cli(&args).expect_success();
        cluster.wait_stable();
    }
    cluster.check().expect_success();
    cluster.verify("both", written);
    for (publisher, subscriber) in [(0, 1), (1, 0), (4, 2), (2, 4)] {
        let mut listener = cluster.connect(subscriber);
        listener.cmd("SUBSCRIBE news");
        cluster.nodes[publisher].cmd("PUBLISH news hello");
        let message = listener.reply(secs(5)).expect("a message over the bus");
        assert_eq!(message.items()[2].text(), "hello", "{publisher} to {subscriber}");
    }
}

/// A stock node joins a running slotd cluster with add-node, gets slots, and hands them back when it leaves.
#[test]
fn a_stock_node_joins_and_leaves() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let written = cluster.fill("guest", 300);
    let guest = cluster.add_empty_node(Binary::Stock);
    let (addr, seed) = (cluster.nodes[guest].addr(), cluster.nodes[0].addr());
    cluster.cli(&["add-node", &addr, &seed]).expect_success();
    cluster.wait_stable();
    cluster.cli(&["rebalance", &seed, "--cluster-use-empty-masters"]).expect_success();
    cluster.wait_stable();
    assert_eq!(cluster.myself(guest).slot_count(), 4_096);
    cluster.verify("guest", written);
    let id = cluster.id(guest);
    cluster.cli(&["rebalance", &seed, "--cluster-weight", &format!("{id}=0")]).expect_success();
    cluster.wait_stable();
    cluster.cli(&["del-node", &seed, &id]).expect_success();
    wait_until("the others to forget it", secs(20), || (0..3).all(|i| cluster.view(i).len() == 3));
    cluster.verify("guest", written);
}

/// Migration in both directions: a cluster of stock nodes becomes one of slotd by manual failovers, without losing data
/// at any moment, and back.
#[test]
fn a_cluster_is_handed_over_by_manual_failover_and_back() {
    let mut spec = ClusterSpec::new(3, 1);
    for index in 0..3 {
        spec = spec.binary(index, Binary::Stock);
    }
    let cluster = spec.create();
    let written = cluster.fill("handover", 300);
    for round in [0..3, 3..6] {
        for primary in round {
            let replica = cluster.replicas_of(primary)[0];
            assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER").is_ok());
            cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
            wait_until("the old primary to follow", FAILOVER_LIMIT, || cluster.replicas_of(replica) == [primary]);
            cluster.wait_stable();
        }
        cluster.verify("handover", written);
    }
    assert_eq!(cluster.primaries(), [0, 1, 2]);
}
