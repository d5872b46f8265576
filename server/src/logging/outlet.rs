//! Standard output, standard error or a log file, to which a node's threads may write without ever waiting for a reader.
//!
//! Whoever reads a pipe may stop doing so: a supervisor that forgot standard error, a terminal that was stopped with Ctrl-S. Its buffer
//! is full then (64 KiB), and the next write waits for ever. So what is not a regular file has a queue and a thread that writes it;
//! only that thread waits. What does not fit into the queue is dropped and counted, and the reader is told so in one line as soon as
//! there is room again. A regular file needs nobody's help and is written directly.
//!
//! The end of the process waits a moment for what is queued ([`Outlet::settle`]), and no longer than somebody reads.
//!
//! Bytes go to the descriptor itself: the standard library's `stdout` and `stderr` have locks, which one thread that waits
//! would hold against all others. Pieces are whole lines and no longer than a pipe takes in one go, so that lines of several
//! processes with one pipe stay whole. A reader that is gone is nobody's trouble.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Bytes that wait for their reader; what comes on top is dropped.
const QUEUE_MAX: usize = 1 << 20;
/// What a pipe takes whole or not at all (`PIPE_BUF` of Linux).
const PIECE_MAX: usize = 4096;
/// Room that the line about lost ones needs before it is made.
const LOSS_LINE_MAX: usize = 512;
/// A reader that took nothing for so long is not waited for at the end.
const SETTLE_STEP: Duration = Duration::from_millis(100);
/// The longest wait at the end, for a reader that takes a little now and then.
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

    /// Whether writing there never waits for anybody.
    fn is_regular(&self) -> bool {
        let metadata = self.fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
        metadata.is_ok_and(|metadata| metadata.is_file())
    }

    /// Writes all of it, however long that takes. What cannot be written has nowhere to complain, and is gone.
    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(self.fd(), bytes) {
                Ok(0) => return,
                Ok(len) => bytes = &bytes[len..],
                Err(Errno::INTR) => {}
                // Somebody who shares the pipe made it so.
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

/// Something to write lines to that never blocks. Clones are the same outlet; its thread ends after the last of them.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Owner>);

/// Closes the outlet when the last clone goes.
struct Owner(Arc<Shared>);

struct Shared {
    target: Target,
    direct: bool,
    queue: Mutex<Queue>,
    /// For the thread: there is something to write, or nothing will come any more.
    news: Condvar,
    /// For who waits for the end: something was written.
    progress: Condvar,
}

struct Queue {
    waiting: Vec<u8>,
    /// Bytes that the thread has taken and not yet written.
    in_flight: usize,
    /// Lines that did not fit since the last time this was said.
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

    /// A file, or whatever has the name of one.
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

    /// Says in its own words how many lines are missing.
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
            // Without a thread for it the lines wait for the next attempt.
            queue.has_thread = shared.start_thread().is_ok();
        }
        shared.news.notify_one();
    }

    /// Waits until everything is written, but no longer than it is being read. For the end of the process.
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

    /// Says what was lost, if there is room for that and so many bytes.
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
        std::thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_queue()).map(|_| ())
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

/// As many whole lines as a pipe takes in one go, or one line that is longer.
fn piece_len(text: &[u8]) -> usize {
    let window = &text[..text.len().min(PIECE_MAX)];
    let end = memchr::memrchr(b'\n', window).or_else(|| memchr::memchr(b'\n', text));
    end.map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
