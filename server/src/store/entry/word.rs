//! What a table is made of: words of eight bytes, each an owned entry and 20 bits of its hash, and thin arrays of them.
//!
//! User addresses have 48 bits at most and entries are aligned to 16, so 16 bits above and 4 bits below the address are
//! free. Together they hold the *tag*, the top 20 bits of the key's hash. Comparing tags settles nearly every probe
//! without a look at the entry. A growing table needs no other part of the hash, so it moves words without touching any
//! key. The tag's low 16 bits are the word's top ones and its high 4 bits the word's low ones, so one rotation extracts
//! it.
//!
//! [`Words`] is a boxed slice of words in 16 bytes, with the table's own small numbers in the bits that the length does
//! not need. All zero is the empty array, so an untouched slot costs nothing (see `keyspace`).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::slice;

use super::{AccessClock, Entry, EntryRef, Form};
use crate::base::bytes::is_same;
use crate::base::cache::prefetch;
use crate::store::collection::{Collection, CollectionType};

/// Bits of hash in a word.
pub(crate) const TAG_BITS: u32 = 20;
/// One more than the greatest tag.
pub(crate) const TAG_END: u32 = 1 << TAG_BITS;
const ADDRESS: usize = 0x0000_ffff_ffff_fff0;
/// Bytes of an entry with a key and a value of up to 16 bytes each.
const SMALL_ENTRY: usize = 48;

/// An owned entry with the tag of its key, or empty.
#[repr(transparent)]
pub(crate) struct Word(*mut u8);

// SAFETY: a word is an owned `Entry`, which is `Send`, or empty.
unsafe impl Send for Word {}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

impl Word {
    /// Packs an entry and the tag of its key.
    pub(crate) fn new(entry: Entry, tag: u32) -> Word {
        let block = ManuallyDrop::new(entry).block.as_ptr();
        assert!(block.addr() & !ADDRESS == 0, "user addresses have 48 bits, entries are aligned to 16");
        debug_assert!(tag < TAG_END);
        Word(block.map_addr(|address| address | ((tag as usize & 0xffff) << 48) | (tag as usize >> 16)))
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    /// The tag; zero for an empty word.
    #[inline(always)]
    pub(crate) fn tag(&self) -> u32 {
        self.0.addr().rotate_left(16) as u32 & (TAG_END - 1)
    }

    #[inline(always)]
    fn block(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.0.map_addr(|address| address & ADDRESS))
    }

    /// The entry.
    #[inline(always)]
    pub(crate) fn entry(&self) -> Option<EntryRef<'_>> {
        // SAFETY: the word owns the entry, and `&self` keeps it from being changed.
        self.block().map(|block| unsafe { EntryRef::at(block) })
    }

    /// Whether the word holds the entry of this key.
    #[inline(always)]
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.entry().is_some_and(|entry| is_same(entry.key(), key))
    }

    /// Changes the entry, which may move to another block while it is changed. Panics if the word is empty.
    #[inline]
    pub(crate) fn update<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> R {
        let tag = self.tag();
        let block = self.block().expect("only occupied words are updated");
        // The word is empty meanwhile. If `change` unwinds, the entry is dropped with the guard's field, and the word
        // stays empty.
        self.0 = ptr::null_mut();
        let mut entry = Entry { block };
        let result = change(&mut entry);
        *self = Word::new(entry, tag);
        result
    }

    /// [`Word::update`], which also returns by how many bytes the entry's memory has changed.
    #[inline]
    pub(crate) fn update_weighed<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> (R, i64) {
        let before = self.entry().expect("only occupied words are updated");
        let header = *before.header();
        let heavy = if header.is_light() { 0 } else { before.memory() };
        let result = self.update(change);
        let after = self.entry().expect("the entry was put back");
        let now = *after.header();
        if header.is_light() && now.is_light() && now.has_shape_of(header) {
            return (result, 0);
        }
        // The key is the same, so the part of the shape that is not in the header is too.
        let before = if header.is_light() { after.shape_by(header).memory() } else { heavy };
        (result, after.memory() as i64 - before as i64)
    }

    /// The entry's collection, to be changed in place. `None` if it has none.
    #[inline]
    pub(crate) fn collection_mut(&mut self) -> Option<&mut Collection> {
        let entry = self.entry()?;
        if entry.form() != Form::Collection {
            return None;
        }
        // SAFETY: the form says that a `Box<Collection>` lies in the value area; `&mut self` owns the entry and is
        // unique.
        Some(unsafe { entry.area().cast::<Box<Collection>>().as_mut() })
    }

    /// Gives the entry the bytes of a value that was unpacked from it, or the value if they are too many; `value` is
    /// empty then. Returns the entry's memory.
    #[inline]
    pub(crate) fn repack<T: CollectionType>(&mut self, value: &mut T) -> usize {
        self.update(|entry| entry.set_unpacked(value));
        self.entry().map_or(0, EntryRef::memory)
    }

    /// The bytes of the entry's string, to be changed in place. `None` if it holds no bytes (see [`Entry::extend_to`]).
    pub(crate) fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        let entry = self.entry()?;
        let area = entry.area();
        // SAFETY: the form says what lies in the value area: a `Vec<u8>`, or bytes of which `inline_len` are
        // initialised. `&mut self` owns the entry and is unique.
        unsafe {
            match entry.form() {
                Form::Heap => Some(area.cast::<Vec<u8>>().as_mut()),
                Form::Inline => Some(slice::from_raw_parts_mut(area.as_ptr(), entry.header().inline_len as usize)),
                Form::Int | Form::PackedHash | Form::PackedSet | Form::PackedZSet | Form::Lent | Form::Collection => {
                    None
                }
            }
        }
    }

    /// Stamps the entry with the time of its last access.
    #[inline]
    pub(crate) fn set_access(&mut self, clock: AccessClock) {
        if let Some(block) = self.block() {
            ManuallyDrop::new(Entry { block }).set_access(clock);
        }
    }

    /// Sets the entry's snapshot bit.
    #[inline]
    pub(crate) fn set_cut(&mut self, cut: bool) {
        if let Some(block) = self.block() {
            ManuallyDrop::new(Entry { block }).set_cut(cut);
        }
    }

    /// Takes the entry out.
    pub(crate) fn take(&mut self) -> Option<Entry> {
        let block = self.block()?;
        self.0 = ptr::null_mut();
        Some(Entry { block })
    }

    /// Prefetches the cache lines of a small entry: one, or two, since every other block of 48 bytes crosses a line.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        let block = self.0.map_addr(|address| address & ADDRESS);
        prefetch(block);
        prefetch(block.wrapping_add(SMALL_ENTRY - 1));
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// An owned array of words, with three numbers that belong to the table. See the top of the file.
pub(crate) struct Words {
    first: *mut Word,
    total: u16,
    /// Home positions: fewer than there are words; the others take what the last homes spill.
    pub(crate) buckets: u16,
    /// Occupied words.
    pub(crate) len: u16,
    /// How many top bits of the tag all words have in common.
    pub(crate) depth: u8,
}

// SAFETY: the array owns its words, which are `Send`.
unsafe impl Send for Words {}

impl Words {
    /// The array of no words.
    pub(crate) const EMPTY: Words = Words { first: ptr::null_mut(), total: 0, buckets: 0, len: 0, depth: 0 };

    /// An array of `total` empty words, of which `buckets` are home positions.
    pub(crate) fn allocate(total: u16, buckets: u16, depth: u8) -> Words {
        if total == 0 {
            return Words { depth, ..Words::EMPTY };
        }
        let layout = Self::layout(total);
        // SAFETY: the layout is not empty.
        let Some(first) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        Words { first: first.cast().as_ptr(), total, buckets, len: 0, depth }
    }

    fn layout(total: u16) -> Layout {
        Layout::array::<Word>(total as usize).expect("64 Ki words of 8 bytes fit")
    }

    /// Number of words.
    #[inline(always)]
    pub(crate) fn total(&self) -> u16 {
        self.total
    }

    /// All words, in the order of their tags, empty ones between.
    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[Word] {
        if self.first.is_null() {
            return &[];
        }
        // SAFETY: `first` is a block of `total` words, all of them initialised: zero bytes are the empty word.
        unsafe { slice::from_raw_parts(self.first, self.total as usize) }
    }

    /// All words, to be changed.
    #[inline(always)]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Word] {
        if self.first.is_null() {
            return &mut [];
        }
        // SAFETY: as above, and `&mut self` makes the reference unique.
        unsafe { slice::from_raw_parts_mut(self.first, self.total as usize) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if self.first.is_null() {
            return;
        }
        // SAFETY: the array owns the words and the block, which has this layout; neither is used afterwards.
        unsafe {
            if self.len > 0 {
                ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.first, self.total as usize));
            }
            dealloc(self.first.cast(), Self::layout(self.total));
        }
    }
}
