//! The clients that wait for a key: the queues behind BLPOP and its kin.
//!
//! The store keeps the order (first in, first served, per key), knows which changes of a key concern which waiter
//! ([`Wake`]), and nothing else. The request of a waiter is the engine's own type, carried as [`Waiter::request`]. The
//! [`BlockToken`] makes sure that a waiter gets exactly one reply: the thread that moves it from *waiting* to *claimed*
//! tries to serve it. Then it is *served*, or it goes on waiting at its place. The thread that moves it to *gone*
//! (timeout, CLIENT UNBLOCK, a closed connection) takes care of the rest. All moves are compare-and-swaps, so an
//! element is never popped for a client that has left. A waiter in several queues (BLPOP with several keys) shares one
//! token among them.
//!
//! Waiters are part of the slot, so that serving them happens under the lock of the write that made their key ready.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::value::Type;

/// Which changes of a key concern a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    /// The key holds a value of this type.
    pub ty: Type,
    /// The key is gone, or holds something else.
    pub on_gone: bool,
}

impl Wake {
    /// When the key holds a value of this type.
    pub(crate) fn on(ty: Type) -> Self {
        Self { ty, on_gone: false }
    }

    /// Whether a waiter must look at a key that is now of this type; `None` is gone.
    pub(crate) fn is_due(self, now: Option<Type>) -> bool {
        now == Some(self.ty) || self.on_gone
    }
}

const WAITING: u8 = 0;
/// A thread tries to serve it.
const CLAIMED: u8 = 1;
const SERVED: u8 = 2;
const GONE: u8 = 3;
/// A thread tries to serve it, and it has to leave if that fails.
const LEAVING: u8 = 4;

/// Whether a blocked client still waits; the first to change this wins.
#[derive(Debug)]
pub(crate) struct BlockToken {
    state: AtomicU8,
    wake: Wake,
}

impl BlockToken {
    /// A token of a waiting client.
    pub(crate) fn new(wake: Wake) -> Self {
        Self { state: AtomicU8::new(WAITING), wake }
    }

    /// What it waits for.
    pub(crate) fn wake(&self) -> Wake {
        self.wake
    }

    /// Claims the client for serving. `true`: the caller has it, and must call [`BlockToken::serve`] or
    /// [`BlockToken::stay`] under the same locks.
    pub(crate) fn claim(&self) -> bool {
        self.change(WAITING, CLAIMED)
    }

    /// The claimed client has its reply.
    pub(crate) fn serve(&self) {
        self.state.store(SERVED, Ordering::Release);
    }

    /// There is nothing yet for the claimed client: it goes on waiting. `false`: it was asked to leave meanwhile, and
    /// has left now.
    pub(crate) fn stay(&self) -> bool {
        let stays = self.change(CLAIMED, WAITING);
        if !stays {
            self.state.store(GONE, Ordering::Release);
        }
        stays
    }

    /// Stops the client from waiting, without serving it. `true`: it has not been served and will not be.
    pub(crate) fn abandon(&self) -> bool {
        self.change(WAITING, GONE)
    }

    /// As [`BlockToken::abandon`]. `None`: a thread tries to serve it under its slot's lock, and that decides.
    pub(crate) fn abandon_unless_claimed(&self) -> Option<bool> {
        match self.state.compare_exchange(WAITING, GONE, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(true),
            Err(CLAIMED | LEAVING) => None,
            Err(_) => Some(false),
        }
    }

    /// As [`BlockToken::abandon`], but if an attempt to serve it is under way and fails, the client leaves as well.
    pub(crate) fn leave(&self) -> bool {
        loop {
            if self.abandon() {
                return true;
            }
            if self.change(CLAIMED, LEAVING) || self.state.load(Ordering::Acquire) != WAITING {
                return false;
            }
        }
    }

    /// Whether the client still waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Whether the client was served.
    pub(crate) fn is_served(&self) -> bool {
        self.state.load(Ordering::Acquire) == SERVED
    }

    fn has_left(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), SERVED | GONE)
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One place in the queue of one key.
#[derive(Clone)]
pub(crate) struct Waiter {
    /// Shared by all queue entries of the same blocked client.
    pub token: Arc<BlockToken>,
    /// What the client waits for: a type of the engine, which gets it back with `Arc::downcast`.
    pub request: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The queue of one key. A waiter that has left is removed at once if it is the first; others are removed when as many
/// have left as remain. So arriving, being served and leaving take the same time however long the queue is.
#[derive(Debug, Default)]
struct Queue {
    /// Numbered in the order in which they came.
    waiters: VecDeque<(u64, Waiter)>,
    last: u64,
    /// At least so many waiters have left and are still in the queue.
    left: usize,
    /// How many waiters there are of each kind, so that a change that concerns none of them costs nothing.
    kinds: Vec<(Wake, usize)>,
}

impl Queue {
    fn push(&mut self, waiter: Waiter) {
        let wake = waiter.token.wake();
        match self.kinds.iter_mut().find(|(kind, _)| *kind == wake) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((wake, 1)),
        }
        self.last += 1;
        self.waiters.push_back((self.last, waiter));
    }

    fn concerns(&self, now: Option<Type>) -> bool {
        self.kinds.iter().any(|(kind, count)| *count > 0 && kind.is_due(now))
    }

    /// Counts a waiter that was removed from the queue.
    fn uncount(kinds: &mut [(Wake, usize)], token: &BlockToken) {
        let kind = kinds.iter_mut().find(|(kind, _)| *kind == token.wake());
        kind.expect("it was counted when it came").1 -= 1;
    }

    fn remove(&mut self, token: &Arc<BlockToken>) {
        match self.waiters.front() {
            Some((_, first)) if Arc::ptr_eq(&first.token, token) => {
                self.waiters.pop_front();
                Self::uncount(&mut self.kinds, token);
            }
            Some(_) | None => self.left += 1,
        }
        if self.left * 2 > self.waiters.len() {
            let kinds = &mut self.kinds;
            self.waiters.retain(|(_, waiter)| {
                let stays = !waiter.token.has_left() && !Arc::ptr_eq(&waiter.token, token);
                if !stays {
                    Self::uncount(kinds, &waiter.token);
                }
                stays
            });
            self.left = 0;
        }
        self.tidy();
    }

    /// Removes waiters at the front that have left.
    fn tidy(&mut self) {
        while let Some((_, first)) = self.waiters.front()
            && first.token.has_left()
        {
            Self::uncount(&mut self.kinds, &first.token);
            self.waiters.pop_front();
        }
    }
}

/// The queues of a slot.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    queues: BTreeMap<Box<[u8]>, Queue>,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.queues.keys().map(|key| &**key)
    }

    pub(crate) fn push(&mut self, key: &[u8], waiter: Waiter) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.push(waiter);
        } else {
            let mut queue = Queue::default();
            queue.push(waiter);
            self.queues.insert(key.into(), queue);
        }
    }

    /// Whether a change concerns any waiter of a key that is now of this type (`None`: it is gone).
    pub(crate) fn concerns(&self, key: &[u8], now: Option<Type>) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.concerns(now))
    }

    /// The clients that wait for a key, in the order of arrival, after the number `after` (0 is the front), each with
    /// its number.
    pub(crate) fn queue_after(&mut self, key: &[u8], after: u64) -> impl Iterator<Item = (u64, &Waiter)> {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.tidy();
            if queue.waiters.is_empty() {
                self.queues.remove(key);
            }
        }
        let behind = self.queues.get(key).map(|queue| {
            let first = queue.waiters.partition_point(|(number, _)| *number <= after);
            queue.waiters.range(first..)
        });
        let waiters = behind.into_iter().flatten().map(|(number, waiter)| (*number, waiter));
        waiters.filter(|(_, waiter)| waiter.token.is_waiting())
    }

    /// Removes a client that no longer waits from the queue of a key.
    pub(crate) fn remove(&mut self, key: &[u8], token: &Arc<BlockToken>) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.remove(token);
            if queue.waiters.is_empty() {
                self.queues.remove(key);
            }
        }
    }
}

#[cfg(test)]
#[path = "waiters_tests.rs"]
mod tests;
