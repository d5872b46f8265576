//! Growing and shrinking with `redis-cli --cluster`: add-node, del-node, reshard, rebalance, import.

use integration::cluster::ClusterSpec;
use integration::load::{Load, assert_all_there};
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

#[test]
fn a_primary_joins_gets_slots_by_rebalance_and_leaves() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let written = cluster.fill("grow", 500);
    let new = cluster.add_empty_node(Binary::Slotd);
    let (new_addr, seed) = (cluster.nodes[new].addr(), cluster.nodes[0].addr());
    cluster.cli(&["add-node", &new_addr, &seed]).expect_success().expect("[OK] New node added correctly.");
    cluster.wait_stable();
    assert_eq!(cluster.view(0).len(), 4);
    cluster.cli(&["rebalance", &seed, "--cluster-use-empty-masters"]).expect_success();
    cluster.wait_stable();
    assert_eq!(cluster.myself(new).slot_count(), 4_096);
    cluster.check().expect_success();
    cluster.verify("grow", written);
    // Removed again: its slots go back first, since redis-cli refuses to remove a node that owns some.
    let id = cluster.id(new);
    let refused = cluster.cli(&["del-node", &seed, &id]);
    assert_ne!(refused.code, 0);
    cluster.cli(&["rebalance", &seed, "--cluster-weight", &format!("{id}=0")]).expect_success();
    cluster.wait_stable();
    cluster.cli(&["del-node", &seed, &id]).expect_success();
    wait_until("the others to forget it", secs(20), || (0..3).all(|i| cluster.view(i).len() == 3));
    assert_eq!(cluster.view(new).len(), 1, "a removed node was reset");
    cluster.verify("grow", written);
}

/// `add-node` copies functions by DUMP and RESTORE, and takes no node that has some.
#[test]
fn a_primary_that_joins_gets_the_functions_of_the_cluster() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let code = "#!lua name=lib\nredis.register_function('bump', function(keys) return redis.call('incr', keys[1]) end)";
    for node in 0..3 {
        assert_eq!(cluster.connect(node).call(&["FUNCTION", "LOAD", code]).text(), "lib");
    }
    let new = cluster.add_empty_node(Binary::Slotd);
    let (new_addr, seed) = (cluster.nodes[new].addr(), cluster.nodes[0].addr());
    cluster.cli(&["add-node", &new_addr, &seed]).expect_success().expect("[OK] New node added correctly.");
    let dump = |node: usize| cluster.connect(node).cmd("FUNCTION DUMP");
    assert_eq!(dump(new), dump(0));
}

#[test]
fn a_replica_joins_follows_its_primary_and_leaves() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let written = cluster.fill("follow", 300);
    let new = cluster.add_empty_node(Binary::Slotd);
    let (new_addr, seed) = (cluster.nodes[new].addr(), cluster.nodes[1].addr());
    let primary = cluster.id(2);
    let added = cluster.cli(&["add-node", &new_addr, &seed, "--cluster-slave", "--cluster-master-id", &primary]);
    added.expect_success().expect("[OK] New node added correctly.");
    cluster.wait_stable();
    assert_eq!(cluster.replicas_of(2), [new]);
    let mut reader = cluster.connect(new);
    reader.ok("READONLY");
    assert_eq!(reader.cmd("DBSIZE"), cluster.nodes[2].cmd("DBSIZE"));
    // To another primary, whose data it gets.
    let other = cluster.id(0);
    assert!(cluster.nodes[new].cmd(&format!("CLUSTER REPLICATE {other}")).is_ok());
    cluster.wait_stable();
    assert_eq!(cluster.replicas_of(0), [new]);
    assert_eq!(reader.cmd("DBSIZE"), cluster.nodes[0].cmd("DBSIZE"));
    let id = cluster.id(new);
    cluster.cli(&["del-node", &seed, &id]).expect_success();
    wait_until("the others to forget it", secs(20), || (0..3).all(|i| cluster.view(i).len() == 3));
    cluster.verify("follow", written);
}

/// Slots move while writers write: no acknowledged write is lost, and no write is refused for good.
#[test]
fn resharding_under_load_loses_nothing() {
    let cluster = ClusterSpec::new(3, 1).create();
    let written = cluster.fill("still", 1_000);
    let load = Load::start(cluster.client(), "moving", 0);
    load.wait_more(50, secs(20));
    let (from, to, seed) = (cluster.id(0), cluster.id(2), cluster.nodes[1].addr());
    let args = ["reshard", &seed, "--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "1000"];
    cluster.cli(&args).expect_success();
    load.wait_more(50, secs(20));
    let acknowledged = load.finish();
    cluster.wait_stable();
    cluster.check().expect_success();
    assert_eq!(cluster.myself(0).slot_count(), 5_461 - 1_000);
    assert_eq!(cluster.myself(2).slot_count(), 5_461 + 1_000);
    assert_all_there(&mut cluster.client(), &acknowledged);
    cluster.verify("still", written);
    // The moved slots raised the receiver's epoch, so that its claim wins everywhere.
    let receiver = cluster.myself(2).epoch;
    assert!(cluster.view(1).iter().filter(|l| l.is_primary() && !l.has("myself")).all(|l| l.epoch <= receiver));
}

/// Big lists and expiries arrive as they were.
#[test]
fn resharding_carries_types_and_expiries() {
    let cluster = ClusterSpec::new(3, 0).create();
    let mut client = cluster.client();
    for i in 0..200 {
        client.call(&["RPUSH", "{tag}list", &format!("element-{i}")]);
        client.call(&["HSET", "{tag}hash", &format!("field-{i}"), "v"]);
    }
    for i in 0..1_000 {
        client.call(&["HSET", "{tag}bighash", &format!("field-{i}"), &format!("value-{i}")]);
    }
    client.call(&["SET", "{tag}ttl", "v", "PX", "600000"]);
    client.call(&["SET", "{tag}big", &"x".repeat(2_000_000)]);
    client.call(&["SET", "{tag}int", "42"]);
    let slot = integration::resp::key_slot(b"{tag}");
    let owner = cluster.owner_of(slot);
    let to = (owner + 1) % 3;
    let (from_id, to_id) = (cluster.id(owner), cluster.id(to));
    let count = cluster.myself(owner).slot_count().to_string();
    let seed = cluster.nodes[0].addr();
    cluster
        .cli(&["reshard", &seed, "--cluster-from", &from_id, "--cluster-to", &to_id, "--cluster-slots", &count])
        .expect_success();
    cluster.wait_stable();
    assert_eq!(cluster.owner_of(slot), to);
    let mut client = cluster.client();
    assert_eq!(client.call(&["LRANGE", "{tag}list", "0", "-1"]).items().len(), 200);
    assert_eq!(client.call(&["HLEN", "{tag}hash"]).int(), 200);
    assert_eq!(client.call(&["HLEN", "{tag}bighash"]).int(), 1_000);
    assert_eq!(client.call(&["HGET", "{tag}bighash", "field-777"]).text(), "value-777");
    assert_eq!(client.call(&["STRLEN", "{tag}big"]).int(), 2_000_000);
    assert_eq!(client.call(&["INCR", "{tag}int"]).int(), 43);
    let left = client.call(&["PTTL", "{tag}ttl"]).int();
    assert!((500_000..=600_000).contains(&left), "{left}");
    // Redis: a primary that loses its last slot follows the new owner, unless cluster-allow-replica-migration is off.
    assert_eq!(cluster.replicas_of(to), [owner]);
    assert_eq!(cluster.nodes[owner].cmd("DBSIZE"), cluster.nodes[to].cmd("DBSIZE"));
}

#[test]
fn keys_of_a_lone_server_are_imported() {
    let cluster = ClusterSpec::new(3, 0).create();
    for binary in [Binary::Stock, Binary::Slotd] {
        let lone = NodeSpec::new(binary).start();
        let mut client = lone.client();
        let prefix = format!("{binary:?}");
        for i in 0..200 {
            client.ok(&format!("SET {prefix}:{i} value-{i}"));
        }
        let (seed, from) = (cluster.nodes[0].addr(), lone.addr());
        cluster.cli(&["import", &seed, "--cluster-from", &from]).expect_success();
        cluster.verify(&prefix, 200);
        assert_eq!(lone.cmd("DBSIZE").int(), 0, "import moves");
    }
}
