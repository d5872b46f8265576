//! Whether the process may have as many files and sockets open as its nodes need.
//!
//! Every two nodes have two links between them, and both ends of both are in this process: the need grows with the square of the number of
//! nodes. The soft limit is raised as far as the hard one allows; what is beyond that is said before anything is started, instead of
//! nodes that never meet.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::ClusterError;

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
    // A system that does not say has no limit that could be named.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    let needed = needed(nodes);
    if needed > hard {
        return Err(ClusterError::Contradiction(format!(
            "{nodes} nodes need about {needed} file descriptors, and ulimit -n allows {hard}: raise it, or start fewer nodes"
        )));
    }
    if needed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .map_err(|error| ClusterError::System { what: "raising ulimit -n".into(), error: error.into() })?;
    }
    Ok(())
}
