//! The driver of the cluster core: the only caller of [`gossip::Gossip`].
//!
//! Every input to the core goes through [`Cluster::with_core`]: it locks the core, passes it the input with the time of
//! the bus clock, and has the resulting effects performed in order ([`super::outbox`]). Ticks and packets come from
//! tasks on the control thread, which runs no client command and waits for no disk, so a long command never makes peers
//! believe that this node is dead. CLUSTER commands come from workers, and get their reply when their effects are
//! performed and saved.
//!
//! The bus clock starts at the wall clock and then only goes forward, because the core takes a jump of the clock for a
//! freeze.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use gossip::{Announce, Config as CoreConfig, Effect, Gossip, LinkId, View};
use parking_lot::Mutex;
use protocol::bus::NodeId;
use tokio::sync::Notify;

use super::background::Background;
use super::conf_file::{self, ConfStore};
use super::links::LinkOut;
use super::local_buses::LocalBuses;
use super::names::{Audiences, Endpoint};
use super::outbox::{Facts, Outbox, Step};
use super::resolve::Resolver;
use super::route::RoutePolicy;
use crate::config::{audience, ids};
use crate::engine::Engine;
use crate::runtime::routes::Routes;
use crate::runtime::threads::Spawner;

/// What the cluster asks of replication. Callable from any thread; none of it blocks.
pub(crate) trait DataLink: Send + Sync {
    /// Replicate from the node of this id, which is at this address, from now on. Does nothing if that is already the
    /// primary and the link is up.
    fn follow(&self, id: NodeId, host: &str, port: u16);
    /// Stop replicating, keep the data, begin a new history.
    fn promote(&self);
    /// The state of the data.
    fn state(&self) -> DataState;
    /// Sets a callback for every completed sync with a primary. It is called from any thread and under locks, so it
    /// must not wait.
    fn on_synced(&self, call: Box<dyn Fn() + Send + Sync>);
}

/// The state of a node's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DataState {
    /// Written (primary) or processed (replica).
    pub offset: u64,
    /// A sync with the primary that was last set was completed.
    pub synced: bool,
    /// Milliseconds since anything last came from the primary; `None`: never.
    pub silent_ms: Option<i64>,
}

/// The ports of a node, and the other nodes of its process.
#[derive(Clone, Default)]
pub(crate) struct Place {
    /// The port that clients reach the node at.
    pub port: u16,
    /// The port of the bus.
    pub bus_port: u16,
    /// The buses of the other nodes of the process.
    pub buses: Arc<LocalBuses>,
}

/// The cluster side of one node.
pub(crate) struct Cluster {
    me: Weak<Cluster>,
    pub(super) engine: Arc<Engine>,
    pub(super) data: Arc<dyn DataLink>,
    pub(super) control: Spawner,
    pub(super) core: Mutex<Gossip>,
    /// Effects of inputs that wait for nodes.conf.
    pub(super) outbox: Outbox,
    pub(super) view: ArcSwap<View>,
    /// The published view lacks details that routing does not need; it is rebuilt when it is read.
    pub(super) view_is_stale: AtomicBool,
    pub(super) policy: ArcSwap<RoutePolicy>,
    pub(super) serve_until: AtomicI64,
    /// The primary that replication was told to follow.
    pub(super) following: Mutex<Option<NodeId>>,
    pub(super) links: Mutex<BTreeMap<LinkId, LinkOut>>,
    /// Start of the bus clock: Unix milliseconds, and the monotonic clock then.
    clock_start: (i64, u64),
    /// When the timer task will run next, on the bus clock.
    armed_until: AtomicI64,
    rearm: Notify,
    pub(super) stopped: AtomicBool,
    /// Batches of changes by transactions: those noted by the core, and those that are saved and published.
    pub(super) batches: AtomicU64,
    pub(super) batches_done: AtomicU64,
    /// Work for a thread that may wait.
    pub(super) background: Background,
    /// A reset requires that the data set is dropped.
    pub(super) flush_due: AtomicBool,
    /// Resolves names of peers that do not announce addresses.
    pub(super) names: Resolver,
    /// Peers of the same process.
    pub(super) buses: Arc<LocalBuses>,
    /// The port that clients reach this node at; CONFIG SET moves it.
    pub(super) port: AtomicU16,
    pub(super) bus_port: u16,
}

impl Cluster {
    /// A cluster node from the text of nodes.conf (empty: a new node).
    ///
    /// # Errors
    /// The file is damaged; it is left as it is.
    pub(crate) fn new(
        engine: Arc<Engine>,
        data: Arc<dyn DataLink>,
        control: Spawner,
        conf: Box<dyn ConfStore>,
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
        core.note_data(engine.keyspace.has_keys(), clock_start.0);
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
            outbox: Outbox::new(conf),
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
            batches: AtomicU64::new(0),
            batches_done: AtomicU64::new(0),
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

    /// Starts the timer. Its first action is a save, so that a new node's id survives a crash.
    pub(crate) fn start(self: &Arc<Self>) {
        self.save_first();
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
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.rearm.notify_one();
        self.outbox.stop();
        self.links.lock().clear();
    }

    /// The bus clock: Unix milliseconds at start, then only forward.
    pub(crate) fn bus_now(&self) -> i64 {
        let (wall, monotonic) = self.clock_start;
        wall + (self.engine.clock.monotonic_us().saturating_sub(monotonic) / 1000) as i64
    }

    /// Passes the core an input, and performs the resulting effects. Effects that depend on a save which is not on disk
    /// yet are performed later, without the caller.
    pub(crate) fn with_core<R>(self: &Arc<Self>, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        let mut core = self.core.lock();
        let result = input(&mut core, self.bus_now());
        let steps = self.steps(&mut core);
        self.perform_all(steps);
        let next = core.next_timeout();
        drop(core);
        if next < self.armed_until.swap(next, Ordering::Relaxed) {
            self.rearm.notify_one();
        }
        result
    }

    /// The effects of an input, in order.
    fn steps(&self, core: &mut Gossip) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut view_changed, mut published) = (false, false);
        while let Some(effect) = core.poll_effect() {
            // Commands released by such an effect (a write that was held back, a blocked client) must find the new
            // view: with the old one, a primary that was just replaced would acknowledge a write that its successor
            // does not have.
            if !published && sets_going(&effect) {
                steps.push(Step::Publish(Arc::new(self.take_view(core))));
                published = true;
            }
            view_changed |= matches!(effect, Effect::StateChanged { .. } | Effect::ViewChanged);
            steps.push(Step::Effect(effect));
        }
        if view_changed && !published {
            steps.push(Step::Publish(Arc::new(self.take_view(core))));
        } else if core.take_details_change() {
            self.view_is_stale.store(true, Ordering::Release);
        }
        steps.push(Step::Facts(Facts {
            serve_until: core.serve_until_ms(),
            withholding: !core.feeds_replicas(),
            batches: self.batches.load(Ordering::Acquire),
        }));
        steps
    }

    /// A view with all changes so far, to be published.
    pub(super) fn take_view(&self, core: &mut Gossip) -> View {
        core.take_details_change();
        self.view_is_stale.store(false, Ordering::Release);
        core.view()
    }

    pub(super) fn publish(&self, view: Arc<View>) {
        self.view.store(view);
    }

    /// Called at the end of an input, when all its effects have been performed.
    pub(super) fn settle_facts(&self, facts: Facts) {
        self.serve_until.store(facts.serve_until, Ordering::Release);
        self.engine.state.withholding.store(facts.withholding, Ordering::Release);
        self.batches_done.store(facts.batches, Ordering::Release);
    }

    /// As [`Cluster::with_core`], for inputs whose packets report the replication offset: elections and restarted
    /// primaries depend on it.
    pub(super) fn with_facts<R>(self: &Arc<Self>, input: impl FnOnce(&mut Gossip, i64) -> R) -> R {
        let facts = self.replication_facts();
        self.with_core(|core, now| {
            core.set_replication(facts, now);
            input(core, now)
        })
    }

    fn tick(self: &Arc<Self>) {
        self.start_background();
        let has_data = self.engine.keyspace.has_keys();
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

    /// The published view: cheap, at most one input old, with older times. Not for code that performs effects: this may
    /// take the core's lock.
    pub(crate) fn view(&self) -> Arc<View> {
        if self.view_is_stale.load(Ordering::Acquire) {
            self.publish_details(&mut self.core.lock());
        }
        self.view.load_full()
    }

    /// A view with current times, for CLUSTER NODES and the like. While a save is pending, it is the view that workers
    /// route by: what is not on disk must not be shown.
    pub(crate) fn fresh_view(&self) -> View {
        let core = self.core.lock();
        if self.outbox.is_held() {
            return (**self.view.load()).clone();
        }
        core.view()
    }

    /// The id of this node and of its primary, without a view.
    pub(crate) fn identity(&self) -> (NodeId, Option<NodeId>) {
        let core = self.core.lock();
        (core.my_id(), core.my_primary())
    }

    /// How nodes are named for clients.
    pub(crate) fn policy(&self) -> Arc<RoutePolicy> {
        self.policy.load_full()
    }

    pub(super) fn me(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Bytes that wait in the core for links which are not up yet.
    pub(super) fn unconnected_bytes(&self) -> usize {
        self.core.lock().queued_bytes()
    }

    /// Bytes that wait on each link.
    pub(crate) fn queued_bytes(&self) -> BTreeMap<LinkId, usize> {
        self.links.lock().iter().map(|(id, out)| (*id, out.queued_bytes())).collect()
    }

    /// The port of the bus.
    pub(crate) fn bus_port(&self) -> u16 {
        self.bus_port
    }
}

/// Whether clients notice this effect at once. A promotion is not such an effect: until it has been performed, writes
/// are refused anyway.
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

pub(super) fn route_policy(engine: &Engine) -> RoutePolicy {
    let endpoint = match engine.config.choice(ids::CLUSTER_PREFERRED_ENDPOINT_TYPE) {
        "hostname" => Endpoint::Hostname,
        "unknown-endpoint" => Endpoint::Unknown,
        _ => Endpoint::Ip,
    };
    let rules = audience::parse(&engine.config.string(ids::ANNOUNCE_CLIENT)).unwrap_or_default();
    let routes = if rules.is_empty() { Routes::default() } else { Routes::read() };
    RoutePolicy {
        endpoint,
        audiences: Audiences::new(rules, routes),
        reads_when_down: engine.config.bool(ids::CLUSTER_ALLOW_READS_WHEN_DOWN),
        shard_channels_when_down: engine.config.bool(ids::CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN),
    }
}

pub(super) fn core_config(engine: &Engine, port: u16, bus_port: u16) -> CoreConfig {
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
