//! Ranks: each top-level module of the server has one, and may use modules of lower rank only.
//!
//! A lower rank that needs something of a higher one returns data or defines a trait that the higher one implements.
//! Without the rule every module ends up knowing every other one, and nothing can be tested or understood alone. The
//! compiler cannot enforce it, because the modules share one crate so that calls between them can be inlined; this test
//! does.

use std::collections::BTreeMap;

use crate::source::{code_only, files};
use crate::{Finding, assert_none};

/// Modules by rank; those of one line may know each other.
pub(crate) const RANKS: &[&[&str]] = &[
    &["base"],
    &["logging"],
    &["store", "runtime", "script"],
    &["command"],
    &["commands", "config"],
    &["session"],
    &["engine"],
    &["persistence"],
    &["replication"],
    &["cluster"],
    &["clients", "net", "ops"],
    &["lib", "parts", "node", "signals", "embedded", "healthcheck", "cli", "main", "testing"],
];

/// The bench that unit tests run commands on. It knows everything, and only tests use it.
const FOR_TESTS: &str = "testing";

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

fn rank_of(module: &str) -> Option<usize> {
    RANKS.iter().position(|row| row.contains(&module))
}

/// The top-level module of a path below `server/src`, and how deep the file's own module lies below the crate's root.
fn module_of(path: &str) -> (String, usize) {
    let inner = path.strip_prefix("server/src/").unwrap_or(path).trim_end_matches(".rs");
    let parts: Vec<&str> = inner.split('/').collect();
    let last = parts[parts.len() - 1];
    let top = if parts.len() == 1 { last.trim_end_matches("_tests") } else { parts[0] };
    let own = match last {
        "mod" => parts.len() - 1,
        "lib" | "main" if parts.len() == 1 => 0,
        // `foo_tests.rs` is the module foo::tests.
        name if name.ends_with("_tests") => parts.len() + 1,
        _ => parts.len(),
    };
    (top.to_owned(), own)
}

/// Top-level modules that a text names: `crate::x`, `crate::{x::.., y}`, and `super::super::x` where that leads to the
/// root.
fn uses(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut collect = |offset: usize, rest: &str| {
        let line = code[..offset].matches('\n').count() + 1;
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_members(group).into_iter().map(|name| (line, name)));
        } else {
            found.push((line, identifier(rest)));
        }
    };
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in a macro is the same root; `some_crate::` is another crate.
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            collect(at, &code[at + "crate::".len()..]);
        }
    }
    let to_root = "super::".repeat(depth);
    if depth > 0 {
        for (at, _) in code.match_indices(&to_root) {
            let before = &code[..at];
            if !before.ends_with("super::") && !code[at + to_root.len()..].starts_with("super::") {
                collect(at, &code[at + to_root.len()..]);
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names of the members of `a::b, c::{d, e}, f}`.
fn group_members(text: &str) -> Vec<String> {
    let (mut depth, mut start, mut members) = (0, true, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && (c.is_alphanumeric() || c == '_') => {
                members.push(identifier(&text[at..]));
                start = false;
            }
            _ => {}
        }
    }
    members
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let (module, depth) = module_of(path);
    let Some(rank) = rank_of(&module) else {
        return vec![Finding::new(
            path,
            1,
            format!("the module `{module}` has no rank: give it one in tests/tidy/ranks.rs"),
        )];
    };
    let mut findings = Vec::new();
    for (line, used) in uses(&code_only(text), depth) {
        if let Some(other) = rank_of(&used)
            && other > rank
            && !(used == FOR_TESTS && is_test(path))
        {
            findings.push(Finding::new(
                path,
                line,
                format!("`{module}` (rank {rank}) uses `{used}` (rank {other}): return data, or define a trait below"),
            ));
        }
    }
    findings
}

#[test]
fn modules_of_the_server_use_lower_ranks_only() {
    let sources = files(|path| path.starts_with("server/src/") && path.ends_with(".rs"));
    let findings: Vec<Finding> = sources.iter().flat_map(|f| check_file(&f.path, &f.text)).collect();
    assert_none(&findings);
}

#[test]
fn a_call_upwards_is_found_in_every_spelling() {
    let bad = [
        "use crate::engine::Session;",
        "use crate::{base::Clock, engine::{Session, State}};",
        "fn f() { crate::cluster::route(); }",
        "use super::super::engine::Session;",
        "pub(crate) use crate::net;",
    ];
    for text in bad {
        assert_eq!(check_file("server/src/store/slot.rs", text).len(), 1, "{text}");
    }
    assert_eq!(check_file("server/src/store/mod.rs", "use super::engine::Session;").len(), 1);
    assert_eq!(check_file("server/src/store/slot_tests.rs", "use super::super::super::net::Listener;").len(), 1);
    assert_eq!(check_file("server/src/surprise/mod.rs", "").len(), 1, "a module without a rank");
    assert_eq!(check_file("server/src/store/slot.rs", "use crate::testing::Bench;").len(), 1, "no test");
}

#[test]
fn what_is_allowed_is_not_found() {
    let good = [
        "use crate::base::Clock; use crate::store::{entry, slot::engine};",
        "// crate::engine is above us\nlet text = \"crate::engine\";",
        "use super::engine_of_something; use other_crate::engine;",
        "use super::super::base::Clock;",
    ];
    for text in good {
        assert_eq!(check_file("server/src/store/slot.rs", text), [], "{text}");
    }
    assert_eq!(check_file("server/src/store/slot_tests.rs", "use crate::testing::Bench;"), []);
    assert_eq!(check_file("server/src/main.rs", "use slotd::engine; use crate::cli;"), []);
    let ranks: BTreeMap<&str, usize> =
        RANKS.iter().enumerate().flat_map(|(r, row)| row.iter().map(move |m| (*m, r))).collect();
    assert_eq!(ranks["net"], ranks["ops"]);
}
