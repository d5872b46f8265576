//! The known name nearest to a mistyped one, for helpful error messages.
//!
//! The distance counts missing, surplus and wrong letters, and neighbours that are swapped (optimal string alignment).
//! At most a third of the word may be wrong: a more distant suggestion would confuse more than no suggestion.

/// Longer words are not taken for mistyped names. This bounds the work, which grows with the product of both lengths.
const WORD_MAX: usize = 64;

/// The one of `names` nearest to `word`, in any case, if it is near enough; the first of several equally near ones.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    if word.is_empty() || word.len() > WORD_MAX {
        return None;
    }
    let allowed = word.len().div_ceil(3);
    let rated = names.into_iter().map(|name| (distance(word.as_bytes(), name.as_bytes()), name));
    rated.filter(|(distance, _)| (1..=allowed).contains(distance)).min_by_key(|(distance, _)| *distance).map(|(_, n)| n)
}

fn distance(a: &[u8], b: &[u8]) -> usize {
    // Rows of the table: before the previous letter of `a`, before the current letter, and with it.
    let (mut older, mut old) = (Vec::new(), (0..=b.len()).collect::<Vec<_>>());
    for i in 1..=a.len() {
        let mut new = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (old[j - 1] + same).min(old[j] + 1).min(new[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(older[j - 2] + 1);
            }
            new.push(least);
        }
        older = std::mem::replace(&mut old, new);
    }
    old[b.len()]
}

#[cfg(test)]
#[path = "nearest_tests.rs"]
mod tests;
