//! What the nodes of a cluster say, before anything is concluded from it.

use std::collections::BTreeMap;

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};

use super::super::node_list::Address;

/// What makes a node of no use in the eyes of another one.
const DOWN: NodeFlags = NodeFlags::PFAIL.with(NodeFlags::FAIL).with(NodeFlags::NOADDR);

/// What one node says of itself and of the others.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// Its id.
    pub(super) id: NodeId,
    /// Where it was asked.
    pub(super) address: Address,
    /// The address at which it answered.
    pub(super) ip: String,
    /// All nodes that it knows, itself included, in the order of their ids.
    pub(super) lines: Vec<NodeLine>,
    /// `cluster_state:ok`
    pub(super) ok: bool,
    /// Its server and the version of that.
    pub(super) version: String,
    /// What its process is called; another one with the same id is another one.
    pub(super) run_id: String,
    /// By how many milliseconds its clock is ahead of this machine's.
    pub(super) ahead_ms: i64,
    /// By how much that may be wrong: it took so long to ask.
    pub(super) unsure_ms: i64,
    /// What it has replicated, or can be replicated.
    pub(super) offset: u64,
    /// How far a replica may be behind without a full sync.
    pub(super) backlog: u64,
    /// The link of a replica to its primary.
    pub(super) link: Link,
    pub(super) disk: Disk,
}

/// The state of a replica's link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    /// It is no replica, or the link is up.
    #[default]
    Up,
    /// It copies the data of its primary.
    Syncing,
    Down,
}

/// How a node keeps its data.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// Whether it has save points or an append-only file; `None`: it does not say.
    pub(super) saves: Option<bool>,
    /// The last save went wrong.
    pub(super) failed: bool,
    /// The file for its snapshots, with the directory; empty: it does not say.
    pub(super) file: String,
    pub(super) process: u64,
}

/// What all nodes say.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// One of each node that answers, in the order in which they were found.
    pub(super) reports: Vec<Report>,
    /// Where nobody answers, and why.
    pub(super) silent: Vec<(Address, String)>,
    /// Nodes that answer and are not of this cluster.
    pub(super) strangers: Vec<Stranger>,
    /// Two processes that have one id each, by address.
    pub(super) twins: Vec<(NodeId, Address, Address)>,
    /// What had been replicated at the look before this one, if there was one.
    pub(super) earlier: BTreeMap<NodeId, u64>,
}

/// A node that is not of the cluster that is examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stranger {
    /// Where it was asked.
    pub(super) address: Address,
    /// It is in no cluster: it knows nobody and serves nothing.
    pub(super) is_alone: bool,
}

/// The line of the node that was asked.
pub(super) fn own_line(lines: &[NodeLine]) -> Option<&NodeLine> {
    lines.iter().find(|line| line.flags.intersects(NodeFlags::MYSELF))
}

impl Report {
    /// What it says of itself.
    pub(super) fn own(&self) -> Option<&NodeLine> {
        self.line(self.id)
    }

    /// What it says of a node.
    pub(super) fn line(&self, id: NodeId) -> Option<&NodeLine> {
        let at = self.lines.binary_search_by_key(&id, |line| line.id).ok()?;
        self.lines.get(at)
    }

    /// Whether it knows nobody and serves nothing.
    pub(super) fn is_alone(&self) -> bool {
        let serves = self.own().is_some_and(|own| !own.slots.is_empty());
        !serves && self.known().count() < 2
    }

    /// Whether it says that a node is down.
    pub(super) fn doubts(&self, id: NodeId) -> bool {
        self.line(id).is_some_and(|line| line.flags.intersects(DOWN))
    }

    /// The ids that it knows, its own included. Those in a handshake are not known yet, and their ids are made up.
    pub(super) fn known(&self) -> impl Iterator<Item = NodeId> {
        let known = self.lines.iter().filter(|line| !line.flags.intersects(NodeFlags::HANDSHAKE));
        known.map(|line| line.id)
    }
}

impl Facts {
    /// What each node has replicated, or can be replicated.
    pub(super) fn offsets(&self) -> BTreeMap<NodeId, u64> {
        self.reports.iter().map(|report| (report.id, report.offset)).collect()
    }

    /// Why nobody answers at an address, if nobody does.
    pub(super) fn silence_of(&self, address: &str) -> Option<&str> {
        let silent = self.silent.iter().find(|(silent, _)| silent.to_string() == address);
        silent.map(|(_, reason)| reason.as_str())
    }

    /// The report of a node itself.
    pub(super) fn of(&self, id: NodeId) -> Option<&Report> {
        self.reports.iter().find(|report| report.id == id)
    }
}
