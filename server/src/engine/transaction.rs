//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//!
//! Queued commands keep their own copy of their words. EXEC locks the union of the slots of all queued commands and
//! runs them in order under those locks. If one of them needs more than its keys' slots (a keyspace, session or service
//! command other than PUBLISH), or if they need many slots, EXEC takes the barrier instead, so that no other command
//! runs in between. A script of the queue may be suspended: then the node stays closed, and the connection's task runs
//! first the script and then the rest of the queue, as it does with a script that is alone ([`super::scripts`]).
//!
//! WATCH registers the session's flag with the key in its slot, and every change of the key raises the flag.
//! Invariants: the flag is raised under the slot's lock, and EXEC reads it under the same locks, so a change is either
//! before EXEC (and aborts it) or after.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::reply::Reply;
use protocol::resp::{Args, OwnedArgs};
use protocol::slot::key_slot;

use super::Engine;
use super::barrier::Pass;
use super::call::Call;
use super::execute::{Called, Work, is_changed};
use super::handler::{Continued, Handled, Handler, SessionCtx, SessionFn, SessionResult};
use super::held::{Held, time_of_run};
use super::hot::Hot;
use super::ports::{Route, RouteAsk};
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
        .traits(Traits::RUNS_IN_MULTI.and(Traits::ENDS_WATCHING).and(Traits::ENDS_MULTI))
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
        Ok(Ran::Whole) => None,
        Ok(Ran::Refused(problem)) => Some(problem),
        Ok(Ran::InPart(rest)) => return Ok(Handled::Continued(rest)),
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    end_exec(engine, ctx.session, unit);
    refused.map_or(Ok(Handled::Done), Err)
}

/// Does what follows a transaction.
fn end_exec(engine: &Arc<Engine>, session: &mut Session, mut unit: Unit) {
    engine.settle_file(session, &mut unit);
    // The transaction's time was fixed; the keys that it made ready are checked at the current time, and may have
    // expired.
    engine.serve_later(session, &mut unit, engine.clock.now_ms());
    engine.end_unit(session, unit);
    end_multi(engine, session);
}

/// What became of EXEC.
enum Ran {
    /// The queue was run, or a watched key was changed.
    Whole,
    Refused(CmdError),
    /// A script of the queue is suspended.
    InPart(Box<RestOfExec>),
}

/// Runs a transaction under the locks of its keys.
///
/// # Errors
/// It has to wait; the session is in MULTI as before.
fn exec_locked(ctx: &mut SessionCtx<'_, '_>, multi: Box<Multi>, plan: LockPlan, unit: &mut Unit) -> Result<Ran, Held> {
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
    if let Some(problem) = refused {
        return Ok(Ran::Refused(problem));
    }
    let is_dirty = |w: &Watched| locked.get(w.db, w.slot).is_some_and(|slot| is_changed(engine, slot, w, now));
    let dirty = ctx.session.watched.iter().any(is_dirty);
    let mut exec = Exec { queue: &multi.queue, reply: &mut ctx.reply, pass: ctx.pass, unit, now, written: 0 };
    let paused = exec.run(engine, ctx.session, dirty, Some(&mut locked));
    debug_assert!(paused.is_none(), "a transaction with a script is alone");
    engine.serve_ready(unit, &mut locked, engine.clock.now_ms());
    Ok(Ran::Whole)
}

/// Runs a transaction while no other thread executes.
///
/// # Errors
/// It has to wait; the session is in MULTI as before.
fn exec_alone(
    ctx: &mut SessionCtx<'_, '_>,
    call: &Call<'_>,
    multi: Box<Multi>,
    plan: LockPlan,
    unit: &mut Unit,
) -> Result<Ran, Held> {
    let (engine, reply) = (ctx.engine, &mut ctx.reply);
    // The gates look at the queue.
    ctx.session.multi = Some(multi);
    engine.call_alone(ctx.pass, ctx.session, call, |pass, session, &Call { moving, now, .. }| {
        let Some(multi) = session.multi.take() else { return Ok(Ran::Whole) };
        let admitted = match moving {
            Some(route) => engine.admit_all(&engine.lock(plan), session.db, &multi.queue, now, route),
            None => Ok(Ok(())),
        };
        match admitted {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => return Ok(Ran::Refused(problem)),
            Err(held) => {
                session.multi = Some(multi);
                return Err(held);
            }
        }
        let is_dirty = |w: &Watched| is_changed(engine, &engine.keyspace.lock(w.db, w.slot), w, now);
        let dirty = session.watched.iter().any(is_dirty);
        let start = reply.out_len();
        let mut exec = Exec { queue: &multi.queue, reply, pass, unit: &mut *unit, now, written: 0 };
        let Some(paused) = exec.run(engine, session, dirty, None) else {
            engine.serve_later(session, unit, engine.clock.now_ms());
            return Ok(Ran::Whole);
        };
        let written = exec.written;
        let replies = reply.written_since(start).to_vec();
        reply.truncate(start);
        Ok(Ran::InPart(Box::new(RestOfExec {
            engine: engine.clone(),
            multi,
            paused: Some(paused),
            unit: std::mem::take(unit),
            now,
            replies,
            written,
            exec: (call.command.index, call.args.to_owned()),
            paused_us: engine.clock.monotonic_us(),
        })))
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
    /// barrier. Returns a script that is suspended.
    fn run(
        &mut self,
        engine: &Arc<Engine>,
        session: &mut Session,
        dirty: bool,
        locked: Option<&mut Locked<'_>>,
    ) -> Option<Paused> {
        if dirty {
            self.reply.null_array();
            return None;
        }
        self.reply.array(self.queue.len());
        self.written = header_len(self.queue.len());
        self.run_from(0, engine, session, locked)
    }

    /// Runs the queue from this command on.
    fn run_from(
        &mut self,
        first: usize,
        engine: &Arc<Engine>,
        session: &mut Session,
        mut locked: Option<&mut Locked<'_>>,
    ) -> Option<Paused> {
        self.unit.begin_transaction();
        for (at, queued) in self.queue.iter().enumerate().skip(first) {
            let script = self.run_one(engine, session, queued, locked.as_deref_mut());
            // One by one: a later one may be INFO.
            engine.stats.commands_processed.fetch_add(1, Ordering::Relaxed);
            if let Some(script) = script {
                return Some(Paused { script, at });
            }
        }
        self.unit.end_transaction(engine);
        // Commands about keys alone change nothing of the cluster, and their slots are locked still.
        if locked.is_none()
            && let Some(router) = engine.router()
        {
            router.conclude();
        }
        None
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
    ) -> Option<Box<dyn Continued>> {
        let (hot, keys) = (engine.hot.load(), queued.known());
        let call = call_of(engine, queued, &keys, &hot, self.now);
        let started = engine.clock.monotonic_us();
        let (mut out, mut rest) = (Vec::new(), None);
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
                rest = engine.run_queued_service(session, &call, &mut out, self.pass, self.unit);
            }
        }
        let ran_us = engine.clock.monotonic_us() - started;
        engine.settle_calls(session);
        engine.count_calls(call.command.index, 1, ran_us);
        // A script that is suspended counts when it ends.
        let over = u64::from(rest.is_none());
        engine.latencies.count(session.gate, call.command.index, over, ran_us * 1000);
        self.reply.raw(&out);
        if hot.slot_stats {
            self.written += out.len() as u64;
            session.exec_output += self.written;
        }
        rest
    }
}

/// A script of a queue that is suspended, with its place there.
struct Paused {
    script: Box<dyn Continued>,
    at: usize,
}

/// A transaction with a suspended script, which has the node for itself until it ends.
struct RestOfExec {
    engine: Arc<Engine>,
    multi: Box<Multi>,
    /// `None` once the transaction has ended.
    paused: Option<Paused>,
    unit: Unit,
    /// Its fixed time, in unix milliseconds.
    now: i64,
    /// What was replied so far. It is sent when all is known.
    replies: Vec<u8>,
    written: u64,
    /// EXEC itself: its number, and its words.
    exec: (usize, OwnedArgs),
    /// Monotonic time when it was suspended for the first time, in microseconds.
    paused_us: u64,
}

impl RestOfExec {
    /// Runs the script on, and the commands behind it. Returns whether the queue has ended.
    fn has_ended(&mut self, session: &mut Session) -> bool {
        let (engine, mut reply) = (self.engine.clone(), Vec::new());
        let Some(Paused { script, at }) = self.paused.take() else { return true };
        if let Some(script) = script.go_on(session, &mut reply, Some(&mut self.unit)) {
            self.paused = Some(Paused { script, at });
            return false;
        }
        let mut replies = Reply::new(&mut self.replies, session.protocol).limited(session.output_limit);
        replies.raw(&reply);
        let mut pass = engine.barrier.enter_reserved(session.gate);
        let mut exec = Exec {
            queue: &self.multi.queue,
            reply: &mut replies,
            pass: &mut pass,
            unit: &mut self.unit,
            now: self.now,
            written: self.written,
        };
        self.paused = exec.run_from(at + 1, &engine, session, None);
        self.written = exec.written;
        if replies.is_full() {
            session.exceed_output_limit();
        }
        self.paused.is_none()
    }

    /// Whether what it has written counts: see [`super::scripts`].
    fn check_still_served(&self, session: &Session) -> Result<(), CmdError> {
        let Some(router) = self.engine.router().filter(|_| self.unit.wrote) else { return Ok(()) };
        let named = || self.multi.queue.iter().find_map(|queued| queued.keys.first()).map(|key| key.slot);
        let Some(slot) = self.unit.written_slot().or_else(named) else { return Ok(()) };
        let client = Some(&*session.handle);
        let ask = RouteAsk { slot, write: true, asking: true, client, ..RouteAsk::default() };
        match router.route(&ask) {
            Route::Refuse(problem) => Err(problem),
            Route::Serve | Route::Migrating(_) | Route::Importing => Ok(()),
        }
    }
}

impl Continued for RestOfExec {
    fn cancel(&mut self) {
        if let Some(paused) = &mut self.paused {
            paused.script.cancel();
        }
    }

    fn go_on(
        mut self: Box<Self>,
        session: &mut Session,
        out: &mut Vec<u8>,
        _unit: Option<&mut dyn Any>,
    ) -> Option<Box<dyn Continued>> {
        session.in_exec = true;
        let has_ended = self.has_ended(session);
        session.in_exec = false;
        if !has_ended {
            return Some(self);
        }
        let engine = self.engine.clone();
        let mut reply = Reply::new(out, session.protocol).limited(session.output_limit);
        match self.check_still_served(session) {
            Ok(()) => reply.raw(&self.replies),
            Err(problem) => reply.error(problem.as_bytes()),
        }
        if reply.is_full() {
            session.exceed_output_limit();
        }
        end_exec(&engine, session, std::mem::take(&mut self.unit));
        engine.barrier.end_reservation();
        let (exec, args) = (engine.registry.by_index(self.exec.0), self.exec.1.view());
        if engine.monitors.any() {
            engine.show(session, exec, args, out);
        }
        // Its first part was counted as a command.
        engine.count_calls(exec.index, 0, engine.clock.monotonic_us() - self.paused_us);
        None
    }
}

impl Drop for RestOfExec {
    fn drop(&mut self) {
        // The node ends; otherwise it has ended itself.
        if self.paused.is_none() {
            return;
        }
        let (engine, mut unit) = (self.engine.clone(), std::mem::take(&mut self.unit));
        unit.end_transaction(&engine);
        self.paused = None;
        engine.settle_tally(&mut unit.tally);
        unit.free(&engine);
        engine.barrier.end_reservation();
    }
}
