//! A complete snapshot replaces the old data.
//!
//! This is done under `applying` from the first removed key to the last added one, so that no change of role and no cut
//! of a snapshot sees a partial data set. Keys that were loaded beside the old ones are exchanged for them between two
//! commands. A file is loaded in their place, and clients get LOADING meanwhile. Both are done by a thread of their
//! own; newlines tell the primary that the replica is alive.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use super::wire::{End, Wire};
use crate::base::thread;
use crate::config::ids;
use crate::persistence::load::{self, Finished, Load, Loaded};
use crate::persistence::rdb_writer::SavedHistory;
use crate::replication::Replication;
use crate::replication::core::LinkPhase;
use crate::replication::history::ReplId;
use crate::replication::stream::Stream;
use crate::store::Cleared;

/// Bytes that are loaded between two barriers.
const STEP: usize = 256 * 1024;
/// How often the primary gets a newline while the data is replaced.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The state after the old data is replaced.
pub(super) struct Placement {
    pub replication: Arc<Replication>,
    pub generation: u64,
    pub id: ReplId,
    pub offset: i64,
}

impl Placement {
    /// Swaps in keys that were loaded beside the old ones, and drops those.
    pub(super) async fn exchange(self, finished: Finished, wire: &mut Wire) -> Result<(), End> {
        self.on_a_thread("exchange", move |this| this.exchange_now(finished), wire).await
    }

    /// Loads a file in place of the old data.
    pub(super) async fn load(self, file: File, length: u64, wire: &mut Wire) -> Result<(), End> {
        self.on_a_thread("load", move |this| this.load_file(file, length), wire).await
    }

    /// Runs `work` on a thread of its own, since it waits for what runs now and then takes long: a worker has other
    /// clients. Meanwhile the primary gets newlines.
    async fn on_a_thread(
        self,
        name: &str,
        work: impl FnOnce(&Self) -> Result<(), End> + Send + 'static,
        wire: &mut Wire,
    ) -> Result<(), End> {
        let (told, mut done) = oneshot::channel();
        let ticket = self.replication.engine.state.tasks.enter();
        thread::spawn(name, move || {
            let result = work(&self);
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
            drop(self);
            drop(ticket);
            // There is no receiver if the node stops.
            let _ = told.send(result);
        })
        .map_err(|error| End::Refused(format!("Can't start a thread to replace the data: {error}")))?;
        let mut ticks = tokio::time::interval(SIGN_OF_LIFE);
        loop {
            tokio::select! {
                result = &mut done => return result.unwrap_or(Err(End::Stale)),
                _ = ticks.tick() => {
                    // If the primary is gone by now, that is noticed afterwards; what it sent is valid.
                    let _ = wire.stream.write_all(b"\n").await;
                }
            }
        }
    }

    fn exchange_now(&self, finished: Finished) -> Result<(), End> {
        let engine = &self.replication.engine;
        let Finished { loaded, beside, libraries } = finished;
        let Some(fresh) = beside else {
            return Err(End::Refused("Nothing was loaded".to_owned()));
        };
        let old = {
            let _held = self.replication.applying.lock();
            engine.barrier.enter(engine.loader_gate()).exclusive(|_| {
                self.leave_old()?;
                let old = load::exchange(engine, &fresh);
                engine.scripts.functions.set(libraries);
                self.arrive(&loaded).map(|()| old)
            })?
        };
        // As in Redis, whatever `replica-lazy-flush` says.
        engine.freeing.free_cleared(old, true);
        Ok(())
    }

    fn load_file(&self, mut file: File, length: u64) -> Result<(), End> {
        let engine = &self.replication.engine;
        let _held = self.replication.applying.lock();
        let gate = engine.loader_gate();
        let old = engine.barrier.enter(gate).exclusive(|_| {
            self.leave_old()?;
            engine.state.loading.store(true, Ordering::SeqCst);
            self.replication.persistence.note_loading(0, length);
            Ok::<_, End>(engine.flush(0..engine.keyspace.databases()))
        })?;
        // Before the new keys are loaded, so that both need not be in memory together, unless that is asked for.
        engine.freeing.free_cleared(old, engine.config.bool(ids::REPLICA_LAZY_FLUSH));
        let loaded = self.read(&mut file, length);
        // A stopping node leaves it at that: it stays LOADING to its end, so that no partial data set is saved.
        if !self.is_stopping() {
            let garbage = engine.barrier.enter(gate).exclusive(|_| self.end(&loaded));
            drop(garbage);
        }
        loaded.map(|_| ())
    }

    fn is_stopping(&self) -> bool {
        let state = &self.replication.engine.state;
        !state.tasks.wait_turn() || state.stopping.load(Ordering::Relaxed)
    }

    fn read(&self, file: &mut File, length: u64) -> Result<Loaded, End> {
        let (engine, persistence) = (&self.replication.engine, &self.replication.persistence);
        let unreadable = |error: io::Error| End::Refused(format!("Can't read the snapshot back: {error}"));
        file.rewind().map_err(unreadable)?;
        let mut load = Load::new(engine.clone(), false);
        let mut buffer = vec![0; STEP];
        let mut done = false;
        while !done {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            if self.is_stopping() {
                return Err(End::Stale);
            }
            let _pass = engine.barrier.enter(engine.loader_gate());
            let fed = load.feed(&buffer[..count], engine.clock.now_ms());
            done = fed.map_err(|error| End::Refused(error.to_string()))?;
            persistence.note_loading(load.offset(), length);
        }
        load.finish().map(|finished| finished.loaded).map_err(|error| End::Refused(error.to_string()))
    }

    /// Ends the load of a file. The caller holds `applying` and the barrier. Returns what is to be dropped.
    fn end(&self, loaded: &Result<Loaded, End>) -> Vec<Cleared> {
        let engine = &self.replication.engine;
        let arrived = loaded.as_ref().is_ok_and(|loaded| self.arrive(loaded).is_ok());
        engine.state.loading.store(false, Ordering::SeqCst);
        if arrived {
            return Vec::new();
        }
        engine
            .log
            .warning(format_args!("Failed trying to load the MASTER synchronization DB from disk, check server logs."));
        engine.flush(0..engine.keyspace.databases())
    }

    /// From here on the old data is gone. The caller holds `applying` and the barrier.
    fn leave_old(&self) -> Result<(), End> {
        let replication = &self.replication;
        replication.with_following(self.generation, |following| {
            following.resume = false;
            following.synced = false;
        })?;
        replication.engine.log.notice(format_args!("MASTER <-> REPLICA sync: Flushing old data"));
        let mut core = replication.core.lock();
        // Our replicas have to load the new data set, too.
        replication.disconnect_replicas(&core);
        core.stream = None;
        drop(core);
        replication.engine.log.notice(format_args!("MASTER <-> REPLICA sync: Loading DB in memory"));
        Ok(())
    }

    /// The new data is in place. The caller holds `applying` and the barrier.
    fn arrive(&self, loaded: &Loaded) -> Result<(), End> {
        let replication = &self.replication;
        replication.with_following(self.generation, |following| {
            following.resume = true;
            following.synced = true;
            following.db = loaded.history.as_ref().map_or(0, SavedHistory::db);
            following.down_since_ms = None;
            following.phase = LinkPhase::Connected;
        })?;
        let mut core = replication.core.lock();
        core.history.adopt(self.id, self.offset);
        core.stream = Some(Stream::new(self.offset));
        replication.publish(&core);
        drop(core);
        let state = &replication.engine.state;
        // None of it is in the file on disk, so the next save point must save it.
        state.dirty.fetch_add(i64::try_from(loaded.keys).unwrap_or(i64::MAX), Ordering::Relaxed);
        state.primary_link_up.store(true, Ordering::SeqCst);
        replication.persistence.note_load(loaded);
        replication.touch_link();
        replication.synced();
        Ok(())
    }
}
