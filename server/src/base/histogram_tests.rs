//! Percentiles beside sorted lists, and what HdrHistogram has said of the same values in Redis.

use proptest::prelude::*;

use super::*;

/// The distribution of these durations, in nanoseconds.
fn of(durations: &[u64]) -> Distribution {
    let (histogram, mut all) = (Histogram::default(), Distribution::default());
    durations.iter().for_each(|ns| histogram.add(*ns, 1));
    all.add(&histogram);
    all
}

fn chunks(histogram: &Histogram) -> usize {
    histogram.chunks.iter().filter(|chunk| chunk.get().is_some()).count()
}

#[test]
fn every_duration_is_in_the_bucket_between_whose_ends_it_lies() {
    let doublings = (0..30).map(|bits| 1u64 << bits);
    for ns in doublings.flat_map(|ns| [ns.saturating_sub(1), ns, ns + 1, ns + ns / 3]).chain([MAX]) {
        let bucket = bucket_of(ns);
        assert!((shortest_of(bucket)..=longest_of(bucket)).contains(&ns), "{ns}");
        assert!(bucket < BUCKETS, "{ns}");
    }
    assert!((1..BUCKETS).all(|bucket| shortest_of(bucket) == longest_of(bucket - 1) + 1));
    assert!((1..BUCKETS).all(|bucket| bucket_of(shortest_of(bucket)) == bucket));
}

#[test]
fn percentiles_are_those_of_redis() {
    // Microseconds of one call each, and what INFO latencystats of Redis 7.0.15 has shown.
    for (us, shown) in [(2, 2007), (3, 3007), (7, 7007), (8, 8031), (12, 12_031), (85, 85_503), (192, 192_511)] {
        assert_eq!(of(&[us * 1000]).percentile(50.0), shown);
        assert_eq!(of(&[us * 1000]).percentile(100.0), shown);
    }
    assert_eq!(of(&[38_912]).percentile(0.0), 38_912, "the lower end");
    assert_eq!(of(&[38_912]).percentile(1.0), 39_167, "of no calls, which is of one");
    assert_eq!(of(&[1_200_000_000]).percentile(99.0), 1_002_438_655, "a second is the most");
    assert_eq!(of(&[0]).percentile(50.0), 1, "and a nanosecond the least");
    assert_eq!(of(&[]).percentile(50.0), 0);
}

#[test]
fn steps_are_those_of_redis() {
    assert_eq!(of(&[12_000]).steps(), [(16, 1)]);
    assert_eq!(of(&[61_000, 61_000, 98_000]).steps(), [(66, 2), (132, 3)]);
    assert_eq!(of(&[300_000_000, 1_200_000_000]).steps(), [(541_065, 1), (1_073_741, 2)]);
    assert_eq!(of(&[1, 1031, 1032]).steps(), [(1, 2), (2, 3)], "the bucket of the power of two is below the step");
    assert_eq!(of(&[]).steps(), []);
}

#[test]
fn many_are_counted_at_once_and_forgotten() {
    let (histogram, mut all) = (Histogram::default(), Distribution::default());
    histogram.add(5000, 16);
    histogram.add(9000, 1);
    all.add(&histogram);
    all.add(&histogram);
    assert_eq!((all.total(), all.percentile(50.0)), (34, 5023));
    histogram.clear();
    let mut none = Distribution::default();
    none.add(&histogram);
    assert_eq!(none.total(), 0);
}

#[test]
fn only_the_counters_that_are_needed_take_memory() {
    let histogram = Histogram::default();
    assert_eq!(chunks(&histogram), 0);
    assert_eq!(size_of_val(&histogram), 768);
    (2000..=60_000).for_each(|ns| histogram.add(ns, 1));
    assert!(chunks(&histogram) <= 11, "{}", chunks(&histogram));
}

proptest! {
    #[test]
    fn a_percentile_is_that_of_the_sorted_list_within_a_percent(
        mut durations in proptest::collection::vec(
            prop_oneof![1u64..300, 200u64..20_000, 1000u64..10_000_000, 1u64..MAX], 1..300),
        percents in proptest::collection::vec(0.0f64..=100.0, 1..8),
    ) {
        let all = of(&durations);
        durations.sort_unstable();
        for percent in percents.into_iter().chain([0.0, 50.0, 99.9, 100.0]) {
            let rank = (percent / 100.0 * durations.len() as f64 + 0.5) as usize;
            let exact = durations[rank.max(1) - 1];
            let shown = all.percentile(percent);
            prop_assert!(shown.abs_diff(exact) as f64 <= exact as f64 / 100.0, "{percent}: {shown} for {exact}");
        }
        let steps = all.steps();
        prop_assert!(steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        prop_assert_eq!(steps.last().map(|step| step.1), Some(durations.len() as u64));
        for (us, count) in steps {
            let exact = durations.iter().filter(|ns| **ns < (us + 1) * 1000).count() as u64;
            let below = durations.iter().filter(|ns| **ns <= us * 1000).count() as u64;
            prop_assert!((below..=exact).contains(&count), "{us}: {count}, not from {below} to {exact}");
        }
    }
}
