//! Writes RDB primitives to memory. Each string gets the form that Redis 7.0 would choose, so that a DUMP of an equal
//! value is equal byte for byte.

use std::convert::Infallible;

use super::lzf::Compressor;
use super::opcode::{ENC_INT8, ENC_INT16, ENC_INT32, ENC_LZF, LEN_6BIT, LEN_14BIT, LEN_32BIT, LEN_64BIT, LEN_ENCODED};
use crate::number::parse_i64;

/// Strings of up to so many bytes are tried as integers: the longest `i32` has eleven.
const MAX_INT_LEN: usize = 11;

/// Strings of up to so many bytes are not worth compressing (Redis's figure).
const MIN_LZF_LEN: usize = 20;

/// Compression must save at least so many bytes to be used (Redis's figure).
const MIN_LZF_GAIN: usize = 4;

/// Appends RDB primitives to a buffer of its own.
#[derive(Debug)]
pub struct Writer {
    buf: Vec<u8>,
    compression: bool,
    /// Reused from string to string, since it is large; created for the first string that is long enough.
    compressor: Option<Compressor>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// A writer that compresses, as `rdbcompression yes` (the default) has it.
    pub fn new() -> Self {
        Self::with_buffer(Vec::new())
    }

    /// A writer that appends to `buf`.
    pub fn with_buffer(buf: Vec<u8>) -> Self {
        Self { buf, compression: true, compressor: None }
    }

    /// Whether long strings are compressed from here on: the directive `rdbcompression`.
    pub fn set_compression(&mut self, compression: bool) {
        self.compression = compression;
    }

    /// The bytes written and not taken.
    pub fn as_slice(&self) -> &[u8] {
        &self.buf
    }

    /// Number of bytes written and not taken.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing has been written since the start or the last [`take`](Self::take) or [`clear`](Self::clear).
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Drops what has been written, but keeps the allocation.
    pub fn clear(&mut self) {
        self.buf.clear();
    }

    /// Forgets what has been written from byte `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// Takes the written bytes out of the writer.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buf)
    }

    /// What has been written.
    pub fn into_vec(self) -> Vec<u8> {
        self.buf
    }

    /// One byte: an opcode, a type.
    #[inline]
    pub fn u8(&mut self, byte: u8) {
        self.buf.push(byte);
    }

    /// Bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Two bytes, little-endian: the version in a DUMP.
    pub fn u16_le(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub fn u32_le(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian: a checksum.
    pub fn u64_le(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian: milliseconds since 1970.
    pub fn i64_le(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// A double in eight bytes, little-endian: scores of sorted sets.
    pub fn f64_le(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// A length, or any other unsigned number.
    #[inline]
    pub fn length(&mut self, len: u64) {
        if len < 1 << 6 {
            self.u8(LEN_6BIT << 6 | len as u8);
        } else if len < 1 << 14 {
            self.raw(&[LEN_14BIT << 6 | (len >> 8) as u8, len as u8]);
        } else if let Ok(len) = u32::try_from(len) {
            self.u8(LEN_32BIT);
            self.raw(&len.to_be_bytes());
        } else {
            self.u8(LEN_64BIT);
            self.raw(&len.to_be_bytes());
        }
    }

    /// A string: as an integer if it is one of up to 32 bits, compressed if that is on and saves enough, otherwise
    /// plain.
    pub fn string(&mut self, bytes: &[u8]) {
        if bytes.len() <= MAX_INT_LEN && parse_i64(bytes).is_some_and(|value| self.encoded_int(value)) {
            return;
        }
        let Ok(()) = self.text(bytes, usize::MAX, &mut |_| Ok::<(), Infallible>(()));
    }

    /// The same for strings of any length: `full` is called after every `piece` bytes, and may take what is written. A
    /// `piece` is longer than any integer.
    ///
    /// # Errors
    /// That of `full`, which ends the writing.
    pub fn string_by<E>(
        &mut self,
        bytes: &[u8],
        piece: usize,
        full: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if bytes.len() <= piece {
            self.string(bytes);
            return full(self);
        }
        self.text(bytes, piece, full)
    }

    /// A string that is no integer.
    fn text<E>(
        &mut self,
        bytes: &[u8],
        piece: usize,
        full: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.compression && bytes.len() > MIN_LZF_LEN && self.compressed(bytes, piece, full)? {
            return Ok(());
        }
        self.length(bytes.len() as u64);
        self.raw_by(bytes, piece, full)
    }

    /// Bytes as they are; `full` is called after every `piece` of them.
    fn raw_by<E>(
        &mut self,
        bytes: &[u8],
        piece: usize,
        full: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        bytes.chunks(piece).try_for_each(|bytes| {
            self.raw(bytes);
            full(self)
        })
    }

    /// The decimal spelling of an integer as a string.
    pub fn int_string(&mut self, value: i64) {
        if !self.encoded_int(value) {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(value);
            self.length(digits.len() as u64);
            self.raw(digits.as_bytes());
        }
    }

    /// A string of `plain_len` bytes whose LZF form is already known (a compressed quicklist node), as
    /// [`string_by`](Self::string_by) writes it.
    ///
    /// # Errors
    /// That of `full`, which ends the writing.
    pub fn lzf_string_by<E>(
        &mut self,
        (compressed, plain_len): (&[u8], u64),
        piece: usize,
        full: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.u8(LEN_ENCODED << 6 | ENC_LZF);
        self.length(compressed.len() as u64);
        self.length(plain_len);
        self.raw_by(compressed, piece, full)
    }

    /// Writes the integer encoding if there is one for `value`.
    fn encoded_int(&mut self, value: i64) -> bool {
        if let Ok(value) = i8::try_from(value) {
            self.raw(&[LEN_ENCODED << 6 | ENC_INT8, value as u8]);
        } else if let Ok(value) = i16::try_from(value) {
            self.u8(LEN_ENCODED << 6 | ENC_INT16);
            self.raw(&value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.u8(LEN_ENCODED << 6 | ENC_INT32);
            self.raw(&value.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// Writes the LZF form if it saves enough, and returns whether it does.
    fn compressed<E>(
        &mut self,
        bytes: &[u8],
        piece: usize,
        full: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut compressor = self.compressor.take().unwrap_or_default();
        let written = match compressor.compress(bytes, bytes.len() - MIN_LZF_GAIN) {
            Some(compressed) => self.lzf_string_by((compressed, bytes.len() as u64), piece, full).map(|()| true),
            None => Ok(false),
        };
        compressor.release();
        self.compressor = Some(compressor);
        written
    }
}
