//! What SORT sorts: texts in one block, and the orders in which they can be put.
//!
//! The texts of a hundred thousand elements are copied into one allocation, and only numbers are moved: a score, or the
//! first eight bytes of a text, with the index of the element. Every order is total, since equal elements keep their
//! places, so that a part of the result can be found without sorting the rest. Redis: sort.c (`sortCompare`).

use std::cmp::Ordering;
use std::ops::Range;

use crate::base::number::parse_f64;
use crate::command::error::c_string;

/// Texts, one after the other in one block.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.spans.push(start..self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.spans[index].clone()]
    }
}

/// What the elements are compared by.
#[derive(Debug)]
pub(super) enum Weights {
    /// Numbers, one for each element; those of equal ones are compared as texts.
    Scores(Vec<f64>),
    /// Their own texts.
    Own,
    /// Other texts, for those elements that have one: the index of each.
    Others(Texts, Vec<Option<usize>>),
}

/// How texts are compared: as C strings, or with all of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collation {
    UpToZero,
    Whole,
}

impl Collation {
    fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::UpToZero => c_string(a).cmp(c_string(b)),
            Self::Whole => a.cmp(b),
        }
    }

    /// The same for these texts, if they have no zero bytes.
    fn simplified(self, texts: &Texts) -> Self {
        if texts.bytes.contains(&0) { self } else { Self::Whole }
    }
}

/// A text as a number by which SORT compares; `None` is an error. Redis: `strtod` of a C string.
pub(super) fn score_of(text: &[u8]) -> Option<f64> {
    let text = c_string(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    parse_f64(&text[blanks..])
}

/// The indices of the elements that are in this part of the result, in order.
pub(super) fn sorted(
    texts: &Texts,
    weights: &Weights,
    descending: bool,
    collation: Collation,
    part: Range<usize>,
) -> Vec<usize> {
    let directed = |order: Ordering| if descending { order.reverse() } else { order };
    match weights {
        Weights::Scores(scores) => {
            let mut items: Vec<(f64, usize)> = scores.iter().copied().zip(0..).collect();
            let compare = |a: &(f64, usize), b: &(f64, usize)| {
                let by_score = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
                let by_text = || texts.get(a.1).cmp(texts.get(b.1));
                directed(by_score.then_with(by_text)).then(a.1.cmp(&b.1))
            };
            order_part(&mut items, part.clone(), compare);
            items[part].iter().map(|item| item.1).collect()
        }
        Weights::Own => {
            let collation = collation.simplified(texts);
            let head = |index: usize| head_of(texts.get(index), collation);
            let mut items: Vec<(u64, usize)> = (0..texts.len()).map(|index| (head(index), index)).collect();
            let compare = |a: &(u64, usize), b: &(u64, usize)| {
                let by_text = || collation.compare(texts.get(a.1), texts.get(b.1));
                directed(a.0.cmp(&b.0).then_with(by_text)).then(a.1.cmp(&b.1))
            };
            order_part(&mut items, part.clone(), compare);
            items[part].iter().map(|item| item.1).collect()
        }
        Weights::Others(others, which) => {
            let mut items: Vec<usize> = (0..texts.len()).collect();
            let text = |index: usize| which[index].map(|at| others.get(at));
            let compare = |a: &usize, b: &usize| {
                let order = match (text(*a), text(*b)) {
                    (Some(a), Some(b)) => collation.compare(a, b),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                };
                directed(order).then(a.cmp(b))
            };
            order_part(&mut items, part.clone(), compare);
            items[part].to_vec()
        }
    }
}

/// The first eight bytes of a text, as a number that compares as they do.
fn head_of(text: &[u8], collation: Collation) -> u64 {
    let text = if collation == Collation::UpToZero { c_string(text) } else { text };
    let mut head = [0; 8];
    let len = text.len().min(8);
    head[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(head)
}

/// Brings a part of the items into the order that it has when all are sorted.
fn order_part<T>(items: &mut [T], part: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) {
    let Some(count) = part.len().checked_sub(1) else { return };
    if part.start > 0 {
        items.select_nth_unstable_by(part.start, &compare);
    }
    let rest = &mut items[part.start..];
    if count + 1 < rest.len() {
        rest.select_nth_unstable_by(count, &compare);
    }
    rest[..=count].sort_unstable_by(&compare);
}

#[cfg(test)]
#[path = "sort_elements_tests.rs"]
mod tests;
