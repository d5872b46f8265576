//! A node: everything wired together, started and stopped in order.
//!
//! The order of a start: registry, engine, nodes.conf, subsystems, data from disk, cluster, role, listeners. Nothing is
//! static: a process holds any number of nodes, which share its [`Threads`]. All tasks of a node belong to its group
//! ([`crate::runtime::task_group`]). So a node stops in one step: the group ends, each task is dropped with everything
//! it holds, sockets included. An orderly shutdown ([`Node::shutdown`]) comes before that and takes care of the node's
//! data.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use protocol::bus::NodeId;
use protocol::slot::SlotBitmap;
use tokio::sync::watch;

use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::clients;
use crate::cluster::conf_file::{self, ConfFile, ConfFileError};
use crate::cluster::{self, Cluster, DataLink, Listener, LocalBuses, Place};
use crate::config::{Config, ids, os_reason};
use crate::engine::handler::{Service, Subsystem};
use crate::engine::info::InfoSource;
use crate::engine::ports::{Disk, Feed, Router};
use crate::engine::registry::{Registry, Table};
use crate::engine::{Engine, scripts, transaction};
use crate::logging::{Level, NodeLog, Role as LogRole};
use crate::net::listening::{BindError, Listening, Sockets};
use crate::ops::shutdown::{ShutdownFlags, Verdict};
use crate::ops::{self, Ops};
use crate::persistence::snapshot::StreamPosition;
use crate::persistence::{self, Persistence};
use crate::replication::{self, Replication};
use crate::runtime::descriptors::{Descriptors, TooFew};
use crate::runtime::share::OwnMemory;
use crate::runtime::task_group::Phase;
use crate::runtime::threads::Threads;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system allows too few open files.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// An address for clients could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An address of the cluster bus could not be bound.
    #[error("{problem}")]
    Bus {
        /// The node's port for clients.
        clients: u16,
        /// The address of the bus.
        problem: BindError,
    },
    /// The port of the cluster bus would be beyond the last port.
    #[error(
        "Redis port number too high for cluster mode. If cluster-port is not set, the port must be at most 55535, but it is {0}"
    )]
    BusPort(u16),
    /// nodes.conf is used by another node, or cannot be opened.
    #[error(transparent)]
    ConfFile(#[from] ConfFileError),
    /// nodes.conf is damaged; it is left as it is.
    #[error("Unrecoverable error: corrupted cluster config file {path}: {problem}")]
    DamagedConf { path: String, problem: gossip::NodesConfError },
    /// The data on disk cannot be loaded.
    #[error("Fatal error loading the DB from {}: {problem}", path.display())]
    Load { path: PathBuf, problem: persistence::rdb_loader::LoadError },
    /// Another system error.
    #[error("{what}: {}", os_reason(.error))]
    System { what: &'static str, error: io::Error },
}

/// How long an ending node waits for tasks and threads that are in the middle of a turn; they stop at its end.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// A running node. Dropping it ends it as [`Node::end`] does.
pub(crate) struct Node {
    engine: Arc<Engine>,
    persistence: Arc<Persistence>,
    cluster: Option<Arc<Cluster>>,
    replication: Arc<Replication>,
    ops: Arc<Ops>,
    listening: Option<Arc<Listening>>,
    port: u16,
    stop: watch::Sender<bool>,
    /// [`Node::end`] was called.
    ended: AtomicBool,
    /// The process's threads, which this node uses but does not own.
    pool: Weak<Threads>,
    /// The same threads, for tasks of this node's group. Subsystems hold them weakly.
    _threads: Arc<Threads>,
}

/// The signals that ask a node to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
}

impl std::fmt::Display for StopSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Every command of the server. The nodes of a process share them.
pub(crate) fn commands() -> Arc<Registry> {
    let data = crate::commands::keyed().into_iter().map(Table::Keyed);
    let mut tables: Vec<Table> = data.chain(crate::commands::keyspace().into_iter().map(Table::Keyspace)).collect();
    tables.extend([
        Table::Session(clients::connection::COMMANDS),
        Table::Session(transaction::COMMANDS),
        Table::Session(scripts::commands::COMMANDS),
        Table::Session(scripts::function_commands::COMMANDS),
        Table::Session(clients::pubsub::COMMANDS),
        Table::Session(clients::monitor::COMMANDS),
        Table::Session(ops::config::COMMANDS),
        Table::Session(cluster::migrate::COMMANDS),
        Table::Service(Subsystem::Persistence, persistence::commands::specs()),
        Table::Service(Subsystem::Cluster, cluster::commands::specs()),
        Table::Session(clients::client::COMMANDS),
        Table::Session(clients::tracking::COMMANDS),
        Table::Session(ops::introspect::commands::COMMANDS),
        Table::Service(Subsystem::Replication, replication::commands::specs()),
        Table::Session(ops::info::COMMANDS),
        Table::Session(ops::memory::COMMANDS),
        Table::Session(ops::latency::COMMANDS),
        Table::Keyed(ops::memory::KEYED),
        Table::Service(Subsystem::Ops, ops::commands::specs()),
    ]);
    Arc::new(Registry::new(tables))
}

/// What a node needs for its start besides its configuration.
pub(crate) struct Environment {
    pub threads: Arc<Threads>,
    pub clock: Arc<dyn Clock>,
    pub log: NodeLog,
    /// The node's directory is removed with the process, so its files need not survive a power failure.
    pub ephemeral: bool,
    /// The buses of the cluster's nodes in this process.
    pub buses: Arc<LocalBuses>,
    /// What [`commands`] made.
    pub registry: Arc<Registry>,
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub(crate) fn start(environment: &Environment, config: Config) -> Result<Self, StartError> {
        let Environment { threads: pool, clock, log, ephemeral, buses, registry } = environment;
        let seed = Rng::os_seed().map_err(|error| StartError::System { what: "Reading a random seed", error })?;
        let (stop, stopped) = watch::channel(false);
        let engine = Engine::new(registry.clone(), config, clock.clone(), pool.workers(), seed, log.clone());
        let threads = &pool.of_group(&engine.state.tasks);
        follow_directives(&engine);
        fit_clients(&engine, threads.descriptors())?;
        let clients = Sockets::bind(&engine, engine.config.int(ids::PORT) as u16)?;
        let saved = if engine.config.bool(ids::CLUSTER_ENABLED) {
            Some(Saved::open(&engine, clients.port, !ephemeral, buses)?)
        } else {
            None
        };
        // For commands that read the port, and for CONFIG SET bind: the port that the system chose.
        engine
            .config
            .record(ids::PORT, &clients.port.to_string())
            .map_err(|text| StartError::System { what: "Noting the port", error: io::Error::other(text) })?;
        let persistence = Persistence::new(engine.clone());
        let service: Arc<dyn Service> = persistence.clone();
        engine.set_service(Subsystem::Persistence, Arc::downgrade(&service));
        let disk: Arc<dyn Disk> = persistence.clone();
        engine.set_disk(Arc::downgrade(&disk));
        let replication = Replication::new(engine.clone(), persistence.clone(), threads);
        let service: Arc<dyn Service> = replication.clone();
        engine.set_service(Subsystem::Replication, Arc::downgrade(&service));
        let feed: Arc<dyn Feed> = replication.clone();
        engine.set_feed(Arc::downgrade(&feed));
        let position: Arc<dyn StreamPosition> = replication.clone();
        persistence.snapshots.set_position(Arc::downgrade(&position));
        for source in [persistence.clone() as Arc<dyn InfoSource>, replication.clone()] {
            engine.info.add_source(Arc::downgrade(&source));
        }
        let ops = Ops::new(engine.clone(), persistence.clone(), replication.clone());
        let service: Arc<dyn Service> = ops.clone();
        engine.set_service(Subsystem::Ops, Arc::downgrade(&service));
        let mut node = Self {
            engine,
            persistence,
            replication,
            ops,
            cluster: None,
            listening: None,
            port: clients.port,
            stop,
            ended: AtomicBool::new(false),
            pool: Arc::downgrade(pool),
            _threads: threads.clone(),
        };
        node.share_memory(threads);
        let replica = node.engine.state.is_replica() || saved.as_ref().is_some_and(|saved| saved.replica);
        node.persistence
            .load(replica)
            .map_err(|problem| StartError::Load { path: node.persistence.path(), problem })?;
        node.replication.start(node.port);
        if let Some(saved) = saved {
            node.join_cluster(threads, saved, buses, &stopped)?;
        }
        node.replication.wait_for_role();
        node.persistence.start(threads.control());
        node.ops.start(threads.control());
        let listening = Listening::start(&node.engine, threads, clients, stopped);
        node.follow_port(&listening);
        node.listening = Some(listening);
        if !node.engine.state.is_replica() {
            log.set_role(LogRole::Primary);
        }
        Ok(node)
    }

    /// Takes the node's part of the process's memory.
    fn share_memory(&self, threads: &Threads) {
        let node: Arc<dyn OwnMemory> = self.engine.clone();
        self.engine.info.join(threads.memory(), Arc::downgrade(&node));
        self.engine.info.note_started(self.port);
    }

    /// Moves the listeners when CONFIG SET changes `port` or `bind`.
    fn follow_port(&self, listening: &Arc<Listening>) {
        let listening = Arc::downgrade(listening);
        let (engine, replication) = (Arc::downgrade(&self.engine), Arc::downgrade(&self.replication));
        let cluster = self.cluster.as_ref().map(Arc::downgrade);
        self.engine.config.on_change(&[ids::PORT, ids::BIND], move |_, changed| {
            let (Some(listening), Some(engine)) = (listening.upgrade(), engine.upgrade()) else { return Ok(()) };
            let port = listening.rebind(&engine).map_err(|problem| {
                engine.log.warning(format_args!("Warning: {problem}"));
                // Redis: `updatePort` and `applyBind`.
                let text = if changed == ids::PORT {
                    "Unable to listen on this port. Check server logs."
                } else {
                    "Failed to bind to specified addresses."
                };
                text.to_owned()
            })?;
            engine.info.note_port(port);
            if let Some(replication) = replication.upgrade() {
                replication.note_port(port);
            }
            if let Some(cluster) = cluster.as_ref().and_then(Weak::upgrade) {
                cluster.note_port(port);
            }
            Ok(())
        });
    }

    /// The engine, for the owner of an embedded node.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The data on disk.
    pub(crate) fn persistence(&self) -> &Arc<Persistence> {
        &self.persistence
    }

    /// The cluster side, if cluster mode is on.
    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// The port for clients.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn join_cluster(
        &mut self,
        threads: &Arc<Threads>,
        saved: Saved,
        buses: &Arc<LocalBuses>,
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let engine = &self.engine;
        let Saved { file, text, bus, local, .. } = saved;
        let data: Arc<dyn DataLink> = self.data_link();
        let place = Place { port: self.port, bus_port: bus.port, buses: buses.clone() };
        let cluster = Cluster::new(engine.clone(), data, threads.control().clone(), Box::new(file), &text, place)
            .map_err(|problem| damaged(engine, problem))?;
        let router: Arc<dyn Router> = cluster.clone();
        engine.set_router(Arc::downgrade(&router));
        let service: Arc<dyn Service> = cluster.clone();
        engine.set_service(Subsystem::Cluster, Arc::downgrade(&service));
        let source: Arc<dyn InfoSource> = cluster.clone();
        engine.info.add_source(Arc::downgrade(&source));
        let this = cluster.clone();
        threads.control().spawn(move |_| this.accept_local(local));
        for socket in bus.sockets {
            let (cluster, mut stopped) = (cluster.clone(), stopped.clone());
            threads.control().spawn(move |_| async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
                tokio::select! {
                    () = cluster.accept_bus(listener) => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            });
        }
        let keyspace = &engine.keyspace;
        let populated: SlotBitmap = keyspace.used().flat_map(|db| keyspace.occupied(db)).collect();
        if !populated.is_empty() {
            cluster.with_core(|core, now| core.adopt_loaded_slots(&populated, now));
        }
        cluster.start();
        self.ops.set_cluster(&cluster);
        self.cluster = Some(cluster);
        Ok(())
    }

    /// Whether this replica's link to its primary is up and its data in sync.
    pub(crate) fn replica_online(&self) -> bool {
        !self.engine.state.is_replica() || self.replication.link_up()
    }

    /// Prepares the node for its end, as `shutdown-on-sigint` or `shutdown-on-sigterm` says: by default replicas catch
    /// up, and data is saved if there are save points. From then on no write gets a reply, so all acknowledged writes
    /// are there after the next start. The node goes on serving until it is dropped, or until SHUTDOWN ABORT.
    pub(crate) fn shutdown(&self, signal: StopSignal) -> Verdict {
        let directive = match signal {
            StopSignal::Interrupt => ids::SHUTDOWN_ON_SIGINT,
            StopSignal::Terminate => ids::SHUTDOWN_ON_SIGTERM,
        };
        let flags = ShutdownFlags::from_bits(self.engine.config.int(directive));
        self.ops.shutdown(flags, false)
    }

    /// The first half of [`Node::end`], which waits for nothing: from now on this node runs no more, but for what is in
    /// the middle of a turn. Nodes that end together are all halted before the first is ended; otherwise those that are
    /// left look for those that are gone, and elect others in their places.
    pub(crate) fn halt(&self) {
        let state = &self.engine.state;
        state.stopping.store(true, Ordering::SeqCst);
        state.tasks.end();
    }

    /// Ends everything that runs for this node, at once, like a killed process: nothing more is saved or sent, sockets
    /// are closed, and the ports can be bound again when this returns. An ended node cannot be resumed.
    ///
    /// Must not be called on one of the threads that nodes run on: it waits until the node's tasks are gone.
    pub(crate) fn end(&self) {
        if self.ended.swap(true, Ordering::SeqCst) {
            return;
        }
        self.halt();
        // Receivers may be gone already: then there is nothing to stop.
        let _ = self.stop.send(true);
        self.replication.stop();
        self.persistence.stop();
        if let Some(cluster) = &self.cluster {
            cluster.stop();
        }
        if let Some(listening) = &self.listening {
            listening.close();
        }
        let tasks = &self.engine.state.tasks;
        if !tasks.wait_empty(END_PATIENCE) {
            let left = tasks.len();
            self.engine
                .log
                .warning(format_args!("{left} tasks of this node are still in a turn after {END_PATIENCE:?}"));
        }
    }

    /// Stops everything of this node until [`Node::resume`], as SIGSTOP would: clients, bus, replication, timers. Its
    /// sockets stay open, and the kernel goes on accepting connections and data for them.
    ///
    /// Must not be called on one of the threads that nodes run on: it waits until everything under way has finished.
    pub(crate) fn pause(&self) {
        self.engine.state.tasks.hold();
        if let Some(pool) = self.pool.upgrade() {
            pool.settle();
        }
        if let Some(cluster) = &self.cluster {
            cluster.settle();
        }
    }

    /// Ends [`Node::pause`].
    pub(crate) fn resume(&self) {
        self.engine.state.tasks.resume();
    }

    /// Whether the node is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.engine.state.tasks.phase() == Phase::Held
    }

    /// The operator's side: SHUTDOWN, DEBUG, and orders to the other nodes of the process.
    pub(crate) fn ops(&self) -> &Arc<Ops> {
        &self.ops
    }

    fn data_link(&self) -> Arc<dyn DataLink> {
        Arc::new(Data(self.replication.clone()))
    }
}

/// nodes.conf of a cluster node and the sockets of its bus, opened before anything else. The file says in which role
/// data is loaded; and a node that may not use it, or cannot have its port, should fail before it has read gigabytes.
struct Saved {
    file: ConfFile,
    text: Vec<u8>,
    bus: Sockets,
    /// Nodes of the same process that connect while the data is loaded wait here, as others wait in the sockets.
    local: Listener,
    /// The node was a replica.
    replica: bool,
}

impl Saved {
    fn open(engine: &Engine, port: u16, durable: bool, buses: &Arc<LocalBuses>) -> Result<Self, StartError> {
        let (mut file, text) = ConfFile::open(&engine.config.path(ids::CLUSTER_CONFIG_FILE), durable)?;
        let replica = conf_file::is_of_replica(&text).map_err(|problem| damaged(engine, problem))?;
        file.prove_writable(&text)?;
        let bus = Sockets::bind(engine, bus_port(engine, port)?)
            .map_err(|problem| StartError::Bus { clients: port, problem })?;
        let addresses: Vec<_> = bus.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
        let local = buses.listen(&addresses, engine.config.int(ids::TCP_BACKLOG) as usize);
        Ok(Self { file, text, bus, local, replica })
    }
}

fn damaged(engine: &Engine, problem: gossip::NodesConfError) -> StartError {
    StartError::DamagedConf { path: engine.config.path(ids::CLUSTER_CONFIG_FILE).display().to_string(), problem }
}

/// The cluster's view of replication.
struct Data(Arc<Replication>);

impl DataLink for Data {
    fn follow(&self, id: NodeId, host: &str, port: u16) {
        self.0.follow_node(&id.to_string(), host, port);
    }

    fn promote(&self) {
        self.0.promote();
    }

    fn state(&self) -> cluster::DataState {
        let position = self.0.position();
        let offset = u64::try_from(position.offset).unwrap_or(0);
        cluster::DataState { offset, synced: position.synced, silent_ms: position.silent_ms }
    }

    fn on_synced(&self, call: Box<dyn Fn() + Send + Sync>) {
        self.0.on_synced(call);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// Fits `maxclients` to the available file descriptors, now and when it is changed.
fn fit_clients(engine: &Arc<Engine>, descriptors: &Arc<Descriptors>) -> Result<(), TooFew> {
    let max_clients = |engine: &Engine| engine.config.int(ids::MAXCLIENTS) as u64;
    let clustered = engine.config.bool(ids::CLUSTER_ENABLED);
    let (claim, fewer) = descriptors.fit(max_clients(engine), clustered, &engine.log)?;
    if let Some(clients) = fewer {
        engine.config.record(ids::MAXCLIENTS, &clients.to_string()).expect("a number of clients below the wanted one");
        engine.reload_hot();
    }
    engine.clients.descriptors.get_or_init(|| claim);
    let (weak, descriptors) = (Arc::downgrade(engine), descriptors.clone());
    engine.config.on_change(&[ids::MAXCLIENTS], move |_, _| match weak.upgrade() {
        Some(engine) => descriptors.refit(engine.clients.descriptors.get(), max_clients(&engine), &engine.log),
        None => Ok(()),
    });
    Ok(())
}

/// Has what depends on directives follow them.
fn follow_directives(engine: &Arc<Engine>) {
    keep_hot(engine);
    follow_max_memory(engine);
    follow_level(engine);
}

/// Rebuilds the hot path's snapshot whenever one of its directives changes.
fn keep_hot(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    engine.config.on_change(crate::engine::hot::DIRECTIVES, move |_, _| {
        if let Some(engine) = weak.upgrade() {
            engine.reload_hot();
        }
        Ok(())
    });
}

/// Begins to make room when CONFIG SET lowers `maxmemory`, and says what follows from that (Redis: `updateMaxmemory`).
fn follow_max_memory(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    engine.config.on_change(&[ids::MAXMEMORY], move |config, _| {
        let Some(engine) = weak.upgrade() else { return Ok(()) };
        let (limit, used) = (config.memory(ids::MAXMEMORY), engine.limited_memory());
        if limit != 0 && limit < used {
            engine.log.warning(format_args!(
                "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
                 ({used}). This will result in key eviction and/or the inability to accept new write commands depending \
                 on the maxmemory-policy."
            ));
        }
        engine.eviction.begin();
        Ok(())
    });
}

/// Sets the log level from the directive, now and after each change.
fn follow_level(engine: &Arc<Engine>) {
    let log = engine.log.clone();
    let follow = move |config: &Config| log.set_level(Level::from_number(config.int(ids::LOGLEVEL)));
    follow(&engine.config);
    engine.config.on_change(&[ids::LOGLEVEL], move |config, _| {
        follow(config);
        Ok(())
    });
}

/// The port of the cluster bus: `cluster-port`, or 10,000 above the client port, or any if the client port is any.
fn bus_port(engine: &Engine, port: u16) -> Result<u16, StartError> {
    if engine.config.int(ids::CLUSTER_PORT) != 0 {
        return Ok(engine.config.int(ids::CLUSTER_PORT) as u16);
    }
    if engine.config.int(ids::PORT) == 0 {
        return Ok(0);
    }
    u16::try_from(i64::from(port) + cluster::BUS_PORT_OFFSET).map_err(|_| StartError::BusPort(port))
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
