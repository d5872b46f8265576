//! `cjson`: JSON, with the results and errors of lua-cjson 2.1.0.
//!
//! A library is a table of functions that share their settings, a table, as an upvalue; `cjson.new` makes another one.
//! Values are walked with a stack of their own, so nesting is limited by the settings and by Lua's stack alone.

mod decode;
mod encode;
mod settings;

use super::set_texts;
use crate::script::lua::{Frame, HostFn, Returns};

const FUNCTIONS: &[(&[u8], HostFn)] = &[
    (b"encode", encode::encode),
    (b"decode", decode::decode),
    (b"encode_sparse_array", settings::encode_sparse_array),
    (b"encode_max_depth", settings::encode_max_depth),
    (b"decode_max_depth", settings::decode_max_depth),
    (b"encode_number_precision", settings::encode_number_precision),
    (b"encode_keep_buffer", settings::encode_keep_buffer),
    (b"encode_invalid_numbers", settings::encode_invalid_numbers),
    (b"decode_invalid_numbers", settings::decode_invalid_numbers),
    (b"new", new),
];

const TEXTS: &[(&[u8], &[u8])] = &[(b"_NAME", b"cjson"), (b"_VERSION", b"2.1.0")];

/// Pushes a library with settings of its own.
pub(super) fn push_library(frame: &Frame<'_>) {
    let state = frame.state;
    state.push_table(0, 16);
    settings::push(frame);
    for (name, function) in FUNCTIONS {
        state.push_value(-1);
        frame.push_function(*function, 1);
        state.set_field(-3, name);
    }
    state.pop(1);
    // What JSON's null is, since a field that is nil does not exist.
    state.push_light(std::ptr::null_mut());
    state.set_field(-2, b"null");
    set_texts(state, TEXTS);
}

fn new(frame: &Frame<'_>) -> Returns {
    push_library(frame);
    Ok(1)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
