//! Tests of `bits`: everything against the same done bit by bit.

use proptest::prelude::*;

use super::*;

/// The bits of a string, one by one.
fn spelled(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect()
}

/// Strings of every length around the sizes of blocks, mostly with long runs of equal bytes.
fn strings() -> impl Strategy<Value = Vec<u8>> {
    let runs = prop::collection::vec((prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 1..200usize), 1..8);
    let of_runs = runs.prop_map(|runs| runs.into_iter().flat_map(|(byte, len)| vec![byte; len]).collect::<Vec<u8>>());
    prop_oneof![of_runs, prop::collection::vec(any::<u8>(), 1..1100)]
}

proptest! {
    #[test]
    fn counting_equals_counting_bit_by_bit(bytes in strings()) {
        let counted = spelled(&bytes).iter().filter(|bit| **bit).count() as u64;
        prop_assert_eq!(count(&bytes), counted);
        prop_assert_eq!(count_vertically(&bytes), counted);
    }

    #[test]
    fn ranges_equal_those_taken_bit_by_bit(bytes in strings(), a in any::<u64>(), b in any::<u64>(), wanted: bool) {
        let bits = spelled(&bytes);
        let (a, b) = (a % bits.len() as u64, b % bits.len() as u64);
        let (first, last) = (a.min(b), a.max(b));
        let range = &bits[first as usize..=last as usize];
        prop_assert_eq!(count_between(&bytes, first, last), range.iter().filter(|bit| **bit).count() as u64);
        let found = range.iter().position(|bit| *bit == wanted).map(|at| first + at as u64);
        prop_assert_eq!(find_between(&bytes, first, last, wanted), found);
    }

    #[test]
    fn a_field_is_what_was_written_and_nothing_else_changes(
        bytes in prop::collection::vec(any::<u8>(), 9..20), bit in 0..8u64 * 8, width in 1..=64u32, value: u64,
    ) {
        let mut bytes = bytes;
        let end = bit + u64::from(width);
        bytes.resize(bytes.len().max(end.div_ceil(8) as usize), 0x5a);
        let before = spelled(&bytes);
        set_field(&mut bytes, bit, width, value);
        let after = spelled(&bytes);
        let expected = value & (u64::MAX >> (64 - width));
        prop_assert_eq!(field(&bytes, bit, width), expected);
        let read = after[bit as usize..end as usize].iter().fold(0, |sum, bit| sum << 1 | u64::from(*bit));
        prop_assert_eq!(read, expected);
        prop_assert_eq!(&after[..bit as usize], &before[..bit as usize]);
        prop_assert_eq!(&after[end as usize..], &before[end as usize..]);
    }
}

#[test]
fn bits_beyond_the_end_are_zero() {
    let mut bytes = [0xff];
    assert!(get(&bytes, 7) && !get(&bytes, 8) && !get(&bytes, u64::MAX));
    assert!(!set(&mut bytes, 8, true) && set(&mut bytes, 0, false));
    assert_eq!(bytes, [0x7f]);
    assert_eq!((field(&bytes, 4, 8), field(&bytes, 8, 64), field(&bytes, u64::MAX, 64)), (0xf0, 0, 0));
    assert_eq!((count(&[]), find(&[], true)), (0, None));
}
