//! Waiting for events: poll a condition until it holds or its limit has passed, and say what did not happen.
//!
//! A fixed sleep is either too short on a busy machine or wasted on a fast one, so tests wait for conditions. The pause
//! between two checks is short (10 ms) because most conditions only need an INFO call.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// # Panics
/// When `limit` has passed, naming `what`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || condition().then_some(()));
}

/// Waits until `probe` returns a value, and returns it.
///
/// # Panics
/// When `limit` has passed, naming `what`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {:?} in vain: {what}", start.elapsed());
        thread::sleep(PAUSE);
    }
}

/// Waits until `probe` returns `Ok`; the last `Err` is printed when it never does, so that a failing test shows the
/// last state seen.
///
/// # Panics
/// When `limit` has passed, naming `what` and the last error.
#[track_caller]
pub fn wait_ok<T, E: Debug>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) => {
                assert!(start.elapsed() < limit, "waited {:?} in vain: {what}; last seen: {last:?}", start.elapsed());
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Seconds, for limits that read well.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
