//! CLUSTERSCAN goes through all nodes of a cluster, and a replica's data as well; CLUSTER FLUSHSLOT reaches replicas.

use std::collections::BTreeSet;

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// Sends a cursor, first to the node of `link`, and follows redirections as a client does.
fn step(cluster: &Cluster, link: &mut Client, cursor: &str, count: usize) -> (String, Vec<String>) {
    for _ in 0..5 {
        let reply = link.cmd(&format!("CLUSTERSCAN {cursor} COUNT {count}"));
        if let Value::Error(text) = &reply {
            let port = text.strip_prefix("MOVED ").and_then(|rest| rest.rsplit_once(':')).expect("a redirection").1;
            *link = cluster.connect(cluster.index_of(port.parse().expect("a port")));
            continue;
        }
        let keys = reply.items()[1].items().iter().map(Value::text).collect();
        return (reply.items()[0].text(), keys);
    }
    panic!("{cursor} is redirected for ever");
}

/// All keys, and how many calls it took.
fn iterate(cluster: &Cluster, count: usize) -> (Vec<String>, usize) {
    let mut link = cluster.connect(1);
    let (mut cursor, mut keys, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let (next, more) = step(cluster, &mut link, &cursor, count);
        keys.extend(more);
        calls += 1;
        assert!(calls < 5_000, "it goes round: {cursor}");
        if next == "0" {
            return (keys, calls);
        }
        cursor = next;
    }
}

#[test]
fn an_iteration_returns_every_key_of_the_cluster_once() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 0).create();
    let written = cluster.fill("scan", 500);
    let wanted: BTreeSet<String> = (0..written).map(|index| format!("scan:{index}")).collect();
    for count in [10, 10_000] {
        let (keys, calls) = iterate(&cluster, count);
        assert_eq!(keys.len(), wanted.len());
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), wanted);
        assert!(calls >= if count == 10 { 50 } else { 4 }, "{calls}");
    }
    // Between two calls, the slots of a node go to another one: keys may come twice, none is left out.
    let (mut link, mut cursor, mut keys) = (cluster.connect(0), "0".to_owned(), BTreeSet::new());
    let mut moved = false;
    loop {
        let (next, more) = step(&cluster, &mut link, &cursor, 10);
        keys.extend(more);
        if next == "0" {
            break;
        }
        cursor = next;
        if keys.len() > 30 && !moved {
            let (from, to) = (cluster.id(0), cluster.id(1));
            let seed = cluster.nodes[0].addr();
            let words = [
                "reshard",
                &seed,
                "--cluster-from",
                &from,
                "--cluster-to",
                &to,
                "--cluster-slots",
                "2000",
                "--cluster-yes",
            ];
            cluster.cli(&words).expect_success();
            cluster.wait_stable();
            moved = true;
        }
    }
    assert!(moved);
    assert_eq!(keys, wanted);
}

/// A cursor is no key, but what it asks for are keys: it is not treated as a shard channel.
#[test]
fn an_iteration_is_served_where_reads_of_its_keys_are() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 1).create();
    cluster.fill("scan", 300);
    let (cursor, _) = step(&cluster, &mut cluster.connect(0), "0", 10);
    let reply = cluster.nodes[0].cmd(&format!("CLUSTERSCAN {cursor}"));
    let owner = match &reply {
        Value::Error(text) => {
            cluster.index_of(text.rsplit_once(':').expect("a redirection").1.parse().expect("a port"))
        }
        _ => 0,
    };
    let mut replica = cluster.connect(cluster.replicas_of(owner)[0]);
    let scan = format!("CLUSTERSCAN {cursor}");
    assert!(replica.cmd(&scan).text().starts_with("MOVED "), "a replica without READONLY");
    replica.ok("READONLY");
    assert_eq!(replica.cmd(&scan).items().len(), 2);
    // A node that has lost the majority serves no reads.
    let mut node = cluster.connect(owner);
    node.ok("CONFIG SET cluster-allow-reads-when-down no");
    let others: Vec<usize> = (0..cluster.nodes.len()).filter(|index| *index != owner).collect();
    others.iter().for_each(|index| cluster.nodes[*index].freeze());
    wait_until("the node to see that it is alone", secs(30), || {
        cluster.nodes[owner].cmd("CLUSTER INFO").text().contains("cluster_state:fail")
    });
    assert!(node.cmd(&scan).text().starts_with("CLUSTERDOWN "), "a shard channel would be served");
    others.iter().for_each(|index| cluster.nodes[*index].thaw());
}

#[test]
fn a_flushed_slot_is_empty_on_the_replica_and_other_slots_are_not() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 1).create();
    let mut client = cluster.client();
    for key in ["{foo}1", "{foo}2", "foo", "other"] {
        assert!(client.call(&["SET", key, "v"]).is_ok());
    }
    let owner = cluster.owner_of(12_182);
    let replica = cluster.replicas_of(owner)[0];
    let count = |index: usize| cluster.nodes[index].cmd("CLUSTER COUNTKEYSINSLOT 12182").int();
    wait_until("the replica to have the keys", secs(20), || count(replica) == 3);
    assert!(cluster.nodes[replica].cmd("CLUSTER FLUSHSLOT 12182").text().starts_with("READONLY"));
    let stats = "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1";
    let first = |index: usize| cluster.nodes[index].cmd(stats).items()[0].items()[0].int();
    assert_eq!((first(owner), first(replica)), (12_182, 12_182));
    assert!(cluster.nodes[owner].cmd("CLUSTER FLUSHSLOT 12182").is_ok());
    assert_eq!(count(owner), 0);
    wait_until("the replica to have none", secs(20), || count(replica) == 0);
    assert_eq!(client.call(&["GET", "other"]).text(), "v");
}
