//! Random commands on hashes whose fields expire, beside Redis 8: Redis 7.0 lacks them.
//!
//! The commands are generated as those of `random.rs`. Fields expire in the far future or have expired when their time
//! is set; what happens in between is up to each server's own cycle. After each command that may have changed a hash,
//! all that is known of it is compared, the times of its fields included.
//!
//! The server is not on every machine, so the test is ignored in a plain run; `tests/run flows` runs it.

use std::fmt::Write as _;

use integration::client::{Client, REPLY_LIMIT};
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::resp::{Value, parse};
use slotd::parts::Rng;

use super::random::{Command, Grammar, number_from_env, shown};

/// Commands of one seed.
const COMMANDS: usize = 300;
/// By how much two times may differ, milliseconds, on a busy machine.
const APART: i64 = 5_000;
/// All keys and fields of the grammar.
const KEYS: [&str; 2] = ["t", "{t}2"];
const FIELDS: [&str; 6] = ["f", "g", "1", "2", "long-enough-to-be-no-number", ""];

fn reply(client: &mut Client, command: &Command) -> Vec<u8> {
    client.send(command).expect("the server reads");
    client.frame(REPLY_LIMIT).unwrap_or_else(|silence| format!("{silence:?}").into_bytes())
}

/// The questions whose answers tell all of a hash.
fn questions() -> Vec<Command> {
    let about = |key: &str| {
        let mut times: Command = ["HPEXPIRETIME", key, "FIELDS", "6"].map(|word| word.as_bytes().to_vec()).to_vec();
        times.extend(FIELDS.map(|field| field.as_bytes().to_vec()));
        let two = |name: &str| vec![name.as_bytes().to_vec(), key.as_bytes().to_vec()];
        [two("TYPE"), two("HGETALL"), two("HLEN"), times]
    };
    KEYS.into_iter().flat_map(about).collect()
}

/// Whether two replies are the same: times are near each other, and the order of a table is each server's own.
fn same(ours: &Value, theirs: &Value, any_order: bool) -> bool {
    match (ours, theirs) {
        (Value::Int(a), Value::Int(b)) => a == b || *a > 1_000 && *b > 1_000 && (a - b).abs() <= APART,
        (Value::Array(a), Value::Array(b)) if !any_order => {
            // The results of a transaction may be tables.
            let alike = |(a, b)| same(a, b, false) || same(a, b, true);
            a.len() == b.len() && a.iter().zip(b).all(alike)
        }
        (Value::Array(_) | Value::Map(_), Value::Array(_) | Value::Map(_)) => parts(ours) == parts(theirs),
        _ => ours == theirs,
    }
}

/// The scalars of a reply, in an order of their own.
fn parts(value: &Value) -> Vec<String> {
    let mut found = match value {
        Value::Array(items) => items.iter().flat_map(parts).collect(),
        Value::Map(pairs) => pairs.iter().map(|pair| format!("{pair:?}")).collect(),
        scalar => vec![format!("{scalar:?}")],
    };
    found.sort();
    found
}

fn agree(command: &Command, ours: &[u8], theirs: &[u8]) -> bool {
    let value = |bytes| parse(bytes).ok().map(|(value, _)| value);
    let (Some(ours_as), Some(theirs_as)) = (value(ours), value(theirs)) else { return ours == theirs };
    let any_order = [&b"HGETALL"[..], b"HKEYS", b"HVALS", b"HSCAN"].contains(&&*command[0]);
    same(&ours_as, &theirs_as, any_order)
}

/// Plays one seed; returns the difference, if there is one.
fn play(clients: &mut [Client; 2], seed: u64) -> Option<String> {
    let mut grammar = Grammar(Rng::new(seed));
    for client in clients.iter_mut() {
        client.cmd("DISCARD");
        client.ok("FLUSHALL");
        client.ok("CONFIG SET hash-max-listpack-entries 512");
        client.cmd(&format!("HELLO {}", 2 + seed % 2));
    }
    let questions = questions();
    let (mut history, mut queues) = (Vec::new(), false);
    for _ in 0..COMMANDS {
        let mut command = Command::new();
        grammar.class("field command", &mut command);
        queues = match command[0].as_slice() {
            b"MULTI" => true,
            b"EXEC" => false,
            _ => queues,
        };
        let asked = if queues { &[] } else { questions.as_slice() };
        for question in std::iter::once(&command).chain(asked) {
            let [theirs, ours] = clients.each_mut().map(|client| reply(client, question));
            if !agree(question, &ours, &theirs) {
                let mut text = format!("seed {seed}, {}\n", shown(question));
                let [theirs, ours] = [theirs, ours].map(|reply| super::shown(&reply));
                let _ = writeln!(text, "   redis: {theirs}\n   slotd: {ours}\n      after {}", shown(&command));
                history.iter().rev().take(12).for_each(|line| _ = writeln!(text, "      after {line}"));
                return Some(text);
            }
        }
        history.push(shown(&command));
    }
    None
}

#[test]
#[ignore = "needs redis 8: tests/run flows"]
fn random_commands_on_fields_that_expire() {
    let nodes = [Binary::Later("redis8"), Binary::Slotd].map(|binary| NodeSpec::new(binary).start());
    let mut clients = nodes.each_ref().map(integration::node::Node::client);
    assert!(clients[0].cmd("INFO server").text().contains("redis_version:8."));
    let (first, seeds) = (number_from_env("RANDOM_FIRST", 0), number_from_env("RANDOM_SEEDS", 30));
    let report: String = (first..first + seeds).filter_map(|seed| play(&mut clients, seed)).take(5).collect();
    assert!(report.is_empty(), "{report}");
    // Most of it was well-formed. The last seed may have ended in a transaction.
    clients[1].cmd("DISCARD");
    let stats = clients[1].cmd("INFO commandstats").text();
    for name in ["hexpire", "hpexpireat", "hpersist", "httl", "hgetdel", "hgetex", "hsetex"] {
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).expect("it was called");
        let number = |field: &str| -> u64 {
            let value = line.split([':', ',']).find_map(|part| part.strip_prefix(field)).expect("it is counted");
            value.parse().expect("a number")
        };
        assert!(number("failed_calls=") * 3 < number("calls=") * 2, "{line}");
    }
}
