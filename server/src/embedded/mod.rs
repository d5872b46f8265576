//! A whole cluster in one process: what `slotd cluster` runs, as a library call.
//!
//! Every node has its own sockets, bus, data and directory, as in a process of its own: nothing is simulated. Only the
//! bus links between these nodes are queues in memory, since each pair of nodes would need four sockets for them. Ready
//! means that it does not matter which node a client asks: each reports `cluster_state:ok` and lists all nodes, with
//! the replicas online. Each node can be killed, stopped, paused and started again while the others go on
//! ([`Cluster::node`]).
//! ```text
//! options    what to start               forming  places, and when all agree    directory  where the files are
//! starting   a start beside other work   facts    what a node is                error      what may go wrong
//! process    all nodes and their ends    member   one node's place              addresses  nodes.conf, if ports changed
//! handle     one node, for breaking it   orders   the same for clients          events     what happened to nodes
//! reach      where nodes find each other progress how far forming has come      descriptors  room for sockets
//! pause      a paused node               traces   what a failed start removes again
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

mod addresses;
mod descriptors;
mod directory;
mod error;
mod events;
mod facts;
mod forming;
mod handle;
mod member;
mod options;
mod orders;
mod pause;
mod process;
mod progress;
mod reach;
mod starting;
mod traces;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub use error::ClusterError;
pub use events::{Event, EventKind, Events};
pub use facts::{NodeInfo, NodeState, Role};
pub use handle::NodeHandle;
use member::Member;
pub use options::Options;
pub(crate) use options::{NODES_MAX, check_directives, check_ports};
use process::Process;
pub use progress::Progress;
pub use starting::Starting;
use traces::Traces;

use crate::cluster::Cluster as Core;
use crate::node::StopSignal;

/// The address that nodes of one process use among themselves and print.
const HOST: &str = "127.0.0.1";

/// A running cluster. Dropping it ends all nodes at once, without saving; [`Cluster::stop`] ends them in order.
pub struct Cluster {
    process: Arc<Process>,
}

impl Cluster {
    /// Starts the nodes, forms the cluster, and waits until it is ready.
    ///
    /// # Errors
    /// [`ClusterError`]; nothing is left running then.
    pub fn start(options: Options) -> Result<Self, ClusterError> {
        Self::start_in(Arc::new(Process::new(&options)?), &options)
    }

    /// The same without blocking, in any runtime. Dropping the future cancels the start.
    ///
    /// ```
    /// use slotd::embedded::{Cluster, Options};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    /// # runtime.block_on(async {
    /// let cluster = Cluster::start_async(Options::new().replicas(0)).await?;
    /// assert!(cluster.is_ready());
    /// # Ok::<(), slotd::embedded::ClusterError>(())
    /// # }).expect("it starts");
    /// ```
    pub fn start_async(options: Options) -> Starting {
        Starting::new(options)
    }

    fn start_in(process: Arc<Process>, options: &Options) -> Result<Self, ClusterError> {
        let traces = Traces::ahead_of(&process, options);
        let outcome = Self::start_nodes(process, options);
        if outcome.is_err() {
            traces.remove();
        }
        outcome
    }

    fn start_nodes(process: Arc<Process>, options: &Options) -> Result<Self, ClusterError> {
        let began = Instant::now();
        // From here on, an error ends what has been started.
        let cluster = Self { process };
        addresses::follow_ports(&cluster.process, options)?;
        for index in 0..options.nodes() {
            cluster.go_on()?;
            cluster.process.launch(index)?;
        }
        cluster.form(options, began)?;
        Ok(cluster)
    }

    /// Returns an error if the start was cancelled.
    fn go_on(&self) -> Result<(), ClusterError> {
        if self.process.cancelled.load(Ordering::SeqCst) { Err(ClusterError::Cancelled) } else { Ok(()) }
    }

    /// The descriptions of the running nodes, in the order of their ports.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.process.members.iter().filter_map(Member::info).collect()
    }

    /// How many nodes there are, running or not.
    pub fn len(&self) -> usize {
        self.process.members.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.process.members.is_empty()
    }

    /// The node with this number, in the order of ports: primaries first, as they were when the cluster was formed.
    ///
    /// # Panics
    /// If there are not so many, as an index does.
    pub fn node(&self, index: usize) -> NodeHandle<'_> {
        NodeHandle::new(&self.process, index)
    }

    /// Whether no node runs, and none is just being started again.
    pub fn is_down(&self) -> bool {
        self.process.members.iter().all(Member::is_gone)
    }

    /// Waits until pending orders are carried out and their events can be read.
    pub fn settle(&self) {
        self.process.members.iter().for_each(|member| drop(member.operate()));
    }

    /// What happens to nodes from now on.
    pub fn events(&self) -> Events {
        Events(self.process.events.subscribe())
    }

    /// The cluster sides of the running nodes, in the order of their ports.
    fn cores(&self) -> Vec<Arc<Core>> {
        self.process.members.iter().filter_map(Member::core).collect()
    }

    /// Removes unfinished files, before the process ends at once.
    pub fn remove_temporary(&self) {
        for node in self.process.members.iter().filter_map(Member::node) {
            node.persistence().remove_temporary();
        }
    }

    /// Ends all nodes in order, as SIGTERM would end each of them.
    ///
    /// # Errors
    /// [`ClusterError::NotStopped`] with the first node that goes on because it could not save; the others have ended.
    pub fn stop(&self) -> Result<(), ClusterError> {
        self.process.stop_all(StopSignal::Terminate)
    }

    /// Ends all nodes in order, as the signal would end each of them.
    ///
    /// # Errors
    /// As [`Cluster::stop`].
    pub fn shutdown(&self, signal: StopSignal) -> Result<(), ClusterError> {
        self.process.stop_all(signal)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.process.close();
    }
}
