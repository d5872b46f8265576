//! `slotd handover`: a primary that is to be stopped lets its replica take over, before anybody misses it.

use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::program::{Ended, run};
use integration::wait::{secs, wait_until};

fn hand_over(cluster: &Cluster, index: usize, timeout: &str) -> Ended {
    let port = cluster.nodes[index].port().to_string();
    run(&Binary::Slotd.path(), &["handover", "--port", &port, "--timeout", timeout], &std::env::temp_dir())
}

/// Primaries of one kind and replicas of another, with data that the replicas have.
fn cluster_of(primaries: Binary, replicas: Binary) -> (Cluster, usize) {
    let mut spec = ClusterSpec::new(3, 1);
    for index in 0..3 {
        spec = spec.binary(index, primaries).binary(index + 3, replicas);
    }
    let cluster = spec.create();
    let written = cluster.fill("before", 100);
    (cluster, written)
}

fn hands_over(primaries: Binary, replicas: Binary) {
    let (mut cluster, written) = cluster_of(primaries, replicas);
    let replica = cluster.replicas_of(0)[0];
    wait_until("the replica to be online", secs(20), || {
        cluster.nodes[0].cmd("INFO replication").text().contains("state=online")
    });
    let ended = hand_over(&cluster, 0, "15");
    let taker = format!("handed over to {}", cluster.nodes[replica].addr());
    assert!(ended.code == Some(0) && ended.stdout.contains(&taker), "{ended:?}");
    // It was in order when the program ended, not some time later.
    assert!(cluster.nodes[0].cmd("INFO replication").text().contains("role:slave"));
    assert!(cluster.nodes[replica].cmd("INFO replication").text().contains("role:master"));
    let again = hand_over(&cluster, 0, "15");
    assert!(again.code == Some(0) && again.stdout.contains("nothing to hand over, it is a replica"), "{again:?}");
    // So its end costs nobody anything.
    cluster.nodes[0].terminate();
    cluster.verify("before", written);
    let later = cluster.fill("after", 100);
    cluster.verify("after", later);
}

#[test]
fn a_primary_hands_over_and_can_be_stopped() {
    if !slotd_is_stock() {
        hands_over(Binary::Slotd, Binary::Slotd);
    }
}

#[test]
fn stock_nodes_hand_over_too() {
    if !slotd_is_stock() {
        hands_over(Binary::Stock, Binary::Slotd);
        hands_over(Binary::Slotd, Binary::Stock);
    }
}

#[test]
fn a_primary_whose_replica_is_away_keeps_its_slots_and_says_so() {
    if slotd_is_stock() {
        return;
    }
    let (mut cluster, written) = cluster_of(Binary::Slotd, Binary::Slotd);
    let replica = cluster.replicas_of(0)[0];
    cluster.nodes[replica].kill();
    let ended = hand_over(&cluster, 0, "2");
    assert!(ended.code == Some(1) && ended.stderr.contains("not handed over in 2 s"), "{ended:?}");
    cluster.verify("before", written);
    // One that comes back in time takes over.
    cluster.nodes[replica].restart();
    let ended = hand_over(&cluster, 0, "20");
    assert!(ended.code == Some(0) && ended.stdout.contains("handed over to"), "{ended:?}");
    cluster.verify("before", written);
}
