//! The chunks of a table in the order of their ranges.
//!
//! A table begins with one chunk. Many chunks stand in regions of up to [`REGION_MAX`], each behind an `Arc`, and the
//! regions in the root. So a clone for a snapshot counts up once for some hundred thousand elements, and the first
//! write after it copies a region's pointers and one chunk, whatever the size of the table. A chunk is found by two
//! binary searches over the starts of the ranges, which lie in the cache: only the chunk's index and bytes are read
//! from memory.
//!
//! Rejected: one flat array of chunks (a clone of a hundred million elements would touch a hundred thousand counts,
//! and keep a writer waiting for milliseconds), and a directory by the hash's top bits (it doubles at once).
//!
//! Invariants: the ranges cover all hashes without gaps; the first start is 0; no region is empty.

use triomphe::Arc;

use super::Tags;
use super::bulk::Sorted;
use super::chunk::Chunk;
use crate::store::entry::spent;

/// Chunks of a region with which it is split.
const REGION_MAX: usize = 512;
/// Two neighbouring regions are merged if together they have no more chunks than this.
const REGION_MERGED: usize = 128;

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub region: u32,
    pub chunk: u32,
}

/// The chunks. See the top of the file.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    One(Arc<Chunk>),
    Many(Box<Root>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Root {
    starts: Vec<u32>,
    regions: Vec<Arc<Region>>,
    /// Bytes of all regions and chunks.
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Region {
    starts: Vec<u32>,
    chunks: Vec<Arc<Chunk>>,
}

/// The number of the range in which a hash lies.
#[inline]
fn locate(starts: &[u32], hash: u32) -> usize {
    starts.partition_point(|start| *start <= hash) - 1
}

impl Region {
    fn of(chunks: Vec<Arc<Chunk>>) -> Self {
        Self { starts: chunks.iter().map(|chunk| chunk.start()).collect(), chunks }
    }

    /// Bytes of the region itself, without its chunks.
    fn weight(&self) -> usize {
        spent(size_of::<usize>() + size_of::<Self>())
            + spent(self.starts.capacity() * size_of::<u32>())
            + spent(self.chunks.capacity() * size_of::<Arc<Chunk>>())
    }

    /// Bytes of the region and its chunks.
    fn whole_weight(&self) -> usize {
        self.weight() + self.chunks.iter().map(|chunk| chunk.weight()).sum::<usize>()
    }

    /// Puts two chunks in the place of one.
    fn replace_by_two(&mut self, at: usize, low: Chunk, high: Chunk) {
        self.starts.insert(at + 1, high.start());
        self.chunks[at] = Arc::new(low);
        self.chunks.insert(at + 1, Arc::new(high));
    }

    /// Puts one chunk in the place of two.
    fn replace_by_one(&mut self, at: usize, merged: Chunk) {
        self.starts.remove(at + 1);
        self.chunks.remove(at + 1);
        self.chunks[at] = Arc::new(merged);
    }

    /// The first of two chunks that can be merged, one of which is number `at`.
    fn mergeable(&self, at: usize) -> Option<usize> {
        let first = at.saturating_sub(1);
        (first..=at).find(|&i| self.chunks.get(i + 1).is_some_and(|next| self.chunks[i].can_merge_with(next)))
    }
}

impl Tree {
    pub(super) fn new(valued: bool) -> Self {
        Tree::One(Arc::new(Chunk::new(valued)))
    }

    /// The chunks of these elements.
    pub(super) fn of(elements: Sorted<'_>) -> Self {
        let mut chunks = Vec::new();
        Chunk::fill(0, u32::BITS as u8, elements, elements.mean(), &mut chunks);
        if let [only] = chunks.as_slice() {
            return Tree::One(Arc::clone(only));
        }
        let regions: Vec<Region> = chunks.chunks(REGION_MAX / 2).map(|chunks| Region::of(chunks.to_vec())).collect();
        let bytes = regions.iter().map(Region::whole_weight).sum();
        let starts = regions.iter().map(|region| region.starts[0]).collect();
        Tree::Many(Box::new(Root { starts, regions: regions.into_iter().map(Arc::new).collect(), bytes }))
    }

    /// Bytes that the allocator spends on all of it.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        match self {
            Tree::One(chunk) => chunk.weight(),
            Tree::Many(root) => {
                spent(size_of::<Root>())
                    + spent(root.starts.capacity() * size_of::<u32>())
                    + spent(root.regions.capacity() * size_of::<Arc<Region>>())
                    + root.bytes
            }
        }
    }

    /// Where the chunk of a hash stands.
    #[inline]
    pub(super) fn locate(&self, hash: u32) -> At {
        match self {
            Tree::One(_) => At::default(),
            Tree::Many(root) => {
                let region = locate(&root.starts, hash);
                let chunk = locate(&root.regions[region].starts, hash);
                At { region: region as u32, chunk: chunk as u32 }
            }
        }
    }

    #[inline]
    pub(super) fn at(&self, at: At) -> Option<&Chunk> {
        match self {
            Tree::One(chunk) => Some(chunk),
            Tree::Many(root) => {
                root.regions.get(at.region as usize)?.chunks.get(at.chunk as usize).map(|chunk| &**chunk)
            }
        }
    }

    /// The chunk of a hash.
    #[inline]
    pub(super) fn chunk(&self, hash: u32) -> &Chunk {
        match self {
            Tree::One(chunk) => chunk,
            Tree::Many(root) => {
                let region = &root.regions[locate(&root.starts, hash)];
                &region.chunks[locate(&region.starts, hash)]
            }
        }
    }

    /// All chunks in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.places().map(|(_, chunk)| chunk)
    }

    /// Passes on all chunks in order. Each is dropped behind its turn: what only this tree still has is freed bit by
    /// bit, and what others have is theirs alone. The chunks of a shared region are dropped together.
    ///
    /// # Errors
    /// That of `f`, which ends it.
    pub(super) fn consume<E>(self, mut f: impl FnMut(&Chunk) -> Result<(), E>) -> Result<(), E> {
        match self {
            Tree::One(chunk) => f(&chunk),
            Tree::Many(root) => root.regions.into_iter().try_for_each(|region| match Arc::try_unwrap(region) {
                Ok(region) => region.chunks.into_iter().try_for_each(|chunk| f(&chunk)),
                Err(shared) => shared.chunks.iter().try_for_each(|chunk| f(chunk)),
            }),
        }
    }

    /// All chunks in order, with their places.
    pub(super) fn places(&self) -> impl Iterator<Item = (At, &Chunk)> {
        let (one, many) = match self {
            Tree::One(chunk) => (Some((At::default(), &**chunk)), &[][..]),
            Tree::Many(root) => (None, root.regions.as_slice()),
        };
        let many = many.iter().zip(0..).flat_map(|(region, number)| {
            let chunks = region.chunks.iter().zip(0..);
            chunks.map(move |(chunk, chunk_number)| (At { region: number, chunk: chunk_number }, &**chunk))
        });
        one.into_iter().chain(many)
    }

    /// Changes the chunk of a hash; what is shared with a clone is copied first.
    #[inline]
    pub(super) fn change<R>(&mut self, hash: u32, f: impl FnOnce(&mut Chunk) -> R) -> R {
        match self {
            Tree::One(chunk) => f(Arc::make_mut(chunk)),
            Tree::Many(root) => {
                let at = locate(&root.starts, hash);
                let (region, bytes) = root.region_mut(at);
                let at = locate(&region.starts, hash);
                let chunk = &mut region.chunks[at];
                let before = chunk.weight();
                let result = f(Arc::make_mut(chunk));
                *bytes = *bytes + chunk.weight() - before;
                result
            }
        }
    }

    /// Splits the chunk of a hash.
    pub(super) fn split(&mut self, hash: u32, tags: &Tags) {
        match self {
            Tree::One(chunk) => {
                let (low, high) = chunk.split(tags);
                let region = Region::of(vec![Arc::new(low), Arc::new(high)]);
                let bytes = region.whole_weight();
                *self = Tree::Many(Box::new(Root { starts: vec![0], regions: vec![Arc::new(region)], bytes }));
            }
            Tree::Many(root) => root.split(hash, tags),
        }
    }

    /// Merges the chunk of a hash with a neighbour, as often as both are small.
    pub(super) fn merge(&mut self, hash: u32, tags: &Tags) {
        let Tree::Many(root) = self else { return };
        while root.merge(hash, tags) {}
        if let [only] = root.regions.as_slice()
            && let [only] = only.chunks.as_slice()
        {
            *self = Tree::One(Arc::clone(only));
        }
    }
}

impl Root {
    /// A region for changing, copied first if it is shared; and the sum of bytes.
    #[inline]
    fn region_mut(&mut self, at: usize) -> (&mut Region, &mut usize) {
        let region = &mut self.regions[at];
        // A copy has other capacities.
        let before = region.weight();
        let region = Arc::make_mut(region);
        self.bytes = self.bytes + region.weight() - before;
        (region, &mut self.bytes)
    }

    fn split(&mut self, hash: u32, tags: &Tags) {
        let at = locate(&self.starts, hash);
        let (region, bytes) = self.region_mut(at);
        let chunk_at = locate(&region.starts, hash);
        let (low, high) = region.chunks[chunk_at].split(tags);
        let before = region.weight() + region.chunks[chunk_at].weight();
        let added = low.weight() + high.weight();
        region.replace_by_two(chunk_at, low, high);
        *bytes = *bytes + added + region.weight() - before;
        if region.chunks.len() >= REGION_MAX {
            let before = region.weight();
            let high = Region::of(region.chunks.split_off(REGION_MAX / 2));
            *region = Region::of(std::mem::take(&mut region.chunks));
            *bytes = *bytes + region.weight() + high.weight() - before;
            self.starts.insert(at + 1, high.starts[0]);
            self.regions.insert(at + 1, Arc::new(high));
        }
    }

    /// Merges the chunk of a hash, or its region, with a neighbour once; false if there is nothing to merge.
    fn merge(&mut self, hash: u32, tags: &Tags) -> bool {
        let at = locate(&self.starts, hash);
        let region = &self.regions[at];
        if let Some(first) = region.mergeable(locate(&region.starts, hash)) {
            let (region, bytes) = self.region_mut(at);
            let (low, high) = (&region.chunks[first], &region.chunks[first + 1]);
            let merged = low.merged(high, tags);
            let before = region.weight() + low.weight() + high.weight();
            let added = merged.weight();
            region.replace_by_one(first, merged);
            *bytes = *bytes + added + region.weight() - before;
            return true;
        }
        self.merge_region(at)
    }

    fn merge_region(&mut self, at: usize) -> bool {
        let len = |at: usize| self.regions.get(at).map_or(REGION_MAX, |region| region.chunks.len());
        let Some(first) = (at.saturating_sub(1)..=at).find(|&i| len(i) + len(i + 1) <= REGION_MERGED) else {
            return false;
        };
        let next = self.regions.remove(first + 1);
        self.starts.remove(first + 1);
        let (region, bytes) = self.region_mut(first);
        let before = region.weight() + next.weight();
        let chunks = region.chunks.iter().chain(&next.chunks).map(Arc::clone).collect();
        *region = Region::of(chunks);
        *bytes = *bytes + region.weight() - before;
        true
    }
}

#[cfg(test)]
impl Tree {
    /// How many chunks others have, too.
    pub(super) fn shared(&self) -> usize {
        match self {
            Tree::One(chunk) => usize::from(!chunk.is_unique()),
            Tree::Many(root) => {
                let shared = |region: &Arc<Region>| {
                    let whole = !region.is_unique();
                    region.chunks.iter().filter(|chunk| whole || !chunk.is_unique()).count()
                };
                root.regions.iter().map(shared).sum()
            }
        }
    }

    /// Every rule of the file's essay.
    pub(super) fn check(&self, tags: &Tags) {
        let mut next = Some(0);
        for chunk in self.iter() {
            assert_eq!(Some(chunk.start()), next, "ranges follow each other");
            next = chunk.end();
            chunk.check(tags);
        }
        assert_eq!(next, None, "the ranges end with the last hash");
        if let Tree::Many(root) = self {
            assert_eq!(root.regions.iter().map(|region| region.whole_weight()).sum::<usize>(), root.bytes);
            for (start, region) in root.starts.iter().zip(&root.regions) {
                assert_eq!(*start, region.starts[0]);
                assert!(region.chunks.iter().map(|chunk| chunk.start()).eq(region.starts.iter().copied()));
                assert!(region.chunks.len() < REGION_MAX);
            }
        }
    }
}
