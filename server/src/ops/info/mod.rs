//! INFO: what the node reports about itself.
//!
//! Sections and fields have the names of Redis 7.0, because monitoring reads them by name. A section is a table of
//! fields, each declared once with the function that finds its value ([`fields`]); or a list with one line per item
//! (commandstats, errorstats, latencystats, keyspace: [`lists`]); or it belongs to a subsystem above the engine
//! (persistence, replication), which registers as an [`InfoSource`](crate::engine::info::InfoSource).
//!
//! A field whose mechanism slotd does not have (modules, defragmentation) is zero. CPU time is that of the
//! process, which its nodes share; memory is attributed to each node ([`crate::runtime::share`]).

mod fields;
mod lists;
pub(super) mod report;

use protocol::resp::Args;

use crate::command::{Arity, Categories, Declared, Flags, Group, Traits};
use crate::engine::Engine;
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::engine::info::InfoWriter;
use fields::Field;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] =
    &[Declared::new("INFO", Arity::at_least(1), Group::Server, Flags::LOADING.and(Flags::STALE), info as SessionFn)
        .acl(Categories::DANGEROUS)
        .traits(Traits::TOUCHES_NO_DATA.and(Traits::HELPS_WHILE_BUSY))
        .summary("Get information and statistics about the server")
        .syntax("[section:string+]")
        .history(&[("7.0.0", "Added support for taking multiple section arguments.")])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])];

fn info(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let text = text(ctx, args.iter().skip(1));
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}

/// How a section's body is made.
enum Body {
    Fields(&'static [Field]),
    Lines(fn(&Engine, &mut InfoWriter)),
    /// Written by the subsystem that it belongs to.
    Source,
}

struct Section {
    name: &'static str,
    title: &'static str,
    /// Part of `INFO` without arguments.
    default: bool,
    body: Body,
}

const fn section(name: &'static str, title: &'static str, default: bool, body: Body) -> Section {
    Section { name, title, default, body }
}

/// All sections, in the order in which INFO prints them.
static SECTIONS: &[Section] = &[
    section("server", "Server", true, Body::Fields(fields::SERVER)),
    section("clients", "Clients", true, Body::Fields(fields::CLIENTS)),
    section("memory", "Memory", true, Body::Fields(fields::MEMORY)),
    section("persistence", "Persistence", true, Body::Source),
    section("stats", "Stats", true, Body::Fields(fields::STATS)),
    section("replication", "Replication", true, Body::Source),
    section("cpu", "CPU", true, Body::Fields(fields::CPU)),
    section("modules", "Modules", true, Body::Fields(&[])),
    section("commandstats", "Commandstats", false, Body::Lines(lists::command_stats)),
    section("errorstats", "Errorstats", true, Body::Lines(lists::error_stats)),
    section("latencystats", "Latencystats", false, Body::Lines(lists::latency_stats)),
    section("cluster", "Cluster", true, Body::Fields(fields::CLUSTER)),
    section("keyspace", "Keyspace", true, Body::Lines(lists::keyspace)),
];

/// Which sections are asked for.
#[derive(Default)]
struct Wanted {
    all: bool,
    default: bool,
    names: Vec<String>,
}

impl Wanted {
    fn of<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut wanted = Self::default();
        let mut any = false;
        for word in words {
            any = true;
            match String::from_utf8_lossy(word).to_ascii_lowercase() {
                name if name == "all" || name == "everything" => wanted.all = true,
                name if name == "default" => wanted.default = true,
                name => wanted.names.push(name),
            }
        }
        wanted.default |= !any;
        wanted
    }

    fn has(&self, section: &Section) -> bool {
        self.all || self.default && section.default || self.names.iter().any(|name| name == section.name)
    }
}

/// INFO's text for the words after the command.
fn text<'a>(ctx: &SessionCtx<'_, '_>, words: impl Iterator<Item = &'a [u8]>) -> String {
    let wanted = Wanted::of(words);
    let engine: &Engine = ctx.engine;
    let sources = engine.info.sources();
    let facts = fields::Facts::new(engine, ctx.now, &sources);
    let mut out = InfoWriter::default();
    for section in SECTIONS.iter().filter(|section| wanted.has(section)) {
        out.begin(section.title);
        match section.body {
            Body::Fields(table) => facts.write(table, &mut out),
            Body::Lines(write) => write(engine, &mut out),
            Body::Source => {
                sources.iter().any(|source| source.section(section.name, &mut out));
            }
        }
    }
    out.into_text()
}

/// An error code that a client may have invented, without the characters that INFO's format uses (Redis:
/// `getSafeInfoString`).
fn safe_name(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '#' | ':' | '\n' | '\r') { '_' } else { c }).collect()
}

/// An amount of memory in human-readable form: `1.50K`, `23.58G`.
fn human_bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "K", "M", "G", "T", "P"] {
        if amount < 1024.0 || unit == "P" {
            return if unit == "B" { format!("{bytes}B") } else { format!("{amount:.2}{unit}") };
        }
        amount /= 1024.0;
    }
    unreachable!("the last unit takes everything")
}

#[cfg(test)]
mod tests;
