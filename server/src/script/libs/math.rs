//! `math.random` and `math.randomseed`: a sequence that goes on from one script to the next.
//!
//! Redis: rand.c, the generator of `drand48` (48 bits, linear congruential), with the state that it has by default.

use super::arguments::{self, bad_argument};
use crate::script::lua::{Failure, Frame, HostFn, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"random", random), (b"randomseed", randomseed)];

/// The state before the first number.
pub(in crate::script) const SEED: u64 = 0x1234_abcd_330e;

/// What the low 16 bits are after seeding.
const LOW: u64 = 0x330e;
const FACTOR: u64 = 0x5_deec_e66d;
const ADDEND: u64 = 0xb;
const MASK: u64 = (1 << 48) - 1;
/// `REDIS_LRAND48_MAX`.
const MAX: i64 = i32::MAX as i64;

fn random(frame: &Frame<'_>) -> Returns {
    let next = frame.shared.random.get().wrapping_mul(FACTOR).wrapping_add(ADDEND) & MASK;
    frame.shared.random.set(next);
    let fraction = ((next >> 17) as i64 % MAX) as f64 / MAX as f64;
    let (low, high) = match frame.state.top() {
        0 => {
            frame.state.push_number(fraction);
            return Ok(1);
        }
        1 => (1, arguments::integer(frame, 1)?),
        2 => (arguments::integer(frame, 1)?, arguments::integer(frame, 2)?),
        _ => return Err(Failure::Here(b"wrong number of arguments".to_vec())),
    };
    if low > high {
        return Err(bad_argument(frame, frame.state.top(), "interval is empty"));
    }
    let span = (high as f64) - (low as f64) + 1.0;
    frame.state.push_number((fraction * span).floor() + low as f64);
    Ok(1)
}

fn randomseed(frame: &Frame<'_>) -> Returns {
    let seed = arguments::integer(frame, 1)? as i32;
    frame.shared.random.set(u64::from(seed as u32) << 16 | LOW);
    Ok(0)
}
