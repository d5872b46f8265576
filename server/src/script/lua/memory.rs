//! The memory of a Lua state: counted, and refused beyond a limit.
//!
//! Lua reports a refusal by a jump to the nearest protected call (`longjmp`). That is sound only if no frame of Rust
//! lies in between. So while a function of ours runs for Lua ([`Memory::enter_host`]), nothing is refused; what it
//! takes then is noticed afterwards ([`Memory::is_exceeded`]).
//!
//! **Large blocks cost time.** Lua asks a script to pause after so many instructions, but one instruction takes as
//! long as what it works on is large: it copies a text, compares it, moves the elements of a table. So where blocks
//! are large there are fewer instructions between two pauses ([`Memory::instructions`]), and who has just taken much
//! pauses at once ([`Memory::hurry`]).
//!
//! **Small blocks come back soon.** Each call of a script makes a few tables and strings, and the collector frees as
//! many of the same sizes. The last of those are kept in lists of the state's own ([`Spare`]), which costs a third of
//! what the allocator of the process does, for it has to look whose thread a block belongs to. The collector keeps to
//! Lua's own pace, a cycle whenever there is twice as much as was left: what short scripts leave in between fits in a
//! near cache. Half as many cycles walk less of what always stays, but cost a script a tenth more, since each block
//! comes from further away.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use mlua_sys as ffi;

use crate::base::cache::prefetch;

/// Alignment of what Lua allocates: that of its numbers and pointers.
const ALIGN: usize = 8;
/// A block of this size is large, bytes.
const LARGE: usize = 64 * 1024;
/// Who has taken so many bytes in large blocks pauses.
const HURRY: usize = 1024 * 1024;
/// Small blocks have whole numbers of so many bytes.
const GRAIN: usize = 16;
/// And at most so many grains: a table has four, a closure and most strings have less.
const GRAINS: usize = 6;
/// Bytes in free blocks that a state keeps: most of what the collector frees in one go.
const SPARE: usize = 128 * 1024;
/// How many instructions of Lua run at most before a script is asked to pause. An instruction may be a call of the
/// system: a thousand of `os.clock` take half a millisecond.
const INSTRUCTIONS: usize = 1_000;
/// How many do however large its blocks are.
const FEWEST: usize = 32;
/// Bytes on which the instructions between two pauses work at most, if each works on all large blocks. The fastest of
/// them, the comparison of texts, needs a tenth of a second for as much.
const LOOKED_AT: usize = 1 << 30;
/// Large blocks of so many bytes in all do not make an instruction slow.
const UNNOTICED: usize = 100 * 1024;

/// What scripts are told that want more than they may have. Lua's own text does not say whose limit it is.
pub(in crate::script) const NOT_ENOUGH: &[u8] = b"not enough memory (script-memory-limit)";

/// What a state has, and may have, bytes.
#[derive(Debug)]
pub(in crate::script) struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// How many functions of ours are on the stack.
    host: Cell<u32>,
    /// Bytes in large blocks.
    large: Cell<usize>,
    /// Those of them that were taken since the last pause.
    fresh: Cell<usize>,
    /// The coroutine that runs, or has run last.
    running: Cell<*mut ffi::lua_State>,
    /// Free blocks by their size: of one grain, of two, ...
    spare: [Spare; GRAINS],
    /// Bytes in them.
    spare_bytes: Cell<usize>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.free_spare();
    }
}

impl Memory {
    pub(in crate::script) fn new(limit: usize) -> Self {
        Self {
            used: Cell::new(0),
            limit: Cell::new(limit),
            host: Cell::new(0),
            large: Cell::new(0),
            fresh: Cell::new(0),
            running: Cell::new(ptr::null_mut()),
            spare: [const { Spare::new() }; GRAINS],
            spare_bytes: Cell::new(0),
        }
    }

    /// Gives the free blocks back.
    fn free_spare(&self) {
        for (at, spare) in self.spare.iter().enumerate() {
            while let Some(block) = spare.take() {
                // SAFETY: a list has blocks of its own size only, which `give` was given.
                unsafe { dealloc(block.as_ptr().cast(), of_grains(at + 1)) };
            }
        }
        self.spare_bytes.set(0);
    }

    /// Sets the limit.
    pub(in crate::script) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// Bytes in use.
    pub(in crate::script) fn used(&self) -> usize {
        self.used.get()
    }

    /// Whether more is in use than may be, garbage included.
    pub(in crate::script) fn is_exceeded(&self) -> bool {
        self.used.get() > self.limit.get()
    }

    /// The same after all garbage was collected. There must be some room then, or it would be collected all the time.
    pub(in crate::script) fn is_used_up(&self) -> bool {
        self.used.get() > self.limit.get() / 8 * 7
    }

    /// Whether so many bytes more are within the limit.
    pub(in crate::script) fn has_room_for(&self, bytes: usize) -> bool {
        self.used.get().saturating_add(bytes) <= self.limit.get()
    }

    /// A function of ours holds so many bytes more for its script.
    pub(in crate::script) fn hold(&self, bytes: usize) {
        self.count(0, bytes);
    }

    /// It holds so many less.
    pub(in crate::script) fn release(&self, bytes: usize) {
        self.count(bytes, 0);
    }

    /// A function of ours begins.
    #[inline]
    pub(in crate::script) fn enter_host(&self) {
        self.host.set(self.host.get() + 1);
    }

    /// It ends.
    #[inline]
    pub(in crate::script) fn leave_host(&self) {
        self.host.set(self.host.get() - 1);
    }

    /// Lua runs again within functions of ours, in a protected call. Returns what [`Memory::end_call`] takes.
    pub(in crate::script) fn begin_call(&self) -> u32 {
        self.host.replace(0)
    }

    /// That call ended.
    pub(in crate::script) fn end_call(&self, host: u32) {
        self.host.set(host);
    }

    /// A coroutine runs from now on. It has a hook.
    pub(in crate::script) fn run(&self, raw: *mut ffi::lua_State) {
        self.running.set(raw);
        self.watch(raw);
    }

    /// Sees to it that a coroutine, which has a hook, is asked to pause when it should be.
    pub(in crate::script) fn watch(&self, raw: *mut ffi::lua_State) {
        // SAFETY: the state lives.
        if unsafe { ffi::lua_gethookcount(raw) } != self.instructions() {
            set_count(raw, self.instructions());
        }
    }

    /// How many instructions of Lua run before the script is asked to pause.
    pub(in crate::script) fn instructions(&self) -> c_int {
        let large = self.large.get();
        let most = if large <= LOOKED_AT / INSTRUCTIONS { INSTRUCTIONS } else { (LOOKED_AT / large).max(FEWEST) };
        most as c_int
    }

    /// How many times as long an instruction may take, for all that is known, because of what is large.
    pub(in crate::script) fn slowness(&self) -> u32 {
        (self.large.get() / UNNOTICED).clamp(1, LOOKED_AT / UNNOTICED / FEWEST) as u32
    }

    /// The script pauses.
    pub(in crate::script) fn rest(&self) {
        self.fresh.set(0);
    }

    /// Has the script asked to pause at its next instruction. It may be in the midst of one.
    #[cold]
    pub(in crate::script) fn hurry(&self) {
        if !self.running.get().is_null() {
            set_count(self.running.get(), 1);
        }
    }

    /// A block has got another size.
    #[cold]
    fn note_large(&self, old: usize, new: usize) {
        let part = |bytes| if bytes >= LARGE { bytes } else { 0 };
        self.large.set(self.large.get().wrapping_sub(part(old)).wrapping_add(part(new)));
        if new > old {
            self.fresh.set(self.fresh.get().saturating_add(new));
            if self.fresh.get() >= HURRY {
                self.hurry();
            }
        }
    }

    /// Garbage is collected between instructions only, so for a moment there may be twice as much.
    fn refuses(&self, more: usize) -> bool {
        self.host.get() == 0 && self.used.get().saturating_add(more) > self.limit.get().saturating_mul(2)
    }

    fn count(&self, old: usize, new: usize) {
        self.used.set(self.used.get().wrapping_sub(old).wrapping_add(new));
    }
}

/// Has a coroutine's hook called after so many instructions.
fn set_count(raw: *mut ffi::lua_State, count: c_int) {
    // SAFETY: the state lives. These touch nothing but fields of it, so they may be called from its allocator, too.
    unsafe {
        if let Some(hook) = ffi::lua_gethook(raw) {
            ffi::lua_sethook(raw, Some(hook), ffi::LUA_MASKCOUNT, count);
        }
    }
}

/// Free blocks of one size, in a list of which each block holds the place of the next.
#[derive(Debug)]
struct Spare(Cell<*mut c_void>);

impl Spare {
    const fn new() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    /// A free block.
    #[inline(always)]
    fn take(&self) -> Option<NonNull<c_void>> {
        let block = NonNull::new(self.0.get())?;
        // SAFETY: what is in the list is free, and begins with the place of the next.
        let next = unsafe { block.cast::<*mut c_void>().read() };
        // What comes back in one go is more than the nearest cache holds, and the next block's first word is needed to
        // take it.
        prefetch(next);
        self.0.set(next);
        Some(block)
    }

    /// Keeps a free block.
    ///
    /// # Safety
    /// It has the list's size, and nobody uses it.
    #[inline(always)]
    unsafe fn give(&self, block: *mut c_void) {
        // SAFETY: a block has room for a place, and is aligned for it.
        unsafe { block.cast::<*mut c_void>().write(self.0.get()) };
        self.0.set(block);
    }
}

/// How many grains a block of this size has, if it is a small one.
#[inline(always)]
fn grains(size: usize) -> Option<usize> {
    (size <= GRAIN * GRAINS).then(|| size.div_ceil(GRAIN))
}

/// The layout of a small block.
#[inline(always)]
const fn of_grains(grains: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and few grains are no more bytes than there may be.
    unsafe { Layout::from_size_align_unchecked(grains * GRAIN, ALIGN) }
}

/// The layout of a block of this size. `None`: there is no such block.
#[inline]
fn layout(size: usize) -> Option<Layout> {
    match grains(size) {
        Some(grains) => Some(of_grains(grains)),
        None => Layout::from_size_align(size, ALIGN).ok(),
    }
}

/// Allocates, resizes and frees for Lua (`lua_Alloc`).
///
/// # Safety
/// `data` points to the state's [`Memory`]. `place` is null, or was returned by this function for `old` bytes.
pub(in crate::script) unsafe extern "C" fn allocate(
    data: *mut c_void,
    place: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the state was made with this pointer, and its memory outlives it.
    let memory = unsafe { &*data.cast::<Memory>() };
    let old = if place.is_null() { 0 } else { old };
    if new == 0 {
        // SAFETY: the caller's promise.
        unsafe { memory.free(place, old) };
        return ptr::null_mut();
    }
    if new > old && memory.refuses(new - old) {
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    let made = unsafe {
        match (old, grains(old), grains(new)) {
            (0, ..) => memory.make(new),
            (_, Some(before), Some(after)) if before == after => place,
            // Neither is in a list.
            (_, None, None) => match (layout(old), layout(new)) {
                (Some(before), Some(_)) => realloc(place.cast(), before, new).cast(),
                _ => ptr::null_mut(),
            },
            _ => memory.make_from(place, old, new),
        }
    };
    if !made.is_null() {
        memory.count(old, new);
        if old.max(new) >= LARGE {
            memory.note_large(old, new);
        }
    }
    made
}

impl Memory {
    /// A block of `size` bytes, which are not counted yet; null if there is none.
    #[inline(always)]
    fn make(&self, size: usize) -> *mut c_void {
        if let Some(grains) = grains(size)
            && let Some(block) = self.spare[grains - 1].take()
        {
            self.spare_bytes.set(self.spare_bytes.get() - grains * GRAIN);
            return block.as_ptr();
        }
        // SAFETY: nobody asks for nothing.
        layout(size).map_or(ptr::null_mut(), |layout| unsafe { alloc(layout) }.cast())
    }

    /// The same with what is in another block, which is given up if there is one.
    ///
    /// # Safety
    /// `place` has `old` bytes, more than none, and was made here.
    #[cold]
    unsafe fn make_from(&self, place: *mut c_void, old: usize, new: usize) -> *mut c_void {
        let made = self.make(new);
        if !made.is_null() {
            // SAFETY: both have so many bytes, and are different blocks; nobody uses the old one any more.
            unsafe {
                ptr::copy_nonoverlapping(place, made, old.min(new));
                self.give_up(place, old);
            }
        }
        made
    }

    /// Frees a block and counts that.
    ///
    /// # Safety
    /// `place` has `old` bytes, was made here, and nobody uses it; or `old` is 0.
    #[inline(always)]
    unsafe fn free(&self, place: *mut c_void, old: usize) {
        if old == 0 {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.give_up(place, old) };
        self.count(old, 0);
        if old >= LARGE {
            self.note_large(old, 0);
        }
    }

    /// # Safety
    /// As for [`Memory::free`], and `old` is not 0.
    #[inline(always)]
    unsafe fn give_up(&self, place: *mut c_void, old: usize) {
        if let Some(grains) = grains(old)
            && self.spare_bytes.get() < SPARE
        {
            // SAFETY: a block of so many bytes has so many grains.
            unsafe { self.spare[grains - 1].give(place) };
            self.spare_bytes.set(self.spare_bytes.get() + grains * GRAIN);
            return;
        }
        if let Some(layout) = layout(old) {
            // SAFETY: it was made with this layout.
            unsafe { dealloc(place.cast(), layout) };
        }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
