//! Counting what was not to be had at once, for whoever wants to know whether threads are in each other's way.
//!
//! A counter stands beside the lock that it tells of and is touched by those alone who found the lock taken, on their way to wait for it:
//! who gets it at the first try pays nothing. It has a cache line of its own, so that counting does not slow down what lies beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

/// How often one kind of lock was taken when somebody came for it.
#[derive(Debug, Default)]
pub(crate) struct Waits(CachePadded<AtomicU64>);

impl Waits {
    /// Locks, and counts if that takes a wait. (The lock would try first by itself, but not tell.)
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

    /// Locks, if that can be done within `patience`, and counts if it takes a wait.
    #[inline]
    pub(crate) fn lock_within<'a, T>(&self, lock: &'a Mutex<T>, patience: Duration) -> Option<MutexGuard<'a, T>> {
        lock.try_lock().or_else(|| self.wait_within(lock, patience))
    }

    #[cold]
    fn wait_within<'a, T>(&self, lock: &'a Mutex<T>, patience: Duration) -> Option<MutexGuard<'a, T>> {
        self.count();
        lock.try_lock_for(patience)
    }

    /// Locks unless that takes a wait, and counts if it would.
    #[inline]
    pub(crate) fn try_lock<'a, T>(&self, lock: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        lock.try_lock().or_else(|| {
            self.count();
            None
        })
    }

    /// Somebody came in vain.
    #[cold]
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins anew.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
