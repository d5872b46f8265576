//! A small hash some of whose fields expire: one listpack of field, value and time.
//!
//! These are the bytes that Redis 7.4 and later keep and save (`listpackex`). The time is an integer, Unix
//! milliseconds, or 0 for a field that does not expire. Fields that expire come first, in the order of their times, and
//! among equal ones the last that was added comes first; the others follow in the order in which they were added. So
//! the first triple tells when the next field expires.

use super::{Element, ExpiredFields, Needle};
use crate::base::clock::UnixMillis;
use crate::store::encoding::Corrupt;
use crate::store::encoding::listpack::{Listpack, Place};
use crate::store::encoding::pack::{Pack, PackRef};
use crate::store::types::members::NEVER;

/// Fields, each with its value and the time when it expires.
#[derive(Clone, Debug)]
pub(crate) struct Triples(Listpack);

/// Where a field is.
struct Found {
    field: Place,
    value: Place,
    at: UnixMillis,
}

/// A time as it is stored.
fn time(element: Element<'_>) -> UnixMillis {
    match element {
        Element::Int(at) => at,
        Element::Bytes(_) => NEVER,
    }
}

impl Triples {
    /// The pairs of a packed hash; none expires yet.
    pub(super) fn of_pairs(pairs: PackRef<'_>) -> Self {
        /// What a short pair takes more in a listpack of triples: three back lengths and a time.
        const MORE: usize = 4;
        let mut triples = Listpack::with_capacity(pairs.bytes().len() + pairs.len() / 2 * MORE);
        for (field, value) in pairs.pairs() {
            field.with_text(|field| triples.push_back(field));
            value.with_text(|value| triples.push_back(value));
            triples.push_back_int(NEVER);
        }
        Self(triples)
    }

    /// The triples of a file, whose order and distinct fields are checked here.
    ///
    /// # Errors
    /// Which rule they break.
    pub(crate) fn of_listpack(listpack: Listpack) -> Result<Self, Corrupt> {
        if !listpack.len().is_multiple_of(3) {
            return Err(Corrupt("hash field without value or expiry"));
        }
        let triples = Self(listpack);
        let mut last = 0;
        for at in triples.0.iter().skip(2).step_by(3) {
            let at = match at {
                Element::Int(NEVER) => UnixMillis::MAX,
                Element::Int(at) if at > 0 => at,
                Element::Int(_) | Element::Bytes(_) => return Err(Corrupt("hash field with an invalid expiry")),
            };
            if at < last {
                return Err(Corrupt("hash fields are not in the order of their expiries"));
            }
            last = at;
        }
        Ok(triples)
    }

    /// Without times.
    pub(super) fn to_pairs(&self) -> Pack {
        let mut pairs = Pack::with_capacity(self.0.byte_len());
        self.for_each(|field, value, _| {
            field.with_text(|field| pairs.push_back(field));
            value.with_text(|value| pairs.push_back(value));
        });
        pairs
    }

    /// Number of fields.
    pub(super) fn len(&self) -> usize {
        self.0.len() / 3
    }

    /// The listpack.
    pub(crate) fn listpack(&self) -> &Listpack {
        &self.0
    }

    pub(super) fn listpack_mut(&mut self) -> &mut Listpack {
        &mut self.0
    }

    /// When the first field expires.
    pub(super) fn next(&self) -> Option<UnixMillis> {
        let at = self.0.iter().nth(2).map_or(NEVER, time);
        (at != NEVER).then_some(at)
    }

    /// Passes all fields on.
    pub(super) fn for_each<'a>(&'a self, mut f: impl FnMut(Element<'a>, Element<'a>, UnixMillis)) {
        let mut elements = self.0.iter();
        while let (Some(field), Some(value), Some(at)) = (elements.next(), elements.next(), elements.next()) {
            f(field, value, time(at));
        }
    }

    fn find(&self, field: &[u8]) -> Option<Found> {
        let needle = Needle::new(field);
        let mut place = if self.0.is_empty() { return None } else { 0 };
        loop {
            let value = self.0.after(place)?;
            let at = self.0.after(value)?;
            if needle.matches(self.0.element(place)) {
                return Some(Found { field: place, value, at: time(self.0.element(at)) });
            }
            place = self.0.after(at)?;
        }
    }

    /// The value of a field, and when it expires.
    pub(super) fn get(&self, field: &[u8]) -> Option<(Element<'_>, UnixMillis)> {
        self.find(field).map(|found| (self.0.element(found.value), found.at))
    }

    /// Sets the value of a field and when it expires; returns whether the field is new.
    pub(super) fn put(&mut self, field: &[u8], value: &[u8], at: UnixMillis) -> bool {
        let found = self.find(field);
        match &found {
            Some(found) if found.at == at => {
                self.0.replace(found.value, value);
                return false;
            }
            Some(found) => {
                self.0.remove(found.field, 3);
            }
            None => {}
        }
        if at == NEVER {
            self.0.push_back(field);
            self.0.push_back(value);
            self.0.push_back_int(NEVER);
        } else {
            // From the last to the first, so that each place stays valid.
            let place = self.place_of(at);
            self.0.insert_int(place, at);
            self.0.insert(place, value);
            self.0.insert(place, field);
        }
        found.is_none()
    }

    /// Where a field that expires at this time belongs.
    fn place_of(&self, at: UnixMillis) -> Place {
        let times = self.0.iter().skip(2).step_by(3).map(time);
        let before = times.take_while(|other| *other != NEVER && *other < at).count();
        self.0.seek(3 * before)
    }

    /// Removes a field; returns whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(found) = self.find(field) else { return false };
        self.0.remove(found.field, 3);
        true
    }

    /// Removes up to `budget` fields that are expired at `now`.
    pub(super) fn take_due(&mut self, now: UnixMillis, budget: usize) -> ExpiredFields {
        let mut due = ExpiredFields::default();
        let mut elements = self.0.iter();
        while let (Some(field), Some(_), Some(at)) = (elements.next(), elements.next(), elements.next()) {
            if due.fields.len() == budget || time(at) == NEVER || time(at) >= now {
                break;
            }
            due.fields.push(field.to_vec().into());
            due.latest = time(at);
        }
        self.0.remove(0, 3 * due.fields.len());
        due
    }
}
