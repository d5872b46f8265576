//! Slots move while clients write to keys of every type: streams with groups and hashes whose fields expire as well.
//!
//! One writer sends commands that follow from a number, each to a key of another type, and counts the answers. The same
//! commands are then played to a node that is no cluster, and each key must hold the same: contents, times of fields,
//! and what is pending.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use integration::cluster::{Cluster, ClusterSpec};
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::redis_cli::{Cli, cluster_cli_of};
use integration::resp::key_slot;
use integration::wait::{secs, wait_until};

/// Hash tags; each has a key of every kind.
const TAGS: u64 = 40;
/// Kinds of commands; each tag gets one of each in turn.
const KINDS: u64 = 14;
/// The ends of the keys.
const KEYS: [&str; 10] = ["string", "list", "hash", "timed", "set", "zset", "stream", "bits", "hll", "geo"];

fn tag(number: u64) -> String {
    format!("{{tag{}}}", number / KINDS % TAGS)
}

/// Command number `n`. It does the same whenever it is executed, and is executed once.
fn command(n: u64) -> Vec<String> {
    let (tag, round) = (tag(n), n / KINDS / TAGS);
    // The entry that the tag got one round ago.
    let entry = n.saturating_sub(KINDS * TAGS + n % KINDS) + 6;
    let line = match n % KINDS {
        0 => format!("SET {tag}string value{n}"),
        1 => format!("RPUSH {tag}list e{n}"),
        2 => format!("HSET {tag}hash f{n} v{n} last {n}"),
        3 => format!("HSETEX {tag}timed PXAT {} FIELDS 2 f{n} v same {n}", 4_102_444_800_000 + n),
        4 => format!("SADD {tag}set m{n} {n}"),
        5 => format!("ZADD {tag}zset {n} m{n} {round} first"),
        6 => format!("XADD {tag}stream {n}-1 f v{n}"),
        7 => format!("XREADGROUP GROUP g c{} COUNT 1 STREAMS {tag}stream >", round % 2),
        8 if round % 3 == 1 => format!("XACK {tag}stream g {entry}-1"),
        8 => format!("XDELEX {tag}stream ACKED IDS 1 {entry}-1"),
        9 => format!("SETBIT {tag}bits {} 1", n % 999),
        10 => format!("PFADD {tag}hll e{n}"),
        11 => format!("GEOADD {tag}geo {}.5 38.1 m{n}", n % 90),
        12 => format!("HPEXPIREAT {tag}timed {} FIELDS 1 same", 4_102_444_800_000 + n),
        _ => format!("LMOVE {tag}list {tag}list LEFT RIGHT"),
    };
    line.split(' ').map(str::to_owned).collect()
}

/// Makes the group of each tag.
fn groups() -> Vec<Vec<String>> {
    let line = |number: u64| format!("XGROUP CREATE {}stream g 0 MKSTREAM", tag(number * KINDS));
    (0..TAGS).map(|number| line(number).split(' ').map(str::to_owned).collect()).collect()
}

/// The key that a command is sent for.
fn key_of(words: &[String]) -> &str {
    words.iter().find(|word| word.starts_with("{tag")).expect("every command has a key")
}

/// The slot of this tag is left half way.
const HALFWAY: &str = "{tag7}";

struct Writer {
    stop: Arc<AtomicBool>,
    spare: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(cluster: &Cluster) -> Self {
        let mut client = cluster.client();
        for words in groups() {
            // The key of a subcommand is not its first argument; redirections lead there all the same.
            assert!(client.call(&words).is_ok());
        }
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let spare = Arc::new(AtomicBool::new(false));
        let (stopped, counted, sparing) = (stop.clone(), count.clone(), spare.clone());
        let thread = thread::spawn(move || {
            let mut execute = |words: &[String]| {
                // Nothing fails here, so a command without an answer has not been executed.
                let reply = client.call(words);
                assert!(!reply.is_error(), "{words:?}: {reply:?}");
            };
            let (mut n, mut postponed) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let words = command(n);
                if sparing.load(Ordering::Relaxed) && key_of(&words).starts_with(HALFWAY) {
                    postponed.push(words);
                } else {
                    execute(&words);
                }
                n += 1;
                counted.store(n, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
            postponed.iter().for_each(|words| execute(words));
        });
        Self { stop, spare, count, thread }
    }

    /// From here on, commands for keys of the slot that is left half way are executed at the end. No command has keys
    /// of two tags, so that comes to the same.
    fn spare_halfway(&self) {
        self.spare.store(true, Ordering::Relaxed);
        self.wait_more(2);
    }

    #[track_caller]
    fn wait_more(&self, more: u64) {
        let goal = self.count.load(Ordering::Relaxed) + more;
        wait_until("more writes", secs(60), || self.count.load(Ordering::Relaxed) >= goal || self.thread.is_finished());
    }

    /// Ends the writer; returns how many commands were executed.
    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every command is answered");
        self.count.load(Ordering::Relaxed)
    }
}

/// What is known of a key.
fn questions(key: &str) -> Vec<Vec<String>> {
    let mut lines = vec![format!("TYPE {key}"), format!("DEBUG DIGEST-VALUE {key}")];
    if key.ends_with("stream") {
        lines.push(format!("XRANGE {key} - +"));
        lines.push(format!("XINFO GROUPS {key}"));
        lines.push(format!("XPENDING {key} g"));
    }
    if key.ends_with("timed") {
        lines.push(format!("HPEXPIRETIME {key} FIELDS 1 same"));
    }
    lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Compares every key with a node that executes the same commands.
#[track_caller]
fn verify(cluster: &Cluster, executed: u64) {
    let reference = NodeSpec::new(Binary::Slotd).start();
    let mut reference = reference.client();
    let commands = (0..executed).map(command);
    for words in groups().into_iter().chain(commands) {
        let reply = reference.call(&words);
        assert!(!reply.is_error(), "{words:?}: {reply:?}");
    }
    for number in 0..TAGS {
        for end in KEYS {
            let key = format!("{}{end}", tag(number * KINDS));
            let mut owner = cluster.connect(cluster.owner_of(key_slot(key.as_bytes())));
            for question in questions(&key) {
                assert_eq!(owner.call(&question), reference.call(&question), "{question:?} after {executed} commands");
            }
        }
    }
}

fn run(cluster: &Cluster, cli: Cli, args: &[&str]) {
    cluster_cli_of(cli, args).expect_success();
    cluster.wait_stable();
}

fn keys_of_every_type_follow_their_slots(cli: Cli) {
    // No failover: what its primary had not passed on yet would be gone, and that is not what is tested here.
    let mut cluster = ClusterSpec::new(3, 1).node_timeout_ms(20_000).create();
    let writer = Writer::start(&cluster);
    writer.wait_more(KINDS * TAGS * 2);
    let seed = cluster.nodes[0].addr();
    let (from, to) = (cluster.id(0), cluster.id(1));
    let some = ["reshard", &seed, "--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "1500"];
    run(&cluster, cli, &some);
    writer.wait_more(KINDS * TAGS);
    run(&cluster, cli, &["rebalance", &seed, "--cluster-threshold", "1"]);
    let empty = cluster.add_empty_node(Binary::Slotd);
    let address = cluster.nodes[empty].addr();
    run(&cluster, cli, &["add-node", &address, &seed]);
    run(&cluster, cli, &["rebalance", &seed, "--cluster-use-empty-masters"]);
    writer.wait_more(KINDS * TAGS);
    // `fix` makes one node the owner before it has moved the other's keys there, of stock nodes as well: who writes to
    // such a key then makes it a second time, and `fix` gives up.
    writer.spare_halfway();
    fix(&cluster, cli);
    let executed = writer.finish();
    verify(&cluster, executed);
}

/// A slot is left half way, with keys on both sides, and repaired.
fn fix(cluster: &Cluster, cli: Cli) {
    let slot = key_slot(b"tag7");
    let from = cluster.owner_of(slot);
    let to = cluster.primaries().into_iter().find(|node| *node != from).expect("there are several");
    for (node, state, other) in [(to, "IMPORTING", from), (from, "MIGRATING", to)] {
        assert!(cluster.nodes[node].cmd(&format!("CLUSTER SETSLOT {slot} {state} {}", cluster.id(other))).is_ok());
    }
    let port = cluster.nodes[to].port();
    for end in ["stream", "timed", "list", "zset"] {
        assert!(cluster.nodes[from].cmd(&format!("MIGRATE 127.0.0.1 {port} {{tag7}}{end} 0 5000")).is_ok());
    }
    run(cluster, cli, &["fix", &cluster.nodes[0].addr()]);
    assert!(cluster.primaries().into_iter().all(|node| cluster.myself(node).open_slots.is_empty()));
}

#[test]
fn keys_of_every_type_follow_their_slots_with_the_stock_client() {
    keys_of_every_type_follow_their_slots(Cli::Stock);
}

#[test]
#[ignore = "needs redis-cli 8: tests/run flows"]
fn keys_of_every_type_follow_their_slots_with_redis_cli_8() {
    keys_of_every_type_follow_their_slots(Cli::Later("redis8-cli"));
}

#[test]
#[ignore = "needs valkey-cli 9: tests/run flows"]
fn keys_of_every_type_follow_their_slots_with_valkey_cli_9() {
    keys_of_every_type_follow_their_slots(Cli::Later("valkey9-cli"));
}

/// `--cluster import` empties a node that is no cluster into one.
#[test]
fn keys_of_every_type_are_imported() {
    let source = NodeSpec::new(Binary::Slotd).start();
    let executed = KINDS * TAGS * 3;
    let mut client = source.client();
    for words in groups().into_iter().chain((0..executed).map(command)) {
        assert!(!client.call(&words).is_error(), "{}", key_of(&words));
    }
    let cluster = ClusterSpec::new(3, 0).create();
    run(&cluster, Cli::Stock, &["import", &cluster.nodes[0].addr(), "--cluster-from", &source.addr()]);
    assert_eq!(source.cmd("DBSIZE").int(), 0, "they were moved");
    verify(&cluster, executed);
}
