//! Work on the data that follows from a change of the cluster and has to wait for commands; a separate thread does it.
//!
//! It deletes the keys of slots that went to another shard, notifies clients that track keys of or are blocked on slots
//! that moved, and tells a manual failover when no write is under way any more. All of that waits for slots or for the
//! barrier. The code that performs the core's effects must not wait, since it may run on the control thread and holds
//! the core's lock.
//!
//! Pending work is a set and not a queue: however often something comes up while a long command runs, it takes no more
//! room and is done once. The order of the parts does not matter: each reads the view when its turn comes, and the view
//! was published before anything was noted here. The thread exists as long as there is work.

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::slot::{SlotBitmap, SlotId};

use super::driver::Cluster;
use crate::base::thread;

/// Pending work.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Another shard owns these slots: their keys must be deleted.
    pub(super) lost: SlotBitmap,
    /// These slots changed owners: clients that track their keys, or are blocked on one, must be notified.
    pub(super) moved: SlotBitmap,
    /// The cluster is down: clients must not stay blocked here.
    pub(super) state_lost: bool,
    /// Writes are paused: the core must be told when none is under way.
    pub(super) writes_paused: bool,
}

impl Due {
    fn is_empty(&self) -> bool {
        !self.is_urgent() && self.lost.is_empty()
    }

    /// Whether a client or the core waits for it.
    fn is_urgent(&self) -> bool {
        self.writes_paused || self.state_lost || !self.moved.is_empty()
    }
}

/// The pending work of one node and its thread.
#[derive(Debug, Default)]
pub(super) struct Background(Mutex<Work>);

#[derive(Debug, Default)]
struct Work {
    /// Boxed: usually there is no work, and then it takes no room.
    due: Option<Box<Due>>,
    running: bool,
}

impl Cluster {
    /// Notes something to be done in the background.
    pub(super) fn in_background(self: &Arc<Self>, note: impl FnOnce(&mut Due)) {
        note(self.background.0.lock().due.get_or_insert_default());
        self.start_background();
    }

    /// Starts a thread for the pending work, unless there is one.
    pub(super) fn start_background(self: &Arc<Self>) {
        let mut work = self.background.0.lock();
        if work.running || work.due.is_none() {
            return;
        }
        let (this, ticket) = (self.clone(), self.engine.state.tasks.enter());
        let spawned = thread::spawn("slots", move || {
            while let Some(due) = this.next_due() {
                this.carry_out(*due);
            }
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
            drop(this);
            drop(ticket);
        });
        match spawned {
            Ok(_) => work.running = true,
            // The timer tries again.
            Err(error) => self.engine.log.warning(format_args!("Can't start a thread for slots that moved: {error}")),
        }
    }

    fn next_due(&self) -> Option<Box<Due>> {
        // A node that has ended does nothing more.
        let alive = self.engine.state.tasks.wait_turn();
        let mut work = self.background.0.lock();
        let due = work.due.take().filter(|due| alive && !due.is_empty());
        work.running = due.is_some();
        due
    }

    fn has_urgent_work(&self) -> bool {
        self.background.0.lock().due.as_ref().is_some_and(|due| due.is_urgent())
    }

    fn carry_out(self: &Arc<Self>, due: Due) {
        let engine = &self.engine;
        if due.is_urgent() {
            // After this, every command that was under way is done or parked, and every later one sees the new view and
            // the pause.
            engine.barrier.enter(engine.background_gate()).exclusive(|_| ());
        }
        if due.writes_paused {
            let offset = self.data.state().offset;
            self.with_core(|core, now| core.handle_writes_paused(offset, now));
        }
        if due.state_lost {
            engine.retry_blocked(&|_| true);
        } else if !due.moved.is_empty() {
            engine.retry_blocked(&|parked| parked.keys.iter().any(|(slot, _)| due.moved.contains(*slot)));
        }
        if !due.moved.is_empty() && engine.tracking.is_on() {
            engine.invalidate_slots(&|slot| due.moved.contains(slot)).for_each(drop);
        }
        let mut left = due.lost.iter();
        while let Some(slot) = left.next() {
            self.drop_keys(slot);
            if self.has_urgent_work() {
                let rest: SlotBitmap = left.collect();
                self.in_background(|due| due.lost.union_with(&rest));
                return;
            }
        }
    }

    /// Deletes the keys of a slot that another shard owns now, and propagates that to the replicas.
    fn drop_keys(&self, slot: SlotId) {
        let engine = &self.engine;
        loop {
            let pass = engine.barrier.enter(engine.background_gate());
            // The slot may have come back since.
            if self.view().owns(slot) || !engine.drop_moved_keys(slot) {
                break;
            }
            drop(pass);
            engine.settle_tracking();
        }
    }
}
