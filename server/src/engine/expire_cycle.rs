//! The active expiry cycle: removes keys whose time has come although nobody asks for them.
//!
//! Each slot keeps its expiries in order, so what is due is found, not sampled for, and the keyspace knows which slots have keys
//! that expire at all. A cycle works through those slots, some per call, and goes on where the last one stopped, so that slots whose
//! keys live long do not keep others waiting. Every deletion is propagated, published and announced to watchers under its slot's
//! lock, like a command's.
//!
//! A replica removes nothing by itself: its primary's DEL does. While writes are paused nothing may change either.

use std::sync::atomic::Ordering;

use protocol::resp::OwnedArgs;
use protocol::slot::{SlotId, key_slot};

use super::Engine;
use super::hot::Hot;
use super::state::PauseKind;
use crate::command::effects::NotifyClass;
use crate::command::{Event, Role};
use crate::store::{Removed, Slot};

/// Slots that one cycle looks at. With keys that expire in every slot, each is looked at every fourth cycle.
const SLOTS_PER_CYCLE: usize = 4096;
/// Keys removed from a slot before its lock is given to others.
const KEYS_PER_LOCK: usize = 64;

impl Engine {
    /// Removes up to `budget` keys that are due. Returns how many it were; as many as the budget means that there may be more,
    /// and the caller may come back at once. Enters through the control thread's gate of the barrier.
    pub fn expire_cycle(&self, budget: usize) -> usize {
        let now = self.clock.now_ms();
        if !self.may_expire(now) {
            return 0;
        }
        let hot = self.hot.load();
        let Some(mut pass) = self.barrier.try_enter(self.control_gate()) else { return 0 };
        let databases = self.keyspace.databases();
        let start = self.state.expire_cursor.load(Ordering::Relaxed);
        let (first_db, first_slot) = ((start >> 14) as usize % databases, (start & 0x3fff) as u16);
        let mut removed = 0;
        let mut looked = 0;
        for step in 0..=databases {
            let db = (first_db + step) % databases;
            let from = if step == 0 { SlotId::new(first_slot).unwrap_or(SlotId::FIRST) } else { SlotId::FIRST };
            for slot in self.keyspace.with_expiry(db, from) {
                // The last round ends where the first began.
                if step == databases && slot.get() >= first_slot {
                    break;
                }
                if removed >= budget || looked >= SLOTS_PER_CYCLE {
                    self.state.expire_cursor.store((db as u32) << 14 | u32::from(slot.get()), Ordering::Relaxed);
                    return removed;
                }
                looked += 1;
                removed += self.expire_slot(db, slot, now, budget - removed, &hot);
                pass.yield_now();
            }
        }
        removed
    }

    /// Whether this node removes keys at all now.
    fn may_expire(&self, now: i64) -> bool {
        self.state.active_expire.load(Ordering::Relaxed)
            && self.state.role(now) == Role::Primary
            && self.state.paused(now).0 == PauseKind::None
            && !self.state.loading.load(Ordering::Relaxed)
    }

    fn expire_slot(&self, db: usize, id: SlotId, now: i64, budget: usize, hot: &Hot) -> usize {
        let mut done = 0;
        while done < budget {
            let mut garbage = Vec::new();
            let batch = KEYS_PER_LOCK.min(budget - done);
            let mut slot = self.keyspace.lock(db, id);
            let removed = slot.expire_due(now, batch, |slot, removed| {
                self.announce_expired(db, slot, &removed, hot);
                garbage.push(removed);
            });
            drop(slot);
            // Only now, without the lock: values may be large.
            drop(garbage);
            done += removed;
            if removed < batch {
                break;
            }
        }
        done
    }

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

#[cfg(test)]
#[path = "expire_cycle_tests.rs"]
mod tests;
