//! Failure detection: from one node's suspicion (PFAIL) to the agreement of a majority (FAIL), and back.
//!
//! Only primaries with slots count: their reports, and our own if we are one (valkey issue 634). A report is valid for
//! twice the node timeout. Agreement is weak on purpose: it only lets elections start, and those are decided by votes.
//! Unlike Redis we tell the other voters of a new suspicion at once rather than with the next pings, and check the
//! quorum on every tick, so that a cluster of one primary works too (redis issue 12824).

use protocol::bus::{Body, MessageFlags, NodeFlags};

use crate::config::{FAIL_REPORT_VALIDITY_MULT, FAIL_UNDO_TIME_MULT, UnixMillis};
use crate::event::Level;
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    /// Marks a node as PFAIL if it has owed us an answer for too long and has sent nothing else either. True if that is
    /// news.
    pub(crate) fn suspect_if_silent(&mut self, key: NodeKey, now: UnixMillis) -> bool {
        let node = &mut self.nodes[key];
        if node.ping_sent == 0 || !node.is_reachable() {
            return false;
        }
        // Any data proves life: under heavy load pongs may be late.
        let silence = (now - node.ping_sent).min(now - node.data_received);
        if silence <= self.config.node_timeout_ms {
            return false;
        }
        node.flags.insert(NodeFlags::PFAIL);
        let id = node.id;
        self.log(Level::Debug, format!("*** NODE {id} possibly failing"));
        self.todo.update_state = true;
        self.todo.view = true;
        true
    }

    /// Announces our suspicions to the voters (every ping and pong lists all suspects).
    pub(crate) fn spread_suspicion(&mut self) {
        if self.nodes[self.me].is_voter() {
            let everybody = self.nodes.keys();
            self.pong_to(everybody);
        }
    }

    /// `markNodeAsFailingIfNeeded`.
    pub(crate) fn mark_failed_if_agreed(&mut self, key: NodeKey, now: UnixMillis) {
        if !self.nodes[key].is_suspect() {
            return; // we can reach it, or it is FAIL already
        }
        let own = usize::from(self.nodes[self.me].is_voter());
        if self.count_reports(key, now) + own < self.quorum() {
            return;
        }
        let id = self.nodes[key].id;
        self.log(Level::Notice, format!("Marking node {id} as failing (quorum reached)."));
        self.set_failed(key, now);
        // Also from a replica: it only passes on what primaries agreed on.
        self.broadcast(Body::Fail { node: id }, MessageFlags::NONE);
    }

    pub(crate) fn set_failed(&mut self, key: NodeKey, now: UnixMillis) {
        let node = &mut self.nodes[key];
        node.flags.remove(NodeFlags::PFAIL);
        node.flags.insert(NodeFlags::FAIL);
        node.fail_time = now;
        self.reconfigured();
        self.todo.failover = true;
    }

    /// A node marked FAIL answered (`clearNodeFailureIfNeeded`).
    pub(crate) fn clear_failure_if_possible(&mut self, key: NodeKey, now: UnixMillis) {
        let node = &self.nodes[key];
        let id = node.id;
        let undo_after = self.config.node_timeout_ms.saturating_mul(FAIL_UNDO_TIME_MULT);
        let text = if node.is_replica() {
            format!("Clear FAIL state for node {id}: replica is reachable again.")
        } else if node.slot_count == 0 {
            format!("Clear FAIL state for node {id}: master without slots is reachable again.")
        } else if now - node.fail_time > undo_after {
            // This is so long ago that no other node will take its slots any more.
            format!(
                "Clear FAIL state for node {id}: is reachable again and nobody is serving its slots after some time."
            )
        } else {
            return;
        };
        self.log(Level::Notice, text);
        self.nodes[key].flags.remove(NodeFlags::FAIL);
        self.reconfigured();
    }

    /// A voter reports that it cannot reach a node.
    pub(crate) fn add_report(&mut self, about: NodeKey, by: NodeKey, now: UnixMillis) {
        if self.nodes[about].fail_reports.insert(by, now).is_none() {
            let (by, about) = (self.nodes[by].id, self.nodes[about].id);
            self.log(Level::Verbose, format!("Node {by} reported node {about} as not reachable."));
        }
    }

    /// A voter reports that it can reach the node.
    pub(crate) fn remove_report(&mut self, about: NodeKey, by: NodeKey) {
        if self.nodes[about].fail_reports.remove(&by).is_some() {
            let (by, about) = (self.nodes[by].id, self.nodes[about].id);
            self.log(Level::Verbose, format!("Node {by} reported node {about} is back online."));
        }
    }

    /// Reports that are fresh and come from nodes that still are voters.
    pub(crate) fn count_reports(&mut self, about: NodeKey, now: UnixMillis) -> usize {
        let oldest = now - self.config.node_timeout_ms.saturating_mul(FAIL_REPORT_VALIDITY_MULT);
        self.nodes[about].fail_reports.retain(|_, at| *at >= oldest);
        self.nodes[about].fail_reports.keys().filter(|by| self.nodes[**by].is_voter()).count()
    }
}
