//! All nodes of the process, and what can be done to one of them while the others go on.
//!
//! Ending a node waits for the threads that nodes run on. So orders are carried out by the calling thread of the
//! program, or by a thread made for the order (a client's command, a node that ended by itself), but never by a thread
//! that nodes run on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;

use super::directory::Directory;
use super::events::{self, Event, EventKind};
use super::member::Member;
use super::orders::Seat;
use super::reach::Reach;
use super::{ClusterError, Options, descriptors};
use crate::base::thread;
use crate::cluster::LocalBuses;
use crate::engine::registry::Registry;
use crate::node::{Node, StopSignal, commands};
use crate::runtime::threads::Threads;

/// Wait before trying again to start a thread for a node that has ended by itself.
const THREAD_RETRY: Duration = Duration::from_millis(100);

/// The nodes of the process.
pub(super) struct Process {
    pub(super) members: Vec<Member>,
    pub(super) events: broadcast::Sender<Event>,
    /// The start was cancelled.
    pub(super) cancelled: AtomicBool,
    pub(super) reach: Reach,
    // After the nodes, since it holds their files.
    pub(super) directory: Directory,
    /// How the nodes find each other's buses without sockets.
    buses: Arc<LocalBuses>,
    /// The commands that all nodes know.
    registry: Arc<Registry>,
    // Last: the threads outlive the nodes that run on them.
    pub(super) threads: Arc<Threads>,
}

impl Process {
    /// Empty places for all nodes.
    pub(super) fn new(options: &Options) -> Result<Self, ClusterError> {
        let config = options.config()?;
        options.check(&config)?;
        let reach = Reach::of(&config)?;
        descriptors::make_room(options, reach.addresses)?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Arc::new(Threads::start(workers).map_err(ClusterError::system("starting threads"))?);
        let directory = Directory::open(options.dir.as_deref())?;
        let members = (0..options.nodes()).map(|index| Member::new(options, &reach, directory.path(), index)).collect();
        let (events, _) = broadcast::channel(events::QUEUE);
        let cancelled = AtomicBool::new(false);
        Ok(Self { members, events, cancelled, directory, reach, buses: Arc::default(), registry: commands(), threads })
    }

    /// Starts a node that is down.
    pub(super) fn launch(self: &Arc<Self>, index: usize) -> Result<(), ClusterError> {
        let (node, life) = self.members[index].start(&self.threads, &self.buses, &self.registry)?;
        node.ops().set_neighbours(Arc::new(Seat::new(self, index)));
        self.watch(&node, index, life);
        Ok(())
    }

    /// Ends the node when it requests its own end (SHUTDOWN, a fault).
    fn watch(self: &Arc<Self>, node: &Node, index: usize, life: u64) {
        let mut asked = node.engine().state.watch_stop();
        let process = Arc::downgrade(self);
        self.threads.control().spawn(move |_| async move {
            // An error means that the node was ended in another way.
            let Ok(Some(status)) = asked.wait_for(Option::is_some).await.map(|status| *status) else { return };
            let ended = || {
                let process = process.clone();
                let end = move || {
                    if let Some(process) = process.upgrade() {
                        process.ended(index, life, status);
                    }
                };
                thread::spawn("node-end", end)
            };
            while ended().is_err() {
                tokio::time::sleep(THREAD_RETRY).await;
            }
        });
    }

    fn ended(&self, index: usize, life: u64, status: i32) {
        let _operating = self.members[index].operate();
        if self.members[index].end(Some(life)) {
            self.tell(index, EventKind::Ended { status });
        }
    }

    /// Returns `false` if it did not run.
    pub(super) fn kill(&self, index: usize) -> bool {
        let _operating = self.members[index].operate();
        let ran = self.members[index].end(None);
        if ran {
            self.tell(index, EventKind::Killed);
        }
        ran
    }

    /// Returns `false` if it did not run.
    pub(super) fn stop(&self, index: usize, signal: StopSignal) -> Result<bool, ClusterError> {
        let _operating = self.members[index].operate();
        let ran = self.stop_held(index, signal)?;
        if ran {
            self.tell(index, EventKind::Stopped);
        }
        Ok(ran)
    }

    /// Returns `false` if it did not run.
    fn stop_held(&self, index: usize, signal: StopSignal) -> Result<bool, ClusterError> {
        let Some(node) = self.members[index].node() else { return Ok(false) };
        let was_paused = node.is_paused();
        self.members[index].pause.call_off();
        match shut_down(vec![node], signal)?.as_slice() {
            [true] => Ok(self.members[index].end(None)),
            _ => Err(self.not_stopped(index, was_paused)),
        }
    }

    /// Stops all nodes; each ends only when all have saved and all are halted, so that none takes over from another
    /// meanwhile, or looks for it.
    pub(super) fn stop_all(&self, signal: StopSignal) -> Result<(), ClusterError> {
        let _operating: Vec<_> = self.members.iter().map(Member::operate).collect();
        let (places, nodes): (Vec<(usize, bool)>, Vec<Arc<Node>>) = self
            .members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| member.node().map(|node| ((index, node.is_paused()), node)))
            .unzip();
        self.members.iter().for_each(|member| member.pause.call_off());
        let mut outcome = Ok(());
        let stopped = shut_down(nodes, signal)?;
        for ((index, _), stopped) in places.iter().zip(&stopped) {
            if *stopped {
                self.members[*index].halt();
            }
        }
        for ((index, was_paused), stopped) in places.into_iter().zip(stopped) {
            if !stopped {
                let refusal = self.not_stopped(index, was_paused);
                outcome = outcome.and(Err(refusal));
            } else if self.members[index].end(None) {
                self.tell(index, EventKind::Stopped);
            }
        }
        outcome
    }

    /// A node could not save and goes on. It was resumed in order to be stopped, so that event is sent too.
    fn not_stopped(&self, index: usize, was_paused: bool) -> ClusterError {
        if was_paused {
            self.tell(index, EventKind::Resumed);
        }
        ClusterError::NotStopped(index)
    }

    pub(super) fn restart(self: &Arc<Self>, index: usize) -> Result<(), ClusterError> {
        let member = &self.members[index];
        let _operating = member.operate();
        member.returning.store(true, Ordering::SeqCst);
        let outcome = self.stop_held(index, StopSignal::Terminate).and_then(|_| self.launch(index));
        member.returning.store(false, Ordering::SeqCst);
        match &outcome {
            Ok(()) => self.tell(index, EventKind::Started),
            Err(_) if member.is_gone() => self.tell(index, EventKind::Ended { status: 1 }),
            Err(_) => {}
        }
        outcome
    }

    /// Ends a node as a crash would, and starts it again.
    pub(super) fn recover(self: &Arc<Self>, index: usize) -> Result<(), ClusterError> {
        let member = &self.members[index];
        // A watcher must not conclude that the last node is down.
        member.returning.store(true, Ordering::SeqCst);
        self.kill(index);
        self.restart(index)
    }

    /// Pauses a node, for `time` if given; this replaces an earlier pause.
    pub(super) fn pause(&self, index: usize, time: Option<Duration>) -> Result<(), ClusterError> {
        let member = &self.members[index];
        let _operating = member.operate();
        let node = member.node().ok_or(ClusterError::NodeDown(index))?;
        let tasks = node.engine().state.tasks.clone();
        let number = member.pause.begin(&tasks);
        node.pause();
        self.tell(index, EventKind::Paused);
        if let Some(time) = time {
            let (events, event) = (self.events.clone(), self.event(index, EventKind::Resumed));
            member.pause.end_after(number, time, &self.threads, move || {
                tasks.resume();
                // There may be no listener.
                let _ = events.send(event);
            });
        }
        Ok(())
    }

    pub(super) fn resume(&self, index: usize) -> Result<(), ClusterError> {
        let member = &self.members[index];
        let _operating = member.operate();
        let node = member.node().ok_or(ClusterError::NodeDown(index))?;
        if node.is_paused() {
            member.pause.call_off();
            node.resume();
            self.tell(index, EventKind::Resumed);
        }
        Ok(())
    }

    /// Ends everything at once; nothing can be started afterwards.
    pub(super) fn close(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.members.iter().for_each(Member::halt);
        self.members.iter().for_each(Member::close);
        self.directory.remove();
    }

    fn event(&self, index: usize, kind: EventKind) -> Event {
        let at = self.members[index].address();
        let (id, port) = at.map_or_else(|| (String::new(), 0), |at| (at.id, at.port));
        Event { node: index, address: SocketAddr::new(self.reach.shown, port).to_string(), id, kind }
    }

    fn tell(&self, index: usize, kind: EventKind) {
        // There may be no listener.
        let _ = self.events.send(self.event(index, kind));
    }
}

/// Shuts several nodes down in order, and waits for them, also when called inside a runtime. The primaries are first,
/// all at once: each waits until its replicas have what it has acknowledged, and a replica that shuts down takes no
/// more. Returns for each whether it can end now; one that cannot goes on.
fn shut_down(nodes: Vec<Arc<Node>>, signal: StopSignal) -> Result<Vec<bool>, ClusterError> {
    let shut_down = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tasks = tokio::task::LocalSet::new();
        // A frozen process does not receive SIGTERM, but an orderly stop implies that the node may run for it.
        nodes.iter().for_each(|node| node.resume());
        let replicas: Vec<bool> = nodes.iter().map(|node| node.engine().state.is_replica()).collect();
        let mut stopped = vec![false; nodes.len()];
        for replica in [false, true] {
            let stopping: Vec<_> = (0..nodes.len())
                .filter(|index| replicas[*index] == replica)
                .map(|index| (index, nodes[index].clone()))
                .map(|(index, node)| (index, tasks.spawn_local(async move { node.shutdown(signal).wait().await })))
                .collect();
            tasks.block_on(&runtime, async {
                for (index, node) in stopping {
                    stopped[index] = node.await.unwrap_or(false);
                }
            });
        }
        Ok(stopped)
    };
    let thread = thread::spawn("node-stop", shut_down);
    let outcome = thread.and_then(|thread| thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a panic"))));
    outcome.map_err(ClusterError::system("stopping a node"))
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
