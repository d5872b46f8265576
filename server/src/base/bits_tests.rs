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
        prop_assert_eq!(count(&bytes), spelled(&bytes).iter().filter(|bit| **bit).count() as u64);
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
}

#[test]
fn bits_beyond_the_end_are_zero() {
    let mut bytes = [0xff];
    assert!(get(&bytes, 7) && !get(&bytes, 8) && !get(&bytes, u64::MAX));
    assert!(!set(&mut bytes, 8, true) && set(&mut bytes, 0, false));
    assert_eq!(bytes, [0x7f]);
    assert_eq!((count(&[]), find(&[], true)), (0, None));
}
