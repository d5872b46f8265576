//! Keyspace events: what `notify-keyspace-events` lets through becomes published messages.
//!
//! Redis: `notifyKeyspaceEvent`. Events go to this node's subscribers only, never over the bus.

use super::Engine;
use super::pubsub::PubSub;
use crate::command::Event;
use crate::command::effects::{NOTIFY_KEYEVENT, NOTIFY_KEYSPACE};

impl PubSub {
    /// Publishes one keyspace event to the subscribers of this node.
    pub fn notify_keyspace_event(&self, engine: &Engine, mask: u32, event: &Event) {
        if mask & event.class as u32 == 0 {
            return;
        }
        if mask & NOTIFY_KEYSPACE != 0 {
            let mut channel = format!("__keyspace@{}__:", event.db).into_bytes();
            channel.extend_from_slice(&event.key);
            self.publish(engine, &channel, event.name.as_bytes());
        }
        if mask & NOTIFY_KEYEVENT != 0 {
            let channel = format!("__keyevent@{}__:{}", event.db, event.name);
            self.publish(engine, channel.as_bytes(), &event.key);
        }
    }
}
