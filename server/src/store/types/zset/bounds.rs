//! Bounds of ranges, as clients write them: `(1`, `-inf`, `[a`, `+`.
//!
//! Two forms of the same question are needed: may a range begin here, and is it over here.

use super::score::same;
use super::tree::Border;

/// The bounds of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScoreBounds {
    pub min: f64,
    pub max: f64,
    pub min_excluded: bool,
    pub max_excluded: bool,
}

impl ScoreBounds {
    /// Whether a score is not too small.
    #[inline]
    pub(super) fn reaches(&self, score: f64) -> bool {
        if self.min_excluded { score > self.min } else { score >= self.min }
    }

    /// Whether a score is too large.
    #[inline]
    pub(super) fn exceeded_by(&self, score: f64) -> bool {
        if self.max_excluded { score >= self.max } else { score > self.max }
    }

    /// No score is within.
    pub(super) fn is_empty(&self) -> bool {
        self.min > self.max || (same(self.min, self.max) && (self.min_excluded || self.max_excluded))
    }

    pub(super) fn borders(&self) -> (Border<'static>, Border<'static>) {
        (
            if self.min_excluded { Border::UpTo(self.min) } else { Border::Below(self.min) },
            if self.max_excluded { Border::Below(self.max) } else { Border::UpTo(self.max) },
        )
    }
}

/// One bound of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LexBound<'a> {
    /// `-`
    Least,
    /// `+`
    Greatest,
    /// `[member`
    Including(&'a [u8]),
    /// `(member`
    Excluding(&'a [u8]),
}

/// The bounds of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LexBounds<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl LexBounds<'_> {
    /// Whether a member is not too small.
    pub(super) fn reaches(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Least => true,
            LexBound::Greatest => false,
            LexBound::Including(min) => member >= min,
            LexBound::Excluding(min) => member > min,
        }
    }

    /// Whether a member is too large.
    pub(super) fn exceeded_by(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Least => true,
            LexBound::Greatest => false,
            LexBound::Including(max) => member > max,
            LexBound::Excluding(max) => member >= max,
        }
    }

    /// No member is within.
    pub(super) fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (LexBound::Greatest, _) | (_, LexBound::Least) => true,
            (LexBound::Least, _) | (_, LexBound::Greatest) => false,
            (LexBound::Including(min), LexBound::Including(max)) => min > max,
            (
                LexBound::Including(min) | LexBound::Excluding(min),
                LexBound::Including(max) | LexBound::Excluding(max),
            ) => min >= max,
        }
    }
}
