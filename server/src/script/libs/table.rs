//! `table.remove`. Lua's own moves all elements behind the one that goes, however many there are, in one instruction.

use super::arguments::{self, bad_argument};
use super::work::spend;
use crate::script::lua::{Frame, HostFn, Kind, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"remove", remove)];

fn remove(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) != Kind::Table {
        return Err(bad_argument(frame, 1, format!("table expected, got {}", state.type_name(1))));
    }
    // As C ints.
    let last = state.len(1) as i32;
    let at = arguments::integer_or(frame, 2, i64::from(last))? as i32;
    if at < 1 || at > last {
        return Ok(0);
    }
    state.element(1, at as usize);
    for number in at..last {
        spend(frame, 4)?;
        state.element(1, number as usize + 1);
        state.set_element(1, number as usize);
    }
    state.push_nil();
    state.set_element(1, last as usize);
    Ok(1)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
