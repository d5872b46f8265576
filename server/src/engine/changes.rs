//! Changes that no client's command makes: keys that expire, keys that move to another node, and a flush of everything.
//!
//! Such a change passes the same door as a command's ([`crate::command::Effects`]) and is drained under the same lock.
//! [`Engine::unasked`] makes the effects and [`Engine::settle`] drains them:
//!
//! ```ignore
//! let mut effects = engine.unasked(&hot);
//! slot.expire_due((db, id), now, 64, &mut effects);
//! let garbage = engine.settle(effects, 0, Some(&mut slot));   // while the slot is locked
//! ```

use std::ops::Range;
use std::sync::atomic::Ordering;

use protocol::slot::{SlotId, key_slot};

use super::Engine;
use super::held::Held;
use super::hot::Hot;
use crate::command::effects::{Invalid, Rest};
use crate::command::{Effects, Listeners, Role};
use crate::session::Session;
use crate::session::client::ClientId;
use crate::store::{AccessClock, Cause, Change, Cleared, Garbage, Slot, StringValue, Ttl};

/// Keys removed from a slot before its lock is released.
const KEYS_PER_LOCK: usize = 256;

/// Keys (database, name) that may serve a blocked client, in the order in which they became ready.
pub(super) type ReadyKeys = Vec<(usize, Box<[u8]>)>;

/// What is left to do after effects were drained.
#[derive(Default)]
#[must_use]
pub(crate) struct Settled {
    /// Values to drop when no slot is locked.
    pub garbage: Garbage,
    /// Keys that the client has copies of and changed itself; it is notified after its reply ([`Engine::tell_own`]).
    pub own_invalid: Vec<Box<[u8]>>,
    /// Keys that may serve blocked clients.
    pub(super) ready: ReadyKeys,
}

impl Engine {
    /// What listens now: the feed, trackers, subscribers of keyspace events.
    #[inline(always)]
    pub(super) fn listeners(&self, hot: &Hot) -> Listeners {
        Listeners {
            propagating: self.state.propagating.load(Ordering::Relaxed),
            notify_mask: hot.notify_mask,
            tracking: self.tracking.is_on(),
            lazy_expire: hot.limits.lazy_expire,
            lazy_server_del: hot.limits.lazy_server_del,
        }
    }

    /// Fresh effects for changes that no command makes.
    pub(crate) fn unasked(&self, hot: &Hot) -> Effects {
        Effects::new(self.listeners(hot))
    }

    /// Drains them under the lock of the slot that they are about; without a slot, the caller holds the barrier. `by`
    /// is the client that made the changes, 0 for none.
    pub(crate) fn settle(&self, mut effects: Effects, by: ClientId, mut slot: Option<&mut Slot>) -> Settled {
        if effects.dirty != 0 {
            self.state.dirty.fetch_add(effects.dirty as i64, Ordering::Relaxed);
        }
        if effects.expired != 0 {
            self.stats.expired_keys.fetch_add(u64::from(effects.expired), Ordering::Relaxed);
        }
        if effects.expired_fields != 0 {
            self.stats.expired_subkeys.fetch_add(u64::from(effects.expired_fields), Ordering::Relaxed);
        }
        let Some(rest) = effects.take_rest() else { return Settled::default() };
        // Each by itself: a replica need not apply them as one unit.
        if let Some(feed) = self.feed() {
            rest.before.iter().for_each(|(db, words)| feed.append(&[(*db, words.view())]));
        }
        let mut settled = self.tell_all(*rest, effects.notify_mask(), by, true);
        for (db, key) in std::mem::take(&mut settled.ready) {
            match &mut slot {
                Some(slot) => self.retry_waiters(slot, &key),
                None => self.retry_waiters(&mut self.keyspace.lock(db, key_slot(&key)), &key),
            }
        }
        settled
    }

    /// Notifies all listeners except the feed. `hold_own`: `by` itself is notified of its changes later.
    pub(super) fn tell_all(&self, rest: Rest, notify_mask: u32, by: ClientId, hold_own: bool) -> Settled {
        let mut own_invalid = Vec::new();
        for (key, by_nobody) in rest.invalid {
            if self.invalidate(by, Invalid { key: &key, by_nobody }, hold_own) {
                own_invalid.push(key);
            }
        }
        if rest.all_invalid {
            self.invalidate_all();
        }
        for event in &rest.events {
            self.notify_keyspace_event(notify_mask, event);
        }
        Settled { garbage: rest.garbage, own_invalid, ready: rest.ready.into_vec() }
    }

    /// Removes an expired key, if this node removes keys on its own.
    pub(crate) fn expire_key(&self, db: usize, key: &[u8], now: i64) {
        if self.state.role(now) != Role::Primary {
            return;
        }
        let (slot, hash) = (key_slot(key), self.keyspace.hash(key));
        let mut effects = self.unasked(&self.hot.load());
        let mut guard = self.keyspace.lock(db, slot);
        guard.expire_if_due(hash, Change { db, slot, key, cause: Cause::Expired }, now, &mut effects);
        let settled = self.settle(effects, 0, Some(&mut guard));
        drop(guard);
        // Only now, without the lock: a value may be large.
        self.freeing.free_settled(settled);
    }

    /// Creates a string, unless the key is there already. As DEBUG POPULATE has it in Redis, it is not propagated.
    ///
    /// # Errors
    /// A long command has its slot.
    pub(crate) fn populate(&self, session: &mut Session, key: &[u8], value: &[u8], now: i64) -> Result<(), Held> {
        let (db, slot, hash) = (session.db, key_slot(key), self.keyspace.hash(key));
        let mut guard = self.lock_soon(session, db, slot)?;
        if guard.get(hash, key).is_some() {
            return Ok(());
        }
        let mut effects = self.unasked(&self.hot.load());
        guard.set_clock(AccessClock::at(now));
        guard.set_string(hash, key, StringValue::Bytes(value), Ttl::Clear);
        guard.written(hash, Change { db, slot, key, cause: Cause::Written }, &mut effects);
        let settled = self.settle(effects, 0, Some(&mut guard));
        drop(guard);
        drop(settled);
        Ok(())
    }

    /// Removes some of the keys of a slot that now belongs to another node, from one database after the other. Returns
    /// whether there may be more.
    pub(crate) fn drop_moved_keys(&self, slot: SlotId) -> bool {
        self.keyspace.used().any(|db| self.drop_moved_keys_of(db, slot))
    }

    fn drop_moved_keys_of(&self, db: usize, slot: SlotId) -> bool {
        let mut effects = self.unasked(&self.hot.load());
        let mut guard = self.keyspace.lock(db, slot);
        let hash = |key: &[u8]| self.keyspace.hash(key);
        let removed = guard.remove_some(KEYS_PER_LOCK, hash, (db, slot), Cause::Moved, &mut effects);
        let settled = self.settle(effects, 0, Some(&mut guard));
        drop(guard);
        self.freeing.free_settled(settled);
        removed > 0
    }

    /// Removes all keys of these databases. The caller holds the barrier, and drops the returned data after releasing
    /// it.
    pub(crate) fn flush(&self, databases: Range<usize>) -> Vec<Cleared> {
        self.local_expiries.forget();
        let mut effects = self.unasked(&self.hot.load());
        // Clients that cache keys are notified even if there were none.
        effects.invalidate_all();
        let mut garbage = Vec::new();
        for db in databases {
            for slot in self.keyspace.occupied(db) {
                let mut guard = self.keyspace.lock(db, slot);
                garbage.push(guard.clear(db, |key| self.keyspace.hash(key), &mut effects));
            }
        }
        drop(self.settle(effects, 0, None));
        garbage
    }
}
