//! What a change of the cluster leaves to be done with the data: it has to wait for commands, and a thread of its own does.
//!
//! The keys of slots that went to another shard are deleted, whoever reads or waits in slots that moved is told, and a manual failover hears
//! that no write is under way any more. All of that waits for slots or for the barrier; whoever performs the core's effects must not,
//! since it may be the control thread and holds the core's lock.
//!
//! What is due is a set and no queue: however often something comes up while a long command runs, it takes no more room, and is done once. The
//! order between the parts does not matter: each looks at the view as it is when its turn comes, and the view was published before
//! anything was noted here. The thread exists as long as there is something to do.

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::slot::{SlotBitmap, SlotId};

use super::driver::Cluster;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Another shard owns these slots: their keys go.
    pub(super) lost: SlotBitmap,
    /// These slots changed hands: whoever tracks keys of them, or is blocked on one, has to know.
    pub(super) moved: SlotBitmap,
    /// The cluster is down: nobody may go on waiting here.
    pub(super) state_lost: bool,
    /// Writes are held back: the core waits to hear that none is under way.
    pub(super) writes_paused: bool,
}

impl Due {
    fn is_empty(&self) -> bool {
        !self.is_urgent() && self.lost.is_empty()
    }

    /// Somebody waits for it.
    fn is_urgent(&self) -> bool {
        self.writes_paused || self.state_lost || !self.moved.is_empty()
    }
}

/// The work of one node that waits for its thread.
#[derive(Debug, Default)]
pub(super) struct Background(Mutex<Work>);

#[derive(Debug, Default)]
struct Work {
    /// Mostly there is nothing, and it takes no room.
    due: Option<Box<Due>>,
    running: bool,
}

impl Cluster {
    /// Notes something to be done in the background.
    pub(super) fn in_background(self: &Arc<Self>, note: impl FnOnce(&mut Due)) {
        note(self.background.0.lock().due.get_or_insert_default());
        self.start_background();
    }

    /// Has done what is due, unless that is under way.
    pub(super) fn start_background(self: &Arc<Self>) {
        let mut work = self.background.0.lock();
        if work.running || work.due.is_none() {
            return;
        }
        let (this, ticket) = (self.clone(), self.engine.state.tasks.enter());
        let spawned = std::thread::Builder::new().name("slots".to_owned()).spawn(move || {
            while let Some(due) = this.next_due() {
                this.carry_out(*due);
            }
            // What the thread held of the node goes before its ticket.
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
            // After it, whoever was under way is done or parked, and whoever comes sees the new view and the pause.
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

    /// Deletes the keys of a slot that another shard owns now, and tells the replicas.
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
