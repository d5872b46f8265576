//! Removing entries with regard to the groups that still need them, as Redis 8.2 can.
//!
//! A group needs an entry that it has not read, or that is pending in it. XDEL and a plain trim do not ask; what they
//! remove stays pending. [`References`] says what is done instead.
//!
//! A trim that respects references leaves gaps, so it removes entries one by one, as XDEL does, and tells their ids: no
//! other command has the same outcome on a replica.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::group::Name;
use super::id::StreamId;
use super::log::Trim;
use super::node::Keep;
use super::{Group, Stream};

/// What becomes of the references that groups have to an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay: the entry is gone but still pending.
    #[default]
    Keep,
    /// They go with the entry.
    Remove,
    /// As long as there are any, the entry stays.
    Respect,
}

/// What a removal came to.
#[derive(Debug, Default)]
pub struct Removal {
    /// Entries that are gone, by id.
    pub deleted: Vec<StreamId>,
    /// What is not pending any more.
    pub released: Vec<(Name, StreamId)>,
    /// Entries that a trim has removed from the front.
    pub trimmed: u64,
}

impl Removal {
    /// Number of entries that are gone.
    pub fn count(&self) -> u64 {
        self.trimmed + self.deleted.len() as u64
    }
}

/// What happened to one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// A group needs it.
    Needed,
    /// There was none.
    Missing,
}

/// What is pending in any of many groups, in the order of the ids: to ask each group about each entry would cost their
/// product.
struct PendingWalk<I> {
    groups: Vec<I>,
    /// The next id of each group that has one, the smallest first.
    next: BinaryHeap<Reverse<(StreamId, usize)>>,
}

impl<I: Iterator<Item = StreamId>> PendingWalk<I> {
    fn of(groups: impl Iterator<Item = I>) -> Self {
        let mut walk = Self { groups: Vec::new(), next: BinaryHeap::new() };
        for mut group in groups {
            if let Some(id) = group.next() {
                walk.next.push(Reverse((id, walk.groups.len())));
                walk.groups.push(group);
            }
        }
        walk
    }

    /// Whether an entry is pending. Asked for greater and greater ids.
    fn has(&mut self, id: StreamId) -> bool {
        while let Some(mut first) = self.next.peek_mut() {
            let Reverse((next, group)) = *first;
            if next >= id {
                return next == id;
            }
            match self.groups[group].find(|next| *next >= id) {
                Some(next) => *first = Reverse((next, group)),
                None => _ = PeekMut::pop(first),
            }
        }
        false
    }
}

impl Stream {
    /// What is pending in any group, from the first entry on.
    fn pending_walk(&self) -> PendingWalk<impl Iterator<Item = StreamId>> {
        let first = self.log().counters().first_id;
        PendingWalk::of(self.groups().map(|(_, group)| group.pending_from(first).map(|(id, _)| id)))
    }

    /// Whether a group has not read an entry, or has not acknowledged it.
    fn is_needed(&self, id: StreamId) -> bool {
        self.groups().any(|(_, group)| group.last_id < id || group.pending(id).is_some())
    }

    /// The ids that are pending in groups and pass a test, with the names of these groups.
    fn pending_where<'a, I>(&'a self, ids: impl Fn(&'a Group) -> I) -> Vec<(Name, StreamId)>
    where
        I: Iterator<Item = StreamId> + 'a,
    {
        self.groups().flat_map(|(name, group)| ids(group).map(move |id| (name.clone(), id))).collect()
    }

    /// Acknowledges all of these.
    fn release(&mut self, pending: Vec<(Name, StreamId)>, removal: &mut Removal) {
        for (name, id) in &pending {
            self.edit_group(name, |group, _| group.acknowledge(*id));
        }
        removal.released.extend(pending);
    }

    /// Removes an entry. [`super::Log::deleted`] follows when all are removed.
    pub fn remove(&mut self, id: StreamId, references: References, removal: &mut Removal) -> Removed {
        if references == References::Respect && self.log().get(id).is_some() && self.is_needed(id) {
            return Removed::Needed;
        }
        if references == References::Remove {
            let pending = self.pending_where(|group| group.pending(id).map(|_| id).into_iter());
            self.release(pending, removal);
        }
        if !self.log_mut().delete(id) {
            return Removed::Missing;
        }
        removal.deleted.push(id);
        Removed::Gone
    }

    /// Acknowledges an entry in a group, and removes it if nothing speaks against that.
    pub fn acknowledge_and_remove(
        &mut self,
        group: &Name,
        id: StreamId,
        references: References,
        removal: &mut Removal,
    ) -> Removed {
        if !self.edit_group(group, |group, _| group.acknowledge(id)).unwrap_or(false) {
            return Removed::Missing;
        }
        removal.released.push((group.clone(), id));
        if references == References::Respect && self.is_needed(id) {
            return Removed::Needed;
        }
        // An entry that was deleted before is gone as well.
        self.remove(id, references, removal);
        Removed::Gone
    }

    /// Removes entries from the front.
    pub fn trim(&mut self, trim: Trim, references: References) -> Removal {
        let mut removal = Removal::default();
        match references {
            References::Respect if self.group_count() > 0 => {
                removal.deleted = self.unneeded(trim);
                self.log_mut().delete_all(&removal.deleted);
            }
            References::Remove if self.group_count() > 0 => {
                let before = &self.log().clone();
                let first = before.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MAX, |entry| entry.id);
                removal.trimmed = self.log_mut().trim(trim);
                if removal.trimmed > 0 {
                    let kept = self.log().range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id);
                    let is_gone = move |id: &StreamId| kept.is_none_or(|kept| *id < kept);
                    let pending = self.pending_where(|group| {
                        // What is pending in front of it was deleted before, and is not looked at by every trim.
                        let ids = group.pending_from(first).map(|(id, _)| id).take_while(is_gone);
                        ids.filter(move |id| before.get(*id).is_some())
                    });
                    self.release(pending, &mut removal);
                }
            }
            References::Keep | References::Remove | References::Respect => {
                removal.trimmed = self.log_mut().trim(trim);
            }
        }
        removal
    }

    /// The entries that a trim may remove because no group needs them.
    fn unneeded(&self, trim: Trim) -> Vec<StreamId> {
        let read = self.groups().map(|(_, group)| group.last_id).min().unwrap_or(StreamId::MAX);
        if trim.whole_nodes {
            return self.unneeded_nodes(trim, read);
        }
        let (mut ids, mut pending) = (Vec::new(), self.pending_walk());
        for entry in self.log().range(StreamId::MIN, read) {
            let is_enough = match trim.keep {
                Keep::Last(max) => self.log().len() - ids.len() as u64 <= max,
                Keep::From(first) => entry.id >= first,
            };
            if is_enough {
                break;
            }
            if !pending.has(entry.id) {
                ids.push(entry.id);
            }
        }
        ids
    }

    /// The entries of whole nodes that no group needs. Only those that a trim of single entries would remove as well:
    /// what it would find before them stays only because its node has others that are needed. `read` is the last entry
    /// that all groups have read. The limit holds for the entries looked at: with a consumer that never acknowledges,
    /// all of them are in the way each time.
    fn unneeded_nodes(&self, trim: Trim, read: StreamId) -> Vec<StreamId> {
        let (mut ids, mut looked, mut unneeded) = (Vec::new(), 0, 0);
        let mut pending = self.pending_walk();
        for (&node_id, node) in self.log().nodes.iter() {
            let live = node.live();
            let left = self.log().len() - unneeded;
            let may_go = match trim.keep {
                Keep::Last(max) => left.saturating_sub(live) >= max,
                Keep::From(first) => node.last_id(node_id) < first,
            };
            if !may_go || node_id > read || (trim.limit > 0 && looked + live > trim.limit) {
                break;
            }
            looked += live;
            let entries = node.entries(node_id).map(|entry| entry.id);
            let here = entries.filter(|id| *id <= read && !pending.has(*id)).count() as u64;
            unneeded += here;
            if here == live {
                ids.extend(node.entries(node_id).map(|entry| entry.id));
            }
        }
        ids
    }
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
