//! Time as a value that is passed in.
//!
//! This is the only place in the server that reads the operating system's clocks. All other code is given a `Clock`
//! (or, if it is pure, the reading itself), so that tests can freeze and advance time, and a process can hold nodes
//! whose clocks differ. Wall time and monotonic time are separate on purpose: expiry and LASTSAVE depend on wall time;
//! timeouts do not, and must survive a step of the system's clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub(crate) type UnixMillis = i64;

/// A source of wall-clock and monotonic time.
pub(crate) trait Clock: Send + Sync {
    /// Wall-clock time in milliseconds since the Unix epoch; may step backwards.
    fn now_ms(&self) -> UnixMillis;
    /// Microseconds since an arbitrary point; never goes backwards.
    fn monotonic_us(&self) -> u64;
    /// Wall-clock time in microseconds since the Unix epoch, for TIME and statistics.
    fn now_us(&self) -> i64 {
        self.now_ms().saturating_mul(1000)
    }
    /// Both readings of one moment, for frequent callers: wall-clock milliseconds and monotonic microseconds. A step of
    /// the wall clock may show up to a millisecond late.
    fn both(&self) -> (UnixMillis, u64) {
        (self.now_ms(), self.monotonic_us())
    }
}

/// The operating system's clocks.
///
/// If the system has such a clock, monotonic time goes on while the machine sleeps: a primary that wakes up with its
/// laptop must know that its lease has expired.
#[derive(Debug)]
pub(crate) struct SystemClock {
    origin_us: u64,
    /// By how many microseconds the wall clock was ahead of the monotonic one when both were last read, and when that
    /// was. The two words may be of different moments, but both are recent.
    ahead_us: AtomicI64,
    looked_us: AtomicU64,
}

/// In [`SystemClock::looked_us`]: never read yet.
const NEVER: u64 = u64::MAX;
/// How long [`SystemClock::both`] relies on the last reading of the wall clock, microseconds.
const RELY_US: u64 = 1000;

#[cfg(target_os = "linux")]
const MONOTONIC: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const MONOTONIC: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(MONOTONIC);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

impl SystemClock {
    /// A clock whose monotonic reading starts near zero now.
    pub(crate) fn new() -> Self {
        // The last reading counts as too old to rely on.
        SystemClock { origin_us: monotonic_us(), ahead_us: AtomicI64::new(0), looked_us: AtomicU64::new(NEVER) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> UnixMillis {
        self.now_us() / 1000
    }

    fn monotonic_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.origin_us)
    }

    fn both(&self) -> (UnixMillis, u64) {
        let monotonic = self.monotonic_us();
        let looked = self.looked_us.load(Ordering::Acquire);
        if looked != NEVER && monotonic.wrapping_sub(looked) < RELY_US {
            return ((monotonic as i64 + self.ahead_us.load(Ordering::Relaxed)).max(0) / 1000, monotonic);
        }
        let now = self.now_us();
        self.ahead_us.store(now - monotonic as i64, Ordering::Relaxed);
        self.looked_us.store(monotonic, Ordering::Release);
        (now / 1000, monotonic)
    }

    fn now_us(&self) -> i64 {
        // A system clock set before 1970 reads as the epoch, so that expiry arithmetic never sees a negative present.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
    }
}

/// A clock that moves only when told to. Both readings move together unless the wall clock is set apart.
#[derive(Debug, Default)]
#[cfg(test)]
pub(crate) struct ManualClock {
    wall_ms: AtomicI64,
    mono_us: AtomicU64,
}

#[cfg(test)]
impl ManualClock {
    /// A frozen clock at `now_ms`.
    pub(crate) fn new(now_ms: UnixMillis) -> Self {
        ManualClock { wall_ms: AtomicI64::new(now_ms), mono_us: AtomicU64::new(0) }
    }

    /// Moves both readings forward by `ms` milliseconds.
    pub(crate) fn advance_ms(&self, ms: u64) {
        self.wall_ms.fetch_add(ms as i64, Ordering::SeqCst);
        self.mono_us.fetch_add(ms * 1000, Ordering::SeqCst);
    }

    /// Steps the wall clock alone, as an administrator or NTP would.
    pub(crate) fn set_wall_ms(&self, now_ms: UnixMillis) {
        self.wall_ms.store(now_ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn now_ms(&self) -> UnixMillis {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.mono_us.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(1_000);
        assert_eq!((clock.now_ms(), clock.monotonic_us()), (1_000, 0));
        clock.advance_ms(5);
        assert_eq!((clock.now_ms(), clock.monotonic_us()), (1_005, 5_000));
    }

    #[test]
    fn a_step_of_the_wall_clock_leaves_monotonic_time_alone() {
        let clock = ManualClock::new(1_000);
        clock.advance_ms(7);
        clock.set_wall_ms(10);
        assert_eq!((clock.now_ms(), clock.monotonic_us()), (10, 7_000));
    }

    #[test]
    fn both_readings_are_those_of_the_clocks() {
        let clock = SystemClock::new();
        for _ in 0..20_000 {
            let (wall_before, monotonic_before) = (clock.now_ms(), clock.monotonic_us());
            let (wall, monotonic) = clock.both();
            let (wall_after, monotonic_after) = (clock.now_ms(), clock.monotonic_us());
            // The two clocks are read one after the other, so their distance is known to some microseconds.
            assert!((wall_before - 1..=wall_after + 1).contains(&wall), "{wall_before} {wall} {wall_after}");
            assert!((monotonic_before..=monotonic_after).contains(&monotonic));
        }
    }

    #[test]
    fn system_clock_is_after_2020_and_monotonic() {
        let clock = SystemClock::new();
        assert!(clock.now_ms() > 1_577_836_800_000);
        let first = clock.monotonic_us();
        assert!(clock.monotonic_us() >= first);
    }
}
