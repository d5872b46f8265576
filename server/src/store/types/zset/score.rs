//! Scores: compared, and in the two forms in which a small set stores them.

use std::cmp::Ordering;

use crate::base::number::{parse_c_prefix, parse_f64};
use crate::store::encoding::element::Element;

/// So much of a stored score counts, bytes (Redis: `zzlStrtod`).
const LONGEST: usize = 127;

/// Integers up to this amount, 2^62, are stored as such (Redis: `double2ll`).
const INTEGERS_TO: f64 = 4_611_686_018_427_387_904.0;

/// Whether two scores are the same: exactly, but zero and minus zero are.
#[inline]
pub(in crate::store) fn same(a: f64, b: f64) -> bool {
    a.partial_cmp(&b) == Some(Ordering::Equal)
}

/// The score as an integer, if it is stored as one. Minus zero becomes zero, as in Redis.
#[inline]
pub(super) fn as_integer(score: f64) -> Option<i64> {
    (score.abs() <= INTEGERS_TO && same(score.fract(), 0.0)).then_some(score as i64)
}

/// The score that an element of the small form's block stands for; `None` if it is not a number. Redis writes numbers
/// only, but reads any text.
#[inline]
pub(in crate::store) fn stored(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Int(number) => Some(number as f64),
        Element::Bytes(text) => {
            let text = &text[..text.len().min(LONGEST)];
            parse_f64(text).or_else(|| parse_c_prefix(text))
        }
    }
}
