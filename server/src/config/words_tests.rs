//! Tests of splitting and quoting.

use super::{quote, split, trim};
use proptest::prelude::*;

fn words(line: &str) -> Option<Vec<String>> {
    Some(split(line.as_bytes())?.into_iter().map(|w| String::from_utf8_lossy(&w).into_owned()).collect())
}

#[test]
fn blanks_separate_words() {
    assert_eq!(words("  a  b\tc \r\n"), Some(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(words(""), Some(vec![]));
    assert_eq!(words(" \t "), Some(vec![]));
}

#[test]
fn quotes_follow_redis() {
    assert_eq!(words(r#"save "" x"#), Some(vec!["save".into(), String::new(), "x".into()]));
    assert_eq!(words(r#""a\n\x41\q""#), Some(vec!["a\nAq".into()]));
    assert_eq!(words(r"'it\'s \n'"), Some(vec![r"it's \n".into()]));
    assert_eq!(words(r#"ab"cd""#), Some(vec!["abcd".into()]), "a quote may open inside a word");
    assert_eq!(words(r#""\xzz""#), Some(vec!["xzz".into()]));
}

#[test]
fn unbalanced_quotes_are_refused() {
    for line in [r#"a "b"#, "a 'b", r#""a"b"#, "'a'b", r#"a "b\"#] {
        assert_eq!(words(line), None, "{line}");
    }
}

#[test]
fn trim_takes_blanks_of_both_ends() {
    assert_eq!(trim(b" \t a b \r\n"), b"a b");
    assert_eq!(trim(b" \r\n"), b"");
}

proptest! {
    #[test]
    fn any_word_survives_quoting(word: Vec<u8>) {
        prop_assert_eq!(split(&quote(&word)), Some(vec![word]));
    }

    #[test]
    fn splitting_is_total(line: Vec<u8>) {
        let _ = split(&line);
    }
}
