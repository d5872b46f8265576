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
use super::call::Call;
use super::handler::{Command, Handler, Handover, ReplyFuture};
use super::held::Held;
use super::hot::Hot;
use super::intake::Intake;
use super::pace::Pace;
use super::ports::Route;
use super::window::{Lead, Look, Tail, Window};
use crate::command::{CmdError, Flags, Traits, error};
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

/// What the gates came to.
enum Passed {
    /// The command may run.
    On,
    /// Its slot is moving: what its locks are for is looked at under them.
    Moving(Route),
    /// It was refused, or queued, or has to wait.
    Stopped(Step),
}

/// Whether the command is kept for EXEC.
#[inline(always)]
fn is_queued(session: &Session, command: &Command) -> bool {
    session.in_multi() && !command.traits.has(Traits::RUNS_IN_MULTI)
}

/// What all commands of one batch share.
pub(super) struct Batch<'a, 'e> {
    pub pass: &'a mut Pass<'e>,
    pub pace: &'a mut Pace,
    /// Where replies go.
    pub out: &'a mut Vec<u8>,
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
pub(super) const FLUSH_AT: usize = 256 * 1024;

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
            return self.process_outside(session, intake, input, out);
        };
        let mut pace = Pace::start(self);
        session.handle.stats.last_interaction_ms.store(pace.start_ms, Ordering::Relaxed);
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out };
        let result = self.process_batch(session, intake, input, &mut batch);
        self.end_batch(session, intake, &mut batch);
        result
    }

    /// What is left to do when all that was to be executed is.
    #[inline]
    pub(super) fn end_batch(&self, session: &mut Session, intake: &mut Intake, batch: &mut Batch<'_, '_>) {
        batch.pace.settle(self, session);
        self.settle_tracking();
        // A push that the last command caused comes right behind its reply.
        take_pushes(session, batch.out);
        intake.shrink();
        self.stats.commands_processed.fetch_add(batch.pace.commands, Ordering::Relaxed);
    }

    fn process_batch(
        self: &Arc<Self>,
        session: &mut Session,
        intake: &mut Intake,
        input: &mut [u8],
        batch: &mut Batch<'_, '_>,
    ) -> (usize, Next) {
        let mut from = 0;
        let mut hot = self.hot.load_full();
        let mut window = Window::new();
        loop {
            let authenticated = session.authenticated;
            session.output_limit = hot.output_limit(&session.handle);
            let flush_at = FLUSH_AT.min(session.output_limit);
            let limits = limits(session, &hot);
            window.open(self, intake, input, Look { from, limits, several: authenticated, db: session.db });
            from = window.end;
            for request in window.requests() {
                let args = window.args(request, input, &intake.words);
                let step = self.dispatch(session, args, &request.lead, &hot, batch);
                // A push that the command caused comes right behind its reply.
                take_pushes(session, batch.out);
                let renewed = matches!(step, Step::Renewed);
                let stop = match step {
                    Step::Stop(next @ Next::Held(_)) => {
                        // Not left in the buffer: an inline command was unescaped there and must not be read twice.
                        session.postponed = Some(args.to_owned());
                        Some((request.end, next))
                    }
                    Step::Stop(next) => Some((request.end, next)),
                    Step::Next | Step::Renewed if batch.out.len() >= flush_at => {
                        Some((request.end, flush(session, batch.out)))
                    }
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
                    self.answer_broken(session, problem, batch.out);
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
        let lead = Lead::of(self, args);
        let entered = self.barrier.enter_soon(session.gate).or_else(|| self.outside(session, args, &lead));
        let Some(mut pass) = entered else { return Next::Held(Held::Gate(session.gate)) };
        let mut pace = Pace::start(self);
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out };
        let step = self.dispatch(session, args, &lead, &hot, &mut batch);
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
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out };
        let step = self.dispatch(session, args, &Lead::of(self, args), &hot, &mut batch);
        pace.settle(self, session);
        self.settle_tracking();
        // The control thread never becomes patient.
        session.attempts = 0;
        if let Step::Stop(Next::Held(held)) = step { Some(held) } else { None }
    }

    /// Gives a request its turn.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        session: &mut Session,
        args: Args<'_>,
        lead: &Lead,
        hot: &Hot,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let Some(command) = self.resolve(args, lead) else {
            return self.refuse_unknown(session, args, lead, batch.out);
        };
        batch.pace.turn(self, session, command);
        let now = batch.pace.now_ms;
        let Handler::Keyed(handler) = command.handler else {
            return self.dispatch_other(session, command, args, hot, batch);
        };
        if !lead.is_home() {
            return self.dispatch_other(session, command, args, hot, batch);
        }
        let known = lead.key(args);
        let call = Call { command, args, keys: std::slice::from_ref(&known), hot, moving: None, now };
        match self.pass(session, call, batch.out) {
            Passed::On => {}
            Passed::Moving(route) => {
                return self.dispatch_moving(session, &Call { moving: Some(&route), ..call }, batch);
            }
            Passed::Stopped(step) => return step,
        }
        let start = batch.out.len();
        let step = self.run_at_home(session, handler, call, batch.out);
        end_turn(session, command, step, start, batch)
    }

    /// [`Engine::dispatch`] for a command that is not about a single key.
    #[inline(never)]
    fn dispatch_other(
        self: &Arc<Self>,
        session: &mut Session,
        command: &Command,
        args: Args<'_>,
        hot: &Hot,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let keys = self.keys_of(command, args, session.db);
        let call = Call { command, args, keys: &keys, hot, moving: None, now: batch.pace.now_ms };
        match self.pass(session, call, batch.out) {
            Passed::On => {}
            Passed::Moving(route) => {
                return self.dispatch_moving(session, &Call { moving: Some(&route), ..call }, batch);
            }
            Passed::Stopped(step) => return step,
        }
        let start = batch.out.len();
        let step = match command.handler {
            Handler::Keyed(handler) => self.run_keyed(session, handler, &call, batch.out),
            _ => self.run(session, &call, batch),
        };
        end_turn(session, command, step, start, batch)
    }

    /// Leads a call through the gates, and into the queue of a transaction.
    #[inline(always)]
    fn pass(&self, session: &mut Session, call: Call<'_>, out: &mut Vec<u8>) -> Passed {
        let command = call.command;
        // Asked before the route: a pause for a failover ends when the slots have gone, so that a command which meets no pause here and
        // an old route there cannot be.
        let held_until = self.pause_gate(session, command, call.now);
        let moving = match self.pass_gates(session, call) {
            Ok(moving) => moving,
            Err(problem) => return Passed::Stopped(self.refuse(session, Some(command), &problem, out)),
        };
        if let Some(until) = held_until {
            return Passed::Stopped(Step::Stop(Next::Held(Held::Pause(until))));
        }
        if let Some(route) = moving {
            return Passed::Moving(route);
        }
        if is_queued(session, command) {
            return Passed::Stopped(self.queue(session, &{ call }, out));
        }
        Passed::On
    }

    /// A command whose slot moves. What is not run under its slots' locks right away is looked at here; EXEC looks at what was queued
    /// under the locks of all.
    #[cold]
    fn dispatch_moving(self: &Arc<Self>, session: &mut Session, call: &Call<'_>, batch: &mut Batch<'_, '_>) -> Step {
        let start = batch.out.len();
        let command = call.command;
        let queues = is_queued(session, command);
        let step = match command.handler {
            Handler::Keyed(handler) if !queues => self.run_keyed(session, handler, call, batch.out),
            _ if command.traits.has(Traits::RUNS_THE_QUEUE) => self.run(session, call, batch),
            _ => match self.admit_for_now(session, call) {
                Err(held) => return Step::Stop(Next::Held(held)),
                Ok(Err(problem)) => return self.refuse(session, Some(command), &problem, batch.out),
                Ok(Ok(())) if queues => return self.queue(session, call, batch.out),
                Ok(Ok(())) => self.run(session, call, batch),
            },
        };
        end_turn(session, command, step, start, batch)
    }

    /// Finds the command, if there is one that takes so many words.
    #[inline]
    pub(super) fn resolve(&self, args: Args<'_>, lead: &Lead) -> Option<&Command> {
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
    pub(super) fn reject(
        &self,
        session: &mut Session,
        command: Option<&Command>,
        problem: &CmdError,
        out: &mut Vec<u8>,
    ) {
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
    fn queue(&self, session: &mut Session, call: &Call<'_>, out: &mut Vec<u8>) -> Step {
        let start = out.len();
        let Some(multi) = &mut session.multi else { return Step::Next };
        // Redis: a transaction that is already spoiled does not keep what it will not run (and so what it would have run is
        // not asked for its slots).
        let spoiled = multi.aborted || session.watching.as_ref().is_some_and(|transaction| transaction.is_raised());
        if !spoiled {
            multi.bytes += call.args.total_len();
            multi.queue.push(call.to_queued());
        }
        session.handle.stats.multi.store(multi.queue.len() as i64, Ordering::Relaxed);
        Reply::new(out, session.protocol).simple("QUEUED");
        settle(session, start, out);
        Step::Next
    }
}

/// What follows when so much was written that it has to be sent before more is done.
#[cold]
pub(super) fn flush(session: &mut Session, out: &[u8]) -> Next {
    if out.len() >= session.output_limit {
        session.exceed_output_limit();
    }
    if session.close_after_reply { Next::Close } else { Next::Flush }
}

/// Takes over the pushes that have come, if the client can tell them from replies.
#[inline(always)]
pub(super) fn take_pushes(session: &Session, out: &mut Vec<u8>) {
    if session.protocol == Protocol::Resp3 && session.handle.has_mail() {
        session.handle.take_pushes(|bytes| out.extend_from_slice(bytes));
    }
}

/// Ends a command's turn, unless it did not have it yet.
#[inline(always)]
fn end_turn(session: &mut Session, command: &Command, step: Step, start: usize, batch: &mut Batch<'_, '_>) -> Step {
    if matches!(step, Step::Stop(Next::Held(_))) {
        return step;
    }
    batch.pace.count();
    if session.asking || session.caching {
        session.spend_on(command.traits);
    }
    settle(session, start, batch.out);
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
