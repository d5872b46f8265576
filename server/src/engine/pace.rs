//! The clock and the counters of one batch of commands.

use std::sync::atomic::Ordering;

use super::Engine;
use super::handler::Command;
use crate::session::Session;
use crate::session::tally::Owed;

/// The clock and the counters of one batch. A command begins when the one before it ends, and a run of calls of the
/// same command is timed and counted as a whole: one reading of the clock and three additions for the run. Each call
/// counts with the average.
pub(super) struct Pace {
    /// Unix milliseconds at the start of the batch.
    pub(super) start_ms: i64,
    /// Monotonic microseconds at the start of the batch.
    start_us: u64,
    /// When the last run ended.
    mark_us: u64,
    /// Unix milliseconds for the next command.
    pub(super) now_ms: i64,
    /// Number of the current run's command, and how often it was called in the run.
    command: usize,
    calls: u64,
    /// The last of these calls is not over: its reply comes later.
    is_pending: bool,
}

/// Longest run of calls that is timed as a whole. All of them see the time at which the run began.
const RUN: u64 = 16;

/// In [`Pace::command`]: no command yet.
const NO_COMMAND: usize = usize::MAX;

impl Pace {
    pub(super) fn start(engine: &Engine) -> Self {
        let (now_ms, mark_us) = engine.clock.both();
        Self { start_ms: now_ms, start_us: mark_us, mark_us, now_ms, command: NO_COMMAND, calls: 0, is_pending: false }
    }

    /// Called before each command: ends the run if this is another command or the run is long enough.
    #[inline]
    pub(super) fn turn(&mut self, engine: &Engine, session: &mut Session, command: &Command) {
        if command.index != self.command || self.calls >= RUN {
            self.settle(engine, session);
            self.command = command.index;
            session.handle.stats.last_command.store(command.index as u32 + 1, Ordering::Relaxed);
        }
    }

    /// Counts a command that just ended.
    #[inline]
    pub(super) fn count(&mut self) {
        self.calls += 1;
    }

    /// Counts a command whose reply comes later.
    #[cold]
    pub(super) fn count_pending(&mut self) {
        self.count();
        self.is_pending = true;
    }

    /// Ends the run of the one command that was measured. Returns how long it took, microseconds; `None`: it was
    /// refused, or has to wait.
    pub(super) fn settle_one(&mut self, engine: &Engine, session: &mut Session) -> Option<u64> {
        let (began, ran) = (self.mark_us, self.calls > 0);
        self.settle(engine, session);
        ran.then(|| self.mark_us - began)
    }

    /// Ends the current run.
    pub(super) fn settle(&mut self, engine: &Engine, session: &mut Session) {
        engine.settle_calls(session);
        if self.calls == 0 {
            return;
        }
        engine.settle_tally(&mut session.tally);
        let ended = engine.clock.monotonic_us();
        let ran_us = ended - self.mark_us;
        engine.count_calls(self.command, self.calls, ran_us);
        // Here, so that INFO and CONFIG RESETSTAT know of all commands before them.
        engine.stats.commands_processed.fetch_add(self.calls, Ordering::Relaxed);
        let mut over = self.calls;
        if self.is_pending {
            self.is_pending = false;
            over -= 1;
            let owed = Owed { command: self.command, ran_us: ran_us / self.calls, since_us: ended };
            engine.owe_latency(session, owed);
        }
        engine.latencies.count(session.gate, self.command, over, ran_us * 1000 / self.calls);
        self.mark_us = ended;
        self.now_ms = self.start_ms + ((ended - self.start_us) / 1000) as i64;
        self.calls = 0;
    }
}
