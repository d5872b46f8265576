//! From registers to a number: Otmar Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog
//! sketches", arXiv:1702.01284, algorithm 6), which needs no correction for small or large numbers.
//!
//! Only the histogram of the register values matters. All is computed in doubles in Redis's order of operations, as the
//! result is stored in the string and must be the same everywhere.

use super::{REGISTERS, VALUE_BITS};

/// Values that six bits can have.
const VALUES: usize = 64;
/// 1 / (2 ln 2), as Redis writes it.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many registers have each value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Histogram([usize; VALUES]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; VALUES])
    }
}

impl Histogram {
    /// Adds registers of a value.
    #[inline]
    pub(crate) fn add(&mut self, value: u8, count: usize) {
        self.0[usize::from(value) % VALUES] += count;
    }

    /// The estimate.
    pub(crate) fn cardinality(&self) -> u64 {
        let registers = REGISTERS as f64;
        let (highest, values) = (VALUE_BITS as usize + 1, &self.0);
        let mut z = registers * tau((registers - values[highest] as f64) / registers);
        for count in values[1..highest].iter().rev() {
            z = (z + *count as f64) * 0.5;
        }
        z += registers * sigma(values[0] as f64 / registers);
        let estimate = (ALPHA * registers * registers / z).round();
        // Registers that no element can have caused: the processor's result for a number that does not fit.
        if estimate < i64::MAX as f64 { estimate as u64 } else { 1 << 63 }
    }
}

#[expect(clippy::float_cmp, reason = "a series ends when its sum changes no more")]
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

#[expect(clippy::float_cmp, reason = "a series ends when its sum changes no more")]
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
