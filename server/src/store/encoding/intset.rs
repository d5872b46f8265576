//! Redis's intset: distinct integers in ascending order, all of the width that the widest of them needs.
//!
//! ```text
//! width     4 bytes, little-endian: 2, 4 or 8
//! count     4 bytes, little-endian
//! integers  two's complement, little-endian
//! ```
//! In memory it is these very bytes, so saving is a copy. Looking up is a binary search. The width never shrinks: an
//! intset that lost its only wide integer is saved with the wide form, as in Redis.
//!
//! Without integers it has no bytes and allocates nothing.

use super::Corrupt;
use crate::store::entry::good_size;

const HEADER_BYTES: usize = 8;
const NARROWEST: usize = size_of::<i16>();

/// Distinct integers in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intset {
    bytes: Vec<u8>,
}

/// The width that an integer needs.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        NARROWEST
    } else if i32::try_from(value).is_ok() {
        size_of::<i32>()
    } else {
        size_of::<i64>()
    }
}

/// The integer in these bytes, which are as many as its width.
#[inline]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("integers are of three widths"),
    }
}

impl Intset {
    /// Reads the serialised form. Everything is checked: the width, the size, and the order.
    ///
    /// # Errors
    /// Names the rule that `bytes` break.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Corrupt> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Corrupt("intset shorter than its header"));
        };
        let [a, b, c, d, e, f, g, h] = *header;
        let (width, count) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if !matches!(width, 2 | 4 | 8) {
            return Err(Corrupt("intset of unknown width"));
        }
        if u64::from(width) * u64::from(count) != body.len() as u64 {
            return Err(Corrupt("intset whose size is not that of its integers"));
        }
        if count == 0 {
            return Err(Corrupt("intset without integers"));
        }
        if !body.chunks_exact(width as usize).map(read).is_sorted_by(|before, after| before < after) {
            return Err(Corrupt("intset out of order"));
        }
        Ok(Self { bytes: bytes.to_vec() })
    }

    /// The serialised form. There must be an integer.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of integers.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.body().len() / self.width()
    }

    /// Bytes allocated.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    fn width(&self) -> usize {
        self.bytes.first().map_or(NARROWEST, |width| *width as usize)
    }

    #[inline]
    fn body(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// The integer of this rank, which must be below the number of integers.
    #[inline]
    pub(crate) fn at(&self, rank: usize) -> i64 {
        let width = self.width();
        read(&self.body()[rank * width..][..width])
    }

    /// All integers, ascending.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        self.body().chunks_exact(self.width()).map(read)
    }

    /// The rank of an integer, or the rank that it would have.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        if high > 0 && self.at(high - 1) < value {
            return Err(high);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Whether there is this integer.
    #[inline]
    pub(crate) fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds an integer; returns whether it is new.
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        if self.bytes.is_empty() || width_of(value) > self.width() {
            self.widen(value);
            return true;
        }
        let Err(rank) = self.search(value) else { return false };
        let (width, end) = (self.width(), self.bytes.len());
        if self.bytes.capacity() - end < width {
            self.bytes.reserve_exact(good_size(end + width) - end);
        }
        let at = HEADER_BYTES + rank * width;
        self.bytes.resize(end + width, 0);
        self.bytes.copy_within(at..end, at + width);
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.write_count();
        true
    }

    /// Adds an integer that is wider than all others, which is therefore the least or the greatest.
    fn widen(&mut self, value: i64) {
        let width = width_of(value);
        let mut bytes = Vec::with_capacity(good_size(HEADER_BYTES + (self.len() + 1) * width));
        bytes.extend([width as u8, 0, 0, 0, 0, 0, 0, 0]);
        let (below, above) = if value < 0 { (Some(value), None) } else { (None, Some(value)) };
        for number in below.into_iter().chain(self.iter()).chain(above) {
            bytes.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.bytes = bytes;
        self.write_count();
    }

    fn write_count(&mut self) {
        let count = self.len() as u32;
        self.bytes[HEADER_BYTES / 2..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }

    /// Removes an integer; returns whether it was there.
    pub(crate) fn remove(&mut self, value: i64) -> bool {
        let Ok(rank) = self.search(value) else { return false };
        let at = HEADER_BYTES + rank * self.width();
        self.bytes.drain(at..at + self.width());
        self.write_count();
        self.give_back();
        true
    }

    /// Keeps only those integers for which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(i64) -> bool) {
        let (width, mut end) = (self.width(), HEADER_BYTES);
        for at in (HEADER_BYTES..self.bytes.len()).step_by(width) {
            if keep(read(&self.bytes[at..at + width])) {
                self.bytes.copy_within(at..at + width, end);
                end += width;
            }
        }
        if !self.bytes.is_empty() {
            self.bytes.truncate(end);
            self.write_count();
            self.give_back();
        }
    }

    /// Frees memory if less than half is in use.
    fn give_back(&mut self) {
        let wanted = good_size(self.bytes.len());
        if wanted * 2 <= self.bytes.capacity() {
            self.bytes.shrink_to(wanted);
        }
    }
}

#[cfg(test)]
#[path = "intset_tests.rs"]
mod tests;
