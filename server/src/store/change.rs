//! The door: every change of a key passes it, whoever makes the change and for whatever reason.
//!
//! A slot settles by itself what is its own: the state that a running snapshot needs, the expiry index, the sessions that
//! watch the key. Everybody else who must learn of a change learns of it from a [`Door`], which the slot calls under its
//! lock, once per change: clients blocked on the key, subscribers to keyspace events, clients that cache the key, the
//! feed. The methods of [`super::Slot`] that take keys out ask for a door, so a key cannot go unnoticed.
//!
//! A value is edited in place, or replaced, before it is known what the change is called. So a write is announced by
//! whoever made it, with [`super::Slot::written`].

use protocol::slot::SlotId;

use super::slot::Removed;

/// Why a key changed or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A command made it, or changed its value or its expiry.
    Written,
    /// A command removed it. The command is propagated, and so is its effect.
    Deleted,
    /// Its time had come.
    Expired,
    /// Memory was needed.
    #[expect(dead_code, reason = "for `maxmemory`, and the door must know it already")]
    Evicted,
    /// Another node has it now, so nothing but its deletion can be propagated.
    Moved,
}

impl Cause {
    /// Whether no command asked for it: neither is it anybody's own change, nor is there a command to be propagated.
    pub(crate) fn is_unasked(self) -> bool {
        matches!(self, Self::Expired | Self::Evicted)
    }
}

/// One key changed or went.
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

/// Whoever passes the news on. The engine's is `command::Effects`.
pub(crate) trait Door {
    /// A key has changed or is gone. `awaited`: it concerns somebody who is blocked on it. Called under the slot's lock.
    fn pass(&mut self, change: Change<'_>, awaited: bool);

    /// All keys of a slot have gone at once: whoever caches any key must forget it.
    fn flushed(&mut self);

    /// An exchange of databases, or the end of a whole slot, concerns somebody who is blocked on this key.
    fn ready(&mut self, db: usize, key: &[u8]);

    /// Takes what was removed, to be dropped when no slot is locked.
    fn discard(&mut self, removed: Removed);
}

#[cfg(test)]
#[path = "change_tests.rs"]
pub(crate) mod tests;
