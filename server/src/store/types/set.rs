//! Sets: distinct texts, as an intset while they are a few integers, as a listpack while they are a few short texts,
//! and as a table otherwise.
//!
//! The encodings and their limits are those of Redis 7.2: `set-max-intset-entries`, `set-max-listpack-entries` and
//! `set-max-listpack-value`. An intset with too many integers becomes a table. One that gets another text becomes a
//! listpack, if all members fit into one. A set never returns to a smaller form by itself. One that is told how many
//! members are going to be added ([`Set::expect`]) takes the form for as many. A listpack is a [`Pack`] here; it takes
//! a fourth of a table's memory, and walking over some dozen short texts costs as much as hashing.
//!
//! A [`Set`] is owned and can be changed. A [`SetRef`] is what readers see: the smallest sets are kept as bytes in
//! their key's entry, where no `Set` is.
//!
//! The limits are those in force when the set is changed, as in Redis. So every change brings them along.

mod gather;

use std::ops::ControlFlow;

use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::base::number::parse_i64;
use crate::store::encoding::element::{Element, Needle, OwnedElement};
use crate::store::encoding::intset::Intset;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::pack::{Pack, PackRef};
use crate::store::entry::spent;
use crate::store::types::members::{AT_ONCE, Bulk, Members, NEVER, Values, WORTH_IT, bits};
use crate::store::value::Encoding;
pub(crate) use gather::Gathered;

/// No intset has more integers, whatever the configuration says: its bytes are moved as one.
const INTS_MAX: usize = 1 << 30;

/// When a set changes its form, and the seed of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// `set-max-intset-entries`.
    pub max_ints: usize,
    /// `set-max-listpack-entries`.
    pub max_packed: usize,
    /// `set-max-listpack-value`.
    pub max_value: usize,
    /// What makes the order of a table unpredictable.
    pub seed: u64,
}

impl Default for SetLimits {
    fn default() -> Self {
        Self { max_ints: 512, max_packed: 128, max_value: 64, seed: 0 }
    }
}

/// Distinct texts.
#[derive(Clone, Debug, Default)]
pub struct Set(Form);

#[derive(Clone, Debug)]
enum Form {
    Ints(Intset),
    Packed(Pack),
    Table(Box<Members>),
}

/// A set for reading.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a>(FormRef<'a>);

#[derive(Clone, Copy, Debug)]
enum FormRef<'a> {
    Ints(&'a Intset),
    Packed(PackRef<'a>),
    Table(&'a Members),
}

/// What a set is saved as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saved<'a> {
    /// These bytes.
    Ints(&'a [u8]),
    /// A listpack, which readers before Redis 7.2 do not know.
    Packed(PackRef<'a>),
    /// Its members, one by one.
    Table,
}

impl Default for Form {
    fn default() -> Self {
        Form::Ints(Intset::default())
    }
}

/// A number below `n` from random bits.
fn below(random: u64, n: usize) -> usize {
    ((u128::from(random) * n as u128) >> 64) as usize
}

/// Whether the next element is among those chosen, if `wanted` of the `left` elements still are to be; counts it.
fn chosen(random: u64, wanted: &mut usize, left: &mut usize) -> bool {
    let is = below(random, *left) < *wanted;
    (*wanted, *left) = (*wanted - usize::from(is), *left - 1);
    is
}

impl Set {
    /// A set without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of these integers, in the form that the limits want.
    pub(crate) fn of_ints(ints: Intset, limits: &SetLimits) -> Self {
        let mut set = Set(Form::Ints(ints));
        if set.len() > limits.max_ints.min(INTS_MAX) {
            set.table_mut(limits.seed);
        }
        set
    }

    /// The set of the elements of a listpack, which are distinct.
    pub(crate) fn of_listpack(listpack: &Listpack, limits: &SetLimits) -> Self {
        let mut set = Set(Form::Packed(Pack::of_listpack(listpack)));
        if set.len() > limits.max_packed {
            set.table_mut(limits.seed);
        }
        set
    }

    /// The set of the members of another one, as if they were added one by one: a set of integers becomes an intset
    /// again. A set that is too big for that is cloned, which costs little.
    pub(crate) fn copy_of(other: SetRef<'_>, limits: &SetLimits) -> Self {
        if matches!(other.0, FormRef::Table(_)) && other.len() > limits.max_ints {
            return other.to_set();
        }
        let mut set = Gathered::new(limits);
        other.iter().for_each(|member| set.add_element(member));
        set.finish().0
    }

    /// What is left of a set of which most members were removed: a table becomes a listpack again if it fits.
    pub(crate) fn remade(self, limits: &SetLimits) -> Self {
        let Form::Table(table) = &self.0 else { return self };
        if table.len() > limits.max_packed {
            return self;
        }
        let mut set = Set(Form::Packed(Pack::new()));
        table.iter().for_each(|member| _ = set.add(member.field, limits));
        // Another table would have another order, in which who iterates loses the place.
        if matches!(set.0, Form::Table(_)) { self } else { set }
    }

    /// Told before so many members are added, of which `first` is the first: chooses the form. A member that occurs
    /// twice, or is there already, counts each time, as in Redis.
    pub(crate) fn expect(&mut self, count: usize, first: &[u8], limits: &SetLimits) {
        let is_table = match &self.0 {
            Form::Ints(ints) if ints.len() == 0 && (count > limits.max_ints || parse_i64(first).is_none()) => {
                self.0 = Form::Packed(Pack::new());
                count > limits.max_packed
            }
            Form::Ints(_) => count > limits.max_ints,
            Form::Packed(_) => count > limits.max_packed,
            Form::Table(_) => return,
        };
        if is_table {
            self.table_mut(limits.seed);
        }
    }

    /// Reads it.
    #[inline]
    pub fn view(&self) -> SetRef<'_> {
        SetRef(match &self.0 {
            Form::Ints(ints) => FormRef::Ints(ints),
            Form::Packed(pack) => FormRef::Packed(pack.view()),
            Form::Table(table) => FormRef::Table(table),
        })
    }

    /// The bytes that [`SetRef::of_bytes`] reads, if it is packed.
    #[inline]
    pub(in crate::store) fn as_packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(pack) => Some(pack.view().bytes()),
            Form::Ints(_) | Form::Table(_) => None,
        }
    }

    /// The table, if it is one.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn into_table(self) -> Result<Members, Self> {
        match self.0 {
            Form::Table(table) => Ok(*table),
            Form::Ints(_) | Form::Packed(_) => Err(self),
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no member: the owner then removes the key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Packed(pack) => pack.is_empty(),
            Form::Ints(_) | Form::Table(_) => self.len() == 0,
        }
    }

    /// All members, as [`SetRef::iter`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        self.view().iter()
    }

    /// Bytes that the allocator spends on it besides the header, in constant time.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => spent(ints.allocated_bytes()),
            Form::Packed(pack) => spent(pack.allocated_bytes()),
            Form::Table(table) => table.boxed_bytes(),
        }
    }

    /// Called when a change is done: a packed set gives spare room back.
    #[inline]
    pub fn settle(&mut self) {
        if let Form::Packed(pack) = &mut self.0 {
            pack.settle();
        }
    }

    /// Adds a member; returns whether it is new.
    pub fn add(&mut self, member: &[u8], limits: &SetLimits) -> bool {
        if let Form::Ints(ints) = &mut self.0 {
            // A new set is none of integers if those may not be kept as such.
            let is_allowed = limits.max_ints > 0 || ints.len() > 0;
            if let Some(number) = parse_i64(member).filter(|_| is_allowed) {
                let added = ints.insert(number);
                if added && ints.len() > limits.max_ints.min(INTS_MAX) {
                    self.table_mut(limits.seed);
                }
                return added;
            }
            self.leave_ints(limits);
        }
        if let Form::Packed(pack) = &mut self.0 {
            if pack.view().find(&Needle::new(member)).is_some() {
                return false;
            }
            if member.len() <= limits.max_value
                && pack.serialised_max().saturating_add(member.len()) < LISTPACK_MAX_BYTES / 2
                && limits.max_packed.checked_sub(1).is_some_and(|most| !pack.is_longer_than(most))
            {
                pack.push_back(member);
                return true;
            }
        }
        self.table_mut(limits.seed).set(member, b"")
    }

    /// Adds `count` members; returns how many of them are new.
    pub(crate) fn add_all<'m>(
        &mut self,
        count: usize,
        members: impl Iterator<Item = &'m [u8]>,
        limits: &SetLimits,
    ) -> usize {
        match &mut self.0 {
            Form::Table(table) if table.is_empty() && count >= WORTH_IT => {
                let mut bulk = Bulk::new(Values::None, limits.seed);
                members.for_each(|member| bulk.push(member, b"", NEVER));
                **table = bulk.finish().0;
                table.len()
            }
            _ => members.filter(|member| self.add(member, limits)).count(),
        }
    }

    /// [`Set::add`] for an element of another set.
    pub(crate) fn add_element(&mut self, element: Element<'_>, limits: &SetLimits) -> bool {
        element.with_text(|text| self.add(text, limits))
    }

    /// Removes a member; returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|number| ints.remove(number)),
            Form::Packed(pack) => {
                let Some(place) = pack.view().find(&Needle::new(member)) else { return false };
                pack.remove(place, 1);
                true
            }
            Form::Table(table) => table.remove(member),
        }
    }

    /// Changes from an intset to a listpack, or to a table if not all its members and one more fit into one.
    fn leave_ints(&mut self, limits: &SetLimits) {
        let Form::Ints(ints) = &self.0 else { return };
        let last = ints.len().checked_sub(1);
        // The longest text is that of the smallest or of the greatest integer.
        let text_len = |rank| Element::Int(ints.at(rank)).text_len();
        let longest = last.map_or(0, |last| text_len(0).max(text_len(last)));
        if ints.len() < limits.max_packed && longest <= limits.max_value {
            let mut pack = Pack::new();
            ints.iter().for_each(|number| pack.push_back_int(number));
            self.0 = Form::Packed(pack);
        } else {
            self.table_mut(limits.seed);
        }
    }

    /// The table, which the set becomes if it is none.
    fn table_mut(&mut self, seed: u64) -> &mut Members {
        if !matches!(self.0, Form::Table(_)) {
            let mut table = Box::new(Members::new(Values::None, seed));
            for member in self.iter() {
                member.with_text(|text| table.set(text, b""));
            }
            self.0 = Form::Table(table);
        }
        match &mut self.0 {
            Form::Table(table) => table,
            Form::Ints(_) | Form::Packed(_) => unreachable!("it has just become a table"),
        }
    }

    /// Removes one random member.
    pub(crate) fn pop(&mut self, draw: impl FnMut() -> u64) -> Option<OwnedElement> {
        let member = self.view().pick(draw, OwnedElement::copy_of)?;
        member.as_element().with_text(|text| self.remove(text));
        Some(member)
    }

    /// Removes `count` random members, or all, and passes each of them on. Takes time for the members removed, or for
    /// all if the set is small.
    pub(crate) fn pop_many(&mut self, count: usize, mut draw: impl FnMut() -> u64, mut f: impl FnMut(Element<'_>)) {
        let (mut wanted, mut left) = (count, self.len());
        match &mut self.0 {
            Form::Ints(ints) => ints.retain(|number| {
                let goes = chosen(draw(), &mut wanted, &mut left);
                if goes {
                    f(Element::Int(number));
                }
                !goes
            }),
            Form::Packed(pack) => {
                let mut kept = Pack::new();
                for member in pack.view().iter() {
                    if chosen(draw(), &mut wanted, &mut left) {
                        f(member);
                    } else {
                        member.with_text(|text| kept.push_back(text));
                    }
                }
                *pack = kept;
            }
            Form::Table(table) if count > left / 3 => {
                // What stays becomes a table of its own, which costs less than removing so many one by one.
                let mut kept = Bulk::part_of(table);
                for member in table.iter() {
                    if chosen(draw(), &mut wanted, &mut left) {
                        f(Element::Bytes(member.field));
                    } else {
                        kept.push(member.field, b"", NEVER);
                    }
                }
                **table = kept.finish().0;
            }
            Form::Table(table) => {
                let spots = table.sample_distinct(count, draw);
                let members = spots.into_iter().filter_map(|spot| table.at(spot));
                let members: Vec<Box<[u8]>> = members.map(|member| member.field.into()).collect();
                for member in members {
                    f(Element::Bytes(&member));
                    table.remove(&member);
                }
            }
        }
    }
}

impl<'a> SetRef<'a> {
    /// Reads a packed set, which is these bytes.
    #[inline]
    pub(in crate::store) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self(FormRef::Packed(PackRef::of_bytes(bytes)))
    }

    /// A copy that can be changed.
    pub(crate) fn to_set(self) -> Set {
        Set(match self.0 {
            FormRef::Ints(ints) => Form::Ints(ints.clone()),
            FormRef::Packed(pack) => Form::Packed(pack.to_pack()),
            FormRef::Table(table) => Form::Table(Box::new(table.clone())),
        })
    }

    /// What tells this set from all others that can be read at the same time.
    #[inline]
    pub(crate) fn address(self) -> usize {
        match self.0 {
            FormRef::Ints(ints) => std::ptr::from_ref(ints).addr(),
            FormRef::Packed(pack) => pack.bytes().as_ptr().addr(),
            FormRef::Table(table) => std::ptr::from_ref(table).addr(),
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self.0 {
            FormRef::Ints(ints) => ints.len(),
            FormRef::Packed(pack) => pack.len(),
            FormRef::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(self) -> bool {
        match self.0 {
            FormRef::Packed(pack) => pack.is_empty(),
            FormRef::Ints(_) | FormRef::Table(_) => self.len() == 0,
        }
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub(crate) fn encoding(self) -> Encoding {
        match self.0 {
            FormRef::Ints(_) => Encoding::IntSet,
            FormRef::Packed(_) => Encoding::ListPack,
            FormRef::Table(_) => Encoding::HashTable,
        }
    }

    /// How it is saved.
    pub(crate) fn saved(self) -> Saved<'a> {
        match self.0 {
            FormRef::Ints(ints) => Saved::Ints(ints.as_bytes()),
            FormRef::Packed(pack) => Saved::Packed(pack),
            FormRef::Table(_) => Saved::Table,
        }
    }

    /// Whether there is this member.
    #[inline]
    pub(crate) fn contains(self, member: &[u8]) -> bool {
        match self.0 {
            FormRef::Ints(ints) => parse_i64(member).is_some_and(|number| ints.contains(number)),
            FormRef::Packed(pack) => pack.find(&Needle::new(member)).is_some(),
            FormRef::Table(table) => table.contains(member),
        }
    }

    /// Whether there is a member with this element's text.
    #[inline]
    pub(crate) fn contains_element(self, element: Element<'_>) -> bool {
        match (self.0, element) {
            (FormRef::Ints(ints), Element::Int(number)) => ints.contains(number),
            _ => element.with_text(|text| self.contains(text)),
        }
    }

    /// Passes the members on that all `others` have as well, until `f` says that it is enough.
    pub(crate) fn intersect(self, others: &[SetRef<'_>], f: impl FnMut(Element<'a>) -> bool) {
        self.compare(others, true, f);
    }

    /// Passes the members on that none of the `others` has.
    pub(crate) fn subtract(self, others: &[SetRef<'_>], mut f: impl FnMut(Element<'a>)) {
        self.compare(others, false, |member| {
            f(member);
            true
        });
    }

    fn compare(self, others: &[SetRef<'_>], in_all: bool, mut f: impl FnMut(Element<'a>) -> bool) {
        if let FormRef::Table(table) = self.0 {
            return compare_table(table, others, in_all, |text| f(Element::Bytes(text)));
        }
        // A loop over the iterator would ask for each member which form of set it comes from.
        let _ = self.iter().try_for_each(|member| {
            let is_one = others.iter().all(|set| set.contains_element(member) == in_all);
            let goes_on = !is_one || f(member);
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }

    /// All members: integers ascending, a listpack in the order of insertion, a table in its own order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Element<'a>> {
        let (ints, pack, table) = match self.0 {
            FormRef::Ints(ints) => (Some(ints), None, None),
            FormRef::Packed(pack) => (None, Some(pack), None),
            FormRef::Table(table) => (None, None, Some(table)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter().map(Element::Int));
        let packed = pack.into_iter().flat_map(PackRef::iter);
        let tabled = table.into_iter().flat_map(|table| table.iter().map(|member| Element::Bytes(member.field)));
        ints.chain(packed).chain(tabled)
    }

    /// Passes members on, from a cursor and at least `count` of them unless the set ends; returns where to continue,
    /// which is never 0. A small set is passed on at once.
    pub(crate) fn visit(self, from: u32, count: usize, mut f: impl FnMut(Element<'a>)) -> Option<u32> {
        match self.0 {
            FormRef::Ints(_) | FormRef::Packed(_) => {
                self.iter().for_each(f);
                None
            }
            FormRef::Table(table) => table.visit(from, count, |member| f(Element::Bytes(member.field))),
        }
    }

    /// Passes one random member on. `draw` gives 64 random bits.
    pub(crate) fn pick<R>(self, mut draw: impl FnMut() -> u64, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        Some(match self.0 {
            FormRef::Ints(ints) => f(Element::Int(ints.at(below(draw(), ints.len())))),
            FormRef::Packed(pack) => f(pack.element(pack.seek(below(draw(), pack.len())))),
            FormRef::Table(table) => f(Element::Bytes(table.sample(draw).and_then(|spot| table.at(spot))?.field)),
        })
    }

    /// Passes `count` random members on, any of them more than once, until `f` says that it is enough.
    pub(crate) fn pick_many(self, count: usize, mut draw: impl FnMut() -> u64, mut f: impl FnMut(Element<'a>) -> bool) {
        // All places of a listpack once, so that a pick does not walk.
        let packed: Vec<Element<'a>> = match self.0 {
            FormRef::Packed(pack) => pack.iter().collect(),
            FormRef::Ints(_) | FormRef::Table(_) => Vec::new(),
        };
        if self.is_empty() {
            return;
        }
        for _ in 0..count {
            let member = match self.0 {
                FormRef::Ints(ints) => Some(Element::Int(ints.at(below(draw(), ints.len())))),
                FormRef::Packed(_) => packed.get(below(draw(), packed.len())).copied(),
                FormRef::Table(table) => {
                    let member = table.sample(&mut draw).and_then(|spot| table.at(spot));
                    member.map(|member| Element::Bytes(member.field))
                }
            };
            if !member.is_some_and(&mut f) {
                return;
            }
        }
    }

    /// Passes `count` different random members on; all of them if there are fewer.
    pub(crate) fn pick_distinct(self, count: usize, mut draw: impl FnMut() -> u64, mut f: impl FnMut(Element<'a>)) {
        match self.0 {
            FormRef::Ints(_) | FormRef::Packed(_) => {
                let (mut wanted, mut left) = (count, self.len());
                for member in self.iter() {
                    if chosen(draw(), &mut wanted, &mut left) {
                        f(member);
                    }
                }
            }
            FormRef::Table(table) => {
                let members = table.sample_distinct(count, draw).into_iter().filter_map(|spot| table.at(spot));
                members.for_each(|member| f(Element::Bytes(member.field)));
            }
        }
    }
}

/// [`SetRef::compare`] of a table: the other sets are asked for several members at once.
fn compare_table<'a>(table: &'a Members, others: &[SetRef<'_>], in_all: bool, mut f: impl FnMut(&'a [u8]) -> bool) {
    let mut members = table.iter();
    loop {
        let (mut texts, mut count) = ([&[][..]; AT_ONCE], 0);
        for member in members.by_ref().take(AT_ONCE) {
            texts[count] = member.field;
            count += 1;
        }
        let mut left = (1 << count) - 1;
        for set in others {
            if left == 0 {
                break;
            }
            let absent = match set.0 {
                FormRef::Table(table) => table.absent_among(&texts, left),
                FormRef::Ints(_) | FormRef::Packed(_) => {
                    let is_absent = |at: &usize| !set.contains(texts[*at]);
                    bits(left).filter(is_absent).fold(0, |absent, at| absent | 1 << at)
                }
            };
            left &= if in_all { !absent } else { absent };
        }
        let is_enough = bits(left).any(|at| !f(texts[at]));
        if is_enough || count < AT_ONCE {
            return;
        }
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
