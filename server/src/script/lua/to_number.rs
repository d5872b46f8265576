//! `tonumber`, for what scripts mostly give it: a number, or a short decimal text from a key or from ARGV.
//!
//! Lua's own asks C's `strtod` twice, once whether the text is a number and once for its value, and that is a good part
//! of what a rate limiter costs. A text of few digits needs one multiplication per digit, and a division at its end,
//! which is right to the last bit: both numbers are exact, so their quotient is the nearest that there is, as
//! `strtod`'s is. Everything else, wrong arguments included, is left to Lua's function, on the same stack: it finds its
//! arguments where it expects them.

use std::ffi::c_int;

use mlua_sys as ffi;

use super::state::State;

/// Digits whose number is exact as a double: below 2^53.
const EXACT_DIGITS: usize = 15;
/// Powers of ten that are exact as doubles, as many as there may be digits behind the point.
const POWERS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Replaces Lua's `tonumber`, which is on top of the stack.
pub(in crate::script) fn push_to_number(state: State) {
    // SAFETY: the original is on the stack and becomes the only upvalue; `to_number` has the type that Lua calls.
    unsafe { ffi::lua_pushcclosure(state.raw(), to_number, 1) }
}

unsafe extern "C-unwind" fn to_number(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with a live state, and with the upvalue that it was made with. What the original raises
    // jumps over nothing that needs to be dropped.
    unsafe {
        if ffi::lua_gettop(raw) == 1 {
            match ffi::lua_type(raw, 1) {
                ffi::LUA_TNUMBER => return 1,
                ffi::LUA_TSTRING => {
                    if let Some(number) = State::of(raw).bytes(1).and_then(read_short) {
                        ffi::lua_pushnumber(raw, number);
                        return 1;
                    }
                }
                _ => {}
            }
        }
        match ffi::lua_tocfunction(raw, ffi::lua_upvalueindex(1)) {
            Some(original) => original(raw),
            None => 0,
        }
    }
}

/// The number of a text like `-12` or `0.25`. `None`: it is another kind of number, or none.
fn read_short(text: &[u8]) -> Option<f64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut value, mut seen, mut point) = (0_u64, 0, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => (value, seen) = (value * 10 + u64::from(byte - b'0'), seen + 1),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
        if seen > EXACT_DIGITS {
            return None;
        }
    }
    let behind = point.map_or(0, |at| digits.len() - at - 1);
    if seen == 0 {
        return None;
    }
    let value = value as f64 / POWERS[behind];
    Some(if is_negative { -value } else { value })
}

#[cfg(test)]
#[path = "to_number_tests.rs"]
mod tests;
