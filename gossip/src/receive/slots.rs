//! Claims to slots: config epochs decide who owns a slot; and what follows for us when we lose some.
//!
//! A slot changes its owner if no node claims it (any more) or the claim carries a greater config epoch than the
//! owner's; a slot that we are importing is left to the administrator. If that takes the last slot of this node, or of
//! the primary that it replicates, the node follows the new owner (`clusterUpdateSlotsConfigWith`).

use protocol::slot::{SlotBitmap, SlotId};

use crate::event::Level;
use crate::link::LinkId;
use crate::node::NodeKey;
use crate::state::Gossip;

/// What one set of claims changed for our own shard.
#[derive(Default)]
struct Outcome {
    /// Slots that the claimant has or wants.
    claimed: usize,
    /// Slots that it took from our shard's primary.
    taken_from_us: usize,
}

impl Gossip {
    /// Applies a primary's claims.
    pub(super) fn take_over_claims(&mut self, claimant: NodeKey, config_epoch: u64, claims: &SlotBitmap) {
        let shard = self.nodes[self.me].primary.unwrap_or(self.me);
        let mut outcome = Outcome::default();
        for slot in SlotId::all() {
            if claims.contains(slot) {
                outcome.claimed += 1;
                self.apply_claim(claimant, config_epoch, slot, shard, &mut outcome);
            } else if self.slots.owner(slot) == Some(claimant) && !self.slots.awaited.contains(slot) {
                // Kept until another node claims it: meanwhile clients are sent to the old owner rather than nowhere.
                self.slots.unclaimed.set(slot);
            }
        }
        let emptied = outcome.taken_from_us > 0 && self.nodes[shard].slot_count == 0;
        let whole_shard = outcome.claimed == outcome.taken_from_us;
        if emptied && (self.config.allow_replica_migration || whole_shard) {
            self.follow_new_owner(claimant);
        } else {
            self.leave_chain();
        }
    }

    fn apply_claim(
        &mut self,
        claimant: NodeKey,
        config_epoch: u64,
        slot: SlotId,
        shard: NodeKey,
        outcome: &mut Outcome,
    ) {
        let owner = self.slots.owner(slot);
        if owner == Some(claimant) {
            self.slots.unclaimed.clear(slot);
            self.slots.awaited.clear(slot);
            return;
        }
        if self.slots.importing.contains_key(&slot) {
            return;
        }
        let free = self.slots.is_unclaimed(slot);
        if !free && owner.is_some_and(|owner| self.nodes[owner].config_epoch >= config_epoch) {
            return;
        }
        // Keys of a slot that an administrator was moving away stay: `redis-cli --cluster fix` lets the other side
        // claim the slot first and then moves them, and in between our bus is faster than Redis's. They are no longer
        // served from here.
        if owner == Some(self.me) && !self.slots.migrating.contains_key(&slot) {
            self.lost_keys.set(slot);
        }
        if owner == Some(shard) {
            outcome.taken_from_us += 1;
        }
        self.slots.migrating.remove(&slot);
        self.reassign(claimant, slot);
        self.reconfigured();
        self.todo.fsync = true;
    }

    pub(crate) fn follow_new_owner(&mut self, owner: NodeKey) {
        let id = self.nodes[owner].id;
        self.log(Level::Warning, format!("Configuration change detected. Reconfiguring myself as a replica of {id}"));
        self.replicate_node(owner);
    }

    /// The sender claims slots whose owners have a greater epoch: tell it about them. It may be cut off from those
    /// owners.
    pub(super) fn correct_old_claims(
        &mut self,
        sender: NodeKey,
        config_epoch: u64,
        claims: &SlotBitmap,
        arrived_on: LinkId,
    ) {
        let mut owners: Vec<NodeKey> = Vec::new();
        for slot in claims.iter().filter(|slot| !self.slots.is_unclaimed(*slot)) {
            let newer = self.slots.owner(slot).filter(|owner| self.nodes[*owner].config_epoch > config_epoch);
            if let Some(owner) = newer.filter(|owner| *owner != sender && !owners.contains(owner)) {
                owners.push(owner);
            }
        }
        for owner in owners {
            let (id, about) = (self.nodes[sender].id, self.nodes[owner].id);
            self.log(
                Level::Verbose,
                format!("Node {id} has old slots configuration, sending an UPDATE message about {about}"),
            );
            let link = self.way_to(sender, arrived_on);
            self.send_update(link, owner);
        }
    }
}
