//! Checks whether the process may open as many files and sockets as its nodes need.
//!
//! Nodes of one process need no sockets for the bus between them, so the need grows in proportion to their number. The
//! limit is raised as far as possible; if that is not enough, the start fails with a message, instead of leaving nodes
//! that never meet.

use super::{ClusterError, Options};
use crate::runtime::descriptors::OpenFiles;

/// Per node and address that it listens on: the socket for clients, a second handle to it, and the bus.
const PER_ADDRESS: u64 = 3;
/// Per node: nodes.conf, and a reserve for saving it.
const PER_NODE: u64 = 3;
/// Per replica: both ends of its connection to its primary, and the file that receives a full sync.
const PER_REPLICA: u64 = 3;
/// The process, a few clients, and the reserve that clients cannot use ([`crate::runtime::descriptors`]).
const COMMON: u64 = 104;

/// What so many nodes need that listen on so many addresses.
fn needed(nodes: usize, replicas: usize, addresses: usize) -> u64 {
    let each = PER_NODE + PER_ADDRESS * addresses as u64;
    nodes as u64 * each + replicas as u64 * PER_REPLICA + COMMON
}

/// Makes room for the nodes of these options, which listen on so many addresses.
pub(super) fn make_room(options: &Options, addresses: usize) -> Result<(), ClusterError> {
    let nodes = options.nodes();
    let needed = needed(nodes, nodes - options.shards, addresses);
    // If the system does not tell its limit, there is none to report.
    match OpenFiles::raise(needed) {
        Ok(OpenFiles { limit, .. }) if limit < needed => Err(ClusterError::Contradiction(format!(
            "{nodes} nodes need about {needed} file descriptors, and ulimit -n allows {limit}: raise it, or start fewer nodes"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_many_nodes_needs_descriptors_linear_in_nodes() {
        for nodes in [10, 100, 1000] {
            let (once, twice) = (needed(nodes, nodes / 2, 1), needed(2 * nodes, nodes, 1));
            assert!(twice <= 2 * once, "{nodes}: {once} and {twice}");
        }
        assert!(needed(102, 68, 1) <= 1024, "{}", needed(102, 68, 1));
        assert!(needed(6, 3, 1) <= 256, "{}", needed(6, 3, 1));
    }
}
