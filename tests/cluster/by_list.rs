//! `SLOTD_CLUSTER_NODES`: plain nodes with one list become a cluster, and `slotd wait` says when.

use integration::node::{Node, NodeSpec, info_field};
use integration::oracle::{Binary, slotd_is_stock};
use integration::program::{Ended, run};
use integration::wait::{secs, wait_until};

/// Nodes that do not run yet and all have the list of their addresses, with further variables.
fn nodes(count: usize, variables: &[(&str, &str)]) -> (Vec<Node>, String) {
    let mut nodes: Vec<Node> = (0..count).map(|_| NodeSpec::cluster(Binary::Slotd, 2000).prepare()).collect();
    let list = nodes.iter().map(Node::addr).collect::<Vec<_>>().join(",");
    for node in &mut nodes {
        node.set_variable("SLOTD_CLUSTER_NODES", &list);
        variables.iter().for_each(|(name, value)| node.set_variable(name, value));
    }
    (nodes, list)
}

fn slotd_wait(list: &str, timeout: &str) -> Ended {
    run(&Binary::Slotd.path(), &["wait", "--nodes", list, "--timeout", timeout], &std::env::temp_dir())
}

/// The role of each node, by its address: its slots, or whose replica it is.
fn places(node: &Node) -> Vec<String> {
    let text = node.cmd("CLUSTER NODES").text();
    let mut places: Vec<String> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {} {}", words[0], words[3], words[8..].join(" "))
        })
        .collect();
    places.sort();
    places
}

#[test]
fn nodes_of_a_list_become_a_cluster_and_stay_one() {
    if slotd_is_stock() {
        return;
    }
    let (mut nodes, list) = nodes(6, &[]);
    // The creator is the first of the list, whatever the order in which they start.
    nodes.iter_mut().rev().for_each(Node::spawn);
    let waited = slotd_wait(&list, "19");
    assert_eq!(waited.code, Some(0), "{waited:?}");
    assert!(waited.stderr.contains("6 nodes are ready after "), "{waited:?}");
    let before = places(&nodes[0]);
    assert_eq!(before.iter().filter(|place| place.contains(" - ")).count(), 3, "{before:?}");
    let info = nodes[5].cmd("CLUSTER INFO").text();
    assert_eq!(info_field(&info, "cluster_size").as_deref(), Some("3"));
    assert!(nodes[0].log().contains("3 replicas are on the host of their primary"));
    let in_order = |node: &Node| node.log().matches("the cluster has 6 nodes and serves all slots").count();
    wait_until("the creator to see that its work is done", secs(10), || in_order(&nodes[0]) == 1);
    // A start with the same list changes nothing.
    nodes.iter_mut().for_each(Node::terminate);
    nodes.iter_mut().for_each(Node::spawn);
    assert_eq!(slotd_wait(&list, "19").code, Some(0));
    assert_eq!(places(&nodes[0]), before);
    wait_until("the creator to see that there is nothing to do", secs(10), || in_order(&nodes[0]) == 2);
}

#[test]
fn a_list_that_is_too_short_ends_the_creator() {
    if slotd_is_stock() {
        return;
    }
    let (mut nodes, _) = nodes(5, &[("SLOTD_CLUSTER_REPLICAS", "1")]);
    nodes[1..].iter_mut().for_each(Node::spawn);
    let (code, log) = nodes[0].run_to_end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("5 nodes with SLOTD_CLUSTER_REPLICAS=1 make 2 primaries"), "{log}");
    assert_eq!(info_field(&nodes[1].cmd("CLUSTER INFO").text(), "cluster_known_nodes").as_deref(), Some("1"));
}

#[test]
fn a_node_of_another_cluster_ends_the_creator_and_nothing_is_half_made() {
    if slotd_is_stock() {
        return;
    }
    let (mut nodes, _) = nodes(3, &[("SLOTD_CLUSTER_REPLICAS", "0")]);
    let other = NodeSpec::cluster(Binary::Slotd, 2000).start();
    nodes[1..].iter_mut().for_each(Node::spawn);
    nodes[1..].iter_mut().for_each(Node::wait_ready);
    nodes[2].cmd(&format!("CLUSTER MEET 127.0.0.1 {} {}", other.port(), other.bus_port()));
    let known = |node: &Node| info_field(&node.cmd("CLUSTER INFO").text(), "cluster_known_nodes").unwrap_or_default();
    wait_until("both to know each other", secs(10), || known(&nodes[2]) == "2" && known(&other) == "2");
    let (code, log) = nodes[0].run_to_end();
    assert_eq!(code, Some(1), "{log}");
    let refusal = format!("{} is in a cluster with {}", nodes[2].addr(), other.addr());
    assert!(log.contains(&refusal) && log.contains("add-node"), "{log}");
    assert_eq!(known(&nodes[1]), "1");
}

#[test]
fn nodes_without_the_password_of_the_creator_end_it() {
    if slotd_is_stock() {
        return;
    }
    let (mut nodes, _) = nodes(3, &[("SLOTD_CLUSTER_REPLICAS", "0")]);
    nodes[0].set_variable("SLOTD_PASSWORD", "right");
    nodes[1..].iter_mut().for_each(Node::spawn);
    nodes[1..].iter_mut().for_each(Node::wait_ready);
    let (code, log) = nodes[0].run_to_end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("asks for no password, and this node has one"), "{log}");
    assert_eq!(info_field(&nodes[1].cmd("CLUSTER INFO").text(), "cluster_known_nodes").as_deref(), Some("1"));
}

#[test]
fn a_node_whose_bus_is_not_reachable_is_named() {
    if slotd_is_stock() {
        return;
    }
    let (mut nodes, _) = nodes(3, &[("SLOTD_CLUSTER_REPLICAS", "0")]);
    nodes[2].set_variable("SLOTD_CLUSTER_ANNOUNCE_BUS_PORT", "1");
    nodes.iter_mut().for_each(Node::spawn);
    let text =
        format!("{} has not been met: is its bus port reachable from every node, at 127.0.0.1:1?", nodes[2].addr());
    wait_until("the creator to name it", secs(15), || nodes[0].log().contains(&text));
}

#[test]
fn who_waits_in_vain_is_told_what_for() {
    if slotd_is_stock() {
        return;
    }
    let lone = NodeSpec::new(Binary::Slotd).start();
    let ready = slotd_wait(&lone.addr(), "5");
    assert_eq!((ready.code, ready.stdout.as_str()), (Some(0), ""), "{ready:?}");
    let member = NodeSpec::cluster(Binary::Slotd, 2000).start();
    let waited = slotd_wait(&format!("{},{}", lone.addr(), member.addr()), "1");
    assert_eq!(waited.code, Some(1));
    assert!(
        waited.stderr.contains(&format!("\n  {} is not ready: it knows 1 of 2 nodes", member.addr())),
        "{waited:?}"
    );
    for words in [&["wait", "--timeout", "soon"][..], &["wait", "--nodes", "a:b"], &["wait", "--sodes", "a"]] {
        let refused = run(&Binary::Slotd.path(), words, &std::env::temp_dir());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
    }
}
