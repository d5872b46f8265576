//! What INFO remembers between two calls, and how subsystems above the engine add sections to it.
//!
//! The command and its fields are in `ops::info`; a subsystem with sections of its own registers as an [`InfoSource`].

mod recent;
pub(crate) mod samples;

use std::fmt::Write;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, RwLock};

use super::Engine;
use crate::base::allocator;
use crate::runtime::process::{Memory, Process};
use crate::runtime::share::{OwnMemory, ProcessMemory, Share};
use crate::store::Keyspace;
pub(crate) use recent::RecentPeak;
use samples::{Metric, Samples};

/// A subsystem that contributes to INFO.
pub(crate) trait InfoSource: Send + Sync {
    /// Writes the body of `section` (lower case) if it is this subsystem's. Returns whether it is.
    fn section(&self, section: &str, out: &mut InfoWriter) -> bool;

    /// The value of this subsystem's field in one of the engine's sections (`cluster_connections`).
    fn number(&self, field: &str) -> Option<i64> {
        let _ = field;
        None
    }
}

/// The lines of INFO.
#[derive(Default)]
pub(crate) struct InfoWriter {
    text: String,
}

impl InfoWriter {
    /// Begins a section, separated from the previous one by an empty line.
    pub(crate) fn begin(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.text.push_str("# ");
        self.text.push_str(title);
        self.text.push_str("\r\n");
    }

    /// Writes `name:value`.
    pub(crate) fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing into a string cannot fail.
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// Everything written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// What INFO remembers between two calls; part of the engine.
#[derive(Default)]
pub(crate) struct InfoState {
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
    /// The most unexecuted input of a client, over the last seconds; bytes.
    pub recent_input: RecentPeak,
    /// The most unread output of a client, over the last seconds; bytes.
    pub recent_output: RecentPeak,
}

impl InfoState {
    /// Registers a subsystem. Weak, like every plug.
    pub(crate) fn add_source(&self, source: Weak<dyn InfoSource>) {
        self.sources.write().push(source);
    }

    /// Makes the node one of those that share the process's memory.
    pub(crate) fn join(&self, process: &Arc<ProcessMemory>, node: Weak<dyn OwnMemory>) {
        assert!(self.share.set(Share::join(process, node)).is_ok(), "a node is started once");
    }

    /// The node's memory: that of the process, or the node's share of it.
    pub(crate) fn memory(&self) -> Memory {
        let process = Process::memory();
        self.share.get().map_or(process, |share| share.of(process))
    }

    /// INFO's `used_memory`, found without a system call. In a program with another allocator, which does not tell, and
    /// for an engine without a node, it is what the keys take.
    #[inline]
    pub(crate) fn used_memory(&self, keyspace: &Keyspace) -> u64 {
        match (self.share.get(), allocator::used()) {
            (None, _) | (_, 0) => key_bytes(keyspace),
            (Some(share), used) => share.used(used),
        }
    }

    /// Notes that the node is up, and the port that clients connect to.
    pub(crate) fn note_started(&self, port: u16) {
        self.note_port(port);
        let used = self.memory().used;
        self.startup_memory.store(used, Ordering::Relaxed);
        self.peak_memory.fetch_max(used, Ordering::Relaxed);
    }

    /// Notes that the port that clients connect to has changed.
    pub(crate) fn note_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Samples the counters whose rates INFO shows; cron calls it ten times a second.
    pub(crate) fn sample(&self, engine: &Engine) {
        self.samples.lock().take(engine);
    }

    /// Notes how much memory is in use, to keep the peak. Cron calls it now and then, since reading it costs a system
    /// call.
    pub(crate) fn sample_memory(&self) {
        self.peak_memory.fetch_max(self.memory().used, Ordering::Relaxed);
    }

    /// The port that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Most memory seen in use, bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }

    /// Memory in use when the node started, bytes.
    pub(crate) fn startup_memory(&self) -> u64 {
        self.startup_memory.load(Ordering::Relaxed)
    }

    /// How much a counter grew per second lately.
    pub(crate) fn rate(&self, metric: Metric) -> u64 {
        self.samples.lock().rate(metric)
    }

    /// A number that a subsystem contributes.
    pub(crate) fn number(&self, field: &str) -> Option<i64> {
        self.sources.read().iter().filter_map(Weak::upgrade).find_map(|source| source.number(field))
    }

    /// The subsystems that contribute to INFO.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn InfoSource>> {
        self.sources.read().iter().filter_map(Weak::upgrade).collect()
    }
}

fn key_bytes(keyspace: &Keyspace) -> u64 {
    keyspace.used().map(|db| keyspace.bytes(db)).sum()
}

impl OwnMemory for Engine {
    fn own_bytes(&self) -> u64 {
        key_bytes(&self.keyspace) + self.uncounted_memory()
    }
}
