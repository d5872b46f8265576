//! The thread of a node that writes nodes.conf, and the wait for it.
//!
//! It runs while there is something to save, and a little longer, since saves come in bursts. It performs the effects
//! that waited for its save ([`super::outbox`]) and never takes the core's lock, so a command that holds all gates may
//! wait for it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conf_file::{self, Saved};
use super::driver::Cluster;
use super::outbox::Save;
use crate::config::{ids, os_reason};
use crate::runtime::task_group::Phase;

/// How long the saving thread waits for more before it ends: saves come in bursts.
const LINGER: Duration = Duration::from_millis(200);
/// How often a save is tried again when descriptors have run out, and after what time.
const SAVE_ATTEMPTS: usize = 50;
const SAVE_PAUSE: Duration = Duration::from_millis(20);
/// A full disk is reported at most once in this time.
const FULL_DISK_WARNING_MS: i64 = 60_000;

impl Cluster {
    /// Waits until everything requested so far is performed and in the file, so that a client's reply comes after it.
    /// Not on the control thread.
    pub(crate) fn settle(&self) {
        let mut state = self.outbox.state.lock();
        let (added, mut asked) = (state.added, None);
        self.outbox.progress.wait_while(&mut state, |state| !state.is_settled(added, &mut asked));
    }

    /// As [`Cluster::settle`], as a future, for a task that shares its thread; `None` if there is nothing to wait for.
    pub(super) fn settling(self: &Arc<Self>) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        let (added, mut asked) = {
            let state = self.outbox.state.lock();
            let mut asked = None;
            if state.is_settled(state.added, &mut asked) {
                return None;
            }
            (state.added, asked)
        };
        let this = self.clone();
        Some(Box::pin(async move {
            loop {
                let mut news = pin!(this.outbox.news.notified());
                news.as_mut().enable();
                if this.outbox.state.lock().is_settled(added, &mut asked) {
                    return;
                }
                news.await;
            }
        }))
    }

    pub(super) fn save_until_idle(self: &Arc<Self>) {
        let outbox = &self.outbox;
        loop {
            let mut state = outbox.state.lock();
            if state.next.is_none() && !self.stopped.load(Ordering::Relaxed) {
                outbox.wanted.wait_for(&mut state, LINGER);
            }
            let Some(save) = state.next.take() else {
                state.running = false;
                return;
            };
            let number = state.asked;
            drop(state);
            let saved = self.save(&save);
            let mut state = outbox.state.lock();
            self.note_saved(&mut state, number, saved);
            self.go_on(&mut state);
            drop(state);
            outbox.tell();
            // Closing replaced files takes longer than the rest of a save, and nothing waits for it here.
            let replaced = outbox.conf.lock().take_replaced();
            drop(replaced);
        }
    }

    /// Writes nodes.conf. `false`: it cannot be written, and the node ends.
    pub(super) fn save(&self, save: &Save) -> bool {
        let mut conf = self.outbox.conf.lock();
        let mut result = conf.save(&save.text, save.fsync);
        // A shortage of descriptors passes, but a node that has ended does not come back by itself. Nothing may be sent
        // before this is saved.
        for _ in 0..SAVE_ATTEMPTS {
            if !result.as_ref().is_err_and(conf_file::is_out_of_descriptors) {
                break;
            }
            std::thread::sleep(SAVE_PAUSE);
            result = conf.save(&save.text, save.fsync);
        }
        match result {
            Ok(Saved::Usual) => true,
            Ok(Saved::Overwritten) => {
                self.warn_of_full_disk();
                true
            }
            // The directory of a node that has ended may be gone as well.
            Err(_) if self.engine.state.tasks.phase() == Phase::Over => false,
            Err(error) => {
                // Redis exits here too: a node that cannot keep its votes and epochs may vote twice.
                let path = self.engine.config.path(ids::CLUSTER_CONFIG_FILE);
                self.engine.log.warning(format_args!(
                    "Fatal: can't update cluster config file {}: {}",
                    path.display(),
                    os_reason(&error)
                ));
                self.engine.request_stop(1);
                // The node ends in a moment. Until then it must not announce what it could not save: all links are
                // closed.
                self.stop();
                false
            }
        }
    }

    fn warn_of_full_disk(&self) {
        let now = self.bus_now();
        let mut warned = self.outbox.warned_of_full_disk.lock();
        if warned.is_some_and(|warned| now.saturating_sub(warned) < FULL_DISK_WARNING_MS) {
            return;
        }
        *warned = Some(now);
        self.engine.log.warning(format_args!(
            "The disk is full: there is no room for a new cluster config file, so the old one was written over in place. \
             Please make room: if its text outgrows the space that it has, this node has to end."
        ));
    }
}
