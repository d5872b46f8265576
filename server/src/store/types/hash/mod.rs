//! Hashes: texts by distinct fields, as a listpack while they are small and as a table when they are not.
//!
//! A small hash is a [`Listpack`] of fields, each followed by its value, in the order in which the fields were added:
//! the very bytes that Redis keeps and saves. Looking up walks over it, which costs less than hashing as long as it is
//! short. When it has more than `hash-max-listpack-entries` fields, or a field or value longer than
//! `hash-max-listpack-value`, it becomes a table of [`Members`], and it stays one.
//!
//! When a field is given an expiry, the hash becomes [`Timed`], packed or a table as before; it becomes an ordinary one
//! again when the last such field is gone. Operations of this file see all fields, expired or not; [`Seen`] hides the
//! expired ones.
//!
//! The limits are those in force when the hash is changed, not when it was made, as in Redis. So every change brings
//! them along.

mod seen;
mod timed;
mod triples;

use crate::base::clock::UnixMillis;
use crate::base::limits::LISTPACK_MAX_BYTES;
pub(crate) use crate::store::encoding::element::{Element, Needle};
use crate::store::encoding::listpack::Listpack;
use crate::store::entry::spent;
use crate::store::types::members::{Members, NEVER, Spot, Values};
use crate::store::value::Encoding;
pub(crate) use seen::Seen;
use timed::{Timed, TimedTable};
pub(crate) use triples::Triples;

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
    Packed(Listpack),
    Table(Box<Members>),
    Timed(Box<Timed>),
}

// As small as its listpack.
const _: () = assert!(size_of::<Form>() == 32);

impl Default for Form {
    fn default() -> Self {
        Form::Packed(Listpack::new())
    }
}

/// Room for more bytes is not made before they come.
const PREPARED_MAX: usize = 64 * 1024;

/// A hash in the form in which it is saved.
#[derive(Debug)]
pub(crate) enum Saved<'a> {
    Packed(&'a Listpack),
    Table(&'a Members),
    /// Some fields expire; sorted by that.
    Triples(&'a Triples),
    /// Some members expire.
    TimedTable(&'a Members),
}

/// The bytes of a listpack are no longer than this after an addition of at most so many bytes of texts.
fn fits(listpack: &Listpack, texts: usize) -> bool {
    /// More than two entries spend on their headers and back lengths.
    const HEADERS: usize = 32;
    texts.saturating_add(listpack.byte_len() + HEADERS) <= LISTPACK_MAX_BYTES
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A hash without fields, with room for these texts if they fit into a packed one.
    pub(crate) fn for_texts<'a>(texts: impl ExactSizeIterator<Item = &'a [u8]>, limits: &HashLimits) -> Self {
        /// Header and back length of a short text.
        const HEADERS: usize = 2;
        if texts.len() / 2 > limits.max_entries {
            return Self::new();
        }
        let bytes = texts.map(|text| text.len().min(limits.max_value) + HEADERS).sum::<usize>();
        Hash(Form::Packed(Listpack::with_capacity(bytes.min(PREPARED_MAX))))
    }

    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(listpack) => listpack.len() / 2,
            Form::Table(table) => table.len(),
            Form::Timed(timed) => timed.len(),
        }
    }

    /// Whether there is no field: the owner then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub(crate) fn encoding(&self) -> Encoding {
        match &self.0 {
            Form::Packed(_) => Encoding::ListPack,
            Form::Table(_) => Encoding::HashTable,
            Form::Timed(timed) if timed.as_table().is_some() => Encoding::HashTable,
            Form::Timed(_) => Encoding::ListPackEx,
        }
    }

    /// Bytes that the allocator spends on it besides the header, in constant time.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(listpack) => spent(listpack.allocated_bytes()),
            Form::Table(table) => table.boxed_bytes(),
            Form::Timed(timed) => timed.boxed_bytes(),
        }
    }

    /// Called when a change is done: a packed hash gives spare room back, and one whose fields do not expire any more
    /// becomes an ordinary one.
    #[inline]
    pub fn settle(&mut self) {
        /// Longer ones are expected to grow further; moving them with every field would be dear.
        const TIGHTENED: usize = 8 * 1024;
        match &mut self.0 {
            Form::Packed(listpack) if listpack.byte_len() <= TIGHTENED => listpack.tighten(),
            Form::Packed(_) | Form::Table(_) => {}
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

    /// When the first field expires.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Option<UnixMillis> {
        match &self.0 {
            Form::Packed(_) | Form::Table(_) => None,
            Form::Timed(timed) => timed.next(),
        }
    }

    /// The value of a field.
    #[inline]
    pub(crate) fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.0 {
            Form::Packed(listpack) => {
                let (_, value) = listpack.find_pair(&Needle::new(field))?;
                Some(listpack.element(value))
            }
            Form::Table(table) => table.get(field).map(|member| Element::Bytes(member.value)),
            Form::Timed(timed) => timed.get(field).map(|(value, _)| value),
        }
    }

    /// The value of a field, and when it expires.
    pub(crate) fn get_timed(&self, field: &[u8]) -> Option<(Element<'_>, Option<UnixMillis>)> {
        match &self.0 {
            Form::Timed(timed) => timed.get(field).map(|(value, at)| (value, (at != NEVER).then_some(at))),
            Form::Packed(_) | Form::Table(_) => self.get(field).map(|value| (value, None)),
        }
    }

    /// Whether there is this field.
    #[inline]
    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Form::Packed(listpack) => listpack.find_pair(&Needle::new(field)).is_some(),
            Form::Table(table) => table.contains(field),
            Form::Timed(timed) => timed.get(field).is_some(),
        }
    }

    /// Sets the value of a field, which does not expire any more; returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        if let Form::Packed(listpack) = &mut self.0 {
            let short = field.len() <= limits.max_value && value.len() <= limits.max_value;
            if short && fits(listpack, field.len().saturating_add(value.len())) {
                let old = listpack.find_pair(&Needle::new(field));
                if let Some((_, old)) = old {
                    listpack.replace(old, value);
                } else {
                    listpack.push_back(field);
                    listpack.push_back(value);
                }
                // Not only after an addition: the limit may be lower than when the hash was last changed.
                if listpack.len() / 2 > limits.max_entries {
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

    /// Sets the value of a field, which expires when it did before; returns whether the field is new.
    #[inline]
    pub(crate) fn set_keeping(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => self.set(field, value, limits),
            Form::Timed(timed) => {
                let at = timed.get(field).map_or(NEVER, |(_, at)| at);
                timed.put(field, value, at, limits)
            }
        }
    }

    /// Sets the value of a field, and when it expires; returns whether the field is new.
    pub(crate) fn set_until(&mut self, field: &[u8], value: &[u8], at: UnixMillis, limits: &HashLimits) -> bool {
        self.timed_mut().put(field, value, at.max(1), limits)
    }

    /// Sets when a field expires, `None` for never; returns whether there is this field.
    pub(crate) fn set_expiry(&mut self, field: &[u8], at: Option<UnixMillis>, limits: &HashLimits) -> bool {
        match (&self.0, at) {
            (Form::Packed(_) | Form::Table(_), None) => self.contains(field),
            (Form::Packed(_) | Form::Table(_), Some(_)) if !self.contains(field) => false,
            _ => self.timed_mut().set_expiry(field, at.map_or(NEVER, |at| at.max(1)), limits),
        }
    }

    /// Removes up to `budget` fields that are expired at `now`, in the order of their expiries; returns them.
    pub(crate) fn take_due(&mut self, now: UnixMillis, budget: usize) -> Vec<Box<[u8]>> {
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => Vec::new(),
            Form::Timed(timed) => timed.take_due(now, budget),
        }
    }

    /// The form in which fields expire, which the hash takes if it has another.
    fn timed_mut(&mut self) -> &mut Timed {
        if !matches!(self.0, Form::Timed(_)) {
            let timed = match std::mem::take(&mut self.0) {
                Form::Packed(pairs) => Timed::Packed(Triples::of_pairs(&pairs)),
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
            Form::Packed(listpack) => {
                let Some((place, _)) = listpack.find_pair(&Needle::new(field)) else { return false };
                listpack.remove(place, 2);
                true
            }
            Form::Table(table) => table.remove(field),
            Form::Timed(timed) => timed.remove(field),
        }
    }

    /// The table, which the hash becomes if it is none.
    fn table_mut(&mut self, seed: u64) -> &mut Members {
        if let Form::Packed(listpack) = &self.0 {
            let mut table = Box::new(Members::new(Values::Kept, seed));
            each_pair(listpack, |field, value| {
                field.with_text(|field| value.with_text(|value| table.set(field, value)));
            });
            self.0 = Form::Table(table);
        }
        match &mut self.0 {
            Form::Table(table) => table,
            Form::Packed(_) | Form::Timed(_) => {
                unreachable!("it has just become a table, and timed ones never get here")
            }
        }
    }

    /// Passes all fields and values on: in the order of insertion while the hash is packed, in that of the table
    /// otherwise.
    pub(crate) fn for_each<'a>(&'a self, mut f: impl FnMut(Element<'a>, Element<'a>)) {
        match &self.0 {
            Form::Packed(listpack) => each_pair(listpack, f),
            Form::Table(table) => {
                table.iter().for_each(|member| f(Element::Bytes(member.field), Element::Bytes(member.value)));
            }
            Form::Timed(timed) => timed.for_each(|field, value, _| f(field, value)),
        }
    }

    /// [`Hash::for_each`], with the times when the fields expire.
    pub(crate) fn for_each_timed<'a>(&'a self, mut f: impl FnMut(Element<'a>, Element<'a>, Option<UnixMillis>)) {
        match &self.0 {
            Form::Timed(timed) => {
                timed.for_each(|field, value, at| f(field, value, (at != NEVER).then_some(at)));
            }
            Form::Packed(_) | Form::Table(_) => self.for_each(|field, value| f(field, value, None)),
        }
    }

    /// Passes fields and values on, from a cursor and at least `count` of them unless the hash ends; returns where to
    /// continue, which is never 0. A packed hash is passed on at once.
    pub(crate) fn visit<'a>(
        &'a self,
        from: u32,
        count: usize,
        mut f: impl FnMut(Element<'a>, Element<'a>),
    ) -> Option<u32> {
        match &self.0 {
            Form::Packed(_) => {
                self.for_each(f);
                None
            }
            Form::Table(table) => {
                table.visit(from, count, |member| f(Element::Bytes(member.field), Element::Bytes(member.value)))
            }
            Form::Timed(_) => self.seen(UnixMillis::MIN).visit(from, count, f),
        }
    }

    /// Passes one random field and its value on. `draw` gives 64 random bits.
    pub(crate) fn pick(&self, mut draw: impl FnMut() -> u64, f: impl FnOnce(Element<'_>, Element<'_>)) {
        match self.picked() {
            Picked::Pairs(pairs) => {
                if let Some(&(field, value)) = pairs.get(below(draw(), pairs.len())) {
                    f(field, value);
                }
            }
            Picked::Packed(listpack) if listpack.is_empty() => {}
            Picked::Packed(listpack) => {
                let place = listpack.seek(2 * below(draw(), listpack.len() / 2));
                let value = listpack.after(place).expect("a field is followed by its value");
                f(listpack.element(place), listpack.element(value));
            }
            Picked::Table(table) => {
                if let Some(member) = table.sample(draw).and_then(|spot| table.at(spot)) {
                    f(Element::Bytes(member.field), Element::Bytes(member.value));
                }
            }
        }
    }

    /// Passes `count` random fields and their values on, any of them more than once, until `f` says that it is enough.
    pub(crate) fn pick_many<'a>(
        &'a self,
        count: usize,
        mut draw: impl FnMut() -> u64,
        mut f: impl FnMut(Element<'a>, Element<'a>) -> bool,
    ) {
        let pairs = match self.picked() {
            Picked::Pairs(pairs) => Ok(pairs),
            Picked::Packed(listpack) => {
                // All places once, so that a pick does not walk.
                let mut pairs = Vec::with_capacity(self.len());
                each_pair(listpack, |field, value| pairs.push((field, value)));
                Ok(pairs)
            }
            Picked::Table(table) => Err(table),
        };
        match pairs {
            Ok(pairs) => {
                for _ in 0..count {
                    let Some(&(field, value)) = pairs.get(below(draw(), pairs.len())) else { return };
                    if !f(field, value) {
                        return;
                    }
                }
            }
            Err(table) => {
                for _ in 0..count {
                    let Some(member) = table.sample(&mut draw).and_then(|spot| table.at(spot)) else { return };
                    if !f(Element::Bytes(member.field), Element::Bytes(member.value)) {
                        return;
                    }
                }
            }
        }
    }

    /// Passes `count` different random fields and their values on; all of them if there are fewer.
    pub(crate) fn pick_distinct<'a>(
        &'a self,
        count: usize,
        mut draw: impl FnMut() -> u64,
        mut f: impl FnMut(Element<'a>, Element<'a>),
    ) {
        // Each pair is taken with the share of those wanted in those left.
        let (mut wanted, mut left) = (count, self.len());
        let mut take = |field, value| {
            if below(draw(), left) < wanted {
                wanted -= 1;
                f(field, value);
            }
            left -= 1;
        };
        match self.picked() {
            Picked::Pairs(pairs) => pairs.into_iter().for_each(|(field, value)| take(field, value)),
            Picked::Packed(listpack) => each_pair(listpack, take),
            Picked::Table(table) => {
                let members = table.sample_distinct(count, draw).into_iter().filter_map(|spot: Spot| table.at(spot));
                members.for_each(|member| f(Element::Bytes(member.field), Element::Bytes(member.value)));
            }
        }
    }

    /// How fields are picked.
    fn picked(&self) -> Picked<'_> {
        match &self.0 {
            Form::Packed(listpack) => Picked::Packed(listpack),
            Form::Table(table) => Picked::Table(table),
            Form::Timed(timed) => match timed.as_table() {
                Some(members) => Picked::Table(members),
                None => Picked::Pairs(self.seen(UnixMillis::MIN).pairs()),
            },
        }
    }

    /// The form in which it is saved.
    pub(crate) fn saved(&self) -> Saved<'_> {
        match &self.0 {
            Form::Packed(listpack) => Saved::Packed(listpack),
            Form::Table(table) => Saved::Table(table),
            Form::Timed(timed) => timed.saved(),
        }
    }

    /// The hash of triples, none of whose fields occurs twice; a table if there are too many.
    pub(crate) fn of_triples(triples: Triples, limits: &HashLimits) -> Self {
        Hash(Form::Timed(Box::new(Timed::of_triples(triples, limits))))
    }

    /// The hash of a listpack of pairs, none of whose fields occurs twice; a table if there are too many.
    pub(crate) fn of_pairs(listpack: Listpack, limits: &HashLimits) -> Self {
        let mut hash = Hash(Form::Packed(listpack));
        if hash.len() > limits.max_entries {
            hash.table_mut(limits.seed);
        }
        hash
    }
}

/// What fields are picked from.
enum Picked<'a> {
    Packed(&'a Listpack),
    Table(&'a Members),
    Pairs(Vec<(Element<'a>, Element<'a>)>),
}

/// A number below `n` from random bits.
fn below(random: u64, n: usize) -> usize {
    ((u128::from(random) * n as u128) >> 64) as usize
}

/// Passes the pairs of a listpack on in order.
fn each_pair<'a>(listpack: &'a Listpack, mut f: impl FnMut(Element<'a>, Element<'a>)) {
    let mut elements = listpack.iter();
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        f(field, value);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timed_tests;
