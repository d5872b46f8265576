//! Standard output, standard error or a log file, to which a node's threads write without ever waiting for a reader.
//!
//! The reader of a pipe may stop reading: a supervisor that forgot standard error, a terminal that was stopped with
//! Ctrl-S. Once the pipe's buffer (64 KiB) is full, the next write blocks for ever. So an output that is not a regular
//! file has a queue and a thread that writes it; only that thread waits. Lines that do not fit into the queue are
//! dropped and counted, and one line reports the number as soon as there is room again. A regular file is written
//! directly.
//!
//! At the end of the process, [`Outlet::settle`] waits for queued lines for a moment, and only as long as they are
//! being read.
//!
//! Bytes are written to the descriptor itself: the standard library's `stdout` and `stderr` have locks, which one
//! blocked thread would hold against all others. Pieces are whole lines and no longer than a pipe accepts at once, so
//! that the lines of several processes that share a pipe stay whole. If the reader is gone, the lines are discarded.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::thread;
use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Bytes that wait for their reader; anything beyond is dropped.
const QUEUE_MAX: usize = 1 << 20;
/// The most that a pipe accepts whole or not at all (`PIPE_BUF` of Linux).
const PIECE_MAX: usize = 4096;
/// Room that must be free before the line about lost lines is made.
const LOSS_LINE_MAX: usize = 512;
/// At the end, a reader that accepted nothing for so long is given up.
const SETTLE_STEP: Duration = Duration::from_millis(100);
/// The longest wait at the end, for a reader that accepts a little now and then.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The line that says how many lines are missing.
type LossFn = dyn Fn(u64) -> String + Send;

enum Target {
    Stdout,
    Stderr,
    File(File),
}

impl Target {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout => rustix::stdio::stdout(),
            Self::Stderr => rustix::stdio::stderr(),
            Self::File(file) => file.as_fd(),
        }
    }

    /// Whether writing never blocks.
    fn is_regular(&self) -> bool {
        let metadata = self.fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
        metadata.is_ok_and(|metadata| metadata.is_file())
    }

    /// Writes all of it, however long that takes. Errors cannot be reported anywhere; the bytes are lost.
    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(self.fd(), bytes) {
                Ok(0) => return,
                Ok(len) => bytes = &bytes[len..],
                Err(Errno::INTR) => {}
                // Another process that shares the pipe made it non-blocking.
                Err(Errno::AGAIN) => {
                    let fd = self.fd();
                    if poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None).is_err_and(|error| error != Errno::INTR) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// An output for lines that never blocks. Clones are the same outlet; its thread ends after the last of them.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Owner>);

/// Closes the outlet when the last clone goes.
struct Owner(Arc<Shared>);

struct Shared {
    target: Target,
    direct: bool,
    queue: Mutex<Queue>,
    /// Wakes the thread: there is something to write, or the outlet was closed.
    news: Condvar,
    /// Wakes [`Outlet::settle`]: something was written.
    progress: Condvar,
}

struct Queue {
    waiting: Vec<u8>,
    /// Bytes that the thread has taken and not yet written.
    in_flight: usize,
    /// Lines that did not fit since the last report.
    lost: u64,
    loss_line: Box<LossFn>,
    has_thread: bool,
    closed: bool,
}

impl Outlet {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(Target::Stdout)
    }

    /// Standard error.
    pub(crate) fn stderr() -> Self {
        Self::to(Target::Stderr)
    }

    /// A file, or a device or pipe under the name of one.
    pub(crate) fn file(file: File) -> Self {
        Self::to(Target::File(file))
    }

    fn to(target: Target) -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            in_flight: 0,
            lost: 0,
            loss_line: Box::new(|lines| format!("{lines} lines were dropped: nobody read them\n")),
            has_thread: false,
            closed: false,
        };
        let direct = target.is_regular();
        let shared =
            Shared { target, direct, queue: Mutex::new(queue), news: Condvar::new(), progress: Condvar::new() };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    /// Sets the text of the line that reports how many lines are missing.
    pub(crate) fn on_loss(&self, line: impl Fn(u64) -> String + Send + 'static) {
        self.0.0.queue.lock().loss_line = Box::new(line);
    }

    /// Writes whole lines, or drops those that find no room.
    pub(crate) fn put(&self, text: impl AsRef<[u8]>) {
        let (shared, text) = (&self.0.0, text.as_ref());
        if shared.direct {
            return shared.target.write(text);
        }
        let mut queue = shared.queue.lock();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            queue.put(line);
        }
        if !queue.has_thread {
            // Without a thread, the lines wait for the next attempt to start one.
            queue.has_thread = shared.start_thread().is_ok();
        }
        shared.news.notify_one();
    }

    /// Waits until everything is written, but only as long as the reader accepts something. For the end of the process.
    pub(crate) fn settle(&self) {
        let until = Instant::now() + SETTLE_MAX;
        let mut queue = self.0.0.queue.lock();
        while queue.has_thread && queue.len() > 0 && Instant::now() < until {
            let before = queue.len();
            let waited = self.0.0.progress.wait_for(&mut queue, SETTLE_STEP);
            if waited.timed_out() && queue.len() >= before {
                return;
            }
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.put(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.news.notify_one();
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    fn put(&mut self, line: &[u8]) {
        self.confess(line.len());
        if self.lost > 0 || self.len() + line.len() > QUEUE_MAX {
            self.lost += 1;
        } else {
            self.waiting.extend_from_slice(line);
        }
    }

    /// Reports lost lines, if there is room for that line and `more` bytes.
    fn confess(&mut self, more: usize) {
        if self.lost == 0 || self.len() + LOSS_LINE_MAX + more > QUEUE_MAX {
            return;
        }
        let line = (self.loss_line)(self.lost);
        self.waiting.extend_from_slice(line.as_bytes());
        self.lost = 0;
    }
}

impl Shared {
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        thread::spawn("log", move || shared.write_queue()).map(|_| ())
    }

    /// Writes what is queued until the outlet is closed and empty.
    fn write_queue(&self) {
        loop {
            let mut queue = self.queue.lock();
            queue.confess(0);
            while queue.waiting.is_empty() {
                if queue.closed {
                    return;
                }
                self.news.wait(&mut queue);
            }
            let batch = std::mem::take(&mut queue.waiting);
            queue.in_flight = batch.len();
            drop(queue);
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(piece_len(rest));
                self.target.write(piece);
                self.queue.lock().in_flight = others.len();
                self.progress.notify_all();
                rest = others;
            }
        }
    }
}

/// The length of as many whole lines as a pipe accepts at once, or of one line that is longer.
fn piece_len(text: &[u8]) -> usize {
    let window = &text[..text.len().min(PIECE_MAX)];
    let end = memchr::memrchr(b'\n', window).or_else(|| memchr::memchr(b'\n', text));
    end.map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
