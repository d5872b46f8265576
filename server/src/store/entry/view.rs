//! Reading an entry in place.
//!
//! [`EntryRef`] is what the store hands out: a pointer with the lifetime of the borrowed slot. It is the only reader of
//! an entry's bytes; [`Entry`] itself and the table's words read through it.

use std::fmt;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ptr::NonNull;
use std::slice;

use bytes::Bytes;

use super::{
    CUT, EXPIRE_ROOM, Entry, Form, HEADER, HEAP_WORDS, Header, LONG_KEY, NO_EXPIRY, Payload, RAW, Shape, WORD,
    good_size, spent,
};
use crate::base::clock::UnixMillis;
use crate::store::collection::{Collection, CollectionRef, CollectionType, Packed, PackedType};
use crate::store::value::{EMBSTR_MAX, Encoding, StringValue, Type, ValueRef};
use crate::store::{expiry, table};

/// The 24-bit clock of seconds that measures idle times. It wraps after 194 days, and so do idle times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessClock(u32);

impl AccessClock {
    const MASK: u32 = 0x00ff_ffff;

    /// The clock's reading at this time.
    #[inline]
    pub(crate) fn at(now: UnixMillis) -> Self {
        Self((now / 1000) as u32 & Self::MASK)
    }

    /// From 24 raw bits.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits & Self::MASK)
    }

    /// The 24 raw bits.
    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// Whole seconds since `earlier`, seen from this reading.
    pub(crate) fn seconds_since(self, earlier: AccessClock) -> u32 {
        self.0.wrapping_sub(earlier.0) & Self::MASK
    }
}

/// A view of an entry: key, value and metadata, without a copy.
#[derive(Clone, Copy)]
pub(crate) struct EntryRef<'a> {
    block: NonNull<u8>,
    lifetime: PhantomData<&'a Entry>,
}

impl<'a> EntryRef<'a> {
    /// Borrows an entry.
    #[inline(always)]
    pub(super) fn of(entry: &'a Entry) -> Self {
        Self { block: entry.block, lifetime: PhantomData }
    }

    /// Views the entry in this block.
    ///
    /// # Safety
    /// The block is an entry's, and it lives and stays unchanged during `'a`.
    #[inline(always)]
    pub(super) unsafe fn at(block: NonNull<u8>) -> Self {
        Self { block, lifetime: PhantomData }
    }

    #[inline(always)]
    pub(super) fn header(self) -> &'a Header {
        // SAFETY: every entry starts with a header and outlives `'a`, during which it is not changed.
        unsafe { self.block.cast::<Header>().as_ref() }
    }

    #[inline(always)]
    pub(super) fn form(self) -> Form {
        Form::of(self.header().flags)
    }

    #[inline(always)]
    pub(super) fn shape(self) -> Shape {
        self.shape_by(*self.header())
    }

    /// The shape that the entry has, or had, with this header.
    #[inline(always)]
    pub(super) fn shape_by(self, header: Header) -> Shape {
        let key_len = if header.flags & LONG_KEY == 0 {
            header.key_len as usize
        } else {
            // SAFETY: `LONG_KEY` says that the word after the header holds the length of the key.
            unsafe { self.block.add(HEADER).cast::<u64>().read() as usize }
        };
        Shape { key_len, expire_room: header.flags & EXPIRE_ROOM != 0, room: header.room }
    }

    /// Words of the value area that are in use.
    pub(super) fn used_words(self) -> usize {
        match self.form() {
            Form::Inline | Form::PackedHash | Form::PackedSet | Form::PackedZSet => {
                (self.header().inline_len as usize).div_ceil(WORD).max(1)
            }
            Form::Int | Form::Lent | Form::Collection => 1,
            Form::Heap => HEAP_WORDS,
        }
    }

    /// The key.
    #[inline(always)]
    pub(crate) fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the key lies inside the block and is initialised since the entry was made.
        unsafe { slice::from_raw_parts(self.block.add(shape.key_at()).as_ptr(), shape.key_len) }
    }

    /// The address of the value area.
    #[inline(always)]
    pub(super) fn area(self) -> NonNull<u8> {
        // SAFETY: the value area lies inside the block, by the definition of `Shape`.
        unsafe { self.block.add(self.shape().value_at()) }
    }

    /// The value.
    #[inline]
    pub(crate) fn value(self) -> ValueRef<'a> {
        if self.form() == Form::Inline {
            // The usual case, checked before all others.
            return ValueRef::Str(self.inline_bytes());
        }
        if let Some(packed) = self.packed() {
            return ValueRef::Collection(CollectionRef::of_packed(packed));
        }
        let area = self.area();
        // SAFETY: the value area is aligned to 8; the form says what it holds. Nothing is changed during `'a`.
        unsafe {
            match self.form() {
                Form::Inline | Form::PackedHash | Form::PackedSet | Form::PackedZSet => {
                    unreachable!("handled above")
                }
                Form::Int => ValueRef::Int(area.cast::<i64>().read()),
                Form::Heap => ValueRef::Str(area.cast::<Vec<u8>>().as_ref()),
                Form::Lent => ValueRef::Str(area.cast::<Box<Bytes>>().as_ref()),
                Form::Collection => ValueRef::Collection(area.cast::<Box<Collection>>().as_ref().view()),
            }
        }
    }

    /// The bytes of the value area that an inline string or a packed collection consists of.
    #[inline(always)]
    fn inline_bytes(self) -> &'a [u8] {
        debug_assert!(
            self.form() == Form::Inline || matches!(self.form(), Form::PackedHash | Form::PackedSet | Form::PackedZSet)
        );
        // SAFETY: the form is one of those whose value is `inline_len` bytes at the start of the area; they were
        // written together with the form. Nothing is changed during `'a`.
        unsafe { slice::from_raw_parts(self.area().as_ptr(), self.header().inline_len as usize) }
    }

    /// The packed collection, if the block holds one.
    #[inline]
    pub(crate) fn packed(self) -> Option<Packed<'a>> {
        let ty = match self.form() {
            Form::PackedHash => PackedType::Hash,
            Form::PackedSet => PackedType::Set,
            Form::PackedZSet => PackedType::ZSet,
            Form::Inline | Form::Int | Form::Heap | Form::Collection | Form::Lent => return None,
        };
        Some(Packed { ty, bytes: self.inline_bytes() })
    }

    /// The collection, if it is one of this type.
    #[inline]
    pub(crate) fn collection<T: CollectionType>(self) -> Option<T::Ref<'a>> {
        if let Some(packed) = self.packed() {
            return T::of_packed(packed);
        }
        T::of(self.boxed()?.view())
    }

    /// The collection in its box, if there is one.
    #[inline(always)]
    fn boxed(self) -> Option<&'a Collection> {
        if self.form() != Form::Collection {
            return None;
        }
        // SAFETY: the value area is aligned to 8 and holds what the form says. It is not changed during `'a`.
        Some(unsafe { self.area().cast::<Box<Collection>>().as_ref() })
    }

    /// The data type.
    #[inline]
    pub(crate) fn ty(self) -> Type {
        self.value().ty()
    }

    /// The encoding as OBJECT ENCODING of Redis 7.0 reports it.
    pub(crate) fn encoding(self) -> Encoding {
        match self.value() {
            ValueRef::Int(_) => Encoding::Int,
            ValueRef::Str(bytes) if bytes.len() <= EMBSTR_MAX && self.header().flags & RAW == 0 => Encoding::EmbStr,
            ValueRef::Str(_) => Encoding::Raw,
            ValueRef::Collection(collection) => collection.encoding(),
        }
    }

    /// When the key expires, in milliseconds of Unix time; `None` if never.
    #[inline]
    pub(crate) fn expire_at(self) -> Option<UnixMillis> {
        let shape = self.shape();
        if !shape.expire_room {
            return None;
        }
        // SAFETY: the shape has an expiry, a word inside the block that is written when the room is made.
        let at = unsafe { self.block.add(shape.expire_at()).cast::<i64>().read() };
        (at != NO_EXPIRY).then_some(at)
    }

    /// Whether the key is expired at `now`. Redis: `now > when`.
    #[inline]
    pub(crate) fn is_expired(self, now: UnixMillis) -> bool {
        self.expire_at().is_some_and(|at| now > at)
    }

    /// When the first field of its hash expires, if it is one and any does.
    #[inline]
    pub(crate) fn next_field_expiry(self) -> Option<UnixMillis> {
        self.boxed()?.view().next_expiry()
    }

    /// When the key was last accessed.
    pub(crate) fn access(self) -> AccessClock {
        let [a, b, c] = self.header().access;
        AccessClock(u32::from_le_bytes([a, b, c, 0]))
    }

    /// The snapshot bit.
    #[inline(always)]
    pub(crate) fn cut(self) -> bool {
        self.header().flags & CUT != 0
    }

    /// The buffer of a long string that is kept as it arrived.
    fn lent(self) -> Option<&'a Bytes> {
        if self.form() != Form::Lent {
            return None;
        }
        // SAFETY: the form says that the area, aligned to 8, holds a `Box<Bytes>`. It is not changed during `'a`.
        Some(unsafe { self.area().cast::<Box<Bytes>>().as_ref() })
    }

    /// The same value and metadata under another key. Collections share their chunks until they are changed.
    pub(crate) fn duplicate(self, key: &[u8]) -> Entry {
        let (expire, access) = (self.expire_at(), self.access());
        let mut new = match self.packed() {
            Some(packed) => Entry::build(key, Payload::Packed(packed), expire, access),
            None => Entry::new(key, self.value().to_value(), expire, access),
        };
        new.header_mut().flags |= self.header().flags & RAW;
        new
    }

    /// The same for a snapshot, which shares a long string's buffer, too. Two keys do not: each is counted by itself.
    pub(crate) fn share(self) -> Entry {
        let Some(bytes) = self.lent() else { return self.duplicate(self.key()) };
        let mut new = Entry::new_string(self.key(), StringValue::Lent(bytes), self.expire_at(), self.access());
        new.header_mut().flags |= self.header().flags & RAW;
        new
    }

    /// Bytes that the allocator spends on the key, its value and its metadata, without the key's place in the table.
    #[inline]
    pub(crate) fn memory(self) -> usize {
        let heap = if self.header().is_light() { 0 } else { self.heap_memory() };
        self.shape().memory() + heap
    }

    /// All bytes that the key costs: [`EntryRef::memory`], and its places in the table and the expiry index.
    pub(crate) fn footprint(self) -> usize {
        let expiries = usize::from(self.expire_at().is_some()) + usize::from(self.next_field_expiry().is_some());
        self.memory() + table::PLACE + expiries * expiry::PLACE
    }

    /// What the value takes outside the block.
    fn heap_memory(self) -> usize {
        let area = self.area();
        // SAFETY: the value area is aligned to 8, and the form says what it holds. It is not changed during `'a`.
        unsafe {
            match self.form() {
                Form::Inline | Form::Int | Form::PackedHash | Form::PackedSet | Form::PackedZSet => 0,
                Form::Heap => spent(area.cast::<Vec<u8>>().as_ref().capacity()),
                Form::Lent => good_size(size_of::<Bytes>()) + spent(area.cast::<Box<Bytes>>().as_ref().len()),
                Form::Collection => {
                    good_size(size_of::<Collection>()) + area.cast::<Box<Collection>>().as_ref().heap_bytes()
                }
            }
        }
    }
}

impl fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.value())
            .field("expire_at", &self.expire_at())
            .finish_non_exhaustive()
    }
}
