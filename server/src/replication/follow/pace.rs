//! How soon a replica connects again.
//!
//! When a link that has worked breaks, it is made anew at once: the primary's backlog goes on, and a cluster waits for
//! its replicas. A refusal will most likely be repeated, so the waits grow. A primary that accepts and closes the link
//! the next moment counts as refusing, whatever it sent before; otherwise replica and primary would keep each other
//! busy without end.

use std::time::Duration;

/// Waits grow from the first to the last of these.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);
/// A link that lived this long has worked.
const WORKED: Duration = LAST_WAIT;

/// The waits between the attempts to follow one primary.
#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { next: FIRST_WAIT }
    }

    /// How long to wait after an attempt whose link was up for this time; `None`: it never came up.
    pub(super) fn after(&mut self, up_for: Option<Duration>) -> Duration {
        if up_for.is_some_and(|time| time >= WORKED) {
            self.next = FIRST_WAIT;
            return Duration::ZERO;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LAST_WAIT);
        wait
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
