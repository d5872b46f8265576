//! The allocator: mimalloc, with a count of what is in use, and with a way to make it give back what is not.
//!
//! INFO's `used_memory` has to be what the program uses, not what the system has lent it: that is known only here. Each thread adds up
//! its own allocations and passes the sum on when it is worth it, so counting costs a few instructions and no shared cache line;
//! the total is exact to [`BATCH`] bytes per thread.
//!
//! A page of mimalloc belongs to the thread that made it. What other threads free in it (FLUSHALL runs on one worker, the keys were made
//! by all) comes back to that thread only, and only when it asks. So [`collect`] has to be called on each thread, which
//! [`crate::engine::threads`] sees to.
//!
//! A global allocator is the one thing that cannot be handed in, and its counter with it. In a program that has another allocator the
//! counter stays zero and collecting finds nothing; INFO then goes by what is resident.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

use mimalloc::MiMalloc;

/// The allocator of the program `slotd`.
#[derive(Debug)]
pub struct Allocator;

/// A thread tells the total when its own sum is off by so many bytes.
const BATCH: isize = 32 * 1024;

/// Bytes in use, less what threads have not told yet.
static USED: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// What this thread has not told yet. Without a destructor, so that it can be used until the thread's very end.
    static UNTOLD: Cell<isize> = const { Cell::new(0) };
}

#[inline]
fn count(bytes: isize) {
    UNTOLD.with(|untold| {
        let sum = untold.get() + bytes;
        if sum.unsigned_abs() < BATCH.unsigned_abs() {
            untold.set(sum);
        } else {
            untold.set(0);
            USED.fetch_add(sum, Ordering::Relaxed);
        }
    });
}

// SAFETY: all of it is mimalloc's; counting allocates nothing.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is mimalloc's condition.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(place, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { MiMalloc.realloc(place, layout, size) }
    }
}

unsafe extern "C" {
    /// Takes in what other threads have freed of this thread's memory, and with `force` returns every free page to the system.
    safe fn mi_collect(force: bool);
}

/// Bytes in use by the whole program; 0 if it has another allocator.
pub fn used() -> u64 {
    USED.load(Ordering::Relaxed).max(0) as u64
}

/// Returns what is free of this thread's memory to the system.
pub fn collect() {
    mi_collect(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_and_freed_is_counted() {
        let sum = || USED.load(Ordering::Relaxed) + UNTOLD.with(Cell::get);
        let (before, layout) = (sum(), Layout::from_size_align(1 << 20, 8).expect("a valid layout"));
        // SAFETY: the layout is not empty; what is allocated is freed once, with the layout that it has then.
        unsafe {
            let place = Allocator.alloc_zeroed(layout);
            assert!(!place.is_null());
            assert_eq!(sum() - before, 1 << 20);
            let place = Allocator.realloc(place, layout, 1 << 21);
            assert_eq!(sum() - before, 1 << 21);
            Allocator.dealloc(place, Layout::from_size_align(1 << 21, 8).expect("a valid layout"));
        }
        assert_eq!(sum(), before);
        collect();
    }
}
