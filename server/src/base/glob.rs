//! Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE, PUBSUB CHANNELS and CONFIG GET understand them.
//!
//! The language is that of Redis's `stringmatchlen`, with its corner cases: an unterminated `[` class ends with the
//! pattern, a class range may be given backwards, `[^...]` negates, a backslash quotes the next byte (a lone one at the
//! end stands for itself), and escaped members of a class are compared with their case even when the rest is not.
//! An empty text matches only an empty pattern: not even `*` (KEYS and SCAN treat a lone `*` apart).
//!
//! Every element except `*` takes exactly one byte, so on a failed match it is enough to go back to the *last* star.
//! The work is bounded by `pattern.len() * text.len()`, which recursive matchers do not guarantee (CVE-2022-36021 was
//! `a*a*a*a*b`), and no stack is used (CVE-2024-31228 was a long run of stars).

/// Whether `text` matches `pattern`; `nocase` compares ASCII letters without case.
pub(crate) fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to resume when an element fails: just after the last star, and the text position at which it was last
    // tried.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            while p < pattern.len() && pattern[p] == b'*' {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        let step = match (p < pattern.len(), text.get(t)) {
            (false, None) => return true,
            (true, Some(&byte)) => match_one(&pattern[p..], byte, nocase),
            (false, Some(_)) => None,
            // The text ended before the pattern: a later start only leaves less text.
            (true, None) => return false,
        };
        match (step, retry) {
            (Some(used), _) => {
                p += used;
                t += 1;
            }
            (None, Some((after_star, from))) => {
                retry = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
            (None, None) => return false,
        }
    }
}

/// Matches the one-byte element at the start of `pattern` (not empty, not a star) against `byte`: the length of the
/// element when it matches.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    match pattern[0] {
        b'?' => Some(1),
        b'[' => match_class(pattern, byte, nocase),
        b'\\' if pattern.len() >= 2 => same(pattern[1], byte, nocase).then_some(2),
        literal => same(literal, byte, nocase).then_some(1),
    }
}

/// `[...]` at the start of `pattern`.
fn match_class(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let mut i = 1;
    let negated = pattern.get(i) == Some(&b'^');
    if negated {
        i += 1;
    }
    let mut found = false;
    loop {
        match pattern[i.min(pattern.len())..] {
            // A class that is never closed ends where the pattern ends.
            [] => break,
            [b'\\', quoted, ..] => {
                found |= quoted == byte;
                i += 2;
            }
            [b']', ..] => {
                i += 1;
                break;
            }
            [from, b'-', to, ..] => {
                found |= in_range(from, to, byte, nocase);
                i += 3;
            }
            [literal, ..] => {
                found |= same(literal, byte, nocase);
                i += 1;
            }
        }
    }
    (found != negated).then_some(i)
}

fn in_range(from: u8, to: u8, byte: u8, nocase: bool) -> bool {
    let (low, high) = if from <= to { (from, to) } else { (to, from) };
    if nocase {
        // Both ends are folded after they are ordered, as Redis does.
        (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase())
    } else {
        (low..=high).contains(&byte)
    }
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    if nocase { a.eq_ignore_ascii_case(&b) } else { a == b }
}

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
