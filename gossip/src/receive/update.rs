//! UPDATE: a node tells us that slots which we or our primary claimed belong to another node with a greater epoch.

use protocol::bus::NodeId;
use protocol::slot::SlotBitmap;

use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    pub(super) fn receive_update(
        &mut self,
        sender: Option<NodeKey>,
        about: NodeId,
        config_epoch: u64,
        slots: &SlotBitmap,
    ) {
        let Some(owner) = self.nodes.find(&about).filter(|_| sender.is_some()) else { return };
        if self.is_me(owner) || self.nodes[owner].config_epoch >= config_epoch {
            return; // nothing new
        }
        self.set_as_primary(owner);
        self.nodes[owner].config_epoch = config_epoch;
        self.epochs.current = self.epochs.current.max(config_epoch);
        self.save_durably();
        self.take_over_claims(owner, config_epoch, slots);
    }
}
