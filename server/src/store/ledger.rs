//! The byte count of one slot, and whether any of its published counts has changed.
//!
//! All code that adds, removes or changes an entry records the difference here, under the slot's lock. When the lock is
//! released, [`super::SlotGuard`] tests one bit: most commands change no count, and pay nothing else.

/// In [`Ledger`]: a count of the slot differs from the published one.
const CHANGED: u64 = 1 << 63;

/// Bytes of a slot's entries, as counted by [`super::EntryRef::memory`]. All zero is the count of an empty slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger(u64);

impl Ledger {
    pub(crate) const EMPTY: Ledger = Ledger(0);

    /// Bytes of all entries.
    #[inline]
    pub(crate) fn bytes(self) -> u64 {
        self.0 & !CHANGED
    }

    /// Adds to or subtracts from the bytes of all entries.
    #[inline]
    pub(crate) fn add(&mut self, difference: i64) {
        if difference != 0 {
            self.set(self.bytes().wrapping_add_signed(difference));
        }
    }

    /// Sets the bytes of all entries.
    #[inline]
    pub(crate) fn set(&mut self, bytes: u64) {
        self.0 = bytes | CHANGED;
    }

    /// Notes that another count has changed.
    #[inline]
    pub(crate) fn touch(&mut self) {
        self.0 |= CHANGED;
    }

    /// Whether a count has changed since the last call.
    #[inline]
    pub(crate) fn take_changed(&mut self) -> bool {
        let changed = self.0 & CHANGED != 0;
        self.0 &= !CHANGED;
        changed
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
