//! What a connection holds itself: bytes that it has read and not used up, and bytes that its socket has not taken.
//!
//! Both are empty while a connection is idle; the buffers that serve a busy one belong to the worker. What is held grows with what
//! arrives and never with what was announced: a header of twenty bytes may speak of half a gigabyte and never send it. Room
//! that bytes have not come for is never touched (nothing is filled with zeros), so it costs no memory.
//!
//! A large argument is copied while it arrives as little as growing allows. Its announced length is divided by [`GROWTH`] until it is at
//! most so many times what is there, and that is the next size of the buffer. So each size is the same part of the next one, however
//! the length falls: the copies add up to a fifteenth of the argument. What is given up goes back to the system at once, or all that was
//! given up would be kept beside the argument. The argument's own buffer becomes the value, if it is long (see
//! [`crate::engine::long`]).

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::base::allocator;
use crate::engine::long::LONG;
use crate::runtime::threads::READ_BUFFER;

/// From so many bytes on, the rest of a long request is read straight to its place. What is shorter comes through the worker's buffer.
const DIRECT_FROM: usize = READ_BUFFER / 4;
/// How many times larger a buffer becomes at once. Room that nothing has come for costs no memory, only addresses.
const GROWTH: usize = 16;
/// Reads into less room than this are not worth their system call.
const LEAST_ROOM: usize = 4096;

/// Bytes read and not used up: unfinished requests, or whole ones that have to wait.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Bytes at the front that are used up. They are dropped when they are half of all, so that a long pipeline which is executed in
    /// many steps is not moved in each of them.
    used: usize,
    /// How many bytes should be there before parsing is worth it.
    pub need: usize,
}

impl Input {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room that no byte has come for yet.
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

    /// Whether a request is here that is long enough to be executed by itself, with next to nothing behind it.
    pub(super) fn is_long_request(&self) -> bool {
        self.need >= LONG && self.len() >= self.need && self.len() - self.need <= READ_BUFFER
    }

    /// Everything, to be executed by itself.
    pub(super) fn take_long(&mut self) -> Vec<u8> {
        std::mem::take(self).into_bytes()
    }

    /// What was not used up of what [`Input::take_long`] gave.
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        self.bytes = rest;
    }

    /// Everything, for who goes on with it.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.used);
        self.bytes
    }

    /// Whether the rest of a long request is under way, to be read with [`Input::poll_read`].
    pub(super) fn is_long(&self) -> bool {
        let held = self.len();
        held >= DIRECT_FROM && self.need > READ_BUFFER && self.need > held
    }

    /// Reads some of the rest of a long request. Nothing behind a long argument is read.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<usize>> {
        if self.used > 0 {
            self.compact();
        }
        let held = self.bytes.len();
        let missing = self.need.saturating_sub(held).max(1);
        // A few short words may follow a long one: they shall find room.
        let whole = self.need + LEAST_ROOM;
        let size = if missing >= LEAST_ROOM { next_size(whole, held) } else { held + (held / 4).max(LEAST_ROOM) };
        if self.spare() < missing.min(LEAST_ROOM) {
            let mut larger = Vec::with_capacity(size);
            larger.extend_from_slice(&self.bytes);
            allocator::release(std::mem::replace(&mut self.bytes, larger));
        }
        // Of many short words only the end of the next one is known: whatever there is room for is read then, not a word at a time.
        let most = if missing >= LEAST_ROOM { missing } else { self.spare() };
        let mut room = (&mut self.bytes).limit(most);
        pin!(stream.read_buf(&mut room)).poll(cx)
    }
}

/// How large a buffer becomes that holds `held` bytes of a request of `need`, which are more. `need` is the end of the word that
/// arrives, and more words may follow: so it grows by a quarter at least, or every one of them would be a copy of all before it.
fn next_size(need: usize, held: usize) -> usize {
    let mut size = need.max(held + 1);
    while size / GROWTH > held {
        size /= GROWTH;
    }
    size.max(held + held / 4)
}

/// Bytes that the socket has not taken yet.
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

    /// Takes what is in `output` behind its first `sent` bytes. Much of it is taken with its buffer instead of copied.
    pub(super) fn take(&mut self, output: &mut Vec<u8>, sent: usize) {
        if self.is_empty() && output.len() - sent > READ_BUFFER {
            (self.bytes, self.sent) = (std::mem::replace(output, Vec::with_capacity(READ_BUFFER)), sent);
        } else {
            self.append(&output[sent..]);
        }
    }

    /// Notes that `count` bytes more are sent.
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
