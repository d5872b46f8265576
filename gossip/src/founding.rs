//! Founding: nodes that one program starts together are told of each other, instead of finding each other.
//!
//! CLUSTER MEET makes a cluster by handshakes and gossip, which costs every pair of nodes several packets and every
//! node a view per node that it learns of. The program that starts all nodes knows their ids, addresses, slots and
//! primaries. So each node gets the whole table at once, as if it had read it in its nodes.conf ([`Gossip::found`]).
//! Links are opened in a second step ([`Gossip::open_links`]), when all nodes have the table: a node that hears from a
//! peer which does not know its own place yet would believe the peer.
//!
//! A founded cluster is safe to serve at once: no replica can have been elected in a cluster that did not exist.

use protocol::bus::{IpText, NodeFlags, NodeId};
use protocol::slot::SlotRange;

use crate::config::UnixMillis;
use crate::error::Error;
use crate::node::NodeKey;
use crate::send::NEWCOMER_MS;
use crate::state::Gossip;

/// How long the periodic work, which opens links too, waits for [`Gossip::open_links`], in milliseconds.
const LINKS_WAIT_MS: i64 = 1_000;

/// One node of a cluster that is founded as a whole.
#[derive(Clone, Debug)]
pub struct Founder {
    pub id: NodeId,
    pub shard_id: NodeId,
    pub ip: IpText,
    pub port: u16,
    pub bus_port: u16,
    pub hostname: String,
    pub human_nodename: String,
    pub config_epoch: u64,
    /// The slots of a primary.
    pub slots: Vec<SlotRange>,
    /// The primary of a replica.
    pub primary: Option<NodeId>,
}

impl Gossip {
    /// This node as it may be described to the others: a primary without slots. `ip` is used if it announces none.
    pub fn founder(&self, ip: IpText) -> Founder {
        let me = &self.nodes[self.me];
        Founder {
            id: me.id,
            shard_id: me.shard_id,
            ip: self.config.announce.ip.unwrap_or(ip),
            port: me.port,
            bus_port: me.bus_port,
            hostname: me.hostname.clone(),
            human_nodename: me.human_nodename.clone(),
            config_epoch: 0,
            slots: Vec::new(),
            primary: None,
        }
    }

    /// Takes its place in a new cluster of these nodes, of which it is one. It must know no other node and own nothing.
    ///
    /// # Errors
    /// It knows others or owns slots; then nothing has changed.
    pub fn found(&mut self, founders: &[Founder], now: UnixMillis) -> Result<(), Error> {
        let me = &self.nodes[self.me];
        if self.nodes.len() > 1 {
            return Err(Error::EpochWithPeers);
        }
        if me.config_epoch != 0 {
            return Err(Error::EpochAlreadySet);
        }
        if me.slot_count > 0 {
            return Err(Error::NotEmpty);
        }
        self.begin(now);
        for founder in founders {
            self.add_founder(founder, now);
        }
        for founder in founders {
            if let Some((key, primary)) = self.replica_and_primary(founder) {
                self.settle_replica(key, primary);
            }
        }
        // No node needs an announcement.
        self.announcement.at = None;
        self.next_cron = now + LINKS_WAIT_MS;
        self.reconfigured();
        self.save_durably();
        self.finish(now);
        Ok(())
    }

    /// Opens the links to all nodes, once all of them know their places.
    pub fn open_links(&mut self, now: UnixMillis) {
        self.begin(now);
        for key in self.nodes.keys() {
            self.connect(key, now);
        }
        self.next_cron = now;
        self.finish(now);
    }

    fn add_founder(&mut self, founder: &Founder, now: UnixMillis) {
        let known = self.nodes.find(&founder.id);
        let Some(key) = known.or_else(|| self.add_node(founder.id, NodeFlags::MASTER, now)) else { return };
        let node = &mut self.nodes[key];
        node.shard_id = founder.shard_id;
        node.ip = founder.ip;
        node.port = founder.port;
        node.bus_port = founder.bus_port;
        node.hostname.clone_from(&founder.hostname);
        node.human_nodename.clone_from(&founder.human_nodename);
        node.config_epoch = founder.config_epoch;
        node.extensions = true;
        // All nodes know it, so it is no news.
        node.created_at = now - NEWCOMER_MS;
        self.epochs.current = self.epochs.current.max(founder.config_epoch);
        for slot in founder.slots.iter().flat_map(|range| range.iter()) {
            self.assign(key, slot);
        }
    }

    fn replica_and_primary(&self, founder: &Founder) -> Option<(NodeKey, NodeKey)> {
        let primary = self.nodes.find(founder.primary.as_ref()?)?;
        self.nodes.find(&founder.id).filter(|key| *key != primary).map(|key| (key, primary))
    }

    fn settle_replica(&mut self, key: NodeKey, primary: NodeKey) {
        // The epoch that its packets will carry.
        self.nodes[key].config_epoch = self.nodes[primary].config_epoch;
        if self.is_me(key) {
            self.replicate_node(primary);
        } else {
            self.set_as_replica(key, Some(primary));
        }
    }
}
