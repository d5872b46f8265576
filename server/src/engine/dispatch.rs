//! From the bytes of a connection to executed commands: parse, pass the gates, run.
//!
//! [`Engine::process`] works through all complete requests of a buffer, so that a pipeline costs one pass. Every request goes
//! through the same flat list of named gates, in Redis's order (`processCommand`), because a client can tell from the error
//! which gate came first. A command that must wait ends the pass; what follows it stays in the buffer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::limits::Limits;
use protocol::resp::reply::{Protocol, Reply};
use protocol::resp::request::ProtocolError;

use super::Engine;
use super::barrier::Pass;
use super::execute::{Called, Caller, PlannedKeys, Unit, prefetch};
use super::handler::{Command, Handled, Handler, Handover, ReplyFuture, SessionCtx, Subsystem};
use super::held::{Held, VISIT_PATIENCE, alone, hold, is_patient};
use super::hot::Hot;
use super::intake::Intake;
use super::pace::Pace;
use super::ports::Route;
use super::window::{Lead, Tail, Window};
use crate::command::locked::{Slots, place};
use crate::command::{BlockSpec, CmdError, Flags, KeyedFn, KeyspaceFn, KnownKey, LockPlan, Locked, Traits, error};
use crate::session::transaction::Queued;
use crate::session::{Origin, ReplyMode, Session};

/// Why processing stopped.
pub(crate) enum Next {
    /// Everything complete was executed; `need` is the total buffer length worth waiting for, if known.
    Input { need: usize },
    /// Enough output for now: write it, then go on.
    Flush,
    /// The session is parked in a blocking command.
    Blocked,
    /// A reply is on its way.
    Wait(ReplyFuture),
    /// The command is kept in [`Session::postponed`], or in the buffer, until what holds it back is over.
    Held(Held),
    /// Send what is written, then close.
    Close,
    /// The connection is handed over.
    Handover(Handover),
}

/// What one command's turn came to.
pub(super) enum Step {
    Next,
    /// The configuration has been changed, by this command or meanwhile.
    Renewed,
    Stop(Next),
}

/// What is the same for everything that is done in one command's turn. On the path of most commands it is handed on by value: it
/// stays in registers as long as nobody takes its address.
#[derive(Clone, Copy)]
struct Turn<'a> {
    command: &'a Command,
    args: Args<'a>,
    hot: &'a Hot,
    /// See [`SessionCtx::moving`].
    moving: Option<&'a Route>,
    /// Unix milliseconds.
    now: i64,
}

/// What the parser takes from this client.
#[inline(always)]
pub(super) fn limits(session: &Session, hot: &Hot) -> Limits {
    if session.authenticated {
        Limits::authenticated(hot.proto_max_bulk_len)
    } else {
        Limits::unauthenticated(hot.proto_max_bulk_len)
    }
}

/// Output beyond this is written before more commands run, bytes.
const FLUSH_AT: usize = 256 * 1024;

impl Engine {
    /// Executes the complete requests at the beginning of `input`. Returns how many bytes were used up, and why it stopped.
    pub(crate) fn process(
        self: &Arc<Self>,
        session: &mut Session,
        intake: &mut Intake,
        input: &mut [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        let Some(mut pass) = self.barrier.enter_soon(session.gate) else {
            return (0, Next::Held(Held::Gate(session.gate)));
        };
        let mut pace = Pace::start(self);
        session.handle.stats.last_interaction_ms.store(pace.start_ms, Ordering::Relaxed);
        let result = self.process_batch(session, intake, input, out, &mut pass, &mut pace);
        self.end_batch(session, intake, &mut pace, out);
        result
    }

    /// What is left to do when all that was to be executed is.
    #[inline]
    pub(super) fn end_batch(&self, session: &mut Session, intake: &mut Intake, pace: &mut Pace, out: &mut Vec<u8>) {
        pace.settle(self, session);
        self.settle_tracking();
        // A push that the last command caused comes right behind its reply.
        take_pushes(session, out);
        intake.shrink();
        self.stats.commands_processed.fetch_add(pace.commands, Ordering::Relaxed);
    }

    fn process_batch(
        self: &Arc<Self>,
        session: &mut Session,
        intake: &mut Intake,
        input: &mut [u8],
        out: &mut Vec<u8>,
        pass: &mut Pass<'_>,
        pace: &mut Pace,
    ) -> (usize, Next) {
        let mut from = 0;
        let mut hot = self.hot.load_full();
        let mut window = Window::new();
        loop {
            let authenticated = session.authenticated;
            session.output_limit = hot.output_limit(&session.handle);
            let flush_at = FLUSH_AT.min(session.output_limit);
            let limits = limits(session, &hot);
            window.open(self, intake, input, from, &limits, authenticated, session.db);
            from = window.end;
            for request in window.requests() {
                let args = window.args(request, input, &intake.words);
                let step = self.dispatch(session, args, &request.lead, out, pass, &hot, pace);
                // A push that the command caused comes right behind its reply.
                take_pushes(session, out);
                let renewed = matches!(step, Step::Renewed);
                let stop = match step {
                    Step::Stop(next @ Next::Held(_)) => {
                        // Not left in the buffer: an inline command was unescaped there and must not be read twice.
                        session.postponed = Some(args.to_owned());
                        Some((request.end, next))
                    }
                    Step::Stop(next) => Some((request.end, next)),
                    Step::Next | Step::Renewed if out.len() >= flush_at => Some((request.end, flush(session, out))),
                    Step::Next | Step::Renewed if session.close_after_reply => Some((request.end, Next::Close)),
                    Step::Next | Step::Renewed => None,
                };
                if let Some(stop) = stop {
                    intake.forget();
                    return stop;
                }
                if renewed {
                    hot = self.hot.load_full();
                }
                if renewed || session.authenticated != authenticated {
                    // Other limits hold from here on.
                    intake.forget();
                    from = request.end;
                    break;
                }
            }
            if from != window.end {
                continue;
            }
            match &window.tail {
                Tail::More => {}
                Tail::Incomplete { need } => return (from, Next::Input { need: *need }),
                Tail::Broken(problem) => {
                    self.answer_broken(session, problem, out);
                    return (input.len(), Next::Close);
                }
            }
        }
    }

    /// Tells a client what is wrong with its bytes. There is no next request in them to go on with.
    #[cold]
    pub(super) fn answer_broken(&self, session: &Session, problem: &ProtocolError, out: &mut Vec<u8>) {
        let mut text = b"ERR ".to_vec();
        text.extend_from_slice(&problem.text());
        self.stats.count_error("ERR");
        Reply::new(out, session.protocol).error(&text);
    }

    /// Runs the command of a parked or held session again, through all gates. If it has to wait, the caller keeps it.
    pub(crate) fn retry(self: &Arc<Self>, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) -> Next {
        let hot = self.hot.load_full();
        let Some(mut pass) = self.barrier.enter_soon(session.gate) else { return Next::Held(Held::Gate(session.gate)) };
        let mut pace = Pace::start(self);
        let step = self.dispatch(session, args, &Lead::of(self, args), out, &mut pass, &hot, &mut pace);
        pace.settle(self, session);
        self.settle_tracking();
        let next = match step {
            Step::Next | Step::Renewed => Next::Flush,
            Step::Stop(next) => next,
        };
        if !matches!(next, Next::Held(_)) {
            session.attempts = 0;
        }
        next
    }

    /// Runs one command of the primary's stream. If something holds it back, nothing was done: the caller comes again then.
    pub(crate) fn apply(self: &Arc<Self>, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) -> Option<Held> {
        let hot = self.hot.load_full();
        let Some(mut pass) = self.barrier.try_enter(session.gate) else { return Some(Held::Gate(session.gate)) };
        let mut pace = Pace::start(self);
        let step = self.dispatch(session, args, &Lead::of(self, args), out, &mut pass, &hot, &mut pace);
        pace.settle(self, session);
        self.settle_tracking();
        // The control thread never becomes patient.
        session.attempts = 0;
        if let Step::Stop(Next::Held(held)) = step { Some(held) } else { None }
    }

    pub(super) fn dispatch(
        self: &Arc<Self>,
        session: &mut Session,
        args: Args<'_>,
        lead: &Lead,
        out: &mut Vec<u8>,
        pass: &mut Pass<'_>,
        hot: &Hot,
        pace: &mut Pace,
    ) -> Step {
        let start = out.len();
        let Some(command) = self.resolve(args, lead) else { return self.refuse_unknown(session, args, lead, out) };
        pace.turn(self, session, command);
        let now = pace.now_ms;
        // Asked before the route: a pause for a failover ends when the slots have gone, so that a command which meets no pause here and
        // an old route there cannot be.
        let held_until = self.pause_gate(session, command, now);
        let moving = match self.pass_gates(session, command, args, lead, hot) {
            Ok(moving) => moving,
            Err(problem) => return self.refuse(session, Some(command), &problem, out),
        };
        if let Some(until) = held_until {
            return Step::Stop(Next::Held(Held::Pause(until)));
        }
        let turn = Turn { command, args, hot, moving: None, now };
        if let Some(route) = moving {
            return self.dispatch_moving(session, &{ turn }, route, pass, pace, out);
        }
        if session.in_multi() && !command.traits.has(Traits::RUNS_IN_MULTI) {
            return self.queue(session, command, args, out);
        }
        let step = match command.handler {
            Handler::Keyed(handler) if lead.is_home() => self.run_at_home(session, handler, turn, lead, out),
            Handler::Keyed(handler) => self.run_keyed(session, handler, &{ turn }, None, out),
            _ => self.run(session, &{ turn }, pass, out),
        };
        end_turn(session, command, step, start, pace, out)
    }

    /// A command whose slot moves. What is not run under its slots' locks right away is looked at here; EXEC looks at what was queued
    /// under the locks of all.
    #[cold]
    fn dispatch_moving(
        self: &Arc<Self>,
        session: &mut Session,
        turn: &Turn<'_>,
        route: Route,
        pass: &mut Pass<'_>,
        pace: &mut Pace,
        out: &mut Vec<u8>,
    ) -> Step {
        let &Turn { command, args, now, .. } = turn;
        let start = out.len();
        let queues = session.in_multi() && !command.traits.has(Traits::RUNS_IN_MULTI);
        let step = match command.handler {
            Handler::Keyed(handler) if !queues => self.run_keyed(session, handler, turn, Some(route), out),
            _ if command.traits.has(Traits::RUNS_THE_QUEUE) => {
                self.run(session, &Turn { moving: Some(&route), ..*turn }, pass, out)
            }
            _ => match self.admit_for_now(session.db, command, args, now, route) {
                Err(problem) => return self.refuse(session, Some(command), &problem, out),
                Ok(()) if queues => return self.queue(session, command, args, out),
                Ok(()) => self.run(session, turn, pass, out),
            },
        };
        end_turn(session, command, step, start, pace, out)
    }

    /// Finds the command, if there is one that takes so many words.
    #[inline]
    fn resolve(&self, args: Args<'_>, lead: &Lead) -> Option<&Command> {
        let mut command = self.registry.by_index(lead.command()?);
        if command.flags.has(Flags::CONTAINER)
            && let Some(word) = args.get(1)
        {
            command = self.registry.find_sub(command, word)?;
        }
        command.arity.accepts(args.len()).then_some(command)
    }

    /// Says why [`Engine::resolve`] found nothing.
    #[cold]
    fn refuse_unknown(&self, session: &mut Session, args: Args<'_>, lead: &Lead, out: &mut Vec<u8>) -> Step {
        let found = lead.command().map(|found| self.registry.by_index(found));
        let (command, problem) = match found {
            None => (None, error::unknown_command(args)),
            Some(container) if container.flags.has(Flags::CONTAINER) && args.len() > 1 => {
                match self.registry.find_sub(container, &args[1]) {
                    Some(sub) => (Some(sub), error::wrong_arity(&sub.full_name)),
                    None => (None, error::unknown_subcommand(container.spec.name, &args[1])),
                }
            }
            Some(command) => (Some(command), error::wrong_arity(&command.full_name)),
        };
        if command.is_none() && is_cross_protocol(&args[0]) && session.origin == Origin::Client {
            self.drop_web_client(session, out);
            return Step::Stop(Next::Close);
        }
        self.refuse(session, command, &problem, out)
    }

    /// Somebody makes a browser talk to us. Redis (`securityWarningCommand`): say so in the log, and nothing to the client.
    #[cold]
    fn drop_web_client(&self, session: &Session, out: &mut Vec<u8>) {
        self.log.warning(format_args!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
             likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection \
             from {} aborted.",
            session.handle.addr
        ));
        out.clear();
    }

    /// Refuses a command whose turn has come.
    #[cold]
    fn refuse(&self, session: &mut Session, command: Option<&Command>, problem: &CmdError, out: &mut Vec<u8>) -> Step {
        let start = out.len();
        self.reject(session, command, problem, out);
        settle(session, start, out);
        Step::Next
    }

    /// What refusing a command comes to: the error, the statistics, and the transaction that it spoils.
    fn reject(&self, session: &mut Session, command: Option<&Command>, problem: &CmdError, out: &mut Vec<u8>) {
        let is_exec = command.is_some_and(|command| command.traits.has(Traits::RUNS_THE_QUEUE));
        if let Some(command) = command {
            self.stats.command(command.index).rejected.fetch_add(1, Ordering::Relaxed);
        }
        if !session.in_multi() || is_exec {
            session.spend_caching(command.map_or(Traits::default(), |command| command.traits));
        }
        if is_exec {
            // Also without MULTI: Redis (`execCommandAbort`) does not ask.
            super::transaction::end_multi(self, session);
            session.spend_asking();
            let text = exec_abort(problem);
            self.stats.count_error(text.code());
            Reply::new(out, session.protocol).error(text.as_bytes());
            return;
        }
        self.stats.count_error(problem.code());
        if let Some(multi) = &mut session.multi {
            multi.aborted = true;
        }
        session.spend_asking();
        Reply::new(out, session.protocol).error(problem.as_bytes());
    }

    /// Keeps a command for EXEC.
    fn queue(&self, session: &mut Session, command: &Command, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        let start = out.len();
        let Some(multi) = &mut session.multi else { return Step::Next };
        // Redis: a transaction that is already spoiled does not keep what it will not run (and so what it would have run is
        // not asked for its slots).
        let spoiled = multi.aborted || session.watching.as_ref().is_some_and(|transaction| transaction.is_raised());
        if !spoiled {
            multi.bytes += args.total_len();
            multi.queue.push(Queued { command: command.index, args: args.to_owned() });
        }
        session.handle.stats.multi.store(multi.queue.len() as i64, Ordering::Relaxed);
        Reply::new(out, session.protocol).simple("QUEUED");
        settle(session, start, out);
        Step::Next
    }

    /// Runs a command that takes its locks by itself.
    fn run(self: &Arc<Self>, session: &mut Session, turn: &Turn<'_>, pass: &mut Pass<'_>, out: &mut Vec<u8>) -> Step {
        let step = match turn.command.handler {
            Handler::Keyspace(handler) => self.run_keyspace(session, handler, turn, pass, out),
            _ => {
                if session.tracks_reads {
                    // What is noted before it reads is told at worst too often.
                    self.remember_read(session, turn.command, turn.args);
                }
                self.run_service(session, turn, out, pass)
            }
        };
        match step {
            // What comes after CONFIG SET in the same pipeline obeys it.
            Step::Next if !std::ptr::eq(Arc::as_ptr(&self.hot.load()), turn.hot) => Step::Renewed,
            step => step,
        }
    }

    fn run_keyspace(
        self: &Arc<Self>,
        session: &mut Session,
        handler: KeyspaceFn,
        turn: &Turn<'_>,
        pass: &mut Pass<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let &Turn { command, args, hot, now, .. } = turn;
        let caller = self.caller(session, now, false);
        let mut unit = Unit::of(session);
        if command.flags.has(Flags::EXCLUSIVE) {
            let run = |_: &mut Pass<'_>, session: &mut Session| {
                // The gate was given up for the wait: whoever had the node first may have made a cut that ends all writes.
                if let Some(until) = self.pause_gate(session, command, now) {
                    return Err(Held::Pause(until));
                }
                self.call_keyspace(caller, command, handler, args, out, &mut session.rng, hot, &mut unit, None);
                Ok(())
            };
            if let Err(held) = alone(pass, session, run) {
                return Step::Stop(Next::Held(held));
            }
        } else {
            let patience = (!is_patient(session)).then_some(VISIT_PATIENCE);
            let rng = &mut session.rng;
            let called = self.call_keyspace(caller, command, handler, args, out, rng, hot, &mut unit, patience);
            if let Called::Busy(db, slot) = called {
                self.end_unit(session, unit);
                return Step::Stop(Next::Held(hold(session, Held::Slot(db, slot))));
            }
        }
        unit.settle_file();
        self.serve_later(&mut unit, now);
        self.end_unit(session, unit);
        Step::Next
    }

    /// Runs a command whose only key was looked up ahead, in a slot that is not moving.
    #[inline(always)]
    fn run_at_home(
        &self,
        session: &mut Session,
        handler: KeyedFn,
        turn: Turn<'_>,
        lead: &Lead,
        out: &mut Vec<u8>,
    ) -> Step {
        let mut unit = Unit::of(session);
        let known = lead.key(turn.args);
        let place = place(session.db, known.slot);
        let mut slot = match self.keyspace.try_lock(session.db, known.slot) {
            Some(slot) => slot,
            None => match self.lock_soon(session, session.db, known.slot) {
                Ok(slot) => slot,
                Err(held) => return Step::Stop(Next::Held(held)),
            },
        };
        let slots = Slots::One(place, &mut slot);
        let called = self.call_turn(session, handler, turn, std::slice::from_ref(&known), &mut unit, slots, out);
        if let Called::Block(spec) = called {
            return self.park_turn(session, &{ turn }, *spec, Locked::One(place, slot), unit);
        }
        if unit.has_ready() {
            self.serve_waiting(&mut unit, Locked::One(place, slot), turn.now);
        } else {
            drop(slot);
        }
        self.end_unit(session, unit);
        Step::Next
    }

    fn run_keyed(
        &self,
        session: &mut Session,
        handler: KeyedFn,
        turn: &Turn<'_>,
        moving: Option<Route>,
        out: &mut Vec<u8>,
    ) -> Step {
        let &Turn { command, args, now, .. } = turn;
        let mut unit = Unit::of(session);
        let mut keys = PlannedKeys::new();
        let mut plan = LockPlan::default();
        self.plan_locks_and_keys(command, args, session.db, &mut plan, &mut keys);
        let mut locked = match self.lock_all_soon(session, plan) {
            Ok(locked) => locked,
            Err(held) => return Step::Stop(Next::Held(held)),
        };
        prefetch(&keys, session.db, &locked);
        if let Some(route) = moving
            && let Err(problem) = self.admit(&locked, session.db, command, args, now, route)
        {
            drop(locked);
            self.reject(session, Some(command), &problem, out);
            return Step::Next;
        }
        if let Called::Block(spec) = self.call_turn(session, handler, *turn, &keys, &mut unit, locked.slots(), out) {
            return self.park_turn(session, turn, *spec, locked, unit);
        }
        if unit.has_ready() {
            self.serve_waiting(&mut unit, locked, now);
        } else {
            drop(locked);
        }
        self.end_unit(session, unit);
        Step::Next
    }

    /// Runs a keyed command under its locks.
    #[inline(always)]
    fn call_turn(
        &self,
        session: &mut Session,
        handler: KeyedFn,
        turn: Turn<'_>,
        keys: &[KnownKey<'_>],
        unit: &mut Unit,
        slots: Slots<'_>,
        out: &mut Vec<u8>,
    ) -> Called {
        let Turn { command, args, hot, now, .. } = turn;
        let caller = Caller { lent: session.lent.as_ref(), ..self.caller(session, now, true) };
        let called = self.call_keyed(caller, command, handler, args, keys, out, &mut session.rng, hot, unit, slots);
        if session.tracks_reads {
            self.remember_read(session, command, args);
        }
        called
    }

    /// Parks a command that has to wait, under the locks it ran under.
    #[cold]
    fn park_turn(
        &self,
        session: &mut Session,
        turn: &Turn<'_>,
        spec: BlockSpec,
        mut locked: Locked<'_>,
        unit: Unit,
    ) -> Step {
        self.park(session, turn.command.index, turn.args.to_owned(), spec, &mut locked);
        drop(locked);
        self.end_unit(session, unit);
        Step::Stop(Next::Blocked)
    }

    /// Ends a unit, when its locks are given back: what it removed is freed, what it did is counted, its replication offset is noted for
    /// WAIT, and that a reply was too long.
    #[inline(always)]
    pub(crate) fn end_unit(&self, session: &mut Session, unit: Unit) {
        session.tally.add(unit.tally);
        if unit.over_limit {
            session.exceed_output_limit();
        }
        if unit.wrote
            && self.state.propagating.load(Ordering::Relaxed)
            && let Some(feed) = self.feed()
        {
            session.last_write_offset = feed.offset();
        }
        unit.free();
    }

    fn run_service(
        self: &Arc<Self>,
        session: &mut Session,
        turn: &Turn<'_>,
        out: &mut Vec<u8>,
        pass: &mut Pass<'_>,
    ) -> Step {
        let &Turn { command, args, moving, now, .. } = turn;
        let start = out.len();
        let protocol = session.protocol;
        let limit = session.output_limit;
        let (result, full) = {
            let reply = Reply::new(out, protocol).limited(limit);
            let mut ctx = SessionCtx { engine: self, session, reply, pass, command, moving, now };
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
        match result {
            Ok(Handled::Done) if session.close_after_reply => Step::Stop(Next::Close),
            Ok(Handled::Done) if session.reply_after.is_some() && !session.in_exec => reply_later(session, out, start),
            Ok(Handled::Done) => Step::Next,
            Ok(Handled::Wait(future)) => Step::Stop(Next::Wait(heard(session, future))),
            Ok(Handled::Postponed(held)) => Step::Stop(Next::Held(held)),
            Ok(Handled::Handover(handover)) => Step::Stop(Next::Handover(handover)),
            Err(problem) => {
                out.truncate(start);
                self.write_error(command, &problem, out, session.protocol);
                Step::Next
            }
        }
    }

    /// A session or service command inside EXEC. One that would have to wait is answered with an error there.
    pub(super) fn run_queued_service(
        self: &Arc<Self>,
        session: &mut Session,
        command: &Command,
        args: Args<'_>,
        out: &mut Vec<u8>,
        now: i64,
        pass: &mut Pass<'_>,
    ) {
        let turn = Turn { command, args, hot: &self.hot.load(), moving: None, now };
        if let Step::Stop(Next::Wait(_) | Next::Handover(_)) = self.run_service(session, &turn, out, pass) {
            self.write_error(command, &error::NO_MULTI, out, session.protocol);
        }
    }
}

/// What follows when so much was written that it has to be sent before more is done.
#[cold]
fn flush(session: &mut Session, out: &[u8]) -> Next {
    if out.len() >= session.output_limit {
        session.exceed_output_limit();
    }
    if session.close_after_reply { Next::Close } else { Next::Flush }
}

/// Takes over the pushes that have come, if the client can tell them from replies.
#[inline(always)]
fn take_pushes(session: &Session, out: &mut Vec<u8>) {
    if session.protocol == Protocol::Resp3 && session.handle.has_mail() {
        session.handle.take_pushes(|bytes| out.extend_from_slice(bytes));
    }
}

/// Keeps back what a command wrote since `start` until the time for it has come.
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

/// Ends a command's turn, unless it did not have it yet.
#[inline(always)]
fn end_turn(
    session: &mut Session,
    command: &Command,
    step: Step,
    start: usize,
    pace: &mut Pace,
    out: &mut Vec<u8>,
) -> Step {
    if matches!(step, Step::Stop(Next::Held(_))) {
        return step;
    }
    pace.count();
    if session.asking || session.caching {
        session.spend_on(command.traits);
    }
    settle(session, start, out);
    step
}

/// Applies CLIENT REPLY to what a command wrote since `start`.
#[inline(always)]
fn settle(session: &mut Session, start: usize, out: &mut Vec<u8>) {
    let pushed = std::mem::take(&mut session.pushed);
    if session.origin != Origin::Client || (session.reply_mode != ReplyMode::On && !pushed) {
        silence(session, start, out);
    }
}

/// Takes back what a command wrote since `start`: nobody is to read it.
#[cold]
fn silence(session: &mut Session, start: usize, out: &mut Vec<u8>) {
    if session.origin == Origin::Primary
        && let Some([b'-', error @ ..]) = out.get(start..)
    {
        session.stream_error = Some(String::from_utf8_lossy(error).trim_end().to_owned());
    }
    out.truncate(start);
    session.reply_mode = match session.reply_mode {
        ReplyMode::SkipNext => ReplyMode::Skip,
        ReplyMode::Skip => ReplyMode::On,
        mode @ (ReplyMode::On | ReplyMode::Off) => mode,
    };
}

/// EXEC's error when a gate refuses it: the cause is told after the code.
fn exec_abort(cause: &CmdError) -> CmdError {
    if matches!(cause.code(), "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" | "TRYAGAIN") {
        return cause.clone();
    }
    let text = cause.as_bytes();
    let why = text.strip_prefix(b"ERR ").unwrap_or(text);
    CmdError::quoting("EXECABORT Transaction discarded because of: ", why, "")
}

/// What browsers say first, or soon: HTTP in the place of RESP.
fn is_cross_protocol(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
