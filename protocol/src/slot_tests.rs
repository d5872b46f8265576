//! Slots against a bit-by-bit CRC16 and a set of integers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// CRC16/XMODEM by its definition: polynomial 0x1021, no reflection, starting from zero.
fn naive_crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    for &byte in bytes {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
        }
    }
    crc
}

/// The hash tag rule as the cluster specification words it.
fn naive_tag(key: &[u8]) -> &[u8] {
    for open in 0..key.len() {
        if key[open] == b'{' {
            for close in open + 1..key.len() {
                if key[close] == b'}' {
                    return if close == open + 1 { key } else { &key[open + 1..close] };
                }
            }
            return key;
        }
    }
    key
}

fn slot(number: u16) -> SlotId {
    SlotId::new(number).expect("a valid slot in a test")
}

#[test]
fn known_slots_of_redis_are_met() {
    // CLUSTER KEYSLOT of redis 7.0.15.
    assert_eq!(naive_crc16(b"123456789"), 0x31c3);
    for (key, expected) in [("", 0), ("foo", 12182), ("bar", 5061), ("somekey", 11058), ("123456789", 12739)] {
        assert_eq!(key_slot(key.as_bytes()).get(), expected, "{key:?}");
    }
}

#[test]
fn the_hash_tag_is_what_stands_in_the_first_braces() {
    for (key, tag) in [
        ("{user1000}.following", "user1000"),
        ("foo{}{bar}", "foo{}{bar}"),
        ("foo{{bar}}zap", "{bar"),
        ("foo{bar}{zap}", "bar"),
        ("}{", "}{"),
        ("{", "{"),
        ("a{b", "a{b"),
        ("{}", "{}"),
    ] {
        assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
    }
}

#[test]
fn a_slot_from_16384_up_cannot_be_made() {
    assert_eq!(SlotId::new(16383), Some(SlotId::LAST));
    assert_eq!(SlotId::new(16384), None);
    assert_eq!(SlotId::new(u16::MAX), None);
    assert_eq!(SlotId::LAST.next(), None);
    assert_eq!(SlotId::all().len(), SLOT_COUNT);
}

#[test]
fn the_bitmap_has_the_bit_order_of_the_bus() {
    let set: SlotBitmap = [slot(0), slot(9), slot(16383)].into_iter().collect();
    assert_eq!((set.as_bytes()[0], set.as_bytes()[1], set.as_bytes()[2047]), (0b1, 0b10, 0b1000_0000));
    assert_eq!(SlotBitmap::from_bytes(*set.as_bytes()), set);
}

#[test]
fn ranges_print_as_in_nodes_conf() {
    let set: SlotBitmap = [0, 1, 2, 5, 16382, 16383].into_iter().map(slot).collect();
    let printed: Vec<String> = set.ranges().map(|range| range.to_string()).collect();
    assert_eq!(printed, ["0-2", "5", "16382-16383"]);
    let full: Vec<SlotRange> = SlotBitmap::full().ranges().collect();
    assert_eq!(full, [SlotRange { first: SlotId::FIRST, last: SlotId::LAST }]);
    assert_eq!(SlotRange::new(slot(2), slot(1)), None);
}

proptest! {
    #[test]
    fn every_key_has_the_slot_of_the_naive_crc(key in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..80)) {
        prop_assert_eq!(hash_tag(&key), naive_tag(&key));
        prop_assert_eq!(key_slot(&key).get(), naive_crc16(naive_tag(&key)) & 0x3fff);
    }

    #[test]
    fn the_bitmap_behaves_as_a_set(ops in prop::collection::vec((any::<bool>(), 0..16384u16), 0..200)) {
        let (mut set, mut model) = (SlotBitmap::new(), BTreeSet::new());
        for (add, number) in ops {
            if add {
                prop_assert_eq!(set.set(slot(number)), model.insert(number));
            } else {
                prop_assert_eq!(set.clear(slot(number)), model.remove(&number));
            }
        }
        prop_assert_eq!(set.count(), model.len());
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert!(set.iter().map(SlotId::get).eq(model.iter().copied()));
        prop_assert!(model.iter().all(|&number| set.contains(slot(number))));
        let mut again = SlotBitmap::new();
        set.ranges().for_each(|range| again.set_range(range));
        prop_assert_eq!(again, set);
    }

    #[test]
    fn ranges_are_maximal_runs(bounds in prop::collection::btree_set(0..=16384u16, 0..60)) {
        let bounds: Vec<u16> = bounds.into_iter().collect();
        let runs: Vec<SlotRange> = bounds
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[first, end]| SlotRange { first: slot(*first), last: slot(end - 1) })
            .collect();
        let mut set = SlotBitmap::new();
        runs.iter().for_each(|run| set.set_range(*run));
        prop_assert_eq!(set.ranges().collect::<Vec<_>>(), runs);
    }
}
