//! All databases of a node: finds and locks slots, counts keys and bytes, and knows which slots have any.
//!
//! A database is 16,384 cells of one cache line each: a lock, its slot, and two counts that can be read without the
//! lock. Cells are zeroed memory of the system and all zero is the empty cell, so slots that were never used cost
//! address space only. Databases are made at their first use. Commands name *logical* databases; SWAPDB exchanges two
//! entries in the map from logical to physical ones.
//!
//! [`SlotGuard`] publishes what it changed when it is dropped, before the lock is released: the counts, when the first
//! key expires, and the maps of slots that have keys or expiring keys. The slot knows whether there is anything to
//! publish, so a command that changes no count does not touch them. DBSIZE, RANDOMKEY, SCAN, the expiry cycle and an
//! idle node pay nothing for empty slots. Sums are kept for groups of 256 slots, so that commands in different slots
//! seldom contend for one counter. Bytes have no sums: they change often and are read seldom, and a reader can walk
//! through the counts of 16,384 slots.
//!
//! A caller that finds a slot locked and must not wait leaves a ticket ([`Keyspace::park`]); the guard calls it when
//! the slot is free. One that only wants to be taken out of the slot leaves a note of that ([`super::leaving`]).
//!
//! Lock order: ascending by (logical database, slot), except for a command that runs alone; SWAPDB, which is one,
//! changes the map only while nothing is locked. No lock is held across an `.await`.
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use protocol::slot::{SLOT_COUNT, SlotBitmap, SlotId};

use super::change::Door;
use super::entry::EntryRef;
use super::expiry;
use super::hash::{Hasher, KeyHash, mix};
use super::leaving::{Farewell, Leaving};
use super::slot::Slot;
use super::table;
use super::waiters::BlockToken;
use super::watchers::WatchFlag;
use crate::base::cache::prefetch;
use crate::base::clock::UnixMillis;
use crate::base::contention::Waits;
use crate::base::mapping::{Mapped, Zeroable};
use crate::base::parking::{Parking, Ticket};

/// Slots whose counts are summed up together.
const GROUP: usize = 256;
const GROUPS: usize = SLOT_COUNT / GROUP;
/// In the published count of a slot: a snapshot has not yet read all of it.
const PENDING: u32 = 1 << 31;
/// In the published count of a slot: a parked command waits for it to be unlocked, or something was left to be done
/// then.
const AWAITED: u32 = 1 << 30;
/// By how much shorter a thread waits for a slot that is awaited. For usual commands no time is left then, and a
/// millisecond for one that visits slot after slot and would have to begin anew.
const LESS: Duration = Duration::from_millis(4);

/// All databases of a node. See the top of the file.
pub(crate) struct Keyspace {
    hasher: Hasher,
    databases: Box<[OnceLock<Box<Database>>]>,
    /// From logical to physical numbers.
    physical: Box<[AtomicUsize]>,
    /// Number of the last cut.
    epoch: AtomicU32,
    /// How often a slot was found locked.
    waits: Waits,
    /// Bytes of values that only a running snapshot needs.
    kept: Arc<AtomicU64>,
}

/// The instant of a snapshot: which physical database each logical one was then.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    physical: Box<[usize]>,
}

impl Keyspace {
    /// A keyspace of this many databases, all empty. `seed` makes the hash unpredictable.
    pub(crate) fn new(databases: usize, seed: u64) -> Self {
        Self {
            hasher: Hasher::new(seed),
            databases: (0..databases).map(|_| OnceLock::new()).collect(),
            physical: (0..databases).map(AtomicUsize::new).collect(),
            epoch: AtomicU32::new(0),
            waits: Waits::default(),
            kept: Arc::default(),
        }
    }

    /// An empty keyspace with the same hash, so that slots can be moved between the two ([`Slot::replace_with`]).
    #[must_use]
    pub(crate) fn sibling(&self) -> Self {
        let databases = self.databases();
        Self {
            hasher: self.hasher.clone(),
            databases: (0..databases).map(|_| OnceLock::new()).collect(),
            physical: (0..databases).map(AtomicUsize::new).collect(),
            epoch: AtomicU32::new(0),
            waits: Waits::default(),
            kept: Arc::default(),
        }
    }

    /// Number of databases.
    pub(crate) fn databases(&self) -> usize {
        self.databases.len()
    }

    /// The databases that were ever used. Others have no keys, and to lock a slot of one would allocate it.
    pub(crate) fn used(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.databases()).filter(|db| self.existing(*db).is_some())
    }

    /// Whether any database has keys.
    pub(crate) fn has_keys(&self) -> bool {
        (0..self.databases()).any(|db| !self.is_empty(db))
    }

    /// Whether a slot has keys in any database, as it was when the slot was last unlocked.
    pub(crate) fn slot_has_keys(&self, slot: SlotId) -> bool {
        self.used().any(|db| self.slot_len(db, slot) != 0)
    }

    /// Hashes a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    /// Locks a slot. Panics if there is no such database; SELECT has checked that.
    #[inline(always)]
    pub(crate) fn lock(&self, db: usize, slot: SlotId) -> SlotGuard<'_> {
        self.lock_in(self.database(db), slot)
    }

    #[inline(always)]
    fn lock_in<'a>(&'a self, database: &'a Database, slot: SlotId) -> SlotGuard<'a> {
        self.enter(database, slot, self.waits.lock(&database.cells[slot.index()].slot))
    }

    /// Locks a slot if it is free.
    #[inline(always)]
    pub(crate) fn try_lock(&self, db: usize, slot: SlotId) -> Option<SlotGuard<'_>> {
        let database = self.database(db);
        Some(self.enter(database, slot, database.cells[slot.index()].slot.try_lock()?))
    }

    /// Locks a slot if it becomes free within this time.
    #[inline]
    pub(crate) fn lock_within(&self, db: usize, slot: SlotId, patience: Duration) -> Option<SlotGuard<'_>> {
        self.try_lock(db, slot).or_else(|| self.wait_within(db, slot, patience))
    }

    /// [`Keyspace::lock_within`] after a first attempt has failed. If others are parked already, the slot is probably
    /// held for long, and this thread waits [`LESS`]: there may be thousands of commands.
    #[cold]
    pub(crate) fn wait_within(&self, db: usize, slot: SlotId, patience: Duration) -> Option<SlotGuard<'_>> {
        self.waits.count();
        let database = self.database(db);
        let cell = &database.cells[slot.index()];
        let is_awaited = cell.keys.load(Ordering::Relaxed) & AWAITED != 0;
        let patience = if is_awaited { patience.saturating_sub(LESS) } else { patience };
        let guard = cell.slot.try_lock_for(patience);
        Some(self.enter(database, slot, guard?))
    }

    /// Has `ticket` called when the slot is unlocked. `false`: it is not locked.
    pub(crate) fn park(&self, db: usize, slot: SlotId, ticket: &Arc<Ticket>) -> bool {
        let Some(database) = self.existing(db) else { return false };
        database.parking.leave(slot, ticket);
        database.mark(slot)
    }

    /// Whether a slot is locked now.
    pub(crate) fn is_locked(&self, db: usize, slot: SlotId) -> bool {
        self.existing(db).is_some_and(|database| database.cells[slot.index()].slot.is_locked())
    }

    /// Ends a session's watch of a key, at once or when the slot is unlocked. Does not block.
    pub(crate) fn unwatch(&self, db: usize, slot: SlotId, key: Box<[u8]>, flag: Arc<WatchFlag>) {
        match self.try_lock(db, slot) {
            Some(mut guard) => guard.unwatch(&key, &flag),
            None => self.leave(db, slot, Farewell::Watch(key, flag)),
        }
    }

    /// Removes a blocked client that has stopped waiting from a key's queue, at once or when the slot is unlocked. Does
    /// not block.
    pub(crate) fn stop_waiting(&self, db: usize, slot: SlotId, key: &[u8], token: &Arc<BlockToken>) {
        match self.try_lock(db, slot) {
            Some(mut guard) => guard.stop_waiting(key, token),
            None => self.leave(db, slot, Farewell::Wait(key.into(), Arc::clone(token))),
        }
    }

    #[cold]
    fn leave(&self, db: usize, slot: SlotId, farewell: Farewell) {
        loop {
            let number = self.physical[db].load(Ordering::Acquire);
            self.databases[number].get_or_init(Database::new).leave(slot, farewell.clone());
            // SWAPDB carries out what was left after it has changed the map.
            if self.physical[db].load(Ordering::Acquire) == number {
                return;
            }
        }
    }

    /// Keeps a locked slot of this database locked without its guard. Until it is given back, nobody is alone, so the
    /// numbers of databases stay.
    pub(crate) fn keep(&self, db: usize, guard: SlotGuard<'_>) -> KeptSlot {
        let id = guard.id();
        std::mem::forget(guard);
        KeptSlot { keyspace: std::ptr::from_ref(self), db, id }
    }

    /// The guard of a slot that was kept locked.
    ///
    /// # Panics
    /// It belongs to another keyspace.
    pub(crate) fn take_back(&self, kept: KeptSlot) -> SlotGuard<'_> {
        assert!(std::ptr::eq(kept.keyspace, self), "a slot of another keyspace");
        let database = self.database(kept.db);
        // SAFETY: the slot was locked when its guard was forgotten, and only the one value that says so unlocks it.
        let guard = unsafe { database.cells[kept.id.index()].slot.make_guard_unchecked() };
        SlotGuard { guard, held: Held { database, id: kept.id } }
    }

    /// How often a slot was found locked.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    #[inline(always)]
    fn enter<'a>(&self, database: &'a Database, id: SlotId, mut guard: MutexGuard<'a, Slot>) -> SlotGuard<'a> {
        let epoch = self.epoch.load(Ordering::Acquire);
        if guard.epoch() != epoch {
            guard.join_cut(epoch, &self.kept);
        }
        SlotGuard { guard, held: Held { database, id } }
    }

    /// For prefetch hints about a database's slots.
    #[inline]
    pub(crate) fn hints(&self, db: usize) -> Hints<'_> {
        Hints(self.existing(db))
    }

    #[inline(always)]
    fn database(&self, db: usize) -> &Database {
        self.databases[self.physical[db].load(Ordering::Acquire)].get_or_init(Database::new)
    }

    #[inline]
    fn existing(&self, db: usize) -> Option<&Database> {
        self.databases[self.physical[db].load(Ordering::Acquire)].get().map(|database| &**database)
    }

    /// Number of keys in a database.
    pub(crate) fn len(&self, db: usize) -> usize {
        self.existing(db).map_or(0, |database| database.groups.iter().map(Group::keys).sum())
    }

    /// Whether a database has no keys.
    pub(crate) fn is_empty(&self, db: usize) -> bool {
        self.len(db) == 0
    }

    /// Number of keys with an expiry in a database.
    pub(crate) fn expires_len(&self, db: usize) -> usize {
        self.existing(db).map_or(0, |database| database.groups.iter().map(Group::expires).sum())
    }

    /// Number of hashes in a database with fields that expire.
    pub(crate) fn timed_len(&self, db: usize) -> usize {
        let timed = self.existing(db).and_then(|database| database.timed.get());
        timed.map_or(0, |timed| timed.sum.load(Ordering::Relaxed))
    }

    /// Number of keys in a slot, as it was when the slot was last unlocked.
    pub(crate) fn slot_len(&self, db: usize, slot: SlotId) -> usize {
        self.existing(db).map_or(0, |database| database.cells[slot.index()].keys())
    }

    /// Bytes of a slot's entries, as counted by [`super::EntryRef::memory`].
    pub(crate) fn slot_bytes(&self, db: usize, slot: SlotId) -> u64 {
        self.existing(db).map_or(0, |database| database.bytes[slot.index()].load(Ordering::Relaxed))
    }

    /// Bytes of all keys of a database, including their places in the tables.
    pub(crate) fn bytes(&self, db: usize) -> u64 {
        let entries: u64 = self.occupied(db).map(|slot| self.slot_bytes(db, slot)).sum();
        let expiries = self.expires_len(db) + self.timed_len(db);
        entries + (self.len(db) * table::PLACE + expiries * expiry::PLACE) as u64
    }

    /// Bytes of values that only a running snapshot needs. They are in no other sum.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// The slots that have keys (or states that a snapshot still needs), ascending; read as the iteration proceeds.
    pub(crate) fn occupied(&self, db: usize) -> impl Iterator<Item = SlotId> + '_ {
        self.occupied_from(db, SlotId::FIRST)
    }

    /// As [`Keyspace::occupied`], from slot `first` on.
    pub(crate) fn occupied_from(&self, db: usize, first: SlotId) -> impl Iterator<Item = SlotId> + '_ {
        self.existing(db).into_iter().flat_map(move |database| database.occupied.iter_from(first))
    }

    /// The slots that have keys, or fields of hashes, with an expiry, ascending from `first`.
    pub(crate) fn with_expiry(&self, db: usize, first: SlotId) -> impl Iterator<Item = SlotId> + '_ {
        self.existing(db).into_iter().flat_map(move |database| database.expiring.iter_from(first))
    }

    /// Those of them with something that is expired at `now`, as they were when they were last unlocked. Reads words
    /// that lie side by side, and no slot.
    pub(crate) fn due(&self, db: usize, first: SlotId, now: UnixMillis) -> impl Iterator<Item = SlotId> + '_ {
        self.existing(db).into_iter().flat_map(move |database| {
            let is_due =
                move |slot: &SlotId| expiry::is_due(!database.unexpired[slot.index()].load(Ordering::Relaxed), now);
            database.expiring.iter_from(first).filter(is_due)
        })
    }

    /// A random slot, weighted by its number of keys; `seed` is the randomness. `None` if there are no keys.
    pub(crate) fn random_slot(&self, db: usize, seed: u64) -> Option<SlotId> {
        let database = self.existing(db)?;
        let draw = Draw { set: &database.occupied, of_group: Group::keys, of_cell: SlotCell::keys };
        draw.slot(database, self.len(db), seed)
    }

    /// The same, weighted by the number of keys with an expiry.
    pub(crate) fn random_slot_with_expiry(&self, db: usize, seed: u64) -> Option<SlotId> {
        let database = self.existing(db)?;
        let draw = Draw { set: &database.expiring, of_group: Group::expires, of_cell: SlotCell::expires };
        draw.slot(database, self.expires_len(db), seed)
    }

    /// Exchanges the contents of two databases (SWAPDB). Waiters and watchers stay with their number: to a watcher, a
    /// key that was there or appears has changed, and a waiter may be waiting for one that appears. The caller holds
    /// the barrier: no slot is locked, and no command runs.
    pub(crate) fn swap_databases(&self, a: usize, b: usize, now: UnixMillis, door: &mut impl Door) {
        if a == b {
            return;
        }
        let mut slots = SlotBitmap::new();
        for id in self.occupied(a).chain(self.occupied(b)) {
            slots.set(id);
        }
        for id in slots.iter() {
            self.tell_watchers(id, a, b, now);
            self.tell_watchers(id, b, a, now);
        }
        if self.existing(a).is_some() || self.existing(b).is_some() {
            let (first, second) = (self.database(a), self.database(b));
            for (one, other) in first.cells.iter().zip(second.cells.iter()) {
                one.slot.lock().swap_clients(&mut other.slot.lock());
            }
        }
        let (physical_a, physical_b) = (&self.physical[a], &self.physical[b]);
        let old = physical_a.load(Ordering::Acquire);
        physical_a.store(physical_b.load(Ordering::Acquire), Ordering::Release);
        physical_b.store(old, Ordering::Release);
        self.carry_out_all([a, b]);
        for id in slots.iter() {
            for db in [a, b] {
                let slot = self.lock(db, id);
                let now = |key: &[u8]| slot.get(self.hash(key), key).map(EntryRef::ty);
                let concerned = slot.waited_keys().filter(|key| slot.concerns(key, now(key)));
                concerned.for_each(|key| door.ready(db, key));
            }
        }
    }

    /// Carries out what was left for the slots of two databases while they were swapped: it may have meant either.
    fn carry_out_all(&self, pair: [usize; 2]) {
        for database in pair.iter().filter_map(|db| self.existing(*db)) {
            for (slot, farewells) in database.leaving.take_all() {
                for db in pair {
                    let mut guard = self.lock(db, slot);
                    farewells.iter().for_each(|farewell| farewell.carry_out(&mut guard));
                }
            }
        }
    }

    /// Notifies the watchers of keys in `ours` that the database is about to become `theirs`.
    fn tell_watchers(&self, id: SlotId, ours: usize, theirs: usize, now: UnixMillis) {
        let watched: Vec<Box<[u8]>> = self.lock(ours, id).watched_keys().map(Into::into).collect();
        for key in watched {
            let hash = self.hash(&key);
            let coming = self.lock(theirs, id).get(hash, &key).map(|entry| entry.is_expired(now));
            let slot = self.lock(ours, id);
            let here = slot.contains(hash, &key);
            slot.watch_flags(&key).iter().for_each(|flag| flag.swap(here, coming));
        }
    }

    // --- Snapshots ---

    /// Makes this the instant of a new snapshot; an earlier snapshot that is not complete is abandoned. The caller
    /// holds the barrier: no slot is locked, and no command is half done.
    pub(crate) fn cut(&self) -> Cut {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Cut { physical: self.physical.iter().map(|physical| physical.load(Ordering::Acquire)).collect() }
    }

    /// The slots of a database, as it was numbered at the cut, that the snapshot may have to read: lock each with
    /// [`Keyspace::lock_cut`] and call [`Slot::snapshot_step`] until it reports that it is done.
    pub(crate) fn cut_slots<'a>(&'a self, cut: &Cut, db: usize) -> impl Iterator<Item = SlotId> + use<'a> {
        let database = self.databases[cut.physical[db]].get();
        database.into_iter().flat_map(|database| database.occupied.iter_from(SlotId::FIRST))
    }

    /// Locks a slot of a database as it was numbered at the cut.
    pub(crate) fn lock_cut(&self, cut: &Cut, db: usize, slot: SlotId) -> SlotGuard<'_> {
        let database = self.databases[cut.physical[db]].get_or_init(Database::new);
        self.lock_in(database, slot)
    }
}

/// Prefetches slots of a database, as it is numbered now. Does nothing for a database that was never used.
#[derive(Clone, Copy)]
pub(crate) struct Hints<'a>(Option<&'a Database>);

impl<'a> Hints<'a> {
    /// Hints that this slot will be locked soon.
    #[inline]
    pub(crate) fn prefetch(self, slot: SlotId) {
        if let Some(database) = self.0 {
            prefetch(&raw const database.cells[slot.index()]);
        }
    }

    /// Locks a slot for further hints; `None` if it is locked already.
    #[inline]
    pub(crate) fn peek(self, slot: SlotId) -> Option<Peek<'a>> {
        self.0?.cells[slot.index()].slot.try_lock().map(Peek)
    }
}

/// A slot that is locked only for hints: it may still have to take part in a snapshot's cut.
pub(crate) struct Peek<'a>(MutexGuard<'a, Slot>);

impl Peek<'_> {
    /// Hints that this key's place in the table will be looked at soon.
    #[inline]
    pub(crate) fn prefetch(&self, hash: KeyHash) {
        self.0.prefetch(hash);
    }

    /// Hints that this key's entry will be looked at soon; call it some time after [`Peek::prefetch`].
    #[inline]
    pub(crate) fn prefetch_entry(&self, hash: KeyHash) {
        self.0.prefetch_entry(hash);
    }
}

/// A locked slot. Publishes counts and occupancy when dropped.
pub(crate) struct SlotGuard<'a> {
    // Declared, and so dropped, before `held`.
    guard: MutexGuard<'a, Slot>,
    held: Held<'a>,
}

/// A slot that stays locked although no guard exists: for a script that is suspended. It is given back with
/// [`Keyspace::take_back`]; dropped, the slot is locked for ever.
#[derive(Debug)]
#[must_use]
pub(crate) struct KeptSlot {
    /// Which keyspace it belongs to.
    keyspace: *const Keyspace,
    db: usize,
    id: SlotId,
}

/// The slot that a guard holds. Dropped when the slot is unlocked: then its waiters are called.
struct Held<'a> {
    database: &'a Database,
    id: SlotId,
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.database.cells[self.id.index()].keys.load(Ordering::Relaxed) & AWAITED != 0 {
            self.database.call_waiting(self.id);
        }
    }
}

impl SlotGuard<'_> {
    /// Which slot this is.
    pub(crate) fn id(&self) -> SlotId {
        self.held.id
    }
}

impl Deref for SlotGuard<'_> {
    type Target = Slot;

    #[inline]
    fn deref(&self) -> &Slot {
        &self.guard
    }
}

impl DerefMut for SlotGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.guard
    }
}

impl Drop for SlotGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.guard.take_changed() {
            self.held.database.publish(self.held.id, &self.guard);
        }
    }
}

/// A slot with its lock and its published counts, in one cache line. All zero is the empty one.
#[repr(C, align(64))]
struct SlotCell {
    slot: Mutex<Slot>,
    /// Number of keys, and the flags `PENDING` and `AWAITED`.
    keys: AtomicU32,
    expires: AtomicU32,
}

const _: () = assert!(size_of::<SlotCell>() == 64);

// SAFETY: all zero is a valid cell. An unlocked `parking_lot` mutex is a zero byte, the atomics are zero, and a `Slot`
// is null pointers (`Option<Box<_>>` guarantees it for `None`) and zero integers. A test compares a zeroed cell with
// one made of the parts' own constants.
unsafe impl Zeroable for SlotCell {}

impl SlotCell {
    fn keys(&self) -> usize {
        (self.keys.load(Ordering::Relaxed) & !(PENDING | AWAITED)) as usize
    }

    fn expires(&self) -> usize {
        self.expires.load(Ordering::Relaxed) as usize
    }
}

/// Picks a random slot, weighted by some of its keys.
struct Draw<'a> {
    /// The slots that have any.
    set: &'a SlotSet,
    of_group: fn(&Group) -> usize,
    of_cell: fn(&SlotCell) -> usize,
}

impl Draw<'_> {
    /// `total` is how many there are in the database.
    fn slot(&self, database: &Database, total: usize, seed: u64) -> Option<SlotId> {
        if total == 0 {
            return None;
        }
        let mut left = ((mix(seed) as u128 * total as u128) >> 64) as usize;
        let mut last = None;
        for (number, group) in database.groups.iter().enumerate() {
            let sum = (self.of_group)(group);
            if left >= sum {
                left -= sum;
                continue;
            }
            let first = SlotId::new((number * GROUP) as u16)?;
            for slot in self.set.iter_from(first) {
                let keys = (self.of_cell)(&database.cells[slot.index()]);
                if left < keys {
                    return Some(slot);
                }
                left -= keys;
                last = Some(slot);
            }
        }
        // The counts changed while they were read.
        last.or_else(|| self.set.iter_from(SlotId::FIRST).next())
    }
}

/// Sums over a group of slots. Written under different locks, hence atomic additions.
#[derive(Default)]
struct Group {
    keys: AtomicUsize,
    expires: AtomicUsize,
}

impl Group {
    fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    fn expires(&self) -> usize {
        self.expires.load(Ordering::Relaxed)
    }
}

struct Database {
    cells: Mapped<[SlotCell; SLOT_COUNT]>,
    /// Bytes of each slot, published beside its cell, which has no room left.
    bytes: Mapped<[AtomicU64; SLOT_COUNT]>,
    /// The complement of each slot's [`Slot::first_instant`]: zero if nothing expires, so that a data set without
    /// expiries touches no memory for it.
    unexpired: Mapped<[AtomicU64; SLOT_COUNT]>,
    occupied: SlotSet,
    expiring: SlotSet,
    groups: [Group; GROUPS],
    parking: Parking<SlotId>,
    leaving: Leaving,
    /// Made when the first field of a hash expires.
    timed: OnceLock<Timed>,
}

/// The numbers of hashes with fields that expire.
struct Timed {
    slots: Box<[AtomicU32]>,
    sum: AtomicUsize,
}

impl Default for Timed {
    fn default() -> Self {
        Self { slots: (0..SLOT_COUNT).map(|_| AtomicU32::new(0)).collect(), sum: AtomicUsize::new(0) }
    }
}

impl Database {
    fn new() -> Box<Database> {
        Box::new(Database {
            cells: Mapped::zeroed(),
            bytes: Mapped::zeroed(),
            unexpired: Mapped::zeroed(),
            occupied: SlotSet::new(),
            expiring: SlotSet::new(),
            groups: std::array::from_fn(|_| Group::default()),
            parking: Parking::default(),
            leaving: Leaving::default(),
            timed: OnceLock::new(),
        })
    }

    /// Calls the tickets of a slot that was unlocked, and carries out what was left for it.
    #[cold]
    fn call_waiting(&self, id: SlotId) {
        let cell = &self.cells[id.index()];
        loop {
            cell.keys.fetch_and(!AWAITED, Ordering::SeqCst);
            self.parking.wake_all(&id);
            if !self.leaving.is_left(id) {
                return;
            }
            match cell.slot.try_lock() {
                Some(mut slot) => {
                    self.leaving.take(id).iter().for_each(|farewell| farewell.carry_out(&mut slot));
                    drop(slot);
                    // More may have come while it was locked for this.
                    if cell.keys.load(Ordering::SeqCst) & AWAITED == 0 {
                        return;
                    }
                }
                // Its present holder does that.
                None if self.mark(id) => return,
                None => {}
            }
        }
    }

    /// Marks a slot as awaited. `false`: it is not locked any more. An unlock after this check sees the mark.
    fn mark(&self, id: SlotId) -> bool {
        let cell = &self.cells[id.index()];
        cell.keys.fetch_or(AWAITED, Ordering::SeqCst);
        cell.slot.is_locked()
    }

    /// Leaves something to be done when a slot is unlocked.
    fn leave(&self, id: SlotId, farewell: Farewell) {
        self.leaving.leave(id, farewell);
        if !self.mark(id) {
            self.call_waiting(id);
        }
    }

    /// Publishes new counts of a slot. Called under the slot's lock.
    fn publish(&self, id: SlotId, slot: &Slot) {
        let (cell, group) = (&self.cells[id.index()], &self.groups[id.index() / GROUP]);
        let pending = if slot.snapshot_pending() { PENDING } else { 0 };
        let (keys, expires) = (slot.len() as u32 | pending, slot.expires_len() as u32);
        self.bytes[id.index()].store(slot.bytes(), Ordering::Relaxed);
        let (unexpired, now) = (&self.unexpired[id.index()], !slot.first_instant());
        if unexpired.load(Ordering::Relaxed) != now {
            unexpired.store(now, Ordering::Relaxed);
        }
        if slot.timed_len() != 0 || self.timed.get().is_some() {
            self.publish_timed(id, slot);
        }
        if keys == cell.keys.load(Ordering::Relaxed) & !AWAITED && expires == cell.expires.load(Ordering::Relaxed) {
            return;
        }
        let marked = cell.keys.swap(keys, Ordering::Relaxed);
        if marked & AWAITED != 0 {
            // The tickets are called when the slot is unlocked, which is after this.
            cell.keys.fetch_or(AWAITED, Ordering::Relaxed);
        }
        let old_keys = marked & !AWAITED;
        let old_expires = cell.expires.swap(expires, Ordering::Relaxed);
        // Differences are added as wrapping numbers: a decrease is the addition of its complement.
        let difference = |new: u32, old: u32| (new as usize).wrapping_sub(old as usize);
        group.keys.fetch_add(difference(keys & !PENDING, old_keys & !PENDING), Ordering::Relaxed);
        group.expires.fetch_add(difference(expires, old_expires), Ordering::Relaxed);
        if (keys == 0) != (old_keys == 0) {
            self.occupied.put(id, keys != 0);
        }
        if (expires == 0) != (old_expires == 0) {
            self.expiring.put(id, expires != 0 || slot.timed_len() != 0);
        }
    }

    /// The part of [`Database::publish`] that concerns fields of hashes.
    #[cold]
    fn publish_timed(&self, id: SlotId, slot: &Slot) {
        let timed = self.timed.get_or_init(Timed::default);
        let new = slot.timed_len() as u32;
        let old = timed.slots[id.index()].swap(new, Ordering::Relaxed);
        if new != old {
            timed.sum.fetch_add((new as usize).wrapping_sub(old as usize), Ordering::Relaxed);
            self.expiring.put(id, new != 0 || slot.expires_len() != 0);
        }
    }
}

/// A set of slots that may be read while it is changed.
struct SlotSet {
    words: [AtomicU64; SLOT_COUNT / 64],
}

impl SlotSet {
    fn new() -> Self {
        Self { words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn put(&self, slot: SlotId, member: bool) {
        let (word, bit) = (&self.words[slot.index() / 64], 1 << (slot.index() % 64));
        if member {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Members from `first` on, ascending, each word read when the iteration comes to it.
    fn iter_from(&self, first: SlotId) -> impl Iterator<Item = SlotId> + '_ {
        let mut next = Some(first.get());
        std::iter::from_fn(move || {
            let mut at = next? as usize;
            while at < SLOT_COUNT {
                let bits = self.words[at / 64].load(Ordering::Relaxed) >> (at % 64);
                if bits != 0 {
                    at += bits.trailing_zeros() as usize;
                    next = Some(at as u16 + 1);
                    return SlotId::new(at as u16);
                }
                at = (at / 64 + 1) * 64;
            }
            next = None;
            None
        })
    }
}

#[cfg(test)]
#[path = "keyspace_tests.rs"]
mod tests;
