//! A long command delays only commands that need what it holds.
//!
//! Connections are spread over workers: the first eight share one, the next go to another. A command that needs the
//! slot of a long one is parked, and the other connections of its worker are served.

use std::io::Write;
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use super::start;

/// Elements of the list that a long command searches.
const ELEMENTS: usize = 100_000;
/// How long it searches.
const LONG: Duration = Duration::from_secs(3);
/// The limit for a reply that does not depend on the long command, on a machine that does other things too.
const SOON: Duration = Duration::from_millis(500);

pub(crate) fn fill_list(client: &mut Client) {
    let element = "x".repeat(20);
    let mut words = vec!["RPUSH", "list"];
    words.extend(std::iter::repeat_n(&*element, ELEMENTS));
    assert!(!client.call(&words).is_error());
}

/// Sends a transaction that searches the list again and again.
pub(crate) fn begin_long_exec(client: &mut Client) {
    begin_long_exec_with(client, &[]);
}

/// The same with these commands in front.
fn begin_long_exec_with(client: &mut Client, first: &[&str]) {
    let mut once = |_| {
        let begun = Instant::now();
        assert!(!client.cmd("LPOS list missing").is_error());
        begun.elapsed()
    };
    // The fastest of a few: other load on the machine makes a search slow, and the transaction would be too short.
    let fastest = (0..5).map(&mut once).min().expect("five of them");
    let rounds = LONG.as_micros() / fastest.as_micros().max(1) + 1;
    client.ok("MULTI");
    for command in first {
        assert_eq!(client.cmd(command).text(), "QUEUED");
    }
    for _ in 0..rounds {
        client.send(&["LPOS", "list", "missing"]).expect("sent");
    }
    for _ in 0..rounds {
        client.reply(secs(30)).expect("QUEUED");
    }
    client.send(&["EXEC"]).expect("sent");
}

/// Whether a node has a worker besides that of its first clients.
fn has_two_workers() -> bool {
    std::thread::available_parallelism().is_ok_and(|count| count.get() >= 2)
}

/// The reply to a command, which must come soon.
#[track_caller]
fn answered_soon(client: &mut Client, command: &str) -> Value {
    let asked = Instant::now();
    let reply = client.cmd(command);
    assert!(asked.elapsed() < SOON, "{command} took {:?}", asked.elapsed());
    reply
}

/// Clients on another worker than that of the first eight.
pub(crate) fn elsewhere(node: &Node, count: usize) -> (Vec<Client>, Vec<Client>) {
    let mut first: Vec<Client> = (0..8).map(|_| node.client()).collect();
    first.iter_mut().for_each(|client| assert!(!client.cmd("PING").is_error()));
    let mut others: Vec<Client> = (0..count).map(|_| node.client()).collect();
    others.iter_mut().for_each(|client| assert!(!client.cmd("PING").is_error()));
    (first, others)
}

#[test]
fn nobody_waits_for_a_long_command_who_does_not_need_its_slot() {
    if !has_two_workers() {
        return;
    }
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    begin_long_exec(&mut first[0]);
    // Each of these needs the slot, or all slots, or the barrier; they share a worker with the last client.
    let waiting: [&[&str]; 5] =
        [&["LLEN", "list"], &["MSET", "other", "1", "list", "2"], &["KEYS", "li*"], &["SWAPDB", "1", "2"], &["BGSAVE"]];
    for (client, command) in others.iter_mut().zip(waiting) {
        client.send(command).expect("sent");
    }
    let neighbour = others.last_mut().expect("six clients");
    for round in 0..10 {
        for command in ["PING", "SET free 1", "INFO", "DBSIZE"] {
            let asked = Instant::now();
            assert!(!neighbour.cmd(command).is_error());
            assert!(asked.elapsed() < SOON, "{command} took {:?} in round {round}", asked.elapsed());
        }
    }
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    for (client, command) in others.iter_mut().zip(waiting) {
        let reply = client.frame(secs(60)).unwrap_or_else(|_| panic!("{command:?} is answered"));
        assert!(!reply.starts_with(b"-"), "{command:?}: {}", String::from_utf8_lossy(&reply));
    }
}

#[test]
fn who_leaves_the_slot_of_a_long_command_does_not_wait_for_it() {
    if !has_two_workers() {
        return;
    }
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    let [unwatches, watches, times_out, waits, is_unblocked, neighbour] = &mut others[..] else {
        panic!("six clients")
    };
    unwatches.ok("WATCH list");
    watches.ok("WATCH list {list}other");
    let id = is_unblocked.cmd("CLIENT ID").int();
    is_unblocked.send(&["BLPOP", "{list}a", "{list}b", "0"]).expect("sent");
    waits.send(&["BLPOP", "{list}a", "0"]).expect("sent");
    times_out.send(&["BLPOP", "{list}a", "0.5"]).expect("sent");
    wait_until("three clients to be blocked", secs(5), || node.info("blocked_clients") == "3");
    begin_long_exec(&mut first[0]);
    assert!(answered_soon(unwatches, "UNWATCH").is_ok());
    assert_eq!(times_out.reply(Duration::from_millis(500) + SOON).expect("its time is up"), Value::Null);
    assert_eq!(answered_soon(neighbour, &format!("CLIENT UNBLOCK {id}")).int(), 1);
    assert_eq!(is_unblocked.reply(SOON).expect("it is unblocked"), Value::Null);
    watches.shutdown_write();
    waits.shutdown_write();
    for client in [watches, waits] {
        client.expect_close(SOON);
    }
    for _ in 0..10 {
        assert!(!answered_soon(neighbour, "PING").is_error());
    }
    assert_eq!(answered_soon(neighbour, "INFO clients").text().matches("blocked_clients:0").count(), 1);
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    // Nobody who has left takes anything.
    assert_eq!(neighbour.cmd("RPUSH {list}a 1").int(), 1);
    assert_eq!(neighbour.cmd("LLEN {list}a").int(), 1);
}

#[test]
fn commands_about_the_slot_of_a_long_one_hold_up_nobody_else() {
    if !has_two_workers() {
        return;
    }
    let node = NodeSpec::cluster(Binary::Slotd, 15_000).start();
    node.admin().ok("CLUSTER ADDSLOTSRANGE 0 16383");
    wait_until("the cluster to be up", secs(10), || node.cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    let slot = node.cmd("CLUSTER KEYSLOT list").int().to_string();
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    begin_long_exec(&mut first[0]);
    let waiting: [&[&str]; 5] = [
        &["CLUSTER", "GETKEYSINSLOT", &slot, "10"],
        &["CLUSTER", "SETSLOT", &slot, "NODE", "0000000000000000000000000000000000000000"],
        &["MIGRATE", "127.0.0.1", "1", "list", "0", "100"],
        &["DEBUG", "OBJECT", "list"],
        &["DEBUG", "DIGEST"],
    ];
    for (client, command) in others.iter_mut().zip(waiting) {
        client.send(command).expect("sent");
    }
    let neighbour = others.last_mut().expect("six clients");
    for _ in 0..10 {
        assert!(!answered_soon(neighbour, "PING").is_error());
        assert_eq!(answered_soon(neighbour, &format!("CLUSTER COUNTKEYSINSLOT {slot}")).int(), 1);
    }
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    for (client, command) in others.iter_mut().zip(waiting) {
        client.frame(secs(60)).unwrap_or_else(|_| panic!("{command:?} is answered"));
    }
}

#[test]
fn what_needs_no_data_is_answered_while_a_command_has_the_node_for_itself() {
    if !has_two_workers() {
        return;
    }
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 4);
    fill_list(&mut first[0]);
    // DBSIZE looks at all slots: the transaction runs alone.
    begin_long_exec_with(&mut first[0], &["DBSIZE"]);
    let [probe, needs_data, new, neighbour] = &mut others[..] else { panic!("four clients") };
    wait_until("the transaction to begin", secs(5), || {
        probe.send(&["GET", "other"]).expect("sent");
        probe.frame(Duration::from_millis(100)).is_err()
    });
    needs_data.send_raw(b"PING\r\nGET other\r\nECHO behind\r\n").expect("sent");
    assert_eq!(needs_data.frame(SOON).expect("a reply"), b"+PONG\r\n");
    assert!(!answered_soon(new, "HELLO 3 SETNAME new").is_error());
    for _ in 0..10 {
        for command in ["PING", "ECHO text", "INFO", "CLIENT LIST", "CLIENT ID", "COMMAND COUNT", "TIME"] {
            assert!(!answered_soon(neighbour, command).is_error(), "{command}");
        }
    }
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(needs_data.arrived().is_none(), "what needs data waits, and so does what stands behind it");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    assert_eq!(needs_data.frame(secs(60)).expect("a reply"), b"$-1\r\n");
    assert_eq!(needs_data.frame(secs(60)).expect("a reply"), b"$6\r\nbehind\r\n");
}

/// A client whose request waits for a long command is not idle, however long that takes.
#[test]
fn a_client_that_waits_for_a_long_command_is_not_closed_as_idle() {
    let node = start();
    let (mut first, mut others) = elsewhere(&node, 1);
    fill_list(&mut first[0]);
    node.admin().ok("CONFIG SET timeout 1");
    begin_long_exec(&mut first[0]);
    others[0].send(&["LLEN", "list"]).expect("sent");
    let reply = others[0].frame(secs(60)).expect("it is answered");
    assert_eq!(reply, format!(":{ELEMENTS}\r\n").into_bytes());
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
}

/// While its command waits for a slot, a client's further requests stay in the socket, as they do in Redis while it is
/// busy. They do not fill the memory, and a client that does not wait for replies is not closed for it.
#[test]
fn what_is_sent_behind_a_command_that_waits_stays_in_the_socket() {
    if !has_two_workers() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).with("client-query-buffer-limit", "4mb").start();
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    begin_long_exec(&mut first[0]);
    let (sender, receiver) = others.split_at_mut(1);
    let requests = 10_000;
    let mut bytes = b"LLEN list\r\n".to_vec();
    let value = "v".repeat(1_000);
    for _ in 0..requests {
        bytes.extend_from_slice(format!("SET key {value}\r\n").as_bytes());
    }
    let mut writer = sender[0].sender();
    let sending = std::thread::spawn(move || writer.write_all(&bytes).expect("everything is taken"));
    assert!(!answered_soon(&mut receiver[0], "PING").is_error());
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert_eq!(sender[0].reply(secs(60)).expect("the reply of LLEN").int(), ELEMENTS as i64);
    for request in 0..requests {
        assert!(sender[0].reply(secs(60)).is_ok_and(|reply| reply.is_ok()), "reply {request}");
    }
    sending.join().expect("no panic");
}

/// The data set of a primary replaces that of its replica between two commands, so it has to wait for a long one. The
/// worker that follows the primary has other clients.
#[test]
fn a_full_sync_that_waits_for_a_long_command_holds_up_nobody_else() {
    if !has_two_workers() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).with("repl-diskless-load", "swapdb").start();
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "1").start();
    // With so many keys it waits for more replicas.
    let keys: Vec<String> = (0..100_001).map(|key| format!("from{key}")).collect();
    let mut words = vec!["MSET"];
    words.extend(keys.iter().flat_map(|key| [&**key, "primary"]));
    assert!(primary.client().call(&words).is_ok());
    // Clients on both workers: the link is on one of them.
    let (mut first, mut others) = elsewhere(&node, 6);
    fill_list(&mut first[0]);
    assert!(others[0].cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    begin_long_exec(&mut first[0]);
    wait_until("the snapshot to have arrived", secs(10), || node.log().contains("Done loading RDB"));
    for _ in 0..10 {
        assert!(!answered_soon(&mut others[1], "PING").is_error());
        assert!(!answered_soon(&mut others[1], "EXISTS free").is_error());
    }
    assert!(first[0].arrived().is_none(), "the transaction was to take longer");
    assert!(first[0].frame(secs(60)).expect("EXEC's reply").starts_with(b"*"));
    wait_until("the new data", secs(10), || others[1].cmd("EXISTS from0").int() == 1);
    assert_eq!(others[1].cmd("EXISTS list").int(), 0);
}
