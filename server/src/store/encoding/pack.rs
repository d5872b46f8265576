//! Packs: small sequences of texts and integers, as entries of a [listpack](super::listpack) without what only a
//! listpack needs.
//!
//! A listpack spends seven bytes on its frame and one or more on the back length of each entry, so that it can be
//! walked from the end. Hashes, sets and sorted sets are walked from the front. What they keep are the entries' headers
//! and data, one behind the other; a session of five fields then fits into its key's entry (see
//! [`crate::store::entry`]). [`PackRef::serialise`] adds the rest, and gives the very bytes that Redis keeps and saves.
//!
//! A [`Pack`] owns its bytes and can be changed. A [`PackRef`] reads the bytes of one, or those in an entry. There
//! nothing tells the number of elements, which is counted when it is asked for. A copy of those bytes does not know it
//! either: it is made to be changed and put back, mostly without that question.
//!
//! Places are byte offsets ([`Place`]). Insertion and removal invalidate the places behind them.
//!
//! Invariants: the bytes are well-formed entries; `count`, if known, is their number. They come from [`Draft`] or from
//! a listpack that was validated.

use super::element::{Element, Needle};
pub(crate) use super::listpack::Place;
use super::listpack::entry::{
    BACK_LENGTH_MAX, Draft, TERMINATOR, back_length_size, body_len, decode_body, entry_len, is_text, write_back_length,
};
use super::listpack::{COUNT_UNKNOWN, FRAME_BYTES, HEADER_BYTES, Listpack};
use crate::store::entry::good_size;

/// A count that is not known. Nothing has so many elements: a listpack is at most 1 GiB long.
const UNKNOWN: u32 = u32::MAX;

/// A sequence that owns its bytes. See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    bytes: Vec<u8>,
    /// Number of elements, or [`UNKNOWN`].
    count: u32,
}

/// A sequence for reading. See the top of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackRef<'a> {
    bytes: &'a [u8],
    /// Number of elements, or [`UNKNOWN`].
    count: u32,
}

impl<'a> PackRef<'a> {
    /// Reads bytes that were [`PackRef::bytes`] once.
    #[inline]
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, count: UNKNOWN }
    }

    /// The entries.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Number of elements.
    #[inline]
    pub(crate) fn len(self) -> usize {
        if self.count == UNKNOWN { self.counted() } else { self.count as usize }
    }

    fn counted(self) -> usize {
        let (mut place, mut count) = (0, 0);
        while place < self.bytes.len() {
            place += body_len(&self.bytes[place..]);
            count += 1;
        }
        count
    }

    /// Whether there is no element.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The element at `place`, which must be the place of one.
    #[inline]
    pub(crate) fn element(self, place: Place) -> Element<'a> {
        decode_body(&self.bytes[place..]).0
    }

    /// The place after the element at `place`; `None` when that was the last.
    #[inline]
    pub(crate) fn after(self, place: Place) -> Option<Place> {
        let next = place + body_len(&self.bytes[place..]);
        (next < self.bytes.len()).then_some(next)
    }

    /// The place of element number `index`, or the end if there are no more before.
    pub(crate) fn seek(self, index: usize) -> Place {
        let mut place = 0;
        for _ in 0..index {
            if place == self.bytes.len() {
                break;
            }
            place += body_len(&self.bytes[place..]);
        }
        place
    }

    /// The place of the first element with this text.
    #[inline]
    pub(crate) fn find(self, needle: &Needle<'_>) -> Option<Place> {
        let mut place = 0;
        while place < self.bytes.len() {
            let end = place + body_len(&self.bytes[place..]);
            if is_text(self.bytes, place, end, needle) {
                return Some(place);
            }
            place = end;
        }
        None
    }

    /// Where the two elements are whose first is this text, in a pack of pairs.
    #[inline]
    pub(crate) fn find_pair(self, needle: &Needle<'_>) -> Option<(Place, Place)> {
        self.find_pair_number(needle).map(|(_, first, second)| (first, second))
    }

    /// [`Self::find_pair`], and the number of the pair.
    #[inline]
    pub(crate) fn find_pair_number(self, needle: &Needle<'_>) -> Option<(usize, Place, Place)> {
        let (mut place, mut number) = (0, 0);
        while place < self.bytes.len() {
            let second = place + body_len(&self.bytes[place..]);
            if is_text(self.bytes, place, second, needle) {
                return Some((number, place, second));
            }
            place = second + body_len(&self.bytes[second..]);
            number += 1;
        }
        None
    }

    /// All elements.
    #[inline]
    pub(crate) fn iter(self) -> Iter<'a> {
        Iter { rest: self.bytes }
    }

    /// All elements, two at a time, in a pack of pairs.
    #[inline]
    pub(crate) fn pairs(self) -> Pairs<'a> {
        Pairs(self.iter())
    }

    /// The bytes of the listpack with these elements.
    pub(crate) fn serialise(self) -> Vec<u8> {
        let (mut out, mut count) = (vec![0; HEADER_BYTES], 0u32);
        out.reserve(self.bytes.len() + self.bytes.len() / 8);
        let mut rest = self.bytes;
        while !rest.is_empty() {
            let (body, after) = rest.split_at(body_len(rest));
            out.extend_from_slice(body);
            let at = out.len();
            out.resize(at + back_length_size(body.len()), 0);
            write_back_length(body.len(), &mut out[at..]);
            (rest, count) = (after, count + 1);
        }
        out.push(TERMINATOR);
        let size = out.len() as u32;
        out[..4].copy_from_slice(&size.to_le_bytes());
        out[4..HEADER_BYTES].copy_from_slice(&u16::try_from(count).unwrap_or(COUNT_UNKNOWN).to_le_bytes());
        out
    }

    /// A copy that can be changed. One of an entry's bytes has room for a small element or two, since it is made to be
    /// changed.
    pub(crate) fn to_pack(self) -> Pack {
        const ROOM: usize = 48;
        let room = if self.count == UNKNOWN { ROOM } else { 0 };
        let mut bytes = Vec::with_capacity(good_size(self.bytes.len() + room));
        bytes.extend_from_slice(self.bytes);
        Pack { bytes, count: self.count }
    }
}

impl Pack {
    /// An empty pack; allocates nothing.
    pub(crate) fn new() -> Self {
        Pack::default()
    }

    /// An empty pack with room for so many bytes of entries.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Pack { bytes: Vec::with_capacity(good_size(bytes)), count: 0 }
    }

    /// The elements of a listpack, as it stores them.
    pub(crate) fn of_listpack(listpack: &Listpack) -> Self {
        let mut rest = listpack.entries();
        let mut pack = Pack::with_capacity(rest.len() - listpack.len().min(rest.len()));
        while !rest.is_empty() {
            pack.bytes.extend_from_slice(&rest[..body_len(rest)]);
            rest = &rest[entry_len(rest)..];
        }
        pack.count = listpack.len() as u32;
        pack
    }

    /// Reads it.
    #[inline]
    pub(crate) fn view(&self) -> PackRef<'_> {
        PackRef { bytes: &self.bytes, count: self.count }
    }

    /// Number of elements.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are more elements than this. Mostly answered without counting: each has at least a byte.
    #[inline]
    pub(crate) fn is_longer_than(&self, most: usize) -> bool {
        self.bytes.len() > most && self.len() > most
    }

    /// Whether there is no element.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The listpack with these elements is no longer than this.
    #[inline]
    pub(crate) fn serialised_max(&self) -> usize {
        /// Up to this size it does not matter how many elements there are.
        const SMALL: usize = 64 * 1024;
        let most = if self.bytes.len() <= SMALL { self.bytes.len() } else { self.len() };
        FRAME_BYTES + self.bytes.len() + BACK_LENGTH_MAX * most
    }

    /// Bytes allocated for the entries, spare room included.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds an element after the last.
    #[inline]
    pub(crate) fn push_back(&mut self, text: &[u8]) {
        self.put(self.bytes.len(), 0, &Draft::new(text));
        self.add(1);
    }

    /// Adds an integer after the last element.
    #[inline]
    pub(crate) fn push_back_int(&mut self, value: i64) {
        self.put(self.bytes.len(), 0, &Draft::int(value));
        self.add(1);
    }

    /// Inserts an element in front of `place`, which may be the end.
    pub(crate) fn insert(&mut self, place: Place, text: &[u8]) {
        self.put(place, 0, &Draft::new(text));
        self.add(1);
    }

    /// Inserts an integer in front of `place`, which may be the end.
    pub(crate) fn insert_int(&mut self, place: Place, value: i64) {
        self.put(place, 0, &Draft::int(value));
        self.add(1);
    }

    /// Replaces the element at `place`.
    pub(crate) fn replace(&mut self, place: Place, text: &[u8]) {
        self.put(place, body_len(&self.bytes[place..]), &Draft::new(text));
    }

    /// Removes up to `count` elements from `place` on.
    pub(crate) fn remove(&mut self, place: Place, count: usize) {
        let (mut end, mut removed) = (place, 0_i32);
        while (removed as usize) < count && end < self.bytes.len() {
            end += body_len(&self.bytes[end..]);
            removed += 1;
        }
        self.bytes.copy_within(end.., place);
        self.bytes.truncate(self.bytes.len() - (end - place));
        self.add(-removed);
    }

    #[inline]
    fn add(&mut self, elements: i32) {
        if self.count != UNKNOWN {
            self.count = self.count.wrapping_add_signed(elements);
        }
    }

    /// Called when a change is done and the elements do not return to an entry: counts them if that is still to be
    /// done, and frees spare room beyond the allocator's rounding. Long packs are expected to grow further, and keep
    /// theirs.
    #[inline]
    pub(crate) fn settle(&mut self) {
        /// Moving longer ones with every element would be dear.
        const TIGHTENED: usize = 8 * 1024;
        self.count = self.len() as u32;
        if self.bytes.len() <= TIGHTENED {
            self.tighten();
        }
    }

    /// Frees spare room beyond the allocator's rounding: for values of which there are many, and which grow seldom.
    #[inline]
    pub(crate) fn tighten(&mut self) {
        let capacity = good_size(self.bytes.len());
        if self.bytes.capacity() > capacity {
            self.bytes.shrink_to(capacity);
        }
    }

    /// Replaces `old` bytes at `place` by an entry.
    #[inline]
    fn put(&mut self, place: Place, old: usize, draft: &Draft<'_>) {
        let (len, new) = (self.bytes.len(), draft.body_len());
        let total = len - old + new;
        if total > self.bytes.capacity() {
            // Size classes are a geometric series, so growing by them costs constant time per byte.
            self.bytes.reserve_exact(good_size(total) - len);
        }
        if new > old {
            self.bytes.resize(total, 0);
        }
        if place + old < len {
            self.bytes.copy_within(place + old..len, place + new);
        }
        self.bytes.truncate(total);
        draft.write_body(&mut self.bytes[place..place + new]);
    }
}

impl Clone for Pack {
    /// Copies the entries, without the spare room.
    fn clone(&self) -> Self {
        self.view().to_pack()
    }
}

/// Elements of a pack.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, len) = decode_body(self.rest);
        self.rest = &self.rest[len..];
        Some(element)
    }
}

/// Pairs of elements of a pack.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a>(Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
