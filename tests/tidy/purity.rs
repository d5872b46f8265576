//! Purity: `protocol` and `gossip` read no clock, open no socket or file, start no thread and know no runtime.
//!
//! The simulator's results depend on that: it runs the production core, which cannot notice that time and network are
//! simulated. There is no wasm target to prove it by compiling, so it is checked twice: in the sources and in the
//! dependencies.

use std::process::Command;

use crate::source::{code_only, files, root};
use crate::{Finding, assert_none};

/// What a pure crate may not name, and what to use instead.
const BANNED: &[(&str, &str)] = &[
    ("std::net::Tcp", "bytes and link events"),
    ("std::net::Udp", "bytes and link events"),
    ("std::net::ToSocketAddrs", "addresses that are resolved already"),
    ("std::fs", "an effect that asks the driver to persist"),
    ("std::thread", "a return value"),
    ("std::env", "an argument"),
    ("std::process", "an error"),
    ("Instant", "`now` as an argument"),
    ("SystemTime", "`now` as an argument"),
    ("tokio", "nothing: the driver runs it"),
    ("HashMap::new", "a BTreeMap or a Vec: iteration order must not depend on a seed that nobody chose"),
    ("HashSet::new", "a BTreeSet or a Vec: iteration order must not depend on a seed that nobody chose"),
    ("thread_rng", "the generator that was given a seed"),
    ("println!", "an effect"),
];

/// Crates that provide what is banned.
const BANNED_CRATES: &[&str] = &["tokio", "mio", "socket2", "rand", "getrandom", "tracing", "slotd", "parking_lot"];

fn check_source(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut findings = Vec::new();
    for (word, instead) in BANNED {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            let part_of_a_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let open_ended = word.ends_with("Tcp") || word.ends_with("Udp");
            if !part_of_a_word(before) && (open_ended || !part_of_a_word(after)) {
                let line = code[..at].matches('\n').count() + 1;
                findings.push(Finding::new(path, line, format!("{word} in a pure crate: take {instead}")));
            }
        }
    }
    findings
}

fn check_tree(package: &str, tree: &str) -> Vec<Finding> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let banned = names.filter(|name| BANNED_CRATES.contains(name) && *name != package);
    banned.map(|name| Finding { place: package.to_owned(), trouble: format!("depends on {name}") }).collect()
}

#[test]
fn sources_of_protocol_and_gossip_are_pure() {
    let sources =
        files(|path| (path.starts_with("protocol/src/") || path.starts_with("gossip/src/")) && path.ends_with(".rs"));
    // Tests are exempt.
    let production = sources.iter().filter(|f| !f.path.ends_with("tests.rs") && !f.path.contains("/tests/"));
    let findings: Vec<Finding> = production.flat_map(|f| check_source(&f.path, &f.text)).collect();
    assert_none(&findings);
}

#[test]
fn dependencies_of_protocol_and_gossip_are_pure() {
    for package in ["protocol", "gossip"] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--offline"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && tree.starts_with(package),
            "cargo tree: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_none(&check_tree(package, &tree));
    }
}

#[test]
fn each_check_fires_on_a_bad_sample() {
    for text in [
        "use std::fs;",
        "let now = Instant::now();",
        "std::net::TcpStream::connect(a)",
        "use tokio::net;",
        "HashMap::new()",
    ] {
        assert_eq!(check_source("gossip/src/a.rs", text).len(), 1, "{text}");
    }
    for text in ["use std::net::IpAddr;", "// Instant::now", "struct Instantaneous;", "let s = \"tokio\";"] {
        assert_eq!(check_source("gossip/src/a.rs", text), [], "{text}");
    }
    assert_eq!(check_tree("gossip", "gossip v0.1.0\nprotocol v0.1.0\ntokio v1.0.0\n").len(), 1);
    assert_eq!(check_tree("gossip", "gossip v0.1.0\nprotocol v0.1.0\ncrc16 v0.4.0\n"), []);
}
