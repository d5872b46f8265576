//! A long command must not make its node unresponsive: peers, and clients of other nodes, do not notice it.
//!
//! The scene is played in six processes and in one, with a node timeout of a second. A transaction of several seconds
//! (`LPOS` for an element that a long list does not have, as often as a measurement says) runs beside a key of its slot
//! that expires meanwhile. Then come KEYS over many keys, the removal of long lists, and a snapshot that is requested
//! in the middle of the transaction. All the while every other shard must accept writes and report `ok`, and no node
//! may suspect the busy one. Afterwards epochs and roles must be the same as before.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::cluster::{ClusterSpec, NodeLine, parse_nodes};
use integration::node::{Node, info_field};
use integration::one_process::{OneProcess, TestDir};
use integration::oracle::slotd_is_stock;
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// Seven node timeouts: a thread that waits for the transaction is silent for long enough to have its node replaced.
const LONG: Duration = secs(7);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(50);
/// Elements of the list that transactions search.
const ELEMENTS: usize = 400_000;
/// Elements of a list that is removed.
const DOOMED: usize = 10_000_000;
/// The usual limit for a reply of an idle worker, on a machine that does other things too.
const SOON: Duration = Duration::from_millis(100);
/// The limit that must always hold.
const AT_LAST: Duration = Duration::from_secs(1);
/// More connections than fit on the worker that serves a node's first clients.
const MANY_CLIENTS: usize = 16;
/// Keys that KEYS visits.
const KEYS: usize = 5_000_000;
/// Keys of the shards of the nodes 1 and 2.
const ELSEWHERE: [(usize, &str); 2] = [(1, "c"), (2, "foo")];

/// A cluster of three primaries, node 0 to 2, and their replicas, identified by port.
struct Scene {
    ports: Vec<u16>,
}

impl Scene {
    #[track_caller]
    fn client(&self, node: usize) -> Client {
        Client::connect(self.ports[node]).unwrap_or_else(|e| panic!("node {node}: {e}"))
    }

    #[track_caller]
    fn nodes(&self, node: usize) -> Vec<NodeLine> {
        parse_nodes(&self.client(node).cmd("CLUSTER NODES").text())
    }

    /// Id, role, primary, epoch and slots of all nodes, as each node sees them.
    #[track_caller]
    fn order(&self) -> Vec<Vec<String>> {
        let shown = |line: &NodeLine| {
            format!("{} {} {:?} {} {:?}", line.id, line.is_primary(), line.primary, line.epoch, line.slots)
        };
        let sorted = |node| {
            let mut lines: Vec<String> = self.nodes(node).iter().map(shown).collect();
            lines.sort();
            lines
        };
        (0..self.ports.len()).map(sorted).collect()
    }

    /// A list of so many elements in node 0's slot `{bar}`.
    #[track_caller]
    fn long_list(&self, key: &str, length: usize) {
        let mut client = self.client(0);
        let elements: Vec<String> = (0..10_000).map(|number| format!("element:{number}")).collect();
        let words: Vec<&str> = ["RPUSH", key].into_iter().chain(elements.iter().map(String::as_str)).collect();
        for _ in 0..length / elements.len() {
            assert!(client.call(&words).int() > 0);
        }
    }

    /// Many keys in one slot of node 0.
    #[track_caller]
    fn many_keys(&self) {
        let mut client = self.client(0);
        for first in (0..KEYS).step_by(5_000) {
            let mut words = vec!["MSET".to_owned()];
            words
                .extend((first..first + 5_000).flat_map(|number| [format!("{{bar}}key:{number}"), "value".to_owned()]));
            assert!(client.call(&words).is_ok());
        }
    }

    /// Starts a transaction over the list that takes about [`LONG`], and returns once it runs. A key of its slot
    /// expires meanwhile, and cannot be removed before the transaction ends.
    #[track_caller]
    fn start_long_transaction(&self, list: &str) -> JoinHandle<Duration> {
        let mut client = self.client(0);
        let search = |client: &mut Client| {
            let started = Instant::now();
            assert_eq!(client.call(&["LPOS", list, "absent"]), Value::Null);
            started.elapsed()
        };
        let one = (0..5).map(|_| search(&mut client)).min().expect("five were made");
        let count = (LONG.as_secs_f64() / one.as_secs_f64()).ceil() as usize;
        self.client(0).ok("SET {bar}expiring value PX 1000");
        client.ok("MULTI");
        for _ in 0..count {
            assert_eq!(client.call(&["LPOS", list, "absent"]).text(), "QUEUED");
        }
        let runs = thread::spawn(move || {
            let started = Instant::now();
            let reply = client.try_call_within(&["EXEC"], LONG * 10).expect("the transaction ends");
            assert!(matches!(reply, Value::Array(replies) if replies.len() == count));
            started.elapsed()
        });
        // It runs when a command that needs its slot is not answered.
        wait_until("the transaction to run", secs(20), || {
            let mut probe = self.client(0);
            probe.send(&["LLEN", list]).expect("sent");
            thread::sleep(PAUSE);
            probe.arrived().is_none()
        });
        runs
    }

    /// Until `runs` is over: other shards accept writes, all other nodes report ok, and none suspects node 0.
    #[track_caller]
    fn watch<T>(&self, what: &str, runs: JoinHandle<T>) -> T {
        let mut clients: Vec<Client> = (0..self.ports.len()).map(|node| self.client(node)).collect();
        while !runs.is_finished() {
            for (node, key) in ELSEWHERE {
                let reply = clients[node].call(&["SET", key, "value"]);
                assert!(reply.is_ok(), "{what}: a write at node {node}: {reply:?}");
            }
            for (node, client) in clients.iter_mut().enumerate().skip(1) {
                let state = info_field(&client.cmd("CLUSTER INFO").text(), "cluster_state");
                assert_eq!(state.as_deref(), Some("ok"), "{what}: at node {node}");
                let seen = parse_nodes(&client.cmd("CLUSTER NODES").text());
                let suspect = seen.iter().find(|line| line.has("fail?") || line.has("fail"));
                assert!(suspect.is_none(), "{what}: node {node} suspects {suspect:?}");
            }
            thread::sleep(PAUSE);
        }
        runs.join().expect("what was started succeeds")
    }

    /// A client of node 0 on another worker than the long command's: the first clients of a node share one worker, but
    /// of many clients some are elsewhere.
    #[track_caller]
    fn client_elsewhere(&self) -> Client {
        let mut clients: Vec<Client> = (0..MANY_CLIENTS).map(|_| self.client(0)).collect();
        clients.iter_mut().for_each(|client| client.send(&["PING"]).expect("it is sent"));
        let asked = Instant::now();
        loop {
            if let Some(at) = clients.iter_mut().position(|client| client.arrived().is_some()) {
                return clients.swap_remove(at);
            }
            assert!(asked.elapsed() < SOON, "none of {MANY_CLIENTS} clients is answered");
        }
    }

    #[track_caller]
    fn in_background(&self, line: &str, limit: Duration) -> JoinHandle<Value> {
        let mut client = self.client(0);
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        thread::spawn(move || client.try_call_within(&words, limit).expect("the command ends"))
    }
}

/// The common part of all scenes. Keys in `{bar}` belong to node 0.
#[track_caller]
fn play(scene: &Scene) {
    let before = scene.order();
    scene.long_list("{bar}list", ELEMENTS);

    let long = scene.start_long_transaction("{bar}list");
    let took = scene.watch("a transaction beside a key that expires", long);
    assert!(took >= LONG / 2, "it was no long transaction: {took:?}");
    expiry_goes_on(scene);

    let long = scene.start_long_transaction("{bar}list");
    let saving = scene.in_background("BGSAVE", LONG * 10);
    scene.watch("a snapshot that is asked for meanwhile", long);
    assert_eq!(saving.join().expect("it is answered").text(), "Background saving started");

    scene.many_keys();
    let keys = scene.in_background("KEYS *1*2*3*4*x*", LONG * 10);
    scene.watch("KEYS over many keys", keys);

    for removal in ["DEL", "UNLINK"] {
        scene.long_list("{bar}doomed", DOOMED);
        let removal = scene.in_background(&format!("{removal} {{bar}}doomed"), LONG * 10);
        assert_eq!(scene.watch("the removal of a long list", removal).int(), 1);
    }
    assert_eq!(scene.order(), before, "epochs and roles");
}

/// While a transaction runs, and other commands wait for it, other workers of the node answer commands that need no
/// data.
#[track_caller]
fn play_questions(scene: &Scene) {
    scene.long_list("{bar}list", ELEMENTS);
    for command in ["BGSAVE", "KEYS {bar}*", "FLUSHALL"] {
        let long = scene.start_long_transaction("{bar}list");
        let mut client = scene.client_elsewhere();
        let waits = scene.in_background(command, LONG * 10);
        let mut took = Vec::new();
        while !long.is_finished() {
            for question in ["PING", "INFO", "CLIENT ID"] {
                let asked = Instant::now();
                let reply = client.cmd(question);
                assert!(!reply.is_error(), "{question} beside {command}: {reply:?}");
                took.push(asked.elapsed());
            }
            thread::sleep(PAUSE);
        }
        // The last ones may have been answered after the end of the transaction.
        took.truncate(took.len().saturating_sub(3));
        took.sort_unstable();
        let (Some(median), Some(longest)) = (took.get(took.len() / 2), took.last()) else {
            panic!("{command}: the transaction took too short a time to ask anything")
        };
        assert!(*median < SOON && *longest < AT_LAST, "beside {command}: {median:?}, at most {longest:?}");
        long.join().expect("the transaction succeeds");
        waits.join().expect("what waited is done");
    }
}

/// A key that is not accessed is still removed, although its slot was busy when it expired.
#[track_caller]
fn expiry_goes_on(scene: &Scene) {
    let mut client = scene.client(0);
    wait_until("the key to be removed", secs(20), || {
        info_field(&client.cmd("INFO stats").text(), "expired_keys").is_some_and(|count| count == "1")
    });
}

#[test]
fn six_processes_do_not_notice_a_long_command_of_one() {
    // Redis has one thread for all of this.
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 1).node_timeout_ms(1000).create();
    play(&Scene { ports: cluster.nodes.iter().map(Node::port).collect() });
}

#[test]
fn six_nodes_of_one_process_do_not_notice_a_long_command_of_one() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let args = ["--cluster-node-timeout", "1000"];
    let cluster = OneProcess::start(&temporary, &args);
    play(&Scene { ports: cluster.ports.clone() });
}

#[test]
fn other_workers_of_a_node_answer_beside_a_long_command() {
    if slotd_is_stock() || thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let temporary = TestDir::new();
    let cluster = OneProcess::start(&temporary, &["--cluster-node-timeout", "1000"]);
    play_questions(&Scene { ports: cluster.ports.clone() });
}
