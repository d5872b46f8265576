//! The order in which the keys of a slot expire: 8 to 10 bytes for each key with an expiry, nothing for the others.
//!
//! A record is one number: 44 bits of milliseconds above 20 bits of tag. It does not name the key. The tag leads to the
//! few words of the table among which the entry with this expiry is; if two keys of one tag expire in the same
//! millisecond, either is the right one. The index is exact: a record is removed when its key is removed or changes its
//! expiry. So there are no stale records to skip or to clean up, and setting a key's expiry again and again costs no
//! memory.
//!
//! Records are in sorted runs of up to [`RUN`] (a two-level B-tree without the pointers): an insertion moves at most a
//! few KiB, and a slot with its usual handful of keys has a single run. Equal records may be next to each other.
//!
//! A big hash keeps the expiries of its fields in such an index, too. There the runs are shared with snapshots and
//! copied when they are written ([`SharedRun`]).
//!
//! 44 bits last until the year 2527. Later expiries are indexed as that instant, so they are found when the expiry
//! changes and are never reported as due.

use std::sync::Arc;

use super::entry::good_size;
pub(crate) use super::entry::word::TAG_BITS;
use crate::base::clock::UnixMillis;

/// Bytes of the index for each key in it, on average: a record, and unused room.
pub(crate) const PLACE: usize = 10;
/// Records in a run at most.
const RUN: usize = 512;
/// The instant that stands for everything later.
const NEVER: u64 = (1 << (64 - TAG_BITS)) - 1;

/// Sorted records in one block.
pub(crate) trait Run {
    fn of(records: Vec<u64>) -> Self;
    fn records(&self) -> &[u64];
    fn records_mut(&mut self) -> &mut Vec<u64>;
}

impl Run for Vec<u64> {
    fn of(records: Vec<u64>) -> Self {
        records
    }

    #[inline]
    fn records(&self) -> &[u64] {
        self
    }

    #[inline]
    fn records_mut(&mut self) -> &mut Vec<u64> {
        self
    }
}

/// A run that clones of the index share until one of them changes it.
pub(crate) type SharedRun = Arc<Vec<u64>>;

impl Run for SharedRun {
    fn of(records: Vec<u64>) -> Self {
        Arc::new(records)
    }

    fn records(&self) -> &[u64] {
        self
    }

    fn records_mut(&mut self) -> &mut Vec<u64> {
        Arc::make_mut(self)
    }
}

/// The sorted records of one slot, or of one big hash.
#[derive(Clone, Debug)]
pub(crate) struct ExpiryIndex<R = Vec<u64>> {
    /// Sorted, none empty.
    runs: Vec<Piece<R>>,
    len: usize,
    /// The first record, beside the rest of the index so that a look at it reads no other memory; [`u64::MAX`] if there
    /// is none.
    first: u64,
}

/// A run, and its first record: a search for the run reads no other memory.
#[derive(Clone, Debug)]
struct Piece<R> {
    first: u64,
    run: R,
}

impl<R: Run> Piece<R> {
    fn of(records: Vec<u64>) -> Self {
        Self { first: records[0], run: R::of(records) }
    }

    fn insert(&mut self, record: u64) {
        insert_sorted(self.run.records_mut(), record);
        self.first = self.first.min(record);
    }
}

impl<R> Default for ExpiryIndex<R> {
    fn default() -> Self {
        Self { runs: Vec::new(), len: 0, first: u64::MAX }
    }
}

/// Brings an expiry into the range of a record.
fn instant(at: UnixMillis) -> u64 {
    u64::try_from(at).unwrap_or(0).min(NEVER)
}

/// Whether a first instant (as [`ExpiryIndex::first_instant`] returns it) is before `now`: a key still lives in the
/// millisecond of its expiry.
#[inline]
pub(crate) fn is_due(first: u64, now: UnixMillis) -> bool {
    first < instant(now)
}

fn record(at: UnixMillis, tag: u32) -> u64 {
    (instant(at) << TAG_BITS) | tag as u64
}

impl<R: Run> ExpiryIndex<R> {
    /// The index of these expiries and tags: faster than adding one after the other.
    pub(crate) fn of(expiries: impl Iterator<Item = (UnixMillis, u32)>) -> Self {
        let mut records: Vec<u64> = expiries.map(|(at, tag)| record(at, tag)).collect();
        records.sort_unstable();
        Self::of_sorted(&records)
    }

    fn of_sorted(records: &[u64]) -> Self {
        // The runs have no room yet, so the next addition to a full one would split it.
        let runs = records.chunks(RUN / 4 * 3).map(|run| Piece::of(run.to_vec())).collect();
        Self { runs, len: records.len(), first: records.first().copied().unwrap_or(u64::MAX) }
    }

    /// Takes in that many expiries have changed: when each was, or [`None`], and when it is. If they are a good part of
    /// the index, it is written anew instead of searched for each.
    pub(crate) fn change_many(&mut self, changes: impl Iterator<Item = (Option<UnixMillis>, Option<UnixMillis>, u32)>) {
        /// The part of the index with which that costs less.
        const PART: usize = 16;
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (old, new, tag) in changes {
            gone.extend(old.map(|at| record(at, tag)));
            come.extend(new.map(|at| record(at, tag)));
        }
        if (gone.len() + come.len()) * PART < self.len {
            gone.into_iter().for_each(|record| _ = self.remove_record(record));
            come.into_iter().for_each(|record| self.insert_record(record));
            return;
        }
        gone.sort_unstable();
        let mut gone = gone.into_iter().peekable();
        let mut records = Vec::with_capacity(self.len + come.len());
        records.extend(self.runs.iter().flat_map(|piece| piece.run.records()).copied().filter(|record| {
            while gone.next_if(|other| other < record).is_some() {}
            gone.next_if_eq(record).is_none()
        }));
        // The old ones are in order, and so are mostly the new ones: that makes sorting cheap.
        come.sort_unstable();
        records.extend(come);
        #[expect(clippy::stable_sort_primitive, reason = "this one merges runs that are in order")]
        records.sort();
        *self = Self::of_sorted(&records);
    }

    /// Number of keys that expire.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key's expiry.
    pub(crate) fn insert(&mut self, at: UnixMillis, tag: u32) {
        self.insert_record(record(at, tag));
    }

    fn insert_record(&mut self, record: u64) {
        self.len += 1;
        self.first = self.first.min(record);
        let Some(run) = self.run_for(record) else {
            // Most slots never have more than this one run.
            self.runs.reserve_exact(1);
            self.runs.push(Piece::of(vec![record]));
            return;
        };
        let piece = &mut self.runs[run];
        if piece.run.records().len() < RUN {
            return piece.insert(record);
        }
        let mut high = Piece::of(piece.run.records_mut().split_off(RUN / 2));
        let half = if high.first <= record { &mut high } else { piece };
        half.insert(record);
        self.runs.insert(run + 1, high);
    }

    /// Removes a key's expiry. Returns whether it was there.
    pub(crate) fn remove(&mut self, at: UnixMillis, tag: u32) -> bool {
        self.remove_record(record(at, tag))
    }

    fn remove_record(&mut self, record: u64) -> bool {
        let Some(run) = self.run_for(record) else { return false };
        let piece = &mut self.runs[run];
        let Ok(place) = piece.run.records().binary_search(&record) else { return false };
        let records = piece.run.records_mut();
        records.remove(place);
        if records.len() * 4 < records.capacity() && records.capacity() > 16 {
            records.shrink_to(records.len() * 2);
        }
        match records.first() {
            Some(first) => piece.first = *first,
            None => _ = self.runs.remove(run),
        }
        if run == 0 {
            self.first = self.runs.first().map_or(u64::MAX, |piece| piece.first);
        }
        self.len -= 1;
        true
    }

    /// Changes, adds or takes away a key's expiry. Returns whether it was there as told.
    pub(crate) fn change(&mut self, old: Option<UnixMillis>, new: Option<UnixMillis>, tag: u32) -> bool {
        match (old, new) {
            (Some(old), Some(new)) => self.shift(old, new, tag),
            (Some(old), None) => self.remove(old, tag),
            (None, Some(new)) => {
                self.insert(new, tag);
                true
            }
            (None, None) => true,
        }
    }

    /// Changes a key's expiry. Returns whether it was there. Mostly the new record belongs to the run of the old one:
    /// then this is one search instead of two, and moves only what lies between them.
    pub(crate) fn shift(&mut self, old: UnixMillis, new: UnixMillis, tag: u32) -> bool {
        let (old, new) = (record(old, tag), record(new, tag));
        let Some(run) = self.run_for(old) else { return false };
        let end = self.runs.get(run + 1).map_or(u64::MAX, |next| next.first);
        let piece = &mut self.runs[run];
        if new >= end || (new < piece.first && run != 0) {
            let known = self.remove_record(old);
            if known {
                self.insert_record(new);
            }
            return known;
        }
        let Ok(from) = piece.run.records().binary_search(&old) else { return false };
        let records = piece.run.records_mut();
        if new < old {
            let to = records[..from].partition_point(|record| *record <= new);
            records.copy_within(to..from, to + 1);
            records[to] = new;
        } else {
            let to = from + records[from + 1..].partition_point(|record| *record < new);
            records.copy_within(from + 1..=to, from);
            records[to] = new;
        }
        piece.first = records[0];
        self.first = self.runs[0].first;
        true
    }

    /// The tag of the key that expires first, and its instant, if that is before `now` (a key still lives in the
    /// millisecond of its expiry).
    pub(crate) fn first_due(&self, now: UnixMillis) -> Option<Due> {
        let at = self.first_instant();
        is_due(at, now).then_some(Due { at, tag: (self.first & ((1 << TAG_BITS) - 1)) as u32 })
    }

    /// The record with this number, in the order of expiry.
    pub(crate) fn nth(&self, mut number: usize) -> Option<Due> {
        for piece in &self.runs {
            let records = piece.run.records();
            if let Some(record) = records.get(number) {
                return Some(Due { at: record >> TAG_BITS, tag: (record & ((1 << TAG_BITS) - 1)) as u32 });
            }
            number -= records.len();
        }
        None
    }

    /// When the first key expires.
    pub(crate) fn first(&self) -> Option<UnixMillis> {
        (self.len != 0).then(|| self.first_instant() as UnixMillis)
    }

    /// The instant of the first record, for [`is_due`]; without one, an instant that is never due.
    #[inline]
    pub(crate) fn first_instant(&self) -> u64 {
        self.first >> TAG_BITS
    }

    /// The run where a record is or belongs: the last one that begins at or before it.
    fn run_for(&self, record: u64) -> Option<usize> {
        if self.runs.is_empty() {
            return None;
        }
        Some(self.runs.partition_point(|piece| piece.first <= record).saturating_sub(1))
    }
}

/// A record that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    at: u64,
    pub(crate) tag: u32,
}

impl Due {
    /// Whether an entry that expires at `at` is the one that the record stands for.
    pub(crate) fn matches(self, at: Option<UnixMillis>) -> bool {
        at.is_some_and(|at| instant(at) == self.at)
    }
}

fn insert_sorted(records: &mut Vec<u64>, record: u64) {
    let place = records.partition_point(|&other| other <= record);
    if records.len() == records.capacity() {
        // To the allocator's next size class instead of doubling: these vectors are many and small.
        let wanted = records.len() + (records.len() / 8).max(4);
        records.reserve_exact(good_size(wanted * size_of::<u64>()) / size_of::<u64>() - records.len());
    }
    records.insert(place, record);
}

#[cfg(test)]
#[path = "expiry_tests.rs"]
mod tests;
