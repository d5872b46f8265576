//! Slots on their way between nodes: the half of routing that needs the slot's lock.
//!
//! While a slot moves, a key is served where it is. The source redirects for keys that are gone (ASK), the target
//! serves clients that were redirected to it, and a command that needs keys of both sides has to be retried (TRYAGAIN).
//! Whether a key is here is known only under its slot's lock, and the command then runs under the same lock. Otherwise
//! MIGRATE could take the key in between, the command would create it anew here, and one half of it would be lost. A
//! command that was routed before its slot was marked does not ask; SETSLOT MIGRATING waits for those. Queueing is the
//! exception: a queued command is checked when it arrives, and EXEC checks all of them again, under the locks of all.
//!
//! Redis: `getNodeByQuery`.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use super::handler::Command;
use super::held::Held;
use super::ports::Route;
use crate::command::{CmdError, KnownKey, LockPlan, Locked, Traits, error};
use crate::session::Session;
use crate::session::transaction::Queued;

/// Keys of a command or of a transaction, each with its database.
type Keys<'k, 'w> = SmallVec<[(usize, &'k KnownKey<'w>); 4]>;

/// The keys among these. Channels are no keys: they belong to no node.
fn keys_in<'k, 'w: 'k>(
    db: usize,
    known: impl IntoIterator<Item = &'k KnownKey<'w>>,
) -> impl Iterator<Item = (usize, &'k KnownKey<'w>)> {
    known.into_iter().filter(|known| !known.is_channel).map(move |known| (db, known))
}

impl Engine {
    /// Whether a command may run here although its slot moves. The locks of its slots are held.
    ///
    /// # Errors
    /// ASK or TRYAGAIN.
    pub(super) fn admit(&self, locked: &Locked<'_>, db: usize, call: &Call<'_>) -> Result<(), CmdError> {
        let Some(route) = call.moving else { return Ok(()) };
        self.refuse_to_cross(call.command, call.args, db)?;
        self.judge(locked, keys_in(db, call.keys).collect(), call.now, route)
    }

    /// Refuses a command that reads in one database and writes in another: each of them may have the key here or at the
    /// other node. Valkey 9 does not look where they are either.
    ///
    /// # Errors
    /// TRYAGAIN.
    fn refuse_to_cross(&self, command: &Command, args: Args<'_>, db: usize) -> Result<(), CmdError> {
        let crosses = self.keyspace.databases() > 1
            && !command.traits.has(Traits::SELECTS)
            && command.spec.other_db.and_then(|f| f(args)).is_some_and(|other| other != db);
        if crosses { Err(error::TRY_AGAIN) } else { Ok(()) }
    }

    /// The commands of a transaction, each with the database in which it runs.
    pub(super) fn in_databases<'q>(&self, db: usize, queue: &'q [Queued]) -> impl Iterator<Item = (usize, &'q Queued)> {
        queue.iter().scan(db, |next, queued| {
            let db = *next;
            *next = self.db_behind(self.registry.by_index(queued.command), queued.args.view(), db);
            Some((db, queued))
        })
    }

    /// The database in which a session's next command runs: in a transaction, the one that its queue has selected.
    fn next_db(session: &Session) -> usize {
        session.multi.as_ref().and_then(|multi| multi.selected).unwrap_or(session.db)
    }

    /// [`Engine::admit`] for all commands of a transaction together.
    ///
    /// # Errors
    /// It writes to a key that is being sent.
    pub(super) fn admit_all(
        &self,
        locked: &Locked<'_>,
        db: usize,
        queue: &[Queued],
        now: i64,
        route: &Route,
    ) -> Result<Result<(), CmdError>, Held> {
        let known: Vec<_> = self.in_databases(db, queue).map(|(db, queued)| (db, queued.known())).collect();
        let keys = known.iter().flat_map(|(db, known)| keys_in(*db, known)).collect();
        let crosses = self.in_databases(db, queue).find_map(|(db, queued)| {
            self.refuse_to_cross(self.registry.by_index(queued.command), queued.args.view(), db).err()
        });
        let judged = crosses.map_or_else(|| self.judge(locked, keys, now, route), Err);
        match self.wait_for_any_sent(db, queue) {
            Some(held) => Err(held),
            None => Ok(judged),
        }
    }

    /// [`Engine::admit`] for a command that does not run under its slots' locks: a queued one, or a session's.
    ///
    /// # Errors
    /// A long command has one of its slots, or it writes to a key that is being sent.
    pub(super) fn admit_for_now(&self, session: &mut Session, call: &Call<'_>) -> Result<Result<(), CmdError>, Held> {
        let (db, mut plan) = (Self::next_db(session), LockPlan::default());
        self.plan_locks(call, db, &mut plan);
        let locked = self.lock_all_soon(session, plan)?;
        // A script writes to its keys.
        match self.wait_for_sent(db, call) {
            Some(held) => Err(held),
            None => Ok(self.admit(&locked, db, call)),
        }
    }

    /// [`Engine::admit`] for keys that a script declares: time and route.
    pub(super) fn admit_keys(
        &self,
        locked: &Locked<'_>,
        db: usize,
        keys: &[KnownKey<'_>],
        (now, route): (i64, &Route),
    ) -> Result<(), CmdError> {
        self.judge(locked, keys_in(db, keys).collect(), now, route)
    }

    fn judge(&self, locked: &Locked<'_>, mut keys: Keys<'_, '_>, now: i64, route: &Route) -> Result<(), CmdError> {
        // A key that is named twice counts once.
        keys.sort_unstable_by_key(|(db, known)| (*db, known.key));
        keys.dedup_by_key(|(db, known)| (*db, known.key));
        let is_here = |(db, known): &&(usize, &KnownKey<'_>)| {
            locked
                .get(*db, known.slot)
                .and_then(|slot| slot.get(known.hash, known.key))
                .is_some_and(|entry| !entry.is_expired(now))
        };
        let here = keys.iter().filter(is_here).count();
        match route {
            Route::Serve | Route::Refuse(_) => Ok(()),
            Route::Migrating(_) | Route::Importing if here == keys.len() => Ok(()),
            Route::Migrating(ask) if here == 0 => Err(ask.clone()),
            Route::Importing if keys.len() == 1 => Ok(()),
            Route::Migrating(_) | Route::Importing => Err(error::TRY_AGAIN),
        }
    }
}
