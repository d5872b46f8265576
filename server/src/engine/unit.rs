//! What becomes visible at once: one command, or a whole EXEC.
//!
//! Effects are drained in one place ([`Unit::drain`]) while the slot locks are held, so that per slot the order of
//! execution is the order of replication. The propagated commands of a transaction are collected and appended to the
//! feed together. Work that is done without the locks (freeing what was removed, serving blocked clients whose keys are
//! in other slots, the file on disk) is collected until they are released.

use std::sync::atomic::Ordering;

use protocol::resp::{Args, OwnedArgs};
use protocol::slot::SlotId;
use smallvec::SmallVec;

use super::Engine;
use super::call::Call;
use super::changes::{ReadyKeys, Settled};
use super::handler::SessionCtx;
use super::ports::FileWork;
use super::slot_use::{AROUND, wire_len};
use crate::command::Effects;
use crate::command::effects::{Propagate, Rest};
use crate::session::Session;
use crate::session::client::ClientId;
use crate::session::tally::Tally;
use crate::store::Garbage;

/// What becomes visible at once: one command, or a whole transaction.
#[derive(Default)]
pub(crate) struct Unit {
    in_transaction: bool,
    /// Nothing is propagated (`redis.set_repl`).
    is_muted: bool,
    /// Whether anything was propagated.
    pub wrote: bool,
    /// A reply exceeded its client's output limit.
    pub over_limit: bool,
    /// What is to be counted.
    pub tally: Tally,
    /// The client on whose behalf everything is done; 0 for none.
    by: ClientId,
    /// A parked command is being served: its client is notified of changes after its reply.
    serving: bool,
    gathered: Option<Box<Gathered>>,
}

/// What few units need.
#[derive(Default)]
struct Gathered {
    /// Commands that a transaction propagates.
    ops: Vec<(usize, OwnedArgs)>,
    /// A slot of these, if traffic of slots is counted.
    slot: Option<SlotId>,
    /// A slot in which they write.
    written: Option<SlotId>,
    ready: ReadyKeys,
    /// Removed collections, dropped after the locks are released.
    garbage: Garbage,
    /// Keys that a parked command changed and that its client has cached.
    own_invalid: Vec<Box<[u8]>>,
    /// Work on the file on disk, after all keys were removed.
    file: Option<FileWork>,
}

impl Unit {
    /// A unit for a command of a session.
    #[inline]
    pub(crate) fn of(session: &Session) -> Self {
        Self { by: session.handle.id, ..Self::default() }
    }

    /// From here on the unit serves a parked command of this client. Returns the client that it worked for before.
    pub(super) fn begin_serving(&mut self, client: ClientId) -> ClientId {
        self.serving = true;
        std::mem::replace(&mut self.by, client)
    }

    /// Ends serving: the client has its reply. Returns the keys that the command changed and that the client has
    /// cached.
    pub(super) fn end_serving(&mut self, by: ClientId) -> Vec<Box<[u8]>> {
        (self.serving, self.by) = (false, by);
        self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.own_invalid)).unwrap_or_default()
    }

    /// From here on, propagated commands are collected.
    pub(crate) fn begin_transaction(&mut self) {
        self.in_transaction = true;
    }

    /// Whether what follows is not propagated.
    pub(super) fn mute(&mut self, muted: bool) {
        self.is_muted = muted;
    }

    /// Appends the collected commands as one unit.
    pub(crate) fn end_transaction(&mut self, engine: &Engine) {
        self.in_transaction = false;
        let ops = self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.ops)).unwrap_or_default();
        if ops.is_empty() {
            return;
        }
        if ops.len() > 1
            && let Some(slot) = self.gathered.as_mut().and_then(|gathered| gathered.slot.take())
        {
            engine.count_propagated(slot, AROUND);
        }
        if let Some(feed) = engine.feed() {
            let views: Vec<_> = ops.iter().map(|(db, args)| (*db, args.view())).collect();
            feed.append(&views);
        }
    }

    /// A slot in which the commands write that a transaction propagates, whether its queue names it or not.
    pub(super) fn written_slot(&self) -> Option<SlotId> {
        self.gathered.as_ref().and_then(|gathered| gathered.written)
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

    /// Takes the remaining work on the file on disk. It is done without the barrier and before the reply is sent
    /// ([`Engine::reply_behind`]), since keys that are acknowledged as removed must not come back.
    #[inline]
    pub(super) fn take_file_work(&mut self) -> Option<FileWork> {
        self.gathered.as_mut().and_then(|gathered| gathered.file.take())
    }

    /// Frees what the unit collected; its locks are released.
    #[inline(always)]
    pub(super) fn free(self, engine: &Engine) {
        if self.gathered.is_some() {
            free(self, engine);
        } else {
            // There is nothing to drop, and skipping the second check saves one percent of a pipelined command.
            std::mem::forget(self);
        }
    }

    /// Keeps what is left to do for the file on disk.
    pub(super) fn keep_file_work(&mut self, work: Option<FileWork>) {
        self.gathered().file = work;
    }

    #[cold]
    fn gathered(&mut self) -> &mut Gathered {
        self.gathered.get_or_insert_default()
    }

    /// Drains the effects of one command.
    #[inline(always)]
    pub(crate) fn drain(&mut self, engine: &Engine, call: Call<'_>, db: usize, effects: &mut Effects) {
        let Effects { hits, misses, dirty, .. } = *effects;
        self.tally.add(Tally { hits: u64::from(hits), misses: u64::from(misses), dirty, executed: 0 });
        self.wrote |= dirty != 0;
        if !effects.is_quiet() {
            self.drain_changes(engine, &{ call }, db, effects);
        }
    }

    fn drain_changes(&mut self, engine: &Engine, call: &Call<'_>, db: usize, effects: &mut Effects) {
        if effects.expired != 0 {
            engine.stats.expired_keys.fetch_add(u64::from(effects.expired), Ordering::Relaxed);
        }
        if effects.expired_fields != 0 {
            engine.stats.expired_subkeys.fetch_add(u64::from(effects.expired_fields), Ordering::Relaxed);
        }
        let rest = effects.take_rest();
        if effects.propagating && !self.is_muted {
            self.propagate(engine, call, db, effects.dirty != 0, rest.as_deref());
        }
        if let Some(rest) = rest {
            self.keep(engine.tell_all(*rest, effects.notify_mask(), self.by, self.serving));
        }
    }

    /// Keeps the remaining work until the locks are released, or until the served client has its reply.
    pub(super) fn keep(&mut self, Settled { garbage, own_invalid, ready }: Settled) {
        if !(garbage.is_empty() && own_invalid.is_empty() && ready.is_empty()) {
            let gathered = self.gathered();
            gathered.garbage.append(garbage);
            gathered.own_invalid.extend(own_invalid);
            gathered.ready.extend(ready);
        }
    }

    fn propagate(&mut self, engine: &Engine, call: &Call<'_>, db: usize, dirty: bool, rest: Option<&Rest>) {
        let mut ops: SmallVec<[(usize, Args<'_>); 2]> =
            rest.into_iter().flat_map(|rest| &rest.before).map(|(db, args)| (*db, args.view())).collect();
        if dirty {
            match rest.map_or(&Propagate::Verbatim, |rest| &rest.propagate) {
                Propagate::Verbatim if call.command.spec.is_write() => ops.push((db, call.args)),
                Propagate::Verbatim => {}
                Propagate::Instead(list) => ops.extend(list.iter().map(|args| (db, args.view()))),
            }
        }
        if ops.is_empty() {
            return;
        }
        if call.hot.slot_stats
            && let Some(slot) = call.keys.first().map(|key| key.slot)
        {
            let bytes: u64 = ops.iter().map(|(_, args)| wire_len(args.iter())).sum();
            let around = if self.in_transaction || ops.len() == 1 { 0 } else { AROUND };
            engine.count_propagated(slot, bytes + around);
            if self.in_transaction {
                self.gathered().slot = Some(slot);
            }
        }
        if self.in_transaction {
            let gathered = self.gathered();
            gathered.written = gathered.written.or(call.keys.first().map(|key| key.slot));
            gathered.ops.extend(ops.iter().map(|(db, args)| (*db, Args::to_owned(*args))));
        } else if let Some(feed) = engine.feed() {
            feed.append(&ops);
        }
    }
}

impl Unit {
    /// Propagates a command that changes no keys.
    pub(super) fn tell(&mut self, engine: &Engine, db: usize, args: Args<'_>) {
        if self.is_muted || !engine.state.propagating.load(Ordering::Relaxed) {
            return;
        }
        self.wrote = true;
        if self.in_transaction {
            self.gathered().ops.push((db, args.to_owned()));
        } else if let Some(feed) = engine.feed() {
            feed.append(&[(db, args)]);
        }
    }
}

impl SessionCtx<'_, '_> {
    /// Propagates its command, which changes no keys: as a part of the transaction or script to which it belongs.
    pub(crate) fn propagate(&mut self, args: Args<'_>) {
        let db = self.session.db;
        match self.unit.as_deref_mut().and_then(|unit| unit.downcast_mut::<Unit>()) {
            Some(unit) => unit.tell(self.engine, db, args),
            None => Unit::default().tell(self.engine, db, args),
        }
    }
}

#[cold]
fn free(mut unit: Unit, engine: &Engine) {
    if let Some(gathered) = &mut unit.gathered {
        engine.freeing.free(std::mem::take(&mut gathered.garbage));
    }
}

impl Engine {
    /// Ends a unit after its locks were released: frees what it removed, counts what it did, notes its replication
    /// offset for WAIT, and marks a client whose reply was too long.
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
        unit.free(self);
    }
}
