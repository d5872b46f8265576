//! The tasks of one node, which are held and ended together.
//!
//! Several nodes share the threads of a process, so a node cannot be stopped by stopping threads. Instead every task of
//! a node carries a [`Ticket`] of the node's group, which is checked before each turn of the task. While the group is
//! held, none of its tasks runs: sockets stay open and fill, and timers expire without effect, as in a process that got
//! SIGSTOP. Once the group has ended, each task is dropped at its next turn, and its socket with it, as in a process
//! that was killed.
//!
//! The cost is one atomic load per turn. Only holding, resuming and ending take the lock.
//!
//! Invariants: no task runs after [`TaskGroup::end`], except one that was in the middle of a turn. No task is
//! forgotten, because a task registers its waker under the lock under which the phase changes.
//! [`TaskGroup::wait_empty`] returns `true` only when every task was dropped.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What the tasks of a group may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Running = 0,
    Held = 1,
    Over = 2,
}

/// The tasks of one node.
#[derive(Debug)]
pub(crate) struct TaskGroup {
    /// Changed under the lock only.
    phase: AtomicU8,
    seats: Mutex<Seats>,
    /// The phase has changed, or the last task has gone.
    changed: Condvar,
}

/// The members of the group: as many seats as there were tasks at once.
#[derive(Debug, Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Seats {
    fn taken(&self) -> usize {
        self.wakers.len() - self.free.len()
    }
}

impl TaskGroup {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { phase: AtomicU8::new(Phase::Running as u8), seats: Mutex::default(), changed: Condvar::new() })
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Held,
            _ => Phase::Over,
        }
    }

    /// Stops tasks from running until [`TaskGroup::resume`]. One in the middle of a turn finishes it.
    pub(crate) fn hold(&self) {
        let _seats = self.seats.lock();
        if self.phase() == Phase::Running {
            self.phase.store(Phase::Held as u8, Ordering::Release);
        }
    }

    /// Lets held tasks go on.
    pub(crate) fn resume(&self) {
        if self.phase() == Phase::Held {
            self.change(Phase::Running);
        }
    }

    /// Ends the group for good: every task is woken, and dropped at its next turn.
    pub(crate) fn end(&self) {
        self.change(Phase::Over);
    }

    fn change(&self, phase: Phase) {
        let seats = self.seats.lock();
        if self.phase() != Phase::Over {
            self.phase.store(phase as u8, Ordering::Release);
        }
        for waker in seats.wakers.iter().flatten() {
            waker.wake_by_ref();
        }
        self.changed.notify_all();
    }

    /// How many tasks and threads belong to the group.
    pub(crate) fn len(&self) -> usize {
        self.seats.lock().taken()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the group has no members left; `false` if that takes longer than `patience`. Must not be called by a
    /// member of the group, nor on the threads that run its tasks.
    pub(crate) fn wait_empty(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut seats = self.seats.lock();
        while seats.taken() > 0 {
            if self.changed.wait_until(&mut seats, until).timed_out() {
                return seats.taken() == 0;
            }
        }
        true
    }

    /// For a thread of the node: waits as long as the group is held. Returns `false` if the group has ended; the thread
    /// must then end.
    pub(crate) fn wait_turn(&self) -> bool {
        if self.phase() == Phase::Running {
            return true;
        }
        let mut seats = self.seats.lock();
        self.changed.wait_while(&mut seats, |_| self.phase() == Phase::Held);
        self.phase() == Phase::Running
    }

    /// Enters the group, until the ticket is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Ticket {
        let mut seats = self.seats.lock();
        let seat = seats.free.pop().unwrap_or_else(|| {
            seats.wakers.push(None);
            seats.wakers.len() - 1
        });
        drop(seats);
        Ticket { group: self.clone(), seat, registered: false }
    }
}

/// A task's place in its group.
#[derive(Debug)]
pub(crate) struct Ticket {
    group: Arc<TaskGroup>,
    seat: usize,
    registered: bool,
}

impl Ticket {
    /// Runs the future as a task of the group: it is held with the group, and dropped unfinished when the group ends.
    pub(crate) async fn run(mut self, future: impl Future<Output = ()>) {
        // Dropped before the ticket, so that nothing of the future is left once the group is seen to be empty.
        let mut future = pin!(future);
        poll_fn(|cx| match self.ask(cx) {
            Phase::Running => future.as_mut().poll(cx),
            Phase::Held => Poll::Pending,
            Phase::Over => Poll::Ready(()),
        })
        .await;
    }

    #[inline]
    fn ask(&mut self, cx: &Context<'_>) -> Phase {
        if self.registered && self.group.phase() == Phase::Running {
            return Phase::Running;
        }
        self.register(cx)
    }

    #[cold]
    fn register(&mut self, cx: &Context<'_>) -> Phase {
        let mut seats = self.group.seats.lock();
        seats.wakers[self.seat] = Some(cx.waker().clone());
        self.registered = true;
        self.group.phase()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut seats = self.group.seats.lock();
        let waker = seats.wakers[self.seat].take();
        seats.free.push(self.seat);
        if seats.taken() == 0 {
            self.group.changed.notify_all();
        }
        drop(seats);
        // Dropping a task's last waker frees the task, which must not happen under the lock.
        drop(waker);
    }
}

#[cfg(test)]
#[path = "task_group_tests.rs"]
mod tests;
