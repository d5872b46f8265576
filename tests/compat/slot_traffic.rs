//! What CLUSTER SLOT-STATS counts with `cluster-slot-stats-enabled`: the bytes are those of Valkey 9.1.2, which has its
//! turn, too, if there is one.

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

/// The slot of `key`.
const SLOT: &str = "12539";

/// Requests of one client, and the bytes that come in and go out for the slot of `key`.
const CASES: [(&[&str], i64, i64); 17] = [
    (&["SET key value"], 33, 5),
    (&["SET key value", "GET key"], 55, 16),
    (&["SET key value foo bar"], 51, 19),
    (&["LPUSH key a", "GET key"], 53, 72),
    (&["GET key key"], 0, 0),
    (&["MGET key foo"], 0, 0),
    (&["MGET key {key}2"], 35, 14),
    (&["WATCH key", "UNWATCH"], 24, 5),
    (&["PING", "DBSIZE", "ECHO key", "PUBLISH key message"], 0, 0),
    (&["OBJECT ENCODING key"], 39, 5),
    (&["SPUBLISH key hello"], 38, 4),
    (&["MULTI", "SET key value", "EXEC"], 62, 18),
    (&["MULTI", "SET key value", "GET key", "EXEC"], 84, 49),
    (&["MULTI", "PING", "SET key value", "EXEC"], 62, 43),
    (&["MULTI", "EXEC"], 0, 0),
    (&["MULTI", "GET", "SET key value", "EXEC"], 33, 0),
    (&["MULTI", "SET key value", "DISCARD"], 33, 0),
];

fn node(binary: Binary) -> Node {
    let node = NodeSpec::new(binary).with("cluster-enabled", "yes").with("cluster-slot-stats-enabled", "yes").start();
    assert!(node.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
    wait_until("the cluster", secs(10), || node.cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    node
}

/// Bytes in and out of the slot, and whether it had CPU time.
fn traffic(node: &Node) -> (i64, i64, bool) {
    let stats = node.cmd(&format!("CLUSTER SLOT-STATS SLOTSRANGE {SLOT} {SLOT}"));
    let stats = stats.items()[0].items()[1].items();
    let names: Vec<String> = stats.iter().step_by(2).map(integration::resp::Value::text).collect();
    assert_eq!(names, ["key-count", "cpu-usec", "network-bytes-in", "network-bytes-out"]);
    (stats[5].int(), stats[7].int(), stats[3].int() > 0)
}

/// Begins anew, and says what came of it.
fn after(node: &Node, act: impl FnOnce(&mut Client)) -> (i64, i64, bool) {
    assert!(node.cmd("FLUSHALL").is_ok());
    assert!(node.cmd("CONFIG RESETSTAT").is_ok());
    act(&mut node.client());
    traffic(node)
}

fn check(binary: Binary) {
    let node = node(binary);
    for (requests, bytes_in, bytes_out) in CASES {
        let told = after(&node, |client| {
            for request in requests {
                client.cmd(request);
            }
        });
        assert_eq!((told.0, told.1), (bytes_in, bytes_out), "{requests:?}");
    }
    let inline = after(&node, |client| {
        client.send_raw(b"SET key value\r\n").expect("sent");
        client.reply(secs(5)).expect("a reply");
    });
    assert_eq!((inline.0, inline.1), (15, 5), "an inline command");
    let pipeline = after(&node, |client| {
        client.send_raw(b"SET key value\r\nGET key\r\nSET foo v\r\nGET key\r\n").expect("sent");
        (0..4).for_each(|_| drop(client.reply(secs(5)).expect("a reply")));
    });
    assert_eq!((pipeline.0, pipeline.1), (15 + 9 + 9, 5 + 11 + 11), "a pipeline");
    let subscribed = after(&node, |client| {
        client.cmd("SSUBSCRIBE key");
        assert_eq!(node.client().cmd("SPUBLISH key hello").int(), 1);
        client.reply(secs(5)).expect("the message");
        client.cmd("SUNSUBSCRIBE key");
    });
    assert_eq!((subscribed.0, subscribed.1), (100, 112), "messages");
    check_blocking(&node);
    check_directive(&node);
}

fn check_blocking(node: &Node) {
    let mut waiting = (0, 0, false);
    let served = after(node, |client| {
        client.send(&["BLPOP", "key", "0"]).expect("sent");
        wait_until("the client to block", secs(5), || node.cmd("INFO clients").text().contains("blocked_clients:1"));
        waiting = traffic(node);
        node.client().cmd("LPUSH key value");
        client.reply(secs(5)).expect("a reply");
    });
    assert_eq!(waiting, (0, 0, false), "a client that waits");
    assert_eq!((served.0, served.1), (66, 28), "a client that was served");
    let late = after(node, |client| drop(client.cmd("BLPOP key 0.05")));
    assert_eq!((late.0, late.1), (0, 0), "a client that was not");
}

fn check_directive(node: &Node) {
    let off = after(node, |client| {
        client.ok("SET key v");
        client.ok("CONFIG SET cluster-slot-stats-enabled no");
        client.ok("SET key v");
        let stats = client.cmd(&format!("CLUSTER SLOT-STATS SLOTSRANGE {SLOT} {SLOT}"));
        assert_eq!(stats.items()[0].items()[1].items().len(), 2);
        for metric in ["cpu-usec", "network-bytes-in", "network-bytes-out"] {
            let said = client.cmd(&format!("CLUSTER SLOT-STATS ORDERBY {metric}")).text();
            assert_eq!(said, "ERR Unrecognized sort metric for ORDERBY.");
        }
        client.ok("CONFIG SET cluster-slot-stats-enabled yes");
    });
    assert_eq!((off.0, off.1), (29, 5), "what was counted stays");
    let mut order = Vec::new();
    after(node, |client| {
        client.ok("SET key v");
        client.ok("SET foo v");
        client.cmd("GET foo");
        for metric in ["network-bytes-in", "Network-Bytes-Out", "key-count", "cpu-usec"] {
            for way in ["DESC LIMIT 2", "ASC LIMIT 1"] {
                let stats = client.cmd(&format!("CLUSTER SLOT-STATS ORDERBY {metric} {way}"));
                order.push(stats.items().iter().map(|slot| slot.items()[0].int()).collect::<Vec<i64>>());
            }
        }
    });
    assert_eq!(order[..6], [vec![12182, 12539], vec![0], vec![12182, 12539], vec![0], vec![12182, 12539], vec![0]]);
    assert_eq!(order[7], [0]);
    let lost = after(node, |client| {
        client.ok("SET key v");
        client.ok(&format!("CLUSTER DELSLOTS {SLOT}"));
        client.ok(&format!("CLUSTER ADDSLOTS {SLOT}"));
    });
    assert_eq!(lost, (0, 0, false), "a slot that comes back begins anew");
}

#[test]
fn slots_are_charged_with_the_traffic_of_their_commands() {
    if !slotd_is_stock() {
        check(Binary::Slotd);
    }
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn valkey_charges_slots_with_the_same_traffic() {
    check(Binary::Later("valkey9"));
}

#[test]
fn cpu_time_of_slots_is_that_of_command_statistics() {
    if slotd_is_stock() {
        return;
    }
    let node = node(Binary::Slotd);
    let told = after(&node, |client| {
        for _ in 0..50 {
            client.cmd("SETRANGE key 100000 v");
            client.cmd("INCR key");
            client.cmd("GET key");
        }
    });
    assert!(told.2);
    let stats = node.cmd("CLUSTER SLOT-STATS ORDERBY cpu-usec LIMIT 1");
    let cpu = stats.items()[0].items()[1].items()[3].int();
    let info = node.cmd("INFO commandstats").text();
    let usec = |line: &str| line.split("usec=").nth(1)?.split(',').next()?.parse::<i64>().ok();
    let ours =
        |line: &&str| ["setrange:", "incr:", "get:"].iter().any(|name| line.starts_with(&format!("cmdstat_{name}")));
    let sum: i64 = info.lines().filter(ours).filter_map(usec).sum();
    assert_eq!(cpu, sum);
}
