//! The result of a script as a reply, by Redis's rules (script_lua.c).
//!
//! Numbers lose their fraction, and tables end at their first nil. What Lua has no type for is a table with one telling
//! field: `ok`, `err`, `double`, `map`, `set`, `big_number`, `verbatim_string`.
//!
//! **A result has a bound.** A table may be in itself, or a few tables in each other so often that their reply is
//! larger than any memory. So a table is written while its script still runs: what has been written counts as the
//! script's memory, and writing pauses, like everything that may take long ([`write_all`]). A small table is written at
//! once ([`write_small`]); that it is one is known only when it is done. What nests does so on a stack of values, not
//! of calls, so results may nest as deep as in Redis.

use protocol::resp::reply::{DeferredLen, Protocol, Reply};

use super::convert::is_counted;
use super::errors::Errors;
use super::libs::{ensure_room, not_enough_memory, spend, spend_bytes};
use super::lua::{Failure, Frame, Kind, Returns, State};

/// What is written where a result nests too deep.
const TOO_DEEP: &[u8] = b"ERR reached lua stack limit";
/// How many values lie on the stack of the function that writes where it does: Lua gives a function 8000.
const DEEPEST: i32 = 7995;
/// What values take in the table of a value, above it.
const ROOM: i32 = 5;
/// How many values, bytes and levels a small table has at most.
const SMALL_VALUES: u32 = 1000;
const SMALL_BYTES: usize = 64 * 1024;
const SMALL_DEPTH: usize = 32;
/// How many values are written before that counts as work, and what each counts.
const STRETCH: u32 = 64;
const VALUE_STEPS: u32 = 4;
/// How much a result grows before the memory is looked at again, bytes.
const GROWTH: usize = 64 * 1024;
/// Bytes that a value takes besides its text, at most.
const FRAME_BYTES: usize = 64;

/// Writes the table on top, and leaves it. `false`: it is not small, and nothing was written.
pub(super) fn write_small(frame: &Frame<'_>) -> bool {
    let top = frame.state.top();
    frame.state.push_value(-1);
    let mut writer = Writer::new(frame, true);
    let is_written = writer.write().is_ok();
    frame.state.set_top(top);
    writer.hand_in(is_written);
    is_written
}

/// Writes the table that is its argument, however large it is.
pub(super) fn write_all(frame: &Frame<'_>) -> Returns {
    let mut writer = Writer::new(frame, false);
    let written = writer.write();
    writer.hold(0);
    writer.hand_in(written.is_ok());
    written.map(|()| 0)
}

/// Writes the topmost value, which is no table.
pub(super) fn write_simple(frame: &Frame<'_>, reply: &mut Reply<'_>) {
    let state = frame.state;
    match state.kind(-1) {
        Kind::String => reply.bulk(state.bytes(-1).unwrap_or_default()),
        Kind::Boolean => match (frame.shared.resp.get() == 3, state.is_true(-1)) {
            (true, value) => reply.boolean(value),
            (false, true) => reply.int(1),
            (false, false) => reply.null(),
        },
        Kind::Number => reply.int(to_integer(state.number(-1).unwrap_or_default())),
        Kind::Table | Kind::None | Kind::Nil | Kind::Function | Kind::Other => reply.null(),
    }
}

/// What is written of a table next.
enum Next {
    Element,
    Pair,
    /// The value of the pair, which lies on the stack above its key.
    Value,
    Member,
}

/// A table that is being written.
struct Level {
    next: Next,
    len: DeferredLen,
    count: usize,
    /// Where its reply begins.
    start: usize,
}

struct Writer<'f> {
    frame: Frame<'f>,
    state: State,
    out: Vec<u8>,
    protocol: Protocol,
    levels: Vec<Level>,
    /// Nothing but a small table is to be written.
    is_small: bool,
    /// How many values may be written until that counts.
    values: u32,
    /// Up to this length there is room.
    checked: usize,
    /// Bytes that are counted as the script's.
    held: usize,
    errors: Errors,
}

impl<'f> Writer<'f> {
    fn new(frame: &Frame<'f>, is_small: bool) -> Self {
        let mut out = frame.shared.reply.take();
        out.clear();
        let (values, checked) = if is_small { (SMALL_VALUES, SMALL_BYTES) } else { (STRETCH, GROWTH) };
        let protocol = frame.shared.protocol.get();
        let (levels, errors) = (Vec::new(), Errors::default());
        Self { frame: *frame, state: frame.state, out, protocol, levels, is_small, values, checked, held: 0, errors }
    }

    fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.out, self.protocol)
    }

    /// Gives the reply, or its room, back.
    fn hand_in(self, is_written: bool) {
        self.frame.shared.is_written.set(is_written);
        *self.frame.shared.reply.borrow_mut() = self.out;
        *self.frame.shared.errors.borrow_mut() = self.errors;
    }

    /// Writes the topmost value and takes it from the stack.
    ///
    /// # Errors
    /// It is not small, or there is no memory for it, or the script has to end. What is on the stack is left there.
    fn write(&mut self) -> Result<(), Failure> {
        loop {
            self.write_topmost()?;
            if !self.go_on()? {
                return Ok(());
            }
        }
    }

    /// Writes the topmost value, or begins to, if it is a table.
    fn write_topmost(&mut self) -> Result<(), Failure> {
        let state = self.state;
        self.count()?;
        if state.top() > DEEPEST || !state.reserve(ROOM) {
            self.errors.add(TOO_DEEP, false);
            self.reply().error(TOO_DEEP);
        } else if state.kind(-1) == Kind::Table {
            return self.write_table();
        } else {
            self.make_room(state.bytes(-1).map_or(0, <[u8]>::len))?;
            let frame = self.frame;
            write_simple(&frame, &mut self.reply());
        }
        state.pop(1);
        Ok(())
    }

    /// Pushes what is to be written next. `false`: nothing is.
    fn go_on(&mut self) -> Result<bool, Failure> {
        let state = self.state;
        while let Some(level) = self.levels.last_mut() {
            let is_next = match level.next {
                Next::Element => {
                    state.element(-1, level.count + 1);
                    state.kind(-1) != Kind::Nil
                }
                Next::Value => {
                    level.next = Next::Pair;
                    return Ok(true);
                }
                // The key stays for the next step.
                Next::Pair if state.next(-2) => {
                    level.next = Next::Value;
                    state.push_value(-2);
                    true
                }
                Next::Member if state.next(-2) => {
                    state.pop(1);
                    state.push_value(-1);
                    true
                }
                Next::Pair | Next::Member => false,
            };
            if is_next {
                level.count += 1;
                return Ok(true);
            }
            // The nil at the end, and the table; or the table in the field of a table, and that one.
            state.pop(2);
            self.end_level()?;
        }
        Ok(false)
    }

    fn end_level(&mut self) -> Result<(), Failure> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.reply().set_len(level.len, level.count);
        if level.count >= 10 && !self.is_small {
            // Everything behind its length was moved.
            spend_bytes(&self.frame, self.out.len() - level.start)?;
        }
        Ok(())
    }

    fn begin_level(&mut self, next: Next) -> Result<(), Failure> {
        if self.is_small && self.levels.len() >= SMALL_DEPTH {
            return Err(Failure::Raised);
        }
        let start = self.out.len();
        let len = match next {
            Next::Element => self.reply().deferred_array(),
            Next::Pair | Next::Value => self.reply().deferred_map(),
            Next::Member => self.reply().deferred_set(),
        };
        self.levels.push(Level { next, len, count: 0, start });
        Ok(())
    }

    /// Writes the topmost value, a table, and takes it from the stack, or begins to, and leaves it.
    fn write_table(&mut self) -> Result<(), Failure> {
        let state = self.state;
        if let Some(text) = self.text_field(b"err") {
            self.make_room(text.len())?;
            let text = one_line(printed(text));
            self.errors.add(&text, is_counted(state));
            self.reply().error(text);
        } else if let Some(text) = self.text_field(b"ok") {
            self.make_room(text.len())?;
            self.reply().simple(one_line(printed(text)));
        } else if let Some(number) = self.field(b"double", |state| state.number(-1)) {
            self.reply().double(number);
        } else if let Some(digits) = self.text_field(b"big_number") {
            self.make_room(3 * digits.len())?;
            let digits = String::from_utf8_lossy(&one_line(digits)).into_owned();
            self.reply().big_number(&digits);
        } else if self.push_collection(b"map") {
            return self.begin_level(Next::Pair);
        } else if self.push_collection(b"set") {
            return self.begin_level(Next::Member);
        } else if !self.write_verbatim()? {
            return self.begin_level(Next::Element);
        }
        state.pop(1);
        Ok(())
    }

    fn field<R>(&self, name: &[u8], read: impl FnOnce(State) -> Option<R>) -> Option<R> {
        self.state.field(-1, name);
        let value = read(self.state);
        self.state.pop(1);
        value
    }

    /// The text in this field. It stays where it is, since the table has it.
    fn text_field<'s>(&self, name: &[u8]) -> Option<&'s [u8]> {
        self.field(name, |state| state.bytes(-1))
    }

    /// Pushes the table in this field, if there is one, and where to begin in it.
    fn push_collection(&self, name: &[u8]) -> bool {
        self.state.field(-1, name);
        if self.state.kind(-1) != Kind::Table {
            self.state.pop(1);
            return false;
        }
        self.state.push_nil();
        true
    }

    fn write_verbatim(&mut self) -> Result<bool, Failure> {
        let read = |state: State| {
            if state.kind(-1) != Kind::Table {
                return None;
            }
            let part = |name: &[u8]| {
                state.field(-1, name);
                let part = state.bytes(-1);
                state.pop(1);
                part
            };
            Some((part(b"format")?, part(b"string")?))
        };
        let Some((format, text)) = self.field(b"verbatim_string", read) else { return Ok(false) };
        self.make_room(text.len())?;
        let mut letters = [b' '; 3];
        letters.iter_mut().zip(format).for_each(|(letter, given)| *letter = *given);
        self.reply().verbatim(letters, text);
        Ok(true)
    }

    /// Counts a value.
    fn count(&mut self) -> Result<(), Failure> {
        self.values -= 1;
        if self.values == 0 {
            if self.is_small {
                return Err(Failure::Raised);
            }
            self.values = STRETCH;
            spend(&self.frame, STRETCH * VALUE_STEPS)?;
            // For what is written without asking: all but texts.
            self.make_room(STRETCH as usize * FRAME_BYTES)?;
        }
        Ok(())
    }

    /// Makes room for a text of so many bytes, and what is around it.
    fn make_room(&mut self, bytes: usize) -> Result<(), Failure> {
        let len = self.out.len().saturating_add(bytes).saturating_add(FRAME_BYTES);
        if len <= self.checked { Ok(()) } else { self.grow(len) }
    }

    #[cold]
    fn grow(&mut self, len: usize) -> Result<(), Failure> {
        if self.is_small {
            return Err(Failure::Raised);
        }
        ensure_room(&self.frame, len.saturating_sub(self.held))?;
        self.checked = len.saturating_add(GROWTH);
        self.out.try_reserve(self.checked - self.out.len()).map_err(|_| not_enough_memory())?;
        self.hold(self.out.capacity());
        spend_bytes(&self.frame, len - self.out.len())
    }

    /// Has so many bytes counted from now on.
    fn hold(&mut self, bytes: usize) {
        self.frame.shared.memory.release(self.held);
        self.frame.shared.memory.hold(bytes);
        self.held = bytes;
    }
}

/// A number as C converts it to a long.
fn to_integer(number: f64) -> i64 {
    // 2^63: what does not fit is the least integer.
    if number.is_nan() || number >= 9_223_372_036_854_775_808.0 { i64::MIN } else { number as i64 }
}

/// A text as Redis prints it: as a C string.
fn printed(text: &[u8]) -> &[u8] {
    memchr::memchr(0, text).map_or(text, |end| &text[..end])
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// Writes the error that ended the script, which is on top.
pub(super) fn write_failure(frame: &Frame<'_>, name: &str, reply: &mut Reply<'_>) -> Errors {
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
            let message = text(b"err").map_or_else(|| b"ERR unknown error".to_vec(), |text| printed(&text).to_vec());
            match (text(b"source"), text(b"line")) {
                (Some(source), Some(line)) => {
                    [&message, b" script: ".as_slice(), name.as_bytes(), b", on ", &source, b":", &line, b"."].concat()
                }
                _ => message,
            }
        }
        _ => b"ERR unknown error".to_vec(),
    };
    let (message, mut errors) = (one_line(&message), Errors::default());
    errors.add(&message, state.kind(-1) == Kind::Table && is_counted(state));
    // The code is a part of the message, so the writer is not to add one.
    reply.error(message);
    errors
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
