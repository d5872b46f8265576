//! What a key holds if it is not a string: one box with an enum of all collection types, or, for the smallest, bytes in
//! the key's entry.
//!
//! An entry knows three levels only, strings, boxed collections and packed ones ([`super::entry`]), so everything
//! unsafe about storing a collection is written once. A new type is a line in one of the two lists of types below, an
//! arm in three matches, a file below [`super::types`], and one in [`super::payload`] for how it is saved. The header
//! of each type is part of the enum, so reaching a list costs one pointer.
//!
//! Types with a packed form name a [`PackedType`]. Their smallest values are that form's bytes, inside the entry, which
//! saves two allocations and the way to them: four of five bytes of a session are then text. So what readers get is
//! not a reference to such a type but its [`CollectionType::Ref`], as with `str` and `String`. To be changed, the bytes
//! become a value, and bytes again when the change is done ([`super::edit`]).
//!
//! Code that wants a certain type names it: [`super::EntryRef::collection`] to read, [`super::EntryMut::edit`] to
//! change.

use super::types::hash::{Hash, HashRef};
use super::types::list::List;
use super::types::set::{Set, SetRef};
use super::types::stream::Stream;
use super::types::zset::{ZSet, ZSetRef};
use super::value::{Encoding, Type};
use crate::base::clock::UnixMillis;

/// The types whose smallest values are kept as bytes in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackedType {
    Hash,
    Set,
    ZSet,
}

/// The bytes of a packed value, and what they are.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    pub(super) ty: PackedType,
    pub(super) bytes: &'a [u8],
}

/// What every type of collection can do.
pub trait CollectionType: Into<Collection> + Default {
    /// What readers see.
    type Ref<'a>: Copy;

    /// This type's value, if the collection is one.
    fn of(collection: CollectionRef<'_>) -> Option<Self::Ref<'_>>;

    /// This type's value, if the packed value is one.
    fn of_packed(packed: Packed<'_>) -> Option<Self::Ref<'_>>;

    /// A copy of the packed value that can be changed, if it is one of this type.
    fn unpack(packed: Packed<'_>) -> Option<Self>;

    /// The bytes that an entry may keep instead of the value, if there are any.
    fn packed(&self) -> Option<Packed<'_>>;

    /// This type's value to be changed, if the collection is one.
    fn of_mut(collection: &mut Collection) -> Option<&mut Self>;

    /// Whether no key may hold it any more: there is no element, and it is no stream.
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

/// The enums, and what is the same for each type. A type has the functions `len`, `is_empty`, `heap_bytes` and
/// `settle`. One whose elements can expire names the function that tells when the first does; one with a packed form
/// names the type that readers see, which has `of_bytes`, and the function that copies that; it has `view` and
/// `as_packed`.
macro_rules! collections {
    (
        boxed { $($(#[$doc:meta])* $name:ident,)* }
        packed { $($(#[$packed_doc:meta])* $packed:ident as $view:ident by $copy:ident $(expiring at $next:ident)?,)* }
    ) => {
        /// A value of many elements.
        #[derive(Clone, Debug)]
        pub enum Collection {
            $($(#[$doc])* $name($name),)*
            $($(#[$packed_doc])* $packed($packed),)*
        }

        /// A value of many elements, for reading.
        #[derive(Clone, Copy, Debug)]
        pub enum CollectionRef<'a> {
            $($(#[$doc])* $name(&'a $name),)*
            $($(#[$packed_doc])* $packed($view<'a>),)*
        }

        impl Collection {
            /// Bytes that the allocator spends on it besides the box of the enum, in constant time.
            pub fn heap_bytes(&self) -> usize {
                match self {
                    $(Collection::$name(value) => value.heap_bytes(),)*
                    $(Collection::$packed(value) => value.heap_bytes(),)*
                }
            }

            /// Whether no key may hold it: there is no element, and it is no stream.
            pub fn is_empty(&self) -> bool {
                match self {
                    $(Collection::$name(value) => value.is_empty(),)*
                    $(Collection::$packed(value) => value.is_empty(),)*
                }
            }

            /// Reads it.
            #[inline]
            pub fn view(&self) -> CollectionRef<'_> {
                match self {
                    $(Collection::$name(value) => CollectionRef::$name(value),)*
                    $(Collection::$packed(value) => CollectionRef::$packed(value.view()),)*
                }
            }

            /// The bytes that an entry may keep instead of it, if there are any.
            #[inline]
            pub(super) fn packed(&self) -> Option<Packed<'_>> {
                match self {
                    $(Collection::$name(_) => None,)*
                    $(Collection::$packed(value) => CollectionType::packed(value),)*
                }
            }
        }

        impl<'a> CollectionRef<'a> {
            /// Number of elements.
            pub fn len(self) -> usize {
                match self {
                    $(CollectionRef::$name(value) => value.len(),)*
                    $(CollectionRef::$packed(value) => value.len(),)*
                }
            }

            /// Whether there is no element.
            pub fn is_empty(self) -> bool {
                self.len() == 0
            }

            /// A copy that can be changed; it shares its chunks (copy on write).
            pub(crate) fn to_collection(self) -> Collection {
                match self {
                    $(CollectionRef::$name(value) => Collection::$name(value.clone()),)*
                    $(CollectionRef::$packed(value) => Collection::$packed(value.$copy()),)*
                }
            }

            /// The packed value that this is.
            #[inline]
            pub(super) fn of_packed(packed: Packed<'a>) -> Self {
                match packed.ty {
                    $(PackedType::$packed => CollectionRef::$packed($view::of_bytes(packed.bytes)),)*
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
                type Ref<'a> = &'a $name;

                #[inline]
                fn of(collection: CollectionRef<'_>) -> Option<&Self> {
                    if let CollectionRef::$name(value) = collection { Some(value) } else { None }
                }

                #[inline]
                fn of_packed(_: Packed<'_>) -> Option<&Self> {
                    None
                }

                #[inline]
                fn unpack(_: Packed<'_>) -> Option<Self> {
                    None
                }

                #[inline]
                fn packed(&self) -> Option<Packed<'_>> {
                    None
                }

                collections!(same $name);
            }
        )*

        $(
            impl From<$packed> for Collection {
                fn from(value: $packed) -> Self {
                    Collection::$packed(value)
                }
            }

            impl CollectionType for $packed {
                type Ref<'a> = $view<'a>;

                #[inline]
                fn of(collection: CollectionRef<'_>) -> Option<$view<'_>> {
                    if let CollectionRef::$packed(value) = collection { Some(value) } else { None }
                }

                #[inline]
                fn of_packed(packed: Packed<'_>) -> Option<$view<'_>> {
                    (packed.ty == PackedType::$packed).then(|| $view::of_bytes(packed.bytes))
                }

                #[inline]
                fn unpack(packed: Packed<'_>) -> Option<Self> {
                    Self::of_packed(packed).map($view::$copy)
                }

                #[inline]
                fn packed(&self) -> Option<Packed<'_>> {
                    self.as_packed().map(|bytes| Packed { ty: PackedType::$packed, bytes })
                }

                collections!(same $packed);

                $(
                    #[inline]
                    fn next_expiry(&self) -> Option<UnixMillis> {
                        $packed::$next(self)
                    }
                )?
            }
        )*
    };

    (same $name:ident) => {
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
    };
}

collections! {
    boxed {
        /// A list.
        List,
        /// A stream.
        Stream,
    }
    packed {
        /// A hash.
        Hash as HashRef by to_hash expiring at next_expiry,
        /// A set.
        Set as SetRef by to_set,
        /// A sorted set.
        ZSet as ZSetRef by to_zset,
    }
}

// A list's 32 bytes and a tag: no other type makes all boxes larger.
const _: () = assert!(size_of::<Collection>() <= 40);

impl CollectionRef<'_> {
    /// When the first of its elements expires by itself.
    #[inline]
    pub fn next_expiry(self) -> Option<UnixMillis> {
        match self {
            CollectionRef::Hash(hash) => hash.next_expiry(),
            CollectionRef::List(_) | CollectionRef::Set(_) | CollectionRef::ZSet(_) | CollectionRef::Stream(_) => None,
        }
    }

    /// The data type, as TYPE names it.
    #[inline]
    pub fn ty(self) -> Type {
        match self {
            CollectionRef::List(_) => Type::List,
            CollectionRef::Hash(_) => Type::Hash,
            CollectionRef::Set(_) => Type::Set,
            CollectionRef::ZSet(_) => Type::ZSet,
            CollectionRef::Stream(_) => Type::Stream,
        }
    }

    /// The encoding, as OBJECT ENCODING names it.
    pub fn encoding(self) -> Encoding {
        match self {
            CollectionRef::List(_) => Encoding::QuickList,
            CollectionRef::Hash(hash) => hash.encoding(),
            CollectionRef::Set(set) => set.encoding(),
            CollectionRef::ZSet(zset) if zset.as_pack().is_some() => Encoding::ListPack,
            CollectionRef::ZSet(_) => Encoding::SkipList,
            CollectionRef::Stream(_) => Encoding::Stream,
        }
    }
}
