//! MessagePack as values of Lua.
//!
//! What is nested is kept on a stack of its own, so its depth is limited by Lua's stack alone.

use crate::script::libs::arguments;
use crate::script::libs::work::spend_bytes;
use crate::script::lua::{Failure, Frame, Returns, State};

/// A table whose parts are being read.
struct Level {
    is_map: bool,
    /// Elements, or keys and values, that are still to come.
    left: u64,
    /// The number of the element, or whether a key is there.
    number: u64,
}

struct Unpacker<'d> {
    frame: Frame<'d>,
    state: State,
    data: &'d [u8],
    levels: Vec<Level>,
}

pub(super) fn unpack(frame: &Frame<'_>) -> Returns {
    unpack_some(frame, 0, 0)
}

pub(super) fn unpack_one(frame: &Frame<'_>) -> Returns {
    let offset = arguments::integer_or(frame, 2, 0)?;
    frame.state.set_top(1);
    unpack_some(frame, 1, offset)
}

pub(super) fn unpack_limit(frame: &Frame<'_>) -> Returns {
    let limit = arguments::integer(frame, 2)?;
    let offset = arguments::integer_or(frame, 3, 0)?;
    frame.state.set_top(1);
    unpack_some(frame, limit, offset)
}

fn error(text: &str) -> Failure {
    Failure::Here(text.into())
}

/// Pushes up to `limit` values, or all of them. Unless both numbers are 0, what comes before them is where the next one
/// is, or -1 if there is none. Messages have the lower half of numbers.
fn unpack_some(frame: &Frame<'_>, limit: i64, offset: i64) -> Returns {
    let state = frame.state;
    let data = arguments::bytes(frame, 1)?;
    let len = data.len();
    if limit < 0 || offset < 0 {
        let (offset, len) = (offset as i32, len as i32);
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {len}.");
        return Err(error(&text));
    }
    let Some(data) = data.get(offset as usize..) else {
        let (offset, len) = (offset as i32, len as i32);
        return Err(error(&format!("Start offset {offset} greater than input length {len}.")));
    };
    let is_all = limit == 0 && offset == 0;
    let limit = if is_all { i32::MAX.into() } else { limit };
    let mut unpacker = Unpacker { frame: *frame, state, data, levels: Vec::new() };
    let mut count = 0;
    while i64::from(count) < limit && !unpacker.data.is_empty() {
        unpacker.unpack()?;
        count += 1;
    }
    if is_all {
        return Ok(count);
    }
    if !state.reserve(1) {
        return Err(error("stack overflow (in function mp_unpack_full)"));
    }
    let left = unpacker.data.len();
    state.push_number(if left == 0 { -1.0 } else { (len - left) as f64 });
    state.insert(2);
    Ok(count + 1)
}

impl<'d> Unpacker<'d> {
    fn take(&mut self, len: usize) -> Result<&'d [u8], Failure> {
        if len > self.data.len() {
            return Err(error("Missing bytes in input."));
        }
        let (taken, rest) = self.data.split_at(len);
        self.data = rest;
        Ok(taken)
    }

    /// Takes a big-endian number of so many bytes.
    fn take_number(&mut self, len: usize) -> Result<u64, Failure> {
        Ok(self.take(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Pushes one value with all its parts.
    fn unpack(&mut self) -> Result<(), Failure> {
        self.levels.clear();
        self.part()?;
        while let Some(level) = self.levels.last_mut() {
            if level.left == 0 {
                self.levels.pop();
                self.put()?;
                continue;
            }
            level.left -= 1;
            if !level.is_map {
                level.number += 1;
                self.state.push_number(level.number as f64);
            }
            self.part()?;
        }
        Ok(())
    }

    /// Pushes the next value; of a table its beginning.
    fn part(&mut self) -> Result<(), Failure> {
        let depth = self.levels.len();
        self.value()?;
        if self.levels.len() == depth { self.put() } else { Ok(()) }
    }

    /// The topmost value is complete: it goes where it belongs.
    fn put(&mut self) -> Result<(), Failure> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.is_map {
            // Keys and values take turns.
            level.number ^= 1;
            if level.number == 1 {
                return Ok(());
            }
            match self.state.number(-2) {
                Some(number) if number.is_nan() => return Err(Failure::Plain(b"table index is NaN".to_vec())),
                None if self.state.type_name(-2) == "nil" => {
                    return Err(Failure::Plain(b"table index is nil".to_vec()));
                }
                _ => {}
            }
        }
        self.state.raw_set(-3);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Failure> {
        let state = self.state;
        if !state.reserve(1) {
            let text = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(error(text));
        }
        let code = self.take(1)?[0];
        spend_bytes(&self.frame, 64)?;
        match code {
            0x00..=0x7f => state.push_number(f64::from(code)),
            0x80..=0x8f => self.table(u64::from(code & 0x0f), true)?,
            0x90..=0x9f => self.table(u64::from(code & 0x0f), false)?,
            0xa0..=0xbf => self.string(usize::from(code & 0x1f))?,
            0xc0 => state.push_nil(),
            0xc2 | 0xc3 => state.push_bool(code == 0xc3),
            0xca => {
                let bits = self.take_number(4)? as u32;
                state.push_number(f64::from(f32::from_bits(bits)));
            }
            0xcb => {
                let bits = self.take_number(8)?;
                state.push_number(f64::from_bits(bits));
            }
            // Unsigned ones of 64 bits are taken as signed.
            0xcc..=0xcf => {
                let number = self.take_number(1 << (code - 0xcc))?;
                state.push_number(number as i64 as f64);
            }
            0xd0..=0xd3 => {
                let len = 1 << (code - 0xd0);
                let number = self.take_number(len)?;
                // Moves the sign to the top and back.
                let unused = 64 - 8 * len;
                state.push_number(((number << unused) as i64 >> unused) as f64);
            }
            0xd9..=0xdb => {
                let len = self.take_number(1 << (code - 0xd9))?;
                self.string(len as usize)?;
            }
            0xdc..=0xdf => {
                let len = self.take_number(if code % 2 == 0 { 2 } else { 4 })?;
                self.table(len, code >= 0xde)?;
            }
            0xe0..=0xff => state.push_number(f64::from(code as i8)),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(error("Bad data format in input.")),
        }
        Ok(())
    }

    fn string(&mut self, len: usize) -> Result<(), Failure> {
        let bytes = self.take(len)?;
        spend_bytes(&self.frame, len)?;
        self.state.push_bytes(bytes);
        Ok(())
    }

    fn table(&mut self, len: u64, is_map: bool) -> Result<(), Failure> {
        self.state.push_table(0, 0);
        // For the number of the element.
        if !is_map && !self.state.reserve(1) {
            return Err(error("stack overflow (in function mp_decode_to_lua_array)"));
        }
        let left = if is_map { 2 * len } else { len };
        self.levels.push(Level { is_map, left, number: 0 });
        Ok(())
    }
}
