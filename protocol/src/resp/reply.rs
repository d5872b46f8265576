//! The one writer of replies.
//!
//! A handler says what it replies; the client's protocol decides how that looks on the wire, and nothing outside this
//! file knows the difference. For types that RESP2 lacks, it gets the older form that Redis uses: a map as a flat
//! array, a set and a push as an array, a double, big number and verbatim text as a bulk, a boolean as 0 or 1, null as
//! `$-1` or `*-1`.
//!
//! Bytes go straight into the connection's output buffer, which is written once per pipeline. Room is reserved once per
//! reply element; short replies are single constant stores.
//!
//! A length that is known only after the elements have been written is *deferred*: [`Reply::deferred_array`] leaves
//! room for a one-digit header and [`Reply::set_len`] fills it. If the number has more digits, the elements are moved
//! by a byte or two. Inner ones must be closed before outer ones.

use crate::number::format_f64;

/// The protocol a client speaks: RESP2 until `HELLO 3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    /// 2 or 3, as HELLO and CLIENT LIST show it.
    pub const fn version(self) -> u8 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

/// The position of a header that waits for its length; see [`Reply::set_len`].
#[must_use = "an array without its length breaks the connection"]
#[derive(Debug)]
pub struct DeferredLen {
    at: usize,
    kind: Aggregate,
}

/// Replies with a length and elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Array,
    Map,
    Set,
    Push,
}

impl Aggregate {
    /// The type byte and the number of elements to announce for `len` elements (of a map: pairs).
    #[inline]
    fn header(self, len: usize, protocol: Protocol) -> (u8, usize) {
        match (self, protocol) {
            (Aggregate::Array | Aggregate::Set | Aggregate::Push, Protocol::Resp2) => (b'*', len),
            (Aggregate::Map, Protocol::Resp2) => (b'*', 2 * len),
            (Aggregate::Array, Protocol::Resp3) => (b'*', len),
            (Aggregate::Map, Protocol::Resp3) => (b'%', len),
            (Aggregate::Set, Protocol::Resp3) => (b'~', len),
            (Aggregate::Push, Protocol::Resp3) => (b'>', len),
        }
    }
}

/// Bytes a header can take: type byte, 20 digits, CRLF.
const HEADER_ROOM: usize = 23;

/// Writes replies to the end of an output buffer in a client's protocol.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
    /// The buffer does not grow to this length.
    limit: usize,
    /// The limit was reached.
    full: bool,
}

impl<'a> Reply<'a> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol, limit: usize::MAX, full: false }
    }

    /// The same for a client that may not be sent `limit` bytes or more at once. When the buffer would have to grow to
    /// that size, its contents and everything after are dropped; the caller checks [`is_full`](Self::is_full) at the
    /// end. The limit is checked only when the buffer grows, so a limit below the buffer's size is only approximate.
    #[inline]
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Whether the limit was reached, and the reply is lost.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Makes room for `bytes` more. `false`: the limit forbids it.
    #[inline(always)]
    fn has_room(&mut self, bytes: usize) -> bool {
        self.out.capacity() - self.out.len() >= bytes || self.grow(bytes)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> bool {
        if self.out.len().saturating_add(bytes) >= self.limit {
            (*self.out, self.limit, self.full) = (Vec::new(), 0, true);
            return false;
        }
        self.out.reserve(bytes);
        true
    }

    /// The protocol it writes in.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Writes in another protocol from here on (HELLO replies in the protocol that it switches to).
    #[inline]
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes in the buffer so far, earlier replies included: a mark to [`truncate`](Self::truncate) to.
    #[inline]
    pub fn out_len(&self) -> usize {
        self.out.len()
    }

    /// Removes everything written since [`out_len`](Self::out_len) was `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Bytes written since [`out_len`](Self::out_len) was `len`.
    #[inline]
    pub fn written_since(&self, len: usize) -> &[u8] {
        self.out.get(len..).unwrap_or_default()
    }

    /// The same writer, to pass on by value.
    #[inline]
    pub fn reborrow(&mut self) -> Reply<'_> {
        Reply { out: self.out, protocol: self.protocol, limit: self.limit, full: self.full }
    }

    /// Bytes that already are a complete reply.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            self.out.extend_from_slice(bytes);
        }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status, which must be free of CR and LF.
    #[inline]
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        debug_assert!(!text.contains(&b'\r') && !text.contains(&b'\n'), "a status is one line");
        self.line(b'+', text);
    }

    /// An error: its code and text, without the `-`. CR and LF at its ends are dropped and those inside become blanks,
    /// so that a text may quote a client.
    #[cold]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let is_break = |byte: u8| byte == b'\r' || byte == b'\n';
        let text = text.as_ref();
        let start = text.iter().position(|&b| !is_break(b)).unwrap_or(text.len());
        let end = text.iter().rposition(|&b| !is_break(b)).map_or(start, |last| last + 1);
        self.out.reserve(end - start + 3);
        self.out.push(b'-');
        self.out.extend(text[start..end].iter().map(|&b| if is_break(b) { b' ' } else { b }));
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if (0..=9).contains(&value) {
            self.out.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.line(b':', itoa::Buffer::new().format(value).as_bytes());
        }
    }

    /// A string of any bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if !self.has_room(bytes.len() + HEADER_ROOM + 2) {
            return;
        }
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A string.
    #[inline]
    pub fn bulk_str(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// An integer as a string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// The absence of a value.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The absence of an array, which RESP2 distinguishes: an aborted EXEC, a BLPOP whose timeout expired.
    #[inline]
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The header of an array: `len` replies follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.aggregate(Aggregate::Array, len);
    }

    /// The header of a map: `pairs` times a key and a value follow.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        self.aggregate(Aggregate::Map, pairs);
    }

    /// The header of a set: `len` replies follow.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.aggregate(Aggregate::Set, len);
    }

    /// The header of a message that is not a reply: `len` replies follow.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.aggregate(Aggregate::Push, len);
    }

    /// A double, as `%.17g` prints it.
    pub fn double(&mut self, value: f64) {
        let text = format_f64(value);
        match self.protocol {
            Protocol::Resp2 => self.bulk(&text),
            Protocol::Resp3 => self.line(b',', &text),
        }
    }

    /// A double whose text was made elsewhere (INCRBYFLOAT's long double).
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.line(b',', text),
        }
    }

    /// True or false.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// An integer of any size, given as its decimal digits.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk_str(digits),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// Text for people, with its format (`txt` or `mkd`; exactly three bytes).
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                if !self.has_room(text.len() + HEADER_ROOM + 6) {
                    return;
                }
                self.header(b'=', text.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// An array whose length [`set_len`](Self::set_len) will set.
    #[inline]
    pub fn deferred_array(&mut self) -> DeferredLen {
        self.defer(Aggregate::Array)
    }

    /// A map whose number of pairs [`set_len`](Self::set_len) will set.
    #[inline]
    pub fn deferred_map(&mut self) -> DeferredLen {
        self.defer(Aggregate::Map)
    }

    /// A set whose length [`set_len`](Self::set_len) will set.
    #[inline]
    pub fn deferred_set(&mut self) -> DeferredLen {
        self.defer(Aggregate::Set)
    }

    /// Sets the length (of a map: pairs) of a deferred header, after its elements were written.
    pub fn set_len(&mut self, deferred: DeferredLen, len: usize) {
        if self.full {
            return;
        }
        let (marker, count) = deferred.kind.header(len, self.protocol);
        let at = deferred.at;
        if count < 10 {
            self.out[at + 1] = b'0' + count as u8;
        } else {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(count).bytes();
            self.out.splice(at..at + 2, std::iter::once(marker).chain(digits));
        }
    }

    #[inline]
    fn defer(&mut self, kind: Aggregate) -> DeferredLen {
        let at = self.out.len();
        let (marker, _) = kind.header(0, self.protocol);
        self.out.extend_from_slice(&[marker, b'0', b'\r', b'\n']);
        DeferredLen { at, kind }
    }

    #[inline]
    fn aggregate(&mut self, kind: Aggregate, len: usize) {
        let (marker, count) = kind.header(len, self.protocol);
        self.header(marker, count);
    }

    /// A type byte, a length, CRLF.
    #[inline(always)]
    fn header(&mut self, marker: u8, len: usize) {
        if len < 10 {
            self.out.extend_from_slice(&[marker, b'0' + len as u8, b'\r', b'\n']);
        } else if len < 100 {
            self.out.extend_from_slice(&[marker, b'0' + (len / 10) as u8, b'0' + (len % 10) as u8, b'\r', b'\n']);
        } else {
            self.line(marker, itoa::Buffer::new().format(len).as_bytes());
        }
    }

    /// A type byte, a line, CRLF.
    #[inline]
    fn line(&mut self, marker: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(marker);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
