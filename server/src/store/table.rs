//! The hash table of a slot: entries in the order of their hash, 9 to 10 bytes a key, growing without touching keys.
//!
//! A [`Words`] array is open addressing with linear probing, kept in **tag order** (Robin Hood): the home of a tag is
//! `tag fraction * buckets`, an entry is at its home or as few words after it as the order allows, and no word between
//! an entry and its home is empty. There is no wrap-around: the last homes spill into words beyond `buckets`. The order
//! has these benefits:
//! - a lookup walks from the home and stops at an empty word or a greater tag, and looks at a key only if 20 bits
//!   agree;
//! - growing, shrinking and splitting are one pass from left to right that needs only the words themselves;
//! - "everything from this tag on" is a position that survives all of these: the SCAN cursor, the expiry index and the
//!   snapshot's progress are tags.
//!
//! Small arrays are filled completely: even when full, an ordered array of 64 words is searched within a few cache
//! lines. The sizes are the allocator's size classes, four per doubling, so growth is by 1.25 and the average array is
//! nine tenths full.
//!
//! Above [`SPLIT_AT`] words the array becomes a **directory** (extendible hashing): segments by the tag's top bits,
//! each split on its own when it is full, so that one insertion never moves more than one segment. A segment's `depth`
//! says how many top bits its tags share. Segments are not merged again; a table that becomes empty frees everything.
//!
//! Rejected: hashbrown's table (a control byte per bucket and power-of-two sizes: 12 to 21 bytes a key; its iteration
//! order does not survive growth), and tags of 16 bits relative to the segment (a split would have to hash all keys
//! again).

use super::entry::word::{TAG_BITS, TAG_END, Word, Words};
use super::entry::{Entry, EntryRef, good_size};
use super::hash::mix;
use crate::base::cache::prefetch;

/// Bytes of a table for each of its entries, on average: a word, and unused room.
pub(crate) const PLACE: usize = 10;
/// Words of an array that is split instead of grown.
const SPLIT_AT: u16 = 4096;
/// Segments stop splitting at this depth, where tags have too few bits left to tell their entries apart, and grow
/// instead.
const MAX_DEPTH: u8 = 14;
/// Arrays up to this many words are not shrunk.
const SMALLEST_SHRUNK: u16 = 4;

const _: () = assert!((MAX_DEPTH as u32) < TAG_BITS);

/// Where an entry is, until the table is next inserted into or removed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    segment: u32,
    word: u32,
}

/// The table. All zero is the empty table.
pub(crate) struct Table {
    /// The only segment, unused while there is a directory.
    root: Words,
    directory: Option<Box<Directory>>,
}

/// Segments by the top `depth` bits of the tag; a segment of smaller depth occurs at several positions.
struct Directory {
    depth: u8,
    map: Vec<u32>,
    segments: Vec<Words>,
    len: usize,
}

impl Table {
    /// The table without entries, which owns no memory.
    pub(crate) const EMPTY: Table = Table { root: Words::EMPTY, directory: None };

    /// Number of entries.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match &self.directory {
            None => self.root.len as usize,
            Some(directory) => directory.len,
        }
    }

    /// Finds the entry of a key.
    #[inline(always)]
    pub(crate) fn find(&self, tag: u32, key: &[u8]) -> Option<Position> {
        let segment = self.segment_of(tag);
        let word = self.segment(segment).find(tag, key)?;
        Some(Position { segment, word })
    }

    /// Finds the word of a key, to be changed; its tag must stay.
    #[inline(always)]
    pub(crate) fn find_mut(&mut self, tag: u32, key: &[u8]) -> Option<&mut Word> {
        let segment = self.segment_of(tag);
        let words = self.segment_mut(segment);
        let at = words.find(tag, key)?;
        words.as_mut_slice().get_mut(at as usize)
    }

    /// Adds an entry whose key is not in the table.
    pub(crate) fn insert(&mut self, tag: u32, entry: Entry) -> Position {
        let mut entry = Word::new(entry, tag);
        loop {
            let segment = self.segment_of(tag);
            match self.segment_mut(segment).insert(entry) {
                Ok(word) => {
                    if let Some(directory) = &mut self.directory {
                        directory.len += 1;
                    }
                    return Position { segment, word };
                }
                Err(back) => {
                    entry = back;
                    self.split(segment);
                }
            }
        }
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, at: Position) -> Entry {
        let entry = self.segment_mut(at.segment).remove(at.word as usize);
        if let Some(directory) = &mut self.directory {
            directory.len -= 1;
            if directory.len == 0 {
                self.directory = None;
            }
        }
        entry
    }

    /// The word at a position.
    #[inline(always)]
    pub(crate) fn word(&self, at: Position) -> &Word {
        &self.segment(at.segment).as_slice()[at.word as usize]
    }

    /// The word at a position, to be changed; its tag must stay.
    #[inline(always)]
    pub(crate) fn word_mut(&mut self, at: Position) -> &mut Word {
        &mut self.segment_mut(at.segment).as_mut_slice()[at.word as usize]
    }

    /// The entry at a position.
    #[inline(always)]
    pub(crate) fn entry(&self, at: Position) -> EntryRef<'_> {
        self.word(at).entry().expect("a position is where an entry is")
    }

    /// All entries, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        let segments = self.directory.iter().flat_map(|directory| directory.segments.iter());
        std::iter::once(&self.root).chain(segments).flat_map(Words::as_slice).filter_map(Word::entry)
    }

    /// All words, to be changed; their tags must stay.
    pub(crate) fn words_mut(&mut self) -> impl Iterator<Item = &mut Word> {
        let segments = self.directory.iter_mut().flat_map(|directory| directory.segments.iter_mut());
        let words = std::iter::once(&mut self.root).chain(segments).flat_map(Words::as_mut_slice);
        words.filter(|word| !word.is_empty())
    }

    /// Visits entries in tag order from tag `from` on, at least `count` of them unless the table ends; returns the tag
    /// to continue from. Entries of one tag are visited in the same call, so nothing is lost between two calls.
    pub(crate) fn visit(&self, from: u32, count: usize, mut f: impl FnMut(EntryRef<'_>)) -> Option<u32> {
        let (mut seen, mut last, mut at) = (0, TAG_END, from);
        while at < TAG_END {
            let (segment, end) = self.segment_and_end(at);
            for word in self.segment(segment).since(at) {
                let tag = word.tag();
                if seen >= count && tag != last {
                    return Some(tag);
                }
                (seen, last) = (seen + 1, tag);
                f(word.entry().expect("since yields occupied words"));
            }
            at = end;
        }
        None
    }

    /// As [`Table::visit`], with words that may be changed; their tags must stay.
    pub(crate) fn visit_mut(&mut self, from: u32, count: usize, mut f: impl FnMut(&mut Word)) -> Option<u32> {
        let (mut seen, mut last, mut at) = (0, TAG_END, from);
        while at < TAG_END {
            let (segment, end) = self.segment_and_end(at);
            for word in self.segment_mut(segment).since_mut(at) {
                let tag = word.tag();
                if seen >= count && tag != last {
                    return Some(tag);
                }
                (seen, last) = (seen + 1, tag);
                f(word);
            }
            at = end;
        }
        None
    }

    /// The first entry of this tag that the predicate accepts.
    pub(crate) fn find_by(&self, tag: u32, mut accept: impl FnMut(EntryRef<'_>) -> bool) -> Option<Position> {
        let segment = self.segment_of(tag);
        let words = self.segment(segment);
        let mut word = words.home(tag);
        while let Some(candidate) = words.as_slice().get(word)
            && !candidate.is_empty()
            && candidate.tag() <= tag
        {
            if candidate.tag() == tag && candidate.entry().is_some_and(&mut accept) {
                return Some(Position { segment, word: word as u32 });
            }
            word += 1;
        }
        None
    }

    /// A random entry, uniform except for the unevenness of the hash. `seed` is the randomness.
    pub(crate) fn sample(&self, seed: u64) -> Option<EntryRef<'_>> {
        if self.len() == 0 {
            return None;
        }
        let mut state = seed;
        for _ in 0..64 {
            state = mix(state);
            let words = self.segment(self.segment_of((state >> 44) as u32)).as_slice();
            // The product's top half is the fraction of the array, the low 32 bits of the state are the randomness.
            let chosen = ((state & 0xffff_ffff) * words.len() as u64) >> 32;
            if let Some(entry) = words.get(chosen as usize).and_then(Word::entry) {
                return Some(entry);
            }
        }
        // A directory may be nearly empty: take the next entry in order instead of trying for long.
        let start = (state >> 44) as u32;
        self.first_from(start).or_else(|| self.first_from(0))
    }

    fn first_from(&self, from: u32) -> Option<EntryRef<'_>> {
        let mut at = from;
        while at < TAG_END {
            let (segment, end) = self.segment_and_end(at);
            if let Some(entry) = self.segment(segment).since(at).find_map(Word::entry) {
                return Some(entry);
            }
            at = end;
        }
        None
    }

    /// Hints that the words around this tag will be read soon.
    #[inline]
    pub(crate) fn prefetch_words(&self, tag: u32) {
        let words = self.segment(self.segment_of(tag));
        prefetch(words.as_slice().as_ptr().wrapping_add(words.home(tag)));
    }

    /// Hints that the entry of this tag, if there is one, will be read soon.
    #[inline]
    pub(crate) fn prefetch_entry(&self, tag: u32) {
        let words = self.segment(self.segment_of(tag));
        let from_home = words.as_slice().get(words.home(tag)..).unwrap_or_default();
        if let Some(word) = from_home.iter().find(|word| word.is_empty() || word.tag() >= tag) {
            word.prefetch();
        }
    }

    #[inline(always)]
    fn segment_of(&self, tag: u32) -> u32 {
        match &self.directory {
            None => 0,
            Some(directory) => directory.map[(tag >> (TAG_BITS - directory.depth as u32)) as usize],
        }
    }

    #[inline(always)]
    fn segment(&self, segment: u32) -> &Words {
        match &self.directory {
            None => &self.root,
            Some(directory) => &directory.segments[segment as usize],
        }
    }

    #[inline(always)]
    fn segment_mut(&mut self, segment: u32) -> &mut Words {
        match &mut self.directory {
            None => &mut self.root,
            Some(directory) => &mut directory.segments[segment as usize],
        }
    }

    /// The segment in which a tag lies, and the first tag beyond that segment.
    fn segment_and_end(&self, tag: u32) -> (u32, u32) {
        let segment = self.segment_of(tag);
        let shift = TAG_BITS - self.segment(segment).depth as u32;
        (segment, ((tag >> shift) + 1) << shift)
    }

    /// Splits a full segment in two by the next bit of its tags.
    fn split(&mut self, segment: u32) {
        let directory = self.directory.get_or_insert_with(|| {
            let root = std::mem::replace(&mut self.root, Words::EMPTY);
            Box::new(Directory { depth: 0, map: vec![0], len: root.len as usize, segments: vec![root] })
        });
        let full = &mut directory.segments[segment as usize];
        let depth = full.depth + 1;
        assert!((depth as u32) < TAG_BITS, "billions of keys in one slot do not fit into memory");
        let (low, high) = full.halves(depth);
        *full = low;
        let added = directory.segments.len() as u32;
        directory.segments.push(high);
        if depth > directory.depth {
            directory.map = directory.map.iter().flat_map(|&segment| [segment, segment]).collect();
            directory.depth = depth;
        }
        // Of the positions of the full segment, those whose bit number `depth` is set now lead to the new one.
        let bit = 1 << (directory.depth - depth);
        for (place, target) in directory.map.iter_mut().enumerate() {
            if *target == segment && place & bit != 0 {
                *target = added;
            }
        }
    }
}

/// How many entries an array of `total` words holds before it grows. In longer arrays, probes of a full array get
/// longer.
fn capacity(total: u16) -> u16 {
    match total {
        0..=16 => total,
        17..=128 => total - total / 32,
        129..=512 => total - total / 16,
        _ => total - total / 8,
    }
}

/// The next greater size of an array, in words: the allocator's size classes.
fn next_total(total: u16) -> u16 {
    let bytes = good_size((total as usize + 1) * size_of::<Word>());
    u16::try_from(bytes / size_of::<Word>()).unwrap_or(u16::MAX)
}

/// The smallest array for `len` entries.
fn total_for(len: usize) -> u16 {
    let mut total = next_total(len.saturating_sub(1) as u16);
    while (capacity(total) as usize) < len {
        total = next_total(total);
    }
    total
}

/// Where the tag's home is in an array of `buckets`, the top `depth` bits of the tag being the same for all.
#[inline(always)]
fn home(tag: u32, buckets: u16, depth: u8) -> usize {
    let fraction = tag << (32 - TAG_BITS + depth as u32);
    ((fraction as u64 * buckets as u64) >> 32) as usize
}

impl Words {
    #[inline(always)]
    fn home(&self, tag: u32) -> usize {
        home(tag, self.buckets, self.depth)
    }

    #[inline(always)]
    fn find(&self, tag: u32, key: &[u8]) -> Option<u32> {
        let words = self.as_slice();
        let mut at = self.home(tag);
        while let Some(word) = words.get(at)
            && !word.is_empty()
        {
            let other = word.tag();
            if other >= tag {
                if other > tag {
                    return None;
                }
                if word.holds(key) {
                    return Some(at as u32);
                }
            }
            at += 1;
        }
        None
    }

    /// Occupied words from this tag on (tags of this segment), in order.
    fn since(&self, from: u32) -> impl Iterator<Item = &Word> {
        let words = self.as_slice();
        words[self.home(from).min(words.len())..].iter().filter(move |word| !word.is_empty() && word.tag() >= from)
    }

    fn since_mut(&mut self, from: u32) -> impl Iterator<Item = &mut Word> {
        let home = self.home(from).min(self.total() as usize);
        self.as_mut_slice()[home..].iter_mut().filter(move |word| !word.is_empty() && word.tag() >= from)
    }

    /// Adds a word; returns it if the segment must be split first.
    fn insert(&mut self, word: Word) -> Result<u32, Word> {
        let tag = word.tag();
        loop {
            if self.len < capacity(self.total()) {
                if let Some((at, gap)) = self.place_for(tag) {
                    let words = self.as_mut_slice();
                    // The gap moves to the word's place, and everything between moves one to the right.
                    words[at..=gap].rotate_right(1);
                    words[at] = word;
                    self.len += 1;
                    return Ok(at as u32);
                }
                // The last homes spill over the end: add words for the spill.
                self.resize(self.total(), self.buckets.saturating_sub(self.buckets / 8 + 1));
                continue;
            }
            if self.total() >= SPLIT_AT && (self.depth < MAX_DEPTH || self.total() == u16::MAX) {
                return Err(word);
            }
            let total = next_total(self.total());
            self.resize(total, default_buckets(total));
        }
    }

    /// Where a word of this tag goes, after those of the same tag, and the empty word at or behind it.
    fn place_for(&self, tag: u32) -> Option<(usize, usize)> {
        let words = self.as_slice();
        let mut at = self.home(tag);
        while at < words.len() && !words[at].is_empty() && words[at].tag() <= tag {
            at += 1;
        }
        let gap = at + words.get(at..)?.iter().position(Word::is_empty)?;
        Some((at, gap))
    }

    /// Removes a word's entry, closes the gap, and shrinks if that is worth it.
    fn remove(&mut self, at: usize) -> Entry {
        let (buckets, depth) = (self.buckets, self.depth);
        let words = self.as_mut_slice();
        let entry = words[at].take().expect("a position is where an entry is");
        // Words that are not at home move one to the left, up to the first that is at home, or an empty one.
        let end = (at + 1..words.len())
            .find(|&next| words[next].is_empty() || home(words[next].tag(), buckets, depth) == next)
            .unwrap_or(words.len());
        words[at..end].rotate_left(1);
        self.len -= 1;
        let (len, total) = (self.len as usize, self.total());
        if len == 0 {
            *self = Words::allocate(0, 0, depth);
        } else if total > SMALLEST_SHRUNK && len * 2 < total as usize {
            let total = total_for(len + len / 8 + 1);
            self.resize(total, default_buckets(total));
        }
        entry
    }

    /// Moves the words to an array of another size, with fewer buckets or more words than requested if they would not
    /// fit otherwise.
    fn resize(&mut self, total: u16, buckets: u16) {
        let (total, buckets) = fit(self.tags(), total, buckets, self.depth);
        let mut new = Words::allocate(total, buckets, self.depth);
        new.fill(self.as_mut_slice().iter_mut().filter(|word| !word.is_empty()));
        self.len = 0;
        *self = new;
    }

    /// The two halves of the segment, by the next bit after the common ones, bit `depth`.
    fn halves(&mut self, depth: u8) -> (Words, Words) {
        let boundary = self.as_slice().iter().find(|word| !word.is_empty()).map_or(0, |first| {
            let shift = TAG_BITS - depth as u32;
            ((first.tag() >> shift) | 1) << shift
        });
        let (low_len, high_len) =
            self.tags().fold((0, 0), |(low, high), tag| if tag < boundary { (low + 1, high) } else { (low, high + 1) });
        let half = |tags: &mut dyn Iterator<Item = u32>, len: usize| {
            let total = total_for(len + len / 16 + 1);
            let tags: Vec<u32> = tags.collect();
            let (total, buckets) = fit(tags.iter().copied(), total, default_buckets(total), depth);
            Words::allocate(total, buckets, depth)
        };
        let mut low = half(&mut self.tags().filter(|&tag| tag < boundary), low_len);
        let mut high = half(&mut self.tags().filter(|&tag| tag >= boundary), high_len);
        let mut words = self.as_mut_slice().iter_mut().filter(|word| !word.is_empty()).peekable();
        low.fill(std::iter::from_fn(|| words.next_if(|word| word.tag() < boundary)));
        high.fill(words);
        self.len = 0;
        (low, high)
    }

    fn tags(&self) -> impl Iterator<Item = u32> + Clone {
        self.as_slice().iter().filter(|word| !word.is_empty()).map(Word::tag)
    }

    /// Fills an empty array with words in the order of their tags, and leaves empty ones behind.
    fn fill<'a>(&mut self, words: impl Iterator<Item = &'a mut Word>) {
        let (buckets, depth) = (self.buckets, self.depth);
        let (mut next, mut len) = (0, 0);
        let target = self.as_mut_slice();
        for word in words {
            let at = next.max(home(word.tag(), buckets, depth));
            std::mem::swap(&mut target[at], word);
            (next, len) = (at + 1, len + 1);
        }
        self.len = len;
    }
}

/// Homes in an array of this size, unless the tags need fewer.
fn default_buckets(total: u16) -> u16 {
    total - total / 16 - 1
}

/// Finds numbers of words and buckets, near those given, that fit these tags.
fn fit(tags: impl Iterator<Item = u32> + Clone, mut total: u16, mut buckets: u16, depth: u8) -> (u16, u16) {
    loop {
        let end = tags.clone().fold(0, |next, tag| home(tag, buckets, depth).max(next) + 1);
        if end <= total as usize {
            return (total, buckets);
        }
        if buckets > total / 2 {
            buckets -= buckets / 8 + 1;
        } else if total < u16::MAX {
            total = next_total(total);
            buckets = default_buckets(total);
        } else {
            buckets /= 2;
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
