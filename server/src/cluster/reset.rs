//! CLUSTER RESET and the data: what a replica had of its primary's goes before the client has its answer.

use std::sync::atomic::Ordering;

use super::driver::Cluster;
use crate::engine::barrier::Pass;

impl Cluster {
    /// Drops the data set of a replica that was reset. The caller's client has no answer yet, so whatever is written after the
    /// reset stays, and nobody reads what the reset has taken.
    pub(super) fn flush_if_due(&self, pass: &mut Pass<'_>) {
        if !self.flush_due.swap(false, Ordering::AcqRel) {
            return;
        }
        let garbage = pass.exclusive(|_| self.engine.flush(0..1));
        drop(garbage);
    }
}
