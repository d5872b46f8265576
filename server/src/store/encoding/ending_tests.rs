//! Tests of `ending`: it compares as slices do.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_text_is_found_where_the_bytes_are_the_same(
        bytes in prop::collection::vec(0u8..3, 0..40),
        len in 0usize..20,
        other in prop::collection::vec(0u8..3, 0..20),
    ) {
        for start in 0..=bytes.len().saturating_sub(len) {
            let end = (start + len).min(bytes.len());
            let here = &bytes[start..end];
            prop_assert!(Ending::of(here).is_at(&bytes, start, end));
            if let Some(other) = other.get(..here.len()) {
                prop_assert_eq!(Ending::of(other).is_at(&bytes, start, end), other == here);
            }
        }
    }
}
