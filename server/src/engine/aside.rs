//! Work that a reply waits for, but not its worker: a thread does it, while the worker serves its other connections.
//!
//! FLUSHALL is acknowledged when the file on disk is empty too, so that the keys do not come back after a crash; a disk
//! may be slow. A write that makes a key ready for a blocked client is acknowledged when that client was served; if
//! serving needs another slot (BLMOVE), a long command may have it. In both cases the command has nothing to do but
//! wait. Its connection does that, as for any reply that comes later: the next command of its pipeline runs afterwards.
//! If the client disconnects, the work is done nevertheless.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Engine;
use super::unit::Unit;
use crate::base::thread;
use crate::session::Session;

/// Work for a thread.
pub(super) type Work = Box<dyn FnOnce() + Send>;

impl Engine {
    /// Brings the file on disk in line with what a unit did; the reply is held back until then.
    pub(super) fn settle_file(&self, session: &mut Session, unit: &mut Unit) {
        if let Some(work) = unit.take_file_work() {
            self.reply_behind(session, "flushed", work);
        }
    }

    /// Has this done by a thread of this name. The reply to the session's present command is held back until then.
    pub(super) fn reply_behind(&self, session: &mut Session, thread: &str, work: Work) {
        let (told, done) = oneshot::channel();
        // In a cell that the thread empties, so that the work can be done here if there is no thread.
        let cell = Arc::new(Mutex::new(Some(work)));
        let (mine, ticket) = (cell.clone(), self.state.tasks.enter());
        let carry_out = move || {
            let work = mine.lock().take();
            work.into_iter().for_each(|work| work());
            let _ = told.send(());
            // The thread's parts of the node are dropped before its ticket.
            drop(mine);
            drop(ticket);
        };
        if thread::spawn(thread, carry_out).is_err() {
            let work = cell.lock().take();
            work.into_iter().for_each(|work| work());
            return;
        }
        session.hold_reply(async move {
            // An error means that the thread has ended as well.
            let _ = done.await;
        });
    }
}

#[cfg(test)]
#[path = "aside_tests.rs"]
mod tests;
