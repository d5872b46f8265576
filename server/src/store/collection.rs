//! What a key holds if it is not a string: one box with an enum of all collection types.
//!
//! An entry knows two levels only, strings and collections ([`super::entry`]), so everything unsafe about storing a
//! collection is written once. The differences between the types are arms in this file's matches, which have no
//! catch-all: a new type is an arm here, a file below [`super::types`] with its [`CollectionType`], and one in
//! [`super::payload`] for how it is saved. The header of each type is part of the enum, so reaching a list costs one
//! pointer.
//!
//! Code that wants a certain type names it: [`super::EntryRef::collection`] to read, [`super::EntryMut::edit`] to
//! change.

use super::types::list::List;
use super::types::zset::ZSet;
use super::value::{Encoding, Type};

/// A value of many elements.
#[derive(Clone, Debug)]
pub enum Collection {
    /// A list.
    List(List),
    /// A sorted set.
    ZSet(ZSet),
}

/// What every type of collection can do; implemented next to each type.
pub trait CollectionType: Into<Collection> {
    /// This type's value, if the collection is one.
    fn of(collection: &Collection) -> Option<&Self>;

    /// This type's value to be changed, if the collection is one.
    fn of_mut(collection: &mut Collection) -> Option<&mut Self>;

    /// Whether there is no element. No key holds such a value.
    fn is_empty(&self) -> bool;

    /// Bytes that the allocator spends on it besides its header, in constant time.
    fn heap_bytes(&self) -> usize;

    /// Called when an edit ends: changes to the encoding that fits the new contents.
    fn settle(&mut self);
}

impl Collection {
    /// The data type, as TYPE names it.
    #[inline]
    pub fn ty(&self) -> Type {
        match self {
            Collection::List(_) => Type::List,
            Collection::ZSet(_) => Type::ZSet,
        }
    }

    /// Bytes that the allocator spends on it besides the box of the enum, in constant time.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Collection::List(list) => list.heap_bytes(),
            Collection::ZSet(zset) => zset.heap_bytes(),
        }
    }

    /// Whether there is no element. No key holds such a value.
    pub fn is_empty(&self) -> bool {
        match self {
            Collection::List(list) => list.is_empty(),
            Collection::ZSet(zset) => zset.is_empty(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Collection::List(list) => list.len(),
            Collection::ZSet(zset) => zset.len(),
        }
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> Encoding {
        match self {
            Collection::List(_) => Encoding::QuickList,
            Collection::ZSet(zset) if zset.as_listpack().is_some() => Encoding::ListPack,
            Collection::ZSet(_) => Encoding::SkipList,
        }
    }
}

impl From<List> for Collection {
    fn from(list: List) -> Self {
        Collection::List(list)
    }
}

impl From<ZSet> for Collection {
    fn from(zset: ZSet) -> Self {
        Collection::ZSet(zset)
    }
}

impl CollectionType for List {
    #[inline]
    fn of(collection: &Collection) -> Option<&Self> {
        match collection {
            Collection::List(list) => Some(list),
            Collection::ZSet(_) => None,
        }
    }

    #[inline]
    fn of_mut(collection: &mut Collection) -> Option<&mut Self> {
        match collection {
            Collection::List(list) => Some(list),
            Collection::ZSet(_) => None,
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        List::is_empty(self)
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        List::heap_bytes(self)
    }

    /// A list keeps its nodes in order while it is changed.
    #[inline]
    fn settle(&mut self) {}
}

impl CollectionType for ZSet {
    #[inline]
    fn of(collection: &Collection) -> Option<&Self> {
        match collection {
            Collection::ZSet(zset) => Some(zset),
            Collection::List(_) => None,
        }
    }

    #[inline]
    fn of_mut(collection: &mut Collection) -> Option<&mut Self> {
        match collection {
            Collection::ZSet(zset) => Some(zset),
            Collection::List(_) => None,
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        ZSet::is_empty(self)
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        ZSet::heap_bytes(self)
    }

    /// A set leaves the small form while it is changed, with the limits that hold then.
    #[inline]
    fn settle(&mut self) {
        self.trim();
    }
}
