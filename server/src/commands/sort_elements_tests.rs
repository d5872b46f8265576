//! Tests of orders and their parts.

use super::*;

fn texts(words: &[&str]) -> Texts {
    let mut texts = Texts::default();
    words.iter().for_each(|word| texts.push(word.as_bytes()));
    texts
}

#[test]
fn a_part_of_an_order_is_that_part_of_the_whole() {
    let mut rng = crate::base::rng::Rng::new(7);
    for _ in 0..200 {
        let words: Vec<String> = (0..rng.below(40)).map(|_| rng.below(20).to_string()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let texts = texts(&words);
        let scores = words.iter().map(|word| score_of(word.as_bytes()).unwrap_or_default()).collect();
        for weights in [Weights::Scores(scores), Weights::Own] {
            for descending in [false, true] {
                let all = sorted(&texts, &weights, descending, Collation::UpToZero, 0..texts.len());
                let start = rng.below(texts.len() as u64 + 1) as usize;
                let end = start + rng.below((texts.len() - start) as u64 + 1) as usize;
                assert_eq!(sorted(&texts, &weights, descending, Collation::UpToZero, start..end), all[start..end]);
                let words: Vec<&[u8]> = all.iter().map(|index| texts.get(*index)).collect();
                let is_sorted = |pair: &[&[u8]]| match weights {
                    Weights::Scores(_) => score_of(pair[0]) <= score_of(pair[1]),
                    _ => pair[0] <= pair[1],
                };
                assert!(words.windows(2).all(|pair| is_sorted(pair) || descending), "{words:?}");
            }
        }
    }
}

#[test]
fn equals_keep_their_places_in_both_directions() {
    let texts = texts(&["a", "b", "c", "d"]);
    let others = Weights::Others(self::texts(&["x", "y", "x"]), vec![Some(0), None, Some(1), Some(2)]);
    let all = |descending| sorted(&texts, &others, descending, Collation::Whole, 0..4);
    assert_eq!(all(false), [1, 0, 3, 2]);
    assert_eq!(all(true), [2, 0, 3, 1]);
}

#[test]
fn texts_end_at_a_zero_byte_where_c_strings_do() {
    let texts = texts(&["b\0z", "a", "b\0a", "b"]);
    let all = |collation| sorted(&texts, &Weights::Own, false, collation, 0..4);
    assert_eq!(all(Collation::UpToZero), [1, 0, 2, 3]);
    assert_eq!(all(Collation::Whole), [1, 3, 2, 0]);
}

#[test]
fn a_score_is_what_strtod_reads() {
    let score = |text: &str| score_of(text.as_bytes());
    assert_eq!(score(""), Some(0.0));
    assert_eq!(score(" \t1.5"), Some(1.5));
    assert_eq!(score("1\0abc"), Some(1.0));
    assert_eq!(score("0x10"), Some(16.0));
    assert_eq!(score("-inf"), Some(f64::NEG_INFINITY));
    for wrong in [" ", "1 ", "abc", "nan", "1e400", "1,5"] {
        assert_eq!(score(wrong), None, "{wrong}");
    }
}
