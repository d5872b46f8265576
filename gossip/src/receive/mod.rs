//! Received packets, one at a time.
//!
//! The id in a packet's header identifies its sender, never the connection alone. Only MEET, sent on behalf of an
//! administrator, makes an unknown node known (redis issue 6174: addresses are reused by other clusters).
//!
//! **Stale packets.** Each pair of nodes has two connections, so a packet can be overtaken by a newer one on the other
//! connection. A node's current epoch never goes down (it is saved before it is sent), and every change of role or
//! slots that matters comes with a higher one. A packet whose current epoch is below one already seen from that node is
//! therefore old: it still proves life, but what it claims is ignored (valkey issues 1777, 2811, 3084).

mod fail;
mod gossip;
mod ping;
mod publish;
mod slots;
mod update;

use protocol::bus::{Body, Header, Packet, decode};

use crate::config::UnixMillis;
use crate::event::Level;
use crate::link::LinkId;
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    /// One complete packet arrived, cut out of the stream with `protocol::bus::frame_len` (if the stream cannot be cut,
    /// close it: `handle_link_closed`). Unreadable packets are counted and dropped, and so is anything on a link that
    /// is gone.
    pub fn handle_packet(&mut self, link: LinkId, bytes: &[u8], now: UnixMillis) {
        if self.links.get(link).is_none() {
            return;
        }
        self.begin(now);
        match decode(bytes) {
            Ok(packet) => self.receive(link, packet, now),
            Err(error) => {
                self.stats.invalid += 1;
                self.log(Level::Warning, format!("Received an invalid packet from the Cluster bus: {error}"));
            }
        }
        self.finish(now);
    }

    fn receive(&mut self, link: LinkId, packet: Packet, now: UnixMillis) {
        let Packet { mut header, mut body } = packet;
        header.current_epoch = self.believed(header.current_epoch);
        header.config_epoch = self.believed(header.config_epoch);
        if let Body::Update { config_epoch, .. } = &mut body {
            *config_epoch = self.believed(*config_epoch);
        }
        let kind = body.packet_type();
        self.stats.received[kind as usize] += 1;
        if self.drop_filter == Some(kind) {
            self.log(Level::Warning, "Dropping packet that matches debug drop filter".into());
            return;
        }
        let is_ping = matches!(body, Body::Ping(_) | Body::Pong(_) | Body::Meet(_));
        if is_ping && !self.settle_identity(link, &header, now) {
            return;
        }
        let sender = self.nodes.find(&header.sender).filter(|key| !self.is_me(*key));
        let mut known_epoch = None;
        if let Some(sender) = sender {
            self.adopt_inbound_link(link, sender);
            known_epoch = self.note_header(sender, &header, now);
            if known_epoch.is_some() {
                self.note_offset(sender, link, &header);
            }
        }
        let from = Origin { link, sender, known_epoch };
        match body {
            Body::Ping(ping) => self.receive_ping(&from, &header, &ping, PingKind::Ping, now),
            Body::Pong(ping) => self.receive_ping(&from, &header, &ping, PingKind::Pong, now),
            Body::Meet(ping) => self.receive_ping(&from, &header, &ping, PingKind::Meet, now),
            Body::Fail { node } => self.receive_fail(sender, &header, node, now),
            Body::Publish { channel, message } => self.receive_publish(sender, channel, message, false),
            Body::PublishShard { channel, message } => self.receive_publish(sender, channel, message, true),
            Body::Update { node, config_epoch, slots } => self.receive_update(sender, node, config_epoch, &slots),
            Body::AuthRequest => {
                if let Some(sender) = sender {
                    self.vote_if_due(sender, &header, link, now);
                }
            }
            Body::AuthAck => {
                if let Some(sender) = sender {
                    self.count_vote(sender, &header);
                }
            }
            Body::MfStart => {
                if let Some(sender) = sender {
                    self.handle_mfstart(sender, now);
                }
            }
            Body::Module { .. } => {}
        }
    }

    /// An accepted connection belongs to the node that its packets name. A second one replaces the first, which is most
    /// likely stale.
    fn adopt_inbound_link(&mut self, link: LinkId, sender: NodeKey) {
        let Some(entry) = self.links.get_mut(link).filter(|entry| entry.inbound) else { return };
        let Some(old_owner) = entry.node.replace(sender).filter(|old| *old != sender) else {
            return self.replace_inbound(link, sender);
        };
        let old = &mut self.nodes[old_owner];
        old.inbound = old.inbound.filter(|l| *l != link);
        self.replace_inbound(link, sender);
    }

    fn replace_inbound(&mut self, link: LinkId, sender: NodeKey) {
        if let Some(old) = self.nodes[sender].inbound.replace(link).filter(|old| *old != link) {
            self.close_link(old);
        }
    }

    /// Takes over the facts about the sender that every packet carries. Returns the config epoch known so far; `None`:
    /// the packet is stale.
    fn note_header(&mut self, sender: NodeKey, header: &Header, now: UnixMillis) -> Option<u64> {
        let node = &mut self.nodes[sender];
        node.data_received = now;
        if header.current_epoch < node.seen_epoch {
            self.stats.stale += 1;
            return None;
        }
        let known_epoch = node.config_epoch;
        node.seen_epoch = header.current_epoch;
        // A replica sends its primary's epoch; that is saved when the primary itself sends it.
        let newer_config = header.config_epoch > node.config_epoch;
        let worth_saving = newer_config && !(node.is_replica() && header.replica_of.is_some());
        if newer_config {
            node.config_epoch = header.config_epoch;
        }
        // A config epoch is always made from a current epoch, so it cannot be above it, whatever a peer says.
        let highest = header.current_epoch.max(header.config_epoch);
        if highest > self.epochs.current {
            self.epochs.current = highest;
            self.save_durably();
        }
        if worth_saving {
            self.save_durably();
        }
        Some(known_epoch)
    }

    /// A replica reports data as soon as it has some, on one of the two links. A packet that it sent before may arrive
    /// after that on the other link, and the next one is half a node timeout away. Each link keeps order. So the
    /// replica is believed to have lost its data only on the link on which it reported some, or when that link is gone.
    fn note_offset(&mut self, sender: NodeKey, link: LinkId, header: &Header) {
        let primary = self.nodes[sender].primary.map(|key| self.nodes[key].id);
        let told_on = self.nodes[sender].data_told_on.filter(|told| self.links.get(*told).is_some());
        let overtaken = header.offset == 0
            && header.replica_of.is_some()
            && header.replica_of == primary
            && told_on.is_some_and(|told| told != link);
        let node = &mut self.nodes[sender];
        node.offset = header.offset;
        if overtaken {
            return;
        }
        self.todo.details |= (node.listed_offset == 0) != (header.offset == 0);
        node.listed_offset = header.offset;
        node.data_told_on = (header.offset != 0).then_some(link);
    }
}

/// Where a packet comes from.
struct Origin {
    link: LinkId,
    /// Its sender, if it is known and not this node.
    sender: Option<NodeKey>,
    /// The sender's config epoch as it was known before this packet; `None` if the packet is stale.
    known_epoch: Option<u64>,
}

/// The three packets that differ only in what they request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PingKind {
    Ping,
    Pong,
    Meet,
}
