//! `unpack` and `collectgarbage`.
//!
//! Lua's own `unpack` computes how many values there are in 32 bits, where it overflows, and a compiler may drop the
//! check for that: then it writes beyond the stack (CVE-2025-46817). Its `collectgarbage` collects all at once, however
//! long that takes, and lets a script stop the collector for those that come after it.

use super::arguments::{self, bad_argument};
use super::work::{self, spend};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"unpack", unpack), (b"collectgarbage", collectgarbage)];

/// Lua's own settings of the collector.
const PAUSE: f64 = 200.0;
const STEP_MULTIPLIER: f64 = 200.0;
/// What a step of the collector counts.
const COLLECTOR_STEPS: u32 = work::STEPS / 4;

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

fn collectgarbage(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let option = if arguments::is_absent(frame, 1) { b"collect" } else { arguments::c_string(frame, 1)? };
    let size = arguments::integer_or(frame, 2, 0)? as i32;
    match option {
        b"collect" => {
            work::collect(frame)?;
            state.push_number(0.0);
        }
        b"count" => state.push_number(state.kibibytes()),
        b"step" => {
            let mut has_ended = state.collect_some();
            for _ in 0..size.max(0) / 64 {
                spend(frame, COLLECTOR_STEPS)?;
                if has_ended {
                    break;
                }
                has_ended = state.collect_some();
            }
            state.push_bool(has_ended);
        }
        // The collector belongs to all scripts.
        b"stop" | b"restart" => state.push_number(0.0),
        b"setpause" => state.push_number(PAUSE),
        b"setstepmul" => state.push_number(STEP_MULTIPLIER),
        other => {
            let problem = [b"invalid option '", other, b"'"].concat();
            return Err(bad_argument(frame, 1, problem));
        }
    }
    Ok(1)
}

fn too_many() -> Failure {
    Failure::Here(b"too many results to unpack".to_vec())
}

#[cfg(test)]
#[path = "base_tests.rs"]
mod tests;
