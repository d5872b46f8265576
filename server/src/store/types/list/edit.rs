//! Changes to a list: where nodes are created, split, merged and dropped, as in Redis's quicklist.
//!
//! Every function that touches a node away from the ends finishes with [`List::fit_nodes`], which restores the rule
//! about compression.

use super::node::{Node, View, is_huge, is_oversized};
use super::{Element, List, Needle};
use crate::store::encoding::listpack::Listpack;

/// On which side of an element something is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl List {
    /// Inserts `value` in front of the first element equal to `pivot`; returns whether there is one.
    pub fn insert_before(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        self.insert_beside(pivot, value, Side::Before)
    }

    /// Inserts `value` after the first element equal to `pivot`; returns whether there is one.
    pub fn insert_after(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        self.insert_beside(pivot, value, Side::After)
    }

    /// Replaces the element at `index` (negative from the end); returns whether there is one.
    pub fn set(&mut self, index: i64, value: &[u8]) -> bool {
        let Some((at, offset)) = self.position(index).and_then(|position| self.locate(position)) else { return false };
        let Some(node) = self.nodes.at_mut(at) else { return false };
        let huge = is_huge(value.len(), self.options);
        if node.is_plain() {
            if huge {
                *node = Node::of(value, self.options);
            } else {
                // Placed as an insertion after the old element would be.
                self.insert_at(at, offset, Side::After, value);
                self.remove_in_node(at, offset, 1);
            }
        } else if huge || is_oversized(node.byte_len(), value.len()) {
            self.replace_by_node(at, offset, value);
        } else if let Some(listpack) = node.packed_mut() {
            listpack.replace(listpack.seek(offset), value);
        }
        self.fit_nodes(at..at + 3);
        true
    }

    /// Removes elements equal to `value`: the first `count` from the front if positive, the last `-count` if negative,
    /// all if 0. Returns how many were removed.
    pub fn remove(&mut self, value: &[u8], count: i64) -> usize {
        let needle = Needle::new(value);
        let limit = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
        let from_back = count < 0;
        let mut removed = 0;
        let mut left = self.nodes.len();
        let mut at = if from_back { left.wrapping_sub(1) } else { 0 };
        while left > 0 && removed < limit {
            let before = self.nodes.len();
            removed += self.remove_matches(at, &needle, limit - removed, from_back);
            left -= 1;
            if from_back {
                at = at.wrapping_sub(1);
            } else if self.nodes.len() == before {
                at += 1;
            }
        }
        if removed > 0 {
            self.fit_nodes(0..0);
        }
        removed
    }

    /// Removes `count` elements from position `start`; fewer if the list ends earlier. Returns how many were removed.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        let Some((mut at, mut offset)) = self.locate(start) else { return 0 };
        let first = at;
        let total = count.min(self.len - start);
        let mut left = total;
        while left > 0
            && let Some(node) = self.nodes.at(at)
        {
            let (in_node, here) = (node.count(), left.min(node.count() - offset));
            self.remove_in_node(at, offset, here);
            left -= here;
            // If the node was removed, the next one is at its place now.
            if here < in_node {
                at += 1;
            }
            offset = 0;
        }
        self.fit_nodes(first..at + 1);
        total
    }

    /// Keeps `count` elements from position `start` and drops the rest.
    pub fn trim(&mut self, start: usize, count: usize) {
        self.remove_range(0, start);
        self.remove_range(count, usize::MAX);
    }

    /// Adds a node at either end. The caller counts the elements.
    #[cold]
    pub(super) fn add_end_node(&mut self, at: usize, node: Node) {
        self.nodes.insert(at, node);
        // The former end will hardly grow any more.
        let nodes = self.nodes.len();
        if nodes > 2 {
            let former = if at == 0 { 1 } else { nodes - 2 };
            if let Some(Node::Packed(listpack)) = self.nodes.at_mut_unshared(former) {
                listpack.shrink_to_fit();
            }
        }
        self.fit_nodes(0..0);
    }

    /// Drops the first or the last element, which is in node `at`.
    #[inline]
    pub(super) fn drop_end(&mut self, at: usize, first: bool) {
        self.len -= 1;
        let Some(node) = self.nodes.at(at) else { return };
        if node.count() == 1 {
            self.nodes.remove(at);
            self.fit_nodes(0..0);
        } else if let Some(listpack) = self.nodes.at_mut(at).and_then(Node::packed_mut) {
            if first {
                listpack.drop_front();
            } else {
                listpack.drop_back();
            }
        }
    }

    fn insert_beside(&mut self, pivot: &[u8], value: &[u8], side: Side) -> bool {
        let needle = Needle::new(pivot);
        let found = (0..self.nodes.len()).find_map(|at| Some((at, self.nodes.at(at)?.find(&needle)?)));
        let Some((at, offset)) = found else { return false };
        self.insert_at(at, offset, side, value);
        true
    }

    /// Replaces element number `offset` of the packed node `at` by a node that holds `value` alone.
    fn replace_by_node(&mut self, at: usize, offset: usize, value: &[u8]) {
        let Some(front) = self.nodes.at_mut(at).and_then(Node::packed_mut) else { return };
        let back = front.split_off(offset + 1);
        front.drop_back();
        let front_is_empty = front.is_empty();
        if !back.is_empty() {
            self.nodes.insert(at + 1, Node::Packed(back));
        }
        self.nodes.insert(at + 1, Node::of(value, self.options));
        if front_is_empty {
            self.nodes.remove(at);
        }
    }

    /// Inserts `value` beside element number `offset` of node `at` (Redis: _quicklistInsert).
    fn insert_at(&mut self, at: usize, offset: usize, side: Side, value: &[u8]) {
        let options = self.options;
        let Some(node) = self.nodes.at(at) else { return };
        self.len += 1;
        let room =
            |i: Option<usize>| i.and_then(|i| self.nodes.at(i)).is_some_and(|node| node.has_room(value.len(), options));
        let at_border = match side {
            Side::Before => offset == 0,
            Side::After => offset + 1 == node.count(),
        };
        // The neighbour on that side, and where a new node on that side would be put.
        let (neighbour, gap) = match side {
            Side::Before => (at.checked_sub(1), at),
            Side::After => (Some(at + 1), at + 1),
        };
        if room(Some(at)) {
            if let Some(listpack) = self.nodes.at_mut(at).and_then(Node::packed_mut) {
                let index = if side == Side::Before { offset } else { offset + 1 };
                listpack.insert(listpack.seek(index), value);
            }
            self.fit_nodes(at..at + 1);
        } else if at_border && room(neighbour) {
            let neighbour = neighbour.expect("it has room");
            if let Some(listpack) = self.nodes.at_mut(neighbour).and_then(Node::packed_mut) {
                if side == Side::Before {
                    listpack.push_back(value);
                } else {
                    listpack.push_front(value);
                }
            }
            self.fit_nodes(neighbour..neighbour + 1);
        } else if at_border || node.is_plain() {
            self.nodes.insert(gap, Node::of(value, options));
            self.fit_nodes(at..at + 2);
        } else {
            self.insert_by_splitting(at, offset, side, value);
        }
    }

    /// Splits node `at` beside element number `offset` and puts `value` between the halves.
    fn insert_by_splitting(&mut self, at: usize, offset: usize, side: Side, value: &[u8]) {
        let index = if side == Side::Before { offset } else { offset + 1 };
        let Some(front) = self.nodes.at_mut(at).and_then(Node::packed_mut) else { return };
        let mut back = front.split_off(index);
        let half = if side == Side::Before { front.byte_len() } else { back.byte_len() };
        if is_huge(value.len(), self.options) || is_oversized(half, value.len()) {
            self.nodes.insert(at + 1, Node::Packed(back));
            self.nodes.insert(at + 1, Node::of(value, self.options));
            self.fit_nodes(at..at + 3);
            return;
        }
        // The element goes to the half that Redis creates anew; merging starts from the other one.
        let center = match side {
            Side::Before => {
                front.push_back(value);
                at + 1
            }
            Side::After => {
                back.push_front(value);
                at
            }
        };
        self.nodes.insert(at + 1, Node::Packed(back));
        self.merge_around(center);
        self.fit_nodes(at.saturating_sub(2)..at + 4);
    }

    /// Merges around node `center` what may be merged, in the order of Redis's _quicklistMergeNodes.
    fn merge_around(&mut self, mut center: usize) {
        if center >= 2 && self.merge(center - 2) {
            center -= 1;
        }
        self.merge(center + 1);
        if center >= 1 && self.merge(center - 1) {
            center -= 1;
        }
        self.merge(center);
    }

    /// Merges node `at` and the next if that is allowed; returns whether it did.
    fn merge(&mut self, at: usize) -> bool {
        let (Some(node), Some(next)) = (self.nodes.at(at), self.nodes.at(at + 1)) else { return false };
        if !node.may_merge(next, self.options) {
            return false;
        }
        let next = match next.view() {
            View::Packed(listpack) => listpack.clone(),
            View::Unpacked(listpack) => listpack,
            View::Plain(_) | View::UnpackedPlain(_) => return false,
        };
        let Some(listpack) = self.nodes.at_mut(at).and_then(Node::packed_mut) else { return false };
        listpack.append(&next);
        self.nodes.remove(at + 1);
        true
    }

    /// Removes up to `limit` elements of node `at` that match; from the back or from the front.
    fn remove_matches(&mut self, at: usize, needle: &Needle<'_>, limit: usize, from_back: bool) -> usize {
        let Some(node) = self.nodes.at(at) else { return 0 };
        // Searched without changing the node, so that a node without matches is neither copied nor decompressed for
        // good.
        let mut hits = node.matches(needle);
        if from_back {
            hits.drain(..hits.len().saturating_sub(limit));
        } else {
            hits.truncate(limit);
        }
        if hits.is_empty() {
            return 0;
        }
        if hits.len() == node.count() {
            self.len -= hits.len();
            self.nodes.remove(at);
        } else {
            // From the back, so that the numbers of those before stay valid.
            for &offset in hits.iter().rev() {
                self.remove_in_node(at, offset, 1);
            }
            self.fit_nodes(at..at + 1);
        }
        hits.len()
    }

    /// Removes `count` elements of node `at` from number `offset` on, and the node if nothing is left.
    fn remove_in_node(&mut self, at: usize, offset: usize, count: usize) {
        let Some(node) = self.nodes.at(at) else { return };
        self.len -= count;
        if count == node.count() {
            self.nodes.remove(at);
        } else if let Some(listpack) = self.nodes.at_mut(at).and_then(Node::packed_mut) {
            listpack.remove(listpack.seek(offset), count);
        }
    }

    /// Restores the compression rule: nodes near the ends are not compressed; nodes that were touched, or are no longer
    /// near the ends, are compressed if that saves enough.
    fn fit_nodes(&mut self, touched: std::ops::Range<usize>) {
        let depth = usize::from(self.options.compress_depth);
        if depth == 0 {
            return;
        }
        let nodes = self.nodes.len();
        for i in (0..depth.min(nodes)).chain(nodes.saturating_sub(depth)..nodes) {
            if self.nodes.at(i).is_some_and(Node::is_compressed)
                && let Some(node) = self.nodes.at_mut(i)
            {
                node.decompress();
            }
        }
        let Some(inner) = nodes.checked_sub(depth).filter(|&end| end > depth).map(|end| depth..end) else { return };
        for i in touched.chain([inner.start, inner.end - 1]) {
            if inner.contains(&i)
                && self.nodes.at(i).is_some_and(|node| !node.is_compressed())
                && let Some(node) = self.nodes.at_mut(i)
            {
                node.compress();
            }
        }
    }
}

impl Node {
    /// The number of the first matching element.
    fn find(&self, needle: &Needle<'_>) -> Option<usize> {
        let find = |listpack: &Listpack| listpack.find(needle, 0, 0).map(|(index, _)| index);
        match self.view() {
            View::Packed(listpack) => find(listpack),
            View::Unpacked(listpack) => find(&listpack),
            View::Plain(bytes) => needle.matches(Element::Bytes(bytes)).then_some(0),
            View::UnpackedPlain(bytes) => needle.matches(Element::Bytes(&bytes)).then_some(0),
        }
    }

    /// The numbers of all matching elements.
    fn matches(&self, needle: &Needle<'_>) -> Vec<usize> {
        let all = |listpack: &Listpack| {
            listpack.iter().enumerate().filter(|(_, element)| needle.matches(*element)).map(|(i, _)| i).collect()
        };
        match self.view() {
            View::Packed(listpack) => all(listpack),
            View::Unpacked(listpack) => all(&listpack),
            View::Plain(bytes) => {
                if needle.matches(Element::Bytes(bytes)) {
                    vec![0]
                } else {
                    vec![]
                }
            }
            View::UnpackedPlain(bytes) => {
                if needle.matches(Element::Bytes(&bytes)) {
                    vec![0]
                } else {
                    vec![]
                }
            }
        }
    }
}
