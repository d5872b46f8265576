//! `redis-cli --cluster create`, `check`, `info` and `call`.

use integration::cluster::{ClusterSpec, parse_nodes};
use integration::redis_cli::{cluster_cli, redis_cli};

/// Six nodes, the usual size for a start.
#[test]
fn three_shards_with_one_replica() {
    let cluster = ClusterSpec::new(3, 1).create();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    for primary in 0..3 {
        assert_eq!(cluster.replicas_of(primary).len(), 1);
    }
    cluster
        .check()
        .expect_success()
        .expect("[OK] All nodes agree about slots configuration.")
        .expect("[OK] All 16384 slots covered.");
    let info = cluster.cli(&["info", &cluster.nodes[4].addr()]).expect_success();
    assert_eq!(info.stdout.matches("slots | 1 slaves.").count(), 3, "{}", info.stdout);
    let call = cluster.cli(&["call", &cluster.nodes[1].addr(), "CLUSTER", "KEYSLOT", "foo"]).expect_success();
    assert_eq!(call.stdout.matches("12182").count(), 6, "{}", call.stdout);
    let slots: usize = cluster.view(0).iter().map(integration::cluster::NodeLine::slot_count).sum();
    assert_eq!(slots, 16_384);
    let written = cluster.fill("create", 300);
    cluster.verify("create", written);
    let info = cluster.cli(&["info", &cluster.nodes[0].addr()]).expect_success();
    info.expect("[OK] 300 keys in 3 masters.");
}

/// Twelve nodes: more replicas than the default, and elections among three candidates later on.
#[test]
fn three_shards_with_three_replicas() {
    let cluster = ClusterSpec::new(3, 3).create();
    for primary in 0..3 {
        assert_eq!(cluster.replicas_of(primary).len(), 3);
        assert_eq!(cluster.nodes[primary].info("connected_slaves"), "3");
    }
    cluster.check().expect_success().expect("[OK] All 16384 slots covered.");
    let written = cluster.fill("twelve", 100);
    cluster.verify("twelve", written);
}

/// Config epochs are given one by one at creation: no two primaries share one.
#[test]
fn every_primary_starts_with_an_epoch_of_its_own() {
    let cluster = ClusterSpec::new(3, 0).create();
    let mut epochs: Vec<u64> = cluster.view(0).iter().map(|l| l.epoch).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3]);
    for index in 0..3 {
        let other = cluster.view(index);
        assert!(other.iter().all(|l| l.connected && !l.has("handshake") && l.bus_port == l.port + 10_000), "{other:?}");
    }
}

#[test]
fn a_node_with_keys_or_with_friends_is_refused() {
    let cluster = ClusterSpec::new(3, 0).start_nodes();
    cluster.nodes[1].cmd("CLUSTER ADDSLOTSRANGE 0 16383");
    let mut client = cluster.connect(1);
    integration::wait::wait_until("the lone node to be ok", integration::wait::secs(10), || {
        client.cmd("SET k v").is_ok()
    });
    let refused = cluster.run_create();
    assert_ne!(refused.code, 0);
    refused.expect("[ERR] Node 127.0.0.1:").expect("is not empty. Either the node already knows other nodes");
}

#[test]
fn too_few_primaries_are_refused_and_a_lone_node_can_own_everything() {
    let cluster = ClusterSpec::new(2, 0).start_nodes();
    let refused = cluster.run_create();
    assert_ne!(refused.code, 0);
    refused.expect("Redis Cluster requires at least 3 master nodes.");
    let lone = &cluster.nodes[0];
    assert!(lone.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
    integration::wait::wait_until("the lone node to be ok", integration::wait::secs(10), || {
        lone.cmd("SET k v").is_ok()
    });
    cluster_cli(&["check", &lone.addr()]).expect_success();
    assert_eq!(parse_nodes(&lone.cmd("CLUSTER NODES").text()).len(), 1);
}

/// `redis-cli -c` follows redirections, which is how people use a cluster by hand.
#[test]
fn redis_cli_follows_redirections() {
    let cluster = ClusterSpec::new(3, 0).create();
    for i in 0..20 {
        let port = cluster.nodes[i % 3].port().to_string();
        let (key, value) = (format!("hand:{i}"), format!("v{i}"));
        let set = redis_cli(&["-c", "-p", &port, "set", &key, &value]).expect_success();
        assert_eq!(set.stdout.trim(), "OK", "{}", set.text());
        let port = cluster.nodes[(i + 1) % 3].port().to_string();
        let get = redis_cli(&["-c", "-p", &port, "get", &key]).expect_success();
        assert_eq!(get.stdout.trim(), value);
    }
}
