//! A histogram of durations, exact to two digits, that any thread adds to without a lock.
//!
//! The buckets are those of HdrHistogram as Redis sets it up for the latencies of its commands: nanoseconds from one to
//! a second, with two significant decimal digits. Up to 255 ns each value has a counter of its own; beyond, each
//! doubling is cut into 128 equal parts, so a bucket is at most a 128th of its values wide. What is longer than a
//! second counts as one. Since the buckets are the same, so are the percentiles and the limits that are reported.
//!
//! All 3072 counters would take 24 KiB for each command. Latencies of one command lie close together, so the counters
//! come in chunks of 64 (half a doubling), made when the first value falls into them. An empty histogram takes 768
//! bytes, and each chunk 512 more: with latencies from 2 to 60 microseconds, 6 KB at most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest duration that is told from longer ones, nanoseconds.
const MAX: u64 = 1_000_000_000;
/// Into how many buckets a doubling is cut; a power of two.
const PARTS: usize = 128;
/// How many buckets there are.
const BUCKETS: usize = 24 * PARTS;
/// How many of them are made at once.
const CHUNK: usize = 64;

/// Below this, each value has a bucket of its own.
const EXACT: u64 = 2 * PARTS as u64;
/// The first of the limits at which [`Distribution::steps`] looks; each is twice the one before.
const FIRST_STEP: u64 = 1024;

type Chunk = Box<[AtomicU64; CHUNK]>;

/// Counters of durations. All of them are relaxed atomics: a counter orders nothing.
#[derive(Debug)]
pub(crate) struct Histogram {
    chunks: [OnceLock<Chunk>; BUCKETS / CHUNK],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; BUCKETS / CHUNK] }
    }
}

impl Histogram {
    /// Counts so many durations, in nanoseconds.
    #[inline]
    pub(crate) fn add(&self, ns: u64, times: u64) {
        let bucket = bucket_of(ns.clamp(1, MAX));
        let chunk = self.chunks[bucket / CHUNK].get_or_init(|| Box::new([const { AtomicU64::new(0) }; CHUNK]));
        chunk[bucket % CHUNK].fetch_add(times, Ordering::Relaxed);
    }

    /// Begins anew. The counters stay, since others may be adding to them.
    pub(crate) fn clear(&self) {
        let counters = self.chunks.iter().filter_map(OnceLock::get).flat_map(|chunk| chunk.iter());
        counters.for_each(|counter| counter.store(0, Ordering::Relaxed));
    }
}

/// The sum of some histograms at one time.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Distribution {
    /// Adds what a histogram has counted.
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for (counts, chunk) in self.counts.chunks_mut(CHUNK).zip(&histogram.chunks) {
            let Some(chunk) = chunk.get() else { continue };
            for (count, counter) in counts.iter_mut().zip(chunk.iter()) {
                let more = counter.load(Ordering::Relaxed);
                *count += more;
                self.total += more;
            }
        }
    }

    /// How many durations there are.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The duration that so many percent do not exceed, in nanoseconds: the longest of its bucket, and for 0 percent
    /// the shortest (`hdr_value_at_percentile`).
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent.min(100.0) / 100.0 * self.total as f64 + 0.5) as u64;
        let wanted = wanted.clamp(1, self.total.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        match found {
            None => 0,
            Some(bucket) if percent == 0.0 => shortest_of(bucket),
            Some(bucket) => longest_of(bucket),
        }
    }

    /// How many durations are no longer than limits of 1, 2, 4, 8, 16, 33 microseconds and so on: pairs of microseconds
    /// and such a number, without those that say the same as the one before (`hdr_iter_log_init`). As there, a limit
    /// is the longest duration of the bucket that contains a power of two.
    pub(crate) fn steps(&self) -> Vec<(u64, u64)> {
        let (mut steps, mut from, mut seen, mut limit) = (Vec::new(), 0, 0, FIRST_STEP);
        while seen < self.total {
            let last = bucket_of(limit).min(BUCKETS - 1);
            let more: u64 = self.counts[from..=last].iter().sum();
            seen += more;
            if more > 0 {
                steps.push((longest_of(last) / 1000, seen));
            }
            from = last + 1;
            limit *= 2;
        }
        steps
    }
}

/// The number of the bucket of a duration.
#[inline]
fn bucket_of(ns: u64) -> usize {
    // By how many bits its bucket is wide.
    let width = (EXACT - 1).leading_zeros() - (ns | (EXACT - 1)).leading_zeros();
    width as usize * PARTS + (ns >> width) as usize
}

/// The shortest duration of a bucket, nanoseconds.
fn shortest_of(bucket: usize) -> u64 {
    match bucket / PARTS {
        0 => bucket as u64,
        doubling => ((PARTS + bucket % PARTS) as u64) << (doubling - 1),
    }
}

/// The longest duration of a bucket, nanoseconds.
fn longest_of(bucket: usize) -> u64 {
    shortest_of(bucket + 1) - 1
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
