//! Ending a node in order: writes stop, replicas catch up, data is saved, then the node is asked to stop.
//!
//! Everything acknowledged before is there after the next start: on the replicas, since writes are held back before the
//! replicas are waited for, and in the file, since the cut of the last save ends all writes (`persistence::save`). A
//! command that was held back gets no reply.
//!
//! Nothing is stopped here: the owner of the node is told through `NodeState::request_stop`, or has called
//! [`Ops::shutdown`] itself because of a signal. After a failed shutdown the node goes on serving. One shutdown runs at
//! a time, on the control thread. It does not depend on the client that asked for it; a second request waits for its
//! end (Redis: `prepareForShutdown`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::resp::Args;

use super::Ops;
pub(crate) use super::attempt::Verdict;
use super::attempt::{AtLast, Attempt};
use crate::command::{CmdError, error};
use crate::config::ids;
use crate::engine::state::{PauseKind, PausePurpose};

/// How often the replicas' offsets are checked.
const POLL: Duration = Duration::from_millis(20);

/// The modifiers of SHUTDOWN; the directives `shutdown-on-sigterm` and `shutdown-on-sigint` have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShutdownFlags {
    /// Save although no save point is configured.
    pub save: bool,
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go on although saving fails.
    pub force: bool,
}

impl ShutdownFlags {
    /// The bits of `shutdown-on-sigterm`.
    pub(crate) fn from_bits(bits: i64) -> Self {
        let on = |bit: i64| bits & bit != 0;
        Self { save: on(1), nosave: on(2), now: on(4), force: on(8) }
    }
}

/// The words of SHUTDOWN; `None` is ABORT.
///
/// # Errors
/// Words that are unknown or contradict each other.
pub(crate) fn parse(args: Args<'_>) -> Result<Option<ShutdownFlags>, CmdError> {
    let (mut flags, mut abort) = (ShutdownFlags::default(), false);
    for word in args.iter().skip(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" => flags.nosave = true,
            b"save" => flags.save = true,
            b"now" => flags.now = true,
            b"force" => flags.force = true,
            b"abort" => abort = true,
            _ => return Err(error::SYNTAX),
        }
    }
    if abort && flags != ShutdownFlags::default() || flags.save && flags.nosave {
        return Err(error::SYNTAX);
    }
    Ok((!abort).then_some(flags))
}

impl Ops {
    /// Prepares the node for its end, or joins the shutdown that is doing so. With `by_command` the node is then asked
    /// to stop.
    pub(crate) fn shutdown(&self, flags: ShutdownFlags, by_command: bool) -> Verdict {
        let (Some(control), Some(this)) = (self.control.get(), self.me.upgrade()) else {
            // The node has not started, or is gone: the verdict will never be set, which counts as no.
            return Attempt::default().verdict();
        };
        let attempt = match self.progress.join() {
            Ok(attempt) => return attempt.verdict(),
            Err(attempt) => attempt,
        };
        let verdict = attempt.verdict();
        control.spawn(move |_| async move {
            let _told = AtLast(attempt.clone());
            let ready = this.get_ready(flags, &attempt).await;
            if this.progress.end(&attempt, ready, &this.engine.state) && by_command {
                this.engine.state.request_stop(0);
            }
        });
        verdict
    }

    async fn get_ready(&self, mut flags: ShutdownFlags, attempt: &Attempt) -> bool {
        // A data set that is only partly loaded must not overwrite the file.
        if self.engine.state.loading.load(Ordering::Relaxed) {
            (flags.save, flags.nosave) = (false, true);
        }
        self.engine.log.warning(format_args!("User requested shutdown..."));
        if !self.wait_for_scripts(flags, attempt).await {
            return false;
        }
        if !flags.now && !self.wait_for_replicas(attempt).await {
            return false;
        }
        self.log_lagging_replicas();
        if flags.nosave {
            return true;
        }
        if !attempt.begin_save() {
            return false;
        }
        let saved = self.persistence.save_at_shutdown(flags.save).await;
        if attempt.is_aborted() {
            return false;
        }
        if !saved {
            let what = if flags.force { "Exit anyway" } else { "can't exit" };
            let stop = if flags.force { ". " } else { ", " };
            self.engine.log.warning(format_args!("Error trying to save the DB{stop}{what}."));
        }
        saved || flags.force
    }

    /// SHUTDOWN ABORT. `false`: there is nothing to abort.
    pub(super) fn abort_shutdown(&self) -> bool {
        let aborted = self.progress.abort(&self.engine.state, || self.persistence.snapshots.cancel_all());
        if aborted {
            self.engine.log.notice(format_args!("Shutdown manually aborted."));
        }
        aborted
    }

    fn replicas_lag(&self) -> bool {
        let facts = self.replication.info();
        facts.replicas.iter().any(|replica| replica.offset != facts.offset)
    }

    /// Ends scripts, since the last save waits until none is in its midst. Those that have written may go on to their
    /// end for `shutdown-timeout`, so that what they do is not saved by halves; a script that takes longer is cut.
    /// `false`: aborted.
    async fn wait_for_scripts(&self, flags: ShutdownFlags, attempt: &Attempt) -> bool {
        let (scripts, clock) = (&self.engine.scripts, &self.engine.clock);
        let patience_us = self.engine.config.int(ids::SHUTDOWN_TIMEOUT).max(0) as u64 * 1_000_000;
        let started = clock.monotonic_us();
        let at_once = flags.now || flags.nosave;
        while !at_once && scripts.end_readers() && clock.monotonic_us() - started < patience_us {
            if attempt.is_aborted() {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        scripts.end_all();
        !attempt.is_aborted()
    }

    /// Holds writes back until every replica has caught up, for at most `shutdown-timeout`. `false`: aborted.
    async fn wait_for_replicas(&self, attempt: &Attempt) -> bool {
        let (state, clock) = (&self.engine.state, &self.engine.clock);
        let patience_us = self.engine.config.int(ids::SHUTDOWN_TIMEOUT).max(0) as u64 * 1_000_000;
        if patience_us == 0 || self.replication.info().replicas.is_empty() {
            return true;
        }
        state.pause(PausePurpose::Shutdown, PauseKind::Writes, i64::MAX);
        self.settle_writes().await;
        if !self.replicas_lag() {
            return true;
        }
        self.engine.log.notice(format_args!("Waiting for replicas before shutting down."));
        let started = clock.monotonic_us();
        while self.replicas_lag() && clock.monotonic_us() - started < patience_us {
            if attempt.is_aborted() {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        !attempt.is_aborted()
    }

    fn log_lagging_replicas(&self) {
        let facts = self.replication.info();
        let mut in_sync = 0;
        for replica in &facts.replicas {
            if replica.offset == facts.offset {
                in_sync += 1;
                continue;
            }
            self.engine.log.notice(format_args!(
                "Lagging replica {}:{} reported offset {} behind master, lag={}, state={}.",
                replica.ip,
                replica.port,
                facts.offset - replica.offset,
                replica.lag_s,
                replica.state
            ));
        }
        if !facts.replicas.is_empty() {
            let all = facts.replicas.len();
            self.engine.log.notice(format_args!("{in_sync} of {all} replicas are in sync when shutting down."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::resp::OwnedArgs;

    fn parsed(words: &str) -> Result<Option<ShutdownFlags>, CmdError> {
        let words: Vec<&str> = words.split(' ').collect();
        parse(OwnedArgs::from_slices(&words).view())
    }

    #[test]
    fn modifiers_combine_unless_they_contradict() {
        assert_eq!(parsed("SHUTDOWN"), Ok(Some(ShutdownFlags::default())));
        let all = ShutdownFlags { nosave: true, now: true, force: true, save: false };
        assert_eq!(parsed("SHUTDOWN NOSAVE now Force"), Ok(Some(all)));
        assert_eq!(parsed("SHUTDOWN abort"), Ok(None));
        for wrong in ["SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN BOGUS"] {
            assert_eq!(parsed(wrong), Err(error::SYNTAX), "{wrong}");
        }
    }

    #[test]
    fn the_directives_have_the_same_modifiers() {
        assert_eq!(ShutdownFlags::from_bits(0), ShutdownFlags::default());
        assert_eq!(ShutdownFlags::from_bits(6), ShutdownFlags { nosave: true, now: true, ..Default::default() });
    }
}
