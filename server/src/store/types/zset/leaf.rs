//! The lowest level of a big sorted set: up to [`MOST`] elements in order, in one piece.
//!
//! Scores are in an array of their own, since a search looks at scores first and at members only among equal ones.
//! Members follow each other in one buffer, and a third array says where each ends. So a leaf costs two allocations,
//! an insertion moves a few hundred bytes, and a range is read without a jump.
//!
//! A leaf holds at most [`MOST_BYTES`] bytes of members, unless a single member is longer: then it is alone. That
//! bounds what a write must copy while a snapshot shares the leaf.
//!
//! Invariants: elements ascend by score, then by member; `ends[i]` is right for all but the last, whose end is that of
//! the buffer (so a member may be longer than the array's numbers can say).

use std::cmp::Ordering;

use crate::store::encoding::ending::Ending;
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
    len: usize,
    scores: [f64; MOST],
    ends: [u16; MOST],
    bytes: Vec<u8>,
}

impl Leaf {
    /// A leaf without elements.
    pub(super) fn new() -> Self {
        Leaf { len: 0, scores: [0.0; MOST], ends: [0; MOST], bytes: Vec::new() }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
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
        &self.scores[..self.len]
    }

    #[inline]
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { usize::from(self.ends[at - 1]) }
    }

    #[inline]
    fn end(&self, at: usize) -> usize {
        if at + 1 == self.len { self.bytes.len() } else { usize::from(self.ends[at]) }
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
        let last = self.len.checked_sub(1)?;
        let wanted = Ending::of(member);
        let mut start = 0;
        for (at, end) in self.ends[..last].iter().enumerate() {
            let end = usize::from(*end);
            if end - start == member.len() && wanted.is_at(&self.bytes, start, end) {
                return Some(at);
            }
            start = end;
        }
        (self.bytes[start..] == *member).then_some(last)
    }

    /// How many elements are less than this one.
    pub(super) fn place(&self, score: f64, member: &[u8]) -> usize {
        let scores = self.scores();
        let first = scores.partition_point(|other| *other < score);
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
        self.len == 0 || self.len < MOST && self.bytes.len() + member_len <= MOST_BYTES
    }

    /// Whether either half of this leaf has room for a member of this length.
    pub(super) fn halves_have_room(&self, member_len: usize) -> bool {
        self.bytes.len() + member_len <= MOST_BYTES
    }

    /// Whether all elements of another leaf may be added, so that room is left.
    pub(super) fn has_room_for(&self, other: &Leaf) -> bool {
        self.len + other.len <= JOINED && self.bytes.len() + other.bytes.len() <= MOST_BYTES / 4 * 3
    }

    /// Inserts an element where it belongs; [`Leaf::has_room`] has said yes.
    pub(super) fn insert(&mut self, at: usize, score: f64, member: &[u8]) {
        let start = if at == self.len { self.bytes.len() } else { self.start(at) };
        self.grow(member.len());
        self.bytes.extend_from_slice(member);
        self.bytes[start..].rotate_right(member.len());
        self.scores.copy_within(at..self.len, at + 1);
        if at < self.len {
            // The last end is not kept up to date, and becomes an inner one here only if there is a new last.
            self.ends[self.len - 1] = (self.bytes.len() - member.len()) as u16;
            self.ends.copy_within(at..self.len, at + 1);
            self.ends[at + 1..=self.len].iter_mut().for_each(|end| *end = end.wrapping_add(member.len() as u16));
        } else if at > 0 {
            self.ends[at - 1] = start as u16;
        }
        self.ends[at] = (start + member.len()) as u16;
        self.scores[at] = score;
        self.len += 1;
    }

    /// Removes `count` elements from place `at` on.
    pub(super) fn remove(&mut self, at: usize, count: usize) {
        let (start, end) = (self.start(at), self.end(at + count - 1));
        self.bytes.drain(start..end);
        self.scores.copy_within(at + count..self.len, at);
        self.ends.copy_within(at + count..self.len, at);
        self.len -= count;
        let gone = (end - start) as u16;
        self.ends[at..self.len].iter_mut().for_each(|end| *end = end.wrapping_sub(gone));
        self.give_back();
    }

    /// Moves the elements from place `at` on into a new leaf.
    pub(super) fn split_off(&mut self, at: usize) -> Leaf {
        let mut right = Leaf::new();
        right.append(self, at);
        if at < self.len {
            self.remove(at, self.len - at);
        }
        right
    }

    /// Appends the elements of another leaf from place `from` on, which are greater.
    pub(super) fn append(&mut self, other: &Leaf, from: usize) {
        if from >= other.len {
            return;
        }
        let (base, start) = (self.bytes.len(), other.start(from));
        let more = other.len - from;
        if self.len > 0 {
            self.ends[self.len - 1] = base as u16;
        }
        self.grow(other.bytes.len() - start);
        self.bytes.extend_from_slice(&other.bytes[start..]);
        self.scores[self.len..self.len + more].copy_from_slice(&other.scores[from..other.len]);
        for at in from..other.len {
            self.ends[self.len + at - from] = (base + other.end(at) - start) as u16;
        }
        self.len += more;
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
