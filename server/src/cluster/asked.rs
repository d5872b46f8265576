//! The workers' interface to the cluster: where a slot is served, and commands that change the cluster.
//!
//! Routing reads the published view and never waits. A command that changes the cluster gets its reply when the change
//! is performed and saved ([`super::outbox`]): its connection waits for that, while its worker serves others. Only
//! inside EXEC, and for a command that must run alone until then, the worker itself waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gossip::Gossip;
use protocol::slot::SlotId;

use super::driver::{Cluster, core_config, route_policy};
use super::route::route;
use crate::config::directive::DirectiveId;
use crate::config::ids;
use crate::engine::ports::{Route, RouteAsk, Router};

impl Cluster {
    /// As [`Cluster::with_core`], for a command: returns when the resulting effects are performed and saved. Not on the
    /// control thread.
    pub(crate) fn with_core_saved<R>(self: &Arc<Self>, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        let result = self.with_core(input);
        self.settle();
        result
    }

    /// As [`Cluster::with_core`], but within a transaction all such inputs are saved, sent and published together, by
    /// [`Router::conclude`], before the transaction replies. For changes whose effects no later command of the
    /// transaction needs.
    pub(super) fn with_core_in<R>(self: &Arc<Self>, transaction: bool, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        if !transaction {
            return self.with_core(input);
        }
        let mut core = self.core.lock();
        let now = self.bus_now();
        let result = core.in_batch(|core| input(core, now));
        self.view_is_stale.store(true, Ordering::Release);
        self.batches.fetch_add(1, Ordering::AcqRel);
        result
    }

    /// Saves a new node's id, so that it survives a crash.
    pub(super) fn save_first(self: &Arc<Self>) {
        self.with_core_saved(Gossip::save_config);
    }

    /// The client port has changed: the peers are told, so that their clients learn of it. The bus port stays the same.
    pub(crate) fn note_port(self: &Arc<Self>, port: u16) {
        if self.port.swap(port, Ordering::Relaxed) != port {
            self.configure();
        }
    }

    fn configure(self: &Arc<Self>) {
        let config = core_config(&self.engine, self.port.load(Ordering::Relaxed), self.bus_port);
        self.with_core_saved(|core, now| core.set_config(config, now));
    }

    /// Passes directives that change at run time to the core and the routing policy.
    pub(super) fn watch_config(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.engine.config.on_change(DIRECTIVES, move |_, _| {
            if let Some(cluster) = weak.upgrade() {
                cluster.policy.store(Arc::new(route_policy(&cluster.engine)));
                cluster.configure();
            }
            Ok(())
        });
    }
}

impl Router for Cluster {
    fn route(&self, ask: &RouteAsk<'_>) -> Route {
        let lease_held = !(ask.write || ask.may_write) || self.bus_now() < self.serve_until.load(Ordering::Acquire);
        route(&self.view.load(), ask, &self.policy.load(), lease_held)
    }

    fn serves(&self, slot: SlotId) -> bool {
        self.view.load().serves(slot)
    }

    fn conclude(&self) {
        if self.batches_done.load(Ordering::Acquire) < self.batches.load(Ordering::Acquire)
            && let Some(this) = self.me()
        {
            this.with_core_saved(Gossip::end_batch);
        }
    }

    fn relay(&self, channel: &[u8], message: &[u8], shard: Option<SlotId>) {
        let Some(this) = self.me() else { return };
        this.with_core(|core, _| core.publish(channel.to_vec(), message.to_vec(), shard.is_some()));
    }
}

/// The directives that [`core_config`] and [`route_policy`] read.
const DIRECTIVES: &[DirectiveId] = &[
    ids::CLUSTER_NODE_TIMEOUT,
    ids::CLUSTER_ANNOUNCE_IP,
    ids::CLUSTER_ANNOUNCE_PORT,
    ids::CLUSTER_ANNOUNCE_TLS_PORT,
    ids::CLUSTER_ANNOUNCE_BUS_PORT,
    ids::CLUSTER_ANNOUNCE_HOSTNAME,
    ids::CLUSTER_ANNOUNCE_HUMAN_NODENAME,
    ids::CLUSTER_PREFERRED_ENDPOINT_TYPE,
    ids::ANNOUNCE_CLIENT,
    ids::CLUSTER_REQUIRE_FULL_COVERAGE,
    ids::CLUSTER_ALLOW_READS_WHEN_DOWN,
    ids::CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN,
    ids::CLUSTER_REPLICA_VALIDITY_FACTOR,
    ids::CLUSTER_REPLICA_NO_FAILOVER,
    ids::CLUSTER_ALLOW_REPLICA_MIGRATION,
    ids::CLUSTER_MIGRATION_BARRIER,
    ids::CLUSTER_MANUAL_FAILOVER_TIMEOUT,
    ids::REPL_PING_REPLICA_PERIOD,
];
