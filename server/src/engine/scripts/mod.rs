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

pub(crate) mod cache;
mod call;
pub(crate) mod commands;
pub(crate) mod function_commands;
pub(crate) mod functions;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};

use parking_lot::Mutex;

use protocol::resp::{Args, OwnedArgs};

use super::Engine;
use super::handler::Command;
use crate::command::{CmdError, Flags, Traits, error};
use crate::logging::NodeLog;
use crate::script::Program;
use crate::session::Session;
use cache::ScriptCache;
use functions::Functions;

const NOT_BUSY: CmdError = CmdError::text("NOTBUSY No scripts in execution right now.");
const UNKILLABLE: CmdError = CmdError::text(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
     termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
);

/// The scripts of a node.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// Those that are known by their digests.
    pub(crate) cache: ScriptCache,
    suspended: Mutex<Vec<Arc<Suspended>>>,
    /// Scripts may call what they otherwise may not (DEBUG SET-DISABLE-DENY-SCRIPTS).
    allow_all: AtomicBool,
    /// One of them has written, and waits until it is alone. Two would wait for each other.
    is_awaited: AtomicBool,
    /// The node is to change its role, and does not wait for them any longer.
    gives_way: AtomicBool,
    /// Bytes that the machines have which this node has made, for scripts and for functions.
    machine_bytes: [Arc<AtomicI64>; 2],
    /// The libraries of functions.
    pub(crate) functions: Functions,
}

/// What scripts take, for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptMemory {
    /// Scripts in the cache.
    pub scripts: u64,
    /// The bytes of their texts, and of what belongs to them.
    pub script_bytes: u64,
    /// Libraries, and their functions.
    pub libraries: u64,
    pub functions: u64,
    /// The bytes of their code, and of what belongs to it.
    pub function_bytes: u64,
    /// The bytes of the machines for scripts, and of those for functions.
    pub machine_bytes: [u64; 2],
}

/// A script that is suspended, or runs on after it was.
#[derive(Debug)]
pub(super) struct Suspended {
    program: Program,
    /// The words of the command that runs it.
    command: OwnedArgs,
    /// Monotonic time when the script began, in microseconds.
    began_us: u64,
    phase: Phase,
    /// The node's time is up, or the client was killed: the script has to end, whatever it has written.
    is_ended: AtomicBool,
}

impl Suspended {
    fn is_ended(&self) -> bool {
        self.phase.is_stopped() || self.is_ended.load(Ordering::Relaxed)
    }
}

/// Whether a script has written or was killed: it is never both, or half of it would have happened.
#[derive(Debug)]
struct Phase(AtomicU8);

/// Values of [`Phase`].
const RUNS: u8 = 0;
const WRITTEN: u8 = 1;
const KILLED: u8 = 2;
const STOPPED: u8 = 3;

impl Phase {
    fn new(has_written: bool) -> Self {
        Self(AtomicU8::new(if has_written { WRITTEN } else { RUNS }))
    }

    fn is_killed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == KILLED
    }

    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STOPPED
    }

    fn has_written(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WRITTEN
    }

    /// It is about to write. `false`: it was killed, and must not.
    fn note_written(&self) -> bool {
        self.moves_to(WRITTEN)
    }

    /// Kills it. `false`: it has written.
    fn kill(&self) -> bool {
        self.moves_to(KILLED)
    }

    /// Has it end with its node, unless it has written.
    fn stop(&self) {
        let _has_written = !self.moves_to(STOPPED);
    }

    fn moves_to(&self, next: u8) -> bool {
        let moved = self.0.compare_exchange(RUNS, next, Ordering::AcqRel, Ordering::Acquire);
        moved.is_ok() || moved == Err(next)
    }
}

impl ScriptMemory {
    /// The bytes of scripts and libraries.
    pub(crate) fn bytes(&self) -> u64 {
        self.script_bytes + self.function_bytes
    }
}

impl Scripts {
    /// What they take.
    pub(crate) fn memory(&self) -> ScriptMemory {
        let ((scripts, script_bytes), libraries) = (self.cache.size(), self.functions.current());
        ScriptMemory {
            scripts,
            script_bytes,
            libraries: libraries.len() as u64,
            functions: libraries.functions() as u64,
            function_bytes: libraries.bytes() as u64,
            machine_bytes: self
                .machine_bytes
                .each_ref()
                .map(|bytes| u64::try_from(bytes.load(Ordering::Relaxed)).unwrap_or(0)),
        }
    }

    /// Lets scripts call what they otherwise may not.
    pub(crate) fn allow_all_commands(&self, allow: bool) {
        self.allow_all.store(allow, Ordering::Relaxed);
    }

    fn suspend(&self, script: &Arc<Suspended>) {
        self.suspended.lock().push(script.clone());
    }

    fn end(&self, script: &Arc<Suspended>) {
        self.suspended.lock().retain(|other| !Arc::ptr_eq(other, script));
    }

    /// Ends suspended scripts (SCRIPT KILL), or functions (FUNCTION KILL).
    ///
    /// # Errors
    /// There is none, or all have written.
    pub(super) fn kill(&self, functions: bool, log: &NodeLog) -> Result<(), CmdError> {
        let suspended = self.suspended.lock();
        if suspended.is_empty() {
            return Err(NOT_BUSY);
        }
        let meant = |script: &&Arc<Suspended>| script.program.is_function() == functions;
        if suspended.iter().filter(meant).filter(|script| script.phase.kill()).count() != 0 {
            log.notice(format_args!("Lua script killed by user with SCRIPT KILL."));
            return Ok(());
        }
        let all_have_written = suspended.iter().all(|script| script.phase.has_written());
        Err(if all_have_written { UNKILLABLE } else { busy_with(!functions) })
    }

    /// The function that is suspended for the longest time.
    fn running_function(&self, now_us: u64) -> Option<Running> {
        let suspended = self.suspended.lock();
        let function = suspended.iter().find(|script| script.program.is_function())?;
        Some(Running {
            name: function.program.name().to_owned(),
            command: function.command.clone(),
            duration_ms: now_us.saturating_sub(function.began_us) / 1000,
        })
    }

    /// Ends the suspended scripts that have not written, because the node is to end. `true`: some are left.
    pub(crate) fn end_readers(&self) -> bool {
        let suspended = self.suspended.lock();
        suspended.iter().for_each(|script| script.phase.stop());
        !suspended.is_empty()
    }

    /// Ends all suspended scripts, whatever they have written.
    pub(crate) fn end_all(&self) {
        self.suspended.lock().iter().for_each(|script| script.is_ended.store(true, Ordering::Relaxed));
    }

    /// Whether suspended scripts end, whatever they have written, because the node is to change its role.
    pub(crate) fn give_way(&self, gives_way: bool) {
        self.gives_way.store(gives_way, Ordering::Relaxed);
    }

    /// Whether a script runs for longer than this, in microseconds, and is a function.
    fn slow(&self, now_us: u64, threshold_us: u64) -> Option<bool> {
        let suspended = self.suspended.lock();
        let slow = suspended.iter().find(|script| now_us.saturating_sub(script.began_us) >= threshold_us);
        slow.map(|script| script.program.is_function())
    }
}

/// A function that runs, for FUNCTION STATS.
struct Running {
    name: String,
    command: OwnedArgs,
    duration_ms: u64,
}

/// What clients are told while a script, or a function, runs for long.
fn busy_with(function: bool) -> CmdError {
    if function { error::BUSY_FUNCTION } else { error::BUSY_SCRIPT }
}

impl Engine {
    /// Whether this command runs what has flags, and they do not say that it writes nothing.
    #[cold]
    pub(super) fn script_says_it_writes(&self, session: &Session, command: &Command, args: Args<'_>) -> bool {
        command.traits.has(Traits::RUNS_A_SCRIPT) && self.script_writes(session, command, args).0
    }

    /// Whether what this command runs may write: its flags say so, or it has none.
    #[cold]
    pub(super) fn script_may_write(&self, session: &Session, command: &Command, args: Args<'_>) -> bool {
        self.script_writes(session, command, args).1
    }

    /// Whether what this command runs says that it writes, and whether it may.
    pub(super) fn script_writes(&self, session: &Session, command: &Command, args: Args<'_>) -> (bool, bool) {
        match commands::flags_of(self, session, command, args).filter(|flags| !flags.is_compatible) {
            Some(flags) => (!flags.no_writes, !flags.no_writes),
            None => (false, command.flags.any(Flags::MAY_REPLICATE)),
        }
    }

    /// Whether what this command runs may need memory, if it has flags.
    #[cold]
    pub(super) fn script_needs_memory(&self, session: &Session, command: &Command, args: Args<'_>) -> Option<bool> {
        let flags = commands::flags_of(self, session, command, args).filter(|flags| !flags.is_compatible)?;
        Some(!flags.allow_oom && !flags.no_writes)
    }

    /// Whether clients that have to wait for a script are told so instead.
    pub(super) fn is_busy_with_script(&self) -> bool {
        self.busy_with_script().is_some()
    }

    /// What they are told.
    pub(crate) fn busy_with_script(&self) -> Option<CmdError> {
        if !self.barrier.has_suspended() {
            return None;
        }
        let threshold_ms = self.config.int(crate::config::ids::BUSY_REPLY_THRESHOLD).max(0) as u64;
        if threshold_ms == 0 {
            return None;
        }
        self.scripts.slow(self.clock.monotonic_us(), threshold_ms.saturating_mul(1000)).map(busy_with)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod function_tests;
