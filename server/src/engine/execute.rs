//! Running one keyed or keyspace command: lock, handle, drain.
//!
//! Effects are drained in one place ([`Unit::drain`]) while the slot locks are held, so that per slot the order of execution is
//! the order of replication. A [`Unit`] is what becomes visible at once: one command, or a whole EXEC, whose propagated commands
//! are collected and appended to the feed together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use protocol::resp::reply::{Protocol, Reply};
use protocol::resp::{Args, OwnedArgs};
use protocol::slot::{SlotId, key_slot};
use smallvec::SmallVec;

use super::Engine;
use super::barrier::Pass;
use super::changes::{ReadyKeys, Settled};
use super::handler::{Command, Handler};
use super::hot::Hot;
use super::ports::FileWork;
use crate::base::rng::Rng;
use crate::command::effects::{Propagate, Rest};
use crate::command::keys::{KeyPositions, extract};
use crate::command::locked::Slots;
use crate::command::{
    BlockSpec, Data, Effects, KeyedCtx, KeyedFn, KeyspaceCtx, KeyspaceFn, KnownKey, KnownKeys, Listeners, LockPlan,
    Locked, Outcome, Role,
};
use crate::session::Session;
use crate::session::client::ClientId;
use crate::session::tally::Tally;
use crate::session::transaction::Watched;
use crate::store::{Removed, Slot};

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub db: usize,
    pub protocol: Protocol,
    pub role: Role,
    pub no_touch: bool,
    pub may_block: bool,
    /// How long the output may become, bytes.
    pub output_limit: usize,
    /// A parked command runs again because of this key.
    pub serving: Option<&'a [u8]>,
    /// The buffer of a long request, for the command to keep.
    pub lent: Option<&'a Bytes>,
    pub now: i64,
}

/// What became of a keyed command.
pub(crate) enum Called {
    Done,
    /// An error was written.
    Failed,
    Block(Box<BlockSpec>),
    /// Another command has this slot of this database; nothing was written.
    Busy(usize, SlotId),
}

/// What becomes visible at once: one command, or a whole transaction.
#[derive(Default)]
pub(crate) struct Unit {
    in_transaction: bool,
    /// Whether anything was propagated.
    pub wrote: bool,
    /// A reply was too long for its client.
    pub over_limit: bool,
    /// What is to be counted.
    pub tally: Tally,
    /// The client on whose behalf everything is done; 0 is nobody's.
    by: ClientId,
    /// A parked command is served: its client is told of changes when it has its reply.
    serving: bool,
    gathered: Option<Box<Gathered>>,
}

/// What few units have.
#[derive(Default)]
struct Gathered {
    /// Commands that a transaction propagates.
    ops: Vec<(usize, OwnedArgs)>,
    ready: ReadyKeys,
    /// Removed collections; a unit outlives the locks it ran under, so they are dropped without them.
    garbage: Vec<Removed>,
    /// Keys that a parked command has changed, of which its client has a copy.
    own_invalid: Vec<Box<[u8]>>,
    /// What is left to do for the file on disk, since everything was removed.
    file: Option<FileWork>,
}

impl Unit {
    /// A unit of what a session does.
    #[inline]
    pub(crate) fn of(session: &Session) -> Self {
        Self { by: session.handle.id, ..Self::default() }
    }

    /// From here on a parked command of this client is served. Returns who had his turn until then.
    pub(super) fn begin_serving(&mut self, client: ClientId) -> ClientId {
        self.serving = true;
        std::mem::replace(&mut self.by, client)
    }

    /// The command was served, and its client has the reply. Returns the keys that it changed and that its client has a copy of.
    pub(super) fn end_serving(&mut self, by: ClientId) -> Vec<Box<[u8]>> {
        (self.serving, self.by) = (false, by);
        self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.own_invalid)).unwrap_or_default()
    }

    /// From here on, collect what is propagated.
    pub(crate) fn begin_transaction(&mut self) {
        self.in_transaction = true;
    }

    /// Appends what was collected as one unit.
    pub(crate) fn end_transaction(&mut self, engine: &Engine) {
        self.in_transaction = false;
        let ops = self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.ops)).unwrap_or_default();
        if ops.is_empty() {
            return;
        }
        if let Some(feed) = engine.feed() {
            let views: Vec<_> = ops.iter().map(|(db, args)| (*db, args.view())).collect();
            feed.append(&views);
        }
    }

    /// Whether a key became ready for a blocked client.
    #[inline]
    pub(super) fn has_ready(&self) -> bool {
        self.gathered.as_ref().is_some_and(|gathered| !gathered.ready.is_empty())
    }

    /// The keys that became ready since they were last taken.
    pub(super) fn take_ready(&mut self) -> ReadyKeys {
        self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.ready)).unwrap_or_default()
    }

    /// Keeps keys for [`Unit::take_ready`].
    pub(super) fn put_ready(&mut self, ready: ReadyKeys) {
        if !ready.is_empty() {
            self.gathered().ready.extend(ready);
        }
    }

    /// Brings the file on disk into line with what the unit did. Called without the barrier and before the reply leaves: what is
    /// acknowledged as removed stays removed.
    #[inline]
    pub(super) fn settle_file(&mut self) {
        if let Some(work) = self.gathered.as_mut().and_then(|gathered| gathered.file.take()) {
            work();
        }
    }

    /// Frees what the unit gathered; its locks are given back.
    #[inline(always)]
    pub(super) fn free(self) {
        if self.gathered.is_some() {
            free(self);
        } else {
            // There is nothing to drop, and not to ask once more is one percent of a pipelined command.
            std::mem::forget(self);
        }
    }

    #[cold]
    fn gathered(&mut self) -> &mut Gathered {
        self.gathered.get_or_insert_default()
    }

    /// Drains the effects of one command. `args` are its words as the client sent them.
    #[inline(always)]
    pub(crate) fn drain(
        &mut self,
        engine: &Engine,
        command: &Command,
        args: Args<'_>,
        db: usize,
        effects: &mut Effects,
    ) {
        let Effects { hits, misses, dirty, .. } = *effects;
        self.tally.add(Tally { hits: u64::from(hits), misses: u64::from(misses), dirty });
        self.wrote |= dirty != 0;
        if !effects.is_quiet() {
            self.drain_changes(engine, command, args, db, effects);
        }
    }

    fn drain_changes(&mut self, engine: &Engine, command: &Command, args: Args<'_>, db: usize, effects: &mut Effects) {
        if effects.expired != 0 {
            engine.stats.expired_keys.fetch_add(u64::from(effects.expired), Ordering::Relaxed);
        }
        let rest = effects.take_rest();
        if effects.propagating {
            self.propagate(engine, command, args, db, effects.dirty != 0, rest.as_deref());
        }
        if let Some(rest) = rest {
            self.keep(engine.tell_all(*rest, effects.notify_mask(), self.by, self.serving));
        }
    }

    /// Keeps what is left to do until the locks are given back, or until the client that is served has its reply.
    pub(super) fn keep(&mut self, Settled { garbage, own_invalid, ready }: Settled) {
        if !(garbage.is_empty() && own_invalid.is_empty() && ready.is_empty()) {
            let gathered = self.gathered();
            gathered.garbage.extend(garbage);
            gathered.own_invalid.extend(own_invalid);
            gathered.ready.extend(ready);
        }
    }

    fn propagate(
        &mut self,
        engine: &Engine,
        command: &Command,
        args: Args<'_>,
        db: usize,
        dirty: bool,
        rest: Option<&Rest>,
    ) {
        let mut ops: SmallVec<[(usize, Args<'_>); 2]> =
            rest.into_iter().flat_map(|rest| &rest.before).map(|(db, args)| (*db, args.view())).collect();
        if dirty {
            match rest.map_or(&Propagate::Verbatim, |rest| &rest.propagate) {
                Propagate::Verbatim if command.spec.is_write() => ops.push((db, args)),
                Propagate::Verbatim => {}
                Propagate::Instead(list) => ops.extend(list.iter().map(|args| (db, args.view()))),
            }
        }
        if ops.is_empty() {
            return;
        }
        if self.in_transaction {
            self.gathered().ops.extend(ops.iter().map(|(db, args)| (*db, Args::to_owned(*args))));
        } else if let Some(feed) = engine.feed() {
            feed.append(&ops);
        }
    }
}

#[cold]
fn free(unit: Unit) {
    drop(unit);
}

/// The keys of one command with what was computed of them.
pub(super) type PlannedKeys<'a> = SmallVec<[KnownKey<'a>; 1]>;

/// Keys asked for ahead: what is asked for beyond it pushes out of the processor's caches what was asked for first.
const PREFETCHED_KEYS: usize = 256;

/// Asks for the places and then the entries of several keys, whose slots are locked: their misses overlap.
pub(super) fn prefetch(keys: &[KnownKey<'_>], db: usize, locked: &Locked<'_>) {
    if keys.len() < 2 {
        return;
    }
    let keys = &keys[..keys.len().min(PREFETCHED_KEYS)];
    let slots = || keys.iter().filter_map(|known| Some((known.hash, locked.get(db, known.slot)?)));
    slots().for_each(|(hash, slot)| slot.prefetch(hash));
    slots().for_each(|(hash, slot)| slot.prefetch_entry(hash));
}

impl Engine {
    /// Notes which slots a command needs.
    pub(super) fn plan_locks(&self, command: &Command, args: Args<'_>, db: usize, plan: &mut LockPlan) {
        self.plan_locks_and_keys(command, args, db, plan, &mut PlannedKeys::new());
    }

    /// [`Engine::plan_locks`], and in `keys` what was computed of the command's keys.
    pub(super) fn plan_locks_and_keys<'a>(
        &self,
        command: &Command,
        args: Args<'a>,
        db: usize,
        plan: &mut LockPlan,
        keys: &mut PlannedKeys<'a>,
    ) {
        let mut positions = KeyPositions::new();
        if extract(command.spec, args, &mut positions).is_err() {
            return;
        }
        let other = command.spec.other_db.and_then(|f| f(args)).filter(|&other| other < self.keyspace.databases());
        let hints = self.keyspace.hints(db);
        for (position, _) in positions {
            let Some(key) = args.get(position as usize) else { continue };
            let slot = key_slot(key);
            hints.prefetch(slot);
            keys.push(KnownKey { key, slot, hash: self.keyspace.hash(key) });
            plan.add(db, slot);
            if let Some(other) = other {
                plan.add(other, slot);
            }
        }
    }

    /// Takes the locks of a plan.
    pub(crate) fn lock(&self, plan: LockPlan) -> Locked<'_> {
        plan.lock(&self.keyspace)
    }

    /// Runs a keyed handler on slots that the caller holds locked, and drains its effects into `unit`. Inlined, since in the path of
    /// every keyed command the call alone is a measurable part.
    #[inline(always)]
    pub(super) fn call_keyed(
        &self,
        caller: Caller<'_>,
        command: &Command,
        handler: KeyedFn,
        args: Args<'_>,
        known: &[KnownKey<'_>],
        out: &mut Vec<u8>,
        rng: &mut Rng,
        hot: &Hot,
        unit: &mut Unit,
        slots: Slots<'_>,
    ) -> Called {
        let start = out.len();
        let mut effects = Effects::new(self.listeners(hot));
        let mut ctx = KeyedCtx {
            data: Data {
                keyspace: &self.keyspace,
                slots,
                effects: &mut effects,
                db: caller.db,
                now: caller.now,
                role: caller.role,
                known: KnownKeys::new(known),
                lent: caller.lent,
                no_touch: caller.no_touch,
                lfu: hot.limits.lfu,
                seed: if hot.limits.lfu.is_some() { rng.next_u64() } else { 0 },
            },
            reply: Reply::new(out, caller.protocol).limited(caller.output_limit),
            limits: &hot.limits,
            rng,
            name: &command.full_name,
            may_block: caller.may_block,
            serving: caller.serving,
        };
        let result = handler(&mut ctx, args);
        unit.over_limit |= ctx.reply.is_full();
        drop(ctx);
        let called = match result {
            Ok(Outcome::Done) => Called::Done,
            Ok(Outcome::Block(spec)) => Called::Block(spec),
            Err(error) => {
                out.truncate(start);
                self.write_error(command, &error, out, caller.protocol);
                Called::Failed
            }
        };
        unit.drain(self, command, args, caller.db, &mut effects);
        called
    }

    /// Writes an error reply and counts it.
    #[cold]
    pub(crate) fn write_error(
        &self,
        command: &Command,
        error: &crate::command::CmdError,
        out: &mut Vec<u8>,
        protocol: Protocol,
    ) {
        self.stats.count_error(error.code());
        self.stats.command(command.index).failed.fetch_add(1, Ordering::Relaxed);
        Reply::new(out, protocol).error(error.as_bytes());
    }

    /// Runs a keyspace handler; the caller has seen to the barrier if the command needs it. `patience`: for how long it waits for a slot;
    /// without, for as long as it takes.
    pub(crate) fn call_keyspace(
        &self,
        caller: Caller<'_>,
        command: &Command,
        handler: KeyspaceFn,
        args: Args<'_>,
        out: &mut Vec<u8>,
        rng: &mut Rng,
        hot: &Hot,
        unit: &mut Unit,
        patience: Option<Duration>,
    ) -> Called {
        let start = out.len();
        // Somebody may begin to track meanwhile, since not all slots are locked from the beginning.
        let mut effects = Effects::new(Listeners { tracking: true, ..self.listeners(hot) });
        let mut ctx = KeyspaceCtx {
            keyspace: &self.keyspace,
            reply: Reply::new(out, caller.protocol).limited(caller.output_limit),
            effects: &mut effects,
            limits: &hot.limits,
            rng,
            db: caller.db,
            now: caller.now,
            role: caller.role,
            garbage: Vec::new(),
            drop_elsewhere: false,
            flushed_all: false,
            patience,
            busy: None,
            settle: &mut |effects| {
                let fresh = effects.renewed();
                unit.drain(self, command, args, caller.db, &mut std::mem::replace(effects, fresh));
            },
        };
        let result = handler(&mut ctx, args);
        let (garbage, elsewhere) = (std::mem::take(&mut ctx.garbage), ctx.drop_elsewhere);
        let full = ctx.reply.is_full();
        let busy = ctx.busy;
        let flushed_all = ctx.flushed_all;
        drop(ctx);
        unit.over_limit |= full;
        let called = match (result, busy) {
            (Ok(_), _) => Called::Done,
            (Err(_), Some((db, slot))) => {
                out.truncate(start);
                Called::Busy(db, slot)
            }
            (Err(error), None) => {
                out.truncate(start);
                self.write_error(command, &error, out, caller.protocol);
                Called::Failed
            }
        };
        unit.drain(self, command, args, caller.db, &mut effects);
        if flushed_all && let Some(disk) = self.disk() {
            // The file takes off the count what it holds, so everything up to here is counted now.
            self.settle_tally(&mut unit.tally);
            unit.gathered().file = disk.flushed_all();
        }
        if elsewhere && !garbage.is_empty() {
            // Without a thread it is dropped here, when the closure is.
            let _ = std::thread::Builder::new().name("lazyfree".to_owned()).spawn(move || drop(garbage));
        }
        called
    }

    /// Runs one queued command of an EXEC; `locked` holds the union of the slots, or is absent under the barrier.
    pub(super) fn run_queued(
        self: &Arc<Self>,
        session: &mut Session,
        command: &Command,
        args: Args<'_>,
        reply: &mut Reply<'_>,
        now: i64,
        unit: &mut Unit,
        locked: Option<&mut Locked<'_>>,
        pass: &mut Pass<'_>,
    ) {
        let hot = self.hot.load();
        let started = self.clock.monotonic_us();
        let mut out = Vec::new();
        let caller = self.caller(session, now, false);
        match command.handler {
            Handler::Keyed(handler) => {
                let mut call = |locked: &mut Locked<'_>| {
                    self.call_keyed(
                        caller,
                        command,
                        handler,
                        args,
                        &[],
                        &mut out,
                        &mut session.rng,
                        &hot,
                        unit,
                        locked.slots(),
                    )
                };
                let called = match locked {
                    Some(locked) => call(locked),
                    None => {
                        let mut plan = LockPlan::default();
                        self.plan_locks(command, args, caller.db, &mut plan);
                        call(&mut self.lock(plan))
                    }
                };
                if session.tracks_reads {
                    self.remember_read(session, command, args);
                }
                if let Called::Block(spec) = called {
                    crate::session::client::parked::write_timeout(spec.on_timeout, &mut out, session.protocol);
                }
            }
            Handler::Keyspace(handler) => {
                self.call_keyspace(caller, command, handler, args, &mut out, &mut session.rng, &hot, unit, None);
            }
            Handler::Session(_) | Handler::Service { .. } | Handler::Container => {
                // INFO tells of what was done before it, and BGSAVE saves it.
                self.settle_tally(&mut unit.tally);
                if session.tracks_reads {
                    self.remember_read(session, command, args);
                }
                self.run_queued_service(session, command, args, &mut out, now, pass);
            }
        }
        self.count_calls(command.index, 1, self.clock.monotonic_us() - started);
        reply.raw(&out);
    }

    /// How commands of this session run.
    #[inline(always)]
    pub(crate) fn caller(&self, session: &Session, now: i64, may_block: bool) -> Caller<'static> {
        let role = match session.origin {
            crate::session::Origin::Client => self.state.role(now),
            crate::session::Origin::Primary => Role::Stream,
        };
        Caller {
            db: session.db,
            protocol: session.protocol,
            role,
            no_touch: session.no_touch,
            may_block,
            output_limit: session.output_limit,
            serving: None,
            lent: None,
            now,
        }
    }

    /// Adds what was gathered to the statistics of the node.
    pub(crate) fn settle_tally(&self, tally: &mut Tally) {
        let Tally { hits, misses, dirty } = std::mem::take(tally);
        if hits != 0 {
            self.stats.keyspace_hits.fetch_add(hits, Ordering::Relaxed);
        }
        if misses != 0 {
            self.stats.keyspace_misses.fetch_add(misses, Ordering::Relaxed);
        }
        if dirty != 0 {
            self.state.dirty.fetch_add(dirty as i64, Ordering::Relaxed);
        }
    }

    /// Counts calls of the command with this number, and how long they took together, in microseconds.
    #[inline]
    pub(crate) fn count_calls(&self, command: usize, calls: u64, usec: u64) {
        let stats = self.stats.command(command);
        stats.calls.fetch_add(calls, Ordering::Relaxed);
        stats.usec.fetch_add(usec, Ordering::Relaxed);
    }
}

/// Whether a watched key changed: its flag was raised, or its time came since it was watched.
pub(super) fn is_changed(engine: &Engine, slot: &Slot, watched: &Watched, now: i64) -> bool {
    // The view is published before the keys of a lost slot are deleted, so their slot's lock is not waited for.
    if watched.flag.is_raised() || (watched.served && !engine.serves(watched.slot)) {
        return true;
    }
    let hash = engine.keyspace.hash(&watched.key);
    !watched.flag.is_stale()
        && slot
            .get(hash, &watched.key)
            .and_then(super::super::store::entry::view::EntryRef::expire_at)
            .is_some_and(|at| at < now)
}
