//! Listpacks: small sequences in one run of bytes, the encoding that the RDB format stores.
//!
//! Serialised, a listpack is `total bytes (u32), number of entries (u16, 65535 = more), entries, 0xff`. In memory we
//! keep only the entries, in a buffer with spare room on *both* sides; header and terminator are added when the bytes
//! leave. Redis keeps the serialised form, so each LPUSH moves all of it and each push reallocates. Here a push at
//! either end writes only the entry, and a pop moves a bound.
//!
//! [`Listpack::make_room`] manages the room: it grows by half, or moves the entries within the buffer if there is so
//! much room that this stays rare. Either way the cost per pushed byte is constant, for any mix of pushes at both ends.
//!
//! Places are byte offsets from the first entry ([`Place`]). Insertion and removal invalidate the places behind them.
//!
//! Invariants: `start <= end <= buf.len()`; `buf[start..end]` is exactly `count` well-formed entries. All bytes from
//! outside go through [`Listpack::from_bytes`].

pub(super) mod entry;

use super::Corrupt;
use super::element::{Element, Needle};
use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::store::entry::good_size;
use entry::{Draft, TERMINATOR, decode, entry_len, last_entry_len};

/// Bytes of the serialised form besides the entries: size, count and terminator.
pub(crate) const FRAME_BYTES: usize = HEADER_BYTES + 1;
pub(super) const HEADER_BYTES: usize = 6;
/// Entries are copied in pieces of so many bytes. Longer ones are copied by `rep movsb`, which is several times slower
/// where source and destination are aligned differently, as they are behind the header.
const COPIED_AT_ONCE: usize = 1024;
/// The count field's value when the entries have to be counted.
pub(super) const COUNT_UNKNOWN: u16 = u16::MAX;
/// Below this size [`Listpack::reserve_back`] leaves an eighth of spare room, and a quarter above.
const GENTLY_BELOW: usize = 1024;
/// Smaller buffers are never shrunk early: it would save nothing.
const SHRINK_MIN_BYTES: usize = 256;

/// Where an entry starts: a byte offset from the first one.
pub(crate) type Place = usize;

/// A sequence of texts and integers in one buffer. See the module's essay.
#[derive(Debug, Default)]
pub struct Listpack {
    buf: Box<[u8]>,
    start: u32,
    end: u32,
    count: u32,
    #[expect(dead_code, reason = "only its invalid values are of use")]
    spare: Spare,
}

/// A byte with one valid value, in what would be padding: the enums that hold a listpack keep their tag in the others.
#[derive(Clone, Copy, Debug, Default)]
#[repr(u8)]
enum Spare {
    #[default]
    Zero = 0,
}

impl Listpack {
    /// An empty listpack; allocates nothing.
    pub fn new() -> Self {
        Listpack::default()
    }

    /// An empty listpack with room for so many bytes of entries.
    pub fn with_capacity(bytes: usize) -> Self {
        Listpack { buf: vec![0; good_size(bytes)].into(), ..Listpack::default() }
    }

    /// Reads the serialised form. Everything is checked: size, terminator, each entry, its back length, and the count.
    ///
    /// # Errors
    /// Names the rule that `bytes` break; nothing of them is kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Corrupt> {
        let count = validate(bytes)?;
        let entries = &bytes[HEADER_BYTES..bytes.len() - 1];
        Ok(Listpack { buf: entries.into(), start: 0, end: entries.len() as u32, count, spare: Spare::Zero })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Length of the serialised form; size limits are measured in it.
    #[inline]
    pub fn byte_len(&self) -> usize {
        (self.end - self.start) as usize + FRAME_BYTES
    }

    /// Bytes allocated for the entries, spare room included.
    pub fn allocated_bytes(&self) -> usize {
        self.buf.len()
    }

    /// The serialised form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.serialise(&mut out);
        out
    }

    /// Appends the serialised form.
    pub fn serialise(&self, out: &mut Vec<u8>) {
        out.reserve(self.byte_len());
        out.extend_from_slice(&(self.byte_len() as u32).to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.count).unwrap_or(COUNT_UNKNOWN).to_le_bytes());
        for piece in self.entries().chunks(COPIED_AT_ONCE) {
            out.extend_from_slice(piece);
        }
        out.push(TERMINATOR);
    }

    /// Adds an entry after the last.
    #[inline]
    pub fn push_back(&mut self, text: &[u8]) {
        self.push_draft_back(&Draft::new(text));
    }

    /// Adds an integer after the last entry.
    pub fn push_back_int(&mut self, value: i64) {
        self.push_draft_back(&Draft::int(value));
    }

    #[inline]
    fn push_draft_back(&mut self, draft: &Draft<'_>) {
        let len = draft.len();
        if self.buf.len() - self.end as usize >= len {
            self.end += len as u32;
        } else {
            self.make_room(0, len);
            self.end += len as u32;
        }
        let end = self.end as usize;
        draft.write(&mut self.buf[end - len..end]);
        self.count += 1;
    }

    /// Adds an entry in front of the first.
    #[inline]
    pub fn push_front(&mut self, text: &[u8]) {
        let draft = Draft::new(text);
        let len = draft.len();
        if (self.start as usize) < len {
            self.make_room(len, 0);
        }
        self.start -= len as u32;
        let start = self.start as usize;
        draft.write(&mut self.buf[start..start + len]);
        self.count += 1;
    }

    /// The element at `place`, which must be the place of an entry.
    #[inline]
    pub fn element(&self, place: Place) -> Element<'_> {
        decode(&self.entries()[place..]).0
    }

    /// The first element.
    pub fn front(&self) -> Option<Element<'_>> {
        (!self.is_empty()).then(|| self.element(0))
    }

    /// The last element.
    pub fn back(&self) -> Option<Element<'_>> {
        self.before(self.entries().len()).map(|place| self.element(place))
    }

    /// Drops the first entry. There must be one.
    #[inline]
    pub fn drop_front(&mut self) {
        self.start += entry_len(self.entries()) as u32;
        self.count -= 1;
        self.give_back();
    }

    /// Drops the last entry. There must be one.
    #[inline]
    pub fn drop_back(&mut self) {
        self.end -= last_entry_len(self.entries()) as u32;
        self.count -= 1;
        self.give_back();
    }

    /// The place after the entry at `place`; `None` when that was the last.
    pub fn after(&self, place: Place) -> Option<Place> {
        let next = place + entry_len(&self.entries()[place..]);
        (next < self.entries().len()).then_some(next)
    }

    /// The place of the entry that ends at `place` (also the end); `None` at the front.
    pub fn before(&self, place: Place) -> Option<Place> {
        (place > 0).then(|| place - last_entry_len(&self.entries()[..place]))
    }

    /// The place of entry number `index`, walking from the nearer end. `index == len()` gives the end.
    pub fn seek(&self, index: usize) -> Place {
        let entries = self.entries();
        debug_assert!(index <= self.len(), "a place is asked for inside");
        if index <= self.len() / 2 {
            (0..index).fold(0, |place, _| place + entry_len(&entries[place..]))
        } else {
            (index..self.len()).fold(entries.len(), |place, _| place - last_entry_len(&entries[..place]))
        }
    }

    /// Number and place of the first entry with this text, from entry number `from` at `place` on.
    pub fn find(&self, needle: &Needle<'_>, from: usize, place: Place) -> Option<(usize, Place)> {
        let entries = self.entries();
        let (mut index, mut place) = (from, place);
        while place < entries.len() {
            let (element, len) = decode(&entries[place..]);
            if needle.matches(element) {
                return Some((index, place));
            }
            index += 1;
            place += len;
        }
        None
    }

    /// Where the two entries are whose first is this text, in a listpack of pairs.
    #[inline]
    pub fn find_pair(&self, needle: &Needle<'_>) -> Option<(Place, Place)> {
        let entries = self.entries();
        let mut place = 0;
        while place < entries.len() {
            let (element, len) = decode(&entries[place..]);
            let second = place + len;
            if needle.matches(element) {
                return Some((place, second));
            }
            place = second + entry_len(&entries[second..]);
        }
        None
    }

    /// Inserts an entry in front of `place`, which may be the end.
    pub fn insert(&mut self, place: Place, text: &[u8]) {
        let draft = Draft::new(text);
        self.splice(place, 0, draft.len());
        let at = self.start as usize + place;
        draft.write(&mut self.buf[at..at + draft.len()]);
        self.count += 1;
    }

    /// Inserts an integer in front of `place`, which may be the end.
    pub fn insert_int(&mut self, place: Place, value: i64) {
        let draft = Draft::int(value);
        self.splice(place, 0, draft.len());
        let at = self.start as usize + place;
        draft.write(&mut self.buf[at..at + draft.len()]);
        self.count += 1;
    }

    /// Replaces the element at `place`.
    pub fn replace(&mut self, place: Place, text: &[u8]) {
        let draft = Draft::new(text);
        let old = entry_len(&self.entries()[place..]);
        self.splice(place, old, draft.len());
        let at = self.start as usize + place;
        draft.write(&mut self.buf[at..at + draft.len()]);
        self.give_back();
    }

    /// Replaces the element at `place` by an integer.
    #[inline]
    pub fn replace_int(&mut self, place: Place, value: i64) {
        let draft = Draft::int(value);
        let old = entry_len(&self.entries()[place..]);
        if old != draft.len() {
            self.splice(place, old, draft.len());
        }
        let at = self.start as usize + place;
        draft.write(&mut self.buf[at..at + draft.len()]);
    }

    /// Makes room for so many bytes of further entries at the back. The spare room beyond them is small: for values of
    /// which there are many.
    #[inline]
    pub fn reserve_back(&mut self, bytes: usize) {
        if self.buf.len() - (self.end as usize) < bytes {
            self.grow_gently(bytes);
        }
    }

    #[cold]
    fn grow_gently(&mut self, bytes: usize) {
        let needed = (self.end - self.start) as usize + bytes;
        assert!(needed <= 2 * LISTPACK_MAX_BYTES, "the caller bounds what it puts in a listpack");
        let spare = if needed < GENTLY_BELOW { needed / 8 } else { needed / 4 };
        self.move_to(good_size(needed + spare), 0);
    }

    /// Where the last entry ends.
    #[inline]
    pub fn end(&self) -> Place {
        (self.end - self.start) as usize
    }

    /// Removes up to `count` entries from `place` on; returns how many there were.
    pub fn remove(&mut self, place: Place, count: usize) -> usize {
        let entries = self.entries();
        let (mut end, mut removed) = (place, 0);
        while removed < count && end < entries.len() {
            end += entry_len(&entries[end..]);
            removed += 1;
        }
        self.splice(place, end - place, 0);
        self.count -= removed as u32;
        self.give_back();
        removed
    }

    /// Moves the entries from number `index` on into a new listpack.
    pub fn split_off(&mut self, index: usize) -> Listpack {
        let place = self.seek(index);
        let tail: Box<[u8]> = self.entries()[place..].into();
        let count = self.count - index as u32;
        self.end = self.start + place as u32;
        self.count = index as u32;
        self.give_back();
        Listpack { start: 0, end: tail.len() as u32, count, buf: tail, spare: Spare::Zero }
    }

    /// Appends all entries of `other`.
    pub fn append(&mut self, other: &Listpack) {
        let len = other.entries().len();
        if self.buf.len() - (self.end as usize) < len {
            self.make_room(0, len);
        }
        let end = self.end as usize;
        self.buf[end..end + len].copy_from_slice(other.entries());
        self.end += len as u32;
        self.count += other.count;
    }

    /// All elements from the front; reversible.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: self.entries() }
    }

    /// The elements from `place` (also the end) towards the back; reversed, from the back down to `place`.
    pub fn iter_from(&self, place: Place) -> Iter<'_> {
        Iter { rest: &self.entries()[place..] }
    }

    /// The elements before `place` (also the end).
    pub fn iter_before(&self, place: Place) -> Iter<'_> {
        Iter { rest: &self.entries()[..place] }
    }

    /// Frees spare room if it is more than an eighth: for listpacks that are not expected to change soon.
    pub fn shrink_to_fit(&mut self) {
        let live = (self.end - self.start) as usize;
        if self.buf.len() - live > live / 8 {
            self.move_to(live, 0);
        }
    }

    /// Frees spare room beyond the allocator's rounding: for values of which there are many, and which grow seldom.
    #[inline]
    pub fn tighten(&mut self) {
        let capacity = good_size((self.end - self.start) as usize);
        if self.buf.len() > capacity {
            self.move_to(capacity, 0);
        }
    }

    #[inline]
    pub(super) fn entries(&self) -> &[u8] {
        &self.buf[self.start as usize..self.end as usize]
    }

    /// Replaces `old` bytes at `place` by `new` bytes of any content, moving the shorter side.
    fn splice(&mut self, place: Place, old: usize, new: usize) {
        let live = (self.end - self.start) as usize;
        let tail_is_shorter = live - place - old <= place;
        if new > old {
            let more = new - old;
            if tail_is_shorter && self.buf.len() - (self.end as usize) < more {
                self.make_room(0, more);
            } else if !tail_is_shorter && (self.start as usize) < more {
                self.make_room(more, 0);
            }
        }
        let (start, end) = (self.start as usize, self.end as usize);
        if tail_is_shorter {
            self.buf.copy_within(start + place + old..end, start + place + new);
            self.end = (end + new - old) as u32;
        } else {
            let moved_start = start + old - new;
            self.buf.copy_within(start..start + place, moved_start);
            self.start = moved_start as u32;
        }
    }

    /// Makes room for `front` more bytes before and `back` more bytes after the entries. One of them is 0.
    #[cold]
    fn make_room(&mut self, front: usize, back: usize) {
        let live = (self.end - self.start) as usize;
        let needed = live + front + back;
        assert!(
            needed <= LISTPACK_MAX_BYTES + live.min(LISTPACK_MAX_BYTES),
            "the caller bounds what it puts in a listpack"
        );
        // A move within the buffer is paid for by the following pushes, which then need no move.
        let capacity = if self.buf.len() >= needed + needed / 2 {
            self.buf.len()
        } else if needed <= 64 {
            needed.next_multiple_of(16)
        } else {
            (needed + needed / 2).next_multiple_of(16)
        };
        let spare = capacity - needed;
        // The growing side gets the spare room, but a side that has been in use keeps a share of it. Otherwise pushes
        // that alternate between the ends would move everything each time.
        let other = if front > 0 { self.buf.len() - self.end as usize } else { self.start as usize };
        let kept = other.min(spare / 4);
        self.move_to(capacity, if front > 0 { front + spare - kept } else { kept });
    }

    /// Puts the entries at offset `start` of a buffer of `capacity` bytes.
    fn move_to(&mut self, capacity: usize, start: usize) {
        let live = (self.end - self.start) as usize;
        if capacity == self.buf.len() {
            self.buf.copy_within(self.start as usize..self.end as usize, start);
        } else {
            let mut buf = vec![0; capacity].into_boxed_slice();
            buf[start..start + live].copy_from_slice(self.entries());
            self.buf = buf;
        }
        self.start = start as u32;
        self.end = (start + live) as u32;
    }

    /// After removals: frees memory when less than a quarter of it is in use.
    #[inline]
    fn give_back(&mut self) {
        let live = (self.end - self.start) as usize;
        if self.buf.len() >= SHRINK_MIN_BYTES && live < self.buf.len() / 4 {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        let live = (self.end - self.start) as usize;
        let capacity = (live + live / 2).max(64);
        // Half of the spare room on each side: a queue that is drained at one end is usually filled at the other.
        self.move_to(capacity, (capacity - live) / 2);
    }
}

impl Clone for Listpack {
    /// Copies the entries, without the spare room.
    fn clone(&self) -> Self {
        let entries = self.entries();
        Listpack { buf: entries.into(), start: 0, end: entries.len() as u32, count: self.count, spare: Spare::Zero }
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Listpack {}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Elements of a listpack, from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl Iter<'_> {
    /// Bytes of the entries that are left.
    #[inline]
    pub fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// Passes over up to `count` elements without decoding them.
    #[inline]
    pub fn skip_elements(&mut self, count: usize) {
        for _ in 0..count {
            if self.rest.is_empty() {
                return;
            }
            self.rest = &self.rest[entry_len(self.rest)..];
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, len) = decode(self.rest);
        self.rest = &self.rest[len..];
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, last) = self.rest.split_at(self.rest.len() - last_entry_len(self.rest));
        self.rest = rest;
        Some(decode(last).0)
    }
}

/// The bytes that a text of this length takes at most (a text that is an integer takes less).
#[inline]
pub(crate) fn encoded_len_max(text_len: usize) -> usize {
    entry::text_entry_len(text_len)
}

/// The bytes that an integer takes.
#[inline]
pub(crate) fn encoded_int_len(value: i64) -> usize {
    Draft::int(value).len()
}

/// Checks the serialised form of a listpack whole and returns the number of its entries. Total: any bytes give an
/// answer, in time linear in their number.
///
/// # Errors
/// The first rule that is broken.
pub(crate) fn validate(bytes: &[u8]) -> Result<u32, Corrupt> {
    if bytes.len() < FRAME_BYTES || bytes.len() > LISTPACK_MAX_BYTES {
        return Err(Corrupt("listpack too short or too long"));
    }
    let size = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    if size as usize != bytes.len() {
        return Err(Corrupt("listpack size differs from its header"));
    }
    let (entries, terminator) = bytes[HEADER_BYTES..].split_at(bytes.len() - FRAME_BYTES);
    if terminator != [TERMINATOR] {
        return Err(Corrupt("listpack without terminator"));
    }
    let (mut place, mut count) = (0, 0u32);
    while place < entries.len() {
        place += entry::measure(&entries[place..]).ok_or(Corrupt("listpack entry malformed"))?;
        count += 1;
    }
    let said = u16::from_le_bytes([bytes[4], bytes[5]]);
    if said != COUNT_UNKNOWN && u32::from(said) != count {
        return Err(Corrupt("listpack count differs from its header"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
