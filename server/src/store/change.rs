//! The door: every change of a key passes it, whatever makes the change and for whatever reason.
//!
//! A slot itself takes care of the running snapshot, of the expiry index, and of the sessions that watch the key. All
//! other parties learn of a change through a [`Door`], which the slot calls under its lock, once per change: clients
//! blocked on the key, subscribers to keyspace events, clients that cache the key, the feed. The methods of
//! [`super::Slot`] that remove keys require a door, so no removal goes unnoticed.
//!
//! A value is edited in place, or replaced, before it is known which event describes the change. So the code that makes
//! a write announces it with [`super::Slot::written`].

use protocol::slot::SlotId;

use super::slot::Removed;
use crate::base::clock::UnixMillis;

/// Why a key changed or was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A command created it, or changed its value or its expiry.
    Written,
    /// A command changed its expiry, or took a part of it away: that serves nobody who waits for the key.
    Lessened,
    /// A command removed it. The command is propagated, and its effect with it.
    Deleted,
    /// It expired.
    Expired,
    /// It was evicted to free memory.
    Evicted,
    /// Fields of its hash expired, the last of them at this time; others are left.
    FieldsExpired(UnixMillis),
    /// The last fields of its hash expired, the very last at this time, and it with them.
    LastFieldExpired(UnixMillis),
    /// MIGRATE has moved it to another node, or its slot was emptied, mostly since another node owns that now: only the
    /// key's deletion can be propagated.
    Moved,
}

impl Cause {
    /// Whether no command asked for it: then it is not any client's own change, and no command is propagated.
    pub(crate) fn is_unasked(self) -> bool {
        matches!(self, Self::Expired | Self::FieldsExpired(_) | Self::LastFieldExpired(_) | Self::Evicted)
    }
}

/// One key changed or was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'k> {
    /// The database.
    pub db: usize,
    /// The slot of the key.
    pub slot: SlotId,
    /// The key.
    pub key: &'k [u8],
    /// Why.
    pub cause: Cause,
}

/// Passes the news of changes on. The engine's implementation is `command::Effects`.
pub(crate) trait Door {
    /// A key has changed or is gone. `awaited`: the change concerns a client that is blocked on it. Called under the
    /// slot's lock.
    fn pass(&mut self, change: Change<'_>, awaited: bool);

    /// Fields of a hash have expired and were removed. Called before [`Door::pass`] tells of the change.
    fn fields_expired(&mut self, db: usize, key: &[u8], fields: &[Box<[u8]>]);

    /// All keys of a slot were removed at once: clients must drop all cached keys.
    fn flushed(&mut self);

    /// A swap of databases, or the end of a whole slot, concerns a client that is blocked on this key.
    fn ready(&mut self, db: usize, key: &[u8]);

    /// Takes what was removed, or replaced, to be dropped when no slot is locked.
    fn discard(&mut self, removed: Removed, cause: Cause);
}

#[cfg(test)]
#[path = "change_tests.rs"]
pub(crate) mod tests;
