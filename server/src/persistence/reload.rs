//! DEBUG RELOAD: the data set goes to the file and comes back from it, while nobody may write.
//!
//! Redis stands still meanwhile. Here others are served as far as that can be true: reads go on until the keyspace is emptied, then
//! LOADING is answered; writes, a primary's stream included, are held from the cut of the save until everything is back, so that nothing
//! that was acknowledged falls between the two. All of it happens on a thread of its own, which a client that leaves does not stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::Persistence;
use crate::command::{CmdError, error};
use crate::engine::state::{PauseKind, PausePurpose};

/// What DEBUG RELOAD is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reload {
    /// Save first, rather than load the file that is there.
    pub save: bool,
    /// Remove what is in memory.
    pub flush: bool,
}

/// What came of it.
pub(crate) type Reloaded = Result<(), CmdError>;

impl Persistence {
    /// Reloads; the answer comes when it is done, or never if the node stops.
    pub(crate) fn reload(self: &Arc<Self>, wanted: Reload) -> oneshot::Receiver<Reloaded> {
        let (told, done) = oneshot::channel();
        let this = self.clone();
        let ticket = self.engine.state.tasks.enter();
        let spawned = std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
            let result = {
                let _alone = this.reloading.lock();
                let result = this.reload_now(wanted);
                this.engine.state.unpause(PausePurpose::Reload);
                result
            };
            // Who asked may have left.
            let _ = told.send(result);
            // What the thread held of the node goes before its ticket.
            drop(this);
            drop(ticket);
        });
        if let Err(problem) = spawned {
            self.engine.log.warning(format_args!("Can't start a thread to reload: {problem}"));
        }
        done
    }

    fn reload_now(&self, wanted: Reload) -> Reloaded {
        if wanted.save {
            let (told, done) = std::sync::mpsc::channel();
            let tell = move |saved| {
                // The receiver waits below.
                let _ = told.send(saved);
            };
            self.start_last_save(PausePurpose::Reload, Box::new(tell));
            if !done.recv().unwrap_or(false) {
                return Err(error::PLAIN);
            }
        } else if !self.path().exists() {
            return Err(error::RELOAD_FAILED);
        }
        let engine = &self.engine;
        let garbage = engine.barrier.enter(engine.loader_gate()).exclusive(|_| {
            engine.state.pause(PausePurpose::Reload, PauseKind::Writes, i64::MAX);
            if !wanted.flush {
                return Vec::new();
            }
            // From here on until everything is loaded again, nobody may see half of it.
            engine.state.loading.store(true, Ordering::SeqCst);
            engine.flush(0..engine.keyspace.databases())
        });
        drop(garbage);
        self.load(engine.state.is_replica()).map_err(|problem| {
            engine.log.warning(format_args!("Loading the RDB file: {problem}"));
            error::RELOAD_FAILED
        })?;
        engine.log.warning(format_args!("DB reloaded by DEBUG RELOAD"));
        Ok(())
    }
}
