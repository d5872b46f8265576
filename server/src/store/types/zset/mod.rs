//! Sorted sets: members with scores, in the order of the scores and, among equal ones, of the members' bytes.
//!
//! Small sets are one [listpack](packed), byte for byte Redis's. Larger ones are a [tree], which counts its elements,
//! with an index of the members beside it. As in Redis, a set leaves the small form when a limit is exceeded and does
//! not return on its own; only results that are computed as a whole, and values that are loaded, are
//! [packed again](ZSet::pack).
//!
//! Every range, whether by rank, score or member, is first turned into a range of ranks, which costs O(log n). So
//! counts and offsets are arithmetic, and reading, removing or storing a range is one thing.
//!
//! Scores are never NaN: whoever computes one checks it.

mod bounds;
mod index;
mod leaf;
mod packed;
pub(in crate::store) mod score;
mod shelf;
mod tree;

use std::cmp::Ordering;
use std::ops::Range;

pub(crate) use crate::store::encoding::element::Element;
pub(crate) use bounds::{LexBound, LexBounds, ScoreBounds};

use crate::base::limits::{LISTPACK_MAX_BYTES, ZSET_MAX_LISTPACK_ENTRIES_DEFAULT, ZSET_MAX_LISTPACK_VALUE_DEFAULT};
use crate::base::number::format_f64;
use crate::store::encoding::listpack::{Listpack, Place};
use crate::store::entry::spent;
use tree::{Border, Tree};

/// When a set leaves the small form, and what the large one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZSetOptions {
    /// `zset-max-listpack-entries`.
    pub max_entries: usize,
    /// `zset-max-listpack-value`: the longest member.
    pub max_value: usize,
    /// Makes the hashes of members unpredictable.
    pub seed: u64,
}

impl Default for ZSetOptions {
    fn default() -> Self {
        ZSetOptions {
            max_entries: ZSET_MAX_LISTPACK_ENTRIES_DEFAULT,
            max_value: ZSET_MAX_LISTPACK_VALUE_DEFAULT,
            seed: 0,
        }
    }
}

/// A set whose members are longer together is not packed: with scores it might not fit into a listpack.
const PACKED_MOST_BYTES: usize = LISTPACK_MAX_BYTES / 2;

/// A sorted set. See the top of the file.
#[derive(Clone, Debug)]
pub struct ZSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Listpack),
    Tree(Box<Tree>),
}

/// Where an element is, until the set is next changed.
#[derive(Clone, Copy, Debug)]
enum Spot {
    Packed(Place, f64),
    Tree(tree::Spot),
}

impl Spot {
    #[inline]
    fn score(&self) -> f64 {
        match self {
            Spot::Packed(_, score) => *score,
            Spot::Tree(spot) => spot.score,
        }
    }
}

/// What [`ZSet::update`] has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Updated {
    /// The member is new.
    Added,
    /// The member had another score.
    Changed,
    /// Nothing has changed.
    Same,
}

impl Default for ZSet {
    fn default() -> Self {
        ZSet(Form::Packed(Listpack::new()))
    }
}

impl ZSet {
    /// An empty set.
    pub fn new() -> Self {
        ZSet::default()
    }

    /// A set in the small form, of a listpack that is known to be one: members and scores in order, no member twice.
    pub(in crate::store) fn of_listpack(packed: Listpack) -> Self {
        ZSet(Form::Packed(packed))
    }

    /// A set of these elements, in any order, no member twice, in the form that the limits ask for.
    pub fn of_elements<M: AsRef<[u8]>>(mut elements: Vec<(f64, M)>, options: &ZSetOptions) -> Self {
        ZSet::sort(&mut elements);
        let lens = || elements.iter().map(|(_, member)| member.as_ref().len());
        let (longest, bytes) = (lens().max().unwrap_or(0), lens().sum::<usize>());
        if elements.len() <= options.max_entries && longest <= options.max_value && bytes <= PACKED_MOST_BYTES {
            let mut packed = Listpack::new();
            elements.iter().for_each(|(score, member)| packed::push(&mut packed, *score, member.as_ref()));
            packed.shrink_to_fit();
            return ZSet(Form::Packed(packed));
        }
        let mut tree = Tree::new(options.seed);
        elements.iter().for_each(|(score, member)| tree.insert(*score, member.as_ref()));
        ZSet(Form::Tree(Box::new(tree)))
    }

    /// Puts elements into the order of a sorted set.
    pub fn sort<M: AsRef<[u8]>>(elements: &mut [(f64, M)]) {
        elements.sort_unstable_by(|(a, m), (b, n)| {
            a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| m.as_ref().cmp(n.as_ref()))
        });
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len() / 2,
            Form::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is no element: the owner then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The listpack of the small form.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Form::Packed(packed) => Some(packed),
            Form::Tree(_) => None,
        }
    }

    /// Bytes that the allocator spends on it besides its header, in constant time.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => spent(packed.allocated_bytes()),
            Form::Tree(tree) => tree.weight(),
        }
    }

    /// Gives back room that is not needed. Called after every change.
    #[inline]
    pub fn settle(&mut self) {
        if let Form::Packed(packed) = &mut self.0 {
            packed.shrink_to_fit();
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|spot| spot.score())
    }

    /// Rank and score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Packed(packed) => packed::find(packed, member).map(|(number, _, score)| (number, score)),
            Form::Tree(tree) => {
                let score = tree.score(member)?;
                Some((tree.rank_of(Border::Element(score, member)), score))
            }
        }
    }

    /// Gives a member the score that `decide` returns for its present one; `None` leaves it alone, or out.
    #[inline]
    pub fn update(
        &mut self,
        member: &[u8],
        options: &ZSetOptions,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Updated {
        let old = self.find(member);
        match (old, decide(old.map(|spot| spot.score()))) {
            (None, Some(score)) => {
                self.insert(score, member, options);
                Updated::Added
            }
            (Some(spot), Some(score)) if !score::same(spot.score(), score) => {
                self.set_score(member, spot, score);
                Updated::Changed
            }
            (_, None) | (Some(_), Some(_)) => Updated::Same,
        }
    }

    /// Adds an element whose member is not there.
    pub fn insert(&mut self, score: f64, member: &[u8], options: &ZSetOptions) {
        if let Form::Packed(packed) = &self.0
            && (packed.len() / 2 >= options.max_entries
                || member.len() > options.max_value
                || packed.byte_len() + member.len() > PACKED_MOST_BYTES)
        {
            self.grow(options);
        }
        match &mut self.0 {
            Form::Packed(packed) => packed::insert(packed, score, member),
            Form::Tree(tree) => tree.insert(score, member),
        }
    }

    #[inline]
    fn find(&self, member: &[u8]) -> Option<Spot> {
        match &self.0 {
            Form::Packed(packed) => packed::find(packed, member).map(|(_, place, score)| Spot::Packed(place, score)),
            Form::Tree(tree) => tree.find(member).map(Spot::Tree),
        }
    }

    fn set_score(&mut self, member: &[u8], old: Spot, new: f64) {
        match (&mut self.0, old) {
            (Form::Packed(packed), Spot::Packed(place, _)) => {
                packed.remove(place, 2);
                packed::insert(packed, new, member);
            }
            (Form::Tree(tree), Spot::Tree(spot)) => tree.set_score(member, spot, new),
            (Form::Packed(_) | Form::Tree(_), Spot::Packed(..) | Spot::Tree(_)) => {
                unreachable!("found in this form, and not changed since")
            }
        }
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(packed) => {
                let (_, place, score) = packed::find(packed, member)?;
                packed.remove(place, 2);
                Some(score)
            }
            Form::Tree(tree) => {
                let score = tree.score(member)?;
                tree.remove(score, member);
                Some(score)
            }
        }
    }

    /// Passes on `count` elements from rank `start`, ascending; or, reversed, descending and counted from the end.
    pub fn range(&self, start: usize, count: usize, reversed: bool, mut f: impl FnMut(Element<'_>, f64)) {
        match &self.0 {
            Form::Packed(packed) if reversed => {
                packed::elements(packed).rev().skip(start).take(count).for_each(|(member, score)| f(member, score));
            }
            Form::Packed(packed) => {
                packed::elements(packed).skip(start).take(count).for_each(|(member, score)| f(member, score));
            }
            Form::Tree(tree) => {
                tree.range(start, count, reversed, |member, score| f(Element::Bytes(member), score));
            }
        }
    }

    /// Passes on all elements, ascending.
    pub fn for_each(&self, f: impl FnMut(Element<'_>, f64)) {
        self.range(0, self.len(), false, f);
    }

    /// Removes the elements of these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        let count = ranks.end.min(self.len()).saturating_sub(ranks.start);
        if count == 0 {
            return;
        }
        match &mut self.0 {
            Form::Packed(packed) => {
                let place = packed.seek(ranks.start * 2);
                packed.remove(place, count * 2);
            }
            Form::Tree(tree) => tree.remove_range(ranks.start, count),
        }
    }

    /// The ranks of the elements whose scores are within bounds.
    pub(crate) fn score_range(&self, bounds: &ScoreBounds) -> Range<usize> {
        if bounds.is_empty() {
            return 0..0;
        }
        match &self.0 {
            Form::Packed(packed) => packed::score_range(packed, bounds),
            Form::Tree(tree) => {
                let (min, max) = bounds.borders();
                tree.rank_of(min)..tree.rank_of(max)
            }
        }
    }

    /// The ranks of the elements whose members are within bounds. All scores should be the same; if they are not, it
    /// may depend on the end from which the range is read.
    pub(crate) fn lex_range(&self, bounds: &LexBounds<'_>, reversed: bool) -> Range<usize> {
        if bounds.is_empty() {
            return 0..0;
        }
        match &self.0 {
            Form::Packed(packed) => packed::lex_range(packed, bounds, reversed),
            Form::Tree(tree) => {
                let start = match bounds.min {
                    LexBound::Least => 0,
                    LexBound::Greatest => tree.len(),
                    LexBound::Including(min) => tree.rank_of(Border::MemberBelow(min)),
                    LexBound::Excluding(min) => tree.rank_of(Border::MemberUpTo(min)),
                };
                let end = match bounds.max {
                    LexBound::Least => 0,
                    LexBound::Greatest => tree.len(),
                    LexBound::Including(max) => tree.rank_of(Border::MemberUpTo(max)),
                    LexBound::Excluding(max) => tree.rank_of(Border::MemberBelow(max)),
                };
                start..end.max(start)
            }
        }
    }

    /// The text of a score of this set where Redis gives it as it is stored: ZSCAN.
    pub fn score_text(&self, score: f64) -> Vec<u8> {
        match &self.0 {
            Form::Packed(_) => score::packed_text(score),
            Form::Tree(_) => format_f64(score).to_vec(),
        }
    }

    /// Passes elements on from a cursor, at least `count` if there are so many; each element that stays is passed on
    /// once in a whole scan. Returns the cursor to continue with, `None` at the end.
    pub fn scan(&self, cursor: u32, count: usize, mut f: impl FnMut(Element<'_>, f64)) -> Option<u32> {
        match &self.0 {
            // The small form is passed on whole.
            Form::Packed(_) => {
                self.for_each(f);
                None
            }
            Form::Tree(tree) => tree.scan(cursor, count, |member, score| f(Element::Bytes(member), score)),
        }
    }

    /// Changes to the large form.
    fn grow(&mut self, options: &ZSetOptions) {
        let Form::Packed(packed) = &self.0 else { return };
        let mut tree = Tree::new(options.seed);
        packed::elements(packed).for_each(|(member, score)| member.with_text(|text| tree.insert(score, text)));
        self.0 = Form::Tree(Box::new(tree));
    }

    /// Changes to the form that the limits ask for, in both directions.
    pub fn pack(&mut self, options: &ZSetOptions) {
        let (mut longest, mut bytes) = (0, 0);
        self.for_each(|member, _| {
            let len = member.text_len();
            (longest, bytes) = (longest.max(len), bytes + len);
        });
        let fits = self.len() <= options.max_entries && longest <= options.max_value && bytes <= PACKED_MOST_BYTES;
        match &self.0 {
            Form::Packed(_) if !fits => self.grow(options),
            Form::Tree(_) if fits => {
                let mut packed = Listpack::new();
                self.for_each(|member, score| member.with_text(|text| packed::push(&mut packed, score, text)));
                packed.shrink_to_fit();
                self.0 = Form::Packed(packed);
            }
            Form::Packed(_) | Form::Tree(_) => {}
        }
    }

    /// Panics if an invariant does not hold.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        if let Form::Tree(tree) = &self.0 {
            tree.check();
        }
    }
}

#[cfg(test)]
mod tests;
