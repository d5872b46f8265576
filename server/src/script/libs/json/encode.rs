//! Values of Lua as JSON.
//!
//! A table is an array if its keys are integers from 1 on, most of which are there; otherwise it is an object. An empty
//! one is an object. The value that is written is always the topmost one; below it are those that it is a part of.

use super::settings::{EncodeSettings, Invalid};
use crate::script::libs::arguments::bad_argument;
use crate::script::libs::numbers::{is_integral, to_i32, write_number};
use crate::script::libs::work::{Output, spend};
use crate::script::lua::{Failure, Frame, Kind, Returns, State};

/// Bytes of a string that are written between two counts of work.
const STRETCH: usize = 16 * 1024;

/// A table that is being written.
enum Level {
    Array { written: i32, len: i32 },
    Object { is_empty: bool },
}

struct Encoder<'f> {
    frame: Frame<'f>,
    state: State,
    out: Output<'f>,
    settings: EncodeSettings,
    levels: Vec<Level>,
}

pub(super) fn encode(frame: &Frame<'_>) -> Returns {
    if frame.state.top() != 1 {
        return Err(bad_argument(frame, 1, "expected 1 argument"));
    }
    let mut encoder = Encoder {
        frame: *frame,
        state: frame.state,
        out: Output::new(frame),
        settings: EncodeSettings::read(frame),
        levels: Vec::new(),
    };
    encoder.encode()?;
    encoder.out.push_string()?;
    Ok(1)
}

impl Encoder<'_> {
    /// Writes the topmost value, which stays.
    fn encode(&mut self) -> Result<(), Failure> {
        self.value()?;
        while let Some(level) = self.levels.last_mut() {
            spend(&self.frame, 4)?;
            match level {
                Level::Array { written, len } if *written < *len => {
                    *written += 1;
                    let number = *written;
                    if number > 1 {
                        self.out.push(b',')?;
                    }
                    self.state.element(-1, number as usize);
                    self.part()?;
                }
                Level::Array { .. } => self.end(b']')?,
                Level::Object { is_empty } => {
                    let was_empty = std::mem::replace(is_empty, false);
                    if self.state.next(-2) {
                        if !was_empty {
                            self.out.push(b',')?;
                        }
                        self.key()?;
                        self.part()?;
                    } else {
                        self.end(b'}')?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the topmost value, a part of a table, and takes it away if it is complete.
    fn part(&mut self) -> Result<(), Failure> {
        let depth = self.levels.len();
        self.value()?;
        if self.levels.len() == depth {
            self.state.pop(1);
        }
        Ok(())
    }

    /// A table is complete.
    fn end(&mut self, bracket: u8) -> Result<(), Failure> {
        self.levels.pop();
        if !self.levels.is_empty() {
            self.state.pop(1);
        }
        self.out.push(bracket)
    }

    /// Writes the topmost value, of a table its beginning.
    fn value(&mut self) -> Result<(), Failure> {
        let state = self.state;
        match state.kind(-1) {
            Kind::String => self.string(-1),
            Kind::Number => self.number(-1),
            Kind::Boolean => self.out.extend(if state.is_true(-1) { b"true" } else { b"false" }),
            Kind::Table => self.table(),
            Kind::None | Kind::Nil => self.out.extend(b"null"),
            Kind::Other if state.pointer(-1).is_null() => self.out.extend(b"null"),
            Kind::Function | Kind::Other => Err(self.error(-1, "type not supported")),
        }
    }

    fn error(&self, at: i32, problem: &str) -> Failure {
        Failure::Here(format!("Cannot serialise {}: {problem}", self.state.type_name(at)).into_bytes())
    }

    fn table(&mut self) -> Result<(), Failure> {
        let depth = self.levels.len() + 1;
        if depth > self.settings.depth as usize || !self.state.reserve(3) {
            return Err(Failure::Here(format!("Cannot serialise, excessive nesting ({depth})").into_bytes()));
        }
        let len = self.array_len()?;
        if len > 0 {
            self.levels.push(Level::Array { written: 0, len });
            return self.out.push(b'[');
        }
        self.levels.push(Level::Object { is_empty: true });
        self.state.push_nil();
        self.out.push(b'{')
    }

    /// The length of the topmost value if it is an array; otherwise it is not positive.
    fn array_len(&self) -> Result<i32, Failure> {
        let state = self.state;
        let (mut greatest, mut count) = (0, 0i32);
        state.push_nil();
        while state.next(-2) {
            spend(&self.frame, 1)?;
            match state.number(-2) {
                Some(key) if key >= 1.0 && is_integral(key) => {
                    if key > f64::from(greatest) {
                        greatest = to_i32(key);
                    }
                    count = count.wrapping_add(1);
                    state.pop(1);
                }
                _ => {
                    state.pop(2);
                    return Ok(-1);
                }
            }
        }
        let settings = &self.settings;
        let is_sparse = settings.sparse_ratio > 0
            && greatest > count.wrapping_mul(settings.sparse_ratio)
            && greatest > settings.sparse_safe;
        match (is_sparse, settings.sparse_convert) {
            (true, false) => Err(self.error(-1, "excessively sparse array")),
            (true, true) => Ok(-1),
            (false, _) => Ok(greatest),
        }
    }

    /// Writes the key below the topmost value.
    fn key(&mut self) -> Result<(), Failure> {
        match self.state.kind(-2) {
            Kind::Number => {
                self.out.push(b'"')?;
                self.number(-2)?;
                self.out.extend(b"\":")
            }
            Kind::String => {
                self.string(-2)?;
                self.out.push(b':')
            }
            Kind::None | Kind::Nil | Kind::Boolean | Kind::Table | Kind::Function | Kind::Other => {
                Err(self.error(-2, "table key must be a number or string"))
            }
        }
    }

    fn number(&mut self, at: i32) -> Result<(), Failure> {
        let number = self.state.number(at).unwrap_or_default();
        if !number.is_finite() {
            match self.settings.invalid {
                Invalid::Refused => return Err(self.error(at, "must not be NaN or Inf")),
                Invalid::Written if number.is_nan() => return self.out.extend(b"nan"),
                Invalid::Written => {}
                Invalid::Null => return self.out.extend(b"null"),
            }
        }
        let precision = self.settings.precision;
        self.out.write(|out| write_number(out, number, precision))
    }

    fn string(&mut self, at: i32) -> Result<(), Failure> {
        self.out.push(b'"')?;
        for stretch in self.state.bytes(at).unwrap_or_default().chunks(STRETCH) {
            spend(&self.frame, stretch.len() as u32 / 4)?;
            let mut rest = stretch;
            while let Some(special) = rest.iter().position(|byte| IS_ESCAPED[usize::from(*byte)]) {
                self.out.extend(&rest[..special])?;
                self.escape(rest[special])?;
                rest = &rest[special + 1..];
            }
            self.out.extend(rest)?;
        }
        self.out.push(b'"')
    }

    fn escape(&mut self, byte: u8) -> Result<(), Failure> {
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => return self.out.extend(format!("\\u{byte:04x}").as_bytes()),
        };
        self.out.extend(&[b'\\', letter])
    }
}

/// Bytes that do not stand for themselves in a string.
const IS_ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        escaped[byte] = byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'/' | 0x7f);
        byte += 1;
    }
    escaped
};
