//! The checksum against the check values of Redis's own self-test and against its bit-by-bit definition.

use proptest::prelude::*;

use super::*;

fn naive(bytes: &[u8]) -> u64 {
    let mut crc = 0u64;
    for &byte in bytes {
        for bit in 0..8 {
            let top = (crc >> 63) as u8 ^ (byte >> bit & 1);
            crc <<= 1;
            if top == 1 {
                crc ^= 0xad93_d235_94c9_35a9;
            }
        }
    }
    crc.reverse_bits()
}

#[test]
fn check_values_of_redis_are_met() {
    assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    assert_eq!(checksum(b""), 0);
}

proptest! {
    #[test]
    fn it_equals_the_definition_at_every_split(bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..100), prop::collection::vec(any::<u8>(), 0..2000)], at in any::<prop::sample::Index>()) {
        prop_assert_eq!(checksum(&bytes), naive(&bytes));
        let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));
        prop_assert_eq!(update(update(0, head), tail), naive(&bytes));
    }
}
