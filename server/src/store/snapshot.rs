//! A point-in-time view of a slot that is being written to, without a fork and without copying what does not change.
//!
//! A **cut** is the instant that the snapshot shows. It is announced for the whole keyspace by raising one number while
//! no slot is locked ([`super::Keyspace::cut`]); each slot takes part in it when it is next locked, before anything
//! else happens to it.
//!
//! Every entry has a bit, the slot has one too, and outside a snapshot all of them are equal. The cut flips the slot's
//! bit. An entry whose bit differs is *pending*: still as it was at the cut, and not yet read by the snapshot. Then
//! - before a pending entry is changed or removed, its old state is put into the slot's side buffer, and its bit is
//!   set;
//! - a new entry gets the slot's bit and so is never part of the snapshot;
//! - [`super::Slot::snapshot_step`] passes on the side buffer and the pending entries in tag order, and sets their
//!   bits.
//!
//! When all tags have been visited and the side buffer is empty, all bits are equal again. So each key of the cut is
//! passed on exactly once, in its state at the cut. Memory grows only by what is changed meanwhile (for a big
//! collection, by its changed chunks: they are shared, copy on write), and no command waits for more than one step.
//!
//! Whoever gets an entry may set it apart ([`AtCut::set_apart`]) and look at it when the slot is free again.
//!
//! A snapshot may be abandoned at any time. Its pending entries are settled when the slot learns of the next cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::collection::Collection;
use super::entry::{Entry, EntryRef};

/// What a slot remembers while a snapshot of it is under way.
#[derive(Debug)]
pub(crate) struct SnapshotState {
    /// States at the cut of entries that were changed since.
    side: Vec<Kept>,
    /// Pending entries have this tag or a greater one; `None` when none are left.
    pub(crate) next: Option<u32>,
    /// Bytes that only snapshots need, of all slots of the node.
    total: Arc<AtomicU64>,
}

/// A state in the side buffer.
#[derive(Debug)]
struct Kept {
    entry: Entry,
    /// What it has in [`SnapshotState::total`].
    bytes: u64,
}

/// An entry in its state at the cut.
#[derive(Debug)]
pub(crate) enum AtCut<'a> {
    /// It was changed since, and this was kept.
    Kept(Apart),
    /// It is still so.
    Present(EntryRef<'a>),
}

/// An entry that only a snapshot has.
#[derive(Debug)]
pub(crate) struct Apart {
    entry: Entry,
    /// Its bytes are counted for as long as it is there.
    counted: Option<Counted>,
}

impl Apart {
    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        self.entry.as_ref()
    }

    /// Moves the collection out, if the value is a boxed one, leaving an empty string. Its bytes stay counted until
    /// they are [forgotten](Self::forget), or this is dropped.
    pub(crate) fn take_collection(&mut self) -> Option<Collection> {
        self.entry.take_collection()
    }

    /// So many bytes of the collection that was moved out are there no longer.
    pub(crate) fn forget(&mut self, bytes: usize) {
        if let Some(Counted { bytes: left, total }) = &mut self.counted {
            let gone = (bytes as u64).min(*left);
            *left -= gone;
            total.fetch_sub(gone, Ordering::Relaxed);
        }
    }
}

/// Bytes that only a snapshot needs: a memory limit must not evict keys for them.
#[derive(Debug)]
struct Counted {
    bytes: u64,
    total: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl AtCut<'_> {
    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        match self {
            Self::Kept(entry) => entry.as_ref(),
            Self::Present(entry) => *entry,
        }
    }

    /// The state by itself: shared with the slot, or, if it is a string that was built, a copy of what is still there.
    pub(crate) fn set_apart(self) -> Apart {
        match self {
            Self::Kept(entry) => entry,
            Self::Present(entry) => Apart { entry: entry.share(), counted: None },
        }
    }
}

/// How the entry in the table goes on when its old state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// It goes, or gets another value: what is kept is no longer in the table.
    Leaves,
    /// It is changed in place, and shares most of its chunks with what is kept.
    Shares,
    /// It stays, and may go later, when nobody counts what is kept. So that is a copy; of a collection it is counted as
    /// one, although it is shared until then.
    Stays,
}

impl SnapshotState {
    /// The state right after the cut. `total` counts the bytes that only snapshots need.
    pub(crate) fn new(total: Arc<AtomicU64>) -> Self {
        Self { side: Vec::new(), next: Some(0), total }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.side.is_empty() && self.next.is_none()
    }

    /// Puts a state into the side buffer.
    pub(crate) fn keep(&mut self, entry: Entry, onward: Onward) {
        let bytes = if onward == Onward::Shares { 0 } else { entry.as_ref().memory() as u64 };
        self.total.fetch_add(bytes, Ordering::Relaxed);
        self.side.push(Kept { entry, bytes });
    }

    /// Whether the side buffer is empty.
    pub(crate) fn has_passed_on(&self) -> bool {
        self.side.is_empty()
    }

    /// Takes up to `limit` states out of the side buffer. Returns how many.
    pub(crate) fn take(&mut self, limit: usize, mut f: impl FnMut(Apart)) -> usize {
        let count = self.side.len().min(limit);
        for Kept { entry, bytes } in self.side.drain(self.side.len() - count..) {
            f(Apart { entry, counted: Some(Counted { bytes, total: self.total.clone() }) });
        }
        count
    }
}

impl Drop for SnapshotState {
    fn drop(&mut self) {
        self.take(usize::MAX, |_| ());
    }
}
