//! PUBLISH and PUBLISHSHARD: receiving messages for this node's subscribers, from nodes of this cluster only, and
//! sending them.

use protocol::bus::{Body, MessageFlags};

use crate::event::Effect;
use crate::node::NodeKey;
use crate::state::Gossip;

impl Gossip {
    pub(super) fn receive_publish(
        &mut self,
        sender: Option<NodeKey>,
        channel: Vec<u8>,
        message: Vec<u8>,
        sharded: bool,
    ) {
        if sender.is_some() {
            self.pending.push(Effect::Publish { channel, message, sharded });
        }
    }

    /// PUBLISH to all nodes, or SPUBLISH (`sharded`) to the other nodes of this shard. Local subscribers are the
    /// server's.
    pub fn publish(&mut self, channel: Vec<u8>, message: Vec<u8>, sharded: bool) {
        if sharded {
            self.publish_in_shard(&channel, &message);
        } else {
            self.broadcast(Body::Publish { channel, message }, MessageFlags::NONE);
        }
        self.finish(self.last_input);
    }

    fn publish_in_shard(&mut self, channel: &[u8], message: &[u8]) {
        let primary = self.nodes[self.me].primary.unwrap_or(self.me);
        let shard: Vec<NodeKey> =
            std::iter::once(primary).chain(self.nodes[primary].replicas.iter().copied()).collect();
        for key in shard {
            let node = &self.nodes[key];
            if let Some(link) = node.link.filter(|_| !self.is_me(key) && !node.in_handshake()) {
                let body = Body::PublishShard { channel: channel.to_vec(), message: message.to_vec() };
                self.send(link, body, MessageFlags::NONE);
            }
        }
    }
}
