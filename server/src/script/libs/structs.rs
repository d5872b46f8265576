//! `struct`: numbers and texts as fields of fixed layouts, with the results and errors of struct 0.2.
//!
//! A format is a text of one letter for each field: `b` `h` `l` integers of 1, 2, 8 bytes (capital: without sign), `T`
//! one of a C size, `i` one of 4 bytes or as many as the digits that follow say, `f` and `d` floats, `cN` text of N
//! bytes, `c0` text whose length is known otherwise, `s` text up to a NUL, `x` padding. `<` and `>` choose the byte
//! order, `!N` the alignment. Sizes are limited where they are read, and compared without being added up, so that none
//! overflows (CVE-2018-11219, CVE-2020-14147).

use super::arguments::{self, bad_argument};
use super::numbers::{to_i64, to_u64};
use super::work::{Output, spend, spend_bytes};
use crate::script::lua::{Failure, Frame, HostFn, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"pack", pack), (b"unpack", unpack), (b"size", size)];

/// Bytes of the largest integer.
const MAX_INTEGER: usize = 32;
/// The alignment of `!` without a number.
const ALIGNMENT: usize = 8;

fn error(text: &str) -> Failure {
    Failure::Here(text.into())
}

/// A format that is being read, and what it has said so far.
struct Format<'f> {
    frame: Frame<'f>,
    text: &'f [u8],
    is_big_endian: bool,
    alignment: usize,
}

/// A letter of a format, with the size of its field.
struct Field {
    letter: u8,
    size: usize,
}

impl Field {
    fn is_integer(&self) -> bool {
        matches!(self.letter, b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I')
    }
}

impl<'f> Format<'f> {
    /// The format that the first argument is.
    fn of(frame: &Frame<'f>) -> Result<Self, Failure> {
        Ok(Self { frame: *frame, text: arguments::c_string(frame, 1)?, is_big_endian: false, alignment: 1 })
    }

    fn next(&mut self) -> Result<Option<Field>, Failure> {
        let Some((&letter, rest)) = self.text.split_first() else { return Ok(None) };
        spend(&self.frame, 4)?;
        self.text = rest;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.digits(1)?,
            b'i' | b'I' => match self.digits(4)? {
                size if size > MAX_INTEGER => {
                    return Err(error(&format!("integral size {size} is larger than limit of {MAX_INTEGER}")));
                }
                size => size,
            },
            _ => 0,
        };
        Ok(Some(Field { letter, size }))
    }

    /// The number that follows, or `default`.
    fn digits(&mut self, default: usize) -> Result<usize, Failure> {
        let count = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.text.split_at(count);
        if digits.is_empty() {
            return Ok(default);
        }
        self.text = rest;
        let add = |number: i32, digit: &u8| number.checked_mul(10)?.checked_add(i32::from(digit - b'0'));
        let number = digits.iter().try_fold(0, add);
        number.map(|number| number as usize).ok_or_else(|| error("integral size overflow"))
    }

    /// Bytes that have to be skipped at a position, for the field to be aligned.
    fn padding(&self, position: usize, field: &Field) -> usize {
        if field.size == 0 || field.letter == b'c' {
            return 0;
        }
        let size = field.size.min(self.alignment);
        (size.wrapping_sub(position & (size - 1))) & (size - 1)
    }

    /// Does what a letter says that is no field.
    fn control(&mut self, letter: u8) -> Result<(), Failure> {
        match letter {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => {
                let alignment = self.digits(ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(error(&format!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment;
            }
            _ => {
                let problem = [b"invalid format option '".as_slice(), &[letter], b"'"].concat();
                return Err(bad_argument(&self.frame, 1, problem));
            }
        }
        Ok(())
    }

    /// The bytes of a number, the lowest ones first, in the order of the format.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.is_big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(frame: &Frame<'_>) -> Returns {
    let mut format = Format::of(frame)?;
    // What is missing behind the arguments is nil.
    frame.state.push_nil();
    let mut out = Output::new(frame);
    let mut argument = 2;
    while let Some(field) = format.next()? {
        let padding = format.padding(out.len(), &field);
        out.extend(&[0; MAX_INTEGER][..padding])?;
        match field.letter {
            _ if field.is_integer() => {
                let value = to_bits(arguments::number(frame, argument)?);
                let mut bytes = [0; MAX_INTEGER];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                let bytes = &mut bytes[..field.size];
                if format.is_big_endian {
                    bytes.reverse();
                }
                out.extend(bytes)?;
                argument += 1;
            }
            b'x' => out.push(0)?,
            b'f' => {
                let number = arguments::number(frame, argument)? as f32;
                out.extend(&format.ordered(number.to_le_bytes()))?;
                argument += 1;
            }
            b'd' => {
                let number = arguments::number(frame, argument)?;
                out.extend(&format.ordered(number.to_le_bytes()))?;
                argument += 1;
            }
            b'c' | b's' => {
                let text = arguments::bytes(frame, argument)?;
                argument += 1;
                let len = if field.size == 0 { text.len() } else { field.size };
                let Some(text) = text.get(..len) else { return Err(bad_argument(frame, argument, "string too short")) };
                out.extend(text)?;
                if field.letter == b's' {
                    out.push(0)?;
                }
            }
            other => format.control(other)?,
        }
    }
    out.push_string()?;
    Ok(1)
}

/// An integer's bits: of a negative number as a signed one has them.
fn to_bits(number: f64) -> u64 {
    if number < 0.0 { to_i64(number) as u64 } else { to_u64(number) }
}

fn unpack(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let mut format = Format::of(frame)?;
    let data = arguments::bytes(frame, 2)?;
    let first = arguments::integer_or(frame, 3, 1)? as usize;
    if first == 0 {
        return Err(bad_argument(frame, 3, "offset must be 1 or greater"));
    }
    let mut position = first - 1;
    let mut count = 0;
    let too_short = || bad_argument(frame, 2, "data string too short");
    let take = |position: usize, size: usize| data.get(position..)?.get(..size);
    while let Some(field) = format.next()? {
        position = position.wrapping_add(format.padding(position, &field));
        let bytes = take(position, field.size).ok_or_else(too_short)?;
        if !state.reserve(2) {
            return Err(error("stack overflow (too many results)"));
        }
        let mut size = field.size;
        let is_value = match field.letter {
            _ if field.is_integer() || matches!(field.letter, b'f' | b'd') => {
                state.push_number(format.number(&field, bytes));
                true
            }
            b'c' => {
                if size == 0 {
                    let known = if count == 0 { None } else { state.to_number(-1) };
                    let Some(known) = known else { return Err(error("format 'c0' needs a previous size")) };
                    state.pop(1);
                    count -= 1;
                    size = to_u64(known) as usize;
                }
                let bytes = take(position, size).ok_or_else(too_short)?;
                spend_bytes(frame, size)?;
                state.push_bytes(bytes);
                true
            }
            b's' => {
                let rest = &data[position..];
                let Some(len) = memchr::memchr(0, rest) else { return Err(error("unfinished string in data")) };
                spend_bytes(frame, len)?;
                state.push_bytes(&rest[..len]);
                size = len + 1;
                true
            }
            b'x' => false,
            other => {
                format.control(other)?;
                false
            }
        };
        count += i32::from(is_value);
        position += size;
    }
    state.push_number(position.wrapping_add(1) as i64 as f64);
    Ok(count + 1)
}

impl Format<'_> {
    /// The number that these bytes are. Of an integer, bytes beyond 64 bits are lost.
    fn number(&self, field: &Field, bytes: &[u8]) -> f64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let value = if self.is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
        match field.letter {
            b'f' => return f64::from(f32::from_bits(value as u32)),
            b'd' => return f64::from_bits(value),
            letter if !letter.is_ascii_lowercase() => return value as f64,
            _ => {}
        }
        // As the processor shifts: by the low six bits of what it is given.
        let signs = u64::MAX.wrapping_shl((field.size as u32 * 8).wrapping_sub(1));
        let value = if value & signs != 0 { value | signs } else { value };
        value as i64 as f64
    }
}

fn size(frame: &Frame<'_>) -> Returns {
    let mut format = Format::of(frame)?;
    let mut position = 0usize;
    while let Some(field) = format.next()? {
        position = position.wrapping_add(format.padding(position, &field));
        match field.letter {
            b's' => return Err(bad_argument(frame, 1, "option 's' has no fixed size")),
            b'c' if field.size == 0 => return Err(bad_argument(frame, 1, "option 'c0' has no fixed size")),
            letter if letter.is_ascii_alphanumeric() => {}
            other => format.control(other)?,
        }
        position = position.wrapping_add(field.size);
    }
    frame.state.push_number(position as f64);
    Ok(1)
}

#[cfg(test)]
#[path = "structs_tests.rs"]
mod tests;
