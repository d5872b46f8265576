//! One node's place in the process: what it is started with, and the node while it runs.
//!
//! A place outlives its node. While the node is down, bound sockets that do not listen keep its ports from others:
//! connections are refused, as by a process that has ended, and the node can come back at the same address.
//!
//! Invariants: one order at a time is carried out for a place. Each life of a node has a number, so that late news of
//! one life does not end a later one.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use socket2::Socket;

use super::facts::{NodeInfo, NodeState};
use super::pause::Pause;
use super::reach::Reach;
use super::{ClusterError, HOST, Options};
use crate::base::clock::SystemClock;
use crate::cluster::{Cluster as Core, LocalBuses};
use crate::config::file::Sources;
use crate::config::{Config, ids};
use crate::engine::registry::Registry;
use crate::logging::{self, NodeLog};
use crate::net::listening;
use crate::node::{Environment, Node};
use crate::runtime::threads::Threads;

/// A node's place in the process.
pub(super) struct Member {
    index: usize,
    dir: PathBuf,
    /// Where clients find it.
    host: IpAddr,
    /// Lines of configuration.
    directives: Vec<u8>,
    /// The requested port; 0 is any.
    port: u16,
    /// The working directory when the cluster was made.
    here: Option<PathBuf>,
    /// The directory is temporary.
    ephemeral: bool,
    /// Held while an order is carried out.
    operating: Mutex<()>,
    life: Mutex<Life>,
    /// A node that is down is about to come back.
    pub(super) returning: AtomicBool,
    pub(super) pause: Arc<Pause>,
}

/// The present state of the place.
#[derive(Default)]
struct Life {
    node: Option<Arc<Node>>,
    /// Raised with every start.
    number: u64,
    /// Where the node is, or was last.
    address: Option<Address>,
    /// Keeps the ports while the node is down.
    kept: Vec<Socket>,
    /// The cluster is gone: no node is started any more.
    closed: bool,
}

/// Where a node is reached, and its id.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub id: String,
    pub port: u16,
    pub bus_port: u16,
}

impl Member {
    /// The place of node number `index`, empty.
    pub(super) fn new(options: &Options, reach: &Reach, dir: &Path, index: usize) -> Self {
        let mut directives = format!("cluster-enabled yes\nbind {HOST}\nrepl-diskless-sync-delay 0\n").into_bytes();
        if options.dir.is_none() {
            directives.extend_from_slice(b"save \"\"\n");
        }
        if reach.local {
            directives.extend_from_slice(b"enable-test-commands yes\n");
        }
        directives.extend_from_slice(reach.directives().as_bytes());
        directives.extend_from_slice(&options.directives);
        Self {
            index,
            dir: dir.join(format!("node-{index}")),
            host: reach.shown,
            directives,
            here: super::options::here(),
            ephemeral: options.dir.is_none(),
            // `Options::check`: there is such a port.
            port: if options.port == 0 { 0 } else { options.port.saturating_add(index as u16) },
            operating: Mutex::new(()),
            life: Mutex::default(),
            returning: AtomicBool::new(false),
            pause: Arc::default(),
        }
    }

    /// Held by the caller while it carries out an order.
    pub(super) fn operate(&self) -> MutexGuard<'_, ()> {
        self.operating.lock()
    }

    /// Uses these ports for the first start instead of those that follow from the options.
    pub(super) fn reserve(&self, ports: (u16, u16), kept: Vec<Socket>) {
        let mut life = self.life.lock();
        life.address = Some(Address { id: String::new(), port: ports.0, bus_port: ports.1 });
        life.kept = kept;
    }

    /// Its number in the process.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Where its files are.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The port that the options request; `None`: any.
    pub(super) fn wanted_port(&self) -> Option<u16> {
        (self.port != 0).then_some(self.port)
    }

    /// The configuration that the node is started with. This creates nothing on disk.
    pub(super) fn config(&self) -> Result<Config, ClusterError> {
        let mut text = self.directives.clone();
        let known = self.life.lock().address.clone();
        text.extend_from_slice(format!("\nport {}\n", known.as_ref().map_or(self.port, |at| at.port)).as_bytes());
        if let Some(at) = known.filter(|_| self.port == 0) {
            text.extend_from_slice(format!("cluster-port {}\n", at.bus_port).as_bytes());
        }
        let config = Config::new(&self.dir);
        config.load_values(&Sources { options: text, here: self.here.clone(), ..Sources::default() })?;
        Ok(config)
    }

    /// Starts the node, at its previous address if it had one. Returns the node and the number of its life.
    pub(super) fn start(
        &self,
        threads: &Arc<Threads>,
        buses: &Arc<LocalBuses>,
        registry: &Arc<Registry>,
    ) -> Result<(Arc<Node>, u64), ClusterError> {
        let what = format!("node-{}: its directory {} cannot be made", self.index, self.dir.display());
        std::fs::create_dir_all(&self.dir).map_err(ClusterError::system(what))?;
        let config = self.config()?;
        let logfile = (!config.bytes(ids::LOGFILE).is_empty()).then(|| config.path(ids::LOGFILE));
        if let Some(path) = &logfile {
            let what = format!("node-{}: its logfile {} cannot be opened", self.index, path.display());
            logging::open(path).map_err(ClusterError::system(what))?;
        }
        let environment = Environment {
            threads: threads.clone(),
            clock: Arc::new(SystemClock::new()),
            log: NodeLog::to_file(Some(format!("node-{}", self.index)), logfile),
            ephemeral: self.ephemeral,
            buses: buses.clone(),
            registry: registry.clone(),
        };
        let failed = |problem| ClusterError::Start { node: self.index, problem };
        let node = Arc::new(Node::start(&environment, config).map_err(failed)?);
        let mut life = self.life.lock();
        if life.closed {
            drop(life);
            node.end();
            return Err(ClusterError::Closed);
        }
        life.number += 1;
        life.kept.clear();
        life.address = node.cluster().map(|core| Address {
            id: core.view().myself().id.to_string(),
            port: node.port(),
            bus_port: core.bus_port(),
        });
        life.node = Some(node.clone());
        Ok((node, life.number))
    }

    /// Halts the node, if it runs, as the first part of its end.
    pub(super) fn halt(&self) {
        if let Some(node) = self.node() {
            node.halt();
        }
    }

    /// Ends the node at once, if it runs and, if a number is given, if this is its life. `false`: it did not run.
    pub(super) fn end(&self, number: Option<u64>) -> bool {
        let node = {
            let mut life = self.life.lock();
            if number.is_some_and(|number| number != life.number) {
                return false;
            }
            let Some(node) = life.node.take() else { return false };
            node
        };
        self.pause.call_off();
        node.end();
        let mut life = self.life.lock();
        if let Some(at) = life.address.clone().filter(|_| !life.closed) {
            let names = node.engine().config.bind_addresses();
            // If another process takes a port first, the next start fails and says so.
            life.kept = [at.port, at.bus_port].iter().flat_map(|port| listening::keep_port(&names, *port)).collect();
        }
        true
    }

    /// Ends the node; it cannot be started any more.
    pub(super) fn close(&self) {
        let node = {
            let mut life = self.life.lock();
            life.closed = true;
            life.kept.clear();
            life.node.take()
        };
        self.pause.call_off();
        if let Some(node) = node {
            node.end();
        }
    }

    /// The node, if it runs.
    pub(super) fn node(&self) -> Option<Arc<Node>> {
        self.life.lock().node.clone()
    }

    /// Where the node is, or was last.
    pub(super) fn address(&self) -> Option<Address> {
        self.life.lock().address.clone()
    }

    /// The cluster side of the node, if it runs.
    pub(super) fn core(&self) -> Option<Arc<Core>> {
        self.node().and_then(|node| node.cluster().cloned())
    }

    /// The description of the node, if it runs.
    pub(super) fn info(&self) -> Option<NodeInfo> {
        let node = self.node()?;
        node.cluster().map(|core| NodeInfo::of(core, self.host, node.port()))
    }

    pub(super) fn state(&self) -> NodeState {
        match self.node() {
            Some(node) if node.is_paused() => NodeState::Paused,
            Some(_) => NodeState::Running,
            None => NodeState::Down,
        }
    }

    /// What keeps the node from being ready, as far as it knows, in one line.
    pub(super) fn report(&self, nodes: usize) -> String {
        let name = format!("node-{}", self.index);
        let Some((node, core)) = self.node().and_then(|node| node.cluster().cloned().map(|core| (node, core))) else {
            return format!("{name}: down");
        };
        let view = core.view();
        let mut line = format!(
            "{name} {}: {}, cluster_state:{}, knows {} of {nodes} nodes",
            SocketAddr::new(self.host, node.port()),
            if view.myself().is_primary() { "primary" } else { "replica" },
            if view.ok { "ok" } else { "fail" },
            view.nodes.len(),
        );
        if !node.replica_online() {
            line.push_str(", link to its primary down");
        }
        if let Some(warning) = node.engine().log.last_warning() {
            line.push_str("; last warning: ");
            line.push_str(&warning);
        }
        line
    }

    /// Whether the node is down and not about to be started.
    pub(super) fn is_gone(&self) -> bool {
        // In this order: a start clears the mark only when the node is there.
        !self.returning.load(Ordering::SeqCst) && self.node().is_none()
    }

    /// Whether the node runs and is not a replica that lacks data.
    pub(super) fn replica_online(&self) -> bool {
        self.node().is_some_and(|node| node.replica_online())
    }
}
