//! When to move the arrays of slots together, so that what growth left behind goes back to the system.
//!
//! Tables of 16,384 slots grow through the allocator's size classes at about the same time, but never quite: a few stay
//! behind in every class, each in a page full of holes that the others left. Of the 63 bytes per key that a freshly
//! loaded million of 16 + 16 bytes takes, 4.5 are such holes (measured; a simulation of the size classes alone says the
//! same). Giving each slot's array to the allocator and taking another of the same size fills one page after the other,
//! and the emptied ones are returned: 58.4 bytes per key, for about 1 us per slot.
//!
//! It has to run on the thread that made the arrays, since the heaps of mimalloc belong to threads: called by cron, on the
//! control thread, it makes 75.0 bytes of 66.6 (measured with two workers). So nothing calls it yet; the example
//! `store_footprint` shows what it is worth.
//!
//! This pays when the number of keys has changed and has come to rest again; both are decided here, from nothing but
//! that number at each call. While a database is being filled nothing is done. A second pass follows the first, because
//! the allocator returns pages some time after they became empty, and only when it is next used.

use protocol::slot::{SLOT_COUNT, SlotId};

/// Passes over all slots each time.
const PASSES: u32 = 2;
/// A pass pays when the number of keys has changed by this fraction ...
const CHANGED: usize = 16;
/// ... and by less than this fraction since the last call.
const RESTING: usize = 1024;

/// The progress of compaction in one database.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    /// Keys when the last pass began.
    compacted_at: usize,
    /// Keys at the last call.
    last_seen: usize,
    passes_left: u32,
    next: u16,
}

impl Compaction {
    /// The slots to compact now, up to `budget` of them, given the present number of keys.
    pub(crate) fn next_slots(&mut self, keys: usize, budget: usize) -> impl Iterator<Item = SlotId> + use<> {
        let resting = keys.abs_diff(self.last_seen) <= keys / RESTING;
        self.last_seen = keys;
        let changed = keys.abs_diff(self.compacted_at) > self.compacted_at / CHANGED + SLOT_COUNT;
        if resting && changed {
            (self.compacted_at, self.passes_left, self.next) = (keys, PASSES, 0);
        }
        let first = self.next as usize;
        let end = if self.passes_left > 0 && resting { SLOT_COUNT.min(first + budget) } else { first };
        self.next = end as u16;
        if end == SLOT_COUNT {
            (self.next, self.passes_left) = (0, self.passes_left - 1);
        }
        (first..end).filter_map(|slot| SlotId::new(slot as u16))
    }
}

#[cfg(test)]
#[path = "compaction_tests.rs"]
mod tests;
