//! The invalidation table: which clients may have a copy of which key.
//!
//! An entry is made when a tracking client reads a key, and removed when the key changes: a copy is invalidated once.
//! All databases share one name space of keys, as in Redis, so the table is beside the keyspace and not in it. It is
//! split by slot, so that clients of different slots seldom contend. A command that reads or changes a key holds its
//! slot's lock; the lock of a part is a leaf below that.
//!
//! Clients are stored by number and may be gone by the time they are to be notified. The number of keys is bounded by
//! `tracking-table-max-keys` (see [`Table::take_any`]). Each time the readers of a key have doubled, those that are
//! gone are removed.
//!
//! Redis: tracking.c.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::slot::{SlotId, key_slot};
use smallvec::SmallVec;

use crate::session::client::ClientId;

/// The clients that read a key, ascending.
pub(crate) type Readers = SmallVec<[ClientId; 2]>;
/// A key that has left the table, with its readers.
pub(crate) type Taken = (Arc<[u8]>, Readers);

/// Parts of the table.
const PARTS: usize = 32;
/// With fewer readers than this, readers that are gone are not searched for.
const FEW_READERS: usize = 64;

struct Entry {
    key: Arc<[u8]>,
    readers: Readers,
    /// At this number of readers, those that are gone are removed.
    look_through_at: usize,
}

/// Entries in an array, so that one can be chosen at random, and an index to them.
#[derive(Default)]
struct Part {
    places: HashMap<Arc<[u8]>, usize>,
    entries: Vec<Entry>,
}

impl Part {
    fn entry(&mut self, key: &[u8]) -> (&mut Entry, bool) {
        let (place, fresh) = match self.places.get(key) {
            Some(&place) => (place, false),
            None => {
                let key: Arc<[u8]> = key.into();
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push(Entry { key, readers: Readers::new(), look_through_at: FEW_READERS });
                (self.entries.len() - 1, true)
            }
        };
        (&mut self.entries[place], fresh)
    }

    fn take_at(&mut self, place: usize) -> Taken {
        let Entry { key, readers, .. } = self.entries.swap_remove(place);
        self.places.remove(&key);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.key.clone(), place);
        }
        if self.entries.capacity() > 4 * self.entries.len().max(16) {
            self.entries.shrink_to(2 * self.entries.len());
            self.places.shrink_to(2 * self.entries.len());
        }
        (key, readers)
    }
}

/// The table of a node.
pub(crate) struct Table {
    parts: Box<[Mutex<Part>]>,
    keys: AtomicUsize,
    items: AtomicUsize,
}

impl Table {
    pub(crate) fn new() -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, keys: AtomicUsize::new(0), items: AtomicUsize::new(0) }
    }

    /// Keys in the table.
    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Their readers, all together.
    pub(crate) fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }

    fn part(&self, slot: SlotId) -> &Mutex<Part> {
        &self.parts[slot.index() % PARTS]
    }

    /// Notes that a client read a key. `is_connected` tells whether another client still is connected.
    pub(crate) fn add(&self, key: &[u8], client: ClientId, is_connected: impl Fn(ClientId) -> bool) {
        let mut part = self.part(key_slot(key)).lock();
        let (entry, fresh) = part.entry(key);
        if fresh {
            self.keys.fetch_add(1, Ordering::Relaxed);
        }
        let Err(at) = entry.readers.binary_search(&client) else { return };
        entry.readers.insert(at, client);
        self.items.fetch_add(1, Ordering::Relaxed);
        if entry.readers.len() >= entry.look_through_at {
            let before = entry.readers.len();
            entry.readers.retain(|reader| *reader == client || is_connected(*reader));
            entry.look_through_at = FEW_READERS.max(2 * entry.readers.len());
            self.items.fetch_sub(before - entry.readers.len(), Ordering::Relaxed);
        }
    }

    /// Removes a key; returns its readers.
    pub(crate) fn take(&self, key: &[u8]) -> Readers {
        let mut part = self.part(key_slot(key)).lock();
        let Some(&place) = part.places.get(key) else { return Readers::new() };
        let (_, readers) = part.take_at(place);
        self.count_out(1, readers.len());
        readers
    }

    /// Removes a key chosen by `chance`; `None` if there are none.
    pub(crate) fn take_any(&self, chance: u64) -> Option<Taken> {
        let first = chance as usize % PARTS;
        for number in (first..PARTS).chain(0..first) {
            let mut part = self.parts[number].lock();
            if part.entries.is_empty() {
                continue;
            }
            let place = (chance >> 32) as usize % part.entries.len();
            let taken = part.take_at(place);
            self.count_out(1, taken.1.len());
            return Some(taken);
        }
        None
    }

    /// Removes the keys of all slots that `which` selects, one part of the table per item.
    pub(crate) fn take_slots<'a>(&'a self, which: &'a dyn Fn(SlotId) -> bool) -> impl Iterator<Item = Vec<Taken>> + 'a {
        self.parts.iter().map(move |part| {
            let mut part = part.lock();
            let mut taken = Vec::new();
            // Backwards: the entry that fills the gap of a removed one was already visited.
            for place in (0..part.entries.len()).rev() {
                if which(key_slot(&part.entries[place].key)) {
                    taken.push(part.take_at(place));
                }
            }
            self.count_out(taken.len(), taken.iter().map(|(_, readers)| readers.len()).sum());
            taken
        })
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for part in &self.parts {
            let old = std::mem::take(&mut *part.lock());
            self.count_out(old.entries.len(), old.entries.iter().map(|entry| entry.readers.len()).sum());
        }
    }

    fn count_out(&self, keys: usize, items: usize) {
        self.keys.fetch_sub(keys, Ordering::Relaxed);
        self.items.fetch_sub(items, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
