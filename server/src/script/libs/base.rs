//! `unpack`. Lua's own computes how many values there are in 32 bits, where it overflows, and a compiler may drop the
//! check for that: then it writes beyond the stack (CVE-2025-46817).

use super::arguments::{self, bad_argument};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"unpack", unpack)];

fn unpack(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) != Kind::Table {
        return Err(bad_argument(frame, 1, format!("table expected, got {}", state.type_name(1))));
    }
    // As C ints.
    let first = arguments::integer_or(frame, 2, 1)? as i32;
    let last = arguments::integer_or(frame, 3, state.len(1) as i64)? as i32;
    if first > last {
        return Ok(0);
    }
    let Ok(count) = i32::try_from(i64::from(last) - i64::from(first) + 1) else { return Err(too_many()) };
    if !state.reserve(count) {
        return Err(too_many());
    }
    for number in first..=last {
        state.element(1, number as usize);
    }
    Ok(count)
}

fn too_many() -> Failure {
    Failure::Here(b"too many results to unpack".to_vec())
}

#[cfg(test)]
#[path = "base_tests.rs"]
mod tests;
