//! What handlers see.
//!
//! A keyed handler is a function of (its slots, its words, now, a seed): a [`KeyedCtx`] holds nothing else. It cannot
//! await and cannot reach a socket. Data and reply are separate fields, so that a handler can write a value it has
//! borrowed from the slot straight into the reply buffer, without a copy.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use protocol::resp::reply::Reply;
use protocol::slot::{SlotId, key_slot};

use super::effects::{Effects, NotifyClass};
use super::locked::Slots;
use super::{CmdError, error};
use crate::base::rng::Rng;
use crate::store::types::hash::HashLimits;
use crate::store::types::set::SetLimits;
use crate::store::types::stream::StreamLimits;
use crate::store::types::zset::ZSetOptions;
use crate::store::{
    AccessClock, Cause, Change, Door, EntryMut, EntryRef, KeyHash, Keyspace, Lfu, Removed, Slot, SlotGuard,
    StringValue, Ttl, Value,
};

/// How expired keys are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A primary: they are deleted, and the deletion is propagated.
    Primary,
    /// A replica, or a primary whose writes are paused: they are hidden; only the primary's DEL removes them.
    Replica,
    /// Commands of the primary's stream or of a file: expired keys are visible.
    Stream,
}

/// The configuration that data commands depend on.
#[derive(Clone, Debug)]
pub(crate) struct DataLimits {
    /// `list-max-listpack-size`.
    pub list_max_listpack_size: i64,
    /// `list-compress-depth`.
    pub list_compress_depth: usize,
    /// Size from which a list element gets a node of its own (DEBUG QUICKLIST-PACKED-THRESHOLD), 0 for the default.
    pub list_packed_threshold: usize,
    /// `zset-max-listpack-entries`, `zset-max-listpack-value`, and the seed of hashes.
    pub zset: ZSetOptions,
    /// When a hash gets a table, and the seed of that.
    pub hash: HashLimits,
    /// When a set changes its form, and the seed of its table.
    pub set: SetLimits,
    /// When a node of a stream is full.
    pub stream: StreamLimits,
    /// `proto-max-bulk-len`: no string grows beyond it.
    pub max_string: usize,
    /// `hll-sparse-max-bytes`: longer HyperLogLogs are dense.
    pub hll_sparse_max_bytes: usize,
    /// `lazyfree-lazy-expire`: expired keys are propagated as UNLINK instead of DEL.
    pub lazy_expire: bool,
    /// `lazyfree-lazy-user-del`: DEL acts, and is counted, as UNLINK.
    pub lazy_user_del: bool,
    /// `lazyfree-lazy-user-flush`: FLUSHALL and FLUSHDB are asynchronous unless they say otherwise.
    pub lazy_user_flush: bool,
    /// `lazyfree-lazy-server-del`: values that commands replace count as freed lazily.
    pub lazy_server_del: bool,
    /// Set if `maxmemory-policy` is an LFU one: OBJECT FREQ works then, IDLETIME does not.
    pub lfu: Option<Lfu>,
    /// Redis shares small integers: not while memory is limited and the use of each key counts.
    pub shares_integers: bool,
    /// `cluster-enabled`.
    pub cluster_enabled: bool,
    /// How many databases can be named: `cluster-databases` in cluster mode if that is more than one, else `databases`.
    pub databases: usize,
    /// Database 0 is the only one, whatever `databases` says: a cluster node without `cluster-databases`, as all of
    /// Redis are.
    pub has_one_database: bool,
    /// Payloads need no right checksum (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skip_checksums: bool,
}

/// A key with its slot and hash, computed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'k> {
    pub bytes: &'k [u8],
    pub hash: KeyHash,
    pub slot: SlotId,
}

impl<'k> Key<'k> {
    /// A change of this key.
    fn change(&self, db: usize, cause: Cause) -> Change<'k> {
        Change { db, slot: self.slot, key: self.bytes, cause }
    }
}

/// A word of the command that is a key, with what the engine has computed to route and lock it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownKey<'a> {
    pub key: &'a [u8],
    pub hash: KeyHash,
    /// Index of the word in the command.
    pub position: u32,
    pub slot: SlotId,
    /// The word is a channel of sharded publish and subscribe, which has a slot but no value.
    pub is_channel: bool,
}

/// The keys of a command in the order of its words, which is the order in which handlers ask for them.
#[derive(Debug, Default)]
pub(crate) struct KnownKeys<'a> {
    keys: &'a [KnownKey<'a>],
    next: Cell<usize>,
}

impl<'a> KnownKeys<'a> {
    pub(crate) fn new(keys: &'a [KnownKey<'a>]) -> Self {
        Self { keys, next: Cell::new(0) }
    }

    /// What is known of this word, if it is the next key, or the previous one again.
    #[inline(always)]
    fn find(&self, word: &[u8]) -> Option<KnownKey<'a>> {
        // The very same bytes, not just equal ones: a comparison would cost what this saves.
        let is = |at: usize| self.keys.get(at).copied().filter(|known| std::ptr::eq(known.key, word));
        let next = self.next.get();
        if let Some(known) = is(next) {
            self.next.set(next + 1);
            return Some(known);
        }
        is(next.wrapping_sub(1))
    }
}

/// The data side of a keyed handler: its locked slots and the effects it notes.
pub(crate) struct Data<'a> {
    pub keyspace: &'a Keyspace,
    pub slots: Slots<'a>,
    pub effects: &'a mut Effects,
    /// The selected database.
    pub db: usize,
    /// Unix time in milliseconds, fixed for the command.
    pub now: i64,
    pub role: Role,
    /// What the engine has already computed for the command's keys.
    pub known: KnownKeys<'a>,
    /// The buffer of a long request, if the command may keep it.
    pub lent: Option<&'a Bytes>,
    /// Look-ups of this client do not count as use (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// The LFU settings, if uses are counted instead of timed.
    pub lfu: Option<Lfu>,
    /// Randomness for counting uses.
    pub seed: u64,
}

/// Expired fields of a hash that a look at it removes; more are hidden, and the expiry cycle removes them.
const FIELDS_PER_LOOK: usize = 256;

/// Whether these bytes are nearly all of the buffer, so that it can be kept for them.
fn fills(bytes: &[u8], lent: &Bytes) -> bool {
    let (part, whole) = (bytes.as_ptr_range(), lent.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end && bytes.len() >= lent.len() - lent.len() / 16
}

/// Everything a keyed handler sees.
pub(crate) struct KeyedCtx<'a> {
    pub data: Data<'a>,
    pub reply: Reply<'a>,
    pub limits: &'a DataLimits,
    /// Random numbers, for commands that pick elements.
    pub rng: &'a mut Rng,
    /// The command's name as errors print it: `set`, `object|encoding`.
    pub name: &'a str,
    /// Whether the client may be parked. Not inside MULTI, where a blocking command replies as if its timeout had
    /// expired.
    pub may_block: bool,
    /// Whether a script calls the command.
    pub in_script: bool,
    /// For a parked command that runs again: the key that became ready.
    pub serving: Option<&'a [u8]>,
}

/// Everything a keyspace handler sees.
pub(crate) struct KeyspaceCtx<'a> {
    pub keyspace: &'a Keyspace,
    pub reply: Reply<'a>,
    pub effects: &'a mut Effects,
    pub limits: &'a DataLimits,
    pub rng: &'a mut Rng,
    pub db: usize,
    pub now: i64,
    pub role: Role,
    /// Large structures to be dropped after everything is unlocked.
    pub garbage: Vec<Box<dyn Send>>,
    /// Drop `garbage`, which has so many keys, on another thread (FLUSHALL ASYNC).
    pub drop_elsewhere: Option<u64>,
    /// The handler removed all keys of all databases, so the file on disk must be emptied too.
    pub flushed_all: bool,
    /// How long to wait for a slot; `None` for as long as it takes.
    pub patience: Option<Duration>,
    /// The slot that could not be locked. The handler's result is ignored then.
    pub busy: Option<(usize, SlotId)>,
    /// Whether this node or its primary owns a slot.
    pub serves: &'a dyn Fn(SlotId) -> bool,
    /// Drains the present `effects`, for a handler that changes a slot (SCAN removes expired keys). Called under that
    /// slot's lock; otherwise another client's write could overtake the change on the way to a replica.
    pub settle: &'a mut dyn FnMut(&mut Effects),
}

impl<'a> KeyspaceCtx<'a> {
    /// Locks a slot.
    ///
    /// # Errors
    /// Another command holds it for long. The handler returns the error, which is not sent: the command runs again when
    /// the slot is free.
    pub(crate) fn lock(&mut self, db: usize, slot: SlotId) -> Result<SlotGuard<'a>, CmdError> {
        let Some(patience) = self.patience else { return Ok(self.keyspace.lock(db, slot)) };
        self.keyspace.lock_within(db, slot, patience).ok_or_else(|| {
            self.busy = Some((db, slot));
            error::TRY_AGAIN
        })
    }
}

impl Data<'_> {
    /// Hashes a key.
    #[inline(always)]
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        match self.known.find(bytes) {
            Some(KnownKey { slot, hash, .. }) => Key { bytes, hash, slot },
            None => Key { bytes, hash: self.keyspace.hash(bytes), slot: key_slot(bytes) },
        }
    }

    /// The slot of a key, in the selected database.
    #[inline]
    pub(crate) fn slot(&mut self, key: &Key<'_>) -> &mut Slot {
        self.slots.at(self.db, key.slot)
    }

    /// Removes (or hides) an expired key; `true` if the key must be treated as missing. On a primary, up to `fields`
    /// expired fields of a hash are removed as well.
    #[inline(always)]
    fn is_gone(&mut self, db: usize, key: &Key<'_>, fields: usize) -> bool {
        if self.slots.at(db, key.slot).is_plain() || self.role == Role::Stream {
            return false;
        }
        self.is_gone_by_now(db, key, fields)
    }

    /// [`Self::is_gone`] in a slot where something may expire.
    fn is_gone_by_now(&mut self, db: usize, key: &Key<'_>, fields: usize) -> bool {
        let slot = self.slots.at(db, key.slot);
        if slot.expires_len() != 0
            && slot.get(key.hash, key.bytes).and_then(EntryRef::expire_at).is_some_and(|at| at < self.now)
        {
            self.expire(db, key);
            return true;
        }
        self.role == Role::Primary && slot.has_due_fields(self.now) && {
            let change = key.change(db, Cause::Expired);
            slot.expire_fields_of(key.hash, change, self.now, fields, &mut *self.effects)
        }
    }

    /// The time at which fields of hashes are looked at: later ones are hidden. In a primary's stream none is.
    #[inline]
    pub(crate) fn field_time(&self) -> i64 {
        if self.role == Role::Stream { i64::MIN } else { self.now }
    }

    #[cold]
    fn expire(&mut self, db: usize, key: &Key<'_>) {
        if self.role == Role::Primary {
            self.remove_in(db, key, Cause::Expired);
        }
    }

    /// Sets the stamp that the slot gives to keys that are used or created now.
    #[inline(always)]
    fn set_clock(&mut self, db: usize, key: &Key<'_>) {
        let clock = if self.lfu.is_none() { AccessClock::at(self.now) } else { self.count_use(db, key) };
        self.slots.at(db, key.slot).set_clock(clock);
    }

    #[cold]
    fn count_use(&mut self, db: usize, key: &Key<'_>) -> AccessClock {
        let old = self.slots.at(db, key.slot).get(key.hash, key.bytes).map(EntryRef::access);
        match (self.lfu, old) {
            (Some(lfu), Some(old)) => {
                self.seed = Rng::new(self.seed).next_u64();
                lfu.used(old, self.now, self.seed)
            }
            _ => self.fresh_clock(),
        }
    }

    /// The stamp of a key that is created now.
    pub(crate) fn fresh_clock(&self) -> AccessClock {
        self.lfu.map_or_else(|| AccessClock::at(self.now), |lfu| lfu.fresh(self.now))
    }

    /// Finds a key for a change; an expired key is removed (or hidden) first. Counts neither a hit nor a miss.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: &Key<'_>) -> Option<EntryMut<'_>> {
        self.get_mut_in(self.db, key)
    }

    /// [`Self::get_mut`] in another database whose slot is locked too.
    #[inline]
    pub(crate) fn get_mut_in(&mut self, db: usize, key: &Key<'_>) -> Option<EntryMut<'_>> {
        // A change must not meet any expired field.
        if self.is_gone(db, key, usize::MAX) {
            return None;
        }
        self.set_clock(db, key);
        let mut entry = self.slots.at(db, key.slot).get_mut(key.hash, key.bytes)?;
        if !self.no_touch {
            entry.stamp();
        }
        Some(entry)
    }

    /// Finds a key without counting it as used, nor as hit or miss: the existence test of a write.
    #[inline]
    pub(crate) fn peek(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        self.peek_in(self.db, key)
    }

    /// [`Self::peek`] in another database whose slot is locked too.
    #[inline]
    pub(crate) fn peek_in(&mut self, db: usize, key: &Key<'_>) -> Option<EntryRef<'_>> {
        if self.is_gone(db, key, FIELDS_PER_LOOK) {
            return None;
        }
        self.slots.at(db, key.slot).get(key.hash, key.bytes)
    }

    /// A key that [`Self::read`] has just found, for commands that look at several keys at once.
    pub(crate) fn found(&self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        self.slots.get(self.db, key.slot)?.get(key.hash, key.bytes)
    }

    /// Finds a key for reading: counts a hit or a miss, and notes the use of the key.
    #[inline(always)]
    pub(crate) fn read(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        self.find(key, !self.no_touch)
    }

    /// Finds a key for a question about it (EXISTS, TYPE, TTL): counts a hit or a miss, but not a use of the key.
    #[inline]
    pub(crate) fn look(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        self.find(key, false)
    }

    #[inline(always)]
    fn find(&mut self, key: &Key<'_>, touch: bool) -> Option<EntryRef<'_>> {
        if self.is_gone(self.db, key, FIELDS_PER_LOOK) {
            self.missed(key);
            return None;
        }
        if touch {
            self.set_clock(self.db, key);
        }
        // Separate fields, so that the borrow of a hit does not extend over the counting of a miss.
        let Self { slots, effects, db, .. } = self;
        let slot = slots.at(*db, key.slot);
        let found = if touch { slot.access(key.hash, key.bytes) } else { slot.get(key.hash, key.bytes) };
        match found {
            Some(_) => effects.hits += 1,
            None => {
                effects.misses += 1;
                effects.notify(NotifyClass::KeyMiss, "keymiss", *db, key.bytes);
            }
        }
        found
    }

    fn missed(&mut self, key: &Key<'_>) {
        self.effects.misses += 1;
        self.effects.notify(NotifyClass::KeyMiss, "keymiss", self.db, key.bytes);
    }

    /// Sets a key to a string, whatever it held. The change itself is announced by [`Self::changed`].
    #[inline]
    pub(crate) fn set_string(&mut self, key: &Key<'_>, value: StringValue<'_>, ttl: Ttl) {
        if let Some(lent) = self.lent.take() {
            return self.set_long_string(key, value, ttl, lent);
        }
        let (is_lfu, now) = (self.lfu.is_some(), self.now);
        let slot = self.slots.at(self.db, key.slot);
        let existed = if slot.is_plain() && !is_lfu && !self.effects.lazy_server_del {
            // The usual case looks for the slot only once.
            slot.set_clock(AccessClock::at(now));
            slot.set_string(key.hash, key.bytes, value, ttl)
        } else {
            self.is_gone(self.db, key, FIELDS_PER_LOOK);
            self.set_clock(self.db, key);
            let slot = self.slots.at(self.db, key.slot);
            if self.effects.lazy_server_del
                && let Some(replaced) = slot.take_collection(key.hash, key.bytes, value, ttl)
            {
                self.effects.discard(replaced, Cause::Written);
                true
            } else {
                slot.set_string(key.hash, key.bytes, value, ttl)
            }
        };
        if !existed {
            self.effects.notify(NotifyClass::New, "new", self.db, key.bytes);
        }
    }

    /// [`Self::set_string`] for a long request, whose buffer may be kept if nearly all of it is the string.
    #[cold]
    fn set_long_string(&mut self, key: &Key<'_>, value: StringValue<'_>, ttl: Ttl, lent: &Bytes) {
        match value {
            StringValue::Bytes(bytes) if fills(bytes, lent) => {
                self.set_string(key, StringValue::Lent(&lent.slice_ref(bytes)), ttl);
            }
            other => self.set_string(key, other, ttl),
        }
    }

    /// Stores a key that was removed elsewhere or copied. Its old value is dropped; [`Self::changed`] announces the
    /// change.
    pub(crate) fn put_in(&mut self, db: usize, key: &Key<'_>, value: Removed) {
        let old = self.slots.at(db, key.slot).put(key.hash, key.bytes, value);
        self.made_in(db, key, old);
    }

    /// Sets a key to a value that was created or restored. Its old value is dropped; [`Self::changed`] announces the
    /// change.
    pub(crate) fn insert(&mut self, key: &Key<'_>, value: Value, expire: Option<i64>) {
        let old = self.slots.at(self.db, key.slot).insert(key.hash, key.bytes, value, expire);
        self.made_in(self.db, key, old);
    }

    /// Sets a key to a result that was computed: what it held before is replaced, so it is new only if there was none.
    pub(crate) fn set_result(&mut self, key: &Key<'_>, value: Value) {
        self.is_gone(self.db, key, FIELDS_PER_LOOK);
        self.set_clock(self.db, key);
        match self.slots.at(self.db, key.slot).insert(key.hash, key.bytes, value, None) {
            Some(old) => self.effects.discard(old, Cause::Written),
            None => self.effects.notify(NotifyClass::New, "new", self.db, key.bytes),
        }
    }

    /// Notes the creation of a key, even if it replaced another (Redis removes that one first).
    fn made_in(&mut self, db: usize, key: &Key<'_>, old: Option<Removed>) {
        if let Some(old) = old {
            self.effects.discard(old, Cause::Written);
        }
        self.effects.notify(NotifyClass::New, "new", db, key.bytes);
    }

    /// Removes a key, expired or not: one change, with its event. Returns whether it existed.
    pub(crate) fn delete_even_expired(&mut self, key: &Key<'_>) -> bool {
        let existed = self.remove_in(self.db, key, Cause::Deleted);
        if existed {
            self.effects.count(NotifyClass::Generic, "del", self.db, key.bytes);
        }
        existed
    }

    /// Removes a key that is not expired, since a client asks for just that: one change, with its event. `lazily`: in
    /// Redis the value is freed beside its commands. Returns whether it existed.
    pub(crate) fn delete(&mut self, key: &Key<'_>, lazily: bool) -> bool {
        if self.is_gone(self.db, key, FIELDS_PER_LOOK) {
            return false;
        }
        let Some(removed) = self.take(key) else { return false };
        self.effects.discard_as(removed, lazily);
        self.effects.count(NotifyClass::Generic, "del", self.db, key.bytes);
        true
    }

    /// Removes a key and drops its value; returns whether it existed.
    fn remove_in(&mut self, db: usize, key: &Key<'_>, cause: Cause) -> bool {
        let Self { slots, effects, .. } = self;
        let removed = slots.at(db, key.slot).remove(key.hash, key.change(db, cause), &mut **effects);
        removed.map(|removed| effects.discard(removed, cause)).is_some()
    }

    /// Removes a key to store it elsewhere; the command notes its own events.
    pub(crate) fn take(&mut self, key: &Key<'_>) -> Option<Removed> {
        let Self { slots, effects, db, .. } = self;
        slots.at(*db, key.slot).remove(key.hash, key.change(*db, Cause::Deleted), &mut **effects)
    }

    /// As [`Self::changed`], for a collection without elements: the key is removed as well, so there are two events.
    pub(crate) fn emptied(&mut self, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        // The rest is too small to be worth keeping until the slot is unlocked.
        drop(self.take(key));
        self.effects.count(class, event, self.db, key.bytes);
        self.effects.notify(NotifyClass::Generic, "del", self.db, key.bytes);
    }

    /// As [`Self::emptied`], for a key that still has all of its elements: they are dropped after the slot is unlocked.
    /// Counts as many changes.
    pub(crate) fn emptied_at_once(&mut self, key: &Key<'_>, class: NotifyClass, event: &'static str, elements: usize) {
        if let Some(removed) = self.take(key) {
            self.effects.discard(removed, Cause::Deleted);
        }
        self.effects.notify(class, event, self.db, key.bytes);
        self.effects.notify(NotifyClass::Generic, "del", self.db, key.bytes);
        self.effects.dirty += elements as u64;
    }

    /// Notes that a key was created or changed: announces it, counts one change, and notes its event.
    #[inline]
    pub(crate) fn changed(&mut self, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        self.changed_in(self.db, key, class, event);
    }

    /// [`Self::changed`] for a change that serves nobody who waits for the key ([`Cause::Lessened`]).
    #[inline]
    pub(crate) fn lessened(&mut self, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        self.announce(key.change(self.db, Cause::Lessened), key, class, event);
    }

    /// [`Self::changed`] without an event.
    pub(crate) fn changed_silently(&mut self, key: &Key<'_>) {
        self.effects.dirty += 1;
        let change = key.change(self.db, Cause::Written);
        self.slots.at(self.db, key.slot).written(key.hash, change, &mut *self.effects);
    }

    /// [`Self::changed`] in another database.
    #[inline]
    pub(crate) fn changed_in(&mut self, db: usize, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        self.announce(key.change(db, Cause::Written), key, class, event);
    }

    #[inline(always)]
    fn announce(&mut self, change: Change<'_>, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        self.effects.dirty += 1;
        if self.effects.is_heard() || self.slots.at(change.db, key.slot).is_observed() {
            self.tell(change, key, class, event);
        }
    }

    #[cold]
    fn tell(&mut self, change: Change<'_>, key: &Key<'_>, class: NotifyClass, event: &'static str) {
        self.slots.at(change.db, key.slot).written(key.hash, change, &mut *self.effects);
        self.effects.notify(class, event, change.db, key.bytes);
    }

    /// Makes clients that wait for this key look at it, although it was not changed.
    pub(crate) fn wake(&mut self, key: &Key<'_>) {
        self.effects.ready(self.db, key.bytes);
    }

    /// Notes an event without a change (a second event of the same command).
    #[inline]
    pub(crate) fn notify(&mut self, class: NotifyClass, event: &'static str, key: &Key<'_>) {
        self.effects.notify(class, event, self.db, key.bytes);
    }
}
