//! The small form of a sorted set: a pack of members and scores, in order, which is saved as the listpack that Redis
//! keeps.
//!
//! A score is stored as the integer that it is, or as the text of `%.17g`. Everything is found by walking, which is
//! what such a small block is for.

use crate::base::number::format_f64;
use crate::store::encoding::element::{Element, Needle};
use crate::store::encoding::pack::{Pack, PackRef, Place};

use super::bounds::{LexBounds, ScoreBounds};
use super::score::{self, as_integer, same};

/// The score that an element of the block stands for.
#[inline]
fn score_of(element: Element<'_>) -> f64 {
    score::stored(element).expect("what is stored as a score is one")
}

/// Members with their scores, in order.
pub(super) fn elements(packed: PackRef<'_>) -> impl Iterator<Item = (Element<'_>, f64)> {
    packed.pairs().map(|(member, score)| (member, score_of(score)))
}

/// Passes on `count` elements from number `start`. Scores are read of those only.
pub(super) fn range<'a>(packed: PackRef<'a>, start: usize, count: usize, f: impl FnMut((Element<'a>, f64))) {
    packed.pairs().skip(start).take(count).map(|(member, score)| (member, score_of(score))).for_each(f);
}

/// [`range`] from the last to the first, `start` counted from the end. A pack can be walked from the front only, so
/// the elements are collected.
pub(super) fn reversed_range<'a>(packed: PackRef<'a>, start: usize, count: usize, f: impl FnMut((Element<'a>, f64))) {
    let end = (packed.len() / 2).saturating_sub(start);
    let first = end.saturating_sub(count);
    let pairs: Vec<_> = packed.pairs().skip(first).take(end - first).collect();
    pairs.into_iter().rev().map(|(member, score)| (member, score_of(score))).for_each(f);
}

/// Number, place and score of a member.
pub(super) fn find(packed: PackRef<'_>, member: &[u8]) -> Option<(usize, Place, f64)> {
    let (number, place, score) = packed.find_pair_number(&Needle::new(member))?;
    Some((number, place, score_of(packed.element(score))))
}

/// Adds an element whose member is not there.
pub(super) fn insert(packed: &mut Pack, score: f64, member: &[u8]) {
    match place_for(packed.view(), score, member) {
        None => push(packed, score, member),
        Some(place) => {
            // The score first, so that both are inserted at the same place.
            match as_integer(score) {
                Some(number) => packed.insert_int(place, number),
                None => packed.insert(place, &format_f64(score)),
            }
            packed.insert(place, member);
        }
    }
}

/// Adds an element that is greater than all others.
pub(super) fn push(packed: &mut Pack, score: f64, member: &[u8]) {
    packed.push_back(member);
    match as_integer(score) {
        Some(number) => packed.push_back_int(number),
        None => packed.push_back(&format_f64(score)),
    }
}

/// The place of the first element that is greater; `None` is the end.
fn place_for(packed: PackRef<'_>, score: f64, member: &[u8]) -> Option<Place> {
    let mut place = (!packed.is_empty()).then_some(0);
    while let Some(at) = place {
        let score_at = packed.after(at)?;
        let other = score_of(packed.element(score_at));
        if other > score || (same(other, score) && packed.element(at).with_text(|text| text > member)) {
            return Some(at);
        }
        place = packed.after(score_at);
    }
    None
}

/// The numbers of the elements whose scores are within bounds.
pub(super) fn score_range(packed: PackRef<'_>, bounds: &ScoreBounds) -> std::ops::Range<usize> {
    let (mut start, mut end) = (0, 0);
    for (_, score) in elements(packed) {
        start += usize::from(!bounds.reaches(score));
        end += usize::from(!bounds.exceeded_by(score));
    }
    start..end
}

/// The numbers of the elements whose members are within bounds. The scores should be the same; if they are not, the
/// reply is the one that Redis gives: what follows the first fitting element from the given end.
pub(super) fn lex_range(packed: PackRef<'_>, bounds: &LexBounds<'_>, reversed: bool) -> std::ops::Range<usize> {
    let fits =
        |(member, _): (Element<'_>, f64)| member.with_text(|text| (bounds.reaches(text), !bounds.exceeded_by(text)));
    let fitting: Vec<(bool, bool)> = elements(packed).map(fits).collect();
    let (Some((_, true)), Some((true, _))) = (fitting.first(), fitting.last()) else { return 0..0 };
    if reversed {
        let skipped = fitting.iter().rev().take_while(|(_, below)| !below).count();
        let end = fitting.len() - skipped;
        let taken = fitting[..end].iter().rev().take_while(|(above, _)| *above).count();
        end - taken..end
    } else {
        let skipped = fitting.iter().take_while(|(above, _)| !above).count();
        let taken = fitting[skipped..].iter().take_while(|(_, below)| *below).count();
        skipped..skipped + taken
    }
}
