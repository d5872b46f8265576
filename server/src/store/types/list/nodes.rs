//! The sequence of a list's nodes: shared, copied when written, and without a separate container for a single node.
//!
//! Each node is behind an `Arc`, so a clone of the list (a snapshot, COPY) costs one count per node, and a change then
//! copies the one node it touches.
//!
//! The bytes of all nodes are known at any time without a walk: [`Chain`] keeps the sum. A node that is lent out for a
//! change may grow or shrink unnoticed, so one node at a time is *open*: it is left out of the sum and measured when
//! the sum is read.

use std::collections::VecDeque;
use std::sync::Arc;

use super::node::Node;
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
#[derive(Clone, Debug)]
pub(super) struct Chain {
    nodes: VecDeque<Arc<Node>>,
    /// The bytes of all nodes but the open one.
    bytes: usize,
    /// The number of the node that may have been changed since it was measured; [`NONE`] if there is none.
    open: usize,
}

/// In [`Chain::open`]: no node is open.
const NONE: usize = usize::MAX;

/// Bytes that a node takes.
#[inline]
fn weight(node: &Node) -> usize {
    spent(SHARED_NODE) + node.heap_bytes()
}

impl Chain {
    /// The node for changing.
    #[inline]
    fn open(&mut self, index: usize) -> Option<&mut Arc<Node>> {
        if self.open != index {
            self.close();
            self.bytes -= weight(self.nodes.get(index)?);
            self.open = index;
        }
        self.nodes.get_mut(index)
    }

    /// Adds the open node to the sum again.
    #[inline]
    fn close(&mut self) {
        self.bytes += self.nodes.get(self.open).map_or(0, |node| weight(node));
        self.open = NONE;
    }

    fn insert(&mut self, index: usize, node: Arc<Node>) {
        self.close();
        self.bytes += weight(&node);
        self.nodes.insert(index, node);
    }

    fn remove(&mut self, index: usize) {
        self.close();
        self.bytes -= self.nodes.remove(index).map_or(0, |node| weight(&node));
    }

    fn memory(&self) -> usize {
        let open = self.nodes.get(self.open).map_or(0, |node| weight(node));
        spent(size_of::<Chain>()) + spent(self.nodes.capacity() * size_of::<Arc<Node>>()) + self.bytes + open
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
                let mut chain = Chain { nodes, bytes: weight(only), open: NONE };
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
                let nodes = &mut many.nodes;
                if nodes.len() == 1 {
                    let only = nodes.pop_front().expect("there is one left");
                    *self = Nodes::One(only);
                } else if nodes.capacity() > 64 && nodes.len() < nodes.capacity() / 4 {
                    nodes.shrink_to(nodes.len() * 2);
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        (0..self.len()).filter_map(|i| self.at(i))
    }

    /// Bytes that the allocator spends on all nodes and on what holds them together.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Nodes::Empty => 0,
            Nodes::One(node) => weight(node),
            Nodes::Many(many) => many.memory(),
        }
    }
}
