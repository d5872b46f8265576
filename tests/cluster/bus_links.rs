//! What CLUSTER LINKS and INFO report about the bus's buffers.

use std::net::{Ipv4Addr, SocketAddr};

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::Value;
use integration::wait::{secs, wait_until};
use socket2::{Domain, Socket, Type};

/// Bytes that a node reports as queued for another.
fn used(cluster: &Cluster, from: usize, to: &str) -> i64 {
    let links = cluster.nodes[from].cmd("CLUSTER LINKS");
    let field = |link: &Value, name: &str| {
        let at = link.items().iter().position(|item| item.text() == name).expect("a field of CLUSTER LINKS");
        link.items()[at + 1].clone()
    };
    let outbound = |link: &&Value| field(link, "direction").text() == "to" && field(link, "node").text() == to;
    links.items().iter().filter(outbound).map(|link| field(link, "send-buffer-used").int()).sum()
}

fn publish(client: &mut Client, megabytes: usize) {
    let payload = "x".repeat(1 << 20);
    for _ in 0..megabytes {
        assert!(!client.call(&["PUBLISH", "channel", &payload]).is_error());
    }
}

/// A peer that reads nothing: the bytes that wait for it are shown, per link and in total, and are gone once it reads
/// again.
#[test]
fn what_waits_for_a_peer_is_shown() {
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(30_000).create();
    let memory = || cluster.nodes[0].info("mem_cluster_links").parse::<i64>().expect("a number");
    let (id, idle) = (cluster.id(1), memory());
    assert!(idle > 0, "a link takes memory even when nothing waits");
    cluster.nodes[1].freeze();
    publish(&mut cluster.connect(0), 16);
    let waiting = used(&cluster, 0, &id);
    assert!(waiting > 4 << 20, "{waiting}");
    assert!(memory() >= idle + waiting, "{} {idle} {waiting}", memory());
    cluster.nodes[1].thaw();
    wait_until("all to be read", secs(20), || used(&cluster, 0, &id) == 0);
    wait_until("the memory to be given back", secs(20), || memory() < idle + (1 << 20));
}

/// A connection may live for any time: a frozen peer does not end it.
#[test]
fn what_waits_on_a_link_that_is_closed_at_its_limit_is_given_back() {
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(30_000).create();
    assert!(cluster.nodes[0].cmd("CONFIG SET cluster-link-sendbuf-limit 8mb").is_ok());
    let memory = || cluster.nodes[0].info("used_memory").parse::<i64>().expect("a number");
    let before = memory();
    cluster.nodes[1].freeze();
    let mut client = cluster.connect(0);
    let closed = || {
        publish(&mut client, 1);
        !cluster.nodes[0].cmd("CLUSTER INFO").text().contains("total_cluster_links_buffer_limit_exceeded:0")
    };
    wait_until("the link to be closed", secs(20), closed);
    wait_until("the memory to be given back", secs(20), || memory() < before + (4 << 20));
    cluster.nodes[1].thaw();
}

/// An address of this machine where connections are begun but never completed: a listener that never accepts, with a
/// full backlog.
struct Limbo {
    _listener: Socket,
    _queue: Vec<Socket>,
}

impl Limbo {
    fn open(address: SocketAddr) -> Self {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = socket();
        listener.bind(&address.into()).expect("the address is free");
        listener.listen(1).expect("it is bound");
        let queue = (0..8).map(|_| {
            let client = socket();
            client.set_nonblocking(true).expect("a socket can");
            // Beginning is enough: those that find the backlog full never get further.
            let _ = client.connect(&address.into());
            client
        });
        Self { _queue: queue.collect(), _listener: listener }
    }
}

/// Messages for a link that is not up yet wait as well.
#[test]
fn what_waits_for_a_link_that_is_not_up_is_shown() {
    if slotd_is_stock() {
        return; // Redis drops what it cannot send at once
    }
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(30_000).create();
    let id = cluster.id(1);
    let nowhere = Ipv4Addr::new(127, 0, 0, 77);
    let _limbo = Limbo::open(SocketAddr::from((nowhere, cluster.nodes[1].bus_port())));
    assert!(cluster.nodes[1].cmd(&format!("CONFIG SET cluster-announce-ip {nowhere}")).is_ok());
    wait_until("the address to arrive", secs(20), || {
        cluster.nodes[0].cmd("CLUSTER NODES").text().contains(&nowhere.to_string())
    });
    let mut client = cluster.connect(0);
    let shown = || {
        client.call(&["PUBLISH", "channel", &"x".repeat(10_000)]);
        used(&cluster, 0, &id) >= 10_000
    };
    wait_until("what waits to be shown", secs(20), shown);
}
