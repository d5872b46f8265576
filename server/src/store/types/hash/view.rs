//! Reading a hash, wherever its bytes are: in a [`struct@Hash`], or, for the smallest, in their key's entry.

use super::timed::Timed;
use super::{Element, Form, Hash, Needle, Triples};
use crate::base::clock::UnixMillis;
use crate::store::encoding::pack::PackRef;
use crate::store::types::members::{Members, NEVER, Spot};
use crate::store::value::Encoding;

/// A hash for reading.
#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a>(pub(super) FormRef<'a>);

/// What it is read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum FormRef<'a> {
    Packed(PackRef<'a>),
    Table(&'a Members),
    Timed(&'a Timed),
}

/// A hash in the form in which it is saved.
#[derive(Debug)]
pub(crate) enum Saved<'a> {
    Packed(PackRef<'a>),
    Table(&'a Members),
    /// Some fields expire; sorted by that.
    Triples(&'a Triples),
    /// Some members expire.
    TimedTable(&'a Members),
}

impl<'a> HashRef<'a> {
    /// Reads a packed hash, which is these bytes.
    #[inline]
    pub(in crate::store) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self(FormRef::Packed(PackRef::of_bytes(bytes)))
    }

    /// A copy that can be changed.
    pub(crate) fn to_hash(self) -> Hash {
        Hash(match self.0 {
            FormRef::Packed(pack) => Form::Packed(pack.to_pack()),
            FormRef::Table(table) => Form::Table(Box::new(table.clone())),
            FormRef::Timed(timed) => Form::Timed(Box::new(timed.clone())),
        })
    }

    /// Number of fields.
    #[inline]
    pub fn len(self) -> usize {
        match self.0 {
            FormRef::Packed(pack) => pack.len() / 2,
            FormRef::Table(table) => table.len(),
            FormRef::Timed(timed) => timed.len(),
        }
    }

    /// Whether there is no field.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self.0 {
            FormRef::Packed(pack) => pack.is_empty(),
            FormRef::Table(_) | FormRef::Timed(_) => self.len() == 0,
        }
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub(crate) fn encoding(self) -> Encoding {
        match self.0 {
            FormRef::Packed(_) => Encoding::ListPack,
            FormRef::Table(_) => Encoding::HashTable,
            FormRef::Timed(timed) if timed.as_table().is_some() => Encoding::HashTable,
            FormRef::Timed(_) => Encoding::ListPackEx,
        }
    }

    /// When the first field expires.
    #[inline]
    pub(crate) fn next_expiry(self) -> Option<UnixMillis> {
        match self.0 {
            FormRef::Packed(_) | FormRef::Table(_) => None,
            FormRef::Timed(timed) => timed.next(),
        }
    }

    /// The value of a field.
    #[inline]
    pub(crate) fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self.0 {
            FormRef::Packed(pack) => {
                let (_, value) = pack.find_pair(&Needle::new(field))?;
                Some(pack.element(value))
            }
            FormRef::Table(table) => table.get(field).map(|member| Element::Bytes(member.value)),
            FormRef::Timed(timed) => timed.get(field).map(|(value, _)| value),
        }
    }

    /// The value of a field, and when it expires.
    pub(crate) fn get_timed(self, field: &[u8]) -> Option<(Element<'a>, Option<UnixMillis>)> {
        match self.0 {
            FormRef::Timed(timed) => timed.get(field).map(|(value, at)| (value, (at != NEVER).then_some(at))),
            FormRef::Packed(_) | FormRef::Table(_) => self.get(field).map(|value| (value, None)),
        }
    }

    /// Whether there is this field.
    #[inline]
    pub(crate) fn contains(self, field: &[u8]) -> bool {
        match self.0 {
            FormRef::Packed(pack) => pack.find_pair(&Needle::new(field)).is_some(),
            FormRef::Table(table) => table.contains(field),
            FormRef::Timed(timed) => timed.get(field).is_some(),
        }
    }

    /// Passes all fields and values on: in the order of insertion while the hash is packed, in that of the table
    /// otherwise.
    pub(crate) fn for_each(self, mut f: impl FnMut(Element<'a>, Element<'a>)) {
        match self.0 {
            FormRef::Packed(pack) => pack.pairs().for_each(|(field, value)| f(field, value)),
            FormRef::Table(table) => {
                table.iter().for_each(|member| f(Element::Bytes(member.field), Element::Bytes(member.value)));
            }
            FormRef::Timed(timed) => timed.for_each(|field, value, _| f(field, value)),
        }
    }

    /// [`Self::for_each`], with the times when the fields expire.
    pub(crate) fn for_each_timed(self, mut f: impl FnMut(Element<'a>, Element<'a>, Option<UnixMillis>)) {
        match self.0 {
            FormRef::Timed(timed) => {
                timed.for_each(|field, value, at| f(field, value, (at != NEVER).then_some(at)));
            }
            FormRef::Packed(_) | FormRef::Table(_) => self.for_each(|field, value| f(field, value, None)),
        }
    }

    /// Passes fields and values on, from a cursor and at least `count` of them unless the hash ends; returns where to
    /// continue, which is never 0. A packed hash is passed on at once.
    pub(crate) fn visit(self, from: u32, count: usize, mut f: impl FnMut(Element<'a>, Element<'a>)) -> Option<u32> {
        match self.0 {
            FormRef::Packed(_) => {
                self.for_each(f);
                None
            }
            FormRef::Table(table) => {
                table.visit(from, count, |member| f(Element::Bytes(member.field), Element::Bytes(member.value)))
            }
            FormRef::Timed(_) => self.seen(UnixMillis::MIN).visit(from, count, f),
        }
    }

    /// Passes one random field and its value on. `draw` gives 64 random bits.
    pub(crate) fn pick(self, mut draw: impl FnMut() -> u64, f: impl FnOnce(Element<'a>, Element<'a>)) {
        match self.picked() {
            Picked::Pairs(pairs) => {
                if let Some(&(field, value)) = pairs.get(below(draw(), pairs.len())) {
                    f(field, value);
                }
            }
            Picked::Packed(pack) if pack.is_empty() => {}
            Picked::Packed(pack) => {
                let place = pack.seek(2 * below(draw(), pack.len() / 2));
                let value = pack.after(place).expect("a field is followed by its value");
                f(pack.element(place), pack.element(value));
            }
            Picked::Table(table) => {
                if let Some(member) = table.sample(draw).and_then(|spot| table.at(spot)) {
                    f(Element::Bytes(member.field), Element::Bytes(member.value));
                }
            }
        }
    }

    /// Passes `count` random fields and their values on, any of them more than once, until `f` says that it is enough.
    pub(crate) fn pick_many(
        self,
        count: usize,
        mut draw: impl FnMut() -> u64,
        mut f: impl FnMut(Element<'a>, Element<'a>) -> bool,
    ) {
        let pairs = match self.picked() {
            Picked::Pairs(pairs) => Ok(pairs),
            Picked::Packed(pack) => {
                // All places once, so that a pick does not walk.
                Ok(pack.pairs().collect())
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
    pub(crate) fn pick_distinct(
        self,
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
            Picked::Packed(pack) => pack.pairs().for_each(|(field, value)| take(field, value)),
            Picked::Table(table) => {
                let members = table.sample_distinct(count, draw).into_iter().filter_map(|spot: Spot| table.at(spot));
                members.for_each(|member| f(Element::Bytes(member.field), Element::Bytes(member.value)));
            }
        }
    }

    /// How fields are picked.
    fn picked(self) -> Picked<'a> {
        match self.0 {
            FormRef::Packed(pack) => Picked::Packed(pack),
            FormRef::Table(table) => Picked::Table(table),
            FormRef::Timed(timed) => match timed.as_table() {
                Some(members) => Picked::Table(members),
                None => Picked::Pairs(self.seen(UnixMillis::MIN).pairs()),
            },
        }
    }

    /// The form in which it is saved.
    pub(crate) fn saved(self) -> Saved<'a> {
        match self.0 {
            FormRef::Packed(pack) => Saved::Packed(pack),
            FormRef::Table(table) => Saved::Table(table),
            FormRef::Timed(timed) => timed.saved(),
        }
    }
}

/// What fields are picked from.
enum Picked<'a> {
    Packed(PackRef<'a>),
    Table(&'a Members),
    Pairs(Vec<(Element<'a>, Element<'a>)>),
}

/// A number below `n` from random bits.
fn below(random: u64, n: usize) -> usize {
    ((u128::from(random) * n as u128) >> 64) as usize
}
