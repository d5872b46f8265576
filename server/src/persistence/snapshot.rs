//! Producing a snapshot: the cut, and then all keys in their state at the cut, as the bytes of an RDB file.
//!
//! A job runs on its own thread beside the commands. It takes the barrier once, for the cut. After that it locks one
//! slot at a time for a short step, and the store keeps the old state of whatever writers change meanwhile. A large key
//! is set apart, and passed on in pieces when the slot is free again. So nothing is forked and no command waits
//! long. The consumer ([`SnapshotJob`]) decides where the bytes go: a file, or the sockets of replicas.
//!
//! The store supports one cut at a time, so [`Snapshots`] runs one job. A save that is requested meanwhile is refused,
//! as in Redis. Jobs that must not be refused are queued: at most one full sync, one DEBUG RELOAD and the last save of
//! the node.
//!
//! Lock order: the hold of the stream's position ([`StreamPosition::hold`]), then the barrier, then whatever the
//! consumer locks.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use protocol::rdb::opcode;
use smallvec::SmallVec;

use super::Busy;
use super::rdb_writer::{RdbWriter, SavedHistory};
use crate::base::thread;
use crate::config::ids;
use crate::engine::Engine;
use crate::runtime::process::Process;
use crate::store::{Apart, Cut, Slot};

/// Keys that are read from a slot under one lock.
const STEP_KEYS: usize = 32;
/// A step ends behind so many bytes of keys and values. A key that has more by itself is set apart, and written when
/// the slot is free again. A collection of any size is shared with the slot for that, which costs little, and so is a
/// long string as it was set. One that APPEND or SETRANGE has changed is copied, which is quicker than writing it.
const STEP_BYTES: usize = 64 * 1024;

/// The position of the data in the replication stream; implemented by replication.
pub(crate) trait StreamPosition: Send + Sync {
    /// Keeps position and data consistent: while this is held, no part of a primary's stream is applied but not
    /// counted.
    fn hold(&self) -> MutexGuard<'_, ()>;
    /// The position at the cut. `None`: there is no history worth saving.
    fn saved(&self) -> Option<SavedHistory>;
}

/// The consumer of a snapshot.
pub(crate) trait SnapshotJob: Send {
    /// Whether the job writes a file for the user (BGSAVE), rather than feeding replicas.
    fn is_save(&self) -> bool;
    /// Called at the cut, while no command executes.
    fn at_cut(&mut self);
    /// The newest version of a file that all who get the bytes can read. Known from the cut on.
    fn readable(&self) -> u16 {
        opcode::VERSION
    }
    /// The next bytes. An error ends the snapshot.
    ///
    /// # Errors
    /// The bytes could not be stored or sent.
    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()>;
    /// There are no more bytes. With an error, those before are not a complete snapshot. The returned function is
    /// called when the next snapshot may begin: the party that it notifies may request one.
    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce;
}

/// Announces a job's end.
pub(crate) type Announce = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Schedule {
    running: bool,
    running_save: bool,
    /// The running job has made its cut.
    has_cut: bool,
    queue: VecDeque<Box<dyn SnapshotJob>>,
}

/// The jobs of one node, one at a time.
pub(crate) struct Snapshots {
    engine: Arc<Engine>,
    schedule: Mutex<Schedule>,
    position: OnceLock<Weak<dyn StreamPosition>>,
    /// The running job must end. Set and cleared under the schedule's lock, so that it concerns one job only.
    cancel: AtomicBool,
    /// Wakes the running job from an artificial delay (`rdb-key-save-delay`).
    cancelled: Condvar,
    /// Keys passed on by the running job.
    pub keys_processed: AtomicU64,
    /// Keys that the running job has to pass on in all.
    pub keys_total: AtomicU64,
}

impl Snapshots {
    pub(crate) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            schedule: Mutex::default(),
            position: OnceLock::new(),
            cancel: AtomicBool::new(false),
            cancelled: Condvar::new(),
            keys_processed: AtomicU64::new(0),
            keys_total: AtomicU64::new(0),
        })
    }

    /// Plugs in replication.
    pub(crate) fn set_position(&self, position: Weak<dyn StreamPosition>) {
        assert!(self.position.set(position).is_ok(), "a node is wired once");
    }

    /// Whether a job runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.schedule.lock().running
    }

    /// Starts a job, or queues it behind the ones before it.
    pub(crate) fn submit(self: &Arc<Self>, job: Box<dyn SnapshotJob>) {
        let mut schedule = self.schedule.lock();
        if schedule.running {
            schedule.queue.push_back(job);
            return;
        }
        self.begin(&mut schedule, Some(&*job));
        drop(schedule);
        self.start(job);
    }

    /// Starts a job unless another one runs; `first` is called before it begins.
    ///
    /// # Errors
    /// [`Busy`]; the job is dropped.
    pub(crate) fn try_submit(self: &Arc<Self>, job: Box<dyn SnapshotJob>, first: impl FnOnce()) -> Result<(), Busy> {
        let mut schedule = self.schedule.lock();
        if schedule.running {
            return Err(Busy);
        }
        first();
        self.begin(&mut schedule, Some(&*job));
        drop(schedule);
        self.start(job);
        Ok(())
    }

    /// Notes which job runs from now on.
    fn begin(&self, schedule: &mut Schedule, job: Option<&dyn SnapshotJob>) {
        schedule.running = job.is_some();
        schedule.running_save = job.is_some_and(SnapshotJob::is_save);
        schedule.has_cut = false;
        self.cancel.store(false, Ordering::Relaxed);
    }

    fn start(self: &Arc<Self>, job: Box<dyn SnapshotJob>) {
        let this = self.clone();
        // The job is behind a lock that the thread empties, so that it can be notified if no thread can be started.
        let cell = Arc::new(Mutex::new(Some(job)));
        let mine = cell.clone();
        let ticket = self.engine.state.tasks.enter();
        let spawned = thread::spawn("snapshot", move || {
            let mut next = mine.lock().take();
            while let Some(job) = next {
                let announce = this.run(job);
                next = this.next_job();
                announce();
            }
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
            drop((this, mine));
            drop(ticket);
        });
        if let Err(error) = spawned {
            let job = cell.lock().take();
            self.fail_all(job, &error);
        }
    }

    /// No thread could be started: this job and the queued ones fail, since clients may wait for them.
    fn fail_all(&self, job: Option<Box<dyn SnapshotJob>>, error: &io::Error) {
        let waiting = {
            let mut schedule = self.schedule.lock();
            self.begin(&mut schedule, None);
            std::mem::take(&mut schedule.queue)
        };
        for job in job.into_iter().chain(waiting) {
            job.finish(Err(io::Error::new(error.kind(), format!("Can't start a thread to save: {error}"))))();
        }
    }

    fn next_job(&self) -> Option<Box<dyn SnapshotJob>> {
        let mut schedule = self.schedule.lock();
        let next = schedule.queue.pop_front();
        self.begin(&mut schedule, next.as_deref());
        next
    }

    /// Cancels the running job and drops the queued ones (shutdown). Returns at once.
    pub(crate) fn cancel_all(&self) {
        self.cancel_for(None);
    }

    /// Cancels the running job, drops the queued ones, and runs this one next, without any other in between.
    pub(crate) fn submit_instead(self: &Arc<Self>, job: Box<dyn SnapshotJob>) {
        if let Some(job) = self.cancel_for(Some(job)) {
            self.submit(job);
        }
    }

    /// Returns `next` if nothing runs.
    fn cancel_for(&self, next: Option<Box<dyn SnapshotJob>>) -> Option<Box<dyn SnapshotJob>> {
        let waiting = {
            let mut schedule = self.schedule.lock();
            if !schedule.running {
                return next;
            }
            self.cancel.store(true, Ordering::Relaxed);
            std::mem::replace(&mut schedule.queue, next.into_iter().collect())
        };
        self.cancelled.notify_all();
        for job in waiting {
            job.finish(Err(cancelled()))();
        }
        None
    }

    /// Cancels the running job if it is a save that has made its cut. Under the barrier, where no cut is made.
    pub(super) fn cancel_save_in_progress(&self) {
        let schedule = self.schedule.lock();
        if schedule.running_save && schedule.has_cut {
            self.cancel.store(true, Ordering::Relaxed);
            drop(schedule);
            self.cancelled.notify_all();
        }
    }

    /// The present position of the data in the replication stream, if there is a history worth saving.
    pub(super) fn position(&self) -> Option<SavedHistory> {
        self.position.get().and_then(Weak::upgrade)?.saved()
    }

    /// Checked by a job before it waits.
    ///
    /// # Errors
    /// The running job must end.
    pub(crate) fn is_cancelled(&self) -> io::Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(cancelled());
        }
        Ok(())
    }

    /// Waits while the node is paused.
    ///
    /// # Errors
    /// The job must end: it is cancelled, or the node was killed, and writes nothing more.
    fn may_go_on(&self) -> io::Result<()> {
        self.is_cancelled()?;
        if self.engine.state.tasks.wait_turn() { Ok(()) } else { Err(cancelled()) }
    }

    /// Waits, unless the job is cancelled meanwhile.
    fn delay(&self, time: Duration) {
        let mut schedule = self.schedule.lock();
        if !self.cancel.load(Ordering::Relaxed) {
            // If it wakes up early, it only saves a little faster.
            self.cancelled.wait_for(&mut schedule, time);
        }
    }

    fn run(&self, mut job: Box<dyn SnapshotJob>) -> Announce {
        let result = self.produce(&mut *job);
        job.finish(result)
    }

    fn produce(&self, job: &mut dyn SnapshotJob) -> io::Result<()> {
        let config = &self.engine.config;
        let mut out = RdbWriter::new(config.bool(ids::RDBCOMPRESSION), config.bool(ids::RDBCHECKSUM));
        self.is_cancelled()?;
        let (cut, sizes) = self.cut(job, &mut out)?;
        self.keys_processed.store(0, Ordering::Relaxed);
        self.keys_total.store(sizes.iter().map(|(keys, _)| *keys as u64).sum(), Ordering::Relaxed);
        let result = self.write_all(job, &mut out, &cut, &sizes);
        if result.is_err() {
            // The states that the store kept for this job are no longer needed.
            self.discard(&cut);
            return result;
        }
        job.chunk(out.finish())
    }

    /// Makes the cut. Returns it with the numbers of keys and of expiring keys of each database.
    ///
    /// # Errors
    /// A data set is being loaded: a partial one must not be saved.
    fn cut(&self, job: &mut dyn SnapshotJob, out: &mut RdbWriter) -> io::Result<(Cut, Vec<(usize, usize)>)> {
        let engine = &self.engine;
        let position = self.position.get().and_then(Weak::upgrade);
        let _held = position.as_ref().map(|position| position.hold());
        let mut pass = engine.barrier.enter(engine.snapshot_gate());
        pass.exclusive(|_| {
            if engine.state.loading.load(Ordering::Relaxed) {
                return Err(io::Error::other("the data set is being loaded"));
            }
            let keyspace = &engine.keyspace;
            let cut = keyspace.cut();
            self.schedule.lock().has_cut = true;
            let sizes = (0..keyspace.databases()).map(|db| (keyspace.len(db), keyspace.expires_len(db))).collect();
            job.at_cut();
            let history = position.as_ref().and_then(|position| position.saved());
            let timed = (0..keyspace.databases()).any(|db| keyspace.timed_len(db) != 0);
            let format = if timed { opcode::NEWEST_VERSION } else { job.readable() };
            let version = engine.config.string(ids::SERVER_VERSION_ANNOUNCED);
            out.header(format, &version, engine.clock.now_ms() / 1000, Process::memory().resident, history.as_ref());
            out.functions(&engine.scripts.functions.current());
            Ok((cut, sizes))
        })
    }

    fn write_all(
        &self,
        job: &mut dyn SnapshotJob,
        out: &mut RdbWriter,
        cut: &Cut,
        sizes: &[(usize, usize)],
    ) -> io::Result<()> {
        let engine = &self.engine;
        let delay = engine.config.int(ids::RDB_KEY_SAVE_DELAY);
        for (db, &(keys, expiring)) in sizes.iter().enumerate() {
            if keys == 0 {
                continue;
            }
            out.database(db, keys, expiring);
            for slot in engine.keyspace.cut_slots(cut, db) {
                loop {
                    let step = {
                        let _pass = engine.barrier.enter(engine.snapshot_gate());
                        read_step(&mut engine.keyspace.lock_cut(cut, db, slot), out)
                    };
                    let Step { keys: written, large, done } = step;
                    // What writers change meanwhile is copied, until it is written and dropped.
                    for entry in large {
                        out.entry_by(entry, |bytes| self.may_go_on().and_then(|()| job.chunk(bytes)))?;
                    }
                    self.keys_processed.fetch_add(written, Ordering::Relaxed);
                    self.may_go_on()?;
                    if delay > 0 {
                        self.delay(Duration::from_micros((delay as u64).saturating_mul(written)));
                    }
                    if out.is_full() {
                        job.chunk(out.take())?;
                    }
                    if done {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn discard(&self, cut: &Cut) {
        let keyspace = &self.engine.keyspace;
        for db in 0..keyspace.databases() {
            for slot in keyspace.cut_slots(cut, db) {
                while !keyspace.lock_cut(cut, db, slot).snapshot_step(STEP_KEYS, |_| ()) {}
            }
        }
    }
}

/// What was read of a slot under one lock.
struct Step {
    keys: u64,
    /// Those of them that are still to be written: mostly the last one, but all keys of one tag are read together.
    large: SmallVec<[Apart; 1]>,
    /// There are no others in the slot.
    done: bool,
}

/// Reads the next keys of a slot, and writes those that are small.
fn read_step(slot: &mut Slot, out: &mut RdbWriter) -> Step {
    let (mut keys, mut bytes, mut large, mut done) = (0, 0, SmallVec::new(), false);
    for _ in 0..STEP_KEYS {
        done = slot.snapshot_step(1, |entry| {
            let size = entry.as_ref().memory();
            (keys, bytes) = (keys + 1, bytes + size);
            if size > STEP_BYTES { large.push(entry.set_apart()) } else { out.entry(entry.as_ref()) }
        });
        if done || bytes >= STEP_BYTES {
            break;
        }
    }
    Step { keys, large, done }
}

/// The error of a cancelled job.
fn cancelled() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "cancelled")
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
