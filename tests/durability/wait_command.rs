//! WAIT and min-replicas-to-write: how many replicas have a write, and what happens if there are too few.

use std::time::Instant;

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use crate::{PAIRS, wait_link_up};

#[test]
fn wait_counts_replicas_that_have_the_write() {
    for (primary, replica) in PAIRS {
        let primary = NodeSpec::new(primary).with("repl-diskless-sync-delay", "0").start();
        let replicas = [NodeSpec::new(replica).start(), NodeSpec::new(replica).start()];
        for node in &replicas {
            node.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
            wait_link_up(node);
        }
        let mut client = primary.client();
        client.ok("SET k v");
        assert_eq!(client.cmd("WAIT 2 5000").int(), 2);
        assert_eq!(client.cmd("WAIT 1 0").int(), 2, "both have it already");
        replicas[0].freeze();
        client.ok("SET k w");
        let start = Instant::now();
        assert_eq!(client.cmd("WAIT 2 300").int(), 1);
        assert!(start.elapsed().as_millis() >= 290, "the time-out was waited for");
        assert_eq!(client.cmd("WAIT 1 5000").int(), 1);
        client.ok("MULTI");
        client.cmd("SET k x");
        client.cmd("WAIT 2 0");
        assert_eq!(client.cmd("EXEC").items().len(), 2, "inside a transaction WAIT does not block");
        replicas[0].thaw();
        assert_eq!(client.cmd("WAIT 2 10000").int(), 2);
        // A client that wrote nothing has nothing to wait for.
        assert_eq!(primary.client().cmd("WAIT 2 5000").int(), 2);
        assert_eq!(
            replicas[1].cmd("WAIT 1 0").text(),
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."
        );
    }
}

#[test]
fn too_few_good_replicas_refuse_writes() {
    for (primary, replica) in PAIRS {
        let primary = NodeSpec::new(primary)
            .with("repl-diskless-sync-delay", "0")
            .with("min-replicas-to-write", "1")
            .with("min-replicas-max-lag", "2")
            .start();
        let refused = "NOREPLICAS Not enough good replicas to write.";
        assert_eq!(primary.cmd("SET k v").text(), refused);
        let follower = NodeSpec::new(replica).start();
        follower.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        wait_until("writes to be accepted", secs(20), || primary.cmd("SET k v").is_ok());
        assert!(!primary.cmd("GET k").is_error());
        follower.freeze();
        wait_until("the lag to be noticed", secs(20), || primary.cmd("SET k v").text() == refused);
        follower.thaw();
        wait_until("writes to be accepted again", secs(20), || primary.cmd("SET k v").is_ok());
    }
}

/// Clients that wait when the primary is demoted get an error and are not left waiting.
#[test]
fn demotion_ends_a_wait() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    client.ok("SET k v");
    client.send(&["WAIT", "1", "0"]).expect("sent");
    wait_until("the client to block", secs(5), || node.info("blocked_clients") == "1");
    node.cmd("REPLICAOF 127.0.0.1 1");
    let said = client.expect_close(secs(10));
    assert!(said.starts_with(b"-UNBLOCKED force unblock from blocking operation"), "{}", said.escape_ascii());
}

/// CLIENT UNBLOCK ends a WAIT as its timeout would, or with an error; there is one reply and the connection goes on.
#[test]
fn a_wait_can_be_unblocked() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    let id = client.cmd("CLIENT ID").int();
    client.ok("SET k v");
    for (how, expected) in [("", "0"), ("TIMEOUT", "0"), ("ERROR", "UNBLOCKED client unblocked via CLIENT UNBLOCK")] {
        client.send(&["WAIT", "1", "0"]).expect("sent");
        wait_until("the client to block", secs(5), || node.info("blocked_clients") == "1");
        assert_eq!(node.cmd(&format!("CLIENT UNBLOCK {id} {how}")).int(), 1);
        let reply = client.reply(secs(5)).expect("an answer");
        let text = if reply.is_error() { reply.text() } else { reply.int().to_string() };
        assert_eq!(text, expected, "{how}");
        wait_until("nobody to block", secs(5), || node.info("blocked_clients") == "0");
        assert_eq!(node.cmd(&format!("CLIENT UNBLOCK {id}")).int(), 0);
        assert_eq!(client.cmd("PING").text(), "PONG");
    }
    // A client that disconnects while it waits is forgotten.
    client.send(&["WAIT", "1", "0"]).expect("sent");
    wait_until("the client to block", secs(5), || node.info("blocked_clients") == "1");
    drop(client);
    wait_until("nobody to block", secs(5), || node.info("blocked_clients") == "0");
}
