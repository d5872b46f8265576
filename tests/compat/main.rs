//! Compatibility: the same script goes to slotd and to the stock `redis-server` 7.0.15, in RESP2 and in RESP3, and the
//! replies are compared byte for byte. What Redis 7.2 has changed is compared with Redis 8 and Valkey 9 (`later.rs`).
//!
//! One module per family of commands holds nothing but scripts (their language: `script.rs`). Byte equality is given up
//! only where a script names a normaliser (`normalise.rs`). A test reports *all* its differences, not the first one
//! only.
//!
//! With `SLOTD_BIN=/usr/bin/redis-server` Redis is compared with itself: a script that fails then depends on something
//! random.

mod normalise;
mod script;
mod sets;

mod absent_commands;
mod announced_version;
mod bitmaps;
mod changes;
mod cluster_databases;
mod cluster_mode;
mod config;
mod config_numbers;
mod connection;
mod databases;
mod dump_restore;
mod expire;
mod functions;
mod geo;
mod hash_expiry;
mod hash_expiry_numbers;
mod hashes;
mod hyperloglog;
mod info;
mod introspection;
mod keys;
mod latency;
mod later;
mod linear;
mod lists;
mod lists_blocking;
mod long_values;
mod memory_limit;
mod memory_reports;
mod migrate;
mod monitor;
mod numeric_arguments;
mod numeric_services;
mod protocol_errors;
mod pubsub;
mod pushes;
mod random;
mod random_blocking;
mod random_fields;
mod random_lua;
mod random_scripts;
mod random_words;
mod scan;
mod script_keys;
mod scripts;
mod slot_commands;
mod slot_traffic;
mod sort;
mod starting;
mod streams;
mod string_conditions;
mod strings;
mod tracking;
mod transactions;
mod zsets;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::thread;

use integration::node::NodeSpec;
use integration::oracle::Binary;

use script::{Protocol, Record, play};

/// How many differences one test reports.
const SHOWN: usize = 40;

/// Plays a script to both servers in both protocols and asserts that they agree.
#[track_caller]
fn check(script: &str) {
    check_with(&[], script);
}

/// Like [`check`], with directives for both servers.
#[track_caller]
fn check_with(directives: &[(&str, &str)], script: &str) {
    compare(Binary::Stock, directives, script);
}

/// Plays a script to slotd and to this oracle.
#[track_caller]
fn compare(oracle: Binary, directives: &[(&str, &str)], script: &str) {
    let run = |binary: Binary| {
        let spec = directives.iter().fold(NodeSpec::new(binary), |spec, (name, value)| spec.with(name, value));
        let node = spec.start();
        [Protocol::Resp2, Protocol::Resp3].map(|protocol| play(&node, script, protocol)).concat()
    };
    let (oracle, slotd) = thread::scope(|scope| {
        let oracle = scope.spawn(|| run(oracle));
        let slotd = scope.spawn(|| run(Binary::Slotd));
        (oracle.join().expect("the oracle answers"), slotd.join().expect("slotd answers"))
    });
    assert_eq!(oracle.len(), slotd.len(), "both played the same script");
    let report = differences(&oracle, &slotd);
    assert!(report.is_empty(), "{report}");
}

fn differences(oracle: &[Record], slotd: &[Record]) -> String {
    let differing: Vec<(&Record, &Record)> =
        oracle.iter().zip(slotd).filter(|(a, b)| !a.normaliser.agree(&a.reply, &b.reply)).collect();
    let mut report = String::new();
    let mut seen = HashSet::new();
    // A difference in both RESP2 and RESP3 is one finding.
    let first_of_their_line: Vec<_> = differing.iter().filter(|(a, _)| seen.insert(a.line)).collect();
    for (a, b) in first_of_their_line.iter().take(SHOWN) {
        let _ = writeln!(
            report,
            "line {}: {}\n   redis: {}\n   slotd: {}",
            a.line,
            a.what,
            shown(&a.reply),
            shown(&b.reply)
        );
    }
    if !differing.is_empty() {
        let _ = writeln!(report, "{} of {} replies differ", differing.len(), oracle.len());
    }
    report
}

fn shown(reply: &[u8]) -> String {
    let text = reply.escape_ascii().to_string();
    if text.len() > 600 { format!("{}... ({} bytes)", &text[..600], reply.len()) } else { text }
}
