//! A snapshot for replicas: the same bytes to all that waited at the cut, straight into their sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Replication;
use crate::engine::client::ClientId;
use crate::persistence::snapshot::{Announce, SnapshotJob};

/// Parts that may wait for a slow socket.
const PARTS_AHEAD: usize = 16;

/// What a replica's link gets from the snapshot's thread. The channel's end without [`SyncPart::End`] is a failure.
#[derive(Debug)]
pub(super) enum SyncPart {
    Bytes(Bytes),
    End,
}

/// The channel of one replica.
pub(super) fn channel() -> (mpsc::Sender<SyncPart>, mpsc::Receiver<SyncPart>) {
    mpsc::channel(PARTS_AHEAD)
}

struct Target {
    id: ClientId,
    parts: mpsc::Sender<SyncPart>,
    /// The end is told by a mark; otherwise the length comes first, and so the bytes are held back.
    marked: bool,
    /// It asked with PSYNC.
    answer: bool,
    gone: bool,
}

/// One full sync.
pub(super) struct SyncJob {
    replication: Arc<Replication>,
    targets: Vec<Target>,
    mark: [u8; 40],
    /// The whole snapshot, for those who need its length first.
    held: Vec<u8>,
    holds: bool,
}

impl SyncJob {
    pub(super) fn new(replication: Arc<Replication>, mark: [u8; 40]) -> Self {
        Self { replication, targets: Vec::new(), mark, held: Vec::new(), holds: false }
    }

    fn give(&mut self, bytes: &Bytes) {
        for target in self.targets.iter_mut().filter(|target| target.marked && !target.gone) {
            target.gone = target.parts.blocking_send(SyncPart::Bytes(bytes.clone())).is_err();
        }
    }

    fn end(&mut self) {
        let held = Bytes::from(std::mem::take(&mut self.held));
        let mark = Bytes::copy_from_slice(&self.mark);
        for target in self.targets.iter().filter(|target| !target.gone) {
            let mut parts = if target.marked {
                vec![mark.clone()]
            } else {
                vec![Bytes::from(format!("${}\r\n", held.len())), held.clone()]
            };
            // An error says that the link has gone: its own end has told everyone.
            let sent = parts.drain(..).try_for_each(|part| target.parts.blocking_send(SyncPart::Bytes(part)));
            let _ = sent.and_then(|()| target.parts.blocking_send(SyncPart::End));
        }
    }
}

impl SnapshotJob for SyncJob {
    fn is_save(&self) -> bool {
        false
    }

    fn at_cut(&mut self) {
        let replication = &self.replication;
        let mut core = replication.core.lock();
        let mut sources = replication.sources.lock();
        for id in core.cut() {
            let (Some(replica), Some(parts)) = (core.replicas.get(&id), sources.remove(&id)) else { continue };
            let target =
                Target { id, parts, marked: replica.facts.capa_eof, answer: !replica.old_protocol, gone: false };
            let mut first = Vec::new();
            if target.answer {
                first.extend_from_slice(b"+FULLRESYNC ");
                first.extend_from_slice(&core.history.id);
                first.extend_from_slice(format!(" {}\r\n", core.history.offset).as_bytes());
            }
            if target.marked {
                first.extend_from_slice(b"$EOF:");
                first.extend_from_slice(&self.mark);
                first.extend_from_slice(b"\r\n");
            } else {
                self.holds = true;
            }
            // The channel is new and has room.
            let _ = target.parts.try_send(SyncPart::Bytes(Bytes::from(first)));
            self.targets.push(target);
        }
        self.replication.engine.log.notice(format_args!("Starting BGSAVE for SYNC with target: replicas sockets"));
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if self.holds {
            self.held.extend_from_slice(&bytes);
        }
        self.give(&Bytes::from(bytes));
        if self.targets.iter().all(|target| target.gone) {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "no replica is left"));
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, result: io::Result<()>) -> Announce {
        match result {
            Ok(()) => {
                self.end();
                self.replication.engine.log.notice(format_args!("Background RDB transfer terminated with success"));
            }
            Err(error) => {
                self.replication.engine.log.warning(format_args!("Background transfer error: {error}"));
                for target in &self.targets {
                    self.replication.drop_replica(target.id);
                }
            }
        }
        let replication = self.replication.clone();
        if self.targets.is_empty() {
            // It ended before its cut: nobody was served, and another one may be ordered.
            replication.core.lock().sync_ordered = false;
        }
        drop(self);
        Box::new(move || {
            // Those who came too late for this one.
            if !replication.engine.state.stopping.load(Ordering::Relaxed) {
                replication.order_sync(true);
            }
        })
    }
}
