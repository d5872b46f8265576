//! The allocator: mimalloc, with a count of what is in use, and with a way to make it give back what is not.
//!
//! INFO's `used_memory` has to be what the program uses, not what the system has lent it: that is known only here. Each thread adds up
//! its own allocations and passes the sum on when it is worth it, so counting costs a few instructions and no shared cache line;
//! the total is exact to [`BATCH`] bytes per thread.
//!
//! A page of mimalloc belongs to the thread that made it. What other threads free in it (FLUSHALL runs on one worker, the keys were made
//! by all) comes back to that thread only, and only when it asks. So [`collect`] has to be called on each thread, which
//! [`crate::runtime::threads`] sees to.
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

/// The highest that [`USED`] has been since it was last asked for.
static MOST: AtomicIsize = AtomicIsize::new(0);

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
            tell(sum);
        }
    });
}

/// Passes a thread's sum on.
#[cold]
fn tell(sum: isize) {
    let used = USED.fetch_add(sum, Ordering::Relaxed) + sum;
    // Read first: the highest is seldom reached again, and what is only read stays in every core's cache.
    if used > MOST.load(Ordering::Relaxed) {
        MOST.fetch_max(used, Ordering::Relaxed);
    }
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
    /// What is really spent on a block of this size.
    #[cfg(test)]
    safe fn mi_good_size(size: usize) -> usize;
}

/// Bytes in use by the whole program; 0 if it has another allocator.
pub(crate) fn used() -> u64 {
    USED.load(Ordering::Relaxed).max(0) as u64
}

/// The most that was in use at once since the last call of this, to [`BATCH`] bytes per thread. Who looks now and then sees with it
/// what came and went between two looks.
pub(crate) fn take_most() -> u64 {
    let used = USED.load(Ordering::Relaxed);
    MOST.swap(used, Ordering::Relaxed).max(used).max(0) as u64
}

/// From so many bytes on, the pages of a buffer are given back as it is freed. Less is used again soon, and a page that has to be fetched
/// anew costs more than what it holds is worth.
const RELEASE_FROM: usize = 256 * 1024;

/// Frees a buffer that is not needed any more, and gives its pages back to the system at once: the allocator would keep them for a
/// while, and while a buffer grows that would be added to what it takes.
pub(crate) fn release(mut buffer: Vec<u8>) {
    buffer.clear();
    let room = buffer.spare_capacity_mut();
    if room.len() < RELEASE_FROM {
        return;
    }
    let page = rustix::param::page_size();
    let first = room.as_ptr().align_offset(page);
    let pages = room.len().saturating_sub(first) / page * page;
    // SAFETY: whole pages inside of memory that belongs to the buffer and holds nothing any more. What they read as changes, and
    // nobody reads them before writing to them.
    let given =
        unsafe { rustix::mm::madvise(room[first..].as_mut_ptr().cast(), pages, rustix::mm::Advice::LinuxDontNeed) };
    // It is advice: if the system does not take it (locked memory), the pages go back later.
    let _ = given;
}

/// Returns what is free of this thread's memory to the system.
pub(crate) fn collect() {
    mi_collect(true);
}

/// What is really spent on a block of this size.
#[cfg(test)]
pub(crate) fn size_class(size: usize) -> usize {
    mi_good_size(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_of_any_size_can_be_released() {
        for size in [0, 1, RELEASE_FROM - 1, RELEASE_FROM, RELEASE_FROM + 1, 5_000_001] {
            release(vec![7; size]);
            assert!(vec![8; size].iter().all(|&byte| byte == 8), "{size}: what has the same place next is whole");
        }
    }

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
