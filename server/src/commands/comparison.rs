//! Conditions about the value of a string: it is, or is not, what the client believes it to be.
//!
//! The client names the value itself or its digest, which is shorter than a long value. SET, DELEX and DELIFEQ have
//! such conditions; Redis and Valkey spell them alike.

use xxhash_rust::xxh3::xxh3_64;

use crate::command::{CmdError, error};
use crate::store::ValueRef;

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// A condition about the value of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison<'a> {
    /// IFEQ
    Equal(&'a [u8]),
    /// IFNE
    Differs(&'a [u8]),
    /// IFDEQ
    DigestEqual(u64),
    /// IFDNE
    DigestDiffers(u64),
}

/// The digest of a value: XXH3, 64 bits.
pub(super) fn digest_of(text: &[u8]) -> u64 {
    xxh3_64(text)
}

/// Whether a word begins a comparison.
pub(super) fn is_comparison(word: &[u8]) -> bool {
    [&b"IFEQ"[..], b"IFNE", b"IFDEQ", b"IFDNE"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

impl<'a> Comparison<'a> {
    /// A word and the one behind it.
    ///
    /// # Errors
    /// `syntax error`, or a digest that is none.
    pub(super) fn parse(word: &[u8], operand: Option<&'a [u8]>) -> Result<Self, CmdError> {
        let operand = operand.filter(|_| is_comparison(word)).ok_or(error::SYNTAX)?;
        if word.eq_ignore_ascii_case(b"IFEQ") {
            Ok(Self::Equal(operand))
        } else if word.eq_ignore_ascii_case(b"IFNE") {
            Ok(Self::Differs(operand))
        } else if word.eq_ignore_ascii_case(b"IFDEQ") {
            Ok(Self::DigestEqual(parse_digest(operand)?))
        } else {
            Ok(Self::DigestDiffers(parse_digest(operand)?))
        }
    }

    /// Whether it holds. A value that is not there differs from every other.
    ///
    /// # Errors
    /// `WRONGTYPE` if the value is no string.
    pub(super) fn admits(self, value: Option<ValueRef<'_>>) -> Result<bool, CmdError> {
        let mut digits = itoa::Buffer::new();
        let text = value.map(|value| value.string_bytes(&mut digits).ok_or(error::WRONG_TYPE)).transpose()?;
        Ok(match self {
            Self::Equal(other) => text == Some(other),
            Self::Differs(other) => text != Some(other),
            Self::DigestEqual(other) => text.map(xxh3_64) == Some(other),
            Self::DigestDiffers(other) => text.map(xxh3_64) != Some(other),
        })
    }
}

fn parse_digest(word: &[u8]) -> Result<u64, CmdError> {
    const WRONG: CmdError = CmdError::text("ERR digest must be exactly 16 hexadecimal characters");
    if word.len() != DIGITS || !word.iter().all(u8::is_ascii_hexdigit) {
        return Err(WRONG);
    }
    str::from_utf8(word).ok().and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(WRONG)
}
