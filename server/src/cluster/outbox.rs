//! The core's effects in their order, with nodes.conf in between: what relies on a save is done when the save is on disk.
//!
//! The order of effects carries the safety of the whole protocol: an epoch or a vote is durable before anybody hears of it. But a disk may take
//! its time, and effects are performed on the control thread, which must not wait for one. So nodes.conf is written by a thread of the node, and
//! while a save that others will rely on is under way, everything that comes behind it waits here: packets, changes of role, the
//! view that workers route by. The thread that saved performs it afterwards. A save on which nothing relies holds nothing back.
//!
//! Whoever answers a client waits until its steps are done and its file is written ([`Cluster::settle`]); packets and ticks go on.
//!
//! Bounds: a save takes the newest text there is, so at most one is under way and one waits. Packets beyond [`HELD_MAX`] bytes are
//! dropped, as by a network that loses them: a disk that stands still for that long has silenced the node anyway.
//!
//! Lock order: core, outbox, then whatever an effect takes. The thread that saves never takes the core.

use std::collections::VecDeque;
use std::sync::Arc;

use gossip::{Effect, Gossip, View};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::conf_file::ConfStore;
use super::driver::Cluster;
use crate::runtime::task_group::Phase;

/// Bytes of packets that wait for a save at most.
const HELD_MAX: usize = 16 << 20;
/// One thing to be done, in its turn.
#[derive(Debug)]
pub(super) enum Step {
    Effect(Effect),
    /// Workers route by this view from now on.
    Publish(Arc<View>),
    /// The end of an input.
    Facts(Facts),
}

/// What holds when all effects of an input have been performed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// The end of the write lease.
    pub(super) serve_until: i64,
    /// No replica may copy this node's data.
    pub(super) withholding: bool,
    /// So many changes of transactions are part of it.
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
    /// Steps that were added, and those that are done.
    pub(super) added: u64,
    pub(super) done: u64,
    /// The steps wait for this save; saves are numbered.
    held_by: Option<u64>,
    /// The save that comes next.
    pub(super) next: Option<Save>,
    /// Saves that were asked for, and the newest that is in the file.
    pub(super) asked: u64,
    pub(super) saved: u64,
    /// There is a thread that saves.
    pub(super) running: bool,
    /// Nothing is done any more: a save failed, or the node has ended.
    pub(super) dead: bool,
}

/// Effects that wait for their turn, and the file they may wait for.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) state: Mutex<State>,
    /// Something is done, or saved.
    pub(super) progress: Condvar,
    /// There is something to save, or nothing ever again.
    pub(super) wanted: Condvar,
    /// Used by who saves only.
    pub(super) conf: Mutex<Box<dyn ConfStore>>,
    /// When the log said last that the disk is full, on the bus clock.
    pub(super) warned_of_full_disk: Mutex<Option<i64>>,
}

impl Outbox {
    pub(super) fn new(conf: Box<dyn ConfStore>) -> Self {
        Self {
            state: Mutex::default(),
            progress: Condvar::new(),
            wanted: Condvar::new(),
            conf: Mutex::new(conf),
            warned_of_full_disk: Mutex::default(),
        }
    }

    /// Whether effects wait for a save.
    pub(super) fn is_held(&self) -> bool {
        self.state.lock().held_by.is_some()
    }

    /// Ends the thread that saves, once everything is saved that was asked for.
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

    /// Takes a text, or the newest that waits behind it: what is in the file before its turn harms nobody.
    fn ask(&mut self, mut save: Save) {
        for step in &mut self.steps {
            if let Step::Effect(Effect::PersistNodesConf { text, fsync }) = step {
                save.text = std::mem::take(text);
                save.fsync |= *fsync;
            }
        }
        // Those are saved by this one.
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

    fn die(&mut self) {
        self.dead = true;
        self.steps.clear();
        self.next = None;
    }
}

impl Cluster {
    /// Performs what follows from an input, in order, as far as no save holds it back. The caller holds the core.
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

    /// Publishes a view that only shows more than the last one, unless one is on its way. The caller holds the core.
    pub(super) fn publish_details(&self, core: &mut Gossip) {
        let state = self.outbox.state.lock();
        if state.held_by.is_none() {
            self.publish(Arc::new(self.take_view(core)));
        }
    }

    /// Has the next save made, by a thread of its own.
    fn have_saved(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) {
        if state.running {
            self.outbox.wanted.notify_one();
            return;
        }
        let (this, ticket) = (self.clone(), self.engine.state.tasks.enter());
        let spawned = std::thread::Builder::new().name("nodes.conf".to_owned()).spawn(move || {
            this.save_until_idle();
            // What the thread held of the node goes before its ticket.
            drop(this);
            drop(ticket);
        });
        match spawned {
            Ok(_) => state.running = true,
            // A node that cannot keep its votes has to end; better to wait for the disk than that.
            Err(_) => {
                let (Some(save), number) = (state.next.take(), state.asked) else { return };
                let saved = self.save(&save);
                self.note_saved(state, number, saved);
                self.outbox.progress.notify_all();
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
