//! Large tables that are mostly empty: memory of the system, outside the allocator.
//!
//! The system gives a page of a mapping when it is first touched, so a table costs what is used of it. The allocator
//! would count all of it as soon as it exists: a database that gets its first key would seem to grow by a megabyte.
//! Therefore `used_memory` leaves these tables out, as it does stacks and code; what is touched of them is in
//! `used_memory_rss`.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// A type of which zero bytes are a value.
///
/// # Safety
/// A value must be valid when all its bytes are zero.
pub(crate) unsafe trait Zeroable {}

// SAFETY: zero is a value of an atomic integer.
unsafe impl Zeroable for AtomicU64 {}
// SAFETY: an array is nothing but its elements.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

/// A value of a size that deserves a mapping of its own, which began as zero bytes.
pub(crate) struct Mapped<T>(NonNull<T>);

// SAFETY: it owns its value as a box does.
unsafe impl<T: Send> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

impl<T: Zeroable> Mapped<T> {
    /// A zeroed value. Ends the process if the system has no address space left, as the allocator does.
    pub(crate) fn zeroed() -> Self {
        let layout = Layout::new::<T>();
        assert!(layout.size() != 0 && layout.align() <= rustix::param::page_size(), "a mapping has whole pages");
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at a place of the system's choice touches no other memory.
        let mapped = unsafe { mmap_anonymous(null_mut(), layout.size(), ProtFlags::READ | ProtFlags::WRITE, flags) };
        match mapped.ok().and_then(|start| NonNull::new(start.cast())) {
            Some(start) => Self(start),
            None => handle_alloc_error(layout),
        }
    }
}

impl<T> Deref for Mapped<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the mapping has room for an aligned value, which is valid from the beginning ([`Zeroable`]), and
        // lives as long as this.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: nobody else has the value or the mapping, and neither is used after this.
        let unmapped = unsafe {
            self.0.as_ptr().drop_in_place();
            munmap(self.0.as_ptr().cast(), size_of::<T>())
        };
        debug_assert!(unmapped.is_ok(), "it was mapped with this length");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    struct Cell(Mutex<Option<Arc<()>>>);

    // SAFETY: an unlocked mutex is a zero byte, and no pointer is null.
    unsafe impl Zeroable for Cell {}

    #[test]
    fn a_table_begins_as_zero_and_drops_its_elements() {
        let counted = Arc::new(());
        let table = Mapped::<[Cell; 10_000]>::zeroed();
        assert!(table.iter().all(|cell| cell.0.lock().is_none()));
        for cell in table.iter().step_by(100) {
            *cell.0.lock() = Some(counted.clone());
        }
        assert_eq!(Arc::strong_count(&counted), 101);
        drop(table);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
