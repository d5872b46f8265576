//! DEBUG RELOAD: saves the data set to the file and loads it again, while writes are paused.
//!
//! Redis blocks meanwhile. Here other clients are served as far as possible: reads go on until the keyspace is emptied,
//! then the reply is LOADING. Writes, including a primary's stream, are held from the cut of the save until everything
//! is loaded, so that no acknowledged write is lost in between. All of it runs on a separate thread, which a client's
//! disconnect does not stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::Persistence;
use super::load::Onto;
use crate::base::thread;
use crate::command::{CmdError, error};
use crate::engine::state::{PauseKind, PausePurpose};

/// The options of DEBUG RELOAD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reload {
    /// Save first, rather than load the existing file.
    pub save: bool,
    /// Remove the keys in memory.
    pub flush: bool,
    /// Replace keys and libraries that are there, rather than fail.
    pub merge: bool,
}

/// The result.
pub(crate) type Reloaded = Result<(), CmdError>;

impl Persistence {
    /// Reloads; the result arrives when it is done, or never if the node stops.
    pub(crate) fn reload(self: &Arc<Self>, wanted: Reload) -> oneshot::Receiver<Reloaded> {
        let (told, done) = oneshot::channel();
        let this = self.clone();
        let ticket = self.engine.state.tasks.enter();
        let spawned = thread::spawn("reload", move || {
            let result = {
                let _alone = this.reloading.lock();
                let result = this.reload_now(wanted);
                this.engine.state.unpause(PausePurpose::Reload);
                result
            };
            // The client may have disconnected.
            let _ = told.send(result);
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
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
            // From here until everything is loaded again, clients must not see a partial data set.
            engine.state.loading.store(true, Ordering::SeqCst);
            engine.flush(0..engine.keyspace.databases())
        });
        drop(garbage);
        let onto = match (wanted.flush, wanted.merge) {
            (true, _) => Onto::Nothing,
            (false, replaces) => Onto::Present { replaces },
        };
        self.load_onto(engine.state.is_replica(), onto).map_err(|problem| {
            engine.log.warning(format_args!("Loading the RDB file: {problem}"));
            error::RELOAD_FAILED
        })?;
        engine.log.warning(format_args!("DB reloaded by DEBUG RELOAD"));
        Ok(())
    }
}
