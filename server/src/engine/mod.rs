//! The engine: from a request's bytes to its reply's bytes, for one node.
//!
//! [`Engine`] holds what commands of every kind need: the registry, the keyspace, configuration, clients, publish and
//! subscribe, counters. It knows nothing of sockets, files, replication or the cluster; those live above it and plug in
//! through five small traits: [`ports::Router`] says where a slot is served, [`ports::Feed`] takes what is to be
//! replicated, [`ports::Disk`] empties the data set's file, [`handler::Service`] runs the commands of a subsystem, and
//! [`info::InfoSource`] writes its part of INFO.
//!
//! The life of a command: [`dispatch`] parses it and passes it through a flat list of named gates, [`run`] locks its
//! slots, [`execute`] runs the handler and drains its effects under the lock, [`blocking`] parks and serves,
//! [`transaction`] queues and runs as one.
//!
//! Rank 6.

#![forbid(unsafe_code)]

mod aside;
pub(crate) mod barrier;
pub(crate) mod blocking;
pub(crate) mod call;
pub(crate) mod changes;
mod contention;
pub(crate) mod dispatch;
pub(crate) mod evict;
pub(crate) mod execute;
pub(crate) mod expire_cycle;
mod freeing;
mod gates;
pub(crate) mod handler;
pub(crate) mod held;
pub(crate) mod hot;
pub(crate) mod info;
pub(crate) mod intake;
pub(crate) mod latency;
pub(crate) mod lifecycle;
mod local_expiries;
pub(crate) mod long;
mod metering;
pub(crate) mod monitor;
mod moving;
mod notify;
mod outside;
mod pace;
pub(crate) mod ports;
pub(crate) mod registry;
mod run;
pub(crate) mod scripts;
pub(crate) mod sending;
pub(crate) mod slot_use;
pub(crate) mod state;
pub(crate) mod stats;

#[cfg(test)]
mod command_effects_tests;
#[cfg(test)]
mod geo_effects_tests;
#[cfg(test)]
mod hash_effects_tests;
#[cfg(test)]
mod hash_expiry_effects_tests;
#[cfg(test)]
mod list_effects_tests;
#[cfg(test)]
mod set_effects_tests;
#[cfg(test)]
mod sort_effects_tests;
#[cfg(test)]
mod stream_effects_tests;
mod tracking;
pub(crate) mod transaction;
pub(crate) mod tries;
pub(crate) mod unit;
mod window;
#[cfg(test)]
mod zset_effects_tests;

use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;

use crate::base::clock::Clock;
use crate::config::{Config, ids};
use crate::logging::NodeLog;
use crate::runtime::kept_links::KeptLinks;
use crate::session::clients::Clients;
use crate::session::monitors::Monitors;
use crate::session::pubsub::PubSub;
use crate::session::tracking::Tracking;
use crate::store::Keyspace;
use barrier::Barrier;
use contention::Contention;
use evict::Eviction;
use freeing::Freeing;
use handler::{SUBSYSTEMS, Service, Subsystem};
use hot::Hot;
use info::InfoState;
use latency::Latencies;
use local_expiries::LocalExpiries;
use ports::{Disk, Feed, Router};
use protocol::slot::SlotId;
use registry::Registry;
use scripts::Scripts;
use sending::Sending;
use slot_use::SlotUse;
use state::NodeState;
use stats::Stats;

/// Everything that commands of every kind need, for one node.
pub(crate) struct Engine {
    /// Shared by the nodes of a process: it says nothing about a node.
    pub registry: Arc<Registry>,
    pub keyspace: Keyspace,
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub barrier: Barrier,
    pub stats: Stats,
    pub latencies: Latencies,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub monitors: Monitors,
    pub tracking: Tracking,
    pub state: NodeState,
    pub log: NodeLog,
    pub info: InfoState,
    pub contention: Contention,
    pub sending: Sending,
    pub freeing: Freeing,
    pub eviction: Eviction,
    pub slot_use: SlotUse,
    /// Connections that MIGRATE may use again.
    pub kept_links: KeptLinks,
    pub local_expiries: LocalExpiries,
    pub scripts: Scripts,
    /// The part of the configuration that the hot path reads, rebuilt when a directive changes.
    pub hot: ArcSwap<Hot>,
    router: OnceLock<Weak<dyn Router>>,
    feed: OnceLock<Weak<dyn Feed>>,
    disk: OnceLock<Weak<dyn Disk>>,
    services: [OnceLock<Weak<dyn Service>>; SUBSYSTEMS],
}

/// Gates of the barrier that no worker owns: those of the control thread, of snapshots, of threads that load data or
/// change the role, and of background work.
pub(crate) const HELPER_GATES: usize = 4;

impl Engine {
    /// An engine with an empty data set. `workers` is how many threads execute commands, `seed` makes hashes
    /// unpredictable.
    pub(crate) fn new(
        registry: Arc<Registry>,
        config: Config,
        clock: Arc<dyn Clock>,
        workers: usize,
        seed: u64,
        log: NodeLog,
    ) -> Arc<Self> {
        let hot = Hot::read(&config, 0, seed);
        let commands = registry.len();
        let databases = if hot.limits.has_one_database { 1 } else { hot.limits.databases };
        let started = clock.now_ms();
        let latencies = Latencies::new(commands, workers + HELPER_GATES, config.bool(ids::LATENCY_TRACKING));
        Arc::new(Self {
            registry,
            keyspace: Keyspace::new(databases, seed),
            config,
            clock,
            barrier: Barrier::new(workers, HELPER_GATES),
            stats: Stats::new(commands),
            latencies,
            clients: Clients::default(),
            pubsub: PubSub::default(),
            monitors: Monitors::default(),
            tracking: Tracking::new(seed, hot.tracking_table_max_keys),
            state: NodeState::new(seed, started),
            log,
            info: InfoState::default(),
            contention: Contention::default(),
            sending: Sending::default(),
            freeing: Freeing::default(),
            eviction: Eviction::default(),
            slot_use: SlotUse::default(),
            kept_links: KeptLinks::default(),
            local_expiries: LocalExpiries::default(),
            scripts: Scripts::default(),
            hot: ArcSwap::from_pointee(hot),
            router: OnceLock::new(),
            feed: OnceLock::new(),
            disk: OnceLock::new(),
            services: std::array::from_fn(|_| OnceLock::new()),
        })
    }

    /// Plugs in the cluster. Weak, like every plug: the subsystems own the engine, not the other way round.
    pub(crate) fn set_router(&self, router: Weak<dyn Router>) {
        assert!(self.router.set(router).is_ok(), "a node is wired once");
    }

    /// Plugs in replication.
    pub(crate) fn set_feed(&self, feed: Weak<dyn Feed>) {
        assert!(self.feed.set(feed).is_ok(), "a node is wired once");
    }

    /// Plugs in persistence.
    pub(crate) fn set_disk(&self, disk: Weak<dyn Disk>) {
        assert!(self.disk.set(disk).is_ok(), "a node is wired once");
    }

    /// Plugs in a subsystem's commands.
    pub(crate) fn set_service(&self, subsystem: Subsystem, service: Weak<dyn Service>) {
        assert!(self.services[subsystem as usize].set(service).is_ok(), "a node is wired once");
    }

    /// The cluster's router, if cluster mode is on.
    pub(crate) fn router(&self) -> Option<Arc<dyn Router>> {
        self.router.get().and_then(Weak::upgrade)
    }

    /// Whether this node or its primary owns the slot; outside a cluster every slot is this node's.
    pub(crate) fn serves(&self, slot: SlotId) -> bool {
        self.router().is_none_or(|router| router.serves(slot))
    }

    /// Where propagated commands go.
    pub(crate) fn feed(&self) -> Option<Arc<dyn Feed>> {
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
    pub(crate) fn reload_hot(&self) {
        let threshold = self.state.list_packed_threshold.load(std::sync::atomic::Ordering::Relaxed) as usize;
        let seed = self.hot.load().limits.zset.seed;
        let mut hot = Hot::read(&self.config, threshold, seed);
        hot.limits.skip_checksums = self.state.skip_checksums.load(std::sync::atomic::Ordering::Relaxed);
        self.tracking.set_max_keys(hot.tracking_table_max_keys);
        self.latencies.follow(self.config.bool(ids::LATENCY_TRACKING));
        self.hot.store(Arc::new(hot));
    }

    /// How many workers there are; theirs are the first gates of the barrier.
    pub(crate) fn workers(&self) -> usize {
        self.barrier.gates() - HELPER_GATES
    }

    /// Gate of the barrier for the control thread (cron, expiry cycle).
    pub(crate) fn control_gate(&self) -> usize {
        self.workers()
    }

    /// Gate of the barrier for the thread that saves a snapshot.
    pub(crate) fn snapshot_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 1
    }

    /// Gate of the barrier for a thread that loads data, changes the role or ends the node.
    pub(crate) fn loader_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 2
    }

    /// Gate of the barrier for work that follows from changes of the cluster, and for serving blocked clients.
    pub(crate) fn background_gate(&self) -> usize {
        self.barrier.gates() - HELPER_GATES + 3
    }
}
