//! How one element lies in a chunk's bytes.
//!
//! ```text
//! 0eLLLLLL                      length of the field, up to 63
//! 1eLLLLLL LLLLLLLL             length of the field, up to 14 bits
//! 0LLLLLLL | 1LLLLLLL LLLLLLLL  length of the value, only in tables with values
//! field, value
//! ```
//! So an element of 16 + 16 bytes takes 34, and a member of a set 17. The bit `e` is free: it will say that eight bytes
//! with the time of expiry follow the lengths.
//!
//! An element of more than [`INLINE_MAX`] bytes is kept outside, and `1e111111 11111111` with the number of its place
//! stands for it. No inline element is that long.

use std::sync::Arc;

use crate::store::entry::spent;

/// The longest element that is kept in a chunk's bytes.
pub(super) const INLINE_MAX: usize = 512;
/// Bytes that stand for an element outside.
pub(super) const STUB_BYTES: usize = 4;

const LONG: u8 = 0x80;
const FIELD_MASK: u8 = 0x3f;
const VALUE_MASK: u8 = 0x7f;
/// What stands in the place of a field's length for an element outside.
const OUTSIDE: usize = (FIELD_MASK as usize) << 8 | 0xff;

const _: () = assert!(INLINE_MAX < OUTSIDE);

/// An element that is too long for a chunk.
#[derive(Clone, Debug)]
pub(super) struct Big {
    field_len: usize,
    bytes: Box<[u8]>,
}

impl Big {
    pub(super) fn new(field: &[u8], value: &[u8]) -> Arc<Self> {
        Arc::new(Self { field_len: field.len(), bytes: [field, value].concat().into() })
    }

    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.field_len)
    }

    /// Bytes that the allocator spends on it.
    pub(super) fn weight(&self) -> usize {
        spent(2 * size_of::<usize>() + size_of::<Self>()) + spent(self.bytes.len())
    }
}

/// An element as it is found in the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored<'a> {
    Inline { field: &'a [u8], value: &'a [u8] },
    Outside(u16),
}

/// Bytes that an element takes if it is kept inline.
#[inline]
pub(super) fn inline_len(field: &[u8], value: &[u8], valued: bool) -> usize {
    let field_head = if field.len() <= FIELD_MASK as usize { 1 } else { 2 };
    let value_head = if !valued {
        0
    } else if value.len() <= VALUE_MASK as usize {
        1
    } else {
        2
    };
    field_head + value_head + field.len() + value.len()
}

/// Writes an inline element to the start of `out`.
#[inline]
pub(super) fn write(out: &mut [u8], field: &[u8], value: &[u8], valued: bool) {
    let mut at = length(out, field.len(), FIELD_MASK);
    if valued {
        at += length(&mut out[at..], value.len(), VALUE_MASK);
    }
    let (field_end, value_end) = (at + field.len(), at + field.len() + value.len());
    out[at..field_end].copy_from_slice(field);
    out[field_end..value_end].copy_from_slice(value);
}

/// Writes a length of one or two bytes; returns how many it took.
#[inline]
fn length(out: &mut [u8], len: usize, mask: u8) -> usize {
    if len <= mask as usize {
        out[0] = len as u8;
        return 1;
    }
    out[0] = LONG | (len >> 8) as u8;
    out[1] = len as u8;
    2
}

/// What stands for an element outside.
pub(super) fn stub(place: u16) -> [u8; STUB_BYTES] {
    let [low, high] = place.to_le_bytes();
    [LONG | FIELD_MASK, 0xff, low, high]
}

/// Reads the element that `bytes` start with.
#[inline]
pub(super) fn read(bytes: &[u8], valued: bool) -> Stored<'_> {
    let (field_len, mut at) = match bytes[0] {
        head @ 0..LONG => ((head & FIELD_MASK) as usize, 1),
        head => (((head & FIELD_MASK) as usize) << 8 | bytes[1] as usize, 2),
    };
    if field_len == OUTSIDE {
        return Stored::Outside(u16::from_le_bytes([bytes[2], bytes[3]]));
    }
    let mut value_len = 0;
    if valued {
        value_len = bytes[at] as usize;
        at += 1;
        if value_len >= LONG as usize {
            value_len = (value_len & VALUE_MASK as usize) << 8 | bytes[at] as usize;
            at += 1;
        }
    }
    let field_end = at + field_len;
    Stored::Inline { field: &bytes[at..field_end], value: &bytes[field_end..field_end + value_len] }
}
