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
use std::sync::atomic::Ordering;
use std::time::Duration;

use gossip::{Effect, Gossip, View};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::conf_file::{self, ConfStore, Saved};
use super::driver::Cluster;
use crate::engine::task_group::Phase;

/// Bytes of packets that wait for a save at most.
const HELD_MAX: usize = 16 << 20;
/// How long the thread that saves stays when there is nothing to save: saves come in bursts.
const LINGER: Duration = Duration::from_millis(200);
/// How often a save is tried again when there are no descriptors, and after what time.
const SAVE_ATTEMPTS: usize = 50;
const SAVE_PAUSE: Duration = Duration::from_millis(20);
/// A full disk is told at most once in this time.
const FULL_DISK_WARNING_MS: i64 = 60_000;

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
struct Save {
    text: String,
    fsync: bool,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    /// Bytes of packets in `steps`.
    bytes: usize,
    /// Steps that were added, and those that are done.
    added: u64,
    done: u64,
    /// The steps wait for this save; saves are numbered.
    held_by: Option<u64>,
    /// The save that comes next.
    next: Option<Save>,
    /// Saves that were asked for, and the newest that is in the file.
    asked: u64,
    saved: u64,
    /// There is a thread that saves.
    running: bool,
    /// Nothing is done any more: a save failed, or the node has ended.
    dead: bool,
}

/// Effects that wait for their turn, and the file they may wait for.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Something is done, or saved.
    progress: Condvar,
    /// There is something to save, or nothing ever again.
    wanted: Condvar,
    /// Used by who saves only.
    conf: Mutex<Box<dyn ConfStore>>,
    /// When the log said last that the disk is full, on the bus clock.
    warned_of_full_disk: Mutex<Option<i64>>,
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

    fn go_on(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) {
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

    /// Waits until everything that was asked for so far is done and in the file: a client's answer comes after it. Not on the
    /// control thread.
    pub fn settle(&self) {
        let mut state = self.outbox.state.lock();
        let added = state.added;
        self.outbox.progress.wait_while(&mut state, |state| !state.dead && state.done < added);
        let asked = state.asked;
        self.outbox.progress.wait_while(&mut state, |state| !state.dead && state.saved < asked);
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

    fn save_until_idle(self: &Arc<Self>) {
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
            outbox.progress.notify_all();
            // Closing what was replaced takes longer than all the rest of a save, and nobody waits for it.
            let replaced = outbox.conf.lock().take_replaced();
            drop(replaced);
        }
    }

    fn note_saved(&self, state: &mut MutexGuard<'_, State>, number: u64, saved: bool) {
        state.saved = number;
        if state.held_by.is_some_and(|held_by| held_by <= number) {
            state.held_by = None;
        }
        if !saved || self.engine.state.tasks.phase() == Phase::Over {
            state.die();
        }
    }

    /// Writes nodes.conf. `false`: it cannot be written, and the node ends.
    fn save(&self, save: &Save) -> bool {
        let mut conf = self.outbox.conf.lock();
        let mut result = conf.save(&save.text, save.fsync);
        // Being out of descriptors passes; a node that ends does not come back by itself. Nothing may be sent before this is saved.
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
            // A node that has ended may have lost its directory as well.
            Err(_) if self.engine.state.tasks.phase() == Phase::Over => false,
            Err(error) => {
                // Redis exits here too: a node that cannot keep its votes and epochs may vote twice.
                self.engine.log.warning(format_args!("Fatal: can't update cluster config file: {error}"));
                self.engine.request_stop(1);
                // The node ends in a moment. Until then it must not say what it could not write down: no link, no word.
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

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
