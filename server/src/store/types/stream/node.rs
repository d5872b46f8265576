//! One node of a stream: a listpack that holds a run of entries, byte for byte as Redis keeps it.
//!
//! ```text
//! master entry: live, deleted, number of fields, names of the fields, 0
//! entry:        flags, milliseconds, sequence, [number of fields,] values or (name, value) pairs, number of elements
//! ```
//!
//! Ids are differences to the id of the node, its key in the stream. An entry whose fields are those of the master
//! entry has no names of its own. The number of elements ends an entry, so that a walk can go backwards; it does not
//! count itself. A deleted entry is only marked; it disappears with its node. Redis: t_stream.c.
//!
//! Nothing here copies or re-reads a node to append to it: the counts are replaced in place, and the entry is written
//! behind the last one.
//!
//! Invariants, which [`Node::from_bytes`] checks: the shape above; both counts are true; the ids of live entries ascend
//! and are not below the node's.

use super::id::StreamId;
use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::store::encoding::Corrupt;
use crate::store::encoding::element::{Element, Needle};
use crate::store::encoding::listpack::{Iter, Listpack, Place, encoded_int_len, encoded_len_max};
use crate::store::entry::spent;

/// Flag of an entry: it is deleted.
const DELETED: i64 = 1;
/// Flag of an entry: its fields are those of the master entry.
const SAME_FIELDS: i64 = 2;
/// Elements of every entry besides fields and values: flags and the halves of the id.
const FIXED: usize = 3;
/// A node's own allocation: the two counts of its `Arc`, and the node.
const SHARED: usize = 2 * size_of::<usize>() + size_of::<Node>();

/// See the module's essay.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pack: Listpack,
}

/// When a node is full.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// `stream-node-max-bytes`; 0 for as many as a node can have.
    pub node_bytes: usize,
    /// `stream-node-max-entries`; 0 for any number.
    pub node_entries: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { node_bytes: 4096, node_entries: 100 }
    }
}

/// What a trim keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many entries.
    Last(u64),
    /// The entries from this id on.
    From(StreamId),
}

/// The fields and values of a new entry, as a client sends them: name, value, name, value.
pub trait Pairs: Copy {
    /// Number of fields.
    fn fields(self) -> usize;
    /// The name of a field.
    fn name(self, at: usize) -> impl AsRef<[u8]>;
    /// The value of a field.
    fn value(self, at: usize) -> impl AsRef<[u8]>;
}

impl Pairs for &[(&[u8], &[u8])] {
    fn fields(self) -> usize {
        self.len()
    }
    fn name(self, at: usize) -> impl AsRef<[u8]> {
        self[at].0
    }
    fn value(self, at: usize) -> impl AsRef<[u8]> {
        self[at].1
    }
}

/// An entry as it is read in place.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: Fields<'a>,
    is_deleted: bool,
    /// Where it starts.
    place: Place,
}

/// The fields of an entry and their values.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    count: usize,
    /// The names, if they are those of the master entry.
    names: Option<Iter<'a>>,
    rest: Iter<'a>,
}

impl Fields<'_> {
    /// Number of fields that are left.
    pub fn count_left(&self) -> usize {
        self.count
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.rest.next()?,
        };
        Some((name, self.rest.next()?))
    }
}

/// What the master entry says.
#[derive(Clone, Debug)]
struct Master<'a> {
    fields: usize,
    names: Iter<'a>,
    /// From the first entry on.
    entries: Iter<'a>,
}

fn int(element: Option<Element<'_>>) -> Option<i64> {
    match element? {
        Element::Int(value) => Some(value),
        Element::Bytes(_) => None,
    }
}

/// The number in a node whose shape was checked.
#[inline]
fn number(element: Option<Element<'_>>) -> i64 {
    int(element).unwrap_or(0)
}

impl Node {
    /// A node for an entry with these fields, without the entry.
    pub(super) fn new<P: Pairs>(pairs: P) -> Self {
        let names = (0..pairs.fields()).map(|at| encoded_len_max(pairs.name(at).as_ref().len()));
        let mut pack = Listpack::new();
        pack.reserve_back(names.sum::<usize>() + 12 + entry_len(pairs, true, 0, 0));
        pack.push_back_int(0);
        pack.push_back_int(0);
        pack.push_back_int(pairs.fields() as i64);
        (0..pairs.fields()).for_each(|at| pack.push_back(pairs.name(at).as_ref()));
        pack.push_back_int(0);
        Self { pack }
    }

    /// Reads the bytes of a node with this id.
    ///
    /// # Errors
    /// Names the rule that the bytes break.
    pub(super) fn from_bytes(id: StreamId, bytes: &[u8]) -> Result<Self, Corrupt> {
        let node = Self { pack: Listpack::from_bytes(bytes)? };
        check(id, &node.pack).ok_or(Corrupt("stream node malformed"))?;
        Ok(node)
    }

    /// The bytes of the node.
    pub(super) fn pack(&self) -> &Listpack {
        &self.pack
    }

    /// Bytes that the allocator spends on the node.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        spent(SHARED) + spent(self.pack.allocated_bytes())
    }

    /// Number of live entries.
    #[inline]
    pub(super) fn live(&self) -> u64 {
        number(self.pack.front()) as u64
    }

    /// Number of entries, deleted ones included.
    pub(super) fn total(&self) -> u64 {
        let mut elements = self.pack.iter();
        (number(elements.next()) + number(elements.next())) as u64
    }

    /// Frees the room for further entries.
    pub(super) fn tighten(&mut self) {
        self.pack.tighten();
    }

    /// Adds an entry behind the last.
    pub(super) fn append<P: Pairs>(&mut self, node_id: StreamId, id: StreamId, pairs: P) {
        let mut elements = self.pack.iter();
        let live = number(elements.next());
        elements.next();
        let same = number(elements.next()) == pairs.fields() as i64
            && (0..pairs.fields()).all(|at| {
                let name = pairs.name(at);
                elements.next().is_some_and(|master| Needle::new(name.as_ref()).matches(master))
            });
        let (ms, seq) = (id.ms.wrapping_sub(node_id.ms) as i64, id.seq.wrapping_sub(node_id.seq) as i64);
        self.pack.replace_int(0, live + 1);
        let pack = &mut self.pack;
        pack.reserve_back(entry_len(pairs, same, ms, seq));
        pack.push_back_int(if same { SAME_FIELDS } else { 0 });
        pack.push_back_int(ms);
        pack.push_back_int(seq);
        let fields = pairs.fields();
        if !same {
            pack.push_back_int(fields as i64);
        }
        for at in 0..fields {
            if !same {
                pack.push_back(pairs.name(at).as_ref());
            }
            pack.push_back(pairs.value(at).as_ref());
        }
        pack.push_back_int((FIXED + if same { fields } else { 2 * fields + 1 }) as i64);
    }

    /// Marks an entry as deleted. The place is that of a live entry.
    pub(super) fn delete(&mut self, place: Place) {
        self.mark(place);
        self.shift_counts(1);
    }

    /// Moves so many entries from the live to the deleted ones in the counts.
    fn shift_counts(&mut self, by: i64) {
        let mut elements = self.pack.iter();
        let (live, deleted) = (number(elements.next()), number(elements.next()));
        self.pack.replace_int(0, live - by);
        let second = self.pack.after(0).expect("a node has two counts");
        self.pack.replace_int(second, deleted + by);
    }

    /// Marks live entries as deleted from the first on: those below an id, or `spare` of them. Returns how many.
    pub(super) fn delete_front(&mut self, node_id: StreamId, keep: Keep, spare: u64) -> u64 {
        let mut places = Vec::new();
        for entry in self.all(node_id) {
            let is_kept = match keep {
                Keep::Last(_) => places.len() as u64 >= spare,
                Keep::From(first) => entry.id >= first,
            };
            if is_kept {
                break;
            }
            if !entry.is_deleted {
                places.push(entry.place);
            }
        }
        places.iter().for_each(|place| self.mark(*place));
        self.shift_counts(places.len() as i64);
        places.len() as u64
    }

    /// Marks live entries with these ids, which ascend, as deleted.
    pub(super) fn delete_all(&mut self, node_id: StreamId, ids: &[StreamId]) {
        let mut rest = ids.iter().peekable();
        let is_meant = |entry: &Entry<'_>| rest.next_if(|id| **id == entry.id).is_some();
        let places: Vec<Place> = self.entries(node_id).filter(is_meant).map(|entry| entry.place).collect();
        places.iter().for_each(|place| self.mark(*place));
        self.shift_counts(places.len() as i64);
    }

    /// Sets the mark of a deleted entry. Flags take as many bytes with it as without, so places stay true.
    fn mark(&mut self, place: Place) {
        let flags = number(Some(self.pack.element(place)));
        self.pack.replace_int(place, flags | DELETED);
    }

    /// Whether an entry of so many bytes of text, and `most` with all that belongs to it, needs another node.
    #[inline]
    pub(super) fn is_full(&self, text: usize, most: usize, limits: &StreamLimits) -> bool {
        let limit = if limits.node_bytes == 0 { LISTPACK_MAX_BYTES } else { limits.node_bytes };
        let bytes = self.pack.byte_len();
        bytes + text >= limit
            || bytes + most >= LISTPACK_MAX_BYTES
            || (limits.node_entries > 0 && self.total() >= limits.node_entries)
    }

    /// The id of the first entry, deleted or not.
    pub(super) fn first_id(&self, node_id: StreamId) -> Option<StreamId> {
        self.all(node_id).next().map(|entry| entry.id)
    }

    /// The id of the last live entry.
    pub(super) fn last_live(&self, node_id: StreamId) -> Option<StreamId> {
        self.entries_back(node_id).find(|entry| !entry.is_deleted).map(|entry| entry.id)
    }

    /// The id of the last entry, deleted or not.
    pub(super) fn last_id(&self, node_id: StreamId) -> StreamId {
        Backwards::new(node_id, &self.pack).next().map_or(node_id, |entry| entry.id)
    }

    /// All entries, deleted ones included.
    fn all(&self, node_id: StreamId) -> Forwards<'_> {
        Forwards::new(node_id, &self.pack)
    }

    /// The live entries from the first on.
    pub(super) fn entries(&self, node_id: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.all(node_id).filter(|entry| !entry.is_deleted)
    }

    /// The live entries from `start` on.
    pub(super) fn entries_from(&self, node_id: StreamId, start: StreamId) -> Forwards<'_> {
        Forwards::new(node_id, &self.pack).from(start)
    }

    /// The live entries from the last on.
    pub(super) fn entries_back(&self, node_id: StreamId) -> Backwards<'_> {
        Backwards::new(node_id, &self.pack)
    }

    /// The place of the live entry with this id.
    pub(super) fn find(&self, node_id: StreamId, id: StreamId) -> Option<Place> {
        self.find_entry(node_id, id).map(|entry| entry.place)
    }

    /// The live entry with this id.
    pub(super) fn find_entry(&self, node_id: StreamId, id: StreamId) -> Option<Entry<'_>> {
        self.entries(node_id).take_while(|entry| entry.id <= id).find(|entry| entry.id == id)
    }
}

/// At most so many bytes an entry takes.
#[inline]
fn entry_len<P: Pairs>(pairs: P, same: bool, ms: i64, seq: i64) -> usize {
    // The number of elements takes as much as that of fields, or a little more.
    let counts = encoded_int_len(2 * pairs.fields() as i64 + 4) * if same { 1 } else { 2 };
    let mut len = encoded_int_len(SAME_FIELDS) + encoded_int_len(ms) + encoded_int_len(seq) + counts;
    for at in 0..pairs.fields() {
        if !same {
            len += encoded_len_max(pairs.name(at).as_ref().len());
        }
        len += encoded_len_max(pairs.value(at).as_ref().len());
    }
    len
}

impl<'a> Master<'a> {
    #[inline]
    fn of(pack: &'a Listpack) -> Self {
        let mut elements = pack.iter();
        elements.skip_elements(2);
        let fields = number(elements.next()) as usize;
        let names = elements.clone();
        elements.skip_elements(fields + 1);
        Self { fields, names, entries: elements }
    }
}

/// Entries towards the end; the deleted ones are marked.
#[derive(Clone, Debug)]
pub(super) struct Forwards<'a> {
    node_id: StreamId,
    master: Master<'a>,
    /// Where the entries end.
    end: Place,
    rest: Iter<'a>,
    /// Entries below it are passed over, and deleted ones as well.
    start: Option<StreamId>,
}

impl<'a> Forwards<'a> {
    fn new(node_id: StreamId, pack: &'a Listpack) -> Self {
        let master = Master::of(pack);
        let rest = master.entries.clone();
        Self { node_id, master, end: pack.end(), rest, start: None }
    }

    fn from(mut self, start: StreamId) -> Self {
        self.start = Some(start);
        self
    }
}

/// Reads the entry that `rest` starts with, and leaves `rest` behind it.
#[inline]
fn read<'a>(node_id: StreamId, master: &Master<'a>, place: Place, rest: &mut Iter<'a>) -> Option<Entry<'a>> {
    let Some(Element::Int(flags)) = rest.next() else { return None };
    let (ms, seq) = (number(rest.next()), number(rest.next()));
    let id = StreamId { ms: node_id.ms.wrapping_add(ms as u64), seq: node_id.seq.wrapping_add(seq as u64) };
    let same = flags & SAME_FIELDS != 0;
    let count = if same { master.fields } else { number(rest.next()) as usize };
    let fields = Fields { count, names: same.then(|| master.names.clone()), rest: rest.clone() };
    Some(Entry { id, fields, is_deleted: flags & DELETED != 0, place })
}

impl<'a> Iterator for Forwards<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let place = self.end - self.rest.bytes_left();
            let entry = read(self.node_id, &self.master, place, &mut self.rest)?;
            let elements = entry.fields.count * if entry.fields.names.is_some() { 1 } else { 2 };
            self.rest.skip_elements(elements + 1);
            match self.start {
                Some(_) if entry.is_deleted => {}
                Some(start) if entry.id < start => {}
                Some(_) | None => return Some(entry),
            }
        }
    }
}

/// All entries towards the front; the deleted ones are marked.
#[derive(Clone, Debug)]
pub(super) struct Backwards<'a> {
    node_id: StreamId,
    master: Master<'a>,
    pack: &'a Listpack,
    /// Where the entries start.
    first: Place,
    /// Where the next entry ends.
    end: Place,
}

impl<'a> Backwards<'a> {
    fn new(node_id: StreamId, pack: &'a Listpack) -> Self {
        let master = Master::of(pack);
        let first = pack.end() - master.entries.bytes_left();
        Self { node_id, master, pack, first, end: pack.end() }
    }
}

impl<'a> Iterator for Backwards<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.end <= self.first {
            return None;
        }
        let mut place = self.pack.before(self.end)?;
        let elements = number(Some(self.pack.element(place)));
        for _ in 0..elements {
            place = self.pack.before(place)?;
        }
        self.end = place;
        read(self.node_id, &self.master, place, &mut self.pack.iter_from(place))
    }
}

impl Entry<'_> {
    /// Whether it is only there until its node goes.
    pub(super) fn is_deleted(&self) -> bool {
        self.is_deleted
    }
}

/// Checks the shape of a node from outside; `None` if it is damaged.
fn check(node_id: StreamId, pack: &Listpack) -> Option<()> {
    let mut elements = pack.iter();
    let count = |element| int(element).and_then(|count| usize::try_from(count).ok());
    let (live, deleted, master_fields) = (count(elements.next())?, count(elements.next())?, count(elements.next())?);
    if master_fields > pack.len() {
        return None;
    }
    elements.skip_elements(master_fields);
    if int(elements.next())? != 0 {
        return None;
    }
    let mut found = [0usize; 2];
    let mut last = None;
    while elements.bytes_left() > 0 {
        let flags = int(elements.next())?;
        let (ms, seq) = (int(elements.next())?, int(elements.next())?);
        let same = flags & SAME_FIELDS != 0;
        let fields = if same { master_fields } else { count(elements.next())? };
        if fields > pack.len() {
            return None;
        }
        elements.skip_elements(if same { fields } else { 2 * fields });
        let said = count(elements.next())?;
        if said != FIXED + if same { fields } else { 2 * fields + 1 } {
            return None;
        }
        let is_deleted = flags & DELETED != 0;
        found[usize::from(is_deleted)] += 1;
        if !is_deleted {
            let (ms, seq) = (node_id.ms.wrapping_add(ms as u64), node_id.seq.wrapping_add(seq as u64));
            let id = StreamId { ms, seq };
            if id < node_id || last.is_some_and(|last| last >= id) {
                return None;
            }
            last = Some(id);
        }
    }
    (found == [live, deleted] && live + deleted > 0).then_some(())
}
