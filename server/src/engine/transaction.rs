//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//!
//! Queued commands keep their own copy of their words. EXEC locks the union of the slots of all queued commands and
//! runs them in order under those locks. If one of them needs more than its keys' slots (a keyspace, session or service
//! command other than PUBLISH), or if they need many slots, EXEC takes the barrier instead, so that no other command
//! runs in between.
//!
//! WATCH registers the session's flag with the key in its slot, and every change of the key raises the flag.
//! Invariants: the flag is raised under the slot's lock, and EXEC reads it under the same locks, so a change is either
//! before EXEC (and aborts it) or after.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::reply::Reply;
use protocol::slot::key_slot;

use super::Engine;
use super::barrier::Pass;
use super::call::Call;
use super::execute::{Called, Work, is_changed};
use super::handler::{Handled, Handler, SessionCtx, SessionFn, SessionResult};
use super::held::{Held, time_of_run};
use super::hot::Hot;
use super::slot_use::header_len;
use super::unit::Unit;
use crate::command::locked::Slots;
use crate::command::{Arity, CmdError, Declared, Flags, Group, KeySpec, KnownKey, LockPlan, Locked, Traits, error};
use crate::session::Session;
use crate::session::client::parked::write_timeout;
use crate::session::transaction::{Multi, Queued, Watched};
use crate::store::WatchFlag;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("MULTI", Arity::exactly(1), Group::Transactions, BASE, multi as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::TOUCHES_NO_DATA))
        .since("1.2.0")
        .summary("Mark the start of a transaction block")
        .complexity("O(1)"),
    Declared::new("EXEC", Arity::exactly(1), Group::Transactions, BASE_SLOW, exec as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::RUNS_THE_QUEUE))
        .since("1.2.0")
        .summary("Execute all commands issued after MULTI")
        .complexity("Depends on commands in the transaction"),
    Declared::new("DISCARD", Arity::exactly(1), Group::Transactions, BASE, discard as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::ENDS_WATCHING))
        .since("2.0.0")
        .summary("Discard all commands issued after MULTI")
        .complexity("O(N), when N is the number of queued commands"),
    Declared::new("WATCH", Arity::at_least(2), Group::Transactions, BASE, watch as SessionFn)
        .traits(Traits::RUNS_IN_MULTI)
        .since("2.2.0")
        .summary("Watch the given keys to determine execution of the MULTI/EXEC block")
        .complexity("O(1) for every key.")
        .keys(&[KeySpec::range(1, -1, 1).ro()])
        .syntax("key:key+"),
    Declared::new("UNWATCH", Arity::exactly(1), Group::Transactions, BASE, unwatch as SessionFn)
        .traits(Traits::ENDS_WATCHING)
        .since("2.2.0")
        .summary("Forget about all watched keys")
        .complexity("O(1)"),
];

const BASE_SLOW: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SKIP_SLOWLOG);
const BASE: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY);

fn multi(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    if ctx.session.in_multi() {
        return Err(error::NESTED_MULTI);
    }
    ctx.session.multi = Some(Box::default());
    ctx.session.handle.stats.multi.store(0, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn discard(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    if !ctx.session.in_multi() {
        return Err(error::DISCARD_WITHOUT_MULTI);
    }
    end_multi(ctx.engine, ctx.session);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn watch(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if ctx.session.in_multi() {
        return Err(error::WATCH_IN_MULTI);
    }
    let db = ctx.session.db;
    let mut plan = LockPlan::default();
    args.iter().skip(1).for_each(|key| plan.add(db, key_slot(key)));
    // All at once: a command that is held has done nothing.
    let mut locked = match ctx.engine.lock_all_soon(ctx.session, plan) {
        Ok(locked) => locked,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    let now = time_of_run(ctx.engine, ctx.session, ctx.now);
    let transaction = ctx.session.watching.get_or_insert_default().clone();
    *ctx.session.handle.watching.lock() = Some(transaction.clone());
    for key in args.iter().skip(1) {
        let (slot, hash) = (key_slot(key), ctx.engine.keyspace.hash(key));
        let Some(place) = locked.get_mut(db, slot) else { continue };
        let entry = place.get(hash, key);
        let expired = entry.is_some_and(|entry| entry.is_expired(now));
        let flag = Arc::new(WatchFlag::of(&transaction, expired, now));
        if place.watch(key, &flag) {
            let served = ctx.engine.serves(slot);
            ctx.session.watched.push(Watched { db, slot, key: key.into(), flag, served });
        }
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn unwatch(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    unwatch_all(ctx.engine, ctx.session);
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// Forgets every watched key of the session. It blocks on no slot: a command may have it for seconds.
pub(crate) fn unwatch_all(engine: &Engine, session: &mut Session) {
    if session.watched.is_empty() {
        return;
    }
    for Watched { db, slot, key, flag, .. } in session.watched.drain(..) {
        engine.keyspace.unwatch(db, slot, key, flag);
    }
    session.watching = None;
    *session.handle.watching.lock() = None;
}

/// Leaves MULTI: drops the queue and the watched keys.
pub(crate) fn end_multi(engine: &Engine, session: &mut Session) {
    session.multi = None;
    session.handle.stats.multi_mem.store(0, Ordering::Relaxed);
    session.handle.stats.multi.store(-1, Ordering::Relaxed);
    unwatch_all(engine, session);
}

fn exec(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let Some(multi) = ctx.session.multi.take() else { return Err(error::EXEC_WITHOUT_MULTI) };
    if multi.aborted {
        end_multi(ctx.engine, ctx.session);
        return Err(error::EXEC_ABORT);
    }
    ctx.session.in_exec = true;
    let (engine, now) = (ctx.engine, ctx.now);
    let hot = engine.hot.load();
    let (mut plan, mut locks_suffice) = (LockPlan::default(), true);
    for (db, queued) in engine.in_databases(ctx.session.db, &multi.queue) {
        let keys = queued.known();
        let call = call_of(engine, queued, &keys, &hot, now);
        locks_suffice &= match call.command.handler {
            Handler::Keyed(_) => !call.reaches_unnamed_keys(),
            Handler::Keyspace(_) => false,
            // A message touches no data; notifications are published under locks, too.
            Handler::Session(_) | Handler::Service { .. } | Handler::Container => {
                call.command.flags.has(Flags::PUBSUB) && call.command.flags.has(Flags::FAST)
            }
        };
        engine.plan_locks(&call, db, &mut plan);
    }
    for watched in &ctx.session.watched {
        plan.add(watched.db, watched.slot);
    }
    let mut unit = Unit::of(ctx.session);
    let done = if locks_suffice && !plan.is_many() {
        exec_locked(ctx, multi, plan, &mut unit)
    } else {
        let call = Call { command: ctx.command, args, keys: &[], hot: &hot, moving: ctx.moving, now };
        exec_alone(ctx, &call, multi, plan, &mut unit)
    };
    ctx.session.in_exec = false;
    let refused = match done {
        Ok(refused) => refused,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    engine.settle_file(ctx.session, &mut unit);
    // The transaction's time was fixed; the keys that it made ready are checked at the current time, and may have
    // expired.
    engine.serve_later(ctx.session, &mut unit, engine.clock.now_ms());
    engine.end_unit(ctx.session, unit);
    end_multi(engine, ctx.session);
    refused.map_or(Ok(Handled::Done), Err)
}

/// Why EXEC does not run, if it does not.
///
/// # Errors
/// It has to wait; the session is in MULTI as before.
type Ran = Result<Option<CmdError>, Held>;

/// Runs a transaction under the locks of its keys.
fn exec_locked(ctx: &mut SessionCtx<'_, '_>, multi: Box<Multi>, plan: LockPlan, unit: &mut Unit) -> Ran {
    let (engine, db) = (ctx.engine, ctx.session.db);
    let admit = |locked: &Locked<'_>, now: i64| match ctx.moving {
        Some(route) => engine.admit_all(locked, db, &multi.queue, now, route).map(Result::err),
        None => Ok(None),
    };
    let locked = engine.lock_all_soon(ctx.session, plan);
    let now = time_of_run(engine, ctx.session, ctx.now);
    let admitted = locked.and_then(|locked| Ok((admit(&locked, now)?, locked)));
    let (refused, mut locked) = match admitted {
        Ok(admitted) => admitted,
        Err(held) => {
            ctx.session.multi = Some(multi);
            return Err(held);
        }
    };
    if refused.is_none() {
        let is_dirty = |w: &Watched| locked.get(w.db, w.slot).is_some_and(|slot| is_changed(engine, slot, w, now));
        let dirty = ctx.session.watched.iter().any(is_dirty);
        let exec = Exec { queue: &multi.queue, reply: &mut ctx.reply, pass: ctx.pass, unit, now, written: 0 };
        exec.run(engine, ctx.session, dirty, Some(&mut locked));
        engine.serve_ready(unit, &mut locked, engine.clock.now_ms());
    }
    Ok(refused)
}

/// Runs a transaction while no other thread executes.
fn exec_alone(
    ctx: &mut SessionCtx<'_, '_>,
    call: &Call<'_>,
    multi: Box<Multi>,
    plan: LockPlan,
    unit: &mut Unit,
) -> Ran {
    let (engine, reply) = (ctx.engine, &mut ctx.reply);
    // The gates look at the queue.
    ctx.session.multi = Some(multi);
    engine.call_alone(ctx.pass, ctx.session, call, |pass, session, &Call { moving, now, .. }| {
        let Some(multi) = session.multi.take() else { return Ok(None) };
        let admitted = match moving {
            Some(route) => engine.admit_all(&engine.lock(plan), session.db, &multi.queue, now, route),
            None => Ok(Ok(())),
        };
        match admitted {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => return Ok(Some(problem)),
            Err(held) => {
                session.multi = Some(multi);
                return Err(held);
            }
        }
        let is_dirty = |w: &Watched| is_changed(engine, &engine.keyspace.lock(w.db, w.slot), w, now);
        let dirty = session.watched.iter().any(is_dirty);
        let exec = Exec { queue: &multi.queue, reply, pass, unit: &mut *unit, now, written: 0 };
        exec.run(engine, session, dirty, None);
        engine.serve_later(session, unit, engine.clock.now_ms());
        Ok(None)
    })
}

/// A queued command, as a call.
fn call_of<'a>(engine: &'a Engine, queued: &'a Queued, keys: &'a [KnownKey<'a>], hot: &'a Hot, now: i64) -> Call<'a> {
    Call { command: engine.registry.by_index(queued.command), args: queued.args.view(), keys, hot, moving: None, now }
}

/// A transaction that runs.
struct Exec<'x, 'r, 'e> {
    queue: &'x [Queued],
    reply: &'x mut Reply<'r>,
    pass: &'x mut Pass<'e>,
    unit: &'x mut Unit,
    /// Its fixed time, in unix milliseconds.
    now: i64,
    /// Bytes of the reply so far.
    written: u64,
}

impl Exec<'_, '_, '_> {
    /// Runs the queue, unless a watched key is `dirty`. `locked` holds the union of the slots, or is absent under the
    /// barrier.
    fn run(mut self, engine: &Arc<Engine>, session: &mut Session, dirty: bool, mut locked: Option<&mut Locked<'_>>) {
        if dirty {
            self.reply.null_array();
            return;
        }
        self.reply.array(self.queue.len());
        self.written = header_len(self.queue.len());
        self.unit.begin_transaction();
        for queued in self.queue {
            self.run_one(engine, session, queued, locked.as_deref_mut());
        }
        self.unit.end_transaction(engine);
        engine.stats.commands_processed.fetch_add(self.queue.len() as u64, Ordering::Relaxed);
        // Commands about keys alone change nothing of the cluster, and their slots are locked still.
        if locked.is_none()
            && let Some(router) = engine.router()
        {
            router.conclude();
        }
    }

    /// Shows a command that was executed to monitors.
    fn show(&self, engine: &Engine, session: &mut Session, call: &Call<'_>, out: &mut Vec<u8>) {
        if engine.monitors.any() {
            engine.show(session, call.command, call.args, out);
        }
    }

    fn run_one(
        &mut self,
        engine: &Arc<Engine>,
        session: &mut Session,
        queued: &Queued,
        locked: Option<&mut Locked<'_>>,
    ) {
        let (hot, keys) = (engine.hot.load(), queued.known());
        let call = call_of(engine, queued, &keys, &hot, self.now);
        let started = engine.clock.monotonic_us();
        let mut out = Vec::new();
        let caller = engine.caller(session, self.now, false);
        match call.command.handler {
            Handler::Keyed(handler) => {
                let slots = locked.map_or_else(|| Slots::all(&engine.keyspace), Locked::slots);
                let work = Work { out: &mut out, rng: &mut session.rng, unit: &mut *self.unit };
                let called = engine.call_keyed(caller, call, handler, slots, work);
                if session.tracks_reads {
                    engine.remember_read(session, &call);
                }
                if let Called::Block(spec) = called {
                    write_timeout(spec.on_timeout, &mut out, session.protocol);
                }
                self.show(engine, session, &call, &mut out);
            }
            Handler::Keyspace(handler) => {
                let work = Work { out: &mut out, rng: &mut session.rng, unit: &mut *self.unit };
                engine.call_keyspace(caller, &call, handler, work, None);
                self.show(engine, session, &call, &mut out);
            }
            Handler::Session(_) | Handler::Service { .. } | Handler::Container => {
                // INFO shows what was done before it, and BGSAVE saves it.
                engine.settle_tally(&mut self.unit.tally);
                if session.tracks_reads {
                    engine.remember_read(session, &call);
                }
                engine.run_queued_service(session, &call, &mut out, self.pass, self.unit);
            }
        }
        engine.count_calls(call.command.index, 1, engine.clock.monotonic_us() - started);
        self.reply.raw(&out);
        if hot.slot_stats {
            self.written += out.len() as u64;
            session.exec_output += self.written;
        }
    }
}
