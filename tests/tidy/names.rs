//! No command is looked up by its name: what a gate has to know of a command is in its declaration (`Flags`, `Traits`).
//!
//! An author who adds a command of the same kind would not find a name in a gate: EXEC and PING once occurred in seven
//! places. Only the registry looks commands up, by the word that a client sent.

use crate::source::{code_only, rust_files};
use crate::{Finding, assert_none};

/// Where names are looked up and printed.
const ALLOWED: &[&str] = &["server/src/engine/registry.rs"];

/// How code asks for a name. Literals are blanked before, so what it is compared with is not visible.
const ASKED: &[&str] = &[
    "spec.name ==",
    "spec.name !=",
    "match command.spec.name",
    "matches!(command.spec.name",
    "full_name ==",
    "full_name !=",
    "spec.container ==",
    "spec.container !=",
];

fn check(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("server/src/") || path.ends_with("tests.rs") || ALLOWED.contains(&path) {
        return Vec::new();
    }
    let code = code_only(text);
    // However it is wrapped.
    let found = ASKED.iter().flat_map(|asked| code.match_indices(asked));
    found
        .map(|(at, asked)| {
            let line = code[..at].matches('\n').count() + 1;
            Finding::new(path, line, format!("`{asked}` asks for a command by name: declare a trait (command/spec.rs)"))
        })
        .collect()
}

#[test]
fn no_command_is_asked_for_by_name() {
    let findings: Vec<Finding> = rust_files().iter().flat_map(|file| check(&file.path, &file.text)).collect();
    assert_none(&findings);
}

#[test]
fn the_check_fires_on_a_bad_sample() {
    let gate = "server/src/engine/gates.rs";
    for text in [
        "if command.spec.name == \"EXEC\" {}",
        "matches!(command.spec.name, \"PING\" | \"QUIT\")",
        "command.spec.container == Some(\"CLIENT\")",
    ] {
        assert_eq!(check(gate, text).len(), 1, "{text}");
    }
    assert_eq!(check(gate, "command.traits.has(Traits::RUNS_IN_MULTI) // not spec.name == EXEC"), []);
    assert_eq!(check("server/src/engine/registry.rs", "command.spec.name == word"), []);
}
