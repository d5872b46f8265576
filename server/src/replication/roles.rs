//! Changes of role, one at a time and in the order in which they were requested.
//!
//! A change needs the barrier, so that every write is either in the stream or refused, and it needs `applying`, so that
//! a link applies nothing for the old role afterwards. The caller may hold a gate, the cluster's lock or both; so a
//! change is only noted, and a thread that holds nothing carries it out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::core::{self, Core, Following, LinkPhase, Transfer};
use super::follow::Target;
use super::{Replication, follow};
use crate::base::thread;
use crate::command::error;
use crate::logging::Role;

/// For how long a change waits for suspended scripts before they are ended, microseconds.
const SCRIPTS_PATIENCE_US: u64 = 1_000_000;
/// How often it looks.
const SCRIPTS_LOOK: Duration = Duration::from_millis(10);

/// A change of role.
#[derive(Clone, Debug)]
pub(super) enum RoleChange {
    Follow {
        host: String,
        port: u16,
    },
    Promote,
    /// Follow a replica of ours, which is told to take over.
    HandOver {
        host: String,
        port: u16,
        /// Also if it does not have all that was written.
        force: bool,
    },
}

#[derive(Default)]
struct Queue {
    running: bool,
    waiting: VecDeque<(RoleChange, Option<oneshot::Sender<()>>)>,
    /// The primary after the last requested change; `None`: all changes have been made.
    target: Option<Option<(String, u16)>>,
}

/// Changes that wait for their turn.
#[derive(Default)]
pub(super) struct Roles {
    queue: Mutex<Queue>,
    /// Notified when all changes have been made.
    settled: Condvar,
}

/// Work that remains for after the barrier.
#[derive(Default)]
struct After {
    link: Option<Target>,
    unblock: bool,
    /// The node that is to take over does not have everything yet.
    is_behind: bool,
}

/// Whether a replica of ours has everything that was written.
fn has_all(core: &Core, host: &str, port: u16) -> bool {
    let target = (host.to_owned(), port);
    core.online().any(|replica| core::is_at(replica, &target) && replica.ack >= core.history.offset)
}

impl Replication {
    /// Notes a change of role and has it carried out. `done` is told when it is made.
    pub(super) fn request(&self, change: RoleChange, done: Option<oneshot::Sender<()>>) {
        let target = match &change {
            RoleChange::Follow { host, port } | RoleChange::HandOver { host, port, .. } => Some((host.clone(), *port)),
            RoleChange::Promote => None,
        };
        let mut queue = self.roles.queue.lock();
        queue.waiting.push_back((change, done));
        queue.target = Some(target);
        drop(queue);
        self.make_changes();
    }

    /// Starts a thread that carries out the noted changes, unless there is one.
    pub(super) fn make_changes(&self) {
        let mut queue = self.roles.queue.lock();
        if queue.running || queue.waiting.is_empty() {
            return;
        }
        let Some(this) = self.me.upgrade() else { return };
        let ticket = self.engine.state.tasks.enter();
        let spawned = thread::spawn("role", move || {
            this.run_changes();
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
            drop(this);
            drop(ticket);
        });
        match spawned {
            Ok(_) => queue.running = true,
            // The periodic work tries again.
            Err(error) => self.engine.log.warning(format_args!("Can't start a thread to change the role: {error}")),
        }
    }

    /// Whether a change waits or is being made.
    pub(super) fn is_changing(&self) -> bool {
        let queue = self.roles.queue.lock();
        queue.running || !queue.waiting.is_empty()
    }

    /// The primary once all requested changes have been made.
    pub(super) fn intended(&self) -> Option<(String, u16)> {
        let target = self.roles.queue.lock().target.clone();
        target.unwrap_or_else(|| {
            self.core.lock().following.as_ref().map(|following| (following.host.clone(), following.port))
        })
    }

    /// Waits until every requested change has been made. The caller must hold nothing that a change needs: used at
    /// start, when a node that is a replica must not appear as a primary.
    pub(crate) fn wait_for_role(&self) {
        let mut queue = self.roles.queue.lock();
        self.roles.settled.wait_while(&mut queue, |queue| queue.running);
    }

    fn run_changes(self: &Arc<Self>) {
        loop {
            // A node that has ended changes its role no more; the requester is gone with it.
            let alive = self.engine.state.tasks.wait_turn();
            let next = {
                let mut queue = self.roles.queue.lock();
                let next = if alive { queue.waiting.pop_front() } else { None };
                queue.running = next.is_some();
                if next.is_none() && queue.waiting.is_empty() {
                    queue.target = None;
                }
                next
            };
            let Some((change, done)) = next else {
                self.roles.settled.notify_all();
                return;
            };
            self.carry_out(change);
            if let Some(done) = done {
                // The requester may be gone.
                let _ = done.send(());
            }
        }
    }

    fn carry_out(self: &Arc<Self>, change: RoleChange) {
        let engine = &self.engine;
        let after = {
            // First: a sync that waits for a script has the lock.
            if !matches!(change, RoleChange::HandOver { .. }) {
                self.make_scripts_give_way();
            }
            let _held = self.applying.lock();
            let mut pass = engine.barrier.enter(engine.loader_gate());
            pass.exclusive(|_| {
                engine.scripts.give_way(false);
                let mut core = self.core.lock();
                let after = match change {
                    RoleChange::Follow { host, port } => self.begin_following(&mut core, host, port, false),
                    // A long command may have written since the target was chosen.
                    RoleChange::HandOver { host, port, force } if !force && !has_all(&core, &host, port) => {
                        After { is_behind: true, ..After::default() }
                    }
                    RoleChange::HandOver { host, port, .. } => self.begin_following(&mut core, host, port, true),
                    RoleChange::Promote => {
                        self.become_primary(&mut core);
                        After::default()
                    }
                };
                self.publish(&core);
                after
            })
        };
        if after.is_behind {
            self.wait_for_target();
        }
        if after.unblock {
            engine.dismiss_blocked(&error::UNBLOCKED_ROLE);
        }
        if let Some(target) = after.link {
            follow::start(self, target);
        }
    }

    /// Nobody is alone while a script is suspended, and it may loop. On a replica that is to be a primary it has
    /// written nothing; on a primary that is to be a replica it has written what is going to be dropped.
    fn make_scripts_give_way(&self) {
        let engine = &self.engine;
        let until = engine.clock.monotonic_us() + SCRIPTS_PATIENCE_US;
        while engine.barrier.has_suspended() && engine.clock.monotonic_us() < until {
            std::thread::sleep(SCRIPTS_LOOK);
        }
        // Also those that are suspended from now on, until the node has its new role.
        engine.scripts.give_way(true);
    }

    fn begin_following(&self, core: &mut Core, host: String, port: u16, failover: bool) -> After {
        if core.following.as_ref().is_some_and(|old| old.host == host && old.port == port) {
            return After::default();
        }
        let was_primary = core.following.is_none();
        let mut after = After { unblock: was_primary, ..After::default() };
        // Whoever continues this history continues it in the database in which we left it.
        let db = core.following.as_ref().map_or(core.former_db, |old| old.db);
        let resume = match core.following.take() {
            Some(old) => {
                old.stop.notify_one();
                old.resume
            }
            None => {
                self.engine.log.notice(format_args!("Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer."));
                // Without a stream, writes were not counted, so the offset is meaningless.
                if core.open_stream() {
                    false
                } else {
                    core.history.unshift();
                    true
                }
            }
        };
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        let stop = Arc::new(Notify::new());
        self.engine.log.notice(format_args!("Connecting to MASTER {host}:{port}"));
        after.link = Some(Target { host: host.clone(), port, generation, stop: stop.clone() });
        core.following = Some(Following {
            host,
            port,
            phase: LinkPhase::Connect,
            resume,
            db,
            synced: false,
            down_since_ms: None,
            transfer: Transfer::default(),
            stop,
            failover,
        });
        self.last_io_ms.store(0, Ordering::Relaxed);
        let state = &self.engine.state;
        state.primary_link_up.store(false, Ordering::SeqCst);
        state.replica.store(true, Ordering::SeqCst);
        self.engine.log.set_role(Role::Replica);
        after
    }

    fn become_primary(&self, core: &mut Core) {
        let Some(old) = core.following.take() else { return };
        core.former_db = old.db;
        // The id is shifted before the old link is taken down, so that no replica can ask in between.
        let before = core.history.id;
        let id = self.new_id();
        core.history.shift(id);
        self.generation.fetch_add(1, Ordering::SeqCst);
        old.stop.notify_one();
        let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        self.engine.log.warning(format_args!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            text(&before),
            core.history.former_offset(),
            text(&core.history.id)
        ));
        self.disconnect_replicas(core);
        core.selected = None;
        core.no_replicas_since_ms = self.now();
        let state = &self.engine.state;
        state.primary_link_up.store(false, Ordering::SeqCst);
        state.replica.store(false, Ordering::SeqCst);
        self.engine.log.set_role(Role::Primary);
    }

    /// Closes the links of all replicas: they reconnect at once and learn the new id.
    pub(super) fn disconnect_replicas(&self, core: &Core) {
        for replica in core.replicas.values() {
            replica.handle.kill();
        }
    }
}
