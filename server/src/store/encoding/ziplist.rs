//! Ziplists: what Redis before 7.0 stored in RDB files where it now stores listpacks. Read only; they become listpacks.
//!
//! `total bytes (u32), offset of the last entry (u32), number of entries (u16, 65535 = more), entries, 0xff`, little
//! endian. An entry is the length of the previous one (one byte, or 254 and four bytes), a header, and data:
//!
//! | header                 | what follows                          |
//! |------------------------|---------------------------------------|
//! | `00xxxxxx`             | a text of up to 63 bytes              |
//! | `01xxxxxx` + 1 byte    | a text of up to 16383 bytes           |
//! | `10000000` + 4 bytes   | a text, length big endian             |
//! | `11000000`, `11010000`, `11100000` | an integer of 16, 32, 64 bits |
//! | `11110000`, `11111110` | an integer of 24, 8 bits              |
//! | `1111xxxx`, 1..=13     | an integer 0..=12 and nothing else    |

use super::Corrupt;
use super::element::Element;
use super::listpack::Listpack;

const HEADER_BYTES: usize = 10;
const TERMINATOR: u8 = 0xff;
const BIG_PREVIOUS: u8 = 254;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Checks a ziplist whole and hands its elements to `each` in order.
///
/// # Errors
/// The first rule that is broken; `each` may have seen the elements before it.
pub(crate) fn read(bytes: &[u8], mut each: impl FnMut(Element<'_>)) -> Result<(), Corrupt> {
    if bytes.len() <= HEADER_BYTES {
        return Err(Corrupt("ziplist too short"));
    }
    let field = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    if field(0) != bytes.len() {
        return Err(Corrupt("ziplist size differs from its header"));
    }
    let end = bytes.len() - 1;
    if bytes[end] != TERMINATOR {
        return Err(Corrupt("ziplist without terminator"));
    }
    let (mut at, mut previous_len, mut last, mut count) = (HEADER_BYTES, 0, HEADER_BYTES, 0usize);
    while at < end {
        let (element, len) = entry(&bytes[at..end], previous_len)?;
        each(element);
        last = at;
        at += len;
        previous_len = len;
        count += 1;
    }
    if field(4) != last {
        return Err(Corrupt("ziplist tail differs from its header"));
    }
    let said = u16::from_le_bytes([bytes[8], bytes[9]]);
    if said != COUNT_UNKNOWN && usize::from(said) != count {
        return Err(Corrupt("ziplist count differs from its header"));
    }
    Ok(())
}

/// Reads a ziplist as the listpack with the same elements.
///
/// # Errors
/// As [`read`].
pub(crate) fn to_listpack(bytes: &[u8]) -> Result<Listpack, Corrupt> {
    let mut out = Listpack::new();
    read(bytes, |element| match element {
        Element::Int(value) => out.push_back_int(value),
        Element::Bytes(text) => out.push_back(text),
    })?;
    out.shrink_to_fit();
    Ok(out)
}

/// The entry at the start of `bytes`, which end where the entries end.
fn entry(bytes: &[u8], previous_len: usize) -> Result<(Element<'_>, usize), Corrupt> {
    const OUTSIDE: Corrupt = Corrupt("ziplist entry reaches outside");
    let (previous, header_at) = match bytes {
        [BIG_PREVIOUS, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 5),
        [BIG_PREVIOUS | TERMINATOR, ..] | [] => return Err(OUTSIDE),
        [previous, ..] => (usize::from(*previous), 1),
    };
    if previous != previous_len {
        return Err(Corrupt("ziplist back length differs from the entry"));
    }
    let rest = &bytes[header_at..];
    let (element, len) = match rest {
        [head @ 0..=0x3f, ..] => text(rest, 1, usize::from(*head)),
        [head @ 0x40..=0x7f, low, ..] => text(rest, 2, usize::from(head & 0x3f) << 8 | usize::from(*low)),
        [0x80, a, b, c, d, ..] => text(rest, 5, u32::from_be_bytes([*a, *b, *c, *d]) as usize),
        [0xc0, ..] => int(rest, 2),
        [0xd0, ..] => int(rest, 4),
        [0xe0, ..] => int(rest, 8),
        [0xf0, ..] => int(rest, 3),
        [0xfe, ..] => int(rest, 1),
        [head @ 0xf1..=0xfd, ..] => Some((Element::Int(i64::from(head & 0x0f) - 1), 1)),
        _ => None,
    }
    .ok_or(OUTSIDE)?;
    Ok((element, header_at + len))
}

fn text(bytes: &[u8], header: usize, len: usize) -> Option<(Element<'_>, usize)> {
    let end = header.checked_add(len)?;
    Some((Element::Bytes(bytes.get(header..end)?), end))
}

fn int(bytes: &[u8], size: usize) -> Option<(Element<'_>, usize)> {
    let raw = bytes.get(1..=size)?.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte)) as i64;
    let unused = 64 - size as u32 * 8;
    Some((Element::Int(raw << unused >> unused), 1 + size))
}

#[cfg(test)]
#[path = "ziplist_tests.rs"]
mod tests;
