//! The write lease: a primary that was frozen must not serve a write before it has heard from a majority again.
//!
//! A process that is stopped (SIGSTOP, a paused VM, a closed laptop) for longer than the node timeout may have been
//! replaced. When it wakes, none of its pings is overdue, so nothing tells it. Redis then acknowledges the writes that
//! waited in its sockets, and the cluster loses them.
//!
//! **The bound.** Another primary can only suspect us (PFAIL) after it heard nothing from us for a node timeout. A
//! replica needs FAIL, which takes a majority of suspicions, and any two majorities share a member. So as long as a
//! majority (us included) is known to have received something from us less than a node timeout ago, no replica can have
//! been elected in our place. What a peer received is known from its pongs, by the time at which the *ping* was sent:
//! pongs that waited in a socket during a freeze answer pings from before it, so they extend nothing.
//!
//! **No side effects.** Each peer is pinged at least every half node timeout. In large clusters gossip may postpone
//! that ping (see `receive/gossip.rs`), so when the majority's age passes a quarter of the timeout (half of it with
//! many voters) the missing pings are sent. A new voter counts as heard when it becomes one. A node that just got its
//! first slots starts with a fresh lease, since it cannot have been replaced in a place that it did not have.
//!
//! **After a lapse** the state is fail until the lease is valid again. Then the question is whether a replica was
//! elected meanwhile, and the current epoch answers it: an election needs the votes of a majority, each voter knows the
//! election's epoch from then on and sends it in its pongs, and the majority that renewed the lease shares a voter with
//! that one. So if no pong brought a higher epoch, there was no election, and the node serves again at once: after a
//! short stall it is out of service for one round trip. If a pong did, the rejoin delay of a healed minority applies,
//! so that the news can arrive. With one voter there is no replica that could be elected, and no lease.

use crate::config::UnixMillis;
use crate::event::Level;
use crate::node::NodeKey;
use crate::state::{Gossip, Lapse};

/// With up to so many voters, a ping to each of them every quarter of the timeout costs almost nothing.
const FEW_VOTERS: usize = 16;
/// Milliseconds between two log lines about freezes.
const FREEZE_TELL_MS: UnixMillis = 1000;

impl Gossip {
    /// Until when this node may serve writes (exclusive), on the clock of `now`. `i64::MAX`: no limit, because this
    /// node is not a primary with slots, or is the only one. A time in the past: it never heard from a majority. Ask
    /// after every input.
    pub fn serve_until_ms(&self) -> UnixMillis {
        self.majority_heard_at().map_or(UnixMillis::MAX, |at| at.saturating_add(self.config.node_timeout_ms))
    }

    /// Send time of the oldest ping that the most recent majority answered; `None` if no lease is needed.
    fn majority_heard_at(&self) -> Option<UnixMillis> {
        if !self.nodes[self.me].is_voter() {
            return None;
        }
        let others_needed = self.quorum() - 1;
        if others_needed == 0 {
            return None;
        }
        let mut heard: Vec<UnixMillis> =
            self.other_voters().map(|key| self.nodes[key].lease_ack.unwrap_or(0)).collect();
        // Called for every packet: too often for sorting.
        let (_, last_of_majority, _) = heard.select_nth_unstable_by(others_needed - 1, |a, b| b.cmp(a));
        Some((*last_of_majority).max(self.health.voter_since))
    }

    /// The voters apart from this node.
    pub(crate) fn other_voters(&self) -> impl Iterator<Item = NodeKey> {
        self.nodes.iter().filter(|(key, node)| node.is_voter() && !self.is_me(*key)).map(|(key, _)| key)
    }

    pub(crate) fn lease_allows(&self, now: UnixMillis) -> bool {
        now < self.serve_until_ms()
    }

    /// A packet that left us at `sent` is known to have arrived.
    pub(crate) fn heard(&mut self, key: NodeKey, sent: UnixMillis) {
        let node = &mut self.nodes[key];
        node.lease_ack = Some(node.lease_ack.map_or(sent, |ack| ack.max(sent)));
    }

    /// A node got its first slots.
    pub(crate) fn became_voter(&mut self, key: NodeKey) {
        let now = self.last_input;
        if self.is_me(key) {
            self.health.voter_since = now;
        } else {
            self.nodes[key].lease_ack.get_or_insert(now);
        }
    }

    /// Called by every input, before its contents count: how long was the silence, and did the lease survive it?
    pub(crate) fn notice_freeze(&mut self, now: UnixMillis) {
        let pause = now - self.last_input;
        if pause > self.config.node_timeout_ms {
            self.tell_freeze(pause, now);
            self.health.woken_at = Some(now);
            self.restart_failure_detection(now);
            self.todo.update_state = true;
        }
        if self.lease_allows(now) {
            self.health.lease_held = true;
        } else if self.health.lease_held {
            self.health.lease_held = false;
            self.health.lapse = Some(Lapse { last_seen: now, epoch: self.epochs.current });
            self.todo.update_state = true;
        }
        if self.todo.update_state {
            // At once: the packet that is about to be processed may hold the very pong that ends the state.
            self.todo.update_state = false;
            self.update_state(now);
        }
    }

    /// At most once a second: with a short timeout on a busy machine there are hundreds of freezes.
    fn tell_freeze(&mut self, pause: UnixMillis, now: UnixMillis) {
        let (told, untold) = self.health.freeze_told;
        if now - told < FREEZE_TELL_MS {
            self.health.freeze_told.1 = untold.saturating_add(1);
            return;
        }
        self.health.freeze_told = (now, 0);
        let more = if untold == 0 {
            String::new()
        } else {
            format!(" It was frozen {untold} times more since this was last said.")
        };
        self.log(Level::Warning, format!("Frozen for {pause} milliseconds: waiting to hear from a majority.{more}"));
    }

    /// No pong can have been received while this node slept: pending pings start anew, since otherwise it would suspect
    /// every peer.
    fn restart_failure_detection(&mut self, now: UnixMillis) {
        for node in self.nodes.values_mut().filter(|node| node.ping_sent != 0) {
            node.ping_sent = now;
        }
    }

    /// After a freeze: whether a majority has answered a ping that was sent after it.
    pub(crate) fn heard_majority_since_wake(&mut self, now: UnixMillis) -> bool {
        let Some(woken_at) = self.health.woken_at else { return true };
        debug_assert!(woken_at <= now);
        let me = usize::from(self.nodes[self.me].is_voter());
        let heard = self.other_voters().filter(|key| self.nodes[*key].lease_ack >= Some(woken_at)).count();
        if heard + me < self.quorum() {
            return false;
        }
        self.health.woken_at = None;
        true
    }

    /// Pings the voters whose last answer is getting old, if the majority's is.
    pub(crate) fn ping_for_lease(&mut self, now: UnixMillis) {
        let share = if self.voters() <= FEW_VOTERS { 4 } else { 2 };
        let old = self.config.node_timeout_ms / share;
        let waking = self.health.woken_at.is_some();
        if !waking && self.majority_heard_at().is_none_or(|at| now - at <= old) {
            return;
        }
        for key in self.other_voters().collect::<Vec<_>>() {
            let node = &self.nodes[key];
            let fresh =
                node.lease_ack.is_some_and(|ack| now - ack <= old && self.health.woken_at.is_none_or(|w| ack >= w));
            if fresh || self.ping_under_way_since_wake(key) {
                continue;
            }
            if let Some(link) = node.link.filter(|link| self.is_connected(*link)) {
                self.ping(link, now);
            }
        }
    }

    /// Whether a ping waits for an answer that was sent after the last freeze.
    fn ping_under_way_since_wake(&self, key: NodeKey) -> bool {
        let Some(link) = self.nodes[key].link.and_then(|link| self.links.get(link)) else { return true };
        link.newest_ping().is_some_and(|sent| self.health.woken_at.is_none_or(|woken| sent >= woken))
    }
}
