//! Lists: first version with the interface others build on; the nodes come next.

use std::collections::VecDeque;
use std::ops::ControlFlow;

pub use crate::store::encoding::element::{Element, OwnedElement};

use crate::base::limits::{LIST_MAX_LISTPACK_SIZE_DEFAULT, LIST_PACKED_THRESHOLD_DEFAULT};

/// The settings a list follows; taken from the configuration when the list is made and kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// `list-max-listpack-size`: elements per node when positive, -1..=-5 for 4..64 KiB per node.
    pub fill: i16,
    /// `list-compress-depth`: nodes at each end that stay uncompressed; 0 compresses nothing.
    pub compress_depth: u16,
    /// Elements of at least this many bytes get a plain node of their own (DEBUG QUICKLIST-PACKED-THRESHOLD).
    pub packed_threshold: u32,
}

impl Default for ListOptions {
    fn default() -> Self {
        ListOptions {
            fill: LIST_MAX_LISTPACK_SIZE_DEFAULT,
            compress_depth: 0,
            packed_threshold: LIST_PACKED_THRESHOLD_DEFAULT,
        }
    }
}

/// A list of byte strings. Positions are counted from 0 at the front.
#[derive(Clone, Debug, Default)]
pub struct List {
    options: ListOptions,
    elements: VecDeque<Box<[u8]>>,
}

impl List {
    /// An empty list.
    pub fn new(options: ListOptions) -> Self {
        List { options, elements: VecDeque::new() }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element: the owner then removes the key.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The settings it was made with.
    pub fn options(&self) -> ListOptions {
        self.options
    }

    /// Adds an element in front of the first.
    pub fn push_front(&mut self, value: &[u8]) {
        self.elements.push_front(value.into());
    }

    /// Adds an element after the last.
    pub fn push_back(&mut self, value: &[u8]) {
        self.elements.push_back(value.into());
    }

    /// Takes the first element.
    pub fn pop_front(&mut self) -> Option<OwnedElement> {
        self.elements.pop_front().map(OwnedElement::Bytes)
    }

    /// Takes the last element.
    pub fn pop_back(&mut self) -> Option<OwnedElement> {
        self.elements.pop_back().map(OwnedElement::Bytes)
    }

    /// Takes the first element and hands it to `f` without copying it; `None` when the list is empty.
    pub fn pop_front_with<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop_front().map(|e| f(e.as_element()))
    }

    /// Takes the last element and hands it to `f` without copying it; `None` when the list is empty.
    pub fn pop_back_with<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop_back().map(|e| f(e.as_element()))
    }

    /// Hands the element at `index` to `f`; negative indexes count from the end (-1 is the last). `None` outside.
    pub fn with_index<R>(&self, index: i64, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let at = if index < 0 { index.checked_add(self.len() as i64)? } else { index };
        self.elements.get(usize::try_from(at).ok()?).map(|e| f(Element::Bytes(e)))
    }

    /// Hands `count` elements from position `start` to `f`, in order; fewer when the list ends earlier.
    pub fn range(&self, start: usize, count: usize, mut f: impl FnMut(Element<'_>)) {
        self.elements.iter().skip(start).take(count).for_each(|e| f(Element::Bytes(e)));
    }

    /// Walks from position `start` towards the back until `f` breaks; `f` gets position and element.
    pub fn walk(&self, start: usize, mut f: impl FnMut(usize, Element<'_>) -> ControlFlow<()>) {
        for (i, e) in self.elements.iter().enumerate().skip(start) {
            if f(i, Element::Bytes(e)).is_break() {
                return;
            }
        }
    }

    /// Walks from position `start` towards the front until `f` breaks; `f` gets position and element.
    pub fn walk_back(&self, start: usize, mut f: impl FnMut(usize, Element<'_>) -> ControlFlow<()>) {
        let end = self.len().min(start.saturating_add(1));
        for i in (0..end).rev() {
            if f(i, Element::Bytes(&self.elements[i])).is_break() {
                return;
            }
        }
    }

    /// Inserts `value` in front of the first element equal to `pivot`: whether there is one.
    pub fn insert_before(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        self.insert_at(pivot, value, 0)
    }

    /// Inserts `value` after the first element equal to `pivot`: whether there is one.
    pub fn insert_after(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        self.insert_at(pivot, value, 1)
    }

    fn insert_at(&mut self, pivot: &[u8], value: &[u8], offset: usize) -> bool {
        let found = self.elements.iter().position(|e| &**e == pivot);
        if let Some(at) = found {
            self.elements.insert(at + offset, value.into());
        }
        found.is_some()
    }

    /// Replaces the element at `index` (negative from the end): whether there is one.
    pub fn set(&mut self, index: i64, value: &[u8]) -> bool {
        let at = if index < 0 { index.saturating_add(self.len() as i64) } else { index };
        match usize::try_from(at).ok().and_then(|at| self.elements.get_mut(at)) {
            Some(element) => {
                *element = value.into();
                true
            }
            None => false,
        }
    }

    /// Removes elements equal to `value`: the first `count` from the front when positive, the last `-count` when negative,
    /// all when 0. Returns how many went.
    pub fn remove(&mut self, value: &[u8], count: i64) -> usize {
        let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
        let mut hits: Vec<usize> = (0..self.len()).filter(|&i| &*self.elements[i] == value).collect();
        if count < 0 {
            hits.drain(..hits.len().saturating_sub(limit));
        } else {
            hits.truncate(limit);
        }
        for &at in hits.iter().rev() {
            self.elements.remove(at);
        }
        hits.len()
    }

    /// Removes `count` elements from position `start`; fewer when the list ends earlier. Returns how many went.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        let start = start.min(self.len());
        let end = start.saturating_add(count).min(self.len());
        self.elements.drain(start..end).count()
    }

    /// Keeps `count` elements from position `start` and drops the rest.
    pub fn trim(&mut self, start: usize, count: usize) {
        let end = start.saturating_add(count);
        self.remove_range(end, usize::MAX);
        self.remove_range(0, start);
    }
}
