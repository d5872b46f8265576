//! docs/commands.md is written from the declarations: this test fails when it is out of date, and with `UPDATE_DOCS=1`
//! in the environment writes it instead.

use std::fmt::Write as _;
use std::path::Path;

use super::{is_hidden, top_level};
use crate::engine::handler::Command;
use crate::engine::registry::Registry;
use crate::node::commands;

const HEAD: &str = "\
# Commands

<!-- Written from the declarations by `UPDATE_DOCS=1 cargo test -p slotd commands_are_documented`. -->

What slotd knows, by group. *Rule* is the server whose replies decide: slotd is compared with it byte for byte, in RESP2
and RESP3. Commands with **yes** under *differs* are named under
[deliberate differences](compatibility.md#deliberate-differences), where it says how. What slotd lacks is listed under
[commands that are not there](compatibility.md#commands-that-are-not-there).
";

/// The server that decides what a command does, by the version that brought it.
fn rule(command: &Command) -> &'static str {
    let mut numbers = command.spec.since.split('.').filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version {
        _ if command.full_name.split('|').next() == Some("slotd") => "slotd",
        (9.., _) => "Valkey 9.1.2",
        (8, 2..) => "Redis's documentation",
        (8, _) | (7, 1..) => "Redis 8.0.6",
        _ => "Redis 7.0.15",
    }
}

/// Whether a text names a command, with or without its container.
fn names(text: &str, command: &Command) -> bool {
    let name = command.full_name.replace('|', " ").to_uppercase();
    text.match_indices(&format!("`{name}")).any(|(at, found)| {
        let behind = text[at + found.len()..].chars().next();
        !behind.is_some_and(|next| next.is_alphanumeric() || matches!(next, '_' | '-'))
    })
}

fn row(command: &Command, differences: &str) -> String {
    let name = command.full_name.replace('|', " ").to_uppercase();
    let since = command.spec.since;
    let differs = if names(differences, command) { "yes" } else { "" };
    let complexity = command.spec.complexity.replace('|', "\\|");
    format!("| `{name}` | {since} | {} | {complexity} | {differs} |\n", rule(command))
}

fn reference(registry: &Registry, differences: &str) -> String {
    let mut groups: Vec<&str> = top_level(registry).map(|command| command.spec.group.name()).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut text = HEAD.to_owned();
    for group in groups {
        let _ =
            write!(text, "\n## {group}\n\n| command | since | rule | complexity | differs |\n|---|---|---|---|---|\n");
        let mut commands: Vec<&Command> = (registry.iter())
            .filter(|command| command.spec.group.name() == group && !is_hidden(command))
            .filter(|command| command.subcommands.is_empty())
            .collect();
        commands.sort_unstable_by_key(|command| &command.full_name);
        commands.into_iter().for_each(|command| text.push_str(&row(command, differences)));
    }
    text
}

#[test]
fn commands_are_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let compatibility = std::fs::read_to_string(docs.join("compatibility.md")).expect("it is part of the project");
    let (_, behind) = compatibility.split_once("\n## Deliberate differences").expect("it has this section");
    let differences = behind.split("\n## ").next().expect("a split has a first part");
    let text = reference(&commands(), differences);
    let path = docs.join("commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/ is writable");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/commands.md is out of date: run UPDATE_DOCS=1 cargo test -p slotd commands_are_documented"
    );
}
