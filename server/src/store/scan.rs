//! SCAN's cursor: a slot and a position in the order of the hash, in one number.
//!
//! A table keeps its entries in the order of their tags (see [`super::table`]), whatever its size, so "from this tag
//! on" means the same before and after growing, shrinking or splitting. This gives the guarantee: a key that exists
//! from the first call of a full iteration to the last is returned, and, unlike with Redis's reversed binary cursors,
//! exactly once. Slots are visited in ascending order, so the slot number is the greater half of the position even
//! though it is in the low bits, where it keeps cursors short.
//!
//! Clients send cursors back, so every number must be harmless: unused bits are ignored.

use protocol::slot::{SLOT_COUNT, SlotId};

use super::entry::word::{TAG_BITS, TAG_END};

const SLOT_BITS: u32 = SLOT_COUNT.ilog2();

/// A position of an iteration over a database. `0` on the wire is both the start and the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScanCursor {
    slot: SlotId,
    tag: u32,
}

impl ScanCursor {
    /// The start of a slot.
    pub(crate) fn start_of(slot: SlotId) -> Self {
        Self { slot, tag: 0 }
    }

    /// Reads the number that a client sent.
    pub(crate) fn from_wire(number: u64) -> Self {
        let slot = SlotId::new((number & (SLOT_COUNT as u64 - 1)) as u16).expect("masked to the number of slots");
        Self { slot, tag: (number >> SLOT_BITS) as u32 & (TAG_END - 1) }
    }

    /// The number for the client: at most 34 bits.
    pub(crate) fn to_wire(self) -> u64 {
        const { assert!(SLOT_BITS + TAG_BITS <= 63, "clients may read cursors as signed numbers") };
        ((self.tag as u64) << SLOT_BITS) | self.slot.get() as u64
    }

    /// The slot to continue in.
    pub(crate) fn slot(self) -> SlotId {
        self.slot
    }

    /// Where to continue in the slot: an argument for [`super::Slot::scan`].
    pub(crate) fn position(self) -> u32 {
        self.tag
    }

    /// The same slot, from another position on.
    pub(crate) fn at_position(self, position: u32) -> Self {
        Self { tag: position & (TAG_END - 1), ..self }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
