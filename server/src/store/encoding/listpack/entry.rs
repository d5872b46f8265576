//! One entry of a listpack: `header, data, back length`, byte for byte as Redis's `listpack.c` writes it.
//!
//! | first byte   | what follows                                  |
//! |--------------|-----------------------------------------------|
//! | `0xxxxxxx`   | nothing: an integer 0..=127                    |
//! | `10xxxxxx`   | a text of up to 63 bytes                       |
//! | `110xxxxx`   | 1 byte: a signed integer of 13 bits            |
//! | `1110xxxx`   | 1 byte of length, a text of up to 4095 bytes   |
//! | `11110000`   | 4 bytes of length (little endian), a text      |
//! | `11110001`.. | 2, 3, 4, 8 bytes: a little-endian integer      |
//! | `11111111`   | the terminator of the listpack, never an entry |
//!
//! The back length counts header and data. It is written in groups of seven bits, most significant first, and read
//! from the end: every byte but the first has its top bit set.

use crate::base::number::{I64_MAX_CHARS, parse_i64};
use crate::store::encoding::element::{Element, Needle};

const STR_6BIT: u8 = 0x80;
const INT_13BIT: u8 = 0xc0;
const STR_12BIT: u8 = 0xe0;
const STR_32BIT: u8 = 0xf0;
const INT_16BIT: u8 = 0xf1;
const INT_24BIT: u8 = 0xf2;
const INT_32BIT: u8 = 0xf3;
const INT_64BIT: u8 = 0xf4;
/// Ends a listpack.
pub(in crate::store::encoding) const TERMINATOR: u8 = 0xff;

const HEADER_MAX: usize = 9;
/// The longest back length.
pub(in crate::store::encoding) const BACK_LENGTH_MAX: usize = 5;

/// An entry to be written: the length of each part is known before room is made.
pub(in crate::store::encoding) struct Draft<'a> {
    header: [u8; HEADER_MAX],
    header_len: u8,
    text: &'a [u8],
}

impl<'a> Draft<'a> {
    /// The entry for `text`, as an integer if it is one.
    #[inline]
    pub(in crate::store::encoding) fn new(text: &'a [u8]) -> Self {
        if text.len() <= I64_MAX_CHARS
            && let Some(value) = parse_i64(text)
        {
            return Draft::int(value);
        }
        let len = text.len();
        let mut header = [0; HEADER_MAX];
        let header_len = match len {
            0..64 => {
                header[0] = STR_6BIT | len as u8;
                1
            }
            64..4096 => {
                header[..2].copy_from_slice(&[STR_12BIT | (len >> 8) as u8, len as u8]);
                2
            }
            _ => {
                header[0] = STR_32BIT;
                header[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                5
            }
        };
        Draft { header, header_len, text }
    }

    /// The entry for an integer.
    pub(in crate::store::encoding) fn int(value: i64) -> Self {
        let mut header = [0; HEADER_MAX];
        let header_len = match value {
            0..=127 => {
                header[0] = value as u8;
                1
            }
            -4096..=4095 => {
                header[..2].copy_from_slice(&[INT_13BIT | ((value >> 8) & 0x1f) as u8, value as u8]);
                2
            }
            _ => {
                let (mark, bytes) = match value {
                    -0x8000..=0x7fff => (INT_16BIT, 2),
                    -0x80_0000..=0x7f_ffff => (INT_24BIT, 3),
                    -0x8000_0000..=0x7fff_ffff => (INT_32BIT, 4),
                    _ => (INT_64BIT, 8),
                };
                header[0] = mark;
                header[1..].copy_from_slice(&value.to_le_bytes());
                1 + bytes
            }
        };
        Draft { header, header_len, text: &[] }
    }

    /// Length of header and data, as stored in the back length.
    #[inline]
    pub(in crate::store::encoding) fn body_len(&self) -> usize {
        self.header_len as usize + self.text.len()
    }

    /// Length of the whole entry.
    #[inline]
    pub(in crate::store::encoding) fn len(&self) -> usize {
        let body = self.body_len();
        body + back_length_size(body)
    }

    /// Writes the entry; `out` is exactly as long as it.
    #[inline]
    pub(in crate::store::encoding) fn write(&self, out: &mut [u8]) {
        let (body, back) = out.split_at_mut(self.body_len());
        self.write_body(body);
        write_back_length(self.body_len(), back);
    }

    /// Writes header and data; `out` is exactly as long as they.
    #[inline]
    pub(in crate::store::encoding) fn write_body(&self, out: &mut [u8]) {
        let (header, text) = out.split_at_mut(self.header_len as usize);
        header.copy_from_slice(&self.header[..self.header_len as usize]);
        text.copy_from_slice(self.text);
    }
}

/// Writes the back length of `body` bytes; `out` is exactly as long as it.
#[inline]
pub(in crate::store::encoding) fn write_back_length(body: usize, out: &mut [u8]) {
    let mut value = body;
    if let [only] = out {
        *only = value as u8;
        return;
    }
    for (i, byte) in out.iter_mut().enumerate().rev() {
        *byte = (value & 0x7f) as u8 | if i == 0 { 0 } else { 0x80 };
        value >>= 7;
    }
}

/// Length of the whole entry of a text of `len` bytes that is no integer.
#[inline]
pub(in crate::store::encoding) fn text_entry_len(len: usize) -> usize {
    let header = match len {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    };
    header + len + back_length_size(header + len)
}

/// How many bytes the back length of `body` bytes takes. The bounds are those of Redis, one less than possible.
#[inline]
pub(in crate::store::encoding) fn back_length_size(body: usize) -> usize {
    match body {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Decodes the entry that `bytes` starts with: the element, and the length of the whole entry. The bytes must have
/// passed [`measure`], or have been written by [`Draft`].
#[inline]
pub(in crate::store::encoding) fn decode(bytes: &[u8]) -> (Element<'_>, usize) {
    let (element, body) = decode_body(bytes);
    (element, body + back_length_size(body))
}

/// Decodes the entry that `bytes` starts with: the element, and the length of header and data.
#[inline]
pub(in crate::store::encoding) fn decode_body(bytes: &[u8]) -> (Element<'_>, usize) {
    let head = bytes[0];
    match head {
        0..STR_6BIT => (Element::Int(i64::from(head)), 1),
        STR_6BIT..INT_13BIT => {
            let end = 1 + (head & 0x3f) as usize;
            (Element::Bytes(&bytes[1..end]), end)
        }
        INT_13BIT..STR_12BIT => {
            let raw = i64::from(head & 0x1f) << 8 | i64::from(bytes[1]);
            (Element::Int(sign_extend(raw, 13)), 2)
        }
        STR_12BIT..STR_32BIT => {
            let end = 2 + (((head & 0x0f) as usize) << 8 | bytes[1] as usize);
            (Element::Bytes(&bytes[2..end]), end)
        }
        STR_32BIT => {
            let end = 5 + little_endian(&bytes[1..5]) as usize;
            (Element::Bytes(&bytes[5..end]), end)
        }
        _ => {
            let size = int_size(head).expect("only validated or own bytes are decoded");
            (Element::Int(sign_extend(little_endian(&bytes[1..=size]) as i64, size as u32 * 8)), 1 + size)
        }
    }
}

/// Length of the whole entry that `bytes` starts with, without looking at its data.
#[inline]
pub(in crate::store::encoding) fn entry_len(bytes: &[u8]) -> usize {
    let head = bytes[0];
    match head {
        0..STR_6BIT => 2,
        STR_6BIT..INT_13BIT => 2 + (head & 0x3f) as usize,
        INT_13BIT..STR_12BIT => 3,
        STR_12BIT.. => {
            let body = body_len(bytes);
            body + back_length_size(body)
        }
    }
}

/// Length of header and data of the entry that `bytes` starts with, without looking at its data.
#[inline(always)]
pub(in crate::store::encoding) fn body_len(bytes: &[u8]) -> usize {
    match bytes[0] {
        // The usual cases, checked before all others.
        head @ STR_6BIT..INT_13BIT => 1 + (head & 0x3f) as usize,
        0..STR_6BIT => 1,
        _ => other_body_len(bytes),
    }
}

/// Whether the entry that begins at `place`, whose header and data end at `end`, has this text.
#[inline(always)]
pub(in crate::store::encoding) fn is_text(bytes: &[u8], place: usize, end: usize, needle: &Needle<'_>) -> bool {
    if !matches!(bytes[place], STR_6BIT..INT_13BIT) {
        return is_other_text(&bytes[place..], needle);
    }
    let text = needle.text();
    end - place - 1 == text.text().len() && text.is_at(bytes, place + 1, end)
}

fn is_other_text(bytes: &[u8], needle: &Needle<'_>) -> bool {
    needle.matches(decode_body(bytes).0)
}

fn other_body_len(bytes: &[u8]) -> usize {
    let head = bytes[0];
    match head {
        0..STR_6BIT => 1,
        INT_13BIT..STR_12BIT => 2,
        STR_12BIT..STR_32BIT => 2 + (((head & 0x0f) as usize) << 8 | bytes[1] as usize),
        STR_32BIT => 5 + little_endian(&bytes[1..5]) as usize,
        _ => 1 + int_size(head).expect("only validated or own bytes are decoded"),
    }
}

/// Length of the entry that *ends* where `bytes` ends.
#[inline]
pub(in crate::store::encoding) fn last_entry_len(bytes: &[u8]) -> usize {
    let mut body = 0;
    for (i, byte) in bytes.iter().rev().take(BACK_LENGTH_MAX).enumerate() {
        body |= ((byte & 0x7f) as usize) << (7 * i);
        if byte & 0x80 == 0 {
            break;
        }
    }
    body + back_length_size(body)
}

/// Checks the entry that untrusted `bytes` start with and returns its length: a known header, data inside, and exactly
/// the back length that belongs to it.
pub(in crate::store::encoding) fn measure(bytes: &[u8]) -> Option<usize> {
    let head = *bytes.first()?;
    let body = match head {
        0..STR_6BIT => 1,
        STR_6BIT..INT_13BIT => 1 + (head & 0x3f) as usize,
        INT_13BIT..STR_12BIT => 2,
        STR_12BIT..STR_32BIT => 2 + (((head & 0x0f) as usize) << 8 | *bytes.get(1)? as usize),
        STR_32BIT => 5 + little_endian(bytes.get(1..5)?) as usize,
        _ => 1 + int_size(head)?,
    };
    let len = body + back_length_size(body);
    let entry = bytes.get(..len)?;
    let mut want = body;
    for (i, &byte) in entry[body..].iter().enumerate().rev() {
        let mark = if i == 0 { 0 } else { 0x80 };
        if byte != (want & 0x7f) as u8 | mark {
            return None;
        }
        want >>= 7;
    }
    (want == 0).then_some(len)
}

fn int_size(head: u8) -> Option<usize> {
    match head {
        INT_16BIT => Some(2),
        INT_24BIT => Some(3),
        INT_32BIT => Some(4),
        INT_64BIT => Some(8),
        _ => None,
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn sign_extend(raw: i64, bits: u32) -> i64 {
    let unused = 64 - bits;
    raw << unused >> unused
}
