//! A hash as clients see it: without fields that have expired.
//!
//! A primary removes expired fields before a command looks at the hash, up to a bound; a replica waits for its
//! primary's HDEL, as for expired keys. What is still there is hidden here. [`HashRef::len`] counts it, as HLEN does on
//! stock servers.

use super::view::FormRef;
use super::{Element, HashRef};
use crate::base::clock::UnixMillis;

/// A hash at a time. See the top of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    hash: HashRef<'a>,
    now: UnixMillis,
}

impl<'a> HashRef<'a> {
    /// The hash without the fields that are expired at `now`.
    #[inline]
    pub(crate) fn seen(self, now: UnixMillis) -> Seen<'a> {
        Seen { hash: self, now }
    }
}

impl<'a> Seen<'a> {
    /// Number of fields, the hidden ones included.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.hash.len()
    }

    /// The hash itself, if no field is hidden.
    #[inline]
    pub(crate) fn whole(self) -> Option<HashRef<'a>> {
        let hides = self.hash.next_expiry().is_some_and(|at| at < self.now);
        (!hides).then_some(self.hash)
    }

    /// All fields and values that are not hidden.
    pub(crate) fn pairs(self) -> Vec<(Element<'a>, Element<'a>)> {
        let mut pairs = Vec::new();
        self.hash.for_each_timed(|field, value, at| {
            if at.is_none_or(|at| at >= self.now) {
                pairs.push((field, value));
            }
        });
        pairs
    }

    /// The value of a field.
    #[inline]
    pub(crate) fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self.hash.0 {
            FormRef::Timed(_) => self.get_timed(field).map(|(value, _)| value),
            FormRef::Packed(_) | FormRef::Table(_) => self.hash.get(field),
        }
    }

    /// The value of a field, and when it expires.
    pub(crate) fn get_timed(self, field: &[u8]) -> Option<(Element<'a>, Option<UnixMillis>)> {
        self.hash.get_timed(field).filter(|(_, at)| at.is_none_or(|at| at >= self.now))
    }

    /// Whether there is this field.
    #[inline]
    pub(crate) fn contains(self, field: &[u8]) -> bool {
        match self.hash.0 {
            FormRef::Timed(_) => self.get_timed(field).is_some(),
            FormRef::Packed(_) | FormRef::Table(_) => self.hash.contains(field),
        }
    }

    /// As [`HashRef::visit`].
    pub(crate) fn visit(self, from: u32, count: usize, mut f: impl FnMut(Element<'a>, Element<'a>)) -> Option<u32> {
        match self.hash.0 {
            FormRef::Timed(timed) => match timed.as_table() {
                Some(members) => members.visit(from, count, |member| {
                    if member.at == super::NEVER || member.at >= self.now {
                        f(Element::Bytes(member.field), Element::Bytes(member.value));
                    }
                }),
                None => {
                    self.pairs().into_iter().for_each(|(field, value)| f(field, value));
                    None
                }
            },
            FormRef::Packed(_) | FormRef::Table(_) => self.hash.visit(from, count, f),
        }
    }
}
