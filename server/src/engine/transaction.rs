//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//!
//! Queued commands keep their own copy of their words. EXEC locks the union of the slots of all queued commands and runs them
//! in order under those locks; if one of them needs more than its keys' slots (a keyspace, session or service command), or
//! they live in many slots, it takes the barrier instead, so that nobody else executes in between.
//!
//! WATCH registers the session's flag with the key in its slot; whoever changes the key raises it. Invariants: the flag is
//! raised under the slot's lock, EXEC reads it under the same locks, so a change is either before EXEC (and aborts it) or after.

use std::sync::Arc;

use protocol::resp::Args;
use protocol::slot::key_slot;

use super::Engine;
use super::execute::{Unit, is_changed};
use super::handler::{Handled, Handler, SessionCtx, SessionFn, SessionResult};
use super::held::{Held, alone};
use crate::command::{Arity, Declared, Flags, Group, KeySpec, LockPlan, Locked, Traits, error};
use crate::session::Session;
use crate::session::transaction::{Multi, Watched};
use crate::store::WatchFlag;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("MULTI", Arity::exactly(1), Group::Transactions, BASE, multi as SessionFn)
        .traits(Traits::RUNS_IN_MULTI)
        .since("1.2.0")
        .summary("Mark the start of a transaction block")
        .complexity("O(1)"),
    Declared::new("EXEC", Arity::exactly(1), Group::Transactions, BASE_SLOW, exec as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::RUNS_THE_QUEUE))
        .since("1.2.0")
        .summary("Execute all commands issued after MULTI")
        .complexity("Depends on commands in the transaction"),
    Declared::new("DISCARD", Arity::exactly(1), Group::Transactions, BASE, discard as SessionFn)
        .traits(Traits::RUNS_IN_MULTI)
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
        .since("2.2.0")
        .summary("Forget about all watched keys")
        .complexity("O(1)"),
];

const BASE_SLOW: Flags =
    Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SKIP_SLOWLOG).and(Flags::ACL_TRANSACTION);
const BASE: Flags = Flags::NOSCRIPT
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::FAST)
    .and(Flags::ALLOW_BUSY)
    .and(Flags::ACL_TRANSACTION);

fn multi(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    if ctx.session.in_multi() {
        return Err(error::NESTED_MULTI);
    }
    ctx.session.multi = Some(Box::default());
    ctx.session.handle.stats.multi.store(0, std::sync::atomic::Ordering::Relaxed);
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
    let transaction = ctx.session.watching.get_or_insert_default().clone();
    *ctx.session.handle.watching.lock() = Some(transaction.clone());
    for key in args.iter().skip(1) {
        let (db, slot) = (ctx.session.db, key_slot(key));
        let hash = ctx.engine.keyspace.hash(key);
        // To watch a key twice is to watch it once, so it does no harm to begin anew.
        let mut guard = match ctx
            .engine
            .keyspace
            .try_lock(db, slot)
            .map_or_else(|| ctx.engine.lock_soon(ctx.session, db, slot), Ok)
        {
            Ok(guard) => guard,
            Err(held) => return Ok(Handled::Postponed(held)),
        };
        let expired = guard.get(hash, key).is_some_and(|entry| entry.is_expired(ctx.now));
        let flag = Arc::new(WatchFlag::of(&transaction, expired));
        if guard.watch(key, &flag) {
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

/// Forgets every watched key of the session.
pub(crate) fn unwatch_all(engine: &Engine, session: &mut Session) {
    if session.watched.is_empty() {
        return;
    }
    for watched in session.watched.drain(..) {
        engine.keyspace.lock(watched.db, watched.slot).unwatch(&watched.key, &watched.flag);
    }
    session.watching = None;
    *session.handle.watching.lock() = None;
}

/// Leaves MULTI: the queue and the watched keys are forgotten.
pub(crate) fn end_multi(engine: &Engine, session: &mut Session) {
    session.multi = None;
    session.handle.stats.multi.store(-1, std::sync::atomic::Ordering::Relaxed);
    unwatch_all(engine, session);
}

fn exec(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let route = ctx.moving.cloned();
    let held_with_writes = ctx.engine.is_held_with_writes(ctx.session, ctx.command);
    let Some(multi) = ctx.session.multi.take() else { return Err(error::EXEC_WITHOUT_MULTI) };
    if multi.aborted {
        end_multi(ctx.engine, ctx.session);
        return Err(error::EXEC_ABORT);
    }
    ctx.session.in_exec = true;
    let (engine, now) = (ctx.engine, ctx.now);
    let keyed_only =
        multi.queue.iter().all(|q| matches!(engine.registry.by_index(q.command).handler, Handler::Keyed(_)));
    let mut plan = LockPlan::default();
    for queued in &multi.queue {
        engine.plan_locks(engine.registry.by_index(queued.command), queued.args.view(), ctx.session.db, &mut plan);
    }
    for watched in &ctx.session.watched {
        plan.add(watched.db, watched.slot);
    }
    let (db, mut unit) = (ctx.session.db, Unit::of(ctx.session));
    let moving = route.is_some();
    let admit = |locked: &Locked<'_>| route.and_then(|route| engine.admit_all(locked, db, &multi, now, route).err());
    let refused = if keyed_only && !plan.is_many() {
        let mut locked = match engine.lock_all_soon(ctx.session, plan) {
            Ok(locked) => locked,
            Err(held) => return postpone(ctx.session, multi, held),
        };
        let refused = admit(&locked);
        if refused.is_none() {
            let dirty = ctx
                .session
                .watched
                .iter()
                .any(|w| locked.get(w.db, w.slot).is_some_and(|slot| is_changed(engine, slot, w, now)));
            run(engine, ctx.session, &multi, dirty, &mut ctx.reply, now, &mut unit, Some(&mut locked), ctx.pass);
            engine.serve_ready(&mut unit, &mut locked, engine.clock.now_ms());
        }
        refused
    } else {
        let (reply, unit) = (&mut ctx.reply, &mut unit);
        let done = alone(ctx.pass, ctx.session, |pass, session| {
            // The gate was given up for the wait: whoever had the node first may have made a cut that ends all writes.
            if let Some(until) = engine.held_until(now, || held_with_writes) {
                return Err(Held::Pause(until));
            }
            let refused = if moving { admit(&engine.lock(plan)) } else { None };
            if refused.is_none() {
                let dirty =
                    session.watched.iter().any(|w| is_changed(engine, &engine.keyspace.lock(w.db, w.slot), w, now));
                run(engine, session, &multi, dirty, reply, now, unit, None, pass);
                engine.serve_later(unit, engine.clock.now_ms());
            }
            Ok(refused)
        });
        match done {
            Ok(refused) => refused,
            Err(held) => return postpone(ctx.session, multi, held),
        }
    };
    unit.settle_file();
    // The transaction's own time stood still; what it made ready is looked at with the time of now, and may have expired.
    engine.serve_later(&mut unit, engine.clock.now_ms());
    engine.end_unit(ctx.session, unit);
    ctx.session.in_exec = false;
    end_multi(engine, ctx.session);
    refused.map_or(Ok(Handled::Done), Err)
}

/// EXEC has to wait: everything is as it was before it came.
fn postpone(session: &mut Session, multi: Box<Multi>, held: Held) -> SessionResult {
    session.in_exec = false;
    session.multi = Some(multi);
    Ok(Handled::Postponed(held))
}

fn run(
    engine: &Arc<Engine>,
    session: &mut Session,
    multi: &Multi,
    dirty: bool,
    reply: &mut protocol::resp::reply::Reply<'_>,
    now: i64,
    unit: &mut Unit,
    mut locked: Option<&mut Locked<'_>>,
    pass: &mut super::barrier::Pass<'_>,
) {
    if dirty {
        reply.null_array();
        return;
    }
    reply.array(multi.queue.len());
    unit.begin_transaction();
    for queued in &multi.queue {
        let command = engine.registry.by_index(queued.command);
        engine.run_queued(session, command, queued.args.view(), reply, now, unit, locked.as_deref_mut(), pass);
    }
    unit.end_transaction(engine);
    if let Some(router) = engine.router() {
        router.conclude();
    }
}
