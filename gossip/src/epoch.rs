//! Config epochs: making new ones and keeping them apart.
//!
//! A config epoch orders claims to slots. Elections make new ones with the consent of a majority; three administrative
//! acts make them without (closing an import, BUMPEPOCH, TAKEOVER), so two primaries can end up with the same epoch.
//! Then one of the two takes a new one.
//!
//! Epochs come from peers, and each node starts the next epoch above the greatest it knows. A damaged or hostile packet
//! could take the counter to its end in one step: Redis's then wraps to 0, and no election is ever won again. So an
//! epoch is believed only up to the greatest that an administrator can set, or a little above what is known. Whatever
//! arrives, there are more epochs above it than a cluster can use. All arithmetic saturates.

use crate::event::Level;
use crate::node::NodeKey;
use crate::state::Gossip;

/// The greatest epoch that CLUSTER SET-CONFIG-EPOCH accepts, in slotd and in Redis.
const GREATEST_SET: u64 = i64::MAX as u64;

/// How far above the known ones an epoch beyond that may be.
const GREATEST_STEP: u64 = 1 << 32;

impl Gossip {
    /// The epoch of a packet, or 0, the weakest claim, if it is impossible.
    pub(crate) fn believed(&self, epoch: u64) -> u64 {
        let limit = self.epochs.current.saturating_add(GREATEST_STEP).max(GREATEST_SET);
        if epoch <= limit { epoch } else { 0 }
    }

    /// The highest epoch known anywhere (`clusterGetMaxEpoch`). Dead nodes count: they may come back.
    fn max_epoch(&self) -> u64 {
        self.nodes.iter().map(|(_, node)| node.config_epoch).fold(self.epochs.current, u64::max)
    }

    /// Starts the next epoch.
    pub(crate) fn next_epoch(&mut self) -> u64 {
        self.epochs.current = self.max_epoch().saturating_add(1);
        self.save_durably();
        self.epochs.current
    }

    /// Gives this node a config epoch above all others, without a vote (`clusterBumpConfigEpochWithoutConsensus`).
    /// False: it has that already.
    ///
    /// Unlike in Redis, having the greatest epoch is not enough; no other node may have the same. Otherwise a claim
    /// made with it would neither lose nor win (redis issues 3442, 3776).
    ///
    /// The caller announces it, at once or shortly: a node that has not heard of the new epoch before we die refuses
    /// our replica's election (valkey issue 2169).
    pub(crate) fn bump_config_epoch(&mut self) -> bool {
        let mine = self.nodes[self.me].config_epoch;
        let shared = self.nodes.iter().any(|(key, node)| !self.is_me(key) && node.config_epoch == mine);
        if mine != 0 && mine == self.max_epoch() && !shared {
            return false;
        }
        let epoch = self.next_epoch();
        self.nodes[self.me].config_epoch = epoch;
        self.log(Level::Warning, format!("New configEpoch set to {epoch}"));
        true
    }

    /// Another primary has our config epoch (`clusterHandleConfigEpochCollision`): the one with the smaller id takes a
    /// new one.
    ///
    /// Within one shard the two contend for the same slots, and the newer data must win, not the smaller id (valkey
    /// issue 974): there the one with the greater replication offset takes a new epoch.
    pub(crate) fn resolve_epoch_collision(&mut self, other: NodeKey) {
        let (me, node) = (&self.nodes[self.me], &self.nodes[other]);
        if !me.is_primary() || !node.is_primary() || me.config_epoch != node.config_epoch {
            return;
        }
        let same_shard = me.shard_id == node.shard_id;
        let mine_moves = if same_shard && node.offset != self.replication.offset {
            self.replication.offset > node.offset
        } else {
            me.id < node.id
        };
        let other_id = node.id;
        if same_shard {
            self.log(
                Level::Warning,
                format!("Node {other_id} of my own shard has my config epoch: the data may have split."),
            );
        }
        if !mine_moves {
            return;
        }
        let epoch = self.next_epoch();
        self.nodes[self.me].config_epoch = epoch;
        self.log(
            Level::Verbose,
            format!("WARNING: configEpoch collision with node {other_id}. configEpoch set to {epoch}"),
        );
    }
}
