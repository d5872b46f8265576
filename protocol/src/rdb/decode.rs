//! Reads RDB primitives from memory. Total: damaged input gives an error, and input that ends too early reports how
//! much is missing.
//!
//! Nothing is allocated on the word of a length alone. Plain strings are borrowed from the input. A compressed string
//! may claim at most what LZF can make of the bytes that are really there, and at most [`Reader::set_max_string`].

use std::borrow::Cow;

use thiserror::Error;

use super::lzf;
use super::opcode::{ENC_INT8, ENC_INT16, ENC_INT32, ENC_LZF, LEN_6BIT, LEN_14BIT, LEN_32BIT, LEN_64BIT, LEN_ENCODED};

/// Why a primitive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The input ends within the primitive, which needs at least `missing` more bytes; a stream may still bring them.
    #[error("unexpected end, {missing} more bytes needed")]
    UnexpectedEnd { missing: u64 },
    /// A length begins with an unknown byte.
    #[error("unknown length encoding {0:#04x}")]
    UnknownLength(u8),
    /// A string where a length (a count) was expected.
    #[error("string encoding {0} in place of a length")]
    LengthIsString(u8),
    /// A string has an unknown encoding.
    #[error("unknown string encoding {0}")]
    UnknownStringEncoding(u8),
    /// A string is longer than allowed.
    #[error("string of {0} bytes is too long")]
    StringTooLong(u64),
    /// Compressed bytes do not decompress to the announced length.
    #[error("invalid LZF compressed string")]
    InvalidLzf,
    /// A textual double is not a number.
    #[error("invalid double")]
    InvalidDouble,
}

/// A length, or the mark of a specially encoded string in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Plain(u64),
    /// One of the `ENC_` constants of [`opcode`](super::opcode), or an unknown one.
    Encoded(u8),
}

/// A string as it was stored, for callers that keep integers as integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdbString<'a> {
    /// Bytes: borrowed from the input, or decompressed.
    Bytes(Cow<'a, [u8]>),
    /// An integer that stands for its decimal spelling.
    Int(i64),
}

/// The default limit for the strings that a [`Reader`] accepts: the longest that the default `proto-max-bulk-len`
/// allows.
const DEFAULT_MAX_STRING: u64 = 512 * 1024 * 1024;

/// Reads RDB primitives from the front of a slice.
///
/// After an error the position is where the failed primitive began or somewhere within it; a caller that wants to try
/// again keeps the position it had before.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    max_string: u64,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0, max_string: DEFAULT_MAX_STRING }
    }

    /// Takes strings of up to `max_string` bytes from here on (512 MiB by default).
    pub fn set_max_string(&mut self, max_string: u64) {
        self.max_string = max_string;
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.pos
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.pos..]
    }

    /// The next `count` bytes as they are.
    #[inline]
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let rest = self.rest();
        let Some(bytes) = rest.get(..count) else {
            return Err(ReadError::UnexpectedEnd { missing: (count - rest.len()) as u64 });
        };
        self.pos += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let rest = self.rest();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(ReadError::UnexpectedEnd { missing: (N - rest.len()) as u64 });
        };
        self.pos += N;
        Ok(*bytes)
    }

    /// One byte: an opcode, a type.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little-endian: the version in a DUMP.
    pub fn u16_le(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian, signed: seconds since 1970, as in RDB.
    pub fn i32_le(&mut self) -> Result<i32, ReadError> {
        self.array().map(i32::from_le_bytes)
    }

    /// Eight bytes, little-endian: a checksum.
    pub fn u64_le(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes, little-endian, signed: milliseconds since 1970.
    pub fn i64_le(&mut self) -> Result<i64, ReadError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A double in eight bytes, little-endian. May be any value, NaN too.
    pub fn f64_le(&mut self) -> Result<f64, ReadError> {
        self.array().map(f64::from_le_bytes)
    }

    /// A float in four bytes, little-endian. Modules use it.
    pub fn f32_le(&mut self) -> Result<f32, ReadError> {
        self.array().map(f32::from_le_bytes)
    }

    /// A length, or the mark in its place at the start of an encoded string.
    #[inline]
    pub fn length_or_encoding(&mut self) -> Result<Length, ReadError> {
        let first = self.u8()?;
        let low = first & 0x3f;
        match first >> 6 {
            LEN_6BIT => Ok(Length::Plain(u64::from(low))),
            LEN_14BIT => Ok(Length::Plain(u64::from(low) << 8 | u64::from(self.u8()?))),
            LEN_ENCODED => Ok(Length::Encoded(low)),
            _ => match first {
                LEN_32BIT => Ok(Length::Plain(u64::from(u32::from_be_bytes(self.array()?)))),
                LEN_64BIT => Ok(Length::Plain(u64::from_be_bytes(self.array()?))),
                unknown => Err(ReadError::UnknownLength(unknown)),
            },
        }
    }

    /// A length, a count, or any other unsigned number.
    #[inline]
    pub fn length(&mut self) -> Result<u64, ReadError> {
        match self.length_or_encoding()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(encoding) => Err(ReadError::LengthIsString(encoding)),
        }
    }

    /// A string; an integer as its decimal spelling.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, ReadError> {
        Ok(match self.string_or_int()? {
            RdbString::Bytes(bytes) => bytes,
            RdbString::Int(value) => Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec()),
        })
    }

    /// A string, or the integer it was stored as.
    pub fn string_or_int(&mut self) -> Result<RdbString<'a>, ReadError> {
        Ok(match self.length_or_encoding()? {
            Length::Plain(len) => RdbString::Bytes(Cow::Borrowed(self.string_bytes(len)?)),
            Length::Encoded(ENC_INT8) => RdbString::Int(i64::from(i8::from_le_bytes(self.array()?))),
            Length::Encoded(ENC_INT16) => RdbString::Int(i64::from(i16::from_le_bytes(self.array()?))),
            Length::Encoded(ENC_INT32) => RdbString::Int(i64::from(i32::from_le_bytes(self.array()?))),
            Length::Encoded(ENC_LZF) => RdbString::Bytes(Cow::Owned(self.lzf_bytes()?)),
            Length::Encoded(unknown) => return Err(ReadError::UnknownStringEncoding(unknown)),
        })
    }

    /// The double of old sorted sets: a byte of length and its decimal text, or one of three special lengths.
    pub fn text_double(&mut self) -> Result<f64, ReadError> {
        match self.u8()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => {
                let text = self.raw(len as usize)?;
                std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ReadError::InvalidDouble)
            }
        }
    }

    /// The `len` bytes of a string whose length has been read.
    fn string_bytes(&mut self, len: u64) -> Result<&'a [u8], ReadError> {
        if len > self.max_string {
            return Err(ReadError::StringTooLong(len));
        }
        // A length beyond `usize` is longer than any slice.
        self.raw(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn lzf_bytes(&mut self) -> Result<Vec<u8>, ReadError> {
        let compressed_len = self.length()?;
        let plain_len = self.length()?;
        if plain_len > self.max_string {
            return Err(ReadError::StringTooLong(plain_len));
        }
        let compressed = self.string_bytes(compressed_len)?;
        usize::try_from(plain_len)
            .ok()
            .and_then(|plain_len| lzf::decompress(compressed, plain_len))
            .ok_or(ReadError::InvalidLzf)
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
