//! Counts how often a lock was not free at once, to show whether threads hinder each other.
//!
//! A counter stands beside the lock that it describes. Only a thread that finds the lock taken touches it, on its way
//! to wait; taking a free lock costs nothing extra. Each counter has a cache line of its own, so that counting does not
//! slow down access to what lies beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

/// How often locks of one kind were found taken.
#[derive(Debug, Default)]
pub(crate) struct Waits(CachePadded<AtomicU64>);

impl Waits {
    /// Locks, and counts if it has to wait. (The lock would try first by itself, but would not report the failure.)
    #[inline]
    pub(crate) fn lock<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        match lock.try_lock() {
            Some(guard) => guard,
            None => self.wait(lock),
        }
    }

    #[cold]
    fn wait<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        self.count();
        lock.lock()
    }

    /// Locks if that is possible within `patience`, and counts if it has to wait.
    #[inline]
    pub(crate) fn lock_within<'a, T>(&self, lock: &'a Mutex<T>, patience: Duration) -> Option<MutexGuard<'a, T>> {
        lock.try_lock().or_else(|| self.wait_within(lock, patience))
    }

    #[cold]
    fn wait_within<'a, T>(&self, lock: &'a Mutex<T>, patience: Duration) -> Option<MutexGuard<'a, T>> {
        self.count();
        lock.try_lock_for(patience)
    }

    /// Locks if that is possible without waiting, and counts if it is not.
    #[inline]
    pub(crate) fn try_lock<'a, T>(&self, lock: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        lock.try_lock().or_else(|| {
            self.count();
            None
        })
    }

    /// Counts one failed attempt.
    #[cold]
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of failed attempts.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the count to zero.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
