//! The control thread's hold on a node's data: it may try, and never waits.
//!
//! One thread runs the cluster bus, replication's links and the timers of every node of the process. If it waited for a slot that a long
//! command holds, or for the barrier, its peers would take the node, and all nodes beside it, for dead. So what runs there takes
//! slots and gates through [`Tries`], which has no call that waits; who gets nothing comes back later. Work that cannot do without waiting has a
//! thread of its own. `tests/tidy` checks that the modules of the control thread name no call that waits.

use super::Engine;
use crate::store::{Keyspace, SlotGuard};
use protocol::slot::SlotId;

use super::barrier::{Barrier, Pass};

/// How often a slot that is held is tried at once: most are held for the moment of one command.
const ATTEMPTS: usize = 32;

/// What can be had of a node's data without waiting.
#[derive(Clone, Copy)]
pub(crate) struct Tries<'a> {
    keyspace: &'a Keyspace,
    barrier: &'a Barrier,
    gate: usize,
}

/// Between two barriers.
pub(crate) struct Entered<'a> {
    keyspace: &'a Keyspace,
    _pass: Pass<'a>,
}

impl<'a> Tries<'a> {
    /// Enters, unless somebody is exclusive. Not to be kept for long: whoever wants to be exclusive waits for it.
    pub(crate) fn enter(self) -> Option<Entered<'a>> {
        Some(Entered { keyspace: self.keyspace, _pass: self.barrier.try_enter(self.gate)? })
    }

    /// Number of databases.
    pub(crate) fn databases(self) -> usize {
        self.keyspace.databases()
    }

    /// The slots that have keys with an expiry, ascending from `first`.
    pub(crate) fn with_expiry(self, db: usize, first: SlotId) -> impl Iterator<Item = SlotId> + 'a {
        self.keyspace.with_expiry(db, first)
    }
}

impl<'a> Entered<'a> {
    /// Locks a slot, unless somebody holds it for longer than a moment.
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
    /// The data as the control thread may have it.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { keyspace: &self.keyspace, barrier: &self.barrier, gate: self.control_gate() }
    }
}
