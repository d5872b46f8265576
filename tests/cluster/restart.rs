//! What survives a restart: topology in nodes.conf, data in dump.rdb; and what a damaged nodes.conf does.

use std::fs;

use integration::cluster::{ClusterSpec, parse_nodes};
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};

#[test]
fn an_orderly_restart_of_all_nodes_keeps_data_and_topology() {
    let mut cluster = ClusterSpec::new(3, 1).with("save", "3600 1").create();
    let written = cluster.fill("kept", 500);
    let ids: Vec<String> = (0..6).map(|i| cluster.id(i)).collect();
    cluster.nodes.iter_mut().for_each(integration::node::Node::terminate);
    cluster.nodes.iter_mut().for_each(integration::node::Node::spawn);
    cluster.nodes.iter_mut().for_each(integration::node::Node::wait_ready);
    cluster.wait_stable();
    assert_eq!((0..6).map(|i| cluster.id(i)).collect::<Vec<_>>(), ids);
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    cluster.verify("kept", written);
}

#[test]
fn killing_all_nodes_at_once_keeps_the_topology() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let shape = |cluster: &integration::cluster::Cluster| -> Vec<_> {
        let mut lines: Vec<_> =
            cluster.view(0).into_iter().map(|l| (l.port, l.id, l.primary, l.slots, l.epoch)).collect();
        lines.sort();
        lines
    };
    let before = shape(&cluster);
    cluster.nodes.iter_mut().for_each(integration::node::Node::kill);
    cluster.nodes.iter_mut().for_each(integration::node::Node::spawn);
    cluster.nodes.iter_mut().for_each(integration::node::Node::wait_ready);
    cluster.wait_stable();
    assert_eq!(shape(&cluster), before);
    cluster.check().expect_success();
}

/// A node that was given a slot remembers it at once: nodes.conf is durable before anything depends on it.
#[test]
fn a_node_killed_right_after_a_change_remembers_it() {
    let mut node = NodeSpec::cluster(Binary::Slotd, 2_000).start();
    assert!(node.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
    assert!(node.cmd("CLUSTER BUMPEPOCH").text().starts_with("BUMPED"));
    let id = node.cmd("CLUSTER MYID").text();
    node.kill();
    node.restart();
    let lines = parse_nodes(&node.cmd("CLUSTER NODES").text());
    assert_eq!((lines[0].id.as_str(), lines[0].slot_count(), lines[0].epoch), (id.as_str(), 16_384, 1));
}

/// A transaction saves once, before it replies; until then its commands see the effects of the ones before, as in stock
/// nodes.
#[test]
fn a_node_killed_right_after_a_transaction_remembers_it() {
    let stock = NodeSpec::cluster(Binary::Stock, 2_000).start();
    let mut node = NodeSpec::cluster(Binary::Slotd, 2_000).start();
    let transaction = |node: &integration::node::Node| -> Vec<String> {
        let mut client = node.client();
        client.ok("CLUSTER ADDSLOTSRANGE 0 16000");
        client.ok("MULTI");
        for line in [
            "CLUSTER DELSLOTS 7",
            "CLUSTER ADDSLOTSRANGE 16001 16383",
            "CLUSTER ADDSLOTS 7",
            "CLUSTER DELSLOTS 7",
            "CLUSTER DELSLOTS 7",
            "CLUSTER BUMPEPOCH",
            "CLUSTER SETSLOT 5 STABLE",
            "CLUSTER COUNTKEYSINSLOT 5",
            "CLUSTER SLOTS",
        ] {
            assert_eq!(client.cmd(line).text(), "QUEUED", "{line}");
        }
        client.send(&["EXEC"]).expect("connected");
        let reply = client.frame(integration::wait::secs(5)).expect("a reply");
        let own = [node.cmd("CLUSTER MYID").text(), node.port().to_string()];
        own.iter()
            .fold(String::from_utf8_lossy(&reply).into_owned(), |text, own| text.replace(own.as_str(), "own"))
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let expected = transaction(&stock);
    assert_eq!(transaction(&node), expected);
    node.kill();
    node.restart();
    let lines = parse_nodes(&node.cmd("CLUSTER NODES").text());
    assert_eq!((lines[0].slot_count(), lines[0].epoch), (16_383, 1), "{lines:?}");
}

/// Files are compatible both ways: slotd starts with what stock Redis wrote, and stock Redis with what slotd wrote.
#[test]
fn nodes_conf_is_exchangeable() {
    let mut cluster = ClusterSpec::new(3, 1).create();
    let ids: Vec<String> = (0..6).map(|i| cluster.id(i)).collect();
    let replica = cluster.replicas_of(0)[0];
    for binary in [Binary::Stock, Binary::Slotd] {
        for index in [1, replica] {
            cluster.nodes[index].kill();
            cluster.nodes[index].set_binary(binary);
            cluster.nodes[index].restart();
        }
        cluster.wait_stable();
        assert_eq!((0..6).map(|i| cluster.id(i)).collect::<Vec<_>>(), ids);
    }
}

#[test]
fn a_damaged_nodes_conf_is_refused_and_left_alone() {
    let damaged: &[&[u8]] = &[
        b"garbage\n",
        b"07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 slave\n",
        b"07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 myself,bogus - 0 0 1 connected\n",
        b"07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 myself,master - 0 0 1 connected 99999\n",
    ];
    for bytes in damaged {
        let spec = NodeSpec::cluster(Binary::Slotd, 2_000).with_file("nodes.conf", bytes);
        let mut node = spec.prepare();
        let (code, log) = node.run_to_end();
        assert_ne!(code, Some(0), "{}", bytes.escape_ascii());
        assert_eq!(fs::read(node.dir().join("nodes.conf")).expect("the file is there"), *bytes, "left alone");
        if !slotd_is_stock() {
            assert!(log.contains("nodes.conf") && log.contains("line 1"), "the log names file and line: {log}");
        }
    }
}

#[test]
fn a_second_node_on_the_same_nodes_conf_refuses_to_start() {
    let first = NodeSpec::cluster(Binary::Slotd, 2_000).start();
    let path = first.dir().join("nodes.conf");
    let mut second =
        NodeSpec::cluster(Binary::Slotd, 2_000).with("cluster-config-file", &path.to_string_lossy()).prepare();
    let (code, log) = second.run_to_end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("is already used by a different"), "{log}");
    assert!(
        slotd_is_stock() || log.contains("give each a directory (dir), in containers a volume, of its own"),
        "{log}"
    );
    assert_eq!(first.cmd("PING").text(), "PONG");
}
