//! Building and sending packets.
//!
//! A packet is addressed to a link and becomes an [`Effect::Send`] among the pending effects, so it leaves after the
//! nodes.conf that it depends on. A link that is still connecting queues packets other than pings until it is up.
//!
//! The gossip section (`clusterSendPing`): at least three nodes or a tenth of all, picked at random, and *every* node
//! that this one suspects, so that suspicions always spread. The receiver itself is left out (redis issue 13046).
//! Beyond Redis, nodes that joined within the last seconds are always mentioned, and shortly after a node joined all
//! nodes get a PONG (`announce`): a new cluster agrees within milliseconds instead of half node timeouts.
//!
//! A ping may end with extensions. Every node of Redis 7 knows the one for the host name. The others are sent only to
//! nodes that have declared, by a flag of their packets, that they understand extensions (redis issue 13465).

use std::sync::Arc;

use protocol::bus::{
    Body, Extension, GossipEntry, Header, IpText, MessageFlags, NodeFlags, Packet, PacketType, PingBody, encode,
};

use crate::config::UnixMillis;
use crate::event::Effect;
use crate::link::LinkId;
use crate::node::{Node, NodeKey};
use crate::state::Gossip;

impl Gossip {
    pub(crate) fn is_connected(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| link.connected)
    }

    /// Sends a PING over a link that we opened.
    pub(crate) fn ping(&mut self, link: LinkId, now: UnixMillis) {
        self.send_ping(link, PacketType::Ping, now);
    }

    /// Sends PING, PONG or MEET.
    pub(crate) fn send_ping(&mut self, link: LinkId, kind: PacketType, now: UnixMillis) {
        let Some(entry) = self.links.get_mut(link) else { return };
        let peer = entry.node;
        let outbound_request = !entry.inbound && kind != PacketType::Pong;
        if outbound_request {
            entry.note_ping(now);
            if let Some(peer) = peer {
                self.nodes[peer].ping_sent = now;
            }
        }
        let body = PingBody { gossip: self.gossip_section(peer, now), extensions: self.extensions_for(link, now) };
        let body = match kind {
            PacketType::Meet => Body::Meet(body),
            PacketType::Pong => Body::Pong(body),
            _ => Body::Ping(body),
        };
        let mut header = self.header(peer);
        // Without extensions the flag means "I understand extensions"; old nodes ignore it.
        header.message_flags = header.message_flags.with(MessageFlags::EXT_DATA);
        self.send_packet(link, header, body);
    }

    /// Announces a change to every node at once instead of with the next ping (`clusterBroadcastPong`).
    pub(crate) fn broadcast_pong(&mut self) {
        let everybody = self.nodes.keys();
        self.pong_to(everybody);
    }

    /// Sends an unasked PONG to those of the nodes that can be reached.
    pub(crate) fn pong_to(&mut self, nodes: Vec<NodeKey>) {
        for key in nodes {
            let node = &self.nodes[key];
            let Some(link) = node.link.filter(|link| !node.in_handshake() && self.is_connected(*link)) else {
                continue;
            };
            self.send_ping(link, PacketType::Pong, self.last_input);
        }
    }

    /// Sends one packet to every node that has a link and a name (`clusterBroadcastMessage`).
    pub(crate) fn broadcast(&mut self, body: Body, message_flags: MessageFlags) {
        let mut header = self.header(None);
        header.message_flags = message_flags;
        let kind = body.packet_type();
        let bytes: Arc<[u8]> = encode(&Packet { header, body }).into();
        for key in self.nodes.keys() {
            let node = &self.nodes[key];
            if let Some(link) = node.link.filter(|_| !self.is_me(key) && !node.in_handshake()) {
                self.send_bytes(link, kind, Arc::clone(&bytes));
            }
        }
    }

    /// Sends one packet without gossip to a link.
    pub(crate) fn send(&mut self, link: LinkId, body: Body, message_flags: MessageFlags) {
        let peer = self.links.get(link).and_then(|link| link.node);
        let mut header = self.header(peer);
        header.message_flags = header.message_flags.with(message_flags);
        self.send_packet(link, header, body);
    }

    /// Tells a node about another node's claim to slots (`clusterSendUpdate`), without those that the owner gave up.
    pub(crate) fn send_update(&mut self, link: LinkId, about: NodeKey) {
        let node = &self.nodes[about];
        let slots = node.slots.iter().filter(|slot| !self.slots.unclaimed.contains(*slot)).collect();
        let body = Body::Update { node: node.id, config_epoch: node.config_epoch, slots: Box::new(slots) };
        self.send(link, body, MessageFlags::NONE);
    }

    /// The link to a node: the one that we opened, or else the one on which it just sent a packet.
    pub(crate) fn way_to(&self, key: NodeKey, arrived_on: LinkId) -> LinkId {
        self.nodes[key].link.filter(|link| self.is_connected(*link)).unwrap_or(arrived_on)
    }

    fn send_packet(&mut self, link: LinkId, header: Header, body: Body) {
        let kind = body.packet_type();
        let bytes: Arc<[u8]> = encode(&Packet { header, body }).into();
        self.send_bytes(link, kind, bytes);
    }

    fn send_bytes(&mut self, link: LinkId, kind: PacketType, bytes: Arc<[u8]>) {
        let Some(entry) = self.links.get_mut(link) else { return };
        if bytes.is_empty() {
            return; // too large for the bus
        }
        self.stats.sent[kind as usize] += 1;
        if entry.connected {
            self.pending.push(Effect::Send { link, bytes });
        } else {
            entry.enqueue(bytes);
        }
    }

    /// `clusterBuildMessageHdr`. A replica sends its primary's slots and config epoch.
    fn header(&self, to: Option<NodeKey>) -> Header {
        let me = &self.nodes[self.me];
        let shard = me.primary.map_or(me, |primary| &self.nodes[primary]);
        // PAUSED is only for the replica that runs the manual failover: another one may be trying the same.
        let paused = me.is_primary() && self.manual.paused && self.manual.replica == to && to.is_some();
        Header {
            sender: me.id,
            ip: self.config.announce.ip.unwrap_or(IpText::EMPTY),
            port: me.port,
            secondary_port: me.secondary_port,
            bus_port: me.bus_port,
            flags: me.flags.with(NodeFlags::EXTENSIONS_SUPPORTED),
            cluster_ok: self.health.ok,
            current_epoch: self.epochs.current,
            config_epoch: shard.config_epoch,
            offset: self.replication.offset,
            slots: shard.slots.clone(),
            replica_of: me.primary.map(|primary| self.nodes[primary].id),
            message_flags: if paused { MessageFlags::PAUSED } else { MessageFlags::NONE },
        }
    }

    fn gossip_section(&mut self, receiver: Option<NodeKey>, now: UnixMillis) -> Vec<GossipEntry> {
        let others = self.nodes.len().saturating_sub(2);
        let wanted = (self.nodes.len() / 10).max(3).min(others);
        let keys = self.nodes.keys();
        let mut chosen: Vec<NodeKey> = Vec::new();
        // A random choice may hit the same node again and again: three tries for each place, as in Redis.
        for _ in 0..wanted * 3 {
            if chosen.len() == wanted {
                break;
            }
            let key = keys[self.rng.below(keys.len())];
            let node = &self.nodes[key];
            let excluded = NodeFlags::MYSELF | NodeFlags::PFAIL | NodeFlags::HANDSHAKE | NodeFlags::NOADDR;
            let of_no_use = node.flags.intersects(excluded) || (node.link.is_none() && node.slot_count == 0);
            if !of_no_use && Some(key) != receiver && !chosen.contains(&key) {
                chosen.push(key);
            }
        }
        let others = || self.nodes.iter().filter(|(key, node)| Some(*key) != receiver && !node.in_handshake());
        let tellable = |node: &Node| !node.flags.intersects(NodeFlags::MYSELF | NodeFlags::NOADDR | NodeFlags::PFAIL);
        let newcomers = others().filter(|(key, node)| is_new(node, now) && tellable(node) && !chosen.contains(key));
        let newcomers: Vec<NodeKey> = newcomers.map(|(key, _)| key).take(MAX_NEWCOMERS).collect();
        // Also those without address, which Redis leaves out: a primary that came back under another id has none, and
        // without reports about its old self its replicas would never be elected. The random choice, by which nodes
        // that missed the FAIL message learn of other failed nodes, does not pick them either.
        let lost_owner = |node: &Node| node.has_failed() && !node.has_address() && node.slot_count > 0;
        let suspects = others().filter(|(_, node)| node.is_suspect() || lost_owner(node)).map(|(key, _)| key);
        chosen.extend(newcomers.into_iter().chain(suspects));
        chosen.truncate(usize::from(u16::MAX));
        chosen.iter().map(|key| gossip_entry(&self.nodes[*key])).collect()
    }

    fn extensions_for(&self, link: LinkId, now: UnixMillis) -> Vec<Extension> {
        let link = self.links.get(link);
        let receiver = link.and_then(|link| link.node);
        let understood =
            link.is_some_and(|link| link.extensions) || receiver.is_some_and(|key| self.nodes[key].extensions);
        let me = &self.nodes[self.me];
        let mut extensions = Vec::new();
        if !me.hostname.is_empty() {
            extensions.push(Extension::Hostname(me.hostname.clone()));
        }
        if !understood {
            return extensions;
        }
        if !me.human_nodename.is_empty() {
            extensions.push(Extension::HumanNodename(me.human_nodename.clone()));
        }
        for (id, until) in &self.bans {
            let ttl_seconds = u64::try_from((until - now) / 1000).unwrap_or(0);
            if ttl_seconds > 0 {
                extensions.push(Extension::ForgottenNode { id: *id, ttl_seconds });
            }
        }
        extensions.push(Extension::ShardId(me.shard_id));
        extensions
    }
}

/// Nodes that joined within this time are mentioned, until all nodes have had a few packets from us.
pub(crate) const NEWCOMER_MS: i64 = 2_000;
/// How many of them one packet mentions at most.
const MAX_NEWCOMERS: usize = 32;

fn is_new(node: &Node, now: UnixMillis) -> bool {
    now - node.created_at < NEWCOMER_MS
}

/// `clusterSetGossipEntry`.
fn gossip_entry(node: &Node) -> GossipEntry {
    GossipEntry {
        id: node.id,
        ping_sent: seconds(node.ping_sent),
        pong_received: seconds(node.pong_received),
        ip: node.ip,
        port: node.port,
        bus_port: node.bus_port,
        flags: node.flags,
        secondary_port: node.secondary_port,
    }
}

fn seconds(at: UnixMillis) -> u32 {
    u32::try_from(at / 1000).unwrap_or(0)
}
