//! Performing the effects of the cluster core, in order.
//!
//! This runs under the lock of [`super::outbox`], so that the effects of two inputs do not mix, and mostly on the
//! control thread, so nothing here waits for a command. Work that has to wait (deleting the keys of lost slots,
//! stopping writes for a manual failover) is left to [`super::background`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gossip::{Effect, Level};

use super::driver::Cluster;
use crate::engine::state::{PauseKind, PausePurpose};

impl Cluster {
    /// Performs one effect.
    pub(super) fn perform(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Connect { link, ip, port } => self.open_link(link, &ip.to_string(), port),
            Effect::Send { link, bytes } => self.send(link, bytes),
            Effect::Close { link } => {
                self.links.lock().remove(&link);
            }
            Effect::Promoted => {
                *self.following.lock() = None;
                self.data.promote();
            }
            // The outbox handles saves, and views are steps of their own.
            Effect::Demoted | Effect::PersistNodesConf { .. } | Effect::ViewChanged => {}
            Effect::ReplicateFrom { id, ip, port } => {
                *self.following.lock() = Some(id);
                self.data.follow(id, &ip.to_string(), port);
            }
            // CLUSTER RESET does this before it replies: see `Cluster::flush_if_due`.
            Effect::FlushData => self.flush_due.store(true, Ordering::Release),
            Effect::SlotsLost(slots) => self.in_background(|due| due.lost.union_with(&slots)),
            Effect::ShardChannelsLost(slots) => {
                self.engine.pubsub.drop_shard_slots(&|slot| slots.contains(slot));
                self.engine.slot_use.reset(|slot| slots.contains(slot));
                self.in_background(|due| due.moved.union_with(&slots));
            }
            Effect::StateChanged { ok } => {
                if !ok {
                    self.in_background(|due| due.state_lost = true);
                }
            }
            Effect::PauseWrites { until } => self.pause_writes(until),
            Effect::UnpauseWrites => self.engine.state.unpause(PausePurpose::Failover),
            Effect::Publish { channel, message, sharded } => {
                if sharded {
                    self.engine.publish_shard(&channel, &message);
                } else {
                    self.engine.publish(&channel, &message);
                }
            }
            Effect::Log { level, text } => self.log(level, &text),
        }
    }

    /// Pauses writes for a manual failover; the core is told once none is under way.
    fn pause_writes(self: &Arc<Self>, until: i64) {
        let until_wall = until - self.bus_now() + self.engine.clock.now_ms();
        self.engine.state.pause(PausePurpose::Failover, PauseKind::Writes, until_wall);
        self.in_background(|due| due.writes_paused = true);
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
