//! The core's effects in order, with nodes.conf in between: effects that depend on a save are performed when the save
//! is on disk.
//!
//! The safety of the whole protocol rests on the order of effects: an epoch or a vote is durable before any other node
//! hears of it. But a disk may be slow, and effects are performed on the control thread, which must not wait for one.
//! So a thread of the node writes nodes.conf. While a save that later effects depend on is under way, everything after
//! it waits here: packets, changes of role, the view that workers route by. The saving thread performs these
//! afterwards. A save that no effect depends on holds nothing back.
//!
//! The reply to a command that changes the cluster waits until its steps are done and its file is written
//! ([`Cluster::settling`]); packets and ticks go on.
//!
//! Bounds: a save takes the newest text, so at most one is under way and one waits. Packets beyond [`HELD_MAX`] bytes
//! are dropped, like packets lost by the network: a disk that blocks for that long has silenced the node anyway.
//!
//! Lock order: core, outbox, then whatever an effect takes. The saving thread never takes the core.

use std::collections::VecDeque;
use std::sync::Arc;

use gossip::{Effect, Gossip, View};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::conf_file::ConfStore;
use super::driver::Cluster;
use crate::base::thread;
use crate::runtime::task_group::Phase;

/// The most bytes of packets that wait for a save.
const HELD_MAX: usize = 16 << 20;
/// One step, performed in its turn.
#[derive(Debug)]
pub(super) enum Step {
    Effect(Effect),
    /// Workers route by this view from now on.
    Publish(Arc<View>),
    /// The end of an input.
    Facts(Facts),
}

/// Facts that are valid once all effects of an input have been performed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// The end of the write lease.
    pub(super) serve_until: i64,
    /// No replica may copy this node's data at present.
    pub(super) withholding: bool,
    /// How many changes of transactions are included.
    pub(super) batches: u64,
}

/// A text for nodes.conf.
#[derive(Debug)]
pub(super) struct Save {
    pub(super) text: String,
    pub(super) fsync: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    steps: VecDeque<Step>,
    /// Bytes of packets in `steps`.
    bytes: usize,
    /// The number of steps that were added, and of those that are done.
    pub(super) added: u64,
    pub(super) done: u64,
    /// The number of the save that the steps wait for.
    held_by: Option<u64>,
    /// The save that comes next.
    pub(super) next: Option<Save>,
    /// The number of saves requested, and of the newest one that is in the file.
    pub(super) asked: u64,
    pub(super) saved: u64,
    /// There is a saving thread.
    pub(super) running: bool,
    /// Nothing is performed any more: a save failed, or the node has ended.
    pub(super) dead: bool,
}

/// Effects that wait for their turn, and the file they may wait for.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) state: Mutex<State>,
    /// A step was performed, or a text saved: for threads that wait, and for tasks.
    pub(super) progress: Condvar,
    pub(super) news: Notify,
    /// There is something to save, or the thread must end.
    pub(super) wanted: Condvar,
    /// Used only by the saving thread.
    pub(super) conf: Mutex<Box<dyn ConfStore>>,
    /// When the full disk was last reported in the log, on the bus clock.
    pub(super) warned_of_full_disk: Mutex<Option<i64>>,
}

impl Outbox {
    pub(super) fn new(conf: Box<dyn ConfStore>) -> Self {
        Self {
            state: Mutex::default(),
            progress: Condvar::new(),
            news: Notify::new(),
            wanted: Condvar::new(),
            conf: Mutex::new(conf),
            warned_of_full_disk: Mutex::default(),
        }
    }

    /// Tells waiters that a step was performed, or a text saved.
    pub(super) fn tell(&self) {
        self.progress.notify_all();
        self.news.notify_waiters();
    }

    /// Whether effects wait for a save.
    pub(super) fn is_held(&self) -> bool {
        self.state.lock().held_by.is_some()
    }

    /// Ends the saving thread once all requested saves are done.
    pub(super) fn stop(&self) {
        self.wanted.notify_all();
    }
}

impl State {
    fn add(&mut self, step: Step) {
        if self.dead {
            return;
        }
        if let Step::Effect(Effect::Send { bytes, .. }) = &step {
            if self.bytes + bytes.len() > HELD_MAX {
                return;
            }
            self.bytes += bytes.len();
        }
        self.steps.push_back(step);
        self.added += 1;
    }

    fn take(&mut self) -> Option<Step> {
        if self.held_by.is_some() || self.dead {
            return None;
        }
        let step = self.steps.pop_front()?;
        if let Step::Effect(Effect::Send { bytes, .. }) = &step {
            self.bytes -= bytes.len();
        }
        Some(step)
    }

    /// Takes a text, or replaces the one that still waits: a newer text in the file early does no harm.
    fn ask(&mut self, mut save: Save) {
        for step in &mut self.steps {
            if let Step::Effect(Effect::PersistNodesConf { text, fsync }) = step {
                save.text = std::mem::take(text);
                save.fsync |= *fsync;
            }
        }
        // This save covers them.
        let is_save = |step: &Step| matches!(step, Step::Effect(Effect::PersistNodesConf { .. }));
        let before = self.steps.len();
        self.steps.retain(|step| !is_save(step));
        self.done += (before - self.steps.len()) as u64;
        save.fsync |= self.next.as_ref().is_some_and(|next| next.fsync);
        self.asked += 1;
        if save.fsync {
            self.held_by = Some(self.asked);
        }
        self.next = Some(save);
    }

    /// Whether `added` steps are done, and so are the saves that had been asked for by then; `asked` is their number
    /// once that is known. Also true if nothing will be done any more.
    pub(super) fn is_settled(&self, added: u64, asked: &mut Option<u64>) -> bool {
        self.dead || (self.done >= added && self.saved >= *asked.get_or_insert(self.asked))
    }

    fn die(&mut self) {
        self.dead = true;
        self.steps.clear();
        self.next = None;
    }
}

impl Cluster {
    /// Performs the effects of an input, in order, until a save holds them back. The caller holds the core.
    pub(super) fn perform_all(self: &Arc<Self>, steps: Vec<Step>) {
        let mut state = self.outbox.state.lock();
        steps.into_iter().for_each(|step| state.add(step));
        self.go_on(&mut state);
    }

    pub(super) fn go_on(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) {
        while let Some(step) = state.take() {
            match step {
                Step::Effect(Effect::PersistNodesConf { text, fsync }) => {
                    state.ask(Save { text, fsync });
                    self.have_saved(state);
                }
                Step::Effect(effect) => self.perform(effect),
                Step::Publish(view) => self.publish(view),
                Step::Facts(facts) => self.settle_facts(facts),
            }
            state.done += 1;
        }
    }

    /// Publishes a view that only adds details to the last one, unless another is pending. The caller holds the core.
    pub(super) fn publish_details(&self, core: &mut Gossip) {
        let state = self.outbox.state.lock();
        if state.held_by.is_none() {
            self.publish(Arc::new(self.take_view(core)));
        }
    }

    /// Starts the saving thread for the next save, if needed.
    fn have_saved(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) {
        if state.running {
            self.outbox.wanted.notify_one();
            return;
        }
        let (this, ticket) = (self.clone(), self.engine.state.tasks.enter());
        let spawned = thread::spawn("nodes.conf", move || {
            this.save_until_idle();
            // Dropped before the ticket, so that the thread holds nothing of the node by then.
            drop(this);
            drop(ticket);
        });
        match spawned {
            Ok(_) => state.running = true,
            // A node that cannot save its votes has to end; waiting for the disk on this thread is better than that.
            Err(_) => {
                let (Some(save), number) = (state.next.take(), state.asked) else { return };
                let saved = self.save(&save);
                self.note_saved(state, number, saved);
                self.outbox.tell();
            }
        }
    }

    pub(super) fn note_saved(&self, state: &mut MutexGuard<'_, State>, number: u64, saved: bool) {
        state.saved = number;
        if state.held_by.is_some_and(|held_by| held_by <= number) {
            state.held_by = None;
        }
        if !saved || self.engine.state.tasks.phase() == Phase::Over {
            state.die();
        }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
