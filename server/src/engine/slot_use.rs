//! What each slot costs: CPU time and traffic of its commands, for CLUSTER SLOT-STATS (Valkey).
//!
//! [`super::metering`] measures commands; here is what is kept of that. It is done only with
//! `cluster-slot-stats-enabled`: without, a request costs one test of a value that is at hand ([`super::hot`]), and the
//! counters take no memory. With it, every command with keys is timed by itself.
//!
//! The figures are Valkey's, where they can be foreseen. A request counts with all its bytes, also one that is refused
//! after its slot was found; a reply counts if the command ran. What a client waits for in a blocking command counts
//! when it is served, and only its CPU time if it is not. EXEC adds the 15 bytes of MULTI; and since Valkey adds up the
//! output of EXEC after each of its commands, so does this file. Traffic of replication counts at the primary, once for
//! each replica.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::slot::{SLOT_COUNT, SlotId};

use super::Engine;
use crate::session::tally::Used;

/// The counters of all slots, made when the first is needed.
#[derive(Default)]
pub(crate) struct SlotUse(OnceLock<Box<[Counts]>>);

#[derive(Default)]
struct Counts {
    cpu_us: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl SlotUse {
    /// Adds what a command used.
    pub(crate) fn add(&self, slot: SlotId, used: Used) {
        let all = self.0.get_or_init(|| (0..SLOT_COUNT).map(|_| Counts::default()).collect());
        let Counts { cpu_us, bytes_in, bytes_out } = &all[slot.index()];
        for (counter, amount) in [(cpu_us, used.cpu_us), (bytes_in, used.bytes_in), (bytes_out, used.bytes_out)] {
            if amount != 0 {
                counter.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }

    /// What a slot has used.
    pub(crate) fn of(&self, slot: SlotId) -> Used {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.0.get().map(|all| &all[slot.index()]).map_or_else(Used::default, |counts| Used {
            cpu_us: read(&counts.cpu_us),
            bytes_in: read(&counts.bytes_in),
            bytes_out: read(&counts.bytes_out),
        })
    }

    /// Begins anew: CONFIG RESETSTAT, and slots that have another owner.
    pub(crate) fn reset(&self, is_meant: impl Fn(SlotId) -> bool) {
        let Some(all) = self.0.get() else { return };
        for slot in SlotId::all().filter(|slot| is_meant(*slot)) {
            let Counts { cpu_us, bytes_in, bytes_out } = &all[slot.index()];
            [cpu_us, bytes_in, bytes_out].iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        }
    }
}

/// The length of an array's or a bulk's header, bytes.
pub(super) fn header_len(number: usize) -> u64 {
    3 + u64::from(number.checked_ilog10().unwrap_or(0)) + 1
}

/// The length of a command as an array of bulks, bytes.
pub(crate) fn wire_len<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>) -> u64 {
    header_len(words.len()) + words.map(|word| header_len(word.len()) + word.len() as u64 + 2).sum::<u64>()
}

/// What MULTI and EXEC take around the commands of a transaction, bytes.
pub(super) const AROUND: u64 = MULTI + 14;
/// What MULTI takes.
pub(super) const MULTI: u64 = 15;

impl Engine {
    /// Counts what was propagated because of a command on a slot.
    #[cold]
    pub(super) fn count_propagated(&self, slot: SlotId, bytes: u64) {
        if !self.state.is_replica()
            && let Some(feed) = self.feed()
        {
            let bytes_out = bytes * feed.replicas() as u64;
            self.slot_use.add(slot, Used { bytes_out, ..Used::default() });
        }
    }
}

#[cfg(test)]
#[path = "slot_use_tests.rs"]
mod tests;
