//! Streams: entries in order of their ids, and groups of consumers that read them.
//!
//! A stream is a [`Log`] of entries and, if there are any, [`Groups`]. Entries are packed into nodes ([`node`]), byte
//! for byte as Redis has them, so that DUMP gives the same. Nodes, groups and what is pending are in maps whose parts
//! are shared copy-on-write ([`map`]): a snapshot or COPY costs a pointer per some 64 of them.
//!
//! A stream is a value even without entries: it knows the greatest id that was used, and its groups. So no key that
//! holds a stream is removed because it is emptied.

mod group;
mod id;
mod log;
mod map;
mod node;
mod radix;
mod references;

use triomphe::Arc;

pub use group::{Consumer, Delivery, Group, Pending};
pub(crate) use group::{NEVER, Name};
pub use id::{StreamId, WrittenId};
pub(crate) use log::UNKNOWN;
pub use log::{Counters, Log, NotAdded, Trim};
pub use node::{Entry, Fields, Keep, Pairs, StreamLimits};
pub use references::{References, Removal, Removed};

use crate::store::entry::spent;
use map::ChunkMap;

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct Stream(Box<Body>);

#[derive(Clone, Debug, Default)]
struct Body {
    log: Log,
    /// Most streams have none.
    groups: Option<Box<Groups>>,
}

/// The consumer groups of a stream.
#[derive(Clone, Debug, Default)]
struct Groups {
    groups: ChunkMap<Name, Arc<Group>>,
    /// Bytes of all groups and their names.
    bytes: usize,
}

/// Bytes of a group: its `Arc`, and what it owns.
fn weight(group: &Group) -> usize {
    spent(size_of::<usize>() + size_of::<Group>()) + group.heap_bytes()
}

impl Groups {
    /// Bytes that the allocator spends on all of it, its box included.
    fn memory(&self) -> usize {
        spent(size_of::<Groups>()) + self.groups.memory() + self.bytes
    }
}

impl Stream {
    /// A stream without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        usize::try_from(self.0.log.len()).unwrap_or(usize::MAX)
    }

    /// Whether the key that holds it must go: never, see the module's essay.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes that the allocator spends besides the header.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        let groups = self.0.groups.as_ref().map_or(0, |groups| groups.memory());
        spent(size_of::<Body>()) + self.0.log.memory() + groups
    }

    /// There is one encoding only.
    pub fn settle(&mut self) {}

    /// The entries.
    #[inline]
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The entries, to be changed.
    #[inline]
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.0.log
    }

    /// The groups, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&Name, &Group)> {
        self.0.groups.iter().flat_map(|groups| groups.groups.iter()).map(|(name, group)| (name, &**group))
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.0.groups.as_ref().map_or(0, |groups| groups.groups.len())
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.as_ref()?.groups.get(name).map(|group| &**group)
    }

    /// Changes a group, beside the entries; `None` if there is none of this name.
    pub fn edit_group<R>(&mut self, name: &[u8], edit: impl FnOnce(&mut Group, &Log) -> R) -> Option<R> {
        let Body { log, groups } = &mut *self.0;
        let groups = groups.as_mut()?;
        let group = groups.groups.get_mut(name)?;
        let before = weight(group);
        let group = Arc::make_mut(group);
        let result = edit(group, log);
        groups.bytes = groups.bytes + weight(group) - before;
        Some(result)
    }

    /// Adds a group; `false` if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let groups = self.0.groups.get_or_insert_default();
        if groups.groups.get(name).is_some() {
            return false;
        }
        groups.bytes += weight(&group) + group::name_memory(name);
        groups.groups.insert(name.into(), Arc::new(group))
    }

    /// Removes a group; `false` if there is none of this name.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(groups) = &mut self.0.groups else { return false };
        let Some((name, group)) = groups.groups.remove(name) else { return false };
        groups.bytes -= weight(&group) + group::name_memory(&name);
        if groups.groups.is_empty() {
            self.0.groups = None;
        }
        true
    }
}

#[cfg(test)]
mod tests;
