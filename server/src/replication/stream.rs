//! The bytes of the replication stream that are still needed: by the backlog, or by a replica that is behind.
//!
//! There is one ordered stream for all: appended bytes are shared, and a replica is a position in it. The end is one
//! buffer; when it is read, or full, it is frozen into a block without copying.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::resp::Args;

/// Room for so many bytes is made at once.
const BLOCK: usize = 64 * 1024;

struct Block {
    /// Position of the first byte.
    start: i64,
    bytes: Bytes,
}

/// A window of the stream, up to its end.
pub(crate) struct Stream {
    blocks: VecDeque<Block>,
    tail: BytesMut,
    end: i64,
}

impl Stream {
    /// An empty window at this position.
    pub(crate) fn new(position: i64) -> Self {
        Self { blocks: VecDeque::new(), tail: BytesMut::new(), end: position }
    }

    /// Position of the first byte that is held.
    pub(crate) fn start(&self) -> i64 {
        self.blocks.front().map_or(self.end - self.tail.len() as i64, |block| block.start)
    }

    /// Position after the last byte.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Whether a replica that has `position` bytes can be given all the others.
    pub(crate) fn holds(&self, position: i64) -> bool {
        (self.start()..=self.end).contains(&position)
    }

    /// Adds bytes that are already in stream format.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.tail.extend_from_slice(bytes);
        self.end += bytes.len() as i64;
    }

    /// Adds a command.
    pub(crate) fn append_command(&mut self, args: Args<'_>) {
        self.reserve(args.total_len() + 16 * (args.len() + 1));
        let before = self.tail.len();
        header(&mut self.tail, b'*', args.len());
        for word in args {
            header(&mut self.tail, b'$', word.len());
            self.tail.put_slice(word);
            self.tail.put_slice(b"\r\n");
        }
        self.end += (self.tail.len() - before) as i64;
    }

    fn reserve(&mut self, bytes: usize) {
        if self.tail.capacity() - self.tail.len() < bytes {
            // What is there keeps its allocation, and the next block gets one of its own: nothing is copied, and blocks
            // take no more memory than their bytes.
            self.freeze();
            self.tail.reserve(bytes.max(BLOCK));
        }
    }

    fn freeze(&mut self) {
        if !self.tail.is_empty() {
            let start = self.end - self.tail.len() as i64;
            self.blocks.push_back(Block { start, bytes: self.tail.split().freeze() });
        }
    }

    /// Up to about `limit` bytes from `position` on, which must be held.
    pub(crate) fn read(&mut self, position: i64, limit: usize, out: &mut VecDeque<Bytes>) -> i64 {
        self.freeze();
        let mut at = position;
        let mut index = self.blocks.partition_point(|block| block.start <= position).saturating_sub(1);
        while let Some(block) = self.blocks.get(index) {
            let skip = (at - block.start) as usize;
            if (at - position) as usize >= limit {
                break;
            }
            if skip < block.bytes.len() {
                out.push_back(block.bytes.slice(skip..));
                at = block.start + block.bytes.len() as i64;
            }
            index += 1;
        }
        at
    }

    /// Drops what is before `position`, in whole blocks.
    pub(crate) fn trim(&mut self, position: i64) {
        while let Some(block) = self.blocks.front()
            && block.start + block.bytes.len() as i64 <= position
        {
            self.blocks.pop_front();
        }
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start()) as usize
    }
}

fn header(out: &mut BytesMut, kind: u8, number: usize) {
    out.put_u8(kind);
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
    out.put_slice(b"\r\n");
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
