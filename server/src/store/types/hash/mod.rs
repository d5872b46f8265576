//! Hashes: texts by distinct fields, as a listpack while they are small and as a table when they are not.
//!
//! A small hash is a [`Pack`] of fields, each followed by its value, in the order in which the fields were added: the
//! listpack that Redis keeps and saves, without what is of no use here. Looking up walks over it, which costs less than
//! hashing as long as it is short. When it has more than `hash-max-listpack-entries` fields, or a field or value longer
//! than `hash-max-listpack-value`, it becomes a table of [`Members`], and it stays one.
//!
//! When a field is given an expiry, the hash becomes [`Timed`], packed or a table as before; it becomes an ordinary one
//! again when the last such field is gone. Operations of this file see all fields, expired or not; [`Seen`] hides the
//! expired ones.
//!
//! A [`struct@Hash`] is owned and can be changed. A [`HashRef`] is what readers see: the smallest hashes are kept as
//! bytes in their key's entry, where no `Hash` is.
//!
//! The limits are those in force when the hash is changed, not when it was made, as in Redis. So every change brings
//! them along.

mod seen;
mod timed;
mod triples;
mod view;

use crate::base::clock::UnixMillis;
use crate::base::limits::LISTPACK_MAX_BYTES;
pub(crate) use crate::store::encoding::element::{Element, Needle};
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::pack::Pack;
use crate::store::entry::spent;
use crate::store::types::members::{Bulk, Members, NEVER, Values, WORTH_IT};
use crate::store::value::Encoding;
pub(crate) use seen::Seen;
use timed::{Timed, TimedTable};
pub(crate) use triples::Triples;
use view::FormRef;
pub(crate) use view::{HashRef, Saved};

/// When a hash becomes a table, and the seed of that table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// `hash-max-listpack-entries`.
    pub max_entries: usize,
    /// `hash-max-listpack-value`.
    pub max_value: usize,
    /// What makes the order of a table unpredictable.
    pub seed: u64,
}

impl Default for HashLimits {
    fn default() -> Self {
        Self { max_entries: 512, max_value: 64, seed: 0 }
    }
}

/// Texts by distinct fields.
#[derive(Clone, Debug, Default)]
pub struct Hash(Form);

#[derive(Clone, Debug)]
enum Form {
    Packed(Pack),
    Table(Box<Members>),
    Timed(Box<Timed>),
}

// As small as its pack.
const _: () = assert!(size_of::<Form>() == 32);

impl Default for Form {
    fn default() -> Self {
        Form::Packed(Pack::new())
    }
}

/// Fields that were removed because they had expired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiredFields {
    /// Their names, in the order of their expiries.
    pub fields: Vec<Box<[u8]>>,
    /// When the last of them expired.
    pub latest: UnixMillis,
}

/// Room for more bytes is not made before they come.
const PREPARED_MAX: usize = 64 * 1024;

/// A listpack of at most so many bytes is no longer than allowed after an addition of at most so many bytes of texts.
fn fits(listpack: usize, texts: usize) -> bool {
    /// More than two entries spend on their headers and back lengths.
    const HEADERS: usize = 32;
    texts.saturating_add(listpack + HEADERS) <= LISTPACK_MAX_BYTES
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A hash without fields, with room for these texts if they fit into a packed one.
    pub(crate) fn for_texts<'a>(texts: impl ExactSizeIterator<Item = &'a [u8]>, limits: &HashLimits) -> Self {
        /// Header of a short text.
        const HEADERS: usize = 1;
        if texts.len() / 2 > limits.max_entries {
            return Self::new();
        }
        let bytes = texts.map(|text| text.len().min(limits.max_value) + HEADERS).sum::<usize>();
        Hash(Form::Packed(Pack::with_capacity(bytes.min(PREPARED_MAX))))
    }

    /// Reads it.
    #[inline]
    pub fn view(&self) -> HashRef<'_> {
        HashRef(match &self.0 {
            Form::Packed(pack) => FormRef::Packed(pack.view()),
            Form::Table(table) => FormRef::Table(table),
            Form::Timed(timed) => FormRef::Timed(timed),
        })
    }

    /// The bytes that [`HashRef::of_bytes`] reads, if it is packed.
    #[inline]
    pub(in crate::store) fn as_packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(pack) => Some(pack.view().bytes()),
            Form::Table(_) | Form::Timed(_) => None,
        }
    }

    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.len() / 2,
            Form::Table(table) => table.len(),
            Form::Timed(timed) => timed.len(),
        }
    }

    /// Whether there is no field: the owner then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Packed(pack) => pack.is_empty(),
            Form::Table(_) | Form::Timed(_) => self.len() == 0,
        }
    }

    /// When the first field expires.
    #[inline]
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        self.view().next_expiry()
    }

    /// The value of a field.
    #[inline]
    pub(crate) fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        self.view().get(field)
    }

    /// Whether there is this field.
    #[inline]
    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        self.view().contains(field)
    }

    /// Bytes that the allocator spends on it besides the header, in constant time.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => spent(pack.allocated_bytes()),
            Form::Table(table) => table.boxed_bytes(),
            Form::Timed(timed) => timed.boxed_bytes(),
        }
    }

    /// Called when a change is done: a packed hash gives spare room back, and one whose fields do not expire any more
    /// becomes an ordinary one.
    #[inline]
    pub fn settle(&mut self) {
        match &mut self.0 {
            Form::Packed(pack) => pack.settle(),
            Form::Table(_) => {}
            Form::Timed(_) => self.settle_timed(),
        }
    }

    #[cold]
    fn settle_timed(&mut self) {
        let Form::Timed(timed) = &mut self.0 else { return };
        if timed.next().is_some() {
            timed.tighten();
            return;
        }
        let Form::Timed(timed) = std::mem::take(&mut self.0) else { return };
        self.0 = match timed.into_untimed() {
            Ok(pairs) => Form::Packed(pairs),
            Err(members) => Form::Table(Box::new(members)),
        };
    }

    /// Sets the value of a field, which does not expire any more; returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        if let Form::Packed(pack) = &mut self.0 {
            let short = field.len() <= limits.max_value && value.len() <= limits.max_value;
            if short && fits(pack.serialised_max(), field.len().saturating_add(value.len())) {
                let old = pack.view().find_pair(&Needle::new(field));
                if let Some((_, old)) = old {
                    pack.replace(old, value);
                } else {
                    pack.push_back(field);
                    pack.push_back(value);
                }
                // Not only after an addition: the limit may be lower than when the hash was last changed.
                if pack.is_longer_than(limits.max_entries.saturating_mul(2)) {
                    self.table_mut(limits.seed);
                }
                return old.is_none();
            }
        }
        if let Form::Timed(timed) = &mut self.0 {
            return timed.put(field, value, NEVER, limits);
        }
        self.table_mut(limits.seed).set(field, value)
    }

    /// Sets the values of `count` fields in their order, as [`Hash::set`]; returns how many fields are new.
    pub(crate) fn set_all<'p>(
        &mut self,
        count: usize,
        pair: impl Fn(usize) -> (&'p [u8], &'p [u8]),
        limits: &HashLimits,
    ) -> usize {
        if self.is_empty() && count >= WORTH_IT && count > limits.max_entries {
            let mut bulk = Bulk::new(Values::Kept, limits.seed);
            // Of two values of a field the one that is added first stays, which must be the last.
            (0..count).rev().map(&pair).for_each(|(field, value)| bulk.push(field, value, NEVER));
            let (table, _) = bulk.finish();
            if table.len() > limits.max_entries {
                let created = table.len();
                *self = Self::of_table(table, false);
                return created;
            }
        }
        (0..count).map(pair).filter(|(field, value)| self.set(field, value, limits)).count()
    }

    /// Sets the value of a field, which expires when it did before; returns whether the field is new.
    #[inline]
    pub fn set_keeping(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => self.set(field, value, limits),
            Form::Timed(timed) => {
                let at = timed.get(field).map_or(NEVER, |(_, at)| at);
                timed.put(field, value, at, limits)
            }
        }
    }

    /// Sets the value of a field, and when it expires; returns whether the field is new.
    pub fn set_until(&mut self, field: &[u8], value: &[u8], at: UnixMillis, limits: &HashLimits) -> bool {
        self.timed_mut().put(field, value, at.max(1), limits)
    }

    /// Sets when a field expires, `None` for never; returns whether there is this field.
    pub fn set_expiry(&mut self, field: &[u8], at: Option<UnixMillis>, limits: &HashLimits) -> bool {
        match (&self.0, at) {
            (Form::Packed(_) | Form::Table(_), None) => self.contains(field),
            (Form::Packed(_) | Form::Table(_), Some(_)) if !self.contains(field) => false,
            _ => self.timed_mut().set_expiry(field, at.map_or(NEVER, |at| at.max(1)), limits),
        }
    }

    /// Sets when fields expire. For each of `count` texts that is a field, `decide` is told its number and when it
    /// expires, `None` for never, and says when it is to. It may be asked more than once and in any order, but a field
    /// that occurs again is asked for later, and with what was said before.
    pub(crate) fn set_expiries<'f>(
        &mut self,
        count: usize,
        text: impl Fn(usize) -> &'f [u8],
        limits: &HashLimits,
        mut decide: impl FnMut(usize, Option<UnixMillis>) -> Option<UnixMillis>,
    ) {
        /// With fewer fields, or a smaller part of all, each is looked for by itself.
        const MANY: usize = 64;
        const PART: usize = 8;
        let some = |at: UnixMillis| (at != NEVER).then_some(at);
        if count >= MANY && count >= self.len() / PART && self.view().encoding() == Encoding::HashTable {
            let decide = |number, old| decide(number, some(old)).map_or(NEVER, |at| at.max(1));
            self.timed_mut().set_expiries(count, text, decide, limits);
            return;
        }
        for number in 0..count {
            let Some((_, old)) = self.view().get_timed(text(number)) else { continue };
            let new = decide(number, old);
            if new != old {
                self.set_expiry(text(number), new, limits);
            }
        }
    }

    /// Removes up to `budget` fields that are expired at `now`, in the order of their expiries.
    pub fn take_due(&mut self, now: UnixMillis, budget: usize) -> ExpiredFields {
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => ExpiredFields::default(),
            Form::Timed(timed) => timed.take_due(now, budget),
        }
    }

    /// The form in which fields expire, which the hash takes if it has another.
    fn timed_mut(&mut self) -> &mut Timed {
        if !matches!(self.0, Form::Timed(_)) {
            let timed = match std::mem::take(&mut self.0) {
                Form::Packed(pairs) => Timed::Packed(Triples::of_pairs(pairs.view())),
                Form::Table(members) => Timed::Table(TimedTable::new(*members)),
                Form::Timed(timed) => *timed,
            };
            self.0 = Form::Timed(Box::new(timed));
        }
        match &mut self.0 {
            Form::Timed(timed) => timed,
            Form::Packed(_) | Form::Table(_) => unreachable!("it has just become one"),
        }
    }

    /// Removes a field; returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Packed(pack) => {
                let Some((place, _)) = pack.view().find_pair(&Needle::new(field)) else { return false };
                pack.remove(place, 2);
                true
            }
            Form::Table(table) => table.remove(field),
            Form::Timed(timed) => timed.remove(field),
        }
    }

    /// The table, which the hash becomes if it is none.
    fn table_mut(&mut self, seed: u64) -> &mut Members {
        if let Form::Packed(pack) = &self.0 {
            let mut table = Box::new(Members::new(Values::Kept, seed));
            for (field, value) in pack.view().pairs() {
                field.with_text(|field| value.with_text(|value| table.set(field, value)));
            }
            self.0 = Form::Table(table);
        }
        match &mut self.0 {
            Form::Table(table) => table,
            Form::Packed(_) | Form::Timed(_) => {
                unreachable!("it has just become a table, and timed ones never get here")
            }
        }
    }

    /// The hash of triples, none of whose fields occurs twice; a table if there are too many.
    pub(crate) fn of_triples(triples: Triples, limits: &HashLimits) -> Self {
        Hash(Form::Timed(Box::new(Timed::of_triples(triples, limits))))
    }

    /// The hash that is this table of texts with values. `timed`: some of them expire.
    pub(crate) fn of_table(members: Members, timed: bool) -> Self {
        if timed {
            return Hash(Form::Timed(Box::new(Timed::Table(TimedTable::of(members)))));
        }
        Hash(Form::Table(Box::new(members)))
    }

    /// The table, if it is one, and whether some of its fields expire.
    ///
    /// # Errors
    /// It is packed.
    pub(crate) fn into_table(self) -> Result<(Members, bool), Self> {
        match self.0 {
            Form::Packed(_) => Err(self),
            Form::Table(table) => Ok((*table, false)),
            Form::Timed(timed) => match timed.into_table() {
                Ok(members) => Ok((members, true)),
                Err(timed) => Err(Hash(Form::Timed(Box::new(timed)))),
            },
        }
    }

    /// The hash of a listpack of pairs, none of whose fields occurs twice; a table if there are too many.
    pub(crate) fn of_pairs(listpack: &Listpack, limits: &HashLimits) -> Self {
        let mut hash = Hash(Form::Packed(Pack::of_listpack(listpack)));
        if hash.len() > limits.max_entries {
            hash.table_mut(limits.seed);
        }
        hash
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timed_tests;
