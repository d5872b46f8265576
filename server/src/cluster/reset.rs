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
        let keyspace = &self.engine.keyspace;
        let clear = |slot| keyspace.lock(0, slot).clear(|key| keyspace.hash(key));
        let garbage: Vec<_> = pass.exclusive(|_| keyspace.occupied(0).map(clear).collect());
        self.engine.invalidate_all();
        drop(garbage);
    }
}
