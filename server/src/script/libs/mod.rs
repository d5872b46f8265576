//! The libraries that scripts get besides Lua's own, and those functions of Lua's that are ours.
//!
//! All of them are written anew in Rust, to give the results and the errors that Redis's give, without what these are
//! known for: whatever may take long counts its work and hands the thread over from time to time ([`work`]), results
//! are no larger than the memory that there is, and what nests does so on a stack of values, not of calls.

mod arguments;
mod base;
mod bits;
mod json;
pub(super) mod math;
mod msgpack;
mod numbers;
mod string;
mod structs;
mod table;
#[cfg(test)]
#[path = "testing_tests.rs"]
pub(super) mod testing;
mod work;

use std::borrow::Cow;

pub(super) use arguments::bad_argument as bad_argument_here;
pub(super) use work::{STEPS, collect, ensure_room, not_enough_memory, spend, spend_bytes};

use super::lua::{Failure, Frame, HostFn, Kind, State};

/// Hands every function of the libraries to `add`, with its library and name, and adds what is no function.
pub(super) fn add_to(frame: &Frame<'_>, globals: i32, add: &mut dyn FnMut(HostFn, (&[u8], &[u8]))) {
    let libraries: [(&[u8], &[(&[u8], HostFn)]); 7] = [
        (b"", base::FUNCTIONS),
        (b"math", math::FUNCTIONS),
        (b"string", string::FUNCTIONS),
        (b"table", table::FUNCTIONS),
        (b"bit", bits::FUNCTIONS),
        (b"struct", structs::FUNCTIONS),
        (b"cmsgpack", msgpack::FUNCTIONS),
    ];
    for (library, functions) in libraries {
        for (name, function) in functions {
            add(*function, (library, name));
        }
    }
    let state = frame.state;
    state.field(globals, b"string");
    state.field(-1, b"gmatch");
    // The function's name in Lua 5.0.
    state.set_field(-2, b"gfind");
    state.field(globals, b"cmsgpack");
    set_texts(state, msgpack::TEXTS);
    state.pop(2);
    json::push_library(frame);
    state.set_field(globals, b"cjson");
}

/// Makes texts fields of the table on top.
fn set_texts(state: State, texts: &[(&[u8], &[u8])]) {
    for (name, text) in texts {
        state.push_bytes(text);
        state.set_field(-2, name);
    }
}

/// Lua's error for a wrong argument of a function whose name is known.
pub(super) fn bad_argument(number: i32, function: &str, problem: &str) -> Failure {
    Failure::Here(format!("bad argument #{number} to '{function}' ({problem})").into_bytes())
}

/// A value's type as Lua calls it.
pub(super) fn type_name(state: State, at: i32) -> &'static str {
    state.type_name(at)
}

/// A value as `tostring` shows it, without metamethods.
pub(super) fn to_text(state: State, at: i32) -> Cow<'static, [u8]> {
    match state.kind(at) {
        Kind::None | Kind::Nil => Cow::Borrowed(b"nil"),
        Kind::Boolean if state.is_true(at) => Cow::Borrowed(b"true"),
        Kind::Boolean => Cow::Borrowed(b"false"),
        Kind::Number | Kind::String => Cow::Owned(state.text(at).unwrap_or_default()),
        Kind::Table | Kind::Function | Kind::Other => {
            Cow::Owned(format!("{}: {:p}", type_name(state, at), state.pointer(at)).into_bytes())
        }
    }
}
