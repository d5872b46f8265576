//! A whole cluster in one process: what `slotd cluster` runs, as a library call.
//!
//! Every node has its own sockets, bus, data and directory, and talks to the others over real connections: nothing is
//! simulated. The nodes are introduced to each other directly, all to all, so that forming takes a few round trips instead of
//! rounds of gossip. Ready means that every node says `cluster_state:ok` and every replica is online.
//!
//! ```no_run
//! use slotd::embedded::{Cluster, Options};
//!
//! let cluster = Cluster::start(Options { shards: 3, replicas: 1, port: 0, ..Options::default() })?;
//! for node in cluster.nodes() {
//!     println!("{} at {}", node.role, node.address);
//! }
//! # Ok::<(), slotd::embedded::ClusterError>(())
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::slot::{SLOT_COUNT, SlotId, SlotRange};

use crate::base::clock::SystemClock;
use crate::engine::config::file::{LoadError, Sources};
use crate::engine::config::{Config, ids};
use crate::engine::threads::Threads;
use crate::logging::NodeLog;
use crate::node::{Environment, Node, StartError};

/// What cluster to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of primaries, each with its share of the slots.
    pub shards: usize,
    /// Replicas of each primary.
    pub replicas: usize,
    /// Port of the first node; the others follow. 0 takes free ports.
    pub port: u16,
    /// Where the nodes keep their files, one directory each; without it, nothing outlives the process.
    pub dir: Option<PathBuf>,
    /// Directives for every node, as lines of configuration.
    pub options: Vec<u8>,
    /// How long forming may take.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { shards: 3, replicas: 1, port: 0, dir: None, options: Vec::new(), patience: Duration::from_secs(60) }
    }
}

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A node did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// A directive is wrong.
    #[error("{0}")]
    Config(#[from] LoadError),
    /// A node refused its place in the cluster.
    #[error("node {node} refused its place: {problem}")]
    Refused { node: usize, problem: gossip::Error },
    /// The directory of an earlier cluster of another shape.
    #[error(
        "{dir} holds a cluster of another shape ({problem}); start it with the same --shards and --replicas, or choose an empty directory"
    )]
    OtherShape { dir: String, problem: String },
    /// The nodes did not agree in time.
    #[error("the cluster was not ready after {0:?}")]
    NotReady(Duration),
    /// Something of the system.
    #[error("{what}: {error}")]
    System { what: String, error: std::io::Error },
}

/// One node of a running cluster, for people and scripts.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NodeInfo {
    /// `primary` or `replica`.
    pub role: &'static str,
    /// `host:port` for clients.
    pub address: String,
    pub port: u16,
    pub bus_port: u16,
    pub id: String,
    /// Runs of slots as CLUSTER NODES writes them; a replica shows none.
    pub slots: Vec<String>,
    /// The id of a replica's primary.
    pub primary: Option<String>,
}

/// A running cluster. Dropping it stops it.
pub struct Cluster {
    nodes: Vec<Node>,
    temporary: Option<PathBuf>,
    // Last: the threads outlive the nodes that run on them.
    _threads: Arc<Threads>,
}

/// The address that nodes of one process use among themselves and print.
const HOST: &str = "127.0.0.1";

impl Cluster {
    /// Starts the nodes, forms the cluster, and waits until it is ready.
    ///
    /// # Errors
    /// [`ClusterError`]; nothing is left running then.
    pub fn start(options: Options) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let system = |what: &str| {
            let what = what.to_owned();
            move |error| ClusterError::System { what, error }
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Arc::new(Threads::start(workers).map_err(system("starting threads"))?);
        let (dir, temporary) = match &options.dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let dir = std::env::temp_dir().join(format!("slotd-cluster-{}-{:x}", std::process::id(), unique()));
                (dir.clone(), Some(dir))
            }
        };
        let mut cluster = Self { nodes: Vec::new(), temporary, _threads: threads.clone() };
        for index in 0..options.shards * (options.replicas + 1) {
            let node = start_node(&threads, &options, &dir, index)?;
            cluster.nodes.push(node);
        }
        cluster.form(&options, &dir)?;
        cluster.wait_ready(began, options.patience)?;
        Ok(cluster)
    }

    /// What the nodes are, in the order of their ports.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.nodes.iter().map(info_of).collect()
    }

    /// The nodes themselves.
    pub fn raw_nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn core(&self, index: usize) -> &Arc<crate::cluster::Cluster> {
        self.nodes[index].cluster().expect("every node was started with cluster-enabled yes")
    }

    /// Gives every node its place. Nodes that come back from a directory have theirs already.
    fn form(&self, options: &Options, dir: &Path) -> Result<(), ClusterError> {
        let fresh = self.nodes.iter().enumerate().all(|(index, _)| self.core(index).view().nodes.len() == 1);
        if !fresh {
            return self.check_shape(options, dir);
        }
        let refused = |node| move |problem| ClusterError::Refused { node, problem };
        for (shard, range) in shares(options.shards).into_iter().enumerate() {
            let core = self.core(shard);
            core.with_core(|core, now| core.set_config_epoch(shard as u64 + 1, now)).map_err(refused(shard))?;
            core.with_core(|core, now| core.add_slots(&[range], now)).map_err(refused(shard))?;
        }
        for (index, _) in self.nodes.iter().enumerate() {
            for peer in &self.nodes[index + 1..] {
                let bus_port = peer.cluster().map_or(0, |cluster| cluster.bus_port());
                self.core(index)
                    .with_core(|core, now| core.meet(HOST, i64::from(peer.port()), i64::from(bus_port), now))
                    .map_err(refused(index))?;
            }
        }
        let deadline = Instant::now() + options.patience;
        for index in options.shards..self.nodes.len() {
            let primary = self.core(index % options.shards).view().myself().id;
            // Known and out of its handshake: only then can it be named.
            while self.core(index).view().node(&primary).is_none() {
                if Instant::now() > deadline {
                    return Err(ClusterError::NotReady(options.patience));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            self.core(index)
                .with_core(|core, now| core.replicate(primary.as_str(), false, now))
                .map_err(refused(index))?;
        }
        Ok(())
    }

    fn check_shape(&self, options: &Options, dir: &Path) -> Result<(), ClusterError> {
        let wanted = options.shards * (options.replicas + 1);
        for index in 0..self.nodes.len() {
            let known = self.core(index).view().nodes.len();
            if known != wanted {
                let problem = format!("node {index} knows {known} nodes instead of {wanted}");
                return Err(ClusterError::OtherShape { dir: dir.display().to_string(), problem });
            }
        }
        Ok(())
    }

    fn wait_ready(&self, began: Instant, patience: Duration) -> Result<(), ClusterError> {
        while !self.is_ready() {
            if began.elapsed() > patience {
                return Err(ClusterError::NotReady(patience));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether every node says `cluster_state:ok`, knows every other, and every replica is in sync.
    pub fn is_ready(&self) -> bool {
        (0..self.nodes.len()).all(|index| {
            let view = self.core(index).view();
            let roles = view.nodes.iter().filter(|node| node.is_replica()).count();
            let mine = view.myself();
            view.ok
                && view.nodes.len() == self.nodes.len()
                && roles == self.replica_count()
                && (mine.is_primary() || self.nodes[index].replica_online())
        })
    }

    fn replica_count(&self) -> usize {
        (0..self.nodes.len()).filter(|&index| !self.core(index).view().myself().is_primary()).count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        if let Some(dir) = &self.temporary {
            // Left behind, it is only litter.
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// Tells apart temporary directories of one process.
fn unique() -> u64 {
    crate::base::rng::Rng::os_seed().unwrap_or_default()
}

fn start_node(threads: &Arc<Threads>, options: &Options, dir: &Path, index: usize) -> Result<Node, ClusterError> {
    let dir = dir.join(format!("node-{index}"));
    std::fs::create_dir_all(&dir)
        .map_err(|error| ClusterError::System { what: format!("creating {}", dir.display()), error })?;
    let config = Config::new(&dir);
    let mut text = b"cluster-enabled yes\nbind 127.0.0.1\nrepl-diskless-sync-delay 0\n".to_vec();
    if options.dir.is_none() {
        text.extend_from_slice(b"save \"\"\n");
    }
    text.extend_from_slice(&options.options);
    let port = if options.port == 0 { 0 } else { options.port + index as u16 };
    text.extend_from_slice(format!("\nport {port}\n").as_bytes());
    config.load(&Sources { file: None, stdin: None, options: text })?;
    let environment = Environment {
        threads: threads.clone(),
        clock: Arc::new(SystemClock::new()),
        log: NodeLog::new(Some(format!("node-{index}"))),
    };
    let _ = ids::PORT;
    Ok(Node::start(&environment, config)?)
}

/// Even shares of all slots.
fn shares(shards: usize) -> Vec<SlotRange> {
    (0..shards)
        .map(|shard| {
            let bound = |shard: usize| SLOT_COUNT * shard / shards;
            let slot = |number: usize| SlotId::new(number as u16).expect("a share ends within the slots");
            SlotRange { first: slot(bound(shard)), last: slot(bound(shard + 1) - 1) }
        })
        .collect()
}

fn info_of(node: &Node) -> NodeInfo {
    let cluster = node.cluster().expect("every node was started with cluster-enabled yes");
    let view = cluster.view();
    let me = view.myself();
    NodeInfo {
        role: if me.is_primary() { "primary" } else { "replica" },
        address: format!("{HOST}:{}", node.port()),
        port: node.port(),
        bus_port: cluster.bus_port(),
        id: me.id.to_string(),
        slots: me.slots.iter().map(ToString::to_string).collect(),
        primary: me.primary.map(|id| id.to_string()),
    }
}
