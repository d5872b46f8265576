//! INFO: what the node says of itself.
//!
//! Sections and fields have the names of Redis 7.0, because monitoring reads them by name. A section is either a table of fields, each
//! declared once with the function that finds its value ([`fields`]), or a list of as many lines as there are things to tell
//! (commandstats, errorstats, keyspace: [`lists`]), or the business of a subsystem above the engine, which registers as an
//! [`InfoSource`] (persistence, replication).
//!
//! A field whose mechanism slotd does not have (scripts, modules, defragmentation) says zero, which is the truth.
//! CPU is the process's: nodes of one process share it. Of its memory each has a part ([`share`]).

pub mod commands;
mod fields;
mod lists;
mod process;
mod recent;
mod samples;
mod share;

use std::fmt::Write;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, RwLock};

use super::Engine;
use super::session::SessionCtx;
use crate::store::Keyspace;
use fields::Field;
use process::Memory;
pub use process::Process;
pub use recent::RecentPeak;
use samples::Samples;
pub use share::ProcessMemory;
use share::Share;

/// A subsystem that has something to tell.
pub trait InfoSource: Send + Sync {
    /// Writes the body of `section` (lower case), if it is this subsystem's; says whether it is.
    fn section(&self, section: &str, out: &mut InfoWriter) -> bool;

    /// The value of a field that stands in a section of the engine's (`cluster_connections`).
    fn number(&self, field: &str) -> Option<i64> {
        let _ = field;
        None
    }
}

/// The lines of INFO.
#[derive(Default)]
pub struct InfoWriter {
    text: String,
}

impl InfoWriter {
    /// Begins a section; an empty line parts it from the one before.
    fn begin(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.text.push_str("# ");
        self.text.push_str(title);
        self.text.push_str("\r\n");
    }

    /// Writes `name:value`.
    pub fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing into a string cannot fail.
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// Everything written.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// What INFO must remember between two calls; part of the engine.
#[derive(Default)]
pub struct InfoState {
    sources: RwLock<Vec<Weak<dyn InfoSource>>>,
    /// The port clients connect to, which may differ from the directive's 0.
    port: AtomicU16,
    /// Most memory seen in use, bytes.
    peak_memory: AtomicU64,
    /// Memory in use when the node started, bytes.
    startup_memory: AtomicU64,
    /// The node's part of the process's memory.
    share: OnceLock<Share>,
    samples: Mutex<Samples>,
    /// The most that a client had sent without being executed, lately; bytes.
    pub recent_input: RecentPeak,
    /// The most that a client left unread, lately; bytes.
    pub recent_output: RecentPeak,
}

impl InfoState {
    /// Registers a subsystem. Weak, as all plugs.
    pub fn add_source(&self, source: Weak<dyn InfoSource>) {
        self.sources.write().push(source);
    }

    /// The node is one of those whose memory this is.
    pub fn join(&self, process: &Arc<ProcessMemory>) {
        assert!(self.share.set(Share::join(process)).is_ok(), "a node is started once");
    }

    /// The node's memory: the process's, or its part of it.
    fn memory(&self, keyspace: &Keyspace) -> Memory {
        let process = Process::memory();
        let count = || (0..keyspace.databases()).map(|db| keyspace.bytes(db)).sum();
        self.share.get().map_or(process, |share| share.of(process, count))
    }

    /// Notes that the node is up, and the port that clients reach it at.
    pub fn note_started(&self, port: u16, keyspace: &Keyspace) {
        self.note_port(port);
        let used = self.memory(keyspace).used;
        self.startup_memory.store(used, Ordering::Relaxed);
        self.peak_memory.fetch_max(used, Ordering::Relaxed);
    }

    /// The port that clients reach this node at has changed.
    pub fn note_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Takes a sample of the counters whose rates INFO tells; cron calls it ten times a second.
    pub fn sample(&self, engine: &Engine) {
        self.samples.lock().take(engine);
    }

    /// Notes how much memory is in use, for its peak; cron calls it now and then, since finding out costs a system call.
    pub fn sample_memory(&self, keyspace: &Keyspace) {
        self.peak_memory.fetch_max(self.memory(keyspace).used, Ordering::Relaxed);
    }

    /// A number that a subsystem tells.
    pub fn number(&self, field: &str) -> Option<i64> {
        self.sources.read().iter().filter_map(Weak::upgrade).find_map(|source| source.number(field))
    }

    fn sources(&self) -> Vec<Arc<dyn InfoSource>> {
        self.sources.read().iter().filter_map(Weak::upgrade).collect()
    }
}

/// How a section's body comes about.
enum Body {
    Fields(&'static [Field]),
    Lines(fn(&Engine, &mut InfoWriter)),
    /// Written by whoever it belongs to.
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
    section("latencystats", "Latencystats", false, Body::Fields(&[])),
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

/// A name that a client can have invented, without the characters that INFO's format is made of (Redis: `getSafeInfoString`).
fn safe_name(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '#' | ':' | '\n' | '\r') { '_' } else { c }).collect()
}

/// An amount of memory for people: `1.50K`, `23.58G`.
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
