//! Runs the handler of one keyed or keyspace command, and drains its effects.
//!
//! The caller holds the locks: those of the command's own keys ([`super::run`]), those of the whole transaction for a
//! command of an EXEC, or, for a command that is served, those of the write that serves it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::SlotId;
use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use super::handler::Command;
use super::unit::Unit;
use crate::base::rng::Rng;
use crate::command::locked::Slots;
use crate::command::{
    BlockSpec, Data, Effects, KeyedCtx, KeyedFn, KeyspaceCtx, KeyspaceFn, KnownKey, KnownKeys, Listeners, LockPlan,
    Locked, Outcome, Role, error,
};
use crate::session::tally::{EqualCalls, Tally};
use crate::session::transaction::Watched;
use crate::session::{Origin, Session};
use crate::store::{EntryRef, KeyHash, Slot};

/// The client on whose behalf a command runs, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub db: usize,
    pub protocol: Protocol,
    pub role: Role,
    pub no_touch: bool,
    pub may_block: bool,
    /// Whether a script calls.
    pub in_script: bool,
    /// A failure does not count ([`Session::is_repeated`]).
    pub is_repeated: bool,
    /// Limit of the output's length, bytes.
    pub output_limit: usize,
    /// The key because of which a parked command runs again.
    pub serving: Option<&'a [u8]>,
    /// The buffer of a long request, which the command may keep.
    pub lent: Option<&'a Bytes>,
}

/// What a handler works with besides the data.
pub(super) struct Work<'a> {
    /// Where its reply goes.
    pub out: &'a mut Vec<u8>,
    pub rng: &'a mut Rng,
    /// Where its effects go.
    pub unit: &'a mut Unit,
}

/// The outcome of a keyed command.
pub(crate) enum Called {
    Done,
    /// An error was written.
    Failed,
    Block(Box<BlockSpec>),
    /// Another command has this slot of this database; nothing was written.
    Busy(usize, SlotId),
}

/// Keys that are prefetched at once: prefetching more would push the first ones out of the processor's caches.
const PREFETCHED_KEYS: usize = 256;

/// Prefetches the places and then the entries of several keys, whose slots are locked: their misses overlap.
pub(super) fn prefetch(keys: &[KnownKey<'_>], db: usize, locked: &Locked<'_>) {
    if keys.len() < 2 {
        return;
    }
    let keys = &keys[..keys.len().min(PREFETCHED_KEYS)];
    let slots = keys.iter().filter_map(|known| Some((known.hash, locked.get(db, known.slot)?)));
    let slots: SmallVec<[(KeyHash, &Slot); 16]> = slots.inspect(|(hash, slot)| slot.prefetch(*hash)).collect();
    slots.iter().for_each(|(hash, slot)| slot.prefetch_entry(*hash));
}

impl Engine {
    /// Runs a keyed handler on slots that the caller has locked, and drains its effects. Inlined, since the call alone
    /// is a measurable part of every keyed command.
    #[inline(always)]
    pub(super) fn call_keyed(
        &self,
        caller: Caller<'_>,
        call: Call<'_>,
        handler: KeyedFn,
        slots: Slots<'_>,
        work: Work<'_>,
    ) -> Called {
        let Work { out, rng, unit } = work;
        let Call { command, args, keys, hot, now, .. } = call;
        let start = out.len();
        let mut effects = Effects::new(self.listeners(hot));
        // A block, so that the context is dropped in place: `drop` would move it first.
        let (mut result, is_full, is_stray) = {
            let mut ctx = KeyedCtx {
                data: Data {
                    keyspace: &self.keyspace,
                    slots,
                    effects: &mut effects,
                    db: caller.db,
                    now,
                    role: caller.role,
                    known: KnownKeys::new(keys),
                    lent: caller.lent,
                    no_touch: caller.no_touch,
                    lfu: hot.limits.lfu,
                    seed: if hot.limits.lfu.is_some() { rng.next_u64() } else { 0 },
                },
                reply: Reply::new(out, caller.protocol).limited(caller.output_limit),
                limits: &hot.limits,
                rng,
                name: &command.full_name,
                may_block: caller.may_block,
                in_script: caller.in_script,
                serving: caller.serving,
            };
            let result = match caller.role {
                Role::Replica => self.call_on_replica(&mut ctx, &{ call }, handler),
                _ => handler(&mut ctx, args),
            };
            (result, ctx.reply.is_full(), ctx.data.slots.end())
        };
        unit.over_limit |= is_full;
        if is_stray {
            result = Err(error::undeclared_key(&command.full_name));
        }
        let called = match result {
            Ok(Outcome::Done) => Called::Done,
            Ok(Outcome::Block(spec)) => Called::Block(spec),
            Err(error) => {
                out.truncate(start);
                self.write_error(command, &error, out, (caller.protocol, caller.is_repeated));
                Called::Failed
            }
        };
        unit.drain(self, call, caller.db, &mut effects);
        called
    }

    /// Writes an error reply, and counts it unless it was counted before.
    #[cold]
    pub(crate) fn write_error(
        &self,
        command: &Command,
        error: &crate::command::CmdError,
        out: &mut Vec<u8>,
        (protocol, is_repeated): (Protocol, bool),
    ) {
        if !is_repeated {
            self.stats.count_error(error.code());
            self.stats.command(command.index).failed.fetch_add(1, Ordering::Relaxed);
        }
        Reply::new(out, protocol).error(error.as_bytes());
    }

    /// Runs a keyspace handler; the caller holds the barrier if the command needs it. `patience` is how long it waits
    /// for a slot; `None` is as long as it takes.
    pub(super) fn call_keyspace(
        &self,
        caller: Caller<'_>,
        call: &Call<'_>,
        handler: KeyspaceFn,
        work: Work<'_>,
        patience: Option<Duration>,
    ) -> Called {
        let Work { out, rng, unit } = work;
        let start = out.len();
        // Another client may start tracking meanwhile, since not all slots are locked from the beginning.
        let mut effects = Effects::new(Listeners { tracking: true, ..self.listeners(call.hot) });
        let router = self.router();
        let mut ctx = KeyspaceCtx {
            keyspace: &self.keyspace,
            reply: Reply::new(out, caller.protocol).limited(caller.output_limit),
            effects: &mut effects,
            limits: &call.hot.limits,
            rng,
            db: caller.db,
            now: call.now,
            role: caller.role,
            garbage: Vec::new(),
            drop_elsewhere: None,
            flushed_all: false,
            patience,
            busy: None,
            serves: &|slot| router.as_ref().is_none_or(|router| router.serves(slot)),
            settle: &mut |effects| {
                let fresh = effects.renewed();
                unit.drain(self, *call, caller.db, &mut std::mem::replace(effects, fresh));
            },
        };
        let result = handler(&mut ctx, call.args);
        let (garbage, elsewhere) = (std::mem::take(&mut ctx.garbage), ctx.drop_elsewhere);
        let full = ctx.reply.is_full();
        let busy = ctx.busy;
        let flushed_all = ctx.flushed_all;
        drop(ctx);
        unit.over_limit |= full;
        let called = match (result, busy) {
            (Ok(_), _) => Called::Done,
            (Err(_), Some((db, slot))) => {
                out.truncate(start);
                Called::Busy(db, slot)
            }
            (Err(error), None) => {
                out.truncate(start);
                self.write_error(call.command, &error, out, (caller.protocol, caller.is_repeated));
                Called::Failed
            }
        };
        unit.drain(self, *call, caller.db, &mut effects);
        if flushed_all && let Some(disk) = self.disk() {
            // The file's counter of changes is reduced by what it contains, so everything up to here is counted first.
            self.settle_tally(&mut unit.tally);
            unit.keep_file_work(disk.flushed_all());
        }
        if let Some(keys) = elsewhere.filter(|_| !garbage.is_empty()) {
            self.freeing.free_elsewhere(garbage, keys);
        }
        called
    }

    /// How commands of this session run.
    #[inline(always)]
    pub(crate) fn caller(&self, session: &Session, now: i64, may_block: bool) -> Caller<'static> {
        let role = match session.origin {
            Origin::Client => self.state.role(now),
            Origin::Primary => Role::Stream,
        };
        Caller {
            db: session.db,
            protocol: session.protocol,
            role,
            no_touch: session.no_touch,
            may_block,
            in_script: false,
            is_repeated: session.is_repeated,
            output_limit: session.output_limit,
            serving: None,
            lent: None,
        }
    }

    /// Adds a tally to the node's statistics.
    pub(crate) fn settle_tally(&self, tally: &mut Tally) {
        let Tally { hits, misses, dirty, executed } = std::mem::take(tally);
        if hits != 0 {
            self.stats.keyspace_hits.fetch_add(hits, Ordering::Relaxed);
        }
        if misses != 0 {
            self.stats.keyspace_misses.fetch_add(misses, Ordering::Relaxed);
        }
        if dirty != 0 {
            self.state.dirty.fetch_add(dirty as i64, Ordering::Relaxed);
        }
        if executed != 0 {
            self.stats.commands_processed.fetch_add(executed, Ordering::Relaxed);
        }
    }

    /// Counts calls of the command with this number, and how long they took together, in microseconds.
    #[inline]
    pub(crate) fn count_calls(&self, command: usize, calls: u64, usec: u64) {
        let stats = self.stats.command(command);
        stats.calls.fetch_add(calls, Ordering::Relaxed);
        stats.usec.fetch_add(usec, Ordering::Relaxed);
    }

    /// Counts a call of a script, at the latest at the end of the run.
    #[inline]
    pub(super) fn count_in_script(&self, session: &mut Session, command: usize, us: u64) {
        if !session.calls.note(command, us) {
            self.add_calls(session);
            session.calls.note(command, us);
        }
    }

    /// Adds the calls of a session's scripts to the node's statistics.
    #[inline]
    pub(super) fn settle_calls(&self, session: &mut Session) {
        if !session.calls.is_empty() {
            self.add_calls(session);
        }
    }

    #[inline(never)]
    fn add_calls(&self, session: &mut Session) {
        for EqualCalls { command, each_us, calls } in session.calls.take() {
            self.count_calls(command, calls, each_us * calls);
            self.latencies.count(session.gate, command, calls, each_us * 1000);
        }
    }

    /// Takes the locks of a plan.
    pub(crate) fn lock(&self, plan: LockPlan) -> Locked<'_> {
        plan.lock(&self.keyspace)
    }
}

/// Whether a watched key changed: its flag was raised, or it has expired since WATCH.
pub(super) fn is_changed(engine: &Engine, slot: &Slot, watched: &Watched, now: i64) -> bool {
    // The view is published before the keys of a lost slot are deleted, so the slot's lock is not waited for.
    if watched.flag.is_raised() || (watched.served && !engine.serves(watched.slot)) {
        return true;
    }
    let hash = engine.keyspace.hash(&watched.key);
    !watched.flag.is_stale() && slot.get(hash, &watched.key).and_then(EntryRef::expire_at).is_some_and(|at| at < now)
}
