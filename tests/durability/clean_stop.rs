//! Writes acknowledged before a clean stop are there after the next start: for every way to stop a node, in every mode,
//! for every command.
//!
//! `rdb-key-save-delay` makes the save long, instead of large data: what matters is that clients go on writing
//! meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use integration::client::Client;
use integration::cluster_client::ClusterClient;
use integration::load::{Load, assert_all_there};
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::ports::{PortLease, lease_row};
use integration::resp::encode;
use integration::wait::{secs, wait_until};

use crate::writers::Writers;
use crate::{wait_link_up, wait_same_data};

/// Keys that make the save long, and how long one takes: a second in all.
const KEYS: usize = 4_000;
const DELAY_US: &str = "250";
const WRITERS: usize = 6;

/// The ways to stop a node in order, each with whether the node saves.
const WAYS: [(&str, bool); 4] = [("TERM", true), ("INT", true), ("SHUTDOWN", true), ("SHUTDOWN SAVE", false)];

fn fill(client: &mut Client, keys: usize) {
    let bytes: Vec<u8> = (0..keys).flat_map(|n| encode(&["SET", &format!("filler:{n}"), "some-value"])).collect();
    client.send_raw(&bytes).expect("the node reads");
    for _ in 0..keys {
        assert!(client.reply(secs(20)).expect("an answer").is_ok());
    }
}

/// Stops a node in one of [`WAYS`] and waits for its end.
#[track_caller]
fn stop(node: &mut Node, way: &str) {
    match way {
        "TERM" | "INT" => node.signal(way),
        command => node.client().send(&command.split(' ').collect::<Vec<_>>()).expect("sent"),
    }
    node.wait_end(secs(30));
}

#[track_caller]
fn stop_under_writers(spec: &NodeSpec, cluster: bool) {
    for (way, points) in WAYS {
        let spec = spec.clone().with("save", if points { "3600 1" } else { "" }).with("rdb-key-save-delay", DELAY_US);
        let mut node = spec.start();
        if cluster {
            node.client().ok("CLUSTER ADDSLOTSRANGE 0 16383");
            wait_until("the slots to be served", secs(20), || {
                node.cmd("CLUSTER INFO").text().contains("cluster_state:ok")
            });
        }
        fill(&mut node.client(), KEYS);
        let writers = Writers::start(&node, WRITERS, cluster);
        writers.wait_more(80);
        stop(&mut node, way);
        node.set_directive("rdb-key-save-delay", "0");
        node.restart();
        println!("{way}");
        writers.judge(&node);
    }
}

#[test]
fn what_was_acknowledged_before_a_clean_stop_is_there_after_the_start() {
    stop_under_writers(&NodeSpec::new(Binary::Slotd), false);
}

#[test]
fn what_was_acknowledged_before_a_clean_stop_is_there_after_the_start_in_cluster_mode() {
    stop_under_writers(&NodeSpec::cluster(Binary::Slotd, 5_000), true);
}

/// Commands that need the barrier wait for it, and may find that the node has ended its writes meanwhile.
#[test]
fn what_needs_the_whole_node_is_not_acknowledged_after_the_last_cut() {
    for round in 0..4 {
        let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").with("rdb-key-save-delay", "100").start();
        fill(&mut node.client(), KEYS);
        let facts: Vec<_> = (0..8).map(|number| exclusive_writer(node.client(), number)).collect();
        wait_until("all to be answered", secs(20), || facts.iter().all(|(count, _)| count.load(Ordering::SeqCst) > 20));
        stop(&mut node, "TERM");
        node.set_directive("rdb-key-save-delay", "0");
        node.restart();
        let mut client = node.client();
        for (number, (count, writer)) in facts.into_iter().enumerate() {
            writer.join().expect("the writer does not panic");
            let count = count.load(Ordering::SeqCst);
            if number % 2 == 0 {
                let found = client.cmd(&format!("GET n:{number}")).text().parse::<i64>().expect("a counter");
                assert!(
                    (count..=count + 1).contains(&found),
                    "round {round}: {count} transactions answered, {found} there"
                );
            } else {
                client.ok(&format!("SELECT {number}"));
                let found = client.cmd("GET n").text();
                let allowed = if count % 2 == 0 {
                    [String::new(), (count + 1).to_string()]
                } else {
                    [count.to_string(), String::new()]
                };
                assert!(allowed.contains(&found), "round {round}: {count} answers, then {found:?} is there");
                client.ok("SELECT 0");
            }
        }
    }
}

/// Even numbers: transactions over many slots. Odd ones: setting a key and flushing its database, in turn.
fn exclusive_writer(mut client: Client, number: usize) -> (Arc<AtomicI64>, thread::JoinHandle<()>) {
    let count: Arc<AtomicI64> = Arc::default();
    let counted = count.clone();
    let mut transaction = encode(&["MULTI"]);
    transaction.extend(encode(&["INCR", &format!("n:{number}")]));
    for n in 0..80 {
        transaction.extend(encode(&["SET", &format!("of:{number}:{n}"), "v"]));
    }
    transaction.extend(encode(&["EXEC"]));
    let writer = thread::spawn(move || {
        if number % 2 == 1 {
            client.ok(&format!("SELECT {number}"));
        }
        for step in 1_i64.. {
            let mut answers = 1;
            let sent = if number.is_multiple_of(2) {
                answers = 83;
                client.send_raw(&transaction)
            } else if step % 2 == 1 {
                client.send(&["SET", "n", &step.to_string()])
            } else {
                client.send(&["FLUSHDB"])
            };
            if sent.is_err() || (0..answers).any(|_| client.reply(secs(60)).is_err()) {
                return;
            }
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (count, writer)
}

/// Without a file, only the replicas have the data: they get everything that was acknowledged before the node ends.
#[test]
fn what_was_acknowledged_before_a_clean_stop_is_on_the_replicas() {
    for way in ["TERM", "SHUTDOWN"] {
        let mut primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
        let replica = NodeSpec::new(Binary::Slotd).with("replicaof", &format!("127.0.0.1 {}", primary.port())).start();
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
        let writers = Writers::start(&primary, WRITERS, false);
        writers.wait_more(80);
        stop(&mut primary, way);
        replica.client().ok("REPLICAOF NO ONE");
        writers.judge(&replica);
    }
}

/// A key that is being moved to another node either is moved or is still here: never acknowledged as moved and back
/// again.
#[test]
fn a_key_that_was_acknowledged_as_moved_is_not_back_after_a_stop() {
    let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = target.local_addr().expect("it is bound").port();
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").with("rdb-key-save-delay", DELAY_US).start();
    fill(&mut node.client(), KEYS);
    let mut client = node.client();
    client.ok("SET moving v");
    client.send(&["MIGRATE", "127.0.0.1", &port.to_string(), "moving", "0", "10000"]).expect("sent");
    let (mut link, _) = target.accept().expect("the node connects");
    let mut words = [0; 4096];
    assert!(link.read(&mut words).expect("RESTORE comes") > 0);
    node.signal("TERM");
    thread::sleep(Duration::from_millis(400));
    // The target accepts the key while the last save is being written (stock Redis checks for the signal only after
    // this).
    for _ in 0..2 {
        // Stock Redis selects a database first.
        link.write_all(b"+OK\r\n").expect("the node listens");
    }
    let moved = client.reply(secs(20)).is_ok_and(|reply| reply.is_ok());
    node.wait_end(secs(20));
    node.set_directive("rdb-key-save-delay", "0");
    node.restart();
    let here = node.cmd("EXISTS moving").int() == 1;
    assert!(!(moved && here), "acknowledged as moved, and back");
    // Stock Redis may end before its reply is sent.
    assert!(moved || here || node.binary().is_stock(), "not answered, and gone");
}

/// A shutdown that is aborted, or that another client waits for as well, leaves a node that accepts writes again.
#[test]
fn an_aborted_shutdown_lets_writes_go_on() {
    let node =
        NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").with("shutdown-timeout", "60").start();
    // A replica that acknowledges nothing.
    let mut replica = node.client();
    replica.ok("REPLCONF capa eof capa psync2");
    replica.send(&["PSYNC", "?", "-1"]).expect("sent");
    wait_until("the replica to be known", secs(20), || node.info("connected_slaves") == "1");
    node.client().ok("SET k v");
    let (mut first, mut second, mut writer) = (node.client(), node.client(), node.client());
    first.send(&["SHUTDOWN"]).expect("sent");
    wait_until("the shutdown to wait", secs(20), || node.log().contains("Waiting for replicas before shutting down."));
    second.send(&["SHUTDOWN", "NOW"]).expect("sent");
    writer.send(&["SET", "k", "w"]).expect("sent");
    assert_eq!(node.cmd("GET k").text(), "v", "reads are served");
    node.client().ok("SHUTDOWN ABORT");
    for client in [&mut first, &mut second] {
        let said = client.reply(secs(20)).expect("an answer").text();
        assert_eq!(said, "ERR Errors trying to SHUTDOWN. Check logs.");
    }
    assert!(writer.reply(secs(20)).expect("an answer").is_ok());
    assert!(node.log().contains("Shutdown manually aborted."));
}

/// A whole cluster in one process.
struct Embedded(Child);

impl Embedded {
    fn start(dir: &std::path::Path, port: u16) -> Self {
        let mut child = Command::new(Binary::Slotd.path())
            .args(["cluster", "--shards", "3", "--replicas", "1", "--port", &port.to_string(), "--dir"])
            .arg(dir)
            .args(["--save", "3600 1", "--rdb-key-save-delay", "1000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("slotd starts");
        let out = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|line| line.starts_with("ready"));
        assert!(ready, "slotd cluster is ready");
        Self(child)
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status().expect("kill runs");
        assert!(status.success());
    }

    fn wait_end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("slotd cluster to end", secs(30), || {
            status = self.0.try_wait().expect("own child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_was_acknowledged_before_a_cluster_is_stopped_is_there_after_its_start() {
    if slotd_is_stock() {
        return;
    }
    let place = NodeSpec::new(Binary::Slotd).prepare();
    let dir = place.dir().join("cluster");
    for name in ["TERM", "INT"] {
        let leases = lease_row(6);
        let ports: Vec<u16> = leases.iter().map(PortLease::port).collect();
        let _ = std::fs::remove_dir_all(&dir);
        let mut cluster = Embedded::start(&dir, ports[0]);
        let mut client = ClusterClient::new(ports.clone());
        for n in 0..600 {
            assert!(client.call(&["SET", &format!("filler:{n}"), "v"]).is_ok());
        }
        let loads: Vec<_> =
            (0..4).map(|n| Load::start(ClusterClient::new(ports.clone()), &format!("{name}:{n}"), 0)).collect();
        loads.iter().for_each(|load| load.wait_more(50, secs(20)));
        cluster.signal(name);
        assert_eq!(cluster.wait_end(), Some(0), "{name}");
        let acknowledged: Vec<_> = loads.into_iter().map(Load::finish).collect();
        let _again = Embedded::start(&dir, ports[0]);
        let mut client = ClusterClient::new(ports);
        acknowledged.iter().for_each(|writes| assert_all_there(&mut client, writes));
    }
}
