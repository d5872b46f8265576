//! How far forming has come: for a terminal while it takes long, and for the error if it took too long.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Cluster;

/// How long forming may take before progress is reported.
const QUIET: Duration = Duration::from_secs(1);
/// How often it is reported then.
const PERIOD: Duration = Duration::from_millis(200);

/// How far forming has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many nodes there will be.
    pub nodes: usize,
    /// Nodes that run.
    pub up: usize,
    /// Nodes that know all others.
    pub met: usize,
    /// Nodes that report that all slots are served.
    pub ok: usize,
    /// Replicas whose data is in sync with their primaries.
    pub synced: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, up, met, ok, synced } = self;
        write!(f, "nodes up {up}/{nodes}, met {met}/{nodes}, slots served {ok}/{nodes}, replicas in sync {synced}")
    }
}

/// The callback for progress.
#[derive(Clone)]
pub(super) struct Observer(pub(super) Arc<dyn Fn(Progress) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Reports progress periodically, while the cluster is waited for.
pub(super) struct Teller<'a> {
    observer: Option<&'a Observer>,
    next: Instant,
}

impl<'a> Teller<'a> {
    pub(super) fn new(observer: Option<&'a Observer>, began: Instant) -> Self {
        Self { observer, next: began + QUIET }
    }

    /// Reports, if it is time.
    pub(super) fn tell(&mut self, cluster: &Cluster) {
        let now = Instant::now();
        if let Some(observer) = self.observer
            && now >= self.next
        {
            self.next = now + PERIOD;
            (observer.0)(cluster.progress());
        }
    }
}

impl Cluster {
    /// How far forming has come.
    pub fn progress(&self) -> Progress {
        let cores = self.cores();
        let count = |holds: &dyn Fn(&crate::cluster::Cluster) -> bool| cores.iter().filter(|core| holds(core)).count();
        Progress {
            nodes: self.process.members.len(),
            up: cores.len(),
            met: count(&|core| core.view().nodes.len() == self.process.members.len()),
            ok: count(&|core| core.view().ok),
            synced: self
                .process
                .members
                .iter()
                .filter(|member| member.core().is_some_and(|core| !core.view().myself().is_primary()))
                .filter(|member| member.replica_online())
                .count(),
        }
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
