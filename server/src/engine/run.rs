//! Runs a command that has passed the gates: takes its locks, runs its handler, does what follows.
//!
//! Each kind of handler has its own way. A keyed command whose only key was looked up ahead takes one lock, any other
//! keyed command the locks of all its keys. A keyspace command visits slots by itself, or runs alone. The others work
//! on their connection or on a subsystem. A command that cannot have its locks for now is held back, and nothing was
//! done.

use std::any::Any;
use std::sync::Arc;

use protocol::resp::reply::Reply;

use super::Engine;
use super::barrier::Pass;
use super::call::Call;
use super::dispatch::{Batch, Next, Step, end_after, settle, take_pushes};
use super::execute::{Called, Caller, Work, prefetch};
use super::handler::{Continued, Handled, Handler, ReplyFuture, SessionCtx, Subsystem};
use super::held::{Held, VISIT_PATIENCE, alone, hold, is_patient, time_of_run};
use super::unit::Unit;
use crate::command::locked::{Slots, place};
use crate::command::{BlockSpec, CmdError, Flags, KeyedFn, KeyspaceFn, LockPlan, Locked, Traits, error};
use crate::session::{Origin, ReplyMode, Session};

impl Engine {
    /// Runs a command that takes its locks by itself, or runs alone.
    pub(super) fn run(self: &Arc<Self>, session: &mut Session, call: &Call<'_>, batch: &mut Batch<'_, '_>) -> Step {
        let step = match call.command.handler {
            Handler::Keyspace(handler) => self.run_keyspace(session, handler, call, batch),
            Handler::Keyed(handler) => self.run_keyed_alone(session, handler, call, batch),
            _ => {
                if session.tracks_reads {
                    // Noted before the command reads: at worst the client is notified once too often.
                    self.remember_read(session, call);
                }
                self.run_service(session, call, batch.out, batch.pass, None)
            }
        };
        match step {
            // Scripts change no directives.
            Step::Next if call.command.traits.has(Traits::RUNS_A_SCRIPT) => step,
            // Commands after CONFIG SET in the same pipeline obey it.
            Step::Next if !std::ptr::eq(Arc::as_ptr(&self.hot.load()), call.hot) => Step::Renewed,
            step => step,
        }
    }

    /// Runs a call while no other thread executes. It passes its gates once more, since what they check may have
    /// changed before it was alone. `f` gets the call as it is by then, with its time and the route of a slot that is
    /// moving.
    ///
    /// # Errors
    /// What held the command back: the gates or `f` say so, or others could not be stopped for now.
    pub(super) fn call_alone<'e, R>(
        &self,
        pass: &mut Pass<'e>,
        session: &mut Session,
        call: &Call<'_>,
        f: impl FnOnce(&mut Pass<'e>, &mut Session, &Call<'_>) -> Result<R, Held>,
    ) -> Result<R, Held> {
        alone(pass, session, |pass, session| {
            let call = Call { now: self.clock.now_ms(), ..*call };
            let route = self.regate(session, &call)?;
            f(pass, session, &Call { moving: route.as_ref(), ..call })
        })
    }

    fn run_keyspace(
        self: &Arc<Self>,
        session: &mut Session,
        handler: KeyspaceFn,
        call: &Call<'_>,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let mut unit = Unit::of(session);
        let start = batch.out.len();
        let out = &mut *batch.out;
        let now = if call.command.flags.has(Flags::EXCLUSIVE) {
            let run = |_: &mut Pass<'_>, session: &mut Session, call: &Call<'_>| {
                let caller = self.caller(session, call.now, false);
                let work = Work { out, rng: &mut session.rng, unit: &mut unit };
                self.call_keyspace(caller, call, handler, work, None);
                if self.monitors.any() {
                    self.show(session, call.command, call.args, out);
                }
                Ok(call.now)
            };
            match self.call_alone(batch.pass, session, call, run) {
                Ok(now) => now,
                Err(held) => return Step::Stop(Next::Held(held)),
            }
        } else {
            let caller = self.caller(session, call.now, false);
            let is_patient = is_patient(session) && !self.barrier.has_suspended();
            let patience = (!is_patient).then_some(VISIT_PATIENCE);
            let work = Work { out, rng: &mut session.rng, unit: &mut unit };
            if let Called::Busy(db, slot) = self.call_keyspace(caller, call, handler, work, patience) {
                self.end_unit(session, unit);
                return Step::Stop(Next::Held(hold(session, Held::Slot(db, slot))));
            }
            if self.monitors.any() {
                self.show(session, call.command, call.args, out);
            }
            call.now
        };
        self.settle_file(session, &mut unit);
        self.serve_later(session, &mut unit, now);
        self.end_unit(session, unit);
        answer(session, batch.out, start)
    }

    /// Runs a keyed command that may reach any slot.
    #[cold]
    fn run_keyed_alone(
        self: &Arc<Self>,
        session: &mut Session,
        handler: KeyedFn,
        call: &Call<'_>,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let mut unit = Unit::of(session);
        let start = batch.out.len();
        let out = &mut *batch.out;
        let run = |_: &mut Pass<'_>, session: &mut Session, call: &Call<'_>| {
            let caller = self.caller(session, call.now, false);
            let work = Work { out, rng: &mut session.rng, unit: &mut unit };
            self.call_keyed(caller, *call, handler, Slots::all(&self.keyspace), work);
            if session.tracks_reads {
                self.remember_read(session, call);
            }
            if self.monitors.any() {
                self.show(session, call.command, call.args, out);
            }
            Ok(call.now)
        };
        let now = match self.call_alone(batch.pass, session, call, run) {
            Ok(now) => now,
            Err(held) => return Step::Stop(Next::Held(held)),
        };
        self.serve_later(session, &mut unit, now);
        self.end_unit(session, unit);
        answer(session, batch.out, start)
    }

    /// Runs a command whose only key was looked up ahead, in a slot that is not moving.
    #[inline(always)]
    pub(super) fn run_at_home(
        self: &Arc<Self>,
        session: &mut Session,
        handler: KeyedFn,
        call: Call<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let start = out.len();
        let mut unit = Unit::of(session);
        let known = call.keys[0];
        let place = place(session.db, known.slot);
        let (mut slot, now) = match self.keyspace.try_lock(session.db, known.slot) {
            Some(slot) => (slot, call.now),
            None => match self.lock_soon(session, session.db, known.slot) {
                Ok(slot) => (slot, time_of_run(self, session, call.now)),
                Err(held) => return Step::Stop(Next::Held(held)),
            },
        };
        let call = Call { now, ..call };
        let slots = Slots::One(place, &mut slot);
        let caller = self.caller(session, call.now, true);
        let caller = Caller { lent: session.lent.as_ref(), ..caller };
        let work = Work { out, rng: &mut session.rng, unit: &mut unit };
        let called = self.call_keyed(caller, call, handler, slots, work);
        if session.tracks_reads {
            self.remember_read(session, &{ call });
        }
        if self.monitors.any() {
            self.show(session, call.command, call.args, out);
        }
        if let Called::Block(spec) = called {
            return self.park_call(session, &{ call }, *spec, Locked::One(place, slot), unit);
        }
        if unit.has_ready() {
            self.serve_waiting(session, &mut unit, Locked::One(place, slot), call.now);
            self.end_unit(session, unit);
            return answer(session, out, start);
        }
        drop(slot);
        self.end_unit(session, unit);
        Step::Next
    }

    /// Runs any keyed command.
    pub(super) fn run_keyed(
        self: &Arc<Self>,
        session: &mut Session,
        handler: KeyedFn,
        call: &Call<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let start = out.len();
        let mut unit = Unit::of(session);
        let mut plan = LockPlan::default();
        self.plan_locks(call, session.db, &mut plan);
        let mut locked = match self.lock_all_soon(session, plan) {
            Ok(locked) => locked,
            Err(held) => return Step::Stop(Next::Held(held)),
        };
        let call = &Call { now: time_of_run(self, session, call.now), ..*call };
        prefetch(call.keys, session.db, &locked);
        if let Some(step) = missing_sender(session, call) {
            return step;
        }
        // First: while a copy is on the way, a key that has gone is not to be written at the target either.
        if let Some(held) = self.wait_for_sent(session.db, call) {
            return Step::Stop(Next::Held(held));
        }
        if let Err(problem) = self.admit(&locked, session.db, call) {
            drop(locked);
            self.reject(session, Some(call.command), &problem, out);
            return Step::Next;
        }
        let caller = self.caller(session, call.now, true);
        let caller = Caller { lent: session.lent.as_ref(), ..caller };
        let work = Work { out, rng: &mut session.rng, unit: &mut unit };
        let called = self.call_keyed(caller, *call, handler, locked.slots(), work);
        if session.tracks_reads {
            self.remember_read(session, call);
        }
        if self.monitors.any() {
            self.show(session, call.command, call.args, out);
        }
        if let Called::Block(spec) = called {
            return self.park_call(session, call, *spec, locked, unit);
        }
        if unit.has_ready() {
            self.serve_waiting(session, &mut unit, locked, call.now);
            self.end_unit(session, unit);
            return answer(session, out, start);
        }
        drop(locked);
        self.end_unit(session, unit);
        Step::Next
    }

    /// Parks a command that has to wait, under the locks it ran under.
    #[cold]
    fn park_call(
        &self,
        session: &mut Session,
        call: &Call<'_>,
        spec: BlockSpec,
        mut locked: Locked<'_>,
        unit: Unit,
    ) -> Step {
        self.park(session, call.command.index, call.args.to_owned(), spec, &mut locked);
        drop(locked);
        self.end_unit(session, unit);
        Step::Stop(Next::Blocked)
    }

    fn run_service(
        self: &Arc<Self>,
        session: &mut Session,
        call: &Call<'_>,
        out: &mut Vec<u8>,
        pass: &mut Pass<'_>,
        unit: Option<&mut Unit>,
    ) -> Step {
        let unit = unit.map(|unit| unit as &mut dyn Any);
        let &Call { command, args, keys, hot, moving, now, .. } = call;
        let start = out.len();
        let protocol = session.protocol;
        let limit = session.output_limit;
        let (result, full) = {
            let reply = Reply::new(out, protocol).limited(limit);
            let mut ctx = SessionCtx { engine: self, session, reply, pass, command, keys, hot, moving, now, unit };
            let result = match command.handler {
                Handler::Session(handler) => handler(&mut ctx, args),
                Handler::Service { subsystem, index } => match self.service(subsystem) {
                    Some(service) => service.call(index, &mut ctx, args),
                    None if subsystem == Subsystem::Cluster => Err(error::CLUSTER_DISABLED),
                    None => Err(CmdError::text("ERR This instance is shutting down")),
                },
                Handler::Container => Err(error::wrong_arity(&command.full_name)),
                Handler::Keyed(_) | Handler::Keyspace(_) => unreachable!("run by their own kind"),
            };
            (result, ctx.reply.is_full())
        };
        if full {
            session.exceed_output_limit();
        }
        let is_over = !matches!(result, Ok(Handled::Postponed(_) | Handled::Continued(_)));
        let step = match result {
            Ok(Handled::Done) if session.close_after_reply => Step::Stop(Next::Close),
            Ok(Handled::Done) if session.reply_after.is_some() && !session.in_exec => reply_later(session, out, start),
            Ok(Handled::Done) => Step::Next,
            Ok(Handled::Wait(future)) => Step::Stop(Next::Wait(heard(session, future))),
            Ok(Handled::Postponed(held)) => Step::Stop(Next::Held(held)),
            Ok(Handled::Continued(rest)) => Step::Stop(Next::Continued(rest)),
            Ok(Handled::Handover(handover)) => Step::Stop(Next::Handover(handover)),
            Err(problem) => {
                out.truncate(start);
                self.write_error(command, &problem, out, (session.protocol, session.is_repeated));
                Step::Next
            }
        };
        if is_over && self.monitors.any() {
            self.show(session, command, args, out);
        }
        step
    }

    /// Runs the next part of a command that runs a part at a time, and after the last one does what follows a command.
    pub(crate) fn go_on(self: &Arc<Self>, session: &mut Session, rest: Box<dyn Continued>, out: &mut Vec<u8>) -> Next {
        let start = out.len();
        session.output_limit = self.hot.load().output_limit(&session.handle);
        if let Some(rest) = rest.go_on(session, out, None) {
            return Next::Continued(rest);
        }
        self.settle_tally(&mut session.tally);
        self.settle_calls(session);
        self.end_parts(session);
        let step = if session.reply_after.is_some() { reply_later(session, out, start) } else { Step::Next };
        settle(session, start, out);
        self.settle_tracking();
        take_pushes(session, out);
        end_after(session, step, out).unwrap_or(Next::Flush)
    }

    /// Runs a session or service command inside EXEC. One that would have to wait is answered with an error there.
    /// Returns the rest of one that runs a part at a time.
    pub(super) fn run_queued_service(
        self: &Arc<Self>,
        session: &mut Session,
        call: &Call<'_>,
        out: &mut Vec<u8>,
        pass: &mut Pass<'_>,
        unit: &mut Unit,
    ) -> Option<Box<dyn Continued>> {
        match self.run_service(session, call, out, pass, Some(unit)) {
            // The connection ends after EXEC's reply.
            Step::Next | Step::Renewed | Step::Stop(Next::Close) => {}
            Step::Stop(Next::Continued(rest)) => return Some(rest),
            // Nothing was written: a command that would have to wait cannot do that here.
            Step::Stop(_) => {
                let how = (session.protocol, session.is_repeated);
                self.write_error(call.command, &error::NO_MULTI, out, how);
            }
        }
        None
    }
}

/// Looks, under the command's locks, whether the sender is there that it needs. One that has left may already have
/// moved the key here once more, and clients may have written to it: what was sent before must not overwrite that.
fn missing_sender(session: &Session, call: &Call<'_>) -> Option<Step> {
    if !call.command.traits.has(Traits::NEEDS_ITS_SENDER) || session.origin != Origin::Client {
        return None;
    }
    match &session.socket {
        None => Some(Step::Stop(Next::Held(Held::Socket))),
        Some(socket) => socket.is_left().then_some(Step::Stop(Next::Close)),
    }
}

/// Sends what a command wrote since `start`: at once, or when [`Session::reply_after`] is over.
#[cold]
fn answer(session: &mut Session, out: &mut Vec<u8>, start: usize) -> Step {
    if session.reply_after.is_some() { reply_later(session, out, start) } else { Step::Next }
}

/// Removes what a command wrote since `start` from the output and keeps it until it may be sent.
#[cold]
fn reply_later(session: &mut Session, out: &mut Vec<u8>, start: usize) -> Step {
    let reply = out.split_off(start);
    let Some(time) = session.reply_after.take() else { return Step::Next };
    let answer = Box::pin(async move {
        time.await;
        reply
    });
    Step::Stop(Next::Wait(heard(session, answer)))
}

/// A reply that comes later, as CLIENT REPLY wants it.
fn heard(session: &Session, reply: ReplyFuture) -> ReplyFuture {
    if session.reply_mode == ReplyMode::On {
        return reply;
    }
    Box::pin(async move {
        reply.await;
        Vec::new()
    })
}
