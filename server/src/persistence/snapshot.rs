//! Producing a snapshot: the cut, and then all keys in their state at the cut, as the bytes of an RDB file.
//!
//! A job runs on a thread of its own beside the commands. It takes the barrier once, for the cut; after that it locks one slot at a
//! time for a short step, and what writers change meanwhile, the store keeps for it. So nothing is forked and nobody waits. The
//! consumer ([`SnapshotJob`]) decides what becomes of the bytes: a file, or the sockets of replicas.
//!
//! The store knows one cut at a time, so [`Snapshots`] runs one job. Who asks for a save while one runs is refused, as by Redis; what may
//! not be refused queues: at most one full sync, one DEBUG RELOAD and the last save of the node.
//!
//! Lock order: the hold of the stream's position ([`StreamPosition::hold`]), then the barrier, then whatever the consumer locks.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::Busy;
use super::rdb_writer::{RdbWriter, SavedHistory};
use crate::config::ids;
use crate::engine::Engine;
use crate::store::Cut;

/// Keys that are taken from a slot under one lock.
const STEP_KEYS: usize = 32;
/// Bytes that are handed on at once.
const CHUNK: usize = 64 * 1024;

/// Where the data stands in the replication stream; replication implements it.
pub(crate) trait StreamPosition: Send + Sync {
    /// Keeps the position and the data together: while it is held, no part of a primary's stream is applied but not counted.
    fn hold(&self) -> MutexGuard<'_, ()>;
    /// The position, asked for at the cut. `None`: there is no history worth saving.
    fn saved(&self) -> Option<SavedHistory>;
}

/// What is made of a snapshot.
pub(crate) trait SnapshotJob: Send {
    /// Whether the job writes a file for the user (BGSAVE), rather than feeding replicas.
    fn is_save(&self) -> bool;
    /// The cut is made: nothing executes in this moment.
    fn at_cut(&mut self);
    /// The next bytes. An error ends the snapshot.
    ///
    /// # Errors
    /// Whatever keeps the bytes from their place.
    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()>;
    /// No more bytes come. With an error, those that came are not a snapshot. What it returns is called when the next snapshot may begin:
    /// whoever is told of the end may ask for one.
    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce;
}

/// Tells of a job's end.
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
    /// The running job is to end. Set and cleared under the schedule's lock, so that it is meant for one job.
    cancel: AtomicBool,
    /// Wakes the running job from a pause that it makes (`rdb-key-save-delay`).
    cancelled: Condvar,
    /// Keys handed out by the running job.
    pub keys_processed: AtomicU64,
    /// Keys that the running job has to hand out.
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

    /// Starts a job, or keeps it until the ones before it are done.
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
        // The job is behind a lock that the thread empties, so that it can be told if there is no thread.
        let cell = Arc::new(Mutex::new(Some(job)));
        let mine = cell.clone();
        let ticket = self.engine.state.tasks.enter();
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let mut next = mine.lock().take();
            while let Some(job) = next {
                let announce = this.run(job);
                next = this.next_job();
                announce();
            }
            // What the thread held of the node goes before its ticket.
            drop((this, mine));
            drop(ticket);
        });
        if let Err(error) = spawned {
            let job = cell.lock().take();
            self.fail_all(job, &error);
        }
    }

    /// There is no thread: this job and those behind it come to nothing, for whoever asked for them waits.
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

    /// Ends the running job and forgets the waiting ones (shutdown). Returns at once.
    pub(crate) fn cancel_all(&self) {
        self.cancel_for(None);
    }

    /// Ends the running job, forgets the waiting ones, and has this one run next: nothing can come between.
    pub(crate) fn submit_instead(self: &Arc<Self>, job: Box<dyn SnapshotJob>) {
        if let Some(job) = self.cancel_for(Some(job)) {
            self.submit(job);
        }
    }

    /// Gives `next` back if nothing runs.
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

    /// Ends the running job if it is a save that has made its cut. Under the barrier, where no cut is made.
    pub(super) fn cancel_save_in_progress(&self) {
        let schedule = self.schedule.lock();
        if schedule.running_save && schedule.has_cut {
            self.cancel.store(true, Ordering::Relaxed);
            drop(schedule);
            self.cancelled.notify_all();
        }
    }

    /// Where the data stands now in the replication stream, if there is a history worth saving.
    pub(super) fn position(&self) -> Option<SavedHistory> {
        self.position.get().and_then(Weak::upgrade)?.saved()
    }

    /// Asked by a job that has to wait for something.
    ///
    /// # Errors
    /// The running job is to end.
    pub(crate) fn is_cancelled(&self) -> io::Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(cancelled());
        }
        Ok(())
    }

    /// Waits, unless the job is cancelled meanwhile.
    fn delay(&self, time: Duration) {
        let mut schedule = self.schedule.lock();
        if !self.cancel.load(Ordering::Relaxed) {
            // Woken too early, it only saves a little faster.
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
            // States that the store kept for us are of no more use.
            self.discard(&cut);
            return result;
        }
        job.chunk(out.finish())
    }

    /// Makes the cut. Returns it with the numbers of keys and of expiring keys of each database.
    ///
    /// # Errors
    /// A data set is being loaded: half of one is worth nothing.
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
            out.header(engine.clock.now_ms() / 1000, used_memory(), history.as_ref());
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
                    let mut written = 0;
                    let done = {
                        let _pass = engine.barrier.enter(engine.snapshot_gate());
                        engine.keyspace.lock_cut(cut, db, slot).snapshot_step(STEP_KEYS, |entry| {
                            out.entry(entry);
                            written += 1;
                        })
                    };
                    self.keys_processed.fetch_add(written, Ordering::Relaxed);
                    self.is_cancelled()?;
                    // A node that was killed writes nothing more, one that is paused goes on later.
                    if !engine.state.tasks.wait_turn() {
                        return Err(cancelled());
                    }
                    if delay > 0 {
                        self.delay(Duration::from_micros((delay as u64).saturating_mul(written)));
                    }
                    if out.pending() >= CHUNK {
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

/// Somebody wanted the job to end.
fn cancelled() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "cancelled")
}

/// Resident memory of the process in bytes, for the file's `used-mem`; 0 where it cannot be known.
pub(crate) fn used_memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.and_then(|text| text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    resident.unwrap_or(0) * 4096
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
