//! Where a value is written to: memory, whose bytes are passed on while it is being written.
//!
//! A value may be larger than what is good to have in memory twice. So whoever writes it is asked after each element,
//! and within a long string after each [`PIECE`], whether to take what has been written so far ([`Pieces`]). An error
//! ends the writing there. DUMP, whose payload is one piece, takes nothing.

use protocol::rdb::Writer;

/// A long string is written by so many bytes at once.
const PIECE: usize = 64 * 1024;

/// A writer, and what is called after each element and each piece of a long string.
pub(super) struct Pieces<'w, F> {
    pub out: &'w mut Writer,
    pub full: F,
}

impl<E, F: FnMut(&mut Writer) -> Result<(), E>> Pieces<'_, F> {
    /// A string, as [`Writer::string`] writes it.
    #[inline]
    pub(super) fn string(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.out.string_by(bytes, PIECE, &mut self.full)
    }

    /// A string of `plain_len` bytes in its LZF form.
    pub(super) fn lzf_string(&mut self, compressed: &[u8], plain_len: u64) -> Result<(), E> {
        self.out.lzf_string_by((compressed, plain_len), PIECE, &mut self.full)
    }

    /// What was written to `out` may be taken.
    #[inline]
    pub(super) fn pass(&mut self) -> Result<(), E> {
        (self.full)(self.out)
    }
}
