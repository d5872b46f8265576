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

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use mlua_sys as ffi;

/// Alignment of what Lua allocates: that of its numbers and pointers.
const ALIGN: usize = 8;
/// A block of this size is large, bytes.
const LARGE: usize = 64 * 1024;
/// Who has taken so many bytes in large blocks pauses.
const HURRY: usize = 1024 * 1024;
/// How many instructions of Lua run at most before a script is asked to pause.
const INSTRUCTIONS: usize = 10_000;
/// How many do however large its blocks are.
const FEWEST: usize = 32;
/// Bytes on which the instructions between two pauses work at most, if each works on all large blocks. The fastest of
/// them, the comparison of texts, needs a tenth of a second for as much.
const LOOKED_AT: usize = 1 << 30;

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
        }
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
        INSTRUCTIONS as u32 / self.instructions() as u32
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
    let layout = |size| Layout::from_size_align(size, ALIGN).ok();
    if new == 0 {
        if let Some(layout) = layout(old).filter(|_| !place.is_null() && old > 0) {
            // SAFETY: allocated below with this layout.
            unsafe { dealloc(place.cast(), layout) };
        }
        memory.count(old, 0);
        if old >= LARGE {
            memory.note_large(old, 0);
        }
        return ptr::null_mut();
    }
    let (Some(before), Some(after)) = (layout(old), layout(new)) else { return ptr::null_mut() };
    if new > old && memory.refuses(new - old) {
        return ptr::null_mut();
    }
    // SAFETY: neither size is 0 where it is used; `place` was allocated here with the layout of `old` bytes.
    let made = unsafe { if old == 0 { alloc(after) } else { realloc(place.cast(), before, new) } };
    if !made.is_null() {
        memory.count(old, new);
        if old.max(new) >= LARGE {
            memory.note_large(old, new);
        }
    }
    made.cast()
}
