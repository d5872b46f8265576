//! Where tasks wait for a lock that is held, without blocking the thread they run on.
//!
//! A task that finds a lock taken leaves a [`Ticket`] in the [`Parking`] that belongs to the lock, and then tries the
//! lock once more. The holder calls [`Parking::wake_all`] after releasing the lock. So a ticket left after the release
//! finds the lock free, and one left before is woken. The lock is not handed over: woken tasks try again, in the order
//! of arrival.
//!
//! This module depends on no runtime: it only needs a waker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// A waiting task.
#[derive(Debug)]
pub(crate) struct Ticket {
    called: AtomicBool,
    waker: Waker,
}

impl Ticket {
    /// A ticket for the task behind `waker`.
    pub(crate) fn new(waker: &Waker) -> Arc<Self> {
        Arc::new(Self { called: AtomicBool::new(false), waker: waker.clone() })
    }

    /// Whether the ticket was called.
    pub(crate) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

/// Tickets in the order of arrival. The locks that share this parking are told apart by `K`.
#[derive(Debug)]
pub(crate) struct Parking<K>(Mutex<Vec<(K, Arc<Ticket>)>>);

impl<K> Default for Parking<K> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq> Parking<K> {
    /// Leaves a ticket for the lock `key`.
    pub(crate) fn leave(&self, key: K, ticket: Arc<Ticket>) {
        self.0.lock().push((key, ticket));
    }

    /// Calls all tickets for the lock `key`.
    pub(crate) fn wake_all(&self, key: &K) {
        let called: Vec<_> = self.0.lock().extract_if(.., |(wanted, _)| wanted == key).collect();
        called.iter().for_each(|(_, ticket)| ticket.call());
    }

    /// Whether any ticket waits for the lock `key`.
    #[cfg(test)]
    pub(crate) fn is_awaited(&self, key: &K) -> bool {
        self.0.lock().iter().any(|(wanted, _)| wanted == key)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_for_another_lock_is_not_called() {
        let count = Arc::new(Count(0.into()));
        let waker = Waker::from(count.clone());
        let parking = Parking::default();
        let tickets = [1, 2, 1].map(|key| {
            let ticket = Ticket::new(&waker);
            parking.leave(key, ticket.clone());
            ticket
        });
        parking.wake_all(&1);
        assert_eq!(tickets.map(|ticket| ticket.is_called()), [true, false, true]);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(parking.is_awaited(&2) && !parking.is_awaited(&1));
    }
}
