//! A text that is compared with many others of its length, one behind the other in one buffer.
//!
//! Elements of a small collection often begin alike (`user:1000`, `user:1001`) and differ at the end. So the last eight
//! bytes are compared first, as one word that is read where the other text ends. Shorter texts are compared by that
//! word alone: what was read before them is shifted out.

/// A text, and the word that its last bytes are.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Ending<'a> {
    text: &'a [u8],
    /// The last eight bytes, little endian; of a shorter text, all of them.
    word: u64,
    /// How far a word that was read at a text's end is shifted to leave what belongs to the text.
    shift: u32,
}

/// The last eight bytes as a word, or all of them.
#[inline(always)]
fn word_of(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk() {
        return u64::from_le_bytes(*last);
    }
    let last = text.len();
    if let (Some(low), Some(high)) = (text.first_chunk(), text.last_chunk()) {
        // The two halves overlap, and are the same where they do.
        return u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << (8 * (last - 4));
    }
    text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl<'a> Ending<'a> {
    #[inline(always)]
    pub(in crate::store) fn of(text: &'a [u8]) -> Self {
        Self { text, word: word_of(text), shift: 64 - 8 * text.len().clamp(1, 8) as u32 }
    }

    /// The text.
    #[inline(always)]
    pub(in crate::store) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Whether these bytes are the text; they must have its length.
    #[inline(always)]
    pub(in crate::store) fn is_at(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        match bytes[..end].last_chunk() {
            Some(word) if u64::from_le_bytes(*word) >> self.shift != self.word => self.text.is_empty(),
            Some(_) if self.text.len() <= 8 => true,
            // The first texts of a buffer may have less than a word before their end.
            Some(_) | None => bytes[start..end] == *self.text,
        }
    }
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;
