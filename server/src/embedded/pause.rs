//! The pause of one node, with an optional timer that ends it.
//!
//! A later order replaces an earlier one: a pause for a second after one for a minute ends after that second. So a node
//! has at most one timer; one that was replaced ends at once, instead of waiting out its time.
//!
//! Invariant: a node is held, and resumed by a timer, only under the lock; there, a late timer finds that it was
//! replaced.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::runtime::task_group::TaskGroup;
use crate::runtime::threads::Threads;

/// The pause of one node.
#[derive(Default)]
pub(super) struct Pause {
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Counts the orders: a timer ends only the pause that it was set for.
    number: u64,
    /// Dropping it ends the timer.
    timer: Option<oneshot::Sender<()>>,
}

impl Current {
    fn next(&mut self) -> u64 {
        self.timer = None;
        self.number += 1;
        self.number
    }
}

impl Pause {
    /// Holds a node's tasks from now on. Returns the number of this pause.
    pub(super) fn begin(&self, tasks: &TaskGroup) -> u64 {
        let mut current = self.current.lock();
        tasks.hold();
        current.next()
    }

    /// Cancels the timer.
    pub(super) fn call_off(&self) {
        self.current.lock().next();
    }

    /// Calls `end` after this time, unless a later order has replaced the pause by then.
    pub(super) fn end_after(
        self: &Arc<Self>,
        number: u64,
        time: Duration,
        threads: &Threads,
        end: impl FnOnce() + Send + 'static,
    ) {
        let (timer, overtaken) = oneshot::channel();
        let mut current = self.current.lock();
        if current.number != number {
            return;
        }
        current.timer = Some(timer);
        drop(current);
        let pause = self.clone();
        threads.control().spawn(move |_| async move {
            tokio::select! {
                _ = overtaken => {}
                () = tokio::time::sleep(time) => {
                    let mut current = pause.current.lock();
                    if current.number == number {
                        current.next();
                        end();
                    }
                }
            }
        });
    }
}
