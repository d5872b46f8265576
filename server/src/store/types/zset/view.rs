//! Reading a sorted set, wherever its bytes are: in a [`ZSet`], or, for the smallest, in their key's entry.
//!
//! Where nothing is changed, code asks for a [`ZSetRef`], which is copied like a reference: so it need not know which
//! of the two it reads. Packed bytes in an entry do not tell their number, so [`ZSetRef::len`] counts there: at most
//! 255 bytes, but not once per element.

use std::ops::Range;

use super::bounds::{LexBound, LexBounds, ScoreBounds};
use super::tree::{Border, Tree};
use super::{Element, Form, Spot, ZSet, packed};
use crate::base::number::format_f64;
use crate::store::encoding::pack::PackRef;

/// A sorted set for reading.
#[derive(Clone, Copy, Debug)]
pub struct ZSetRef<'a>(pub(super) FormRef<'a>);

/// What it is read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum FormRef<'a> {
    Packed(PackRef<'a>),
    Tree(&'a Tree),
}

impl<'a> ZSetRef<'a> {
    /// Reads a packed set, which is these bytes.
    #[inline]
    pub(in crate::store) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self(FormRef::Packed(PackRef::of_bytes(bytes)))
    }

    /// A copy that can be changed.
    pub(crate) fn to_zset(self) -> ZSet {
        ZSet(match self.0 {
            FormRef::Packed(packed) => Form::Packed(packed.to_pack()),
            FormRef::Tree(tree) => Form::Tree(Box::new(tree.clone())),
        })
    }

    /// The number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self.0 {
            FormRef::Packed(packed) => packed.len() / 2,
            FormRef::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self.0 {
            FormRef::Packed(pack) => pack.is_empty(),
            FormRef::Tree(_) => self.len() == 0,
        }
    }

    /// The pack of the small form.
    pub(crate) fn as_pack(self) -> Option<PackRef<'a>> {
        match self.0 {
            FormRef::Packed(packed) => Some(packed),
            FormRef::Tree(_) => None,
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|spot| spot.score())
    }

    /// Rank and score of a member.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0 {
            FormRef::Packed(packed) => packed::find(packed, member).map(|(number, _, score)| (number, score)),
            FormRef::Tree(tree) => {
                let score = tree.score(member)?;
                Some((tree.rank_of(Border::Element(score, member)), score))
            }
        }
    }

    #[inline]
    pub(super) fn find(self, member: &[u8]) -> Option<Spot> {
        match self.0 {
            FormRef::Packed(packed) => packed::find(packed, member).map(|(_, place, score)| Spot::Packed(place, score)),
            FormRef::Tree(tree) => tree.find(member).map(Spot::Tree),
        }
    }

    /// Passes on `count` elements from rank `start`, ascending; or, reversed, descending and counted from the end.
    pub fn range(self, start: usize, count: usize, reversed: bool, mut f: impl FnMut(Element<'_>, f64)) {
        match self.0 {
            FormRef::Packed(packed) if reversed => {
                packed::reversed_range(packed, start, count, |(member, score)| f(member, score));
            }
            FormRef::Packed(packed) => packed::range(packed, start, count, |(member, score)| f(member, score)),
            FormRef::Tree(tree) => {
                tree.range(start, count, reversed, |member, score| f(Element::Bytes(member), score));
            }
        }
    }

    /// Passes on all elements, ascending.
    pub fn for_each(self, f: impl FnMut(Element<'_>, f64)) {
        self.range(0, self.len(), false, f);
    }

    /// The ranks of the elements whose scores are within bounds.
    pub(crate) fn score_range(self, bounds: &ScoreBounds) -> Range<usize> {
        if bounds.is_empty() {
            return 0..0;
        }
        match self.0 {
            FormRef::Packed(packed) => packed::score_range(packed, bounds),
            FormRef::Tree(tree) => {
                let (min, max) = bounds.borders();
                tree.rank_of(min)..tree.rank_of(max)
            }
        }
    }

    /// The ranks of the elements whose members are within bounds. All scores should be the same; if they are not, it
    /// may depend on the end from which the range is read.
    pub(crate) fn lex_range(self, bounds: &LexBounds<'_>, reversed: bool) -> Range<usize> {
        if bounds.is_empty() {
            return 0..0;
        }
        match self.0 {
            FormRef::Packed(packed) => packed::lex_range(packed, bounds, reversed),
            FormRef::Tree(tree) => {
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

    /// Passes elements on from a cursor, at least `count` if there are so many; each element that stays is passed on
    /// once in a whole scan. Returns the cursor to continue with, `None` at the end.
    pub fn scan(self, cursor: u32, count: usize, mut f: impl FnMut(Element<'_>, StoredScore<'_>)) -> Option<u32> {
        match self.0 {
            // The small form is passed on whole.
            FormRef::Packed(packed) => {
                packed.pairs().for_each(|(member, score)| f(member, StoredScore::Packed(score)));
                None
            }
            FormRef::Tree(tree) => {
                tree.scan(cursor, count, |member, score| f(Element::Bytes(member), StoredScore::Number(score)))
            }
        }
    }
}

/// A score as it is stored, which is how ZSCAN gives it. The small form of a file may have other texts than this node
/// writes: Redis 7.2 and later have `2.1` for what is `2.1000000000000001` here.
#[derive(Clone, Copy, Debug)]
pub enum StoredScore<'a> {
    /// In the small form.
    Packed(Element<'a>),
    /// In a tree.
    Number(f64),
}

impl StoredScore<'_> {
    /// Its text.
    pub(crate) fn to_text(self) -> Vec<u8> {
        match self {
            StoredScore::Packed(element) => element.to_vec(),
            StoredScore::Number(score) => format_f64(score).to_vec(),
        }
    }
}
