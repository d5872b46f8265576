//! The threads of a process: workers that run connections, and one control thread for everything that must never wait
//! for them.
//!
//! Each worker is a single-threaded runtime. A connection is handed to the least loaded worker, or to the one that
//! serves the first few of its node, and stays there: a command runs to completion on the thread that read it, without
//! hops or work stealing. The link to a node's primary is on a worker too, because it runs commands. The cluster bus,
//! the links to replicas and cron run on the control thread, so a long command never makes peers believe that the node
//! is dead. Several nodes of one process share these threads; dropping [`Threads`] stops them. What a node spawns goes
//! through [`Threads::of_group`], so that it can be held and ended without touching the other nodes
//! ([`super::task_group`]).
//!
//! Freed memory goes back to the system. Once a second the control thread compares the memory in use with its recent
//! maximum; when much has been freed, every thread returns its own free memory ([`crate::base::allocator`]). Returning
//! it is cheap only then: under a load that frees and allocates the same amounts there is nothing to return.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::descriptors::Descriptors;
use super::share::ProcessMemory;
use crate::base::allocator;
use crate::base::thread;
use crate::script::VmPool;

use super::task_group::TaskGroup;

/// Size of a worker's read buffer, bytes.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// How often the control thread looks at the memory in use.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Freed memory is returned if it is at least so many bytes.
const WORTH_BYTES: u64 = 4 * 1024 * 1024;
/// And if it is at least this fraction of what was in use: the larger the heap, the longer it takes to search.
const WORTH_PART: u64 = 32;
/// Also after growth by this fraction of what was in use. That is rare: a growing heap is searched only a few times in
/// all.
const WORTH_GROWTH: u64 = 4;

/// How many threads, at most, read files for the tasks of one thread; below, how long they stay when idle.
const DISK_THREADS: usize = 4;
const DISK_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Buffers that all connections of one worker share: an idle connection holds none.
pub(crate) struct Shared {
    pub input: RefCell<Vec<u8>>,
    pub output: RefCell<Vec<u8>>,
    /// The machines that run scripts.
    pub vms: Rc<VmPool>,
    /// How many long commands this thread runs bit by bit.
    long: Arc<AtomicUsize>,
}

impl Shared {
    fn new(flushes: watch::Sender<()>, long: Arc<AtomicUsize>) -> Rc<Self> {
        let tell = move || {
            // There are no receivers only at the very end.
            let _ = flushes.send(());
        };
        Rc::new(Self {
            input: RefCell::new(vec![0; READ_BUFFER]),
            output: RefCell::new(Vec::with_capacity(READ_BUFFER)),
            vms: Rc::new(VmPool::new(tell)),
            long,
        })
    }

    /// Notes that a connection of this thread runs a long command, until the result is dropped: new connections are
    /// better off elsewhere ([`Spawner::has_long`]).
    pub(crate) fn begin_long(&self) -> Count {
        Count::one(&self.long)
    }
}

/// A task that is built on the thread that runs it, because it need not be `Send`.
type Job = Box<dyn FnOnce(&Rc<Shared>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Sends tasks to one thread.
#[derive(Clone)]
pub(crate) struct Spawner {
    jobs: mpsc::UnboundedSender<Job>,
    load: Arc<AtomicUsize>,
    /// How many long commands the thread runs.
    long: Arc<AtomicUsize>,
    /// The group that the tasks belong to, if any.
    group: Option<Arc<TaskGroup>>,
}

impl Spawner {
    /// Runs the future that `make` builds on this thread. After the thread has stopped, this does nothing.
    pub(crate) fn spawn<F, T>(&self, make: F)
    where
        F: FnOnce(&Rc<Shared>) -> T + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        let count = Count::one(&self.load);
        let ticket = self.group.as_ref().map(TaskGroup::enter);
        self.send(Box::new(move |shared| {
            let future = make(shared);
            Box::pin(async move {
                let _count = count;
                match ticket {
                    Some(ticket) => ticket.run(future).await,
                    None => future.await,
                }
            })
        }));
    }

    /// Runs a task of the threads themselves, which belongs to no node and does not count as load.
    fn spawn_own<T>(&self, task: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.send(Box::new(move |_| Box::pin(task)));
    }

    fn send(&self, job: Job) {
        // The receiver is gone only while the process stops; the task is not needed then.
        let _ = self.jobs.send(job);
    }

    fn of_group(&self, group: &Arc<TaskGroup>) -> Self {
        Self { group: Some(group.clone()), ..self.clone() }
    }

    /// Whether a connection of this thread runs a long command: a script that was suspended.
    pub(crate) fn has_long(&self) -> bool {
        self.long.load(Ordering::Relaxed) != 0
    }

    /// How many tasks run on this thread, not counting those of the threads themselves. Zero if there is no node.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }
}

/// One of something that is counted while this lives.
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    fn one(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter.clone())
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All threads of a process.
pub(crate) struct Threads {
    workers: Vec<Spawner>,
    control: Spawner,
    handles: Vec<JoinHandle<()>>,
    /// File descriptors, which the nodes of the process share.
    descriptors: Arc<Descriptors>,
    /// Memory, which is attributed to the nodes.
    memory: Arc<ProcessMemory>,
    /// Changes when memory is to be returned.
    give_back: watch::Receiver<()>,
}

impl Threads {
    /// Starts `workers` workers and the control thread.
    ///
    /// # Errors
    /// If the system refuses a thread or a runtime.
    pub(crate) fn start(workers: usize) -> std::io::Result<Self> {
        let mut handles = Vec::new();
        let mut spawners = Vec::new();
        let (flushes, flushed) = watch::channel(());
        for index in 0..workers.max(1) {
            let (spawner, handle) = start_thread(&format!("worker-{index}"), flushes.clone())?;
            let flushed = flushed.clone();
            spawner.send(Box::new(move |shared| Box::pin(forget_scripts(shared.vms.clone(), flushed))));
            spawners.push(spawner);
            handles.push(handle);
        }
        let (control, handle) = start_thread("control", flushes)?;
        handles.push(handle);
        let (tell, give_back) = watch::channel(());
        control.spawn_own(watch_memory(tell));
        for thread in spawners.iter().chain([&control]) {
            let give_back = give_back.clone();
            thread.spawn_own(async move { match give_back_here(give_back).await {} });
        }
        Ok(Self { workers: spawners, control, handles, descriptors: Arc::default(), memory: Arc::default(), give_back })
    }

    /// The file descriptors of the process.
    pub(crate) fn descriptors(&self) -> &Arc<Descriptors> {
        &self.descriptors
    }

    /// The memory of the process.
    pub(crate) fn memory(&self) -> &Arc<ProcessMemory> {
        &self.memory
    }

    /// Returns the calling thread's free memory whenever the other threads do so. For a thread that has loaded data and
    /// then only waits. Never ends.
    pub(crate) fn give_back_memory(&self) -> impl Future<Output = Infallible> + use<> {
        give_back_here(self.give_back.clone())
    }

    /// The same threads, for the tasks of this group. This does not prolong their life.
    pub(crate) fn of_group(&self, group: &Arc<TaskGroup>) -> Arc<Self> {
        let workers = self.workers.iter().map(|worker| worker.of_group(group)).collect();
        let control = self.control.of_group(group);
        let (descriptors, memory) = (self.descriptors.clone(), self.memory.clone());
        let give_back = self.give_back.clone();
        Arc::new(Self { workers, control, handles: Vec::new(), descriptors, memory, give_back })
    }

    /// Waits until every thread has finished its current turn. Must not be called on one of these threads.
    pub(crate) fn settle(&self) {
        let (told, done) = std::sync::mpsc::channel();
        for spawner in self.workers.iter().chain([&self.control]) {
            let told = told.clone();
            spawner.spawn_own(async move {
                // The receiver waits below.
                let _ = told.send(());
            });
        }
        drop(told);
        // Ends when every sender is gone, whether its task ran or its thread has stopped.
        while done.recv().is_ok() {}
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The worker with this number.
    pub(crate) fn worker(&self, index: usize) -> &Spawner {
        &self.workers[index]
    }

    /// The worker with the fewest tasks, and its number; one with a long command only if they all have some.
    pub(crate) fn least_loaded(&self) -> (usize, &Spawner) {
        let (index, spawner) = self
            .workers
            .iter()
            .enumerate()
            .min_by_key(|(_, spawner)| (spawner.has_long(), spawner.load()))
            .expect("there is at least one worker");
        (index, spawner)
    }

    /// The control thread.
    pub(crate) fn control(&self) -> &Spawner {
        &self.control
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.workers.clear();
        let (jobs, _) = mpsc::unbounded_channel();
        self.control = Spawner { jobs, load: Arc::default(), long: Arc::default(), group: None };
        for handle in self.handles.drain(..) {
            // A thread that panicked has already reported it; there is nothing left to stop.
            if handle.thread().id() != std::thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

/// Has memory returned when much less is in use than before; and when much more is, since a growing heap leaves smaller
/// blocks behind.
async fn watch_memory(tell: watch::Sender<()>) {
    let mut ticks = tokio::time::interval(LOOK_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The most that was in use since memory was given back.
    let mut most = 0;
    let mut last = allocator::used();
    loop {
        ticks.tick().await;
        let used = allocator::used();
        // Memory that came and went since the last look counts as well.
        most = most.max(allocator::take_most()).max(used);
        let fell = most - used >= WORTH_BYTES.max(most / WORTH_PART);
        let grew = used.saturating_sub(last) >= WORTH_BYTES.max(last / WORTH_GROWTH);
        if fell || grew {
            (most, last) = (used, used);
            // There are no receivers only at the very end.
            let _ = tell.send(());
        }
    }
}

/// Returns this thread's free memory whenever it is told to.
async fn give_back_here(mut told: watch::Receiver<()>) -> Infallible {
    while told.changed().await.is_ok() {
        allocator::collect();
    }
    // The threads have stopped.
    std::future::pending().await
}

/// Has the machines of this thread forget their compiled scripts when a node of the process flushes its scripts.
async fn forget_scripts(vms: Rc<VmPool>, mut flushed: watch::Receiver<()>) {
    while flushed.changed().await.is_ok() {
        vms.forget_compiled();
    }
}

fn start_thread(name: &str, flushes: watch::Sender<()>) -> std::io::Result<(Spawner, JoinHandle<()>)> {
    let (jobs, mut inbox) = mpsc::unbounded_channel::<Job>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("disk")
        .max_blocking_threads(DISK_THREADS)
        .thread_keep_alive(DISK_KEEP_ALIVE)
        .on_thread_stop(allocator::tell_rest)
        .build()?;
    let long = Arc::new(AtomicUsize::new(0));
    let shown = long.clone();
    let handle = thread::spawn(name, move || {
        let local = tokio::task::LocalSet::new();
        let shared = Shared::new(flushes, long);
        local.block_on(&runtime, async move {
            // Ends when every spawner is gone; tasks that still run are dropped with the LocalSet.
            while let Some(job) = inbox.recv().await {
                tokio::task::spawn_local(job(&shared));
            }
        });
    })?;
    Ok((Spawner { jobs, load: Arc::default(), long: shown, group: None }, handle))
}
