//! A bus link within the process: two queues of packets instead of a connection.
//!
//! Nodes of one process would need two sockets for each link, four for each pair of nodes, and the number of
//! descriptors of a process is limited. A pipe needs none, holds no memory while it is idle, and passes packets on
//! without copying them.
//!
//! It behaves like a connection. Packets arrive whole and in order, or not at all. If the reader does not read,
//! [`ROOM`] bytes are in flight, as in the buffers of sockets; anything beyond waits at the sender, counts as the
//! link's queue, and is lost when the link is closed. Dropping either half of an end closes the link: the other end
//! reads what was in flight, and then the end.
//!
//! The queue has no bound of its own: the sender bounds it by `cluster-link-sendbuf-limit`, as for a socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// How many bytes may be in flight.
pub(crate) const ROOM: usize = 64 * 1024;

/// One direction.
#[derive(Debug, Default)]
struct Way {
    packets: VecDeque<Arc<[u8]>>,
    /// Bytes of all packets.
    bytes: usize,
    closed: bool,
    reader: Option<Waker>,
}

impl Way {
    /// Accepts no more packets, and drops those that are not in flight.
    fn close(&mut self, keep: usize) -> Option<Waker> {
        self.closed = true;
        while self.bytes > keep {
            let Some(packet) = self.packets.pop_back() else { break };
            self.bytes -= packet.len();
        }
        self.packets.shrink_to_fit();
        self.reader.take()
    }
}

/// Both directions; each end reads the one with its own number.
#[derive(Debug, Default)]
struct Pipe([Mutex<Way>; 2]);

/// One half of an end.
#[derive(Debug)]
struct Half {
    pipe: Arc<Pipe>,
    end: usize,
}

impl Half {
    fn incoming(&self) -> &Mutex<Way> {
        &self.pipe.0[self.end]
    }

    fn outgoing(&self) -> &Mutex<Way> {
        &self.pipe.0[1 - self.end]
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let there = self.outgoing().lock().close(ROOM);
        let here = self.incoming().lock().close(0);
        [there, here].into_iter().flatten().for_each(Waker::wake);
    }
}

/// The half of an end that sends.
#[derive(Debug)]
pub(crate) struct Sender(Half);

impl Sender {
    /// Sends a packet, and returns how many bytes wait then. If the other end has closed the link, nothing is sent.
    pub(crate) fn send(&self, packet: Arc<[u8]>) -> usize {
        let mut way = self.0.outgoing().lock();
        if way.closed {
            return 0;
        }
        way.bytes += packet.len();
        way.packets.push_back(packet);
        let waiting = way.bytes.saturating_sub(ROOM);
        let reader = way.reader.take();
        drop(way);
        if let Some(reader) = reader {
            reader.wake();
        }
        waiting
    }

    /// Bytes that have not left the sender.
    pub(crate) fn waiting(&self) -> usize {
        self.held().saturating_sub(ROOM)
    }

    /// Bytes that the other end has not read.
    pub(crate) fn held(&self) -> usize {
        self.0.outgoing().lock().bytes
    }
}

/// The half of an end that receives.
#[derive(Debug)]
pub(crate) struct Receiver(Half);

impl Receiver {
    /// The next packet; `None` when the link is closed.
    pub(crate) async fn receive(&mut self) -> Option<Arc<[u8]>> {
        poll_fn(|cx| {
            let mut way = self.0.incoming().lock();
            if let Some(packet) = way.packets.pop_front() {
                way.bytes -= packet.len();
                if way.packets.is_empty() && way.packets.capacity() > KEPT_SLOTS {
                    way.packets = VecDeque::new();
                }
                return Poll::Ready(Some(packet));
            }
            if way.closed {
                return Poll::Ready(None);
            }
            way.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Room for so many packets is kept in an empty queue.
const KEPT_SLOTS: usize = 16;

/// One end of a link.
pub(crate) type End = (Sender, Receiver);

/// A new link.
pub(crate) fn pair() -> (End, End) {
    let pipe = Arc::new(Pipe::default());
    let half = |end| Half { pipe: pipe.clone(), end };
    let end = |number| (Sender(half(number)), Receiver(half(number)));
    (end(0), end(1))
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
