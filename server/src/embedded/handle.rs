//! One node of a running cluster, for tests that break it.

use std::sync::Arc;
use std::time::Duration;

use super::process::Process;
use super::{ClusterError, HOST, NodeInfo, NodeState};
use crate::node::StopSignal;

/// One node of a running cluster: its state, and what can be done to it while the others go on.
///
/// ```
/// use std::time::Duration;
/// use slotd::embedded::{Cluster, NodeState, Options, Role};
///
/// let cluster = Cluster::start(Options::new().directive("cluster-node-timeout", "1000"))?;
/// let replica = (0..6).find(|i| {
///     let info = cluster.node(*i).info().expect("it runs");
///     info.primary == cluster.node(0).info().map(|first| first.id)
/// });
///
/// cluster.node(0).kill();
/// assert_eq!(cluster.node(0).state(), NodeState::Down);
/// // Its replica takes over.
/// let replica = cluster.node(replica.expect("every primary has one"));
/// while replica.info().is_some_and(|info| info.role == Role::Replica) {
///     std::thread::sleep(Duration::from_millis(10));
/// }
///
/// cluster.node(0).restart()?;
/// cluster.wait_ready(Duration::from_secs(30))?;
/// assert_eq!(cluster.node(0).info().map(|info| info.role), Some(Role::Replica));
/// # Ok::<(), slotd::embedded::ClusterError>(())
/// ```
///
/// The methods return when they are done. They may be called from any thread of the program, also inside a runtime.
#[derive(Clone, Copy)]
pub struct NodeHandle<'c> {
    process: &'c Arc<Process>,
    index: usize,
}

impl<'c> NodeHandle<'c> {
    pub(super) fn new(process: &'c Arc<Process>, index: usize) -> Self {
        let nodes = process.members.len();
        assert!(index < nodes, "node {index} of a cluster of {nodes}");
        Self { process, index }
    }

    /// The node's number, in the order of ports.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether the node runs.
    pub fn state(&self) -> NodeState {
        self.process.members[self.index].state()
    }

    /// What the node is now; `None` while it is down.
    pub fn info(&self) -> Option<NodeInfo> {
        self.process.members[self.index].info()
    }

    /// The node's port for clients, which it keeps while it is down.
    pub fn port(&self) -> u16 {
        self.process.members[self.index].address().map_or(0, |at| at.port)
    }

    /// `host:port` for clients, which the node keeps while it is down.
    pub fn address(&self) -> String {
        format!("{HOST}:{}", self.port())
    }

    /// Ends the node as kill -9 ends a process: nothing is saved, nothing more is sent, its sockets are closed. Does
    /// nothing to a node that is down.
    pub fn kill(&self) {
        self.process.kill(self.index);
    }

    /// Ends the node as SIGTERM ends a process: its replicas catch up, and its data is saved if there are save points.
    /// Does nothing to a node that is down; a paused node is resumed first.
    ///
    /// # Errors
    /// [`ClusterError::NotStopped`] if the node could not save, or is already shutting down; it goes on then.
    pub fn stop(&self) -> Result<(), ClusterError> {
        self.process.stop(self.index, StopSignal::Terminate).map(drop)
    }

    /// Stops the node, if it runs, and starts it in its directory with its ports. It has the data that was saved:
    /// without [`super::Options::dir`] none, until it has synchronised with its shard.
    ///
    /// # Errors
    /// As [`NodeHandle::stop`], or why it did not start; it is down then.
    pub fn restart(&self) -> Result<(), ClusterError> {
        self.process.restart(self.index)
    }

    /// Lets nothing of the node run, as SIGSTOP would: neither clients nor the bus nor replication, until
    /// [`NodeHandle::resume`]. Its sockets stay open and take in what the kernel has room for.
    ///
    /// ```
    /// # use slotd::embedded::{Cluster, NodeState, Options};
    /// let cluster = Cluster::start(Options::new())?;
    /// cluster.node(1).pause()?;
    /// assert_eq!(cluster.node(1).state(), NodeState::Paused);
    /// cluster.node(1).resume()?;
    /// assert_eq!(cluster.node(1).state(), NodeState::Running);
    /// # Ok::<(), slotd::embedded::ClusterError>(())
    /// ```
    ///
    /// # Errors
    /// [`ClusterError::NodeDown`].
    pub fn pause(&self) -> Result<(), ClusterError> {
        self.process.pause(self.index, None)
    }

    /// As [`NodeHandle::pause`], and resumes after this time. A later call replaces an earlier one: it may make a pause
    /// longer or shorter.
    ///
    /// # Errors
    /// [`ClusterError::NodeDown`].
    pub fn pause_for(&self, time: Duration) -> Result<(), ClusterError> {
        self.process.pause(self.index, Some(time))
    }

    /// Ends a pause. Does nothing to a node that is not paused.
    ///
    /// # Errors
    /// [`ClusterError::NodeDown`].
    pub fn resume(&self) -> Result<(), ClusterError> {
        self.process.resume(self.index)
    }
}
