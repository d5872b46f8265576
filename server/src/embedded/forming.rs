//! Forming: every node gets its place, and nobody is told "ready" before all of them agree.
//!
//! The nodes are introduced to each other directly, all to all, so that forming takes a few round trips instead of rounds of
//! gossip. Nodes that come back from a directory have their places already.

use std::path::Path;
use std::time::{Duration, Instant};

use protocol::slot::{SLOT_COUNT, SlotId, SlotRange};

use super::progress::Teller;
use super::{Cluster, ClusterError, Options};

impl Cluster {
    /// Gives every node its place, and waits until the cluster is ready.
    pub(super) fn form(&self, options: &Options, began: Instant) -> Result<(), ClusterError> {
        let mut teller = Teller::new(options.observer.as_ref(), began);
        self.assign(options, self.process.directory.path(), &mut teller)?;
        self.wait_telling(options.patience.saturating_sub(began.elapsed()), &mut teller)
    }

    fn assign(&self, options: &Options, dir: &Path, teller: &mut Teller<'_>) -> Result<(), ClusterError> {
        let cores = self.cores();
        let fresh = cores.iter().all(|core| core.view().nodes.len() == 1);
        if !fresh {
            return self.check_shape(options, dir);
        }
        let refused = |node| move |problem| ClusterError::Refused { node, problem };
        for (shard, range) in shares(options.shards).into_iter().enumerate() {
            let core = &cores[shard];
            core.with_core(|core, now| core.set_config_epoch(shard as u64 + 1, now)).map_err(refused(shard))?;
            core.with_core(|core, now| core.add_slots(&[range], now)).map_err(refused(shard))?;
        }
        let host = self.process.reach.dial.to_string();
        for (index, core) in cores.iter().enumerate() {
            for peer in &cores[index + 1..] {
                core.with_core(|core, now| core.meet(&host, i64::from(peer.port()), i64::from(peer.bus_port()), now))
                    .map_err(refused(index))?;
            }
        }
        let deadline = Instant::now() + options.patience;
        for (index, core) in cores.iter().enumerate().skip(options.shards) {
            let primary = cores[index % options.shards].view().myself().id;
            // Known and out of its handshake: only then can it be named.
            while core.view().node(&primary).is_none() {
                if Instant::now() > deadline {
                    return Err(self.not_ready(options.patience));
                }
                teller.tell(self);
                self.breathe()?;
            }
            core.with_core(|core, now| core.replicate(primary.as_str(), false, now)).map_err(refused(index))?;
        }
        Ok(())
    }

    fn check_shape(&self, options: &Options, dir: &Path) -> Result<(), ClusterError> {
        let wanted = options.nodes();
        for (index, core) in self.cores().iter().enumerate() {
            let known = core.view().nodes.len();
            if known != wanted {
                let problem = format!("node {index} knows {known} nodes instead of {wanted}");
                return Err(ClusterError::OtherShape { dir: dir.display().to_string(), problem });
            }
        }
        Ok(())
    }

    /// Waits until the cluster is ready ([`Cluster::is_ready`]).
    ///
    /// # Errors
    /// [`ClusterError::NotReady`] after `patience`.
    pub fn wait_ready(&self, patience: Duration) -> Result<(), ClusterError> {
        self.wait_telling(patience, &mut Teller::new(None, Instant::now()))
    }

    fn wait_telling(&self, patience: Duration, teller: &mut Teller<'_>) -> Result<(), ClusterError> {
        let began = Instant::now();
        while !self.is_ready() {
            if began.elapsed() > patience {
                return Err(self.not_ready(patience));
            }
            teller.tell(self);
            self.breathe()?;
        }
        Ok(())
    }

    /// Why it is not ready, as far as the nodes know.
    fn not_ready(&self, after: Duration) -> ClusterError {
        let nodes = self.process.members.iter().map(|member| member.report(self.len())).collect();
        ClusterError::NotReady { after, nodes }
    }

    /// Lets the nodes get on for a moment.
    fn breathe(&self) -> Result<(), ClusterError> {
        self.go_on()?;
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    /// Whether every node says `cluster_state:ok`, knows every other, and every replica is in sync.
    pub fn is_ready(&self) -> bool {
        let cores = self.cores();
        let replicas = cores.iter().filter(|core| !core.view().myself().is_primary()).count();
        cores.len() == self.process.members.len()
            && cores.iter().all(|core| {
                let view = core.view();
                let listed = view.nodes.iter().filter(|node| node.is_replica()).count();
                view.ok && view.nodes.len() == cores.len() && listed == replicas
            })
            && self.process.members.iter().all(super::member::Member::replica_online)
    }
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
