//! Ending a node in order: replicas catch up, data is saved, then the node is asked to stop.
//!
//! Nothing is stopped here: whoever runs the node hears of it through `NodeState::request_stop`, or called [`Ops::shutdown`] itself
//! because of a signal. A shutdown that fails leaves a node that goes on serving.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use protocol::resp::Args;

use super::Ops;
use crate::command::{CmdError, error};
use crate::engine::config::ids;
use crate::engine::state::{PauseKind, PausePurpose};

/// How often lagging replicas are looked at.
const POLL: Duration = Duration::from_millis(20);

/// The modifiers of SHUTDOWN; the directives `shutdown-on-sigterm` and `shutdown-on-sigint` have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
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
    pub fn from_bits(bits: i64) -> Self {
        let on = |bit: i64| bits & bit != 0;
        Self { save: on(1), nosave: on(2), now: on(4), force: on(8) }
    }
}

/// The words of SHUTDOWN; `None` is ABORT.
///
/// # Errors
/// Words that are unknown or contradict each other.
pub fn parse(args: Args<'_>) -> Result<Option<ShutdownFlags>, CmdError> {
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

/// Whether a shutdown is going on, and whether it is to be given up.
#[derive(Default)]
pub(super) struct Progress {
    running: AtomicBool,
    aborted: AtomicBool,
}

impl Ops {
    /// Makes the node ready to stop. `false`: it is not, because saving failed, ABORT came, or another shutdown is going on.
    pub async fn shutdown(&self, mut flags: ShutdownFlags) -> bool {
        if self.progress.running.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.progress.aborted.store(false, Ordering::SeqCst);
        // Half a data set must not overwrite a whole one.
        if self.engine.state.loading.load(Ordering::Relaxed) {
            (flags.save, flags.nosave) = (false, true);
        }
        self.engine.log.warning(format_args!("User requested shutdown..."));
        let caught_up = flags.now || self.wait_for_replicas().await;
        let ready = caught_up && (flags.nosave || self.persistence.save_at_shutdown(flags.save).await || flags.force);
        if !ready {
            self.engine.state.unpause(PausePurpose::Shutdown);
            self.progress.running.store(false, Ordering::SeqCst);
        }
        ready
    }

    /// SHUTDOWN ABORT. `false`: there is nothing to abort.
    pub(super) fn abort_shutdown(&self) -> bool {
        let running = self.progress.running.load(Ordering::SeqCst);
        if running {
            self.progress.aborted.store(true, Ordering::SeqCst);
            self.engine.log.notice(format_args!("Shutdown manually aborted."));
        }
        running
    }

    fn replicas_lag(&self) -> bool {
        let facts = self.replication.info();
        facts.primary.is_none() && facts.replicas.iter().any(|replica| replica.offset < facts.offset)
    }

    /// Holds writes back until every replica has everything, for at most `shutdown-timeout`. `false`: aborted.
    async fn wait_for_replicas(&self) -> bool {
        let (state, clock) = (&self.engine.state, &self.engine.clock);
        let patience_us = self.engine.config.int(ids::SHUTDOWN_TIMEOUT).max(0) as u64 * 1_000_000;
        if patience_us == 0 || !self.replicas_lag() {
            return true;
        }
        self.engine.log.notice(format_args!("Waiting for replicas before shutting down."));
        state.pause(PausePurpose::Shutdown, PauseKind::Writes, i64::MAX);
        let started = clock.monotonic_us();
        while self.replicas_lag() && clock.monotonic_us() - started < patience_us {
            if self.progress.aborted.load(Ordering::SeqCst) {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
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
