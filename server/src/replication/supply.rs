//! The bytes of one snapshot between the thread that makes them and the links that send them, each at its own pace.
//!
//! A window of the newest bytes is in memory. Older bytes that are still wanted are in an unnamed file, so a slow
//! replica delays neither the other replicas nor the snapshot itself; the next snapshot (SAVE, the last save of a
//! stopping node) would have to wait for that. The window bounds the memory. If no file can be created, the writer
//! waits for the slowest link; a link that hangs is ended by `repl-timeout`, and then the wait is over.
//!
//! Links live on the control thread, which waits for no disk: bytes in the file are read by a thread of the runtime's
//! pool, and kept for the link until it needs them.
//!
//! Invariants: bytes that a reader still wants are in the window or in the file; the file ends where the window begins.
//! Lock order: a reader's own lock, then the window's.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Bytes that are kept in memory.
pub(super) const WINDOW: usize = 4 * 1024 * 1024;
/// Bytes that are read back from the file at once.
const READ: usize = 128 * 1024;

#[derive(Default)]
struct Window {
    blocks: VecDeque<Bytes>,
    /// Position of the first byte in memory, and of the one after the last.
    start: u64,
    end: u64,
    /// The file that holds the bytes from this position up to `start`.
    file: Option<(Arc<File>, u64)>,
}

/// The bytes of one snapshot.
#[derive(Default)]
pub(super) struct Supply(Mutex<Window>);

impl Supply {
    /// Adds bytes to the window.
    pub(super) fn push(&self, bytes: Bytes) {
        let mut window = self.0.lock();
        window.end += bytes.len() as u64;
        window.blocks.push_back(bytes);
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.0.lock().end
    }

    /// Shrinks the window. `wanted`: the first byte that a reader still lacks. `open` creates a file. Returns `false`
    /// if there is no file for bytes that are still wanted.
    pub(super) fn shrink(&self, wanted: Option<u64>, open: impl Fn() -> io::Result<File>) -> bool {
        loop {
            let (first, start, file) = {
                let mut window = self.0.lock();
                let Some(first) = window.blocks.front().cloned() else { return true };
                if window.end - window.start <= WINDOW as u64 {
                    return true;
                }
                if wanted.is_none_or(|wanted| wanted >= window.start + first.len() as u64) {
                    // Earlier bytes are not wanted either.
                    window.file = None;
                    window.pass(first.len());
                    continue;
                }
                (first, window.start, window.file.clone())
            };
            // Written without the lock: only this thread takes blocks out of the window, and readers must not wait for
            // a disk.
            let (file, from) = match file {
                Some(file) => file,
                None => match open() {
                    Ok(file) => (Arc::new(file), start),
                    Err(_) => return false,
                },
            };
            if file.write_all_at(&first, start - from).is_err() {
                return false;
            }
            let mut window = self.0.lock();
            window.file = Some((file, from));
            window.pass(first.len());
        }
    }

    /// The bytes from this position on, as many as are readily available.
    ///
    /// # Errors
    /// The bytes are neither in memory nor in the file.
    pub(super) fn look(&self, position: u64) -> io::Result<Found> {
        let window = self.0.lock();
        if position >= window.start {
            let mut at = window.start;
            for block in &window.blocks {
                if position < at + block.len() as u64 {
                    return Ok(Found::Bytes(block.slice((position - at) as usize..)));
                }
                at += block.len() as u64;
            }
            return Ok(Found::Nothing);
        }
        let Some((file, from)) = window.file.clone().filter(|(_, from)| *from <= position) else {
            return Err(io::Error::other("the bytes are gone"));
        };
        let count = (window.start - position).min(READ as u64) as usize;
        Ok(Found::Stored(Stored { file, at: position - from, count }))
    }
}

/// The result of a look.
pub(super) enum Found {
    Bytes(Bytes),
    Stored(Stored),
    /// Nothing yet.
    Nothing,
}

/// Bytes that are in the file.
pub(super) struct Stored {
    file: Arc<File>,
    at: u64,
    count: usize,
}

impl Stored {
    /// Reads the bytes, which waits for the disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.count];
        self.file.read_exact_at(&mut bytes, self.at)?;
        Ok(Bytes::from(bytes))
    }
}

impl Window {
    fn pass(&mut self, bytes: usize) {
        self.blocks.pop_front();
        self.start += bytes as u64;
    }
}

/// What a replica's link gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SyncPart {
    Bytes(Bytes),
    End,
    /// The snapshot could not be made.
    Failed,
}

#[derive(Default)]
struct State {
    /// The bytes before the snapshot.
    head: VecDeque<Bytes>,
    /// The snapshot may be read.
    supply: Option<Arc<Supply>>,
    position: u64,
    /// The bytes from `position` on, which are being read from the file.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// The bytes after the snapshot; known when all of it is in the supply.
    tail: Option<VecDeque<Bytes>>,
    failed: bool,
    gone: bool,
}

/// What a link can get now.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Part(SyncPart),
    /// It is being read from the file.
    Reading,
    Nothing,
}

/// The reader of one replica.
#[derive(Default)]
pub(super) struct Outlet {
    state: Mutex<State>,
    wake: Notify,
}

impl Outlet {
    /// Adds bytes before all others.
    pub(super) fn head(&self, bytes: Bytes) {
        self.state.lock().head.push_back(bytes);
        self.wake.notify_one();
    }

    /// The snapshot may be sent, as far as it is available.
    pub(super) fn open(&self, supply: &Arc<Supply>) {
        self.state.lock().supply = Some(supply.clone());
        self.wake.notify_one();
    }

    /// More of the snapshot is available.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The snapshot is complete; `tail` follows it.
    pub(super) fn end(&self, tail: impl IntoIterator<Item = Bytes>) {
        self.state.lock().tail = Some(tail.into_iter().collect());
        self.wake.notify_one();
    }

    pub(super) fn fail(&self) {
        self.state.lock().failed = true;
        self.wake.notify_one();
    }

    /// The link has ended.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.gone = true;
        state.supply = None;
    }

    /// The first byte of the snapshot that the link lacks; `None` if it wants none any more.
    pub(super) fn wanted(&self) -> Option<u64> {
        let state = self.state.lock();
        (!state.gone).then_some(state.position)
    }

    fn take(&self) -> Taken {
        let mut state = self.state.lock();
        if state.failed {
            return Taken::Part(SyncPart::Failed);
        }
        if let Some(bytes) = state.head.pop_front() {
            return Taken::Part(SyncPart::Bytes(bytes));
        }
        if state.reading.is_some() {
            return Taken::Reading;
        }
        let Some(supply) = state.supply.clone() else { return Taken::Nothing };
        match supply.look(state.position) {
            Ok(Found::Nothing) => {}
            Ok(Found::Bytes(bytes)) => {
                state.position += bytes.len() as u64;
                return Taken::Part(SyncPart::Bytes(bytes));
            }
            Ok(Found::Stored(stored)) => {
                state.reading = Some(tokio::task::spawn_blocking(move || stored.read()));
                return Taken::Reading;
            }
            Err(_) => return Taken::Part(SyncPart::Failed),
        }
        let Some(tail) = state.tail.as_mut() else { return Taken::Nothing };
        Taken::Part(tail.pop_front().map_or(SyncPart::End, SyncPart::Bytes))
    }

    /// The bytes that were being read, once they are there.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<SyncPart> {
        let mut state = self.state.lock();
        let Some(reading) = state.reading.as_mut() else { return Poll::Ready(SyncPart::Failed) };
        let result = std::task::ready!(Pin::new(reading).poll(cx));
        state.reading = None;
        let Ok(Ok(bytes)) = result else { return Poll::Ready(SyncPart::Failed) };
        state.position += bytes.len() as u64;
        Poll::Ready(SyncPart::Bytes(bytes))
    }

    /// The next part. Must not be called after [`SyncPart::End`]. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> SyncPart {
        loop {
            match self.take() {
                Taken::Part(part) => return part,
                Taken::Reading => return poll_fn(|cx| self.poll_read(cx)).await,
                Taken::Nothing => self.wake.notified().await,
            }
        }
    }
}

/// An outlet as its link holds it: when the link is gone, nothing is kept for it.
pub(super) struct Reader(pub Arc<Outlet>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
#[path = "supply_tests.rs"]
mod tests;
