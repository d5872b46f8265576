//! Which node owns which slot, and which slots are on the way between nodes.
//!
//! The table from slot to owner and the bitmap of each node store the same facts twice (routing needs the one, packets
//! the other); only `assign` and `unassign` change them, together.
//!
//! `unclaimed` marks slots whose owner no longer claims them in its packets while no new owner is known. They stay
//! assigned, so that clients are still redirected somewhere, but any node may take them, and UPDATE packets no longer
//! name the owner (`owner_not_claiming_slot`, redis issue 12344).

use std::collections::BTreeMap;

use protocol::bus::NodeFlags;
use protocol::slot::{SLOT_COUNT, SlotBitmap, SlotId};

use crate::node::NodeKey;
use crate::state::Gossip;

#[derive(Debug)]
pub(crate) struct Ownership {
    owners: Box<[Option<NodeKey>]>,
    pub(crate) unclaimed: SlotBitmap,
    /// Given to another node by hand. Its packets do not claim the slot yet, but that does not mean that it gave the
    /// slot up.
    pub(crate) awaited: SlotBitmap,
    pub(crate) migrating: BTreeMap<SlotId, NodeKey>,
    pub(crate) importing: BTreeMap<SlotId, NodeKey>,
}

impl Default for Ownership {
    fn default() -> Self {
        Self {
            owners: vec![None; SLOT_COUNT].into_boxed_slice(),
            unclaimed: SlotBitmap::new(),
            awaited: SlotBitmap::new(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
        }
    }
}

impl Ownership {
    pub(crate) fn owner(&self, slot: SlotId) -> Option<NodeKey> {
        self.owners[slot.index()]
    }

    /// Whether any node may take the slot (`isSlotUnclaimed`).
    pub(crate) fn is_unclaimed(&self, slot: SlotId) -> bool {
        self.owner(slot).is_none() || self.unclaimed.contains(slot)
    }

    /// Clears the marks that refer to a node which is being removed. The caller unassigns its slots.
    pub(crate) fn forget_node(&mut self, key: NodeKey) {
        self.migrating.retain(|_, to| *to != key);
        self.importing.retain(|_, from| *from != key);
    }

    /// Closes all slots: no migration, no import (`clusterCloseAllSlots`).
    pub(crate) fn close_all(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }
}

impl Gossip {
    /// Gives a slot without owner to a node (`clusterAddSlot`). A slot with an owner stays with it.
    pub(crate) fn assign(&mut self, key: NodeKey, slot: SlotId) {
        if self.slots.owners[slot.index()].is_some() {
            return;
        }
        self.slots.owners[slot.index()] = Some(key);
        self.slots.unclaimed.clear(slot);
        self.nodes[key].slots.set(slot);
        self.nodes[key].slot_count += 1;
        self.todo.view = true;
        if self.nodes[key].slot_count == 1 {
            self.became_voter(key);
            // Redis issue 3043: a primary with its first slots may receive a migrating replica if others have replicas.
            if self.nodes.iter().any(|(_, node)| !node.replicas.is_empty()) {
                self.nodes[key].flags.insert(NodeFlags::MIGRATE_TO);
            }
        }
    }

    /// Removes a slot's owner (`clusterDelSlot`).
    pub(crate) fn unassign(&mut self, slot: SlotId) {
        let Some(owner) = self.slots.owners[slot.index()].take() else { return };
        self.slots.unclaimed.clear(slot);
        self.slots.awaited.clear(slot);
        self.nodes[owner].slots.clear(slot);
        self.nodes[owner].slot_count -= 1;
        self.todo.view = true;
        if self.is_me(owner) || self.nodes[self.me].primary == Some(owner) {
            self.lost_channels.set(slot);
        }
    }

    /// Moves a slot to a node, whatever its owner was.
    pub(crate) fn reassign(&mut self, key: NodeKey, slot: SlotId) {
        self.unassign(slot);
        self.assign(key, slot);
    }

    /// Removes a node as the owner of all its slots (`clusterDelNodeSlots`).
    pub(crate) fn unassign_all_of(&mut self, key: NodeKey) {
        for slot in self.nodes[key].slots.clone().iter() {
            self.unassign(slot);
        }
    }
}
