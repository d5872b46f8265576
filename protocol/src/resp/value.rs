//! Replies as seen by a client: an owned tree, and the parser that makes it.
//!
//! For the parts of the server that are clients of other nodes (MIGRATE, the handshake of a replica) and for tests. It
//! is not on the path of a client's command, so it favours simple use: every element is owned.
//!
//! The parser is total: any bytes give a tree, a request for more, or an error. It keeps a stack of its own instead of
//! recursing, so depth is bounded by [`MAX_DEPTH`] and not by the thread's stack. It keeps its place, so a long reply
//! that arrives in pieces is read once. Memory follows the bytes that arrived, not the announced lengths. Attributes
//! are skipped.

use thiserror::Error;

use super::reply::Reply;
use crate::number::parse_i64;

/// How deeply aggregates may nest. The deepest reply of Redis (COMMAND DOCS) stays below 16; scripts may build deeper
/// ones.
pub const MAX_DEPTH: usize = 128;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A status.
    Simple(Vec<u8>),
    /// An error: code and text.
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// `_` of RESP3, `$-1` of RESP2.
    Null,
    /// `*-1` of RESP2.
    NullArray,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    /// A message that is not a reply.
    Push(Vec<Value>),
    Double(f64),
    Boolean(bool),
    /// Decimal digits of any number, perhaps with a sign.
    BigNumber(Vec<u8>),
    /// Text for people and its format.
    Verbatim([u8; 3], Vec<u8>),
}

impl Value {
    /// The bytes of a string of any kind.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The integer it is.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The code and text of an error.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the absence of a value or of an array.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullArray)
    }

    /// Writes it as the server would. A status made by hand must be free of CR and LF; one that was read is.
    pub fn write(&self, reply: &mut Reply<'_>) {
        let write_all = |items: &[Value], reply: &mut Reply<'_>| items.iter().for_each(|item| item.write(reply));
        match self {
            Value::Simple(text) => reply.simple(text),
            Value::Error(text) => reply.error(text),
            Value::Int(value) => reply.int(*value),
            Value::Bulk(bytes) => reply.bulk(bytes),
            Value::Null => reply.null(),
            Value::NullArray => reply.null_array(),
            Value::Array(items) => {
                reply.array(items.len());
                write_all(items, reply);
            }
            Value::Set(items) => {
                reply.set(items.len());
                write_all(items, reply);
            }
            Value::Push(items) => {
                reply.push(items.len());
                write_all(items, reply);
            }
            Value::Map(pairs) => {
                reply.map(pairs.len());
                for (key, value) in pairs {
                    key.write(reply);
                    value.write(reply);
                }
            }
            Value::Double(value) => reply.double(*value),
            Value::Boolean(value) => reply.boolean(*value),
            Value::BigNumber(digits) => reply.big_number(&String::from_utf8_lossy(digits)),
            Value::Verbatim(format, text) => reply.verbatim(*format, text),
        }
    }
}

/// Why bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplyError {
    #[error("unknown reply type byte {0:#04x}")]
    UnknownType(u8),
    #[error("a line that does not end in CRLF, or holds another CR")]
    BadLine,
    #[error("invalid length")]
    BadLength,
    #[error("invalid number")]
    BadNumber,
    #[error("replies nested too deeply")]
    TooDeep,
}

/// Reads one reply after the other; keeps its place in an incomplete one.
///
/// As with requests: on every call `buf` starts at the first byte of the current reply until a value is returned; then
/// the returned number of bytes is skipped. After an error the parser cannot be used any more.
#[derive(Debug, Default)]
pub struct ReplyParser {
    pos: usize,
    /// How far after `pos` the end of the line has been searched for.
    searched: usize,
    stack: Vec<Frame>,
}

/// An aggregate whose elements are being read.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    missing: usize,
    items: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    Attribute,
}

impl Kind {
    /// The value made of all elements; `None` for an attribute, which is not a value.
    fn finish(self, items: Vec<Value>) -> Option<Value> {
        Some(match self {
            Kind::Array => Value::Array(items),
            Kind::Set => Value::Set(items),
            Kind::Push => Value::Push(items),
            Kind::Map => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
            Kind::Attribute => return None,
        })
    }
}

/// One line (with its body): a value, or the beginning of an aggregate.
enum Element {
    Value(Value),
    Aggregate(Kind, usize),
    Incomplete,
}

impl ReplyParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The reply at the start of `buf` and its length, or `None` if it is incomplete.
    pub fn parse(&mut self, buf: &[u8]) -> Result<Option<(Value, usize)>, ReplyError> {
        loop {
            let finished = match self.element(buf)? {
                Element::Incomplete => return Ok(None),
                Element::Value(value) => Some(value),
                Element::Aggregate(kind, 0) => kind.finish(Vec::new()),
                Element::Aggregate(kind, missing) => {
                    if self.stack.len() == MAX_DEPTH {
                        return Err(ReplyError::TooDeep);
                    }
                    self.stack.push(Frame { kind, missing, items: Vec::with_capacity(missing.min(16)) });
                    None
                }
            };
            if let Some(whole) = finished.and_then(|value| self.place(value)) {
                let consumed = self.pos;
                *self = Self::default();
                return Ok(Some((whole, consumed)));
            }
        }
    }

    /// Puts a value into the innermost aggregate, which may complete that, and so on outwards. Returns the value if
    /// there is no aggregate, since it is a whole reply then.
    fn place(&mut self, value: Value) -> Option<Value> {
        let mut value = value;
        loop {
            let Some(frame) = self.stack.last_mut() else { return Some(value) };
            frame.items.push(value);
            frame.missing -= 1;
            if frame.missing > 0 {
                return None;
            }
            let frame = self.stack.pop()?;
            value = frame.kind.finish(frame.items)?;
        }
    }

    /// Reads the line at `self.pos` and the body that belongs to it.
    fn element(&mut self, buf: &[u8]) -> Result<Element, ReplyError> {
        let Some(line) = self.line(buf)? else { return Ok(Element::Incomplete) };
        let (&marker, text) = line.split_first().ok_or(ReplyError::BadLine)?;
        let behind_line = self.pos + line.len() + 2;
        let element = match marker {
            b'$' | b'=' | b'!' if text != b"-1" => return self.body(buf, marker, text, behind_line),
            b'$' => Element::Value(Value::Null),
            b'*' if text == b"-1" => Element::Value(Value::NullArray),
            b'*' => Element::Aggregate(Kind::Array, count(text, 1)?),
            b'~' => Element::Aggregate(Kind::Set, count(text, 1)?),
            b'>' => Element::Aggregate(Kind::Push, count(text, 1)?),
            b'%' => Element::Aggregate(Kind::Map, count(text, 2)?),
            b'|' => Element::Aggregate(Kind::Attribute, count(text, 2)?),
            _ => Element::Value(scalar(marker, text)?),
        };
        self.advance(behind_line);
        Ok(element)
    }

    /// The `len` bytes and CRLF behind a header line.
    fn body(&mut self, buf: &[u8], marker: u8, len: &[u8], start: usize) -> Result<Element, ReplyError> {
        let end = start + count(len, 1)?;
        let Some(terminator) = buf.get(end..end + 2) else { return Ok(Element::Incomplete) };
        if terminator != b"\r\n" {
            return Err(ReplyError::BadLine);
        }
        let body = &buf[start..end];
        let value = match (marker, body) {
            (b'=', [a, b, c, b':', text @ ..]) => Value::Verbatim([*a, *b, *c], text.to_vec()),
            (b'=', _) => return Err(ReplyError::BadLength),
            (b'!', text) => Value::Error(text.to_vec()),
            (_, bytes) => Value::Bulk(bytes.to_vec()),
        };
        self.advance(end + 2);
        Ok(Element::Value(value))
    }

    /// The line at `self.pos` without its CRLF.
    fn line<'b>(&mut self, buf: &'b [u8]) -> Result<Option<&'b [u8]>, ReplyError> {
        let rest = buf.get(self.pos..).unwrap_or_default();
        let Some(newline) = memchr::memchr(b'\n', rest.get(self.searched..).unwrap_or_default()) else {
            self.searched = rest.len();
            return Ok(None);
        };
        let newline = self.searched + newline;
        // The newline is found again at once if the body after this line is incomplete.
        self.searched = newline;
        match rest.get(..newline) {
            Some([line @ .., b'\r']) if memchr::memchr(b'\r', line).is_none() => Ok(Some(line)),
            _ => Err(ReplyError::BadLine),
        }
    }

    fn advance(&mut self, pos: usize) {
        self.pos = pos;
        self.searched = 0;
    }
}

/// A length field; the number of elements is `per` times that.
fn count(text: &[u8], per: usize) -> Result<usize, ReplyError> {
    parse_i64(text)
        .and_then(|count| i32::try_from(count).ok())
        .and_then(|count| usize::try_from(count).ok())
        .map(|count| count * per)
        .ok_or(ReplyError::BadLength)
}

/// An element that is a single line.
fn scalar(marker: u8, text: &[u8]) -> Result<Value, ReplyError> {
    Ok(match (marker, text) {
        (b'+', text) => Value::Simple(text.to_vec()),
        (b'-', text) => Value::Error(text.to_vec()),
        (b':', text) => Value::Int(parse_i64(text).ok_or(ReplyError::BadNumber)?),
        (b'_', b"") => Value::Null,
        (b'#', b"t") => Value::Boolean(true),
        (b'#', b"f") => Value::Boolean(false),
        (b',', text) => {
            let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            Value::Double(value.ok_or(ReplyError::BadNumber)?)
        }
        (b'(', [b'-', digits @ ..] | digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            Value::BigNumber(text.to_vec())
        }
        (b'_' | b'#' | b'(', _) => return Err(ReplyError::BadNumber),
        (unknown, _) => return Err(ReplyError::UnknownType(unknown)),
    })
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
