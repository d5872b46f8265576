//! The driver of the cluster core: the only caller of [`gossip::Gossip`].
//!
//! Everything that happens to the core goes through [`Cluster::with_core`]: it locks the core, hands it the input with the bus
//! clock's now, performs the effects in their order, and publishes what changed. Ticks and packets come from tasks on the control
//! thread, which runs no client command, so a long command never makes peers believe that this node is dead; CLUSTER commands
//! come from workers.
//!
//! The bus clock starts at the wall clock and then only goes forward, because to the core a clock that jumps looks like a freeze.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use gossip::{Announce, Config as CoreConfig, Effect, Gossip, LinkId, View};
use parking_lot::Mutex;
use protocol::bus::NodeId;
use protocol::slot::SlotId;
use tokio::sync::Notify;

use super::background::Background;
use super::conf_file::{self, ConfFile, Saved};
use super::links::LinkOut;
use super::local_buses::LocalBuses;
use super::resolve::Resolver;
use super::route::{Endpoint, RoutePolicy, route};
use crate::engine::Engine;
use crate::engine::config::ids;
use crate::engine::ports::{Route, RouteAsk, Router};
use crate::engine::threads::Spawner;

/// What the cluster asks of replication. Callable from any thread; none of it blocks.
pub trait DataLink: Send + Sync {
    /// Replicate from this address from now on (again, if it is the same one already and the link is up: no change).
    fn follow(&self, host: &str, port: u16);
    /// Stop replicating, keep the data, begin a history of one's own.
    fn promote(&self);
    /// Where the data stands.
    fn state(&self) -> DataState;
    /// What to call whenever a replica has finished a sync with its primary, from any thread and under locks: it must not wait.
    fn on_synced(&self, call: Box<dyn Fn() + Send + Sync>);
}

/// Where a node's data stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataState {
    /// Written (primary) or processed (replica).
    pub offset: u64,
    /// A replica has finished a sync with the primary it was last told to follow.
    pub synced: bool,
    /// How long ago, in milliseconds, something last came from the primary; `None`: never.
    pub silent_ms: Option<i64>,
}

/// Where a node is, and who is there with it.
#[derive(Clone, Default)]
pub struct Place {
    /// The port that clients reach the node at.
    pub port: u16,
    /// The port of the bus.
    pub bus_port: u16,
    /// The buses of the other nodes of the process.
    pub buses: Arc<LocalBuses>,
}

/// The cluster side of one node.
pub struct Cluster {
    me: Weak<Cluster>,
    pub(super) engine: Arc<Engine>,
    pub(super) data: Arc<dyn DataLink>,
    pub(super) control: Spawner,
    core: Mutex<Gossip>,
    conf: Mutex<ConfFile>,
    /// When the log said last that the disk is full, on the bus clock.
    warned_of_full_disk: AtomicI64,
    view: ArcSwap<View>,
    /// What the published view lacks is of no use to routing: it is made anew when somebody looks.
    view_is_stale: AtomicBool,
    policy: ArcSwap<RoutePolicy>,
    serve_until: AtomicI64,
    /// The primary that the data is told to follow.
    pub(super) following: Mutex<Option<NodeId>>,
    pub(super) links: Mutex<BTreeMap<LinkId, LinkOut>>,
    /// Start of the bus clock: Unix milliseconds, and the monotonic clock then.
    clock_start: (i64, u64),
    /// When the timer task will look next, on the bus clock.
    armed_until: AtomicI64,
    rearm: Notify,
    pub(super) stopped: AtomicBool,
    /// The core has noted what a transaction's commands changed; it is neither saved nor published yet.
    batched: AtomicBool,
    /// What is left to a thread that may wait.
    pub(super) background: Background,
    /// A reset wants the data set dropped.
    pub(super) flush_due: AtomicBool,
    /// Names of peers that announce no addresses.
    pub(super) names: Resolver,
    /// Peers of the same process.
    pub(super) buses: Arc<LocalBuses>,
    /// The port that clients reach this node at; CONFIG SET moves it.
    port: AtomicU16,
    bus_port: u16,
}

impl Cluster {
    /// A cluster node from what nodes.conf says (empty: a new node).
    ///
    /// # Errors
    /// The file is damaged; it is left as it is.
    pub fn new(
        engine: Arc<Engine>,
        data: Arc<dyn DataLink>,
        control: Spawner,
        conf: ConfFile,
        text: &[u8],
        place: Place,
    ) -> Result<Arc<Self>, gossip::NodesConfError> {
        let Place { port, bus_port, buses } = place;
        let clock_start = (engine.clock.now_ms(), engine.clock.monotonic_us());
        let config = core_config(&engine, port, bus_port);
        let seed = engine.state.seed();
        let mut core = if conf_file::is_new(text) {
            Gossip::new(config, seed, clock_start.0)
        } else {
            Gossip::load(config, seed, text, clock_start.0)?
        };
        // Before any packet arrives: a restarted primary compares its data with that of its replicas.
        let offset = data.state().offset;
        core.set_replication(gossip::Replication { primary: None, offset, last_contact: 0 }, clock_start.0);
        core.note_data(!engine.keyspace.is_empty(0), clock_start.0);
        engine.state.withholding.store(!core.feeds_replicas(), Ordering::Release);
        let view = core.view();
        let policy = route_policy(&engine);
        let serve_until = core.serve_until_ms();
        let cluster = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            engine,
            data,
            control,
            core: Mutex::new(core),
            conf: Mutex::new(conf),
            warned_of_full_disk: AtomicI64::new(i64::MIN),
            view: ArcSwap::from_pointee(view),
            view_is_stale: AtomicBool::new(false),
            policy: ArcSwap::from_pointee(policy),
            serve_until: AtomicI64::new(serve_until),
            following: Mutex::new(None),
            links: Mutex::new(BTreeMap::new()),
            clock_start,
            armed_until: AtomicI64::new(0),
            rearm: Notify::new(),
            stopped: AtomicBool::new(false),
            batched: AtomicBool::new(false),
            background: Background::default(),
            flush_due: AtomicBool::new(false),
            names: Resolver::default(),
            buses,
            port: AtomicU16::new(port),
            bus_port,
        });
        cluster.watch_config();
        let weak = cluster.me.clone();
        cluster.data.on_synced(Box::new(move || {
            if let Some(cluster) = weak.upgrade() {
                cluster.rearm.notify_one();
            }
        }));
        Ok(cluster)
    }

    /// Starts the timer. The first act is to save, so that a new node keeps its id over a crash.
    pub fn start(self: &Arc<Self>) {
        self.with_core(Gossip::save_config);
        let cluster = Arc::downgrade(self);
        self.control.spawn(move |_| async move {
            loop {
                let Some(this) = cluster.upgrade() else { return };
                if this.stopped.load(Ordering::Relaxed) {
                    return;
                }
                this.wait_until_awake().await;
                this.tick();
                let wait = (this.armed_until.load(Ordering::Relaxed) - this.bus_now()).clamp(1, 100);
                let rearm = async {
                    this.rearm.notified().await;
                };
                tokio::select! {
                    () = tokio::time::sleep(std::time::Duration::from_millis(wait as u64)) => {}
                    () = rearm => {}
                }
            }
        });
    }

    /// Ends all links and the timer.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.rearm.notify_one();
        self.links.lock().clear();
    }

    /// The bus clock: Unix milliseconds at start, then only forward.
    pub fn bus_now(&self) -> i64 {
        let (wall, monotonic) = self.clock_start;
        wall + (self.engine.clock.monotonic_us().saturating_sub(monotonic) / 1000) as i64
    }

    /// Gives the core an input or a command, and performs what follows.
    pub fn with_core<R>(self: &Arc<Self>, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        let mut core = self.core.lock();
        let result = input(&mut core, self.bus_now());
        let (mut view_changed, mut published) = (false, false);
        while let Some(effect) = core.poll_effect() {
            // Whoever is set going by such an effect (a write that was held back, a blocked client) must find the new view: with
            // the old one, a primary that was just replaced would acknowledge a write that its successor does not have.
            if !published && sets_going(&effect) {
                self.publish(&mut core);
                published = true;
            }
            view_changed |= self.perform(effect);
        }
        if view_changed && !published {
            self.publish(&mut core);
        } else if core.take_details_change() {
            self.view_is_stale.store(true, Ordering::Release);
        }
        self.serve_until.store(core.serve_until_ms(), Ordering::Release);
        self.engine.state.withholding.store(!core.feeds_replicas(), Ordering::Release);
        let next = core.next_timeout();
        self.batched.store(false, Ordering::Release);
        drop(core);
        if next < self.armed_until.swap(next, Ordering::Relaxed) {
            self.rearm.notify_one();
        }
        result
    }

    /// As [`Cluster::with_core`], but within a transaction all such inputs are saved, sent and published together, by
    /// [`Router::conclude`] before the transaction answers. For changes that no later command of it has to find performed.
    pub(super) fn with_core_in<R>(self: &Arc<Self>, transaction: bool, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        if !transaction {
            return self.with_core(input);
        }
        let mut core = self.core.lock();
        let now = self.bus_now();
        let result = core.in_batch(|core| input(core, now));
        self.view_is_stale.store(true, Ordering::Release);
        self.batched.store(true, Ordering::Release);
        result
    }

    fn publish(&self, core: &mut Gossip) {
        core.take_details_change();
        self.view_is_stale.store(false, Ordering::Release);
        self.view.store(Arc::new(core.view()));
    }

    /// As [`Cluster::with_core`], for inputs whose answers say how far the data is: elections and restarted primaries go by it.
    pub(super) fn with_facts<R>(self: &Arc<Self>, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        let facts = self.replication_facts();
        self.with_core(|core, now| {
            core.set_replication(facts, now);
            input(core, now)
        })
    }

    fn tick(self: &Arc<Self>) {
        let replaced = self.conf.lock().take_replaced();
        drop(replaced);
        self.start_background();
        let has_data = !self.engine.keyspace.is_empty(0);
        self.with_facts(|core, now| {
            core.note_data(has_data, now);
            core.handle_tick(now);
        });
    }

    fn replication_facts(&self) -> gossip::Replication {
        let state = self.data.state();
        let primary = *self.following.lock();
        let last_contact = state.silent_ms.map_or(0, |silent| self.bus_now() - silent);
        let offset = if primary.is_some() && !state.synced { 0 } else { state.offset };
        gossip::Replication { primary, offset, last_contact }
    }

    /// The published view: cheap, at most one input old, its times older. Not for whoever performs effects: it may ask for
    /// the core's lock.
    pub fn view(&self) -> Arc<View> {
        if self.view_is_stale.load(Ordering::Acquire) {
            self.publish(&mut self.core.lock());
        }
        self.view.load_full()
    }

    /// A view with current times, for CLUSTER NODES and the like.
    pub fn fresh_view(&self) -> View {
        self.core.lock().view()
    }

    /// The id of this node and of its primary, without a view.
    pub fn identity(&self) -> (NodeId, Option<NodeId>) {
        let core = self.core.lock();
        (core.my_id(), core.my_primary())
    }

    /// How nodes are named for clients.
    pub fn policy(&self) -> RoutePolicy {
        **self.policy.load()
    }

    pub(super) fn me(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Bytes that wait in the core for links which are not up yet.
    pub(super) fn unconnected_bytes(&self) -> usize {
        self.core.lock().queued_bytes()
    }

    /// Bytes that wait on each link.
    pub fn queued_bytes(&self) -> BTreeMap<LinkId, usize> {
        self.links.lock().iter().map(|(id, out)| (*id, out.queued_bytes())).collect()
    }

    /// The port that clients reach this node at.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// The port of the bus.
    pub fn bus_port(&self) -> u16 {
        self.bus_port
    }

    pub(super) fn save_conf(&self, text: &str, fsync: bool) {
        let mut conf = self.conf.lock();
        let mut result = conf.save(text, fsync);
        // Being out of descriptors passes; a node that ends does not come back by itself. Nothing may be sent before this is saved.
        for _ in 0..SAVE_ATTEMPTS {
            if !result.as_ref().is_err_and(conf_file::is_out_of_descriptors) {
                break;
            }
            std::thread::sleep(SAVE_PAUSE);
            result = conf.save(text, fsync);
        }
        match result {
            Ok(Saved::Usual) => {}
            Ok(Saved::Overwritten) => self.warn_of_full_disk(),
            Err(error) => {
                // Redis exits here too: a node that cannot keep its votes and epochs may vote twice.
                self.engine.log.warning(format_args!("Fatal: can't update cluster config file: {error}"));
                self.engine.request_stop(1);
                // The node ends in a moment. Until then it must not say what it could not write down: no link, no word.
                self.stop();
            }
        }
    }

    fn warn_of_full_disk(&self) {
        let now = self.bus_now();
        if now.saturating_sub(self.warned_of_full_disk.load(Ordering::Relaxed)) < FULL_DISK_WARNING_MS {
            return;
        }
        self.warned_of_full_disk.store(now, Ordering::Relaxed);
        self.engine.log.warning(format_args!(
            "The disk is full: there is no room for a new cluster config file, so the old one was written over in place. \
             Please make room: if its text outgrows the space that it has, this node has to end."
        ));
    }

    /// Clients reach this node at another port now: tell the peers, who tell their clients. The bus stays where it is.
    pub fn note_port(self: &Arc<Self>, port: u16) {
        if self.port.swap(port, Ordering::Relaxed) != port {
            self.configure();
        }
    }

    fn configure(self: &Arc<Self>) {
        let config = core_config(&self.engine, self.port.load(Ordering::Relaxed), self.bus_port);
        self.with_core(|core, now| core.set_config(config, now));
    }

    /// Directives that change at run time reach the core and the routing policy.
    fn watch_config(self: &Arc<Self>) {
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

/// How often a save is tried again when there are no descriptors, and after what time.
const SAVE_ATTEMPTS: usize = 50;
const SAVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// A full disk is told at most once in this time.
const FULL_DISK_WARNING_MS: i64 = 60_000;

/// Whether clients notice this effect at once. Not a promotion: until it has been performed, writes are refused anyway.
fn sets_going(effect: &Effect) -> bool {
    match effect {
        Effect::UnpauseWrites
        | Effect::SlotsLost(_)
        | Effect::ShardChannelsLost(_)
        | Effect::StateChanged { .. }
        | Effect::Demoted
        | Effect::ReplicateFrom { .. }
        | Effect::FlushData => true,
        Effect::PersistNodesConf { .. }
        | Effect::Connect { .. }
        | Effect::Send { .. }
        | Effect::Close { .. }
        | Effect::Promoted
        | Effect::PauseWrites { .. }
        | Effect::Publish { .. }
        | Effect::Log { .. }
        | Effect::ViewChanged => false,
    }
}

impl Router for Cluster {
    fn route(&self, ask: &RouteAsk) -> Route {
        let lease_held = !ask.write || self.bus_now() < self.serve_until.load(Ordering::Acquire);
        route(&self.view.load(), ask, &self.policy.load(), lease_held)
    }

    fn serves(&self, slot: SlotId) -> bool {
        self.view.load().serves(slot)
    }

    fn conclude(&self) {
        // Who clears the mark holds the core until all is saved, so nobody answers before.
        if self.batched.load(Ordering::Acquire)
            && let Some(this) = self.me.upgrade()
        {
            this.with_core(Gossip::end_batch);
        }
    }

    fn relay(&self, channel: &[u8], message: &[u8], shard: Option<SlotId>) {
        let Some(this) = self.me.upgrade() else { return };
        this.with_core(|core, _| core.publish(channel.to_vec(), message.to_vec(), shard.is_some()));
    }
}

/// The directives that [`core_config`] and [`route_policy`] read.
const DIRECTIVES: &[crate::engine::config::directive::DirectiveId] = &[
    ids::CLUSTER_NODE_TIMEOUT,
    ids::CLUSTER_ANNOUNCE_IP,
    ids::CLUSTER_ANNOUNCE_PORT,
    ids::CLUSTER_ANNOUNCE_TLS_PORT,
    ids::CLUSTER_ANNOUNCE_BUS_PORT,
    ids::CLUSTER_ANNOUNCE_HOSTNAME,
    ids::CLUSTER_ANNOUNCE_HUMAN_NODENAME,
    ids::CLUSTER_PREFERRED_ENDPOINT_TYPE,
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

fn route_policy(engine: &Engine) -> RoutePolicy {
    let endpoint = match engine.config.choice(ids::CLUSTER_PREFERRED_ENDPOINT_TYPE) {
        "hostname" => Endpoint::Hostname,
        "unknown-endpoint" => Endpoint::Unknown,
        _ => Endpoint::Ip,
    };
    RoutePolicy {
        endpoint,
        reads_when_down: engine.config.bool(ids::CLUSTER_ALLOW_READS_WHEN_DOWN),
        shard_channels_when_down: engine.config.bool(ids::CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN),
    }
}

fn core_config(engine: &Engine, port: u16, bus_port: u16) -> CoreConfig {
    let config = &engine.config;
    let or = |id, default: u16| match config.int(id) {
        0 => default,
        value => value as u16,
    };
    let mut core = CoreConfig::new(port, bus_port);
    core.announce = Announce {
        ip: config
            .string(ids::CLUSTER_ANNOUNCE_IP)
            .parse()
            .ok()
            .filter(|_| !config.string(ids::CLUSTER_ANNOUNCE_IP).is_empty()),
        port: or(ids::CLUSTER_ANNOUNCE_PORT, port),
        secondary_port: 0,
        bus_port: or(ids::CLUSTER_ANNOUNCE_BUS_PORT, bus_port),
        hostname: config.string(ids::CLUSTER_ANNOUNCE_HOSTNAME).to_string(),
        human_nodename: config.string(ids::CLUSTER_ANNOUNCE_HUMAN_NODENAME).to_string(),
    };
    core.node_timeout_ms = config.int(ids::CLUSTER_NODE_TIMEOUT);
    core.manual_failover_timeout_ms = config.int(ids::CLUSTER_MANUAL_FAILOVER_TIMEOUT);
    core.require_full_coverage = config.bool(ids::CLUSTER_REQUIRE_FULL_COVERAGE);
    core.allow_replica_migration = config.bool(ids::CLUSTER_ALLOW_REPLICA_MIGRATION);
    core.migration_barrier = config.int(ids::CLUSTER_MIGRATION_BARRIER) as usize;
    core.replica_no_failover = config.bool(ids::CLUSTER_REPLICA_NO_FAILOVER);
    core.replica_validity_factor = config.int(ids::CLUSTER_REPLICA_VALIDITY_FACTOR);
    core.replica_ping_period_ms = config.int(ids::REPL_PING_REPLICA_PERIOD) * 1000;
    core
}
