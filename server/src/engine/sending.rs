//! Keys that are being sent to another node and must not change until they are there.
//!
//! MIGRATE holds nothing while it waits for the target ([`crate::cluster::migrate`]). While a slot is open, a key that
//! is gone here is looked for at the target. So a key that was deleted here while its copy was on the way would be back
//! at once, and a key that is written without pause would never arrive. Therefore MIGRATE names its keys here, and
//! writes to them wait until they have arrived; Redis serves nobody during that time. All other keys, and reads, are
//! served.
//!
//! Only commands on slots that are open look here, so others pay nothing. What changes a key otherwise (FLUSHALL, its
//! expiry, a blocked client that is served) is not held; MIGRATE sees that and sends the key again.
//!
//! Invariants: a key is named before it is copied under its slot's lock, and writers look here under the same lock,
//! even if the key has gone. So a write is either in the copy, or waits until no copy is on the way that could
//! overwrite it. For the same reason a key is sent by one client at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::slot::{SlotId, key_slot};

use super::Engine;
use super::call::Call;
use super::handler::Command;
use super::held::Held;
use crate::base::parking::{Parking, Ticket};
use crate::command::{Flags, KnownKey, Traits};
use crate::session::transaction::Queued;

/// The keys of a slot that are being sent.
type Names = HashSet<Box<[u8]>>;

/// A slot of a database.
type Place = (usize, SlotId);

/// The keys that are being sent. See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    slots: Mutex<BTreeMap<Place, Names>>,
    parking: Parking<Place>,
}

/// Keys whose writers wait until this is dropped.
pub(crate) struct HeldWrites {
    engine: Arc<Engine>,
    db: usize,
    keys: Vec<Box<[u8]>>,
}

impl Sending {
    fn names(&self, place: Place, key: &[u8]) -> bool {
        self.slots.lock().get(&place).is_some_and(|names| names.contains(key))
    }

    /// Whether a key of this slot is being sent.
    pub(super) fn is_busy(&self, place: Place) -> bool {
        self.slots.lock().contains_key(&place)
    }

    /// Calls `ticket` when a key of this slot has been sent. `false`: none is being sent.
    pub(super) fn park(&self, place: Place, ticket: &Arc<Ticket>) -> bool {
        self.parking.leave(place, ticket);
        self.is_busy(place)
    }

    /// Names the keys, unless one of them is named already; then returns the place of that one.
    fn begin(&self, db: usize, keys: &[Box<[u8]>]) -> Result<(), Place> {
        let places = keys.iter().map(|key| ((db, key_slot(key)), &**key));
        let mut slots = self.slots.lock();
        let is_named = |(place, key): &(Place, &[u8])| slots.get(place).is_some_and(|names| names.contains(*key));
        if let Some((place, _)) = places.clone().find(is_named) {
            return Err(place);
        }
        for (place, key) in places {
            slots.entry(place).or_default().insert(key.into());
        }
        Ok(())
    }

    fn end(&self, db: usize, keys: &[Box<[u8]>]) {
        let mut touched = BTreeSet::new();
        let mut slots = self.slots.lock();
        for key in keys {
            let place = (db, key_slot(key));
            touched.insert(place);
            if let Some(names) = slots.get_mut(&place) {
                names.remove(key);
                if names.is_empty() {
                    slots.remove(&place);
                }
            }
        }
        drop(slots);
        touched.iter().for_each(|place| self.parking.wake_all(place));
    }
}

impl Drop for HeldWrites {
    fn drop(&mut self) {
        self.engine.sending.end(self.db, &self.keys);
    }
}

/// Whether a command may change the bytes of its keys. Redis does not say so of FCALL.
fn may_write(command: &Command) -> bool {
    command.flags.any(Flags::WRITE.and(Flags::MAY_REPLICATE))
        || command.traits.has(Traits::RUNS_A_FUNCTION) && !command.flags.has(Flags::READONLY)
}

impl Engine {
    /// Lets writes to these keys wait until the result is dropped. Waits until no other client sends one of them.
    pub(crate) async fn hold_writes(self: &Arc<Self>, db: usize, keys: &[Box<[u8]>]) -> HeldWrites {
        while let Err((db, slot)) = self.sending.begin(db, keys) {
            self.held_over(Held::Sent(db, slot)).await;
        }
        HeldWrites { engine: self.clone(), db, keys: keys.to_vec() }
    }

    fn sent<'a>(&self, db: usize, keys: impl IntoIterator<Item = KnownKey<'a>>) -> Option<Held> {
        let is_sent = |known: &KnownKey<'_>| self.sending.names((db, known.slot), known.key);
        keys.into_iter().find(is_sent).map(|known| Held::Sent(db, known.slot))
    }

    /// What a command waits for that writes to a key which is being sent. The locks of its slots are held.
    #[inline]
    pub(super) fn wait_for_sent(&self, db: usize, call: &Call<'_>) -> Option<Held> {
        call.moving?;
        if may_write(call.command) { self.sent(db, call.keys.iter().copied()) } else { None }
    }

    /// [`Engine::wait_for_sent`] for the commands of a transaction.
    pub(super) fn wait_for_any_sent(&self, db: usize, queue: &[Queued]) -> Option<Held> {
        let writes = |queued: &Queued| may_write(self.registry.by_index(queued.command));
        self.in_databases(db, queue)
            .filter(|(_, queued)| writes(queued))
            .find_map(|(db, queued)| self.sent(db, queued.known()))
    }
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
