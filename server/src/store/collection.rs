//! What a key holds if it is not a string: one box with an enum of all collection types.
//!
//! An entry knows two levels only, strings and collections ([`super::entry`]), so everything unsafe about storing a
//! collection is written once. A new type is a line in the list of types below, an arm in two matches, a file below
//! [`super::types`], and one in [`super::payload`] for how it is saved. The header of each type is part of the enum, so
//! reaching a list costs one pointer.
//!
//! Code that wants a certain type names it: [`super::EntryRef::collection`] to read, [`super::EntryMut::edit`] to
//! change.

use super::types::hash::Hash;
use super::types::list::List;
use super::types::set::Set;
use super::types::stream::Stream;
use super::types::zset::ZSet;
use super::value::{Encoding, Type};
use crate::base::clock::UnixMillis;

/// What every type of collection can do.
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

    /// When the first of its elements expires by itself.
    #[inline]
    fn next_expiry(&self) -> Option<UnixMillis> {
        None
    }
}

/// The enum, and what is the same for each type. A type has the functions `len`, `is_empty`, `heap_bytes` and `settle`;
/// one whose elements can expire names the function that tells when the first does.
macro_rules! collections {
    ($($(#[$doc:meta])* $name:ident $(expiring at $next:ident)?,)*) => {
        /// A value of many elements.
        #[derive(Clone, Debug)]
        pub enum Collection {
            $($(#[$doc])* $name($name),)*
        }

        impl Collection {
            /// Bytes that the allocator spends on it besides the box of the enum, in constant time.
            pub fn heap_bytes(&self) -> usize {
                match self {
                    $(Collection::$name(value) => value.heap_bytes(),)*
                }
            }

            /// Whether there is no element. No key holds such a value.
            pub fn is_empty(&self) -> bool {
                match self {
                    $(Collection::$name(value) => value.is_empty(),)*
                }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self {
                    $(Collection::$name(value) => value.len(),)*
                }
            }
        }

        $(
            impl From<$name> for Collection {
                fn from(value: $name) -> Self {
                    Collection::$name(value)
                }
            }

            impl CollectionType for $name {
                #[inline]
                fn of(collection: &Collection) -> Option<&Self> {
                    if let Collection::$name(value) = collection { Some(value) } else { None }
                }

                #[inline]
                fn of_mut(collection: &mut Collection) -> Option<&mut Self> {
                    if let Collection::$name(value) = collection { Some(value) } else { None }
                }

                #[inline]
                fn is_empty(&self) -> bool {
                    $name::is_empty(self)
                }

                #[inline]
                fn heap_bytes(&self) -> usize {
                    $name::heap_bytes(self)
                }

                #[inline]
                fn settle(&mut self) {
                    $name::settle(self);
                }

                $(
                    #[inline]
                    fn next_expiry(&self) -> Option<UnixMillis> {
                        $name::$next(self)
                    }
                )?
            }
        )*
    };
}

collections! {
    /// A list.
    List,
    /// A hash.
    Hash expiring at next_expiry,
    /// A set.
    Set,
    /// A sorted set.
    ZSet,
    /// A stream.
    Stream,
}

// A list's 32 bytes and a tag: no other type makes all boxes larger.
const _: () = assert!(size_of::<Collection>() <= 40);

impl Collection {
    /// When the first of its elements expires by itself.
    #[inline]
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        match self {
            Collection::Hash(hash) => hash.next_expiry(),
            Collection::List(_) | Collection::Set(_) | Collection::ZSet(_) | Collection::Stream(_) => None,
        }
    }

    /// The data type, as TYPE names it.
    #[inline]
    pub fn ty(&self) -> Type {
        match self {
            Collection::List(_) => Type::List,
            Collection::Hash(_) => Type::Hash,
            Collection::Set(_) => Type::Set,
            Collection::ZSet(_) => Type::ZSet,
            Collection::Stream(_) => Type::Stream,
        }
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> Encoding {
        match self {
            Collection::List(_) => Encoding::QuickList,
            Collection::Hash(hash) => hash.encoding(),
            Collection::Set(set) => set.encoding(),
            Collection::ZSet(zset) if zset.as_listpack().is_some() => Encoding::ListPack,
            Collection::ZSet(_) => Encoding::SkipList,
            Collection::Stream(_) => Encoding::Stream,
        }
    }
}
