//! How often a key is used, in the 24 bits that otherwise hold the time of its last use.
//!
//! 16 bits are the minute of the last use. 8 bits are a counter that grows, at random, with the logarithm of the uses,
//! and falls with time. New keys start a little above zero, so that they do not look like the least used ones. Redis:
//! evict.c.

use super::entry::AccessClock;
use crate::base::clock::UnixMillis;

/// What a new key's counter starts with.
const FIRST: u8 = 5;

/// How counters grow and fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lfu {
    /// `lfu-log-factor`: the larger, the more uses a step needs.
    pub log_factor: u32,
    /// `lfu-decay-time`: minutes per step down; 0 for none.
    pub decay_minutes: u32,
}

impl Lfu {
    /// The stamp of a new key.
    pub(crate) fn fresh(self, now: UnixMillis) -> AccessClock {
        self.with_frequency(now, FIRST)
    }

    /// A stamp with the given counter.
    pub(crate) fn with_frequency(self, now: UnixMillis, frequency: u8) -> AccessClock {
        AccessClock::from_bits(u32::from(minute(now)) << 8 | u32::from(frequency))
    }

    /// The stamp of a key that is used now; `chance` decides whether the use counts.
    pub(crate) fn used(self, stamp: AccessClock, now: UnixMillis, chance: u64) -> AccessClock {
        let counter = self.frequency(stamp, now);
        let steps = u64::from(counter.saturating_sub(FIRST)) * u64::from(self.log_factor) + 1;
        let counts = (u128::from(chance) * u128::from(steps)) >> 64 == 0;
        self.with_frequency(now, counter.saturating_add(u8::from(counts)))
    }

    /// The counter of a stamp, after its decay until now.
    pub(crate) fn frequency(self, stamp: AccessClock, now: UnixMillis) -> u8 {
        let counter = stamp.bits() as u8;
        let elapsed = minute(now).wrapping_sub((stamp.bits() >> 8) as u16);
        let steps = u32::from(elapsed).checked_div(self.decay_minutes).unwrap_or(0);
        counter.saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX))
    }
}

fn minute(now: UnixMillis) -> u16 {
    (now / 60_000) as u16
}

#[cfg(test)]
#[path = "lfu_tests.rs"]
mod tests;
