//! One key with its value and metadata, in one allocation behind one thin pointer.
//!
//! ```text
//!  0          8               16               24                      24 + 8 * room
//!  +----------+---------------+----------------+-----------------------+-----------+
//!  | header   | [key length]  | [expiry]       | value area            | key       |
//!  +----------+---------------+----------------+-----------------------+-----------+
//!  header: form and flags 1 | room 1 | inline length 1 | access clock 3 | key length 2
//! ```
//! The two parts in brackets are there only if the flags say so, so a 16-byte key with a 16-byte value takes 40 bytes,
//! which allocators round up to 48. The rounding is given to the value area (`room`, in words of 8 bytes), where the
//! value can grow, or an expiry be added, without a new allocation. Everything is word aligned. The block itself is
//! aligned to 16, which leaves the low four bits of the pointer free for the table (see [`word`]).
//!
//! The value area holds an `i64`, up to [`INLINE_MAX`] bytes of string, a `Vec<u8>` (longer strings, so that appending
//! is amortised), a `Box<Bytes>` (very long strings, in the buffer that they were read into), a `Box<Collection>`, or
//! up to [`INLINE_MAX`] bytes of a packed collection. Its form is a number in the header, not a Rust enum, which keeps
//! the entry thin.
//!
//! This file, [`view`] (reading) and [`word`] (the table's packed pointers) contain the store's `unsafe` code. It is
//! sound because:
//! - an `Entry` owns its block; only `Drop`, `reshape` and the moves out of it free it;
//! - `Shape` computes all offsets, for writing, reading and freeing alike, from the header alone; the parts of the
//!   header it reads (flags `EXPIRE_ROOM` and `LONG_KEY`, `room`, `key_len`) change only together with the layout;
//! - the form always names what the value area holds; code that changes it writes the value first and the form last,
//!   and leaves an empty inline string in between if something may unwind.

pub(crate) mod view;
pub(crate) mod word;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::{ManuallyDrop, size_of};
use std::ptr::NonNull;
use std::slice;

use bytes::Bytes;

use super::collection::{Collection, CollectionType, Packed, PackedType};
use super::value::{StringValue, Value, ValueRef};
use crate::base::clock::UnixMillis;
pub(crate) use view::{AccessClock, EntryRef};

/// The longest string that is kept inside its entry; longer ones get a growable buffer of their own.
pub(crate) const INLINE_MAX: usize = 255;

/// Alignment of every entry: frees four low bits of its address.
const ALIGN: usize = 16;
const WORD: usize = 8;
const HEADER: usize = size_of::<Header>();
/// Words that a `Vec<u8>` takes in the value area.
const HEAP_WORDS: usize = size_of::<Vec<u8>>() / WORD;
/// The value of the expiry if there is room for one but the key does not expire.
const NO_EXPIRY: i64 = i64::MIN;
/// A growing string doubles up to this size and adds this much beyond (Redis: SDS_MAX_PREALLOC).
const MAX_HEADROOM: usize = 1 << 20;
/// Rooms up to this many words are kept when the value shrinks: a new allocation costs more than the bytes.
const SMALL_ROOM: usize = 6;

const FORM_MASK: u8 = 0x0f;
/// There is room for an expiry.
const EXPIRE_ROOM: u8 = 0x10;
/// The snapshot bit: compared with the slot's own bit (see [`super::snapshot`]).
const CUT: u8 = 0x20;
/// The string was built by APPEND or the like: Redis would call it `raw` even if it is short.
const RAW: u8 = 0x40;
/// The key is too long for the header; its length is a word of its own.
const LONG_KEY: u8 = 0x80;

/// What the value area holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Inline = 0,
    Int = 1,
    PackedHash = 2,
    PackedSet = 3,
    PackedZSet = 4,
    Heap = 5,
    Collection = 6,
    Lent = 7,
}

/// Up to this form the block itself holds the whole value.
const LAST_LIGHT: Form = Form::PackedZSet;

impl Form {
    #[inline(always)]
    fn of(flags: u8) -> Form {
        match flags & FORM_MASK {
            0 => Form::Inline,
            1 => Form::Int,
            2 => Form::PackedHash,
            3 => Form::PackedSet,
            4 => Form::PackedZSet,
            5 => Form::Heap,
            6 => Form::Collection,
            7 => Form::Lent,
            _ => unreachable!("headers are written with the forms above only"),
        }
    }

    /// The form of a packed value of this type.
    #[inline]
    fn of_packed(ty: PackedType) -> Form {
        match ty {
            PackedType::Hash => Form::PackedHash,
            PackedType::Set => Form::PackedSet,
            PackedType::ZSet => Form::PackedZSet,
        }
    }
}

/// The first eight bytes of an entry.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    /// Form in the low four bits, flags above.
    flags: u8,
    /// Size of the value area in words of 8 bytes; at least 1.
    room: u8,
    /// Length of an inline string, or of a packed collection.
    inline_len: u8,
    /// Access clock, little endian.
    access: [u8; 3],
    /// Length of the key, unless `LONG_KEY`.
    key_len: u16,
}

impl Header {
    /// Whether the block itself holds the whole value.
    #[inline(always)]
    fn is_light(self) -> bool {
        self.flags & FORM_MASK <= LAST_LIGHT as u8
    }

    /// Whether blocks with these two headers have the same shape, if their keys are the same.
    #[inline(always)]
    fn has_shape_of(self, other: Header) -> bool {
        self.room == other.room && (self.flags ^ other.flags) & EXPIRE_ROOM == 0
    }
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
struct Shape {
    key_len: usize,
    expire_room: bool,
    room: u8,
}

impl Shape {
    /// The shape for a value of `words` words; the allocator's rounding goes to the value area.
    fn fitting(key_len: usize, expire_room: bool, words: usize) -> Shape {
        let room = u8::try_from(words.max(1)).expect("no form needs more than INLINE_MAX bytes");
        let tight = Shape { key_len, expire_room, room };
        let spare = (good_size(tight.size()) - tight.size()) / WORD;
        Shape { room: (room as usize + spare).min(u8::MAX as usize) as u8, ..tight }
    }

    #[inline(always)]
    fn long_key(self) -> bool {
        self.key_len > u16::MAX as usize
    }

    #[inline(always)]
    fn expire_at(self) -> usize {
        HEADER + if self.long_key() { WORD } else { 0 }
    }

    #[inline(always)]
    fn value_at(self) -> usize {
        self.expire_at() + if self.expire_room { WORD } else { 0 }
    }

    #[inline(always)]
    fn key_at(self) -> usize {
        self.value_at() + self.room as usize * WORD
    }

    #[inline(always)]
    fn size(self) -> usize {
        self.key_at() + self.key_len
    }

    /// Bytes that the allocator spends on the block.
    #[inline]
    fn memory(self) -> usize {
        spent(self.size())
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.size(), ALIGN).expect("a key that is in memory has a size that fits")
    }
}

/// The size class of `size` bytes in an allocator that has four of them per doubling (mimalloc, jemalloc).
#[inline]
pub(crate) fn good_size(size: usize) -> usize {
    if size <= 128 { size.next_multiple_of(16) } else { size.next_multiple_of(1 << ((size - 1).ilog2() - 2)) }
}

/// From this size on, mimalloc rounds up to pages instead of size classes.
const PAGES_FROM: usize = 64 * 1024;
const PAGE: usize = 4096;

/// The bytes that the allocator really spends on a block of `size` bytes.
#[inline]
pub(crate) fn spent(size: usize) -> usize {
    match size {
        0 => 0,
        1..=PAGES_FROM => good_size(size),
        _ => size.next_multiple_of(PAGE),
    }
}

/// A value to be put into a value area.
enum Payload<'a> {
    Inline(&'a [u8]),
    Int(i64),
    Heap(Vec<u8>),
    Lent(Box<Bytes>),
    Collection(Box<Collection>),
    Packed(Packed<'a>),
}

impl Payload<'_> {
    fn words(&self) -> usize {
        match self {
            Payload::Inline(bytes) | Payload::Packed(Packed { bytes, .. }) => bytes.len().div_ceil(WORD).max(1),
            Payload::Int(_) | Payload::Lent(_) | Payload::Collection(_) => 1,
            Payload::Heap(_) => HEAP_WORDS,
        }
    }
}

/// The bytes to be kept instead of a collection, if they are few enough.
#[inline]
fn small(collection: &Collection) -> Option<Packed<'_>> {
    collection.packed().filter(Packed::is_small)
}

impl Packed<'_> {
    /// Whether an entry may keep it.
    #[inline]
    fn is_small(&self) -> bool {
        self.bytes.len() <= INLINE_MAX
    }
}

/// A key with its value and metadata; owns its memory.
pub(crate) struct Entry {
    block: NonNull<u8>,
}

// SAFETY: an entry owns its block and its contents: bytes, a `Vec<u8>`, a `Box<Bytes>` or a `Box<Collection>`, all of
// them `Send` (asserted below).
unsafe impl Send for Entry {}

const _: () = {
    const fn sendable<T: Send>() {}
    sendable::<Value>();
    sendable::<Bytes>();
    assert!(
        HEADER == WORD
            && size_of::<Box<Bytes>>() == WORD
            && size_of::<Box<Collection>>() == WORD
            && size_of::<usize>() == WORD
    );
};

impl Entry {
    /// A new entry with the given value.
    pub(crate) fn new(key: &[u8], value: Value, expire: Option<UnixMillis>, access: AccessClock) -> Entry {
        match value {
            Value::Int(n) => Self::build(key, Payload::Int(n), expire, access),
            Value::Str(bytes) if bytes.len() <= INLINE_MAX => Self::build(key, Payload::Inline(&bytes), expire, access),
            Value::Str(mut bytes) => {
                if bytes.capacity() - bytes.len() > bytes.len() / 4 {
                    bytes.shrink_to_fit();
                }
                Self::build(key, Payload::Heap(bytes), expire, access)
            }
            Value::Collection(it) => match small(&it) {
                Some(packed) => Self::build(key, Payload::Packed(packed), expire, access),
                None => Self::build(key, Payload::Collection(it), expire, access),
            },
        }
    }

    /// A new entry with a string.
    pub(crate) fn new_string(
        key: &[u8],
        value: StringValue<'_>,
        expire: Option<UnixMillis>,
        access: AccessClock,
    ) -> Entry {
        match value {
            StringValue::Int(n) => Self::build(key, Payload::Int(n), expire, access),
            StringValue::Bytes(b) if b.len() <= INLINE_MAX => Self::build(key, Payload::Inline(b), expire, access),
            StringValue::Bytes(b) => Self::build(key, Payload::Heap(b.to_vec()), expire, access),
            StringValue::Lent(b) => Self::build(key, Payload::Lent(Box::new(b.clone())), expire, access),
        }
    }

    fn build(key: &[u8], payload: Payload<'_>, expire: Option<UnixMillis>, access: AccessClock) -> Entry {
        let mut entry = Self::allocate(key, Shape::fitting(key.len(), expire.is_some(), payload.words()));
        entry.write_payload(payload);
        entry.set_access(access);
        if let Some(at) = expire {
            entry.write_expire(at);
        }
        entry
    }

    /// A block of this shape with its key, an empty inline value and no expiry.
    fn allocate(key: &[u8], shape: Shape) -> Entry {
        let layout = shape.layout();
        let mut flags = Form::Inline as u8;
        if shape.expire_room {
            flags |= EXPIRE_ROOM;
        }
        if shape.long_key() {
            flags |= LONG_KEY;
        }
        let header = Header { flags, room: shape.room, inline_len: 0, access: [0; 3], key_len: key.len() as u16 };
        // SAFETY: the layout is never empty (at least a header). All writes are inside the block of `shape.size()`
        // bytes by the definition of `Shape`, word writes at multiples of 8 from a base aligned to 16, and `key` cannot
        // overlap a block that was just allocated.
        unsafe {
            let Some(block) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            block.cast::<Header>().write(header);
            if shape.long_key() {
                block.add(HEADER).cast::<u64>().write(key.len() as u64);
            }
            if shape.expire_room {
                block.add(shape.expire_at()).cast::<i64>().write(NO_EXPIRY);
            }
            block.add(shape.key_at()).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            Entry { block }
        }
    }

    /// Reads the entry.
    #[inline(always)]
    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        EntryRef::of(self)
    }

    fn header_mut(&mut self) -> &mut Header {
        // SAFETY: every entry starts with a header, and `&mut self` makes the access unique.
        unsafe { self.block.cast::<Header>().as_mut() }
    }

    fn set_form(&mut self, form: Form) {
        let header = self.header_mut();
        header.flags = (header.flags & !FORM_MASK) | form as u8;
    }

    /// Puts a payload into the value area, which must be large enough and hold nothing that needs dropping.
    fn write_payload(&mut self, payload: Payload<'_>) {
        let room = self.as_ref().header().room as usize;
        assert!(payload.words() <= room, "the caller has made room");
        debug_assert!(self.as_ref().header().is_light());
        let area = self.as_ref().area();
        // SAFETY: the area has `room * 8` bytes, which is enough by the assertion above, and is aligned to 8; its old
        // contents need no destructor. A payload's bytes are outside this entry, since `&mut self` is unique.
        unsafe {
            match payload {
                Payload::Inline(bytes) => {
                    area.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
                    self.header_mut().inline_len = bytes.len() as u8;
                    self.set_form(Form::Inline);
                }
                Payload::Packed(Packed { ty, bytes }) => {
                    area.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
                    self.header_mut().inline_len = bytes.len() as u8;
                    self.set_form(Form::of_packed(ty));
                }
                Payload::Int(n) => {
                    area.cast::<i64>().write(n);
                    self.set_form(Form::Int);
                }
                Payload::Heap(bytes) => {
                    area.cast::<Vec<u8>>().write(bytes);
                    self.set_form(Form::Heap);
                }
                Payload::Lent(bytes) => {
                    area.cast::<Box<Bytes>>().write(bytes);
                    self.set_form(Form::Lent);
                }
                Payload::Collection(collection) => {
                    area.cast::<Box<Collection>>().write(collection);
                    self.set_form(Form::Collection);
                }
            }
        }
    }

    /// Moves the value out, leaving an empty inline string.
    fn take_payload(&mut self) -> Value {
        let form = self.as_ref().form();
        if self.as_ref().header().is_light() {
            let value = self.as_ref().value().to_value();
            self.header_mut().inline_len = 0;
            self.set_form(Form::Inline);
            return value;
        }
        self.header_mut().inline_len = 0;
        self.set_form(Form::Inline);
        let area = self.as_ref().area();
        // SAFETY: the form that the header had says which type lies in the area; the header no longer says so, so the
        // value is moved out exactly once.
        unsafe {
            match form {
                Form::Heap => Value::Str(area.cast::<Vec<u8>>().read()),
                // Moved to the front of its buffer, if the buffer has no other readers.
                Form::Lent => Value::Str(Vec::from(*area.cast::<Box<Bytes>>().read())),
                Form::Collection => Value::Collection(area.cast::<Box<Collection>>().read()),
                Form::Inline | Form::Int | Form::PackedHash | Form::PackedSet | Form::PackedZSet => {
                    unreachable!("handled above")
                }
            }
        }
    }

    /// Drops the value, leaving an empty inline string.
    fn drop_payload(&mut self) {
        if self.as_ref().form() != Form::Lent {
            return drop(self.take_payload());
        }
        self.header_mut().inline_len = 0;
        self.set_form(Form::Inline);
        // SAFETY: the form was that of a `Box<Bytes>`; the header no longer says so, so it is dropped exactly once.
        drop(unsafe { self.as_ref().area().cast::<Box<Bytes>>().read() });
    }

    /// Moves the collection out, if the value is a boxed one, leaving an empty string.
    pub(crate) fn take_collection(&mut self) -> Option<Collection> {
        if self.as_ref().form() != Form::Collection {
            return None;
        }
        match self.take_payload() {
            Value::Collection(collection) => Some(*collection),
            Value::Int(_) | Value::Str(_) => None,
        }
    }

    /// Takes the entry apart.
    #[cfg(test)]
    pub(crate) fn into_value(mut self) -> Value {
        self.take_payload()
    }

    #[inline]
    fn set_payload(&mut self, payload: Payload<'_>) {
        let words = payload.words();
        let room = self.as_ref().header().room as usize;
        if !self.as_ref().header().is_light() {
            self.drop_payload();
        }
        if words > room || (room > SMALL_ROOM && words * 2 < room) {
            self.header_mut().inline_len = 0;
            self.set_form(Form::Inline);
            self.reshape(self.as_ref().shape().expire_room, words);
        }
        self.write_payload(payload);
    }

    /// Moves to a block of another shape with at least `words` words of room, which must be enough for the present
    /// value.
    fn reshape(&mut self, expire_room: bool, words: usize) {
        let old = self.as_ref();
        let (from, expire) = (old.shape(), old.expire_at());
        assert!(words >= old.used_words(), "the value moves along");
        let mut new = Entry::allocate(old.key(), Shape::fitting(from.key_len, expire_room, words));
        let header = *old.header();
        let target = new.header_mut();
        target.inline_len = header.inline_len;
        target.access = header.access;
        target.flags = (target.flags & (EXPIRE_ROOM | LONG_KEY)) | (header.flags & (FORM_MASK | CUT | RAW));
        if let Some(at) = expire.filter(|_| expire_room) {
            new.write_expire(at);
        }
        // SAFETY: both areas have room for the words in use, by the assertion above and the shape's construction. The
        // value is moved bit by bit: the old block is freed below without dropping it.
        unsafe {
            new.as_ref().area().copy_from_nonoverlapping(self.as_ref().area(), old.used_words() * WORD);
        }
        let old = std::mem::replace(self, new);
        // SAFETY: the value of the old block was moved to the new one; only its memory is left to free, once.
        unsafe { ManuallyDrop::new(old).free() }
    }

    /// Frees the block without dropping the value.
    ///
    /// # Safety
    /// The entry must not be used or dropped afterwards.
    unsafe fn free(&mut self) {
        let layout = self.as_ref().shape().layout();
        // SAFETY: the block was allocated with the layout of its shape, and shapes change only together with their
        // block or, in `open_expire_room`, to one of the same size.
        unsafe { dealloc(self.block.as_ptr(), layout) }
    }

    /// Sets the whole string. A value of about the same size is overwritten in place.
    #[inline]
    pub(crate) fn set_string(&mut self, value: StringValue<'_>) {
        self.header_mut().flags &= !RAW;
        if let StringValue::Bytes(bytes) = value
            && bytes.len() <= INLINE_MAX
        {
            // The usual case, checked before all others.
            return self.set_payload(Payload::Inline(bytes));
        }
        match value {
            StringValue::Bytes(bytes) => self.set_long(bytes),
            StringValue::Lent(bytes) => self.set_payload(Payload::Lent(Box::new(bytes.clone()))),
            StringValue::Int(n) => self.set_payload(Payload::Int(n)),
        }
    }

    fn set_long(&mut self, bytes: &[u8]) {
        if let Some(buffer) = self.heap_mut()
            && buffer.capacity() >= bytes.len()
            && buffer.capacity() / 2 <= bytes.len()
        {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return;
        }
        self.set_payload(Payload::Heap(bytes.to_vec()));
    }

    /// Replaces the value by one of any type.
    pub(crate) fn set_value(&mut self, value: Value) {
        self.header_mut().flags &= !RAW;
        match value {
            Value::Int(n) => self.set_payload(Payload::Int(n)),
            Value::Str(bytes) if bytes.len() <= INLINE_MAX => self.set_payload(Payload::Inline(&bytes)),
            Value::Str(bytes) => self.set_payload(Payload::Heap(bytes)),
            Value::Collection(it) => match small(&it) {
                Some(packed) => self.set_payload(Payload::Packed(packed)),
                None => self.set_payload(Payload::Collection(it)),
            },
        }
    }

    /// Replaces a packed value by what has become of it.
    #[inline]
    pub(crate) fn set_unpacked<T: CollectionType>(&mut self, value: &mut T) {
        if value.packed().is_none_or(|packed| !packed.is_small()) {
            // It may be packed after that. Bytes that the entry takes need not be settled.
            value.settle();
        }
        if let Some(packed) = value.packed().filter(Packed::is_small) {
            return self.set_payload(Payload::Packed(packed));
        }
        self.set_payload(Payload::Collection(Box::new(std::mem::take(value).into())));
    }

    fn heap_mut(&mut self) -> Option<&mut Vec<u8>> {
        if self.as_ref().form() != Form::Heap {
            return None;
        }
        // SAFETY: the form says that a `Vec<u8>` lies in the area; `&mut self` makes the reference unique.
        Some(unsafe { self.as_ref().area().cast::<Vec<u8>>().as_mut() })
    }

    /// Adds bytes at the end of a string; returns its new length in bytes, or `None` if this is no string.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Option<usize> {
        let old = self.as_ref().value().string_len()?;
        self.make_bytes(old + bytes.len());
        if let Some(buffer) = self.heap_mut() {
            buffer.extend_from_slice(bytes);
        } else {
            self.extend_inline(old + bytes.len())[old..].copy_from_slice(bytes);
        }
        Some(old + bytes.len())
    }

    /// Turns a string into bytes, padded with zeros to at least `len`, for [`word::Word::bytes_mut`].
    pub(crate) fn extend_to(&mut self, len: usize) {
        let Some(old) = self.as_ref().value().string_len() else { return };
        let len = old.max(len);
        self.make_bytes(len);
        if let Some(buffer) = self.heap_mut() {
            buffer.resize(len, 0);
        } else {
            self.extend_inline(len);
        }
    }

    /// Lengthens an inline string with zeros, within its room, and returns it.
    fn extend_inline(&mut self, len: usize) -> &mut [u8] {
        let header = *self.as_ref().header();
        assert!(self.as_ref().form() == Form::Inline && len <= header.room as usize * WORD && len <= INLINE_MAX);
        let area = self.as_ref().area();
        let old = header.inline_len as usize;
        // SAFETY: `len` bytes lie within the area by the assertion; the first `old` are initialised, the rest are by
        // this.
        unsafe {
            if len > old {
                area.add(old).write_bytes(0, len - old);
            }
            self.header_mut().inline_len = len.max(old) as u8;
            slice::from_raw_parts_mut(area.as_ptr(), len.max(old))
        }
    }

    /// Turns a string into bytes with room for `len` of them, and headroom for more, unless these are its first bytes:
    /// they are often all that it gets. Marks it `raw`.
    fn make_bytes(&mut self, len: usize) {
        self.header_mut().flags |= RAW;
        if let ValueRef::Int(n) = self.as_ref().value() {
            self.set_payload(Payload::Inline(itoa::Buffer::new().format(n).as_bytes()));
        }
        if self.as_ref().form() == Form::Lent {
            let owned = self.take_payload();
            self.set_value(owned);
            self.header_mut().flags |= RAW;
        }
        let headroom = |old: usize| if old == 0 { 0 } else { len.min(MAX_HEADROOM) };
        let inline_len = self.as_ref().header().inline_len as usize;
        if let Some(buffer) = self.heap_mut() {
            if buffer.capacity() < len {
                buffer.reserve_exact(len + headroom(buffer.len()) - buffer.len());
            }
        } else if len > INLINE_MAX {
            let mut buffer = Vec::with_capacity(len + headroom(inline_len));
            if let ValueRef::Str(bytes) = self.as_ref().value() {
                buffer.extend_from_slice(bytes);
            }
            self.set_payload(Payload::Heap(buffer));
        } else if len.div_ceil(WORD) > self.as_ref().header().room as usize {
            let words = (len + headroom(inline_len)).min(INLINE_MAX).div_ceil(WORD);
            self.reshape(self.as_ref().shape().expire_room, words);
        }
    }

    /// Sets or clears the expiry. The room for it stays once it is there.
    pub(crate) fn set_expire(&mut self, expire: Option<UnixMillis>) {
        let has_room = self.as_ref().shape().expire_room;
        match expire {
            Some(at) => {
                if !has_room {
                    self.open_expire_room();
                }
                self.write_expire(at);
            }
            None if has_room => self.write_expire(NO_EXPIRY),
            None => {}
        }
    }

    fn write_expire(&mut self, at: i64) {
        let shape = self.as_ref().shape();
        assert!(shape.expire_room, "the caller has made room");
        // SAFETY: the shape has an expiry, a word inside the block.
        unsafe { self.block.add(shape.expire_at()).cast::<i64>().write(at) }
    }

    fn open_expire_room(&mut self) {
        let (shape, used) = (self.as_ref().shape(), self.as_ref().used_words());
        if used >= shape.room as usize {
            return self.reshape(true, used);
        }
        // A spare word of the value area becomes the expiry: the value moves up by one word, the key stays where it is,
        // and so does the size of the block. SAFETY: source and target lie inside the value area of `room > used`
        // words; the overlapping copy is a move.
        unsafe {
            let area = self.block.add(shape.value_at());
            area.add(WORD).copy_from(area, used * WORD);
        }
        let header = self.header_mut();
        header.room -= 1;
        header.flags |= EXPIRE_ROOM;
    }

    /// Stamps the entry with the time of its last access.
    #[inline]
    pub(crate) fn set_access(&mut self, clock: AccessClock) {
        let [a, b, c, _] = clock.bits().to_le_bytes();
        self.header_mut().access = [a, b, c];
    }

    /// Sets the snapshot bit.
    #[inline]
    pub(crate) fn set_cut(&mut self, cut: bool) {
        let header = self.header_mut();
        header.flags = if cut { header.flags | CUT } else { header.flags & !CUT };
    }

    /// The same value and metadata under another key; the value moves.
    pub(crate) fn into_key(mut self, key: &[u8]) -> Entry {
        let (expire, access, raw) =
            (self.as_ref().expire_at(), self.as_ref().access(), self.as_ref().header().flags & RAW);
        let mut new = Entry::new(key, self.take_payload(), expire, access);
        new.header_mut().flags |= raw;
        new
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.as_ref().header().is_light() {
            self.drop_payload();
        }
        // SAFETY: the value was moved out, and a dropped entry is not used any more.
        unsafe { self.free() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
