//! Client-side caching: clients are notified when a key that they have read changes.
//!
//! When a tracking client reads a key, the engine notes it in the [`table`], under the lock of the key's slot. A
//! command that changes a key notes that in its effects, which are drained under the same lock. So a change comes
//! either before the read, or after it and then the reader is notified. Clients in broadcasting mode are notified of
//! every changed key that begins with one of their [`prefixes`], at the end of a batch. This module holds the data;
//! `engine/tracking.rs` does the work.
//!
//! A message goes through the mailbox like a published one. It follows the reply of the command that caused it, or the
//! whole reply of an EXEC, since a connection takes its mail between two commands. Unread messages are bounded by the
//! client's output buffer limit.
//!
//! If no connected client has ever enabled tracking, a read costs one check of the session and a change one relaxed
//! load ([`Tracking::is_on`]).
//!
//! Redis: tracking.c.

pub(crate) mod message;
mod prefixes;
pub(crate) mod table;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::Session;
use super::client::ClientId;
use super::client::tracker::Mode;
use crate::base::rng::Rng;
pub(crate) use prefixes::OwnPrefixes;
use prefixes::Prefixes;
use table::Table;

/// What a session keeps once it has tracked.
#[derive(Debug, Default)]
pub(crate) struct OwnTracking {
    /// Its prefixes in broadcasting mode.
    pub prefixes: OwnPrefixes,
}

/// The tracking of a node.
pub(crate) struct Tracking {
    pub table: Table,
    pub all_prefixes: Mutex<Prefixes>,
    /// The number of different prefixes.
    prefix_count: AtomicUsize,
    /// Clients that track.
    clients: AtomicUsize,
    /// Connections that have ever tracked: they may still have to be notified of what they read. Changed under the lock
    /// of `prefixes`.
    concerned: AtomicUsize,
    /// `tracking-table-max-keys`; 0 is no limit.
    max_keys: AtomicUsize,
    /// There are changes to announce at the end of the batch.
    pub due: AtomicBool,
    /// State of the random numbers.
    seed: AtomicU64,
}

impl Tracking {
    /// No client tracks yet; `seed` starts the random numbers.
    pub(crate) fn new(seed: u64, max_keys: usize) -> Self {
        Self {
            table: Table::new(),
            all_prefixes: Mutex::default(),
            prefix_count: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            concerned: AtomicUsize::new(0),
            max_keys: AtomicUsize::new(max_keys),
            due: AtomicBool::new(false),
            seed: AtomicU64::new(seed),
        }
    }

    /// Whether a change may concern any client.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.concerned.load(Ordering::Relaxed) != 0
    }

    /// Clients that track (INFO).
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Keys that are remembered (INFO).
    pub(crate) fn keys(&self) -> usize {
        self.table.keys()
    }

    /// Readers that are remembered, of all keys together (INFO).
    pub(crate) fn items(&self) -> usize {
        self.table.items()
    }

    /// Different prefixes (INFO).
    pub(crate) fn prefixes(&self) -> usize {
        self.prefix_count.load(Ordering::Relaxed)
    }

    /// Applies `tracking-table-max-keys`.
    pub(crate) fn set_max_keys(&self, max_keys: usize) {
        self.max_keys.store(max_keys, Ordering::Relaxed);
        if self.is_too_large() {
            self.due.store(true, Ordering::Release);
        }
    }

    /// Whether more keys are remembered than are allowed.
    pub(crate) fn is_too_large(&self) -> bool {
        let max_keys = self.max_keys.load(Ordering::Relaxed);
        max_keys != 0 && self.table.keys() > max_keys
    }

    /// A random number.
    pub(crate) fn chance(&self) -> u64 {
        Rng::new(self.seed.fetch_add(1, Ordering::Relaxed)).next_u64()
    }

    /// Enables tracking for a session, or changes its mode. `prefixes` are added to those that it has.
    pub(crate) fn enable(&self, session: &mut Session, mode: Mode, redirect: ClientId, prefixes: &[&[u8]]) {
        let handle = session.handle.clone();
        let mut all = self.all_prefixes.lock();
        let own = session.tracking.get_or_insert_with(|| {
            self.concerned.fetch_add(1, Ordering::Relaxed);
            Box::default()
        });
        if !handle.tracker.mode().has(Mode::ON) {
            self.clients.fetch_add(1, Ordering::Relaxed);
        }
        if mode.has(Mode::BCAST) {
            let everything: &[&[u8]] = &[b""];
            for name in if prefixes.is_empty() { everything } else { prefixes } {
                if own.prefixes.insert(name) {
                    all.add(name, handle.id);
                }
            }
            self.prefix_count.store(all.len(), Ordering::Relaxed);
        }
        handle.tracker.set(mode.and(Mode::ON), redirect);
        session.tracks_reads = !mode.has(Mode::BCAST);
    }

    /// Disables tracking. What the client has read stays in the table, as in Redis: it may enable tracking again.
    pub(crate) fn disable(&self, session: &mut Session) {
        let Some(own) = &mut session.tracking else { return };
        if !session.handle.tracker.mode().has(Mode::ON) {
            return;
        }
        let mut all = self.all_prefixes.lock();
        let names = std::mem::take(&mut own.prefixes);
        names.iter().for_each(|name| all.remove(name, session.handle.id));
        self.prefix_count.store(all.len(), Ordering::Relaxed);
        self.clients.fetch_sub(1, Ordering::Relaxed);
        session.handle.tracker.set(Mode::OFF, 0);
        session.tracks_reads = false;
        session.caching = false;
    }

    /// A connection ends. If it was the last one that had tracked, nothing needs to be remembered.
    pub(crate) fn leave(&self, session: &mut Session) {
        self.disable(session);
        if session.tracking.take().is_some() {
            let _all = self.all_prefixes.lock();
            if self.concerned.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.table.clear();
            }
        }
    }
}
