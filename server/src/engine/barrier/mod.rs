//! The barrier: a moment at which no command runs anywhere in the node.
//!
//! Every thread that executes commands owns a *gate* and holds it while it works through one batch of requests. A
//! thread that needs the whole node for itself (FLUSHALL, SWAPDB, an EXEC over many slots, the start of a snapshot)
//! takes all gates in turn. Entering costs one uncontended compare-and-swap per batch, not per command.
//!
//! A single command may take seconds. Threads that do not depend on it must not stand still only because another thread
//! waits for its end. So the waiting thread keeps the gates of others closed for no longer than a usual batch takes: if
//! one gate is still held then, it opens the others again and waits for that one alone. A worker does not even do that
//! ([`Pass::try_exclusive`]): its command is parked, and its other connections are served. So that a series of long
//! commands does not starve it, the worker whose gate is in its way keeps out of it for a moment after its batch
//! ([`Barrier::want`], [`gate`]).
//!
//! Invariants: one thread at a time takes all gates (`turn`), and it holds none of its own meanwhile, so two such
//! threads cannot wait for each other. No gate is held across an `.await`.

mod gate;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::MutexGuard;

use self::gate::{Gate, Way};
use crate::base::contention::Waits;
use crate::base::parking::{Parking, Ticket};

/// How long a worker waits for its gate, or for the gates of others, before it does something else. A usual batch takes
/// less.
const PATIENCE: Duration = Duration::from_millis(1);
/// How long a thread that failed repeatedly keeps the other gates closed while it waits for the rest.
const PATIENCE_MAX: Duration = Duration::from_millis(20);
/// After this many failed attempts a thread keeps the gates that it has, so that a series of long commands does not
/// starve it.
const ATTEMPTS: u32 = 200;

/// The gates of one node: one per worker, and some for helpers (cron, snapshot, loader).
pub(crate) struct Barrier {
    gates: Box<[CachePadded<Gate>]>,
    /// Held by the thread that takes all gates, until it releases them. Its number is the one after the last gate's.
    turn: Gate,
    /// Tickets of those that found a gate, or the turn, taken; by its number.
    parking: Parking<usize>,
    /// How often a thread found its gate closed.
    gate_waits: Waits,
    /// How often a thread that wanted to be alone found another gate held, or another such thread before it.
    alone_waits: Waits,
    /// When the barrier was made; gates count time from there.
    begun: Instant,
    /// How many scripts are suspended while they have slots locked, or [`RESERVED`].
    suspended: AtomicUsize,
}

/// In [`Barrier::suspended`]: a script is suspended that is alone.
const RESERVED: usize = usize::MAX;
/// How often a thread that must wait for suspended scripts looks again.
const LOOK: Duration = Duration::from_millis(1);

/// Proof that the holder executes between two barriers, or alone; or else that it touches no data
/// ([`Barrier::outside`]).
pub(crate) struct Pass<'a> {
    barrier: &'a Barrier,
    gate: usize,
    /// The gate; `None` if it was given up for gates that were not to be had, or was never asked for.
    guard: Option<MutexGuard<'a, ()>>,
    alone: bool,
}

/// Gates that are closed, with their numbers.
type Closed<'a> = Vec<(usize, MutexGuard<'a, ()>)>;

impl Barrier {
    /// Gates for `workers` workers and `helpers` further threads.
    pub(crate) fn new(workers: usize, helpers: usize) -> Self {
        Self {
            gates: (0..workers + helpers).map(|_| CachePadded::default()).collect(),
            turn: Gate::default(),
            parking: Parking::default(),
            gate_waits: Waits::default(),
            alone_waits: Waits::default(),
            begun: Instant::now(),
            suspended: AtomicUsize::new(0),
        }
    }

    /// How many gates there are.
    pub(crate) fn gates(&self) -> usize {
        self.gates.len()
    }

    /// How often a thread found its gate closed.
    pub(crate) fn gate_waits(&self) -> &Waits {
        &self.gate_waits
    }

    /// How often a thread that wanted to be alone had to wait.
    pub(crate) fn alone_waits(&self) -> &Waits {
        &self.alone_waits
    }

    /// Enters through gate `gate`; blocks while another thread is alone.
    pub(crate) fn enter(&self, gate: usize) -> Pass<'_> {
        loop {
            if let Some(pass) = self.pass(gate, self.gates[gate].lock(&self.gate_waits)) {
                return pass;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Enters through gate `gate` unless another thread is alone: for the control thread, which never waits for a
    /// command, and whose batches are short.
    pub(crate) fn try_enter(&self, gate: usize) -> Option<Pass<'_>> {
        self.pass(gate, self.gates[gate].try_lock(&self.gate_waits)?)
    }

    /// Enters through gate `gate` unless another thread stays alone for long, or this gate makes way for one that wants
    /// to be: for a worker, which has other connections to serve.
    #[inline]
    pub(crate) fn enter_soon(&self, gate: usize) -> Option<Pass<'_>> {
        let at = &self.gates[gate];
        if at.is_wanted() && self.makes_way(gate) {
            return None;
        }
        self.pass(gate, at.lock_soon(&self.gate_waits, PATIENCE)?)
    }

    /// As [`Barrier::enter_soon`], but does not wait at all: for the stream of the primary.
    pub(crate) fn enter_now(&self, gate: usize) -> Option<Pass<'_>> {
        if self.gates[gate].is_wanted() && self.makes_way(gate) {
            return None;
        }
        self.try_enter(gate)
    }

    /// Whether the gate is left open for a thread that wants to be alone. Calls it when that begins.
    #[cold]
    fn makes_way(&self, gate: usize) -> bool {
        let way = self.gates[gate].make_way(self.begun.elapsed());
        if way == Way::Begins {
            self.parking.wake_all(&gate);
        }
        way != Way::Ends
    }

    /// Asks the worker that holds this gate to keep out of it for a moment after its batch. Nobody keeps out of the
    /// turn.
    pub(crate) fn want(&self, gate: usize) {
        if let Some(gate) = self.gates.get(gate) {
            gate.want();
        }
    }

    /// Whether the batch that has a gate now, if any, ends within a moment.
    pub(crate) fn ends_soon(&self, gate: usize) -> bool {
        let guard = self.gates[gate].lock_soon(&self.alone_waits, PATIENCE);
        let ended = guard.is_some();
        self.open(guard.map(|guard| (gate, guard)).into_iter().collect());
        ended
    }

    /// A pass without a gate, for a command that touches nothing that the barrier protects.
    pub(crate) fn outside(&self, gate: usize) -> Pass<'_> {
        Pass { barrier: self, gate, guard: None, alone: false }
    }

    /// The pass of a thread that has locked its gate, unless a script is alone.
    #[inline]
    fn pass<'a>(&'a self, gate: usize, guard: MutexGuard<'a, ()>) -> Option<Pass<'a>> {
        if self.suspended.load(Ordering::Relaxed) == RESERVED {
            return None;
        }
        self.gates[gate].note_entered();
        Some(Pass { barrier: self, gate, guard: Some(guard), alone: false })
    }

    /// A script is suspended that has slots locked: nobody is alone until [`Barrier::end_suspension`]. The caller is in
    /// a batch.
    pub(crate) fn suspend(&self) {
        self.suspended.fetch_add(1, Ordering::AcqRel);
    }

    /// That script runs again, in a batch.
    pub(crate) fn end_suspension(&self) {
        self.suspended.fetch_sub(1, Ordering::AcqRel);
    }

    /// A script is suspended that is alone: nobody enters until [`Barrier::end_reservation`]. The caller is alone.
    pub(crate) fn reserve(&self) {
        self.suspended.store(RESERVED, Ordering::Release);
    }

    /// A pass for the script that is alone.
    pub(crate) fn enter_reserved(&self, gate: usize) -> Pass<'_> {
        Pass { barrier: self, gate, guard: None, alone: true }
    }

    /// That script has ended.
    pub(crate) fn end_reservation(&self) {
        self.suspended.store(0, Ordering::Release);
        for gate in 0..=self.gates.len() {
            self.parking.wake_all(&gate);
        }
    }

    /// Whether a script is suspended: who waits for a slot or a gate may wait for its own thread then.
    pub(crate) fn has_suspended(&self) -> bool {
        self.suspended.load(Ordering::Acquire) != 0
    }

    fn at(&self, number: usize) -> &Gate {
        self.gates.get(number).map_or(&self.turn, |gate| gate)
    }

    /// Calls `ticket` when a thread that is alone, or wants to be, releases the gate (or the turn). `false`: it is free
    /// already.
    pub(crate) fn park(&self, gate: usize, ticket: &Arc<Ticket>) -> bool {
        self.parking.leave(gate, ticket);
        self.at(gate).is_locked()
    }

    /// How often a gate was entered so far.
    pub(crate) fn entered(&self, gate: usize) -> u64 {
        self.at(gate).entered()
    }

    /// Whether the same batch still has a gate that had been entered so often.
    pub(crate) fn is_held_by(&self, gate: usize, entered: u64) -> bool {
        self.at(gate).is_locked() && self.entered(gate) == entered
    }

    /// Closes all gates that are not in `closed` yet, waiting for each no longer than `patience`. If one is not
    /// released in time, opens them all again and returns its number.
    fn close_within<'a>(&'a self, mut closed: Closed<'a>, patience: Duration) -> Result<Closed<'a>, usize> {
        for (number, gate) in self.gates.iter().enumerate() {
            if closed.iter().any(|(known, _)| *known == number) {
                continue;
            }
            match gate.lock_within(&self.alone_waits, patience) {
                Some(guard) => closed.push((number, guard)),
                None => {
                    self.open(closed);
                    return Err(number);
                }
            }
        }
        Ok(closed)
    }

    /// Closes all gates. While one thread takes long, the others pass: only that thread's gate is waited for, and the
    /// others are closed once it is.
    fn close(&self) -> Closed<'_> {
        let (mut closed, mut patience) = (Vec::new(), PATIENCE);
        for _ in 0..ATTEMPTS {
            match self.close_within(closed, patience) {
                Ok(all) => return all,
                Err(gate) => closed = vec![(gate, self.gates[gate].lock(&self.alone_waits))],
            }
            patience = (patience * 2).min(PATIENCE_MAX);
        }
        drop(closed);
        self.gates.iter().map(|gate| gate.lock(&self.alone_waits)).enumerate().collect()
    }

    fn open(&self, closed: Closed<'_>) {
        for (gate, guard) in closed {
            drop(guard);
            self.parking.wake_all(&gate);
        }
    }

    /// Workers need not make way any more, unless others wait for the turn: they use the same moment.
    fn forget_wishes(&self) {
        if self.gates.iter().any(|gate| gate.is_wanted()) && !self.parking.is_awaited(&self.gates.len()) {
            self.gates.iter().for_each(|gate| gate.forget_wish());
        }
    }

    fn end_turn(&self, turn: MutexGuard<'_, ()>) {
        drop(turn);
        self.parking.wake_all(&self.gates.len());
    }
}

impl<'a> Pass<'a> {
    /// Runs `f` while no other thread executes. The pass's gate is released for the wait and taken again afterwards. If
    /// this thread is alone already, it costs nothing.
    pub(crate) fn exclusive<R>(&mut self, f: impl FnOnce(&mut Pass<'a>) -> R) -> R {
        if self.alone {
            return f(self);
        }
        self.guard = None;
        let barrier = self.barrier;
        loop {
            let turn = barrier.turn.lock(&barrier.alone_waits);
            barrier.turn.note_entered();
            let closed = barrier.close();
            if !barrier.has_suspended() {
                let result = self.run_alone(closed, f);
                barrier.end_turn(turn);
                return result;
            }
            barrier.open(closed);
            barrier.end_turn(turn);
            std::thread::sleep(LOOK);
        }
    }

    /// Like [`Pass::exclusive`], unless some command takes long: then nothing is run, and the pass's gate stays
    /// released.
    ///
    /// # Errors
    /// The number of the gate that was not released in time, or that of the turn.
    pub(crate) fn try_exclusive<R>(&mut self, f: impl FnOnce(&mut Pass<'a>) -> R) -> Result<R, usize> {
        self.try_alone(0, f)
    }

    /// [`Pass::try_exclusive`] for the script of a caller that counts as suspended ([`Barrier::suspend`]): until it is
    /// alone, nobody else is. When `f` runs, it does not count any more.
    pub(crate) fn try_exclusive_suspended<R>(&mut self, f: impl FnOnce(&mut Pass<'a>) -> R) -> Result<R, usize> {
        let barrier = self.barrier;
        self.try_alone(1, |pass| {
            barrier.end_suspension();
            f(pass)
        })
    }

    /// [`Pass::try_exclusive`], if at most `suspended` scripts are suspended.
    fn try_alone<R>(&mut self, suspended: usize, f: impl FnOnce(&mut Pass<'a>) -> R) -> Result<R, usize> {
        if self.alone {
            return Ok(f(self));
        }
        self.guard = None;
        let barrier = self.barrier;
        // Who is known to take long is not waited for once more: many commands may come while it does.
        if let Some(gate) = barrier.gates.iter().position(|gate| gate.is_held_for_long()) {
            barrier.alone_waits.count();
            return Err(gate);
        }
        let turn = barrier.turn.lock_soon(&barrier.alone_waits, PATIENCE).ok_or(barrier.gates.len())?;
        barrier.turn.note_entered();
        let result = barrier.close_within(Vec::new(), PATIENCE).and_then(|closed| {
            if barrier.suspended.load(Ordering::Acquire) > suspended {
                barrier.open(closed);
                return Err(barrier.gates.len());
            }
            Ok(self.run_alone(closed, f))
        });
        barrier.end_turn(turn);
        result
    }

    fn run_alone<R>(&mut self, mut closed: Closed<'a>, f: impl FnOnce(&mut Pass<'a>) -> R) -> R {
        self.alone = true;
        let result = f(self);
        self.alone = false;
        if let Some(own) = closed.iter().position(|(gate, _)| *gate == self.gate) {
            self.guard = Some(closed.swap_remove(own).1);
        }
        self.barrier.forget_wishes();
        self.barrier.open(closed);
        result
    }

    /// [`Barrier::has_suspended`].
    pub(crate) fn has_suspended(&self) -> bool {
        self.barrier.has_suspended()
    }

    /// Whether no other thread executes.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether it is inside, or alone: what the barrier protects may be touched.
    pub(crate) fn is_inside(&self) -> bool {
        self.guard.is_some() || self.alone
    }

    /// Lets a thread that waits to be alone go first.
    #[cfg(test)]
    pub(crate) fn yield_now(&mut self) {
        if let Some(guard) = &mut self.guard {
            MutexGuard::bump(guard);
        }
    }
}

#[cfg(test)]
mod tests;
