//! Parks commands that wait for a key, and serves them in the order in which they came.
//!
//! A handler that finds nothing returns [`crate::command::Outcome::Block`]. While the slot locks are still held,
//! [`Engine::park`] puts a waiter into the slot of each key it waits for. A write that makes such a key ready notes it
//! in its effects. Before the write's locks are released, [`Engine::serve_ready`] runs the first waiter's command
//! again, on behalf of its client, and posts the reply to the client's mailbox.
//!
//! There is one reply per request: the first to *claim* a parked command (a compare-and-swap) answers it. That may be a
//! write that serves it, its timeout, CLIENT UNBLOCK, or the end of its connection. The claim comes before the element
//! is taken, so no element is popped for a client that is gone. A command that runs again and still finds nothing keeps
//! its place in every queue: its claim is taken back. If another thread wanted to end it meanwhile, that thread has
//! left the answer to give ([`Parked::leave`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::resp::OwnedArgs;
use protocol::resp::reply::Reply;
use protocol::slot::key_slot;
use tokio::sync::Notify;

use super::Engine;
use super::call::Call;
use super::execute::{Called, Caller, Work};
use super::handler::{Command, Handler};
use super::held::{Held, SLOT_PATIENCE, hold};
use super::hot::Hot;
use super::state::PauseKind;
use super::unit::Unit;
use crate::base::rng::Rng;
use crate::command::{BlockSpec, CmdError, KnownKey, LockPlan, Locked, Role, TimeoutReply};
use crate::runtime::task_group::Phase;
use crate::session::client::parked::{Parked, write_timeout};
use crate::session::client::{ClientHandle, Mail};
use crate::session::{ReplyMode, Session};
use crate::store::{BlockToken, Cause, Change, EntryRef, Slot, Type, Waiter, Wake};

/// How often a serving thread checks whether a pause is over.
const PAUSE_LOOK: Duration = Duration::from_millis(10);

/// So many waiters that found nothing are remembered.
const IN_VAIN_MAX: usize = 8;

/// A key that became ready.
struct Offer<'k> {
    db: usize,
    key: &'k [u8],
    /// The number of the last waiter that was tried.
    passed: u64,
    /// Waiters that have found nothing since the last one was served. Those like them are passed over, since thousands
    /// may wait for the same.
    in_vain: Vec<Arc<Parked>>,
}

impl<'k> Offer<'k> {
    fn new(db: usize, key: &'k [u8]) -> Self {
        Self { db, key, passed: 0, in_vain: Vec::new() }
    }

    /// Whether a waiter would look in vain.
    fn is_in_vain(&self, waiter: &Waiter) -> bool {
        !self.in_vain.is_empty()
            && waiter
                .request
                .downcast_ref::<Parked>()
                .is_some_and(|parked| self.in_vain.iter().any(|other| parked.is_like(other)))
    }

    /// Notes that a waiter was tried.
    fn tried(&mut self, parked: Arc<Parked>, served: bool) {
        if served {
            self.in_vain.clear();
        } else if parked.spec.alike.is_some() && self.in_vain.len() < IN_VAIN_MAX {
            self.in_vain.push(parked);
        }
    }
}

impl Engine {
    /// Parks a command whose handler returned [`crate::command::Outcome::Block`]; the locks it ran under are still
    /// held.
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

    /// Parks a command that waits for something other than keys. Its future must claim the token before it answers; the
    /// returned [`Parked::time_up`] tells it to answer at once.
    pub(crate) fn park_service(
        &self,
        session: &mut Session,
        command: usize,
        args: OwnedArgs,
    ) -> (Arc<BlockToken>, Arc<Notify>) {
        // No key, and no timer of the connection: the future has its own.
        let spec = BlockSpec {
            keys: smallvec::SmallVec::new(),
            timeout_ms: None,
            wake: Wake::on(Type::String),
            resume: None,
            alike: None,
            on_timeout: TimeoutReply::Null,
        };
        let time_up = Arc::new(Notify::new());
        let parked = Parked::new(session, command, args, spec, Some(time_up.clone()));
        let token = parked.token.clone();
        self.note_parked(session, parked);
        (token, time_up)
    }

    fn note_parked(&self, session: &mut Session, parked: Arc<Parked>) {
        session.is_reply_unwanted = session.reply_mode != ReplyMode::On;
        session.handle.park(Some(parked.clone()));
        session.parked = Some(parked);
        self.clients.blocked.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a command from the slots it waits in, without blocking on them. The caller has claimed it, or was told
    /// that it is answered.
    pub(crate) fn unpark(&self, session: &mut Session) {
        let Some(parked) = session.parked.take() else { return };
        // The thread that served it has done that.
        if !parked.token.is_served() {
            for (slot, key) in &parked.keys {
                self.keyspace.stop_waiting(parked.db, *slot, key, &parked.token);
            }
        }
        session.handle.park(None);
        self.clients.blocked.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers the parked command of a client with an error or its timeout reply (CLIENT UNBLOCK, which this session
    /// calls). Returns whether it was still waiting.
    ///
    /// # Errors
    /// Another thread tries to serve the client at this moment, under this slot's lock. Whether it still waits is known
    /// after that.
    pub(crate) fn unblock(
        &self,
        session: &mut Session,
        client: &ClientHandle,
        error: Option<&CmdError>,
    ) -> Result<bool, Held> {
        let Some(parked) = client.parked() else { return Ok(false) };
        if let (Some(time_up), None) = (&parked.time_up, error) {
            time_up.notify_one();
            return Ok(parked.token.is_waiting());
        }
        match (parked.token.abandon_unless_claimed(), parked.keys.first()) {
            (Some(true), _) => {}
            (None, Some((slot, _))) => return Err(hold(session, Held::Slot(parked.db, *slot))),
            (Some(false) | None, _) => return Ok(false),
        }
        let mut out = Vec::new();
        match error {
            Some(error) => self.write_unblock_error(error, &parked, &mut out),
            None => write_timeout(parked.spec.on_timeout, &mut out, parked.protocol),
        }
        client.send(Mail::Reply(out), 0);
        Ok(true)
    }

    /// Ends the parked command of every client with an error, and then their connections
    /// (`disconnectAllBlockedClients`): the node they wait at has changed its role.
    pub(crate) fn dismiss_blocked(&self, error: &CmdError) {
        for client in self.clients.all() {
            if let Some(parked) = client.parked() {
                let mut out = Vec::new();
                Reply::new(&mut out, parked.protocol).error(error.as_bytes());
                if let Some(mail) = parked.leave(Mail::LastReply(out)) {
                    self.stats.count_error(error.code());
                    client.send(mail, 0);
                }
            }
        }
    }

    fn write_unblock_error(&self, error: &CmdError, parked: &Parked, out: &mut Vec<u8>) {
        self.stats.count_error(error.code());
        Reply::new(out, parked.protocol).error(error.as_bytes());
    }

    /// Makes every command that is parked at keys and that `which` picks run again from the start, through all gates
    /// (role change, slot lost).
    pub(crate) fn retry_blocked(&self, which: &dyn Fn(&Parked) -> bool) {
        for client in self.clients.all() {
            if let Some(parked) = client.parked()
                && parked.time_up.is_none()
                && which(&parked)
                && let Some(mail) = parked.leave(Mail::Retry)
            {
                client.send(mail, 0);
            }
        }
    }

    /// Serves the clients that wait for what a unit of this session has made ready, first under its locks.
    #[cold]
    pub(super) fn serve_waiting(
        self: &Arc<Self>,
        session: &mut Session,
        unit: &mut Unit,
        mut locked: Locked<'_>,
        now: i64,
    ) {
        self.serve_ready(unit, &mut locked, now);
        drop(locked);
        self.serve_later(session, unit, now);
    }

    /// Serves the clients that wait for keys which `unit` made ready, while the unit's locks are held. Waiters that
    /// need slots which are not locked here (BLMOVE across slots, cluster mode off) are served by
    /// [`Engine::serve_later`]. So is every waiter behind them, which might otherwise take the element that they are to
    /// get.
    pub(super) fn serve_ready(&self, unit: &mut Unit, locked: &mut Locked<'_>, now: i64) {
        let mut later = Vec::new();
        while unit.has_ready() {
            for (db, key) in unit.take_ready() {
                let here = later.is_empty() && locked.get(db, key_slot(&key)).is_some();
                let mut offer = Offer::new(db, &key);
                if !here || self.serve_key(&mut offer, unit, locked, now).is_some() {
                    later.push((db, key));
                }
            }
        }
        unit.put_ready(later);
    }

    /// Serves what [`Engine::serve_ready`] left over, taking for each key the locks that its next waiter needs. If a
    /// long command has one of these slots, a thread waits for it, and the session's reply waits for the thread. The
    /// caller holds no slot lock.
    pub(super) fn serve_later(self: &Arc<Self>, session: &mut Session, unit: &mut Unit, now: i64) {
        let mut ready = VecDeque::from(unit.take_ready());
        if self.serve_all(unit, &mut ready, now, Some(SLOT_PATIENCE)) {
            return;
        }
        let engine = Arc::clone(self);
        let serve = move || engine.serve_at_last(&mut ready);
        self.reply_behind(session, "serve", Box::new(serve));
    }

    /// Serves the waiters of these keys, on a thread that may block on their slots. Serving writes, so it waits for the
    /// end of a pause. A node that has become a replica does not serve: it has sent its waiters through the gates
    /// again.
    fn serve_at_last(&self, ready: &mut VecDeque<(usize, Box<[u8]>)>) {
        let mut unit = Unit::default();
        loop {
            let pass = self.barrier.enter(self.background_gate());
            let now = self.clock.now_ms();
            if self.state.is_replica() || self.state.tasks.phase() == Phase::Over {
                break;
            }
            if self.state.paused(now).0 == PauseKind::None {
                self.serve_all(&mut unit, ready, now, None);
                break;
            }
            drop(pass);
            std::thread::sleep(PAUSE_LOOK);
        }
        self.settle_tally(&mut unit.tally);
        self.settle_tracking();
        unit.free(self);
    }

    /// Serves the waiters of these keys. `false`: a slot was locked for longer than `patience`; keys not yet done are
    /// left.
    fn serve_all(
        &self,
        unit: &mut Unit,
        ready: &mut VecDeque<(usize, Box<[u8]>)>,
        now: i64,
        patience: Option<Duration>,
    ) -> bool {
        while let Some((db, key)) = ready.front() {
            let mut offer = Offer::new(*db, key);
            let mut next: Option<Arc<Parked>> = None;
            loop {
                let mut plan = LockPlan::default();
                plan.add(*db, key_slot(key));
                if let Some(parked) = next {
                    let command = self.registry.by_index(parked.command);
                    let keys = self.keys_of(command, parked.args.view(), parked.db);
                    self.plan_locks(&call_of(command, &parked, &keys, &self.hot.load(), now), parked.db, &mut plan);
                }
                let locked = match patience {
                    Some(patience) => plan.lock_within(&self.keyspace, patience).ok(),
                    None => Some(self.lock(plan)),
                };
                let Some(mut locked) = locked else {
                    // What those served so far made ready is served by the thread as well.
                    ready.extend(unit.take_ready());
                    return false;
                };
                // Another waiter may come to the front before its locks are taken; then it is that one's turn.
                next = self.serve_key(&mut offer, unit, &mut locked, now);
                if next.is_none() {
                    break;
                }
            }
            ready.pop_front();
            // First ready, first served; what serving made ready comes after what was ready before.
            ready.extend(unit.take_ready());
        }
        true
    }

    /// Offers a key, whose slot is locked, to the clients that wait for it, once to each, until the key can serve none
    /// of them. Begins after the last waiter that was tried. Returns a waiter that needs more locks.
    fn serve_key(
        &self,
        offer: &mut Offer<'_>,
        unit: &mut Unit,
        locked: &mut Locked<'_>,
        now: i64,
    ) -> Option<Arc<Parked>> {
        let &mut Offer { db, key, .. } = offer;
        let (slot, hash) = (key_slot(key), self.keyspace.hash(key));
        let hot = self.hot.load();
        loop {
            let place = locked.get_mut(db, slot)?;
            if self.state.role(now) == Role::Primary {
                let mut effects = self.unasked(&hot);
                let change = Change { db, slot, key, cause: Cause::Expired };
                if place.expire_if_due(hash, change, now, &mut effects) {
                    unit.keep(self.settle(effects, 0, Some(place)));
                }
            }
            let ty = place.get(hash, key).map(EntryRef::ty);
            if !place.concerns(key, ty) {
                return None;
            }
            let (number, parked) = {
                let mut waiters = place.waiters_after(key, offer.passed);
                let (number, waiter) =
                    waiters.find(|(_, waiter)| waiter.token.wake().is_due(ty) && !offer.is_in_vain(waiter))?;
                (number, parked_of(waiter)?)
            };
            let command = self.registry.by_index(parked.command);
            let keys = self.keys_of(command, parked.args.view(), parked.db);
            let call = call_of(command, &parked, &keys, &hot, now);
            let mut plan = LockPlan::default();
            self.plan_locks(&call, parked.db, &mut plan);
            if !locked.holds(&plan) {
                return Some(parked.clone());
            }
            offer.passed = number;
            if !parked.token.claim() {
                continue;
            }
            let served = self.serve(&parked, call, key, unit, locked);
            if served {
                for (slot, key) in &parked.keys {
                    if let Some(place) = locked.get_mut(parked.db, *slot) {
                        place.stop_waiting(key, &parked.token);
                    }
                }
            }
            drop(keys);
            offer.tried(parked, served);
        }
    }

    /// Makes the waiters that the end of a key concerns run again through the gates. No command ended the key: it
    /// expired, for example.
    pub(super) fn retry_waiters(&self, slot: &mut Slot, key: &[u8]) {
        for (_, waiter) in slot.waiters_after(key, 0).filter(|(_, waiter)| waiter.token.wake().is_due(None)) {
            if let Some(parked) = parked_of(waiter)
                && let Some(mail) = parked.leave(Mail::Retry)
            {
                parked.client.send(mail, 0);
            }
        }
    }

    /// Counts a parked command that was answered, after an attempt of so many microseconds.
    pub(crate) fn count_served(&self, parked: &Parked, took_us: u64) {
        self.count_calls(parked.command, 0, took_us);
        let ran_us = parked.ran_us.load(Ordering::Relaxed) + took_us;
        // Several threads serve; the histograms of this gate are theirs.
        self.latencies.count(self.background_gate(), parked.command, 1, ran_us * 1000);
    }

    /// Runs a claimed command because key `ready` is ready, on behalf of its client, and posts the reply. `false`: it
    /// found nothing and keeps waiting.
    fn serve(&self, parked: &Parked, call: Call<'_>, ready: &[u8], unit: &mut Unit, locked: &mut Locked<'_>) -> bool {
        let Handler::Keyed(handler) = call.command.handler else { unreachable!("only keyed commands are parked") };
        let caller = Caller {
            db: parked.db,
            protocol: parked.protocol,
            role: Role::Primary,
            no_touch: false,
            may_block: true,
            in_script: false,
            is_repeated: false,
            // A blocking command answers with a few elements, and a slow reader may take its time.
            output_limit: usize::MAX,
            serving: Some(ready),
            lent: None,
        };
        let (mut out, mut rng) = (Vec::new(), Rng::new(parked.client.id ^ call.now as u64));
        let began_us = self.clock.monotonic_us();
        let by = unit.begin_serving(parked.client.id);
        let work = Work { out: &mut out, rng: &mut rng, unit: &mut *unit };
        let called = self.call_keyed(caller, call, handler, locked.slots(), work);
        let served = !matches!(called, Called::Block(_));
        if served {
            parked.token.serve();
            parked.client.send(Mail::Reply(out), 0);
            self.count_served(parked, self.clock.monotonic_us() - began_us);
        } else if !parked.token.stay() {
            let word = parked.leaving.lock().take();
            word.into_iter().for_each(|mail| parked.client.send(mail, 0));
        }
        unit.end_serving(by).iter().for_each(|key| self.tell_own(&parked.client, key));
        served
    }
}

/// A parked command, as a call.
fn call_of<'a>(command: &'a Command, parked: &'a Parked, keys: &'a [KnownKey<'a>], hot: &'a Hot, now: i64) -> Call<'a> {
    Call { command, args: parked.args.view(), keys, hot, moving: None, now }
}

/// The engine's side of a waiter.
fn parked_of(waiter: &Waiter) -> Option<Arc<Parked>> {
    waiter.request.clone().downcast::<Parked>().ok()
}

#[cfg(test)]
#[path = "blocking_tests.rs"]
mod tests;
