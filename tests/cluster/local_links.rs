//! Nodes of one process reach each other's bus without sockets, and only the number of descriptors shows it.

use integration::cluster::parse_nodes;
use integration::node::{Node, NodeSpec};
use integration::one_process::{OneProcess, TestDir};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// Descriptors that do not depend on the number of nodes.
const COMMON: usize = 64;

fn field(map: &Value, name: &str) -> Value {
    let at = map.items().iter().position(|item| item.text() == name).expect("a field of the map");
    map.items()[at + 1].clone()
}

/// Links of a node in this direction, by the ids of the peers.
fn links(cluster: &OneProcess, node: usize, direction: &str) -> Vec<(String, i64)> {
    let links = cluster.cmd(node, "CLUSTER LINKS");
    let outward = links.items().iter().filter(|link| field(link, "direction").text() == direction);
    outward.map(|link| (field(link, "node").text(), field(link, "send-buffer-used").int())).collect()
}

fn number(cluster: &OneProcess, node: usize, section: &str, name: &str) -> i64 {
    let text = cluster.cmd(node, section).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

fn publish(cluster: &OneProcess, node: usize, megabytes: usize) {
    let mut client = cluster.client(node);
    let payload = "x".repeat(1 << 20);
    for _ in 0..megabytes {
        assert!(!client.call(&["PUBLISH", "channel", &payload]).is_error());
    }
}

#[test]
fn nodes_of_one_process_need_no_sockets_between_them() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    for bind in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1"] {
        let args = ["--shards", "16", "--replicas", "0", "--bind", bind, "--protected-mode", "no"];
        let cluster = OneProcess::start(&temporary, &args);
        let descriptors = cluster.descriptors();
        // The links alone would take 960 sockets.
        assert!(descriptors <= 10 * 16 + COMMON, "{descriptors} descriptors with --bind {bind}");
        if bind.starts_with("127.0.0.1") {
            for node in 0..16 {
                assert_eq!(number(&cluster, node, "INFO clients", "cluster_connections"), 30);
                assert_eq!(links(&cluster, node, "to").len(), 15);
                // A link that a peer has opened is listed when the peer's first packet has told whose it is. A cluster
                // is ready when every link is open.
                wait_until("all peers to be known", secs(20), || links(&cluster, node, "from").len() == 15);
            }
        }
    }
}

#[test]
fn a_hundred_nodes_start_with_a_thousand_descriptors() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    // Every pair pings twice in a timeout, which a machine that is busy with other tests may not manage within the
    // default timeout.
    let args = ["--shards", "34", "--replicas", "2", "--cluster-node-timeout", "20000"];
    let mut cluster = OneProcess::spawn_with_descriptors(1024, &temporary, &args);
    cluster.wait_ready();
    assert_eq!(cluster.ports.len(), 102);
    for node in [0, 50, 101] {
        let lines = parse_nodes(&cluster.cmd(node, "CLUSTER NODES").text());
        assert_eq!(lines.iter().filter(|line| line.connected).count(), 102);
        assert_eq!(lines.iter().filter(|line| line.slot_count() > 0).count(), 34);
    }
    assert_eq!(cluster.cmd(7, "CLUSTER INFO").text().lines().next(), Some("cluster_state:ok"));
}

/// The links end with the node, not after its timeout.
#[test]
fn a_neighbour_that_is_killed_is_seen_to_go_at_once_and_to_come_back() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let mut cluster = OneProcess::start(&temporary, &["--replicas", "0", "--cluster-node-timeout", "600000"]);
    let id = cluster.id(2).to_owned();
    let has = |cluster: &OneProcess, node: usize| {
        ["to", "from"].map(|direction| links(cluster, node, direction).iter().any(|(peer, _)| *peer == id))
    };
    assert_eq!(has(&cluster, 0), [true, true]);
    assert!(cluster.cmd(1, &format!("SLOTD NODE KILL {id}")).is_ok());
    cluster.expect_event(2, "killed");
    for node in [0, 1] {
        wait_until("its links to be gone", secs(20), || {
            cluster.line_of(node, 2).is_some_and(|line| !line.connected) && has(&cluster, node) == [false, false]
        });
    }
    assert!(cluster.cmd(1, &format!("SLOTD NODE RESTART {id}")).is_ok());
    cluster.expect_event(2, "started");
    for node in [0, 1] {
        wait_until("its links to be back", secs(20), || {
            cluster.line_of(node, 2).is_some_and(|line| line.connected) && has(&cluster, node) == [true, true]
        });
    }
    let before = cluster.descriptors();
    for _ in 0..5 {
        assert!(cluster.cmd(1, &format!("SLOTD NODE RESTART {id}")).is_ok());
        cluster.expect_event(2, "started");
    }
    wait_until("nothing to be left", secs(20), || cluster.descriptors() <= before);
}

#[test]
fn what_waits_for_a_paused_neighbour_is_shown_and_is_read_in_the_end() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let mut cluster = OneProcess::start(&temporary, &["--replicas", "0", "--cluster-node-timeout", "60000"]);
    let id = cluster.id(1).to_owned();
    let memory = |cluster: &OneProcess| number(cluster, 0, "INFO memory", "mem_cluster_links");
    let waiting = |cluster: &OneProcess| {
        links(cluster, 0, "to").iter().filter(|(peer, _)| *peer == id).map(|(_, used)| *used).sum::<i64>()
    };
    let idle = memory(&cluster);
    assert!(idle > 0, "a link takes memory even when nothing waits");
    let mut subscriber = cluster.client(1);
    assert!(!subscriber.cmd("SUBSCRIBE channel").is_error());
    assert!(cluster.cmd(0, &format!("SLOTD NODE PAUSE 600000 {id}")).is_ok());
    cluster.expect_event(1, "paused");
    publish(&cluster, 0, 16);
    let used = waiting(&cluster);
    assert!(used > 12 << 20, "{used}");
    assert!(memory(&cluster) >= idle + used, "{} {idle} {used}", memory(&cluster));
    // The other node still reads.
    wait_until("only one link to wait", secs(20), || {
        links(&cluster, 0, "to").iter().filter(|(peer, _)| *peer != id).all(|(_, used)| *used == 0)
    });
    assert!(cluster.cmd(0, &format!("SLOTD NODE RESUME {id}")).is_ok());
    cluster.expect_event(1, "resumed");
    wait_until("all to be read", secs(20), || waiting(&cluster) == 0);
    wait_until("the memory to be given back", secs(20), || memory(&cluster) < idle + (1 << 20));
    let mut received = 0;
    while received < 16 << 20 {
        received += subscriber.reply(secs(20)).expect("a message").items()[2].text().len();
    }
}

#[test]
fn a_link_to_a_paused_neighbour_is_closed_at_its_limit() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let args = ["--replicas", "0", "--cluster-node-timeout", "60000", "--cluster-link-sendbuf-limit", "1mb"];
    let mut cluster = OneProcess::start(&temporary, &args);
    let id = cluster.id(1).to_owned();
    assert!(cluster.cmd(0, &format!("SLOTD NODE PAUSE 600000 {id}")).is_ok());
    cluster.expect_event(1, "paused");
    publish(&cluster, 0, 8);
    let closed = || number(&cluster, 0, "CLUSTER INFO", "total_cluster_links_buffer_limit_exceeded");
    wait_until("the link to be closed", secs(20), || closed() > 0);
    assert!(number(&cluster, 0, "INFO memory", "mem_cluster_links") < 4 << 20);
    assert!(cluster.cmd(0, &format!("SLOTD NODE RESUME {id}")).is_ok());
    cluster.expect_event(1, "resumed");
    wait_until("the link to be back", secs(20), || cluster.line_of(0, 1).is_some_and(|line| line.connected));
    wait_until("both to agree", secs(20), || cluster.line_of(1, 0).is_some_and(|line| line.connected));
}

#[test]
fn a_neighbour_that_sleeps_does_not_answer_on_the_bus() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let args = ["--cluster-node-timeout", "1000", "--enable-debug-command", "yes"];
    let cluster = OneProcess::start(&temporary, &args);
    let mut asleep = cluster.client(3);
    asleep.send(&["DEBUG", "SLEEP", "6"]).expect("the command is sent");
    wait_until("it to be missed", secs(20), || {
        cluster.line_of(1, 3).is_some_and(|line| line.has("fail") || line.has("fail?"))
    });
    assert!(asleep.arrived().is_none(), "it had woken up before it was missed");
    wait_until("it to be back", secs(40), || {
        cluster.line_of(1, 3).is_some_and(|line| !line.has("fail") && !line.has("fail?"))
    });
}

/// Whether a node lists so many nodes, all of them connected and at one address.
fn knows(node: &Node, count: usize) -> bool {
    let lines = parse_nodes(&node.cmd("CLUSTER NODES").text());
    let reached = |line: &&integration::cluster::NodeLine| line.connected && !line.has("handshake");
    lines.iter().filter(reached).count() == count
}

#[test]
fn a_stock_node_meets_all_nodes_of_a_process_over_tcp() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let cluster = OneProcess::start(&temporary, &["--shards", "5", "--replicas", "0"]);
    let guest = NodeSpec::cluster(Binary::Stock, 2000).start();
    let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", guest.port(), guest.bus_port());
    assert!(cluster.cmd(2, &meet).is_ok());
    wait_until("the guest to know all nodes", secs(40), || knows(&guest, 6));
    let guest_id = guest.cmd("CLUSTER MYID").text();
    for node in 0..5 {
        wait_until("all nodes to know the guest", secs(40), || {
            let lines = parse_nodes(&cluster.cmd(node, "CLUSTER NODES").text());
            lines.iter().any(|line| line.id == guest_id && line.connected && !line.has("handshake"))
        });
    }
    // Two connections with each node, and none among the others.
    wait_until("its links", secs(20), || guest.cmd("CLUSTER LINKS").items().len() == 10);
    assert!(cluster.descriptors() <= 10 * 5 + COMMON, "{}", cluster.descriptors());
    wait_until("the guest to serve", secs(20), || guest.cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    // A message to all goes both ways.
    let mut subscriber = cluster.client(4);
    assert!(!subscriber.cmd("SUBSCRIBE channel").is_error());
    guest.cmd("PUBLISH channel from-the-guest");
    assert_eq!(subscriber.reply(secs(20)).expect("a message").items()[2].text(), "from-the-guest");
}
