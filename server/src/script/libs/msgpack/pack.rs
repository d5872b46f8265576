//! Values of Lua as MessagePack, each in as few bytes as it needs.
//!
//! Numbers are integers if they are integral and fit in 64 bits, and floats of 32 bits if these hold them. A table is
//! an array if its keys are the integers from 1 to their number.

use crate::script::libs::arguments::bad_argument;
use crate::script::libs::numbers::{exact_i32, exact_i64};
use crate::script::libs::work::{Output, spend};
use crate::script::lua::{Failure, Frame, Kind, Returns, State};

/// Tables in so many tables are nil: a table may be a part of itself.
const DEPTH: u32 = 16;

struct Packer<'f> {
    frame: Frame<'f>,
    state: State,
    out: Output<'f>,
}

pub(super) fn pack(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let count = state.top();
    if count == 0 {
        return Err(bad_argument(frame, 0, "MessagePack pack needs input."));
    }
    if !state.reserve(count) {
        return Err(bad_argument(frame, 0, "Too many arguments for MessagePack pack."));
    }
    let mut packer = Packer { frame: *frame, state, out: Output::new(frame) };
    for number in 1..=count {
        state.push_value(number);
        packer.pack(0)?;
    }
    packer.out.push_string()?;
    Ok(1)
}

impl Packer<'_> {
    /// Writes the topmost value and takes it away.
    fn pack(&mut self, depth: u32) -> Result<(), Failure> {
        spend(&self.frame, 4)?;
        match self.state.kind(-1) {
            Kind::String => self.string()?,
            Kind::Boolean => self.out.push(if self.state.is_true(-1) { 0xc3 } else { 0xc2 })?,
            Kind::Number => self.number(self.state.number(-1).unwrap_or_default())?,
            Kind::Table if depth < DEPTH => self.table(depth)?,
            Kind::None | Kind::Nil | Kind::Table | Kind::Function | Kind::Other => self.out.push(0xc0)?,
        }
        self.state.pop(1);
        Ok(())
    }

    /// Writes a code and an integer in big-endian bytes.
    fn coded(&mut self, code: u8, bytes: &[u8]) -> Result<(), Failure> {
        self.out.push(code)?;
        self.out.extend(bytes)
    }

    fn string(&mut self) -> Result<(), Failure> {
        let bytes = self.state.bytes(-1).unwrap_or_default();
        match bytes.len() {
            len @ 0..=31 => self.out.push(0xa0 | len as u8)?,
            len @ 32..=0xff => self.coded(0xd9, &[len as u8])?,
            len @ 0x100..=0xffff => self.coded(0xda, &(len as u16).to_be_bytes())?,
            len => self.coded(0xdb, &(len as u32).to_be_bytes())?,
        }
        self.out.extend(bytes)
    }

    fn number(&mut self, number: f64) -> Result<(), Failure> {
        if let Some(integer) = exact_i64(number) {
            return self.integer(integer);
        }
        let short = number as f32;
        if !number.is_nan() && f64::from(short).to_bits() == number.to_bits() {
            self.coded(0xca, &short.to_be_bytes())
        } else {
            self.coded(0xcb, &number.to_be_bytes())
        }
    }

    fn integer(&mut self, number: i64) -> Result<(), Failure> {
        match number {
            -32..=127 => self.out.push(number as u8),
            128..=0xff => self.coded(0xcc, &[number as u8]),
            0x100..=0xffff => self.coded(0xcd, &(number as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.coded(0xce, &(number as u32).to_be_bytes()),
            0x1_0000_0000.. => self.coded(0xcf, &number.to_be_bytes()),
            -128..=-33 => self.coded(0xd0, &[number as u8]),
            -0x8000..=-129 => self.coded(0xd1, &(number as i16).to_be_bytes()),
            -0x8000_0000..=-0x8001 => self.coded(0xd2, &(number as i32).to_be_bytes()),
            _ => self.coded(0xd3, &number.to_be_bytes()),
        }
    }

    /// Writes the topmost value, which stays.
    fn table(&mut self, depth: u32) -> Result<(), Failure> {
        let state = self.state;
        if !state.reserve(4) {
            return Err(Failure::Here(b"stack overflow (in function mp_encode_lua_table_as_array)".to_vec()));
        }
        let (count, is_array) = self.count()?;
        let code = if is_array { 0x90 } else { 0x80 };
        match count {
            0..=15 => self.out.push(code | count as u8)?,
            16..=0xffff => self.coded(if is_array { 0xdc } else { 0xde }, &(count as u16).to_be_bytes())?,
            _ => self.coded(if is_array { 0xdd } else { 0xdf }, &count.to_be_bytes())?,
        }
        if is_array {
            for number in 1..=count {
                state.element(-1, number as usize);
                self.pack(depth + 1)?;
            }
            return Ok(());
        }
        state.push_nil();
        while state.next(-2) {
            // The key stays for the next step.
            state.push_value(-2);
            self.pack(depth + 1)?;
            self.pack(depth + 1)?;
        }
        Ok(())
    }

    /// How many pairs the topmost value has, and whether it is an array.
    fn count(&self) -> Result<(u32, bool), Failure> {
        let state = self.state;
        let (mut count, mut greatest, mut is_array) = (0u32, 0, true);
        state.push_nil();
        while state.next(-2) {
            spend(&self.frame, 1)?;
            state.pop(1);
            count += 1;
            match state.number(-1).and_then(exact_i32) {
                Some(key @ 1..) => greatest = greatest.max(key as u32),
                _ => is_array = false,
            }
        }
        Ok((count, is_array && greatest == count))
    }
}
