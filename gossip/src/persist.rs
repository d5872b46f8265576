//! nodes.conf: writing it, and making a core from its text.
//!
//! Beyond Redis's text it has the variables `slotd-shard-id` (our shard), `slotd-data` (we have data, see
//! `data_loss.rs`) and `slotd-forgotten` (id and until when, `id:millis`); Redis skips variables that it does not know.
//! Because the bans are kept, a restart within the minute does not bring a forgotten node back (redis issue 3948).

use protocol::bus::{NodeFlags, NodeId};

use crate::config::{Config, UnixMillis};
use crate::event::Level;
use crate::node::{Node, NodeKey, NodeTable, role_of};
use crate::nodes_conf::{NodeLine, NodesConf, NodesConfError};
use crate::rng::Rng;
use crate::state::Gossip;

const SHARD_ID: &str = "slotd-shard-id";
const DATA: &str = "slotd-data";
const FORGOTTEN: &str = "slotd-forgotten";

impl Gossip {
    /// A node that restarts with the text of its nodes.conf. An empty file means a new node: use [`Gossip::new`].
    ///
    /// # Errors
    /// The file is damaged: refuse to start and leave it as it is.
    pub fn load(config: Config, seed: u64, file: &[u8], now: UnixMillis) -> Result<Self, NodesConfError> {
        let conf = NodesConf::parse(file)?;
        let mut rng = Rng::new(seed);
        let mut nodes = NodeTable::default();
        for line in &conf.nodes {
            let shard_id = rng.node_id();
            nodes.insert(node_from(line, shard_id, now));
        }
        let me = nodes.by_id().find(|key| nodes[*key].flags.contains(NodeFlags::MYSELF));
        let me = me.expect("the parser demands exactly one node flagged myself");
        let mut core = Self::with_table(config, rng, nodes, me, now);
        core.epochs.current = conf.current_epoch;
        core.epochs.last_vote = conf.last_vote_epoch;
        for line in &conf.nodes {
            core.restore_references(line, now);
        }
        core.restore_vars(&conf, now);
        core.settle_after_load(now);
        Ok(core)
    }

    /// Slots, primaries and open migrations: the parts that refer to other lines.
    fn restore_references(&mut self, line: &NodeLine, now: UnixMillis) {
        let Some(key) = self.nodes.find(&line.id) else { return };
        // A replica owns no slots, whatever its line says.
        let may_own = !self.nodes[key].is_replica();
        for slot in line.slots.iter().filter(|_| may_own) {
            self.assign(key, slot);
        }
        let mention = |core: &mut Self, id: &NodeId| core.mentioned(id, now);
        if let Some(id) = &line.replica_of {
            let primary = mention(self, id).filter(|primary| *primary != key);
            self.nodes[key].primary = primary;
            if let Some(primary) = primary {
                self.attach_replica(primary, key);
            }
        }
        for (slot, id) in &line.migrating {
            if let Some(to) = mention(self, id) {
                self.slots.migrating.insert(*slot, to);
            }
        }
        for (slot, id) in &line.importing {
            if let Some(from) = mention(self, id) {
                self.slots.importing.insert(*slot, from);
            }
        }
    }

    /// A node that some line refers to; one without a line of its own is created, as Redis does.
    fn mentioned(&mut self, id: &NodeId, now: UnixMillis) -> Option<NodeKey> {
        self.nodes.find(id).or_else(|| self.add_node(*id, NodeFlags::NOADDR, now))
    }

    fn restore_vars(&mut self, conf: &NodesConf, now: UnixMillis) {
        for (name, value) in &conf.other_vars {
            if name == SHARD_ID {
                if let Ok(shard_id) = value.parse() {
                    let leader = self.nodes[self.me].primary.unwrap_or(self.me);
                    self.nodes[leader].shard_id = shard_id;
                }
            } else if name == DATA {
                self.data_loss.marked = value == "1";
            } else if name == FORGOTTEN {
                let ban = value.split_once(':').and_then(|(id, until)| Some((id.parse().ok()?, until.parse().ok()?)));
                if let Some((id, until)) = ban {
                    self.ban(id, until, now);
                }
            } else {
                self.log(Level::Warning, format!("Skipping unknown cluster config variable '{name}'"));
            }
        }
    }

    fn settle_after_load(&mut self, now: UnixMillis) {
        // The primary's shard id wins, in whatever order the lines came (redis issues 12805, 13428).
        for key in self.nodes.keys() {
            if self.nodes[key].primary.is_none() {
                let shard_id = self.nodes[key].shard_id;
                self.set_shard_id(key, shard_id);
            } else {
                self.nodes[key].config_epoch = 0; // a replica has none of its own (redis issue 10798)
            }
            // No node has been heard yet, whatever `assign` noted.
            self.nodes[key].lease_ack = None;
        }
        self.health.voter_since = 0;
        self.health.had_cluster = self.nodes.len() > 1;
        self.health.restarted = self.nodes[self.me].slot_count > 0;
        self.lost_channels.clear_all();
        self.suspect_data_loss(now);
        let id = self.nodes[self.me].id;
        self.log(Level::Notice, format!("Node configuration loaded, I'm {id}"));
        self.set_config(self.config.clone(), now);
        self.follow_primary_address();
        self.replication.primary = self.nodes[self.me].primary.map(|primary| self.nodes[primary].id);
        self.finish(now);
    }

    /// The text of nodes.conf as of now.
    pub(crate) fn nodes_conf(&self) -> String {
        let lasting = |key: &NodeKey| !self.nodes[*key].in_handshake();
        let nodes = self.nodes.by_id().filter(lasting).map(|key| self.line(key)).collect();
        let mut other_vars = vec![(SHARD_ID.to_owned(), self.nodes[self.me].shard_id.to_string())];
        if self.data_loss.marked {
            other_vars.push((DATA.to_owned(), "1".to_owned()));
        }
        other_vars.extend(self.bans.iter().map(|(id, until)| (FORGOTTEN.to_owned(), format!("{id}:{until}"))));
        let conf =
            NodesConf { nodes, current_epoch: self.epochs.current, last_vote_epoch: self.epochs.last_vote, other_vars };
        conf.to_string()
    }

    fn line(&self, key: NodeKey) -> NodeLine {
        let node = &self.nodes[key];
        let epoch_of = node.primary.map_or(node, |primary| &self.nodes[primary]);
        let mut line = NodeLine::new(node.id);
        line.ip = node.ip;
        line.port = node.port;
        line.bus_port = node.bus_port;
        line.hostname.clone_from(&node.hostname);
        line.flags = node.flags;
        line.replica_of = node.primary.map(|primary| self.nodes[primary].id);
        line.ping_sent = node.ping_sent;
        line.pong_received = node.pong_received;
        line.config_epoch = epoch_of.config_epoch;
        line.connected = self.is_me(key) || node.link.is_some();
        line.slots = node.slots.clone();
        if self.is_me(key) {
            let named = |(slot, key): (&_, &NodeKey)| (*slot, self.nodes[*key].id);
            line.migrating = self.slots.migrating.iter().map(named).collect();
            line.importing = self.slots.importing.iter().map(named).collect();
        }
        line
    }
}

fn node_from(line: &NodeLine, shard_id: NodeId, now: UnixMillis) -> Node {
    let passing = NodeFlags::HANDSHAKE | NodeFlags::MEET | NodeFlags::MASTER | NodeFlags::SLAVE;
    // A line without role, which a damaged node once wrote, heals (redis issue 13443).
    let role = match line.replica_of {
        Some(_) => NodeFlags::SLAVE,
        None if role_of(line.flags) == NodeFlags::NONE && line.flags.contains(NodeFlags::MYSELF) => NodeFlags::MASTER,
        None => role_of(line.flags),
    };
    let flags = line.flags.without(passing).with(role);
    let mut node = Node::new(line.id, line.shard_id.unwrap_or(shard_id), flags, now);
    node.ip = line.ip;
    node.port = line.port;
    node.secondary_port = line.secondary_port;
    node.bus_port = line.bus_port;
    node.hostname.clone_from(&line.hostname);
    node.human_nodename.clone_from(&line.nodename);
    node.config_epoch = line.config_epoch;
    // A pending ping was sent before the restart: its time starts anew.
    node.ping_sent = if line.ping_sent == 0 { 0 } else { now };
    node.pong_received = if line.pong_received == 0 { 0 } else { now };
    node.fail_time = if node.has_failed() { now } else { 0 };
    node
}
