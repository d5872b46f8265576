//! The control thread's hold on a node's data: it may try, and never waits.
//!
//! One thread runs the cluster bus, the replication links and the timers of every node of the process. If it waited for
//! a slot that a long command holds, or for the barrier, peers would take its node, and every other node of the
//! process, for dead. So code on that thread takes slots and gates through [`Tries`], which has no call that waits, and
//! comes back later for what it could not get. Work that cannot do without waiting has a thread of its own.
//! `tests/tidy` checks that the control thread's modules name no call that waits.

use super::Engine;
use crate::base::clock::UnixMillis;
use crate::store::{Keyspace, SlotGuard};
use protocol::slot::SlotId;

use super::barrier::{Barrier, Pass};

/// How often a locked slot is tried at once: most are locked for the length of one command.
const ATTEMPTS: usize = 32;

/// Access to a node's data without waiting.
#[derive(Clone, Copy)]
pub(crate) struct Tries<'a> {
    keyspace: &'a Keyspace,
    barrier: &'a Barrier,
    gate: usize,
}

/// A stay between two barriers.
pub(crate) struct Entered<'a> {
    keyspace: &'a Keyspace,
    _pass: Pass<'a>,
}

impl<'a> Tries<'a> {
    /// Enters, unless a thread is alone at the barrier. Must be dropped soon: a thread that wants to be alone waits for
    /// it.
    pub(crate) fn enter(self) -> Option<Entered<'a>> {
        Some(Entered { keyspace: self.keyspace, _pass: self.barrier.try_enter(self.gate)? })
    }

    /// Number of databases.
    pub(crate) fn databases(self) -> usize {
        self.keyspace.databases()
    }

    /// The slots in which something is expired at `now`, in ascending order from `first`.
    pub(crate) fn due(self, db: usize, first: SlotId, now: UnixMillis) -> impl Iterator<Item = SlotId> + 'a {
        self.keyspace.due(db, first, now)
    }
}

impl<'a> Entered<'a> {
    /// Locks a slot, unless it stays locked for longer than a moment.
    pub(crate) fn slot(&self, db: usize, slot: SlotId) -> Option<SlotGuard<'a>> {
        for attempt in 0..ATTEMPTS {
            if let Some(guard) = self.keyspace.try_lock(db, slot) {
                return Some(guard);
            }
            if attempt == 0 {
                self.keyspace.waits().count();
            }
            std::hint::spin_loop();
        }
        None
    }
}

impl Engine {
    /// The data, as the control thread may access it.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { keyspace: &self.keyspace, barrier: &self.barrier, gate: self.control_gate() }
    }
}
