//! FAILOVER: a primary without a cluster hands over to one of its replicas, without losing a write.
//!
//! Writes are paused until a replica has acknowledged everything; then this node follows that replica, and its PSYNC
//! tells the replica to take over. If that fails, or takes too long, the old state is restored.

use super::roles::RoleChange;
use super::{Replication, core};
use crate::command::{CmdError, error};
use crate::engine::state::{PauseKind, PausePurpose};

/// A failover under way.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    pub target: Option<(String, u16)>,
    /// Unix time in milliseconds.
    pub deadline_ms: Option<i64>,
    /// Go on when the time is over, even if the target lacks data.
    pub force: bool,
    /// The target was chosen, and is being told.
    pub in_progress: bool,
}

impl Failover {
    /// The word that INFO shows.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.in_progress { "failover-in-progress" } else { "waiting-for-sync" }
    }
}

impl Replication {
    /// Whether a failover is under way.
    pub(crate) fn is_failing_over(&self) -> bool {
        self.failover.lock().is_some()
    }

    /// Begins a failover.
    ///
    /// # Errors
    /// Redis's texts, if it is not possible now.
    pub(super) fn begin_failover(&self, failover: Failover) -> Result<(), CmdError> {
        let mut current = self.failover.lock();
        if current.is_some() {
            return Err(error::FAILOVER_IN_PROGRESS);
        }
        let core = self.core.lock();
        if core.following.is_some() {
            return Err(error::FAILOVER_ON_REPLICA);
        }
        if core.replicas.is_empty() {
            return Err(error::FAILOVER_WITHOUT_REPLICAS);
        }
        if failover.force && (failover.deadline_ms.is_none() || failover.target.is_none()) {
            return Err(error::FAILOVER_FORCE);
        }
        match &failover.target {
            Some(target) => {
                let found = core.replicas.values().find(|replica| core::is_at(replica, target));
                match found.map(|replica| replica.phase) {
                    None => return Err(error::FAILOVER_NO_TARGET),
                    Some(core::Phase::Online) => {}
                    Some(_) => return Err(error::FAILOVER_TARGET_OFFLINE),
                }
                self.engine.log.notice(format_args!("FAILOVER requested to {}:{}.", target.0, target.1));
            }
            None => self.engine.log.notice(format_args!("FAILOVER requested to any replica.")),
        }
        drop(core);
        *current = Some(failover);
        self.engine.state.pause(PausePurpose::Failover, PauseKind::Writes, i64::MAX);
        Ok(())
    }

    /// Aborts a failover. `false`: there is none.
    pub(super) fn abort_failover(&self, why: &str) -> bool {
        let Some(failover) = self.failover.lock().take() else { return false };
        match &failover.target {
            Some((host, port)) => self.engine.log.notice(format_args!("Aborting failover to {host}:{port}. {why}")),
            None => self.engine.log.notice(format_args!("Aborting failover. {why}")),
        }
        if failover.in_progress {
            self.promote();
        }
        self.engine.state.unpause(PausePurpose::Failover);
        true
    }

    /// The target has taken over.
    pub(super) fn failover_done(&self) {
        if self.failover.lock().take().is_some() {
            self.engine.state.unpause(PausePurpose::Failover);
        }
    }

    /// The target was chosen too early: it has to catch up once more.
    pub(super) fn wait_for_target(&self) {
        if let Some(failover) = self.failover.lock().as_mut() {
            failover.in_progress = false;
        }
    }

    /// Checks whether a failover can proceed; called periodically.
    pub(super) fn check_failover(&self, now: i64) {
        let mut current = self.failover.lock();
        let Some(failover) = current.as_mut().filter(|failover| !failover.in_progress) else { return };
        if failover.deadline_ms.is_some_and(|deadline| now >= deadline) {
            match failover.target.clone().filter(|_| failover.force) {
                Some((host, port)) => {
                    self.engine.log.notice(format_args!("Failover to {host}:{port} time out exceeded, failing over."));
                    failover.in_progress = true;
                    drop(current);
                    self.request(RoleChange::HandOver { host, port, force: true }, None);
                }
                None => {
                    drop(current);
                    self.abort_failover("Replica never caught up before timeout");
                }
            }
            return;
        }
        let mut core = self.core.lock();
        let offset = core.history.offset;
        let ready = core
            .online()
            .filter(|replica| replica.ack >= offset)
            .find(|replica| {
                replica.port().is_some() && failover.target.as_ref().is_none_or(|target| core::is_at(replica, target))
            })
            .and_then(|replica| Some((replica.ip.clone(), replica.port()?)));
        match ready {
            Some((host, port)) => {
                self.engine.log.notice(format_args!("Failover target is {host}:{port}, failing over."));
                failover.target = Some((host.clone(), port));
                failover.in_progress = true;
                drop(core);
                drop(current);
                self.request(RoleChange::HandOver { host, port, force: false }, None);
            }
            None => core.request_acks(),
        }
    }
}
