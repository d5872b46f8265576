//! What a key can hold: the owned [`Value`], the borrowed [`ValueRef`], and the names Redis gives to types and
//! encodings.
//!
//! A value lives inside its entry (see [`super::entry`]) in one of several forms; these enums are how it goes in and
//! comes out. `Value` is what decoders build and what a removed key gives back; `ValueRef` is what readers see, without
//! a copy. `StringValue` is a string on its way in: whether the text is an integer is decided once, where the bytes
//! arrive.
//!
//! All types but strings are one variant here, a [`Collection`]: code for strings need not know which types exist. A
//! new data type adds its name to [`Type`] and [`Encoding`], and the arms that the compiler then asks for: no match
//! over these enums in this crate has a catch-all arm.

use bytes::Bytes;

use super::collection::{Collection, CollectionRef, CollectionType};
use super::types::hash::Hash;
use super::types::list::List;
use super::types::set::Set;
use super::types::stream::Stream;
use super::types::zset::ZSet;
use crate::base::number;

/// The longest text that Redis tries to store as an integer: `i64::MIN` in decimal.
const LONGEST_INT: usize = 20;

/// Up to this many bytes a string that was set whole is called `embstr`, above it `raw` (Redis:
/// OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
pub(crate) const EMBSTR_MAX: usize = 44;

/// An owned value, outside of any key.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string whose text is the canonical decimal form of this number.
    Int(i64),
    /// Any other string.
    Str(Vec<u8>),
    /// Many elements; never none while a key holds it.
    Collection(Box<Collection>),
}

impl Value {
    /// The string value of these bytes, as an integer if the text is one.
    pub fn string(bytes: Vec<u8>) -> Value {
        match StringValue::encode(&bytes) {
            StringValue::Int(n) => Value::Int(n),
            StringValue::Bytes(_) | StringValue::Lent(_) => Value::Str(bytes),
        }
    }

    /// Borrows the value in the form in which readers see it.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Int(n) => ValueRef::Int(*n),
            Value::Str(bytes) => ValueRef::Str(bytes),
            Value::Collection(collection) => ValueRef::Collection(collection.view()),
        }
    }

    /// The data type, as TYPE names it.
    pub fn ty(&self) -> Type {
        self.as_ref().ty()
    }
}

impl From<Collection> for Value {
    fn from(collection: Collection) -> Self {
        Value::Collection(Box::new(collection))
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        Collection::from(hash).into()
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Collection::from(list).into()
    }
}

impl From<Set> for Value {
    fn from(set: Set) -> Self {
        Collection::from(set).into()
    }
}

impl From<ZSet> for Value {
    fn from(zset: ZSet) -> Self {
        Collection::from(zset).into()
    }
}

impl From<Stream> for Value {
    fn from(stream: Stream) -> Self {
        Collection::from(stream).into()
    }
}

/// A value as a reader sees it in place.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string kept as a number.
    Int(i64),
    /// A string kept as bytes.
    Str(&'a [u8]),
    /// Many elements.
    Collection(CollectionRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// The data type, as TYPE names it.
    pub fn ty(self) -> Type {
        match self {
            ValueRef::Int(_) | ValueRef::Str(_) => Type::String,
            ValueRef::Collection(collection) => collection.ty(),
        }
    }

    /// The collection, if it is one of this type.
    #[inline]
    pub fn collection<T: CollectionType>(self) -> Option<T::Ref<'a>> {
        match self {
            ValueRef::Int(_) | ValueRef::Str(_) => None,
            ValueRef::Collection(collection) => T::of(collection),
        }
    }

    /// The length of a string in bytes. `None` for any other type.
    #[inline]
    pub fn string_len(self) -> Option<usize> {
        match self {
            ValueRef::Int(n) => Some(itoa::Buffer::new().format(n).len()),
            ValueRef::Str(bytes) => Some(bytes.len()),
            ValueRef::Collection(_) => None,
        }
    }

    /// The bytes of a string; a number is written into `digits`. `None` for any other type.
    pub fn string_bytes<'b>(self, digits: &'b mut itoa::Buffer) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match self {
            ValueRef::Int(n) => Some(digits.format(n).as_bytes()),
            ValueRef::Str(bytes) => Some(bytes),
            ValueRef::Collection(_) => None,
        }
    }

    /// A copy that owns its data. Collections share their chunks (copy on write), so the cost is one step per chunk.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Int(n) => Value::Int(n),
            ValueRef::Str(bytes) => Value::Str(bytes.to_vec()),
            ValueRef::Collection(collection) => Value::Collection(Box::new(collection.to_collection())),
        }
    }
}

/// A string on its way into a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringValue<'a> {
    /// Text that is the canonical decimal form of a number.
    Int(i64),
    /// Any bytes. Callers that want the integer encoding use [`StringValue::encode`].
    Bytes(&'a [u8]),
    /// Long bytes whose buffer can be kept instead of copied: the buffer holds little else.
    Lent(&'a Bytes),
}

impl<'a> StringValue<'a> {
    /// Chooses the form as Redis's `tryObjectEncoding` does: an integer if the text is exactly how that integer is
    /// printed.
    #[inline]
    pub(crate) fn encode(bytes: &'a [u8]) -> Self {
        if bytes.len() > LONGEST_INT {
            return StringValue::Bytes(bytes);
        }
        match bytes.first() {
            Some(b'0'..=b'9' | b'-') => match number::parse_i64(bytes) {
                Some(n) => StringValue::Int(n),
                None => StringValue::Bytes(bytes),
            },
            Some(_) | None => StringValue::Bytes(bytes),
        }
    }
}

/// Declares the data types once, so that [`Type::ALL`] cannot lack one.
macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// Data types, as TYPE names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Type {
            $($(#[$doc])* $name,)+
        }

        impl Type {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$name),+];

            /// The word that TYPE replies with and that `SCAN ... TYPE` takes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

types! {
    /// Strings, however encoded.
    String = "string",
    /// Lists.
    List = "list",
    /// Sets.
    Set = "set",
    /// Sorted sets.
    ZSet = "zset",
    /// Hashes.
    Hash = "hash",
    /// Streams.
    Stream = "stream",
}

/// Encodings, as OBJECT ENCODING names them (Redis 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A string kept as a 64-bit integer.
    Int,
    /// A string of up to 44 bytes that was set whole.
    EmbStr,
    /// Any other string.
    Raw,
    /// A list: a chain of packed nodes.
    QuickList,
    /// A small collection in one block.
    ListPack,
    /// A hash some of whose fields expire (Redis 7.4).
    ListPackEx,
    /// A large sorted set.
    SkipList,
    /// A set of few integers.
    IntSet,
    /// A big hash or set.
    HashTable,
    /// A stream: packed nodes in order of their ids.
    Stream,
}

impl Encoding {
    /// The word that OBJECT ENCODING replies with.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::EmbStr => "embstr",
            Encoding::Raw => "raw",
            Encoding::QuickList => "quicklist",
            Encoding::ListPack => "listpack",
            Encoding::ListPackEx => "listpackex",
            Encoding::SkipList => "skiplist",
            Encoding::IntSet => "intset",
            Encoding::HashTable => "hashtable",
            Encoding::Stream => "stream",
        }
    }
}
