//! A consumer group: how far it has read, who its consumers are, and what was delivered but not acknowledged.
//!
//! What is pending is found by id in the group, and by consumer in each of them; both maps have the same entries, each
//! with one owner. All maps are shared in chunks ([`ChunkMap`]), so a snapshot beside a group with a million pending
//! entries delays no write.
//!
//! Names are shared between a consumer and its pending entries. Redis: t_stream.c.

use std::sync::Arc;

use super::id::StreamId;
use super::log::{Log, UNKNOWN};
use super::map::ChunkMap;
use super::node::Entry;
use crate::store::entry::spent;

/// The name of a group or consumer.
pub(crate) type Name = Arc<[u8]>;

/// In [`Consumer::active`]: it has never got anything.
pub(crate) const NEVER: i64 = -1;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was last delivered, in milliseconds of Unix time.
    pub time: i64,
    /// How often.
    pub deliveries: u64,
    /// To whom.
    pub(crate) owner: Name,
}

impl Pending {
    /// What was delivered to a consumer.
    pub fn new(time: i64, deliveries: u64, owner: &Arc<[u8]>) -> Self {
        Self { time, deliveries, owner: owner.clone() }
    }
}

/// A consumer of a group.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// When it was last heard of, in milliseconds of Unix time.
    pub seen: i64,
    /// When it last got an entry, or `NEVER` (-1).
    pub active: i64,
    pending: ChunkMap<StreamId, ()>,
}

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries of the stream were read up to that, or `UNKNOWN` (-1).
    pub entries_read: i64,
    pending: ChunkMap<StreamId, Pending>,
    consumers: ChunkMap<Name, Consumer>,
    /// Bytes of the consumers' own maps and of their names.
    bytes: usize,
}

/// What XREADGROUP delivers.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The consumer, which exists.
    pub consumer: &'a Name,
    /// At most so many entries.
    pub count: usize,
    /// What is delivered counts as acknowledged.
    pub noack: bool,
    /// The time.
    pub now: i64,
}

/// Bytes of a name's allocation.
pub(super) fn name_memory(name: &[u8]) -> usize {
    spent((2 * size_of::<usize>() + name.len()).next_multiple_of(size_of::<usize>()))
}

impl Consumer {
    /// Number of entries that are pending for it.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The ids of the entries that are pending for it, from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.iter_from(self.pending.seek(&start)).map(|(id, ())| *id)
    }
}

impl Group {
    /// A group that has read up to an id.
    pub fn new(last_id: StreamId, entries_read: i64) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    /// Bytes that the allocator spends on what the group owns.
    pub(super) fn heap_bytes(&self) -> usize {
        self.pending.memory() + self.consumers.memory() + self.bytes
    }

    /// The consumers by name, in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (&Name, &Consumer)> {
        self.consumers.iter()
    }

    /// Number of consumers.
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    /// A consumer and its name as it is shared.
    pub fn consumer(&self, name: &[u8]) -> Option<(&Name, &Consumer)> {
        self.consumers.at(self.consumers.seek(name)).filter(|(found, _)| ***found == *name)
    }

    /// Adds a consumer; `None` if it exists.
    pub fn add_consumer(&mut self, name: &[u8], now: i64) -> Option<Name> {
        if self.consumers.get(name).is_some() {
            return None;
        }
        let name: Name = name.into();
        self.consumers.insert(name.clone(), Consumer { seen: now, active: NEVER, ..Consumer::default() });
        self.bytes += name_memory(&name);
        Some(name)
    }

    /// Removes a consumer with all that is pending for it; returns how many that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let (name, consumer) = self.consumers.remove(name)?;
        self.bytes -= name_memory(&name) + consumer.pending.memory();
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Changes a consumer.
    pub fn edit_consumer<R>(&mut self, name: &[u8], edit: impl FnOnce(&mut Consumer) -> R) -> Option<R> {
        let consumer = self.consumers.get_mut(name)?;
        let before = consumer.pending.memory();
        let result = edit(consumer);
        self.bytes = self.bytes + consumer.pending.memory() - before;
        Some(result)
    }

    /// Number of pending entries.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The pending entry with this id.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// The first and last pending id.
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first()?.0, *self.pending.last()?.0))
    }

    /// The pending entries from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &Pending)> {
        self.pending.iter_from(self.pending.seek(&start)).map(|(id, pending)| (*id, pending))
    }

    /// Makes an entry pending for a consumer that exists, whoever had it before.
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        let owner = pending.owner.clone();
        match self.pending.get_mut(&id) {
            Some(old) => {
                let before = std::mem::replace(old, pending);
                if *before.owner != *owner {
                    self.edit_consumer(&before.owner, |consumer| consumer.pending.remove(&id));
                    self.edit_consumer(&owner, |consumer| consumer.pending.insert(id, ()));
                }
            }
            None => {
                self.pending.insert(id, pending);
                self.edit_consumer(&owner, |consumer| consumer.pending.insert(id, ()));
            }
        }
    }

    /// Changes when and how often an entry was delivered.
    pub fn redelivered(&mut self, id: StreamId, now: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.time = now;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Acknowledges an entry; `false` if it is not pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some((_, pending)) = self.pending.remove(&id) else { return false };
        self.edit_consumer(&pending.owner, |consumer| consumer.pending.remove(&id));
        true
    }

    /// Reads a saved pending entry whose owner is not known yet; `false` if the id is pending already.
    pub(crate) fn push_saved(&mut self, id: StreamId, time: i64, deliveries: u64, nobody: &Name) -> bool {
        self.pending.insert(id, Pending { time, deliveries, owner: nobody.clone() })
    }

    /// Gives a saved pending entry to its owner; `false` if it is not pending, or has one.
    pub(crate) fn give_saved(&mut self, id: StreamId, name: &Name, nobody: &Name) -> bool {
        match self.pending.get_mut(&id) {
            Some(pending) if Arc::ptr_eq(&pending.owner, nobody) => pending.owner = name.clone(),
            Some(_) | None => return false,
        }
        self.edit_consumer(name, |consumer| consumer.pending.insert(id, ())).is_some()
    }

    /// Moves the group's place to an entry that is read.
    fn advance(&mut self, log: &Log, id: StreamId) {
        if id <= self.last_id {
            return;
        }
        if self.entries_read != UNKNOWN && !log.has_deleted_from(id) {
            self.entries_read = self.entries_read.wrapping_add(1);
        } else if log.counters().added > 0 {
            self.entries_read = log.entries_until(id);
        }
        self.last_id = id;
    }

    /// Delivers the entries behind the group's place: each is handed to `each`, which also learns where the group is
    /// then. Returns how many there were.
    pub fn deliver(&mut self, log: &Log, delivery: Delivery<'_>, mut each: impl FnMut(&Entry<'_>, StreamId)) -> usize {
        let Delivery { consumer, count, noack, now } = delivery;
        let Some(start) = self.last_id.next() else { return 0 };
        let mut delivered = 0;
        for entry in log.range(start, StreamId::MAX).take(count) {
            self.advance(log, entry.id);
            each(&entry, self.last_id);
            if !noack {
                self.set_pending(entry.id, Pending { time: now, deliveries: 1, owner: consumer.clone() });
            }
            delivered += 1;
        }
        delivered
    }

    /// How many entries of the stream the group has not read; `None` if that cannot be told. Redis:
    /// streamReplyWithCGLag.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        let added = log.counters().added as i64;
        if added == 0 {
            return Some(0);
        }
        if self.entries_read != UNKNOWN && !log.has_deleted_from(self.last_id) {
            return Some(added.wrapping_sub(self.entries_read));
        }
        log.added_until(self.last_id).map(|read| added.wrapping_sub(read))
    }
}
