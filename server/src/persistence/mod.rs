//! The data set on disk: one RDB file, as Redis 7.0 writes and reads it.
//!
//! [`rdb_writer`] and [`rdb_loader`] are the format, pure; [`snapshot`] produces the bytes beside running commands, for the file and
//! for full syncs; [`load`] puts records into the keyspace; [`disk`] is the file. [`Persistence`] decides when: commands, save
//! points, shutdown, start.
//!
//! Invariants: the file in place is always whole; a save covers exactly the changes up to its cut, so `dirty` is lowered by what
//! it was then; one snapshot at a time.
//!
//! Rank 5.

pub mod commands;
pub mod disk;
mod info;
pub mod load;
pub mod rdb_loader;
pub mod rdb_writer;
pub mod snapshot;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::resp::Args;

use crate::engine::Engine;
use crate::engine::config::ids;
use crate::engine::session::{Service, SessionCtx, SessionResult};
use crate::engine::threads::Spawner;
use disk::NewFile;
use load::Loaded;
use rdb_loader::LoadError;
use snapshot::{SnapshotJob, Snapshots};

/// Seconds after a failed save before a save point tries again (Redis: CONFIG_BGSAVE_RETRY_DELAY).
const RETRY_DELAY_S: i64 = 5;
/// How often save points are looked at.
const CRON_PERIOD: Duration = Duration::from_millis(100);

/// Called with whether the save succeeded.
type Done = Box<dyn FnOnce(bool) + Send>;

/// What INFO persistence tells.
#[derive(Clone, Debug, Default)]
pub struct PersistenceInfo {
    pub loading: bool,
    pub async_loading: bool,
    pub changes_since_last_save: i64,
    pub bgsave_in_progress: bool,
    /// Unix time in seconds.
    pub last_save_time: i64,
    pub last_bgsave_ok: bool,
    /// Seconds; -1 if there was none.
    pub last_bgsave_time_s: i64,
    /// Seconds; -1 if none runs.
    pub current_bgsave_time_s: i64,
    pub saves: u64,
    pub last_load_keys_expired: u64,
    pub last_load_keys_loaded: u64,
    /// Keys that the running snapshot has written, and has to write.
    pub current_save_keys_processed: u64,
    pub current_save_keys_total: u64,
    /// While loading: Unix time in seconds at its start, bytes in all and loaded.
    pub loading_start_time: i64,
    pub loading_total_bytes: u64,
    pub loading_loaded_bytes: u64,
}

#[derive(Default)]
struct Facts {
    last_save_time: AtomicI64,
    last_try_time: AtomicI64,
    last_bgsave_failed: AtomicBool,
    last_bgsave_time_s: AtomicI64,
    /// Unix time in seconds of the running one's start, or 0.
    bgsave_started: AtomicI64,
    saves: AtomicU64,
    loaded_keys: AtomicU64,
    loaded_expired: AtomicU64,
    loading_start: AtomicI64,
    loading_total: AtomicU64,
    loading_done: AtomicU64,
    /// Numbers temporary files.
    file_number: AtomicU64,
}

/// Persistence of one node.
pub struct Persistence {
    me: Weak<Persistence>,
    engine: Arc<Engine>,
    pub snapshots: Arc<Snapshots>,
    facts: Facts,
    /// The result of the load at start, for replication.
    loaded: Mutex<Option<Loaded>>,
}

impl Persistence {
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        let now = engine.clock.now_ms() / 1000;
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            snapshots: Snapshots::new(engine.clone()),
            engine,
            facts: Facts {
                last_save_time: AtomicI64::new(now),
                last_bgsave_time_s: AtomicI64::new(-1),
                ..Facts::default()
            },
            loaded: Mutex::default(),
        })
    }

    /// Starts looking at the save points, until the node stops.
    pub fn start(self: &Arc<Self>, control: &Spawner) {
        let this = Arc::downgrade(self);
        control.spawn(move |_| async move {
            let mut ticks = tokio::time::interval(CRON_PERIOD);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(this) = this.upgrade() else { return };
                if this.engine.state.stopping.load(Ordering::Relaxed) {
                    return;
                }
                this.check_save_points();
            }
        });
    }

    fn now_s(&self) -> i64 {
        self.engine.clock.now_ms() / 1000
    }

    fn path(&self) -> PathBuf {
        self.engine.config.path(ids::DBFILENAME)
    }

    fn check_save_points(&self) {
        let state = &self.engine.state;
        let dirty = state.dirty.load(Ordering::Relaxed);
        if dirty == 0 || self.snapshots.is_busy() || state.loading.load(Ordering::Relaxed) {
            return;
        }
        let now = self.now_s();
        let elapsed = now - self.facts.last_save_time.load(Ordering::Relaxed);
        let may_try = !self.facts.last_bgsave_failed.load(Ordering::Relaxed)
            || now - self.facts.last_try_time.load(Ordering::Relaxed) > RETRY_DELAY_S;
        let due = self.engine.config.save_points().into_iter().find(|p| dirty >= p.changes && elapsed > p.seconds);
        if let Some(point) = due.filter(|_| may_try) {
            self.engine.log.notice(format_args!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
            self.start_save(true, None);
        }
    }

    /// Starts a save to the file, in the background. `done` hears whether it succeeded.
    pub fn start_save(&self, background: bool, done: Option<Done>) {
        let now = self.now_s();
        if background {
            self.facts.last_try_time.store(now, Ordering::Relaxed);
            self.engine.log.notice(format_args!("Background saving started by pid {}", std::process::id()));
        }
        self.facts.bgsave_started.store(now, Ordering::Relaxed);
        let Some(persistence) = self.me.upgrade() else { return };
        self.snapshots.submit(Box::new(Save { persistence, background, dirty: 0, file: None, opened: false, done }));
    }

    /// Saves and waits for it, on a thread that holds no gate and no lock. A running save is cancelled first.
    /// `false`: it failed, and the log says why.
    pub fn save_and_wait(&self) -> bool {
        self.snapshots.cancel_all();
        let (told, done) = std::sync::mpsc::channel();
        self.start_save(
            false,
            Some(Box::new(move |saved| {
                // The receiver waits below.
                let _ = told.send(saved);
            })),
        );
        done.recv().unwrap_or(false)
    }

    /// What SHUTDOWN does: saves if save points are configured, or if it is told to. `false`: it failed, and the log says why.
    pub async fn save_at_shutdown(&self, force: bool) -> bool {
        if !force && self.engine.config.save_points().is_empty() {
            return true;
        }
        self.engine.log.notice(format_args!("Saving the final RDB snapshot before exiting."));
        self.snapshots.cancel_all();
        let (told, done) = tokio::sync::oneshot::channel();
        self.start_save(
            false,
            Some(Box::new(move |saved| {
                // Whoever waits may have given up.
                let _ = told.send(saved);
            })),
        );
        let saved = done.await.unwrap_or(false);
        if !saved {
            self.engine.log.warning(format_args!("Error trying to save the DB, can't exit."));
        }
        saved
    }

    /// Loads the file at start, before clients are accepted, or again (DEBUG RELOAD; the caller has emptied the keyspace). A replica
    /// keeps what has expired until its primary deletes it: its own clock may be ahead.
    ///
    /// # Errors
    /// The node must not start: it would serve less than it had.
    pub fn load(&self, replica: bool) -> Result<(), LoadError> {
        let state = &self.engine.state;
        let started = std::time::Instant::now();
        self.facts.loading_start.store(self.now_s(), Ordering::Relaxed);
        state.loading.store(true, Ordering::SeqCst);
        let result = disk::load(&self.engine, &self.path(), !replica, |done, total| {
            self.facts.loading_done.store(done, Ordering::Relaxed);
            self.facts.loading_total.store(total, Ordering::Relaxed);
        });
        state.loading.store(false, Ordering::SeqCst);
        let Some(loaded) = result? else { return Ok(()) };
        let seconds = started.elapsed().as_secs_f64();
        self.engine.log.notice(format_args!("DB loaded from disk: {seconds:.3} seconds"));
        self.note_load(&loaded);
        state.dirty.store(0, Ordering::Relaxed);
        *self.loaded.lock() = Some(loaded);
        Ok(())
    }

    /// What the load at start came to; taken once, by replication.
    pub fn take_loaded(&self) -> Option<Loaded> {
        self.loaded.lock().take()
    }

    /// Notes what a load (at start, or a full sync's) came to, for INFO.
    pub fn note_load(&self, loaded: &Loaded) {
        self.facts.loaded_keys.store(loaded.keys, Ordering::Relaxed);
        self.facts.loaded_expired.store(loaded.expired, Ordering::Relaxed);
    }

    /// Notes that a load of `total` bytes (0: unknown) begins, or how far it has come.
    pub fn note_loading(&self, done: u64, total: u64) {
        if done == 0 {
            self.facts.loading_start.store(self.now_s(), Ordering::Relaxed);
        }
        self.facts.loading_done.store(done, Ordering::Relaxed);
        self.facts.loading_total.store(total, Ordering::Relaxed);
    }

    /// Facts for INFO.
    pub fn info(&self) -> PersistenceInfo {
        let state = &self.engine.state;
        let facts = &self.facts;
        let saving = self.snapshots.is_saving();
        let busy = self.snapshots.is_busy();
        let of_job = |fact: &AtomicU64| if busy { fact.load(Ordering::Relaxed) } else { 0 };
        PersistenceInfo {
            loading: state.loading.load(Ordering::Relaxed),
            async_loading: state.async_loading.load(Ordering::Relaxed),
            changes_since_last_save: state.dirty.load(Ordering::Relaxed),
            bgsave_in_progress: saving,
            last_save_time: facts.last_save_time.load(Ordering::Relaxed),
            last_bgsave_ok: !facts.last_bgsave_failed.load(Ordering::Relaxed),
            last_bgsave_time_s: facts.last_bgsave_time_s.load(Ordering::Relaxed),
            current_bgsave_time_s: if saving {
                self.now_s() - facts.bgsave_started.load(Ordering::Relaxed)
            } else {
                -1
            },
            saves: facts.saves.load(Ordering::Relaxed),
            last_load_keys_expired: facts.loaded_expired.load(Ordering::Relaxed),
            last_load_keys_loaded: facts.loaded_keys.load(Ordering::Relaxed),
            current_save_keys_processed: of_job(&self.snapshots.keys_processed),
            current_save_keys_total: of_job(&self.snapshots.keys_total),
            loading_start_time: facts.loading_start.load(Ordering::Relaxed),
            loading_total_bytes: facts.loading_total.load(Ordering::Relaxed),
            loading_loaded_bytes: facts.loading_done.load(Ordering::Relaxed),
        }
    }

    /// Stops what runs; waits for nothing.
    pub fn stop(&self) {
        self.snapshots.cancel_all();
    }
}

impl Service for Persistence {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        (commands::COMMANDS[index].handler)(self, ctx, args)
    }
}

/// A save to the file.
struct Save {
    persistence: Arc<Persistence>,
    /// BGSAVE or a save point, not SAVE.
    background: bool,
    /// Changes that the snapshot contains.
    dirty: i64,
    file: Option<NewFile>,
    opened: bool,
    done: Option<Done>,
}

impl SnapshotJob for Save {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self, dirty: i64) {
        self.dirty = dirty;
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if !self.opened {
            self.opened = true;
            let number = self.persistence.facts.file_number.fetch_add(1, Ordering::Relaxed);
            self.file = Some(NewFile::create(&self.persistence.path(), number)?);
        }
        match &mut self.file {
            Some(file) => file.write(&bytes),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>, result: io::Result<()>) {
        let file = self.file.take();
        let result = result.and_then(|()| match file {
            Some(file) => file.commit(),
            None => Err(io::Error::other("nothing was written")),
        });
        let facts = &self.persistence.facts;
        let state = &self.persistence.engine.state;
        let now = self.persistence.now_s();
        let cancelled = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
        match &result {
            Ok(()) => {
                self.persistence.engine.log.notice(format_args!("DB saved on disk"));
                state.dirty.fetch_sub(self.dirty, Ordering::Relaxed);
                facts.last_save_time.store(now, Ordering::Relaxed);
                facts.last_bgsave_failed.store(false, Ordering::Relaxed);
                state.save_failed.store(false, Ordering::Relaxed);
                facts.saves.fetch_add(1, Ordering::Relaxed);
                if self.background {
                    self.persistence.engine.log.notice(format_args!("Background saving terminated with success"));
                }
            }
            // Somebody wanted it so: this is no failure (Redis: a child killed with SIGUSR1).
            Err(_) if cancelled => {
                self.persistence.engine.log.notice(format_args!("Background saving terminated by signal 10"));
            }
            Err(error) => {
                self.persistence.engine.log.warning(format_args!("Write error saving DB on disk: {error}"));
                if self.background {
                    self.persistence.engine.log.warning(format_args!("Background saving error"));
                    facts.last_bgsave_failed.store(true, Ordering::Relaxed);
                    state.save_failed.store(true, Ordering::Relaxed);
                }
            }
        }
        if self.background {
            let seconds = now - facts.bgsave_started.load(Ordering::Relaxed);
            facts.last_bgsave_time_s.store(seconds, Ordering::Relaxed);
        }
        if let Some(done) = self.done.take() {
            done(result.is_ok());
        }
    }
}

#[cfg(test)]
mod tests;
