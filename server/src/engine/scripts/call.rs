//! One command of a script: the gates for scripts, and the handler under the script's locks.
//!
//! Redis: `scriptCall`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::SlotId;

use super::super::Engine;
use super::super::barrier::Pass;
use super::super::call::{Call, Keys};
use super::super::execute::{Called, Caller, Work};
use super::super::handler::{Command, Handler};
use super::super::hot::Hot;
use super::super::ports::{Route, RouteAsk, Router};
use super::super::unit::Unit;
use super::Suspended;
use crate::base::bytes::is_same;
use crate::command::locked::Slots;
use crate::command::{CmdError, Flags, KnownKey, LockPlan, Locked, Traits, error};
use crate::session::Session;
use crate::session::client::parked::write_timeout;
use crate::store::KeyHash;

const UNKNOWN: CmdError = CmdError::text("ERR Unknown Redis command called from script");
const WRONG_ARITY: CmdError = CmdError::text("ERR Wrong number of args calling Redis command from script");
const NOT_ALLOWED: CmdError = CmdError::text("ERR This Redis command is not allowed from script");
const READ_ONLY_SCRIPT: CmdError = CmdError::text("ERR Write commands are not allowed from read-only scripts.");
const STALE: CmdError = CmdError::text("ERR Can not execute the command on a stale replica");
const KILLED: CmdError = CmdError::text("ERR Script killed by user with SCRIPT KILL...");
const STOPPING: CmdError = CmdError::text("ERR The server is shutting down");
const GIVES_WAY: CmdError = CmdError::text("ERR The script was ended because its node changes its role");
const NOT_LOCAL: CmdError = CmdError::text("ERR Script attempted to access a non local key in a cluster node");
const DOWN: CmdError = CmdError::text("ERR Script attempted to execute a command while the cluster is down");
const DOWN_FOR_WRITES: CmdError =
    CmdError::text("ERR Script attempted to execute a write command while the cluster is down and readonly");
const OTHER_SLOT: CmdError = CmdError::text("ERR Script attempted to access keys that do not hash to the same slot");

/// What a script's commands share.
pub(super) struct Scene<'s, 'e, 'k> {
    pub engine: &'s Arc<Engine>,
    pub session: &'s mut Session,
    pub pass: &'s mut Pass<'e>,
    /// The script's locks; none if it is alone.
    pub locked: Option<&'s mut Locked<'k>>,
    pub unit: &'s mut Unit,
    pub state: &'s mut CallState,
    /// The keys that it declares.
    pub keys: Args<'s>,
    /// The directives, as they were when this part of the script began.
    pub hot: &'s Hot,
    /// What others know of it, once it was suspended.
    pub suspended: Option<&'s Suspended>,
    /// Time of the script, in unix milliseconds.
    pub now: i64,
    /// Commands that it has executed and that are not counted yet.
    pub executed: u64,
    /// Monotonic time when the last command began, in microseconds.
    pub started_us: u64,
    /// Monotonic time when it ended, or when the script paused after it, in microseconds; 0: long ago. The next command
    /// counts from then on: few instructions of the script are between them, and a reading costs as much as they do.
    pub clock_us: u64,
}

/// What is remembered from one command of a script to the next.
#[derive(Debug, Default)]
pub(super) struct CallState {
    /// It may not write.
    pub is_read_only: bool,
    /// Memory was full when it began, and it does not say that it may run all the same.
    pub out_of_memory: bool,
    /// Its keys may be in several slots of this node.
    pub any_slot: bool,
    /// The slots that it declares to use.
    pub declared: LockPlan,
    /// The slot of the keys that it declares, in a cluster.
    pub first_slot: Option<SlotId>,
    /// What is known of the first of these keys: most commands of scripts are about it.
    pub first: Option<(SlotId, KeyHash)>,
    /// The slot of the keys that it used so far, in a cluster.
    pub slot: Option<SlotId>,
    pub has_written: bool,
    /// It has done what is not to be done twice.
    pub has_effects: bool,
    /// It has used what its locks do not cover.
    pub needed_all: bool,
    /// How many commands it has called.
    pub calls: u64,
    /// So many of them it had called already before it began again. They count once, and monitors saw them.
    pub counted: u64,
    /// Lookups that were added to the node's statistics before it ended: keys that were found, and others.
    pub told_lookups: (u64, u64),
}

impl CallState {
    /// Whether its last call is counted.
    pub(super) fn is_counted(&self) -> bool {
        self.calls > self.counted
    }
}

/// Why a command was not executed.
pub(super) enum NotCalled {
    Refused(CmdError),
    /// The script's locks do not cover it.
    NeedsAll,
}

impl From<CmdError> for NotCalled {
    fn from(problem: CmdError) -> Self {
        Self::Refused(problem)
    }
}

impl Scene<'_, '_, '_> {
    /// The command of these words, if a script may call it.
    pub(super) fn resolve<'r>(&self, args: Args<'_>, engine: &'r Engine) -> Result<&'r Command, CmdError> {
        let mut command = engine.registry.find_first(args).ok_or(UNKNOWN)?;
        if command.flags.has(Flags::CONTAINER)
            && let Some(word) = args.get(1)
        {
            command = engine.registry.find_sub(command, word).ok_or(UNKNOWN)?;
        }
        Ok(command)
    }

    /// Executes a command of the script and writes its reply.
    pub(super) fn call(&mut self, args: Args<'_>, out: &mut Vec<u8>, protocol: Protocol) -> Result<(), NotCalled> {
        let engine = self.engine;
        self.state.calls += 1;
        let is_counted = self.state.is_counted();
        let command = self.resolve(args, engine)?;
        let hot = self.hot;
        let checked = if command.arity.accepts(args.len()) { self.pass_gates(command, hot) } else { Err(WRONG_ARITY) };
        let keys = if checked.is_ok() { self.keys_of(command, args) } else { Keys::new() };
        let open = checked.and_then(|()| self.check_slots(command, &keys)).inspect_err(|_| {
            engine.stats.command(command.index).rejected.fetch_add(u64::from(is_counted), Ordering::Relaxed);
        })?;
        let call = Call { command, args, keys: &keys, hot, moving: open.as_ref(), now: self.now };
        if !self.is_declared(&call) {
            self.state.needed_all = true;
            if self.locked.is_some() {
                return Err(NotCalled::NeedsAll);
            }
        }
        if open.is_some() {
            self.admit(&call)?;
        }
        if command.flags.has(Flags::WRITE) && !self.state.has_written {
            // From here on it cannot be killed any more, unless it was.
            if self.suspended.is_some_and(|it| !it.phase.note_written()) {
                return Err(KILLED.into());
            }
            self.state.has_written = true;
        }
        self.state.has_effects |= command.flags.any(Flags::WRITE.and(Flags::MAY_REPLICATE));
        self.started_us = if self.clock_us == 0 { engine.clock.monotonic_us() } else { self.clock_us };
        if !matches!(command.handler, Handler::Keyed(_)) {
            // It may be INFO.
            engine.settle_calls(self.session);
        }
        let before = std::mem::replace(&mut self.session.protocol, protocol);
        self.session.is_repeated = !is_counted;
        self.run(&call, out);
        (self.session.protocol, self.session.is_repeated) = (before, false);
        self.clock_us = engine.clock.monotonic_us();
        if is_counted {
            engine.show_called(self.session, command, args);
            engine.count_in_script(self.session, command.index, self.clock_us - self.started_us);
            self.executed += 1;
        }
        Ok(())
    }

    /// The keys of a command.
    fn keys_of<'a>(&self, command: &Command, args: Args<'a>) -> Keys<'a> {
        if command.home != 0
            && let (Some((slot, hash)), Some(key)) = (self.state.first, args.get(command.home))
            && self.keys.get(0).is_some_and(|first| is_same(first, key))
        {
            return Keys::from_buf([KnownKey { key, hash, position: command.home as u32, slot, is_channel: false }]);
        }
        self.engine.keys_of(command, args, self.session.db)
    }

    /// Why the script has to end now: the node does, or somebody has killed it.
    pub(super) fn end_of_script(&self) -> Option<CmdError> {
        if self.suspended.is_some_and(Suspended::is_ended) || self.engine.state.stopping.load(Ordering::Relaxed) {
            return Some(STOPPING);
        }
        if self.suspended.is_some() && self.engine.scripts.gives_way.load(Ordering::Relaxed) {
            return Some(GIVES_WAY);
        }
        self.suspended.is_some_and(|it| it.phase.is_killed()).then_some(KILLED)
    }

    fn pass_gates(&self, command: &Command, hot: &Hot) -> Result<(), CmdError> {
        if command.flags.any(Flags::NOSCRIPT) && !self.engine.scripts.allow_all.load(Ordering::Relaxed) {
            return Err(NOT_ALLOWED);
        }
        let state = &self.engine.state;
        if !command.flags.has(Flags::STALE) && self.engine.is_stale(hot) {
            return Err(STALE);
        }
        if command.flags.any(Flags::WRITE.and(Flags::MAY_REPLICATE)) && self.state.is_read_only {
            return Err(READ_ONLY_SCRIPT);
        }
        // One that has written already is not stopped in its midst.
        if command.flags.has(Flags::WRITE) && !self.state.has_written {
            if state.save_failed.load(Ordering::Relaxed) {
                self.engine.disk_gate(hot)?;
            }
            self.engine.write_gates(hot)?;
        }
        if self.state.out_of_memory && command.flags.has(Flags::DENYOOM) && !self.state.has_written {
            return Err(error::OUT_OF_MEMORY);
        }
        Ok(())
    }

    /// In a cluster, all keys of a script are in one slot, which is served here, and those of one command are in any
    /// case. Before it writes for the first time, the node must be one that may: it may have been cut off from the
    /// others since the script began. Returns the route if the slot moves.
    fn check_slots(&mut self, command: &Command, keys: &Keys<'_>) -> Result<Option<Route>, CmdError> {
        let Some(router) = self.engine.router() else { return Ok(None) };
        let write = command.flags.has(Flags::WRITE) && !self.state.has_written;
        let (mut open, mut only) = (None, None);
        for known in keys {
            let channel = known.is_channel && command.flags.has(Flags::PUBSUB);
            if known.is_channel && !channel {
                continue;
            }
            // The client was redirected here, or it would not have got past the gates with a key of this slot.
            let asking = self.session.asking || self.state.first_slot == Some(known.slot);
            let client = Some(&*self.session.handle);
            let ask =
                RouteAsk { slot: known.slot, write, readonly: true, asking, channel, client, ..RouteAsk::default() };
            match router.route(&ask) {
                route @ (Route::Migrating(_) | Route::Importing) => open = Some(route),
                // It goes on in what it has begun, and is told at its end that the slot has left.
                Route::Refuse(_) if self.suspended.is_some() && self.state.slot == Some(known.slot) && !write => {}
                Route::Serve | Route::Refuse(_) if !router.serves(known.slot) => return Err(NOT_LOCAL),
                Route::Serve => {}
                Route::Refuse(problem) => self.refused(&*router, &ask, problem)?,
            }
            if *only.get_or_insert(known.slot) != known.slot {
                return Err(NOT_LOCAL);
            }
        }
        match (self.state.slot, only) {
            (Some(slot), Some(only)) if slot != only && !self.state.any_slot => Err(OTHER_SLOT),
            (None, Some(_)) => {
                self.state.slot = only;
                Ok(open)
            }
            _ => Ok(open),
        }
    }

    /// What a command is told that the cluster refuses, although this node, or its primary, has the slot.
    fn refused(&self, router: &dyn Router, ask: &RouteAsk<'_>, problem: CmdError) -> Result<(), CmdError> {
        if problem == error::CLUSTER_DOWN_RO {
            return Err(DOWN_FOR_WRITES);
        }
        if !ask.write {
            // What has begun goes on.
            return Ok(());
        }
        // A node that may read, but not write, has only lost touch with the others: clients try again.
        let reads = RouteAsk { write: false, ..*ask };
        Err(if matches!(router.route(&reads), Route::Refuse(_)) { DOWN } else { problem })
    }

    /// Whether a command may run here although its slot moves: also a key that the script does not declare, has in
    /// another database or has deleted itself may be at the other node.
    #[cold]
    fn admit(&self, call: &Call<'_>) -> Result<(), CmdError> {
        let (engine, db) = (self.engine, self.session.db);
        // What the script declares was waited for before it began.
        if engine.wait_for_sent(db, call).is_some() {
            return Err(error::TRY_AGAIN);
        }
        let admitted = match self.locked.as_deref() {
            Some(locked) => engine.admit(locked, db, call),
            None => {
                let mut plan = LockPlan::default();
                engine.plan_locks(call, db, &mut plan);
                engine.admit(&engine.lock(plan), db, call)
            }
        };
        admitted.map_err(|_| NOT_LOCAL)
    }

    /// Whether the slots that the script declares to use are enough for a command.
    fn is_declared(&self, call: &Call<'_>) -> bool {
        match call.command.handler {
            Handler::Keyed(_) if call.reaches_unnamed_keys() => false,
            Handler::Keyed(_) => self.engine.is_planned(call, self.session.db, &self.state.declared),
            Handler::Keyspace(_) => false,
            // The short ones (PING, TIME, PUBLISH) touch no keys.
            Handler::Session(_) | Handler::Service { .. } | Handler::Container => {
                call.command.flags.has(Flags::FAST) || call.command.traits.has(Traits::TOUCHES_NO_DATA)
            }
        }
    }

    fn run(&mut self, call: &Call<'_>, out: &mut Vec<u8>) {
        let (engine, session) = (self.engine, &mut *self.session);
        let caller = Caller { in_script: true, ..engine.caller(session, self.now, false) };
        match call.command.handler {
            Handler::Keyed(handler) => {
                let slots = match self.locked.as_deref_mut() {
                    Some(locked) => locked.slots(),
                    None => Slots::all(&engine.keyspace),
                };
                let work = Work { out: &mut *out, rng: &mut session.rng, unit: &mut *self.unit };
                let called = engine.call_keyed(caller, *call, handler, slots, work);
                if session.tracks_reads && call.command.flags.has(Flags::READONLY) {
                    engine.remember_read(session, call);
                    // Redis 7.0 takes the keys that the script declares instead.
                    engine.remember_keys(session, self.keys.iter());
                }
                if let Called::Block(spec) = called {
                    write_timeout(spec.on_timeout, out, session.protocol);
                }
            }
            Handler::Keyspace(handler) => {
                let work = Work { out, rng: &mut session.rng, unit: &mut *self.unit };
                engine.call_keyspace(caller, call, handler, work, None);
            }
            Handler::Session(_) | Handler::Service { .. } | Handler::Container => {
                // They may ask for the statistics.
                let told = &mut self.state.told_lookups;
                *told = (told.0.wrapping_add(self.unit.tally.hits), told.1.wrapping_add(self.unit.tally.misses));
                engine.settle_tally(&mut self.unit.tally);
                engine.stats.commands_processed.fetch_add(std::mem::take(&mut self.executed), Ordering::Relaxed);
                let rest = engine.run_queued_service(session, call, out, self.pass, self.unit);
                debug_assert!(rest.is_none(), "scripts call no scripts");
            }
        }
    }

    /// Answers `redis.acl_check_cmd`: there is one user, who may call everything.
    pub(super) fn acl_check(&self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), CmdError> {
        let engine = self.engine;
        let invalid = |_| CmdError::text("ERR Invalid command passed to redis.acl_check_cmd()");
        self.resolve(args, engine).map_err(invalid)?;
        Reply::new(out, Protocol::Resp2).int(1);
        Ok(())
    }
}
