//! The index of a chunk: 32-bit words in the order of their tags, 4.5 bytes an element.
//!
//! A word is a 16-bit tag, the next bits of the hash after those that all elements of the chunk share, and the place of
//! the element in the chunk's bytes. The array is open addressing with linear probing in the order of the tags, as in
//! the table of a slot ([`crate::store`]): a word is at its home or as few words after it as the order allows, no word
//! between it and its home is empty, and the last homes spill into words beyond the buckets. So looking up stops at the
//! first greater tag, the order is the order of HSCAN, and growing is one pass over the words alone.

use crate::base::cache::prefetch;
use crate::store::entry::good_size;

/// Words up to this many are not given back.
const SMALLEST_SHRUNK: usize = 4;

/// Words of 32 bits in the order of their tags. See the top of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    words: Box<[u32]>,
    len: u16,
    /// Homes; the words beyond take the spill.
    buckets: u16,
}

/// Tag and place; the place is stored plus one, so that zero is an empty word.
#[inline]
fn word(tag: u16, place: u16) -> u32 {
    u32::from(tag) << 16 | (u32::from(place) + 1)
}

#[inline]
fn tag_of(word: u32) -> u16 {
    (word >> 16) as u16
}

#[inline]
fn place_of(word: u32) -> u16 {
    ((word & 0xffff) - 1) as u16
}

#[inline]
fn home(tag: u16, buckets: u16) -> usize {
    ((u32::from(tag) * u32::from(buckets)) >> 16) as usize
}

/// How many words an array holds before it grows: probes of a full long array get longer.
fn capacity(total: usize) -> usize {
    match total {
        0..=16 => total,
        17..=128 => total - total / 32,
        129..=512 => total - total / 16,
        _ => total - total / 8,
    }
}

/// The next greater size of an array: the allocator's size classes.
fn next_total(total: usize) -> usize {
    good_size((total + 1) * size_of::<u32>()) / size_of::<u32>()
}

/// The smallest array for `len` words.
fn total_for(len: usize) -> usize {
    let mut total = next_total(len.saturating_sub(1));
    while capacity(total) < len {
        total = next_total(total);
    }
    total
}

/// Homes in an array of this size, unless the tags need fewer.
fn default_buckets(total: usize) -> u16 {
    (total - total / 16 - 1) as u16
}

impl Index {
    /// The index of elements in the order of their tags.
    pub(super) fn of(sorted: &[(u16, u16)]) -> Self {
        let words = sorted.iter().map(|&(tag, place)| word(tag, place));
        Self::fit(words, sorted.len(), total_for(sorted.len() + sorted.len() / 16 + 1))
    }

    /// Number of elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Number of words, the empty ones included.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.words.len()
    }

    /// The place in word number `at`, if there is an element.
    #[inline]
    pub(super) fn place(&self, at: usize) -> Option<u16> {
        self.words.get(at).filter(|word| **word != 0).map(|word| place_of(*word))
    }

    /// Hints that [`Index::find`] is going to be asked for this tag.
    #[inline]
    pub(super) fn prefetch(&self, tag: u16) {
        prefetch(self.words.as_ptr().wrapping_add(home(tag, self.buckets)));
    }

    /// The number of the word of the element with this tag that `is` accepts by its place.
    #[inline]
    pub(super) fn find(&self, tag: u16, mut is: impl FnMut(u16) -> bool) -> Option<usize> {
        let from = home(tag, self.buckets);
        for (at, &word) in self.words.get(from..)?.iter().enumerate() {
            if word == 0 || tag_of(word) > tag {
                return None;
            }
            if tag_of(word) == tag && is(place_of(word)) {
                return Some(from + at);
            }
        }
        None
    }

    /// All elements in the order of their tags, from this tag on: tag and place.
    pub(super) fn since(&self, tag: u16) -> impl Iterator<Item = (u16, u16)> {
        let from = home(tag, self.buckets).min(self.words.len());
        let words = self.words[from..].iter().filter(move |word| **word != 0 && tag_of(**word) >= tag);
        words.map(|word| (tag_of(*word), place_of(*word)))
    }

    /// All places in the order of the tags.
    #[inline]
    pub(super) fn places(&self) -> impl Iterator<Item = u16> {
        self.words.iter().filter(|word| **word != 0).map(|word| place_of(*word))
    }

    /// Gives the elements new places, in the order of the tags.
    pub(super) fn relocate(&mut self, mut place: impl FnMut(u16) -> u16) {
        for entry in self.words.iter_mut().filter(|word| **word != 0) {
            *entry = word(tag_of(*entry), place(place_of(*entry)));
        }
    }

    /// Adds an element.
    pub(super) fn insert(&mut self, tag: u16, place: u16) {
        loop {
            let total = self.total();
            if self.len() < capacity(total) {
                if let Some((at, gap)) = self.place_for(tag) {
                    // The gap moves to the word's place, and everything between moves one to the right.
                    self.words[at..=gap].rotate_right(1);
                    self.words[at] = word(tag, place);
                    self.len += 1;
                    return;
                }
                // The last homes spill over the end: fewer homes leave more words for the spill.
                let fewer = self.buckets.saturating_sub(self.buckets / 8 + 1);
                self.resize(total, Some(fewer));
            } else {
                self.resize(next_total(total), None);
            }
        }
    }

    /// Where a word of this tag goes, after those of the same tag, and the empty word at or behind it.
    #[inline]
    fn place_for(&self, tag: u16) -> Option<(usize, usize)> {
        let mut at = home(tag, self.buckets);
        while at < self.words.len() && self.words[at] != 0 && tag_of(self.words[at]) <= tag {
            at += 1;
        }
        let gap = at + self.words.get(at..)?.iter().position(|word| *word == 0)?;
        Some((at, gap))
    }

    /// Removes word number `at`, closes the gap, and shrinks if that is worth it.
    pub(super) fn remove(&mut self, at: usize) {
        let buckets = self.buckets;
        // Words that are not at home move one to the left, up to the first that is at home, or an empty one.
        let words = &mut self.words;
        let end = (at + 1..words.len())
            .find(|&next| words[next] == 0 || home(tag_of(words[next]), buckets) == next)
            .unwrap_or(words.len());
        words[at] = 0;
        words[at..end].rotate_left(1);
        self.len -= 1;
        let (len, total) = (self.len(), self.total());
        if len == 0 {
            *self = Self::default();
        } else if total > SMALLEST_SHRUNK && len * 2 < total {
            self.resize(total_for(len + len / 8 + 1), None);
        }
    }

    fn resize(&mut self, total: usize, buckets: Option<u16>) {
        let words = self.words.iter().copied().filter(|word| *word != 0);
        *self = match buckets {
            Some(buckets) => Self::fit_with(words, self.len(), total, buckets),
            None => Self::fit(words, self.len(), total),
        };
    }

    fn fit(words: impl Iterator<Item = u32> + Clone, len: usize, total: usize) -> Self {
        Self::fit_with(words, len, total, default_buckets(total))
    }

    /// An array of about this size, with fewer homes or more words than requested if the words would not fit otherwise.
    fn fit_with(words: impl Iterator<Item = u32> + Clone, len: usize, mut total: usize, mut buckets: u16) -> Self {
        loop {
            let end = words.clone().fold(0, |next, word| home(tag_of(word), buckets).max(next) + 1);
            if end <= total {
                break;
            }
            if usize::from(buckets) > total / 2 {
                buckets -= buckets / 8 + 1;
            } else {
                total = next_total(total);
                buckets = default_buckets(total);
            }
        }
        let mut target = vec![0; total].into_boxed_slice();
        let mut next = 0;
        for word in words {
            let at = home(tag_of(word), buckets).max(next);
            target[at] = word;
            next = at + 1;
        }
        Self { words: target, len: len as u16, buckets }
    }
}

#[cfg(test)]
impl Index {
    /// Every rule of the file's essay.
    pub(super) fn check(&self) {
        let (mut previous, mut after_gap, mut occupied) = (0, 0, 0);
        for (at, &word) in self.words.iter().enumerate() {
            if word == 0 {
                after_gap = at + 1;
                continue;
            }
            let home = home(tag_of(word), self.buckets);
            assert!(previous <= tag_of(word), "tags ascend");
            assert!(home <= at, "no word is before its home");
            assert!(after_gap <= home, "no gap between a home and its word");
            (previous, occupied) = (tag_of(word), occupied + 1);
        }
        assert_eq!(occupied, self.len());
        assert!(self.len() <= capacity(self.total()));
    }
}
