//! The sequence of a list's nodes: shared, copied when written, and without a container of their own while there is
//! one.
//!
//! Each node is behind an `Arc`, so that a clone of the list (a snapshot, COPY) costs one count per node, and a change
//! then copies the one node it touches.

use std::collections::VecDeque;
use std::sync::Arc;

use super::node::Node;

/// Nodes from front to back.
// The deque is boxed so that a list with one node, the common case, is 16 bytes smaller.
#[allow(clippy::box_collection)]
#[derive(Clone, Debug, Default)]
pub(super) enum Nodes {
    #[default]
    Empty,
    One(Arc<Node>),
    Many(Box<VecDeque<Arc<Node>>>),
}

impl Nodes {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Nodes::Empty => 0,
            Nodes::One(_) => 1,
            Nodes::Many(many) => many.len(),
        }
    }

    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<&Node> {
        match self {
            Nodes::One(node) if index == 0 => Some(node),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.get(index).map(|node| &**node),
        }
    }

    /// The node for changing; copied first if it is shared.
    #[inline]
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Node> {
        match self {
            Nodes::One(node) if index == 0 => Some(Arc::make_mut(node)),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.get_mut(index).map(Arc::make_mut),
        }
    }

    /// The node for changing if that needs no copy.
    pub(super) fn at_mut_unshared(&mut self, index: usize) -> Option<&mut Node> {
        match self {
            Nodes::One(node) if index == 0 => Arc::get_mut(node),
            Nodes::Empty | Nodes::One(_) => None,
            Nodes::Many(many) => many.get_mut(index).and_then(Arc::get_mut),
        }
    }

    /// Puts `node` in front of node number `index`, which may be the end.
    pub(super) fn insert(&mut self, index: usize, node: Node) {
        let node = Arc::new(node);
        match self {
            Nodes::Empty => *self = Nodes::One(node),
            Nodes::One(only) => {
                let mut many = VecDeque::with_capacity(4);
                many.push_back(Arc::clone(only));
                many.insert(index, node);
                *self = Nodes::Many(Box::new(many));
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
                if many.len() == 1 {
                    let only = many.pop_front().expect("there is one left");
                    *self = Nodes::One(only);
                } else if many.capacity() > 64 && many.len() < many.capacity() / 4 {
                    many.shrink_to(many.len() * 2);
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        (0..self.len()).filter_map(|i| self.at(i))
    }
}
