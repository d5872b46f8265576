//! Client-side caching: clients are told when what they have read changes.
//!
//! A client that tracks reads a key, and [`Engine::remember_read`] notes it in the [`table`], under the slot's lock it read under. Whoever
//! changes a key notes that in its effects; they are drained under the same lock ([`Engine::invalidate`]), so a change comes either
//! before the read or after it, and then the reader is told.
//! Clients in the broadcasting mode are told of everything below their [`prefixes`], at the end of a batch ([`Engine::settle_tracking`]).
//!
//! A message is mail like a published one. It comes behind the reply of the command that caused it, and behind an EXEC as a whole, since a
//! connection takes its mail between two commands. What a client leaves unread is bounded by its output buffer limit.
//!
//! While no connected client has ever asked for tracking, a read costs a look at the session and a change one relaxed load
//! ([`Tracking::is_on`]).
//!
//! Redis: tracking.c.

pub mod commands;
mod message;
mod prefixes;
mod table;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::resp::Args;
use protocol::slot::SlotId;

use super::Engine;
use super::client::{ClientHandle, ClientId, Mail};
use super::registry::Command;
use super::session::Session;
use crate::base::rng::Rng;
use crate::command::Flags;
use crate::command::effects::Invalid;
use crate::command::keys::{KeyPositions, extract};
use message::{Message, protocol_of};
pub use prefixes::OwnPrefixes;
use prefixes::Prefixes;
use table::{Table, Taken};

/// How a client tracks: what others need to know of it. Its own worker changes it, except for [`Mode::BROKEN`].
#[derive(Debug, Default)]
pub struct Tracker {
    mode: AtomicU8,
    redirect: AtomicU64,
}

/// The bits of [`Tracker::mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u8);

impl Mode {
    pub const OFF: Mode = Mode(0);
    pub const ON: Mode = Mode(1);
    /// It is told of all keys below its prefixes.
    pub const BCAST: Mode = Mode(1 << 1);
    /// Keys are tracked only after CLIENT CACHING YES.
    pub const OPTIN: Mode = Mode(1 << 2);
    /// Keys are not tracked after CLIENT CACHING NO.
    pub const OPTOUT: Mode = Mode(1 << 3);
    /// It does not hear of its own changes.
    pub const NOLOOP: Mode = Mode(1 << 4);
    /// The client that is to hear instead is gone.
    pub const BROKEN: Mode = Mode(1 << 5);

    /// What is in either.
    #[must_use]
    pub fn and(self, other: Mode) -> Mode {
        Mode(self.0 | other.0)
    }

    /// Whether any of these is in it.
    pub fn has(self, other: Mode) -> bool {
        self.0 & other.0 != 0
    }
}

impl Tracker {
    pub fn mode(&self) -> Mode {
        Mode(self.mode.load(Ordering::Relaxed))
    }

    /// The client that hears instead of this one; 0 is none. Holds while the client tracks.
    pub fn redirect(&self) -> ClientId {
        self.redirect.load(Ordering::Relaxed)
    }

    /// As CLIENT GETREDIR and CLIENT LIST tell it.
    pub fn told_redirect(&self) -> i64 {
        if self.mode().has(Mode::ON) { self.redirect() as i64 } else { -1 }
    }

    fn set(&self, mode: Mode, redirect: ClientId) {
        self.redirect.store(redirect, Ordering::Relaxed);
        self.mode.store(mode.0, Ordering::Relaxed);
    }

    fn note_broken(&self) {
        self.mode.fetch_or(Mode::BROKEN.0, Ordering::Relaxed);
    }
}

/// What a session keeps that has tracked at any time.
#[derive(Debug, Default)]
pub struct OwnTracking {
    /// What it is told of in the broadcasting mode.
    pub(super) prefixes: OwnPrefixes,
}

/// The tracking of a node.
pub struct Tracking {
    table: Table,
    prefixes: Mutex<Prefixes>,
    /// Prefixes that there are.
    prefix_count: AtomicUsize,
    /// Clients that track.
    clients: AtomicUsize,
    /// Connections that have ever tracked: they can still be told of what they read. Changed under the lock of `prefixes`.
    concerned: AtomicUsize,
    /// `tracking-table-max-keys`; 0 is no limit.
    max_keys: AtomicUsize,
    /// There is something for [`Engine::settle_tracking`].
    due: AtomicBool,
    /// Source of chance.
    seed: AtomicU64,
}

/// Keys that are dropped from a table that is too large before others have their turn.
const DROPPED_AT_ONCE: usize = 1000;
/// The same, when one was added: more than one, or else a table whose limit was lowered would not shrink.
const DROPPED_PER_KEY: usize = 10;

impl Tracking {
    pub(super) fn new(seed: u64, max_keys: usize) -> Self {
        Self {
            table: Table::new(),
            prefixes: Mutex::default(),
            prefix_count: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            concerned: AtomicUsize::new(0),
            max_keys: AtomicUsize::new(max_keys),
            due: AtomicBool::new(false),
            seed: AtomicU64::new(seed),
        }
    }

    /// Whether a change may concern anybody.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.concerned.load(Ordering::Relaxed) != 0
    }

    /// Clients that track (INFO).
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Keys that are remembered (INFO).
    pub fn keys(&self) -> usize {
        self.table.keys()
    }

    /// Readers that are remembered, of all keys together (INFO).
    pub fn items(&self) -> usize {
        self.table.items()
    }

    /// Different prefixes (INFO).
    pub fn prefixes(&self) -> usize {
        self.prefix_count.load(Ordering::Relaxed)
    }

    /// Obeys `tracking-table-max-keys`.
    pub(super) fn set_max_keys(&self, max_keys: usize) {
        self.max_keys.store(max_keys, Ordering::Relaxed);
        if self.is_too_large() {
            self.due.store(true, Ordering::Release);
        }
    }

    fn is_too_large(&self) -> bool {
        let max_keys = self.max_keys.load(Ordering::Relaxed);
        max_keys != 0 && self.table.keys() > max_keys
    }

    fn chance(&self) -> u64 {
        Rng::new(self.seed.fetch_add(1, Ordering::Relaxed)).next_u64()
    }

    /// Switches tracking on for a session, or to another mode. `prefixes` are added to those that it has.
    fn enable(&self, session: &mut Session, mode: Mode, redirect: ClientId, prefixes: &[&[u8]]) {
        let handle = session.handle.clone();
        let mut all = self.prefixes.lock();
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

    /// Switches tracking off. What the client has read stays in the table, as with Redis: it may track again.
    pub(super) fn disable(&self, session: &mut Session) {
        let Some(own) = &mut session.tracking else { return };
        if !session.handle.tracker.mode().has(Mode::ON) {
            return;
        }
        let mut all = self.prefixes.lock();
        let names = std::mem::take(&mut own.prefixes);
        names.iter().for_each(|name| all.remove(name, session.handle.id));
        self.prefix_count.store(all.len(), Ordering::Relaxed);
        self.clients.fetch_sub(1, Ordering::Relaxed);
        session.handle.tracker.set(Mode::OFF, 0);
        session.tracks_reads = false;
        session.caching = false;
    }

    /// A connection ends. Without anybody who could be told, nothing needs to be remembered.
    pub(super) fn leave(&self, session: &mut Session) {
        self.disable(session);
        if session.tracking.take().is_some() {
            let _all = self.prefixes.lock();
            if self.concerned.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.table.clear();
            }
        }
    }
}

impl Engine {
    /// Notes what a session that tracks has read. Called under the locks of the command's slots, after it has run.
    #[cold]
    pub(super) fn remember_read(&self, session: &Session, command: &Command, args: Args<'_>) {
        let mode = session.handle.tracker.mode();
        let opted = if session.caching { !mode.has(Mode::OPTOUT) } else { !mode.has(Mode::OPTIN) };
        let mut positions = KeyPositions::new();
        if !command.flags.has(Flags::READONLY) || !opted || extract(command.spec, args, &mut positions).is_err() {
            return;
        }
        for (position, _) in positions {
            let Some(key) = args.get(position as usize) else { continue };
            self.tracking.table.add(key, session.handle.id, |id| self.clients.get(id).is_some());
            for _ in 0..DROPPED_PER_KEY {
                // Nobody has changed what is dropped: a client that does not hear of its own changes hears of this.
                if !(self.tracking.is_too_large() && self.drop_tracked_key(0)) {
                    break;
                }
            }
        }
    }

    /// Tells who has read a key that it changed. `by` is the client that changed it, 0 is nobody. `hold_own`: if `by` itself is to be
    /// told, that is left to the caller; whether it is.
    pub(super) fn invalidate(&self, by: ClientId, Invalid { key, by_nobody }: Invalid<'_>, hold_own: bool) -> bool {
        if self.tracking.prefixes() != 0 {
            let changed_by = if by_nobody { 0 } else { by };
            if self.tracking.prefixes.lock().note(key, changed_by) {
                self.tracking.due.store(true, Ordering::Release);
            }
        }
        let readers = self.tracking.table.take(key);
        let is_own = hold_own && readers.contains(&by);
        let mut message = Message::of_key(key);
        for reader in readers.into_iter().filter(|reader| !is_own || *reader != by) {
            self.tell_reader(reader, by, &mut message);
        }
        is_own
    }

    /// Tells everybody who tracks to forget everything: a database was emptied. Called where nobody can read meanwhile.
    pub fn invalidate_all(&self) {
        if !self.tracking.is_on() {
            return;
        }
        self.tracking.table.clear();
        for client in self.clients.all() {
            if client.tracker.mode().has(Mode::ON) {
                self.tell(&client, &mut Message::everything(protocol_of(&client)));
            }
        }
    }

    /// Tells who has read keys of the slots that `which` picks: they are served elsewhere now, and change there unseen. An item is some of
    /// the work, of a bounded size.
    pub fn invalidate_slots<'a>(&'a self, which: &'a dyn Fn(SlotId) -> bool) -> impl Iterator<Item = ()> + 'a {
        self.tracking
            .table
            .take_slots(which)
            .map(|taken| taken.into_iter().for_each(|taken| self.tell_readers(taken, 0)))
    }

    /// Does what was left for the end of a batch: tells of what has changed below prefixes, and drops what is too much.
    #[inline]
    pub fn settle_tracking(&self) {
        if self.tracking.due.load(Ordering::Relaxed) {
            self.settle_tracking_now();
        }
    }

    #[cold]
    fn settle_tracking_now(&self) {
        self.tracking.due.store(false, Ordering::Release);
        let news = self.tracking.prefixes.lock().take_news();
        for news in news {
            let mut message = Message::of_keys(news.changed.keys().map(|key| &**key));
            for id in news.clients {
                let Some(client) = self.clients.get(id) else { continue };
                if !client.tracker.mode().has(Mode::NOLOOP) {
                    self.tell(&client, &mut message);
                    continue;
                }
                let others: Vec<_> = news.changed.iter().filter(|(_, by)| **by != id).map(|(key, _)| &**key).collect();
                if !others.is_empty() {
                    self.tell(&client, &mut Message::of_keys(others));
                }
            }
        }
        let mut left = DROPPED_AT_ONCE;
        while left > 0 && self.tracking.is_too_large() && self.drop_tracked_key(0) {
            left -= 1;
        }
        if left == 0 {
            self.tracking.due.store(true, Ordering::Release);
        }
    }

    /// Drops a key that chance picks from the table; whether there was one.
    fn drop_tracked_key(&self, by: ClientId) -> bool {
        let Some(taken) = self.tracking.table.take_any(self.tracking.chance()) else { return false };
        self.tell_readers(taken, by);
        true
    }

    fn tell_readers(&self, (key, readers): Taken, by: ClientId) {
        let mut message = Message::of_key(&key);
        readers.into_iter().for_each(|reader| self.tell_reader(reader, by, &mut message));
    }

    fn tell_reader(&self, reader: ClientId, by: ClientId, message: &mut Message<'_>) {
        let Some(client) = self.clients.get(reader) else { return };
        let mode = client.tracker.mode();
        // One that has gone over to broadcasting hears of what it read before only there.
        let listens = mode.has(Mode::ON) && !mode.has(Mode::BCAST) && !(reader == by && mode.has(Mode::NOLOOP));
        if listens {
            self.tell(&client, message);
        }
    }

    /// Tells a client that a key which it has read has changed, if it wants to hear of its own changes.
    pub fn tell_own(&self, client: &ClientHandle, key: &[u8]) {
        self.tell_reader(client.id, client.id, &mut Message::of_key(key));
    }

    /// Sends a message to a client that tracks, or to the one that hears instead.
    fn tell(&self, client: &ClientHandle, message: &mut Message<'_>) {
        let redirect = client.tracker.redirect();
        if redirect == 0 {
            // With RESP2 there is nothing but replies.
            if let Some(bytes) = message.push_for(client) {
                self.push(client, bytes);
            }
            return;
        }
        let Some(receiver) = self.clients.get(redirect) else {
            client.tracker.note_broken();
            if protocol_of(client).version() == 3 {
                self.push(client, message::redirection_broken(redirect));
            }
            return;
        };
        let bytes = message.push_for(&receiver);
        if let Some(bytes) = bytes.or_else(|| message.published_for(&receiver)) {
            self.push(&receiver, bytes);
        }
    }

    fn push(&self, client: &ClientHandle, bytes: bytes::Bytes) {
        let hot = self.hot.load();
        let limit = if client.subscription_count() > 0 { hot.pubsub_output_limit } else { hot.normal_output_limit };
        client.send(Mail::Push(bytes), limit);
    }
}
