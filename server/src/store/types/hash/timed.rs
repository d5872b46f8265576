//! A hash some of whose fields expire: packed as [`Triples`], or a table whose elements carry their expiries, beside an
//! index of those.
//!
//! The index is that of a slot ([`ExpiryIndex`]), with the first bits of a field's hash as its tag: the table is in the
//! order of the hashes, so the tag leads to the field. It is exact, so the next field to expire is known at any time,
//! and removing what is due costs time for what is removed only.
//!
//! A hash becomes one of these with the first field that expires, and an ordinary one again with the last
//! ([`super::Hash::settle`]). So others pay nothing.

use super::triples::Triples;
use super::{Element, ExpiredFields, HashLimits, Saved, fits};
use crate::base::clock::UnixMillis;
use crate::store::encoding::pack::Pack;
use crate::store::entry::spent;
use crate::store::expiry::{self, ExpiryIndex, SharedRun, TAG_BITS};
use crate::store::types::members::{Member, Members, NEVER, Values};

/// A hash some of whose fields expire. See the top of the file.
#[derive(Clone, Debug)]
pub(super) enum Timed {
    Packed(Triples),
    Table(TimedTable),
}

/// A table, and the order in which its elements expire.
#[derive(Clone, Debug)]
pub(super) struct TimedTable {
    members: Members,
    index: ExpiryIndex<SharedRun>,
}

/// The room that a field with an expiry takes beside field and value: at most nine bytes of an integer, and lengths.
const TIME_BYTES: usize = 16;

impl TimedTable {
    /// A table none of whose elements expires yet.
    pub(super) fn new(members: Members) -> Self {
        Self { members, index: ExpiryIndex::default() }
    }

    /// A table some of whose elements expire.
    pub(super) fn of(members: Members) -> Self {
        let expiring = members.iter().filter(|member| member.at != NEVER);
        let index = ExpiryIndex::of(expiring.map(|member| (member.at, members.tag(member.field, TAG_BITS))));
        Self { members, index }
    }

    /// Sets when an element expires; returns whether it is there.
    fn set_expiry(&mut self, field: &[u8], at: UnixMillis) -> bool {
        let before = self.members.set_expiry(field, at);
        if let Some(before) = before {
            self.note(field, before, at);
        }
        before.is_some()
    }

    fn set_expiries<'f>(
        &mut self,
        count: usize,
        text: impl Fn(usize) -> &'f [u8],
        decide: impl FnMut(usize, UnixMillis) -> UnixMillis,
    ) {
        let moved = self.members.set_expiries(count, text, decide);
        let some = |at: UnixMillis| (at != NEVER).then_some(at);
        self.index.change_many(moved.into_iter().map(|moved| (some(moved.old), some(moved.new), moved.tag(TAG_BITS))));
    }

    fn put(&mut self, field: &[u8], value: &[u8], at: UnixMillis) -> bool {
        if let Some(old) = self.members.get(field).map(|member| member.at) {
            self.note(field, old, at);
        } else {
            self.note(field, NEVER, at);
        }
        self.members.set_until(field, value, at)
    }

    /// Notes that a field expires at another time.
    fn note(&mut self, field: &[u8], old: UnixMillis, new: UnixMillis) {
        if old == new {
            return;
        }
        let some = |at: UnixMillis| (at != NEVER).then_some(at);
        let known = self.index.change(some(old), some(new), self.members.tag(field, TAG_BITS));
        debug_assert!(known, "a field with an expiry is in the index");
    }

    fn remove(&mut self, field: &[u8]) -> bool {
        let Some(at) = self.members.get(field).map(|member| member.at) else { return false };
        self.note(field, at, NEVER);
        self.members.remove(field)
    }

    fn take_due(&mut self, now: UnixMillis, budget: usize) -> ExpiredFields {
        let mut taken = ExpiredFields::default();
        while taken.fields.len() < budget
            && let Some(due) = self.index.first_due(now)
        {
            let is = |at| at != NEVER && due.matches(Some(at));
            let found = self.members.find_expiring(due.tag, TAG_BITS, is);
            let Member { field, at, .. } = found.expect("an expiry in the index belongs to a field");
            let field: Box<[u8]> = field.into();
            taken.latest = at;
            self.remove(&field);
            taken.fields.push(field);
        }
        taken
    }
}

impl Timed {
    pub(super) fn len(&self) -> usize {
        match self {
            Timed::Packed(triples) => triples.len(),
            Timed::Table(table) => table.members.len(),
        }
    }

    /// Bytes that the allocator spends on it, its own box included.
    pub(super) fn boxed_bytes(&self) -> usize {
        spent(size_of::<Self>())
            + match self {
                Timed::Packed(triples) => spent(triples.listpack().allocated_bytes()),
                Timed::Table(table) => table.members.heap_bytes() + table.index.len() * expiry::PLACE,
            }
    }

    /// When the first field expires.
    pub(super) fn next(&self) -> Option<UnixMillis> {
        match self {
            Timed::Packed(triples) => triples.next(),
            Timed::Table(table) => table.index.first(),
        }
    }

    /// The value of a field, and when it expires.
    pub(super) fn get(&self, field: &[u8]) -> Option<(Element<'_>, UnixMillis)> {
        match self {
            Timed::Packed(triples) => triples.get(field),
            Timed::Table(table) => table.members.get(field).map(|Member { value, at, .. }| (Element::Bytes(value), at)),
        }
    }

    /// Passes all fields on, with their values and expiries.
    pub(super) fn for_each<'a>(&'a self, mut f: impl FnMut(Element<'a>, Element<'a>, UnixMillis)) {
        match self {
            Timed::Packed(triples) => triples.for_each(f),
            Timed::Table(table) => table
                .members
                .iter()
                .for_each(|member| f(Element::Bytes(member.field), Element::Bytes(member.value), member.at)),
        }
    }

    /// Sets the value of a field and when it expires; returns whether the field is new.
    pub(super) fn put(&mut self, field: &[u8], value: &[u8], at: UnixMillis, limits: &HashLimits) -> bool {
        if let Timed::Packed(triples) = self {
            let short = field.len() <= limits.max_value && value.len() <= limits.max_value;
            let texts = field.len().saturating_add(value.len()).saturating_add(TIME_BYTES);
            if short && fits(triples.listpack().byte_len(), texts) {
                let is_new = triples.put(field, value, at);
                if triples.len() > limits.max_entries {
                    self.table_mut(limits.seed);
                }
                return is_new;
            }
        }
        self.table_mut(limits.seed).put(field, value, at)
    }

    /// Sets when a field expires, and leaves its value; returns whether there is this field.
    pub(super) fn set_expiry(&mut self, field: &[u8], at: UnixMillis, limits: &HashLimits) -> bool {
        if let Timed::Packed(triples) = self {
            let Some((value, old)) = triples.get(field) else { return false };
            if old == at {
                return true;
            }
            // The limits are not asked for a field that is there already.
            if fits(triples.listpack().byte_len(), TIME_BYTES) {
                let value = value.to_vec();
                triples.put(field, &value, at);
                return true;
            }
        }
        self.table_mut(limits.seed).set_expiry(field, at)
    }

    /// [`Members::set_expiries`] in a table.
    pub(super) fn set_expiries<'f>(
        &mut self,
        count: usize,
        text: impl Fn(usize) -> &'f [u8],
        decide: impl FnMut(usize, UnixMillis) -> UnixMillis,
        limits: &HashLimits,
    ) {
        self.table_mut(limits.seed).set_expiries(count, text, decide);
    }

    /// Removes a field; returns whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Timed::Packed(triples) => triples.remove(field),
            Timed::Table(table) => table.remove(field),
        }
    }

    /// Removes up to `budget` fields that are expired at `now`, in the order of their expiries.
    pub(super) fn take_due(&mut self, now: UnixMillis, budget: usize) -> ExpiredFields {
        match self {
            Timed::Packed(triples) => triples.take_due(now, budget),
            Timed::Table(table) => table.take_due(now, budget),
        }
    }

    /// The table, which it becomes if it is none.
    fn table_mut(&mut self, seed: u64) -> &mut TimedTable {
        if let Timed::Packed(triples) = &*self {
            let mut members = Members::new(Values::Kept, seed);
            triples.for_each(|field, value, at| {
                field.with_text(|field| value.with_text(|value| members.set_until(field, value, at)));
            });
            *self = Timed::Table(TimedTable::of(members));
        }
        match self {
            Timed::Table(table) => table,
            Timed::Packed(_) => unreachable!("it has just become a table"),
        }
    }

    /// The table, if it is one.
    pub(super) fn as_table(&self) -> Option<&Members> {
        match self {
            Timed::Table(table) => Some(&table.members),
            Timed::Packed(_) => None,
        }
    }

    /// The table, if it is one.
    ///
    /// # Errors
    /// It is packed.
    pub(super) fn into_table(self) -> Result<Members, Self> {
        match self {
            Timed::Table(table) => Ok(table.members),
            Timed::Packed(_) => Err(self),
        }
    }

    /// Gives spare room back.
    pub(super) fn tighten(&mut self) {
        if let Timed::Packed(triples) = self {
            triples.listpack_mut().tighten();
        }
    }

    /// The form in which it is saved.
    pub(super) fn saved(&self) -> Saved<'_> {
        match self {
            Timed::Packed(triples) => Saved::Triples(triples),
            Timed::Table(table) => Saved::TimedTable(&table.members),
        }
    }

    /// Triples from a file; a table if there are too many.
    pub(super) fn of_triples(triples: Triples, limits: &HashLimits) -> Self {
        let mut timed = Timed::Packed(triples);
        if timed.len() > limits.max_entries {
            timed.table_mut(limits.seed);
        }
        timed
    }

    /// The parts of a hash none of whose fields expires any more.
    pub(super) fn into_untimed(self) -> Result<Pack, Members> {
        match self {
            Timed::Packed(triples) => Ok(triples.to_pairs()),
            Timed::Table(table) => Err(table.members),
        }
    }
}
