//! The modes of redis-cli that look at a node's data as a whole, with keys of every type: what people reach for when
//! they wonder what fills the memory, and how they carry data in and out.

use std::fs;

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::redis_cli::{Cli, CliOutput, run, run_with_input};
use integration::resp::encode;

/// A node with a key of every type: its name, and how many parts it has.
const KEYS: [(&str, usize); 8] = [
    ("text", 1000),
    ("number", 2),
    ("list", 500),
    ("hash", 300),
    ("timed", 40),
    ("set", 200),
    ("zset", 150),
    ("log", 100),
];

/// The commands that make them.
fn commands() -> Vec<String> {
    let mut lines = vec![format!("SET text {}", "x".repeat(1000)), "SET number 42".to_owned()];
    let mut each = |count: usize, line: &dyn Fn(usize) -> String| lines.extend((1..=count).map(line));
    each(500, &|n| format!("RPUSH list element-{n}"));
    each(300, &|n| format!("HSET hash field-{n} value-{n}"));
    each(40, &|n| format!("HSETEX timed PXAT {} FIELDS 1 field-{n} v", 4_102_444_800_000_u64 + n as u64));
    each(200, &|n| format!("SADD set member-{n}"));
    each(150, &|n| format!("ZADD zset {n} member-{n}"));
    each(100, &|n| format!("XADD log {n}-1 f v{n}"));
    lines.push("XGROUP CREATE log g 0".to_owned());
    lines.push("XREADGROUP GROUP g c COUNT 10 STREAMS log >".to_owned());
    lines
}

fn filled(directives: &[(&str, &str)]) -> Node {
    let spec = directives.iter().fold(NodeSpec::new(Binary::Slotd), |spec, (name, value)| spec.with(name, value));
    let node = spec.start();
    let mut client = node.client();
    for line in commands() {
        assert!(!client.cmd(&line).is_error(), "{line}");
    }
    node
}

fn ask(cli: Cli, node: &Node, args: &[&str]) -> CliOutput {
    let port = node.port().to_string();
    run(cli, &[&["-p", &port], args].concat(), 60)
}

/// The digest of all that a node has.
fn digest(node: &Node) -> String {
    node.cmd("DEBUG DIGEST").text()
}

/// Every type is found with its greatest key, and counted.
fn the_greatest_keys_are_found(cli: Cli) {
    let node = filled(&[]);
    let big = ask(cli, &node, &["--bigkeys"]).expect_success();
    for (key, count) in KEYS {
        let is_greatest = key != "number" && key != "timed";
        let found = big.text().lines().any(|line| {
            line.starts_with("Biggest") && line.contains(&format!("\"{key}\"")) && line.contains(&format!(" {count} "))
        });
        assert_eq!(found, is_greatest, "{key}: {}", big.text());
    }
    big.expect("2 strings with 1002 bytes").expect("1 lists with 500 items").expect("2 hashs with 340 fields");
    let memory = ask(cli, &node, &["--memkeys"]).expect_success();
    for key in ["text", "list", "hash", "set", "zset", "log"] {
        let bytes = node.cmd(&format!("MEMORY USAGE {key} SAMPLES 0")).int();
        let line = memory
            .text()
            .lines()
            .find(|line| line.starts_with("Biggest") && line.contains(&format!("\"{key}\"")))
            .map(str::to_owned);
        assert!(line.is_some_and(|line| line.contains(&format!(" {bytes} bytes"))), "{key} {bytes}: {}", memory.text());
    }
    let sampled = ask(cli, &node, &["--memkeys-samples", "3"]).expect_success();
    sampled.expect("Sampled 8 keys in the keyspace!");
}

/// With an LFU policy the keys that are used most are found; without one, the reason is told.
fn the_hottest_keys_are_found(cli: Cli) {
    let node = filled(&[("maxmemory-policy", "allkeys-lfu"), ("lfu-log-factor", "0")]);
    let mut client = node.client();
    for _ in 0..200 {
        client.cmd("HGET hash field-1");
        client.cmd("XLEN log");
    }
    let found = ask(cli, &node, &["--hotkeys"]).expect_success();
    let text = found.text();
    let mut hottest: Vec<&str> = text.lines().filter(|line| line.starts_with("hot key found")).take(2).collect();
    hottest.sort_by_key(|line| line.ends_with("\"log\""));
    assert!(hottest[0].ends_with("\"hash\"") && hottest[1].ends_with("\"log\""), "{text}");
    let without = ask(cli, &filled(&[]), &["--hotkeys"]);
    assert_ne!(without.code, 0);
    without.expect("LFU");
}

/// A snapshot that is fetched over the wire has all there is.
fn a_snapshot_is_fetched(cli: Cli) {
    let node = filled(&[]);
    let fetch = |name: &str| {
        let file = node.dir().join(name);
        ask(cli, &node, &["--rdb", &file.display().to_string()]).expect_success();
        fs::read(file).expect("it was written")
    };
    let copy = NodeSpec::new(Binary::Slotd).with_file("dump.rdb", &fetch("all.rdb")).start();
    assert_eq!(digest(&copy), digest(&node));
    assert_eq!(copy.cmd("XPENDING log g"), node.cmd("XPENDING log g"));
    // Redis 7.0 knows no fields that expire.
    assert_eq!(node.cmd("DEL timed").int(), 1);
    let stock = NodeSpec::new(Binary::Stock).with_file("dump.rdb", &fetch("rest.rdb")).start();
    assert_eq!(digest(&stock), digest(&node));
}

/// Commands of every type are sent in bulk.
fn commands_are_piped_in(cli: Cli) {
    let (node, target) = (filled(&[]), NodeSpec::new(Binary::Slotd).start());
    let lines = commands();
    let input: Vec<u8> = lines.iter().flat_map(|line| encode(&line.split(' ').collect::<Vec<_>>())).collect();
    let port = target.port().to_string();
    let piped = run_with_input(cli, &["-p", &port, "--pipe"], &input, 60).expect_success();
    piped.expect(&format!("errors: 0, replies: {}", lines.len()));
    assert_eq!(digest(&target), digest(&node));
    let wrong = encode(&["RPUSH", "text", "x"]);
    let piped = run_with_input(cli, &["-p", &port, "--pipe"], &wrong, 60);
    assert_ne!(piped.code, 0);
    piped.expect("errors: 1, replies: 1");
}

/// Keys are listed, and figures are asked for again and again.
fn keys_are_listed_and_figures_repeated(cli: Cli) {
    let node = filled(&[]);
    let listed = |args: &[&str]| {
        let out = ask(cli, &node, args).expect_success();
        let mut keys: Vec<String> = out.stdout.lines().map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let mut all: Vec<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
    all.sort();
    assert_eq!(listed(&["--scan"]), all);
    assert_eq!(listed(&["--scan", "--pattern", "*s*"]), ["hash", "list", "set", "zset"]);
    assert_eq!(listed(&["--scan", "--pattern", "lo[a-g]"]), ["log"]);
    let often = ask(cli, &node, &["-r", "3", "-i", "0.01", "INFO", "keyspace"]).expect_success();
    assert_eq!(often.stdout.matches("db0:keys=8,expires=0").count(), 3, "{}", often.stdout);
}

fn all_with(cli: Cli) {
    the_greatest_keys_are_found(cli);
    the_hottest_keys_are_found(cli);
    a_snapshot_is_fetched(cli);
    commands_are_piped_in(cli);
    keys_are_listed_and_figures_repeated(cli);
}

#[test]
fn every_mode_works_with_the_stock_client() {
    all_with(Cli::Stock);
}

#[test]
#[ignore = "needs redis-cli 8: tests/run flows"]
fn every_mode_works_with_redis_cli_8() {
    all_with(Cli::Later("redis8-cli"));
}

#[test]
#[ignore = "needs valkey-cli 9: tests/run flows"]
fn every_mode_works_with_valkey_cli_9() {
    all_with(Cli::Later("valkey9-cli"));
}
