//! Replica migration: a spare replica moves to a primary that has none left.
//!
//! The donor is the primary with the most working replicas, and its replica with the smallest id moves. It leaves at
//! least `cluster-migration-barrier` replicas behind, and waits until the target has been orphaned for five seconds, so
//! that the natural replicas of a failover can arrive first. There is no coordination: two replicas may move at once,
//! and move back, which is harmless.

use protocol::bus::NodeFlags;

use crate::config::{REPLICA_MIGRATION_DELAY_MS, UnixMillis};
use crate::event::Level;
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    /// Replicas of a primary that are not marked FAIL (`clusterCountNonFailingSlaves`).
    fn working_replicas(&self, primary: NodeKey) -> usize {
        self.nodes[primary].replicas.iter().filter(|key| !self.nodes[**key].has_failed()).count()
    }

    /// A primary that works and should have replicas but has none.
    fn is_orphaned(&self, key: NodeKey) -> bool {
        let node = &self.nodes[key];
        node.is_primary()
            && !node.has_failed()
            && node.flags.contains(NodeFlags::MIGRATE_TO)
            && self.working_replicas(key) == 0
    }

    /// Periodically, on a replica (`clusterCron` and `clusterHandleSlaveMigration`).
    pub(crate) fn migrate_to_orphan(&mut self, now: UnixMillis) {
        let Some(mine) = self.nodes[self.me].primary.filter(|_| self.config.allow_replica_migration) else { return };
        self.track_orphans(now);
        let most = self.nodes.by_id().map(|key| self.working_replicas(key)).max().unwrap_or(0);
        let spare = most >= 2 && self.working_replicas(mine) == most && !self.nodes[mine].has_failed();
        if !spare || !self.health.ok || self.reachable_replicas(mine) <= self.config.migration_barrier {
            return;
        }
        let target = self.nodes.by_id().find(|key| self.nodes[*key].slot_count > 0 && self.is_orphaned(*key));
        let Some(target) = target else { return };
        let waited = self.nodes[target].orphaned_since.is_some_and(|since| now - since > REPLICA_MIGRATION_DELAY_MS);
        if waited && self.is_candidate(most) {
            let id = self.nodes[target].id;
            self.log(Level::Warning, format!("Migrating to orphaned master {id}"));
            self.replicate_node(target);
        }
    }

    fn track_orphans(&mut self, now: UnixMillis) {
        for key in self.nodes.keys() {
            let orphaned = self.is_orphaned(key) && self.nodes[key].slot_count > 0;
            let since = &mut self.nodes[key].orphaned_since;
            *since = if orphaned { since.or(Some(now)) } else { None };
        }
    }

    fn reachable_replicas(&self, primary: NodeKey) -> usize {
        self.nodes[primary].replicas.iter().filter(|key| self.nodes[**key].is_reachable()).count()
    }

    /// This node has the smallest id among the replicas of all primaries with the most of them.
    fn is_candidate(&self, most: usize) -> bool {
        let my_id = self.nodes[self.me].id;
        let donors = self.nodes.iter().filter(|(key, node)| node.is_primary() && self.working_replicas(*key) == most);
        donors.flat_map(|(_, node)| &node.replicas).all(|replica| self.nodes[*replica].id >= my_id)
    }
}
