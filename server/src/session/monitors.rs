//! The clients in MONITOR mode, and the delivery of lines to them.
//!
//! A line is formatted once and handed to each monitor's mailbox by reference count. All monitors get the lines in one
//! order, and with rising times: a line is stamped and delivered under one lock. Whether anybody listens is one relaxed
//! load, which is all that a node without monitors pays per command.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::client::{ClientHandle, Mail};

/// The monitors of a node.
#[derive(Default)]
pub(crate) struct Monitors {
    /// Whether the list has entries. Changed under its lock.
    watched: AtomicBool,
    list: Mutex<Vec<Arc<ClientHandle>>>,
}

/// A line without its time.
pub(crate) struct Line {
    /// Room for the time, and then the rest of the line.
    bytes: Vec<u8>,
}

/// Bytes of the time: a plus sign, seconds, a point, six digits, a blank.
const STAMP: usize = 32;

/// A longer line is kept as it was made, with up to as much unused room.
const COPIED_MAX: usize = 64 * 1024;

impl Line {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![b' '; STAMP] }
    }

    /// Where the text goes.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The line with its time, as it is sent.
    fn stamped(mut self, now_us: i64) -> Bytes {
        let mut stamp = Vec::with_capacity(STAMP);
        // Writing into a vector cannot fail.
        let _ = write!(stamp, "+{}.{:06} ", now_us.div_euclid(1_000_000), now_us.rem_euclid(1_000_000));
        let start = STAMP.saturating_sub(stamp.len());
        self.bytes[start..STAMP].copy_from_slice(&stamp[..STAMP - start]);
        // A monitor that does not read keeps it, so much unused room is not kept with it. A long line is not copied:
        // there are few before the limit is reached, and the copy would count in addition to it.
        let (len, room) = (self.bytes.len(), self.bytes.capacity());
        if len <= COPIED_MAX && room > len + len / 8 {
            return Bytes::copy_from_slice(&self.bytes[start..]);
        }
        Bytes::from(self.bytes).slice(start..)
    }
}

impl Monitors {
    /// Whether somebody listens.
    #[inline(always)]
    pub(crate) fn any(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Adds a client, once.
    pub(crate) fn join(&self, client: &Arc<ClientHandle>) {
        let mut list = self.list.lock();
        if !list.iter().any(|other| Arc::ptr_eq(other, client)) {
            list.push(client.clone());
        }
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Removes a client, if it is there.
    pub(crate) fn leave(&self, client: &Arc<ClientHandle>) {
        let mut list = self.list.lock();
        list.retain(|other| !Arc::ptr_eq(other, client));
        self.watched.store(!list.is_empty(), Ordering::Relaxed);
    }

    /// Stamps a line and sends it to every monitor but one that wants no replies now. A monitor with more than `limit`
    /// unread bytes is disconnected (0: no limit); these are returned.
    pub(crate) fn send(
        &self,
        line: Line,
        clock: impl FnOnce() -> i64,
        but: Option<&Arc<ClientHandle>>,
        limit: usize,
    ) -> Vec<Arc<ClientHandle>> {
        let list = self.list.lock();
        let bytes = line.stamped(clock());
        let mut closed = Vec::new();
        for client in list.iter() {
            if client.is_killed() || but.is_some_and(|but| Arc::ptr_eq(but, client)) {
                continue;
            }
            client.send(Mail::Push(bytes.clone()), limit);
            if client.is_killed() {
                closed.push(client.clone());
            }
        }
        closed
    }
}

#[cfg(test)]
#[path = "monitors_tests.rs"]
mod tests;
