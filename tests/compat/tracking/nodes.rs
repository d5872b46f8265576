//! Tracking where more than one node takes part, a client that does not read, and what slotd does differently.

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::split_line;
use integration::wait::{secs, wait_until};

/// The replies and pushes of `play` with slotd are those with stock Redis.
#[track_caller]
fn same_frames(play: fn(Binary) -> Vec<String>) {
    assert_eq!(play(Binary::Stock), play(Binary::Slotd));
}

fn tracking_client(node: &Node, lines: &[&str]) -> Client {
    let mut client = node.client();
    for line in ["HELLO 3"].iter().chain(lines) {
        let reply = client.cmd(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
    client
}

fn frames(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| client.frame(secs(10)).expect("a frame").escape_ascii().to_string()).collect()
}

#[test]
fn a_key_that_moves_to_another_node_is_told() {
    same_frames(|binary| {
        let (node, target) = (NodeSpec::new(binary).start(), NodeSpec::new(Binary::Stock).start());
        assert!(node.cmd("MSET k 1 j 1").is_ok());
        let mut mover = tracking_client(&node, &["CLIENT TRACKING ON", "MGET k j"]);
        let mut other = tracking_client(&node, &["CLIENT TRACKING ON", "MGET k j"]);
        let mut all = tracking_client(&node, &["CLIENT TRACKING ON BCAST"]);
        let migrate = |keys: &str| format!("MIGRATE 127.0.0.1 {} {keys}", target.port());
        mover.send(&split_line(&migrate("k 0 5000 COPY"))).expect("sent");
        let mut heard = frames(&mut mover, 1);
        mover.send(&split_line(&migrate("\"\" 0 5000 REPLACE KEYS k j"))).expect("sent");
        heard.extend(frames(&mut mover, 3));
        heard.extend(frames(&mut other, 2));
        heard.extend(frames(&mut all, 1));
        heard
    });
}

#[test]
fn a_full_sync_and_the_stream_of_the_primary_are_told() {
    same_frames(|binary| {
        let primary = NodeSpec::new(Binary::Stock).with("repl-diskless-sync-delay", "0").start();
        let replica = NodeSpec::new(binary).start();
        let mut client = tracking_client(&replica, &["CLIENT TRACKING ON", "GET k"]);
        assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
        let mut heard = frames(&mut client, 1);
        wait_until("the link to be up", secs(20), || replica.info("master_link_status") == "up");
        client.cmd("GET k");
        assert!(primary.cmd("SET k 1").is_ok());
        heard.extend(frames(&mut client, 1));
        client.cmd("GET k");
        assert!(primary.cmd("FLUSHALL").is_ok());
        heard.extend(frames(&mut client, 1));
        heard
    });
}

#[test]
fn a_client_that_does_not_read_what_it_is_told_is_closed() {
    for binary in [Binary::Stock, Binary::Slotd] {
        let node = NodeSpec::new(binary).with("client-output-buffer-limit", "normal 1mb 0 0").start();
        let mut deaf = node.client();
        assert!(!deaf.cmd("HELLO 3").is_error());
        let id = format!("id={} ", deaf.cmd("CLIENT ID").text());
        deaf.ok("CLIENT TRACKING ON BCAST");
        let keys: Vec<String> = (0..2000).map(|number| format!("{number:0>500}")).collect();
        let mset: Vec<&str> = ["MSET"].into_iter().chain(keys.iter().flat_map(|key| [key.as_str(), "v"])).collect();
        let mut writer = node.client();
        let closed = (0..100).any(|_| {
            assert!(writer.call(&mset).is_ok());
            !node.cmd("CLIENT LIST").text().contains(&id)
        });
        assert!(closed, "{binary:?} keeps 100 MB for it");
    }
}

/// What slotd does differently, and why: Redis replies twice, or in a protocol that the receiver does not speak.
#[test]
fn differences() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    let overlap = client.cmd("CLIENT TRACKING ON BCAST PREFIX a PREFIX bb PREFIX b");
    assert!(overlap.is_error() && overlap.text().contains("'bb' overlaps with another provided prefix 'b'"));
    assert_eq!(client.cmd("CLIENT GETREDIR").text(), "-1", "nothing follows the error, and nothing was done");

    let (mut tracker, mut listener) = (node.client(), node.client());
    let id = listener.cmd("CLIENT ID").text();
    assert!(!listener.cmd("SUBSCRIBE any").is_error());
    assert!(!tracker.cmd("HELLO 3").is_error());
    tracker.ok(&format!("CLIENT TRACKING ON REDIRECT {id}"));
    client.ok("FLUSHALL");
    let told = listener.frame(secs(10)).expect("a message");
    assert_eq!(told, b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");

    // Keys without a client that could be notified are forgotten.
    drop((tracker, listener));
    let mut reader = node.client();
    reader.ok("CLIENT TRACKING ON");
    reader.cmd("GET k");
    assert_eq!(node.info("tracking_total_keys"), "1");
    drop(reader);
    wait_until("the table is empty", secs(10), || node.info("tracking_total_keys") == "0");
}
