//! FAIL: a known node saw a majority agree that another one failed. It is believed without counting again.

use protocol::bus::{Header, NodeId};

use crate::config::UnixMillis;
use crate::event::Level;
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    pub(super) fn receive_fail(&mut self, sender: Option<NodeKey>, header: &Header, about: NodeId, now: UnixMillis) {
        if sender.is_none() {
            self.log(Level::Notice, format!("Ignoring FAIL message from unknown node {} about {about}", header.sender));
            return;
        }
        let failing = self.nodes.find(&about).filter(|key| !self.is_me(*key) && !self.nodes[*key].has_failed());
        if let Some(key) = failing {
            self.log(Level::Notice, format!("FAIL message received from {} about {about}", header.sender));
            self.set_failed(key, now);
        }
    }
}
