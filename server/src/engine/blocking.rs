//! Parking commands that wait for a key, and serving them, first in first served.
//!
//! A handler that finds nothing returns [`crate::command::Outcome::Block`]; while the slot locks are still held, [`Engine::park`] puts a waiter
//! into the slot of each key it waits for. A write that makes such a key ready notes it in its effects, and before its locks are
//! released [`Engine::serve_ready`] runs the first waiter's command again, on its behalf, and posts the reply to its mailbox.
//!
//! One reply per request: a parked command is answered by whoever *claims* it first (a compare-and-swap): a write that serves it,
//! its timeout, CLIENT UNBLOCK, or its connection going away. The claim comes before the element is taken, so no element is
//! ever popped for a client that is gone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::{SlotId, key_slot};
use tokio::sync::Notify;

use super::Engine;
use super::client::{ClientHandle, Mail};
use super::execute::{Called, Caller, Unit};
use super::hot::Hot;
use super::registry::Handler;
use super::session::Session;
use crate::base::rng::Rng;
use crate::command::{BlockSpec, CmdError, LockPlan, Locked, Role, TimeoutReply};
use crate::store::{BlockToken, Cause, Change, Type, Waiter};

/// A command that waits.
pub struct Parked {
    pub client: Arc<ClientHandle>,
    pub command: usize,
    pub args: OwnedArgs,
    pub db: usize,
    pub protocol: Protocol,
    pub spec: BlockSpec,
    /// The keys waited for, without duplicates.
    pub keys: Vec<(SlotId, Box<[u8]>)>,
    pub token: Arc<BlockToken>,
    /// Set for a command that waits for something else than keys (WAIT): its future answers, and this tells it that its time is up.
    pub time_up: Option<Arc<Notify>>,
}

impl Parked {
    fn new(
        session: &Session,
        command: usize,
        args: OwnedArgs,
        spec: BlockSpec,
        time_up: Option<Arc<Notify>>,
    ) -> Arc<Self> {
        let words = args.view();
        let mut seen = BTreeSet::new();
        let keys = spec.keys.iter().map(|&position| &words[position as usize]);
        let keys = keys.filter(|key| spec.keys.len() == 1 || seen.insert(*key));
        let keys = keys.map(|key| (key_slot(key), key.into())).collect();
        Arc::new(Self {
            client: session.handle.clone(),
            command,
            args,
            db: session.db,
            protocol: session.protocol,
            spec,
            keys,
            token: Arc::new(BlockToken::new()),
            time_up,
        })
    }
}

/// Writes what a client reads when its time is up.
pub fn write_timeout(reply: TimeoutReply, out: &mut Vec<u8>, protocol: Protocol) {
    let mut writer = Reply::new(out, protocol);
    match reply {
        TimeoutReply::NullArray => writer.null_array(),
        TimeoutReply::Null => writer.null(),
    }
}

impl Engine {
    /// Parks a command whose handler returned [`crate::command::Outcome::Block`]; the locks it ran under are still held.
    pub(super) fn park(
        &self,
        session: &mut Session,
        command: usize,
        args: OwnedArgs,
        spec: BlockSpec,
        locked: &mut Locked<'_>,
    ) {
        let parked = Parked::new(session, command, args, spec, None);
        for (slot, key) in &parked.keys {
            let slot =
                locked.get_mut(session.db, *slot).expect("a blocking command's keys are locked while it is parked");
            slot.wait(key, Waiter { token: parked.token.clone(), request: parked.clone() });
        }
        self.note_parked(session, parked);
    }

    /// Parks a command that waits for something else than keys. Its future must claim the token before it answers; it is told by
    /// the returned [`Parked::time_up`] to answer at once.
    pub fn park_service(
        &self,
        session: &mut Session,
        command: usize,
        args: OwnedArgs,
    ) -> (Arc<BlockToken>, Arc<Notify>) {
        // No key and no timer of the connection: the future has its own.
        let spec = BlockSpec {
            keys: smallvec::SmallVec::new(),
            timeout_ms: None,
            awaited: Type::String,
            on_timeout: TimeoutReply::Null,
        };
        let time_up = Arc::new(Notify::new());
        let parked = Parked::new(session, command, args, spec, Some(time_up.clone()));
        let token = parked.token.clone();
        self.note_parked(session, parked);
        (token, time_up)
    }

    fn note_parked(&self, session: &mut Session, parked: Arc<Parked>) {
        session.handle.park(Some(parked.clone()));
        session.parked = Some(parked);
        self.clients.blocked.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a command from the slots it waits in. The caller has claimed it, or was told that it is answered.
    pub fn unpark(&self, session: &mut Session) {
        let Some(parked) = session.parked.take() else { return };
        for (slot, key) in &parked.keys {
            self.keyspace.lock(parked.db, *slot).stop_waiting(key, &parked.token);
        }
        session.handle.park(None);
        self.clients.blocked.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers the parked command of a client with an error or its timeout reply (CLIENT UNBLOCK).
    /// Returns whether it was still waiting.
    pub fn unblock(&self, client: &ClientHandle, error: Option<&CmdError>) -> bool {
        let Some(parked) = client.parked() else { return false };
        if let (Some(time_up), None) = (&parked.time_up, error) {
            time_up.notify_one();
            return parked.token.is_waiting();
        }
        if !parked.token.abandon() {
            return false;
        }
        let mut out = Vec::new();
        match error {
            Some(error) => self.write_unblock_error(error, &parked, &mut out),
            None => write_timeout(parked.spec.on_timeout, &mut out, parked.protocol),
        }
        client.send(Mail::Reply(out), 0);
        true
    }

    /// Ends the parked command of every client with an error, and their connections after it (`disconnectAllBlockedClients`):
    /// they wait at a node that is not what they took it for.
    pub fn dismiss_blocked(&self, error: &CmdError) {
        for client in self.clients.all() {
            if let Some(parked) = client.parked()
                && parked.token.abandon()
            {
                let mut out = Vec::new();
                self.write_unblock_error(error, &parked, &mut out);
                client.send(Mail::LastReply(out), 0);
            }
        }
    }

    fn write_unblock_error(&self, error: &CmdError, parked: &Parked, out: &mut Vec<u8>) {
        self.stats.count_error(error.code());
        Reply::new(out, parked.protocol).error(error.as_bytes());
    }

    /// Has every command that is parked at keys and that `which` picks run again from the start, through all gates (role change, slot gone).
    pub fn retry_blocked(&self, which: &dyn Fn(&Parked) -> bool) {
        for client in self.clients.all() {
            if let Some(parked) = client.parked()
                && parked.time_up.is_none()
                && which(&parked)
                && parked.token.abandon()
            {
                client.send(Mail::Retry, 0);
            }
        }
    }

    /// Serves the clients that wait for what a unit has made ready, first under its locks.
    #[cold]
    pub(super) fn serve_waiting(&self, unit: &mut Unit, mut locked: Locked<'_>, now: i64) {
        self.serve_ready(unit, &mut locked, now);
        drop(locked);
        self.serve_later(unit, now);
    }

    /// Serves the clients that wait for keys which `unit` made ready, while the unit's locks are held. Waiters that need slots
    /// which are not locked here (BLMOVE across slots, cluster mode off) are served by [`Engine::serve_later`], and so is whoever
    /// comes behind them: what he takes may be what they are served with.
    pub(super) fn serve_ready(&self, unit: &mut Unit, locked: &mut Locked<'_>, now: i64) {
        let mut later = Vec::new();
        while unit.has_ready() {
            for (db, key) in unit.take_ready() {
                if !later.is_empty() || !self.serve_key(db, &key, unit, locked, now) {
                    later.push((db, key));
                }
            }
        }
        unit.put_ready(later);
    }

    /// Serves what [`Engine::serve_ready`] left over, taking for each key the locks that its first waiter needs.
    /// The caller holds no slot lock.
    pub(super) fn serve_later(&self, unit: &mut Unit, now: i64) {
        let mut ready = VecDeque::from(unit.take_ready());
        while let Some((db, key)) = ready.pop_front() {
            loop {
                let slot = key_slot(&key);
                let Some(parked) = self.keyspace.lock(db, slot).waiters(&key).next().and_then(parked_of) else {
                    break;
                };
                let mut plan = LockPlan::default();
                plan.add(db, slot);
                self.plan_locks(self.registry.by_index(parked.command), parked.args.view(), parked.db, &mut plan);
                let mut locked = self.lock(plan);
                if self.serve_key(db, &key, unit, &mut locked, now) {
                    break;
                }
                // Another waiter came to the front between the two locks, or the next one needs other slots: look again.
            }
            // First ready, first served; what serving made ready comes after what was ready before.
            ready.extend(unit.take_ready());
        }
    }

    /// Serves waiters of one key until it has nothing more or nobody waits. `false`: the first waiter needs more locks.
    fn serve_key(&self, db: usize, key: &[u8], unit: &mut Unit, locked: &mut Locked<'_>, now: i64) -> bool {
        let (slot, hash) = (key_slot(key), self.keyspace.hash(key));
        let hot = self.hot.load();
        loop {
            let Some(place) = locked.get_mut(db, slot) else { return false };
            if self.state.role(now) == Role::Primary {
                let mut effects = self.unasked(&hot);
                let change = Change { db, slot, key, cause: Cause::Expired };
                if place.expire_if_due(hash, change, now, &mut effects) {
                    // Nothing to be had: who waits keeps its place in the queue.
                    unit.keep(self.settle(effects, 0));
                    return true;
                }
            }
            let Some(ty) = place.get(hash, key).map(super::super::store::entry::view::EntryRef::ty) else {
                return true;
            };
            let fitting = place.waiters(key).filter_map(parked_of).find(|parked| parked.spec.awaited == ty);
            let Some(parked) = fitting else { return true };
            if !self.holds_all(&parked, locked) {
                return false;
            }
            if parked.token.claim() {
                self.serve(&parked, key, unit, locked, &hot, now);
            }
            for (slot, key) in &parked.keys {
                if let Some(place) = locked.get_mut(parked.db, *slot) {
                    place.stop_waiting(key, &parked.token);
                }
            }
        }
    }

    /// Runs a claimed command, because of the key `ready`, on behalf of its client and posts the reply.
    fn serve(&self, parked: &Parked, ready: &[u8], unit: &mut Unit, locked: &mut Locked<'_>, hot: &Hot, now: i64) {
        let command = self.registry.by_index(parked.command);
        let Handler::Keyed(handler) = command.handler else { unreachable!("only keyed commands are parked") };
        let caller = Caller {
            db: parked.db,
            protocol: parked.protocol,
            role: Role::Primary,
            no_touch: false,
            may_block: true,
            // A blocking command answers with a few elements; its client reads them when it can.
            output_limit: usize::MAX,
            serving: Some(ready),
            lent: None,
            now,
        };
        let (mut out, mut rng) = (Vec::new(), Rng::new(parked.client.id ^ now as u64));
        let by = unit.begin_serving(parked.client.id);
        let mail = match self.call_keyed(
            caller,
            command,
            handler,
            parked.args.view(),
            &[],
            &mut out,
            &mut rng,
            hot,
            unit,
            locked.slots(),
        ) {
            // It still finds nothing: its own connection parks it again.
            Called::Block(_) => Mail::Retry,
            Called::Done | Called::Failed | Called::Busy(..) => Mail::Reply(out),
        };
        parked.client.send(mail, 0);
        unit.end_serving(by).iter().for_each(|key| self.tell_own(&parked.client, key));
    }

    fn holds_all(&self, parked: &Parked, locked: &Locked<'_>) -> bool {
        let mut plan = LockPlan::default();
        self.plan_locks(self.registry.by_index(parked.command), parked.args.view(), parked.db, &mut plan);
        locked.holds(&plan)
    }
}

/// The engine's side of a waiter.
fn parked_of(waiter: &Waiter) -> Option<Arc<Parked>> {
    waiter.request.clone().downcast::<Parked>().ok()
}
