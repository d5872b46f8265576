//! The entries of a stream: its nodes in order, and what is known of ids that were used.
//!
//! Nodes are shared copy-on-write, so a snapshot costs a pointer per node. The last node takes new entries until it has
//! reached the limits of the configuration; nodes are dropped whole when their last entry is deleted or trimmed.
//!
//! Counters follow Redis 7.0 exactly, since clients see them, and DUMP contains them: `first_id` is that of the first
//! live entry (zero if there is none), `max_deleted` the greatest that XDEL has removed, `added` counts for ever.
//! Redis: t_stream.c.

use triomphe::Arc;

use super::id::{StreamId, WrittenId};
use super::map::{ChunkMap, Place};
use super::node::{Backwards, Entry, Forwards, Keep, Node, Pairs, StreamLimits};
use super::radix;
use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::store::encoding::Corrupt;

/// Bytes of an element besides its text, at most.
const ELEMENT_FRAME: usize = 10;
/// Bytes of an entry besides its fields, at most, and of the node's own elements.
const ENTRY_FRAME: usize = 128;

/// Why an entry is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// Its id is not greater than the last one.
    NotGreater,
    /// No greater sequence exists for these milliseconds.
    NoSequence,
    /// No greater id exists.
    Exhausted,
    /// It does not fit in a node.
    TooLarge,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is kept.
    pub keep: Keep,
    /// Only whole nodes are dropped, so more may be kept.
    pub whole_nodes: bool,
    /// At most so many entries are removed; 0 for any number.
    pub limit: u64,
}

/// What stands for a number of entries that cannot be told (Redis: SCG_INVALID_ENTRIES_READ).
pub(crate) const UNKNOWN: i64 = -1;

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) nodes: ChunkMap<StreamId, Arc<Node>>,
    /// Bytes of all nodes.
    node_bytes: usize,
    /// Nodes that Redis's radix tree has because of the nodes of this stream.
    radix_nodes: usize,
    /// Number of live entries.
    pub(super) len: u64,
    pub(super) counters: Counters,
}

/// What is known of ids that were used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The greatest id so far.
    pub last_id: StreamId,
    /// The id of the first entry, or zero.
    pub first_id: StreamId,
    /// The greatest id that XDEL has removed, or zero.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub added: u64,
}

impl Log {
    /// Number of live entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no live entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The number of nodes that Redis's radix tree has for the nodes of this stream (XINFO STREAM shows it).
    pub fn radix_tree_nodes(&self) -> usize {
        radix::EMPTY + self.radix_nodes
    }

    /// What is known of ids that were used.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is known of ids that were used, to be set.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Bytes that the allocator spends on all of it.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.nodes.memory() + self.node_bytes
    }

    /// The ids of the nodes and their bytes, for saving.
    pub(crate) fn saved_nodes(&self) -> impl Iterator<Item = (StreamId, &crate::store::encoding::listpack::Listpack)> {
        self.nodes.iter().map(|(id, node)| (*id, node.pack()))
    }

    /// Appends a saved node.
    ///
    /// # Errors
    /// The node is damaged, or not behind the entries so far.
    pub(crate) fn push_saved(&mut self, id: StreamId, bytes: &[u8]) -> Result<(), Corrupt> {
        let node = Node::from_bytes(id, bytes)?;
        if self.nodes.last().is_some_and(|(last, node)| id <= *last || node.last_live(*last) >= Some(id)) {
            return Err(Corrupt("stream nodes are not in order"));
        }
        self.len += node.live();
        self.push_node(id, node);
        Ok(())
    }

    /// Adds a node behind the others.
    fn push_node(&mut self, id: StreamId, node: Node) {
        self.node_bytes += node.memory();
        self.nodes.insert(id, Arc::new(node));
        self.radix_nodes += radix::nodes_of(&self.nodes, id);
    }

    /// The id that an entry gets which is added now.
    fn next_id(&self, wanted: Option<WrittenId>, now: i64) -> Result<StreamId, NotAdded> {
        let last = self.counters.last_id;
        let after = last.next().ok_or(NotAdded::Exhausted)?;
        match wanted {
            None => {
                let now = u64::try_from(now).unwrap_or(0);
                Ok(if now > last.ms { StreamId::new(now, 0) } else { after })
            }
            Some(WrittenId { id, has_seq: true }) => greater(id, last),
            Some(WrittenId { id, has_seq: false }) if id.ms == last.ms => {
                last.seq.checked_add(1).map(|seq| StreamId::new(id.ms, seq)).ok_or(NotAdded::NoSequence)
            }
            Some(WrittenId { id, has_seq: false }) => greater(id, last),
        }
    }

    /// Adds an entry. `wanted` is its id, or that of which only the sequence is to be found; without one the id follows
    /// from the time.
    ///
    /// # Errors
    /// [`NotAdded`]; then nothing has changed.
    pub fn add<P: Pairs>(
        &mut self,
        wanted: Option<WrittenId>,
        pairs: P,
        limits: &StreamLimits,
        now: i64,
    ) -> Result<StreamId, NotAdded> {
        let id = self.next_id(wanted, now)?;
        let text: usize =
            (0..pairs.fields()).map(|at| pairs.name(at).as_ref().len() + pairs.value(at).as_ref().len()).sum();
        let most = text + 2 * ELEMENT_FRAME * pairs.fields() + ENTRY_FRAME;
        if most > LISTPACK_MAX_BYTES {
            return Err(NotAdded::TooLarge);
        }
        self.forget_stale_nodes(id);
        match self.nodes.last().map(|(node_id, node)| (*node_id, node.is_full(text, most, limits))) {
            Some((node_id, false)) => {
                let node = self.nodes.last_mut().expect("there is one");
                let before = node.memory();
                // A copy has no spare room.
                let copied = Arc::get_mut(node).is_none();
                let node = Arc::make_mut(node);
                node.append(node_id, id, pairs);
                let after = node.memory();
                debug_assert!(copied || after >= before);
                self.node_bytes = self.node_bytes + after - before;
            }
            other => {
                if other.is_some() {
                    self.tighten_last();
                }
                let mut node = Node::new(pairs);
                node.append(id, id, pairs);
                self.push_node(id, node);
            }
        }
        self.len += 1;
        self.counters.added = self.counters.added.wrapping_add(1);
        self.counters.last_id = id;
        if self.len == 1 {
            self.counters.first_id = id;
        }
        Ok(id)
    }

    /// Drops nodes of deleted entries only, if an id is not behind them: XSETID may set the last id back to before
    /// them.
    #[inline]
    fn forget_stale_nodes(&mut self, id: StreamId) {
        if self.len == 0 && self.nodes.last().is_some_and(|(node_id, node)| node.last_id(*node_id) >= id) {
            self.nodes = ChunkMap::default();
            (self.node_bytes, self.radix_nodes) = (0, 0);
        }
    }

    /// Frees the spare room of the last node, which is full.
    fn tighten_last(&mut self) {
        if let Some(node) = self.nodes.last_mut().and_then(Arc::get_mut) {
            let before = node.memory();
            node.tighten();
            self.node_bytes = self.node_bytes + node.memory() - before;
        }
    }

    /// Changes a node.
    fn edit_node<R>(&mut self, id: StreamId, edit: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let node = self.nodes.get_mut(&id)?;
        let before = node.memory();
        let node = Arc::make_mut(node);
        let result = edit(node);
        self.node_bytes = self.node_bytes + node.memory() - before;
        Some(result)
    }

    fn drop_node(&mut self, id: StreamId) {
        if self.nodes.get(&id).is_none() {
            return;
        }
        self.radix_nodes -= radix::nodes_of(&self.nodes, id);
        if let Some((_, node)) = self.nodes.remove(&id) {
            self.node_bytes -= node.memory();
        }
    }

    /// Removes an entry; `false` if there is none with this id. [`Log::deleted`] follows when all are removed.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((&node_id, node)) = self.nodes.seek_back(&id).and_then(|place| self.nodes.at(place)) else {
            return false;
        };
        let Some(place) = node.find(node_id, id) else { return false };
        if node.live() == 1 {
            self.drop_node(node_id);
        } else {
            self.edit_node(node_id, |node| node.delete(place));
        }
        self.len -= 1;
        self.counters.max_deleted = self.counters.max_deleted.max(id);
        true
    }

    /// Removes entries that are there, in the order of their ids, and finds the first id again.
    pub(super) fn delete_all(&mut self, ids: &[StreamId]) {
        let mut rest = ids;
        while let Some(place) = rest.first().and_then(|first| self.nodes.seek_back(first)) {
            let Some((&node_id, node)) = self.nodes.at(place) else { break };
            // Not the last id of the node: it may be that of a deleted entry, and those of a damaged file are anything.
            let next = self.nodes.at(self.nodes.after(place)).map(|(id, _)| *id);
            let (here, others) = rest.split_at(rest.partition_point(|id| next.is_none_or(|next| *id < next)));
            if node.live() == here.len() as u64 {
                self.drop_node(node_id);
            } else {
                self.edit_node(node_id, |node| node.delete_all(node_id, here));
            }
            rest = others;
        }
        if let Some(last) = ids.last() {
            self.len -= ids.len() as u64;
            self.counters.max_deleted = self.counters.max_deleted.max(*last);
            self.deleted();
        }
    }

    /// Finds the first id again, after entries were removed.
    pub fn deleted(&mut self) {
        self.counters.first_id =
            self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id);
    }

    /// Removes entries from the front; returns how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let mut removed = 0;
        while let Some((&id, node)) = self.nodes.first() {
            let live = node.live();
            let is_enough = match trim.keep {
                Keep::Last(max) => self.len <= max,
                Keep::From(_) => false,
            };
            if is_enough || (trim.limit > 0 && removed + live > trim.limit) {
                break;
            }
            let whole = match trim.keep {
                Keep::Last(max) => self.len - live >= max,
                Keep::From(first) => node.last_id(id) < first,
            };
            if whole {
                self.drop_node(id);
                self.len -= live;
                removed += live;
                continue;
            }
            if !trim.whole_nodes {
                let spare = match trim.keep {
                    Keep::Last(max) => self.len - max,
                    Keep::From(_) => 0,
                };
                let cut = self.edit_node(id, |node| node.delete_front(id, trim.keep, spare)).unwrap_or(0);
                self.len -= cut;
                removed += cut;
            }
            break;
        }
        if removed > 0 {
            self.deleted();
        }
        removed
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let place = self.nodes.seek_back(&start).unwrap_or_else(|| self.nodes.start());
        Range { log: self, place, node: None, start, end }
    }

    /// The entries from `end` back to `start`, both included.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack { log: self, place: self.nodes.seek_back(&end), node: None, start, end }
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (&node_id, node) = self.nodes.seek_back(&id).and_then(|place| self.nodes.at(place))?;
        node.find_entry(node_id, id)
    }

    /// The id of the first entry, deleted or not, that is still in a node; the greatest id if there is none.
    pub fn first_id_kept(&self) -> StreamId {
        self.nodes.first().and_then(|(id, node)| node.first_id(*id)).unwrap_or(StreamId::MAX)
    }

    /// The greatest id of a live entry.
    pub fn last_live(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// How many entries were added up to this id, as far as that can be told. Redis:
    /// streamEstimateDistanceFromFirstEverEntry.
    pub(super) fn added_until(&self, id: StreamId) -> Option<i64> {
        let Counters { last_id, first_id, max_deleted, added } = self.counters;
        let (added, len) = (added as i64, self.len as i64);
        if added == 0 {
            return Some(0);
        }
        if len == 0 && id <= last_id {
            return Some(added);
        }
        if id == last_id {
            return Some(added);
        }
        if id > last_id {
            return None;
        }
        if max_deleted == StreamId::MIN || max_deleted < first_id {
            if id < first_id {
                return Some(added.wrapping_sub(len));
            }
            if id == first_id {
                return Some(added.wrapping_sub(len).wrapping_add(1));
            }
        }
        None
    }

    /// As `added_until`, or [`UNKNOWN`].
    pub(crate) fn entries_until(&self, id: StreamId) -> i64 {
        self.added_until(id).unwrap_or(UNKNOWN)
    }

    /// Whether XDEL may have removed an entry from this id on.
    pub(super) fn has_deleted_from(&self, id: StreamId) -> bool {
        let Counters { first_id, max_deleted, .. } = self.counters;
        self.len > 0 && max_deleted != StreamId::MIN && max_deleted >= first_id && id <= max_deleted
    }
}

fn greater(id: StreamId, last: StreamId) -> Result<StreamId, NotAdded> {
    if id > last { Ok(id) } else { Err(NotAdded::NotGreater) }
}

/// Entries in order.
#[derive(Debug)]
pub struct Range<'a> {
    log: &'a Log,
    /// The node that comes next.
    place: Place,
    node: Option<Forwards<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.node.as_mut().and_then(Iterator::next) {
                return (entry.id <= self.end).then_some(entry);
            }
            let (&id, node) = self.log.nodes.at(self.place)?;
            if id > self.end {
                return None;
            }
            self.place = self.log.nodes.after(self.place);
            self.node = Some(node.entries_from(id, self.start));
        }
    }
}

/// Entries in reverse order.
#[derive(Debug)]
pub struct RangeBack<'a> {
    log: &'a Log,
    /// The node that comes next.
    place: Option<Place>,
    node: Option<Backwards<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let end = self.end;
            let found = self.node.as_mut().and_then(|node| node.find(|entry| !entry.is_deleted() && entry.id <= end));
            if let Some(entry) = found {
                return (entry.id >= self.start).then_some(entry);
            }
            let place = self.place?;
            let (&id, node) = self.log.nodes.at(place)?;
            self.place = self.log.nodes.before(place);
            self.node = Some(node.entries_back(id));
        }
    }
}
