//! What holds a command back, and how it waits while its worker serves other connections.
//!
//! A command waits for the end of a pause, for a slot that another command has locked, for its gate of the barrier, or
//! for a key that is being sent to another node.
//! It is kept in [`Session::postponed`](crate::session::Session::postponed) (or stays in the connection's buffer) and
//! passes all gates again afterwards, since what they check may have changed.
//!
//! Usual commands take microseconds, so the thread first blocks for a moment on a slot or a gate. A command that was
//! parked very often blocks until it can run, so it is not starved.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::Poll;
use std::time::Duration;

use protocol::slot::SlotId;

use super::Engine;
use super::barrier::Pass;
use crate::base::parking::Ticket;
use crate::command::{LockPlan, Locked};
use crate::session::Session;
use crate::store::SlotGuard;

/// For how long a worker waits for a slot before it parks the command.
pub(super) const SLOT_PATIENCE: Duration = Duration::from_micros(200);
/// The same for a command that visits slot after slot and begins anew when it was parked.
pub(crate) const VISIT_PATIENCE: Duration = Duration::from_millis(5);
/// When a parked command tries again although it was not notified.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The same for a command that waits for a gate: a worker that ends its batch calls nobody.
const GATE_LOOK: Duration = Duration::from_millis(10);
/// When a command that found its own gate open, but not those of others, tries again.
const GATES_AGAIN: Duration = Duration::from_millis(2);
/// After being parked this often, a command waits for slots as long as it takes.
const ATTEMPTS: u32 = 200;
/// The same for gates. It is parked there once for each batch that is in the way; a long command is one attempt.
/// Workers make way for who wants to be alone, so only a command whose own worker is busy, or makes way itself,
/// whenever they do comes to this number.
const GATE_ATTEMPTS: u32 = 100;

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The end of a pause, in unix milliseconds; it may also be ended earlier.
    Pause(i64),
    /// A slot of a database, which another command has locked.
    Slot(usize, SlotId),
    /// Its thread's gate of the barrier, while another thread is alone.
    Gate(usize),
    /// Another gate, which a long command does not release, or the turn: the command wants to be alone.
    Alone(usize),
    /// Keys of this slot of a database, which are being sent to another node.
    Sent(usize, SlotId),
    /// The change of this node's role to that of a primary.
    Role,
    /// A handle of the connection's socket, to look whether its sender is still there.
    Socket,
    /// Nothing: the gates that it had passed are closed now. It passes them again, to be told why.
    Again,
}

impl Engine {
    /// Waits until a held command may try again.
    pub(crate) async fn held_over(&self, held: Held) {
        match held {
            Held::Pause(until) => self.pause_over(until).await,
            Held::Slot(db, slot) => {
                self.contention.slot_retries.count();
                let is_taken = || self.keyspace.is_locked(db, slot) && !self.is_busy_with_script();
                called(|ticket| self.keyspace.park(db, slot, ticket), is_taken, LOOK_AGAIN).await;
            }
            Held::Gate(gate) => self.gate_over(gate, || {}).await,
            Held::Alone(gate) => self.gate_over(gate, || self.barrier.want(gate)).await,
            Held::Sent(db, slot) => {
                // Not longer: its slot may be closed, or may move, before the key has arrived.
                let sent = called(|ticket| self.sending.park((db, slot), ticket), || false, LOOK_AGAIN);
                sent.await;
            }
            Held::Role => tokio::time::sleep(GATE_LOOK).await,
            Held::Socket | Held::Again => {}
        }
    }

    /// Waits until every command has ended, or was parked, that a worker had begun when this was called. A parked one
    /// passes all gates again. So afterwards every command that runs has seen what was published before the call. The
    /// thread blocks on the gate of each other worker for no longer than a usual batch takes.
    pub(crate) async fn begun_over(&self) {
        // Whoever takes a gate after this sees what was published before it.
        fence(Ordering::SeqCst);
        for gate in 0..self.workers() {
            if !self.barrier.ends_soon(gate) {
                self.batch_over(gate, self.barrier.entered(gate), || {}).await;
            }
        }
    }

    /// Waits until a gate is released, or entered anew. Calls `wish` now, and from time to time until then.
    async fn gate_over(&self, gate: usize, wish: impl Fn()) {
        self.contention.gate_retries.count();
        if !self.batch_over(gate, self.barrier.entered(gate), wish).await {
            tokio::time::sleep(GATES_AGAIN).await;
        }
    }

    /// [`Engine::gate_over`] for the batch that entered the gate as this number. Returns whether there was anything to
    /// wait for.
    async fn batch_over(&self, gate: usize, entered: u64, wish: impl Fn()) -> bool {
        let is_taken = || {
            wish();
            self.barrier.is_held_by(gate, entered)
        };
        is_taken() && called(|ticket| self.barrier.park(gate, ticket), is_taken, GATE_LOOK).await
    }

    /// Locks a slot for a command of this session that found it locked. Inside EXEC it blocks: a command cannot be set
    /// aside there, and no other command runs.
    ///
    /// # Errors
    /// Another command has it for longer than a moment.
    #[cold]
    pub(crate) fn lock_soon(&self, session: &mut Session, db: usize, slot: SlotId) -> Result<SlotGuard<'_>, Held> {
        if session.in_exec || (is_patient(session) && !self.barrier.has_suspended()) {
            return Ok(self.keyspace.lock(db, slot));
        }
        self.keyspace.wait_within(db, slot, SLOT_PATIENCE).ok_or_else(|| hold(session, Held::Slot(db, slot)))
    }

    /// Runs `f` in the gate and under a slot's lock, as soon as both can be had without blocking the thread. For work
    /// that goes on while the connection waits for its reply.
    pub(crate) async fn visit<R>(
        &self,
        gate: usize,
        (db, slot): (usize, SlotId),
        mut f: impl FnMut(&mut SlotGuard<'_>) -> R,
    ) -> R {
        let mut attempts = 0;
        loop {
            let held = match self.barrier.enter_soon(gate) {
                None => Held::Gate(gate),
                Some(_pass) => {
                    let guard = if attempts < ATTEMPTS || self.barrier.has_suspended() {
                        self.keyspace.lock_within(db, slot, SLOT_PATIENCE)
                    } else {
                        Some(self.keyspace.lock(db, slot))
                    };
                    match guard {
                        Some(mut guard) => return f(&mut guard),
                        None => Held::Slot(db, slot),
                    }
                }
            };
            attempts += 1;
            self.held_over(held).await;
        }
    }

    /// Takes all locks of a plan for a command of this session.
    ///
    /// # Errors
    /// As [`Engine::lock_soon`]; nothing is locked then.
    pub(super) fn lock_all_soon(&self, session: &mut Session, plan: LockPlan) -> Result<Locked<'_>, Held> {
        if is_patient(session) && !self.barrier.has_suspended() {
            return Ok(self.lock(plan));
        }
        plan.lock_within(&self.keyspace, SLOT_PATIENCE).map_err(|(db, slot)| hold(session, Held::Slot(db, slot)))
    }
}

/// Whether a command of this session was parked so often that it now waits as long as it takes.
pub(super) fn is_patient(session: &Session) -> bool {
    session.attempts >= ATTEMPTS
}

/// The time at which a command of this session has its locks, if it began at `began`: a patient one may have waited for
/// them for long, and sees the expiries of the moment when it runs.
#[inline]
pub(super) fn time_of_run(engine: &Engine, session: &Session, began: i64) -> i64 {
    if is_patient(session) { engine.clock.now_ms() } else { began }
}

/// Notes that a command of this session is held back.
pub(super) fn hold(session: &mut Session, held: Held) -> Held {
    session.attempts += 1;
    held
}

/// Runs `f` for a command of this session while no other thread executes.
///
/// # Errors
/// What held the command back: `f` says so, or others could not be stopped for now.
pub(crate) fn alone<'e, R>(
    pass: &mut Pass<'e>,
    session: &mut Session,
    f: impl FnOnce(&mut Pass<'e>, &mut Session) -> Result<R, Held>,
) -> Result<R, Held> {
    if session.attempts >= GATE_ATTEMPTS && !pass.has_suspended() {
        return pass.exclusive(|pass| f(pass, session));
    }
    pass.try_exclusive(|pass| f(pass, &mut *session)).unwrap_or_else(|gate| Err(hold(session, Held::Alone(gate))))
}

/// Leaves a ticket and waits until it is called. Returns `false` if `leave` finds that there is nothing to wait for. A
/// call that does not come is noticed when `is_taken` says that there is nothing to wait for any more. Until then
/// nothing is tried again: many commands may wait here, and each attempt blocks their worker for a moment.
async fn called(leave: impl Fn(&Arc<Ticket>) -> bool, is_taken: impl Fn() -> bool, look_again: Duration) -> bool {
    let mut mine: Option<Arc<Ticket>> = None;
    let mut called = pin!(poll_fn(|cx| match &mine {
        Some(ticket) if ticket.is_called() => Poll::Ready(true),
        Some(_) => Poll::Pending,
        None => {
            let ticket = mine.insert(Ticket::new(cx.waker()));
            if leave(ticket) { Poll::Pending } else { Poll::Ready(false) }
        }
    }));
    loop {
        match tokio::time::timeout(look_again, called.as_mut()).await {
            Ok(called) => return called,
            Err(_) if is_taken() => {}
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
