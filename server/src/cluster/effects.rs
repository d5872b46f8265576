//! Performing what the cluster core wants done, in order.
//!
//! This runs under the core's lock, so that no two inputs mix their effects. What would have to wait for the barrier (deleting the
//! keys of lost slots, stopping writes for a manual failover) is handed to a task of its own: a worker that holds its gate may be
//! waiting for the core.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gossip::{Effect, Level};
use protocol::resp::OwnedArgs;
use protocol::slot::SlotBitmap;

use super::driver::Cluster;
use crate::engine::barrier::Pass;
use crate::engine::blocking::Parked;
use crate::engine::state::{PauseKind, PausePurpose};

impl Cluster {
    /// Performs one effect. `true` if the view must be published again.
    pub(super) fn perform(self: &Arc<Self>, effect: Effect) -> bool {
        match effect {
            Effect::PersistNodesConf { text, fsync } => self.save_conf(&text, fsync),
            Effect::Connect { link, ip, port } => self.open_link(link, &ip.to_string(), port),
            Effect::Send { link, bytes } => self.send(link, bytes),
            Effect::Close { link } => {
                self.links.lock().remove(&link);
            }
            Effect::Promoted => {
                *self.following.lock() = None;
                self.data.promote();
            }
            Effect::Demoted => {}
            Effect::ReplicateFrom { id, ip, port } => {
                *self.following.lock() = Some(id);
                self.data.follow(&ip.to_string(), port);
            }
            // CLUSTER RESET does it before it answers: see `Cluster::flush_if_due`.
            Effect::FlushData => self.flush_due.store(true, Ordering::Release),
            Effect::SlotsLost(slots) => self.slots_lost(*slots),
            Effect::ShardChannelsLost(slots) => {
                self.engine.pubsub.drop_shard_slots(&|slot| slots.contains(slot));
                self.invalidate_slots(slots.clone());
                self.retry_blocked(move |parked| parked.keys.iter().any(|(slot, _)| slots.contains(*slot)));
            }
            Effect::StateChanged { ok } => {
                if !ok {
                    self.retry_blocked(|_| true);
                }
                return true;
            }
            Effect::PauseWrites { until } => self.pause_writes(until),
            Effect::UnpauseWrites => self.engine.state.unpause(PausePurpose::Failover),
            Effect::Publish { channel, message, sharded } => {
                if sharded {
                    self.engine.pubsub.publish_shard(&self.engine, &channel, &message);
                } else {
                    self.engine.pubsub.publish(&self.engine, &channel, &message);
                }
            }
            Effect::Log { level, text } => self.log(level, &text),
            Effect::ViewChanged => return true,
        }
        false
    }

    /// Deletes the keys of slots that another shard owns now, and tells the replicas.
    fn slots_lost(self: &Arc<Self>, slots: SlotBitmap) {
        let cluster = self.clone();
        self.control.spawn(move |_| async move {
            let engine = &cluster.engine;
            let gate = engine.control_gate();
            for slot in slots.iter() {
                let pass = engine.barrier.enter(gate);
                // The slot may have come back since.
                if cluster.view().owns(slot) {
                    continue;
                }
                let mut guard = engine.keyspace.lock(0, slot);
                if engine.state.propagating.load(Ordering::Relaxed)
                    && let Some(feed) = engine.feed()
                {
                    let deletions: Vec<OwnedArgs> =
                        guard.iter().map(|entry| OwnedArgs::from_slices(&[b"DEL".as_slice(), entry.key()])).collect();
                    deletions.iter().for_each(|words| feed.append(&[(0, words.view())]));
                }
                guard.iter().for_each(|entry| engine.invalidate_key(entry.key()));
                let garbage = guard.clear(|key| engine.keyspace.hash(key));
                drop(guard);
                drop(pass);
                engine.settle_tracking();
                drop(garbage);
            }
        });
    }

    /// Tells clients that track to forget what they have read in slots that are served elsewhere now, once nobody reads there any more.
    fn invalidate_slots(self: &Arc<Self>, slots: Box<SlotBitmap>) {
        if !self.engine.tracking.is_on() {
            return;
        }
        let cluster = self.clone();
        self.control.spawn(move |_| async move {
            let engine = &cluster.engine;
            engine.barrier.enter(engine.control_gate()).exclusive(|_| ());
            let gone = |slot| slots.contains(slot);
            for () in engine.invalidate_slots(&gone) {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Sends blocked clients through the gates again, once nobody can pass these with the view of before: after the barrier all
    /// commands that were under way are done or parked, and whoever caused the change has published it.
    fn retry_blocked(self: &Arc<Self>, which: impl Fn(&Parked) -> bool + Send + 'static) {
        let cluster = self.clone();
        self.control.spawn(move |_| async move {
            let engine = &cluster.engine;
            engine.barrier.enter(engine.control_gate()).exclusive(|_| ());
            engine.retry_blocked(&which);
        });
    }

    /// Holds back writes for a manual failover, and tells the core once none is under way.
    fn pause_writes(self: &Arc<Self>, until: i64) {
        let until_wall = until - self.bus_now() + self.engine.clock.now_ms();
        self.engine.state.pause(PausePurpose::Failover, PauseKind::Writes, until_wall);
        let cluster = self.clone();
        self.control.spawn(move |_| async move {
            let engine = &cluster.engine;
            // Whoever passes the gates after this sees the pause; whoever was inside has finished.
            engine.barrier.enter(engine.control_gate()).exclusive(|_| ());
            let offset = cluster.data.state().offset;
            cluster.with_core(|core, now| core.handle_writes_paused(offset, now));
        });
    }

    /// Drops the data set of a replica that was reset. The caller's client has no answer yet, so whatever is written after the
    /// reset stays, and nobody reads what the reset has taken.
    pub(super) fn flush_if_due(&self, pass: &mut Pass<'_>) {
        if !self.flush_due.swap(false, Ordering::AcqRel) {
            return;
        }
        let keyspace = &self.engine.keyspace;
        let clear = |slot| keyspace.lock(0, slot).clear(|key| keyspace.hash(key));
        let garbage: Vec<_> = pass.exclusive(|_| keyspace.occupied(0).map(clear).collect());
        self.engine.invalidate_all();
        drop(garbage);
    }

    fn log(&self, level: Level, text: &str) {
        let log = &self.engine.log;
        match level {
            Level::Debug => log.debug(format_args!("{text}")),
            Level::Verbose => log.verbose(format_args!("{text}")),
            Level::Notice => log.notice(format_args!("{text}")),
            Level::Warning => log.warning(format_args!("{text}")),
        }
    }
}
