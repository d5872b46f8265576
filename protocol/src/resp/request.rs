//! The incremental request parser: where in the read buffer the arguments of the next command are.
//!
//! A request is an array of bulks (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`), or an *inline* command: a plain line, split at
//! blanks, with quoting. Both are read exactly as Redis 7.0 reads them (`processMultibulkBuffer`, `processInlineBuffer`
//! and `sdssplitargs`), including where it is careless, since existing clients depend on that:
//!
//! - a header line ends two bytes after the `\r` begins, whatever the second byte is, and the two bytes after a body
//!   are skipped unchecked;
//! - the `$` of a bulk header is checked only once its line is complete;
//! - lines are searched as C strings: a NUL byte hides everything after it, so the line never ends, until it exceeds
//!   the limit for incomplete lines.
//!
//! The reason for this design: parsing is a fifth of the work of a pipelined GET, so nothing is allocated, copied or
//! searched for. A header of up to three digits (nearly all of them) is decoded from the six bytes that any complete
//! request must have at that point; the general path handles everything else and gives every error. The parser keeps
//! its place, so a command of a million arguments that arrives in a thousand reads is scanned once. Inline commands are
//! unescaped in place, which can only shorten them, so even their arguments are ranges of the read buffer.

use memchr::memchr2;
use thiserror::Error;

use super::args::{ArgRange, ArgVec};
use super::limits::Limits;
use crate::number::parse_i64;

/// What [`RequestParser::parse`] found at the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole command; its arguments (at least one) are in the caller's vector.
    Command {
        /// Bytes of the buffer that it took. The next request begins after them.
        consumed: usize,
    },
    /// A request without arguments (a blank line, `*0`, `*-1`), to be skipped without a reply.
    Empty {
        /// Bytes of the buffer it took.
        consumed: usize,
    },
    /// The buffer ends within the request.
    Incomplete {
        /// Length the whole buffer must reach before parsing can go on: exact inside a large bulk, one byte more
        /// otherwise. A hint on how much room to make. It is the sender's claim, up to `max_bulk_len`, so do not
        /// reserve all of it before the bytes arrive.
        need: usize,
    },
}

/// Why a request cannot be read. The connection cannot be used any more: send the text, close.
///
/// `Display` is what follows `-ERR ` on the wire; [`ProtocolError::text`] is the same in bytes (the only difference: a
/// byte that is not ASCII stays one byte).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    #[error("Protocol error: too big mbulk count string")]
    MultibulkHeaderTooLong,
    #[error("Protocol error: too big bulk count string")]
    BulkHeaderTooLong,
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An inline command on the link from a primary. Redis logs it and closes the link without a reply.
    #[error("Master using the inline protocol. Desync?")]
    InlineFromPrimary,
    /// The request extends beyond 4 GiB, where ranges end. Redis, whose default query buffer ends at 1 GiB, disconnects
    /// such a client without a reply.
    #[error("Protocol error: request exceeds 4 GiB")]
    RequestTooLong,
}

impl ProtocolError {
    /// The text after `-ERR `, byte for byte what Redis sends (before it replaces CR and LF by blanks).
    pub fn text(self) -> Vec<u8> {
        match self {
            ProtocolError::ExpectedBulk(byte) => [b"Protocol error: expected '$', got '", &[byte][..], b"'"].concat(),
            other => other.to_string().into_bytes(),
        }
    }
}

/// Finds one request after the other; keeps its place in an incomplete one.
///
/// The contract with the caller: on every call `buf` starts at the first byte of the current request, and `args` is the
/// same, until the result is [`Parsed::Command`] or [`Parsed::Empty`]; then `consumed` bytes are skipped. More bytes
/// may have been appended in between, and the buffer may have moved. After an error the parser cannot be used any more.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Where the first unparsed header line or body begins.
    pos: usize,
    /// How far after `pos` the end of the current line has been searched for.
    searched: usize,
    /// Arguments still to come; zero between requests.
    missing: u32,
    /// Length of the bulk body that begins at `pos`, once its header has been read.
    body: Option<u64>,
}

impl RequestParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for a complete request at the start of `buf`. The buffer is only written to in order to unescape the
    /// arguments of an inline command in place.
    #[inline]
    pub fn parse(&mut self, buf: &mut [u8], limits: &Limits, args: &mut ArgVec) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            args.clear();
            match short_header(buf, b'*') {
                Some((count, behind)) if count > 0 && i64::from(count) <= limits.max_args => {
                    self.missing = count;
                    self.pos = behind;
                    self.searched = 0;
                }
                _ => {
                    if let Some(parsed) = self.begin(buf, limits, args)? {
                        return Ok(parsed);
                    }
                }
            }
        }
        self.parse_bulks(buf, limits, args)
    }

    /// A complete request of the most common form: an array of at most `words.len()` bulks, with headers of up to three
    /// digits. Returns how many words it has and how many bytes it took; `None` only means that [`parse`](Self::parse)
    /// must be used.
    ///
    /// It finds what `parse` finds for the same bytes, but keeps no place: for a caller that parses several requests of
    /// a pipeline at once.
    #[inline]
    pub fn whole(buf: &[u8], limits: &Limits, words: &mut [ArgRange]) -> Option<(usize, usize)> {
        let (count, mut pos) = short_header(buf, b'*')?;
        if count == 0 || i64::from(count) > limits.max_args {
            return None;
        }
        let words = words.get_mut(..count as usize)?;
        for word in words {
            let (len, behind) = short_header(buf.get(pos..)?, b'$')?;
            let start = pos + behind;
            pos = start + len as usize + 2;
            // A request of so few and so short words is far below the four gigabytes of a range.
            if pos > buf.len() || u64::from(len) > limits.max_bulk_len {
                return None;
            }
            *word = ArgRange { start: start as u32, len };
        }
        Some((count as usize, pos))
    }

    /// Whether the parser is between two requests: no part of an incomplete one has been parsed, and none of its first
    /// line was searched.
    pub fn is_idle(&self) -> bool {
        self.missing == 0 && self.searched == 0
    }

    /// The arguments of an array. The loop handles whole bulks with short headers by itself.
    fn parse_bulks(&mut self, buf: &[u8], limits: &Limits, args: &mut ArgVec) -> Result<Parsed, ProtocolError> {
        let (mut pos, mut missing) = (self.pos, self.missing);
        let reach = buf.len().min(u32::MAX as usize);
        while missing > 0 {
            let short = match self.body {
                None => short_header(buf.get(pos..).unwrap_or_default(), b'$'),
                Some(_) => None,
            };
            pos = match short {
                Some((len, behind))
                    if pos + behind + len as usize + 2 <= reach && u64::from(len) <= limits.max_bulk_len =>
                {
                    args.push(ArgRange { start: (pos + behind) as u32, len });
                    self.searched = 0;
                    pos + behind + len as usize + 2
                }
                _ => {
                    (self.pos, self.missing) = (pos, missing);
                    match self.parse_bulk(buf, limits, args)? {
                        Some(incomplete) => return Ok(incomplete),
                        None => self.pos,
                    }
                }
            };
            missing -= 1;
        }
        *self = Self::default();
        Ok(Parsed::Command { consumed: pos })
    }

    /// The general start of a request. `None`: the header of an array was read, and its bulks follow.
    #[cold]
    fn begin(&mut self, buf: &mut [u8], limits: &Limits, args: &mut ArgVec) -> Result<Option<Parsed>, ProtocolError> {
        match buf.first() {
            None => return Ok(Some(Parsed::Incomplete { need: 1 })),
            Some(b'*') => {}
            Some(_) => return self.parse_inline(buf, limits, args).map(Some),
        }
        let Some(line_end) = self.find_line_end(buf) else {
            if buf.len() > limits.max_inline {
                return Err(ProtocolError::MultibulkHeaderTooLong);
            }
            return Ok(Some(Parsed::Incomplete { need: buf.len() + 1 }));
        };
        let count = match parse_i64(&buf[1..line_end]) {
            Some(count) if count <= limits.max_args.min(i64::from(i32::MAX)) => count,
            Some(count) if limits.unauthenticated && count <= i64::from(i32::MAX) => {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            _ => return Err(ProtocolError::InvalidMultibulkLength),
        };
        if count <= 0 {
            *self = Self::default();
            return Ok(Some(Parsed::Empty { consumed: line_end + 2 }));
        }
        self.missing = count as u32;
        self.pos = line_end + 2;
        Ok(None)
    }

    /// One bulk of any kind at `self.pos`. `None`: it is in `args` and `self.pos` is after it.
    fn parse_bulk(&mut self, buf: &[u8], limits: &Limits, args: &mut ArgVec) -> Result<Option<Parsed>, ProtocolError> {
        let len = match self.body {
            Some(len) => len,
            None => match self.parse_bulk_header(buf, limits)? {
                Some(len) => len,
                None => return Ok(Some(Parsed::Incomplete { need: buf.len() + 1 })),
            },
        };
        let end = (self.pos as u64).saturating_add(len);
        if end > u64::from(u32::MAX) {
            return Err(ProtocolError::RequestTooLong);
        }
        let behind = end as usize + 2;
        if behind > buf.len() {
            self.body = Some(len);
            return Ok(Some(Parsed::Incomplete { need: behind }));
        }
        args.push(ArgRange { start: self.pos as u32, len: len as u32 });
        self.body = None;
        self.pos = behind;
        Ok(None)
    }

    /// The header line of a bulk at `self.pos`. `Some(len)`: read, and `self.pos` is at the body. `None`: not complete
    /// yet.
    fn parse_bulk_header(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<u64>, ProtocolError> {
        let Some(line_end) = self.find_line_end(buf) else {
            if buf.len() - self.pos > limits.max_inline {
                return Err(ProtocolError::BulkHeaderTooLong);
            }
            return Ok(None);
        };
        let line = &buf[self.pos..line_end];
        let digits = match line {
            [b'$', digits @ ..] => digits,
            // An empty line: the byte found is the `\r` that ends it.
            other => return Err(ProtocolError::ExpectedBulk(other.first().copied().unwrap_or(b'\r'))),
        };
        let len = match parse_i64(digits).map(u64::try_from) {
            Some(Ok(len)) if len <= limits.max_bulk_len => len,
            _ => return Err(ProtocolError::InvalidBulkLength),
        };
        if limits.unauthenticated && len > super::limits::UNAUTHENTICATED_MAX_BULK_LEN {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        self.pos = line_end + 2;
        self.searched = 0;
        Ok(Some(len))
    }

    /// The position of the `\r` that ends the header line at `self.pos`, if there is one with at least one byte after
    /// it. A NUL before it hides it for good.
    fn find_line_end(&mut self, buf: &[u8]) -> Option<usize> {
        let from = self.pos + self.searched;
        let found = memchr2(b'\r', 0, buf.get(from..)?).map(|at| from + at);
        match found {
            Some(at) if buf[at] == b'\r' && at + 1 < buf.len() => {
                self.searched = 0;
                Some(at)
            }
            // Search again from here: the byte after the `\r` is missing, or the NUL will be found again.
            Some(at) => {
                self.searched = at - self.pos;
                None
            }
            None => {
                self.searched = buf.len() - self.pos;
                None
            }
        }
    }

    /// A line of words.
    fn parse_inline(&mut self, buf: &mut [u8], limits: &Limits, args: &mut ArgVec) -> Result<Parsed, ProtocolError> {
        let from = self.searched.min(buf.len());
        let newline = match memchr2(b'\n', 0, &buf[from..]).map(|at| from + at) {
            Some(at) if buf[at] == b'\n' => at,
            other => {
                if buf.len() > limits.max_inline {
                    return Err(ProtocolError::InlineTooLong);
                }
                self.searched = other.unwrap_or(buf.len());
                return Ok(Parsed::Incomplete { need: buf.len() + 1 });
            }
        };
        *self = Self::default();
        let line = match &mut buf[..newline] {
            [line @ .., b'\r'] => line,
            line => line,
        };
        if !line.is_empty() && !limits.inline_commands {
            return Err(ProtocolError::InlineFromPrimary);
        }
        split_words(line, args)?;
        let consumed = newline + 1;
        Ok(if args.is_empty() { Parsed::Empty { consumed } } else { Parsed::Command { consumed } })
    }
}

/// A header line `marker`, one to three digits, `\r`, any byte, and the number of bytes it takes; `None` for anything
/// else, including an incomplete one. Needs six bytes: a complete request always has them, since the shortest thing to
/// follow a header is `\r\n` (an empty body) or another header.
#[inline(always)]
fn short_header(buf: &[u8], marker: u8) -> Option<(u32, usize)> {
    let head: &[u8; 6] = buf.first_chunk()?;
    let digit = |at: usize| u32::from(head[at].wrapping_sub(b'0'));
    let first = digit(1);
    if head[0] != marker || first > 9 {
        return None;
    }
    if head[2] == b'\r' {
        return Some((first, 4));
    }
    let second = digit(2);
    if first == 0 || second > 9 {
        return None;
    }
    if head[3] == b'\r' {
        return Some((first * 10 + second, 5));
    }
    let third = digit(3);
    if third > 9 || head[4] != b'\r' {
        return None;
    }
    Some((first * 100 + second * 10 + third, 6))
}

/// C's `isspace`: the blanks between words.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Splits a line (without its end, free of NUL) into words as `sdssplitargs` does and unescapes them in place.
fn split_words(line: &mut [u8], args: &mut ArgVec) -> Result<(), ProtocolError> {
    let mut read = 0;
    loop {
        while line.get(read).copied().is_some_and(is_space) {
            read += 1;
        }
        if read == line.len() {
            return Ok(());
        }
        let start = read;
        let mut write = read;
        // A word ends at a blank, at the end of the line, or with a closing quote. Of the blanks only these four end a
        // word that has begun, while all of them may be between words.
        while let Some(&byte) = line.get(read) {
            read += 1;
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => break,
                b'"' | b'\'' => {
                    (read, write) = unquote(line, read, write, byte)?;
                    break;
                }
                _ => {
                    line[write] = byte;
                    write += 1;
                }
            }
        }
        args.push(ArgRange { start: start as u32, len: (write - start) as u32 });
    }
}

/// Moves the rest of a quoted word from `read` (after the opening quote) to `write`; returns both positions after it. A
/// closing quote must be followed by a blank or the end of the line.
fn unquote(line: &mut [u8], mut read: usize, mut write: usize, quote: u8) -> Result<(usize, usize), ProtocolError> {
    let hex = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16)).map(|digit| digit as u8);
    while let Some(&byte) = line.get(read) {
        read += 1;
        if byte == quote {
            return match line.get(read) {
                Some(&behind) if !is_space(behind) => Err(ProtocolError::UnbalancedQuotes),
                _ => Ok((read, write)),
            };
        }
        line[write] = byte;
        if byte == b'\\' {
            match (quote, line.get(read)) {
                (b'"', Some(b'x')) if hex(line.get(read + 1)).is_some() && hex(line.get(read + 2)).is_some() => {
                    let nibbles = (hex(line.get(read + 1)), hex(line.get(read + 2)));
                    line[write] = nibbles.0.unwrap_or(0) << 4 | nibbles.1.unwrap_or(0);
                    read += 3;
                }
                (b'"', Some(&escaped)) => {
                    line[write] = match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        other => other,
                    };
                    read += 1;
                }
                (_, Some(b'\'')) if quote == b'\'' => {
                    line[write] = b'\'';
                    read += 1;
                }
                _ => {}
            }
        }
        write += 1;
    }
    Err(ProtocolError::UnbalancedQuotes)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
