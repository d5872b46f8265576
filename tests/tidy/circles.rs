//! No circles: within a room, no file depends on a file that depends on it.
//!
//! Ranks keep the rooms apart, but inside a room they do not help: two files that name each other can only be read,
//! tested and changed together. Data goes below, behaviour above. A folder and the files in it are one unit for this
//! check, and what a room's `mod.rs` holds (`Engine`) may be used by all of its files.
//!
//! Not every room is that far: `store`, `command`, `config` and `cluster` still have circles, for example an entry that
//! knows the table's words and a table that is made of entries. They are listed too, and one that is free of circles
//! must move to the rooms that are checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{code_only, files};
use crate::{Finding, assert_none};

/// The rooms that are checked.
const ROOMS: &[&str] = &[
    "base",
    "clients",
    "commands",
    "engine",
    "logging",
    "net",
    "ops",
    "persistence",
    "replication",
    "runtime",
    "script",
    "session",
];

/// The rooms that still have circles.
const TANGLED: &[&str] = &["cluster", "command", "config", "store"];

/// Not rooms but wiring, which has no ranks among its parts (rank 11).
const WIRING: &[&str] = &["cli", "embedded"];

/// The unit of its room that a path belongs to: `engine/info/recent.rs` is part of `info`. None for tests and a room's
/// `mod.rs`.
fn part_of<'a>(room: &str, path: &'a str) -> Option<&'a str> {
    let inner = path.strip_prefix("server/src/")?.strip_prefix(room)?.strip_prefix('/')?;
    let is_test = inner.ends_with("tests.rs") || inner.contains("/tests/") || inner.starts_with("tests/");
    let part = inner.split('/').next()?.trim_end_matches(".rs");
    (!is_test && part != "mod").then_some(part)
}

/// How many modules below its room a file's own module is: 1 for `engine/run.rs` and `engine/info/mod.rs`.
fn depth_of(path: &str) -> usize {
    let inner = path.split('/').skip(3);
    inner.filter(|name| *name != "mod.rs").count()
}

/// The parts of `room` that a text `depth` modules below it names.
fn uses<'a>(room: &str, parts: &BTreeSet<&'a str>, text: &str, depth: usize) -> BTreeSet<&'a str> {
    let code = code_only(text);
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let to_room = "super::".repeat(depth);
    let prefixes = [format!("crate::{room}::"), format!("{to_room}super::{room}::"), to_room];
    let mut found = BTreeSet::new();
    for prefix in &prefixes {
        for (at, _) in code.match_indices(prefix.as_str()) {
            let rest = &code[at + prefix.len()..];
            if code[..at].ends_with("super::") {
                // A way to a higher module.
                continue;
            }
            // A group names its members up to the closing brace; deeper ones belong to a member.
            let members = rest.strip_prefix('{').map_or_else(
                || vec![rest],
                |group| group.split(';').next().unwrap_or_default().split([',', '{', '}']).map(str::trim).collect(),
            );
            for member in members {
                let name: String = member.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.extend(parts.get(name.as_str()));
            }
        }
    }
    found
}

/// A path from `from` back to itself.
fn circle<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = way[way.len() - 1];
        for &next in edges.get(last).into_iter().flatten() {
            if next == from {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn check(room: &str, sources: &[(&str, &str)]) -> Vec<Finding> {
    let parts: BTreeSet<&str> = sources.iter().filter_map(|(path, _)| part_of(room, path)).collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in sources {
        let Some(part) = part_of(room, path) else { continue };
        let mut used = uses(room, &parts, text, depth_of(path));
        used.remove(part);
        edges.entry(part).or_default().append(&mut used);
    }
    let mut findings = Vec::new();
    for part in &parts {
        if let Some(way) = circle(&edges, part) {
            let text = format!("a circle: {} -> {part}", way.join(" -> "));
            findings.push(Finding::new(&format!("server/src/{room}/{part}"), 1, text));
        }
    }
    findings
}

#[test]
fn no_files_of_a_room_know_each_other() {
    let sources = files(|path| path.starts_with("server/src/") && path.ends_with(".rs"));
    let sources: Vec<(&str, &str)> = sources.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let findings: Vec<Finding> = ROOMS.iter().flat_map(|room| check(room, &sources)).collect();
    assert_none(&findings);
    let free: Vec<_> = TANGLED.iter().filter(|room| check(room, &sources).is_empty()).collect();
    assert!(free.is_empty(), "free of circles, so they can be checked from now on: {free:?}");
}

#[test]
fn every_room_is_checked_or_known_to_have_circles() {
    let rooms: BTreeSet<String> = files(|path| path.starts_with("server/src/"))
        .iter()
        .filter_map(|file| Some(file.path.strip_prefix("server/src/")?.split_once('/')?.0.to_owned()))
        .collect();
    let listed: BTreeSet<String> = [ROOMS, TANGLED, WIRING].concat().into_iter().map(str::to_owned).collect();
    assert_eq!(rooms, listed);
}

#[test]
fn a_circle_is_found_in_every_spelling() {
    let below = ("server/src/engine/a.rs", "use super::b::B;");
    for above in ["use super::{Engine, a::A};", "fn f() { crate::engine::a::g() }", "use crate::engine::{a::A, c};"] {
        assert_eq!(check("engine", &[below, ("server/src/engine/b.rs", above)]).len(), 2, "{above}");
    }
    let far =
        [below, ("server/src/engine/b.rs", "use super::c;"), ("server/src/engine/c/d.rs", "use crate::engine::a;")];
    assert_eq!(check("engine", &far).len(), 3);
    for (path, above) in [
        ("server/src/engine/b/mod.rs", "use super::a::A;"),
        ("server/src/engine/b/c.rs", "use super::super::a::A;"),
        ("server/src/engine/b.rs", "use super::super::engine::a::A;"),
    ] {
        assert_eq!(check("engine", &[below, (path, above)]).len(), 2, "{path}");
    }
}

#[test]
fn what_is_no_circle_is_not_found() {
    let good = [
        ("server/src/engine/a.rs", "use super::b::B; // super::a"),
        ("server/src/engine/b.rs", "use super::Engine;\n#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ("server/src/engine/b_tests.rs", "use super::super::a::A;"),
        ("server/src/engine/mod.rs", "use a::A;"),
        ("server/src/engine/b/c.rs", "use super::a::Deeper; use super::super::super::store::a::Other;"),
    ];
    assert_eq!(check("engine", &good), []);
}
