//! Arguments of functions, taken as Lua's own functions take theirs, and the errors for those that are wrong.
//!
//! A text that is a number does for a number, and the other way round. Errors call the function what its caller calls
//! it, and do not count the value before the colon of a method's call.

use super::numbers::to_i64;
use crate::script::lua::{Failure, Frame, Kind};

/// The error for a wrong argument.
pub(in crate::script) fn bad_argument(frame: &Frame<'_>, number: i32, problem: impl AsRef<[u8]>) -> Failure {
    let (name, is_method) = frame.state.called_as().unwrap_or_else(|| (b"?".to_vec(), false));
    let number = number - i32::from(is_method);
    let (before, after) = match number {
        0 if is_method => ("calling '".to_owned(), "' on bad self ("),
        _ => (format!("bad argument #{number} to '"), "' ("),
    };
    Failure::Here([before.as_bytes(), &name, after.as_bytes(), problem.as_ref(), b")"].concat())
}

/// The error for an argument of a wrong type.
fn wrong_type(frame: &Frame<'_>, number: i32, wanted: &str) -> Failure {
    let got = frame.state.type_name(number);
    bad_argument(frame, number, format!("{wanted} expected, got {got}"))
}

/// A text. A number becomes one where it is, so that the bytes stay as long as the arguments do.
///
/// # Errors
/// It is neither.
pub(super) fn bytes<'a>(frame: &Frame<'a>, number: i32) -> Result<&'a [u8], Failure> {
    let state = frame.state;
    if let Some(bytes) = state.bytes(number) {
        return Ok(bytes);
    }
    if state.kind(number) == Kind::Number {
        let text = state.text(number).unwrap_or_default();
        state.push_bytes(&text);
        state.insert(number);
        state.remove(number + 1);
    }
    state.bytes(number).ok_or_else(|| wrong_type(frame, number, "string"))
}

/// A text up to its first NUL, as functions see it that take it for a string of C.
///
/// # Errors
/// It is neither a text nor a number.
pub(super) fn c_string<'a>(frame: &Frame<'a>, number: i32) -> Result<&'a [u8], Failure> {
    let text = bytes(frame, number)?;
    Ok(memchr::memchr(0, text).map_or(text, |end| &text[..end]))
}

/// A number.
///
/// # Errors
/// It is none.
pub(super) fn number(frame: &Frame<'_>, number: i32) -> Result<f64, Failure> {
    frame.state.to_number(number).ok_or_else(|| wrong_type(frame, number, "number"))
}

/// A number without its fraction.
///
/// # Errors
/// It is none.
pub(super) fn integer(frame: &Frame<'_>, at: i32) -> Result<i64, Failure> {
    number(frame, at).map(to_i64)
}

/// The same, or `default` if it is not there.
///
/// # Errors
/// It is there, and no number.
pub(super) fn integer_or(frame: &Frame<'_>, at: i32, default: i64) -> Result<i64, Failure> {
    if is_absent(frame, at) { Ok(default) } else { integer(frame, at) }
}

/// Whether the argument is not there, or nil.
pub(super) fn is_absent(frame: &Frame<'_>, number: i32) -> bool {
    matches!(frame.state.kind(number), Kind::None | Kind::Nil)
}
