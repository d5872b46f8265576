//! The buffers of one connection: bytes that were read and not used up, and bytes that the socket has not accepted.
//!
//! Both are empty while a connection is idle; a busy connection uses the worker's buffers. The input grows with the
//! bytes that arrive and never with an announced length: a header of twenty bytes may announce half a gigabyte and
//! never send it. Reserved room is not touched before bytes arrive for it (nothing is filled with zeros), so it costs
//! no memory.
//!
//! A large argument is copied as rarely as growing allows. The next size of the buffer is the announced length, divided
//! by [`GROWTH`] until it is at most that many times the bytes present. So each size is the same fraction of the next
//! one, for any length, and the copies add up to a fifteenth of the argument. An old buffer goes back to the system at
//! once; otherwise all of them would be kept beside the argument. The argument's own buffer becomes the value, if it is
//! long (see [`crate::engine::long`]).

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::base::allocator;
use crate::engine::long::LONG;
use crate::runtime::threads::READ_BUFFER;

/// If at least so many bytes are missing, the rest of a long request is read directly to its place. Shorter rests come
/// through the worker's buffer.
const DIRECT_FROM: usize = READ_BUFFER / 4;
/// By what factor a buffer grows at most. Unused room costs no memory, only addresses.
const GROWTH: usize = 16;
/// Reads into less room than this are not worth the system call.
const LEAST_ROOM: usize = 4096;

/// Bytes read and not used up: incomplete requests, or complete ones that have to wait.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Used-up bytes at the front. They are dropped once they are half of the buffer, so that a long pipeline that is
    /// executed in many steps is not moved at each step.
    used: usize,
    /// How many bytes must be there before parsing is worthwhile.
    pub need: usize,
}

impl Input {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room without bytes.
    pub(super) fn spare(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// The bytes.
    pub(super) fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Uses up `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
        self.need = 0;
        if self.used == self.bytes.len() {
            (self.bytes, self.used) = (Vec::new(), 0);
        } else if self.used >= self.len() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.used);
        self.used = 0;
        if self.bytes.capacity() / 4 > self.bytes.len().max(READ_BUFFER) {
            self.bytes.shrink_to_fit();
        }
    }

    /// Whether the buffer holds a complete request that is long enough to be executed by itself, with hardly anything
    /// after it.
    pub(super) fn is_long_request(&self) -> bool {
        self.need >= LONG && self.len() >= self.need && self.len() - self.need <= READ_BUFFER
    }

    /// Takes everything, to be executed by itself.
    pub(super) fn take_long(&mut self) -> Vec<u8> {
        std::mem::take(self).into_bytes()
    }

    /// Puts back the unused rest of [`Input::take_long`].
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        self.bytes = rest;
    }

    /// Takes everything, for the code that takes the connection over.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.used);
        self.bytes
    }

    /// Whether the rest of a long request is to be read with [`Input::poll_read`].
    pub(super) fn is_long(&self) -> bool {
        let held = self.len();
        held >= DIRECT_FROM && self.need > READ_BUFFER && self.need > held
    }

    /// Reads some of the rest of a long request, but nothing after its long argument.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<usize>> {
        if self.used > 0 {
            self.compact();
        }
        let held = self.bytes.len();
        let missing = self.need.saturating_sub(held).max(1);
        // Room for a few short words after a long one.
        let whole = self.need + LEAST_ROOM;
        let size = if missing >= LEAST_ROOM { next_size(whole, held) } else { held + (held / 4).max(LEAST_ROOM) };
        if self.spare() < missing.min(LEAST_ROOM) {
            let mut larger = Vec::with_capacity(size);
            larger.extend_from_slice(&self.bytes);
            allocator::release(std::mem::replace(&mut self.bytes, larger));
        }
        // If short words follow, only the end of the next one is known: so the whole room is filled, not one word at a
        // time.
        let most = if missing >= LEAST_ROOM { missing } else { self.spare() };
        let mut room = (&mut self.bytes).limit(most);
        pin!(stream.read_buf(&mut room)).poll(cx)
    }
}

/// The next size of a buffer that holds `held` bytes of a request of `need` bytes, which are more. `need` is the end of
/// the arriving word, and more words may follow. So the buffer grows at least by a quarter; otherwise each word would
/// copy all before it.
fn next_size(need: usize, held: usize) -> usize {
    let mut size = need.max(held + 1);
    while size / GROWTH > held {
        size /= GROWTH;
    }
    size.max(held + held / 4)
}

/// Bytes that the socket has not accepted yet.
#[derive(Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    /// Bytes at the front that are sent.
    sent: usize,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the contents of `output` after its first `sent` bytes. Large contents are taken with their buffer instead
    /// of copied.
    pub(super) fn take(&mut self, output: &mut Vec<u8>, sent: usize) {
        if self.is_empty() && output.len() - sent > READ_BUFFER {
            (self.bytes, self.sent) = (std::mem::replace(output, Vec::with_capacity(READ_BUFFER)), sent);
        } else {
            self.append(&output[sent..]);
        }
    }

    /// Notes that `count` more bytes were sent.
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
#[path = "buffers_tests.rs"]
mod tests;
