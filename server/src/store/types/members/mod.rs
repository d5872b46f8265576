//! A table of members: distinct texts, each with a value if the table has values. Big hashes are kept in one, and so
//! are big sets (without values) and the members of big sorted sets (with the score as value).
//!
//! A hash table with an allocation for each element spends more on pointers, headers and the allocator's rounding than
//! on short elements. Here an element is its lengths and its bytes, 34 for 16 + 16 (see [`element`]), one behind the
//! other in [chunks](chunk) of some hundred elements, and the index of a chunk spends 4.5 more on each ([`index`]).
//! In all it is 40 to 44 bytes for 16 + 16, and 23 to 25 for 16 without value.
//!
//! **The order is that of the hashes**, everywhere: chunks cover ranges of hashes ([`tree`]), and an index is ordered
//! within its chunk. So "everything from this hash on" means the same before and after the table has grown or shrunk,
//! and the hash to continue from is the cursor of HSCAN and SSCAN: a member that is there during a whole iteration is
//! returned exactly once.
//!
//! **A clone is cheap**, for snapshots and COPY: it counts up the regions of the tree. A write then copies what it
//! touches: a region's pointers and one chunk, some 50 KB at most.
//!
//! Growing splits one chunk at a time, and shrinking merges two: no operation costs more than a few chunks, however big
//! the table is. The bytes of the whole table are known at any time without a walk.
//!
//! The hash has a seed that clients do not know, given when the table is made, because clients choose the members. It
//! is mixed with the first element: a table that is filled in the order of another (SINTERSTORE, SADD of what SMEMBERS
//! returned) would otherwise get its elements in the order of their hashes, and each would have to pass all before it.

mod bulk;
mod chunk;
mod element;
mod index;
mod tree;

use std::collections::BTreeSet;
use std::fmt;

use crate::base::clock::UnixMillis;
use crate::store::entry::spent;
use crate::store::hash::Hasher;
pub(crate) use bulk::{Bulk, WORTH_IT};
use bulk::{Sorted, hash_of};
use chunk::SetOutcome;
use tree::{At, Tree};

/// The expiry of an element that does not expire.
pub(crate) const NEVER: UnixMillis = 0;

/// One element: its text, and its value (empty in a table without values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub field: &'a [u8],
    pub value: &'a [u8],
    /// When it expires, or [`NEVER`]. Fields of hashes only.
    pub at: UnixMillis,
}

/// That an element expires at another time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    hash: u32,
    /// When it did, or [`NEVER`].
    pub old: UnixMillis,
    /// When it does now, or [`NEVER`].
    pub new: UnixMillis,
}

impl Moved {
    /// As [`Members::tag`] of the element.
    pub(crate) fn tag(self, bits: u32) -> u32 {
        self.hash >> (u32::BITS - bits)
    }
}

/// Whether the elements of a table have values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// They have: hashes, sorted sets.
    Kept,
    /// They have none: sets.
    None,
}

/// Where an element is, until the table is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Spot {
    region: u32,
    chunk: u32,
    word: u32,
}

/// The table. See the top of the file.
#[derive(Clone)]
pub(crate) struct Members {
    tags: Tags,
    tree: Tree,
    len: usize,
}

/// The order of a table: 32 bits of the hash under its seed.
#[derive(Clone)]
struct Tags(Hasher);

impl Tags {
    #[inline]
    fn of(&self, field: &[u8]) -> u32 {
        (self.0.hash(field).0 >> 32) as u32
    }

    /// Another order, for a table whose first element is this.
    #[cold]
    fn of_its_own(&self, first: &[u8]) -> Self {
        Self(Hasher::new(self.0.hash(first).0))
    }
}

/// How many texts [`Members::absent_among`] looks for.
pub(crate) const AT_ONCE: usize = 16;

/// The numbers of the bits that are set.
pub(crate) fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(at)
    })
}

/// How often [`Members::sample`] draws before it takes the next element it finds.
const DRAWS: usize = 256;

impl Members {
    /// A table without elements. Clients must not know the seed.
    pub(crate) fn new(values: Values, seed: u64) -> Self {
        Self { tags: Tags(Hasher::new(seed)), tree: Tree::new(values == Values::Kept), len: 0 }
    }

    /// Number of elements.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the allocator spends on it besides the header, in constant time.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.tree.weight()
    }

    /// The element with this text.
    #[inline]
    pub(crate) fn get(&self, field: &[u8]) -> Option<Member<'_>> {
        let hash = self.tags.of(field);
        self.tree.chunk(hash).get(hash, field)
    }

    /// Whether there is an element with this text.
    #[inline]
    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Which of these texts are not in the table, as bits of `asked`, which says whom to ask for. There are [`AT_ONCE`]
    /// texts at most. The index is read for all of them before the first is compared, so that their misses overlap.
    pub(crate) fn absent_among(&self, texts: &[&[u8]], asked: u32) -> u32 {
        let mut found = [None; AT_ONCE];
        for at in bits(asked) {
            let hash = self.tags.of(texts[at]);
            let chunk = self.tree.chunk(hash);
            chunk.prefetch(hash);
            found[at] = Some((chunk, hash));
        }
        let is_absent = |at: &usize| found[*at].is_some_and(|(chunk, hash)| chunk.get(hash, texts[*at]).is_none());
        bits(asked).filter(is_absent).fold(0, |absent, at| absent | 1 << at)
    }

    /// Adds an element, or gives it another value; returns whether it is new. It does not expire. Without values,
    /// `value` is empty.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        if self.len == 0 {
            self.tags = self.tags.of_its_own(field);
        }
        self.set_until(field, value, NEVER)
    }

    /// [`Members::set`] for an element that expires at `at`. The order of the table stays, since an index of expiries
    /// refers to it.
    pub(crate) fn set_until(&mut self, field: &[u8], value: &[u8], at: UnixMillis) -> bool {
        let hash = self.tags.of(field);
        loop {
            match self.tree.change(hash, |chunk| chunk.set(hash, field, value, at)) {
                SetOutcome::Created => {
                    self.len += 1;
                    return true;
                }
                SetOutcome::Updated => return false,
                SetOutcome::Full => self.tree.split(hash, &self.tags),
            }
        }
    }

    /// Sets when an element expires, and tells when it did before; `None` if there is none with this text.
    pub(crate) fn set_expiry(&mut self, field: &[u8], at: UnixMillis) -> Option<UnixMillis> {
        let hash = self.tags.of(field);
        loop {
            match self.tree.change(hash, |chunk| chunk.set_expiry(hash, field, at))? {
                (SetOutcome::Created | SetOutcome::Updated, before) => return Some(before),
                (SetOutcome::Full, _) => self.tree.split(hash, &self.tags),
            }
        }
    }

    /// Sets when many elements expire. For each of `count` texts that is there, `decide` is told its number and when
    /// the element expires now, and says when it is to expire. It may be asked more than once and in any order, but a
    /// text that occurs again is asked for later, and with what was said before. Returns what has changed.
    ///
    /// The chunks are visited one after the other, and each is written anew once.
    pub(crate) fn set_expiries<'f>(
        &mut self,
        count: usize,
        text: impl Fn(usize) -> &'f [u8],
        mut decide: impl FnMut(usize, UnixMillis) -> UnixMillis,
    ) -> Vec<Moved> {
        let mut order: Vec<u64> =
            (0..count).map(|number| u64::from(self.tags.of(text(number))) << 32 | number as u64).collect();
        order.sort_unstable();
        let (mut rest, mut moved) = (order.as_slice(), Vec::new());
        while let Some(first) = rest.first() {
            let hash = hash_of(*first);
            let done = self.tree.change(hash, |chunk| {
                let end = chunk.end();
                let here = rest.partition_point(|record| end.is_none_or(|end| hash_of(*record) < end));
                chunk.set_expiries(&rest[..here], &text, &mut decide, &mut moved).then_some(here)
            });
            match done {
                Some(here) => rest = &rest[here..],
                None => self.tree.split(hash, &self.tags),
            }
        }
        moved
    }

    /// Becomes the table of these elements.
    fn fill(&mut self, elements: Sorted<'_>) {
        self.len = elements.len();
        self.tree = Tree::of(elements);
    }

    /// The first bits of a field's hash, as many as `bits`.
    pub(crate) fn tag(&self, field: &[u8], bits: u32) -> u32 {
        self.tags.of(field) >> (u32::BITS - bits)
    }

    /// An element with this tag (see [`Members::tag`]) that expires at such a time.
    pub(crate) fn find_expiring(&self, tag: u32, bits: u32, is: impl Fn(UnixMillis) -> bool) -> Option<Member<'_>> {
        /// Elements looked at before it is asked whether one of them was it.
        const LOOKED: usize = 4;
        let (mut found, mut from) = (None, tag << (u32::BITS - bits));
        while from >> (u32::BITS - bits) == tag {
            let next = self.visit(from, LOOKED, |member| {
                if found.is_none() && is(member.at) && self.tag(member.field, bits) == tag {
                    found = Some(member);
                }
            });
            if found.is_some() {
                return found;
            }
            from = next?;
        }
        None
    }

    /// Removes an element; returns whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let hash = self.tags.of(field);
        if !self.tree.change(hash, |chunk| chunk.remove(hash, field)) {
            return false;
        }
        self.len -= 1;
        self.tree.merge(hash, &self.tags);
        true
    }

    /// All elements in the order of their hashes.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.tree.iter().flat_map(chunk::Chunk::iter)
    }

    /// Passes on what [`Members::iter`] has, and drops each part of the table behind its turn.
    ///
    /// # Errors
    /// That of `f`, which ends it.
    pub(crate) fn consume<E>(self, mut f: impl FnMut(Member<'_>) -> Result<(), E>) -> Result<(), E> {
        self.tree.consume(|chunk| chunk.iter().try_for_each(&mut f))
    }

    /// Visits elements in the order of their hashes from `from` on, at least `count` of them unless the table ends;
    /// returns where to continue, which is never 0.
    pub(crate) fn visit<'a>(&'a self, from: u32, count: usize, mut f: impl FnMut(Member<'a>)) -> Option<u32> {
        let (mut left, mut from) = (count, from);
        loop {
            let chunk = self.tree.chunk(from);
            if let Some(next) = chunk.visit(from, &mut left, &self.tags, &mut f) {
                return Some(next);
            }
            from = chunk.end()?;
        }
    }

    /// A random element, each with the same probability. `draw` gives 64 random bits. `None` if there is no element.
    pub(crate) fn sample(&self, mut draw: impl FnMut() -> u64) -> Option<Spot> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..DRAWS {
            let random = draw();
            let hash = (random >> 32) as u32;
            let At { region, chunk } = self.tree.locate(hash);
            let chosen = self.tree.chunk(hash);
            // A chunk is chosen as often as its range is wide. So that each element is chosen equally often, it is
            // taken as often as it is dense, compared with half as much again as the average.
            let density = chosen.len() as f64 * (1u64 << (u32::BITS - u32::from(chosen.bits()))) as f64;
            let refused = chosen.bits() < u32::BITS as u8
                && (random as u32) as f64 / (1u64 << u32::BITS) as f64 * 1.5 * self.len as f64 >= density;
            if refused || chosen.len() == 0 {
                continue;
            }
            // A word is taken by another draw: the bits above have chosen the chunk.
            let word = ((u128::from(draw()) * chosen.words() as u128) >> 64) as usize;
            if chosen.at(word).is_some() {
                return Some(Spot { region, chunk, word: word as u32 });
            }
        }
        // Nearly everything is empty, or the randomness is none.
        self.spots().next()
    }

    /// `count` different random elements, each choice with the same probability; all of them if there are fewer. Takes
    /// time for the elements that it returns: if that is a good part of the table, it walks over it once instead of
    /// drawing the same elements again and again.
    pub(crate) fn sample_distinct(&self, count: usize, mut draw: impl FnMut() -> u64) -> Vec<Spot> {
        if count > self.len() / 3 {
            // Each is taken with the share of those wanted in those left.
            let (mut wanted, mut left) = (count.min(self.len()), self.len() as u128);
            return self
                .spots()
                .filter(|_| {
                    let taken = ((u128::from(draw()) * left) >> 64) < wanted as u128;
                    (wanted, left) = (wanted - usize::from(taken), left - 1);
                    taken
                })
                .collect();
        }
        let (mut seen, mut chosen) = (BTreeSet::new(), Vec::with_capacity(count));
        while chosen.len() < count {
            let spot = self.sample(&mut draw).expect("there are three times as many elements");
            if seen.insert(spot) {
                chosen.push(spot);
            }
        }
        chosen
    }

    /// Where all elements are, in the order of their hashes.
    fn spots(&self) -> impl Iterator<Item = Spot> {
        self.tree.places().flat_map(|(At { region, chunk: number }, chunk)| {
            let words = (0..chunk.words()).filter(|word| chunk.at(*word).is_some());
            words.map(move |word| Spot { region, chunk: number, word: word as u32 })
        })
    }

    /// The element at a spot.
    #[inline]
    pub(crate) fn at(&self, spot: Spot) -> Option<Member<'_>> {
        self.tree.at(At { region: spot.region, chunk: spot.chunk })?.at(spot.word as usize)
    }

    /// Bytes of a boxed table, header included.
    #[inline]
    pub(crate) fn boxed_bytes(&self) -> usize {
        spent(size_of::<Self>()) + self.heap_bytes()
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
