//! Where tasks wait for a lock that is held, without blocking the thread they run on.
//!
//! A task that finds a lock taken leaves a [`Ticket`] in the [`Parking`] that belongs to the lock, and then tries the
//! lock once more. The holder calls [`Parking::wake_all`] after releasing the lock. So a ticket left after the release
//! finds the lock free, and one left before is woken. The lock is not handed over: woken tasks try again, in the order
//! of arrival.
//!
//! This module depends on no runtime: it only needs a waker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
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
///
/// A ticket belongs to the task that waits. One whose task has gone is swept out at the latest when the tickets have
/// doubled in number, so there are never more than twice as many as tasks that wait, and a few.
#[derive(Debug)]
pub(crate) struct Parking<K>(Mutex<Tickets<K>>);

#[derive(Debug)]
struct Tickets<K> {
    list: Vec<(K, Weak<Ticket>)>,
    /// At this number those without a task are swept out.
    sweep_at: usize,
}

/// So few tickets are not swept.
const FEW: usize = 16;

impl<K> Default for Parking<K> {
    fn default() -> Self {
        Self(Mutex::new(Tickets { list: Vec::new(), sweep_at: FEW }))
    }
}

impl<K: PartialEq> Parking<K> {
    /// Leaves a ticket for the lock `key`. It counts for as long as the task keeps it.
    pub(crate) fn leave(&self, key: K, ticket: &Arc<Ticket>) {
        let mut tickets = self.0.lock();
        if tickets.list.len() >= tickets.sweep_at {
            tickets.list.retain(|(_, ticket)| ticket.strong_count() > 0);
            tickets.sweep_at = (2 * tickets.list.len()).max(FEW);
        }
        tickets.list.push((key, Arc::downgrade(ticket)));
    }

    /// Calls all tickets for the lock `key`.
    pub(crate) fn wake_all(&self, key: &K) {
        let called: Vec<_> = self.0.lock().list.extract_if(.., |(wanted, _)| wanted == key).collect();
        called.iter().filter_map(|(_, ticket)| ticket.upgrade()).for_each(|ticket| ticket.call());
    }

    /// Whether any ticket was left for the lock `key` and not called.
    pub(crate) fn is_awaited(&self, key: &K) -> bool {
        self.0.lock().list.iter().any(|(wanted, ticket)| wanted == key && ticket.strong_count() > 0)
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
            parking.leave(key, &ticket);
            ticket
        });
        parking.wake_all(&1);
        assert_eq!(tickets.each_ref().map(|ticket| ticket.is_called()), [true, false, true]);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(parking.is_awaited(&2) && !parking.is_awaited(&1));
    }

    /// Tasks that give up waiting again and again must not fill the memory while the lock is held.
    #[test]
    fn tickets_of_tasks_that_are_gone_do_not_pile_up() {
        let waker = Waker::from(Arc::new(Count(0.into())));
        let parking = Parking::default();
        let kept: Vec<_> = (0..100).map(|_| Ticket::new(&waker)).collect();
        kept.iter().for_each(|ticket| parking.leave(1, ticket));
        for _ in 0..10_000 {
            parking.leave(1, &Ticket::new(&waker));
        }
        assert!(parking.0.lock().list.len() <= 2 * kept.len());
        parking.wake_all(&1);
        assert!(kept.iter().all(|ticket| ticket.is_called()));
    }
}
