//! A whole cluster in one process: what `slotd cluster` runs, as a library call.
//!
//! Every node has its own sockets, bus, data and directory, and talks to the others over real connections: nothing is
//! simulated. Ready means that every node says `cluster_state:ok` and every replica is online.
//!
//! ```text
//! options    what to start          forming  places, and when all agree      directory  where the files are
//! member     one node of it         facts    what a node is                  error      what may go wrong
//! ```
//!
//! ```
//! use slotd::embedded::{Cluster, Options, Role};
//!
//! let cluster = Cluster::start(Options::new().shards(3).replicas(1))?;
//! for node in cluster.nodes() {
//!     println!("{} at {}", node.role, node.address);
//! }
//! assert_eq!(cluster.nodes().iter().filter(|node| node.role == Role::Primary).count(), 3);
//! # Ok::<(), slotd::embedded::ClusterError>(())
//! ```

mod directory;
mod error;
mod facts;
mod forming;
mod member;
mod options;

use std::sync::Arc;
use std::time::Instant;

use directory::Directory;
pub use error::ClusterError;
pub use facts::{NodeInfo, Role};
use member::Member;
pub use options::Options;

use crate::cluster::Cluster as Core;
use crate::engine::threads::Threads;
use crate::node::StopSignal;

/// The address that nodes of one process use among themselves and print.
const HOST: &str = "127.0.0.1";

/// A running cluster. Dropping it stops it.
pub struct Cluster {
    members: Vec<Member>,
    // After the nodes, whose files it holds.
    _directory: Directory,
    // Last: the threads outlive the nodes that run on them.
    _threads: Arc<Threads>,
}

impl Cluster {
    /// Starts the nodes, forms the cluster, and waits until it is ready.
    ///
    /// # Errors
    /// [`ClusterError`]; nothing is left running then.
    pub fn start(options: Options) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Arc::new(Threads::start(workers).map_err(ClusterError::system("starting threads"))?);
        let directory = Directory::new(options.dir.as_deref());
        let dir = directory.path().to_owned();
        let mut cluster = Self { members: Vec::new(), _directory: directory, _threads: threads.clone() };
        for index in 0..options.nodes() {
            cluster.members.push(Member::start(&threads, &options, &dir, index)?);
        }
        cluster.form(&options, &dir, began)?;
        Ok(cluster)
    }

    /// What the running nodes are, in the order of their ports.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.members.iter().filter_map(Member::info).collect()
    }

    /// The cluster sides of the running nodes, in the order of their ports.
    fn cores(&self) -> Vec<Arc<Core>> {
        self.members.iter().filter_map(Member::core).collect()
    }

    /// Ends all nodes in order, as the signal would end each of them.
    pub async fn shutdown(&self, signal: StopSignal) {
        for member in &self.members {
            member.shutdown(signal).await;
        }
    }
}
