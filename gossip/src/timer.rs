//! The periodic work (`clusterCron`): connect, ping, suspect, and run the slower state machines.
//!
//! The driver calls [`Gossip::handle_tick`] no later than [`Gossip::next_timeout`]; earlier calls are harmless. A call
//! that is later than a node timeout counts as a freeze (`lease.rs`).

use protocol::bus::{NodeFlags, PacketType};

use crate::config::{RANDOM_PING_PERIOD_MS, UnixMillis};
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    /// When [`Gossip::handle_tick`] wants to be called next.
    pub fn next_timeout(&self) -> UnixMillis {
        let election = self.election.deadline(self.last_input).unwrap_or(UnixMillis::MAX);
        self.next_cron.min(election).min(self.announcement.due())
    }

    /// Time passed.
    pub fn handle_tick(&mut self, now: UnixMillis) {
        self.begin(now);
        if now >= self.next_cron {
            self.next_cron = now + self.config.cron_period_ms();
            self.cron(now);
        }
        self.announce_if_due(now);
        if self.nodes[self.me].is_replica() {
            self.handle_manual_failover(now);
            self.handle_replica_failover(now);
        }
        self.finish(now);
    }

    fn cron(&mut self, now: UnixMillis) {
        self.check_data_loss(now);
        self.bans.retain(|_, until| *until > now);
        let handshake_timeout = self.config.handshake_timeout_ms();
        for key in self.nodes.keys() {
            let node = &self.nodes[key];
            if node.in_handshake() && now - node.created_at > handshake_timeout {
                self.remove_node(key);
            } else {
                self.connect(key, now);
            }
        }
        if !self.is_held_back() {
            self.repeat_meets(now);
            self.ping_random_node(now);
            self.watch_nodes(now);
            self.ping_for_lease(now);
            self.ping_failing_over_replica(now);
        }
        if self.nodes[self.me].is_replica() {
            self.leave_chain();
            self.follow_primary_address();
            self.migrate_to_orphan(now);
        }
        if !self.health.ok {
            self.todo.update_state = true;
        }
        self.todo.fsync_now = self.unsynced;
    }

    /// A MEET may get lost at the receiver: repeat it until a PONG ends the handshake (valkey issue 461). Only a
    /// handshake that an administrator began here has the flag, so a node that has forgotten us is not met again
    /// (valkey issue 2788).
    fn repeat_meets(&mut self, now: UnixMillis) {
        let period = self.config.handshake_timeout_ms() / 4;
        for key in self.nodes.keys() {
            let node = &self.nodes[key];
            if !node.flags.contains(NodeFlags::MEET) || now - node.met_at < period {
                continue;
            }
            if let Some(link) = node.link.filter(|link| self.is_connected(*link)) {
                self.nodes[key].met_at = now;
                self.send_ping(link, PacketType::Meet, now);
            }
        }
    }

    /// Once per second: of five random nodes ping the one that has been silent for longest.
    fn ping_random_node(&mut self, now: UnixMillis) {
        if now < self.next_random_ping {
            return;
        }
        self.next_random_ping = now + RANDOM_PING_PERIOD_MS;
        let mut oldest: Option<NodeKey> = None;
        for _ in 0..5 {
            let index = self.rng.below(self.nodes.len());
            let Some((key, node)) = self.nodes.nth(index) else { break };
            let skip = node.flags.intersects(NodeFlags::MYSELF | NodeFlags::HANDSHAKE);
            if skip || node.ping_sent != 0 || node.link.is_none() {
                continue;
            }
            if oldest.is_none_or(|other| node.pong_received < self.nodes[other].pong_received) {
                oldest = Some(key);
            }
        }
        if let Some(link) = oldest.and_then(|key| self.nodes[key].link).filter(|link| self.is_connected(*link)) {
            self.ping(link, now);
        }
    }

    fn watch_nodes(&mut self, now: UnixMillis) {
        let half = self.config.node_timeout_ms / 2;
        let mut news = false;
        for key in self.nodes.keys() {
            let node = &self.nodes[key];
            if node.flags.intersects(NodeFlags::MYSELF | NodeFlags::HANDSHAKE) {
                continue;
            }
            self.reconnect_if_stuck(key, now);
            let node = &self.nodes[key];
            let ready = node.link.filter(|link| self.is_connected(*link));
            if let Some(link) = ready.filter(|_| node.ping_sent == 0 && now - node.pong_received > half) {
                self.ping(link, now);
                continue;
            }
            if self.nodes[key].ping_sent == 0 && ready.is_none() {
                // Without a link there is no ping; the time at which it should have been sent counts.
                self.nodes[key].ping_sent = now;
            }
            news |= self.suspect_if_silent(key, now);
        }
        if news {
            self.spread_suspicion();
        }
        for key in self.nodes.keys() {
            self.mark_failed_if_agreed(key, now);
        }
    }

    /// No data for half the timeout while a ping is pending: the connection may be broken rather than the node.
    fn reconnect_if_stuck(&mut self, key: NodeKey, now: UnixMillis) {
        let node = &self.nodes[key];
        let half = self.config.node_timeout_ms / 2;
        let Some(id) = node.link else { return };
        let Some(link) = self.links.get(id) else { return };
        let waiting = node.ping_sent != 0 && now - node.ping_sent > half && now - node.data_received > half;
        if waiting && now - link.created_at > self.config.node_timeout_ms {
            self.close_link(id);
        }
    }
}
