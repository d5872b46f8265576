//! Client-side caching, the engine's part: remembers the keys that a client reads, and notifies the client of changes
//! to them.
//!
//! The data is in [`crate::session::tracking`].

use std::sync::atomic::Ordering;

use protocol::resp::reply::Protocol;
use protocol::slot::SlotId;

use super::Engine;
use super::call::Call;
use crate::command::effects::Invalid;
use crate::command::{Flags, Traits};
use crate::session::Session;
use crate::session::client::tracker::Mode;
use crate::session::client::{ClientHandle, ClientId, Mail};
use crate::session::tracking::message::{self, Message};
use crate::session::tracking::table::Taken;

/// Keys dropped from a table that is too large, before other work gets its turn.
const DROPPED_AT_ONCE: usize = 1000;
/// Keys dropped when one is added: more than one, or a table whose limit was lowered would not shrink.
const DROPPED_PER_KEY: usize = 10;

impl Engine {
    /// Notes what a tracking session has read. Called under the locks of the command's slots, after the command has
    /// run.
    #[cold]
    pub(super) fn remember_read(&self, session: &Session, call: &Call<'_>) {
        // What a script reads is noted when it reads.
        if call.command.flags.has(Flags::READONLY) && !call.command.traits.has(Traits::RUNS_A_SCRIPT) {
            self.remember_keys(session, call.keys.iter().map(|known| known.key));
        }
    }

    /// Notes keys that a tracking session has read.
    #[cold]
    pub(super) fn remember_keys<'k>(&self, session: &Session, keys: impl Iterator<Item = &'k [u8]>) {
        let mode = session.handle.tracker.mode();
        let opted = if session.caching { !mode.has(Mode::OPTOUT) } else { !mode.has(Mode::OPTIN) };
        if !opted {
            return;
        }
        for key in keys {
            self.tracking.table.add(key, session.handle.id, |id| self.clients.get(id).is_some());
            for _ in 0..DROPPED_PER_KEY {
                // No client changed the dropped key, so even a client that is not notified of its own changes is
                // notified.
                if !(self.tracking.is_too_large() && self.drop_tracked_key(0)) {
                    break;
                }
            }
        }
    }

    /// Notifies the clients that have read a changed key. `by` is the client that changed it, 0 for none. `hold_own`:
    /// if `by` itself is to be notified, that is left to the caller. Returns whether it is.
    pub(super) fn invalidate(&self, by: ClientId, Invalid { key, by_nobody }: Invalid<'_>, hold_own: bool) -> bool {
        if self.tracking.prefixes() != 0 {
            let changed_by = if by_nobody { 0 } else { by };
            if self.tracking.all_prefixes.lock().note(key, changed_by) {
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

    /// Tells every tracking client to forget all keys: a database was emptied. Called when no client can read.
    pub(crate) fn invalidate_all(&self) {
        if !self.tracking.is_on() {
            return;
        }
        self.tracking.table.clear();
        for client in self.clients.all() {
            if client.tracker.mode().has(Mode::ON) {
                self.tell(&client, &mut Message::everything(client.protocol()));
            }
        }
    }

    /// Notifies the clients that have read keys of the slots that `which` picks: these are now served elsewhere, and
    /// change there unseen. Each item of the iterator is a bounded part of the work.
    pub(crate) fn invalidate_slots<'a>(&'a self, which: &'a dyn Fn(SlotId) -> bool) -> impl Iterator<Item = ()> + 'a {
        self.tracking
            .table
            .take_slots(which)
            .map(|taken| taken.into_iter().for_each(|taken| self.tell_readers(taken, 0)))
    }

    /// Does the work left for the end of a batch: notifies of changes below prefixes, and shrinks a table that is too
    /// large.
    #[inline]
    pub(crate) fn settle_tracking(&self) {
        if self.tracking.due.load(Ordering::Relaxed) {
            self.settle_tracking_now();
        }
    }

    #[cold]
    fn settle_tracking_now(&self) {
        self.tracking.due.store(false, Ordering::Release);
        let news = self.tracking.all_prefixes.lock().take_news();
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

    /// Drops a random key from the table. Returns whether there was one.
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
        // A client that has switched to broadcasting is notified only there of the keys it read before.
        let listens = mode.has(Mode::ON) && !mode.has(Mode::BCAST) && !(reader == by && mode.has(Mode::NOLOOP));
        if listens {
            self.tell(&client, message);
        }
    }

    /// Notifies a client that a key it has read was changed by itself, if it wants that.
    pub(crate) fn tell_own(&self, client: &ClientHandle, key: &[u8]) {
        self.tell_reader(client.id, client.id, &mut Message::of_key(key));
    }

    /// Sends a message to a tracking client, or to the client it redirects to.
    fn tell(&self, client: &ClientHandle, message: &mut Message<'_>) {
        let redirect = client.tracker.redirect();
        if redirect == 0 {
            // RESP2 has no pushes.
            if let Some(bytes) = message.push_for(client) {
                self.push(client, bytes);
            }
            return;
        }
        let Some(receiver) = self.clients.get(redirect) else {
            client.tracker.note_broken();
            if client.protocol() == Protocol::Resp3 {
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
