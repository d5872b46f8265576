//! Nodes that are stopped and come back: SIGSTOP is a partition in which the sockets of neither side close.

use integration::cluster::ClusterSpec;
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

#[test]
fn a_frozen_primary_is_replaced_and_comes_back_as_a_replica() {
    let cluster = ClusterSpec::new(3, 1).create();
    let written = cluster.fill("frozen", 100);
    let replicas = cluster.replicas_of(0);
    cluster.nodes[0].freeze();
    let promoted = cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
    cluster.nodes[0].thaw();
    wait_until("the woken primary to follow", FAILOVER_LIMIT, || cluster.replicas_of(promoted) == [0]);
    cluster.wait_stable();
    cluster.verify("frozen", written);
}

#[test]
fn a_frozen_replica_is_suspected_and_forgiven() {
    let cluster = ClusterSpec::new(3, 1).create();
    let replica = cluster.replicas_of(1)[0];
    let id = cluster.id(replica);
    cluster.nodes[replica].freeze();
    let failed = |index: usize| cluster.view(index).iter().any(|l| l.id == id && l.has("fail"));
    wait_until("the others to call it failed", FAILOVER_LIMIT, || (0..3).all(failed));
    let written = cluster.fill("meanwhile", 200);
    assert!(cluster.nodes[0].cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    cluster.nodes[replica].thaw();
    cluster.wait_stable();
    cluster.verify("meanwhile", written);
    assert_eq!(cluster.nodes[replica].cmd("DBSIZE"), cluster.nodes[1].cmd("DBSIZE"));
}

/// A primary that no longer hears from a majority stops serving within its node timeout, also reads of its own slots.
#[test]
fn a_primary_in_the_minority_stops_serving() {
    let cluster = ClusterSpec::new(3, 0).create();
    cluster.nodes[0].freeze();
    cluster.nodes[1].freeze();
    let lone = &cluster.nodes[2];
    wait_until("the minority to notice", FAILOVER_LIMIT, || {
        lone.try_cmd("CLUSTER INFO").is_some_and(|i| i.text().contains("cluster_state:fail"))
    });
    let key =
        (0..).map(|i| format!("k{i}")).find(|k| cluster.myself(2).owns(integration::resp::key_slot(k.as_bytes())));
    let reply = lone.cmd(&format!("SET {} v", key.expect("node 2 owns some"))).text();
    assert_eq!(reply, "CLUSTERDOWN The cluster is down");
    cluster.nodes[0].thaw();
    cluster.nodes[1].thaw();
    cluster.wait_stable();
}

/// A primary that sleeps for less than its node timeout is still the primary, and what was queued for it is served.
#[test]
fn a_short_pause_changes_nothing() {
    let cluster = ClusterSpec::new(3, 1).node_timeout_ms(5_000).create();
    let key = (0..).map(|i| format!("k{i}")).find(|k| cluster.owner_of(integration::resp::key_slot(k.as_bytes())) == 0);
    let key = key.expect("node 0 owns some");
    let mut client = cluster.connect(0);
    cluster.nodes[0].freeze();
    client.send(&["SET", &key, "queued"]).expect("the socket's buffer takes it");
    std::thread::sleep(std::time::Duration::from_millis(500));
    cluster.nodes[0].thaw();
    assert!(client.reply(secs(10)).expect("a reply").is_ok());
    cluster.wait_stable();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    assert_eq!(cluster.client().call(&["GET", &key]).text(), "queued");
}
