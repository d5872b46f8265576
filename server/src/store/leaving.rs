//! Clients that leave a slot while another thread has it locked do not wait for the lock.
//!
//! A session that ends a watch, and a blocked client that stops waiting, must be removed from the key's slot. The
//! command that has the slot may take seconds, and the client's worker serves other connections. So it leaves a
//! [`Farewell`] beside the slot, and the thread that unlocks the slot carries it out. By then the removed part has no
//! effect any more: nobody reads the watch, and the waiter's token says that it has left. So the time of the removal
//! does not matter, but memory stays bounded: nothing of a client outlives the lock. (Two holders do not look: a hint,
//! which holds a slot for nanoseconds just before a command locks it, and SWAPDB, which carries out at its end what was
//! left meanwhile.)

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::slot::SlotId;

use super::slot::Slot;
use super::waiters::BlockToken;
use super::watchers::WatchFlag;

/// What is to be removed from a slot.
#[derive(Clone, Debug)]
pub(super) enum Farewell {
    /// A session's watch of a key.
    Watch(Box<[u8]>, Arc<WatchFlag>),
    /// A blocked client's place in the queue of a key.
    Wait(Box<[u8]>, Arc<BlockToken>),
}

impl Farewell {
    /// Removes it. Doing so again has no effect.
    pub(super) fn carry_out(&self, slot: &mut Slot) {
        match self {
            Self::Watch(key, flag) => slot.unwatch(key, flag),
            Self::Wait(key, token) => slot.stop_waiting(key, token),
        }
    }
}

/// The farewells that were left for the slots of a database.
#[derive(Debug, Default)]
pub(super) struct Leaving(Mutex<BTreeMap<SlotId, Vec<Farewell>>>);

impl Leaving {
    pub(super) fn leave(&self, id: SlotId, farewell: Farewell) {
        self.0.lock().entry(id).or_default().push(farewell);
    }

    /// Whether anything was left for a slot.
    pub(super) fn is_left(&self, id: SlotId) -> bool {
        self.0.lock().contains_key(&id)
    }

    pub(super) fn take(&self, id: SlotId) -> Vec<Farewell> {
        self.0.lock().remove(&id).unwrap_or_default()
    }

    pub(super) fn take_all(&self) -> BTreeMap<SlotId, Vec<Farewell>> {
        std::mem::take(&mut *self.0.lock())
    }
}
