//! The memory of a Lua state: counted, and refused beyond a limit.
//!
//! Lua reports a refusal by a jump to the nearest protected call (`longjmp`). That is sound only if no frame of Rust
//! lies in between. So while a function of ours runs for Lua ([`Memory::enter_host`]), nothing is refused; what it
//! takes then is noticed afterwards ([`Memory::is_exceeded`]).

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;

/// Alignment of what Lua allocates: that of its numbers and pointers.
const ALIGN: usize = 8;

/// What a state has, and may have, bytes.
#[derive(Debug)]
pub(in crate::script) struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// How many functions of ours are on the stack.
    host: Cell<u32>,
}

impl Memory {
    pub(in crate::script) fn new(limit: usize) -> Self {
        Self { used: Cell::new(0), limit: Cell::new(limit), host: Cell::new(0) }
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

    /// Garbage is collected between instructions only, so for a moment there may be twice as much.
    fn refuses(&self, more: usize) -> bool {
        self.host.get() == 0 && self.used.get().saturating_add(more) > self.limit.get().saturating_mul(2)
    }

    fn count(&self, old: usize, new: usize) {
        self.used.set(self.used.get().wrapping_sub(old).wrapping_add(new));
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
        return std::ptr::null_mut();
    }
    let (Some(before), Some(after)) = (layout(old), layout(new)) else { return std::ptr::null_mut() };
    if new > old && memory.refuses(new - old) {
        return std::ptr::null_mut();
    }
    // SAFETY: neither size is 0 where it is used; `place` was allocated here with the layout of `old` bytes.
    let made = unsafe { if old == 0 { alloc(after) } else { realloc(place.cast(), before, new) } };
    if !made.is_null() {
        memory.count(old, new);
    }
    made.cast()
}
