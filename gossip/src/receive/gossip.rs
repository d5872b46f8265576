//! The gossip section and the extensions: claims about third nodes, and about the sender beyond the header.
//!
//! They are believed only from known nodes. An unknown node in the gossip section is added to the table under the id
//! that the sender gives, and will be pinged. It is never *met*, since its address may belong to another cluster by
//! now.

use protocol::bus::{Extension, GossipEntry, NodeFlags, NodeId};

use crate::config::{MAX_BANS, UnixMillis};
use crate::event::Level;
use crate::node::{NodeKey, role_of};
use crate::state::Gossip;

/// How far in the future a gossiped pong may be: clocks differ.
const PONG_TOLERANCE_MS: i64 = 500;

impl Gossip {
    pub(super) fn process_gossip(&mut self, sender: NodeKey, entries: &[GossipEntry], now: UnixMillis) {
        for entry in entries {
            match self.nodes.find(&entry.id) {
                Some(key) if self.is_me(key) || key == sender => {}
                Some(key) => self.hear_about(key, sender, entry, now),
                None => self.learn_of(entry, now),
            }
        }
    }

    fn hear_about(&mut self, key: NodeKey, sender: NodeKey, entry: &GossipEntry, now: UnixMillis) {
        let failing = entry.flags.intersects(NodeFlags::FAIL | NodeFlags::PFAIL);
        if self.nodes[sender].is_voter() {
            if failing {
                self.add_report(key, sender, now);
                self.mark_failed_if_agreed(key, now);
            } else {
                self.remove_report(key, sender);
            }
        }
        if failing {
            return;
        }
        // The sender talks with it, which counts as a pong to us, so that we need not ping every node ourselves.
        let pong = i64::from(entry.pong_received) * 1_000;
        if self.nodes[key].ping_sent == 0 && self.nodes[key].is_reachable() && self.count_reports(key, now) == 0 {
            let node = &mut self.nodes[key];
            if pong > node.pong_received && pong <= now + PONG_TOLERANCE_MS {
                node.pong_received = pong;
            }
        }
        // We cannot reach it or don't know its address, but the sender can: it moved (redis issue 11918).
        let node = &self.nodes[key];
        let lost = !node.is_reachable() || !node.has_address();
        let moved = (node.ip, node.port, node.bus_port) != (entry.ip, entry.port, entry.bus_port);
        if lost && moved && !entry.flags.contains(NodeFlags::NOADDR) && !entry.ip.is_empty() {
            if let Some(link) = node.link {
                self.close_link(link);
            }
            let node = &mut self.nodes[key];
            node.ip = entry.ip;
            node.port = entry.port;
            node.secondary_port = entry.secondary_port;
            node.bus_port = entry.bus_port;
            node.flags.remove(NodeFlags::NOADDR);
            self.save();
            self.follow_primary_address();
            self.connect(key, now);
        }
    }

    fn learn_of(&mut self, entry: &GossipEntry, now: UnixMillis) {
        let unknown_place = entry.flags.contains(NodeFlags::NOADDR) || entry.ip.is_empty() || entry.bus_port == 0;
        if unknown_place || entry.flags.contains(NodeFlags::HANDSHAKE) || self.is_banned(&entry.id, now) {
            return;
        }
        // Its role as the sender sees it; we find out ourselves whether it is alive.
        let Some(key) = self.add_node(entry.id, role_of(entry.flags), now) else { return };
        let node = &mut self.nodes[key];
        node.ip = entry.ip;
        node.port = entry.port;
        node.secondary_port = entry.secondary_port;
        node.bus_port = entry.bus_port;
        self.save();
        self.connect(key, now);
        self.announce_members(now);
    }

    pub(crate) fn is_banned(&self, id: &NodeId, now: UnixMillis) -> bool {
        self.bans.get(id).is_some_and(|until| *until > now)
    }

    pub(super) fn process_extensions(&mut self, sender: NodeKey, extensions: &[Extension], now: UnixMillis) {
        let (mut hostname, mut human_nodename, mut shard_id) = ("", "", None);
        for extension in extensions {
            match extension {
                Extension::Hostname(name) => hostname = name,
                Extension::HumanNodename(name) => human_nodename = name,
                Extension::ShardId(id) => shard_id = Some(*id),
                Extension::ForgottenNode { id, ttl_seconds } => {
                    self.forget_with_the_others(sender, *id, *ttl_seconds, now);
                }
            }
        }
        let node = &mut self.nodes[sender];
        if node.hostname != hostname || node.human_nodename != human_nodename {
            hostname.clone_into(&mut node.hostname);
            human_nodename.clone_into(&mut node.human_nodename);
            self.save();
        }
        // The primary's shard id overrides what a replica says of itself; old nodes send none.
        let decided = match self.nodes[sender].primary {
            Some(primary) => Some(self.nodes[primary].shard_id),
            None => shard_id,
        };
        if let Some(shard_id) = decided {
            self.set_shard_id(sender, shard_id);
        }
    }

    /// Another node executed CLUSTER FORGET (7.2, redis issue 10869).
    fn forget_with_the_others(&mut self, sender: NodeKey, id: NodeId, ttl_seconds: u64, now: UnixMillis) {
        let key = self.nodes.find(&id);
        let needed = |key: NodeKey| self.is_me(key) || key == sender || self.nodes[self.me].primary == Some(key);
        if key.is_some_and(needed) || self.is_banned(&id, now) {
            return;
        }
        let ttl = i64::try_from(ttl_seconds.min(86_400)).expect("a day fits") * 1_000;
        self.ban(id, now + ttl, now);
        if let Some(key) = key {
            self.log(Level::Notice, format!("Forgetting node {id}, as another node was told to."));
            self.remove_node(key);
        }
    }

    /// Keeps a node away until `until`.
    pub(crate) fn ban(&mut self, id: NodeId, until: UnixMillis, now: UnixMillis) {
        self.bans.retain(|_, until| *until > now);
        if self.bans.len() < MAX_BANS {
            self.bans.insert(id, until);
        }
    }
}
