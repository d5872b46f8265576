//! Replies to a script's commands as values of Lua, by Redis's rules (script_lua.c).
//!
//! What Lua has no type for is a table with one telling field: `ok`, `err`, `double`, `map`, `set`, `big_number`,
//! `verbatim_string`. A long reply takes long to become values, and these may take many times as much memory: so both
//! are looked at while that is done.

use protocol::number::parse_i64;

use super::libs::{ensure_room, spend};
use super::lua::{Failure, Frame, Kind, State};
use crate::base::number::parse_f64;

/// A reply of this size is long, bytes.
const LONG: usize = 64 * 1024;
/// A table of so many elements is large, and what an element of a table takes at least, bytes.
const MANY: usize = 1024;
const ELEMENT_BYTES: usize = 16;
/// Work on one element.
const ELEMENT_STEPS: u32 = 4;

/// Pushes the reply to the script's command. `true`: it is an error.
///
/// # Errors
/// It is too large, or the script has to end.
pub(super) fn push_reply(frame: &Frame<'_>) -> Result<bool, Failure> {
    let reply = frame.shared.reply.borrow();
    if reply.len() >= LONG {
        ensure_room(frame, reply.len())?;
    }
    let mut reader = Reader { bytes: &reply, frame, state: frame.state, resp3: frame.shared.resp.get() == 3 };
    reader.push()?;
    Ok(reply.first() == Some(&b'-'))
}

/// In the table of an error that INFO has counted already.
const COUNTED: &[u8] = b"ignore_error_stats_update";

/// Marks the error table on top as one that is counted.
pub(super) fn mark_counted(state: State) {
    state.push_bool(true);
    state.set_field(-2, COUNTED);
}

/// Whether the topmost value, a table, is an error that is counted.
pub(super) fn is_counted(state: State) -> bool {
    state.field(-1, COUNTED);
    let is_counted = state.is_true(-1);
    state.pop(1);
    is_counted
}

struct Reader<'r> {
    bytes: &'r [u8],
    frame: &'r Frame<'r>,
    state: State,
    resp3: bool,
}

impl<'r> Reader<'r> {
    fn line(&mut self) -> &'r [u8] {
        let end = memchr::memchr(b'\r', self.bytes).unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        self.bytes = self.bytes.get(end + 2..).unwrap_or_default();
        line
    }

    fn take(&mut self, len: usize) -> &'r [u8] {
        let taken = self.bytes.get(..len).unwrap_or_default();
        self.bytes = self.bytes.get(len + 2..).unwrap_or_default();
        taken
    }

    /// Pushes the next value.
    fn push(&mut self) -> Result<(), Failure> {
        if !self.state.reserve(6) {
            return Err(Failure::Redis(b"ERR reached lua stack limit".to_vec()));
        }
        let line = self.line();
        let (kind, rest) = line.split_first().unwrap_or((&b'_', b""));
        let len = || parse_i64(rest).unwrap_or(-1);
        match kind {
            b':' => self.state.push_number(len() as f64),
            b'+' => self.push_named(b"ok", |state| state.push_bytes(rest)),
            b'-' => {
                self.state.push_table(0, 4);
                self.state.push_bytes(rest);
                self.state.set_field(-2, b"err");
                mark_counted(self.state);
            }
            b'$' | b'*' if len() < 0 => self.push_absent(),
            b'$' => {
                let bytes = self.take(len() as usize);
                self.state.push_bytes(bytes);
            }
            b'*' | b'>' => self.push_array(len() as usize)?,
            b'%' => self.push_map(len() as usize)?,
            b'|' => {
                // Attributes tell nothing to scripts: the value follows.
                for _ in 0..2 * len() {
                    self.push()?;
                    self.state.pop(1);
                }
                self.push()?;
            }
            b'~' => self.push_set(len() as usize)?,
            b',' => {
                let number = match rest {
                    b"inf" => f64::INFINITY,
                    b"-inf" => f64::NEG_INFINITY,
                    b"nan" => f64::NAN,
                    text => parse_f64(text).unwrap_or_default(),
                };
                self.push_named(b"double", |state| state.push_number(number));
            }
            b'#' => self.state.push_bool(rest == b"t"),
            b'(' => self.push_named(b"big_number", |state| state.push_bytes(rest)),
            b'=' => {
                let bytes = self.take(len() as usize);
                self.push_verbatim(bytes);
            }
            _ => self.push_absent(),
        }
        Ok(())
    }

    /// Counts one of many elements. Where there are fewer, it is the script's next instructions that count.
    #[inline]
    fn count(&self, number: usize) -> Result<(), Failure> {
        if number.is_multiple_of(MANY) { spend(self.frame, MANY as u32 * ELEMENT_STEPS) } else { Ok(()) }
    }

    /// Pushes a table for so many elements, or fields.
    fn push_table(&self, elements: usize, fields: usize) -> Result<(), Failure> {
        if elements.max(fields) >= MANY {
            ensure_room(self.frame, (elements + 2 * fields).saturating_mul(ELEMENT_BYTES))?;
        }
        self.state.push_table(elements, fields);
        Ok(())
    }

    /// Null: in RESP2 it is false, in RESP3 nil.
    fn push_absent(&self) {
        if self.resp3 { self.state.push_nil() } else { self.state.push_bool(false) }
    }

    fn push_named(&self, name: &[u8], push: impl FnOnce(State)) {
        self.state.push_table(0, 1);
        push(self.state);
        self.state.set_field(-2, name);
    }

    fn push_array(&mut self, len: usize) -> Result<(), Failure> {
        self.push_table(len, 0)?;
        for number in 1..=len {
            self.push()?;
            self.state.set_element(-2, number);
            self.count(number)?;
        }
        Ok(())
    }

    fn push_map(&mut self, len: usize) -> Result<(), Failure> {
        self.state.push_table(0, 1);
        self.push_table(0, len)?;
        for number in 1..=len {
            self.push()?;
            self.push()?;
            self.set_pair();
            self.count(number)?;
        }
        self.state.set_field(-2, b"map");
        Ok(())
    }

    fn push_set(&mut self, len: usize) -> Result<(), Failure> {
        self.state.push_table(0, 1);
        self.push_table(0, len)?;
        for number in 1..=len {
            self.push()?;
            self.state.push_bool(true);
            self.set_pair();
            self.count(number)?;
        }
        self.state.set_field(-2, b"set");
        Ok(())
    }

    /// Puts the topmost two values into the table below, if the first can be a key.
    fn set_pair(&self) {
        let key = self.state.top() - 1;
        if self.state.kind(key) == Kind::Nil || self.state.number(key).is_some_and(f64::is_nan) {
            self.state.pop(2);
        } else {
            self.state.raw_set(-3);
        }
    }

    fn push_verbatim(&self, bytes: &[u8]) {
        self.state.push_table(0, 1);
        self.state.push_table(0, 2);
        self.state.push_bytes(bytes.get(4..).unwrap_or_default());
        self.state.set_field(-2, b"string");
        self.state.push_bytes(bytes.get(..3).unwrap_or_default());
        self.state.set_field(-2, b"format");
        self.state.set_field(-2, b"verbatim_string");
    }
}
