//! The options of a cluster.
//!
//! This is a builder and not a struct of public fields, so that new options do not break callers. The defaults suit a
//! test: three shards with a replica each, on free ports, without files that outlive the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::progress::{Observer, Progress};
use super::reach::check_bound;
use super::{ClusterError, HOST};
use crate::cluster::BUS_PORT_OFFSET;
use crate::config::file::Sources;
use crate::config::{Config, ids};

/// The most nodes in one process.
pub(crate) const NODES_MAX: usize = 1000;

/// The options of a cluster.
///
/// ```
/// use slotd::embedded::Options;
///
/// let options = Options::new()
///     .shards(3)
///     .replicas(1)
///     .directive("cluster-node-timeout", "2000")
///     .directive("maxmemory", "64mb");
/// assert_eq!(options.nodes(), 6);
/// ```
#[derive(Clone, Debug)]
#[must_use = "options start nothing by themselves"]
#[non_exhaustive]
pub struct Options {
    pub(super) shards: usize,
    pub(super) replicas: usize,
    pub(super) port: u16,
    pub(super) dir: Option<PathBuf>,
    pub(super) directives: Vec<u8>,
    pub(super) patience: Duration,
    pub(super) observer: Option<Observer>,
}

impl Options {
    /// Three shards with one replica each, on free ports, in a temporary directory.
    pub fn new() -> Self {
        Self {
            shards: 3,
            replicas: 1,
            port: 0,
            dir: None,
            directives: Vec::new(),
            patience: Duration::from_secs(60),
            observer: None,
        }
    }

    /// Number of primaries, each with its share of the slots.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Replicas of each primary.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Port of the first node; the others follow. 0 takes free ports.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Where the nodes keep their files, one directory each; without it, nothing outlives the process.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// A directive of `redis.conf` for every node. The value is taken as it is, whatever characters it has.
    pub fn directive(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.directives.extend_from_slice(name.as_bytes());
        self.directives.extend_from_slice(b" \"");
        for byte in value.as_ref() {
            match byte {
                b'"' | b'\\' => self.directives.extend_from_slice(&[b'\\', *byte]),
                b' '..=b'~' => self.directives.push(*byte),
                other => self.directives.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
            }
        }
        self.directives.extend_from_slice(b"\"\n");
        self
    }

    /// Directives for every node, as lines of configuration.
    pub fn directives(mut self, lines: impl AsRef<[u8]>) -> Self {
        self.directives.extend_from_slice(lines.as_ref());
        self.directives.push(b'\n');
        self
    }

    /// How long forming may take.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets a callback that is told the progress of forming, periodically, if it takes longer than a second.
    pub fn on_progress(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(tell)));
        self
    }

    /// How many nodes there will be.
    pub fn nodes(&self) -> usize {
        self.shards.saturating_mul(self.replicas.saturating_add(1))
    }

    /// The configuration of every node that follows from the directives.
    pub(super) fn config(&self) -> Result<Config, ClusterError> {
        let config = Config::new("/");
        let options = [format!("bind {HOST}\n").as_bytes(), &self.directives].concat();
        config.load_values(&Sources { options, here: here(), ..Sources::default() })?;
        Ok(config)
    }

    /// Refuses numbers that cannot work, before anything is started.
    pub(super) fn check(&self, config: &Config) -> Result<(), ClusterError> {
        let (shards, replicas, nodes) = (self.shards, self.replicas, self.nodes());
        if !(1..=NODES_MAX).contains(&nodes) {
            return Err(ClusterError::Contradiction(format!(
                "shards {shards} and replicas {replicas} make {nodes} nodes: one process runs 1 to {NODES_MAX}"
            )));
        }
        check_ports(self.port, nodes, config).map_err(ClusterError::Contradiction)?;
        check_directives(config, nodes, replicas).map_err(ClusterError::Contradiction)
    }
}

/// Where relative paths of included files start: not in the nodes' own directories, which are made later.
pub(super) fn here() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// The shortest node timeout. On a busy machine a node sometimes stalls for some 30 ms; with shorter timeouts nodes
/// would often consider each other failed.
const NODE_TIMEOUT_MIN: i64 = 50;

/// Refuses values that are valid for a node but would never let this cluster get ready.
pub(crate) fn check_directives(config: &Config, nodes: usize, replicas: usize) -> Result<(), String> {
    check_bound(config)?;
    let timeout = config.int(ids::CLUSTER_NODE_TIMEOUT);
    if nodes > 1 && timeout < NODE_TIMEOUT_MIN {
        return Err(format!(
            "--cluster-node-timeout {timeout} is too short for nodes that share a machine: {NODE_TIMEOUT_MIN} (milliseconds) is the least"
        ));
    }
    // Two links for each other node, one client for each replica, and one client of the user.
    let (clients, least) = (config.int(ids::MAXCLIENTS), (2 * (nodes - 1) + replicas + 1) as i64);
    if clients < least {
        return Err(format!(
            "--maxclients {clients} is too little: each of {nodes} nodes needs {} for the others, so {least} is the least",
            least - 1
        ));
    }
    Ok(())
}

/// Whether there are enough ports for the nodes and their bus from this one on. 0: any will do.
pub(crate) fn check_ports(port: u16, nodes: usize, config: &Config) -> Result<(), String> {
    let (first, others) = (usize::from(port), nodes.saturating_sub(1));
    // A `cluster-port` is only for a single node.
    let above = if config.int(ids::CLUSTER_PORT) == 0 { BUS_PORT_OFFSET as usize } else { 0 };
    let most = usize::from(u16::MAX).saturating_sub(above + others);
    if first <= most {
        return Ok(());
    }
    let bus = if above == 0 { String::new() } else { format!(" and their bus ports ({above} above)") };
    Err(format!("port {port} leaves no room for {nodes} nodes{bus}: 1 to {most} do, and 0 takes free ones"))
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
