//! Sorted sets: members with scores, in the order of the scores and, among equal ones, of the members' bytes.
//!
//! Small sets are one [pack](packed) of members and scores. Larger ones are a [tree], which counts its elements,
//! with an index of the members beside it. As in Redis, a set leaves the small form when a limit is exceeded and does
//! not return on its own; only results that are computed as a whole, and values that are loaded, are
//! [packed again](ZSet::pack).
//!
//! Every range, whether by rank, score or member, is first turned into a range of ranks, which costs O(log n). So
//! counts and offsets are arithmetic, and reading, removing or storing a range is one thing.
//!
//! A [`ZSet`] is owned and can be changed. A [`ZSetRef`] is what readers see: the smallest sets are kept as bytes in
//! their key's entry, where no `ZSet` is.
//!
//! Scores are never NaN: whoever computes one checks it.

mod bounds;
mod index;
mod leaf;
mod packed;
pub(in crate::store) mod score;
mod shelf;
mod tree;
mod view;

use std::cmp::Ordering;
use std::ops::Range;

pub(crate) use crate::store::encoding::element::Element;
pub(crate) use bounds::{LexBound, LexBounds, ScoreBounds};
pub(crate) use view::ZSetRef;

use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::pack::{Pack, Place};
use crate::store::entry::spent;
pub(in crate::store) use tree::Tree;
use view::FormRef;

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
        ZSetOptions { max_entries: 128, max_value: 64, seed: 0 }
    }
}

/// A set whose members are longer together is not packed: with scores it might not fit into a listpack.
const PACKED_MOST_BYTES: usize = LISTPACK_MAX_BYTES / 2;

/// A sorted set. See the top of the file.
#[derive(Clone, Debug)]
pub struct ZSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Pack),
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
        ZSet(Form::Packed(Pack::new()))
    }
}

impl ZSet {
    /// An empty set.
    pub fn new() -> Self {
        ZSet::default()
    }

    /// A set in the small form, of a listpack that is known to be one: members and scores in order, no member twice.
    pub(in crate::store) fn of_listpack(packed: &Listpack) -> Self {
        ZSet(Form::Packed(Pack::of_listpack(packed)))
    }

    /// A set of these elements, in any order, no member twice, in the form that the limits ask for.
    pub fn of_elements<M: AsRef<[u8]>>(mut elements: Vec<(f64, M)>, options: &ZSetOptions) -> Self {
        ZSet::sort(&mut elements);
        let lens = || elements.iter().map(|(_, member)| member.as_ref().len());
        let (longest, bytes) = (lens().max().unwrap_or(0), lens().sum::<usize>());
        if elements.len() <= options.max_entries && longest <= options.max_value && bytes <= PACKED_MOST_BYTES {
            let mut packed = Pack::new();
            elements.iter().for_each(|(score, member)| packed::push(&mut packed, *score, member.as_ref()));
            packed.tighten();
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

    /// The tree, if it is one.
    ///
    /// # Errors
    /// It is packed.
    pub(in crate::store) fn into_tree(self) -> Result<Tree, Self> {
        match self.0 {
            Form::Tree(tree) => Ok(*tree),
            Form::Packed(_) => Err(self),
        }
    }

    /// Reads it.
    #[inline]
    pub fn view(&self) -> ZSetRef<'_> {
        ZSetRef(match &self.0 {
            Form::Packed(packed) => FormRef::Packed(packed.view()),
            Form::Tree(tree) => FormRef::Tree(tree),
        })
    }

    /// The bytes that [`ZSetRef::of_bytes`] reads, if it is packed.
    #[inline]
    pub(in crate::store) fn as_packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(packed) => Some(packed.view().bytes()),
            Form::Tree(_) => None,
        }
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
        match &self.0 {
            Form::Packed(packed) => packed.is_empty(),
            Form::Tree(_) => self.len() == 0,
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.view().score(member)
    }

    /// As `ZSetRef::range`.
    pub fn range(&self, start: usize, count: usize, reversed: bool, f: impl FnMut(Element<'_>, f64)) {
        self.view().range(start, count, reversed, f);
    }

    /// Passes on all elements, ascending.
    pub fn for_each(&self, f: impl FnMut(Element<'_>, f64)) {
        self.view().for_each(f);
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
            packed.settle();
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
        let old = self.view().find(member);
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
            && (options.max_entries == 0
                || packed.is_longer_than(options.max_entries.saturating_mul(2) - 1)
                || member.len() > options.max_value
                || packed.serialised_max() + member.len() > PACKED_MOST_BYTES)
        {
            self.grow(options);
        }
        match &mut self.0 {
            Form::Packed(packed) => packed::insert(packed, score, member),
            Form::Tree(tree) => tree.insert(score, member),
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
                let (_, place, score) = packed::find(packed.view(), member)?;
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

    /// Removes the elements of these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        let count = ranks.end.min(self.len()).saturating_sub(ranks.start);
        if count == 0 {
            return;
        }
        match &mut self.0 {
            Form::Packed(packed) => {
                let place = packed.view().seek(ranks.start * 2);
                packed.remove(place, count * 2);
            }
            Form::Tree(tree) => tree.remove_range(ranks.start, count),
        }
    }

    /// Changes to the large form.
    fn grow(&mut self, options: &ZSetOptions) {
        let Form::Packed(packed) = &self.0 else { return };
        let mut tree = Tree::new(options.seed);
        packed::elements(packed.view()).for_each(|(member, score)| member.with_text(|text| tree.insert(score, text)));
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
                let mut packed = Pack::new();
                self.for_each(|member, score| member.with_text(|text| packed::push(&mut packed, score, text)));
                packed.tighten();
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
