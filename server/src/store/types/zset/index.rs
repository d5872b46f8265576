//! Where the members of a big sorted set are: from the hash of a member to the number of its leaf.
//!
//! A record is 32 bits of hash and 32 bits of leaf number; the member itself is only in the leaf. Records are in
//! buckets that split one at a time (linear hashing): growth never moves more than one bucket, so no insertion waits
//! for the whole table, and a snapshot shares all buckets that are not written.
//!
//! A bucket holds the records whose hashes end in the same bits. Turned around, these bits are the *beginning* of a
//! range: [`Index::scan`] goes through the reversed hashes in ascending order, so a cursor is a number that means the
//! same after any growth and shrinking.

use super::shelf::Shelf;
use crate::store::entry::{good_size, spent};

/// Records per bucket on average when the index grows, and below which it shrinks.
const GROW_ABOVE: usize = 32;
const SHRINK_BELOW: usize = 12;

/// Records of one bucket, in no order.
type Bucket = Vec<u64>;

/// See the top of the file.
#[derive(Clone, Debug)]
pub(super) struct Index {
    buckets: Shelf<Bucket>,
    len: usize,
    /// Bytes of all buckets.
    bytes: usize,
}

fn record(hash: u32, leaf: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(leaf)
}

fn weight(bucket: &Bucket) -> usize {
    spent(size_of::<Bucket>() + size_of::<usize>()) + spent(bucket.capacity() * size_of::<u64>())
}

impl Index {
    pub(super) fn new() -> Self {
        let mut buckets = Shelf::new();
        buckets.put(0, Bucket::new());
        let bytes = weight(buckets.get(0));
        Index { buckets, len: 0, bytes }
    }

    /// The bucket of a hash: its last bits, one less if the bucket with that many bits does not exist yet.
    #[inline]
    fn bucket_of(&self, hash: u32) -> usize {
        let mask = self.buckets.len().next_power_of_two() - 1;
        let long = hash as usize & mask;
        if long < self.buckets.len() { long } else { long & (mask >> 1) }
    }

    /// The leaves in which a member of this hash may be.
    #[inline]
    pub(super) fn leaves(&self, hash: u32) -> impl Iterator<Item = u32> {
        /// Records that are compared together, without a branch for each.
        const BLOCK: usize = 8;
        let (blocks, rest) = self.buckets.get(self.bucket_of(hash)).as_chunks::<BLOCK>();
        let is = move |record: &u64| (*record >> 32) as u32 == hash;
        let blocks = blocks.iter().filter(move |block| block.iter().fold(false, |any, record| any | is(record)));
        blocks.flatten().chain(rest).filter(move |record| is(record)).map(|record| *record as u32)
    }

    fn change<R>(&mut self, number: usize, work: impl FnOnce(&mut Bucket) -> R) -> R {
        let before = self.buckets.get(number).capacity();
        let bucket = self.buckets.get_mut(number);
        let result = work(bucket);
        if bucket.capacity() != before {
            let bytes = |capacity| spent(capacity * size_of::<u64>());
            self.bytes = self.bytes + bytes(bucket.capacity()) - bytes(before);
        }
        result
    }

    /// Notes a member.
    pub(super) fn insert(&mut self, hash: u32, leaf: u32) {
        self.change(self.bucket_of(hash), |bucket| push(bucket, record(hash, leaf)));
        self.len += 1;
        if self.len > self.buckets.len() * GROW_ABOVE {
            self.grow();
        }
    }

    /// Forgets a member.
    pub(super) fn remove(&mut self, hash: u32, leaf: u32) {
        self.change(self.bucket_of(hash), |bucket| {
            let at = bucket.iter().position(|&other| other == record(hash, leaf));
            bucket.swap_remove(at.expect("every member is noted"));
            give_back(bucket);
        });
        self.len -= 1;
        if self.buckets.len() > 1 && self.len < self.buckets.len() * SHRINK_BELOW {
            self.shrink();
        }
    }

    /// Notes that a member has moved to another leaf.
    pub(super) fn moved(&mut self, hash: u32, from: u32, to: u32) {
        self.change(self.bucket_of(hash), |bucket| {
            let at = bucket.iter().position(|&other| other == record(hash, from));
            bucket[at.expect("every member is noted")] = record(hash, to);
        });
    }

    /// Adds a bucket: the half of an older one whose hashes have the next bit set.
    fn grow(&mut self) {
        let new = self.buckets.len();
        let bit = 1 << new.ilog2();
        let (old, mut moved) = (new - bit, Bucket::new());
        self.change(old, |bucket| {
            let stays = |record: &u64| (*record >> 32) as usize & bit == 0;
            moved = Bucket::with_capacity(good_size(bucket.iter().filter(|r| !stays(r)).count() * 8) / 8);
            moved.extend(bucket.iter().filter(|record| !stays(record)));
            bucket.retain(stays);
            give_back(bucket);
        });
        self.bytes += weight(&moved);
        self.buckets.put(new, moved);
    }

    /// Joins the last bucket with the one that it was split from.
    fn shrink(&mut self) {
        let Some(last) = self.buckets.pop() else { return };
        self.bytes -= weight(&last);
        let into = self.buckets.len() - (1 << self.buckets.len().ilog2());
        self.change(into, |bucket| last.iter().for_each(|&record| push(bucket, record)));
    }

    /// Passes records on from a cursor on, whole buckets, until there were at least `count`; each pair of hash and leaf
    /// once. Returns the cursor to continue with; `None` at the end.
    pub(super) fn scan(&self, cursor: u32, count: usize, mut f: impl FnMut(u32, u32)) -> Option<u32> {
        let (mut cursor, mut seen) = (cursor, 0);
        loop {
            let number = self.bucket_of(cursor.reverse_bits());
            let mut found: Vec<(u32, u64)> = (self.buckets.get(number).iter())
                .map(|&record| (((record >> 32) as u32).reverse_bits(), record))
                .filter(|(order, _)| *order >= cursor)
                .collect();
            found.sort_unstable();
            found.dedup();
            found.iter().for_each(|(_, record)| f((record >> 32) as u32, *record as u32));
            seen += found.len();
            cursor = self.next_range(number)?;
            if seen >= count {
                return Some(cursor);
            }
        }
    }

    /// Where the reversed hashes behind those of a bucket begin; `None` behind the last.
    fn next_range(&self, number: usize) -> Option<u32> {
        let buckets = self.buckets.len();
        // The bits that all hashes of the bucket share: as many as the largest bucket's number has, or one less.
        let whole = buckets.next_power_of_two();
        let split = number + whole / 2 < buckets || number >= whole / 2;
        let bits = whole.ilog2() - u32::from(whole > 1 && !split);
        if bits == 0 {
            return None;
        }
        let start = (number as u32).reverse_bits();
        start.checked_add(1 << (32 - bits))
    }

    /// Bytes that the allocator spends on it, in constant time.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.buckets.weight()
    }
}

/// Adds a record; a bucket grows by as much as the allocator would spend anyway.
fn push(bucket: &mut Bucket, record: u64) {
    if bucket.len() == bucket.capacity() {
        let capacity = good_size((bucket.len() + 1) * size_of::<u64>()) / size_of::<u64>();
        bucket.reserve_exact(capacity - bucket.len());
    }
    bucket.push(record);
}

fn give_back(bucket: &mut Bucket) {
    let used = good_size((bucket.len() * size_of::<u64>()).max(1)) / size_of::<u64>();
    if bucket.capacity() - bucket.capacity() / 4 > used {
        bucket.shrink_to(used);
    }
}
