//! From the bytes of a connection to executed commands: parse, pass the gates, run.
//!
//! [`Engine::process`] works through all complete requests of a buffer, so that a pipeline costs one pass. Every
//! request goes through the same flat list of named gates, in Redis's order (`processCommand`), because a client can
//! tell from the error which gate came first. A command that must wait ends the pass; what follows it stays in the
//! buffer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::limits::Limits;
use protocol::resp::reply::{Protocol, Reply};
use protocol::resp::request::ProtocolError;

use super::Engine;
use super::barrier::Pass;
use super::call::{Call, Keys};
use super::handler::{Command, Continued, Handler, Handover, ReplyFuture};
use super::held::Held;
use super::hot::Hot;
use super::intake::Intake;
use super::pace::Pace;
use super::ports::Route;
use super::slot_use::wire_len;
use super::window::{Lead, Look, Tail, Window};
use crate::command::{CmdError, Flags, Traits, error};
use crate::session::{Origin, ReplyMode, Session};

/// Why processing stopped.
pub(crate) enum Next {
    /// All complete requests were executed; `need` is the total buffer length to wait for, if known.
    Input { need: usize },
    /// Enough output for now: write it, then continue.
    Flush,
    /// The session is parked in a blocking command.
    Blocked,
    /// The reply comes later.
    Wait(ReplyFuture),
    /// The command is kept in [`Session::postponed`], or in the buffer, until it is no longer held back.
    Held(Held),
    /// The command goes on when others have had their turn.
    Continued(Box<dyn Continued>),
    /// Send the output, then close.
    Close,
    /// The connection is handed over.
    Handover(Handover),
}

/// The outcome of one command's turn.
pub(super) enum Step {
    Next,
    /// The configuration has changed, by this command or meanwhile.
    Renewed,
    Stop(Next),
}

/// The outcome of the gates.
enum Passed {
    /// The command may run.
    On,
    /// Its slot is moving: its keys are checked under its locks.
    Moving(Route),
    /// It was refused, or queued, or has to wait.
    Stopped(Step),
}

/// Whether the command is queued for EXEC.
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
    /// How long the request is, bytes, if it is to be measured and may differ from what its words would take.
    pub request: Option<usize>,
}

/// The limits of the parser for this client.
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
    /// Executes the complete requests at the beginning of `input`. Returns how many bytes it used, and why it stopped.
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
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out, request: None };
        let result = self.process_batch(session, intake, input, &mut batch);
        self.end_batch(session, intake, &mut batch);
        result
    }

    /// Finishes a batch after its last command.
    #[inline]
    pub(super) fn end_batch(&self, session: &mut Session, intake: &mut Intake, batch: &mut Batch<'_, '_>) {
        self.end_commands(session, batch);
        intake.shrink();
    }

    /// The part of [`Engine::end_batch`] that does not depend on where the commands came from.
    #[inline]
    fn end_commands(&self, session: &mut Session, batch: &mut Batch<'_, '_>) {
        batch.pace.settle(self, session);
        self.settle_tracking();
        // A push that the last command caused follows its reply directly.
        take_pushes(session, batch.out);
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
            let limits = limits(session, &hot);
            window.open(self, intake, input, Look { from, limits, several: authenticated, db: session.db });
            from = window.end;
            for request in window.requests() {
                let args = window.args(request, input, &intake.words);
                let step = if hot.slot_stats {
                    batch.request = Some(request.end - request.start);
                    self.dispatch_measured(session, args, &request.lead, &hot, batch)
                } else {
                    self.dispatch(session, args, &request.lead, &hot, batch)
                };
                // A push that the command caused follows its reply directly.
                take_pushes(session, batch.out);
                let renewed = matches!(step, Step::Renewed);
                if let Some(next) = stop_after(session, args, step, batch.out) {
                    intake.forget();
                    return (request.end, next);
                }
                if renewed {
                    hot = self.hot.load_full();
                }
                if renewed || session.authenticated != authenticated {
                    // Other limits apply from here on.
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

    /// Reports a protocol error to the client. After it, the start of the next request is unknown.
    #[cold]
    pub(super) fn answer_broken(&self, session: &Session, problem: &ProtocolError, out: &mut Vec<u8>) {
        let mut text = b"ERR ".to_vec();
        text.extend_from_slice(&problem.text());
        self.stats.count_error("ERR");
        Reply::new(out, session.protocol).error(&text);
    }

    /// Runs the command of a parked or held session again, through all gates. If it must wait again, the caller keeps
    /// it.
    pub(crate) fn retry(self: &Arc<Self>, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) -> Next {
        let hot = self.hot.load_full();
        let lead = Lead::of(self, args);
        let entered = self.barrier.enter_soon(session.gate).or_else(|| self.outside(session, args, &lead));
        let Some(mut pass) = entered else {
            let refused = self.refuse_while_busy(session, args, &lead, out);
            return refused.map_or(Next::Held(Held::Gate(session.gate)), |_| Next::Flush);
        };
        let mut pace = Pace::start(self);
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out, request: None };
        session.output_limit = hot.output_limit(&session.handle);
        let mut step = self.dispatch_again(session, args, &lead, &hot, &mut batch);
        self.end_commands(session, &mut batch);
        if let Step::Stop(next @ Next::Held(held)) = step {
            if matches!(held, Held::Slot(..) | Held::Alone(_))
                && let Some(refused) = self.refuse_while_busy(session, args, &lead, out)
            {
                step = refused;
            } else {
                return next;
            }
        }
        session.attempts = 0;
        session.handle.stats.last_interaction_ms.store(pace.now_ms, Ordering::Relaxed);
        end_after(session, step, out).unwrap_or(Next::Flush)
    }

    /// Runs one command of the primary's stream. If it is held back, nothing was done, and the caller calls again
    /// later.
    pub(crate) fn apply(self: &Arc<Self>, session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) -> Option<Held> {
        let hot = self.hot.load_full();
        let Some(mut pass) = self.barrier.enter_now(session.gate) else { return Some(Held::Gate(session.gate)) };
        let mut pace = Pace::start(self);
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out, request: None };
        let step = self.dispatch_again(session, args, &Lead::of(self, args), &hot, &mut batch);
        pace.settle(self, session);
        self.settle_tracking();
        // The caller holds what others of its node wait for, so the stream never becomes patient.
        session.attempts = 0;
        if let Step::Stop(Next::Held(held)) = step { Some(held) } else { None }
    }

    /// [`Engine::dispatch`] for words that are no longer in the buffer of a connection, or come from another server.
    pub(super) fn dispatch_again(
        self: &Arc<Self>,
        session: &mut Session,
        args: Args<'_>,
        lead: &Lead,
        hot: &Hot,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        if hot.slot_stats {
            return self.dispatch_measured(session, args, lead, hot, batch);
        }
        self.dispatch(session, args, lead, hot, batch)
    }

    /// [`Engine::dispatch`] for a request whose use of its slot is counted.
    #[cold]
    #[inline(never)]
    fn dispatch_measured(
        self: &Arc<Self>,
        session: &mut Session,
        args: Args<'_>,
        lead: &Lead,
        hot: &Hot,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let bytes = batch.request.take().map_or_else(|| wire_len(args.iter()), |bytes| bytes as u64);
        let measured = self.measure(session, args, lead, bytes, batch.out.len());
        let step = self.dispatch(session, args, lead, hot, batch);
        if let Some(measured) = measured {
            self.measured(session, &measured, &step, batch);
        }
        step
    }

    /// Runs one request, or refuses, queues or holds it.
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
            return self.dispatch_other(session, command, (args, lead), hot, batch);
        };
        if !lead.is_home() {
            return self.dispatch_other(session, command, (args, lead), hot, batch);
        }
        let known = lead.key(args);
        let call = Call { command, args, keys: std::slice::from_ref(&known), hot, moving: None, now };
        match self.pass(session, call, batch) {
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

    /// [`Engine::dispatch`] for a command without a single key.
    #[inline(never)]
    fn dispatch_other(
        self: &Arc<Self>,
        session: &mut Session,
        command: &Command,
        (args, lead): (Args<'_>, &Lead),
        hot: &Hot,
        batch: &mut Batch<'_, '_>,
    ) -> Step {
        let keys = match lead.sole_key_of_script(command, args) {
            Some(known) => Keys::from_buf([known]),
            None => self.keys_of(command, args, session.db),
        };
        let call = Call { command, args, keys: &keys, hot, moving: None, now: batch.pace.now_ms };
        match self.pass(session, call, batch) {
            Passed::On => {}
            Passed::Moving(route) => {
                return self.dispatch_moving(session, &Call { moving: Some(&route), ..call }, batch);
            }
            Passed::Stopped(step) => return step,
        }
        let start = batch.out.len();
        let step = match command.handler {
            Handler::Keyed(handler) if !call.reaches_unnamed_keys() => {
                self.run_keyed(session, handler, &call, batch.out)
            }
            _ => self.run(session, &call, batch),
        };
        end_turn(session, command, step, start, batch)
    }

    /// Passes a call through the gates, and queues it in a transaction.
    #[inline(always)]
    fn pass(&self, session: &mut Session, call: Call<'_>, batch: &mut Batch<'_, '_>) -> Passed {
        let (command, out) = (call.command, &mut *batch.out);
        // Checked before the route: a pause for a failover ends when the slots have gone, so a command that meets no
        // pause here cannot see an old route below.
        let held_until = self.pause_gate(session, call);
        let mut passed = self.pass_first_gates(session, call);
        if passed.is_ok() {
            if call.hot.max_memory != 0 {
                self.make_room(session, &{ call }, batch.pass.is_inside(), out);
            }
            if let Err(problem) = self.pass_later_gates(session, call) {
                passed = Err(problem);
            }
        }
        let moving = match passed {
            Ok(moving) => moving,
            Err(problem) if self.is_being_promoted(session, &{ call }, &problem) => {
                return Passed::Stopped(Step::Stop(Next::Held(Held::Role)));
            }
            Err(problem) => return Passed::Stopped(self.refuse(session, Some(command), call.args, &problem, out)),
        };
        if let Some(until) = held_until
            && !session.is_monitor
        {
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

    /// Runs a command whose slot is moving. A command that does not run under its slots' locks at once has its keys
    /// checked here; EXEC checks those of queued commands, under the locks of all.
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
                Ok(Err(problem)) => return self.refuse(session, Some(command), call.args, &problem, batch.out),
                Ok(Ok(())) if queues => return self.queue(session, call, batch.out),
                Ok(Ok(())) => self.run(session, call, batch),
            },
        };
        end_turn(session, command, step, start, batch)
    }

    /// Finds the command, if it exists and takes this number of words.
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

    /// The reason why [`Engine::resolve`] found nothing.
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
        self.refuse(session, command, args, &problem, out)
    }

    /// Refuses a command that has to wait for a script which takes long, if clients are to be told so by now. Those
    /// that are not to be refused are, if they need what the script has.
    #[cold]
    pub(super) fn refuse_while_busy(
        &self,
        session: &mut Session,
        args: Args<'_>,
        lead: &Lead,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        let problem = self.busy_with_script()?;
        // As in Redis, what does not exist is told just that.
        let Some(command) = self.resolve(args, lead) else {
            return Some(self.refuse_unknown(session, args, lead, out));
        };
        let helps = command.flags.has(Flags::ALLOW_BUSY) || command.traits.has(Traits::HELPS_WHILE_BUSY);
        if helps && self.outside(session, args, lead).is_some() {
            return None;
        }
        Some(self.refuse(session, Some(command), args, &problem, out))
    }

    /// A browser was tricked into sending a request here. As Redis does (`securityWarningCommand`), this is logged and
    /// the client gets no reply.
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

    /// Refuses a command in its turn.
    #[cold]
    fn refuse(
        &self,
        session: &mut Session,
        command: Option<&Command>,
        args: Args<'_>,
        problem: &CmdError,
        out: &mut Vec<u8>,
    ) -> Step {
        let start = out.len();
        self.reject(session, command, problem, out);
        if self.monitors.any()
            && let Some(exec) = command.filter(|command| command.traits.has(Traits::RUNS_THE_QUEUE))
            && !is_redirection(problem)
        {
            // Monitors have seen MULTI: the transaction is over (`execCommandAbort`).
            self.show(session, exec, args, out);
        }
        settle(session, start, out);
        Step::Next
    }

    /// Records a refusal: the error, the statistics, and the transaction that it aborts.
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
            // Also outside MULTI: Redis (`execCommandAbort`) does not check.
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

    /// Queues a command for EXEC.
    fn queue(&self, session: &mut Session, call: &Call<'_>, out: &mut Vec<u8>) -> Step {
        let start = out.len();
        let Some(multi) = &mut session.multi else { return Step::Next };
        // As in Redis, an aborted transaction does not keep commands that it will not run, so EXEC is not routed by
        // their keys.
        let spoiled = multi.aborted || session.watching.as_ref().is_some_and(|transaction| transaction.is_raised());
        if !spoiled {
            multi.bytes += call.args.total_len();
            multi.queue.push(call.to_queued());
            if call.command.traits.has(Traits::SELECTS) {
                multi.selected = self.other_db(call.command, call.args).or(multi.selected);
            }
        }
        session.handle.stats.multi.store(multi.queue.len() as i64, Ordering::Relaxed);
        session.handle.stats.multi_mem.store(multi.memory(), Ordering::Relaxed);
        Reply::new(out, session.protocol).simple("QUEUED");
        settle(session, start, out);
        Step::Next
    }
}

/// Why to stop after a command's turn, if there is a reason. A command that has to wait is kept.
#[inline(always)]
pub(super) fn stop_after(session: &mut Session, args: Args<'_>, step: Step, out: &[u8]) -> Option<Next> {
    if let Step::Stop(Next::Held(_)) = step {
        // Not left in the buffer: an inline command was unescaped there and must not be parsed twice.
        session.postponed = Some(args.to_owned());
    }
    end_after(session, step, out)
}

/// [`stop_after`] for a command that its caller keeps if it has to wait.
#[inline(always)]
pub(super) fn end_after(session: &mut Session, step: Step, out: &[u8]) -> Option<Next> {
    match step {
        Step::Stop(next) => Some(next),
        Step::Next | Step::Renewed if out.len() >= FLUSH_AT.min(session.output_limit) => Some(flush(session, out)),
        Step::Next | Step::Renewed if session.close_after_reply => Some(Next::Close),
        Step::Next | Step::Renewed => None,
    }
}

/// Why to stop when so much output is pending that it must be written first.
#[cold]
fn flush(session: &mut Session, out: &[u8]) -> Next {
    if out.len() >= session.output_limit {
        session.exceed_output_limit();
    }
    if session.close_after_reply { Next::Close } else { Next::Flush }
}

/// Takes over pending pushes, if the client can tell them from replies.
#[inline(always)]
pub(super) fn take_pushes(session: &Session, out: &mut Vec<u8>) {
    if session.protocol == Protocol::Resp3 && session.handle.has_mail() {
        session.handle.take_pushes(|bytes| out.extend_from_slice(bytes));
    }
}

/// Ends a command's turn, unless the command has to wait for it.
#[inline(always)]
fn end_turn(session: &mut Session, command: &Command, step: Step, start: usize, batch: &mut Batch<'_, '_>) -> Step {
    match &step {
        Step::Next | Step::Renewed => batch.pace.count(),
        Step::Stop(Next::Held(_)) => return step,
        Step::Stop(Next::Blocked | Next::Wait(_) | Next::Continued(_)) => batch.pace.count_pending(),
        Step::Stop(Next::Input { .. } | Next::Flush | Next::Close | Next::Handover(_)) => batch.pace.count(),
    }
    if session.asking || session.caching {
        session.spend_on(command.traits);
    }
    if matches!(step, Step::Stop(Next::Continued(_))) {
        // Its reply comes later (`Engine::go_on`).
        return step;
    }
    settle(session, start, batch.out);
    step
}

/// Applies CLIENT REPLY to what a command wrote since `start`.
#[inline(always)]
pub(super) fn settle(session: &mut Session, start: usize, out: &mut Vec<u8>) {
    let pushed = std::mem::take(&mut session.pushed);
    if session.origin != Origin::Client || session.reply_mode != ReplyMode::On {
        silence(session, start, out, pushed);
    }
}

/// Removes what a command wrote since `start`: the client does not want it, unless these are pushes. SKIP is used up
/// either way.
#[cold]
fn silence(session: &mut Session, start: usize, out: &mut Vec<u8>, pushed: bool) {
    if session.origin == Origin::Primary
        && let Some([b'-', error @ ..]) = out.get(start..)
    {
        session.stream_error = Some(String::from_utf8_lossy(error).trim_end().to_owned());
    }
    if session.origin != Origin::Client || !pushed {
        out.truncate(start);
    }
    session.reply_mode = match session.reply_mode {
        ReplyMode::SkipNext => ReplyMode::Skip,
        ReplyMode::Skip => ReplyMode::On,
        mode @ (ReplyMode::On | ReplyMode::Off) => mode,
    };
}

/// Whether the cluster refuses a command.
fn is_redirection(cause: &CmdError) -> bool {
    matches!(cause.code(), "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" | "TRYAGAIN")
}

/// EXEC's error when a gate refuses it: the cause follows the code.
fn exec_abort(cause: &CmdError) -> CmdError {
    if is_redirection(cause) {
        return cause.clone();
    }
    let text = cause.as_bytes();
    let why = text.strip_prefix(b"ERR ").unwrap_or(text);
    CmdError::quoting("EXECABORT Transaction discarded because of: ", why, "")
}

/// The first words of an HTTP request, or of its headers.
fn is_cross_protocol(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
