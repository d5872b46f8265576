//! From records to keys: what loading a file at start and a full sync have in common.
//!
//! A full sync replaces data that is still valid. So the new data can be checked first ([`Check`]), or loaded beside
//! the old data ([`Load::beside`]) and swapped in in one step ([`exchange`]).

use std::sync::Arc;

use super::rdb_loader::{LoadError, Loader, Record};
use super::rdb_writer::SavedHistory;
use crate::config::ids;
use crate::engine::Engine;
use crate::engine::scripts::functions::{self, Libraries};
use crate::script::VmPool;
use crate::store::payload::PayloadLimits;
use crate::store::{Cleared, Keyspace};
use protocol::slot::{SlotBitmap, key_slot};

/// The result of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub keys: u64,
    pub expired: u64,
    pub empty: u64,
    /// The file's replication history, if it is complete.
    pub history: Option<SavedHistory>,
}

/// What a completed load leaves.
pub(crate) struct Finished {
    pub loaded: Loaded,
    /// The keys, if they were loaded beside those of the node.
    pub beside: Option<Keyspace>,
    /// The libraries of functions of such a load; others have them in place.
    pub libraries: Libraries,
}

/// Loads one file into the keyspace of a node, which is empty or has been emptied, or into a separate keyspace.
pub(crate) struct Load {
    engine: Arc<Engine>,
    beside: Option<Keyspace>,
    loader: Loader,
    db: usize,
    loaded: Loaded,
    repl_id: Option<[u8; 40]>,
    repl_offset: Option<i64>,
    stream_db: i64,
    done: bool,
    /// Expired keys are left out: only a primary may decide that.
    drop_expired: bool,
    /// The libraries of functions in the file.
    libraries: Libraries,
    onto: Onto,
}

/// What a file is loaded into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Onto {
    /// No keys. Libraries of functions are replaced.
    #[default]
    Nothing,
    /// The data set that is there. A key or library of it is replaced, or must not be in the file.
    Present { replaces: bool },
}

impl Load {
    /// A load in the node's present role: a replica keeps expired keys until its primary deletes them.
    pub(crate) fn new(engine: Arc<Engine>, drop_expired: bool) -> Self {
        let loader = Loader::new(engine.keyspace.databases(), limits(&engine)).verifying(verifies(&engine));
        Self {
            engine: engine.clone(),
            beside: None,
            loader,
            db: 0,
            loaded: Loaded::default(),
            repl_id: None,
            repl_offset: None,
            stream_db: -1,
            done: false,
            drop_expired,
            libraries: Libraries::default(),
            onto: Onto::default(),
        }
    }

    /// A load of a primary's snapshot into a separate keyspace: the node serves its old data until [`exchange`].
    pub(crate) fn beside(engine: Arc<Engine>) -> Self {
        let beside = Some(engine.keyspace.sibling());
        Self { beside, ..Self::new(engine, false) }
    }

    /// Loads into this.
    pub(crate) fn onto(self, onto: Onto) -> Self {
        Self { onto, ..self }
    }

    /// Takes bytes and inserts the complete keys. Returns whether the end of the file has been reached. The caller is
    /// between two barriers: it holds no slot, and uses a gate of its own.
    ///
    /// # Errors
    /// The file is damaged or holds types that slotd lacks.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: i64) -> Result<bool, LoadError> {
        self.loader.feed(bytes);
        // Machines of this thread, which has no others.
        let pool = VmPool::default();
        while let Some(record) = self.loader.next_record()? {
            match record {
                Record::Select(db) => self.db = db,
                Record::Key { key, value, expire } => {
                    if self.drops_expired() && expire.is_some_and(|at| at < now) {
                        self.loaded.expired += 1;
                        continue;
                    }
                    let keyspace = self.beside.as_ref().unwrap_or(&self.engine.keyspace);
                    let (hash, mut slot) = (keyspace.hash(&key), keyspace.lock(self.db, key_slot(&key)));
                    if self.onto == (Onto::Present { replaces: true }) {
                        let replaced = slot.insert(hash, &key, value, expire);
                        drop(slot);
                        drop(replaced);
                        self.loaded.keys += 1;
                        continue;
                    }
                    let is_new = slot.load(hash, &key, value, expire);
                    drop(slot);
                    if !is_new {
                        let key = String::from_utf8_lossy(&key).into_owned();
                        return Err(LoadError::Duplicate { key, db: self.db });
                    }
                    self.loaded.keys += 1;
                }
                Record::EmptyKey => self.loaded.empty += 1,
                Record::Passed => {}
                Record::Function { code } => self.function(&code, &pool)?,
                Record::Aux { name, value } => self.aux(&name, &value),
                Record::End { .. } => {
                    self.done = true;
                    return Ok(true);
                }
            }
        }
        Ok(self.done)
    }

    fn function(&mut self, code: &[u8], pool: &VmPool) -> Result<(), LoadError> {
        let loaded = functions::load(&self.engine, pool, code, functions::NO_LIMIT, |_| false);
        loaded.and_then(|library| self.libraries.load(library, false)).map_err(|problem| LoadError::Damaged {
            offset: self.loader.offset(),
            what: format!("Failed creating the library: {problem}"),
        })
    }

    /// Puts the libraries in place.
    fn put_libraries(&mut self) -> Result<(), LoadError> {
        let functions = &self.engine.scripts.functions;
        let mut libraries = std::mem::take(&mut self.libraries);
        if let Onto::Present { replaces } = self.onto {
            let mut present = (*functions.current()).clone();
            present.merge(&libraries, replaces).map_err(|problem| LoadError::Damaged {
                offset: self.loader.offset(),
                what: format!("Failed creating the library: {problem}"),
            })?;
            libraries = present;
        }
        functions.set(libraries);
        Ok(())
    }

    /// Whether expired keys are left out. Not if the file names its place in a history: replicas may continue from
    /// there and have these keys, too, so they are deleted like others, by commands that replicas hear of.
    fn drops_expired(&self) -> bool {
        self.drop_expired && self.repl_id.is_none()
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        let number = || text.parse::<i64>().ok();
        match name.to_ascii_lowercase().as_slice() {
            b"repl-stream-db" => self.stream_db = number().unwrap_or(-1),
            b"repl-id" => self.repl_id = value.try_into().ok(),
            b"repl-offset" => self.repl_offset = number(),
            b"redis-ver" => self.engine.log.notice(format_args!("Loading RDB produced by version {text}")),
            b"ctime" => {
                let age = (self.engine.clock.now_ms() / 1000 - number().unwrap_or(0)).max(0);
                self.engine.log.notice(format_args!("RDB age {age} seconds"));
            }
            b"used-mem" => {
                let megabytes = number().unwrap_or(0) as f64 / (1024.0 * 1024.0);
                self.engine.log.notice(format_args!("RDB memory usage when created {megabytes:.2} Mb"));
            }
            b"redis-bits" | b"aof-base" | b"aof-preamble" | b"lua" => {}
            [b'%', ..] => {
                self.engine.log.notice(format_args!("RDB '{}': {text}", String::from_utf8_lossy(name)));
            }
            _ => self.engine.log.debug(format_args!("Unrecognized RDB AUX field: '{}'", String::from_utf8_lossy(name))),
        }
    }

    /// Bytes of the file that were used.
    pub(crate) fn offset(&self) -> u64 {
        self.loader.offset()
    }

    /// How many bytes were fed and not used; after the end, they do not belong to the file.
    pub(crate) fn rest_len(&self) -> usize {
        self.loader.rest_len()
    }

    /// The result.
    ///
    /// # Errors
    /// [`LoadError::ShortRead`] if the end was not reached.
    pub(crate) fn finish(mut self) -> Result<Finished, LoadError> {
        if !self.done {
            return Err(LoadError::ShortRead);
        }
        if let (Some(repl_id), Some(repl_offset)) = (self.repl_id, self.repl_offset) {
            self.loaded.history = Some(SavedHistory { stream_db: self.stream_db, repl_id, repl_offset });
        }
        let Loaded { keys, expired, empty, .. } = self.loaded;
        self.engine.log.notice(format_args!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}."));
        if empty > 0 {
            self.engine.log.notice(format_args!("Done loading RDB, empty keys skipped: {empty}."));
        }
        if self.beside.is_none() {
            self.put_libraries()?;
        }
        Ok(Finished { loaded: self.loaded, beside: self.beside, libraries: self.libraries })
    }
}

/// Checks a file as it arrives, before any data is given up for it: it must be complete, and hold only types that slotd
/// has.
pub(crate) struct Check {
    loader: Loader,
    done: bool,
}

impl Check {
    pub(crate) fn new(engine: &Engine) -> Self {
        let loader = Loader::checking(engine.keyspace.databases(), limits(engine)).verifying(verifies(engine));
        Self { loader, done: false }
    }

    /// Takes bytes. Returns whether the end of the file has been reached.
    ///
    /// # Errors
    /// The file is damaged or holds types that slotd lacks.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<bool, LoadError> {
        self.loader.feed(bytes);
        while let Some(record) = self.loader.next_record()? {
            self.done |= matches!(record, Record::End { .. });
        }
        Ok(self.done)
    }

    /// How many bytes were fed and not used; after the end, they do not belong to the file.
    pub(crate) fn rest_len(&self) -> usize {
        self.loader.rest_len()
    }
}

/// `rdbchecksum` also applies to reading, as in Redis.
fn verifies(engine: &Engine) -> bool {
    engine.config.bool(ids::RDBCHECKSUM) && !engine.hot.load().limits.skip_checksums
}

fn limits(engine: &Engine) -> PayloadLimits {
    engine.hot.load().limits.payload_limits()
}

/// Replaces the node's keys by those of `fresh`, a [`Keyspace::sibling`], and notifies sessions that watch any. Returns
/// the old contents, to be dropped outside the barrier, which the caller holds. Functions are replaced by the caller.
pub(crate) fn exchange(engine: &Engine, fresh: &Keyspace) -> Vec<Cleared> {
    let keyspace = &engine.keyspace;
    engine.local_expiries.forget();
    let mut effects = engine.unasked(&engine.hot.load());
    effects.invalidate_all();
    let hash = |key: &[u8]| keyspace.hash(key);
    let mut garbage = Vec::new();
    for db in 0..fresh.databases() {
        let replaced: SlotBitmap = fresh.occupied(db).collect();
        for slot in keyspace.occupied(db).filter(|slot| !replaced.contains(*slot)) {
            garbage.push(keyspace.lock(db, slot).clear(db, hash, &mut effects));
        }
        for slot in replaced.iter() {
            let (mut guard, mut new) = (keyspace.lock(db, slot), fresh.lock(db, slot));
            garbage.push(guard.replace_with(db, &mut new, hash, &mut effects));
        }
    }
    drop(engine.settle(effects, 0, None));
    garbage
}
