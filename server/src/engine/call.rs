//! A request whose turn has come, with everything that is looked up about it once.
//!
//! Gates, routing, locks, handlers, propagation, tracking and the queue of MULTI all receive a [`Call`]. None of them
//! extracts keys by itself, so they cannot disagree about them, and none takes a handful of loose arguments. (What a
//! command does to each key is not part of it: only ACL and COMMAND GETKEYSANDFLAGS need that, and they call the
//! extractor.) A call borrows from the request; [`Queued`] is the form that is kept for later.
//!
//! On the path of most commands a call is passed by value: it stays in registers as long as nothing takes its address.

use protocol::resp::Args;
use protocol::slot::{SlotId, key_slot};
use smallvec::SmallVec;

use super::Engine;
use super::handler::Command;
use super::hot::Hot;
use super::ports::Route;
use crate::command::keys::{KeyPositions, extract};
use crate::command::spec::UnnamedKeysFn;
use crate::command::{KeyFlags, KnownKey, LockPlan, Traits};
use crate::session::transaction::{Queued, QueuedKey};

/// One command with its words, its keys and its time.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub command: &'a Command,
    /// The command's words, including its name.
    pub args: Args<'a>,
    /// Its keys in the order of the words, each as often as it is named, and channels that have a slot; none if the
    /// words do not fit the command's key specs.
    pub keys: &'a [KnownKey<'a>],
    pub hot: &'a Hot,
    /// Its slot is moving: under the locks, the command checks whether its keys are here.
    pub moving: Option<&'a Route>,
    /// Unix time in milliseconds, fixed for the command.
    pub now: i64,
}

/// The keys of a call.
pub(super) type Keys<'a> = SmallVec<[KnownKey<'a>; 1]>;

impl Engine {
    /// The keys of a command.
    pub(crate) fn keys_of<'a>(&self, command: &Command, args: Args<'a>, db: usize) -> Keys<'a> {
        let mut keys = Keys::new();
        if !command.has_keys {
            return keys;
        }
        if command.home != 0 {
            // Its only key is always the same word.
            if let Some(key) = args.get(command.home) {
                keys.push(self.known_key(key, command.home as u32));
            }
            return keys;
        }
        let mut positions = KeyPositions::new();
        if extract(command.spec, args, &mut positions).is_err() {
            return keys;
        }
        let hints = self.keyspace.hints(db);
        keys.reserve(positions.len());
        for (position, flags) in positions {
            let Some(key) = args.get(position as usize) else { continue };
            let slot = key_slot(key);
            hints.prefetch(slot);
            keys.push(KnownKey {
                key,
                hash: self.keyspace.hash(key),
                position,
                slot,
                is_channel: flags.has(KeyFlags::NOT_KEY),
            });
        }
        keys
    }

    #[inline]
    fn known_key<'a>(&self, key: &'a [u8], position: u32) -> KnownKey<'a> {
        KnownKey { key, hash: self.keyspace.hash(key), position, slot: key_slot(key), is_channel: false }
    }

    /// Words that are all keys.
    pub(super) fn keys_of_words<'a>(&self, words: Args<'a>) -> Keys<'a> {
        let known = |(position, key): (usize, &'a [u8])| self.known_key(key, position as u32);
        words.iter().enumerate().map(known).collect()
    }

    /// The other database that a command names, if there is one of this number.
    pub(super) fn other_db(&self, command: &Command, args: Args<'_>) -> Option<usize> {
        command.spec.other_db.and_then(|f| f(args)).filter(|&other| other < self.keyspace.databases())
    }

    /// The database in which the command behind this one runs.
    pub(super) fn db_behind(&self, command: &Command, args: Args<'_>, db: usize) -> usize {
        let selects = command.traits.has(Traits::SELECTS);
        if selects { self.other_db(command, args).unwrap_or(db) } else { db }
    }

    /// Notes which slots a call needs.
    pub(super) fn plan_locks(&self, call: &Call<'_>, db: usize, plan: &mut LockPlan) {
        self.each_slot(call, db, |db, slot| plan.add(db, slot));
    }

    /// Whether a plan has all slots that a call needs.
    pub(super) fn is_planned(&self, call: &Call<'_>, db: usize, plan: &LockPlan) -> bool {
        let mut has_all = true;
        self.each_slot(call, db, |db, slot| has_all &= plan.has(db, slot));
        has_all
    }

    #[inline(always)]
    fn each_slot(&self, call: &Call<'_>, db: usize, mut f: impl FnMut(usize, SlotId)) {
        let other = self.other_db(call.command, call.args);
        for known in call.keys {
            f(db, known.slot);
            if let Some(other) = other {
                f(other, known.slot);
            }
        }
    }
}

impl Call<'_> {
    /// Whether the command may reach keys of any slot, and so has to run alone. In cluster mode none does.
    #[inline]
    pub(super) fn reaches_unnamed_keys(&self) -> bool {
        let is_asked = |f: UnnamedKeysFn| f(self.args) && !self.hot.limits.cluster_enabled;
        self.command.spec.unnamed_keys_fn.is_some_and(is_asked)
    }

    /// A copy of the call that can be kept.
    pub(super) fn to_queued(self) -> Queued {
        let keys = self.keys.iter().map(|&KnownKey { position, slot, hash, is_channel, .. }| QueuedKey {
            position,
            slot,
            hash,
            is_channel,
        });
        Queued { command: self.command.index, args: self.args.to_owned(), keys: keys.collect() }
    }
}

impl Queued {
    /// The keys, in the form that a call has.
    pub(super) fn known(&self) -> Keys<'_> {
        let args = self.args.view();
        let known = |&QueuedKey { position, slot, hash, is_channel }: &QueuedKey| {
            Some(KnownKey { key: args.get(position as usize)?, hash, position, slot, is_channel })
        };
        self.keys.iter().filter_map(known).collect()
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
