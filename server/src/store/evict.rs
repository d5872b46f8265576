//! Which key is evicted: the policies, and the pool of the best candidates.
//!
//! To know the key that was not used for the longest time, all keys would have to be in that order, which costs memory
//! and time with every use. So a few keys are sampled, and the least worthy of them goes. What makes this good is the
//! pool: the candidates that were not taken stay in it and compete with the next samples, so over time the pool holds
//! keys from the far end of the order. Redis: evict.c, whose numbers are used here.
//!
//! Everything here is data: slots say what their keys are worth ([`super::Slot::candidate`]), the engine samples slots,
//! locks them, and removes keys.

use protocol::slot::SlotId;

use super::entry::{AccessClock, EntryRef};
use super::hash::KeyHash;
use super::lfu::Lfu;
use crate::base::clock::UnixMillis;

/// Candidates that are kept.
const POOL: usize = 16;

/// Which keys make room (`maxmemory-policy`). The policy `noeviction` is the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Only keys with an expiry are evicted.
    pub volatile: bool,
    pub order: Order,
}

/// In which order keys are evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// First those that were not used for the longest time.
    Lru,
    /// First those that are used least often.
    Lfu(Lfu),
    /// First those that expire soonest.
    Ttl,
    Random,
}

impl Policy {
    /// The policy of this name; `None` for `noeviction`.
    pub(crate) fn of(name: &str, lfu: Lfu) -> Option<Self> {
        let (keys, order) = name.split_once('-')?;
        let order = match order {
            "lru" => Order::Lru,
            "lfu" => Order::Lfu(lfu),
            "ttl" => Order::Ttl,
            _ => Order::Random,
        };
        Some(Self { volatile: keys == "volatile", order })
    }

    /// How little a key is worth: the one with the greatest number goes first.
    pub(crate) fn rate(self, entry: EntryRef<'_>, now: UnixMillis) -> u64 {
        match self.order {
            Order::Lru => u64::from(AccessClock::at(now).seconds_since(entry.access())),
            Order::Lfu(lfu) => u64::from(u8::MAX - lfu.frequency(entry.access(), now)),
            Order::Ttl => u64::MAX - entry.expire_at().and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX),
            Order::Random => 0,
        }
    }

    /// Whether it may evict this key.
    pub(crate) fn admits(self, entry: EntryRef<'_>) -> bool {
        !self.volatile || entry.expire_at().is_some()
    }
}

/// A key that may be evicted, as it was when it was sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// See [`Policy::rate`].
    pub rate: u64,
    pub db: usize,
    pub slot: SlotId,
    pub hash: KeyHash,
    pub key: Box<[u8]>,
}

/// The best candidates of all samples so far, the best one last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
    /// Whose they are: numbers of different policies cannot be compared.
    policy: Option<Policy>,
}

impl Pool {
    /// Prepares the pool for a policy: candidates of another one are forgotten.
    pub(crate) fn begin(&mut self, policy: Policy) {
        if self.policy != Some(policy) {
            self.candidates.clear();
            self.policy = Some(policy);
        }
    }

    /// Adds a candidate if it is better than one of those that are there, or if there is room. `hash` is only computed
    /// for a key that is added.
    pub(crate) fn offer(
        &mut self,
        rate: u64,
        (db, slot): (usize, SlotId),
        key: &[u8],
        hash: impl FnOnce(&[u8]) -> KeyHash,
    ) {
        let is_full = self.candidates.len() >= POOL;
        if is_full && self.candidates[0].rate >= rate {
            return;
        }
        let is_same = |other: &Candidate| other.db == db && other.slot == slot && *other.key == *key;
        if let Some(known) = self.candidates.iter().position(is_same) {
            self.candidates.remove(known);
        } else if is_full {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|other| other.rate < rate);
        self.candidates.insert(at, Candidate { rate, db, slot, hash: hash(key), key: key.into() });
    }

    /// Takes the best one out.
    pub(crate) fn take_best(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }
}

#[cfg(test)]
#[path = "evict_tests.rs"]
mod tests;
