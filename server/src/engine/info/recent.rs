//! The largest value of the last seconds. Redis keeps it for clients' buffers: `client_recent_max_input_buffer` and
//! `client_recent_max_output_buffer`.
//!
//! An operator looks for a buffer that was large for a moment, and INFO is called too late to see it. One peak per
//! second is kept for eight seconds. Values are noted only where a buffer is kept, which ordinary requests never do.

use parking_lot::Mutex;

/// Seconds that are remembered.
const SECONDS: usize = 8;

/// See the module's essay.
#[derive(Debug, Default)]
pub(crate) struct RecentPeak {
    /// Each peak with its second.
    peaks: Mutex<[(i64, usize); SECONDS]>,
}

impl RecentPeak {
    /// Notes a value.
    pub(crate) fn note(&self, now_ms: i64, value: usize) {
        let second = now_ms / 1000;
        let mut peaks = self.peaks.lock();
        let place = &mut peaks[second.rem_euclid(SECONDS as i64) as usize];
        *place = if place.0 == second { (second, place.1.max(value)) } else { (second, value) };
    }

    /// The largest value of the last seconds.
    pub(crate) fn get(&self, now_ms: i64) -> usize {
        let oldest = now_ms / 1000 - SECONDS as i64;
        self.peaks.lock().iter().filter(|(second, _)| *second > oldest).map(|(_, peak)| *peak).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_remembered_for_eight_seconds() {
        let peak = RecentPeak::default();
        peak.note(100_000, 50);
        peak.note(100_900, 40);
        peak.note(103_000, 10);
        assert_eq!(peak.get(103_000), 50);
        assert_eq!(peak.get(107_999), 50);
        assert_eq!(peak.get(108_000), 10);
        assert_eq!(peak.get(111_000), 0);
        peak.note(108_000, 5);
        assert_eq!(peak.get(108_000), 10);
    }
}
