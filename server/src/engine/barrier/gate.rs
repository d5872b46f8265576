//! A gate of the barrier, with what is known of its holder and of those who want it.
//!
//! **Who takes long.** A thread that waited for a gate in vain notes that its holder takes long. Those who come after
//! it do not wait at all until the gate is entered anew, or closed by a thread that is alone. Otherwise each of a
//! thousand commands that are to be parked would block its worker for a moment.
//!
//! **Who makes way.** A command that wants to be alone finds a gate closed while long batches follow each other.
//! Between two of them the gate is open for microseconds only, so the command would come too late again and again. It
//! notes its wish; the worker that comes to enter next sees it, and leaves the gate open for [`MAKING_WAY`]. After that
//! it enters again, whether or not anybody came: a wish costs the worker a moment for each batch that was in the way,
//! and never more. (Helpers, which load, save and clean up, enter in any case: they come seldom.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::base::contention::Waits;

/// For how long a worker leaves its gate open for a thread that wants to be alone. One that was not called looks every
/// two milliseconds, and a timer may be a millisecond late.
const MAKING_WAY: Duration = Duration::from_millis(5);

/// No thread wants the gate.
const NOBODY: u64 = 0;
/// A thread wants the gate after the present batch.
const WANTED: u64 = u64::MAX;

/// A gate, or the turn.
#[derive(Default)]
pub(super) struct Gate {
    lock: Mutex<()>,
    /// How often it was entered. Changed by its holder only, so that a long batch can be told from many short ones.
    entered: AtomicU64,
    /// One more than what `entered` was when a thread waited in vain; 0 if none ever did.
    outlasted: AtomicU64,
    /// [`NOBODY`], [`WANTED`], or until when the worker makes way, in microseconds since the barrier was made.
    wish: AtomicU64,
}

/// Whether a worker makes way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It begins to.
    Begins,
    /// It does so already.
    GoesOn,
    /// It does not, or no longer.
    Ends,
}

impl Gate {
    #[inline]
    pub(super) fn note_entered(&self) {
        self.entered.store(self.entered.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// How often it was entered so far.
    pub(super) fn entered(&self) -> u64 {
        self.entered.load(Ordering::Relaxed)
    }

    /// Whether any thread holds it.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Locks it, however long that takes.
    pub(super) fn lock(&self, waits: &Waits) -> MutexGuard<'_, ()> {
        let guard = waits.lock(&self.lock);
        self.outlasted.store(0, Ordering::Relaxed);
        guard
    }

    /// Locks it if it is free.
    pub(super) fn try_lock(&self, waits: &Waits) -> Option<MutexGuard<'_, ()>> {
        waits.try_lock(&self.lock)
    }

    /// Locks it within `patience`. After that, its holder is known to take long.
    pub(super) fn lock_within(&self, waits: &Waits, patience: Duration) -> Option<MutexGuard<'_, ()>> {
        let holder = self.entered();
        let guard = waits.lock_within(&self.lock, patience);
        if guard.is_some() {
            self.outlasted.store(0, Ordering::Relaxed);
        } else if self.entered() == holder {
            self.outlasted.store(holder + 1, Ordering::Relaxed);
        }
        guard
    }

    /// [`Gate::lock_within`], but does not wait for a holder that is known to take long.
    #[inline]
    pub(super) fn lock_soon(&self, waits: &Waits, patience: Duration) -> Option<MutexGuard<'_, ()>> {
        match self.lock.try_lock() {
            Some(guard) => Some(guard),
            // Tried once more only to be counted.
            None if self.is_held_for_long() => self.try_lock(waits),
            None => self.lock_within(waits, patience),
        }
    }

    /// Whether a thread holds it that is known to take long.
    pub(super) fn is_held_for_long(&self) -> bool {
        self.is_locked() && self.outlasted.load(Ordering::Relaxed) == self.entered() + 1
    }

    /// Notes that a thread wants the gate after the present batch.
    pub(super) fn want(&self) {
        // If the worker makes way already, that goes on as it is.
        let _ = self.wish.compare_exchange(NOBODY, WANTED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether a thread wants the gate, or the worker makes way.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.wish.load(Ordering::Relaxed) != NOBODY
    }

    /// The worker makes way no longer.
    pub(super) fn forget_wish(&self) {
        self.wish.store(NOBODY, Ordering::Relaxed);
    }

    /// Called by the worker that comes to enter while the gate is wanted. `now`: since the barrier was made.
    pub(super) fn make_way(&self, now: Duration) -> Way {
        let micros = |time: Duration| time.as_micros() as u64;
        match self.wish.load(Ordering::Relaxed) {
            NOBODY => Way::Ends,
            WANTED => {
                self.wish.store(micros(now + MAKING_WAY), Ordering::Relaxed);
                Way::Begins
            }
            until if micros(now) < until => Way::GoesOn,
            _ => {
                self.forget_wish();
                Way::Ends
            }
        }
    }
}
