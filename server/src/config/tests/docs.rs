//! docs/directives.md is written from the table: this test fails when it is out of date, and with `UPDATE_DOCS=1` in
//! the environment writes it instead.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::directive::{Directive, Effect, Kind, LATER};
use crate::config::{Config, table};

const HEAD: &str = "\
# Directives

<!-- Written from the table in server/src/config/table/ by `UPDATE_DOCS=1 cargo test -p slotd directives_are_documented`. -->

The directives of redis.conf, the command line and CONFIG. The names, defaults, ranges and error texts are those of
Redis 7.0.15, except where noted. *Effect*: **live** directives take effect at once when CONFIG SET changes them,
**startup** ones are read when the node starts. Those with **none** are read, checked, kept and shown, so that an
existing redis.conf works, but they change nothing in slotd (yet, or by design); the log warns about each one that is
not set to its default.

Accepted in files only: `include` (with patterns, 16 deep), and the line `user default ...` that Redis's CONFIG REWRITE
writes. Refused with a clear error: `rename-command`, `loadmodule`, `aclfile`, other `user` lines, `sentinel`, module
directives.
";

fn row(directive: &Directive, default: &str) -> String {
    let kind = match directive.kind {
        Kind::Bool => "yes/no".to_owned(),
        Kind::Int { min, max } => match (min, max) {
            (_, i64::MAX) => format!("integer from {min}"),
            (min, max) if i64::from(i32::MIN) == min && i64::from(i32::MAX) == max => "integer".to_owned(),
            (min, max) if max == i64::from(i32::MAX) => format!("integer from {min}"),
            _ => format!("{min} to {max}"),
        },
        Kind::Memory { .. } => "memory".to_owned(),
        Kind::MemoryOrPercent { .. } => "memory or %".to_owned(),
        Kind::Octal { .. } => "octal".to_owned(),
        Kind::Choice(names) => {
            names.iter().filter(|one| **one != LATER).map(|one| one.0).collect::<Vec<_>>().join(", ")
        }
        Kind::Flags(names) => format!("any of {}", names.iter().map(|n| n.0).collect::<Vec<_>>().join(", ")),
        Kind::Text { .. } | Kind::Secret | Kind::Directory => "text".to_owned(),
        _ => "see redis.conf".to_owned(),
    };
    let effect = match directive.effect {
        Effect::Live => "live",
        Effect::Startup => "startup",
        Effect::AcceptedWithoutEffect => "none",
    };
    let others: Vec<String> = directive.names().skip(1).map(|name| format!("`{name}`")).collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let name = format!("`{}`{others}", directive.name);
    let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
    let doc = directive.doc.trim().replace('|', "\\|");
    format!("| {name} | {kind} | {default} | {effect} | {doc} |\n")
}

#[test]
fn directives_are_documented() {
    let config = Config::new("");
    let mut text = HEAD.to_owned();
    let _ = write!(text, "\n| directive | values | default | effect | what it is for |\n|---|---|---|---|---|\n");
    for (id, directive) in table::all() {
        text.push_str(&row(directive, &String::from_utf8_lossy(&config.print(id))));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/directives.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/ is writable");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/directives.md is out of date: run UPDATE_DOCS=1 cargo test -p slotd directives_are_documented"
    );
}
