//! CLUSTER RESET and the data: a replica's copy of its primary's data is dropped before the client gets its reply.

use std::sync::atomic::Ordering;

use super::driver::Cluster;
use crate::engine::barrier::Pass;

impl Cluster {
    /// Drops the data set of a replica that was reset. The client has no reply yet, so writes after the reset stay, and
    /// no read after the reset sees the dropped data.
    pub(super) fn flush_if_due(&self, pass: &mut Pass<'_>) {
        if !self.flush_due.swap(false, Ordering::AcqRel) {
            return;
        }
        let garbage = pass.exclusive(|_| self.engine.flush(0..self.engine.keyspace.databases()));
        drop(garbage);
    }
}
