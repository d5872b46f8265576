//! What follows from the expiry of one key: watchers, trackers, replicas and subscribers learn of it, under its slot's lock.

use std::sync::atomic::Ordering;

use protocol::resp::OwnedArgs;
use protocol::slot::key_slot;

use super::Engine;
use super::hot::Hot;
use crate::command::effects::NotifyClass;
use crate::command::{Event, Role};
use crate::store::{Removed, Slot};

impl Engine {
    /// Removes a key whose time has come, if this node removes keys on its own.
    pub fn expire_key(&self, db: usize, key: &[u8], now: i64) {
        let hash = self.keyspace.hash(key);
        let mut slot = self.keyspace.lock(db, key_slot(key));
        let removed = if self.state.role(now) == Role::Primary { slot.expire_if_due(hash, key, now) } else { None };
        if let Some(removed) = &removed {
            self.announce_expired(db, &mut slot, removed, &self.hot.load());
        }
        drop(slot);
        // Only now, without the lock: a value may be large.
        drop(removed);
    }

    /// Tells those who watch it of one key that has expired, propagates, publishes and counts it.
    pub(super) fn announce_expired(&self, db: usize, slot: &mut Slot, removed: &Removed, hot: &Hot) {
        slot.touch(self.keyspace.hash(removed.key()), removed.key());
        self.invalidate_key(removed.key());
        self.stats.expired_keys.fetch_add(1, Ordering::Relaxed);
        if self.state.propagating.load(Ordering::Relaxed)
            && let Some(feed) = self.feed()
        {
            let verb: &[u8] = if hot.limits.lazy_expire { b"UNLINK" } else { b"DEL" };
            let words = OwnedArgs::from_slices(&[verb, removed.key()]);
            feed.append(&[(db, words.view())]);
        }
        if hot.notify_mask & NotifyClass::Expired as u32 != 0 {
            let event = Event { class: NotifyClass::Expired, name: "expired", db, key: removed.key().into() };
            self.pubsub.notify_keyspace_event(self, hot.notify_mask, &event);
        }
    }
}
