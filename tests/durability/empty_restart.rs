//! A primary without a snapshot that is restarted at once (docker and systemd do that) comes back empty before its
//! absence was noticed. Stock replicas then copy the empty data set, and the shard's data is lost (redis issue 6434,
//! valkey issue 579).

use integration::cluster::{Cluster, ClusterSpec};
use integration::load::{Load, assert_all_there};
use integration::node::Node;
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

const NODE_TIMEOUT_MS: u32 = 2_000;

/// Waits until nodes.conf records that there is data, a moment after the first key.
fn wait_for_the_mark(node: &Node) {
    wait_until("the mark in nodes.conf", secs(10), || {
        slotd_is_stock()
            || std::fs::read_to_string(node.dir().join("nodes.conf")).is_ok_and(|text| text.contains("slotd-data 1"))
    });
}

/// Three shards of slotd primaries with replicas of this kind.
fn cluster_with(replicas: Binary) -> Cluster {
    let spec = ClusterSpec::new(3, 1).node_timeout_ms(NODE_TIMEOUT_MS);
    (3..6).fold(spec, |spec, index| spec.binary(index, replicas)).create()
}

fn comes_back_empty(replicas: Binary) {
    if slotd_is_stock() {
        return; // it loses them, which is the point
    }
    let mut cluster = cluster_with(replicas);
    let load = Load::start(cluster.client(), "kept", 1);
    load.wait_more(200, secs(30));
    let heirs = cluster.replicas_of(0);
    cluster.nodes[0].kill();
    cluster.nodes[0].restart();
    let promoted = cluster.wait_promotion(&heirs, secs(30));
    wait_until("the old primary to follow", secs(30), || cluster.replicas_of(promoted) == [0]);
    cluster.wait_stable();
    load.wait_more(50, secs(30));
    assert_all_there(&mut cluster.client(), &load.finish());
    cluster.check().expect_success();
    let log = cluster.nodes[0].log();
    assert!(log.contains("waiting for it to take over"), "{}", cluster.nodes[0].log_tail(40));
}

#[test]
fn a_primary_that_comes_back_empty_makes_way_for_its_replica() {
    comes_back_empty(Binary::Slotd);
}

/// It only needs what stock nodes do anyway: retry a refused PSYNC, mark a silent primary as failed, and vote.
#[test]
fn a_primary_that_comes_back_empty_makes_way_for_a_stock_replica() {
    comes_back_empty(Binary::Stock);
}

/// It has an old snapshot, which is less than its replica has.
#[test]
fn a_primary_that_comes_back_with_an_old_snapshot_makes_way_for_its_replica() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster = cluster_with(Binary::Slotd);
    cluster.fill("before", 200);
    wait_for_the_mark(&cluster.nodes[0]);
    assert!(cluster.nodes[0].cmd("SAVE").is_ok());
    let written = cluster.fill("after", 200);
    let heirs = cluster.replicas_of(0);
    wait_until("the replica to have it all", secs(20), || {
        cluster.nodes[heirs[0]].cmd("DBSIZE") == cluster.nodes[0].cmd("DBSIZE")
    });
    cluster.nodes[0].kill();
    cluster.nodes[0].restart();
    cluster.wait_promotion(&heirs, secs(30));
    cluster.wait_stable();
    cluster.verify("after", written);
}

/// There never was data, so no failover is waited for.
#[test]
fn a_primary_that_never_had_data_stays_in_its_place() {
    let spec = ClusterSpec::new(3, 1).node_timeout_ms(NODE_TIMEOUT_MS).with("repl-ping-replica-period", "1");
    let mut cluster = spec.create();
    // Its stream advances all the same, so the offset of the replica alone would suggest that data is missing.
    let replica = cluster.replicas_of(0)[0];
    wait_until("pings in the stream", secs(20), || {
        cluster.nodes[replica].info("slave_repl_offset").parse::<u64>().is_ok_and(|offset| offset > 0)
    });
    cluster.nodes[0].kill();
    cluster.nodes[0].restart();
    cluster.wait_stable();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    assert!(!cluster.nodes[0].log().contains("waiting for it to take over"), "{}", cluster.nodes[0].log_tail(40));
}

/// The replicas came back empty too, so there is nothing to wait for.
#[test]
fn a_cluster_that_comes_back_empty_as_a_whole_serves_at_once() {
    let mut cluster = cluster_with(Binary::Slotd);
    cluster.fill("gone", 300);
    cluster.nodes.iter().for_each(wait_for_the_mark);
    cluster.nodes.iter_mut().for_each(Node::kill);
    cluster.nodes.iter_mut().for_each(Node::spawn);
    cluster.nodes.iter_mut().for_each(Node::wait_ready);
    cluster.wait_stable();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    let written = cluster.fill("new", 100);
    cluster.verify("new", written);
}

/// The wait must end: a shard without a replica that could win goes on after four node timeouts.
#[test]
fn a_primary_whose_replica_may_not_take_over_gives_up_waiting() {
    let mut cluster = ClusterSpec::new(3, 1).node_timeout_ms(1_000).with("cluster-replica-no-failover", "yes").create();
    cluster.fill("gone", 300);
    wait_for_the_mark(&cluster.nodes[0]);
    cluster.nodes[0].kill();
    cluster.nodes[0].restart();
    cluster.wait_stable();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    if !slotd_is_stock() {
        let log = cluster.nodes[0].log();
        assert!(log.contains("Nobody took over: serving what I have."), "{}", cluster.nodes[0].log_tail(40));
    }
}
