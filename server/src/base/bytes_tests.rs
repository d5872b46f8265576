//! Comparing in place says what comparing says.

use proptest::prelude::*;

use super::is_same;

#[test]
fn each_byte_of_each_length_counts() {
    for len in 0..70usize {
        let text: Vec<u8> = (0..len as u8).collect();
        assert!(is_same(&text, &text.clone()), "{len} bytes");
        for at in 0..len {
            let mut other = text.clone();
            other[at] ^= 0x80;
            assert!(!is_same(&text, &other), "byte {at} of {len}");
        }
        assert!(!is_same(&text, &text[..len.saturating_sub(1)]) || len == 0, "shorter than {len}");
    }
}

proptest! {
    #[test]
    fn it_is_equality(one in prop::collection::vec(0u8..3, 0..40), other in prop::collection::vec(0u8..3, 0..40)) {
        prop_assert_eq!(is_same(&one, &other), one == other);
    }
}
