//! A script that runs: begun, suspended, continued, ended.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::resp::{Args, Reply};

use super::super::Engine;
use super::super::barrier::Pass;
use super::super::handler::{Continued, Handled, SessionCtx, SessionResult};
use super::super::held::alone;
use super::super::hot::Hot;
use super::super::ports::{Route, RouteAsk};
use super::super::unit::Unit;
use super::call::{CallState, NotCalled, Scene};
use super::functions;
use super::{Phase, Suspended};
use crate::command::{CmdError, KeptSlots, LockPlan, Locked};
use crate::config::ids;
use crate::script::{Errors, Program, Script, Turn, Vm, VmKind, VmOptions, VmPool};
use crate::session::tally::Tally;
use crate::session::{Origin, Session};

/// For how long a script runs before its worker looks after others, microseconds.
const SLICE_US: u64 = 5000;
/// The same of one that was suspended: it takes long, and others are to notice little of it.
const NEXT_SLICE_US: u64 = 100;
/// For how long a script may be compiled, microseconds. Its worker does nothing else meanwhile. Sixteen megabytes take
/// less.
const COMPILE_US: u64 = 2_000_000;

const NOT_ATOMIC: CmdError = CmdError::text(
    "ERR Script accessed what it does not declare, after it had written, while another script did the same",
);

/// A script with all that it needs to go on.
pub(crate) struct ScriptRun {
    engine: Arc<Engine>,
    program: Program,
    /// The command that runs it.
    command: usize,
    /// How many of its words behind the first three are keys. Then come the arguments.
    keys: usize,
    pool: Rc<VmPool>,
    /// `None` once it was given back.
    vm: Option<Box<Vm>>,
    unit: Unit,
    state: CallState,
    /// The database that it has selected.
    db: usize,
    now: i64,
    /// Monotonic time when it began, in microseconds. Not read before others may ask.
    began_us: Option<u64>,
    suspended: Option<Arc<Suspended>>,
    /// Monotonic time when it was suspended for the first time, in microseconds.
    suspended_us: u64,
    /// The log says that it takes long.
    is_known_slow: bool,
    /// It may be suspended. What a primary sends is not.
    may_pause: bool,
    /// It calls a command for which it has to be alone, and waits for that.
    awaits_all: bool,
    /// What the barrier knows of it.
    standing: Standing,
    /// The slots that it has while it is suspended, unless it is alone.
    kept: Option<KeptSlots>,
}

/// What the barrier knows of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not been suspended yet, or is a part of a batch again.
    Ordinary,
    /// It has slots locked while it is suspended.
    Suspended,
    /// It has the whole node.
    Reserved,
}

/// How a script ends.
enum End<'e, 'r> {
    /// Its client gets the result.
    Answer(&'e mut Session, &'e mut Reply<'r>),
    /// The same, but it is a command of a transaction, which propagates what it has done.
    HandBack(&'e mut Unit, &'e Session, &'e mut Reply<'r>),
    /// Its node ends, or it never ran.
    GivenUp,
}

/// Why a script stopped running for now.
enum Driven {
    Done,
    Paused,
    NeedsAll,
}

/// What a script runs with until it ends or is suspended.
struct Leg<'a> {
    /// The words of the command.
    words: Args<'a>,
    /// The directives, as they are when this part begins.
    hot: &'a Hot,
    /// It begins with this turn: a command for which its locks were not enough.
    turn: Option<Turn>,
}

/// What begins a script.
pub(super) struct Begin<'a> {
    pub program: Program,
    /// The words of the command.
    pub words: Args<'a>,
    /// How many of those behind the first three are keys.
    pub keys: usize,
    pub plan: LockPlan,
    pub state: CallState,
}

/// Runs a script for a client, until it ends or is suspended.
pub(super) fn start(ctx: &mut SessionCtx<'_, '_>, begin: Begin<'_>) -> SessionResult {
    let engine = ctx.engine.clone();
    let pool = ctx.session.vms.clone();
    let kind = if begin.program.is_function() { VmKind::Functions } else { VmKind::Scripts };
    let mut vm = machine(&engine, &pool, kind)?;
    if let Program::Function(library, _) = &begin.program {
        // Before anything is locked: its code may take a while.
        functions::prepare(&engine, &mut vm, library).map_err(|problem| CmdError::new(format!("ERR {problem}")))?;
    }
    vm.reply_in(ctx.reply.protocol());
    let needs_all = begin.program.reach().needs_all();
    // In a cluster, the slot's lock is enough for a script of one slot. Elsewhere it must have proven that.
    let is_clustered = engine.router().is_some();
    let is_alone = ctx.pass.is_alone()
        || begin.program.flags().allow_cross_slot_keys
        || needs_all.unwrap_or(!is_clustered)
        || (is_clustered && begin.keys == 0 && needs_all != Some(false));
    let run = Box::new(ScriptRun {
        command: ctx.command.index,
        program: begin.program,
        keys: begin.keys,
        pool,
        vm: Some(vm),
        unit: Unit::of(ctx.session),
        state: begin.state,
        db: ctx.session.db,
        now: ctx.now,
        began_us: None,
        suspended: None,
        suspended_us: 0,
        is_known_slow: false,
        may_pause: ctx.session.origin == Origin::Client,
        awaits_all: false,
        standing: Standing::Ordinary,
        kept: None,
        engine,
    });
    if is_alone { start_alone(ctx, run, begin.words) } else { start_locked(ctx, run, begin.words, begin.plan) }
}

/// A machine for one script or function.
///
/// # Errors
/// There is no memory for it.
pub(super) fn machine(engine: &Engine, pool: &VmPool, kind: VmKind) -> Result<Box<Vm>, CmdError> {
    pool.take(kind, memory_limit(engine), |number| options(engine, kind, number))
        .map_err(|_| CmdError::text("ERR There is no memory for another script"))
}

/// Memory that the Lua program of a script may have, bytes.
fn memory_limit(engine: &Engine) -> usize {
    usize::try_from(engine.config.memory(ids::SCRIPT_MEMORY_LIMIT)).unwrap_or(usize::MAX)
}

fn options(engine: &Engine, kind: VmKind, number: u64) -> VmOptions {
    VmOptions {
        kind,
        memory_limit: memory_limit(engine),
        meter: engine.scripts.machine_bytes[kind as usize].clone(),
        version: engine.config.string(ids::SERVER_VERSION_ANNOUNCED).to_string(),
        random: (number > 1).then(|| engine.state.seed()),
    }
}

fn start_locked(
    ctx: &mut SessionCtx<'_, '_>,
    mut run: Box<ScriptRun>,
    words: Args<'_>,
    plan: LockPlan,
) -> SessionResult {
    let engine = ctx.engine;
    let mut locked = match engine.lock_all_soon(ctx.session, plan) {
        Ok(locked) => locked,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    if let Some(route) = ctx.moving {
        let keys = engine.keys_of_words(words.slice(3..3 + run.keys));
        engine.admit_keys(&locked, ctx.session.db, &keys, (ctx.now, route))?;
    }
    run.begin(words)?;
    match run.drive(ctx.session, ctx.pass, Some(&mut locked), Leg { words, hot: ctx.hot, turn: None }) {
        Driven::Done => {
            run.program.reach().note_needs_all(false);
            run.settle(Some(locked), End::Answer(ctx.session, &mut ctx.reply));
            Ok(Handled::Done)
        }
        Driven::Paused => {
            run.keep(Some(locked));
            Ok(run.suspend(words))
        }
        Driven::NeedsAll if !run.state.has_effects => {
            // What it has done so far is what reading does: an expired key was deleted.
            run.unit.mute(false);
            run.unit.end_transaction(engine);
            drop(locked);
            run.program.reach().note_needs_all(true);
            run.abandon();
            run.begin_again();
            run.db = ctx.session.db;
            start_alone(ctx, run, words)
        }
        Driven::NeedsAll => {
            run.await_all();
            run.keep(Some(locked));
            Ok(run.suspend(words))
        }
    }
}

fn start_alone(ctx: &mut SessionCtx<'_, '_>, run: Box<ScriptRun>, words: Args<'_>) -> SessionResult {
    let mut run = Some(run);
    let (reply, hot) = (&mut ctx.reply, ctx.hot);
    let outer = ctx.unit.as_deref_mut().and_then(|unit| unit.downcast_mut::<Unit>());
    let ran = alone(ctx.pass, ctx.session, |pass, session| {
        let Some(mut run) = run.take() else { return Ok(Ok(Handled::Done)) };
        if let Err(problem) = run.begin(words) {
            return Ok(Err(problem));
        }
        if run.has_ended_alone(session, pass, Leg { words, hot, turn: None }, reply, outer) {
            return Ok(Ok(Handled::Done));
        }
        Ok(Ok(run.suspend(words)))
    });
    ran.unwrap_or_else(|held| Ok(Handled::Postponed(held)))
}

/// Whether a script can be compiled.
///
/// # Errors
/// It cannot: Redis's text.
pub(super) fn check(ctx: &SessionCtx<'_, '_>, script: &Script) -> Result<(), CmdError> {
    let pool = &ctx.session.vms;
    let mut vm = machine(ctx.engine, pool, VmKind::Scripts)?;
    let clock = &ctx.engine.clock;
    let until = clock.monotonic_us() + COMPILE_US;
    let checked = vm.check(script, &mut || clock.monotonic_us() < until).map_err(|message| compile_error(&message));
    pool.put(vm);
    checked
}

impl ScriptRun {
    /// Puts the script's function and words where the machine runs them.
    fn begin(&mut self, words: Args<'_>) -> Result<(), CmdError> {
        self.state.slot = self.state.first_slot;
        let Some(vm) = &mut self.vm else { return Ok(()) };
        let (keys, args) = (words.slice(3..3 + self.keys), words.skip(3 + self.keys));
        match &self.program {
            Program::Script(script) => vm.begin(script, keys, args).map_err(|message| compile_error(&message)),
            // The machine has been prepared for its library.
            Program::Function(library, number) if vm.begin_function(library.id, *number, keys, args) => Ok(()),
            Program::Function(..) => Err(CmdError::text("ERR Function not found")),
        }
    }

    /// What it has done is not counted again when it does the same once more.
    fn begin_again(&mut self) {
        let Tally { dirty, executed, .. } = self.unit.tally;
        // It looks up again what it has looked up, also what was counted already.
        let (hits, misses) = std::mem::take(&mut self.state.told_lookups);
        self.unit.tally = Tally { dirty, executed, hits: hits.wrapping_neg(), misses: misses.wrapping_neg() };
        // All but the last one, which was not executed.
        self.state.counted = std::mem::take(&mut self.state.calls) - 1;
    }

    /// Ends the Lua program in its midst.
    fn abandon(&mut self) {
        let Some(vm) = &mut self.vm else { return };
        while vm.is_running() {
            vm.stop(b"ERR abandoned");
            vm.resume();
        }
    }

    /// Runs the script on, for a while if it may pause.
    fn drive(
        &mut self,
        session: &mut Session,
        pass: &mut Pass<'_>,
        locked: Option<&mut Locked<'_>>,
        leg: Leg<'_>,
    ) -> Driven {
        let Leg { words, hot, mut turn } = leg;
        let Some(mut vm) = self.vm.take() else { return Driven::Done };
        let (db, in_exec) =
            (std::mem::replace(&mut session.db, self.db), std::mem::replace(&mut session.in_exec, true));
        // What the script reads is not sent.
        let output_limit = std::mem::replace(&mut session.output_limit, usize::MAX);
        self.unit.begin_transaction();
        let engine = &self.engine;
        // From when the clock is read for the first time: a short script reads it for its commands only.
        let (mut until, slice) = (None, if self.suspended.is_some() { NEXT_SLICE_US } else { SLICE_US });
        let mut scene = Scene {
            engine,
            session,
            pass,
            locked,
            unit: &mut self.unit,
            state: &mut self.state,
            keys: words.slice(3..3 + self.keys),
            hot,
            suspended: self.suspended.as_deref(),
            now: self.now,
            executed: 0,
            started_us: 0,
            clock_us: 0,
        };
        let driven = loop {
            match turn.take().unwrap_or_else(|| vm.resume()) {
                Turn::Done => break Driven::Done,
                Turn::Call => match call(&mut scene, &mut vm) {
                    // A long command is as good a place for a pause as many instructions.
                    Ok(()) if scene.clock_us < *until.get_or_insert(scene.started_us + slice) => continue,
                    Ok(()) => {}
                    Err(NotCalled::Refused(problem)) => {
                        if scene.state.is_counted() {
                            engine.stats.count_error(problem.code());
                        }
                        vm.refuse(problem.as_bytes());
                        continue;
                    }
                    Err(NotCalled::NeedsAll) => break Driven::NeedsAll,
                },
                aside @ (Turn::Log | Turn::AclCheck) => {
                    turn_aside(&aside, &mut scene, &mut vm);
                    continue;
                }
                Turn::Paused => scene.clock_us = engine.clock.monotonic_us(),
            }
            let until = *until.get_or_insert(scene.clock_us + slice);
            if let Some(why) = scene.end_of_script() {
                vm.stop(why.as_bytes());
            } else if self.may_pause && scene.clock_us >= until {
                break Driven::Paused;
            }
        };
        self.db = std::mem::replace(&mut scene.session.db, db);
        (scene.session.in_exec, scene.session.output_limit) = (in_exec, output_limit);
        self.unit.tally.executed += scene.executed;
        if self.suspended.is_some() {
            // It may go on for long.
            self.settle_counts(session);
        }
        self.began_us = self.began_us.or(until.map(|until| until - slice));
        self.vm = Some(vm);
        driven
    }

    /// Counts what it has called so far.
    fn settle_counts(&mut self, session: &mut Session) {
        let executed = std::mem::take(&mut self.unit.tally.executed);
        self.engine.stats.commands_processed.fetch_add(executed, Ordering::Relaxed);
        self.engine.settle_calls(session);
    }

    /// Runs the script on while it has the node. What it does belongs to the unit of its transaction, if there is one.
    /// Returns whether it has ended.
    fn has_ended_alone(
        &mut self,
        session: &mut Session,
        pass: &mut Pass<'_>,
        leg: Leg<'_>,
        reply: &mut Reply<'_>,
        mut outer: Option<&mut Unit>,
    ) -> bool {
        if let Some(outer) = outer.as_deref_mut() {
            self.unit = std::mem::take(outer);
        }
        let driven = self.drive(session, pass, None, leg);
        if let Driven::Done = driven {
            if self.suspended.is_none() {
                self.program.reach().note_needs_all(self.state.needed_all);
            }
            match outer {
                None => self.settle(None, End::Answer(session, reply)),
                Some(outer) => self.settle(None, End::HandBack(outer, session, reply)),
            }
            return true;
        }
        if let Some(outer) = outer {
            *outer = std::mem::take(&mut self.unit);
        }
        self.keep(None);
        false
    }

    /// Tells the log of a script that takes long, once.
    fn note_slow(&mut self) {
        let engine = &self.engine;
        let threshold_ms = engine.config.int(ids::BUSY_REPLY_THRESHOLD).max(0) as u64;
        let now_us = engine.clock.monotonic_us();
        let ms = (now_us - self.began_us.unwrap_or(now_us)) / 1000;
        if self.is_known_slow || threshold_ms == 0 || ms < threshold_ms {
            return;
        }
        self.is_known_slow = true;
        let command = if self.program.is_function() { "FUNCTION KILL" } else { "SCRIPT KILL" };
        engine.log.warning(format_args!(
            "Slow script detected: still in execution after {ms} milliseconds. You can try killing the script using the \
             {command} command. Script name is: {}.",
            self.program.name()
        ));
    }

    /// The script needs more than its locks cover, and cannot begin again: it waits until it is alone, unless another
    /// one does, too.
    fn await_all(&mut self) {
        if self.awaits_all || !self.engine.scripts.is_awaited.swap(true, Ordering::AcqRel) {
            self.awaits_all = true;
        } else if let Some(vm) = &mut self.vm {
            vm.refuse(NOT_ATOMIC.as_bytes());
        }
    }

    /// Makes it alone, if nobody else runs, and runs it on. Returns whether it has ended.
    fn become_alone(
        &mut self,
        session: &mut Session,
        pass: &mut Pass<'_>,
        locked: Locked<'_>,
        reply: &mut Reply<'_>,
    ) -> bool {
        let Some(suspended) = self.suspended.clone() else { return true };
        let mut locked = Some(locked);
        let ran = pass.try_exclusive_suspended(|pass| {
            // Nobody runs, so nobody takes the slots in between.
            locked = None;
            self.standing = Standing::Ordinary;
            self.program.reach().note_needs_all(true);
            self.stop_awaiting();
            let hot = self.engine.hot.load_full();
            let leg = Leg { words: suspended.command.view(), hot: &hot, turn: Some(Turn::Call) };
            match self.drive(session, pass, None, leg) {
                Driven::Done => {
                    self.settle(None, End::Answer(session, reply));
                    true
                }
                Driven::Paused | Driven::NeedsAll => {
                    self.keep(None);
                    false
                }
            }
        });
        if locked.is_some() {
            self.keep(locked);
        }
        ran.unwrap_or(false)
    }

    /// Keeps what the script has until it goes on: its locks, or the node.
    fn keep(&mut self, locked: Option<Locked<'_>>) {
        let barrier = &self.engine.barrier;
        let standing = if locked.is_some() { Standing::Suspended } else { Standing::Reserved };
        self.kept = locked.map(|locked| locked.keep(&self.engine.keyspace));
        match std::mem::replace(&mut self.standing, standing) {
            Standing::Ordinary if self.kept.is_some() => barrier.suspend(),
            Standing::Ordinary => barrier.reserve(),
            Standing::Suspended | Standing::Reserved => {}
        }
    }

    fn stop_awaiting(&mut self) {
        if std::mem::take(&mut self.awaits_all) {
            self.engine.scripts.is_awaited.store(false, Ordering::Release);
        }
    }

    fn suspend(mut self: Box<Self>, words: Args<'_>) -> Handled {
        self.suspended_us = self.engine.clock.monotonic_us();
        let began_us = *self.began_us.get_or_insert(self.suspended_us);
        let suspended = self.suspended.get_or_insert_with(|| {
            Arc::new(Suspended {
                program: self.program.clone(),
                command: words.to_owned(),
                began_us,
                phase: Phase::new(self.state.has_written),
                is_ended: AtomicBool::new(false),
            })
        });
        self.engine.scripts.suspend(suspended);
        Handled::Continued(self)
    }

    fn write_result(&mut self, session: &Session, reply: &mut Reply<'_>) {
        let Some(mut vm) = self.vm.take() else { return };
        let start = reply.out_len();
        let Errors { counted, codes } = vm.write_result(self.program.name(), reply);
        self.pool.put(vm);
        let failures = counted + u64::from(!codes.is_empty());
        if failures > 0 {
            let stats = &self.engine.stats;
            stats.command(self.command).failed.fetch_add(failures, Ordering::Relaxed);
            codes.iter().for_each(|code| stats.count_error(code));
        }
        if let Err(problem) = self.check_still_served(session) {
            reply.truncate(start);
            reply.error(problem.as_bytes());
        }
    }

    /// Whether the result of a script counts that was suspended. Its slot may have left meanwhile: then its keys are
    /// about to be deleted, and it is to run where the slot is. Or the node may have been cut off from the others, so
    /// that they have another primary by now.
    fn check_still_served(&self, session: &Session) -> Result<(), CmdError> {
        let (Some(router), true) = (self.engine.router(), self.suspended.is_some()) else { return Ok(()) };
        let Some(slot) = self.state.slot.or(self.state.first_slot) else { return Ok(()) };
        let write = self.state.has_written;
        if !write && router.serves(slot) {
            return Ok(());
        }
        let client = Some(&*session.handle);
        let ask = RouteAsk { slot, write, readonly: true, asking: true, client, ..RouteAsk::default() };
        match router.route(&ask) {
            Route::Refuse(problem) => Err(problem),
            Route::Serve | Route::Migrating(_) | Route::Importing => Ok(()),
        }
    }

    /// Ends a script. What it has done is propagated while it has its locks, and who waits for that is served. Then it
    /// gives up what it has, and its client gets the result.
    fn settle(&mut self, locked: Option<Locked<'_>>, end: End<'_, '_>) {
        self.unit.mute(false);
        let is_queued = matches!(end, End::HandBack(..));
        if !is_queued {
            self.unit.end_transaction(&self.engine);
        }
        if let Some(mut locked) = locked
            && !matches!(end, End::GivenUp)
            && self.unit.has_ready()
        {
            self.engine.serve_ready(&mut self.unit, &mut locked, self.engine.clock.now_ms());
        }
        if self.standing == Standing::Suspended {
            self.engine.barrier.end_suspension();
        }
        let unit = std::mem::take(&mut self.unit);
        // Whose latency counts here. That of a command by itself counts behind its last part (`Engine::go_on`).
        let mut gate = None;
        match end {
            End::Answer(session, reply) => self.answer(session, reply, unit),
            End::HandBack(outer, session, reply) => {
                *outer = unit;
                gate = Some(session.gate);
                self.write_result(session, reply);
            }
            End::GivenUp => {
                self.engine.settle_tally(&mut { unit.tally });
                unit.free(&self.engine);
            }
        }
        let engine = &self.engine;
        if let Some(suspended) = self.suspended.take() {
            engine.scripts.end(&suspended);
            // Its first part was counted as a command.
            let now_us = engine.clock.monotonic_us();
            engine.count_calls(self.command, 0, now_us - self.suspended_us);
            if let Some(gate) = gate {
                engine.latencies.count(gate, self.command, 1, (now_us - suspended.began_us) * 1000);
            }
        }
        if std::mem::replace(&mut self.standing, Standing::Ordinary) == Standing::Reserved && !is_queued {
            engine.barrier.end_reservation();
        }
    }

    /// Writes the result, and does what follows a command. The locks are released.
    fn answer(&mut self, session: &mut Session, reply: &mut Reply<'_>, mut unit: Unit) {
        self.write_result(session, reply);
        let engine = &self.engine;
        engine.settle_file(session, &mut unit);
        if unit.has_ready() {
            engine.serve_later(session, &mut unit, engine.clock.now_ms());
        }
        engine.end_unit(session, unit);
        if reply.is_full() {
            session.exceed_output_limit();
        }
    }
}

fn compile_error(message: &[u8]) -> CmdError {
    CmdError::of_bytes([b"ERR Error compiling script (new function): ", message].concat())
}

fn call(scene: &mut Scene<'_, '_, '_>, vm: &mut Vm) -> Result<(), NotCalled> {
    // The words and the reply are both the machine's, and used by turns.
    let words = vm.take_words();
    let mut result = Ok(());
    // Replicas are the second bit.
    scene.unit.mute(vm.repl() & 2 == 0);
    vm.reply(|out, protocol| result = scene.call(words.view(), out, protocol));
    vm.put_words(words);
    result
}

/// What a script asks for besides commands.
fn turn_aside(turn: &Turn, scene: &mut Scene<'_, '_, '_>, vm: &mut Vm) {
    if matches!(turn, Turn::Log) {
        log(scene.engine, vm);
        // The line went into a file.
        scene.clock_us = 0;
        return;
    }
    let words = vm.take_words();
    let mut result = Ok(());
    vm.reply(|out, _| result = scene.acl_check(words.view(), out));
    vm.put_words(words);
    if let Err(problem) = result {
        vm.refuse(problem.as_bytes());
    }
}

pub(super) fn log(engine: &Engine, vm: &Vm) {
    let words = vm.words();
    let args: Args<'_> = words.view();
    let text = String::from_utf8_lossy(args.get(1).unwrap_or_default()).into_owned();
    match args.get(0) {
        Some(b"0") => engine.log.debug(format_args!("{text}")),
        Some(b"1") => engine.log.verbose(format_args!("{text}")),
        Some(b"2") => engine.log.notice(format_args!("{text}")),
        _ => engine.log.warning(format_args!("{text}")),
    }
}

impl Continued for ScriptRun {
    fn cancel(&mut self) {
        if let Some(suspended) = &self.suspended {
            suspended.is_ended.store(true, Ordering::Relaxed);
        }
    }

    fn go_on(
        mut self: Box<Self>,
        session: &mut Session,
        out: &mut Vec<u8>,
        unit: Option<&mut dyn Any>,
    ) -> Option<Box<dyn Continued>> {
        self.note_slow();
        let (engine, suspended) = (self.engine.clone(), self.suspended.clone()?);
        let hot = engine.hot.load_full();
        let leg = Leg { words: suspended.command.view(), hot: &hot, turn: None };
        let mut reply = Reply::new(out, session.protocol).limited(session.output_limit);
        let Some(kept) = self.kept.take() else {
            let outer = unit.and_then(|unit| unit.downcast_mut());
            let mut pass = engine.barrier.enter_reserved(session.gate);
            let has_ended = self.has_ended_alone(session, &mut pass, leg, &mut reply, outer);
            return if has_ended { None } else { Some(self) };
        };
        let Some(mut pass) = engine.barrier.enter_soon(session.gate) else {
            self.kept = Some(kept);
            return Some(self);
        };
        let mut locked = kept.take_back(&engine.keyspace);
        if self.awaits_all {
            let has_ended = self.become_alone(session, &mut pass, locked, &mut reply);
            return if has_ended { None } else { Some(self) };
        }
        match self.drive(session, &mut pass, Some(&mut locked), leg) {
            Driven::Done => {
                self.settle(Some(locked), End::Answer(session, &mut reply));
                return None;
            }
            Driven::NeedsAll => self.await_all(),
            Driven::Paused => {}
        }
        self.keep(Some(locked));
        Some(self)
    }
}

impl Drop for ScriptRun {
    fn drop(&mut self) {
        self.stop_awaiting();
        self.abandon();
        // Without a machine it has ended. With one, it never ran, or its node ends.
        let Some(vm) = self.vm.take() else { return };
        self.pool.put(vm);
        let engine = self.engine.clone();
        let locked = self.kept.take().map(|kept| kept.take_back(&engine.keyspace));
        self.settle(locked, End::GivenUp);
    }
}
