//! Counters that grow at random and fall with time.

use super::*;

const MINUTE: i64 = 60_000;
const LFU: Lfu = Lfu { log_factor: 10, decay_minutes: 1 };

#[test]
fn a_counter_falls_one_step_per_decay_time() {
    let stamp = LFU.with_frequency(100 * MINUTE, 50);
    assert_eq!(LFU.frequency(stamp, 100 * MINUTE), 50);
    assert_eq!(LFU.frequency(stamp, 110 * MINUTE), 40);
    assert_eq!(LFU.frequency(stamp, 1000 * MINUTE), 0);
    assert_eq!(Lfu { decay_minutes: 0, ..LFU }.frequency(stamp, 1000 * MINUTE), 50);
}

#[test]
fn the_clock_may_wrap() {
    let stamp = LFU.with_frequency(65_535 * MINUTE, 50);
    assert_eq!(LFU.frequency(stamp, 65_538 * MINUTE), 47);
}

#[test]
fn the_first_uses_always_count_and_later_ones_by_chance() {
    let fresh = LFU.fresh(0);
    assert_eq!(LFU.frequency(LFU.used(fresh, 0, u64::MAX), 0), 6);
    let often = LFU.with_frequency(0, 100);
    assert_eq!(LFU.frequency(LFU.used(often, 0, u64::MAX), 0), 100);
    assert_eq!(LFU.frequency(LFU.used(often, 0, 0), 0), 101);
    assert_eq!(LFU.frequency(LFU.used(LFU.with_frequency(0, 255), 0, 0), 0), 255);
}
