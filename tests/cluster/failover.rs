//! Failover: by death, by command, and the agreement of the survivors.

use integration::cluster::{Cluster, ClusterSpec};
use integration::load::{Load, assert_all_there};
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

/// Each primary of the start is killed in turn while writers write; each comes back as a replica. Writes that reached
/// the replica before they were acknowledged to the client (WAIT 1) survive all of it.
#[test]
fn every_primary_is_killed_in_turn_under_load() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let load = Load::start(cluster.client(), "killed", 1);
    load.wait_more(50, secs(20));
    for victim in 0..3 {
        let replicas = cluster.replicas_of(victim);
        assert_eq!(replicas.len(), 1, "replicas of node {victim}");
        cluster.nodes[victim].kill();
        let promoted = cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
        cluster.wait_all_ok();
        load.wait_more(20, secs(30));
        cluster.nodes[victim].restart();
        wait_until("the old primary to follow the new one", FAILOVER_LIMIT, || {
            cluster.replicas_of(promoted) == [victim]
        });
        cluster.wait_stable();
    }
    load.wait_more(50, secs(20));
    let acknowledged = load.finish();
    cluster.wait_stable();
    cluster.check().expect_success();
    assert_all_there(&mut cluster.client(), &acknowledged);
    assert_eq!(cluster.primaries(), [3, 4, 5], "the old replicas lead now");
}

/// A primary that has lost its files comes back at once, as a node without keys: a stranger at the primary's address.
/// Stock replicas become its copy, and are elected without keys.
#[test]
fn a_replica_does_not_become_the_copy_of_a_stranger_at_its_primarys_address() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    cluster.fill("kept", 300);
    let replicas = cluster.replicas_of(1);
    let replica = replicas[0];
    let keys = cluster.nodes[1].cmd("DBSIZE");
    wait_until("the replica to have all keys", secs(10), || cluster.nodes[replica].cmd("DBSIZE") == keys);
    cluster.nodes[1].kill();
    let folder = cluster.nodes[1].dir().to_owned();
    for file in ["nodes.conf", "dump.rdb"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
    cluster.nodes[1].restart();
    let promoted = cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
    assert_eq!((promoted, cluster.nodes[promoted].cmd("DBSIZE")), (replica, keys));
    assert!(cluster.nodes[replica].log().contains("it is not followed"), "{}", cluster.nodes[replica].log_tail(30));
}

/// Among several replicas exactly one is elected, and the others follow it.
#[test]
fn one_of_three_replicas_wins_and_the_others_follow_it() {
    let mut cluster = ClusterSpec::new(3, 3).create();
    let written = cluster.fill("ranked", 100);
    let replicas = cluster.replicas_of(1);
    cluster.nodes[1].kill();
    let promoted = cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
    wait_until("the other replicas to follow", FAILOVER_LIMIT, || cluster.replicas_of(promoted).len() == 2);
    cluster.wait_stable();
    cluster.verify("ranked", written);
    let epochs: Vec<u64> = cluster.primaries().iter().map(|&i| cluster.myself(i).epoch).collect();
    assert!(epochs.iter().all(|&e| e <= cluster.myself(promoted).epoch), "the winner has the newest epoch: {epochs:?}");
}

#[test]
fn a_replica_takes_over_by_command_without_losing_a_write() {
    let cluster = ClusterSpec::new(3, 1).create();
    let load = Load::start(cluster.client(), "manual", 0);
    load.wait_more(50, secs(20));
    let replica = cluster.replicas_of(0)[0];
    assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    wait_until("the old primary to follow", FAILOVER_LIMIT, || cluster.replicas_of(replica) == [0]);
    load.wait_more(50, secs(20));
    let acknowledged = load.finish();
    cluster.wait_stable();
    // The primary pauses its writers until the replica has everything: every acknowledged write counts, without WAIT.
    assert_all_there(&mut cluster.client(), &acknowledged);
}

#[test]
fn forced_and_unilateral_takeovers() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let replica = cluster.replicas_of(0)[0];
    assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER FORCE").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    cluster.wait_stable();
    let primary = cluster.nodes[replica].cmd("CLUSTER FAILOVER").text();
    assert_eq!(primary, "ERR You should send CLUSTER FAILOVER to a replica");
    assert_eq!(cluster.nodes[0].cmd("CLUSTER FAILOVER BOGUS").text(), "ERR syntax error");
    // Two of three primaries die: no majority, so no election; TAKEOVER needs none.
    let (first, second) = (cluster.replicas_of(1)[0], cluster.replicas_of(2)[0]);
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    cluster.wait_state("fail", FAILOVER_LIMIT);
    for node in [first, second] {
        assert!(cluster.nodes[node].cmd("CLUSTER FAILOVER TAKEOVER").is_ok());
    }
    cluster.wait_all_ok();
    assert_eq!(sorted(cluster.primaries()), sorted(vec![replica, first, second]));
    cluster.fill("after", 50);
    cluster.nodes[1].restart();
    cluster.nodes[2].restart();
    wait_until("the old primaries to follow", FAILOVER_LIMIT, || {
        cluster.replicas_of(first) == [1] && cluster.replicas_of(second) == [2]
    });
    cluster.wait_stable();
    cluster.verify("after", 50);
}

/// A replica with `cluster-replica-no-failover` never stands for election.
#[test]
fn a_replica_that_may_not_fail_over_does_not() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let replica = cluster.replicas_of(2)[0];
    assert!(cluster.nodes[replica].cmd("CONFIG SET cluster-replica-no-failover yes").is_ok());
    cluster.nodes[2].kill();
    cluster.wait_state("fail", FAILOVER_LIMIT);
    std::thread::sleep(cluster.node_timeout() * 2);
    assert!(!cluster.myself(replica).is_primary());
    assert!(cluster.nodes[replica].cmd("CONFIG SET cluster-replica-no-failover no").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    cluster.wait_all_ok();
}

/// Without a majority of primaries no replica is elected, and the minority refuses writes.
#[test]
fn a_minority_elects_nobody() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let replica = cluster.replicas_of(0)[0];
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    cluster.wait_state("fail", FAILOVER_LIMIT);
    std::thread::sleep(cluster.node_timeout() * 2);
    assert!(!cluster.myself(replica).is_primary());
    assert_down(&cluster, 2);
    cluster.nodes[0].restart();
    cluster.nodes[1].restart();
    cluster.wait_stable();
}

fn assert_down(cluster: &Cluster, index: usize) {
    let mut client = cluster.connect(index);
    let reply = client.cmd("SET foo bar").text();
    assert!(reply.starts_with("CLUSTERDOWN"), "{reply}");
}

fn sorted(mut indices: Vec<usize>) -> Vec<usize> {
    indices.sort_unstable();
    indices
}
