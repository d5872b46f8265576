//! The lowest level of a big sorted set: up to [`MOST`] elements in order, in one piece.
//!
//! Scores are in an array of their own, since a search looks at scores first and at members only among equal ones.
//! Members follow each other in one buffer, and a third array says where each ends. So a leaf costs two allocations,
//! an insertion moves a few hundred bytes, and a range is read without a jump. A member is found by its tag, a byte
//! that depends on its end: comparing all members would read the whole buffer.
//!
//! A leaf holds at most [`MOST_BYTES`] bytes of members, unless a single member is longer: then it is alone. That
//! bounds what a write must copy while a snapshot shares the leaf.
//!
//! Invariants: elements ascend by score, then by member; `ends` has the end of each but the last, which ends where the
//! buffer does (so a member may be longer than the array's numbers can say).

use std::cmp::Ordering;

use crate::base::bytes::is_same;
use crate::store::entry::{good_size, spent};

/// The most elements of a leaf.
pub(super) const MOST: usize = 32;
/// The most bytes of members in a leaf of more than one element.
pub(super) const MOST_BYTES: usize = 16 * 1024;

/// Leaves with more elements together are not joined, so that room is left.
pub(super) const JOINED: usize = MOST - MOST / 5;

const _: () = assert!(MOST_BYTES <= u16::MAX as usize, "ends are 16 bits");

/// Elements in order. See the top of the file.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    scores: [f64; MOST],
    tags: [u8; MOST],
    ends: [u16; MOST - 1],
    count: u8,
    bytes: Vec<u8>,
}

// With the count of its `Arc` it fills a class of the allocator.
const _: () = assert!(size_of::<Leaf>() == 384 - size_of::<usize>());

/// A byte that depends on the last bytes of a member, in which members mostly differ.
#[inline]
fn tag(member: &[u8]) -> u8 {
    /// An odd number whose bits are well mixed: 2^64 divided by the golden ratio.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let end = match member.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => member.iter().fold(member.len() as u64, |word, byte| word << 8 | u64::from(*byte)),
    };
    (end.wrapping_mul(MIX) >> (u64::BITS - u8::BITS)) as u8
}

impl Leaf {
    /// A leaf without elements.
    pub(super) fn new() -> Self {
        Leaf { scores: [0.0; MOST], tags: [0; MOST], ends: [0; MOST - 1], count: 0, bytes: Vec::new() }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Bytes that the allocator spends on it and on the count of its `Arc`.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        spent(size_of::<Leaf>() + size_of::<usize>()) + spent(self.bytes.capacity())
    }

    /// Bytes of the buffer that the members are in.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..self.len()]
    }

    #[inline]
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { usize::from(self.ends[at - 1]) }
    }

    #[inline]
    fn end(&self, at: usize) -> usize {
        if at + 1 == self.len() { self.bytes.len() } else { usize::from(self.ends[at]) }
    }

    #[inline]
    pub(super) fn member(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.end(at)]
    }

    #[inline]
    pub(super) fn score(&self, at: usize) -> f64 {
        self.scores[at]
    }

    /// Gives an element a score that keeps the order.
    pub(super) fn set_score(&mut self, at: usize, score: f64) {
        self.scores[at] = score;
    }

    /// The place of a member.
    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<usize> {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
        let wanted = ONES * u64::from(tag(member));
        let (words, _) = self.tags.as_chunks();
        for (number, word) in words.iter().enumerate() {
            // Its bytes are zero where the tag is.
            let word = u64::from_le_bytes(*word) ^ wanted;
            // Some places behind such a byte may be among these as well: the members decide.
            let mut found = word.wrapping_sub(ONES) & !word & HIGHS;
            while found != 0 {
                let at = number * size_of::<u64>() + found.trailing_zeros() as usize / 8;
                if at < self.len() && is_same(self.member(at), member) {
                    return Some(at);
                }
                found &= found - 1;
            }
        }
        None
    }

    /// How many elements are less than this one.
    pub(super) fn place(&self, score: f64, member: &[u8]) -> usize {
        let scores = self.scores();
        let first = scores.partition_point(|other| *other < score);
        if scores.get(first).is_none_or(|other| *other > score) {
            return first;
        }
        let equal = scores[first..].partition_point(|other| *other <= score);
        let (mut low, mut high) = (first, first + equal);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.member(middle).cmp(member) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        low
    }

    /// Whether a member of this length may be added.
    #[inline]
    pub(super) fn has_room(&self, member_len: usize) -> bool {
        self.count == 0 || self.len() < MOST && self.bytes.len() + member_len <= MOST_BYTES
    }

    /// Whether either half of this leaf has room for a member of this length.
    pub(super) fn halves_have_room(&self, member_len: usize) -> bool {
        self.bytes.len() + member_len <= MOST_BYTES
    }

    /// Whether all elements of another leaf may be added, so that room is left.
    pub(super) fn has_room_for(&self, other: &Leaf) -> bool {
        self.len() + other.len() <= JOINED && self.bytes.len() + other.bytes.len() <= MOST_BYTES / 4 * 3
    }

    /// Inserts an element where it belongs; [`Leaf::has_room`] has said yes.
    pub(super) fn insert(&mut self, at: usize, score: f64, member: &[u8]) {
        let len = self.len();
        let start = if at == len { self.bytes.len() } else { self.start(at) };
        self.grow(member.len());
        self.bytes.extend_from_slice(member);
        self.bytes[start..].rotate_right(member.len());
        if at < len {
            self.ends.copy_within(at..len - 1, at + 1);
            self.ends[at + 1..len].iter_mut().for_each(|end| *end = end.wrapping_add(member.len() as u16));
            self.ends[at] = (start + member.len()) as u16;
        } else if at > 0 {
            self.ends[at - 1] = start as u16;
        }
        self.scores.copy_within(at..len, at + 1);
        self.scores[at] = score;
        self.tags.copy_within(at..len, at + 1);
        self.tags[at] = tag(member);
        self.count += 1;
    }

    /// Removes `count` elements from place `at` on.
    pub(super) fn remove(&mut self, at: usize, count: usize) {
        let (len, behind) = (self.len(), at + count);
        let (start, end) = (self.start(at), self.end(behind - 1));
        self.bytes.drain(start..end);
        self.scores.copy_within(behind..len, at);
        self.tags.copy_within(behind..len, at);
        if behind < len {
            self.ends.copy_within(behind..len - 1, at);
            let gone = (end - start) as u16;
            self.ends[at..len - 1 - count].iter_mut().for_each(|end| *end = end.wrapping_sub(gone));
        }
        self.count -= count as u8;
        self.give_back();
    }

    /// Moves the elements from place `at` on into a new leaf.
    pub(super) fn split_off(&mut self, at: usize) -> Leaf {
        let mut right = Leaf::new();
        right.append(self, at);
        if at < self.len() {
            self.remove(at, self.len() - at);
        }
        right
    }

    /// Appends the elements of another leaf from place `from` on, which are greater.
    pub(super) fn append(&mut self, other: &Leaf, from: usize) {
        if from >= other.len() {
            return;
        }
        let (base, start, len) = (self.bytes.len(), other.start(from), self.len());
        let more = other.len() - from;
        if len > 0 {
            self.ends[len - 1] = base as u16;
        }
        self.grow(other.bytes.len() - start);
        self.bytes.extend_from_slice(&other.bytes[start..]);
        self.scores[len..len + more].copy_from_slice(&other.scores[from..other.len()]);
        self.tags[len..len + more].copy_from_slice(&other.tags[from..other.len()]);
        for at in from..other.len() - 1 {
            self.ends[len + at - from] = (base + other.end(at) - start) as u16;
        }
        self.count += more as u8;
    }

    /// Makes room for more bytes, as much as the allocator would spend anyway.
    fn grow(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if self.bytes.capacity() < needed {
            self.bytes.reserve_exact(good_size(needed) - self.bytes.len());
        }
    }

    fn give_back(&mut self) {
        let (used, held) = (good_size(self.bytes.len().max(1)), self.bytes.capacity());
        if held - held / 4 > used {
            self.bytes.shrink_to(used);
        }
    }
}
