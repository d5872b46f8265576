//! How one element lies in a chunk's bytes.
//!
//! ```text
//! 0eLLLLLL                      length of the field, up to 63
//! 1eLLLLLL LLLLLLLL             length of the field, up to 14 bits
//! 0LLLLLLL | 1LLLLLLL LLLLLLLL  length of the value, only in tables with values
//! 8 bytes                       when it expires, if the bit e is set
//! field, value
//! ```
//! So an element of 16 + 16 bytes takes 34, and a member of a set 17.
//!
//! An element of more than [`INLINE_MAX`] bytes is kept outside, and `1e111111 11111111` with the number of its place,
//! and when it expires if `e` is set, stands for it. No inline element is that long.

use triomphe::Arc;

use super::NEVER;
use crate::base::clock::UnixMillis;
use crate::store::entry::spent;

/// The longest element that is kept in a chunk's bytes.
pub(super) const INLINE_MAX: usize = 512;
/// Bytes that stand for an element outside, without its expiry.
const STUB_BYTES: usize = 4;
/// Bytes of an expiry.
const EXPIRY_BYTES: usize = size_of::<UnixMillis>();

const LONG: u8 = 0x80;
/// The element expires.
const EXPIRES: u8 = 0x40;
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
        spent(size_of::<usize>() + size_of::<Self>()) + spent(self.bytes.len())
    }
}

/// An element as it is found in the bytes. `at` is when it expires, or [`NEVER`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored<'a> {
    Inline { field: &'a [u8], value: &'a [u8], at: UnixMillis },
    Outside { place: u16, at: UnixMillis },
}

/// Bytes of an expiry, if there is one.
#[inline]
fn expiry_len(at: UnixMillis) -> usize {
    if at == NEVER { 0 } else { EXPIRY_BYTES }
}

/// Bytes that an element takes if it is kept inline.
#[inline]
pub(super) fn inline_len(field: &[u8], value: &[u8], at: UnixMillis, valued: bool) -> usize {
    let field_head = if field.len() <= FIELD_MASK as usize { 1 } else { 2 };
    let value_head = if !valued {
        0
    } else if value.len() <= VALUE_MASK as usize {
        1
    } else {
        2
    };
    field_head + value_head + expiry_len(at) + field.len() + value.len()
}

/// Bytes of the stub of an element outside.
#[inline]
pub(super) fn stub_len(at: UnixMillis) -> usize {
    STUB_BYTES + expiry_len(at)
}

/// Writes an inline element to the start of `out`.
#[inline]
pub(super) fn write(out: &mut [u8], field: &[u8], value: &[u8], at: UnixMillis, valued: bool) {
    let mut head = length(out, field.len(), FIELD_MASK);
    if valued {
        head += length(&mut out[head..], value.len(), VALUE_MASK);
    }
    if at != NEVER {
        head = write_expiry(out, head, at);
    }
    let (field_end, value_end) = (head + field.len(), head + field.len() + value.len());
    out[head..field_end].copy_from_slice(field);
    out[field_end..value_end].copy_from_slice(value);
}

/// Writes an expiry behind the head; returns its end.
#[cold]
fn write_expiry(out: &mut [u8], head: usize, at: UnixMillis) -> usize {
    out[0] |= EXPIRES;
    out[head..head + EXPIRY_BYTES].copy_from_slice(&at.to_le_bytes());
    head + EXPIRY_BYTES
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

/// Writes what stands for an element outside to the start of `out`.
pub(super) fn write_stub(out: &mut [u8], place: u16, at: UnixMillis) {
    let [low, high] = place.to_le_bytes();
    out[..STUB_BYTES].copy_from_slice(&[LONG | FIELD_MASK, 0xff, low, high]);
    if at != NEVER {
        write_expiry(out, STUB_BYTES, at);
    }
}

/// Reads the element that `bytes` start with.
#[inline]
pub(super) fn read(bytes: &[u8], valued: bool) -> Stored<'_> {
    let expires = bytes[0] & EXPIRES != 0;
    let (field_len, mut head) = match bytes[0] {
        first @ 0..LONG => ((first & FIELD_MASK) as usize, 1),
        first => (((first & FIELD_MASK) as usize) << 8 | bytes[1] as usize, 2),
    };
    if field_len == OUTSIDE {
        let at = if expires { read_expiry(bytes, STUB_BYTES) } else { NEVER };
        return Stored::Outside { place: u16::from_le_bytes([bytes[2], bytes[3]]), at };
    }
    let mut value_len = 0;
    if valued {
        value_len = bytes[head] as usize;
        head += 1;
        if value_len >= LONG as usize {
            value_len = (value_len & VALUE_MASK as usize) << 8 | bytes[head] as usize;
            head += 1;
        }
    }
    let mut at = NEVER;
    if expires {
        at = read_expiry(bytes, head);
        head += EXPIRY_BYTES;
    }
    let field_end = head + field_len;
    Stored::Inline { field: &bytes[head..field_end], value: &bytes[field_end..field_end + value_len], at }
}

/// Bytes of the element that `bytes` start with.
#[inline]
pub(super) fn stored_len(bytes: &[u8], valued: bool) -> usize {
    match read(bytes, valued) {
        Stored::Inline { field, value, at } => inline_len(field, value, at, valued),
        Stored::Outside { at, .. } => stub_len(at),
    }
}

/// Changes when the element expires that `bytes` start with, if it does and goes on to do so. Returns whether that is
/// so.
pub(super) fn change_expiry(bytes: &mut [u8], at: UnixMillis, valued: bool) -> bool {
    if bytes[0] & EXPIRES == 0 || at == NEVER {
        return false;
    }
    let head = match read(bytes, valued) {
        Stored::Outside { .. } => STUB_BYTES,
        Stored::Inline { field, value, at } => {
            inline_len(field, value, at, valued) - EXPIRY_BYTES - field.len() - value.len()
        }
    };
    write_expiry(bytes, head, at);
    true
}

fn read_expiry(bytes: &[u8], head: usize) -> UnixMillis {
    let bytes = bytes[head..head + EXPIRY_BYTES].try_into().expect("the slice has this length");
    UnixMillis::from_le_bytes(bytes)
}
