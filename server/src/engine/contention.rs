//! How often threads of a node were in each other's way: what SLOTD CONTENTION tells and CONFIG RESETSTAT clears.
//!
//! Slots and gates count for themselves, as the locks that they are; what is counted here is what only the engine sees. Everything is
//! counted where a wait begins and nothing on the way of who need not wait, so the counters may stand in the hottest paths and are read as they are:
//! together they are no picture of one moment.

use super::Engine;
use crate::base::contention::Waits;

/// What the engine counts itself.
#[derive(Debug, Default)]
pub(crate) struct Contention {
    /// Commands that were set aside because of a slot, to come again.
    pub slot_retries: Waits,
    /// The same because of a gate.
    pub gate_retries: Waits,
    /// Changes that found the feed busy with another one, or with what is sent to a replica. Counted by the feed.
    pub feed_waits: Waits,
}

impl Engine {
    /// Every counter under the name that it is shown by.
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
        self.contention().iter().for_each(|(_, waits)| waits.reset());
    }
}

#[cfg(test)]
#[path = "contention_tests.rs"]
mod tests;
