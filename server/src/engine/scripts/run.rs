//! A script that runs: begun, suspended, continued, ended.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::resp::{Args, Reply};

use super::super::Engine;
use super::super::barrier::Pass;
use super::super::handler::{Continued, Handled, SessionCtx, SessionResult};
use super::super::held::alone;
use super::super::ports::{Route, RouteAsk};
use super::super::unit::Unit;
use super::call::{CallState, NotCalled, Scene};
use super::functions;
use super::{Phase, Suspended};
use crate::command::{CmdError, KeptSlots, LockPlan, Locked};
use crate::config::ids;
use crate::script::{Errors, Program, Script, Turn, Vm, VmKind, VmOptions, VmPool};
use crate::session::Session;

/// For how long a script runs before its worker looks after others, microseconds.
const SLICE_US: u64 = 5000;
/// The same of one that was suspended: it takes long, and others are to notice little of it.
const NEXT_SLICE_US: u64 = 1000;
/// For how long a script runs at most that cannot be suspended, because it is a part of a transaction, microseconds.
const TOO_LONG_US: u64 = 5_000_000;

const TOO_LONG: &[u8] = b"ERR A script inside a transaction runs for five seconds at most";

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
    began_us: u64,
    suspended: Option<Arc<Suspended>>,
    /// Monotonic time when it was suspended for the first time, in microseconds.
    suspended_us: u64,
    /// The log says that it takes long.
    is_known_slow: bool,
    /// It may be suspended.
    may_pause: bool,
    /// It is a command of a transaction, which propagates what it does.
    is_queued: bool,
    /// It calls a command for which it has to be alone, and waits for that.
    awaits_all: bool,
    /// What it has while it is suspended.
    kept: Kept,
}

/// What a suspended script has.
enum Kept {
    Nothing,
    Slots(KeptSlots),
    /// The whole node.
    All,
}

/// Why a script stopped running for now.
enum Driven {
    Done,
    Paused,
    NeedsAll,
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
        began_us: engine.clock.monotonic_us(),
        suspended: None,
        suspended_us: 0,
        is_known_slow: false,
        may_pause: true,
        is_queued: false,
        awaits_all: false,
        kept: Kept::Nothing,
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
    let engine = run.engine.clone();
    let mut locked = match ctx.engine.lock_all_soon(ctx.session, plan) {
        Ok(locked) => locked,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    if let Some(route) = ctx.moving {
        let keys = engine.keys_of_words(words.slice(3..3 + run.keys));
        engine.admit_keys(&locked, ctx.session.db, &keys, (ctx.now, route))?;
    }
    run.begin(words)?;
    match run.drive(ctx.session, ctx.pass, Some(&mut locked), words, None) {
        Driven::Done => {
            run.serve_ready(&mut locked);
            drop(locked);
            run.program.reach().note_needs_all(false);
            run.finish(ctx.session, &mut ctx.reply);
            Ok(Handled::Done)
        }
        Driven::Paused => {
            run.kept = Kept::Slots(locked.keep(&engine.keyspace));
            engine.barrier.suspend();
            Ok(run.suspend(words))
        }
        Driven::NeedsAll if !run.state.has_effects => {
            // What it has done so far is what reading does: an expired key was deleted.
            run.conclude();
            drop(locked);
            run.program.reach().note_needs_all(true);
            run.abandon();
            run.db = ctx.session.db;
            start_alone(ctx, run, words)
        }
        Driven::NeedsAll => {
            run.await_all();
            run.kept = Kept::Slots(locked.keep(&engine.keyspace));
            engine.barrier.suspend();
            Ok(run.suspend(words))
        }
    }
}

fn start_alone(ctx: &mut SessionCtx<'_, '_>, mut run: Box<ScriptRun>, words: Args<'_>) -> SessionResult {
    run.may_pause = !ctx.pass.is_alone();
    let mut run = Some(run);
    let reply = &mut ctx.reply;
    let mut outer = ctx.unit.as_deref_mut().and_then(|unit| unit.downcast_mut::<Unit>());
    let ran = alone(ctx.pass, ctx.session, |pass, session| {
        let Some(mut run) = run.take() else { return Ok(Ok(Handled::Done)) };
        if let Err(problem) = run.begin(words) {
            return Ok(Err(problem));
        }
        if let Some(outer) = outer.as_deref_mut() {
            run.unit = std::mem::take(outer);
            run.is_queued = true;
        }
        if let Driven::Paused = run.drive(session, pass, None, words, None) {
            run.kept = Kept::All;
            run.engine.barrier.reserve();
            return Ok(Ok(run.suspend(words)));
        }
        run.program.reach().note_needs_all(run.state.needed_all);
        let Some(outer) = outer else {
            run.finish(session, reply);
            return Ok(Ok(Handled::Done));
        };
        // What follows is the transaction's matter.
        *outer = std::mem::take(&mut run.unit);
        run.write_result(reply);
        Ok(Ok(Handled::Done))
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
    let checked = vm.check(script).map_err(|message| compile_error(&message));
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
            Program::Function(library, _) if vm.begin_function(library.id, self.program.name(), keys, args) => Ok(()),
            Program::Function(..) => Err(CmdError::text("ERR Function not found")),
        }
    }

    /// Ends the Lua program in its midst.
    fn abandon(&mut self) {
        let Some(vm) = &mut self.vm else { return };
        while vm.is_running() {
            vm.stop(b"ERR abandoned");
            vm.resume();
        }
    }

    /// Runs the script on, for a while if it may pause. Begins with its `turn`, if it has one already: a command for
    /// which its locks were not enough.
    fn drive(
        &mut self,
        session: &mut Session,
        pass: &mut Pass<'_>,
        locked: Option<&mut Locked<'_>>,
        words: Args<'_>,
        mut turn: Option<Turn>,
    ) -> Driven {
        let Some(mut vm) = self.vm.take() else { return Driven::Done };
        let (db, in_exec) =
            (std::mem::replace(&mut session.db, self.db), std::mem::replace(&mut session.in_exec, true));
        // What the script reads is not sent.
        let output_limit = std::mem::replace(&mut session.output_limit, usize::MAX);
        self.unit.begin_transaction();
        let engine = self.engine.clone();
        // From when the clock is read for the first time: a short script reads it for its commands only.
        let (mut until, slice) = (None, if self.suspended.is_some() { NEXT_SLICE_US } else { SLICE_US });
        let hot = engine.hot.load();
        let mut scene = Scene {
            engine: &engine,
            session,
            pass,
            locked,
            unit: &mut self.unit,
            state: &mut self.state,
            keys: words.slice(3..3 + self.keys),
            hot: &hot,
            suspended: self.suspended.as_deref(),
            now: self.now,
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
                        engine.stats.count_error(problem.code());
                        vm.refuse(problem.as_bytes());
                        continue;
                    }
                    Err(NotCalled::NeedsAll) => break Driven::NeedsAll,
                },
                Turn::Log => {
                    log(&engine, &vm);
                    continue;
                }
                Turn::AclCheck => {
                    acl_check(&scene, &mut vm);
                    continue;
                }
                Turn::Paused => scene.clock_us = engine.clock.monotonic_us(),
            }
            let until = *until.get_or_insert(scene.clock_us + slice);
            if let Some(why) = scene.end_of_script() {
                vm.stop(why.as_bytes());
            } else if self.may_pause && scene.clock_us >= until {
                break Driven::Paused;
            } else if scene.clock_us >= until + TOO_LONG_US {
                vm.stop(TOO_LONG);
            }
        };
        self.db = std::mem::replace(&mut scene.session.db, db);
        (scene.session.in_exec, scene.session.output_limit) = (in_exec, output_limit);
        self.vm = Some(vm);
        if matches!(driven, Driven::Done) && !self.is_queued {
            self.conclude();
        }
        driven
    }

    /// Tells the log of a script that takes long, once.
    fn note_slow(&mut self) {
        let engine = &self.engine;
        let threshold_ms = engine.config.int(ids::BUSY_REPLY_THRESHOLD).max(0) as u64;
        let ms = (engine.clock.monotonic_us() - self.began_us) / 1000;
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

    /// Propagates what it has done, while nobody else can change the same keys. Who is served by that comes after it.
    fn conclude(&mut self) {
        self.unit.mute(false);
        self.unit.end_transaction(&self.engine);
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

    /// Makes it alone, if nobody else runs, and runs it on.
    fn become_alone(&mut self, session: &mut Session, pass: &mut Pass<'_>, locked: Locked<'_>) -> Driven {
        let (engine, Some(suspended)) = (self.engine.clone(), self.suspended.clone()) else { return Driven::Done };
        let mut locked = Some(locked);
        let ran = pass.try_exclusive_suspended(|pass| {
            // Nobody runs, so nobody takes the slots in between.
            locked = None;
            self.program.reach().note_needs_all(true);
            self.stop_awaiting();
            let driven = self.drive(session, pass, None, suspended.command.view(), Some(Turn::Call));
            if let Driven::Paused = driven {
                self.kept = Kept::All;
                engine.barrier.reserve();
            }
            driven
        });
        if let Some(locked) = locked {
            self.kept = Kept::Slots(locked.keep(&engine.keyspace));
        }
        ran.unwrap_or(Driven::Paused)
    }

    fn stop_awaiting(&mut self) {
        if std::mem::take(&mut self.awaits_all) {
            self.engine.scripts.is_awaited.store(false, Ordering::Release);
        }
    }

    fn suspend(mut self: Box<Self>, words: Args<'_>) -> Handled {
        self.suspended_us = self.engine.clock.monotonic_us();
        let suspended = self.suspended.get_or_insert_with(|| {
            Arc::new(Suspended {
                program: self.program.clone(),
                command: words.to_owned(),
                began_us: self.began_us,
                phase: Phase::new(self.state.has_written),
                is_ended: AtomicBool::new(false),
            })
        });
        self.engine.scripts.suspend(suspended);
        Handled::Continued(self)
    }

    fn write_result(&mut self, reply: &mut Reply<'_>) {
        let Some(mut vm) = self.vm.take() else { return };
        let Errors { counted, codes } = vm.write_result(self.program.name(), reply);
        self.pool.put(vm);
        let failures = counted + u64::from(!codes.is_empty());
        if failures > 0 {
            let stats = &self.engine.stats;
            stats.command(self.command).failed.fetch_add(failures, Ordering::Relaxed);
            codes.iter().for_each(|code| stats.count_error(code));
        }
    }

    /// Serves the clients that wait for what it has written under its locks.
    fn serve_ready(&mut self, locked: &mut Locked<'_>) {
        if self.unit.has_ready() {
            self.engine.serve_ready(&mut self.unit, locked, self.engine.clock.now_ms());
        }
    }

    /// Whether what a script has written counts, after it was suspended: the node may have been cut off from the others
    /// meanwhile, so that they have another primary by now.
    fn check_still_primary(&self) -> Result<(), CmdError> {
        let (Some(router), true) = (self.engine.router(), self.suspended.is_some() && self.state.has_written) else {
            return Ok(());
        };
        let Some(slot) = self.state.slot.or(self.state.first_slot) else { return Ok(()) };
        let ask = RouteAsk { slot, write: true, asking: true, ..RouteAsk::default() };
        match router.route(&ask) {
            Route::Refuse(problem) => Err(problem),
            Route::Serve | Route::Migrating(_) | Route::Importing => Ok(()),
        }
    }

    /// Ends a script that has run: writes its result, and does what follows. The locks are released.
    fn finish(&mut self, session: &mut Session, reply: &mut Reply<'_>) {
        let engine = self.engine.clone();
        let start = reply.out_len();
        self.write_result(reply);
        if let Err(problem) = self.check_still_primary() {
            reply.truncate(start);
            reply.error(problem.as_bytes());
        }
        let mut unit = std::mem::take(&mut self.unit);
        engine.settle_file(session, &mut unit);
        if unit.has_ready() {
            engine.serve_later(session, &mut unit, engine.clock.now_ms());
        }
        engine.end_unit(session, unit);
        if reply.is_full() {
            session.exceed_output_limit();
        }
        if let Some(suspended) = self.suspended.take() {
            engine.scripts.end(&suspended);
            // Its first part was counted as a command.
            engine.count_calls(self.command, 0, engine.clock.monotonic_us() - self.suspended_us);
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

fn acl_check(scene: &Scene<'_, '_, '_>, vm: &mut Vm) {
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

    fn go_on(mut self: Box<Self>, session: &mut Session, out: &mut Vec<u8>) -> Option<Box<dyn Continued>> {
        self.note_slow();
        let (engine, suspended) = (self.engine.clone(), self.suspended.clone()?);
        let words = suspended.command.view();
        let mut reply = Reply::new(out, session.protocol).limited(session.output_limit);
        match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Slots(kept) => {
                let Some(mut pass) = engine.barrier.enter_soon(session.gate) else {
                    self.kept = Kept::Slots(kept);
                    return Some(self);
                };
                let mut locked = kept.take_back(&engine.keyspace);
                if self.awaits_all {
                    if let Driven::Paused = self.become_alone(session, &mut pass, locked) {
                        return Some(self);
                    }
                    self.finish(session, &mut reply);
                    return None;
                }
                let driven = self.drive(session, &mut pass, Some(&mut locked), words, None);
                if !matches!(driven, Driven::Done) {
                    if let Driven::NeedsAll = driven {
                        self.await_all();
                    }
                    self.kept = Kept::Slots(locked.keep(&engine.keyspace));
                    return Some(self);
                }
                self.serve_ready(&mut locked);
                drop(locked);
                engine.barrier.end_suspension();
                self.finish(session, &mut reply);
            }
            Kept::All => {
                let mut pass = engine.barrier.enter_reserved(session.gate);
                if let Driven::Paused = self.drive(session, &mut pass, None, words, None) {
                    self.kept = Kept::All;
                    return Some(self);
                }
                self.finish(session, &mut reply);
                engine.barrier.end_reservation();
            }
            Kept::Nothing => {}
        }
        None
    }
}

impl Drop for ScriptRun {
    fn drop(&mut self) {
        // The node ends; or the script has run, or never ran.
        self.stop_awaiting();
        self.abandon();
        if let Some(vm) = self.vm.take() {
            self.pool.put(vm);
        }
        match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => {}
            Kept::Slots(kept) => {
                let engine = self.engine.clone();
                let locked = kept.take_back(&engine.keyspace);
                self.conclude();
                drop(locked);
                self.engine.barrier.end_suspension();
            }
            Kept::All => {
                self.conclude();
                self.engine.barrier.end_reservation();
            }
        }
        if let Some(suspended) = self.suspended.take() {
            self.engine.scripts.end(&suspended);
        }
        let mut unit = std::mem::take(&mut self.unit);
        self.engine.settle_tally(&mut unit.tally);
        unit.free(&self.engine);
    }
}
