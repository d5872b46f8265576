//! What this node believes about each node, itself included, and the table of them.
//!
//! Nodes are referred to by `NodeKey`, a number that is never used again, not by their id: a node in handshake has a
//! made-up id until its first PONG, and reset gives even ourselves a new one. `Gossip::remove_node` clears every
//! reference to a key (slots, reports, replicas, links, manual failover), which is why indexing the table by a key may
//! `expect`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use protocol::bus::{IpText, NodeFlags, NodeId};
use protocol::slot::SlotBitmap;

use crate::config::UnixMillis;
use crate::link::LinkId;

/// How long changes of a node's address are counted together, milliseconds.
const MOVES_MS: UnixMillis = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeKey(NonZeroU32);

/// One node (`clusterNode`). A time of 0 means "never", as in nodes.conf and CLUSTER NODES.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) flags: NodeFlags,
    pub(crate) created_at: UnixMillis,
    /// Last config epoch observed. Only that of a primary means anything; see [`Node::is_primary`].
    pub(crate) config_epoch: u64,
    pub(crate) slots: SlotBitmap,
    pub(crate) slot_count: usize,
    pub(crate) replicas: Vec<NodeKey>,
    pub(crate) primary: Option<NodeKey>,
    /// When the unanswered ping was sent, or should have been sent if there is no link.
    pub(crate) ping_sent: UnixMillis,
    pub(crate) pong_received: UnixMillis,
    /// When any packet arrived from it.
    pub(crate) data_received: UnixMillis,
    pub(crate) fail_time: UnixMillis,
    /// When we last voted for a replica of this primary.
    pub(crate) voted_time: Option<UnixMillis>,
    /// Since when this primary has had no working replica.
    pub(crate) orphaned_since: Option<UnixMillis>,
    pub(crate) offset: u64,
    /// The offset as clients are shown it, without claims of overtaken packets, and the link that last reported data.
    pub(crate) listed_offset: u64,
    pub(crate) data_told_on: Option<LinkId>,
    pub(crate) ip: IpText,
    pub(crate) port: u16,
    pub(crate) secondary_port: u16,
    pub(crate) bus_port: u16,
    pub(crate) hostname: String,
    pub(crate) human_nodename: String,
    pub(crate) shard_id: NodeId,
    /// The connection that we opened.
    pub(crate) link: Option<LinkId>,
    /// The connection that we accepted.
    pub(crate) inbound: Option<LinkId>,
    /// Which primaries reported it as failing, and when last.
    pub(crate) fail_reports: BTreeMap<NodeKey, UnixMillis>,
    /// Highest current epoch in any of its packets: a packet below is older than one already processed.
    pub(crate) seen_epoch: u64,
    /// Send time of our last ping that it answered; see `lease.rs`.
    pub(crate) lease_ack: Option<UnixMillis>,
    /// It understands ping extensions.
    pub(crate) extensions: bool,
    /// When MEET was last sent to it.
    pub(crate) met_at: UnixMillis,
    /// Since when changes of its address are counted, and how many there were.
    pub(crate) moves: (UnixMillis, u32),
}

impl Node {
    pub(crate) fn new(id: NodeId, shard_id: NodeId, flags: NodeFlags, now: UnixMillis) -> Self {
        Self {
            id,
            flags,
            created_at: now,
            config_epoch: 0,
            slots: SlotBitmap::new(),
            slot_count: 0,
            replicas: Vec::new(),
            primary: None,
            ping_sent: 0,
            pong_received: 0,
            data_received: 0,
            fail_time: 0,
            voted_time: None,
            orphaned_since: None,
            offset: 0,
            listed_offset: 0,
            data_told_on: None,
            ip: IpText::EMPTY,
            port: 0,
            secondary_port: 0,
            bus_port: 0,
            hostname: String::new(),
            human_nodename: String::new(),
            shard_id,
            link: None,
            inbound: None,
            fail_reports: BTreeMap::new(),
            seen_epoch: 0,
            lease_ack: None,
            extensions: false,
            met_at: 0,
            moves: (0, 0),
        }
    }

    /// Counts a change of its address; how many there were within [`MOVES_MS`] by now.
    pub(crate) fn count_move(&mut self, now: UnixMillis) -> u32 {
        let (since, count) = self.moves;
        let is_recent = (0..MOVES_MS).contains(&now.saturating_sub(since));
        self.moves = if is_recent { (since, count.saturating_add(1)) } else { (now, 1) };
        self.moves.1
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.flags.contains(NodeFlags::MASTER)
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.flags.contains(NodeFlags::SLAVE)
    }

    /// A primary that owns slots: only these count in quorums.
    pub(crate) fn is_voter(&self) -> bool {
        self.is_primary() && self.slot_count > 0
    }

    pub(crate) fn in_handshake(&self) -> bool {
        self.flags.contains(NodeFlags::HANDSHAKE)
    }

    pub(crate) fn has_address(&self) -> bool {
        !self.flags.contains(NodeFlags::NOADDR)
    }

    /// PFAIL: we alone suspect it.
    pub(crate) fn is_suspect(&self) -> bool {
        self.flags.contains(NodeFlags::PFAIL)
    }

    /// FAIL: a majority agreed.
    pub(crate) fn has_failed(&self) -> bool {
        self.flags.contains(NodeFlags::FAIL)
    }

    pub(crate) fn is_reachable(&self) -> bool {
        !self.flags.intersects(NodeFlags::FAIL | NodeFlags::PFAIL)
    }
}

/// The role in a peer's flags: at most one, whatever the bits say.
pub(crate) fn role_of(flags: NodeFlags) -> NodeFlags {
    if flags.contains(NodeFlags::SLAVE) { NodeFlags::SLAVE } else { NodeFlags(flags.0 & NodeFlags::MASTER.0) }
}

/// All nodes, by key and by id.
#[derive(Debug, Default)]
pub(crate) struct NodeTable {
    nodes: BTreeMap<NodeKey, Node>,
    by_id: BTreeMap<NodeId, NodeKey>,
    last: u32,
}

impl NodeTable {
    /// Adds a node. If the id is taken, its node stays: the caller looks it up first.
    pub(crate) fn insert(&mut self, node: Node) -> NodeKey {
        debug_assert!(!self.by_id.contains_key(&node.id), "node {} is known", node.id);
        self.last += 1;
        let key = NodeKey(NonZeroU32::new(self.last).expect("counts up from 1"));
        self.by_id.insert(node.id, key);
        self.nodes.insert(key, node);
        key
    }

    pub(crate) fn remove(&mut self, key: NodeKey) -> Option<Node> {
        let node = self.nodes.remove(&key)?;
        self.by_id.remove(&node.id);
        Some(node)
    }

    pub(crate) fn rename(&mut self, key: NodeKey, id: NodeId) {
        let old = std::mem::replace(&mut self[key].id, id);
        self.by_id.remove(&old);
        self.by_id.insert(id, key);
    }

    pub(crate) fn find(&self, id: &NodeId) -> Option<NodeKey> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeKey, &Node)> {
        self.nodes.iter().map(|(key, node)| (*key, node))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.values_mut()
    }

    /// Keys in the order of the ids, which is the order of every listing.
    pub(crate) fn by_id(&self) -> impl Iterator<Item = NodeKey> {
        self.by_id.values().copied()
    }

    /// A copy of the keys, to walk over nodes while changing them.
    pub(crate) fn keys(&self) -> Vec<NodeKey> {
        self.nodes.keys().copied().collect()
    }

    /// The n-th node in order of key.
    pub(crate) fn nth(&self, index: usize) -> Option<(NodeKey, &Node)> {
        self.nodes.iter().nth(index).map(|(key, node)| (*key, node))
    }
}

impl Index<NodeKey> for NodeTable {
    type Output = Node;

    fn index(&self, key: NodeKey) -> &Node {
        self.nodes.get(&key).expect("references to a node are cleared when it is removed")
    }
}

impl IndexMut<NodeKey> for NodeTable {
    fn index_mut(&mut self, key: NodeKey) -> &mut Node {
        self.nodes.get_mut(&key).expect("references to a node are cleared when it is removed")
    }
}
