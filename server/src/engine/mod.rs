//! The engine: from a request's bytes to its reply's bytes, for one node.
//!
//! [`Engine`] holds what commands of every kind need: the registry, the keyspace, configuration, clients, publish and subscribe,
//! counters. It knows nothing of sockets, files, replication or the cluster; those live above it and plug in through three small
//! traits: [`ports::Router`] says where a slot is served, [`ports::Feed`] takes what is to be replicated, and
//! [`session::Service`] runs the commands of a subsystem.
//!
//! The life of a command: [`dispatch`] parses and passes it through a flat list of named gates, [`execute`] locks its slots, runs
//! the handler and drains its effects under the lock, [`blocking`] parks and serves, [`transaction`] queues and runs as one.
//!
//! Rank 4.

pub mod barrier;
pub mod blocking;
pub mod changes;
pub mod client;
pub mod client_commands;
pub mod clients;
pub mod config;
pub mod connection;
pub mod descriptors;
pub mod dispatch;
pub mod execute;
pub mod expire_cycle;
mod gates;
pub mod held;
pub mod help;
pub mod hot;
pub mod info;
pub mod introspect;
pub mod lifecycle;
pub mod long;
mod moving;
pub mod notify;
pub mod ports;
pub mod pubsub;
pub mod registry;
pub mod session;
pub mod state;
pub mod stats;
pub mod task_group;
#[cfg(test)]
pub mod testing;

#[cfg(test)]
mod command_effects_tests;
#[cfg(test)]
mod list_effects_tests;
pub mod threads;
pub mod tracking;
pub mod transaction;
pub mod tries;
mod window;

use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;

use crate::base::clock::Clock;
use crate::logging::NodeLog;
use crate::store::Keyspace;
use barrier::Barrier;
use clients::Clients;
use config::Config;
use hot::Hot;
use info::InfoState;
use ports::{Disk, Feed, Router};
use protocol::slot::SlotId;
use pubsub::PubSub;
use registry::{Registry, SUBSYSTEMS, Subsystem};
use session::Service;
use state::NodeState;
use stats::Stats;
use tracking::Tracking;

/// Everything that commands of every kind need, for one node.
pub struct Engine {
    pub registry: Registry,
    pub keyspace: Keyspace,
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub barrier: Barrier,
    pub stats: Stats,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub state: NodeState,
    pub log: NodeLog,
    pub info: InfoState,
    /// What the hot path reads of the configuration, rebuilt when a directive changes.
    pub hot: ArcSwap<Hot>,
    router: OnceLock<Weak<dyn Router>>,
    feed: OnceLock<Weak<dyn Feed>>,
    disk: OnceLock<Weak<dyn Disk>>,
    services: [OnceLock<Weak<dyn Service>>; SUBSYSTEMS],
}

/// Gates of the barrier that are not a worker's: control thread, snapshot, loader, and what the cluster does in the background.
pub const HELPER_GATES: usize = 4;

impl Engine {
    /// An engine with an empty data set. `workers` is how many threads execute commands, `seed` makes hashes unpredictable.
    pub fn new(
        registry: Registry,
        config: Config,
        clock: Arc<dyn Clock>,
        workers: usize,
        seed: u64,
        log: NodeLog,
    ) -> Arc<Self> {
        let hot = Hot::read(&config, 0);
        let commands = registry.len();
        let databases = if hot.limits.cluster_enabled { 1 } else { hot.limits.databases };
        let started = clock.now_ms();
        Arc::new(Self {
            registry,
            keyspace: Keyspace::new(databases, seed),
            config,
            clock,
            barrier: Barrier::new(workers, HELPER_GATES),
            stats: Stats::new(commands),
            clients: Clients::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::new(seed, hot.tracking_table_max_keys),
            state: NodeState::new(seed, started),
            log,
            info: InfoState::default(),
            hot: ArcSwap::from_pointee(hot),
            router: OnceLock::new(),
            feed: OnceLock::new(),
            disk: OnceLock::new(),
            services: std::array::from_fn(|_| OnceLock::new()),
        })
    }

    /// Plugs in the cluster. Weak, as all plugs: the subsystems own the engine, not the other way round.
    pub fn set_router(&self, router: Weak<dyn Router>) {
        assert!(self.router.set(router).is_ok(), "a node is wired once");
    }

    /// Plugs in replication.
    pub fn set_feed(&self, feed: Weak<dyn Feed>) {
        assert!(self.feed.set(feed).is_ok(), "a node is wired once");
    }

    /// Plugs in persistence.
    pub fn set_disk(&self, disk: Weak<dyn Disk>) {
        assert!(self.disk.set(disk).is_ok(), "a node is wired once");
    }

    /// Plugs in a subsystem's commands.
    pub fn set_service(&self, subsystem: Subsystem, service: Weak<dyn Service>) {
        assert!(self.services[subsystem as usize].set(service).is_ok(), "a node is wired once");
    }

    /// The cluster's router, if cluster mode is on.
    pub fn router(&self) -> Option<Arc<dyn Router>> {
        self.router.get().and_then(Weak::upgrade)
    }

    /// Whether this node or its primary owns the slot; outside a cluster every slot is this node's.
    pub fn serves(&self, slot: SlotId) -> bool {
        self.router().is_none_or(|router| router.serves(slot))
    }

    /// Where propagated commands go.
    pub fn feed(&self) -> Option<Arc<dyn Feed>> {
        self.feed.get().and_then(Weak::upgrade)
    }

    /// The file on disk.
    fn disk(&self) -> Option<Arc<dyn Disk>> {
        self.disk.get().and_then(Weak::upgrade)
    }

    fn service(&self, subsystem: Subsystem) -> Option<Arc<dyn Service>> {
        self.services[subsystem as usize].get().and_then(Weak::upgrade)
    }

    /// Rebuilds [`Engine::hot`] after directives changed.
    pub fn reload_hot(&self) {
        let threshold = self.state.list_packed_threshold.load(std::sync::atomic::Ordering::Relaxed) as usize;
        let hot = Hot::read(&self.config, threshold);
        self.tracking.set_max_keys(hot.tracking_table_max_keys);
        self.hot.store(Arc::new(hot));
    }

    /// Gate of the barrier for the control thread (cron, expiry cycle).
    pub fn control_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES
    }

    /// Gate of the barrier for the thread that saves a snapshot.
    pub fn snapshot_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 1
    }

    /// Gate of the barrier for whoever loads data.
    pub fn loader_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 2
    }

    /// Gate of the barrier for what follows from changes of the cluster.
    pub fn background_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 3
    }
}
