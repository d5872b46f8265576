//! A snapshot of the primary, received completely before any of the old data is dropped.
//!
//! Until then the node serves its old data, with its own offset and id: a primary that dies or hangs in the middle of a
//! transfer costs nothing. `repl-diskless-load` says where the new data is kept until then, as in Redis. By default
//! that is a file, so that the two data sets need not be in memory at once; short snapshots are kept in memory anyway.
//! With `swapdb` (and `on-empty-db`, if there is nothing to lose) the new data is loaded beside the old data as it
//! arrives.
//!
//! The file is checked on its way to the disk: a snapshot that could not be loaded is refused while the old data is
//! still there.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::wire::{End, Wire};
use super::{FollowTask, place};
use crate::config::ids;
use crate::engine::Engine;
use crate::persistence::load::{Check, Finished, Load};
use crate::persistence::rdb_loader::LoadError;
use crate::persistence::temporary;
use crate::replication::core::{LinkPhase, Transfer};
use crate::replication::history::ReplId;
use crate::replication::transfer::{Framing, framing};

/// Snapshots up to this size are kept in memory, bytes.
const GATHERED: usize = 1024 * 1024;

/// Where the complete new data is.
pub(super) enum Received {
    /// An unnamed file, and its length.
    File(File, u64),
    /// Keys that only have to be swapped in.
    Beside(Box<Finished>),
}

/// Where the data is kept until it is complete.
enum Sink {
    Beside { load: Box<Load>, _announced: Asynchronous },
    Checked { check: Box<Check>, kept: Vec<u8>, file: Option<File>, length: u64 },
}

/// INFO shows `async_loading:1` as long as this exists.
struct Asynchronous(Arc<Engine>);

impl Asynchronous {
    fn new(engine: &Arc<Engine>) -> Self {
        engine.state.async_loading.store(true, Ordering::SeqCst);
        Self(engine.clone())
    }
}

impl Drop for Asynchronous {
    fn drop(&mut self) {
        self.0.state.async_loading.store(false, Ordering::SeqCst);
    }
}

fn refused(error: LoadError) -> End {
    End::Refused(error.to_string())
}

impl Sink {
    fn new(engine: &Arc<Engine>) -> Self {
        let keyspace = &engine.keyspace;
        let beside = match engine.config.choice(ids::REPL_DISKLESS_LOAD) {
            "swapdb" => true,
            "on-empty-db" => (0..keyspace.databases()).all(|db| keyspace.is_empty(db)),
            _ => false,
        };
        if beside {
            Self::Beside { load: Box::new(Load::beside(engine.clone())), _announced: Asynchronous::new(engine) }
        } else {
            Self::Checked { check: Box::new(Check::new(engine)), kept: Vec::new(), file: None, length: 0 }
        }
    }

    /// Takes bytes. At the snapshot's end, returns how many of them do not belong to it.
    fn take(&mut self, engine: &Engine, bytes: &[u8]) -> Result<Option<usize>, End> {
        match self {
            Self::Beside { load, .. } => {
                let done = load.feed(bytes, engine.clock.now_ms()).map_err(refused)?;
                Ok(done.then(|| load.rest_len()))
            }
            Self::Checked { check, kept, file, length } => {
                let done = check.feed(bytes).map_err(refused)?;
                let rest = if done { check.rest_len() } else { 0 };
                let bytes = &bytes[..bytes.len() - rest];
                keep(engine, kept, file, bytes).map_err(End::Refused)?;
                *length += bytes.len() as u64;
                Ok(done.then_some(rest))
            }
        }
    }

    fn finish(self, engine: &Arc<Engine>) -> Result<Received, End> {
        let load = match self {
            Self::Checked { file: Some(file), length, .. } => return Ok(Received::File(file, length)),
            Self::Checked { kept, .. } => {
                let mut load = Load::beside(engine.clone());
                load.feed(&kept, engine.clock.now_ms()).map_err(refused)?;
                load
            }
            Self::Beside { load, .. } => *load,
        };
        load.finish().map(|finished| Received::Beside(Box::new(finished))).map_err(refused)
    }
}

/// Keeps bytes in memory, or in a file if there are many. The text of a failure is Redis's.
fn keep(engine: &Engine, kept: &mut Vec<u8>, file: &mut Option<File>, bytes: &[u8]) -> Result<(), String> {
    use std::io::Write as _;
    if file.is_none() && kept.len() + bytes.len() <= GATHERED {
        kept.extend_from_slice(bytes);
        return Ok(());
    }
    let written = |error: std::io::Error| {
        format!(
            "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: {error}"
        )
    };
    let file = match file {
        Some(file) => file,
        None => {
            let opened = temporary::nameless(&engine.config.path(ids::DBFILENAME)).map_err(|error| {
                format!("Opening the temp file needed for MASTER <-> REPLICA synchronization: {error}")
            })?;
            let file = file.insert(opened);
            file.write_all(&std::mem::take(kept)).map_err(written)?;
            file
        }
    };
    file.write_all(bytes).map_err(written)
}

impl FollowTask {
    /// +FULLRESYNC: a full sync follows.
    pub(super) async fn full_sync(&self, wire: &mut Wire, id: ReplId, offset: i64) -> Result<(), End> {
        let log = &self.replication.engine.log;
        log.notice(format_args!("Full resync from master: {}:{offset}", String::from_utf8_lossy(&id)));
        self.with_following(|following| {
            following.phase = LinkPhase::Transfer;
            following.transfer = Transfer { io_ms: self.replication.now(), ..Transfer::default() };
        })?;
        let framing = loop {
            let line = wire.line().await?;
            self.note_transfer(0, 0)?;
            if let Some(framing) = framing(&line).map_err(End::Refused)? {
                break framing;
            }
        };
        let received = self.receive(wire, &framing).await?;
        let place =
            place::Placement { replication: self.replication.clone(), generation: self.target.generation, id, offset };
        match received {
            Received::Beside(finished) => place.exchange(*finished, wire).await?,
            Received::File(file, length) => place.load(file, length, wire).await?,
        }
        log.notice(format_args!("MASTER <-> REPLICA sync: Finished with success"));
        Ok(())
    }

    /// Bytes of the snapshot have arrived.
    fn note_transfer(&self, bytes: u64, total: u64) -> Result<(), End> {
        self.with_following(|following| {
            let transfer = &mut following.transfer;
            transfer.io_ms = self.replication.now();
            transfer.read += bytes;
            transfer.total = total;
        })
    }

    async fn receive(&self, wire: &mut Wire, framing: &Framing) -> Result<Received, End> {
        let engine = &self.replication.engine;
        let mut sink = Sink::new(engine);
        let target = if matches!(sink, Sink::Beside { .. }) { "parser" } else { "disk" };
        let (mut left, total) = match framing {
            Framing::Length(length) => {
                engine
                    .log
                    .notice(format_args!("MASTER <-> REPLICA sync: receiving {length} bytes from master to {target}"));
                (*length, *length)
            }
            Framing::Mark(_) => {
                engine.log.notice(format_args!(
                    "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {target}"
                ));
                (u64::MAX, 0)
            }
        };
        let mut done = false;
        while !done {
            if left == 0 {
                return Err(refused(LoadError::ShortRead));
            }
            if wire.buffer.is_empty() {
                wire.more().await.map_err(receiving)?;
            }
            let offered = usize::try_from(left).unwrap_or(usize::MAX).min(wire.buffer.len());
            let rest = sink.take(engine, &wire.buffer[..offered])?;
            let taken = offered - rest.unwrap_or(0);
            wire.buffer.drain(..taken);
            left -= taken as u64;
            done = rest.is_some();
            self.note_transfer(taken as u64, total)?;
            if let Sink::Beside { load, .. } = &sink {
                self.replication.persistence.note_loading(load.offset(), total);
            }
            // Other tasks share this thread.
            tokio::task::yield_now().await;
        }
        match framing {
            Framing::Mark(mark) => self.take_mark(wire, mark).await?,
            Framing::Length(_) => self.skip(wire, left).await?,
        }
        sink.finish(engine)
    }

    /// Reads the mark after a snapshot.
    async fn take_mark(&self, wire: &mut Wire, mark: &[u8]) -> Result<(), End> {
        while wire.buffer.len() < mark.len() {
            wire.more().await.map_err(receiving)?;
        }
        if !wire.buffer.starts_with(mark) {
            return Err(End::Refused("Replication stream EOF marker is broken".to_owned()));
        }
        wire.buffer.drain(..mark.len());
        Ok(())
    }

    /// Skips bytes that were announced beyond the snapshot's own end.
    async fn skip(&self, wire: &mut Wire, mut bytes: u64) -> Result<(), End> {
        while bytes > 0 {
            if wire.buffer.is_empty() {
                wire.more().await.map_err(receiving)?;
            }
            let count = usize::try_from(bytes).unwrap_or(usize::MAX).min(wire.buffer.len());
            wire.buffer.drain(..count);
            bytes -= count as u64;
        }
        Ok(())
    }
}

/// The error that ended a transfer, in Redis's words.
fn receiving(end: End) -> End {
    match end {
        End::Lost(text) if text == "Timeout" => End::Lost(
            "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' \
             parameter in redis.conf to a larger value."
                .to_owned(),
        ),
        other => other,
    }
}
