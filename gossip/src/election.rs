//! Elections: a replica takes the place of its failed primary with the votes of a majority; and the voter's side.
//!
//! An election is one epoch. The replica makes a new epoch, saves it, and asks all voters twice per second until it has
//! the votes or the time is over. Each voter gives one vote per epoch and saves that before it answers. Votes are a
//! *set of voters* for one epoch: Redis keeps a counter and compares epochs with `>=`, so late votes of an expired
//! election can elect a replica that no majority chose in any epoch (`failover-stale-votes.tcl`; redis issue 8753 was
//! the same hole in manual failovers).
//!
//! Rules learned from known bugs: a replica without data of this shard does not stand for election if there was data
//! (valkey 885, 944, redis 7211). When another node wins our epoch we start over at once (valkey 1009), and failed
//! shards take turns (valkey 1018). Following a new primary, or the return of the old one, ends everything about the
//! old election (valkey 782, 1711). A voter that refuses because the candidate's knowledge is old tells it what is
//! newer (valkey 2169).
//!
//! A replica that has not asked yet and hears a sibling ask stands back for one election. A voter gives one vote per
//! primary in two node timeouts, so two siblings that ask at the same time could split the votes again and again
//! (simulator, seed 9250: for 24 node timeouts). With one candidate at a time, the second election at the latest finds
//! all voters free.

use std::collections::BTreeSet;

use protocol::bus::{Body, Header, MessageFlags, NodeFlags, NodeId};

use crate::config::{CANT_FAILOVER_RELOG_MS, UnixMillis};
use crate::event::Level;
use crate::link::LinkId;
use crate::node::{Node, NodeKey};
use crate::state::Gossip;

/// Requests without a vote are repeated this often: the voter may not have known of the failure yet.
const REQUEST_PERIOD_MS: i64 = 500;

/// How much longer a replica waits whose data ends before its current primary became one.
const LAST_RESORT_UNITS: i64 = 20;

/// Why an election cannot be held or won at the moment (`CLUSTER_CANT_FAILOVER_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    DataAge,
    NoData,
    WaitingDelay,
    WaitingVotes,
}

impl Obstacle {
    fn text(self) -> &'static str {
        match self {
            Self::DataAge => {
                "Disconnected from master for longer than allowed. Please check the \
                 'cluster-replica-validity-factor' configuration option."
            }
            Self::NoData => "I have no data of my master, and it may have had some.",
            Self::WaitingDelay => "Waiting the delay before I can start a new failover.",
            Self::WaitingVotes => "Waiting for votes, but majority still not reached.",
        }
    }
}

/// This node's own attempt to be elected.
#[derive(Debug, Default)]
pub(crate) struct Election {
    /// When it starts or started (`failover_auth_time`); 0: none was scheduled.
    pub(crate) at: UnixMillis,
    sent: bool,
    epoch: u64,
    votes: BTreeSet<NodeId>,
    rank: usize,
    requested_at: UnixMillis,
    obstacle: Option<Obstacle>,
    obstacle_logged_at: UnixMillis,
    sibling: Option<SiblingElection>,
}

/// A sibling asks to replace this primary; until when that is left to the sibling.
#[derive(Clone, Copy, Debug)]
struct SiblingElection {
    primary: NodeId,
    until: UnixMillis,
}

impl Election {
    /// Ends the attempt; the next one can be scheduled at once.
    pub(crate) fn reset(&mut self) {
        let (votes, sibling) = (std::mem::take(&mut self.votes), self.sibling);
        *self = Self::default();
        // Kept only for the test-only mode, which counts them again; `schedule` drops them otherwise.
        self.votes = votes;
        self.sibling = sibling;
    }

    /// When the next step is due, if one is.
    pub(crate) fn deadline(&self, now: UnixMillis) -> Option<UnixMillis> {
        (self.at > now && !self.sent).then_some(self.at)
    }
}

impl Gossip {
    /// One step of the candidate (`clusterHandleSlaveFailover`).
    pub(crate) fn handle_replica_failover(&mut self, now: UnixMillis) {
        let manual = self.manual.may_elect();
        let Some(primary) = self.primary_to_replace(manual) else {
            self.election.obstacle = None;
            if self.election.at != 0 && !manual {
                self.election.reset();
            }
            return;
        };
        if let Some(obstacle) = self.unfit(primary, now).filter(|_| !manual) {
            self.log_obstacle(obstacle, now);
            return;
        }
        let timeout = self.config.election_timeout_ms();
        let age = now - self.election.at;
        // Redis waits for as long again before it retries; by then the voters may vote for us again.
        if self.election.at == 0 || age > timeout {
            self.schedule_election(primary, now);
            if now < self.election.at {
                return;
            }
        }
        self.update_rank(primary);
        self.stand_back(primary);
        if now < self.election.at {
            self.log_obstacle(Obstacle::WaitingDelay, now);
        } else if !self.election.sent {
            self.start_election(now);
        } else if self.election.votes.len() >= self.quorum() {
            self.win_election(now);
        } else {
            self.repeat_requests(now);
            self.log_obstacle(Obstacle::WaitingVotes, now);
        }
    }

    /// The primary that this replica should replace: failed, or about to hand over; with slots.
    fn primary_to_replace(&self, manual: bool) -> Option<NodeKey> {
        let me = &self.nodes[self.me];
        let primary = me.primary.filter(|_| me.is_replica())?;
        let node = &self.nodes[primary];
        let wanted = manual || (node.has_failed() && !self.config.replica_no_failover);
        (wanted && node.slot_count > 0).then_some(primary)
    }

    /// Why this replica's data is not fit to replace the primary's.
    fn unfit(&self, primary: NodeKey, now: UnixMillis) -> Option<Obstacle> {
        if self.has_only_inherited_data(primary) && self.inherited_at.is_none() {
            return Some(Obstacle::NoData);
        }
        let timeout = self.config.node_timeout_ms;
        let last_contact = self.replication.last_contact.max(self.inherited_at.unwrap_or(0));
        let mut age = now.saturating_sub(last_contact);
        if age > timeout {
            age -= timeout; // that long it takes to notice
        }
        let factor = self.config.replica_validity_factor;
        let limit = self.config.replica_ping_period_ms.saturating_add(timeout.saturating_mul(factor));
        (factor > 0 && age > limit).then_some(Obstacle::DataAge)
    }

    /// The replica has none of the current primary's history, although it may have older data.
    fn has_only_inherited_data(&self, primary: NodeKey) -> bool {
        self.replication.offset == 0 && !self.shard_never_had_data(primary)
    }

    /// The primary itself, and every sibling that we heard from, reported that there is no data to lose. Silence is no
    /// proof: this node may just have restarted.
    fn shard_never_had_data(&self, primary: NodeKey) -> bool {
        let node = &self.nodes[primary];
        let heard = node.data_received != 0;
        heard && node.offset == 0 && node.replicas.iter().all(|key| self.nodes[*key].offset == 0)
    }

    fn schedule_election(&mut self, primary: NodeKey, now: UnixMillis) {
        if !self.config.chaos_count_stale_votes {
            self.election.votes.clear();
        }
        self.election.sent = false;
        self.election.rank = self.replica_rank(primary);
        let delay = if self.manual.may_elect() {
            self.election.rank = 0;
            0
        } else {
            // Fixed part: FAIL must reach the voters. Random part: siblings must not collide. In Redis both are 500 ms,
            // and 1,000 per rank; here they are scaled down with a small timeout, which indicates a fast network.
            let unit = self.delay_unit(primary);
            let random = self.rng.below(unit as usize) as i64;
            // Data of an earlier primary of this shard is better than nothing, if no other replica stands for election.
            let last_resort = if self.has_only_inherited_data(primary) { unit * LAST_RESORT_UNITS } else { 0 };
            unit + random
                + last_resort
                + self.election.rank as i64 * unit * 2
                + self.failed_shard_rank(primary) as i64 * unit
        };
        self.election.at = now + delay;
        self.log(
            Level::Warning,
            format!(
                "Start of election delayed for {delay} milliseconds (rank #{}, offset {}).",
                self.election.rank, self.replication.offset
            ),
        );
        // The siblings compute their ranks from our offset, so they are told.
        let siblings = self.nodes[primary].replicas.clone();
        self.pong_to(siblings);
    }

    /// The unit of all election delays: 500 ms, less with a short node timeout; a sole candidate does not have to wait.
    fn delay_unit(&self, primary: NodeKey) -> i64 {
        let can_stand = |key: &&NodeKey| {
            let node = &self.nodes[**key];
            !self.is_me(**key) && !node.flags.contains(NodeFlags::NOFAILOVER) && !node.has_failed()
        };
        let alone = self.nodes[primary].replicas.iter().filter(can_stand).count() == 0;
        let share = if alone { 30 } else { 10 };
        (self.config.node_timeout_ms / share).clamp(1, 500)
    }

    /// How many siblings have more data (`clusterGetSlaveRank`).
    fn replica_rank(&self, primary: NodeKey) -> usize {
        let better = |key: &&NodeKey| {
            let node = &self.nodes[**key];
            !self.is_me(**key) && !node.flags.contains(NodeFlags::NOFAILOVER) && node.offset > self.replication.offset
        };
        self.nodes[primary].replicas.iter().filter(better).count()
    }

    /// How many failed primaries with an electable replica have a smaller id: shards take turns instead of colliding.
    fn failed_shard_rank(&self, primary: NodeKey) -> usize {
        let id = self.nodes[primary].id;
        let before = |node: &Node| node.is_voter() && node.has_failed() && !node.replicas.is_empty();
        self.nodes.iter().filter(|(_, node)| before(node) && node.id < id).count()
    }

    /// A sibling turned out to have more data: waits longer.
    fn update_rank(&mut self, primary: NodeKey) {
        if self.election.sent || self.manual.may_elect() {
            return;
        }
        let rank = self.replica_rank(primary);
        if rank > self.election.rank {
            let added = (rank - self.election.rank) as i64 * self.delay_unit(primary) * 2;
            self.election.at += added;
            self.election.rank = rank;
            self.log(Level::Warning, format!("Replica rank updated to #{rank}, added {added} milliseconds of delay."));
        }
    }

    /// A sibling's election comes first.
    fn stand_back(&mut self, primary: NodeKey) {
        let id = self.nodes[primary].id;
        let Some(sibling) = self.election.sibling.filter(|sibling| sibling.primary == id) else { return };
        if !self.election.sent && !self.manual.may_elect() && self.election.at < sibling.until {
            self.election.at = sibling.until;
        }
    }

    /// A sibling with at least as much data as this replica asks for votes.
    fn note_sibling_election(&mut self, candidate: NodeKey, request: &Header, now: UnixMillis) {
        let Some(primary) = self.nodes[self.me].primary else { return };
        let rival = self.nodes[candidate].primary == Some(primary) && request.offset >= self.replication.offset;
        // Also during our own election: the next one is affected.
        if rival {
            let until = now + self.config.election_timeout_ms();
            self.election.sibling = Some(SiblingElection { primary: self.nodes[primary].id, until });
            self.todo.failover = true;
        }
    }

    fn start_election(&mut self, now: UnixMillis) {
        let epoch = self.next_epoch();
        self.election.epoch = epoch;
        self.election.sent = true;
        self.election.requested_at = now;
        self.log(Level::Warning, format!("Starting a failover election for epoch {epoch}."));
        let flags = self.request_flags();
        self.broadcast(Body::AuthRequest, flags);
        self.todo.update_state = true;
    }

    /// Asks the voters that have not answered once more. Harmless: a voter votes once per epoch.
    fn repeat_requests(&mut self, now: UnixMillis) {
        if now - self.election.requested_at < REQUEST_PERIOD_MS || self.epochs.current != self.election.epoch {
            return;
        }
        self.election.requested_at = now;
        let flags = self.request_flags();
        for key in self.other_voters().collect::<Vec<_>>() {
            let node = &self.nodes[key];
            let Some(link) = node.link.filter(|_| node.is_reachable()) else { continue };
            if !self.election.votes.contains(&node.id) {
                self.send(link, Body::AuthRequest, flags);
            }
        }
    }

    fn request_flags(&self) -> MessageFlags {
        if self.manual.may_elect() { MessageFlags::FORCE_ACK } else { MessageFlags::NONE }
    }

    /// A vote arrived.
    pub(crate) fn count_vote(&mut self, voter: NodeKey, header: &Header) {
        let node = &self.nodes[voter];
        let of_this_election = self.election.sent && header.current_epoch == self.election.epoch;
        let counts_anyway = self.config.chaos_count_stale_votes && header.current_epoch >= self.election.epoch;
        if !node.is_voter() || !(of_this_election || counts_anyway) {
            return;
        }
        let (id, asked_at) = (node.id, self.election.requested_at);
        self.election.votes.insert(id);
        self.heard(voter, asked_at);
        self.todo.failover = true;
    }

    /// A primary shows a config epoch that is not below our election's: that epoch is taken, and we cannot win it any
    /// more.
    pub(crate) fn abandon_taken_epoch(&mut self, by: NodeKey, config_epoch: u64) {
        if self.election.sent && self.nodes[by].is_primary() && config_epoch >= self.election.epoch {
            let (epoch, id) = (self.election.epoch, self.nodes[by].id);
            self.log(
                Level::Warning,
                format!("Failover election for epoch {epoch} is void: node {id} has config epoch {config_epoch}."),
            );
            self.election.reset();
            self.todo.failover = true;
        }
    }

    fn win_election(&mut self, now: UnixMillis) {
        let epoch = self.election.epoch;
        self.log(Level::Warning, "Failover election won: I'm the new master.".into());
        if self.nodes[self.me].config_epoch < epoch {
            self.nodes[self.me].config_epoch = epoch;
            self.log(Level::Warning, format!("configEpoch set to {epoch} after successful failover"));
        }
        self.replace_primary(now);
    }

    /// Takes the primary's role and slots (`clusterFailoverReplaceYourMaster`). The config epoch is set already.
    pub(crate) fn replace_primary(&mut self, now: UnixMillis) {
        let Some(old) = self.nodes[self.me].primary else { return };
        self.election.reset();
        self.election.votes.clear();
        self.stop_replicating();
        for slot in self.nodes[old].slots.clone().iter() {
            self.reassign(self.me, slot);
        }
        self.update_state(now);
        self.save_durably();
        self.broadcast_pong();
        self.reset_manual_failover();
    }

    fn log_obstacle(&mut self, obstacle: Obstacle, now: UnixMillis) {
        let relog = now - self.election.obstacle_logged_at >= CANT_FAILOVER_RELOG_MS;
        if self.election.obstacle == Some(obstacle) && !relog {
            return;
        }
        self.election.obstacle = Some(obstacle);
        // A failover that takes no longer than expected is not worth a log line.
        let patience = self.config.node_timeout_ms.saturating_add(5_000);
        let recent = self.nodes[self.me]
            .primary
            .is_some_and(|key| self.nodes[key].has_failed() && now - self.nodes[key].fail_time < patience);
        if !recent {
            self.election.obstacle_logged_at = now;
            self.log(Level::Warning, format!("Currently unable to failover: {}", obstacle.text()));
        }
    }

    // ----- the voter -----

    /// Answers a request for our vote (`clusterSendFailoverAuthIfNeeded`).
    pub(crate) fn vote_if_due(&mut self, candidate: NodeKey, request: &Header, arrived_on: LinkId, now: UnixMillis) {
        if !self.nodes[self.me].is_voter() {
            self.note_sibling_election(candidate, request, now);
            return;
        }
        let id = self.nodes[candidate].id;
        match self.refusal(candidate, request, now) {
            Some(Refusal { reason, newer_owner }) => {
                self.log(Level::Warning, format!("Failover auth denied to {id}: {reason}"));
                if let Some(owner) = newer_owner {
                    let link = self.way_to(candidate, arrived_on);
                    self.send_update(link, owner);
                }
            }
            None => {
                let epoch = self.epochs.current;
                self.epochs.last_vote = epoch;
                if let Some(primary) = self.nodes[candidate].primary {
                    self.nodes[primary].voted_time = Some(now);
                }
                self.save_durably();
                let link = self.way_to(candidate, arrived_on);
                self.send(link, Body::AuthAck, MessageFlags::NONE);
                self.log(Level::Warning, format!("Failover auth granted to {id} for epoch {epoch}"));
            }
        }
    }

    fn refusal(&self, candidate: NodeKey, request: &Header, now: UnixMillis) -> Option<Refusal> {
        let because = |reason: String| Some(Refusal { reason, newer_owner: None });
        let node = &self.nodes[candidate];
        let current = self.epochs.current;
        if request.current_epoch < current {
            return because(format!("reqEpoch ({}) < curEpoch({current})", request.current_epoch));
        }
        if self.epochs.last_vote >= current {
            return because(format!("already voted for epoch {current}"));
        }
        if node.is_primary() {
            return because("it is a master node".into());
        }
        let Some(primary) = node.primary.map(|key| &self.nodes[key]) else {
            return because("I don't know its master".into());
        };
        let forced = request.message_flags.contains(MessageFlags::FORCE_ACK);
        if !primary.has_failed() && !forced {
            return because("its master is up".into());
        }
        // FAIL may rest on reports of others that are older than our own contact. The primary's write lease rests on
        // us: it relies on no vote from a node that received something from it within a node timeout (`lease.rs`).
        let silence = now - primary.data_received;
        if silence < self.config.node_timeout_ms && !forced {
            return because(format!("I heard from its master {silence} milliseconds ago"));
        }
        let pause = self.config.node_timeout_ms.saturating_mul(2);
        // This only keeps the usual case orderly. Safety does not need it, and it must not hinder an administrator.
        let recent = primary.voted_time.map(|at| now - at).filter(|elapsed| *elapsed < pause);
        if let Some(elapsed) = recent.filter(|_| !forced) {
            return because(format!("can't vote about this master before {} milliseconds", pause - elapsed));
        }
        self.newer_claim(request)
    }

    /// A claimed slot belongs, as far as we know, to a node with a greater epoch than the candidate's primary.
    fn newer_claim(&self, request: &Header) -> Option<Refusal> {
        request.slots.iter().filter(|slot| !self.slots.is_unclaimed(*slot)).find_map(|slot| {
            let owner = self.slots.owner(slot)?;
            let epoch = self.nodes[owner].config_epoch;
            (epoch > request.config_epoch).then(|| Refusal {
                reason: format!("slot {slot} epoch ({epoch}) > reqEpoch ({})", request.config_epoch),
                newer_owner: Some(owner),
            })
        })
    }
}

/// Why a vote is not given.
struct Refusal {
    reason: String,
    /// A node that the candidate should hear about.
    newer_owner: Option<NodeKey>,
}
