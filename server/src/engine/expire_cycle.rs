//! The active expiry cycle: removes expired keys, and expired fields of hashes, that no command reads.
//!
//! Each slot keeps its expiries in order and publishes the first, so expired keys are found without sampling, and a
//! slot in which nothing is due costs a glance at a number among many ([`crate::store::Keyspace::due`]). A cycle works
//! through the slots in which something is, some per call, and continues where the last one stopped, so that slots with
//! much to remove do not keep others waiting. Every deletion passes the same door as a command's ([`super::changes`]).
//!
//! It runs on the control thread and never waits ([`super::tries`]): a slot that a command holds is skipped, and the
//! next cycle looks at it first.
//!
//! A replica removes nothing by itself; it applies its primary's DEL. Only keys to which its own clients gave an expiry
//! are its own affair ([`super::local_expiries`]). While writes are paused nothing may change either.

use std::sync::atomic::Ordering;

use protocol::slot::SlotId;

use super::Engine;
use super::hot::Hot;
use super::state::PauseKind;
use crate::command::locked::{Place, place, slot_at};
use crate::store::{Garbage, Removed, ValueRef};

/// Slots that one cycle locks. If keys are due in every slot, each is looked at every fourth cycle.
const SLOTS_PER_CYCLE: usize = 4096;
/// Keys, and fields of hashes, removed from a slot before its lock is released.
const KEYS_PER_LOCK: usize = 64;

/// A collection of at least this many elements is freed on a thread of its own.
const MANY_ELEMENTS: usize = 16 * 1024;

/// One call of [`Engine::expire_cycle`].
struct Round<'a> {
    engine: &'a Engine,
    hot: &'a Hot,
    now: i64,
    budget: usize,
    removed: usize,
    looked: usize,
    /// Slots that were locked.
    missed: Vec<Place>,
    garbage: Garbage,
}

/// The result of a look at a slot.
enum Look {
    Done,
    /// A thread is, or wants to be, alone at the barrier; or the budget is used up.
    Stop,
}

impl Engine {
    /// Removes up to `budget` expired keys and returns how many. If that is the whole budget there may be more, and the
    /// caller may call again at once. Never waits.
    pub(crate) fn expire_cycle(&self, budget: usize) -> usize {
        let now = self.clock.now_ms();
        if !self.may_expire(now) {
            return 0;
        }
        if self.state.is_replica() {
            return self.expire_local(now, budget);
        }
        self.local_expiries.forget();
        let hot = self.hot.load();
        let mut before = std::mem::take(&mut *self.state.expire_missed.lock());
        let mut round = Round {
            engine: self,
            hot: &hot,
            now,
            budget,
            removed: 0,
            looked: 0,
            missed: Vec::new(),
            garbage: Garbage::default(),
        };
        while let Some(place) = before.pop() {
            if let Look::Stop = round.look_at(place) {
                round.missed.push(place);
                break;
            }
        }
        if before.is_empty() {
            round.go_on();
        }
        let Round { removed, mut missed, garbage, .. } = round;
        missed.append(&mut before);
        missed.sort_unstable();
        missed.dedup();
        *self.state.expire_missed.lock() = missed;
        self.free_expired(garbage);
        removed
    }

    /// Whether this node removes keys at all now.
    fn may_expire(&self, now: i64) -> bool {
        self.state.active_expire.load(Ordering::Relaxed)
            && self.state.paused(now).0 == PauseKind::None
            && !self.state.loading.load(Ordering::Relaxed)
    }

    /// Frees what was removed, with no lock held; on a thread of its own if there is a large collection.
    pub(super) fn free_expired(&self, garbage: Garbage) {
        let is_large =
            |removed: &Removed| matches!(removed.value(), ValueRef::Collection(all) if all.len() >= MANY_ELEMENTS);
        if garbage.values().iter().any(is_large) {
            let objects = garbage.objects();
            self.freeing.free_elsewhere(garbage, objects);
        } else {
            self.freeing.free(garbage);
        }
    }
}

impl Round<'_> {
    /// Continues after the slot at which the last cycle stopped.
    fn go_on(&mut self) {
        let (engine, tries) = (self.engine, self.engine.tries());
        let databases = tries.databases();
        let (first_db, first_slot) = slot_at(engine.state.expire_cursor.load(Ordering::Relaxed));
        let first_db = first_db % databases;
        for step in 0..=databases {
            let db = (first_db + step) % databases;
            let from = if step == 0 { first_slot } else { SlotId::FIRST };
            for slot in tries.due(db, from, self.now) {
                // The last round ends where the first began.
                if step == databases && slot >= first_slot {
                    return;
                }
                if let Look::Stop = self.look_at(place(db, slot)) {
                    engine.state.expire_cursor.store(place(db, slot), Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Removes the expired keys of one slot, or notes that the slot is locked.
    fn look_at(&mut self, place: Place) -> Look {
        if self.removed >= self.budget || self.looked >= SLOTS_PER_CYCLE {
            return Look::Stop;
        }
        self.looked += 1;
        let (engine, hot, (db, id)) = (self.engine, self.hot, slot_at(place));
        while self.removed < self.budget {
            // Entered anew for each slot, so that a thread that waits to be alone gets its turn.
            let Some(entered) = engine.tries().enter() else { return Look::Stop };
            let Some(mut slot) = entered.slot(db, id) else {
                self.missed.push(place);
                return Look::Done;
            };
            let batch = KEYS_PER_LOCK.min(self.budget - self.removed);
            let mut effects = engine.unasked(hot);
            let mut removed = slot.expire_due((db, id), self.now, batch, &mut effects);
            if removed < batch {
                removed += slot.expire_due_fields((db, id), self.now, batch - removed, &mut effects);
            }
            self.garbage.append(engine.settle(effects, 0, Some(&mut slot)).garbage);
            self.removed += removed;
            if removed < batch {
                break;
            }
        }
        Look::Done
    }
}

#[cfg(test)]
#[path = "expire_cycle_tests.rs"]
mod tests;
