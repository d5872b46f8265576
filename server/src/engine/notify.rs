//! Keyspace events: those that `notify-keyspace-events` selects become published messages.
//!
//! Redis: `notifyKeyspaceEvent`. Events go to this node's subscribers only, never over the bus.

use protocol::slot::key_slot;

use super::Engine;
use super::slot_use::wire_len;
use crate::command::Event;
use crate::command::effects::{NOTIFY_KEYEVENT, NOTIFY_KEYSPACE};
use crate::session::tally::Used;

impl Engine {
    /// Delivers a message to this node's subscribers of the channel and of matching patterns. Returns the number of
    /// receivers.
    pub(crate) fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        self.pubsub.publish(channel, message, self.hot.load().pubsub_output_limit)
    }

    /// Delivers a message to this node's subscribers of a shard channel. Returns the number of receivers.
    pub(crate) fn publish_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        let hot = self.hot.load();
        let receivers = self.pubsub.publish_shard(channel, message, hot.pubsub_output_limit);
        if hot.slot_stats {
            let bytes = wire_len([b"smessage".as_slice(), channel, message].into_iter());
            let used = Used { bytes_out: bytes * receivers as u64, ..Used::default() };
            self.slot_use.add(key_slot(channel), used);
        }
        receivers
    }

    /// Publishes one keyspace event to the subscribers of this node.
    pub(super) fn notify_keyspace_event(&self, mask: u32, event: &Event) {
        if mask & event.class as u32 == 0 {
            return;
        }
        if mask & NOTIFY_KEYSPACE != 0 {
            let mut channel = format!("__keyspace@{}__:", event.db).into_bytes();
            channel.extend_from_slice(&event.key);
            self.publish(&channel, event.name.as_bytes());
        }
        if mask & NOTIFY_KEYEVENT != 0 {
            let channel = format!("__keyevent@{}__:{}", event.db, event.name);
            self.publish(channel.as_bytes(), &event.key);
        }
    }
}
