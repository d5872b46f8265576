//! Forming: every node gets its place, and the cluster is ready only when all of them agree.
//!
//! Every node gets the whole table at once (`gossip::Gossip::found`), so forming takes a link and a round trip for each
//! pair of nodes and a sync for each replica. Nodes restarted from a directory have their places already.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gossip::{Founder, NodeView, View};
use protocol::bus::NodeId;
use protocol::slot::{SLOT_COUNT, SlotId, SlotRange};

use super::progress::Teller;
use super::{Cluster, ClusterError, Core, Options};

impl Cluster {
    /// Gives every node its place, and waits until the cluster is ready.
    pub(super) fn form(&self, options: &Options, began: Instant) -> Result<(), ClusterError> {
        let mut teller = Teller::new(options.observer.as_ref(), began);
        self.assign(options, self.process.directory.path())?;
        self.wait_telling(began, options.patience, &mut teller)
    }

    fn assign(&self, options: &Options, dir: &Path) -> Result<(), ClusterError> {
        let cores = self.cores();
        let fresh = cores.iter().all(|core| core.view().nodes.len() == 1);
        if !fresh {
            return self.check_shape(options, dir);
        }
        let ip = self.process.reach.dial.to_string().parse().unwrap_or_default();
        let mut founders: Vec<Founder> = cores.iter().map(|core| core.with_core(|core, _| core.founder(ip))).collect();
        for (shard, range) in shares(options.shards).into_iter().enumerate() {
            founders[shard].config_epoch = shard as u64 + 1;
            founders[shard].slots.push(range);
        }
        for index in options.shards..founders.len() {
            founders[index].primary = Some(founders[index % options.shards].id);
        }
        for (node, core) in cores.iter().enumerate() {
            core.with_core(|core, now| core.found(&founders, now))
                .map_err(|problem| ClusterError::Refused { node, problem })?;
        }
        cores.iter().for_each(|core| core.with_core(gossip::Gossip::open_links));
        Ok(())
    }

    fn check_shape(&self, options: &Options, dir: &Path) -> Result<(), ClusterError> {
        let wanted = options.nodes();
        for (index, core) in self.cores().iter().enumerate() {
            let known = core.view().nodes.len();
            if known != wanted {
                return Err(ClusterError::other_shape(dir, index, known, wanted));
            }
        }
        Ok(())
    }

    /// Waits until the cluster is ready ([`Cluster::is_ready`]).
    ///
    /// # Errors
    /// [`ClusterError::NotReady`] after `patience`.
    pub fn wait_ready(&self, patience: Duration) -> Result<(), ClusterError> {
        let began = Instant::now();
        self.wait_telling(began, patience, &mut Teller::new(None, began))
    }

    fn wait_telling(&self, began: Instant, patience: Duration, teller: &mut Teller<'_>) -> Result<(), ClusterError> {
        let mut wait = |ready: &dyn Fn() -> bool| {
            while !ready() {
                if began.elapsed() > patience {
                    return Err(self.not_ready(patience));
                }
                teller.tell(self);
                self.breathe()?;
            }
            Ok(())
        };
        // One node after the other: checking all of them each time would cost more than forming. The node that is there
        // now is asked: it may end and come back meanwhile as a new one.
        for member in &self.process.members {
            wait(&|| member.core().is_some_and(|core| lists_all(&core.view(), &identities(&self.cores()))))?;
        }
        wait(&|| self.is_ready())
    }

    /// Why the cluster is not ready, as far as the nodes know.
    fn not_ready(&self, after: Duration) -> ClusterError {
        let nodes = self.process.members.iter().map(|member| member.report(self.len())).collect();
        ClusterError::NotReady { after, nodes }
    }

    /// Waits a moment for the nodes.
    fn breathe(&self) -> Result<(), ClusterError> {
        self.go_on()?;
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    /// Whether every node reports `cluster_state:ok` and lists every node: connected, in its role, and replicas in
    /// sync, as clients see them. From then on it does not matter which node a client asks.
    pub fn is_ready(&self) -> bool {
        let cores = self.cores();
        let roles = identities(&cores);
        cores.len() == self.process.members.len()
            && self.process.members.iter().all(super::member::Member::replica_online)
            && cores.iter().all(|core| lists_all(&core.view(), &roles))
    }
}

fn identities(cores: &[Arc<Core>]) -> Vec<(NodeId, Option<NodeId>)> {
    cores.iter().map(|core| core.identity()).collect()
}

/// Whether a node shows a cluster of exactly these nodes, each with its primary, to its clients.
fn lists_all(view: &View, roles: &[(NodeId, Option<NodeId>)]) -> bool {
    let shown = |node: &NodeView| node.connected && (node.is_primary() || node.is_available_replica());
    view.ok
        && view.nodes.len() == roles.len()
        && roles.iter().all(|(id, primary)| {
            view.node(id).is_some_and(|node| node.primary == *primary && shown(node) && !node.is_suspect())
        })
}

/// Even shares of all slots.
fn shares(shards: usize) -> Vec<SlotRange> {
    (0..shards)
        .map(|shard| {
            let bound = |shard: usize| SLOT_COUNT * shard / shards;
            let slot = |number: usize| SlotId::new(number as u16).expect("a share ends within the slots");
            SlotRange { first: slot(bound(shard)), last: slot(bound(shard + 1) - 1) }
        })
        .collect()
}

#[cfg(test)]
#[path = "forming_tests.rs"]
mod tests;
