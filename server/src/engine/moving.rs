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

use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use super::held::Held;
use super::ports::Route;
use crate::command::{CmdError, KnownKey, LockPlan, Locked, error};
use crate::session::Session;
use crate::session::transaction::Queued;

/// Keys of a command or of a transaction.
type Keys<'k, 'w> = SmallVec<[&'k KnownKey<'w>; 4]>;

/// The keys among these. Channels are no keys: they belong to no node.
fn without_channels<'k, 'w>(keys: impl IntoIterator<Item = &'k KnownKey<'w>>) -> Keys<'k, 'w> {
    keys.into_iter().filter(|known| !known.is_channel).collect()
}

impl Engine {
    /// Whether a command may run here although its slot moves. The locks of its slots are held.
    ///
    /// # Errors
    /// ASK or TRYAGAIN.
    pub(super) fn admit(&self, locked: &Locked<'_>, db: usize, call: &Call<'_>) -> Result<(), CmdError> {
        let Some(route) = call.moving else { return Ok(()) };
        self.judge(locked, db, without_channels(call.keys), call.now, route)
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
        let keys: Vec<_> = queue.iter().map(Queued::known).collect();
        let judged = self.judge(locked, db, without_channels(keys.iter().flatten()), now, route);
        match self.wait_for_any_sent(db, queue) {
            Some(held) => Err(held),
            None => Ok(judged),
        }
    }

    /// [`Engine::admit`] for a command that does not run under its slots' locks: a queued one, or a session's.
    ///
    /// # Errors
    /// A long command has one of its slots.
    pub(super) fn admit_for_now(&self, session: &mut Session, call: &Call<'_>) -> Result<Result<(), CmdError>, Held> {
        let (db, mut plan) = (session.db, LockPlan::default());
        self.plan_locks(call, db, &mut plan);
        Ok(self.admit(&self.lock_all_soon(session, plan)?, db, call))
    }

    /// [`Engine::admit`] for keys that a script declares: time and route.
    pub(super) fn admit_keys(
        &self,
        locked: &Locked<'_>,
        db: usize,
        keys: &[KnownKey<'_>],
        (now, route): (i64, &Route),
    ) -> Result<(), CmdError> {
        self.judge(locked, db, without_channels(keys), now, route)
    }

    fn judge(
        &self,
        locked: &Locked<'_>,
        db: usize,
        mut keys: Keys<'_, '_>,
        now: i64,
        route: &Route,
    ) -> Result<(), CmdError> {
        // A key that is named twice counts once.
        keys.sort_unstable_by_key(|known| known.key);
        keys.dedup_by_key(|known| known.key);
        let is_here = |known: &&&KnownKey<'_>| {
            locked
                .get(db, known.slot)
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
