//! The sequence of a list's nodes: shared, copied when written, and without a separate container for a single node.
//!
//! Each node is behind an `Arc`, so a clone of the list (a snapshot, COPY) costs one count per node, and a change then
//! copies the one node it touches.
//!
//! The bytes of all nodes are known at any time without a walk: [`Chain`] keeps the sum. A node that is lent out for a
//! change may grow or shrink unnoticed, so one node at a time is *open*: it is measured again when the edit ends
//! ([`Nodes::settle`]) or another node is opened. A push is so short that measuring it twice would be a tenth of it.
//!
//! Invariant: outside of an edit the sum is right.

use std::collections::VecDeque;
use std::sync::Arc;

use super::node::Node;
use crate::base::cache::{prefetch, with_lead};
use crate::store::entry::spent;

/// Bytes of a node's own allocation: the two counts of the `Arc`, and the node.
const SHARED_NODE: usize = 2 * size_of::<usize>() + size_of::<Node>();

/// Nodes from front to back.
#[derive(Clone, Debug, Default)]
pub(super) enum Nodes {
    #[default]
    Empty,
    One(Arc<Node>),
    /// Boxed, so that a list with one node, the common case, is small.
    Many(Box<Chain>),
}

/// Several nodes.
#[derive(Debug)]
pub(super) struct Chain {
    nodes: VecDeque<Arc<Node>>,
    /// Bytes of the nodes, the open one as it was when it was measured, and of what holds them together.
    bytes: usize,
    /// The number of the node that may have been changed since it was measured; [`NONE`] if there is none.
    open: usize,
    /// What the open node took when it was measured.
    open_weight: usize,
}

/// In [`Chain::open`]: no node is open.
const NONE: usize = usize::MAX;

/// Bytes that a node takes.
#[inline]
fn weight(node: &Node) -> usize {
    spent(SHARED_NODE) + node.heap_bytes()
}

/// Bytes of a chain without its nodes.
#[inline]
fn frame(nodes: &VecDeque<Arc<Node>>) -> usize {
    spent(size_of::<Chain>()) + spent(nodes.capacity() * size_of::<Arc<Node>>())
}

impl Clone for Chain {
    /// The counts of all nodes are far from each other.
    fn clone(&self) -> Self {
        let mut nodes = VecDeque::with_capacity(self.nodes.len());
        nodes.extend(with_lead(self.nodes.iter(), |node| prefetch(Arc::as_ptr(node))).cloned());
        let bytes = self.bytes - frame(&self.nodes) + frame(&nodes);
        Chain { nodes, bytes, open: self.open, open_weight: self.open_weight }
    }
}

impl Chain {
    fn new(nodes: VecDeque<Arc<Node>>) -> Self {
        let bytes = frame(&nodes) + nodes.iter().map(|node| weight(node)).sum::<usize>();
        Chain { nodes, bytes, open: NONE, open_weight: 0 }
    }

    /// The node for changing.
    #[inline(always)]
    fn open(&mut self, index: usize) -> Option<&mut Arc<Node>> {
        if self.open != index {
            self.open_another(index);
        }
        self.nodes.get_mut(index)
    }

    #[inline(never)]
    fn open_another(&mut self, index: usize) {
        self.settle();
        self.open_weight = self.nodes.get(index).map_or(0, |node| weight(node));
        self.open = index;
    }

    /// Measures the open node again.
    #[inline]
    fn settle(&mut self) {
        if let Some(node) = self.nodes.get(self.open) {
            let now = weight(node);
            self.bytes = self.bytes - self.open_weight + now;
            self.open_weight = now;
        }
    }

    /// Changes which nodes there are.
    fn restructure<R>(&mut self, change: impl FnOnce(&mut VecDeque<Arc<Node>>) -> R) -> R {
        self.settle();
        self.open = NONE;
        let before = frame(&self.nodes);
        let result = change(&mut self.nodes);
        self.bytes = self.bytes - before + frame(&self.nodes);
        result
    }

    fn insert(&mut self, index: usize, node: Arc<Node>) {
        let weight = weight(&node);
        self.restructure(|nodes| nodes.insert(index, node));
        self.bytes += weight;
    }

    fn remove(&mut self, index: usize) {
        let removed = self.restructure(|nodes| {
            let removed = nodes.remove(index);
            if nodes.capacity() > 64 && nodes.len() < nodes.capacity() / 4 {
                nodes.shrink_to(nodes.len() * 2);
            }
            removed
        });
        self.bytes -= removed.map_or(0, |node| weight(&node));
    }

    #[inline]
    fn memory(&self) -> usize {
        debug_assert_eq!(
            self.nodes.get(self.open).map_or(self.open_weight, |node| weight(node)),
            self.open_weight,
            "an edit ends with `settle`"
        );
        self.bytes
    }
}

impl Nodes {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Nodes::Empty => 0,
            Nodes::One(_) => 1,
            Nodes::Many(many) => many.nodes.len(),
        }
    }

    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<&Node> {
        match self {
            Nodes::One(node) if index == 0 => Some(node),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.nodes.get(index).map(|node| &**node),
        }
    }

    /// The node for changing; copied first if it is shared.
    #[inline]
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Node> {
        match self {
            Nodes::One(node) if index == 0 => Some(Arc::make_mut(node)),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.open(index).map(Arc::make_mut),
        }
    }

    /// The node for changing if that needs no copy.
    pub(super) fn at_mut_unshared(&mut self, index: usize) -> Option<&mut Node> {
        match self {
            Nodes::One(node) if index == 0 => Arc::get_mut(node),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.open(index).and_then(Arc::get_mut),
        }
    }

    /// Puts `node` in front of node number `index`, which may be the end.
    pub(super) fn insert(&mut self, index: usize, node: Node) {
        let node = Arc::new(node);
        match self {
            Nodes::Empty => *self = Nodes::One(node),
            Nodes::One(only) => {
                let mut nodes = VecDeque::with_capacity(4);
                nodes.push_back(Arc::clone(only));
                let mut chain = Chain::new(nodes);
                chain.insert(index, node);
                *self = Nodes::Many(Box::new(chain));
            }
            Nodes::Many(many) => many.insert(index, node),
        }
    }

    /// Takes node number `index` out.
    pub(super) fn remove(&mut self, index: usize) {
        match self {
            Nodes::Empty => {}
            Nodes::One(_) => *self = Nodes::Empty,
            Nodes::Many(many) => {
                many.remove(index);
                if many.nodes.len() == 1 {
                    let only = many.nodes.pop_front().expect("there is one left");
                    *self = Nodes::One(only);
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        (0..self.len()).filter_map(|i| self.at(i))
    }

    /// Passes on all nodes, and drops each behind its turn.
    ///
    /// # Errors
    /// That of `f`, which ends it.
    pub(super) fn consume<E>(self, mut f: impl FnMut(&Node) -> Result<(), E>) -> Result<(), E> {
        match self {
            Nodes::Empty => Ok(()),
            Nodes::One(node) => f(&node),
            Nodes::Many(many) => many.nodes.into_iter().try_for_each(|node| f(&node)),
        }
    }

    /// Ends an edit: what was lent out is measured.
    #[inline]
    pub(super) fn settle(&mut self) {
        if let Nodes::Many(many) = self {
            many.settle();
        }
    }

    /// Bytes that the allocator spends on all nodes and on what holds them together. Edits have been settled.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Nodes::Empty => 0,
            Nodes::One(node) => weight(node),
            Nodes::Many(many) => many.memory(),
        }
    }
}

#[cfg(test)]
impl Nodes {
    /// [`Nodes::memory`], counted anew.
    pub(super) fn counted(&self) -> usize {
        match self {
            Nodes::Many(many) => frame(&many.nodes) + many.nodes.iter().map(|node| weight(node)).sum::<usize>(),
            Nodes::Empty | Nodes::One(_) => self.memory(),
        }
    }
}
