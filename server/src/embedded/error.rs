//! Why a cluster or one of its nodes could not do what was requested.

use std::path::Path;
use std::time::Duration;

use crate::cluster::BUS_PORT_OFFSET;
use crate::config::file::LoadError;
use crate::config::os_reason;
use crate::node::StartError;

/// Why a cluster did not start, or a node did not do what was requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A node did not start.
    #[error("node-{node}: {problem}{}", advice(problem))]
    Start {
        /// The number of the node.
        node: usize,
        /// Why it did not start.
        problem: StartError,
    },
    /// A directive is wrong.
    #[error("{0}")]
    Config(#[from] LoadError),
    /// A node refused its place in the cluster.
    #[error("node {node} refused its place: {problem}")]
    Refused {
        /// The number of the node.
        node: usize,
        /// The node's error.
        problem: gossip::Error,
    },
    /// The directory holds an earlier cluster of another shape.
    #[error(
        "{dir} holds a cluster of another shape ({problem}); start it with the same --shards and --replicas, or choose an empty directory"
    )]
    OtherShape {
        /// The directory.
        dir: String,
        /// The difference.
        problem: String,
    },
    /// The request cannot work.
    #[error("{0}")]
    Contradiction(String),
    /// The nodes did not agree in time.
    #[error("the cluster was not ready after {after:?}{}", lines(nodes))]
    NotReady {
        /// How long the start waited.
        after: Duration,
        /// What each node reports about itself, and its last warning.
        nodes: Vec<String>,
    },
    /// The caller cancelled the start.
    #[error("the start of the cluster was given up")]
    Cancelled,
    /// The cluster is gone.
    #[error("the cluster is gone")]
    Closed,
    /// The node is not running.
    #[error("node {0} is down")]
    NodeDown(usize),
    /// The node goes on because it could not stop in order.
    #[error("node {0} did not stop: it could not save, or is shutting down already; its log says why")]
    NotStopped(usize),
    /// A system error.
    #[error("{what}: {}", os_reason(.error))]
    System {
        /// What was tried.
        what: String,
        /// The system's error.
        error: std::io::Error,
    },
}

impl ClusterError {
    /// A node in `dir` knows another number of nodes than there will be.
    pub(super) fn other_shape(dir: &Path, index: usize, known: usize, wanted: usize) -> Self {
        let problem = format!("node {index} knows {known} nodes instead of {wanted}");
        Self::OtherShape { dir: dir.display().to_string(), problem }
    }

    /// For `map_err`, with what was being done.
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, error }
    }
}

/// What to do about a port that is taken, with the reason why the node needs it.
fn advice(problem: &StartError) -> String {
    let (port, what) = match problem {
        StartError::Bind(at) if at.is_taken() => (at.port, "port for clients".to_owned()),
        StartError::Bus { clients, problem: at } if at.is_taken() => {
            let above = i64::from(at.port) == i64::from(*clients) + BUS_PORT_OFFSET;
            let above = if above { format!(", {BUS_PORT_OFFSET} above {clients} for clients") } else { String::new() };
            (at.port, format!("bus port{above}"))
        }
        _ => return String::new(),
    };
    format!("\n{port} is its {what}. --port 0 takes free ports, and another --port moves those of all nodes.")
}

fn lines(nodes: &[String]) -> String {
    nodes.iter().map(|node| format!("\n  {node}")).collect()
}
