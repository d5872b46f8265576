//! What a peer says, for a terminal or a log.
//!
//! A peer may be anything, and say anything: 64 KB in a line, or what a terminal would obey. Where its words are
//! repeated they are one line of moderate length.

/// The longest text of a peer that is shown, characters.
const SHOWN_MAX: usize = 300;

/// Its words in one line, without what a terminal would obey.
pub(crate) fn readable(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let escaped = text.chars().take(SHOWN_MAX).flat_map(|c| {
        let plain = (!c.is_control()).then_some(c);
        plain.into_iter().chain(plain.is_none().then(|| c.escape_default()).into_iter().flatten())
    });
    let end = if text.chars().nth(SHOWN_MAX).is_some() { "..." } else { "" };
    escaped.collect::<String>() + end
}
