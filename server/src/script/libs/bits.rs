//! `bit`: operations on numbers taken as 32 bits, with the results of BitOp 1.0.2.
//!
//! A number is taken by its low 32 bits, also if it is too large for them; a fraction is rounded, halves to even.
//! Results are signed.

use super::arguments::bad_argument;
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[
    (b"tobit", tobit),
    (b"bnot", bnot),
    (b"band", band),
    (b"bor", bor),
    (b"bxor", bxor),
    (b"lshift", lshift),
    (b"rshift", rshift),
    (b"arshift", arshift),
    (b"rol", rol),
    (b"ror", ror),
    (b"bswap", bswap),
    (b"tohex", tohex),
];

/// 2^52 + 2^51: what is added to it has its integral part, rounded, in the lowest bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

/// The bits of an argument.
fn bits(frame: &Frame<'_>, number: i32) -> Result<u32, Failure> {
    match frame.state.to_number(number) {
        Some(value) => Ok((value + ROUNDING).to_bits() as u32),
        None => {
            let problem = format!("number expected, got {}", frame.state.type_name(number));
            Err(bad_argument(frame, number, problem))
        }
    }
}

fn returned(frame: &Frame<'_>, bits: u32) -> Returns {
    frame.state.push_number(f64::from(bits as i32));
    Ok(1)
}

/// Combines all arguments. The first is looked at first, then the others from the last one on.
fn fold(frame: &Frame<'_>, combine: fn(u32, u32) -> u32) -> Returns {
    let first = bits(frame, 1)?;
    let others = (2..=frame.state.top()).rev();
    let all = others.map(|number| bits(frame, number)).try_fold(first, |all, bits| bits.map(|bits| combine(all, bits)));
    returned(frame, all?)
}

fn shift(frame: &Frame<'_>, shift: fn(u32, u32) -> u32) -> Returns {
    let value = bits(frame, 1)?;
    let by = bits(frame, 2)? & 31;
    returned(frame, shift(value, by))
}

fn tobit(frame: &Frame<'_>) -> Returns {
    returned(frame, bits(frame, 1)?)
}

fn bnot(frame: &Frame<'_>) -> Returns {
    returned(frame, !bits(frame, 1)?)
}

fn band(frame: &Frame<'_>) -> Returns {
    fold(frame, |a, b| a & b)
}

fn bor(frame: &Frame<'_>) -> Returns {
    fold(frame, |a, b| a | b)
}

fn bxor(frame: &Frame<'_>) -> Returns {
    fold(frame, |a, b| a ^ b)
}

fn lshift(frame: &Frame<'_>) -> Returns {
    shift(frame, |value, by| value << by)
}

fn rshift(frame: &Frame<'_>) -> Returns {
    shift(frame, |value, by| value >> by)
}

fn arshift(frame: &Frame<'_>) -> Returns {
    shift(frame, |value, by| (value as i32 >> by) as u32)
}

fn rol(frame: &Frame<'_>) -> Returns {
    shift(frame, u32::rotate_left)
}

fn ror(frame: &Frame<'_>) -> Returns {
    shift(frame, u32::rotate_right)
}

fn bswap(frame: &Frame<'_>) -> Returns {
    returned(frame, bits(frame, 1)?.swap_bytes())
}

/// Hexadecimal digits: as many as are asked for, at most eight; capital ones if the number is negative.
fn tohex(frame: &Frame<'_>) -> Returns {
    let value = bits(frame, 1)?;
    let wanted = if frame.state.kind(2) == Kind::None { 8 } else { bits(frame, 2)? as i32 };
    let digits = if wanted < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    // The least integer has no positive counterpart (CVE-2024-31449).
    let count = wanted.unsigned_abs().min(8) as usize;
    frame.state.push_bytes(&digits.as_bytes()[8 - count..]);
    Ok(1)
}

#[cfg(test)]
#[path = "bits_tests.rs"]
mod tests;
