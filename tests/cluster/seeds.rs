//! `cluster-seeds`: nodes that were moved find their cluster by the names of some of them.
//!
//! A node that was moved is a new process with the files of an old one and ports of its own. The old ports stay leased,
//! so nobody answers there.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use integration::cluster::{Cluster, ClusterSpec};
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_ok, wait_until};

use crate::FAILOVER_LIMIT;

/// A node with the files of another one, which has ended, at another address.
fn moved(node: &Node) -> Node {
    let file = |name: &str| std::fs::read(node.dir().join(name)).expect("it was saved");
    let spec = NodeSpec::cluster(Binary::Slotd, 2000).with_file("nodes.conf", &file("nodes.conf"));
    spec.with_file("dump.rdb", &file("dump.rdb")).prepare()
}

fn list<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    nodes.map(Node::addr).collect::<Vec<_>>().join(",")
}

/// Ends a node so that its data is in its file.
fn end(node: &mut Node) {
    assert!(node.cmd("SAVE").is_ok());
    node.terminate();
}

#[test]
fn all_nodes_at_other_addresses_find_each_other_by_a_few_seeds() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster: Cluster = ClusterSpec::new(3, 1).node_timeout_ms(2000).create();
    let keys = cluster.fill("key", 300);
    cluster.nodes.iter_mut().for_each(end);
    let mut nodes: Vec<Node> = cluster.nodes.iter().map(moved).collect();
    // Three of six, of which one is a replica; a name without a node does no harm.
    let seeds = format!("{},no-such-host.invalid:7000", list(nodes[1..4].iter()));
    nodes.iter_mut().for_each(|node| node.set_directive("cluster-seeds", &seeds));
    nodes.iter_mut().for_each(Node::spawn);
    nodes.iter_mut().for_each(Node::wait_ready);
    // The old ones stay: their ports are not to be taken by others.
    let _old = std::mem::replace(&mut cluster.nodes, nodes);
    wait_ok("all nodes to find each other", FAILOVER_LIMIT, || cluster.disagreement().map_or(Ok(()), Err));
    cluster.verify("key", keys);
    let view = cluster.nodes[5].cmd("CLUSTER NODES").text();
    assert!(cluster.nodes.iter().all(|node| view.contains(&format!("{}@", node.addr()))), "{view}");
    assert_eq!(view.lines().count(), 6, "nobody joined: {view}");
}

#[test]
fn a_seed_that_is_not_known_is_not_joined() {
    if slotd_is_stock() {
        return;
    }
    let stranger = NodeSpec::cluster(Binary::Slotd, 2000).start();
    // Nobody but who looks for a cluster asks it that.
    let was_asked = || stranger.cmd("INFO commandstats").text().contains("cmdstat_cluster|nodes:");
    let mut cluster = ClusterSpec::new(3, 0).node_timeout_ms(2000).create();
    // All have moved, so the last one finds the others by its seeds alone.
    cluster.nodes.iter_mut().for_each(end);
    let mut nodes: Vec<Node> = cluster.nodes.iter().map(moved).collect();
    let others = list(nodes[..2].iter());
    nodes[2].set_directive("cluster-seeds", &format!("{},{others}", stranger.addr()));
    nodes.iter_mut().for_each(Node::spawn);
    nodes.iter_mut().for_each(Node::wait_ready);
    let _old = std::mem::replace(&mut cluster.nodes, nodes);
    wait_ok("the cluster to be whole again", FAILOVER_LIMIT, || cluster.disagreement().map_or(Ok(()), Err));
    assert!(was_asked(), "the seeds were asked, the stranger among them");
    assert_eq!(stranger.cmd("CLUSTER NODES").text().lines().count(), 1);
    assert_eq!(cluster.nodes[2].cmd("CLUSTER NODES").text().lines().count(), 3);
    assert!(cluster.nodes[2].cmd("CONFIG GET cluster-seeds").items()[1].text().contains(&others));
}

/// A port at which connections are taken and nothing is answered, at every address of this machine; how many there
/// were.
fn silent_port() -> (u16, Arc<AtomicUsize>) {
    let (listener, taken) = (TcpListener::bind("0.0.0.0:0").expect("a port"), Arc::<AtomicUsize>::default());
    let (port, count) = (listener.local_addr().expect("bound").port(), taken.clone());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (port, taken)
}

#[test]
fn a_node_that_looks_for_others_ends_at_once() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster = ClusterSpec::new(3, 0).node_timeout_ms(2000).create();
    let last = &mut cluster.nodes[2];
    end(last);
    let (port, taken) = silent_port();
    let seeds: Vec<String> = (1..=200).map(|host| format!("127.0.0.{host}:{port}")).collect();
    let mut node = moved(last);
    node.set_directive("cluster-seeds", &seeds.join(","));
    cluster.nodes[1].kill();
    node.spawn();
    node.wait_ready();
    wait_until("the node to look for the one that is gone", secs(20), || taken.load(Ordering::Relaxed) > 0);
    let began = Instant::now();
    node.terminate();
    assert!(began.elapsed() < secs(4), "it ended after {:?}", began.elapsed());
}

#[test]
fn seeds_that_are_no_nodes_are_refused() {
    if slotd_is_stock() {
        return;
    }
    let mut node = NodeSpec::cluster(Binary::Slotd, 2000).with("cluster-seeds", "node1:x").prepare();
    let (code, log) = node.run_to_end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("cluster-seeds: 'node1:x' is no node: write host:port"), "{log}");
}
