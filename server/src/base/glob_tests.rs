//! Tests of the glob language: the corners by table, the bound by a hostile pattern, the rest against a recursive
//! model.

use super::matches;
use proptest::prelude::*;

#[test]
fn patterns_mean_what_they_mean_in_redis() {
    let table: &[(&str, &str, bool, bool)] = &[
        ("", "", false, true),
        ("", "a", false, false),
        ("*", "", false, false),
        ("*", "a", false, true),
        ("a**", "a", false, true),
        ("***", "abc", false, true),
        ("h?llo", "hello", false, true),
        ("h?llo", "hllo", false, false),
        ("h*llo", "heeeello", false, true),
        ("h*llo*", "hllo", false, true),
        ("h[ae]llo", "hallo", false, true),
        ("h[ae]llo", "hillo", false, false),
        ("h[^e]llo", "hallo", false, true),
        ("h[^e]llo", "hello", false, false),
        ("h[a-b]llo", "hbllo", false, true),
        ("h[b-a]llo", "hallo", false, true),
        ("h[a-", "h-", false, true),
        ("h[a", "ha", false, true),
        ("h[", "hx", false, false),
        ("h[^", "hx", false, true),
        ("a\\*b", "a*b", false, true),
        ("a\\*b", "axb", false, false),
        ("a\\", "a\\", false, true),
        ("[\\]]", "]", false, true),
        ("[a\\-z]", "-", false, true),
        ("[a\\-z]", "m", false, false),
        ("HeLLo", "hello", true, true),
        ("HeLLo", "hello", false, false),
        ("[A-C]x", "bX", true, true),
        ("[\\A]", "a", true, false),
        ("foo*bar*", "foobarbaz", false, true),
        ("*foo*bar", "xfooyfoobar", false, true),
        ("a?", "a", false, false),
        ("news.*", "news.art", false, true),
        ("[]a]", "a]", false, false),
    ];
    for &(pattern, text, nocase, want) in table {
        assert_eq!(
            matches(pattern.as_bytes(), text.as_bytes(), nocase),
            want,
            "{pattern:?} on {text:?} nocase={nocase}"
        );
    }
}

#[test]
fn hostile_pattern_takes_bounded_work() {
    let pattern = [b"a*".repeat(5_000), b"b".to_vec()].concat();
    assert!(!matches(&pattern, &[b'a'; 10_000], false));
    assert!(matches(&[b'*'; 1_000_000], b"x", false));
}

/// The definition, without optimisation.
fn model(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, _) => text.is_empty(),
        (Some(b'*'), _) => model(&pattern[1..], text) || (!text.is_empty() && model(pattern, &text[1..])),
        (Some(_), None) => false,
        (Some(b'?'), Some(_)) => model(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) => p == t && model(&pattern[1..], &text[1..]),
    }
}

proptest! {
    #[test]
    fn stars_and_question_marks_agree_with_the_definition(pattern in "[ab*?]{0,12}", text in "[ab]{1,12}") {
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(matches(pattern, text, false), model(pattern, text));
    }

    #[test]
    fn no_pattern_panics(
        pattern in proptest::collection::vec(any::<u8>(), 0..40),
        text in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let _ = matches(&pattern, &text, false);
        let _ = matches(&pattern, &text, true);
    }
}
