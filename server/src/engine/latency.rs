//! The latencies of commands: what INFO latencystats and LATENCY HISTOGRAM print, and CONFIG RESETSTAT clears.
//!
//! Each thread that executes commands has a histogram of its own for each command that it has called, found by the
//! number of its gate and the command's: two threads never add to one counter, as they would for a GET that all of them
//! call, except those that serve blocked clients. Readers add the histograms up. Everything is made when it is first
//! needed. A node that was asked nothing has 24 bytes for each gate; a thread that executes commands has a list of them
//! all, 6 KB, and each command that it has called takes 3 to 6 KB there ([`crate::base::histogram`]).
//!
//! A latency is what commandstats counts as time, so no clock is read for it. A run of equal commands in a pipeline is
//! timed as a whole ([`super::pace`]), and its commands count as equally long; Redis times each of them, in whole
//! microseconds. As in Redis, the time that a blocked client waits does not count: the first attempt and the one that
//! serves it are one call, and a call that runs into its timeout is none. A command whose reply comes later (MIGRATE, a
//! script that is suspended) has taken all the time until then.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Engine;
use crate::base::histogram::{Distribution, Histogram};
use crate::session::Session;
use crate::session::tally::Owed;

/// The histograms of one thread, by the number of the command.
type OfThread = Box<[OnceLock<Box<Histogram>>]>;

/// The latencies of all commands of a node.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// `latency-tracking`.
    is_on: AtomicBool,
    /// How many commands there are.
    commands: usize,
    /// By the number of a thread's gate.
    threads: Box<[OnceLock<OfThread>]>,
}

impl Latencies {
    /// For so many commands, and threads that execute them.
    pub(crate) fn new(commands: usize, gates: usize, is_on: bool) -> Self {
        Self { is_on: AtomicBool::new(is_on), commands, threads: (0..gates).map(|_| OnceLock::new()).collect() }
    }

    /// Follows `latency-tracking`. What was counted stays.
    pub(crate) fn follow(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Whether latencies are counted.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Counts so many calls of a command, on the thread of this gate, each of which took so many nanoseconds.
    #[inline]
    pub(crate) fn count(&self, gate: usize, command: usize, calls: u64, each_ns: u64) {
        if calls == 0 || !self.is_on() {
            return;
        }
        let commands = self.threads[gate].get_or_init(|| (0..self.commands).map(|_| OnceLock::new()).collect());
        commands[command].get_or_init(Box::default).add(each_ns, calls);
    }

    /// The latencies of a command, if it was called.
    pub(crate) fn of(&self, command: usize) -> Option<Distribution> {
        let threads = self.threads.iter().filter_map(OnceLock::get);
        let mut histograms = threads.filter_map(|commands| commands[command].get()).peekable();
        histograms.peek()?;
        let mut all = Distribution::default();
        histograms.for_each(|histogram| all.add(histogram));
        (all.total() > 0).then_some(all)
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset(&self) {
        let commands = self.threads.iter().filter_map(OnceLock::get).flat_map(|commands| commands.iter());
        commands.filter_map(OnceLock::get).for_each(|histogram| histogram.clear());
    }
}

impl Engine {
    /// Notes how long a command has run whose reply comes later, in microseconds.
    #[cold]
    #[inline(never)]
    pub(super) fn owe_latency(&self, session: &mut Session, owed: Owed) {
        match &session.parked {
            Some(parked) => parked.ran_us.store(owed.ran_us, Ordering::Relaxed),
            None => session.owed_latency = Some(owed),
        }
    }

    /// The reply has come that the last command waited for: it counts with the time until now.
    pub(crate) fn end_wait(&self, session: &mut Session) {
        let Some(owed) = session.owed_latency.take() else { return };
        let waited_us = self.clock.monotonic_us() - owed.since_us;
        self.count_calls(owed.command, 0, waited_us);
        self.latencies.count(session.gate, owed.command, 1, (owed.ran_us + waited_us) * 1000);
    }

    /// A command that was suspended has run its last part. Its reply may still have to wait.
    pub(super) fn end_parts(&self, session: &mut Session) {
        let Some(owed) = session.owed_latency.take() else { return };
        let now_us = self.clock.monotonic_us();
        let ran_us = owed.ran_us + (now_us - owed.since_us);
        if session.reply_after.is_some() {
            session.owed_latency = Some(Owed { ran_us, since_us: now_us, ..owed });
        } else {
            self.latencies.count(session.gate, owed.command, 1, ran_us * 1000);
        }
    }
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
