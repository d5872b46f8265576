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
//! A snapshot may be abandoned at any time. Its pending entries are settled when the slot learns of the next cut.

use super::entry::Entry;

/// What a slot remembers while a snapshot of it is under way.
#[derive(Debug, Default)]
pub(crate) struct SnapshotState {
    /// States at the cut of entries that were changed since.
    pub(crate) side: Vec<Entry>,
    /// Pending entries have this tag or a greater one; `None` when none are left.
    pub(crate) next: Option<u32>,
}

impl SnapshotState {
    /// The state right after the cut.
    pub(crate) fn new() -> Self {
        Self { side: Vec::new(), next: Some(0) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.side.is_empty() && self.next.is_none()
    }
}
