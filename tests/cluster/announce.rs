//! What a node announces: a name instead of an address, another client port, and which values are refused.

use integration::cluster::{Cluster, ClusterSpec, parse_nodes};
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

fn address_of(cluster: &Cluster, viewer: usize, node: usize) -> String {
    let id = cluster.id(node);
    let text = cluster.nodes[viewer].cmd("CLUSTER NODES").text();
    let line = text.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{id} in {text}"));
    line.split(' ').nth(1).expect("an address").to_owned()
}

/// Nodes that announce a name can be connected to, followed, elected and moved to like others, with stock nodes among
/// them.
#[test]
fn nodes_that_announce_names_form_a_cluster_and_fail_over() {
    let spec = ClusterSpec::new(3, 1).with("cluster-announce-ip", "localhost").binary(1, Binary::Stock);
    let mut cluster = spec.binary(3, Binary::Stock).create();
    for viewer in 0..6 {
        for node in 0..6 {
            let place = format!("localhost:{}@{}", cluster.nodes[node].port(), cluster.nodes[node].bus_port());
            wait_until("everybody to be known by name", secs(20), || address_of(&cluster, viewer, node) == place);
        }
        let view = cluster.view(viewer);
        assert!(view.iter().all(|line| line.connected), "{view:?}");
    }
    let owner = cluster.owner_of(12_182);
    let moved = cluster.nodes[(owner + 1) % 3].cmd("GET foo").text();
    assert_eq!(moved, format!("MOVED 12182 localhost:{}", cluster.nodes[owner].port()));
    let replicas = cluster.replicas_of(0);
    assert_eq!(cluster.nodes[replicas[0]].info("master_host"), "localhost");
    cluster.nodes[0].kill();
    cluster.wait_promotion(&replicas, FAILOVER_LIMIT);
    cluster.wait_all_ok();
}

/// An unknown name is the operator's mistake, and the log of every peer says so; the bus goes on.
#[test]
fn a_name_that_cannot_be_found_is_logged_and_holds_up_nobody() {
    let cluster = ClusterSpec::new(3, 0).create();
    assert!(cluster.nodes[0].cmd("CONFIG SET cluster-announce-ip no-such-host.invalid").is_ok());
    let place = format!("no-such-host.invalid:{}", cluster.nodes[0].bus_port());
    for viewer in 1..3 {
        wait_until("the name to arrive", secs(20), || {
            address_of(&cluster, viewer, 0).starts_with("no-such-host.invalid")
        });
        if slotd_is_stock() {
            continue; // Redis says it at debug level only
        }
        let told = format!("Cannot find the address of Cluster Node {place}: ");
        wait_until("the peers to say why they cannot connect", secs(20), || {
            cluster.nodes[viewer].log().contains(&told)
        });
        std::thread::sleep(secs(2));
        assert_eq!(cluster.nodes[viewer].log().matches(&told).count(), 1, "said once, not with every attempt");
    }
    assert!(
        cluster.view(1).iter().filter(|line| !line.has("myself")).any(|line| line.connected),
        "the others are linked"
    );
    assert!(cluster.nodes[0].cmd("CONFIG SET cluster-announce-ip 127.0.0.1").is_ok());
    wait_until("all to be linked again", secs(20), || cluster.view(1).iter().all(|line| line.connected));
    cluster.wait_stable();
}

/// CLUSTER MEET accepts addresses only, as in Redis.
#[test]
fn meet_refuses_a_name() {
    let node = NodeSpec::cluster(Binary::Slotd, 2_000).start();
    let reply = node.cmd("CLUSTER MEET localhost 7000");
    assert_eq!(reply.text(), "ERR Invalid node address specified: localhost:7000");
}

/// Values that would not survive a packet or a line of nodes.conf are refused, in Valkey 9's words, and nothing
/// changes.
#[test]
fn an_address_that_cannot_be_announced_is_refused_with_the_reason() {
    if slotd_is_stock() {
        return; // 7.0.15 takes anything
    }
    let node = NodeSpec::cluster(Binary::Slotd, 2_000).start();
    assert!(node.cmd("CONFIG SET cluster-announce-ip 10.0.0.1").is_ok());
    let too_long = "x".repeat(46);
    let reasons = [
        (r"a b", "contains invalid character"),
        (r"10.0.0.2\x00x", "contains invalid character"),
        (r"\x00", "contains invalid character"),
        (r"10.0.0.2\n", "contains invalid character"),
        (r"a,b", "contains invalid character"),
        (r"a@b", "contains invalid character"),
        (r"a#b", "contains invalid character"),
        (r"a/b", "contains invalid character"),
        (r"\xff", "contains invalid character"),
        (&too_long, "is too long"),
    ];
    for (address, reason) in reasons {
        let reply = node.cmd(&format!("CONFIG SET cluster-announce-ip \"{address}\"")).text();
        let expected =
            "ERR CONFIG SET failed (possibly related to argument 'cluster-announce-ip') - cluster-announce-ip";
        assert_eq!(reply, format!("{expected} {reason}"), "{address}");
        assert_eq!(node.cmd("CONFIG GET cluster-announce-ip").items()[1].text(), "10.0.0.1", "{address}");
        assert!(node.cmd("CLUSTER NODES").text().contains(" 10.0.0.1:"), "{address}");
    }
    for address in
        ["::1", "fe80::1%eth0", "host-1.example", "under_score", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]
    {
        assert!(node.cmd(&format!("CONFIG SET cluster-announce-ip {address}")).is_ok(), "{address}");
        assert!(node.cmd("CLUSTER NODES").text().contains(&format!(" {address}:")), "{address}");
    }
}

/// CONFIG SET port moves the client port: peers redirect clients to it. The bus port stays.
#[test]
fn a_client_port_that_moves_is_announced() {
    if slotd_is_stock() {
        return; // 7.0.15 goes on showing the old port, and announces a bus port at which nobody listens
    }
    let cluster = ClusterSpec::new(3, 1).create();
    let owner = cluster.owner_of(12_182);
    let replica = cluster.replicas_of(owner)[0];
    let (old, bus) = (cluster.nodes[owner].port(), cluster.nodes[owner].bus_port());
    let lease = integration::ports::lease();
    let new = lease.port();
    assert!(cluster.nodes[owner].cmd(&format!("CONFIG SET port {new}")).is_ok());
    let place = format!("127.0.0.1:{new}@{bus}");
    for viewer in (0..6).filter(|viewer| *viewer != owner) {
        let moved =
            || parse_nodes(&cluster.nodes[viewer].cmd("CLUSTER NODES").text()).iter().any(|line| line.port == new);
        wait_until("the new port to be known", secs(20), moved);
        assert!(cluster.nodes[viewer].cmd("CLUSTER NODES").text().contains(&place));
    }
    let moved = cluster.nodes[(owner + 1) % 3].cmd("GET foo").text();
    assert_eq!(moved, format!("MOVED 12182 127.0.0.1:{new}"));
    let mut client = integration::client::Client::connect(new).expect("it listens there");
    assert_eq!(client.cmd("SET foo bar").text(), "OK");
    let myself = client.cmd("CLUSTER NODES").text();
    assert!(myself.lines().any(|line| line.contains("myself") && line.contains(&place)), "{myself}");
    wait_until("the replica to follow the new port", secs(30), || {
        cluster.nodes[replica].info("master_port") == new.to_string()
            && cluster.nodes[replica].info("master_link_status") == "up"
    });
    client.ok(&format!("CONFIG SET port {old}"));
    cluster.wait_stable();
}
