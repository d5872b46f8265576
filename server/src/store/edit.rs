//! A collection while it is changed, and what must follow when the change is done.
//!
//! [`super::EntryMut::edit`] lends a collection out as an [`EditGuard`], the only way to change one that a key holds.
//! When the guard is dropped, the collection takes the encoding that fits its new contents, and the slot's byte count
//! is updated. Only the owner of the key can handle an empty collection: [`EditGuard::finish`] returns an [`Edited`],
//! which says whether any element is left and has to be passed on to the code that removes keys. It ends the edit, so
//! the check cannot come too early.
//!
//! A packed collection, which an entry keeps as bytes, is copied into a value for the edit; the entry gets its bytes
//! back, or the value in a box if it has become too big. Until then the entry holds what it held.
//!
//! The slot's index of hashes whose fields expire is kept up to date here too.

use std::ops::{Deref, DerefMut};

use super::collection::CollectionType;
use super::entry::EntryRef;
use super::entry::word::Word;
use super::ledger::Ledger;
use super::parts::Parts;
use crate::base::clock::UnixMillis;

/// A collection that is being changed; dropping it updates what depends on the contents.
#[derive(Debug)]
pub(crate) struct EditGuard<'a, T: CollectionType> {
    held: Held<'a, T>,
    ledger: &'a mut Ledger,
    parts: &'a mut Parts,
    /// The tag of the key.
    tag: u32,
    /// Bytes of the value before the edit; of the whole entry, if it was packed.
    before: usize,
    /// When its first element expired before the edit.
    next: Option<UnixMillis>,
}

/// Where the collection is while it is edited.
#[derive(Debug)]
enum Held<'a, T> {
    /// In its box.
    Boxed(&'a mut T),
    /// Here; the entry has its bytes.
    Unpacked(T, &'a mut Word),
}

/// The result of an edit.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a key must not hold a collection without elements"]
pub(crate) struct Edited {
    /// No element is left: the key must be removed now.
    pub emptied: bool,
}

impl<'a, T: CollectionType> EditGuard<'a, T> {
    /// Begins to edit the collection in a word; `None` if there is none of this type.
    #[inline]
    pub(super) fn new(word: &'a mut Word, ledger: &'a mut Ledger, parts: &'a mut Parts, tag: u32) -> Option<Self> {
        let entry = word.entry()?;
        if let Some(packed) = entry.packed() {
            let (value, before) = (T::unpack(packed)?, entry.memory());
            return Some(Self { held: Held::Unpacked(value, word), ledger, parts, tag, before, next: None });
        }
        let value = word.collection_mut().and_then(T::of_mut)?;
        let (before, next) = (value.heap_bytes(), value.next_expiry());
        Some(Self { held: Held::Boxed(value), ledger, parts, tag, before, next })
    }

    /// Ends the edit.
    #[inline]
    pub(crate) fn finish(self) -> Edited {
        Edited { emptied: self.is_empty() }
    }
}

impl<T: CollectionType> Deref for EditGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.held {
            Held::Boxed(value) => value,
            Held::Unpacked(value, _) => value,
        }
    }
}

impl<T: CollectionType> DerefMut for EditGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.held {
            Held::Boxed(value) => value,
            Held::Unpacked(value, _) => value,
        }
    }
}

impl<T: CollectionType> Drop for EditGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let (after, next) = match &mut self.held {
            Held::Boxed(value) => {
                value.settle();
                (value.heap_bytes(), value.next_expiry())
            }
            Held::Unpacked(value, word) => {
                // Bytes that the entry takes need not be settled first.
                let after = word.repack(value);
                (after, word.entry().and_then(EntryRef::next_field_expiry))
            }
        };
        self.ledger.add(after as i64 - self.before as i64);
        if next != self.next {
            self.parts.move_field_expiry(self.next, next, self.tag);
            self.ledger.touch();
        }
    }
}
