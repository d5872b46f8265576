//! Who waits for a key: the queue behind BLPOP and its kin.
//!
//! The store keeps the order (first in, first served, per key) and nothing else. What a waiter wants is the engine's
//! own type, carried as [`Waiter::request`]; that a waiter gets exactly one answer is the work of its [`BlockToken`]:
//! whoever moves it from *waiting* to *claimed* has to answer, and whoever moves it to *gone* (time-out, CLIENT
//! UNBLOCK, a closed connection) takes care of the rest. Both happen by one compare-and-swap, so an element is never
//! popped for a client that has left. A waiter that stands in several queues (BLPOP with several keys) shares one token
//! among them.
//!
//! Waiters live in the slot, so that serving them happens under the lock of the write that made their key ready.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const GONE: u8 = 2;

/// Whether a blocked client still waits; the first to change it has won.
#[derive(Debug, Default)]
pub struct BlockToken(AtomicU8);

impl BlockToken {
    /// A token of someone who waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the client for serving. `true`: it is ours, and it must now be answered.
    pub fn claim(&self) -> bool {
        self.leave(CLAIMED)
    }

    /// Takes the client off waiting, without serving it. `true`: nobody has served or will serve it.
    pub fn abandon(&self) -> bool {
        self.leave(GONE)
    }

    /// Whether the client still waits.
    pub fn is_waiting(&self) -> bool {
        self.0.load(Ordering::Acquire) == WAITING
    }

    fn leave(&self, to: u8) -> bool {
        self.0.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One place in the queue of one key.
#[derive(Clone)]
pub struct Waiter {
    /// Shared by all places of the same blocked client.
    pub token: Arc<BlockToken>,
    /// What the client waits for: a type of the engine, which gets it back with `Arc::downcast`.
    pub request: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The queue of one key. Whoever has left waiting is taken out at once if he is the first, or else when as many have left as
/// stay: so coming, being served and leaving take the same time however long the queue is. The first one waits, unless he has
/// left just now.
#[derive(Debug, Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    /// At least so many of them have been removed and are still here.
    left: usize,
}

impl Queue {
    fn remove(&mut self, token: &Arc<BlockToken>) {
        match self.waiters.front() {
            Some(first) if Arc::ptr_eq(&first.token, token) => {
                self.waiters.pop_front();
            }
            Some(_) | None => self.left += 1,
        }
        if self.left * 2 > self.waiters.len() {
            self.waiters.retain(|waiter| waiter.token.is_waiting() && !Arc::ptr_eq(&waiter.token, token));
            self.left = 0;
        }
        self.tidy();
    }

    /// Takes those out who have left before the first that waits.
    fn tidy(&mut self) {
        while self.waiters.front().is_some_and(|waiter| !waiter.token.is_waiting()) {
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
            queue.waiters.push_back(waiter);
        } else {
            self.queues.insert(key.into(), Queue { waiters: VecDeque::from([waiter]), left: 0 });
        }
    }

    /// Those who wait for a key, first come first.
    pub(crate) fn queue(&mut self, key: &[u8]) -> impl Iterator<Item = &Waiter> {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.tidy();
            if queue.waiters.is_empty() {
                self.queues.remove(key);
            }
        }
        let waiters = self.queues.get(key).into_iter().flat_map(|queue| &queue.waiters);
        waiters.filter(|waiter| waiter.token.is_waiting())
    }

    /// Removes a client, who has left waiting, from the queue of a key.
    pub(crate) fn remove(&mut self, key: &[u8], token: &Arc<BlockToken>) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.remove(token);
            if queue.waiters.is_empty() {
                self.queues.remove(key);
            }
        }
    }

    /// Empties all queues.
    pub(crate) fn drain(&mut self) -> Vec<(Box<[u8]>, VecDeque<Waiter>)> {
        std::mem::take(&mut self.queues).into_iter().map(|(key, queue)| (key, queue.waiters)).collect()
    }
}

#[cfg(test)]
#[path = "waiters_tests.rs"]
mod tests;
