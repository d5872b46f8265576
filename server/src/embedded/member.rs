//! One node of the cluster: what it is started with, and the node itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::facts::NodeInfo;
use super::{ClusterError, HOST, Options};
use crate::base::clock::SystemClock;
use crate::cluster::Cluster as Core;
use crate::engine::config::Config;
use crate::engine::config::file::Sources;
use crate::engine::threads::Threads;
use crate::logging::NodeLog;
use crate::node::{Environment, Node, StopSignal};

/// A node's place in the process; it stays when the node ends.
pub(super) struct Member {
    node: Mutex<Option<Node>>,
}

/// What a node is started with.
struct Recipe {
    threads: Arc<Threads>,
    name: String,
    dir: PathBuf,
    /// Lines of configuration.
    directives: Vec<u8>,
    /// The port that was asked for.
    port: u16,
}

impl Recipe {
    fn start(&self) -> Result<Node, ClusterError> {
        std::fs::create_dir_all(&self.dir).map_err(ClusterError::system(format!("creating {}", self.dir.display())))?;
        let config = Config::new(&self.dir);
        let mut text = self.directives.clone();
        text.extend_from_slice(format!("\nport {}\n", self.port).as_bytes());
        config.load(&Sources { file: None, stdin: None, options: text })?;
        let environment = Environment {
            threads: self.threads.clone(),
            clock: Arc::new(SystemClock::new()),
            log: NodeLog::new(Some(self.name.clone())),
        };
        Ok(Node::start(&environment, config)?)
    }
}

impl Member {
    /// Starts the node number `index`.
    pub(super) fn start(
        threads: &Arc<Threads>,
        options: &Options,
        dir: &Path,
        index: usize,
    ) -> Result<Self, ClusterError> {
        let mut directives = format!("cluster-enabled yes\nbind {HOST}\nrepl-diskless-sync-delay 0\n").into_bytes();
        if options.dir.is_none() {
            directives.extend_from_slice(b"save \"\"\n");
        }
        directives.extend_from_slice(&options.directives);
        let recipe = Recipe {
            threads: threads.clone(),
            name: format!("node-{index}"),
            dir: dir.join(format!("node-{index}")),
            directives,
            port: if options.port == 0 { 0 } else { options.port + index as u16 },
        };
        Ok(Self { node: Mutex::new(Some(recipe.start()?)) })
    }

    /// The cluster side of the node, if it runs.
    pub(super) fn core(&self) -> Option<Arc<Core>> {
        self.node.lock().as_ref().and_then(Node::cluster).cloned()
    }

    /// What the node is, if it runs.
    pub(super) fn info(&self) -> Option<NodeInfo> {
        let node = self.node.lock();
        let node = node.as_ref()?;
        node.cluster().map(|core| NodeInfo::of(core, HOST, node.port()))
    }

    /// Whether the node runs and is no replica that lacks data.
    pub(super) fn replica_online(&self) -> bool {
        self.node.lock().as_ref().is_some_and(Node::replica_online)
    }

    /// Ends the node in order, as the signal would.
    pub(super) async fn shutdown(&self, signal: StopSignal) {
        let node = self.node.lock().take();
        if let Some(node) = node {
            node.shutdown(signal).await;
        }
    }
}
