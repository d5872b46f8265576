//! Rates: how much a counter grew per second, over the last samples of cron.
//!
//! Redis averages 16 samples of 100 ms; so do we. A sample is a few loads of atomics, so an idle node pays next to
//! nothing for it.

use std::sync::atomic::Ordering;

use crate::engine::Engine;

/// Samples that are averaged.
const KEPT: usize = 16;

/// The counters that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Commands = 0,
    NetInput = 1,
    NetOutput = 2,
    ReplicationInput = 3,
    ReplicationOutput = 4,
}

const METRICS: usize = 5;

/// A ring of rates per second.
#[derive(Default)]
pub(super) struct Samples {
    last_us: u64,
    last: [u64; METRICS],
    rates: [[u64; METRICS]; KEPT],
    next: usize,
}

impl Samples {
    pub(super) fn take(&mut self, engine: &Engine) {
        let stats = &engine.stats;
        let values = [
            &stats.commands_processed,
            &stats.net_input_bytes,
            &stats.net_output_bytes,
            &stats.net_repl_input_bytes,
            &stats.net_repl_output_bytes,
        ]
        .map(|counter| counter.load(Ordering::Relaxed));
        self.add(engine.clock.monotonic_us(), values);
    }

    fn add(&mut self, now_us: u64, values: [u64; METRICS]) {
        let elapsed_us = now_us.saturating_sub(self.last_us);
        if self.last_us != 0 && elapsed_us > 0 {
            for (rate, (value, last)) in self.rates[self.next].iter_mut().zip(values.iter().zip(self.last)) {
                // A counter that was reset counts from zero again.
                *rate = value.saturating_sub(last).saturating_mul(1_000_000) / elapsed_us;
            }
            self.next = (self.next + 1) % KEPT;
        }
        self.last_us = now_us;
        self.last = values;
    }

    /// The average rate per second.
    pub(super) fn rate(&self, metric: Metric) -> u64 {
        self.rates.iter().map(|rates| rates[metric as usize]).sum::<u64>() / KEPT as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_averages_over_sixteen_samples() {
        let mut samples = Samples::default();
        for step in 0..=KEPT as u64 {
            samples.add(1 + step * 100_000, [step * 50, 0, 0, 0, 0]);
        }
        assert_eq!(samples.rate(Metric::Commands), 500);
        assert_eq!(samples.rate(Metric::NetInput), 0);
        samples.add(1 + 17 * 100_000, [0; METRICS]);
        assert_eq!(samples.rate(Metric::Commands), 500 * 15 / 16, "a reset is no growth");
    }
}
