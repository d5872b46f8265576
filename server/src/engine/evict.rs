//! The memory limit (`maxmemory`): makes room before a command that may need it, and says when there is none.
//!
//! The number that is limited is INFO's `used_memory` ([`super::info`]), without what Redis does not count either: what
//! slow replicas have yet to read, and values that only a running snapshot needs (in Redis, pages that its child
//! keeps). If evicting keys could not free these, the more they were the more keys would go in vain.
//!
//! A command makes room once it has passed the cluster route, and before it has any lock ([`Engine::make_room`]), so
//! eviction may lock the slots of other keys, one at a time. It takes no longer than `maxmemory-eviction-tenacity`
//! allows; the control thread goes on with what is left, in slices. Two workers may evict at once: each takes the pool
//! of candidates out of its lock while it works, and the second begins with an empty one. A slot that somebody has
//! locked is passed over. If nothing but locked slots is left (a script may have them for long), the command runs as
//! long as the limit is exceeded by a sixteenth at most. Apart from that, only a node that has nothing to evict refuses
//! a command ([`super::gates`]).
//!
//! A key that goes passes the same door as one that a command deletes, so replicas, watchers, caching clients and
//! subscribers learn of it. A replica evicts nothing by itself, and while writes are paused nothing may change.
//!
//! Redis: evict.c, `performEvictions`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::slot::SlotId;
use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use super::dispatch::take_pushes;
use super::held::SLOT_PATIENCE;
use super::hot::Hot;
use super::state::PauseKind;
use super::stats::bump;
use super::tries::Entered;
use crate::base::rng::Rng;
use crate::session::{Origin, Session};
use crate::store::evict::{Candidate, Order, Policy, Pool};
use crate::store::{Cause, Change, Door, Keyspace, SlotGuard};

/// Samples between two looks at the clock: sixteen times the default of `maxmemory-samples`.
const SAMPLES_PER_LOOK: usize = 80;
/// So many of the samples are from one slot: to find a slot costs more than to look at a key in it. Keys of one slot
/// are often used together, so not all are from one.
const SAMPLES_OF_A_SLOT: usize = 3;
/// A slot has so many keys for each sample beyond the first.
const KEYS_PER_SAMPLE: usize = 8;
/// If all slots with keys to evict are locked, memory may exceed the limit by this part of it; then commands that need
/// more are refused.
const LOCKED_PART: u64 = 16;
/// How often a key to evict is looked for before the slots are taken to be locked.
const ATTEMPTS: usize = 32;

/// How long the control thread evicts before others have their turn, microseconds: what a command takes with the
/// default of `maxmemory-eviction-tenacity`.
const CONTROL_US: u64 = 500;

/// Samples that are taken at once, whatever `maxmemory-samples` says: more would choose no better, and take too long.
const MOST_SAMPLES: usize = 1000;

/// What eviction remembers.
#[derive(Default)]
pub(crate) struct Eviction {
    pool: Mutex<Pool>,
    /// The database of the last key that was picked at random.
    last_db: AtomicUsize,
    /// Cron is to go on.
    is_due: AtomicBool,
    /// Since when memory is above the limit, monotonic microseconds; 0 if it is not.
    exceeded_since_us: AtomicU64,
    /// For how long it was before, microseconds.
    exceeded_us: AtomicU64,
}

impl Eviction {
    /// For how long memory has been above the limit, milliseconds: at present, and in all.
    pub(crate) fn exceeded_ms(&self, now_us: u64) -> (u64, u64) {
        let since = self.exceeded_since_us.load(Ordering::Relaxed);
        let current = if since == 0 { 0 } else { now_us.saturating_sub(since) };
        (current / 1000, (current + self.exceeded_us.load(Ordering::Relaxed)) / 1000)
    }

    /// Has cron make room.
    pub(crate) fn begin(&self) {
        self.is_due.store(true, Ordering::Relaxed);
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset(&self) {
        self.exceeded_since_us.store(0, Ordering::Relaxed);
        self.exceeded_us.store(0, Ordering::Relaxed);
    }

    /// Notes whether memory is above the limit.
    fn note(&self, exceeded: bool, now_us: impl Fn() -> u64) {
        let since = self.exceeded_since_us.load(Ordering::Relaxed);
        if exceeded && since == 0 {
            self.exceeded_since_us.store(now_us().max(1), Ordering::Relaxed);
        } else if !exceeded && since != 0 {
            self.exceeded_since_us.store(0, Ordering::Relaxed);
            self.exceeded_us.fetch_add(now_us().saturating_sub(since), Ordering::Relaxed);
        }
    }
}

/// What became of the attempt to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// The time was up: more can be evicted.
    More,
    /// The keys to evict are locked: more can be evicted later.
    Later,
    /// There is nothing to evict, or all of it is locked and the limit exceeded by more than [`LOCKED_PART`].
    None,
}

/// How slots are locked.
#[derive(Clone, Copy)]
enum Reach<'r, 'e> {
    /// A worker may wait for a moment for a key that is to go.
    Worker(&'e Keyspace),
    /// It has waited in vain.
    Hasty(&'e Keyspace),
    /// All that could be looked at is locked, so it waits for one of them.
    Patient(&'e Keyspace),
    /// The control thread does not wait.
    Control(&'r Entered<'e>),
}

impl<'e> Reach<'_, 'e> {
    /// Locks a slot to look for candidates.
    fn look(self, db: usize, slot: SlotId) -> Option<SlotGuard<'e>> {
        match self {
            Self::Worker(keyspace) | Self::Hasty(keyspace) => keyspace.try_lock(db, slot),
            Self::Patient(keyspace) => keyspace.lock_within(db, slot, SLOT_PATIENCE),
            Self::Control(entered) => entered.slot(db, slot),
        }
    }

    /// Locks a slot to remove a key.
    fn take(self, db: usize, slot: SlotId) -> Option<SlotGuard<'e>> {
        match self {
            Self::Worker(keyspace) | Self::Patient(keyspace) => keyspace.lock_within(db, slot, SLOT_PATIENCE),
            Self::Hasty(keyspace) => keyspace.try_lock(db, slot),
            Self::Control(entered) => entered.slot(db, slot),
        }
    }

    /// After a slot that was locked. A wait in vain is the last one.
    fn after_waiting(self) -> Self {
        if let Self::Patient(keyspace) = self { Self::Hasty(keyspace) } else { self }
    }

    /// For the next attempt, after one that has found locked slots only. A worker waits once.
    fn after_locked(self) -> Self {
        match self {
            Self::Worker(keyspace) => Self::Patient(keyspace),
            Self::Patient(keyspace) => Self::Hasty(keyspace),
            Self::Hasty(_) | Self::Control(_) => self,
        }
    }
}

/// What became of the attempt to evict a key.
enum Step {
    /// So many bytes are free.
    Evicted(u64),
    /// Its slot, or those of the samples, are locked.
    Locked,
    Nothing,
}

/// One attempt to make room.
struct Round<'a> {
    engine: &'a Engine,
    hot: &'a Hot,
    policy: Policy,
    now: i64,
    rng: Rng,
    pool: Pool,
}

impl Engine {
    /// Makes room for a client's command, as far as it takes some, and notes if there is none
    /// ([`Session::out_of_memory`]). Called without any lock. What runs although another thread is alone, and so is not
    /// inside, needs no memory; nor does what a client without a password may do. No key goes because of a stranger.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&self, session: &mut Session, call: &Call<'_>, is_inside: bool, out: &mut Vec<u8>) {
        session.out_of_memory = false;
        let may_need_memory = session.origin == Origin::Client && session.authenticated && is_inside;
        if !may_need_memory || !self.is_limited(call.hot, call.now) {
            return;
        }
        let excess = self.memory_excess(call.hot);
        if excess == 0 {
            self.eviction.note(false, || self.clock.monotonic_us());
            return;
        }
        let evicted = self.stats.evicted_keys.load(Ordering::Relaxed);
        let room = match call.hot.eviction.policy.filter(|_| !self.state.is_replica()) {
            Some(policy) => {
                let rng = Rng::new(session.rng.next_u64());
                self.round(call.hot, policy, call.now, rng).run(excess, Some(Reach::Worker(&self.keyspace)))
            }
            None => Room::None,
        };
        self.eviction.note(room != Room::Enough, || self.clock.monotonic_us());
        if matches!(room, Room::More | Room::Later) {
            self.eviction.begin();
        }
        session.out_of_memory = room == Room::None;
        if self.stats.evicted_keys.load(Ordering::Relaxed) != evicted {
            // A client that has cached such a key is told so before the reply.
            self.settle_tracking();
            take_pushes(session, out);
        }
    }

    /// Whether room is to be made that no command may make.
    pub(crate) fn eviction_is_due(&self) -> bool {
        self.eviction.is_due.load(Ordering::Relaxed)
    }

    /// Whether room is to be made when threads have freed what has gone already. It still counts as used: keys would go
    /// for it once more.
    pub(crate) fn eviction_awaits_freeing(&self) -> bool {
        self.eviction_is_due() && self.freeing.is_under_way()
    }

    /// Goes on making room, if that is due. `true`: there is more to do, at once. Never waits.
    pub(crate) fn evict_cycle(&self) -> bool {
        // Taken back first: an order that is given meanwhile stands.
        if self.freeing.is_under_way() || !self.eviction.is_due.swap(false, Ordering::Relaxed) {
            return false;
        }
        let (hot, now) = (self.hot.load(), self.clock.now_ms());
        let room = match hot.eviction.policy.filter(|_| !self.state.is_replica()) {
            Some(policy) if self.is_limited(&hot, now) => match self.memory_excess(&hot) {
                0 => Room::Enough,
                excess => self.round(&hot, policy, now, Rng::new(self.state.seed())).run(excess, None),
            },
            // The pause ends, and who has lowered the limit meanwhile need not come again.
            _ if self.state.paused(now).0 != PauseKind::None => Room::Later,
            _ => Room::None,
        };
        if matches!(room, Room::More | Room::Later) {
            self.eviction.begin();
        }
        room == Room::More
    }

    /// Whether the limit is in force: not while data is loaded, nor while nothing may change; and a replica follows its
    /// primary.
    fn is_limited(&self, hot: &Hot, now: i64) -> bool {
        hot.max_memory != 0
            && !self.state.loading.load(Ordering::Relaxed)
            && !(self.state.is_replica() && hot.eviction.replica_ignores)
            && self.state.paused(now).0 == PauseKind::None
    }

    /// By how much memory is above the limit, bytes.
    #[inline]
    fn memory_excess(&self, hot: &Hot) -> u64 {
        let used = self.info.used_memory(&self.keyspace);
        if used <= hot.max_memory {
            0
        } else {
            used.saturating_sub(self.uncounted_memory()).saturating_sub(hot.max_memory)
        }
    }

    /// Memory in use that the limit does not count, bytes (`mem_not_counted_for_evict`).
    pub(crate) fn uncounted_memory(&self) -> u64 {
        let replicas = self.info.number("mem_clients_slaves").unwrap_or(0);
        self.keyspace.kept_bytes() + u64::try_from(replicas).unwrap_or(0)
    }

    /// Memory in use that the limit counts, bytes.
    pub(crate) fn limited_memory(&self) -> u64 {
        self.info.used_memory(&self.keyspace).saturating_sub(self.uncounted_memory())
    }

    fn round<'a>(&'a self, hot: &'a Hot, policy: Policy, now: i64, rng: Rng) -> Round<'a> {
        let mut pool = std::mem::take(&mut *self.eviction.pool.lock());
        pool.begin(policy);
        Round { engine: self, hot, policy, now, rng, pool }
    }
}

impl Round<'_> {
    /// Evicts until so many bytes are free. `reach` is a worker's; the control thread enters anew for each key.
    fn run(mut self, bytes: u64, reach: Option<Reach<'_, '_>>) -> Room {
        let engine = self.engine;
        let started_us = engine.clock.monotonic_us();
        // The control thread has others to serve, whatever the tenacity of commands.
        let time_us = if reach.is_some() { self.hot.eviction.time_us } else { CONTROL_US };
        let (mut freed, mut steps) = (0, 0);
        let steps_per_look = (SAMPLES_PER_LOOK / self.hot.eviction.samples.max(1)).clamp(1, 16);
        let room = loop {
            if freed >= bytes {
                break Room::Enough;
            }
            if steps % steps_per_look == steps_per_look - 1
                && engine.clock.monotonic_us().saturating_sub(started_us) > time_us
            {
                break Room::More;
            }
            steps += 1;
            let step = match reach {
                Some(reach) => self.evict_one(reach),
                None => match engine.tries().enter() {
                    Some(entered) => self.evict_one(Reach::Control(&entered)),
                    None => Step::Locked,
                },
            };
            match step {
                Step::Evicted(bytes) => freed += bytes,
                // Whoever has the slots for long must not let others use any amount of memory.
                Step::Locked if reach.is_some() && freed == 0 && bytes > self.hot.max_memory / LOCKED_PART => {
                    break Room::None;
                }
                Step::Locked => break Room::Later,
                Step::Nothing => break Room::None,
            }
        };
        let mut pool = engine.eviction.pool.lock();
        if pool.len() < self.pool.len() {
            *pool = self.pool;
        }
        room
    }

    fn evict_one(&mut self, mut reach: Reach<'_, '_>) -> Step {
        let mut is_there_any = true;
        for _ in 0..ATTEMPTS {
            let found = match self.policy.order {
                Order::Random => self.pick_at_random(reach),
                Order::Lru | Order::Lfu(_) | Order::Ttl => {
                    is_there_any = self.sample(reach);
                    self.pool.take_best()
                }
            };
            let Some(found) = found else {
                if is_there_any && self.has_keys() {
                    reach = reach.after_locked();
                    continue;
                }
                return Step::Nothing;
            };
            match self.evict(&found, reach) {
                // It has gone, or lost its expiry, since it was sampled.
                Some(0) => {}
                Some(bytes) => return Step::Evicted(bytes),
                // Others may be free.
                None => reach = reach.after_locked().after_locked(),
            }
        }
        Step::Locked
    }

    /// Whether there are keys that the policy may evict.
    fn has_keys(&self) -> bool {
        let keyspace = &self.engine.keyspace;
        keyspace.used().any(|db| self.len(db) != 0)
    }

    fn len(&self, db: usize) -> usize {
        let keyspace = &self.engine.keyspace;
        if self.policy.volatile { keyspace.expires_len(db) } else { keyspace.len(db) }
    }

    fn random_slot(&mut self, db: usize) -> Option<SlotId> {
        let (keyspace, seed) = (&self.engine.keyspace, self.rng.next_u64());
        if self.policy.volatile { keyspace.random_slot_with_expiry(db, seed) } else { keyspace.random_slot(db, seed) }
    }

    /// Puts samples into the pool, a few of each of some slots. Each key has the same chance, in whatever database, and
    /// how many databases there are makes hardly a difference to the time. Returns whether there are any keys.
    fn sample(&mut self, mut reach: Reach<'_, '_>) -> bool {
        let engine = self.engine;
        let of_a_slot = match self.policy.order {
            Order::Lru | Order::Lfu(_) => SAMPLES_OF_A_SLOT,
            // The one that expires first is known; it would be the same again.
            Order::Ttl | Order::Random => 1,
        };
        let sizes: SmallVec<[(usize, usize); 16]> = engine.keyspace.used().map(|db| (db, self.len(db))).collect();
        let total: usize = sizes.iter().map(|(_, keys)| keys).sum();
        let mut left = self.hot.eviction.samples.min(MOST_SAMPLES).min(total);
        while left > 0 {
            left -= 1;
            let Some(db) = self.random_database(&sizes, total) else { break };
            let Some(id) = self.random_slot(db) else { continue };
            let Some(slot) = reach.look(db, id) else {
                reach = reach.after_waiting();
                continue;
            };
            // In a slot of a few keys, the same one would be drawn twice.
            let keys = if self.policy.volatile { slot.expires_len() } else { slot.len() };
            let more = left.min(of_a_slot - 1).min(keys / KEYS_PER_SAMPLE);
            left -= more;
            for _ in 0..=more {
                if let Some((entry, rate)) = slot.candidate(self.policy, self.now, self.rng.next_u64()) {
                    self.pool.offer(rate, (db, id), entry.key(), |key| engine.keyspace.hash(key));
                }
            }
        }
        total > 0
    }

    /// The database of a random key, of so many in databases of these sizes.
    fn random_database(&mut self, sizes: &[(usize, usize)], total: usize) -> Option<usize> {
        let mut left = ((u128::from(self.rng.next_u64()) * total as u128) >> 64) as usize;
        let is_here = |(_, keys): &&(usize, usize)| {
            let is_here = left < *keys;
            left = left.saturating_sub(*keys);
            is_here
        };
        sizes.iter().find(is_here).map(|(db, _)| *db)
    }

    /// Any key; one database after the other has its turn.
    fn pick_at_random(&mut self, mut reach: Reach<'_, '_>) -> Option<Candidate> {
        let engine = self.engine;
        let databases = engine.keyspace.databases();
        let first = engine.eviction.last_db.load(Ordering::Relaxed) + 1;
        for db in (first..first + databases).map(|db| db % databases) {
            if self.len(db) == 0 {
                continue;
            }
            let Some(id) = self.random_slot(db) else { continue };
            let Some(slot) = reach.look(db, id) else {
                reach = reach.after_waiting();
                continue;
            };
            if let Some((entry, rate)) = slot.candidate(self.policy, self.now, self.rng.next_u64()) {
                engine.eviction.last_db.store(db, Ordering::Relaxed);
                let hash = engine.keyspace.hash(entry.key());
                return Some(Candidate { rate, db, slot: id, hash, key: entry.key().into() });
            }
        }
        None
    }

    /// Evicts a key if it is still there. Returns how many bytes that frees; `None` if its slot is locked.
    fn evict(&self, found: &Candidate, reach: Reach<'_, '_>) -> Option<u64> {
        let (engine, db, key) = (self.engine, found.db, &*found.key);
        let mut slot = reach.take(db, found.slot)?;
        let entry = slot.get(found.hash, key).filter(|entry| self.policy.admits(*entry));
        let bytes = entry.map_or(0, |entry| entry.footprint() as u64);
        if bytes == 0 {
            return Some(0);
        }
        let mut effects = engine.unasked(self.hot);
        effects.lazy_eviction = self.hot.eviction.lazily;
        let change = Change { db, slot: found.slot, key, cause: Cause::Evicted };
        if let Some(removed) = slot.remove(found.hash, change, &mut effects) {
            effects.discard(removed, Cause::Evicted);
        }
        let settled = engine.settle(effects, 0, Some(&mut slot));
        drop(slot);
        bump(&engine.stats.evicted_keys);
        if self.hot.eviction.lazily || matches!(reach, Reach::Control(_)) {
            engine.free_expired(settled.garbage);
        } else {
            engine.freeing.free_settled(settled);
        }
        Some(bytes)
    }
}

#[cfg(test)]
#[path = "evict_tests.rs"]
mod tests;
