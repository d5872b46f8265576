//! Keys of a writable replica (`replica-read-only no`) to which its own clients gave an expiry.
//!
//! A replica hides an expired key and waits for its primary's DEL. For a key that only the replica has, or that only
//! there has an expiry, no DEL comes. So such keys are remembered here, and the expiry cycle removes them without
//! telling anyone but the listeners of this node. Redis: `rememberSlaveKeyWithExpire`, `expireSlaveKeys`.
//!
//! Whatever replaces the data set makes the list void, since the primary's keys may have the same names; so does a
//! promotion, after which the node removes all expired keys. The list is bounded: keys that find no place stay hidden
//! until then.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::slot::key_slot;
use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use crate::command::locked::Slots;
use crate::command::{CmdResult, Effects, KeyedCtx, KeyedFn, Listeners};
use crate::store::{Cause, Change, EntryRef};

/// The most memory that the list takes, bytes.
const MOST_BYTES: usize = 32 << 20;
/// What a key takes besides its bytes, about.
const PER_KEY: usize = 64;
/// Keys that one cycle looks at.
const KEYS_PER_CYCLE: usize = 4096;

/// A key and its database.
type Name = (usize, Box<[u8]>);

/// See the top of the file.
#[derive(Default)]
pub(crate) struct LocalExpiries {
    /// How many there are, so that those who have none need no lock.
    len: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    names: BTreeSet<Name>,
    bytes: usize,
    /// The last key that the cycle looked at.
    last: Option<Name>,
}

impl LocalExpiries {
    /// How many keys are remembered (`slave_expires_tracked_keys`).
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Forgets all of them.
    pub(crate) fn forget(&self) {
        if self.len() != 0 {
            let mut list = self.list.lock();
            *list = List::default();
            self.len.store(0, Ordering::Relaxed);
        }
    }

    fn add(&self, db: usize, key: &[u8]) {
        let mut list = self.list.lock();
        let bytes = key.len() + PER_KEY;
        if list.bytes + bytes <= MOST_BYTES && list.names.insert((db, key.into())) {
            list.bytes += bytes;
            self.len.store(list.names.len(), Ordering::Relaxed);
        }
    }

    fn remove(&self, name: &Name) {
        let mut list = self.list.lock();
        if list.names.remove(name) {
            list.bytes -= name.1.len() + PER_KEY;
            self.len.store(list.names.len(), Ordering::Relaxed);
        }
    }

    /// Up to so many keys, from where the last call stopped.
    fn some(&self, count: usize) -> Vec<Name> {
        let mut list = self.list.lock();
        let from = list.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let some: Vec<Name> = list.names.range((from, Bound::Unbounded)).take(count).cloned().collect();
        // The next call begins anew after the end.
        list.last = some.last().filter(|_| some.len() == count).cloned();
        some
    }
}

/// A write of a client of a replica that is about to run: which of its keys expire, and when.
struct Written {
    /// The databases of the keys: that of the client, and the one that the command names (COPY, MOVE).
    databases: SmallVec<[usize; 2]>,
    before: SmallVec<[Option<i64>; 2]>,
}

impl Written {
    /// `None`: it is no such write.
    fn note(engine: &Engine, call: &Call<'_>, db: usize, slots: &Slots<'_>) -> Option<Self> {
        // Otherwise it is a primary whose writes are paused.
        if !call.command.spec.is_write() || !engine.state.is_replica() {
            return None;
        }
        let other = call.command.spec.other_db.and_then(|f| f(call.args)).filter(|&other| other != db);
        let databases: SmallVec<[usize; 2]> = [db].into_iter().chain(other).collect();
        let before = expiries(call, &databases, slots).map(|(_, _, at)| at).collect();
        Some(Self { databases, before })
    }

    /// Remembers the keys that have another expiry now.
    fn remember(self, engine: &Engine, call: &Call<'_>, slots: &Slots<'_>) {
        for ((db, key, at), before) in expiries(call, &self.databases, slots).zip(self.before) {
            if at.is_some() && at != before {
                engine.local_expiries.add(db, key);
            }
        }
    }
}

/// When the keys of a call expire, as far as their slots are locked.
fn expiries<'a>(
    call: &Call<'a>,
    databases: &'a [usize],
    slots: &'a Slots<'_>,
) -> impl Iterator<Item = (usize, &'a [u8], Option<i64>)> {
    let keys = call.keys;
    databases.iter().flat_map(move |&db| {
        keys.iter().map(move |known| {
            let slot = slots.get(db, known.slot);
            let at = slot.and_then(|slot| slot.get(known.hash, known.key)).and_then(EntryRef::expire_at);
            (db, known.key, at)
        })
    })
}

impl Engine {
    /// Runs the handler of a call of a replica's client.
    #[cold]
    #[inline(never)]
    pub(super) fn call_on_replica(&self, ctx: &mut KeyedCtx<'_>, call: &Call<'_>, handler: KeyedFn) -> CmdResult {
        let written = Written::note(self, call, ctx.data.db, &ctx.data.slots);
        let result = handler(ctx, call.args);
        if let Some(written) = written {
            written.remember(self, call, &ctx.data.slots);
        }
        result
    }

    /// Removes up to `budget` of the remembered keys that have expired. Returns how many. Never waits.
    pub(super) fn expire_local(&self, now: i64, budget: usize) -> usize {
        if self.local_expiries.len() == 0 {
            return 0;
        }
        let hot = self.hot.load();
        let mut removed = 0;
        for name in self.local_expiries.some(KEYS_PER_CYCLE) {
            // Entered anew for each key, so that a thread that waits to be alone gets its turn.
            let Some(entered) = self.tries().enter() else { break };
            if removed >= budget || !self.state.is_replica() {
                break;
            }
            let (db, key) = (name.0, &*name.1);
            let (id, hash) = (key_slot(key), self.keyspace.hash(key));
            let Some(mut slot) = entered.slot(db, id) else { continue };
            let Some(at) = slot.get(hash, key).and_then(EntryRef::expire_at) else {
                self.local_expiries.remove(&name);
                continue;
            };
            if at >= now {
                continue;
            }
            // The primary's stream must not change here, and sub-replicas get that.
            let mut effects = Effects::new(Listeners { propagating: false, ..self.listeners(&hot) });
            let change = Change { db, slot: id, key, cause: Cause::Expired };
            removed += usize::from(slot.expire_if_due(hash, change, now, &mut effects));
            let settled = self.settle(effects, 0, Some(&mut slot));
            drop(slot);
            self.free_expired(settled.garbage);
            self.local_expiries.remove(&name);
        }
        removed
    }
}

#[cfg(test)]
#[path = "local_expiries_tests.rs"]
mod tests;
