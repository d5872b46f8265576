//! Fields of hashes that expire, across restarts and replication.

use std::time::Duration;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

use crate::{wait_link_up, wait_same_data};

/// The year 2100.
const LATER: &str = "4102444800123";

/// Hashes in both forms, some of whose fields expire.
fn fill(client: &mut Client) {
    for key in 0..50 {
        client.call(&["HSET", &format!("small:{key}"), "a", "1", "b", "2"]);
        client.call(&["HPEXPIREAT", &format!("small:{key}"), LATER, "FIELDS", "1", "b"]);
    }
    for field in 0..3000 {
        client.call(&["HSETEX", "big", "PXAT", LATER, "FIELDS", "1", &format!("field:{field}"), "some-value"]);
        client.call(&["HSET", "big", &format!("stays:{field}"), "some-value"]);
    }
}

#[track_caller]
fn is_filled(node: &Node) {
    assert_eq!(node.cmd("HLEN big").text(), "6000");
    let times = node.cmd("HPEXPIRETIME big FIELDS 3 field:17 stays:17 none").items().to_vec();
    assert_eq!(times.iter().map(integration::resp::Value::text).collect::<Vec<_>>(), [LATER, "-1", "-2"]);
    let times = node.cmd("HPEXPIRETIME small:7 FIELDS 2 a b").items().to_vec();
    assert_eq!(times.iter().map(integration::resp::Value::text).collect::<Vec<_>>(), ["-1", LATER]);
}

#[test]
fn expiries_of_fields_survive_a_restart_and_a_kill_after_a_save() {
    if slotd_is_stock() {
        return;
    }
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    fill(&mut node.client());
    let digest = node.cmd("DEBUG DIGEST").text();
    node.signal("TERM");
    node.wait_end(secs(30));
    node.restart();
    is_filled(&node);
    assert_eq!(node.cmd("DEBUG DIGEST").text(), digest);
    node.client().ok("DEBUG RELOAD");
    assert_eq!(node.cmd("DEBUG DIGEST").text(), digest);
    node.client().ok("SAVE");
    node.kill();
    node.restart();
    is_filled(&node);
    assert_eq!(node.cmd("DEBUG DIGEST").text(), digest);
    assert!(node.cmd("INFO keyspace").text().contains("subexpiry=51"));
}

#[test]
fn a_file_is_of_version_10_unless_a_field_expires() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    let version = |client: &mut Client| {
        client.ok("SAVE");
        std::fs::read(node.dir().join("dump.rdb")).expect("it was saved")[..9].to_vec()
    };
    client.cmd("HSET h a 1 b 2");
    assert_eq!(version(&mut client), b"REDIS0010");
    client.call(&["HPEXPIREAT", "h", LATER, "FIELDS", "1", "a"]);
    assert_eq!(version(&mut client), b"REDIS0012");
    client.cmd("HPERSIST h FIELDS 1 a");
    assert_eq!(version(&mut client), b"REDIS0010");
}

#[test]
fn a_replica_has_the_same_expiries_hides_expired_fields_and_waits_for_its_primary() {
    if slotd_is_stock() {
        return;
    }
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    let mut client = primary.client();
    fill(&mut client);
    let replica = NodeSpec::new(Binary::Slotd).with("replicaof", &format!("127.0.0.1 {}", primary.port())).start();
    wait_link_up(&replica);
    wait_same_data(&primary, &replica);
    is_filled(&replica);
    fill(&mut client);
    client.cmd("HINCRBY small:7 b 5");
    client.cmd("HINCRBYFLOAT small:8 b 0.5");
    client.cmd("HGETDEL small:9 FIELDS 1 b");
    client.cmd("HSETEX small:10 KEEPTTL FIELDS 1 b 7");
    wait_same_data(&primary, &replica);
    is_filled(&replica);
    // Without the cycle nobody removes the fields of the primary until a command meets them.
    client.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    client.cmd("HPEXPIRE big 1 FIELDS 2 field:1 field:2");
    client.cmd("HPEXPIRE small:1 1 FIELDS 2 a b");
    wait_until("the replica to hide them", secs(10), || {
        replica.cmd("HEXISTS big field:1").text() == "0" && replica.cmd("HGETALL small:1").items().is_empty()
    });
    assert_eq!(replica.cmd("HLEN big").text(), "6000", "they are there all the same");
    assert_eq!(replica.cmd("EXISTS small:1").text(), "1");
    std::thread::sleep(Duration::from_millis(5));
    client.cmd("HGET big field:1");
    client.cmd("HGET small:1 a");
    wait_until("the replica to be told", secs(10), || {
        replica.cmd("HLEN big").text() == "5998" && replica.cmd("EXISTS small:1").text() == "0"
    });
    wait_same_data(&primary, &replica);
}
