//! The core's state and its basic rules: creation, the phases of an input, `cluster_state`, adding and removing nodes.
//!
//! Every input and command has the same phases: `begin(now)` looks for a freeze and a lapsed lease; the rule runs and
//! only *notes* what follows from it (`Todo`: save, recompute the state, check the election), and puts packets and
//! other effects into `pending`; `finish(now)` acts on the notes and releases everything: nodes.conf first, then the
//! rest in order. This corresponds to `clusterBeforeSleep`, and it is why no rule has to remember to save before it
//! sends.

use std::collections::{BTreeMap, VecDeque};

use protocol::bus::{IpText, NodeFlags, NodeId, PacketType};
use protocol::slot::{SLOT_COUNT, SlotBitmap};

use crate::announce::Announcement;
use crate::config::{Config, UnixMillis};
use crate::data_loss::DataLoss;
use crate::election::Election;
use crate::event::{Effect, Level};
use crate::link::{LinkId, LinkTable};
use crate::manual_failover::ManualFailover;
use crate::node::{Node, NodeKey, NodeTable};
use crate::ownership::Ownership;
use crate::rng::Rng;
use crate::view::Stats;

/// The server's facts about its data. Set with [`Gossip::set_replication`] whenever they change noticeably, and before
/// each tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// The primary that these facts are about; `None` if this node is a primary. Facts about another primary than the
    /// current one are ignored: they are older than the last [`Effect::ReplicateFrom`].
    pub primary: Option<NodeId>,
    /// Offset written (primary) or processed (replica). A replica that has never finished a sync with *this* primary
    /// (nor started from data of the same history) reports 0: the offset of another shard's history must not count in
    /// an election.
    pub offset: u64,
    /// Since when the link to the primary has been silent: the time of the last traffic while it is up, or else the
    /// time when it went down. 0: never connected (the data is infinitely old). Ignored for a primary.
    pub last_contact: UnixMillis,
}

/// Noted during an input, acted on at its end (`CLUSTER_TODO_*`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Todo {
    pub(crate) save: bool,
    /// Other nodes will rely on the change: see [`Gossip::finish`].
    pub(crate) fsync: bool,
    /// The change must be on disk when this input ends, even if no node is told.
    pub(crate) fsync_now: bool,
    /// All links must be made anew.
    pub(crate) drop_links: bool,
    pub(crate) update_state: bool,
    pub(crate) failover: bool,
    pub(crate) manual_failover: bool,
    pub(crate) view: bool,
    /// Only details for listings changed (links, whether a replica has data): see [`Gossip::take_details_change`].
    pub(crate) details: bool,
}

/// `cluster_state` and what decides when it may become ok again.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) ok: bool,
    /// The state was ok once, or may have been before a restart: only then is caution needed.
    pub(crate) had_cluster: bool,
    /// Started from an existing configuration with slots: wait `writable_delay_ms` from the first evaluation on.
    pub(crate) restarted: bool,
    pub(crate) first_update: Option<UnixMillis>,
    /// When this node last found itself without a majority.
    pub(crate) minority_at: Option<UnixMillis>,
    /// The lease was valid at the last check, so its end is a lapse.
    pub(crate) lease_held: bool,
    /// When this node got its first slots; 0: it had them when it started.
    pub(crate) voter_since: UnixMillis,
    /// The lease expired, and the state has not been ok since.
    pub(crate) lapse: Option<Lapse>,
    /// When a freeze ended; until a majority answers a ping sent after that, the state is fail.
    pub(crate) woken_at: Option<UnixMillis>,
    /// When a freeze was last logged, and how many were not logged since.
    pub(crate) freeze_told: (UnixMillis, u32),
}

/// A time without the lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lapse {
    /// When it was last seen to be still going on.
    pub(crate) last_seen: UnixMillis,
    /// The current epoch when it began.
    pub(crate) epoch: u64,
}

/// The epochs that belong to the node itself rather than to an entry of the table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Epochs {
    /// The highest epoch seen: the logical clock of the cluster.
    pub(crate) current: u64,
    /// Epoch of the last vote given.
    pub(crate) last_vote: u64,
}

/// One node's part of the cluster. See the crate's text for how to drive it.
#[derive(Debug)]
pub struct Gossip {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) me: NodeKey,
    pub(crate) nodes: NodeTable,
    pub(crate) slots: Ownership,
    pub(crate) links: LinkTable,
    pub(crate) epochs: Epochs,
    pub(crate) health: Health,
    pub(crate) election: Election,
    pub(crate) manual: ManualFailover,
    pub(crate) data_loss: DataLoss,
    /// Forgotten nodes, each with the time until which it stays away.
    pub(crate) bans: BTreeMap<NodeId, UnixMillis>,
    pub(crate) replication: Replication,
    /// Last contact with an earlier primary of this shard, as long as nothing came from the current one.
    pub(crate) inherited_at: Option<UnixMillis>,
    /// The contents of the last `ReplicateFrom`.
    pub(crate) replicating_from: Option<(NodeId, IpText, u16)>,
    pub(crate) todo: Todo,
    /// Something that other nodes will rely on was saved and may not be on disk yet. No node has been told of it.
    pub(crate) unsynced: bool,
    /// Effects of the input that is being handled.
    pub(crate) pending: Vec<Effect>,
    /// More commands of the same transaction follow: notes are kept.
    batching: bool,
    /// Effects that are ready to be performed.
    effects: VecDeque<Effect>,
    pub(crate) stats: Stats,
    pub(crate) drop_filter: Option<PacketType>,
    pub(crate) last_input: UnixMillis,
    pub(crate) next_cron: UnixMillis,
    pub(crate) next_random_ping: UnixMillis,
    /// The schedule of announcements.
    pub(crate) announcement: Announcement,
    details_changed: bool,
    /// Slots whose keys are to be deleted, and whose shard channels are to be dropped, by the current input.
    pub(crate) lost_keys: SlotBitmap,
    pub(crate) lost_channels: SlotBitmap,
}

impl Gossip {
    /// A new node: a primary without slots that knows no other node. `seed` must differ between nodes (ids are made
    /// from it).
    pub fn new(config: Config, seed: u64, now: UnixMillis) -> Self {
        let mut rng = Rng::new(seed);
        let (id, shard_id) = (rng.node_id(), rng.node_id());
        let mut node = Node::new(id, shard_id, NodeFlags::MYSELF | NodeFlags::MASTER, now);
        node.extensions = true;
        let mut nodes = NodeTable::default();
        let me = nodes.insert(node);
        let mut core = Self::with_table(config, rng, nodes, me, now);
        core.log(Level::Notice, format!("No cluster configuration found, I'm {id}"));
        core.apply_announcement();
        core.save_durably();
        core.finish(now);
        core
    }

    pub(crate) fn with_table(config: Config, rng: Rng, nodes: NodeTable, me: NodeKey, now: UnixMillis) -> Self {
        Self {
            config,
            rng,
            me,
            nodes,
            slots: Ownership::default(),
            links: LinkTable::default(),
            epochs: Epochs::default(),
            health: Health::default(),
            election: Election::default(),
            manual: ManualFailover::default(),
            data_loss: DataLoss::default(),
            bans: BTreeMap::new(),
            replication: Replication { primary: None, offset: 0, last_contact: 0 },
            inherited_at: None,
            replicating_from: None,
            todo: Todo::default(),
            batching: false,
            // A process that was killed may have left a file that the system had not yet written to disk.
            unsynced: true,
            pending: Vec::new(),
            effects: VecDeque::new(),
            stats: Stats::default(),
            drop_filter: None,
            last_input: now,
            next_cron: now,
            next_random_ping: now,
            announcement: Announcement::default(),
            details_changed: false,
            lost_keys: SlotBitmap::new(),
            lost_channels: SlotBitmap::new(),
        }
    }

    /// The next effect; `None` when there are no more. Drain it after every input.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether only details for listings of nodes and links changed since the last call: no owner, role, address or
    /// health, so nothing that routing needs. That is common while a cluster forms, and a view is expensive, so a new
    /// one should be made only when it is read.
    pub fn take_details_change(&mut self) -> bool {
        std::mem::take(&mut self.details_changed)
    }

    /// Takes over changed directives.
    pub fn set_config(&mut self, config: Config, now: UnixMillis) {
        self.begin(now);
        self.config = config;
        self.next_cron = self.next_cron.min(now + self.config.cron_period_ms());
        self.apply_announcement();
        if self.todo.view {
            // Clients ask any node for the address of this one.
            self.announce_members(now);
        }
        self.todo.update_state = true;
        self.finish(now);
    }

    /// Takes over what the server says about its data; see [`Replication`].
    pub fn set_replication(&mut self, facts: Replication, now: UnixMillis) {
        let primary = self.nodes[self.me].primary.map(|key| self.nodes[key].id);
        if facts.primary != primary || facts == self.replication {
            return;
        }
        self.begin(now);
        let was_zero = self.replication.offset == 0;
        self.replication = facts;
        if facts.offset > 0 {
            self.inherited_at = None;
        }
        self.todo.details |= was_zero != (facts.offset == 0);
        self.todo.manual_failover |= self.manual.is_running();
        if was_zero && facts.offset > 0 && primary.is_some() {
            // Clients are sent to this replica once the other nodes know that it has data, so they are told now.
            self.broadcast_pong();
        }
        self.finish(now);
    }

    /// For DEBUG DROP-CLUSTER-PACKET-FILTER: packets of this type are dropped on arrival.
    pub fn set_drop_filter(&mut self, kind: Option<PacketType>) {
        self.drop_filter = kind;
    }

    /// For the driver: a link's output outgrew `cluster-link-sendbuf-limit`, and it was closed.
    pub fn count_link_over_limit(&mut self) {
        self.stats.links_over_limit += 1;
    }

    /// Puts the announced addresses and flags of the configuration into our own entry.
    fn apply_announcement(&mut self) {
        let announce = &self.config.announce;
        let shown = |me: &Node| (me.ip, me.port, me.secondary_port, me.bus_port, me.flags);
        let before = shown(&self.nodes[self.me]);
        let me = &mut self.nodes[self.me];
        if let Some(ip) = announce.ip {
            me.ip = ip;
        }
        me.port = announce.port;
        me.secondary_port = announce.secondary_port;
        me.bus_port = announce.bus_port;
        let renamed = me.hostname != announce.hostname || me.human_nodename != announce.human_nodename;
        me.hostname.clone_from(&announce.hostname);
        me.human_nodename.clone_from(&announce.human_nodename);
        me.flags.set(NodeFlags::NOFAILOVER, self.config.replica_no_failover);
        if renamed || before != shown(me) {
            self.todo.save = true;
            self.todo.view = true;
        }
    }

    // ----- the phases of an input -----

    /// First step of every input: time passed, perhaps more than it should have.
    pub(crate) fn begin(&mut self, now: UnixMillis) {
        self.notice_freeze(now);
        // Before the input counts: votes that waited in a socket during a freeze belong to an attempt that is over.
        self.check_manual_failover_timeout(now);
        self.last_input = self.last_input.max(now);
    }

    /// An input that is one of several: its consequences are only noted, until [`Self::end_batch`] or any other input.
    /// So a transaction saves nodes.conf and makes a view once, as Redis does before it sleeps.
    pub fn in_batch<R>(&mut self, input: impl FnOnce(&mut Self) -> R) -> R {
        self.batching = true;
        let result = input(self);
        self.batching = false;
        result
    }

    /// Acts on what [`Self::in_batch`] noted; does nothing if another input has already done so.
    pub fn end_batch(&mut self, now: UnixMillis) {
        self.begin(now);
        self.finish(now);
    }

    /// Last step of every input: acts on the notes and releases the effects, nodes.conf first.
    pub(crate) fn finish(&mut self, now: UnixMillis) {
        if self.batching {
            return;
        }
        if std::mem::take(&mut self.todo.manual_failover) {
            self.handle_manual_failover(now);
            self.todo.failover = true;
        }
        if std::mem::take(&mut self.todo.failover) {
            self.handle_replica_failover(now);
        }
        if std::mem::take(&mut self.todo.update_state) {
            self.update_state(now);
        }
        self.note_lost_slots();
        self.drop_links_if_noted();
        self.stay_silent_if_held_back();
        self.save_if_noted();
        self.effects.extend(self.pending.drain(..));
        if self.todo.view {
            self.effects.push_back(Effect::ViewChanged);
        }
        self.details_changed |= self.todo.details;
        self.todo = Todo::default();
    }

    /// nodes.conf goes to disk before the first packet that may mention the change. An input that sends none (ADDSLOTS
    /// and SET-CONFIG-EPOCH on a node that knows no other) leaves that to the next input that does, at the latest to
    /// the periodic work.
    fn save_if_noted(&mut self) {
        self.unsynced |= self.todo.fsync;
        let sends = self.pending.iter().any(|effect| matches!(effect, Effect::Send { .. }));
        let fsync = self.todo.fsync_now || (self.unsynced && sends);
        if self.todo.save || fsync {
            self.unsynced &= !fsync;
            self.effects.push_back(Effect::PersistNodesConf { text: self.nodes_conf(), fsync });
        }
    }

    fn note_lost_slots(&mut self) {
        if !self.lost_channels.is_empty() {
            let slots = std::mem::take(&mut self.lost_channels);
            self.pending.push(Effect::ShardChannelsLost(Box::new(slots)));
        }
        if !self.lost_keys.is_empty() {
            let slots = std::mem::take(&mut self.lost_keys);
            // A node that became a replica gets its primary's whole data set instead.
            if self.nodes[self.me].is_primary() {
                self.pending.push(Effect::SlotsLost(Box::new(slots)));
            }
        }
    }

    pub(crate) fn log(&mut self, level: Level, text: String) {
        self.pending.push(Effect::Log { level, text });
    }

    pub(crate) fn save(&mut self) {
        self.todo.save = true;
        self.todo.view = true;
    }

    /// A fact that other nodes rely on changed: it must be on disk before they hear of it.
    pub(crate) fn save_durably(&mut self) {
        self.save();
        self.todo.fsync = true;
    }

    /// Saves, and recomputes `cluster_state`.
    pub(crate) fn reconfigured(&mut self) {
        self.save();
        self.todo.update_state = true;
    }

    // ----- cluster_state -----

    /// Number of primaries with slots; a majority is a majority of these (`server.cluster->size`).
    pub(crate) fn voters(&self) -> usize {
        self.nodes.iter().filter(|(_, node)| node.is_voter()).count()
    }

    pub(crate) fn quorum(&self) -> usize {
        self.voters() / 2 + 1
    }

    /// `clusterUpdateState`.
    pub(crate) fn update_state(&mut self, now: UnixMillis) {
        let first = *self.health.first_update.get_or_insert(now);
        let primary = self.nodes[self.me].is_primary();
        let closed = primary && !self.health.ok;
        if closed && self.health.restarted && now - first < self.config.writable_delay_ms {
            return;
        }
        if closed && !self.feeds_replicas() {
            return;
        }
        let leased = self.lease_allows(now);
        let minority = self.reachable_voters() < self.quorum();
        if minority && self.health.had_cluster {
            self.health.minority_at = Some(now);
        }
        if let Some(lapse) = self.health.lapse.as_mut().filter(|_| !leased) {
            lapse.last_seen = now;
        }
        let awake = self.heard_majority_since_wake(now);
        let ok = !minority && awake && leased && self.slots_covered();
        if ok == self.health.ok || (ok && primary && self.is_rejoining(now)) {
            return;
        }
        if ok {
            self.health.lapse = None;
        }
        self.health.ok = ok;
        self.health.had_cluster |= ok;
        self.log(Level::Warning, format!("Cluster state changed: {}", if ok { "ok" } else { "fail" }));
        self.pending.push(Effect::StateChanged { ok });
        self.todo.view = true;
    }

    fn slots_covered(&self) -> bool {
        let owners = || self.nodes.iter().map(|(_, node)| node).filter(|node| node.slot_count > 0);
        let assigned: usize = owners().map(|node| node.slot_count).sum();
        !self.config.require_full_coverage || (assigned == SLOT_COUNT && !owners().any(Node::has_failed))
    }

    fn reachable_voters(&self) -> usize {
        self.nodes.iter().filter(|(_, node)| node.is_voter() && node.is_reachable()).count()
    }

    /// A primary that comes back from a minority stays closed for a while: a replica may have been promoted in its
    /// place, and the news needs time to arrive (CLUSTER_*_REJOIN_DELAY). The same holds for one whose lease lapsed, if
    /// the epoch shows that an election may have happened.
    fn is_rejoining(&self, now: UnixMillis) -> bool {
        let recent = |at: UnixMillis| now - at < self.config.rejoin_delay_ms();
        let replaced = self.health.lapse.filter(|lapse| lapse.epoch != self.epochs.current);
        self.health.minority_at.is_some_and(recent) || replaced.is_some_and(|lapse| recent(lapse.last_seen))
    }

    // ----- adding and removing nodes -----

    pub(crate) fn is_me(&self, key: NodeKey) -> bool {
        key == self.me
    }

    /// Adds a node; `None` if the table is full.
    pub(crate) fn add_node(&mut self, id: NodeId, flags: NodeFlags, now: UnixMillis) -> Option<NodeKey> {
        if self.nodes.len() >= crate::config::MAX_NODES || self.nodes.find(&id).is_some() {
            return None;
        }
        let shard_id = self.rng.node_id();
        self.todo.view = true;
        Some(self.nodes.insert(Node::new(id, shard_id, flags, now)))
    }

    /// Removes a node and every reference to it (`clusterDelNode`).
    pub(crate) fn remove_node(&mut self, key: NodeKey) {
        assert!(!self.is_me(key), "a node never removes itself");
        self.slots.forget_node(key);
        for slot in self.nodes[key].slots.clone().iter() {
            self.unassign(slot);
        }
        for node in self.nodes.values_mut() {
            node.fail_reports.remove(&key);
            if node.primary == Some(key) {
                node.primary = None;
            }
        }
        if let Some(primary) = self.nodes[key].primary {
            self.detach_replica(primary, key);
        }
        if self.manual.replica == Some(key) {
            self.reset_manual_failover();
        }
        for link in self.links.of_node(key) {
            self.close_link(link);
        }
        self.nodes.remove(key);
        self.reconfigured();
    }

    // ----- links -----

    /// An incoming connection was accepted. Addresses are those of the socket.
    pub fn handle_link_accepted(&mut self, peer_ip: IpText, local_ip: IpText, now: UnixMillis) -> LinkId {
        self.links.accept(peer_ip, local_ip, now)
    }

    /// A connection asked for with [`Effect::Connect`] is up; `local_ip` is our end of it.
    pub fn handle_link_connected(&mut self, link: LinkId, local_ip: IpText, now: UnixMillis) {
        let Some(entry) = self.links.get_mut(link) else { return };
        let Some(key) = entry.node.filter(|_| !entry.inbound) else { return };
        self.begin(now);
        let entry = self.links.get_mut(link).expect("begin closes no links");
        entry.connected = true;
        entry.local_ip = local_ip;
        for bytes in entry.take_queue() {
            self.pending.push(Effect::Send { link, bytes });
        }
        // A ping at once is "crucial to avoid false positives in failure detection"; an older unanswered one keeps its
        // time. MEET makes the receiver add us; `timer.rs` repeats it until it is answered.
        let old_ping = self.nodes[key].ping_sent;
        let meet = self.nodes[key].flags.contains(NodeFlags::MEET);
        self.send_ping(link, if meet { PacketType::Meet } else { PacketType::Ping }, now);
        let node = &mut self.nodes[key];
        node.met_at = now;
        if old_ping != 0 {
            node.ping_sent = old_ping;
        }
        self.todo.details = true;
        self.finish(now);
    }

    /// A connection ended or could not be made. Unknown and already closed links are ignored.
    pub fn handle_link_closed(&mut self, link: LinkId, now: UnixMillis) {
        if self.links.get(link).is_none() {
            return;
        }
        self.begin(now);
        self.drop_link(link, now);
        self.finish(now);
    }

    /// Forgets a link. If it was our link to the node, failure detection starts now, since without a link there is no
    /// ping whose missing answer would be noticed.
    pub(crate) fn drop_link(&mut self, link: LinkId, now: UnixMillis) {
        let Some(entry) = self.links.remove(link) else { return };
        let Some(key) = entry.node else { return };
        let node = &mut self.nodes[key];
        if node.link == Some(link) {
            node.link = None;
            if node.ping_sent == 0 {
                node.ping_sent = now;
            }
            self.todo.details = true;
        }
        if node.inbound == Some(link) {
            node.inbound = None;
            self.todo.details = true;
        }
    }

    /// Closes a link on our own initiative.
    pub(crate) fn close_link(&mut self, link: LinkId) {
        let Some(entry) = self.links.remove(link) else { return };
        self.pending.push(Effect::Close { link });
        if let Some(key) = entry.node {
            let node = &mut self.nodes[key];
            node.link = node.link.filter(|l| *l != link);
            node.inbound = node.inbound.filter(|l| *l != link);
            self.todo.details = true;
        }
    }

    /// Opens a link to a node that has an address and none yet.
    pub(crate) fn connect(&mut self, key: NodeKey, now: UnixMillis) {
        let node = &self.nodes[key];
        if self.is_held_back() || self.is_me(key) || node.link.is_some() || !node.has_address() || node.ip.is_empty() {
            return;
        }
        let (ip, port) = (node.ip, node.bus_port);
        let link = self.links.open(key, now);
        self.nodes[key].link = Some(link);
        self.pending.push(Effect::Connect { link, ip, port });
    }
}
