//! The big form of a sorted set, called `skiplist`: a counted B+ tree, and an index of its members.
//!
//! Redis keeps a skip list and a hash table, with every member in an allocation of its own. Here members are stored
//! once, in [leaves](Leaf) of up to 32 elements. The nodes above know how many elements and which least score each of
//! their children has, so that the place of a score and the element at a rank are found in O(log n), and a range is
//! read leaf by leaf. The [`Index`] leads from a member to its leaf, and so to its score, without a search.
//!
//! Everything is shared until it is written: a clone costs one count per 64 leaves, and a write after it copies the
//! nodes on its way down, one leaf and one bucket.
//!
//! Invariants: no leaf and no inner node but an empty root is empty; a child's `count` and `min` are those of its
//! elements; every element is in the index exactly once, with the number of its leaf; `bytes` is what leaves and inner
//! nodes weigh.

use smallvec::SmallVec;
use triomphe::Arc;

use super::index::Index;
use super::leaf::{JOINED, Leaf};
use super::score::same;
use super::shelf::Shelf;
use crate::store::entry::spent;
use crate::store::hash::Hasher;

/// The most children of an inner node.
const KIDS: usize = 64;

/// A child of an inner node.
#[derive(Clone, Debug)]
struct Kid {
    /// The score of its first element.
    min: f64,
    count: usize,
    to: To,
}

#[derive(Clone, Debug)]
enum To {
    Leaf(u32),
    Inner(Arc<Inner>),
}

/// Children in order. All are leaves, or none is.
#[derive(Clone, Debug, Default)]
struct Inner {
    kids: Vec<Kid>,
}

impl Inner {
    /// Bytes that the allocator spends on it, without its children.
    fn weight(&self) -> usize {
        spent(size_of::<Inner>() + size_of::<usize>()) + spent(self.kids.capacity() * size_of::<Kid>())
    }

    fn count(&self) -> usize {
        self.kids.iter().map(|kid| kid.count).sum()
    }

    fn min(&self) -> f64 {
        self.kids.first().map_or(0.0, |kid| kid.min)
    }

    fn into_kid(self) -> Kid {
        Kid { min: self.min(), count: self.count(), to: To::Inner(Arc::new(self)) }
    }
}

/// A border between elements: those before it make up the beginning of the set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Border<'a> {
    /// Before are lesser scores.
    Below(f64),
    /// Before are scores up to this one.
    UpTo(f64),
    /// Before are elements that are less than this one.
    Element(f64, &'a [u8]),
    /// Before are lesser members, in a set whose scores are all the same.
    MemberBelow(&'a [u8]),
    /// Before are members up to this one.
    MemberUpTo(&'a [u8]),
}

impl Border<'_> {
    /// Whether an element lies before it; the member is asked for only if the score does not tell.
    #[inline]
    pub(super) fn is_after<'m>(&self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        match *self {
            Border::Below(limit) => score < limit,
            Border::UpTo(limit) => score <= limit,
            Border::Element(other, name) => score < other || (same(score, other) && member() < name),
            Border::MemberBelow(name) => member() < name,
            Border::MemberUpTo(name) => member() <= name,
        }
    }
}

/// What to descend to.
#[derive(Clone, Copy)]
enum Target<'a> {
    Rank(usize),
    Element(f64, &'a [u8]),
}

/// The leaves and what is known of their members.
#[derive(Clone, Debug)]
struct Leaves {
    shelf: Shelf<Leaf>,
    /// Numbers of leaves that were freed.
    free: Vec<u32>,
    index: Index,
    hasher: Hasher,
    /// Bytes of leaves and inner nodes.
    bytes: usize,
}

impl Leaves {
    #[inline]
    fn get(&self, leaf: u32) -> &Leaf {
        self.shelf.get(leaf as usize)
    }

    #[inline]
    fn hash(&self, member: &[u8]) -> u32 {
        (self.hasher.hash(member).0 >> 32) as u32
    }

    fn change<R>(&mut self, number: u32, work: impl FnOnce(&mut Leaf) -> R) -> R {
        let before = self.get(number).held_bytes();
        let leaf = self.shelf.get_mut(number as usize);
        let result = work(leaf);
        let now = leaf.held_bytes();
        if now != before {
            self.bytes = self.bytes + spent(now) - spent(before);
        }
        result
    }

    /// Adds a leaf; returns its number.
    fn add(&mut self, leaf: Leaf) -> u32 {
        let number = self.free.pop().unwrap_or(self.shelf.len() as u32);
        self.bytes += leaf.weight();
        self.shelf.put(number as usize, leaf);
        number
    }

    fn free(&mut self, number: u32) {
        if let Some(leaf) = self.shelf.take(number as usize) {
            self.bytes -= leaf.weight();
            self.free.push(number);
        }
    }

    /// The leaf as a child.
    fn kid(&self, number: u32) -> Kid {
        let leaf = self.get(number);
        Kid { min: leaf.score(0), count: leaf.len(), to: To::Leaf(number) }
    }

    /// The first member below a child.
    fn first_member(&self, kid: &Kid) -> &[u8] {
        let mut kid = kid;
        loop {
            match &kid.to {
                To::Leaf(number) => return self.get(*number).member(0),
                To::Inner(inner) => kid = inner.kids.first().expect("no inner node below the root is empty"),
            }
        }
    }

    /// The child in which a border is, or the first one.
    #[inline]
    fn kid_at(&self, inner: &Inner, border: Border<'_>) -> usize {
        let behind = inner.kids.partition_point(|kid| border.is_after(kid.min, || self.first_member(kid)));
        behind.saturating_sub(1)
    }

    /// The child in which an element is, or belongs.
    #[inline]
    fn kid_of(&self, inner: &Inner, score: f64, member: &[u8]) -> usize {
        let behind = inner
            .kids
            .partition_point(|kid| kid.min < score || (same(kid.min, score) && self.first_member(kid) <= member));
        behind.saturating_sub(1)
    }

    /// Inserts an element into a leaf, or beside it if it is full; the leaves that this adds behind it are returned.
    fn insert(&mut self, number: u32, score: f64, member: &[u8]) -> SmallVec<[u32; 2]> {
        let leaf = self.get(number);
        let (at, len) = (leaf.place(score, member), leaf.len());
        if leaf.has_room(member.len()) {
            self.put(number, at, score, member);
            return SmallVec::new();
        }
        if at > 0 && at < len && leaf.halves_have_room(member.len()) {
            let cut = len / 2;
            let right = self.split(number, cut);
            if at > cut {
                self.put(right, at - cut, score, member);
            } else {
                self.put(number, at, score, member);
            }
            return SmallVec::from_slice(&[right]);
        }
        // The leaf is parted where the element belongs. Elements that come in order so leave full leaves behind, and
        // the longest members are each alone.
        if at == 0 {
            let new = self.add_alone(score, member);
            self.swap(number, new);
            return SmallVec::from_slice(&[new]);
        }
        if at == len {
            return SmallVec::from_slice(&[self.add_alone(score, member)]);
        }
        let right = self.split(number, at);
        if self.get(number).has_room(member.len()) {
            self.put(number, at, score, member);
        } else if self.get(right).has_room(member.len()) {
            self.put(right, 0, score, member);
        } else {
            return SmallVec::from_slice(&[self.add_alone(score, member), right]);
        }
        SmallVec::from_slice(&[right])
    }

    /// Puts an element into a leaf that has room.
    fn put(&mut self, number: u32, at: usize, score: f64, member: &[u8]) {
        self.change(number, |leaf| leaf.insert(at, score, member));
        self.index.insert(self.hash(member), number);
    }

    /// Adds a leaf of one element.
    fn add_alone(&mut self, score: f64, member: &[u8]) -> u32 {
        let number = self.add(Leaf::new());
        self.put(number, 0, score, member);
        number
    }

    /// Exchanges the contents of two leaves.
    fn swap(&mut self, a: u32, b: u32) {
        let (in_a, in_b) = (self.get(a).clone(), self.get(b).clone());
        for (leaf, from, to) in [(&in_a, a, b), (&in_b, b, a)] {
            for at in 0..leaf.len() {
                self.index.moved(self.hash(leaf.member(at)), from, to);
            }
        }
        self.change(a, |leaf| *leaf = in_b);
        self.change(b, |leaf| *leaf = in_a);
    }

    /// Splits a leaf; returns the number of the new one, which has the elements from place `at` on.
    fn split(&mut self, number: u32, at: usize) -> u32 {
        let right = self.change(number, |leaf| leaf.split_off(at));
        let new = self.add(right);
        for at in 0..self.get(new).len() {
            let hash = self.hash(self.get(new).member(at));
            self.index.moved(hash, number, new);
        }
        new
    }

    /// Moves all elements of leaf `right` to the end of `left`, and frees it.
    fn join(&mut self, left: u32, right: u32) {
        let moved = self.get(right).clone();
        for at in 0..moved.len() {
            self.index.moved(self.hash(moved.member(at)), right, left);
        }
        self.change(left, |leaf| leaf.append(&moved, 0));
        self.free(right);
    }
}

/// Where an element is, until the tree is next changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    leaf: u32,
    at: usize,
    pub(super) score: f64,
}

/// See the top of the file.
#[derive(Clone, Debug)]
pub(in crate::store) struct Tree {
    root: Arc<Inner>,
    leaves: Leaves,
    len: usize,
}

impl Tree {
    /// An empty tree; `seed` makes the hashes of members unpredictable.
    pub(super) fn new(seed: u64) -> Self {
        let root = Arc::new(Inner::default());
        let bytes = root.weight();
        let hasher = Hasher::new(seed);
        let leaves = Leaves { shelf: Shelf::new(), free: Vec::new(), index: Index::new(), hasher, bytes };
        Tree { root, leaves, len: 0 }
    }

    #[inline]
    pub(in crate::store) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that the allocator spends on it, in constant time.
    pub(super) fn weight(&self) -> usize {
        let Leaves { shelf, free, index, bytes, .. } = &self.leaves;
        spent(size_of::<Tree>()) + shelf.weight() + spent(free.capacity() * size_of::<u32>()) + index.weight() + bytes
    }

    /// Leaf and place of a member.
    #[inline]
    fn locate(&self, member: &[u8]) -> Option<(u32, usize)> {
        let hash = self.leaves.hash(member);
        self.leaves.index.leaves(hash).find_map(|leaf| Some((leaf, self.leaves.get(leaf).find(member)?)))
    }

    /// The score of a member.
    #[inline]
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|spot| spot.score)
    }

    /// Where a member is.
    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<Spot> {
        self.locate(member).map(|(leaf, at)| Spot { leaf, at, score: self.leaves.get(leaf).score(at) })
    }

    /// Adds an element whose member is not there.
    pub(super) fn insert(&mut self, score: f64, member: &[u8]) {
        self.len += 1;
        if self.root.kids.is_empty() {
            let number = self.leaves.add_alone(score, member);
            let kid = self.leaves.kid(number);
            change(&mut self.root, &mut self.leaves, |root, _| root.kids.push(kid));
            return;
        }
        if let Some(right) = insert_below(&mut self.root, &mut self.leaves, score, member) {
            let left = Kid { min: self.root.min(), count: self.root.count(), to: To::Inner(Arc::clone(&self.root)) };
            let root = Inner { kids: vec![left, right] };
            self.leaves.bytes += root.weight();
            self.root = Arc::new(root);
        }
    }

    /// Gives a member another score. Nothing has changed since it was found.
    pub(super) fn set_score(&mut self, member: &[u8], old: Spot, new: f64) {
        let Spot { leaf: number, at, score } = old;
        let leaf = self.leaves.get(number);
        // If its neighbours in the leaf say that it stays where it is, nothing else changes.
        let inside = at > 0 && at + 1 < leaf.len();
        if inside && leaf.score(at - 1) < new && new < leaf.score(at + 1) {
            self.leaves.change(number, |leaf| leaf.set_score(at, new));
            return;
        }
        self.remove(score, member);
        self.insert(new, member);
    }

    /// Removes an element that is there.
    pub(super) fn remove(&mut self, score: f64, member: &[u8]) {
        self.len -= remove_below(&mut self.root, &mut self.leaves, Target::Element(score, member), 1);
        self.lower();
    }

    /// Removes the elements of these ranks.
    pub(super) fn remove_range(&mut self, start: usize, count: usize) {
        let mut left = count;
        while left > 0 && start < self.len {
            let removed = remove_below(&mut self.root, &mut self.leaves, Target::Rank(start), left);
            self.len -= removed;
            left -= removed;
        }
        self.lower();
    }

    /// Drops levels that have become superfluous.
    fn lower(&mut self) {
        while let [Kid { to: To::Inner(only), .. }] = self.root.kids.as_slice() {
            let only = Arc::clone(only);
            self.leaves.bytes -= self.root.weight();
            self.root = only;
        }
    }

    /// How many elements lie before a border.
    pub(super) fn rank_of(&self, border: Border<'_>) -> usize {
        let (mut inner, mut rank) = (&self.root, 0);
        loop {
            let at = self.leaves.kid_at(inner, border);
            rank += inner.kids[..at].iter().map(|kid| kid.count).sum::<usize>();
            match inner.kids.get(at).map(|kid| &kid.to) {
                None => return rank,
                Some(To::Inner(below)) => inner = below,
                Some(To::Leaf(number)) => {
                    let leaf = self.leaves.get(*number);
                    let (mut low, mut high) = (0, leaf.len());
                    while low < high {
                        let middle = usize::midpoint(low, high);
                        if border.is_after(leaf.score(middle), || leaf.member(middle)) {
                            low = middle + 1;
                        } else {
                            high = middle;
                        }
                    }
                    return rank + low;
                }
            }
        }
    }

    /// Passes on `count` elements from number `start`, ascending; or, reversed, descending and counted from the end.
    pub(super) fn range(&self, start: usize, count: usize, reversed: bool, mut f: impl FnMut(&[u8], f64)) {
        let mut walk = Walk { leaves: &self.leaves, skip: start, left: count };
        if reversed { walk.back(&self.root, &mut f) } else { walk.forward(&self.root, &mut f) }
    }

    /// Passes on all elements, descending, and drops each part of the tree behind its turn.
    ///
    /// # Errors
    /// That of `f`, which ends it.
    pub(in crate::store) fn consume<E>(self, mut f: impl FnMut(&[u8], f64) -> Result<(), E>) -> Result<(), E> {
        let Tree { root, leaves: Leaves { mut shelf, index, .. }, .. } = self;
        drop(index);
        consume_below(root, &mut shelf, &mut f)
    }

    /// Passes elements on in the order of the index, from a cursor; at least `count` if there are so many. Returns
    /// where to continue, `None` at the end.
    pub(super) fn scan(&self, cursor: u32, count: usize, mut f: impl FnMut(&[u8], f64)) -> Option<u32> {
        self.leaves.index.scan(cursor, count, |hash, number| {
            let leaf = self.leaves.get(number);
            for at in 0..leaf.len() {
                if self.leaves.hash(leaf.member(at)) == hash {
                    f(leaf.member(at), leaf.score(at));
                }
            }
        })
    }

    /// Panics if an invariant does not hold.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut numbers = Vec::new();
        let (count, bytes) = check_below(&self.root, &self.leaves, &mut numbers);
        assert_eq!(count, self.len, "the counts");
        assert_eq!(bytes, self.leaves.bytes, "the bytes");
        let (mut records, mut elements) = (0, 0);
        self.leaves.index.scan(0, usize::MAX, |_, _| records += 1);
        self.scan(0, usize::MAX, |member, score| {
            assert_eq!(self.score(member), Some(score));
            elements += 1;
        });
        assert_eq!(elements, self.len, "the index has each element once");
        assert!(records <= elements);
    }
}

#[cfg(test)]
fn check_below(inner: &Inner, leaves: &Leaves, numbers: &mut Vec<u32>) -> (usize, usize) {
    let (mut count, mut bytes) = (0, inner.weight());
    assert!(inner.kids.len() <= KIDS);
    for kid in &inner.kids {
        let (below, weight) = match &kid.to {
            To::Leaf(number) => {
                numbers.push(*number);
                let leaf = leaves.get(*number);
                assert!(leaf.scores().is_sorted() && same(leaf.score(0), kid.min));
                (leaf.len(), leaf.weight())
            }
            To::Inner(inner) => {
                assert!(same(inner.min(), kid.min));
                check_below(inner, leaves, numbers)
            }
        };
        assert!(below > 0 && below == kid.count, "the count of a child");
        (count, bytes) = (count + below, bytes + weight);
    }
    (count, bytes)
}

/// [`Tree::consume`] below a node.
fn consume_below<E>(
    node: Arc<Inner>,
    shelf: &mut Shelf<Leaf>,
    f: &mut impl FnMut(&[u8], f64) -> Result<(), E>,
) -> Result<(), E> {
    Arc::unwrap_or_clone(node).kids.into_iter().rev().try_for_each(|kid| match kid.to {
        To::Inner(below) => consume_below(below, shelf, f),
        To::Leaf(number) => {
            let leaf = shelf.take(number as usize).expect("a leaf belongs to one node");
            (0..leaf.len()).rev().try_for_each(|at| f(leaf.member(at), leaf.score(at)))
        }
    })
}

/// A walk over a part of the tree.
struct Walk<'a> {
    leaves: &'a Leaves,
    skip: usize,
    left: usize,
}

impl Walk<'_> {
    /// How many elements of a leaf to skip and to pass on; `None` if all are skipped.
    fn part_of(&mut self, count: usize) -> Option<(usize, usize)> {
        if self.skip >= count {
            self.skip -= count;
            return None;
        }
        let skip = std::mem::take(&mut self.skip);
        let taken = (count - skip).min(self.left);
        self.left -= taken;
        Some((skip, taken))
    }

    fn forward(&mut self, inner: &Inner, f: &mut impl FnMut(&[u8], f64)) {
        for kid in &inner.kids {
            if self.left == 0 {
                return;
            }
            match &kid.to {
                To::Inner(_) if self.skip >= kid.count => self.skip -= kid.count,
                To::Inner(below) => self.forward(below, f),
                To::Leaf(number) => {
                    let Some((skip, taken)) = self.part_of(kid.count) else { continue };
                    let leaf = self.leaves.get(*number);
                    (skip..skip + taken).for_each(|at| f(leaf.member(at), leaf.score(at)));
                }
            }
        }
    }

    fn back(&mut self, inner: &Inner, f: &mut impl FnMut(&[u8], f64)) {
        for kid in inner.kids.iter().rev() {
            if self.left == 0 {
                return;
            }
            match &kid.to {
                To::Inner(_) if self.skip >= kid.count => self.skip -= kid.count,
                To::Inner(below) => self.back(below, f),
                To::Leaf(number) => {
                    let Some((skip, taken)) = self.part_of(kid.count) else { continue };
                    let (leaf, end) = (self.leaves.get(*number), kid.count - skip);
                    (end - taken..end).rev().for_each(|at| f(leaf.member(at), leaf.score(at)));
                }
            }
        }
    }
}

/// Changes a node, which is copied first if it is shared, and keeps the sum of bytes.
fn change<R>(node: &mut Arc<Inner>, leaves: &mut Leaves, work: impl FnOnce(&mut Inner, &mut Leaves) -> R) -> R {
    let before = node.kids.capacity();
    let inner = Arc::make_mut(node);
    let result = work(inner, leaves);
    let now = inner.kids.capacity();
    if now != before {
        leaves.bytes = leaves.bytes + spent(now * size_of::<Kid>()) - spent(before * size_of::<Kid>());
    }
    result
}

/// Inserts an element below a node. Returns the node that was split off behind it, if it was full.
fn insert_below(node: &mut Arc<Inner>, leaves: &mut Leaves, score: f64, member: &[u8]) -> Option<Kid> {
    change(node, leaves, |inner, leaves| {
        let at = leaves.kid_of(inner, score, member);
        let kid = &mut inner.kids[at];
        let mut added: SmallVec<[Kid; 2]> = SmallVec::new();
        match &mut kid.to {
            To::Leaf(number) => {
                let number = *number;
                let new = leaves.insert(number, score, member);
                *kid = leaves.kid(number);
                added.extend(new.into_iter().map(|number| leaves.kid(number)));
            }
            To::Inner(below) => {
                added.extend(insert_below(below, leaves, score, member));
                if added.is_empty() {
                    (kid.min, kid.count) = (below.min(), kid.count + 1);
                } else {
                    (kid.min, kid.count) = (below.min(), below.count());
                }
            }
        }
        if added.is_empty() {
            return None;
        }
        let appended = at + 1 == inner.kids.len();
        let behind = inner.kids.split_off(at + 1);
        inner.kids.extend(added.into_iter().chain(behind));
        if inner.kids.len() <= KIDS {
            return None;
        }
        let cut = if appended { inner.kids.len() - 2 } else { inner.kids.len() / 2 };
        let right = Inner { kids: inner.kids.split_off(cut) };
        leaves.bytes += right.weight();
        Some(right.into_kid())
    })
}

/// Removes up to `most` elements, all from one leaf, below a node; returns how many.
fn remove_below(node: &mut Arc<Inner>, leaves: &mut Leaves, target: Target<'_>, most: usize) -> usize {
    change(node, leaves, |inner, leaves| {
        let (at, target) = match target {
            Target::Element(score, member) => (leaves.kid_of(inner, score, member), target),
            Target::Rank(rank) => {
                let (mut at, mut rank) = (0, rank);
                while rank >= inner.kids[at].count {
                    rank -= inner.kids[at].count;
                    at += 1;
                }
                (at, Target::Rank(rank))
            }
        };
        let kid = &mut inner.kids[at];
        let removed = match &mut kid.to {
            To::Leaf(number) => remove_in_leaf(*number, leaves, target, most),
            To::Inner(below) => remove_below(below, leaves, target, most),
        };
        kid.count -= removed;
        if kid.count == 0 {
            match inner.kids.remove(at).to {
                To::Leaf(number) => leaves.free(number),
                To::Inner(below) => leaves.bytes -= below.weight(),
            }
            return removed;
        }
        kid.min = match &kid.to {
            To::Leaf(number) => leaves.get(*number).score(0),
            To::Inner(below) => below.min(),
        };
        join_around(inner, at, leaves);
        removed
    })
}

fn remove_in_leaf(number: u32, leaves: &mut Leaves, target: Target<'_>, most: usize) -> usize {
    let leaf = leaves.get(number);
    let at = match target {
        Target::Rank(rank) => rank,
        Target::Element(score, member) => leaf.place(score, member),
    };
    let count = most.min(leaf.len() - at);
    for at in at..at + count {
        let hash = leaves.hash(leaves.get(number).member(at));
        leaves.index.remove(hash, number);
    }
    if count < leaves.get(number).len() {
        leaves.change(number, |leaf| leaf.remove(at, count));
    }
    count
}

/// Joins a child that has become small with a neighbour, if both fit in one with room to spare.
fn join_around(inner: &mut Inner, at: usize, leaves: &mut Leaves) {
    for left in [at, at.wrapping_sub(1)] {
        if left < inner.kids.len() && left + 1 < inner.kids.len() && join(inner, left, leaves) {
            return;
        }
    }
}

fn join(inner: &mut Inner, left: usize, leaves: &mut Leaves) -> bool {
    let [a, b] = &mut inner.kids[left..left + 2] else { return false };
    // The counts are at hand: most leaves need not be looked at.
    if matches!(a.to, To::Leaf(_)) && a.count + b.count > JOINED {
        return false;
    }
    match (&mut a.to, &b.to) {
        (To::Leaf(a), To::Leaf(b)) => {
            let (a, b) = (*a, *b);
            if !leaves.get(a).has_room_for(leaves.get(b)) {
                return false;
            }
            leaves.join(a, b);
        }
        (To::Inner(a), To::Inner(b)) => {
            if a.kids.len() + b.kids.len() > KIDS - KIDS / 4 {
                return false;
            }
            leaves.bytes -= b.weight();
            let moved = b.kids.clone();
            change(a, leaves, |a, _| a.kids.extend(moved));
        }
        (To::Leaf(_), To::Inner(_)) | (To::Inner(_), To::Leaf(_)) => return false,
    }
    let gone = inner.kids.remove(left + 1);
    inner.kids[left].count += gone.count;
    true
}
