//! Slots on their way between nodes: the half of routing that needs the slot's lock.
//!
//! While a slot moves, a key is served where it is: the source redirects for keys that are gone (ASK), the target serves who was sent
//! to it, and a command that would need keys of both sides is told to come back (TRYAGAIN). Whether a key is here can only be said
//! under its slot's lock, the same under which the command then runs: a key that MIGRATE takes in between would be made anew here,
//! and its other half lost. Queueing is the exception: a queued command is looked at when it comes, and all of them again
//! by EXEC, under the locks of all.
//!
//! Redis: `getNodeByQuery`.

use protocol::resp::Args;
use protocol::slot::{SlotId, key_slot};
use smallvec::SmallVec;

use super::Engine;
use super::handler::Command;
use super::ports::Route;
use crate::command::keys::{KeyPositions, extract};
use crate::command::{CmdError, KeyFlags, LockPlan, Locked, error};
use crate::session::transaction::Multi;

/// Keys of a command or of a transaction.
type Keys<'a> = SmallVec<[&'a [u8]; 4]>;

/// Adds a command's keys to those of the commands before it. Channels are no keys: they are nowhere in particular.
fn add_keys<'a>(command: &Command, args: Args<'a>, keys: &mut Keys<'a>) {
    let mut positions = KeyPositions::new();
    if extract(command.spec, args, &mut positions).is_err() {
        return;
    }
    let words = positions.iter().filter(|(_, flags)| !flags.has(KeyFlags::NOT_KEY));
    keys.extend(words.filter_map(|(position, _)| args.get(*position as usize)));
}

impl Engine {
    /// Whether a command may run here although its slot moves. The locks of its slots are held.
    ///
    /// # Errors
    /// ASK or TRYAGAIN.
    pub(super) fn admit(
        &self,
        locked: &Locked<'_>,
        db: usize,
        command: &Command,
        args: Args<'_>,
        now: i64,
        route: Route,
    ) -> Result<(), CmdError> {
        let mut keys = Keys::new();
        add_keys(command, args, &mut keys);
        self.judge(locked, db, keys, now, route)
    }

    /// [`Engine::admit`] for all commands of a transaction together.
    pub(super) fn admit_all(
        &self,
        locked: &Locked<'_>,
        db: usize,
        multi: &Multi,
        now: i64,
        route: Route,
    ) -> Result<(), CmdError> {
        let mut keys = Keys::new();
        for queued in &multi.queue {
            add_keys(self.registry.by_index(queued.command), queued.args.view(), &mut keys);
        }
        self.judge(locked, db, keys, now, route)
    }

    /// [`Engine::admit`] for a command that does not run under its slots' locks: it is queued, or a session's.
    pub(super) fn admit_for_now(
        &self,
        db: usize,
        command: &Command,
        args: Args<'_>,
        now: i64,
        route: Route,
    ) -> Result<(), CmdError> {
        let mut plan = LockPlan::default();
        self.plan_locks(command, args, db, &mut plan);
        self.admit(&self.lock(plan), db, command, args, now, route)
    }

    fn judge(
        &self,
        locked: &Locked<'_>,
        db: usize,
        mut keys: Keys<'_>,
        now: i64,
        route: Route,
    ) -> Result<(), CmdError> {
        // A key that is named twice is one key.
        keys.sort_unstable();
        keys.dedup();
        let is_here = |key: &&&[u8]| {
            let slot: SlotId = key_slot(key);
            locked
                .get(db, slot)
                .and_then(|slot| slot.get(self.keyspace.hash(key), key))
                .is_some_and(|entry| !entry.is_expired(now))
        };
        let here = keys.iter().filter(is_here).count();
        match route {
            Route::Serve | Route::Refuse(_) => Ok(()),
            Route::Migrating(_) | Route::Importing if here == keys.len() => Ok(()),
            Route::Migrating(ask) if here == 0 => Err(ask),
            Route::Importing if keys.len() == 1 => Ok(()),
            Route::Migrating(_) | Route::Importing => Err(error::TRY_AGAIN),
        }
    }
}
