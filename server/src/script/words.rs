//! The words of a command that a script calls, in one buffer that is used again and again.

use protocol::resp::{ArgRange, Args};

/// Room that is kept for the next command, bytes.
const KEPT: usize = 64 * 1024;

/// Words that are being collected.
#[derive(Debug, Default)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
}

impl Words {
    /// Forgets the words.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
        self.bytes.shrink_to(KEPT);
        self.ranges.shrink_to(KEPT / size_of::<ArgRange>());
    }

    /// Adds a word. `false`: they are more than 4 GB, and it was not added.
    #[must_use]
    pub(super) fn push(&mut self, word: &[u8]) -> bool {
        let (Ok(start), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(word.len())) else { return false };
        if start.checked_add(len).is_none() {
            return false;
        }
        self.bytes.extend_from_slice(word);
        self.ranges.push(ArgRange { start, len });
        true
    }

    /// The words as a command.
    pub(crate) fn view(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }
}
