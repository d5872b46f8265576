//! The books of one slot: how many bytes its entries take, and whether any of its published counts has changed.
//!
//! Whatever adds, removes or changes an entry writes the difference down here, under the slot's lock. When the lock is
//! released, [`super::SlotGuard`] looks at one bit: most commands change no count, and pay nothing else.

/// In [`Ledger`]: a count of the slot differs from what is published.
const CHANGED: u64 = 1 << 63;

/// Bytes of a slot's entries, as [`super::EntryRef::memory`] tells them. All zero is that of an empty slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger(u64);

impl Ledger {
    #[cfg(test)]
    pub(crate) const EMPTY: Ledger = Ledger(0);

    /// Bytes of all entries.
    #[inline]
    pub(crate) fn bytes(self) -> u64 {
        self.0 & !CHANGED
    }

    /// The entries take so many bytes more, or less.
    #[inline]
    pub(crate) fn add(&mut self, difference: i64) {
        if difference != 0 {
            self.set(self.bytes().wrapping_add_signed(difference));
        }
    }

    /// The entries take so many bytes now.
    #[inline]
    pub(crate) fn set(&mut self, bytes: u64) {
        self.0 = bytes | CHANGED;
    }

    /// A count other than that of bytes has changed.
    #[inline]
    pub(crate) fn touch(&mut self) {
        self.0 |= CHANGED;
    }

    /// Whether a count has changed since this was last asked.
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
