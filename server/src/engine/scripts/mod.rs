//! Scripts of a node: the cache, those that are suspended, and how one runs.
//!
//! A script runs like a command: on the worker of its client, under the locks of the slots of the keys that it declares
//! ([`run`]). It is a transaction: its time is fixed, and what it propagates leaves as one. Each command that it calls
//! passes the gates for scripts and runs under the script's locks ([`call`]).
//!
//! **A script does not stop the node.** After a few milliseconds it is suspended: its slots stay locked, or, if it is
//! alone, the node stays closed, but its worker goes on with other connections, and with a part of the script from time
//! to time. Who needs the script's slots waits, and after `busy-reply-threshold` is told so (BUSY). Redis does nothing
//! else while a script runs.
//!
//! **Alone or not.** In a cluster, the keys of a script are in one slot, so its lock is enough. Otherwise a script may
//! use keys that it does not declare, and nobody can lock slots in order that are not known. So a script runs alone the
//! first time; if it declared all that it used, it runs under the locks of its slots from then on. If it turns out to
//! need more, it begins again, alone, or, if it has written something or was suspended, becomes alone where it is. It
//! counts as suspended until it is, so nobody else becomes alone before it. Two such scripts would wait for each other:
//! the second one is told that it cannot be atomic.

mod call;
pub(crate) mod commands;
mod run;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;

use protocol::resp::Args;

use super::Engine;
use super::handler::Command;
use super::hot::Hot;
use crate::command::{CmdError, Flags};
use crate::script::{Script, Sha};

const NOT_BUSY: CmdError = CmdError::text("NOTBUSY No scripts in execution right now.");
const UNKILLABLE: CmdError = CmdError::text(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
     termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
);

/// The scripts of a node.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    cache: Mutex<HashMap<Sha, Arc<Script>>>,
    suspended: Mutex<Vec<Arc<Suspended>>>,
    /// One of them has written, and waits until it is alone. Two would wait for each other.
    is_awaited: AtomicBool,
    /// Bytes that the machines have which this node has made.
    machine_bytes: Arc<AtomicI64>,
}

/// What scripts take, for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptMemory {
    /// Scripts in the cache.
    pub scripts: u64,
    /// The bytes of their texts, and of what belongs to them.
    pub script_bytes: u64,
    /// The bytes of the machines.
    pub machine_bytes: u64,
}

/// A script that is suspended, or runs on after it was.
#[derive(Debug)]
pub(super) struct Suspended {
    /// Monotonic time when the script began, in microseconds.
    began_us: u64,
    is_killed: AtomicBool,
    /// The node is to end, so the script has to, whatever it has written.
    is_ended: AtomicBool,
    /// It has written: it cannot be killed any more.
    has_written: AtomicBool,
}

impl Scripts {
    /// A cached script.
    pub(super) fn find(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.cache.lock().get(sha).cloned()
    }

    /// Adds a script, unless it is there.
    pub(super) fn add(&self, script: Script) -> Arc<Script> {
        self.cache.lock().entry(script.sha).or_insert_with(|| Arc::new(script)).clone()
    }

    /// Forgets all (SCRIPT FLUSH).
    pub(super) fn flush(&self) {
        let scripts = std::mem::take(&mut *self.cache.lock());
        drop(scripts);
    }

    /// What they take.
    pub(crate) fn memory(&self) -> ScriptMemory {
        let cache = self.cache.lock();
        ScriptMemory {
            scripts: cache.len() as u64,
            script_bytes: cache.values().map(|script| script.bytes() as u64).sum(),
            machine_bytes: u64::try_from(self.machine_bytes.load(Ordering::Relaxed)).unwrap_or(0),
        }
    }

    fn suspend(&self, script: &Arc<Suspended>) {
        self.suspended.lock().push(script.clone());
    }

    fn end(&self, script: &Arc<Suspended>) {
        self.suspended.lock().retain(|other| !Arc::ptr_eq(other, script));
    }

    /// Ends suspended scripts (SCRIPT KILL).
    ///
    /// # Errors
    /// There is none, or all have written.
    pub(super) fn kill(&self) -> Result<(), CmdError> {
        let suspended = self.suspended.lock();
        let killable = suspended.iter().filter(|script| !script.has_written.load(Ordering::Relaxed));
        let count = killable.inspect(|script| script.is_killed.store(true, Ordering::Relaxed)).count();
        match (count, suspended.is_empty()) {
            (0, true) => Err(NOT_BUSY),
            (0, false) => Err(UNKILLABLE),
            _ => Ok(()),
        }
    }

    /// Ends all suspended scripts, because the node is to end.
    pub(crate) fn end_all(&self) {
        self.suspended.lock().iter().for_each(|script| script.is_ended.store(true, Ordering::Relaxed));
    }

    /// Whether a script runs for longer than this, in microseconds.
    fn has_slow(&self, now_us: u64, threshold_us: u64) -> bool {
        self.suspended.lock().iter().any(|script| now_us.saturating_sub(script.began_us) >= threshold_us)
    }
}

impl Engine {
    /// Whether this node is a replica whose data may be old, and is not to serve them.
    fn is_stale(&self, hot: &Hot) -> bool {
        let state = &self.state;
        state.is_replica() && !hot.replica_serve_stale_data && !state.primary_link_up.load(Ordering::Relaxed)
    }

    /// Whether what this command runs may write: its flags say so, or it has none.
    #[cold]
    pub(super) fn script_may_write(&self, command: &Command, args: Args<'_>) -> bool {
        let may = command.flags.any(Flags::MAY_REPLICATE);
        commands::flags_of(self, command, args)
            .filter(|flags| !flags.is_compatible)
            .map_or(may, |flags| !flags.no_writes)
    }

    /// Whether clients that have to wait for a script are told so instead.
    pub(super) fn is_busy_with_script(&self) -> bool {
        if !self.barrier.has_suspended() {
            return false;
        }
        let threshold_ms = self.config.int(crate::config::ids::BUSY_REPLY_THRESHOLD).max(0) as u64;
        threshold_ms != 0 && self.scripts.has_slow(self.clock.monotonic_us(), threshold_ms * 1000)
    }
}

#[cfg(test)]
mod tests;
