//! A collection while it is changed, and what must follow when the change is done.
//!
//! [`super::EntryMut::edit`] lends a collection out as an [`EditGuard`], the only way to change one that a key holds.
//! When the guard is dropped, the collection takes the encoding that fits its new contents, and the slot's byte count
//! is updated. Only the owner of the key can handle an empty collection: [`EditGuard::finish`] returns an [`Edited`],
//! which says whether any element is left and has to be passed on to the code that removes keys. It ends the edit, so
//! the check cannot come too early.
//!
//! The slot's index of hashes whose fields expire is kept up to date here too.

use std::ops::{Deref, DerefMut};

use super::collection::CollectionType;
use super::ledger::Ledger;
use super::parts::Parts;
use crate::base::clock::UnixMillis;

/// A collection that is being changed; dropping it updates what depends on the contents.
#[derive(Debug)]
pub(crate) struct EditGuard<'a, T: CollectionType> {
    value: &'a mut T,
    ledger: &'a mut Ledger,
    parts: &'a mut Parts,
    /// The tag of the key.
    tag: u32,
    /// Bytes of the value before the edit.
    before: usize,
    /// When its first element expired before the edit.
    next: Option<UnixMillis>,
}

/// The result of an edit.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a key must not hold a collection without elements"]
pub(crate) struct Edited {
    /// No element is left: the key must be removed now.
    pub emptied: bool,
}

impl<'a, T: CollectionType> EditGuard<'a, T> {
    #[inline]
    pub(super) fn new(value: &'a mut T, ledger: &'a mut Ledger, parts: &'a mut Parts, tag: u32) -> Self {
        let (before, next) = (value.heap_bytes(), value.next_expiry());
        Self { value, ledger, parts, tag, before, next }
    }

    /// Ends the edit.
    #[inline]
    pub(crate) fn finish(self) -> Edited {
        Edited { emptied: self.value.is_empty() }
    }
}

impl<T: CollectionType> Deref for EditGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: CollectionType> DerefMut for EditGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

impl<T: CollectionType> Drop for EditGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.value.settle();
        self.ledger.add(self.value.heap_bytes() as i64 - self.before as i64);
        let next = self.value.next_expiry();
        if next != self.next {
            self.parts.move_field_expiry(self.next, next, self.tag);
            self.ledger.touch();
        }
    }
}
