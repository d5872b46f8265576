//! WAIT, WAITAOF and min-replicas-to-write: how many replicas have a write, and what happens if there are too few.

use std::time::Instant;

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use crate::{PAIRS, take_snapshot, wait_link_up};

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

/// There is no append-only file here, so a replica of slotd never has one; what others say of theirs is believed.
#[test]
fn waitaof_counts_replicas_that_have_the_write_in_a_file() {
    if slotd_is_stock() {
        return;
    }
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    let follower = NodeSpec::new(Binary::Slotd).start();
    follower.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_link_up(&follower);
    assert_eq!(
        follower.cmd("WAITAOF 0 0 0").text(),
        "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated."
    );
    let mut client = primary.client();
    let counts =
        |client: &mut Client, line: &str| -> Vec<i64> { client.cmd(line).items().iter().map(Value::int).collect() };
    assert_eq!(counts(&mut client, "WAITAOF 0 1 0"), [0, 1], "who wrote nothing has nothing to wait for");
    client.ok("SET k v");
    let start = Instant::now();
    assert_eq!(counts(&mut client, "WAITAOF 0 1 300"), [0, 0]);
    assert!(start.elapsed().as_millis() >= 290, "the time-out was waited for");
    assert_eq!(client.cmd("WAIT 1 5000").int(), 1);
    // A replica with a file, played by hand.
    let mut replica = primary.client();
    replica.ok("REPLCONF capa eof capa psync2");
    take_snapshot(&mut replica);
    let ack = |replica: &mut Client, offset: i64, filed: i64| {
        let (offset, filed) = (offset.to_string(), filed.to_string());
        replica.send(&["REPLCONF", "ACK", &offset, "FACK", &filed]).expect("sent");
    };
    ack(&mut replica, 0, 0);
    wait_until("the replica to be online", secs(20), || primary.info("connected_slaves") == "2");
    client.ok("SET k w");
    let offset: i64 = primary.info("master_repl_offset").parse().expect("a number");
    ack(&mut replica, offset, offset - 1);
    assert_eq!(client.cmd("WAIT 2 5000").int(), 2);
    assert_eq!(counts(&mut client, "WAITAOF 0 1 100"), [0, 0]);
    client.send(&["WAITAOF", "0", "1", "0"]).expect("sent");
    wait_until("the client to wait", secs(20), || primary.info("blocked_clients") == "1");
    ack(&mut replica, offset, offset);
    let reply = client.reply(secs(20)).expect("the file has it now");
    assert_eq!(reply.items().iter().map(Value::int).collect::<Vec<_>>(), [0, 1]);
}
