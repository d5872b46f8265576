//! The view: an immutable snapshot of what this node believes, for all readers.
//!
//! Routing looks up owners in it, and the CLUSTER commands print it. The driver publishes a new view when the core
//! reports a change ([`crate::Effect::ViewChanged`]). For lesser changes it makes a new view only when one is read. The
//! times of pings and pongs change all the time and are not reported, so a command that shows them (`CLUSTER NODES`)
//! always gets a fresh view.
//!
//! The texts of CLUSTER NODES and CLUSTER INFO are made here, in the form of Redis 7.0.15, because they are texts of
//! the cluster rather than of the wire; the server builds replies made of arrays and maps from the fields. Nodes are
//! listed in the order of their ids (Redis lists them in the order of its hash table, which is arbitrary).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use protocol::bus::{IpText, NodeFlags, NodeId, PacketType};
use protocol::slot::{SLOT_COUNT, SlotBitmap, SlotId, SlotRange};

use crate::config::UnixMillis;
use crate::link::LinkId;
use crate::node::NodeKey;
use crate::state::Gossip;

/// No owner, in [`View::owners`].
pub(crate) const NOBODY: u16 = u16::MAX;

/// One node as clients are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    pub id: NodeId,
    pub flags: NodeFlags,
    /// Empty: not known.
    pub ip: IpText,
    pub port: u16,
    /// The plaintext client port in a TLS cluster, else 0.
    pub secondary_port: u16,
    pub bus_port: u16,
    /// Empty: none.
    pub hostname: String,
    /// Empty: none.
    pub human_nodename: String,
    pub shard_id: NodeId,
    pub primary: Option<NodeId>,
    /// Indices into [`View::nodes`], ascending: every node lists the replicas of a shard in the same order, that of
    /// their ids.
    pub replicas: Vec<usize>,
    /// A replica shows its primary's.
    pub config_epoch: u64,
    pub ping_sent: UnixMillis,
    pub pong_received: UnixMillis,
    /// The link that we opened is there (or it is this node itself).
    pub connected: bool,
    /// The slots it owns, as runs in ascending order.
    pub slots: Vec<SlotRange>,
    /// Last replication offset heard of (own: as reported by the server).
    pub offset: u64,
}

impl NodeView {
    pub fn is_primary(&self) -> bool {
        self.flags.contains(NodeFlags::MASTER)
    }

    pub fn is_replica(&self) -> bool {
        self.flags.contains(NodeFlags::SLAVE)
    }

    /// A majority considers it dead.
    pub fn has_failed(&self) -> bool {
        self.flags.contains(NodeFlags::FAIL)
    }

    /// This node alone considers it dead.
    pub fn is_suspect(&self) -> bool {
        self.flags.contains(NodeFlags::PFAIL)
    }

    /// A replica that may be shown to clients: it is alive and has finished a sync (`isReplicaAvailable`).
    pub fn is_available_replica(&self) -> bool {
        !self.has_failed() && self.offset != 0
    }

    /// `health` of CLUSTER SHARDS.
    pub fn health(&self) -> &'static str {
        if self.has_failed() {
            "fail"
        } else if self.is_replica() && self.offset == 0 {
            "loading"
        } else {
            "online"
        }
    }
}

/// One connection whose peer is known, for CLUSTER LINKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    pub id: LinkId,
    pub node: NodeId,
    /// Accepted by us (`from`) rather than opened (`to`).
    pub inbound: bool,
    pub connected: bool,
    pub created_at: UnixMillis,
    /// Bytes that wait for the link to come up.
    pub queued_bytes: usize,
}

/// Counters of the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By [`PacketType`].
    pub sent: [u64; PacketType::ALL.len()],
    pub received: [u64; PacketType::ALL.len()],
    /// Packets that could not be read.
    pub invalid: u64,
    /// Packets older than one already processed, whose claims were ignored.
    pub stale: u64,
    /// Links closed because their output grew beyond `cluster-link-sendbuf-limit`; the driver reports them.
    pub links_over_limit: u64,
}

/// The snapshot. See the module's text.
#[derive(Clone, Debug)]
pub struct View {
    /// `cluster_state:ok`.
    pub ok: bool,
    /// Index of this node in `nodes`.
    pub me: usize,
    /// Sorted by id.
    pub nodes: Vec<NodeView>,
    /// Owner of each slot as an index into `nodes`, or [`NOBODY`].
    pub(crate) owners: Box<[u16]>,
    /// Slots on their way to another node.
    pub migrating: BTreeMap<SlotId, NodeId>,
    /// Slots on their way to this node.
    pub importing: BTreeMap<SlotId, NodeId>,
    pub current_epoch: u64,
    /// Number of primaries with slots.
    pub size: usize,
    pub links: Vec<LinkView>,
    pub stats: Stats,
}

impl View {
    /// This node.
    pub fn myself(&self) -> &NodeView {
        &self.nodes[self.me]
    }

    /// The node with this id.
    pub fn node(&self, id: &NodeId) -> Option<&NodeView> {
        self.index_of(id).map(|index| &self.nodes[index])
    }

    /// Its index in `nodes`.
    pub fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.id.cmp(id)).ok()
    }

    /// The primary that serves a slot.
    #[inline]
    pub fn owner(&self, slot: SlotId) -> Option<&NodeView> {
        self.nodes.get(usize::from(self.owners[slot.index()]))
    }

    /// True if this node owns the slot.
    #[inline]
    pub fn owns(&self, slot: SlotId) -> bool {
        usize::from(self.owners[slot.index()]) == self.me
    }

    /// True if this node owns the slot or replicates its owner.
    pub fn serves(&self, slot: SlotId) -> bool {
        self.owner(slot).is_some_and(|owner| {
            let me = self.myself();
            owner.id == me.id || me.primary == Some(owner.id)
        })
    }

    /// Where clients are sent for a slot on its way out (`ASK`).
    pub fn migrating_to(&self, slot: SlotId) -> Option<&NodeView> {
        self.node(self.migrating.get(&slot)?)
    }

    /// The node that a slot being imported comes from.
    pub fn importing_from(&self, slot: SlotId) -> Option<&NodeView> {
        self.node(self.importing.get(&slot)?)
    }

    /// Runs of slots with one owner, ascending, as CLUSTER SLOTS lists them.
    pub fn slot_runs(&self) -> Vec<(SlotRange, usize)> {
        let mut runs: Vec<(SlotRange, usize)> = Vec::new();
        for slot in SlotId::all() {
            let owner = self.owners[slot.index()];
            if owner == NOBODY {
                continue;
            }
            let owner = usize::from(owner);
            match runs.last_mut() {
                Some((run, of)) if *of == owner && run.last.next() == Some(slot) => run.last = slot,
                _ => runs.push((SlotRange { first: slot, last: slot }, owner)),
            }
        }
        runs
    }

    /// The primaries, each the head of a shard as CLUSTER SHARDS lists them. Nodes in handshake are not among them.
    pub fn primaries(&self) -> impl Iterator<Item = &NodeView> {
        self.nodes.iter().filter(|node| node.is_primary())
    }

    /// The text of CLUSTER NODES. `secondary_ports`: show the plaintext ports (TLS cluster, plaintext client).
    pub fn nodes_text(&self, secondary_ports: bool) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            self.write_line(&mut text, node, secondary_ports);
            text.push('\n');
        }
        text
    }

    /// One line of it, as CLUSTER REPLICAS shows each replica.
    pub fn node_line(&self, node: &NodeView, secondary_ports: bool) -> String {
        let mut text = String::new();
        self.write_line(&mut text, node, secondary_ports);
        text
    }

    fn write_line(&self, text: &mut String, node: &NodeView, secondary_ports: bool) {
        let port = if secondary_ports && node.secondary_port != 0 { node.secondary_port } else { node.port };
        // Writing into a String cannot fail.
        let _ = write!(text, "{} {}:{}@{}", node.id, node.ip, port, node.bus_port);
        if !node.hostname.is_empty() {
            let _ = write!(text, ",{}", node.hostname);
        }
        let _ = write!(text, " {} ", node.flags);
        match &node.primary {
            Some(primary) => text.push_str(primary.as_str()),
            None => text.push('-'),
        }
        let link = if node.connected { "connected" } else { "disconnected" };
        let _ = write!(text, " {} {} {} {link}", node.ping_sent, node.pong_received, node.config_epoch);
        for run in &node.slots {
            let _ = write!(text, " {run}");
        }
        if node.id == self.myself().id {
            self.write_open_slots(text);
        }
    }

    fn write_open_slots(&self, text: &mut String) {
        let open: SlotBitmap = self.migrating.keys().chain(self.importing.keys()).copied().collect();
        for slot in open.iter() {
            // A slot that is both, which only a mistake of an administrator can cause, shows as migrating, as in Redis.
            if let Some(to) = self.migrating.get(&slot) {
                let _ = write!(text, " [{slot}->-{to}]");
            } else if let Some(from) = self.importing.get(&slot) {
                let _ = write!(text, " [{slot}-<-{from}]");
            }
        }
    }

    /// The text of CLUSTER INFO.
    pub fn info_text(&self) -> String {
        let (mut good, mut suspect, mut failed) = (0, 0, 0);
        for owner in self.owners.iter().filter_map(|owner| self.nodes.get(usize::from(*owner))) {
            if owner.has_failed() {
                failed += 1;
            } else if owner.flags.contains(NodeFlags::PFAIL) {
                suspect += 1;
            } else {
                good += 1;
            }
        }
        let state = if self.ok { "ok" } else { "fail" };
        let mut text = format!(
            "cluster_state:{state}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{good}\r\n\
             cluster_slots_pfail:{suspect}\r\ncluster_slots_fail:{failed}\r\ncluster_known_nodes:{}\r\n\
             cluster_size:{}\r\ncluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n",
            good + suspect + failed,
            self.nodes.len(),
            self.size,
            self.current_epoch,
            self.myself().config_epoch,
        );
        write_counters(&mut text, "sent", &self.stats.sent);
        write_counters(&mut text, "received", &self.stats.received);
        let _ = write!(text, "total_cluster_links_buffer_limit_exceeded:{}\r\n", self.stats.links_over_limit);
        text
    }
}

impl Gossip {
    /// A snapshot of what this node believes now.
    pub fn view(&self) -> View {
        let keys: Vec<NodeKey> = self.nodes.by_id().collect();
        let index: BTreeMap<NodeKey, usize> = keys.iter().enumerate().map(|(index, key)| (*key, index)).collect();
        let mut owners = vec![NOBODY; SLOT_COUNT].into_boxed_slice();
        for (index, key) in keys.iter().enumerate() {
            self.nodes[*key].slots.iter().for_each(|slot| owners[slot.index()] = index as u16);
        }
        let named = |(slot, key): (&SlotId, &NodeKey)| (*slot, self.nodes[*key].id);
        View {
            ok: self.health.ok,
            me: index[&self.me],
            nodes: keys.iter().map(|key| self.node_view(*key, &index)).collect(),
            owners,
            migrating: self.slots.migrating.iter().map(named).collect(),
            importing: self.slots.importing.iter().map(named).collect(),
            current_epoch: self.epochs.current,
            size: self.voters(),
            links: self.link_views(&keys),
            stats: self.stats.clone(),
        }
    }

    fn node_view(&self, key: NodeKey, index: &BTreeMap<NodeKey, usize>) -> NodeView {
        let node = &self.nodes[key];
        let myself = self.is_me(key);
        let mut replicas: Vec<usize> = node.replicas.iter().map(|replica| index[replica]).collect();
        replicas.sort_unstable();
        NodeView {
            id: node.id,
            flags: node.flags,
            ip: node.ip,
            port: node.port,
            secondary_port: node.secondary_port,
            bus_port: node.bus_port,
            hostname: node.hostname.clone(),
            human_nodename: node.human_nodename.clone(),
            shard_id: node.shard_id,
            primary: node.primary.map(|primary| self.nodes[primary].id),
            replicas,
            config_epoch: node.primary.map_or(node.config_epoch, |primary| self.nodes[primary].config_epoch),
            ping_sent: node.ping_sent,
            pong_received: node.pong_received,
            connected: myself || node.link.is_some_and(|link| self.is_connected(link)),
            slots: node.slots.ranges().collect(),
            offset: if myself { self.replication.offset } else { node.listed_offset },
        }
    }

    fn link_views(&self, keys: &[NodeKey]) -> Vec<LinkView> {
        let both = |key: &NodeKey| [self.nodes[*key].link, self.nodes[*key].inbound];
        let links = keys.iter().flat_map(|key| both(key).into_iter().flatten().map(|link| (self.nodes[*key].id, link)));
        links
            .filter_map(|(node, id)| {
                let link = self.links.get(id)?;
                let (inbound, connected, created_at) = (link.inbound, link.connected, link.created_at);
                Some(LinkView { id, node, inbound, connected, created_at, queued_bytes: link.queued_bytes() })
            })
            .collect()
    }
}

fn write_counters(text: &mut String, direction: &str, counts: &[u64; PacketType::ALL.len()]) {
    for (kind, count) in PacketType::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
        let _ = write!(text, "cluster_stats_messages_{}_{direction}:{count}\r\n", kind.name());
    }
    let _ = write!(text, "cluster_stats_messages_{direction}:{}\r\n", counts.iter().sum::<u64>());
}

// Indices of nodes must not collide with the mark for "no owner".
const _: () = assert!(crate::config::MAX_NODES < NOBODY as usize);
