//! Lists: a double-ended sequence of texts in nodes of a few kilobytes, Redis's quicklist.
//!
//! A single deque of texts would cost an allocation for each element; a single listpack would move megabytes for each
//! insertion. So a list is a sequence of [nodes](node), each a listpack of at most `list-max-listpack-size`. The rules
//! for full nodes, splits and merges are exactly Redis's, because node borders are visible: DUMP and RDB files store
//! one string for each node, and tools look at `ql_nodes`.
//!
//! The cost differs. Pushes and pops write only the element ([`Listpack`] has room on both sides). Nodes are shared
//! until they are written ([`nodes`]), so a clone for a snapshot is cheap and cannot stall a writer for long. Reading a
//! compressed node decompresses a copy.
//!
//! Elements are handed to closures as [`Element`]s (integer or borrowed text): nothing is allocated to read a list.
//!
//! Invariants: no node is empty; `len` is the sum of the nodes' counts; the `compress_depth` nodes at either end are
//! not compressed.

mod edit;
mod node;
mod nodes;

use std::fmt;
use std::ops::ControlFlow;

pub(crate) use crate::store::encoding::element::{Element, Needle, OwnedElement};
pub(crate) use node::NodeBytes;

use crate::store::encoding::listpack::Listpack;
use node::{Node, View};
use nodes::Nodes;

/// The settings of a list; taken from the configuration when the list is created and kept with it.
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
        ListOptions { fill: -2, compress_depth: 0, packed_threshold: 1 << 30 }
    }
}

/// A list of texts. Positions are counted from 0 at the front.
#[derive(Clone, Debug, Default)]
pub struct List {
    options: ListOptions,
    len: usize,
    nodes: Nodes,
}

/// What DEBUG OBJECT reports about a list; `Display` gives the text that follows the common part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListInfo {
    /// Number of nodes.
    pub nodes: usize,
    /// Elements per node.
    pub average: f64,
    /// The list's `list-max-listpack-size`.
    pub fill: i16,
    /// Whether the list compresses at all.
    pub compressed: bool,
    /// Bytes of all nodes, uncompressed.
    pub uncompressed_bytes: usize,
}

impl List {
    /// An empty list.
    pub fn new(options: ListOptions) -> Self {
        List { options, len: 0, nodes: Nodes::Empty }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element: the owner then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The settings of this list.
    pub fn options(&self) -> ListOptions {
        self.options
    }

    /// Sets the size from which on *future* elements get a plain node. Unlike the other settings, this debugging switch
    /// takes effect on existing lists.
    pub fn set_packed_threshold(&mut self, bytes: u32) {
        self.options.packed_threshold = bytes;
    }

    /// Adds an element in front of the first.
    #[inline]
    pub fn push_front(&mut self, value: &[u8]) {
        self.len += 1;
        if self.nodes.at(0).is_some_and(|node| node.has_room(value.len(), self.options))
            && let Some(listpack) = self.nodes.at_mut(0).and_then(Node::packed_mut)
        {
            listpack.push_front(value);
        } else {
            self.add_end_node(0, Node::of(value, self.options));
        }
    }

    /// Adds an element after the last.
    #[inline]
    pub fn push_back(&mut self, value: &[u8]) {
        self.len += 1;
        let last = self.nodes.len().wrapping_sub(1);
        if self.nodes.at(last).is_some_and(|node| node.has_room(value.len(), self.options))
            && let Some(listpack) = self.nodes.at_mut(last).and_then(Node::packed_mut)
        {
            listpack.push_back(value);
        } else {
            self.add_end_node(self.nodes.len(), Node::of(value, self.options));
        }
    }

    /// Removes and returns the first element.
    pub fn pop_front(&mut self) -> Option<OwnedElement> {
        self.pop_front_with(OwnedElement::copy_of)
    }

    /// Removes and returns the last element.
    pub fn pop_back(&mut self) -> Option<OwnedElement> {
        self.pop_back_with(OwnedElement::copy_of)
    }

    /// Passes the first element to `f` and drops it, without a copy. `None` if the list is empty.
    #[inline]
    pub fn pop_front_with<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let result = self.nodes.at(0).map(|node| node.with_end(true, f))?;
        self.drop_end(0, true);
        Some(result)
    }

    /// Passes the last element to `f` and drops it, without a copy. `None` if the list is empty.
    #[inline]
    pub fn pop_back_with<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let last = self.nodes.len().checked_sub(1)?;
        let result = self.nodes.at(last).map(|node| node.with_end(false, f))?;
        self.drop_end(last, false);
        Some(result)
    }

    /// Passes the element at `index` to `f`; negative indexes count from the end (-1 is the last). `None` if there is
    /// none.
    pub fn with_index<R>(&self, index: i64, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let (at, offset) = self.locate(self.position(index)?)?;
        let node = self.nodes.at(at)?;
        Some(match node.view() {
            View::Packed(listpack) => f(listpack.element(listpack.seek(offset))),
            View::Unpacked(listpack) => f(listpack.element(listpack.seek(offset))),
            View::Plain(bytes) => f(Element::Bytes(bytes)),
            View::UnpackedPlain(bytes) => f(Element::Bytes(&bytes)),
        })
    }

    /// Passes `count` elements from position `start` to `f`, in order; fewer if the list ends earlier.
    pub fn range(&self, start: usize, count: usize, mut f: impl FnMut(Element<'_>)) {
        let Some((mut at, mut offset)) = self.locate(start) else { return };
        let mut left = count;
        while left > 0
            && let Some(node) = self.nodes.at(at)
        {
            left -= match node.view() {
                View::Packed(listpack) => hand_out(listpack, offset, left, &mut f),
                View::Unpacked(listpack) => hand_out(&listpack, offset, left, &mut f),
                View::Plain(bytes) => hand_out_one(bytes, &mut f),
                View::UnpackedPlain(bytes) => hand_out_one(&bytes, &mut f),
            };
            (at, offset) = (at + 1, 0);
        }
    }

    /// Walks from position `start` towards the back until `f` breaks; `f` gets position and element.
    pub fn walk(&self, start: usize, mut f: impl FnMut(usize, Element<'_>) -> ControlFlow<()>) {
        let Some((mut at, mut offset)) = self.locate(start) else { return };
        let mut position = start;
        let mut step = |element: Element<'_>| {
            position += 1;
            f(position - 1, element)
        };
        while let Some(node) = self.nodes.at(at) {
            let flow = match node.view() {
                View::Packed(listpack) => listpack.iter_from(listpack.seek(offset)).try_for_each(&mut step),
                View::Unpacked(listpack) => listpack.iter_from(listpack.seek(offset)).try_for_each(&mut step),
                View::Plain(bytes) => step(Element::Bytes(bytes)),
                View::UnpackedPlain(bytes) => step(Element::Bytes(&bytes)),
            };
            if flow.is_break() {
                return;
            }
            (at, offset) = (at + 1, 0);
        }
    }

    /// Walks from position `start` (the last one if that is beyond the list) towards the front until `f` breaks; `f`
    /// gets position and element.
    pub fn walk_back(&self, start: usize, mut f: impl FnMut(usize, Element<'_>) -> ControlFlow<()>) {
        let mut position = start.min(self.len.saturating_sub(1));
        let Some((at, offset)) = self.locate(position) else { return };
        let mut step = |element: Element<'_>| {
            let flow = f(position, element);
            position = position.wrapping_sub(1);
            flow
        };
        let mut upto = offset + 1;
        for node in (0..=at).rev().filter_map(|i| self.nodes.at(i)) {
            let flow = match node.view() {
                View::Packed(listpack) => {
                    let end = listpack.seek(upto.min(listpack.len()));
                    listpack.iter_before(end).rev().try_for_each(&mut step)
                }
                View::Unpacked(listpack) => {
                    let end = listpack.seek(upto.min(listpack.len()));
                    listpack.iter_before(end).rev().try_for_each(&mut step)
                }
                View::Plain(bytes) => step(Element::Bytes(bytes)),
                View::UnpackedPlain(bytes) => step(Element::Bytes(&bytes)),
            };
            if flow.is_break() {
                return;
            }
            upto = usize::MAX;
        }
    }

    /// Copies of all elements.
    pub fn to_vec(&self) -> Vec<Vec<u8>> {
        let mut out = Vec::with_capacity(self.len);
        self.range(0, self.len, |element| out.push(element.to_vec()));
        out
    }

    /// What DEBUG OBJECT reports about it.
    pub fn info(&self) -> ListInfo {
        ListInfo {
            nodes: self.nodes.len(),
            average: self.len as f64 / self.nodes.len().max(1) as f64,
            fill: self.options.fill,
            compressed: self.options.compress_depth != 0,
            uncompressed_bytes: self.nodes.iter().map(Node::byte_len).sum(),
        }
    }

    /// Ends an edit. A list keeps its nodes in order while it is changed; only their bytes are counted now.
    #[inline]
    pub fn settle(&mut self) {
        self.nodes.settle();
    }

    /// Bytes that the allocator spends on its nodes.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.nodes.memory()
    }

    /// The nodes in the form in which they are saved.
    pub fn saved_nodes(&self) -> impl Iterator<Item = NodeBytes<'_>> {
        self.nodes.iter().map(Node::bytes)
    }

    /// Passes on what [`List::saved_nodes`] has, and drops each node behind its turn.
    ///
    /// # Errors
    /// That of `f`, which ends it.
    pub(crate) fn consume<E>(self, mut f: impl FnMut(NodeBytes<'_>) -> Result<(), E>) -> Result<(), E> {
        self.nodes.consume(|node| f(node.bytes()))
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Appends a whole node as it was saved. An empty listpack adds nothing.
    pub fn append_listpack(&mut self, listpack: Listpack) {
        if !listpack.is_empty() {
            self.len += listpack.len();
            self.add_end_node(self.nodes.len(), Node::Packed(listpack));
        }
    }

    /// Appends a plain node as it was saved.
    pub fn append_plain(&mut self, bytes: Box<[u8]>) {
        self.len += 1;
        self.add_end_node(self.nodes.len(), Node::plain(bytes));
    }

    /// The position of `index`: negative ones count from the end. `None` if there is none.
    fn position(&self, index: i64) -> Option<usize> {
        let at = if index < 0 { index.checked_add(self.len as i64)? } else { index };
        usize::try_from(at).ok().filter(|&at| at < self.len)
    }

    /// The node that holds `position` and the element's number within it, searched from the nearer end.
    fn locate(&self, position: usize) -> Option<(usize, usize)> {
        if position >= self.len {
            return None;
        }
        if position <= self.len / 2 {
            let mut left = position;
            for (at, node) in self.nodes.iter().enumerate() {
                if left < node.count() {
                    return Some((at, left));
                }
                left -= node.count();
            }
        } else {
            let mut left = self.len - position;
            for (at, node) in (0..self.nodes.len()).rev().filter_map(|i| Some((i, self.nodes.at(i)?))) {
                if left <= node.count() {
                    return Some((at, node.count() - left));
                }
                left -= node.count();
            }
        }
        None
    }
}

impl Node {
    /// Passes the first or the last element to `f`.
    #[inline]
    fn with_end<R>(&self, first: bool, f: impl FnOnce(Element<'_>) -> R) -> R {
        match self.view() {
            View::Packed(listpack) => f(end_of(listpack, first)),
            View::Unpacked(listpack) => f(end_of(&listpack, first)),
            View::Plain(bytes) => f(Element::Bytes(bytes)),
            View::UnpackedPlain(bytes) => f(Element::Bytes(&bytes)),
        }
    }
}

#[inline]
fn end_of(listpack: &Listpack, first: bool) -> Element<'_> {
    let element = if first { listpack.front() } else { listpack.back() };
    element.expect("no node is empty")
}

/// Passes up to `count` elements of a node on, from number `offset`; returns how many.
fn hand_out(listpack: &Listpack, offset: usize, count: usize, f: &mut impl FnMut(Element<'_>)) -> usize {
    let count = count.min(listpack.len() - offset);
    listpack.iter_from(listpack.seek(offset)).take(count).for_each(f);
    count
}

fn hand_out_one(bytes: &[u8], f: &mut impl FnMut(Element<'_>)) -> usize {
    f(Element::Bytes(bytes));
    1
}

impl fmt::Display for ListInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
            self.nodes,
            self.average,
            self.fill,
            u8::from(self.compressed),
            self.uncompressed_bytes
        )
    }
}

#[cfg(test)]
mod tests;
