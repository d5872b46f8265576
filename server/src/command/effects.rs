//! What a command leaves behind besides changed slots and a reply.
//!
//! Handlers note effects here; the engine drains them in one place, under the slot locks, so that per slot the order of
//! execution is the order of replication. Nothing is allocated for a command that has no listener: propagation is only built
//! when somebody replicates, an event only when its class is switched on.

use protocol::resp::OwnedArgs;
use smallvec::SmallVec;

use crate::store::{Removed, ValueRef};

/// Classes of keyspace events, with the bits of `notify-keyspace-events` (Redis: NOTIFY_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NotifyClass {
    /// `g`: commands that are not of a type.
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
pub const NOTIFY_KEYSPACE: u32 = 1;
/// `E`: publish to `__keyevent@db__:event`.
pub const NOTIFY_KEYEVENT: u32 = 1 << 1;

/// One keyspace event.
#[derive(Clone, Debug)]
pub struct Event {
    pub class: NotifyClass,
    pub name: &'static str,
    pub db: usize,
    pub key: Box<[u8]>,
}

/// A key that somebody may have a copy of, and that has changed.
#[derive(Clone, Debug)]
pub struct Invalid {
    pub key: Box<[u8]>,
    /// Its time had come: nobody's command changed it.
    pub expired: bool,
}

/// How the command itself is propagated if it was dirty.
#[derive(Clone, Debug, Default)]
pub enum Propagate {
    /// As the client sent it.
    #[default]
    Verbatim,
    /// As these commands instead (none: not at all).
    Instead(SmallVec<[OwnedArgs; 1]>),
}

/// Effects of one command, drained under the locks it ran under.
///
/// Most commands leave nothing but counts, so everything that owns memory is in one place that they do not make.
#[derive(Debug, Default)]
pub struct Effects {
    /// How many changes were made; zero means nothing is propagated.
    pub dirty: u64,
    /// Whether anybody wants propagation (a replica, a backlog, an AOF). Building it is wasted otherwise.
    pub propagating: bool,
    /// Which event classes are switched on (bits of [`NotifyClass`] plus K and E).
    pub notify_mask: u32,
    /// Whether anybody keeps copies of keys (client-side caching).
    pub tracking: bool,
    /// Lookups that found their key, and that did not.
    pub hits: u32,
    pub misses: u32,
    /// Keys removed because their time had come.
    pub expired: u32,
    rest: Option<Box<Rest>>,
}

/// Effects that few commands have.
#[derive(Debug, Default)]
pub struct Rest {
    pub propagate: Propagate,
    /// Commands propagated before the command itself, each in its database (deletions of expired keys).
    pub before: SmallVec<[(usize, OwnedArgs); 1]>,
    pub events: SmallVec<[Event; 1]>,
    /// Changed keys, if anybody keeps copies.
    pub invalid: SmallVec<[Invalid; 1]>,
    /// Keys (database, name) that may serve a blocked client now.
    pub ready: SmallVec<[(usize, Box<[u8]>); 1]>,
    /// Collections that are dropped after the slots are unlocked.
    pub garbage: Vec<Removed>,
}

impl Effects {
    /// Fresh effects for one command.
    pub fn new(propagating: bool, notify_mask: u32, tracking: bool) -> Self {
        Self { propagating, notify_mask, tracking, ..Self::default() }
    }

    /// Fresh effects with the same listeners.
    pub fn renewed(&self) -> Self {
        Self::new(self.propagating, self.notify_mask, self.tracking)
    }

    /// Propagate these words instead of the command as sent.
    pub fn propagate_instead(&mut self, words: &[&[u8]]) {
        if self.propagating {
            self.rest().propagate = Propagate::Instead(SmallVec::from_elem(OwnedArgs::from_slices(words), 1));
        }
    }

    /// Adds one more command to what is propagated instead.
    pub fn propagate_also(&mut self, words: &[&[u8]]) {
        if !self.propagating {
            return;
        }
        match &mut self.rest().propagate {
            Propagate::Instead(list) => list.push(OwnedArgs::from_slices(words)),
            propagate @ Propagate::Verbatim => {
                *propagate = Propagate::Instead(SmallVec::from_elem(OwnedArgs::from_slices(words), 1));
            }
        }
    }

    /// Propagate nothing, although data changed.
    pub fn propagate_nothing(&mut self) {
        self.rest().propagate = Propagate::Instead(SmallVec::new());
    }

    /// Whether somebody listens to this class of events.
    #[inline]
    pub fn notifies(&self, class: NotifyClass) -> bool {
        self.notify_mask & class as u32 != 0
    }

    /// Notes an event, if anyone listens.
    #[inline]
    pub fn notify(&mut self, class: NotifyClass, name: &'static str, db: usize, key: &[u8]) {
        if self.notifies(class) {
            self.rest().events.push(Event { class, name, db, key: key.into() });
        }
    }

    /// Notes that a key has changed, if anybody keeps copies. `expired`: since its time had come.
    #[inline]
    pub fn invalidate(&mut self, key: &[u8], expired: bool) {
        if self.tracking {
            self.rest().invalid.push(Invalid { key: key.into(), expired });
        }
    }

    /// Takes a removed key, so that a large value is dropped after the slots are unlocked.
    #[inline]
    pub fn discard(&mut self, removed: Removed) {
        match removed.value() {
            ValueRef::Int(_) | ValueRef::Str(_) => drop(removed),
            ValueRef::Collection(_) => self.rest().garbage.push(removed),
        }
    }

    /// Propagates a command before the command itself, in its database.
    pub fn propagate_before(&mut self, db: usize, args: OwnedArgs) {
        self.rest().before.push((db, args));
    }

    /// Notes that a key may serve a blocked client now.
    pub fn ready(&mut self, db: usize, key: &[u8]) {
        self.rest().ready.push((db, key.into()));
    }

    #[cold]
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// What few commands have, for whoever drains it.
    #[inline]
    pub fn take_rest(&mut self) -> Option<Box<Rest>> {
        self.rest.take()
    }

    /// Whether there is anything to drain besides what is counted.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.rest.is_none() && self.expired == 0 && (self.dirty == 0 || !self.propagating)
    }
}
