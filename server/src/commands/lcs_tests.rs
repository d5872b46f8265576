//! The subsequence and its ranges.

use proptest::prelude::*;

use super::*;

fn lcs_of(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Range>, u32) {
    let table = Table::build(a, b, 1 << 30).unwrap_or_else(|_| panic!("small enough"));
    let (text, ranges) = table.walk(a, b);
    (text, ranges, table.len())
}

#[test]
fn the_example_of_the_documentation() {
    let (text, ranges, len) = lcs_of(b"ohmytext", b"mynewtext");
    assert_eq!((&text[..], len), (&b"mytext"[..], 6));
    assert_eq!(ranges, [Range { a: 4, b: 5, len: 4 }, Range { a: 2, b: 0, len: 2 }]);
}

#[test]
fn a_table_beyond_the_limit_is_refused() {
    assert_eq!(Table::build(&[0; 1000], &[0; 1000], 4_000_000).err(), Some(error::LCS_OVER_LIMIT));
}

fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}

proptest! {
    #[test]
    fn the_text_is_common_and_the_ranges_spell_it(a in "[abc]{0,20}", b in "[abc]{0,20}") {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let (text, ranges, len) = lcs_of(a, b);
        prop_assert_eq!(text.len(), len as usize);
        prop_assert!(is_subsequence(&text, a) && is_subsequence(&text, b));
        let spelled: Vec<u8> = ranges.iter().rev().flat_map(|r| &a[r.a..r.a + r.len]).copied().collect();
        prop_assert_eq!(&spelled, &text);
        for r in &ranges {
            prop_assert_eq!(&a[r.a..r.a + r.len], &b[r.b..r.b + r.len]);
        }
    }
}
