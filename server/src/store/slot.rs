//! One hash slot: its keys, their expiries, the clients that wait for them or watch them, and its part in a snapshot.
//!
//! The slot is the unit of locking, so everything here is plain `&mut self`. Its 48 bytes hold the table and pointers
//! to what most slots never need. All zero is the empty slot.
//!
//! Every change of an entry has three duties, and callers of this file cannot bypass them: the state that a running
//! snapshot needs is saved first, the expiry index and the [`Ledger`] are updated, and the entry is stamped with the
//! slot's clock. Code that removes a key passes a [`Door`], through which watchers, blocked clients and all others
//! learn of it. One duty is left to the caller, since only it knows when a command has really changed something:
//! [`Slot::written`].
//!
//! This file does not read the time: [`Slot::get`] returns expired keys too, and the engine decides what to do with
//! them (a primary deletes them; a replica hides them and waits for the primary's DEL).
//!
//! Handlers that look at a key and then act use [`Slot::get_mut`]: it looks the key up once, and the returned
//! [`EntryMut`] can read, replace, edit in place, change the expiry, and remove.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use protocol::slot::SlotId;

use super::change::{Cause, Change, Door};
use super::collection::CollectionType;
use super::edit::EditGuard;
use super::entry::{AccessClock, Entry, EntryRef};
use super::expiry::ExpiryIndex;
use super::hash::KeyHash;
use super::ledger::Ledger;
use super::parts::Parts;
use super::snapshot::{AtCut, Onward, SnapshotState};
use super::table::{Position, Table};
use super::value::{StringValue, Type, Value, ValueRef};
use super::waiters::{BlockToken, Waiter};
use super::watchers::WatchFlag;
use crate::base::clock::UnixMillis;

/// What happens to a key's expiry when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// The key does not expire any more.
    Clear,
    /// The expiry stays (KEEPTTL).
    Keep,
    /// The key expires at this Unix time in milliseconds.
    At(UnixMillis),
}

/// A key that is no longer (or not yet) in any slot: removals return it, so that large values are dropped without the
/// lock.
#[derive(Debug)]
pub(crate) struct Removed(Entry);

impl Removed {
    /// The key.
    pub(crate) fn key(&self) -> &[u8] {
        self.0.as_ref().key()
    }

    /// The value.
    pub(crate) fn value(&self) -> ValueRef<'_> {
        self.0.as_ref().value()
    }

    /// When the key was to expire.
    #[cfg(test)]
    pub(crate) fn expire_at(&self) -> Option<UnixMillis> {
        self.0.as_ref().expire_at()
    }

    /// Everything about the key.
    #[cfg(test)]
    pub(crate) fn entry(&self) -> EntryRef<'_> {
        self.0.as_ref()
    }

    /// A copy of a key under another name, for COPY: value, encoding, expiry and access time.
    pub(crate) fn copy_of(entry: EntryRef<'_>, key: &[u8]) -> Removed {
        Removed(entry.duplicate(key))
    }
}

/// The former contents of a slot: drop it after the lock is released.
pub(crate) struct Cleared(Table);

impl Cleared {
    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One hash slot of one database. See the top of the file.
pub(crate) struct Slot {
    table: Table,
    parts: Parts,
    ledger: Ledger,
    /// Number of the last cut in which the slot took part.
    epoch: u32,
    /// The clock that entries are stamped with, 24 bits; above it the snapshot bit of settled entries. One word, since
    /// a load that spans two fresh stores would have to wait until both have reached the cache.
    stamp: u32,
}

/// In [`Slot::stamp`]: the snapshot bit of settled entries.
const CUT: u32 = 1 << 24;

impl Slot {
    /// The empty slot. All its bytes are zero.
    pub(crate) const EMPTY: Slot =
        Slot { table: Table::EMPTY, parts: Parts::NONE, ledger: Ledger::EMPTY, epoch: 0, stamp: 0 };

    // --- Counting and clock ---

    /// Number of keys.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of keys with an expiry.
    #[inline]
    pub(crate) fn expires_len(&self) -> usize {
        self.parts.expiry().map_or(0, ExpiryIndex::len)
    }

    /// Bytes that its entries take, as counted by [`EntryRef::memory`]; values that only a snapshot needs are not
    /// included.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// Whether a published count has changed since the last call.
    #[inline]
    pub(crate) fn take_changed(&mut self) -> bool {
        self.ledger.take_changed()
    }

    /// Sets the clock that entries are stamped with from now on.
    #[inline]
    pub(crate) fn set_clock(&mut self, clock: AccessClock) {
        self.stamp = self.stamp & CUT | clock.bits();
    }

    #[inline]
    fn clock(&self) -> AccessClock {
        AccessClock::from_bits(self.stamp & !CUT)
    }

    /// The snapshot bit of settled entries.
    #[inline]
    fn cut(&self) -> bool {
        self.stamp & CUT != 0
    }

    // --- Reading ---

    /// Looks a key up, expired or not, without changing its access time.
    #[inline]
    pub(crate) fn get(&self, hash: KeyHash, key: &[u8]) -> Option<EntryRef<'_>> {
        let at = self.table.find(hash.tag(), key)?;
        Some(self.table.entry(at))
    }

    /// Looks a key up, expired or not, and stamps it as accessed now.
    #[inline]
    pub(crate) fn access(&mut self, hash: KeyHash, key: &[u8]) -> Option<EntryRef<'_>> {
        let clock = self.clock();
        let word = self.table.find_mut(hash.tag(), key)?;
        if word.entry()?.access() != clock {
            word.set_access(clock);
        }
        word.entry()
    }

    /// Whether the key is there, expired or not.
    #[inline]
    pub(crate) fn contains(&self, hash: KeyHash, key: &[u8]) -> bool {
        self.table.find(hash.tag(), key).is_some()
    }

    /// All keys, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.table.iter()
    }

    /// Visits at least `count` keys (if there are so many) from a position on; returns the position to continue from,
    /// `None` at the end. Start at 0. A key that stays in the slot is visited exactly once, whatever is added or
    /// removed, and however the table grows.
    pub(crate) fn scan(&self, position: u32, count: usize, f: impl FnMut(EntryRef<'_>)) -> Option<u32> {
        self.table.visit(position, count.max(1), f)
    }

    /// A random key; `seed` is the randomness.
    pub(crate) fn random(&self, seed: u64) -> Option<EntryRef<'_>> {
        self.table.sample(seed)
    }

    /// Hints that this key's place in the table will be looked at soon.
    #[inline]
    pub(crate) fn prefetch(&self, hash: KeyHash) {
        self.table.prefetch_words(hash.tag());
    }

    /// Hints that this key's entry will be looked at soon. This reads the table, so call [`Slot::prefetch`] some time
    /// before.
    #[inline]
    pub(crate) fn prefetch_entry(&self, hash: KeyHash) {
        self.table.prefetch_entry(hash.tag());
    }

    // --- Writing ---

    /// Looks a key up to change it, expired or not. Does not stamp it: see [`EntryMut::stamp`].
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, hash: KeyHash, key: &[u8]) -> Option<EntryMut<'_>> {
        let at = self.table.find(hash.tag(), key)?;
        Some(EntryMut { slot: self, at, tag: hash.tag() })
    }

    /// Sets a key to a string, whatever it held before. Returns whether it was there.
    #[inline]
    pub(crate) fn set_string(&mut self, hash: KeyHash, key: &[u8], value: StringValue<'_>, ttl: Ttl) -> bool {
        if let Some(mut entry) = self.get_mut(hash, key) {
            entry.set_string(value);
            entry.apply(ttl);
            entry.stamp();
            return true;
        }
        let expire = match ttl {
            Ttl::At(at) => Some(at),
            Ttl::Clear | Ttl::Keep => None,
        };
        self.add(hash.tag(), Entry::new_string(key, value, expire, self.clock()));
        false
    }

    /// [`Slot::set_string`] for a key that holds a collection, which is returned to be dropped without the lock.
    /// `None`: it holds none, and nothing is done.
    pub(crate) fn take_collection(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: StringValue<'_>,
        ttl: Ttl,
    ) -> Option<Removed> {
        let entry = self.get(hash, key).filter(|entry| entry.ty() != Type::String)?;
        let expire = match ttl {
            Ttl::Keep => entry.expire_at(),
            Ttl::Clear => None,
            Ttl::At(at) => Some(at),
        };
        let removed = self.get_mut(hash, key).map(EntryMut::detach);
        self.add(hash.tag(), Entry::new_string(key, value, expire, self.clock()));
        removed
    }

    /// Sets a key to a value of any type, replacing its old value. Returns what was removed, to be dropped without the
    /// lock.
    pub(crate) fn insert(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: Value,
        expire: Option<UnixMillis>,
    ) -> Option<Removed> {
        let removed = self.get_mut(hash, key).map(EntryMut::detach);
        self.add(hash.tag(), Entry::new(key, value, expire, self.clock()));
        removed
    }

    /// Adds a key of a data set that is being loaded. `false`: it exists already. To sessions that watch the absent
    /// key, its appearance is a change; no other notifications are sent for single keys.
    pub(crate) fn load(&mut self, hash: KeyHash, key: &[u8], value: Value, expire: Option<UnixMillis>) -> bool {
        if self.contains(hash, key) {
            return false;
        }
        self.add(hash.tag(), Entry::new(key, value, expire, self.clock()));
        self.watch_flags(key).iter().for_each(|flag| flag.touch(false));
        true
    }

    /// Puts a removed (or copied) key back under `key`: with its value, encoding, expiry and access time. For RENAME,
    /// MOVE and COPY. Returns what was there before.
    pub(crate) fn put(&mut self, hash: KeyHash, key: &[u8], moved: Removed) -> Option<Removed> {
        let removed = self.get_mut(hash, key).map(EntryMut::detach);
        let entry = if moved.key() == key { moved.0 } else { moved.0.into_key(key) };
        self.add(hash.tag(), entry);
        removed
    }

    /// Announces that a key was created, or that its value or expiry was changed. Must be called for every such change.
    pub(crate) fn written(&mut self, hash: KeyHash, change: Change<'_>, door: &mut impl Door) {
        let now = if self.has_waiters() { self.get(hash, change.key).map(EntryRef::ty) } else { None };
        self.tell(change, false, now, door);
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, hash: KeyHash, change: Change<'_>, door: &mut impl Door) -> Option<Removed> {
        let removed = self.get_mut(hash, change.key)?.detach();
        self.tell(change, true, None, door);
        Some(removed)
    }

    /// Removes up to `limit` arbitrary keys; returns how many. `home` is the database and the slot.
    pub(crate) fn remove_some(
        &mut self,
        limit: usize,
        hash: impl Fn(&[u8]) -> KeyHash,
        home: (usize, SlotId),
        cause: Cause,
        door: &mut impl Door,
    ) -> usize {
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        self.table.visit(0, limit.max(1), |entry| keys.push(entry.key().into()));
        for key in &keys {
            let change = Change { db: home.0, slot: home.1, key, cause };
            if let Some(removed) = self.remove(hash(key), change, door) {
                door.discard(removed, cause);
            }
        }
        keys.len()
    }

    /// Announces a change that has been made. `gone`: the key no longer exists; `now`: the type of what it holds, for
    /// clients that wait for it.
    fn tell(&mut self, change: Change<'_>, gone: bool, now: Option<Type>, door: &mut impl Door) {
        let mut awaited = false;
        if let Some(extra) = self.parts.extra_mut() {
            for flag in extra.watchers.of(change.key) {
                if let Cause::FieldsExpired(latest) | Cause::LastFieldExpired(latest) = change.cause {
                    flag.touch_fields(gone, latest);
                } else {
                    flag.touch(gone);
                }
            }
            awaited = change.cause != Cause::Lessened && extra.waiters.concerns(change.key, now);
        }
        door.pass(change, awaited);
    }

    /// Whether the slot may have watchers or waiters. If not, a write has no one here to notify.
    #[inline(always)]
    pub(crate) fn is_observed(&self) -> bool {
        self.parts.extra().is_some()
    }

    /// Sets or clears a key's expiry. Returns whether the key is there.
    #[cfg(test)]
    pub(crate) fn set_expire(&mut self, hash: KeyHash, key: &[u8], expire: Option<UnixMillis>) -> bool {
        self.get_mut(hash, key).map(|mut entry| entry.set_expire(expire)).is_some()
    }

    /// Removes all keys and notifies the sessions that watch one of them. Waiters and watchers stay, and so does what a
    /// running snapshot still needs. A watched key that did not exist has not changed. `hash` is the keyspace's. `db`
    /// is the database.
    pub(crate) fn clear(&mut self, db: usize, hash: impl Fn(&[u8]) -> KeyHash, door: &mut impl Door) -> Cleared {
        door.flushed();
        let concerned = self.waited_keys().filter(|key| self.contains(hash(key), key) && self.concerns(key, None));
        concerned.for_each(|key| door.ready(db, key));
        let watched = self.parts.extra().into_iter().flat_map(|extra| extra.watchers.iter());
        for (_, flags) in watched.filter(|(key, _)| self.contains(hash(key), key)) {
            flags.iter().for_each(|flag| flag.touch(true));
        }
        let cut = self.cut();
        if let Some(state) = self.parts.extra_mut().and_then(|extra| extra.snapshot.as_mut()) {
            let pending = self.table.words_mut().filter(|word| word.entry().is_some_and(|entry| entry.cut() != cut));
            pending.filter_map(super::entry::word::Word::take).for_each(|entry| state.keep(entry, Onward::Leaves));
            state.next = None;
        }
        drop((self.parts.take_expiry(), self.parts.take_fields()));
        self.ledger.set(0);
        Cleared(std::mem::replace(&mut self.table, Table::EMPTY))
    }

    /// Takes over the keys of a slot that took part in no snapshot, and drops all keys that were here. As
    /// [`Slot::clear`]; a watched key that appears has changed, too.
    pub(crate) fn replace_with(
        &mut self,
        db: usize,
        fresh: &mut Slot,
        hash: impl Fn(&[u8]) -> KeyHash,
        door: &mut impl Door,
    ) -> Cleared {
        debug_assert!(!fresh.snapshot_pending(), "nobody saves it");
        let old = self.clear(db, &hash, door);
        self.table = std::mem::replace(&mut fresh.table, Table::EMPTY);
        self.parts.replace_expiry(fresh.parts.take_expiry());
        self.parts.replace_fields(fresh.parts.take_fields());
        self.ledger.set(fresh.bytes());
        fresh.ledger.set(0);
        // None of them is part of a running snapshot, so the bit that they have becomes that of settled entries.
        self.stamp = (self.stamp & !CUT) | (fresh.stamp & CUT);
        let watched = self.parts.extra().into_iter().flat_map(|extra| extra.watchers.iter());
        for (_, flags) in watched.filter(|(key, _)| self.contains(hash(key), key)) {
            flags.iter().for_each(|flag| flag.touch(false));
        }
        old
    }

    fn add(&mut self, tag: u32, mut entry: Entry) -> Position {
        entry.set_cut(self.cut());
        if let Some(at) = entry.as_ref().expire_at() {
            self.parts.expiry_mut().insert(at, tag);
        }
        if let Some(at) = entry.as_ref().next_field_expiry() {
            self.parts.move_field_expiry(None, Some(at), tag);
        }
        self.ledger.add(entry.as_ref().memory() as i64);
        self.table.insert(tag, entry)
    }

    fn forget_expiry(&mut self, at: UnixMillis, tag: u32) {
        let index = self.parts.expiry_mut();
        let known = index.remove(at, tag);
        debug_assert!(known, "a key with an expiry is in the index");
        if index.len() == 0 {
            self.parts.tidy();
        }
    }

    // --- Expiry ---

    /// Removes a key if it is expired at `now`; returns whether it was. The cause is the expiry, whatever `change`
    /// says.
    pub(crate) fn expire_if_due(
        &mut self,
        hash: KeyHash,
        change: Change<'_>,
        now: UnixMillis,
        door: &mut impl Door,
    ) -> bool {
        let due = self.get(hash, change.key).is_some_and(|entry| entry.is_expired(now));
        if due && let Some(removed) = self.remove(hash, Change { cause: Cause::Expired, ..change }, door) {
            door.discard(removed, Cause::Expired);
        }
        due
    }

    /// The instant at which the first of the slot's keys, or fields of hashes, expires, for [`super::expiry::is_due`].
    #[inline]
    pub(crate) fn first_instant(&self) -> u64 {
        self.parts.first_instant()
    }

    /// When the first of the slot's keys expires.
    #[cfg(test)]
    pub(crate) fn next_expiry(&self) -> Option<UnixMillis> {
        self.parts.expiry()?.first()
    }

    /// Removes up to `budget` keys that are expired at `now`, in the order of their expiry. Returns how many: less than
    /// the budget means that no more are due. `home` is the database and the slot.
    pub(crate) fn expire_due(
        &mut self,
        home: (usize, SlotId),
        now: UnixMillis,
        budget: usize,
        door: &mut impl Door,
    ) -> usize {
        for done in 0..budget {
            let Some(due) = self.parts.expiry().and_then(|index| index.first_due(now)) else { return done };
            let at = self
                .table
                .find_by(due.tag, |entry| due.matches(entry.expire_at()))
                .expect("an expiry in the index belongs to an entry");
            let removed = EntryMut { slot: self, at, tag: due.tag }.detach();
            self.tell(Change { db: home.0, slot: home.1, key: removed.key(), cause: Cause::Expired }, true, None, door);
            door.discard(removed, Cause::Expired);
        }
        budget
    }

    // --- Waiters and watchers ---

    /// Adds a waiter at the end of a key's queue.
    pub(crate) fn wait(&mut self, key: &[u8], waiter: Waiter) {
        self.parts.extra_or_new().waiters.push(key, waiter);
    }

    /// Removes a client from a key's queue.
    pub(crate) fn stop_waiting(&mut self, key: &[u8], token: &Arc<BlockToken>) {
        if let Some(extra) = self.parts.extra_mut() {
            extra.waiters.remove(key, token);
            self.parts.tidy();
        }
    }

    /// The clients that wait for a key, in the order of arrival, after the number `after` (0 is the front), each with
    /// its number.
    pub(crate) fn waiters_after(&mut self, key: &[u8], after: u64) -> impl Iterator<Item = (u64, &Waiter)> {
        self.parts.extra_mut().into_iter().flat_map(move |extra| extra.waiters.queue_after(key, after))
    }

    /// Whether any client waits for any key of the slot.
    #[inline]
    pub(crate) fn has_waiters(&self) -> bool {
        self.parts.extra().is_some_and(|extra| !extra.waiters.is_empty())
    }

    /// The keys that clients wait for.
    pub(super) fn waited_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.extra().into_iter().flat_map(|extra| extra.waiters.keys())
    }

    /// Whether a change concerns a client that is blocked on this key, which now is of this type, or gone.
    pub(crate) fn concerns(&self, key: &[u8], now: Option<Type>) -> bool {
        self.parts.extra().is_some_and(|extra| extra.waiters.concerns(key, now))
    }

    /// Lets a session watch a key. `false`: it does already, and nothing is done.
    pub(crate) fn watch(&mut self, key: &[u8], flag: &Arc<WatchFlag>) -> bool {
        self.parts.extra_or_new().watchers.add(key, flag)
    }

    /// Ends a session's watch of a key.
    pub(crate) fn unwatch(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        if let Some(extra) = self.parts.extra_mut() {
            extra.watchers.remove(key, flag);
            self.parts.tidy();
        }
    }

    /// The flags of the sessions that watch a key.
    pub(super) fn watch_flags(&self, key: &[u8]) -> &[Arc<WatchFlag>] {
        self.parts.extra().map_or(&[], |extra| extra.watchers.of(key))
    }

    /// Notes that a key may have been changed in a way that needs no announcement (see [`WatchFlag::stir`]).
    #[cold]
    pub(crate) fn stir(&self, key: &[u8]) {
        self.watch_flags(key).iter().for_each(|flag| flag.stir());
    }

    /// The keys that sessions watch.
    pub(super) fn watched_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.extra().into_iter().flat_map(|extra| extra.watchers.keys())
    }

    /// Exchanges waiters and watchers with another slot: they belong to the database's number, not to its contents
    /// (SWAPDB).
    pub(crate) fn swap_clients(&mut self, other: &mut Slot) {
        if self.parts.extra().is_none() && other.parts.extra().is_none() {
            return;
        }
        let (ours, theirs) = (self.parts.extra_or_new(), other.parts.extra_or_new());
        std::mem::swap(&mut ours.waiters, &mut theirs.waiters);
        std::mem::swap(&mut ours.watchers, &mut theirs.watchers);
        self.parts.tidy();
        other.parts.tidy();
    }

    // --- Snapshot ---

    /// Takes part in the cut of this number. Called under the lock before anything else is done to the slot. `kept`
    /// counts the bytes that only snapshots need.
    pub(crate) fn join_cut(&mut self, epoch: u32, kept: &Arc<AtomicU64>) {
        self.epoch = epoch;
        self.ledger.touch();
        if self.snapshot_pending() {
            // The last snapshot was abandoned: settle the entries that it left pending.
            let cut = self.cut();
            self.table.words_mut().for_each(|word| word.set_cut(cut));
            self.parts.extra_or_new().snapshot = None;
            self.parts.tidy();
        }
        if !self.is_empty() {
            self.stamp ^= CUT;
            self.parts.extra_or_new().snapshot = Some(SnapshotState::new(Arc::clone(kept)));
        }
    }

    /// The number of the last cut in which the slot took part.
    #[inline]
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether a snapshot has not yet read all of this slot.
    #[inline]
    pub(crate) fn snapshot_pending(&self) -> bool {
        self.parts.extra().is_some_and(|extra| extra.snapshot.is_some())
    }

    /// Passes keys in their state at the last cut to `f`, each exactly once over all steps; about `limit` of them per
    /// step. Returns `true` when the slot is done.
    pub(crate) fn snapshot_step(&mut self, limit: usize, mut f: impl FnMut(AtCut<'_>)) -> bool {
        let cut = self.cut();
        let Some(state) = self.parts.extra_mut().and_then(|extra| extra.snapshot.as_mut()) else { return true };
        let overtaken = state.take(limit, |entry| f(AtCut::Kept(entry)));
        if let Some(from) = state.next.filter(|_| overtaken < limit) {
            state.next = self.table.visit_mut(from, limit - overtaken, |word| {
                if let Some(entry) = word.entry().filter(|entry| entry.cut() != cut) {
                    f(AtCut::Present(entry));
                    word.set_cut(cut);
                }
            });
        }
        if !state.is_done() {
            return false;
        }
        self.ledger.touch();
        if state.has_passed_on() {
            self.parts.extra_or_new().snapshot = None;
            self.parts.tidy();
        }
        true
    }

    /// Saves an entry's state for a running snapshot before it changes.
    #[inline(always)]
    fn preserve(&mut self, at: Position) {
        if self.is_pending(at) {
            self.preserve_pending(at, Onward::Leaves);
        }
    }

    /// Whether a running snapshot has yet to save the entry.
    #[inline(always)]
    fn is_pending(&self, at: Position) -> bool {
        self.table.entry(at).cut() != self.cut()
    }

    #[cold]
    fn preserve_pending(&mut self, at: Position, onward: Onward) {
        let entry = self.table.entry(at);
        let copy = if onward == Onward::Stays { entry.duplicate(entry.key()) } else { entry.share() };
        let state = self.parts.extra_mut().and_then(|extra| extra.snapshot.as_mut());
        state.expect("entries are pending only while a snapshot is").keep(copy, onward);
        let cut = self.cut();
        self.table.word_mut(at).set_cut(cut);
    }
}

mod fields;
mod victims;

/// An entry that may be changed, with its slot.
pub(crate) struct EntryMut<'a> {
    slot: &'a mut Slot,
    at: Position,
    tag: u32,
}

impl<'a> EntryMut<'a> {
    /// Reads the entry.
    #[inline]
    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        self.slot.table.entry(self.at)
    }

    /// The value.
    pub(crate) fn value(&self) -> ValueRef<'_> {
        self.as_ref().value()
    }

    /// The data type.
    pub(crate) fn ty(&self) -> Type {
        self.as_ref().ty()
    }

    /// When the key expires.
    pub(crate) fn expire_at(&self) -> Option<UnixMillis> {
        self.as_ref().expire_at()
    }

    /// Stamps the entry as accessed now.
    pub(crate) fn stamp(&mut self) {
        self.stamp_at(self.slot.clock());
    }

    /// Stamps the entry as last accessed at another time (RESTORE with IDLETIME, loading).
    pub(crate) fn stamp_at(&mut self, clock: AccessClock) {
        self.slot.table.word_mut(self.at).set_access(clock);
    }

    /// Replaces the value by a string; the expiry stays.
    #[inline]
    pub(crate) fn set_string(&mut self, value: StringValue<'_>) {
        self.forget_fields();
        self.change(|entry| entry.set_string(value));
    }

    /// Appends to a string; returns its new length in bytes, `None` if this is no string (and nothing was changed).
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Option<usize> {
        self.change(|entry| entry.append(bytes))
    }

    /// The bytes of a string, filled up with zeros to at least `len`, to be changed in place (SETRANGE, SETBIT). The
    /// string is `raw` afterwards. `None` if this is no string.
    pub(crate) fn bytes_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.ty() != Type::String {
            return None;
        }
        self.change(|entry| entry.extend_to(len));
        self.slot.table.word_mut(self.at).bytes_mut()
    }

    /// The collection, to be changed in place; `None` if this is none of this type.
    #[inline]
    pub(crate) fn edit<T: CollectionType>(self) -> Option<EditGuard<'a, T>> {
        if self.slot.is_pending(self.at) {
            self.as_ref().collection::<T>()?;
            self.slot.preserve_pending(self.at, Onward::Shares);
        }
        let Slot { table, ledger, parts, .. } = self.slot;
        EditGuard::new(table.word_mut(self.at), ledger, parts, self.tag)
    }

    /// Sets or clears the expiry.
    pub(crate) fn set_expire(&mut self, expire: Option<UnixMillis>) {
        let old = self.expire_at();
        if old == expire {
            return;
        }
        self.slot.ledger.touch();
        if self.slot.is_pending(self.at) {
            self.slot.preserve_pending(self.at, Onward::Stays);
        }
        match (old, expire) {
            (Some(old), Some(new)) => {
                let index = self.slot.parts.expiry_mut();
                if !index.shift(old, new, self.tag) {
                    debug_assert!(false, "a key with an expiry is in the index");
                    index.insert(new, self.tag);
                }
                // The entry has room for it, so its size stays.
                self.slot.table.word_mut(self.at).update(|entry| entry.set_expire(expire));
                return;
            }
            (Some(old), None) => self.slot.forget_expiry(old, self.tag),
            (None, Some(new)) => self.slot.parts.expiry_mut().insert(new, self.tag),
            (None, None) => return,
        }
        self.change(|entry| entry.set_expire(expire));
    }

    #[inline]
    fn apply(&mut self, ttl: Ttl) {
        match ttl {
            Ttl::Keep => {}
            Ttl::Clear => self.set_expire(None),
            Ttl::At(at) => self.set_expire(Some(at)),
        }
    }

    /// Called before the value goes: its fields, if it is a hash, do not expire any more.
    #[inline]
    fn forget_fields(&mut self) {
        if let Some(at) = self.as_ref().next_field_expiry() {
            self.slot.parts.move_field_expiry(Some(at), None, self.tag);
            self.slot.ledger.touch();
        }
    }

    /// Removes the key; the slot must still announce it.
    fn detach(mut self) -> Removed {
        self.slot.preserve(self.at);
        if let Some(at) = self.expire_at() {
            self.slot.forget_expiry(at, self.tag);
        }
        self.forget_fields();
        let removed = self.slot.table.remove(self.at);
        self.slot.ledger.add(-(removed.as_ref().memory() as i64));
        Removed(removed)
    }

    #[inline]
    fn change<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> R {
        self.slot.preserve(self.at);
        let (result, difference) = self.slot.table.word_mut(self.at).update_weighed(change);
        self.slot.ledger.add(difference);
        result
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
