//! The allocator: mimalloc, with a count of the bytes in use and a way to return free memory to the system.
//!
//! INFO's `used_memory` is what the program uses, not what the system has lent it; only the allocator knows that. Each
//! thread adds up its own allocations and adds its sum to the total once it exceeds [`BATCH`] bytes, so counting costs
//! a few instructions and no shared cache line. The total is exact to [`BATCH`] bytes per thread.
//!
//! A page of mimalloc belongs to the thread that made it. What other threads free in it returns to that thread only,
//! and only when that thread asks; FLUSHALL, for example, runs on one worker and frees keys that all workers made. So
//! [`collect`] has to be called on each thread, which [`crate::runtime::threads`] does.
//!
//! A global allocator cannot be passed in as a value, and neither can its counter. In a program with another allocator
//! the counter stays zero and collecting finds nothing; INFO then uses resident memory instead.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

use mimalloc::MiMalloc;

/// The allocator of the program `slotd`.
#[derive(Debug)]
pub struct Allocator;

/// A thread adds its sum to the total when the sum exceeds so many bytes.
const BATCH: isize = 32 * 1024;

/// Bytes in use, except what threads have not added yet.
static USED: AtomicIsize = AtomicIsize::new(0);

/// The maximum of [`USED`] since it was last read.
static MOST: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// What this thread has not added yet. It has no destructor, so it can be used until the very end of the thread.
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

/// Adds what its thread has not told to the total when it is dropped.
#[derive(Debug)]
pub(crate) struct Told;

impl Drop for Told {
    fn drop(&mut self) {
        tell_rest();
    }
}

/// Adds what this thread has not told to the total. Called when it ends.
pub(crate) fn tell_rest() {
    tell(UNTOLD.take());
}

/// Adds a thread's sum to the total.
#[cold]
fn tell(sum: isize) {
    let used = USED.fetch_add(sum, Ordering::Relaxed) + sum;
    // Read first: a new maximum is rare, and a value that is only read stays in every core's cache.
    if used > MOST.load(Ordering::Relaxed) {
        MOST.fetch_max(used, Ordering::Relaxed);
    }
}

// SAFETY: every method forwards to mimalloc; counting allocates nothing.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is mimalloc's condition.
        unsafe { if is_aligned_anyway(layout) { mi_malloc(layout.size()) } else { MiMalloc.alloc(layout) } }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { if is_aligned_anyway(layout) { mi_zalloc(layout.size()) } else { MiMalloc.alloc_zeroed(layout) } }
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

/// Whether mimalloc aligns a block of this size so without being asked to, which costs a third of asking
/// (mimalloc: `mi_malloc_is_naturally_aligned`).
#[inline(always)]
const fn is_aligned_anyway(layout: Layout) -> bool {
    layout.align() <= 16 && layout.align() <= layout.size()
}

unsafe extern "C" {
    /// A block of so many bytes; null if there is none.
    safe fn mi_malloc(size: usize) -> *mut u8;
    /// The same, filled with zeros.
    safe fn mi_zalloc(size: usize) -> *mut u8;
    /// Collects what other threads have freed of this thread's memory, and with `force` returns every free page to the
    /// system.
    safe fn mi_collect(force: bool);
    /// What a block of this size really takes.
    #[cfg(test)]
    safe fn mi_good_size(size: usize) -> usize;
}

/// Bytes in use by the whole program, exact for what the calling thread has allocated; 0 if the program has another
/// allocator.
#[inline]
pub(crate) fn used() -> u64 {
    (USED.load(Ordering::Relaxed) + UNTOLD.get()).max(0) as u64
}

/// The most that was in use at once since the last call, to [`BATCH`] bytes per thread. A caller that looks only now
/// and then still sees memory that came and went between two looks.
pub(crate) fn take_most() -> u64 {
    let used = USED.load(Ordering::Relaxed);
    MOST.swap(used, Ordering::Relaxed).max(used).max(0) as u64
}

/// Buffers of at least this size give their pages back when they are freed. Smaller ones are reused soon, and fetching
/// a page again costs more than keeping it.
const RELEASE_FROM: usize = 256 * 1024;

/// Frees a buffer and gives its pages back to the system at once. The allocator would keep them for a while; while a
/// buffer grows, the old pages would then count in addition to the new ones.
pub(crate) fn release(mut buffer: Vec<u8>) {
    buffer.clear();
    let room = buffer.spare_capacity_mut();
    if room.len() < RELEASE_FROM {
        return;
    }
    let page = rustix::param::page_size();
    let first = room.as_ptr().align_offset(page);
    let pages = room.len().saturating_sub(first) / page * page;
    // SAFETY: these are whole pages inside memory that belongs to the buffer and holds nothing any more. Their contents
    // change, but they are written before they are read again.
    let given =
        unsafe { rustix::mm::madvise(room[first..].as_mut_ptr().cast(), pages, rustix::mm::Advice::LinuxDontNeed) };
    // This is advice: if the system does not follow it (locked memory), the pages go back later.
    let _ = given;
}

/// Returns this thread's free memory to the system.
pub(crate) fn collect() {
    mi_collect(true);
}

/// What a block of this size really takes.
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
        // SAFETY: the layout is not empty; each block is freed once, with the layout that it has then.
        unsafe {
            let place = Allocator.alloc_zeroed(layout);
            assert!(!place.is_null());
            assert_eq!(sum() - before, 1 << 20);
            let place = Allocator.realloc(place, layout, 1 << 21);
            assert_eq!(sum() - before, 1 << 21);
            Allocator.dealloc(place, Layout::from_size_align(1 << 21, 8).expect("a valid layout"));
        }
        assert_eq!(sum(), before);
        // What a thread has not told when it ends.
        let thread = crate::base::thread::spawn("test", || count(1000)).expect("a thread");
        thread.join().expect("no panic");
        assert_eq!(sum() - before, 1000);
        count(-1000);
        collect();
    }
}
