//! A request whose turn has come, with everything that is found out about it once.
//!
//! A [`Call`] is what gates, routing, locks, handlers, propagation, tracking and the queue of MULTI are given: none of them looks for
//! keys by itself, so they cannot disagree about them, and none takes a handful of loose arguments. (What a command does to each key
//! is not among it: only ACL and COMMAND GETKEYSANDFLAGS ask for that, and they ask the extractor.) It borrows from the request; what
//! is to be kept for later is [`Queued`].
//!
//! On the path of most commands a call is handed on by value: it stays in registers as long as nobody takes its address.

use protocol::resp::Args;
use protocol::slot::key_slot;
use smallvec::SmallVec;

use super::Engine;
use super::handler::Command;
use super::hot::Hot;
use super::ports::Route;
use crate::command::keys::{KeyPositions, extract};
use crate::command::{KeyFlags, KnownKey, LockPlan};
use crate::session::transaction::{Queued, QueuedKey};

/// One command with its words, its keys and its time.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub command: &'a Command,
    /// The command's words, its name among them.
    pub args: Args<'a>,
    /// Its keys in the order of the words, each as often as it is named; none if the words do not fit the command's key specs.
    /// Channels that have a slot are among them.
    pub keys: &'a [KnownKey<'a>],
    pub hot: &'a Hot,
    /// Its slot is moving: whether its keys are here is looked at under the locks.
    pub moving: Option<&'a Route>,
    /// Unix time in milliseconds, fixed for the command.
    pub now: i64,
}

/// The keys of a call.
pub(super) type Keys<'a> = SmallVec<[KnownKey<'a>; 1]>;

impl Engine {
    /// The keys of a command.
    pub(super) fn keys_of<'a>(&self, command: &Command, args: Args<'a>, db: usize) -> Keys<'a> {
        let mut keys = Keys::new();
        if !command.has_keys {
            return keys;
        }
        let mut positions = KeyPositions::new();
        if extract(command.spec, args, &mut positions).is_err() {
            return keys;
        }
        let hints = self.keyspace.hints(db);
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

    /// Notes which slots a call needs.
    pub(super) fn plan_locks(&self, call: &Call<'_>, db: usize, plan: &mut LockPlan) {
        let databases = self.keyspace.databases();
        let other = call.command.spec.other_db.and_then(|f| f(call.args)).filter(|&other| other < databases);
        for known in call.keys {
            plan.add(db, known.slot);
            if let Some(other) = other {
                plan.add(other, known.slot);
            }
        }
    }
}

impl Call<'_> {
    /// The call, to be kept.
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
    /// The keys, as those of a call.
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
