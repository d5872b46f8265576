//! Replies as values of Lua, and values of Lua as replies, by Redis's rules (script_lua.c).
//!
//! Numbers lose their fraction on the way out, and tables end at their first nil. What Lua has no type for is a table
//! with one telling field: `ok`, `err`, `double`, `map`, `set`, `big_number`, `verbatim_string`.

use protocol::number::parse_i64;
use protocol::resp::reply::Reply;

use super::lua::{Failure, Frame, Kind, State};
use crate::base::number::parse_f64;

/// Nesting of a result beyond which it is cut.
const TOO_DEEP: &[u8] = b"ERR reached lua stack limit";
/// How deep a result may nest, since writing it nests as deep.
const DEPTH: usize = 256;

/// Pushes the reply to the script's command. `true`: it is an error.
pub(super) fn push_reply(frame: &Frame<'_>) -> Result<bool, Failure> {
    let reply = frame.shared.reply.borrow();
    let mut reader = Reader { bytes: &reply, state: frame.state, resp3: frame.shared.resp.get() == 3 };
    let is_error = reply.first() == Some(&b'-');
    match reader.push() {
        Some(()) => Ok(is_error),
        None => Err(Failure::Redis(TOO_DEEP.to_vec())),
    }
}

/// In the table of an error that INFO has counted already.
const COUNTED: &[u8] = b"ignore_error_stats_update";

/// Marks the error table on top as one that is counted.
pub(super) fn mark_counted(state: State) {
    state.push_bool(true);
    state.set_field(-2, COUNTED);
}

/// Whether the topmost value is an error that is counted.
pub(super) fn is_counted(state: State) -> bool {
    if state.kind(-1) != Kind::Table {
        return false;
    }
    state.field(-1, COUNTED);
    let is_counted = state.is_true(-1);
    state.pop(1);
    is_counted
}

struct Reader<'r> {
    bytes: &'r [u8],
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

    /// Pushes the next value. `None`: Lua's stack cannot grow any more.
    fn push(&mut self) -> Option<()> {
        if !self.state.reserve(6) {
            return None;
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
        Some(())
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

    fn push_array(&mut self, len: usize) -> Option<()> {
        self.state.push_table(len, 0);
        for number in 1..=len {
            self.push()?;
            self.state.set_element(-2, number);
        }
        Some(())
    }

    fn push_map(&mut self, len: usize) -> Option<()> {
        self.state.push_table(0, 1);
        self.state.push_table(0, len);
        for _ in 0..len {
            self.push()?;
            self.push()?;
            self.set_pair();
        }
        self.state.set_field(-2, b"map");
        Some(())
    }

    fn push_set(&mut self, len: usize) -> Option<()> {
        self.state.push_table(0, 1);
        self.state.push_table(0, len);
        for _ in 0..len {
            self.push()?;
            self.state.push_bool(true);
            self.set_pair();
        }
        self.state.set_field(-2, b"set");
        Some(())
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

/// Writes the topmost value as the script's result.
pub(super) fn write_value(frame: Frame<'_>, reply: &mut Reply<'_>) {
    let resp3 = frame.shared.resp.get() == 3;
    let mut writer = Writer { state: frame.state, reply, resp3, depth: 0 };
    writer.write();
}

struct Writer<'w, 'r> {
    state: State,
    reply: &'w mut Reply<'r>,
    /// The script has asked for RESP3: booleans are such.
    resp3: bool,
    depth: usize,
}

impl Writer<'_, '_> {
    /// Writes the topmost value and takes it from the stack.
    fn write(&mut self) {
        let state = self.state;
        if self.depth > DEPTH || !state.reserve(8) {
            self.reply.error(TOO_DEEP);
            return state.pop(1);
        }
        match state.kind(-1) {
            Kind::String => self.reply.bulk(state.bytes(-1).unwrap_or_default()),
            Kind::Boolean => match (self.resp3, state.is_true(-1)) {
                (true, value) => self.reply.boolean(value),
                (false, true) => self.reply.int(1),
                (false, false) => self.reply.null(),
            },
            Kind::Number => self.reply.int(to_integer(state.number(-1).unwrap_or_default())),
            Kind::Table => {
                self.depth += 1;
                self.write_table();
                self.depth -= 1;
            }
            Kind::None | Kind::Nil | Kind::Function | Kind::Other => self.reply.null(),
        }
        state.pop(1);
    }

    /// Writes the topmost value, a table, and leaves it.
    fn write_table(&mut self) {
        let state = self.state;
        if let Some(text) = self.text_field(b"err") {
            return self.reply.error(one_line(printed(text)));
        }
        if let Some(text) = self.text_field(b"ok") {
            return self.reply.simple(one_line(printed(text)));
        }
        if let Some(number) = self.field(b"double", |state| state.number(-1)) {
            return self.reply.double(number);
        }
        if let Some(digits) = self.text_field(b"big_number") {
            let digits = String::from_utf8_lossy(&one_line(digits)).into_owned();
            return self.reply.big_number(&digits);
        }
        if self.write_collection(b"map", true) || self.write_collection(b"set", false) || self.write_verbatim() {
            return;
        }
        let len = self.reply.deferred_array();
        let mut count = 0;
        loop {
            state.element(-1, count + 1);
            if state.kind(-1) == Kind::Nil {
                state.pop(1);
                break;
            }
            self.write();
            count += 1;
        }
        self.reply.set_len(len, count);
    }

    fn field<R>(&self, name: &[u8], read: impl FnOnce(State) -> Option<R>) -> Option<R> {
        self.state.field(-1, name);
        let value = read(self.state);
        self.state.pop(1);
        value
    }

    fn text_field(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.field(name, |state| state.bytes(-1).map(<[u8]>::to_vec))
    }

    /// Writes the table in this field as a map or a set, if there is one.
    fn write_collection(&mut self, name: &[u8], is_map: bool) -> bool {
        let state = self.state;
        state.field(-1, name);
        if state.kind(-1) != Kind::Table {
            state.pop(1);
            return false;
        }
        let len = if is_map { self.reply.deferred_map() } else { self.reply.deferred_set() };
        let mut count = 0;
        state.push_nil();
        while state.next(-2) {
            // The key stays for the next step.
            if is_map {
                state.push_value(-2);
                self.write();
                self.write();
            } else {
                state.pop(1);
                state.push_value(-1);
                self.write();
            }
            count += 1;
        }
        state.pop(1);
        self.reply.set_len(len, count);
        true
    }

    fn write_verbatim(&mut self) -> bool {
        let read = |state: State| {
            if state.kind(-1) != Kind::Table {
                return None;
            }
            let part = |name: &[u8]| {
                state.field(-1, name);
                let part = state.bytes(-1).map(<[u8]>::to_vec);
                state.pop(1);
                part
            };
            Some((part(b"format")?, part(b"string")?))
        };
        let Some((format, text)) = self.field(b"verbatim_string", read) else { return false };
        let mut letters = [b' '; 3];
        letters.iter_mut().zip(&format).for_each(|(letter, given)| *letter = *given);
        self.reply.verbatim(letters, &text);
        true
    }
}

/// A number as C converts it to a long.
fn to_integer(number: f64) -> i64 {
    // 2^63: what does not fit is the least integer.
    if number.is_nan() || number >= 9_223_372_036_854_775_808.0 { i64::MIN } else { number as i64 }
}

/// A text as Redis prints it: as a C string.
fn printed(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
    text
}

fn one_line(mut text: Vec<u8>) -> Vec<u8> {
    text.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    text
}

/// Writes the error that ended the script, which is on top.
pub(super) fn write_failure(frame: Frame<'_>, name: &str, reply: &mut Reply<'_>) {
    let state = frame.state;
    let text = |name: &[u8]| {
        state.field(-1, name);
        let text = state.text(-1);
        state.pop(1);
        text
    };
    let message = match state.kind(-1) {
        Kind::String => [b"ERR ", state.bytes(-1).unwrap_or_default()].concat(),
        Kind::Table => {
            let message = text(b"err").map_or_else(|| b"ERR unknown error".to_vec(), printed);
            match (text(b"source"), text(b"line")) {
                (Some(source), Some(line)) => {
                    [&message, b" script: ".as_slice(), name.as_bytes(), b", on ", &source, b":", &line, b"."].concat()
                }
                _ => message,
            }
        }
        _ => b"ERR unknown error".to_vec(),
    };
    // The code is a part of the message, so the writer is not to add one.
    reply.error(one_line(message));
}
