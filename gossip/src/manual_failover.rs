//! Manual failover: the administrator asks a replica to take over from a primary that works, without losing a write.
//!
//! The replica sends MFSTART. The primary stops its clients' writes and marks its packets as PAUSED, which makes the
//! offset in them final. The replica waits until it has processed that much, then holds an election whose requests
//! carry FORCEACK (vote although the primary is up). FORCE leaves out the handshake, TAKEOVER the votes as well. After
//! a time limit both sides give up. "No offset yet" is `None`, since 0 is an offset (redis issue 8651), and the pause
//! is lifted as soon as the outcome is known (redis issue 9676). A primary serves one such request at a time and marks
//! its packets only for that replica, so two replicas asked at once cannot both win (valkey issue 3996).

use protocol::bus::{Body, MessageFlags};

use crate::config::{MF_PAUSE_MULT, UnixMillis};
use crate::error::Error;
use crate::event::{Effect, Level};
use crate::link::LinkId;
use crate::node::NodeKey;
use crate::state::Gossip;

/// The kind of failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverMode {
    /// In agreement with the primary.
    Default,
    /// `FORCE`: without the primary, with the votes of a majority.
    Force,
    /// `TAKEOVER`: without any other node.
    Takeover,
}

/// State of both sides.
#[derive(Debug, Default)]
pub(crate) struct ManualFailover {
    /// When the attempt is given up (`mf_end`); 0: none is under way.
    pub(crate) end: UnixMillis,
    /// Primary's side: the replica that takes over.
    pub(crate) replica: Option<NodeKey>,
    /// Primary's side: writes have stopped, so our offset is final and packets to the replica may say so.
    pub(crate) paused: bool,
    /// Replica's side: when the attempt began.
    started: UnixMillis,
    /// Replica's side: the primary's final offset.
    pub(crate) primary_offset: Option<u64>,
    /// When it was learnt.
    learnt_at: UnixMillis,
    /// Replica's side: the election may start.
    pub(crate) can_start: bool,
}

impl ManualFailover {
    pub(crate) fn is_running(&self) -> bool {
        self.end != 0
    }

    /// Replica's side: the primary's final offset is reached, or not waited for, so a manual election may start. If the
    /// primary fails before that, the election is a normal one.
    pub(crate) fn may_elect(&self) -> bool {
        self.is_running() && self.can_start
    }
}

impl Gossip {
    /// CLUSTER FAILOVER. Success means that the attempt began, not that it succeeded.
    ///
    /// A plain request while one is under way changes nothing.
    pub fn failover(&mut self, mode: FailoverMode, now: UnixMillis) -> Result<(), Error> {
        let me = &self.nodes[self.me];
        if me.is_primary() {
            return Err(Error::FailoverOnPrimary);
        }
        let primary = me.primary.ok_or(Error::PrimaryUnknown)?;
        let link = self.nodes[primary].link;
        if mode == FailoverMode::Default && (self.nodes[primary].has_failed() || link.is_none()) {
            return Err(Error::PrimaryDown);
        }
        self.begin(now);
        match mode {
            FailoverMode::Default if self.manual.is_running() => {}
            FailoverMode::Default => {
                self.start_manual(now);
                self.log(Level::Warning, "Manual failover user request accepted.".into());
                if let Some(link) = link {
                    self.send(link, Body::MfStart, MessageFlags::NONE);
                }
            }
            FailoverMode::Force => {
                self.start_manual(now);
                self.log(Level::Warning, "Forced failover user request accepted.".into());
                self.manual.can_start = true;
                self.todo.failover = true;
            }
            FailoverMode::Takeover => {
                self.start_manual(now);
                self.log(Level::Warning, "Taking over the master (user request).".into());
                self.bump_config_epoch();
                self.replace_primary(now);
            }
        }
        self.finish(now);
        Ok(())
    }

    fn start_manual(&mut self, now: UnixMillis) {
        self.reset_manual_failover();
        self.election.reset();
        self.manual.started = now;
        self.manual.end = now + self.config.manual_failover_timeout_ms;
    }

    /// Ends or aborts an attempt (`resetManualFailover`).
    pub(crate) fn reset_manual_failover(&mut self) {
        if self.manual.replica.is_some() {
            self.pending.push(Effect::UnpauseWrites);
        }
        self.manual = ManualFailover::default();
    }

    /// Gives up an attempt that has taken too long (`manualFailoverCheckTimeout`).
    pub(crate) fn check_manual_failover_timeout(&mut self, now: UnixMillis) {
        if self.manual.is_running() && self.manual.end < now {
            self.log(Level::Warning, "Manual failover timed out.".into());
            self.reset_manual_failover();
        }
    }

    /// A replica asks this node to pause (`CLUSTERMSG_TYPE_MFSTART`).
    pub(crate) fn handle_mfstart(&mut self, replica: NodeKey, now: UnixMillis) {
        if !self.nodes[self.me].is_primary() || self.nodes[replica].primary != Some(self.me) {
            return;
        }
        let id = self.nodes[replica].id;
        if self.manual.replica.is_some_and(|other| other != replica) {
            self.log(
                Level::Warning,
                format!("Manual failover requested by replica {id} ignored: another is under way."),
            );
            return;
        }
        let limit = self.config.manual_failover_timeout_ms;
        self.manual = ManualFailover { end: now + limit, replica: Some(replica), ..ManualFailover::default() };
        self.pending.push(Effect::PauseWrites { until: now + limit * MF_PAUSE_MULT });
        self.log(Level::Warning, format!("Manual failover requested by replica {id}."));
    }

    /// The driver has performed [`Effect::PauseWrites`]: no write is under way any more, and `offset` does not change
    /// until the pause ends (the server must not add its own pings to the replication stream either). Only now may the
    /// replica be told, since it takes over as soon as it has processed that much.
    pub fn handle_writes_paused(&mut self, offset: u64, now: UnixMillis) {
        self.begin(now);
        self.replication.offset = offset;
        if self.manual.replica.is_some() {
            self.manual.paused = true;
            self.ping_failing_over_replica(now);
        }
        self.finish(now);
    }

    /// The primary's side, periodically: repeats the final offset to the replica.
    pub(crate) fn ping_failing_over_replica(&mut self, now: UnixMillis) {
        let replica = self.manual.replica.filter(|_| self.manual.paused);
        let link = replica.and_then(|replica| self.nodes[replica].link);
        if let Some(link) = link.filter(|link| self.is_connected(*link)) {
            self.ping(link, now);
        }
    }

    /// Our primary sent PAUSED, in the answer to a ping that we sent at `asked_at`.
    ///
    /// Only an answer to a ping of this attempt counts: a packet of an earlier attempt may have been in flight while a
    /// path was cut, and the primary may have written a lot since.
    pub(crate) fn learn_final_offset(&mut self, offset: u64, asked_at: UnixMillis, now: UnixMillis) {
        let of_this_attempt = self.manual.is_running() && asked_at >= self.manual.started;
        if of_this_attempt && self.manual.primary_offset.is_none() {
            self.manual.primary_offset = Some(offset);
            self.manual.learnt_at = now;
            self.todo.manual_failover = true;
            self.log(
                Level::Warning,
                format!("Received replication offset for paused master manual failover: {offset}"),
            );
        }
    }

    /// Our primary sent PAUSED unasked: ping it, so that the answer is certainly current.
    pub(crate) fn ask_for_final_offset(&mut self, now: UnixMillis) {
        if !self.manual.is_running() || self.manual.primary_offset.is_some() {
            return;
        }
        let link = self.nodes[self.me].primary.and_then(|primary| self.nodes[primary].link);
        if let Some(link) = link.filter(|link| self.is_connected(*link)) {
            self.ping(link, now);
        }
    }

    /// Our primary sent a ping without PAUSED. If it came over a connection that is younger than the final offset, the
    /// primary was restarted since, and knows nothing of the pause: it may have written more.
    pub(crate) fn notice_end_of_pause(&mut self, link: LinkId) {
        let young = self.links.get(link).is_some_and(|link| link.inbound && link.created_at > self.manual.learnt_at);
        if young && self.manual.is_running() && self.manual.primary_offset.is_some() {
            self.log(Level::Warning, "Manual failover aborted: the master does not pause its clients any more.".into());
            self.reset_manual_failover();
        }
    }

    /// Checks whether we have processed everything (`clusterHandleManualFailover`).
    pub(crate) fn handle_manual_failover(&mut self, now: UnixMillis) {
        if !self.nodes[self.me].is_replica() || !self.manual.is_running() || self.manual.can_start {
            return;
        }
        if self.manual.primary_offset.is_some_and(|offset| self.replication.offset >= offset) {
            self.manual.can_start = true;
            self.log(Level::Warning, "All master replication stream processed, manual failover can start.".into());
            self.handle_replica_failover(now);
        }
    }
}
