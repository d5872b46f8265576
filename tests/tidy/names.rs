//! No command is looked up by its name: what a gate has to know of a command is in its declaration (`Flags`, `Traits`).
//!
//! An author who adds a command of the same kind would not find a name in a gate: EXEC and PING once occurred in seven
//! places. Only the registry looks commands up, by the word that a client sent.

use crate::source::{Squeezed, rust_files};
use crate::{Finding, assert_none};

/// Where names are looked up, or are words of a protocol and no commands to run.
const ALLOWED: &[(&str, &str)] = &[
    ("server/src/engine/registry.rs", "looks commands up"),
    ("server/src/replication/follow/apply.rs", "reads the primary's own words in its stream: REPLCONF, PING, SELECT"),
    ("server/src/replication/serve.rs", "reads the replica's own words on its link: REPLCONF ACK"),
];

/// The fields that hold a command's name, and the ways to see them as something comparable.
const NAMES: &[&str] = &["spec.name", "full_name", "spec.container", "spec.full_name()"];
const VIEWS: &[&str] = &["", ".as_str()", ".as_bytes()", ".as_ref()", ".as_deref()", "[..]"];

/// What compares a name, behind it.
const COMPARED: &[&str] =
    &["==", "!=", ".eq(", ".ne(", ".eq_ignore_ascii_case(", ".starts_with(", ".ends_with(", ".contains("];

/// What compares a name, before the expression that leads to it.
const COMPARING: &[&str] = &["match", "matches!(", "==", "!="];

/// Comparisons of a request's first word. Literals are blanked before, so what they compare it with is not visible.
const FIRST_WORDS: &[&str] = &[
    "is(0, b",
    "is(0, )",
    "args[0].eq_ignore_ascii_case(",
    "args[0] ==",
    "args[0] !=",
    "match &args[0]",
    "match args[0]",
];

/// The text before an expression of identifiers and dots, such as `&*call.command` before `.full_name`.
fn before_expression(code: &str) -> &str {
    code.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '&' | '*'))
}

/// Whether the name between these two texts is compared: by what follows, or by what stands before the expression.
fn is_compared(before: &str, after: &str) -> bool {
    let view = VIEWS.iter().filter(|view| after.starts_with(**view)).max_by_key(|view| view.len()).unwrap_or(&"");
    let rest = &after[view.len()..];
    let lead = before_expression(before);
    // `match&*command` has no blank, so the word is a part of what was taken for the expression.
    let is_matched = before[lead.len()..].starts_with("match&") || before[lead.len()..].starts_with("match*");
    let is_right_side = COMPARING.iter().any(|comparing| lead.trim_end().ends_with(comparing));
    COMPARED.iter().any(|compared| rest.starts_with(compared)) || (is_matched && rest.starts_with('{')) || is_right_side
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let is_allowed = ALLOWED.iter().any(|(allowed, _)| *allowed == path);
    if !path.starts_with("server/src/") || path.ends_with("tests.rs") || is_allowed {
        return Vec::new();
    }
    let squeezed = Squeezed::new(text);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in NAMES {
        let places = squeezed.find(name).into_iter();
        let compared = places.filter(|(at, _)| is_compared(&squeezed.code[..at.start], &squeezed.code[at.end..]));
        found.extend(compared.map(|(_, line)| (line, *name)));
    }
    let starts_a_word = |at: usize| !squeezed.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    for word in FIRST_WORDS {
        let places = squeezed.find(word).into_iter().filter(|(at, _)| starts_a_word(at.start));
        found.extend(places.map(|(_, line)| (line, *word)));
    }
    let trouble = |asked: &str| format!("`{asked}` asks for a command by name: declare a trait (command/spec.rs)");
    found.into_iter().map(|(line, asked)| Finding::new(path, line, trouble(asked))).collect()
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
        "command\n    .spec\n    .name\n    .eq_ignore_ascii_case(\"exec\")",
        "match &*command.full_name { \"client|kill\" => {} _ => {} }",
        "match command.full_name.as_str() { \"client|kill\" => {} _ => {} }",
        "if call.command.full_name == \"exec\" {}",
        "if \"exec\" == call.command.full_name {}",
        "command.full_name.as_bytes() != b\"exec\"",
        "command.full_name.starts_with(\"client|\")",
        "if args.is(0, b\"EXEC\") {}",
        "if is(0, \"EXEC\") {}",
        "if args[0].eq_ignore_ascii_case(b\"exec\") {}",
    ] {
        assert_eq!(check(gate, text).len(), 1, "{text}");
    }
    for text in [
        "command.traits.has(Traits::RUNS_IN_MULTI) // not spec.name == EXEC",
        "error::wrong_arity(&command.full_name)",
        "reply.bulk_str(&ctx.command.full_name); if a == b {}",
        "if args.is(1, b\"CH\") || args[1] == b\"x\" || this(0, b) {}",
    ] {
        assert_eq!(check(gate, text), [], "{text}");
    }
    assert_eq!(check("server/src/engine/registry.rs", "command.spec.name == word"), []);
}

#[test]
fn every_exception_is_a_file_that_asks() {
    let sources = rust_files();
    for (allowed, reason) in ALLOWED {
        let file = sources.iter().find(|file| file.path == *allowed);
        let file = file.unwrap_or_else(|| panic!("{allowed} ({reason}) has moved"));
        assert_ne!(check("server/src/engine/gates.rs", &file.text), [], "{allowed} needs no exception");
    }
}
