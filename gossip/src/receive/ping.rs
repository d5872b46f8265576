//! PING, PONG and MEET: identity, address, liveness, role, slots, gossip, in this order.
//!
//! (`clusterProcessPacket`, cut into its steps.)

use protocol::bus::{Header, IpText, MessageFlags, NodeFlags, PacketType, PingBody};

use protocol::slot::SlotBitmap;

use crate::config::{MAX_HANDSHAKES, UnixMillis};
use crate::event::Level;
use crate::link::LinkId;
use crate::node::{Node, NodeKey, role_of};
use crate::receive::{Origin, PingKind};
use crate::state::Gossip;

/// How many changes of a node's address are logged in a minute.
const MOVES_TOLD: u32 = 3;

impl Gossip {
    /// Checks a packet on a link that we opened against the node that we meant to reach: ends a handshake, or notices
    /// that another node has that address now. False: the link is closed and the packet is dropped.
    pub(super) fn settle_identity(&mut self, link: LinkId, header: &Header, now: UnixMillis) -> bool {
        let Some(entry) = self.links.get(link).filter(|entry| !entry.inbound) else { return true };
        let Some(key) = entry.node else { return true };
        if self.nodes[key].in_handshake() {
            return self.complete_handshake(link, key, header, now);
        }
        if self.nodes[key].id == header.sender {
            return true;
        }
        let id = self.nodes[key].id;
        self.log(Level::Debug, format!("PONG contains mismatching sender ID. About node {id}."));
        let node = &mut self.nodes[key];
        node.flags.insert(NodeFlags::NOADDR);
        node.ip = IpText::EMPTY;
        node.port = 0;
        node.secondary_port = 0;
        node.bus_port = 0;
        self.close_link(link);
        self.reconfigured();
        false
    }

    fn complete_handshake(&mut self, link: LinkId, key: NodeKey, header: &Header, now: UnixMillis) -> bool {
        if let Some(known) = self.nodes.find(&header.sender) {
            // The node is already known under its real id, so the entry of the handshake is removed.
            if !self.is_me(known) {
                self.log(
                    Level::Verbose,
                    format!("Handshake: we already know node {}, updating the address if needed.", header.sender),
                );
                let peer_ip = self.nodes[key].ip;
                self.update_address(known, header, peer_ip, now);
            }
            self.remove_node(key);
            return false;
        }
        debug_assert!(self.links.get(link).is_some());
        self.log(Level::Debug, format!("Handshake with node {} completed.", header.sender));
        self.nodes.rename(key, header.sender);
        let node = &mut self.nodes[key];
        node.flags.remove(NodeFlags::HANDSHAKE | NodeFlags::MEET);
        node.flags.insert(role_of(header.flags));
        self.bans.remove(&header.sender);
        self.announce_members(now);
        self.save();
        true
    }

    pub(super) fn receive_ping(
        &mut self,
        from: &Origin,
        header: &Header,
        body: &PingBody,
        kind: PingKind,
        now: UnixMillis,
    ) {
        let Origin { link, sender, known_epoch } = *from;
        self.note_extension_support(link, sender, header);
        if kind != PingKind::Pong {
            self.learn_own_address(link, kind);
            let to_myself = header.sender == self.nodes[self.me].id;
            if sender.is_none() && kind == PingKind::Meet && !to_myself {
                self.accept_meet(link, header, now);
            }
            self.send_ping(link, PacketType::Pong, now);
        }
        let Some(sender) = sender else { return };
        let no_failover = header.flags.contains(NodeFlags::NOFAILOVER);
        if self.nodes[sender].flags.contains(NodeFlags::NOFAILOVER) != no_failover {
            self.nodes[sender].flags.set(NodeFlags::NOFAILOVER, no_failover);
            self.save();
        }
        let from_primary = self.nodes[self.me].primary == Some(sender);
        let paused = from_primary && header.message_flags.contains(MessageFlags::PAUSED);
        if kind == PingKind::Ping {
            self.update_address_from(link, sender, header, now);
            if paused {
                self.ask_for_final_offset(now);
            } else if from_primary {
                self.notice_end_of_pause(link);
            }
        }
        if kind == PingKind::Pong {
            let asked_at = self.note_pong(link, sender, now);
            if let Some(asked_at) = asked_at.filter(|_| paused) {
                self.learn_final_offset(header.offset, asked_at, now);
            }
        }
        if let Some(known_epoch) = known_epoch {
            self.apply_role(sender, header, known_epoch);
            self.apply_slots(link, sender, header);
            self.abandon_taken_epoch(sender, header.config_epoch);
            self.judge_data(sender, now);
        }
        self.process_gossip(sender, &body.gossip, now);
        self.process_extensions(sender, &body.extensions, now);
    }

    fn note_extension_support(&mut self, link: LinkId, sender: Option<NodeKey>, header: &Header) {
        let shown = header.flags.contains(NodeFlags::EXTENSIONS_SUPPORTED)
            || header.message_flags.contains(MessageFlags::EXT_DATA);
        if let Some(link) = self.links.get_mut(link) {
            link.extensions |= shown;
        }
        if let Some(sender) = sender {
            self.nodes[sender].extensions |= shown;
        }
    }

    /// A node learns its own address from the addresses at which others reach it: MEET uses the official one; any ping
    /// is better than nothing.
    fn learn_own_address(&mut self, link: LinkId, kind: PingKind) {
        let unknown = self.nodes[self.me].ip.is_empty();
        if self.config.announce.ip.is_some() || !(kind == PingKind::Meet || unknown) {
            return;
        }
        let Some(ip) = self.links.get(link).map(|link| link.local_ip).filter(|ip| !ip.is_empty()) else { return };
        if self.nodes[self.me].ip != ip {
            self.nodes[self.me].ip = ip;
            self.log(Level::Warning, format!("IP address for this node updated to {ip}"));
            self.save();
        }
    }

    /// An unknown node was told to join us: contact it. Its id comes with its answer.
    fn accept_meet(&mut self, link: LinkId, header: &Header, now: UnixMillis) {
        let Some(peer_ip) = self.links.get(link).map(|link| link.peer_ip) else { return };
        let ip = if header.ip.is_empty() { peer_ip } else { header.ip };
        if !ip.is_empty() && header.bus_port != 0 {
            self.start_handshake(ip, header.port, header.bus_port, NodeFlags::HANDSHAKE, now);
        }
    }

    /// Adds a node in handshake, unless there is one for that address. False if there are too many.
    pub(crate) fn start_handshake(
        &mut self,
        ip: IpText,
        port: u16,
        bus_port: u16,
        flags: NodeFlags,
        now: UnixMillis,
    ) -> bool {
        let address = |node: &Node| (node.ip, node.port, node.bus_port);
        let handshakes: Vec<&Node> =
            self.nodes.iter().map(|(_, node)| node).filter(|node| node.in_handshake()).collect();
        if handshakes.iter().any(|node| address(node) == (ip, port, bus_port)) {
            return true;
        }
        if handshakes.len() >= MAX_HANDSHAKES {
            return false;
        }
        let id = self.rng.node_id();
        let Some(key) = self.add_node(id, flags, now) else { return false };
        let node = &mut self.nodes[key];
        node.ip = ip;
        node.port = port;
        node.bus_port = bus_port;
        self.connect(key, now);
        true
    }

    /// A node pings us over its own connection, which shows its present address.
    fn update_address_from(&mut self, link: LinkId, sender: NodeKey, header: &Header, now: UnixMillis) {
        if self.nodes[sender].link == Some(link) {
            return; // the way that we took says nothing new
        }
        if let Some(peer_ip) = self.links.get(link).map(|link| link.peer_ip) {
            self.update_address(sender, header, peer_ip, now);
        }
    }

    /// `nodeUpdateAddressIfNeeded`.
    fn update_address(&mut self, key: NodeKey, header: &Header, peer_ip: IpText, now: UnixMillis) {
        let ip = if header.ip.is_empty() { peer_ip } else { header.ip };
        let announced = (ip, header.port, header.secondary_port, header.bus_port);
        let node = &self.nodes[key];
        let known = (node.ip, node.port, node.secondary_port, node.bus_port);
        if ip.is_empty() || header.bus_port == 0 || known == announced {
            return;
        }
        if let Some(link) = node.link {
            self.close_link(link);
        }
        let node = &mut self.nodes[key];
        (node.ip, node.port, node.secondary_port, node.bus_port) = announced;
        node.flags.remove(NodeFlags::NOADDR);
        let (id, port, moves) = (node.id, node.port, node.count_move(now));
        // Two nodes with one id (a cloned volume) are each heard several times a second.
        let more = match moves {
            ..MOVES_TOLD => Some(""),
            MOVES_TOLD => Some(". It changes often, as if two nodes had this id: not told again in this minute"),
            _ => None,
        };
        if let Some(more) = more {
            self.log(Level::Warning, format!("Address updated for node {id}, now {ip}:{port}{more}"));
        }
        self.reconfigured();
        self.follow_primary_address();
        self.connect(key, now);
    }

    /// An answer to one of our pings; only those arrive on a link that we opened. Returns the send time of that ping.
    fn note_pong(&mut self, link: LinkId, sender: NodeKey, now: UnixMillis) -> Option<UnixMillis> {
        let entry = self.links.get_mut(link).filter(|entry| !entry.inbound)?;
        let asked_at = entry.answered_ping();
        if let Some(sent) = asked_at {
            self.heard(sender, sent);
            self.todo.update_state |= !self.health.ok;
        }
        let node = &mut self.nodes[sender];
        node.pong_received = now;
        node.ping_sent = 0;
        if node.is_suspect() {
            node.flags.remove(NodeFlags::PFAIL);
            self.reconfigured();
        } else if node.has_failed() {
            self.clear_failure_if_possible(sender, now);
        }
        asked_at
    }

    /// Applies the role: primary, or replica of a certain primary.
    fn apply_role(&mut self, sender: NodeKey, header: &Header, known_epoch: u64) {
        let Some(claimed) = header.replica_of else { return self.set_as_primary(sender) };
        let primary = self.nodes.find(&claimed);
        if self.nodes[sender].is_primary() {
            self.hand_over(sender, primary, header, known_epoch);
        }
        self.set_as_replica(sender, primary);
    }

    /// A primary became a replica. Its slots go to the primary that it names, if that one leads the same shard with a
    /// greater epoch: that primary's own claim may still be in flight, and slots without owner would close the cluster
    /// meanwhile (redis issue 13055, valkey issue 2301).
    fn hand_over(&mut self, sender: NodeKey, successor: Option<NodeKey>, header: &Header, known_epoch: u64) {
        let heir = successor.filter(|key| {
            let node = &self.nodes[*key];
            let same_shard = node.shard_id == self.nodes[sender].shard_id || node.primary == Some(sender);
            !self.is_me(*key) && *key != sender && same_shard && header.config_epoch > known_epoch
        });
        let Some(heir) = heir else { return self.unassign_all_of(sender) };
        self.set_as_primary(heir);
        let node = &mut self.nodes[heir];
        node.config_epoch = node.config_epoch.max(header.config_epoch);
        for slot in self.nodes[sender].slots.clone().iter() {
            if header.slots.contains(slot) && !self.slots.importing.contains_key(&slot) {
                self.reassign(heir, slot);
            } else {
                self.unassign(slot);
            }
        }
        self.save_durably();
    }

    fn apply_slots(&mut self, link: LinkId, sender: NodeKey, header: &Header) {
        let shard = self.nodes[sender].primary.unwrap_or(sender);
        // A slot that the sender left out of one packet and claims in the next is marked as free. The claim must clear
        // the mark, even though the table already names the sender; otherwise any old claim could take the slot.
        let marked = |marks: &SlotBitmap| marks.intersects(&header.slots);
        let reclaimed =
            self.nodes[sender].is_primary() && (marked(&self.slots.unclaimed) || marked(&self.slots.awaited));
        if reclaimed || self.nodes[shard].slots != header.slots {
            if self.nodes[sender].is_primary() {
                self.take_over_claims(sender, header.config_epoch, &header.slots);
            }
            self.correct_old_claims(sender, header.config_epoch, &header.slots, link);
        }
        if self.nodes[sender].is_primary() {
            self.follow_shard_leader(sender);
            self.resolve_epoch_collision(sender);
        }
    }

    /// Two primaries are in one shard, and this one owns none of its slots: it is the leftover (valkey issue 2261).
    fn follow_shard_leader(&mut self, leader: NodeKey) {
        let (me, node) = (&self.nodes[self.me], &self.nodes[leader]);
        let leftover = me.is_primary()
            && me.slot_count == 0
            && node.slot_count > 0
            && me.shard_id == node.shard_id
            && me.config_epoch < node.config_epoch;
        if leftover {
            self.follow_new_owner(leader);
        }
    }
}
