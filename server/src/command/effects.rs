//! What a command leaves behind besides changed slots and a reply.
//!
//! Handlers note effects here; the engine drains them in one place, under the slot locks, so that within a slot the
//! order of execution is the order of replication. Nothing is allocated for effects without a listener: propagation is
//! only built if there is a replica or backlog, an event only if its class is switched on.

use protocol::resp::OwnedArgs;
use smallvec::SmallVec;

use crate::store::{Garbage, Removed};

/// Classes of keyspace events, with the bits of `notify-keyspace-events` (Redis: NOTIFY_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum NotifyClass {
    /// `g`: commands that are not specific to a type.
    Generic = 1 << 2,
    /// `$`
    String = 1 << 3,
    /// `l`
    List = 1 << 4,
    /// `s`
    Set = 1 << 5,
    /// `h`
    Hash = 1 << 6,
    /// `z`
    Zset = 1 << 7,
    /// `x`
    Expired = 1 << 8,
    /// `e`
    Evicted = 1 << 9,
    /// `t`
    Stream = 1 << 10,
    /// `m`
    KeyMiss = 1 << 11,
    /// `n`
    New = 1 << 14,
}

/// `K`: publish to `__keyspace@db__:key`.
pub(crate) const NOTIFY_KEYSPACE: u32 = 1;
/// `E`: publish to `__keyevent@db__:event`.
pub(crate) const NOTIFY_KEYEVENT: u32 = 1 << 1;

/// One keyspace event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub class: NotifyClass,
    pub name: &'static str,
    pub db: usize,
    pub key: Box<[u8]>,
}

/// A changed key that clients may have cached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invalid<'k> {
    pub key: &'k [u8],
    /// No command changed it: it expired or was evicted.
    pub by_nobody: bool,
}

/// What other parties want to know of a command's changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listeners {
    /// Whether propagation is needed (a replica, a backlog, an AOF).
    pub propagating: bool,
    /// Which event classes are switched on (bits of [`NotifyClass`] plus K and E).
    pub notify_mask: u32,
    /// Whether any client caches keys (client-side caching).
    pub tracking: bool,
    /// `lazyfree-lazy-expire`: expired keys are propagated as UNLINK instead of DEL.
    pub lazy_expire: bool,
    /// `lazyfree-lazy-server-del`: values that commands replace count as freed lazily.
    pub lazy_server_del: bool,
}

/// Beside the event classes: clients cache keys.
const TRACKING: u32 = 1 << 31;

/// How the command itself is propagated if it was dirty.
#[derive(Clone, Debug, Default)]
pub(crate) enum Propagate {
    /// As the client sent it.
    #[default]
    Verbatim,
    /// As these commands instead (if empty: not at all).
    Instead(SmallVec<[OwnedArgs; 1]>),
}

/// Effects of one command, drained under the locks it ran under.
///
/// Most commands leave nothing but counts, so everything that owns memory is in one box that most commands do not
/// create.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// How many changes were made; zero means nothing is propagated.
    pub dirty: u64,
    /// Whether propagation is needed (a replica, a backlog, an AOF).
    pub propagating: bool,
    /// See [`Listeners`].
    pub lazy_expire: bool,
    /// See [`Listeners`].
    pub lazy_server_del: bool,
    /// `lazyfree-lazy-eviction`: evicted keys are propagated as UNLINK instead of DEL. Set by who evicts.
    pub lazy_eviction: bool,
    /// The event classes that are switched on, and `TRACKING`: one test tells whether a change has any listener.
    heard: u32,
    /// Lookups that found their key, and that did not.
    pub hits: u32,
    pub misses: u32,
    /// Keys removed because they had expired.
    pub expired: u32,
    /// Fields of hashes removed because they had expired.
    pub expired_fields: u32,
    rest: Option<Box<Rest>>,
}

/// Effects that few commands have.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub propagate: Propagate,
    /// Commands propagated before the command itself, each in its database (deletions of expired keys).
    pub before: SmallVec<[(usize, OwnedArgs); 1]>,
    pub events: SmallVec<[Event; 1]>,
    /// Changed keys, if any client caches keys, each with [`Invalid::by_nobody`].
    pub invalid: SmallVec<[(Box<[u8]>, bool); 1]>,
    /// All cached keys are invalid.
    pub all_invalid: bool,
    /// Keys (database, name) that may now serve a blocked client.
    pub ready: SmallVec<[(usize, Box<[u8]>); 1]>,
    /// Collections that are dropped after the slots are unlocked.
    pub garbage: Garbage,
}

impl Effects {
    /// Fresh effects for one command.
    #[inline(always)]
    pub(crate) fn new(listeners: Listeners) -> Self {
        let Listeners { propagating, notify_mask, tracking, lazy_expire, lazy_server_del } = listeners;
        let heard = notify_mask | if tracking { TRACKING } else { 0 };
        Self { propagating, lazy_expire, lazy_server_del, heard, ..Self::default() }
    }

    /// Fresh effects with the same listeners.
    pub(crate) fn renewed(&self) -> Self {
        let Self { propagating, lazy_expire, lazy_server_del, heard, .. } = *self;
        Self { propagating, lazy_expire, lazy_server_del, heard, ..Self::default() }
    }

    /// Whether there is any listener to events, or any client that caches keys. If not, changes need no announcement.
    #[inline(always)]
    pub(crate) fn is_heard(&self) -> bool {
        self.heard != 0
    }

    /// The event classes that are switched on, with K and E.
    pub(crate) fn notify_mask(&self) -> u32 {
        self.heard & !TRACKING
    }

    /// Counts a command's change and notes its event; the change itself has already passed the door.
    #[inline]
    pub(crate) fn count(&mut self, class: NotifyClass, event: &'static str, db: usize, key: &[u8]) {
        self.dirty += 1;
        self.notify(class, event, db, key);
    }

    /// Propagate these words instead of the command as sent.
    pub(crate) fn propagate_instead(&mut self, words: &[&[u8]]) {
        if self.propagating {
            self.rest().propagate = Propagate::Instead(SmallVec::from_elem(OwnedArgs::from_slices(words), 1));
        }
    }

    /// Propagate these commands instead of the command as sent, as one unit.
    pub(crate) fn propagate_all_instead(&mut self, commands: impl IntoIterator<Item = OwnedArgs>) {
        if self.propagating {
            self.rest().propagate = Propagate::Instead(commands.into_iter().collect());
        }
    }

    /// Propagate nothing, although data changed.
    pub(crate) fn propagate_nothing(&mut self) {
        self.rest().propagate = Propagate::Instead(SmallVec::new());
    }

    /// Whether this class of events has a listener.
    #[inline]
    pub(crate) fn notifies(&self, class: NotifyClass) -> bool {
        self.heard & class as u32 != 0
    }

    /// Notes an event, if it has a listener.
    #[inline]
    pub(crate) fn notify(&mut self, class: NotifyClass, name: &'static str, db: usize, key: &[u8]) {
        if self.notifies(class) {
            self.rest().events.push(Event { class, name, db, key: key.into() });
        }
    }

    /// Notes that a key has changed, if any client caches keys.
    pub(super) fn invalidate(&mut self, Invalid { key, by_nobody }: Invalid<'_>) {
        if self.heard & TRACKING != 0 {
            self.rest().invalid.push((key.into(), by_nobody));
        }
    }

    /// Notes that a database was emptied, if any client caches keys.
    pub(crate) fn invalidate_all(&mut self) {
        if self.heard & TRACKING != 0 {
            self.rest().all_invalid = true;
        }
    }

    /// Keeps a removed value until the slots are unlocked.
    pub(super) fn keep_for_later(&mut self, removed: Removed, lazily: bool) {
        self.rest().garbage.push(removed, lazily);
    }

    /// Propagates a command before the command itself, in its database.
    pub(crate) fn propagate_before(&mut self, db: usize, args: OwnedArgs) {
        self.rest().before.push((db, args));
    }

    /// Notes that a key may now serve a blocked client.
    pub(super) fn note_ready(&mut self, db: usize, key: &[u8]) {
        let ready = &mut self.rest().ready;
        if ready.last().is_none_or(|(last_db, last)| (*last_db, &**last) != (db, key)) {
            ready.push((db, key.into()));
        }
    }

    #[cold]
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// The rarer effects, to be drained.
    #[inline]
    pub(crate) fn take_rest(&mut self) -> Option<Box<Rest>> {
        self.rest.take()
    }

    /// Whether there is anything to drain besides counts.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.rest.is_none() && self.expired | self.expired_fields == 0 && (self.dirty == 0 || !self.propagating)
    }
}
