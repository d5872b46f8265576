//! Sets that are made as a whole: results of SINTERSTORE and its kin, and sets that are loaded.
//!
//! Members are added as usual, by the same limits, until the set becomes a table. From then on they are only collected,
//! and the table is made of all of them at once ([`Bulk`]), which costs half of what adding them costs.

use super::{Form, FormRef, INTS_MAX, Intset, Set, SetLimits, SetRef, parse_i64};
use crate::store::encoding::element::Element;
use crate::store::encoding::pack::Pack;
use crate::store::types::members::{Bulk, NEVER, Values};

/// A set to be made. See the top of the file.
pub(crate) struct Gathered<'l> {
    /// The members, as long as they make no table.
    set: Set,
    table: Option<Bulk>,
    limits: &'l SetLimits,
    repeated: usize,
}

impl<'l> Gathered<'l> {
    /// No members yet.
    pub(crate) fn new(limits: &'l SetLimits) -> Self {
        Self { set: Set::new(), table: None, limits, repeated: 0 }
    }

    /// No members yet; integers do not make an intset, unless [`Gathered::finish_with_ints`] makes it.
    pub(crate) fn packed(limits: &'l SetLimits) -> Self {
        Self { set: Set(Form::Packed(Pack::new())), ..Self::new(limits) }
    }

    /// No members yet, but they will make a table: so many, if that is known, which take up to so many bytes of a
    /// payload. Neither number is to be trusted.
    pub(crate) fn table(limits: &'l SetLimits, count: usize, bytes: usize) -> Self {
        let mut table = Bulk::new(Values::None, limits.seed);
        table.expect(count, bytes);
        Self { table: Some(table), ..Self::new(limits) }
    }

    /// The members of a table, and about `more` others to be added. `None`: it is no table, or these are too many.
    pub(crate) fn with_all_of(set: SetRef<'_>, limits: &'l SetLimits, more: usize) -> Option<Self> {
        let FormRef::Table(table) = set.0 else { return None };
        Some(Self { table: Some(Bulk::with_all_of(table, more)?), ..Self::new(limits) })
    }

    /// Adds a member. One that is there already is not added again.
    pub(crate) fn add(&mut self, member: &[u8]) {
        if let Some(table) = &mut self.table {
            table.push(member, b"", NEVER);
            return;
        }
        if self.limits.max_ints == 0
            && matches!(&self.set.0, Form::Ints(ints) if ints.len() == 0)
            && parse_i64(member).is_some()
        {
            // Redis begins with an intset, which is too big with its first integer and becomes a table. (SADD does
            // not.)
            self.table.insert(Bulk::new(Values::None, self.limits.seed)).push(member, b"", NEVER);
            return;
        }
        self.repeated += usize::from(!self.set.add(member, self.limits));
        if let Form::Table(begun) = &self.set.0 {
            let mut table = Bulk::new(Values::None, self.limits.seed);
            begun.iter().for_each(|member| table.push(member.field, b"", NEVER));
            self.table = Some(table);
        }
    }

    /// [`Gathered::add`] for an element of another set.
    pub(crate) fn add_element(&mut self, element: Element<'_>) {
        element.with_text(|text| self.add(text));
    }

    /// The set, and how often a member was added that was there already.
    pub(crate) fn finish(self) -> (Set, usize) {
        match self.table {
            Some(table) => {
                let (table, repeated) = table.finish();
                (Set(Form::Table(Box::new(table))), self.repeated + repeated)
            }
            None => (self.set, self.repeated),
        }
    }

    /// The set; an intset if it consists of few enough integers, whatever it was while it grew (Redis 7.2:
    /// `maybeConvertToIntset`).
    pub(crate) fn finish_with_ints(self) -> Set {
        let most = self.limits.max_ints.min(INTS_MAX);
        let (set, _) = self.finish();
        if matches!(set.0, Form::Ints(_)) || set.len() > most {
            return set;
        }
        let number = |element: Element<'_>| element.with_text(parse_i64);
        let Some(mut numbers) = set.iter().map(number).collect::<Option<Vec<i64>>>() else { return set };
        // In this order each is written behind the others.
        numbers.sort_unstable();
        let mut ints = Intset::default();
        numbers.into_iter().for_each(|number| _ = ints.insert(number));
        Set(Form::Ints(ints))
    }
}
