//! Who replicates whom: changing the role of a node in the table, and our own.
//!
//! Invariants: a node is in the replica list of its `primary` and in no other; a primary has no `primary`; our own
//! shard id is our primary's (the primary's always wins: redis issues 12805, 13428, valkey 573). Chains are cut: a
//! replica whose primary becomes a replica follows the grand-primary (redis issue 11263).

use protocol::bus::{NodeFlags, NodeId};
use protocol::slot::SlotId;

use crate::event::{Effect, Level};
use crate::node::NodeKey;
use crate::state::{Gossip, Replication};

impl Gossip {
    /// `clusterSetNodeAsMaster`.
    pub(crate) fn set_as_primary(&mut self, key: NodeKey) {
        if self.nodes[key].is_primary() {
            return;
        }
        if let Some(primary) = self.nodes[key].primary.take() {
            self.detach_replica(primary, key);
            if !self.is_me(key) {
                self.nodes[key].flags.insert(NodeFlags::MIGRATE_TO);
            }
        }
        let node = &mut self.nodes[key];
        node.flags.remove(NodeFlags::SLAVE);
        node.flags.insert(NodeFlags::MASTER);
        self.reconfigured();
    }

    /// Notes that a node other than this one replicates `primary`, or a node that we don't know.
    pub(crate) fn set_as_replica(&mut self, key: NodeKey, primary: Option<NodeKey>) {
        let node = &mut self.nodes[key];
        if !node.is_replica() {
            node.flags.remove(NodeFlags::MASTER | NodeFlags::MIGRATE_TO);
            node.flags.insert(NodeFlags::SLAVE);
            self.reconfigured();
        }
        let Some(primary) = primary.filter(|primary| *primary != key && self.nodes[key].primary != Some(*primary))
        else {
            return;
        };
        if let Some(old) = self.nodes[key].primary.replace(primary) {
            self.detach_replica(old, key);
        }
        self.attach_replica(primary, key);
        let shard_id = self.nodes[primary].shard_id;
        self.set_shard_id(key, shard_id);
        self.save();
    }

    /// `clusterNodeAddSlave`.
    pub(crate) fn attach_replica(&mut self, primary: NodeKey, replica: NodeKey) {
        let node = &mut self.nodes[primary];
        if !node.replicas.contains(&replica) {
            node.replicas.push(replica);
        }
        node.flags.insert(NodeFlags::MIGRATE_TO);
    }

    /// `clusterNodeRemoveSlave`.
    pub(crate) fn detach_replica(&mut self, primary: NodeKey, replica: NodeKey) {
        let node = &mut self.nodes[primary];
        node.replicas.retain(|key| *key != replica);
        if node.replicas.is_empty() {
            node.flags.remove(NodeFlags::MIGRATE_TO);
        }
    }

    /// Makes this node a replica of another (`clusterSetMaster`). It owns no slots any more.
    pub(crate) fn replicate_node(&mut self, primary: NodeKey) {
        debug_assert!(!self.is_me(primary) && self.nodes[self.me].slot_count == 0, "owners of slots don't replicate");
        if self.nodes[self.me].primary == Some(primary) {
            return;
        }
        let was_primary = self.nodes[self.me].is_primary();
        self.data_is_settled();
        let me = &mut self.nodes[self.me];
        me.flags.remove(NodeFlags::MASTER | NodeFlags::MIGRATE_TO);
        me.flags.insert(NodeFlags::SLAVE);
        if let Some(old) = me.primary.replace(primary) {
            self.detach_replica(old, self.me);
        }
        self.attach_replica(primary, self.me);
        self.slots.close_all();
        self.reset_manual_failover();
        self.election.reset();
        // The offset in the old primary's history says nothing about the new one's (valkey issues 885, 944). Within a
        // shard it is remembered as a last resort, unless this node was the primary, since then its history has
        // diverged.
        let inherits = !was_primary && self.nodes[self.me].shard_id == self.nodes[primary].shard_id;
        let contact = (self.replication.offset > 0).then_some(self.replication.last_contact).or(self.inherited_at);
        self.inherited_at = contact.filter(|_| inherits);
        let id = self.nodes[primary].id;
        self.replication = Replication { primary: Some(id), offset: 0, last_contact: 0 };
        let shard_id = self.nodes[primary].shard_id;
        self.set_shard_id(self.me, shard_id);
        if was_primary {
            self.pending.push(Effect::Demoted);
        }
        self.leave_foreign_channels(primary);
        self.follow_primary_address();
        self.reconfigured();
        self.todo.fsync = true;
        self.todo.failover = false;
        // The others learn of it now rather than with the next pings; but in a separate tick, so that the client of
        // CLUSTER REPLICATE does not wait for the disk.
        self.announcement.at = Some(self.last_input);
    }

    /// A client subscribed here to a shard channel that the new primary does not have would never get a message again
    /// (Valkey: `removeAllNotOwnedShardChannelSubscriptions`).
    fn leave_foreign_channels(&mut self, primary: NodeKey) {
        for slot in SlotId::all() {
            if self.slots.owner(slot) != Some(primary) {
                self.lost_channels.set(slot);
            }
        }
    }

    /// Tells the server where the primary is, whenever that has changed since it was last told. Called on every change
    /// of address and by the periodic work, so no way of learning an address can be missed (valkey issue 965).
    pub(crate) fn follow_primary_address(&mut self) {
        let Some(primary) = self.nodes[self.me].primary else {
            self.replicating_from = None;
            return;
        };
        let node = &self.nodes[primary];
        if !node.has_address() || node.ip.is_empty() {
            return;
        }
        let target = (node.id, node.ip, node.port);
        if self.replicating_from != Some(target) {
            self.replicating_from = Some(target);
            self.pending.push(Effect::ReplicateFrom { id: target.0, ip: target.1, port: target.2 });
        }
    }

    /// Sets a node's shard, and with a primary's shard that of its replicas.
    pub(crate) fn set_shard_id(&mut self, key: NodeKey, shard_id: NodeId) {
        if self.nodes[key].shard_id != shard_id {
            self.nodes[key].shard_id = shard_id;
            self.save();
        }
        for replica in self.nodes[key].replicas.clone() {
            if self.nodes[replica].shard_id != shard_id {
                self.nodes[replica].shard_id = shard_id;
                self.save();
            }
        }
    }

    /// Our primary became a replica and we did not follow its successor: do it now. A loop (it replicates us, or a node
    /// that is itself a replica) is left alone until packets resolve it.
    pub(crate) fn leave_chain(&mut self) {
        let Some(primary) = self.nodes[self.me].primary else { return };
        let Some(grand) = self.nodes[primary].primary else { return };
        if self.is_me(grand) || !self.nodes[grand].is_primary() {
            return;
        }
        let id = self.nodes[grand].id;
        self.log(Level::Warning, format!("I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {id}"));
        self.replicate_node(grand);
    }

    /// Makes this node a primary again, without slots or claims (the caller adds those).
    pub(crate) fn stop_replicating(&mut self) {
        self.set_as_primary(self.me);
        self.replicating_from = None;
        self.replication.primary = None;
        self.inherited_at = None;
        self.pending.push(Effect::Promoted);
    }
}
