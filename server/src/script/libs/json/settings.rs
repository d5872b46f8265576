//! The settings of a `cjson`: numbers in a table, which the functions have as an upvalue.

use crate::script::libs::arguments::{self, bad_argument};
use crate::script::lua::{Failure, Frame, Kind, Returns};

/// A setting's number in the table.
#[derive(Clone, Copy)]
enum Setting {
    SparseConvert = 1,
    SparseRatio,
    SparseSafe,
    EncodeDepth,
    DecodeDepth,
    EncodeInvalid,
    DecodeInvalid,
    KeepBuffer,
    Precision,
}

/// What they are at first, in this order.
const DEFAULTS: [i32; 9] = [0, 2, 10, 1000, 1000, 0, 1, 1, 14];

const OFF_ON: &[&str] = &["off", "on"];
const OFF_ON_NULL: &[&str] = &["off", "on", "null"];

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

/// How values are written.
pub(super) struct EncodeSettings {
    pub sparse_convert: bool,
    pub sparse_ratio: i32,
    pub sparse_safe: i32,
    pub depth: i32,
    pub invalid: Invalid,
    pub precision: usize,
}

/// How texts are read.
pub(super) struct DecodeSettings {
    pub depth: i32,
    pub takes_invalid: bool,
}

/// Pushes a new table of settings.
pub(super) fn push(frame: &Frame<'_>) {
    frame.state.push_table(DEFAULTS.len(), 0);
    for (at, value) in DEFAULTS.iter().enumerate() {
        frame.state.push_number(f64::from(*value));
        frame.state.set_element(-2, at + 1);
    }
}

fn read(frame: &Frame<'_>, setting: Setting) -> i32 {
    frame.state.element(Frame::upvalue(0), setting as usize);
    let value = frame.state.number(-1).unwrap_or_default();
    frame.state.pop(1);
    value as i32
}

fn write(frame: &Frame<'_>, setting: Setting, value: i32) {
    frame.state.push_number(f64::from(value));
    frame.state.set_element(Frame::upvalue(0), setting as usize);
}

impl EncodeSettings {
    pub(super) fn read(frame: &Frame<'_>) -> Self {
        Self {
            sparse_convert: read(frame, Setting::SparseConvert) != 0,
            sparse_ratio: read(frame, Setting::SparseRatio),
            sparse_safe: read(frame, Setting::SparseSafe),
            depth: read(frame, Setting::EncodeDepth),
            invalid: match read(frame, Setting::EncodeInvalid) {
                0 => Invalid::Refused,
                1 => Invalid::Written,
                _ => Invalid::Null,
            },
            precision: read(frame, Setting::Precision).max(1) as usize,
        }
    }
}

impl DecodeSettings {
    pub(super) fn read(frame: &Frame<'_>) -> Self {
        Self { depth: read(frame, Setting::DecodeDepth), takes_invalid: read(frame, Setting::DecodeInvalid) != 0 }
    }
}

/// Sees to it that there are as many arguments as a function has.
fn take_arguments(frame: &Frame<'_>, count: i32) -> Result<(), Failure> {
    if frame.state.top() > count {
        return Err(bad_argument(frame, count + 1, "found too many arguments"));
    }
    frame.state.set_top(count);
    Ok(())
}

/// Changes a number if the argument is there, and pushes what it is.
fn number(frame: &Frame<'_>, argument: i32, setting: Setting, least: i32, most: i32) -> Result<(), Failure> {
    if frame.state.kind(argument) != Kind::Nil {
        let value = arguments::integer(frame, argument)? as i32;
        if !(least..=most).contains(&value) {
            let problem = format!("expected integer between {least} and {most}");
            return Err(bad_argument(frame, 1, problem));
        }
        write(frame, setting, value);
    }
    frame.state.push_number(f64::from(read(frame, setting)));
    Ok(())
}

/// Changes a setting that has names if the argument is there, and pushes what it is: a boolean for the first two.
fn choice(frame: &Frame<'_>, argument: i32, setting: Setting, names: &[&str]) -> Result<(), Failure> {
    let state = frame.state;
    match state.kind(argument) {
        Kind::Nil => {}
        Kind::Boolean => write(frame, setting, i32::from(state.is_true(argument))),
        _ => {
            let name = arguments::c_string(frame, argument)?;
            let Some(value) = names.iter().position(|known| known.as_bytes() == name) else {
                let problem = [b"invalid option '", name, b"'"].concat();
                return Err(bad_argument(frame, argument, problem));
            };
            write(frame, setting, value as i32);
        }
    }
    match read(frame, setting) {
        value @ 0..=1 => state.push_bool(value == 1),
        value => state.push_bytes(names.get(value as usize).copied().unwrap_or_default().as_bytes()),
    }
    Ok(())
}

pub(super) fn encode_sparse_array(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 3)?;
    choice(frame, 1, Setting::SparseConvert, OFF_ON)?;
    number(frame, 2, Setting::SparseRatio, 0, i32::MAX)?;
    number(frame, 3, Setting::SparseSafe, 0, i32::MAX)?;
    Ok(3)
}

pub(super) fn encode_max_depth(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    number(frame, 1, Setting::EncodeDepth, 1, i32::MAX)?;
    Ok(1)
}

pub(super) fn decode_max_depth(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    number(frame, 1, Setting::DecodeDepth, 1, i32::MAX)?;
    Ok(1)
}

pub(super) fn encode_number_precision(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    number(frame, 1, Setting::Precision, 1, 14)?;
    Ok(1)
}

/// Whether the buffer is kept for the next text. It never is; the setting is.
pub(super) fn encode_keep_buffer(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    choice(frame, 1, Setting::KeepBuffer, OFF_ON)?;
    Ok(1)
}

pub(super) fn encode_invalid_numbers(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    choice(frame, 1, Setting::EncodeInvalid, OFF_ON_NULL)?;
    Ok(1)
}

pub(super) fn decode_invalid_numbers(frame: &Frame<'_>) -> Returns {
    take_arguments(frame, 1)?;
    choice(frame, 1, Setting::DecodeInvalid, OFF_ON)?;
    Ok(1)
}
