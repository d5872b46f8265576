//! The data set on disk: one RDB file, as Redis 7.0 writes and reads it.
//!
//! [`rdb_writer`] and [`rdb_loader`] are the format, without I/O; [`snapshot`] produces the bytes beside running
//! commands, for the file and for full syncs; [`save`] writes a snapshot to the file; [`load`] puts records into the
//! keyspace; [`disk`] is the file, [`temporary`] the files beside it. [`flushed`] empties the file when all keys are
//! removed, [`reload`] is DEBUG RELOAD. [`Persistence`] decides when to save: commands, save points, shutdown, start.
//!
//! Invariants: the file in place is always complete, and never older than a previous one. A save covers exactly the
//! changes up to its cut, so `dirty` is lowered by its value then. One snapshot runs at a time. From the cut of a save
//! that ends the node (or the life of this data set in memory) no write gets a reply, so the file has every
//! acknowledged write.
//!
//! Rank 7.

#![forbid(unsafe_code)]

pub(crate) mod commands;
pub(crate) mod disk;
mod flushed;
mod info;
pub(crate) mod load;
pub(crate) mod rdb_loader;
pub(crate) mod rdb_writer;
pub(crate) mod reload;
mod save;
pub(crate) mod snapshot;
pub(crate) mod temporary;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::resp::Args;

use crate::config::ids;
use crate::engine::Engine;
use crate::engine::handler::{Service, SessionCtx, SessionResult};
use crate::engine::state::PausePurpose;
use crate::runtime::threads::Spawner;
use load::Loaded;
use load::Onto;
use rdb_loader::LoadError;
use save::{Save, SaveFor};
use snapshot::Snapshots;

/// Seconds after a failed save before a save point tries again (Redis: CONFIG_BGSAVE_RETRY_DELAY).
const RETRY_DELAY_S: i64 = 5;
/// How often save points are checked.
const CRON_PERIOD: Duration = Duration::from_millis(100);

/// Called with whether the save succeeded.
type Done = Box<dyn FnOnce(bool) + Send>;

/// Called when the state that is saved has been fixed.
type Begun = Box<dyn FnOnce() + Send>;

/// A save is under way, or a snapshot is being sent to replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// The facts of INFO persistence.
#[derive(Clone, Debug, Default)]
pub(crate) struct PersistenceInfo {
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
    /// Keys that the running snapshot has written, and the total.
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
    /// Unix time in seconds of the running save's start, or 0.
    bgsave_started: AtomicI64,
    saves: AtomicU64,
    loaded_keys: AtomicU64,
    loaded_expired: AtomicU64,
    loading_start: AtomicI64,
    loading_total: AtomicU64,
    loading_done: AtomicU64,
    /// Numbers the cuts of saves. Incremented under the barrier.
    cuts: AtomicU64,
    /// BGSAVE in a transaction asked for a save as soon as one is possible.
    scheduled: AtomicBool,
}

/// Persistence of one node.
pub(crate) struct Persistence {
    me: Weak<Persistence>,
    engine: Arc<Engine>,
    pub snapshots: Arc<Snapshots>,
    facts: Facts,
    /// The result of the load at start, for replication.
    loaded: Mutex<Option<Loaded>>,
    /// Number of the cut of the file in place. Held while a file is renamed into place, so that none is replaced by an
    /// older one.
    in_place: Mutex<u64>,
    /// How many of all changes that the node has ever made are in the file; `dirty` counts the others.
    saved_changes: Mutex<i64>,
    /// The unfinished file, if there is one.
    temporary: Mutex<Option<PathBuf>>,
    /// One DEBUG RELOAD at a time.
    reloading: Mutex<()>,
}

impl Persistence {
    pub(crate) fn new(engine: Arc<Engine>) -> Arc<Self> {
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
            in_place: Mutex::default(),
            saved_changes: Mutex::default(),
            temporary: Mutex::default(),
            reloading: Mutex::default(),
        })
    }

    /// Starts the periodic check of the save points, until the node stops.
    pub(crate) fn start(self: &Arc<Self>, control: &Spawner) {
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

    pub(crate) fn path(&self) -> PathBuf {
        self.engine.config.path(ids::DBFILENAME)
    }

    fn check_save_points(&self) {
        let state = &self.engine.state;
        let scheduled = self.facts.scheduled.load(Ordering::Relaxed);
        let dirty = state.dirty.load(Ordering::Relaxed);
        if (dirty == 0 && !scheduled) || self.snapshots.is_busy() || state.loading.load(Ordering::Relaxed) {
            return;
        }
        let now = self.now_s();
        let elapsed = now - self.facts.last_save_time.load(Ordering::Relaxed);
        let may_try = !self.facts.last_bgsave_failed.load(Ordering::Relaxed)
            || now - self.facts.last_try_time.load(Ordering::Relaxed) > RETRY_DELAY_S;
        let due = self.engine.config.save_points().into_iter().find(|p| dirty >= p.changes && elapsed > p.seconds);
        // Another save may have started first; then the next tick checks again.
        if let Some(point) = due.filter(|_| may_try) {
            self.engine.log.notice(format_args!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
            let _ = self.start_background(None);
        } else if scheduled && may_try && self.start_background(None).is_ok() {
            self.facts.scheduled.store(false, Ordering::Relaxed);
        }
    }

    /// Starts a save in the background, unless a snapshot is under way. `begun` is called when the state that is saved
    /// has been fixed, and dropped if that fails.
    ///
    /// # Errors
    /// [`Busy`]; nothing was started then.
    pub(crate) fn start_background(&self, begun: Option<Begun>) -> Result<(), Busy> {
        let now = self.now_s();
        self.start_unless_busy(SaveFor::Background, None, begun)?;
        self.facts.last_try_time.store(now, Ordering::Relaxed);
        self.engine.log.notice(format_args!("Background saving started by pid {}", std::process::id()));
        Ok(())
    }

    /// Starts a save for a client that waits for it, unless a snapshot is under way.
    ///
    /// # Errors
    /// [`Busy`]; nothing was started then.
    pub(crate) fn start_for_client(&self, done: Done) -> Result<(), Busy> {
        self.start_unless_busy(SaveFor::Client, Some(done), None)
    }

    /// Requests a save in the background as soon as no other snapshot is under way.
    pub(crate) fn schedule(&self) {
        self.facts.scheduled.store(true, Ordering::Relaxed);
    }

    fn start_unless_busy(&self, purpose: SaveFor, done: Option<Done>, begun: Option<Begun>) -> Result<(), Busy> {
        let Some(persistence) = self.me.upgrade() else { return Err(Busy) };
        let job = Box::new(Save::new(persistence, purpose, done).telling(begun));
        let started = self.now_s();
        self.snapshots.try_submit(job, || self.facts.bgsave_started.store(started, Ordering::Relaxed))
    }

    /// Saves, and ends all writes at the cut, so that the file has every acknowledged write. A running save is
    /// completed first; at a shutdown it is cancelled instead. The caller ends the pause for `purpose`.
    fn start_last_save(&self, purpose: PausePurpose, done: Done) {
        let Some(persistence) = self.me.upgrade() else { return };
        self.facts.bgsave_started.store(self.now_s(), Ordering::Relaxed);
        let job = Box::new(Save::new(persistence, SaveFor::Last(purpose), Some(done)));
        if purpose == PausePurpose::Shutdown {
            self.snapshots.submit_instead(job);
        } else {
            self.snapshots.submit(job);
        }
    }

    /// The save of SHUTDOWN: saves if save points are configured, or if `force` is set; a running save is cancelled for
    /// it. `false`: it failed, and the log says why. From the cut on writes are paused; if the node goes on after all,
    /// the caller ends the pause.
    pub(crate) async fn save_at_shutdown(&self, force: bool) -> bool {
        if self.snapshots.is_busy() {
            self.engine.log.warning(format_args!("There is a child saving an .rdb. Killing it!"));
        }
        if !force && self.engine.config.save_points().is_empty() {
            self.snapshots.cancel_all();
            return true;
        }
        self.engine.log.notice(format_args!("Saving the final RDB snapshot before exiting."));
        let (told, done) = tokio::sync::oneshot::channel();
        let tell = move |saved| {
            // The caller may have given up waiting.
            let _ = told.send(saved);
        };
        self.start_last_save(PausePurpose::Shutdown, Box::new(tell));
        done.await.unwrap_or(false)
    }

    /// Loads the file at start, before clients are accepted, or again (DEBUG RELOAD; the caller has emptied the
    /// keyspace). A replica keeps expired keys until its primary deletes them: its own clock may be ahead.
    ///
    /// # Errors
    /// The node must not start, since it would serve less data than it had.
    pub(crate) fn load(&self, replica: bool) -> Result<(), LoadError> {
        self.load_onto(replica, Onto::Nothing)
    }

    fn load_onto(&self, replica: bool, onto: Onto) -> Result<(), LoadError> {
        let state = &self.engine.state;
        let started = std::time::Instant::now();
        self.facts.loading_start.store(self.now_s(), Ordering::Relaxed);
        state.loading.store(true, Ordering::SeqCst);
        let result = disk::load(&self.engine, &self.path(), (!replica, onto), |done, total| {
            self.facts.loading_done.store(done, Ordering::Relaxed);
            self.facts.loading_total.store(total, Ordering::Relaxed);
        });
        state.loading.store(false, Ordering::SeqCst);
        let Some(loaded) = result? else { return Ok(()) };
        let seconds = started.elapsed().as_secs_f64();
        self.engine.log.notice(format_args!("DB loaded from disk: {seconds:.3} seconds"));
        self.note_load(&loaded);
        self.note_unchanged();
        *self.loaded.lock() = Some(loaded);
        Ok(())
    }

    /// The result of the load at start; taken once, by replication.
    pub(crate) fn take_loaded(&self) -> Option<Loaded> {
        self.loaded.lock().take()
    }

    /// Notes the result of a load (at start, or of a full sync), for INFO.
    pub(crate) fn note_load(&self, loaded: &Loaded) {
        self.facts.loaded_keys.store(loaded.keys, Ordering::Relaxed);
        self.facts.loaded_expired.store(loaded.expired, Ordering::Relaxed);
    }

    /// Notes the start of a load of `total` bytes (0: unknown), or its progress.
    pub(crate) fn note_loading(&self, done: u64, total: u64) {
        if done == 0 {
            self.facts.loading_start.store(self.now_s(), Ordering::Relaxed);
        }
        self.facts.loading_done.store(done, Ordering::Relaxed);
        self.facts.loading_total.store(total, Ordering::Relaxed);
    }

    /// Facts for INFO.
    pub(crate) fn info(&self) -> PersistenceInfo {
        let state = &self.engine.state;
        let facts = &self.facts;
        let busy = self.snapshots.is_busy();
        let of_job = |fact: &AtomicU64| if busy { fact.load(Ordering::Relaxed) } else { 0 };
        PersistenceInfo {
            loading: state.loading.load(Ordering::Relaxed),
            async_loading: state.async_loading.load(Ordering::Relaxed),
            changes_since_last_save: state.dirty.load(Ordering::Relaxed),
            bgsave_in_progress: busy,
            last_save_time: facts.last_save_time.load(Ordering::Relaxed),
            last_bgsave_ok: !facts.last_bgsave_failed.load(Ordering::Relaxed),
            last_bgsave_time_s: facts.last_bgsave_time_s.load(Ordering::Relaxed),
            current_bgsave_time_s: if busy { self.now_s() - facts.bgsave_started.load(Ordering::Relaxed) } else { -1 },
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

    /// Cancels running work; waits for nothing.
    pub(crate) fn stop(&self) {
        self.snapshots.cancel_all();
    }
}

impl Service for Persistence {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        (commands::COMMANDS[index].handler)(self, ctx, args)
    }
}

#[cfg(test)]
mod tests;
