//! Random commands, to find what no script covers.
//!
//! A grammar generates commands that are nearly right: known names with keys of all types, numbers at their limits,
//! options in any order, missing and surplus words, and transactions around all of it. Both servers get them in the
//! same pipelines, and every reply is compared byte for byte. At the end every key is dumped, and the statistics of
//! every command and error are compared too. A seed determines what is sent, so a finding is replayed by
//! `RANDOM_FIRST=<seed> RANDOM_SEEDS=1`; it then deserves a script of its own.
//!
//! Left out is what differs between any two servers: random picks, the order of keys, ids, and times of less than a
//! second. Times to live may differ by the delay between the servers.

use std::fmt::Write as _;
use std::thread;

use integration::client::{Client, REPLY_LIMIT};
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};
use slotd::parts::Rng;

use crate::random_words::CLASSES;

/// At the end of what is compared after DEBUG RELOAD.
const RELOADED: &str = "after a reload";
/// Commands of one seed.
const COMMANDS: usize = 300;
/// Most commands in one pipeline.
const PIPELINE: u64 = 24;
/// By how much two times to live may differ, milliseconds, on a busy machine.
const APART: i64 = 5_000;

pub(super) type Command = Vec<Vec<u8>>;

/// Whether a word is an integer as servers print it.
fn is_integer(word: &[u8]) -> bool {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| number.to_string().as_bytes() == word)
}

/// Makes the commands of one seed.
pub(super) struct Grammar(pub(super) Rng);

impl Grammar {
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.below(from.len() as u64) as usize]
    }

    /// True once in `n` times.
    pub(super) fn rarely(&mut self, n: u64) -> bool {
        self.0.below(n) == 0
    }

    pub(super) fn command(&mut self) -> Command {
        loop {
            let words = self.candidate();
            let first = words[0].to_ascii_uppercase();
            let asks_for_what_differs = match first.as_slice() {
                b"HELLO" => {
                    words.len() == 1
                        || (matches!(words[1].as_slice(), b"2" | b"3")
                            && words.last().is_some_and(|last| last != b" 1"))
                }
                // Redis 7.2 takes one more word.
                b"ZRANK" | b"ZREVRANK" => words.len() == 4,
                // The order of texts in a set differs, so sets are of integers here.
                b"SADD" => !words.iter().skip(2).all(|word| is_integer(word)),
                b"SPOP" => words.len() == 2,
                // Redis 8.0 knows the last entry.
                b"XREAD" => words.iter().any(|word| word == b"+"),
                // Redis finds other keys in them than it routes them by.
                b"COMMAND" => words.iter().any(|word| word == b"XREAD"),
                // Redis makes room for the whole reply.
                b"SRANDMEMBER" => words.len() == 2 || words[2].starts_with(b"-") || words[2] == b"1",
                // Cursors and the order of keys differ; only refusals are the same.
                b"HRANDFIELD" => words.len() == 2,
                b"SCAN" => words.len() == 2 || words.len() == 4 && !words[3].is_empty(),
                _ => false,
            };
            if !asks_for_what_differs {
                return words;
            }
        }
    }

    fn candidate(&mut self) -> Command {
        let mut words = Vec::new();
        self.class("command", &mut words);
        // The last word of these is a timeout, and must not be just any word.
        if matches!(words[0].as_slice(), b"BLPOP" | b"BRPOP" | b"BRPOPLPUSH" | b"BLMOVE" | b"BZPOPMIN" | b"BZPOPMAX") {
            return words;
        }
        if self.rarely(25) && words.len() > 1 {
            words.pop();
        }
        if self.rarely(30) {
            self.class("value", &mut words);
        }
        if self.rarely(30) {
            words[0].make_ascii_lowercase();
        }
        words
    }

    pub(super) fn class(&mut self, name: &str, out: &mut Command) {
        match name {
            "empty" => return out.push(Vec::new()),
            "space" => return out.push(b" 1".to_vec()),
            "long" => return out.push(b"x".repeat(70)),
            "huge" => return out.push(b"y".repeat(9_000)),
            "bytes" => return out.push(b"\x00\xff\r\n".to_vec()),
            _ => {}
        }
        let (_, alternatives) = CLASSES.iter().find(|(known, _)| *known == name).expect("the grammar is whole");
        for word in self.pick(alternatives).split(' ') {
            self.word(word, out);
        }
    }

    fn word(&mut self, word: &str, out: &mut Command) {
        let Some((class, repeat)) = word.strip_prefix('<').and_then(|word| word.split_once('>')) else {
            return out.push(word.as_bytes().to_vec());
        };
        let times = match repeat {
            "?" => self.0.below(2),
            "*" => self.0.below(4),
            "+" => 1 + self.0.below(4),
            _ => 1,
        };
        for _ in 0..times {
            self.class(class, out);
        }
    }
}

/// All that is sent in one seed, in pipelines.
fn pipelines(seed: u64) -> Vec<Vec<Command>> {
    let mut grammar = Grammar(Rng::new(seed));
    let mut left = COMMANDS;
    let mut all = Vec::new();
    while left > 0 {
        let len = (1 + grammar.0.below(PIPELINE) as usize).min(left);
        left -= len;
        all.push((0..len).map(|_| grammar.command()).collect());
    }
    all
}

/// Whether a command changes when sorted sets are converted. A packed one keeps no sign of a zero, as in Redis; so a
/// replica has another value than its primary if only that one is told to convert.
fn converts_sorted_sets(command: &Command) -> bool {
    command.get(2).is_some_and(|word| word.starts_with(b"zset-max-"))
}

/// A client of an emptied server; that of an odd seed speaks RESP3.
pub(super) fn begin(node: &Node, seed: u64) -> Client {
    let mut client = node.client();
    for line in [
        "FLUSHALL",
        "CONFIG SET list-max-listpack-size -2 list-compress-depth 0",
        "CONFIG SET hash-max-listpack-entries 512 hash-max-listpack-value 64 zset-max-listpack-entries 128",
        // It is random when the server finds an expired key, and DBSIZE counts those not found yet.
        "DEBUG SET-ACTIVE-EXPIRE 0",
        "CONFIG RESETSTAT",
    ] {
        client.ok(line);
    }
    if seed % 2 == 1 {
        client.cmd("HELLO 3");
    }
    client
}

/// Sends one seed's commands to an emptied server, those that are `wanted`, and returns each with its reply.
fn play(node: &Node, seed: u64, wanted: impl Fn(&Command) -> bool) -> Played {
    let mut client = begin(node, seed);
    let mut replies = Vec::new();
    for mut pipeline in pipelines(seed) {
        pipeline.retain(&wanted);
        let bytes: Vec<u8> = pipeline.iter().flat_map(|command| integration::resp::encode(command)).collect();
        client.send_raw(&bytes).expect("the server reads");
        for command in &pipeline {
            match client.frame(REPLY_LIMIT) {
                Ok(frame) => replies.push((shown(command), frame)),
                Err(silence) => {
                    // The rest cannot be compared.
                    replies.push((shown(command), format!("{silence:?}").into_bytes()));
                    return replies;
                }
            }
        }
    }
    let _ = client.cmd("DISCARD");
    for (name, bytes) in conclusions(&mut client) {
        replies.push((name, bytes));
    }
    replies
}

/// What remains: the statistics, and every key of the two databases that are used most, as it is and after a snapshot
/// was reloaded.
pub(super) fn conclusions(client: &mut Client) -> Played {
    let mut found = Vec::new();
    for section in ["commandstats", "errorstats"] {
        let text = client.cmd(&format!("INFO {section}")).text();
        for line in text.lines().filter(|line| !line.starts_with("cmdstat_info:")) {
            // Times are each server's own.
            let counts: Vec<&str> = line.split(',').filter(|field| !field.starts_with("usec")).collect();
            found.push((counts.join(","), Vec::new()));
        }
    }
    found.sort();
    for when in ["in the end", RELOADED] {
        for db in 0..2 {
            client.cmd(&format!("SELECT {db}"));
            let (_, keys) = CLASSES[0];
            for key in keys {
                // What was a table may be packed after a reload, in the order of the table.
                let is_any_order = when == RELOADED && client.cmd(&format!("TYPE {key}")).text() == "hash";
                if is_any_order {
                    let facts = ["DEBUG DIGEST-VALUE", "OBJECT ENCODING"];
                    let facts = facts.map(|question| client.cmd(&format!("{question} {key}")).text());
                    found.push((format!("{key} of database {db} {when}"), facts.join(" ").into_bytes()));
                    continue;
                }
                let _ = client.send(&["DUMP", key]);
                let frame = client.frame(REPLY_LIMIT).unwrap_or_else(|silence| format!("{silence:?}").into_bytes());
                found.push((format!("DUMP {key} of database {db} {when}"), frame));
            }
        }
        client.ok("DEBUG RELOAD");
    }
    found
}

/// Every key of the databases in use, with its value and its expiry, but without its encoding, which may differ.
fn contents(node: &Node) -> Vec<String> {
    let mut client = node.client();
    let mut found = Vec::new();
    for db in ["0", "1", "15"] {
        client.ok(&format!("SELECT {db}"));
        let (_, keys) = CLASSES[0];
        for key in keys {
            let kind = client.cmd(&format!("TYPE {key}")).text();
            let value = match kind.as_str() {
                "list" => format!("LRANGE {key} 0 -1"),
                // It does not depend on the order, which in a table is each server's own.
                "hash" | "zset" => format!("DEBUG DIGEST-VALUE {key}"),
                _ => format!("GET {key}"),
            };
            let (value, end) = (client.cmd(&value), client.cmd(&format!("PEXPIRETIME {key}")));
            found.push(format!("database {db}: {key} {kind} {value:?} until {end:?}"));
        }
        // Not DBSIZE: DEBUG RELOAD drops expired keys without propagating that to the replica, in Redis as well.
        found.push(format!("database {db}: {} keys", client.cmd("KEYS *").items().len()));
    }
    found
}

/// A lone server. slotd announces the version of the oracle, which is part of some replies.
pub(super) fn spec(binary: Binary) -> NodeSpec {
    let spec = NodeSpec::new(binary);
    let announces = matches!(binary, Binary::Slotd) && !slotd_is_stock();
    if announces { spec.with("server-version-announced", "7.0.15") } else { spec }
}

/// Plays seeds to a primary and reports how its replica differs at the end.
#[track_caller]
fn compare_replica(primary: Binary, replica: Binary) {
    let primary = NodeSpec::new(primary).start();
    let replica = NodeSpec::new(replica).with("replicaof", &format!("127.0.0.1 {}", primary.port())).start();
    wait_until("the replica is in sync", secs(20), || replica.info("master_link_status") == "up");
    let (first, seeds) = (number_from_env("RANDOM_FIRST", 0), number_from_env("RANDOM_SEEDS", 30));
    let (mut report, mut keys) = (String::new(), 0);
    for seed in first..first + seeds {
        play(&primary, seed, |command| !converts_sorted_sets(command));
        let offsets = || [&primary, &replica].map(|node| node.info("master_repl_offset"));
        wait_until("the replica has all", secs(20), || offsets()[0] == offsets()[1]);
        let theirs = contents(&primary);
        // Accessing an expired key deletes it.
        wait_until("the replica has all", secs(20), || offsets()[0] == offsets()[1]);
        let ours = contents(&replica);
        keys += theirs
            .iter()
            .filter(|line| [" list ", " string ", " hash "].iter().any(|kind| line.contains(kind)))
            .count();
        for (theirs, ours) in theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours) {
            let _ = writeln!(report, "seed {seed}\n   primary: {theirs}\n   replica: {ours}");
        }
    }
    assert!(report.is_empty(), "{report}");
    assert!(keys > 0, "there was something to compare");
    // Since the last CONFIG RESETSTAT, with which each seed begins.
    let syncs = ["sync_full", "sync_partial_ok", "sync_partial_err"].map(|field| primary.info(field));
    assert_eq!(syncs, ["0", "0", "0"], "the link never broke");
}

pub(super) fn shown(command: &Command) -> String {
    let words: Vec<String> = command.iter().map(|word| word[..word.len().min(40)].escape_ascii().to_string()).collect();
    words.join(" ")
}

/// Whether two replies are equivalent. A time to live depends on its server's clock, and the order of a table of fields
/// on its server's hash.
fn agree(command: &str, ours: &[u8], theirs: &[u8]) -> bool {
    if ours == theirs {
        return true;
    }
    let parsed = |bytes| integration::resp::parse(bytes).ok().map(|(value, _)| value);
    let (Some(ours), Some(theirs)) = (parsed(ours), parsed(theirs)) else { return false };
    let name = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match name.as_str() {
        "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => same_but_for_times(&ours, &theirs),
        "DUMP" => same_dump(&ours, &theirs),
        "HGETALL" | "HKEYS" | "HVALS" | "HSCAN" | "HRANDFIELD" => same_but_for_order(&ours, &theirs),
        // A transaction may hold such replies among others.
        "EXEC" => {
            let (Value::Array(ours), Value::Array(theirs)) = (ours, theirs) else { return false };
            let equivalent = |(a, b)| same_but_for_times(a, b) || same_but_for_order(a, b) || same_dump(a, b);
            ours.len() == theirs.len() && ours.iter().zip(&theirs).all(equivalent)
        }
        _ => false,
    }
}

/// Whether two replies are equal, or numbers that are close to each other.
fn same_but_for_times(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Int(a), Value::Int(b)) => a == b || *a > 1_000 && *b > 1_000 && (a - b).abs() <= APART,
        _ => ours == theirs,
    }
}

/// Whether two replies have the same parts in any order.
fn same_but_for_order(ours: &Value, theirs: &Value) -> bool {
    let sorted = |value: &Value| {
        let mut parts = Vec::new();
        each_part(value, &mut parts);
        parts.sort();
        parts
    };
    sorted(ours) == sorted(theirs)
}

/// How the payload of a hash begins that is a table.
const TABLE: u8 = 4;

/// Whether two payloads of tables have the same bytes in any order, but for version and checksum.
fn same_dump(ours: &Value, theirs: &Value) -> bool {
    const FOOTER: usize = 10;
    let (Value::Bulk(ours), Value::Bulk(theirs)) = (ours, theirs) else { return ours == theirs };
    let sorted = |dump: &[u8]| {
        let mut bytes = dump[..dump.len().saturating_sub(FOOTER)].to_vec();
        bytes.sort_unstable();
        bytes
    };
    ours == theirs || ours.first() == theirs.first() && ours.first() == Some(&TABLE) && sorted(ours) == sorted(theirs)
}

/// The kinds and scalars of a reply.
fn each_part(value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            parts.push(format!("{} items", items.len()));
            items.iter().for_each(|item| each_part(item, parts));
        }
        Value::Map(pairs) => pairs.iter().for_each(|pair| parts.push(format!("{pair:?}"))),
        scalar => parts.push(format!("{scalar:?}")),
    }
}

pub(super) fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What was sent, and what came back.
pub(super) type Played = Vec<(String, Vec<u8>)>;

/// Plays seeds to both servers, and reports the first difference of each.
#[track_caller]
pub(super) fn compare(start: impl Fn(Binary) -> Node, play: impl Fn(&Node, u64) -> Played + Sync) {
    let (first, seeds) = (number_from_env("RANDOM_FIRST", 0), number_from_env("RANDOM_SEEDS", 30));
    let [oracle, slotd] = [Binary::Stock, Binary::Slotd].map(start);
    let mut report = String::new();
    for seed in first..first + seeds {
        // Side by side, so that their clocks agree.
        let (theirs, ours) = thread::scope(|scope| {
            let theirs = scope.spawn(|| play(&oracle, seed));
            let ours = play(&slotd, seed);
            (theirs.join().expect("the oracle answers"), ours)
        });
        let Some(at) = (0..theirs.len().max(ours.len())).find(|&at| match (theirs.get(at), ours.get(at)) {
            (Some(theirs), Some(ours)) => theirs.0 != ours.0 || !agree(&ours.0, &ours.1, &theirs.1),
            _ => true,
        }) else {
            continue;
        };
        let side = |replies: &[(String, Vec<u8>)]| {
            replies.get(at).map_or("nothing".to_owned(), |(what, reply)| format!("{what}  ->  {}", super::shown(reply)))
        };
        let _ = writeln!(report, "seed {seed}\n   redis: {}\n   slotd: {}", side(&theirs), side(&ours));
        for (what, reply) in &ours[at.saturating_sub(8)..at] {
            let _ = writeln!(report, "      after {what}  ->  {}", super::shown(&reply[..reply.len().min(60)]));
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// The only node of a cluster.
pub(super) fn node_of_a_cluster(binary: Binary) -> Node {
    let node = spec(binary).with("cluster-enabled", "yes").start();
    node.client().ok("CLUSTER ADDSLOTSRANGE 0 16383");
    let formed = || node.cmd("CLUSTER INFO").text().contains("cluster_state:ok");
    wait_until("the node serves its slots", secs(10), formed);
    node
}

#[test]
fn random_commands_reach_a_replica_of_slotd() {
    compare_replica(Binary::Slotd, Binary::Stock);
}

#[test]
fn random_commands_of_redis_reach_slotd() {
    compare_replica(Binary::Stock, Binary::Slotd);
}

#[test]
fn random_commands_reach_slotd_from_slotd() {
    compare_replica(Binary::Slotd, Binary::Slotd);
}

#[test]
fn random_commands_on_a_lone_node() {
    compare(|binary| spec(binary).start(), |node, seed| play(node, seed, |_| true));
}

#[test]
fn random_commands_on_a_node_of_a_cluster() {
    compare(node_of_a_cluster, |node, seed| play(node, seed, |_| true));
}
