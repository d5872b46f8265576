//! A running shutdown, and who decides how it ends: the shutdown itself when it is ready or has failed, or ABORT before
//! that.
//!
//! ```text
//!            begin_save
//! waiting ──────────────► saving
//!    │                      │
//!    └──────► decided ◄─────┘     once: ready, failed, or aborted
//! ```
//!
//! Invariants: an attempt is decided once, so ABORT replies OK only if the node goes on. A node that goes on is not
//! paused, whatever the attempt was doing when it was aborted. After ABORT the next SHUTDOWN starts a new attempt.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::engine::state::{NodeState, PausePurpose};

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Waiting,
    Saving,
    Decided,
}

/// One shutdown.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    phase: Mutex<Phase>,
    /// Whether the node is ready to stop, once that is known.
    verdict: watch::Sender<Option<bool>>,
}

impl Attempt {
    pub(super) fn verdict(&self) -> Verdict {
        Verdict(self.verdict.subscribe())
    }

    /// Whether the attempt was aborted. Until the last save begins, only ABORT decides.
    pub(super) fn is_aborted(&self) -> bool {
        *self.phase.lock() == Phase::Decided
    }

    /// The last save begins. `false`: it was aborted.
    pub(super) fn begin_save(&self) -> bool {
        let mut phase = self.phase.lock();
        if *phase == Phase::Decided {
            return false;
        }
        *phase = Phase::Saving;
        true
    }

    /// Takes the decision; returns how far the attempt had come. `None`: it was decided already.
    fn decide(&self) -> Option<Phase> {
        let phase = std::mem::replace(&mut *self.phase.lock(), Phase::Decided);
        (phase != Phase::Decided).then_some(phase)
    }
}

/// Ends an attempt whose task is dropped because the node ends: nothing must wait for it any longer.
pub(super) struct AtLast(pub(super) Arc<Attempt>);

impl Drop for AtLast {
    fn drop(&mut self) {
        let verdict = &self.0.verdict;
        if verdict.borrow().is_none() {
            verdict.send_replace(Some(false));
        }
    }
}

/// How a shutdown ends.
pub(crate) struct Verdict(watch::Receiver<Option<bool>>);

impl Verdict {
    /// Waits for the end. `false`: the node goes on, because saving failed or ABORT came.
    pub(crate) async fn wait(mut self) -> bool {
        // The sender is dropped only with the node.
        self.0.wait_for(Option::is_some).await.is_ok_and(|verdict| *verdict == Some(true))
    }
}

/// The running attempt, or one that has ended with a node that is ready to stop.
#[derive(Default)]
pub(super) struct Progress {
    current: Mutex<Option<Arc<Attempt>>>,
}

impl Progress {
    /// The running attempt.
    ///
    /// # Errors
    /// There was none: returns the new one, which the caller must carry out.
    pub(super) fn join(&self) -> Result<Arc<Attempt>, Arc<Attempt>> {
        let mut current = self.current.lock();
        match &*current {
            Some(attempt) => Ok(attempt.clone()),
            None => Err(current.insert(Arc::default()).clone()),
        }
    }

    /// ABORT: the node goes on at once. `cancel_save` is called if the last save was under way. `false`: there is
    /// nothing to abort.
    pub(super) fn abort(&self, state: &NodeState, cancel_save: impl FnOnce()) -> bool {
        let mut current = self.current.lock();
        let Some((attempt, phase)) = current.as_ref().and_then(|attempt| Some((attempt.clone(), attempt.decide()?)))
        else {
            return false;
        };
        *current = None;
        // Under the lock, so that it is not the next attempt's save.
        if phase == Phase::Saving {
            cancel_save();
        }
        state.unpause(PausePurpose::Shutdown);
        attempt.verdict.send_replace(Some(false));
        true
    }

    /// An attempt has ended. Returns whether the node is ready to stop: not if it was aborted.
    pub(super) fn end(&self, attempt: &Arc<Attempt>, ready: bool, state: &NodeState) -> bool {
        let ready = attempt.decide().is_some() && ready;
        if !ready {
            let mut current = self.current.lock();
            // An aborted attempt may have paused the node afterwards. If another attempt is running by now, the pause
            // belongs to that one.
            if current.as_ref().is_none_or(|other| Arc::ptr_eq(other, attempt)) {
                *current = None;
                state.unpause(PausePurpose::Shutdown);
            }
        }
        // Last: a client that hears of the failure may try again.
        attempt.verdict.send_replace(Some(ready));
        ready
    }

    /// The node goes on although it was made ready to stop.
    #[cfg(test)]
    pub(super) fn call_off(&self, state: &NodeState) {
        *self.current.lock() = None;
        state.unpause(PausePurpose::Shutdown);
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
