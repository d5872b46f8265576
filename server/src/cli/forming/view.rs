//! What one node says of its cluster, read from the reply of CLUSTER NODES.

use gossip::nodes_conf::NodeLine;
use protocol::bus::NodeFlags;
use protocol::slot::{SLOT_COUNT, SlotRange};

/// A node as another one knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its id.
    pub(super) id: String,
    /// Its address for clients, without the port of its bus.
    pub(super) address: String,
    /// The port of its bus.
    pub(super) bus_port: u16,
    /// It is the node that was asked.
    pub(super) myself: bool,
    /// The handshake is not over: its id is not its own yet.
    pub(super) in_handshake: bool,
    /// Whom it replicates.
    pub(super) primary: Option<String>,
    /// Its configuration epoch.
    pub(super) epoch: u64,
    /// There is a link to it.
    pub(super) connected: bool,
    /// Its slots, as first and last ones.
    pub(super) slots: Vec<(usize, usize)>,
}

/// What a node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// How the node was called.
    pub(super) name: String,
    /// The address at which it answered: where other nodes reach it.
    pub(super) ip: String,
    /// Its port for clients.
    pub(super) port: u16,
    /// All nodes that it knows, itself included.
    pub(super) known: Vec<Known>,
    /// `cluster_state:ok`
    pub(super) ok: bool,
    /// How many keys it holds.
    pub(super) keys: u64,
    /// It is a replica without a link to its primary.
    pub(super) link_down: bool,
}

impl View {
    /// The node itself.
    pub(super) fn myself(&self) -> Option<&Known> {
        self.known.iter().find(|node| node.myself)
    }

    /// Its id; empty if it does not say.
    pub(super) fn id(&self) -> &str {
        self.myself().map_or("", |node| &node.id)
    }

    /// The nodes that it knows under their own ids.
    pub(super) fn members(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|node| !node.in_handshake)
    }

    /// Whether it knows this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.members().any(|node| node.id == id)
    }

    /// Whether it knows of slots that have an owner.
    pub(super) fn serves(&self) -> bool {
        self.members().any(|node| !node.slots.is_empty())
    }

    /// Whether every slot has an owner.
    pub(super) fn covered(&self) -> bool {
        self.known.iter().flat_map(|node| &node.slots).map(|(first, last)| last - first + 1).sum::<usize>()
            == SLOT_COUNT
    }
}

/// Reads the lines of CLUSTER NODES; what is no such line is left out.
pub(super) fn read_nodes(text: &str) -> Vec<Known> {
    text.lines().filter_map(|line| line.parse::<NodeLine>().ok().map(Known::from)).collect()
}

impl From<NodeLine> for Known {
    fn from(line: NodeLine) -> Self {
        let range = |range: SlotRange| (range.first.index(), range.last.index());
        Self {
            id: line.id.to_string(),
            address: format!("{}:{}", line.ip, line.port),
            bus_port: line.bus_port,
            myself: line.flags.intersects(NodeFlags::MYSELF),
            in_handshake: line.flags.intersects(NodeFlags::HANDSHAKE),
            primary: line.replica_of.map(|primary| primary.to_string()),
            epoch: line.config_epoch,
            connected: line.connected,
            // Slots that move stand elsewhere.
            slots: line.slots.ranges().map(range).collect(),
        }
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
