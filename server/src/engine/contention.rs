//! How often threads of a node waited for each other: SLOTD CONTENTION shows it and CONFIG RESETSTAT clears it.
//!
//! Slots and gates count their own waits; this module counts what only the engine sees. A wait is counted where it
//! begins, and a thread that need not wait counts nothing, so counters are affordable on the hottest paths. They are
//! read one by one and are not a snapshot of one moment.

use super::Engine;
use crate::base::contention::Waits;

/// Waits that the engine itself counts.
#[derive(Debug, Default)]
pub(crate) struct Contention {
    /// Commands that were parked because of a slot, to be tried again.
    pub slot_retries: Waits,
    /// Commands that were parked because of a gate.
    pub gate_retries: Waits,
    /// Changes that found the feed busy with another change, or with sending to a replica. Counted by the feed.
    pub feed_waits: Waits,
}

impl Engine {
    /// Every counter with the name it is shown under.
    pub(crate) fn contention(&self) -> [(&'static str, &Waits); 6] {
        let Contention { slot_retries, gate_retries, feed_waits } = &self.contention;
        [
            ("slot_waits", self.keyspace.waits()),
            ("slot_retries", slot_retries),
            ("gate_waits", self.barrier.gate_waits()),
            ("gate_retries", gate_retries),
            ("exclusive_waits", self.barrier.alone_waits()),
            ("feed_waits", feed_waits),
        ]
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset_stats(&self) {
        self.stats.reset();
        self.latencies.reset();
        self.freeing.reset();
        self.eviction.reset();
        self.slot_use.reset(|_| true);
        self.contention().iter().for_each(|(_, waits)| waits.reset());
    }
}

#[cfg(test)]
#[path = "contention_tests.rs"]
mod tests;
