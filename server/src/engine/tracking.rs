//! Client-side caching, the engine's part: what a client reads is remembered, and whoever changes a key tells its readers.
//!
//! The data is in [`crate::session::tracking`].

use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::slot::SlotId;

use super::Engine;
use super::handler::Command;
use crate::command::Flags;
use crate::command::effects::Invalid;
use crate::command::keys::{KeyPositions, extract};
use crate::session::Session;
use crate::session::client::tracker::Mode;
use crate::session::client::{ClientHandle, ClientId, Mail};
use crate::session::tracking::message::{self, Message, protocol_of};
use crate::session::tracking::table::Taken;

/// Keys that are dropped from a table that is too large before others have their turn.
const DROPPED_AT_ONCE: usize = 1000;
/// The same, when one was added: more than one, or else a table whose limit was lowered would not shrink.
const DROPPED_PER_KEY: usize = 10;

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

    /// Tells everybody who tracks to forget everything: a database was emptied. Called where nobody can read meanwhile.
    pub(crate) fn invalidate_all(&self) {
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
    pub(crate) fn invalidate_slots<'a>(&'a self, which: &'a dyn Fn(SlotId) -> bool) -> impl Iterator<Item = ()> + 'a {
        self.tracking
            .table
            .take_slots(which)
            .map(|taken| taken.into_iter().for_each(|taken| self.tell_readers(taken, 0)))
    }

    /// Does what was left for the end of a batch: tells of what has changed below prefixes, and drops what is too much.
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
    pub(crate) fn tell_own(&self, client: &ClientHandle, key: &[u8]) {
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
