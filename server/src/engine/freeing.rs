//! Frees what was removed, when no slot is locked, and counts what Redis calls lazily freed.
//!
//! A worker frees small values itself, after the locks of the command were released. What a flush with ASYNC removes,
//! and what the expiry cycle removes if it is large, goes to a thread `lazyfree`, since the control thread must not
//! take long and the client wants its reply. Which values count is decided where they are removed
//! ([`crate::store::Garbage`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::changes::Settled;
use crate::base::thread;
use crate::store::{Cleared, Garbage};

/// The counters of INFO.
#[derive(Debug, Default)]
pub(crate) struct Freeing(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pending: AtomicU64,
    freed: AtomicU64,
    /// How many threads free something.
    threads: AtomicU64,
}

/// A thread that frees something. Dropped when it has.
struct Elsewhere(Arc<Counts>);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Objects that are about to be freed. Dropped when they have been.
struct Due {
    counts: Arc<Counts>,
    objects: u64,
}

impl Drop for Due {
    fn drop(&mut self) {
        self.counts.freed.fetch_add(self.objects, Ordering::Relaxed);
        self.counts.pending.fetch_sub(self.objects, Ordering::Relaxed);
    }
}

impl Freeing {
    /// `lazyfree_pending_objects`.
    pub(crate) fn pending(&self) -> u64 {
        self.0.pending.load(Ordering::Relaxed)
    }

    /// Whether memory that is no longer used is still counted as used, because a thread is about to free it.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.threads.load(Ordering::Relaxed) > 0
    }

    /// `lazyfreed_objects`.
    pub(crate) fn freed(&self) -> u64 {
        self.0.freed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset(&self) {
        self.0.freed.store(0, Ordering::Relaxed);
    }

    fn due(&self, objects: u64) -> Due {
        self.0.pending.fetch_add(objects, Ordering::Relaxed);
        Due { counts: Arc::clone(&self.0), objects }
    }

    /// Frees values here and now.
    pub(crate) fn free(&self, garbage: Garbage) {
        if garbage.objects() == 0 {
            return;
        }
        let due = self.due(garbage.objects());
        drop(garbage);
        drop(due);
    }

    /// Frees what a unit or a change of nobody has left over.
    pub(crate) fn free_settled(&self, settled: Settled) {
        self.free(settled.garbage);
    }

    /// Frees anything on a thread of its own. `objects` of it count as freed lazily.
    pub(crate) fn free_elsewhere(&self, garbage: impl Send + 'static, objects: u64) {
        let due = self.due(objects);
        self.0.threads.fetch_add(1, Ordering::Relaxed);
        let elsewhere = Elsewhere(Arc::clone(&self.0));
        // If no thread can be started, the closure is dropped here and frees the data.
        let _ = thread::spawn("lazyfree", move || {
            drop(garbage);
            drop((due, elsewhere));
        });
    }

    /// Frees the former contents of slots that a full sync has replaced: here, or with `lazily` on a thread of its own,
    /// where each key counts.
    pub(crate) fn free_cleared(&self, cleared: Vec<Cleared>, lazily: bool) {
        if lazily && !cleared.is_empty() {
            let keys = cleared.iter().map(Cleared::len).sum::<usize>();
            self.free_elsewhere(cleared, keys as u64);
        }
    }
}
