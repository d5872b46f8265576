//! Tests of `scan`: cursors survive the wire, and any number from a client is harmless.

use proptest::prelude::*;

use super::*;

#[test]
fn zero_is_the_start() {
    assert_eq!((ScanCursor::default().to_wire(), ScanCursor::from_wire(0)), (0, ScanCursor::default()));
}

proptest! {
    #[test]
    fn cursors_come_back_as_they_were(slot in 0u16..16384, position in 0u32..TAG_END) {
        let cursor = ScanCursor::start_of(SlotId::new(slot).expect("in range")).at_position(position);
        prop_assert_eq!(ScanCursor::from_wire(cursor.to_wire()), cursor);
        prop_assert!(cursor.to_wire() < 1 << 34);
    }

    #[test]
    fn any_number_is_some_position(number: u64) {
        let cursor = ScanCursor::from_wire(number);
        prop_assert!(cursor.position() < TAG_END && cursor.slot() <= SlotId::LAST);
    }
}
