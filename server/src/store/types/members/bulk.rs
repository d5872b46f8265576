//! A table that is made at once of elements in any order: values that are loaded, results of set commands, what a
//! client writes with one command, and what is left when most is removed.
//!
//! To add one element after the other, the chunk of each is looked for, and every chunk is split again and again while
//! the table grows. Here elements are written one behind the other, as a chunk keeps them, and sorted by their hashes
//! when all are known. Then each chunk is filled from its first to its last element.
//!
//! What waits to be sorted is bounded: beyond [`WAITING_BYTES`] or [`WAITING`] elements, the table is made of what is
//! there, and the others are added as usual.

use std::collections::BTreeSet;

use super::element::{self, INLINE_MAX, Stored};
use super::tree::Tree;
use super::{Members, NEVER, Values};
use crate::base::cache::prefetch;
use crate::base::clock::UnixMillis;

/// Bytes of elements that wait to be sorted, at most.
const WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Elements that wait to be sorted, at most.
const WAITING: usize = 1024 * 1024;
/// From so many elements on, making a table at once is worth it.
pub(crate) const WORTH_IT: usize = 256;

const _: () = assert!(WAITING_BYTES + INLINE_MAX < u32::MAX as usize, "where an element begins is 32 bits");

/// See the top of the file.
pub(crate) struct Bulk {
    /// The table, which has no elements as long as they wait.
    table: Members,
    is_waiting: bool,
    /// The order of the table is given, and not that of its first element.
    is_ordered: bool,
    valued: bool,
    /// Elements that wait, as a chunk stores them.
    bytes: Vec<u8>,
    /// [`Sorted::order`], not sorted yet.
    order: Vec<u64>,
    /// Elements that wait and are too long for a chunk's bytes.
    long: Vec<Long>,
    /// Bytes of those.
    long_bytes: usize,
    /// Elements whose text was there already.
    repeated: usize,
}

/// An element that waits and is too long for a chunk's bytes.
struct Long {
    field: Box<[u8]>,
    value: Box<[u8]>,
    at: UnixMillis,
    /// How many bytes of others had been written when it was added: so it is known which of two came first.
    before: usize,
}

/// Elements in the order of their hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sorted<'a> {
    /// The elements, as a chunk stores them.
    bytes: &'a [u8],
    /// 32 bits of hash, and where in `bytes` the element begins.
    order: &'a [u64],
    /// About how many bytes each takes.
    mean: usize,
    pub(super) valued: bool,
}

impl<'a> Sorted<'a> {
    /// How many there are.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.order.len()
    }

    /// About how many bytes each takes.
    pub(super) fn mean(self) -> usize {
        self.mean
    }

    /// Those whose hashes are below this one, and the others.
    pub(super) fn part(self, hash: u32) -> (Self, Self) {
        let (low, high) = self.order.split_at(self.order.partition_point(|record| hash_of(*record) < hash));
        (Self { order: low, ..self }, Self { order: high, ..self })
    }

    /// Hash and bytes of each. They lie anywhere, so those that come soon are prefetched.
    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = (u32, &'a [u8])> {
        /// How many elements ahead.
        const AHEAD: usize = 16;
        /// Bytes of a line of the cache.
        const LINE: usize = 64;
        let soon = self.order.iter().skip(AHEAD).map(Some).chain(std::iter::repeat(None));
        self.order.iter().zip(soon).map(move |(record, soon)| {
            if let Some(bytes) = soon.and_then(|soon| self.bytes.get(*soon as u32 as usize..)) {
                prefetch(bytes.as_ptr());
                // Mostly it begins in one line and ends in the next.
                if self.mean > LINE / 2 {
                    prefetch(bytes.as_ptr().wrapping_add(LINE));
                }
            }
            (hash_of(*record), self.stored(*record))
        })
    }

    #[inline]
    fn stored(self, record: u64) -> &'a [u8] {
        let bytes = &self.bytes[record as u32 as usize..];
        &bytes[..element::stored_len(bytes, self.valued)]
    }

    fn field(self, record: u64) -> &'a [u8] {
        match element::read(self.stored(record), self.valued) {
            Stored::Inline { field, .. } => field,
            Stored::Outside { .. } => unreachable!("elements that are too long wait elsewhere"),
        }
    }
}

/// The upper half of a record.
#[inline]
pub(super) fn hash_of(record: u64) -> u32 {
    (record >> 32) as u32
}

impl Bulk {
    /// A table to be made. Clients must not know the seed.
    pub(crate) fn new(values: Values, seed: u64) -> Self {
        Self::of(Members::new(values, seed), values == Values::Kept)
    }

    /// A table to be made of some of the elements of another one without values, in the same order: for whoever
    /// iterates, it is the same table.
    pub(crate) fn part_of(table: &Members) -> Self {
        let empty = Members { tags: table.tags.clone(), tree: Tree::new(false), len: 0 };
        Self { is_ordered: true, ..Self::of(empty, false) }
    }

    /// A table to be made of all elements of another one without values, and of about `more` others. It has the other's
    /// order, so that only these have to be sorted. `None`: more than wait to be sorted, so a clone costs less.
    pub(crate) fn with_all_of(table: &Members, more: usize) -> Option<Self> {
        let (count, mean) = (table.len() + more, table.heap_bytes() / table.len().max(1));
        if count > WAITING || count * mean > WAITING_BYTES {
            return None;
        }
        let mut bulk = Self::part_of(table);
        bulk.order.reserve(count);
        bulk.bytes.reserve(count * mean);
        for member in table.iter() {
            bulk.push(member.field, b"", NEVER);
            // The index of a chunk knows only a part of each hash, so a few neighbours may have to change places: those
            // that have this part in common.
            let mut at = bulk.order.len();
            while at >= 2 && bulk.order[at - 2] > bulk.order[at - 1] {
                bulk.order.swap(at - 2, at - 1);
                at -= 1;
            }
        }
        Some(bulk)
    }

    fn of(table: Members, valued: bool) -> Self {
        Self {
            table,
            is_waiting: true,
            is_ordered: false,
            valued,
            bytes: Vec::new(),
            order: Vec::new(),
            long: Vec::new(),
            long_bytes: 0,
            repeated: 0,
        }
    }

    /// Makes room for so many elements, which take up to so many bytes of a payload. Neither number is to be trusted.
    pub(crate) fn expect(&mut self, count: usize, bytes: usize) {
        /// Bytes of an element for which room is made.
        const USUAL: usize = 96;
        let count = count.min(bytes).min(WAITING);
        self.order.reserve(count);
        self.bytes.reserve(bytes.min(count * USUAL).min(WAITING_BYTES));
    }

    /// Adds an element. If its text occurs again, the first one stays.
    pub(crate) fn push(&mut self, field: &[u8], value: &[u8], at: UnixMillis) {
        if !self.is_waiting {
            self.add(field, value, at);
            return;
        }
        if !self.is_ordered && self.order.is_empty() && self.long.is_empty() {
            self.table.tags = self.table.tags.of_its_own(field);
        }
        let len = element::inline_len(field, value, at, self.valued);
        if len > INLINE_MAX {
            self.long_bytes += field.len() + value.len();
            self.long.push(Long { field: field.into(), value: value.into(), at, before: self.bytes.len() });
        } else {
            let from = self.bytes.len();
            self.bytes.resize(from + len, 0);
            element::write(&mut self.bytes[from..], field, value, at, self.valued);
            self.order.push(u64::from(self.table.tags.of(field)) << 32 | from as u64);
        }
        let waiting = self.order.len() + self.long.len();
        if self.bytes.len() + self.long_bytes >= WAITING_BYTES || waiting >= WAITING {
            self.make();
        }
    }

    /// The table, and how many elements were left out because their text was there already.
    pub(crate) fn finish(mut self) -> (Members, usize) {
        self.make();
        (self.table, self.repeated)
    }

    fn add(&mut self, field: &[u8], value: &[u8], at: UnixMillis) {
        if self.table.contains(field) {
            self.repeated += 1;
        } else {
            self.table.set_until(field, value, at);
        }
    }

    /// Makes the table of what waits.
    fn make(&mut self) {
        if !std::mem::take(&mut self.is_waiting) {
            return;
        }
        let (bytes, mut order) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.order));
        if self.is_ordered {
            #[expect(clippy::stable_sort_primitive, reason = "this one merges runs that are in order")]
            order.sort();
        } else {
            order.sort_unstable();
        }
        // Of all that wait: to visit those that are left would take as long as to sort them.
        let mean = bytes.len() / order.len().max(1);
        let elements = Sorted { bytes: &bytes, order: &[], mean, valued: self.valued };
        self.leave_out_repeated(elements, &mut order);
        let long = self.decide_long(elements, &mut order);
        self.table.fill(Sorted { order: &order, ..elements });
        long.into_iter().for_each(|Long { field, value, at, .. }| self.add(&field, &value, at));
    }

    /// Leaves all elements with the same text out but the first that was added.
    fn leave_out_repeated(&mut self, elements: Sorted<'_>, order: &mut Vec<u64>) {
        let before = order.len();
        let mut kept = 0;
        for at in 0..before {
            let record = order[at];
            let mut same_hash = order[..kept].iter().rev().take_while(|other| hash_of(**other) == hash_of(record));
            if same_hash.any(|other| elements.field(*other) == elements.field(record)) {
                continue;
            }
            order[kept] = record;
            kept += 1;
        }
        order.truncate(kept);
        self.repeated += before - kept;
    }

    /// The same for those that are too long, and the others, of which each text is there once by now.
    fn decide_long(&mut self, elements: Sorted<'_>, order: &mut Vec<u64>) -> Vec<Long> {
        let (mut long, mut late) = (std::mem::take(&mut self.long), BTreeSet::new());
        let before = long.len();
        long.retain(|long| {
            let hash = self.table.tags.of(&long.field);
            let first = order.partition_point(|record| hash_of(*record) < hash);
            let same_hash = (first..order.len()).take_while(|at| hash_of(order[*at]) == hash);
            let same = same_hash.into_iter().find(|at| elements.field(order[*at]) == &*long.field);
            let is_late = same.is_some_and(|at| ((order[at] as u32) as usize) < long.before);
            late.extend(same.filter(|_| !is_late));
            !is_late
        });
        self.repeated += before - long.len() + late.len();
        let mut at = 0..;
        order.retain(|_| at.next().is_some_and(|at| !late.contains(&at)));
        long
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
