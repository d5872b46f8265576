//! Whether the process may have as many files and sockets open as its nodes need.
//!
//! Every two nodes have two links between them, and both ends of both are in this process: the need grows with the square of the number of
//! nodes. The limit is raised as far as it goes; what is beyond that is said before anything is started, instead of
//! nodes that never meet.

use super::ClusterError;
use crate::engine::descriptors::OpenFiles;

/// A node for itself: listeners, nodes.conf, log, replication, a snapshot.
const PER_NODE: u64 = 12;
/// The process, and a few clients.
const COMMON: u64 = 64;

fn needed(nodes: usize) -> u64 {
    let nodes = nodes as u64;
    nodes * nodes.saturating_sub(1) * 2 + nodes * PER_NODE + COMMON
}

/// Makes room for so many nodes.
pub(super) fn make_room(nodes: usize) -> Result<(), ClusterError> {
    let needed = needed(nodes);
    // A system that does not say has no limit that could be named.
    match OpenFiles::raise(needed) {
        Ok(OpenFiles { limit, .. }) if limit < needed => Err(ClusterError::Contradiction(format!(
            "{nodes} nodes need about {needed} file descriptors, and ulimit -n allows {limit}: raise it, or start fewer nodes"
        ))),
        _ => Ok(()),
    }
}
