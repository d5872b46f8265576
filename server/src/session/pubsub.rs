//! Publish and subscribe: who is subscribed to what, and the delivery of messages.
//!
//! A message is encoded at most once per protocol and handed to each subscriber's mailbox by reference count. The
//! registries are keyed by channel. The subscriptions of a client are stored in its [`ClientHandle`], because the
//! cluster ends shard subscriptions from outside when their slot leaves. Lock order: a client's subscriptions first,
//! then a registry's entry.
//!
//! Redis: pubsub.c.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::RwLock;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::{SlotId, key_slot};

use super::client::subscriptions::{Kind, Subscriptions};
use super::client::{ClientHandle, Mail};
use crate::base::glob;

type Subscribers = Vec<Arc<ClientHandle>>;

/// The subscribers of a node.
#[derive(Default)]
pub(crate) struct PubSub {
    channels: DashMap<Box<[u8]>, Subscribers>,
    shard_channels: DashMap<Box<[u8]>, Subscribers>,
    patterns: RwLock<BTreeMap<Box<[u8]>, Subscribers>>,
}

/// A message in both protocols, encoded when first needed.
struct Encoded<'a> {
    parts: &'a [&'a [u8]],
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl<'a> Encoded<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts, resp2: None, resp3: None }
    }

    fn for_client(&mut self, client: &ClientHandle) -> Bytes {
        let protocol = client.protocol();
        let cached = match protocol {
            Protocol::Resp2 => &mut self.resp2,
            Protocol::Resp3 => &mut self.resp3,
        };
        cached
            .get_or_insert_with(|| {
                let mut out = Vec::new();
                let mut reply = Reply::new(&mut out, protocol);
                reply.push(self.parts.len());
                self.parts.iter().for_each(|part| reply.bulk(part));
                Bytes::from(out)
            })
            .clone()
    }
}

impl PubSub {
    /// Delivers a message to this node's subscribers of the channel and of matching patterns; returns how many got it.
    /// A subscriber with more than `limit` unread bytes is disconnected; 0 is no limit.
    pub(crate) fn publish(&self, channel: &[u8], message: &[u8], limit: usize) -> usize {
        let mut receivers = 0;
        if let Some(subscribers) = self.channels.get(channel) {
            receivers += deliver(&subscribers, &mut Encoded::new(&[b"message", channel, message]), limit);
        }
        let patterns = self.patterns.read();
        for (pattern, subscribers) in patterns.iter() {
            if glob::matches(pattern, channel, false) {
                receivers += deliver(subscribers, &mut Encoded::new(&[b"pmessage", pattern, channel, message]), limit);
            }
        }
        receivers
    }

    /// Delivers a message to this node's subscribers of a shard channel; returns how many got it.
    pub(crate) fn publish_shard(&self, channel: &[u8], message: &[u8], limit: usize) -> usize {
        match self.shard_channels.get(channel) {
            Some(subscribers) => deliver(&subscribers, &mut Encoded::new(&[b"smessage", channel, message]), limit),
            None => 0,
        }
    }

    /// Subscribes a client; `false` if it was subscribed already.
    pub(crate) fn subscribe(&self, client: &Arc<ClientHandle>, kind: Kind, name: &[u8]) -> bool {
        let mut subscriptions = client.subscriptions.lock();
        if !kind.set(&mut subscriptions).insert(name) {
            return false;
        }
        match kind {
            Kind::Channel => self.channels.entry(name.into()).or_default().push(client.clone()),
            Kind::Shard => self.shard_channels.entry(name.into()).or_default().push(client.clone()),
            Kind::Pattern => self.patterns.write().entry(name.into()).or_default().push(client.clone()),
        }
        publish_counts(client, &subscriptions);
        true
    }

    /// Unsubscribes a client; `false` if it was not subscribed.
    pub(crate) fn unsubscribe(&self, client: &Arc<ClientHandle>, kind: Kind, name: &[u8]) -> bool {
        let mut subscriptions = client.subscriptions.lock();
        if !kind.set(&mut subscriptions).remove(name) {
            return false;
        }
        let others = |list: &mut Subscribers| list.retain(|other| !Arc::ptr_eq(other, client));
        match kind {
            Kind::Channel => {
                self.channels.alter(name, |_, mut list| {
                    others(&mut list);
                    list
                });
                self.channels.remove_if(name, |_, list| list.is_empty());
            }
            Kind::Shard => {
                self.shard_channels.alter(name, |_, mut list| {
                    others(&mut list);
                    list
                });
                self.shard_channels.remove_if(name, |_, list| list.is_empty());
            }
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                if let Some(list) = patterns.get_mut(name) {
                    others(list);
                    if list.is_empty() {
                        patterns.remove(name);
                    }
                }
            }
        }
        publish_counts(client, &subscriptions);
        true
    }

    /// All names of one kind that a client is subscribed to, in the order in which it subscribed.
    pub(crate) fn names_of(&self, client: &ClientHandle, kind: Kind) -> Vec<Box<[u8]>> {
        kind.set(&mut client.subscriptions.lock()).in_order()
    }

    /// Drops every subscription of a client without notifying it: its connection ends, or RESET.
    pub(crate) fn forget(&self, client: &Arc<ClientHandle>) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in self.names_of(client, kind) {
                self.unsubscribe(client, kind, &name);
            }
        }
    }

    /// Ends every shard subscription whose slot `gone` selects, and notifies the subscribers (Redis:
    /// `removeChannelsInSlot`).
    pub(crate) fn drop_shard_slots(&self, gone: &dyn Fn(SlotId) -> bool) {
        let channels: Vec<Box<[u8]>> = self
            .shard_channels
            .iter()
            .filter(|entry| gone(key_slot(entry.key())))
            .map(|entry| entry.key().clone())
            .collect();
        for channel in channels {
            // Taken out first, so that nobody is searched for in the list: it may be long.
            let subscribers = self.shard_channels.remove(&channel).map(|(_, list)| list).unwrap_or_default();
            for client in subscribers {
                if self.unsubscribe(&client, Kind::Shard, &channel) {
                    let left = client.stats.shard_channels.load(Ordering::Relaxed);
                    let mut out = Vec::new();
                    confirm(&mut Reply::new(&mut out, client.protocol()), Kind::Shard, false, Some(&channel), left);
                    client.send(Mail::Push(out.into()), 0);
                }
            }
        }
    }

    /// Channels with at least one subscriber.
    pub(crate) fn channel_names(&self, kind: Kind) -> Vec<Box<[u8]>> {
        let map = if kind == Kind::Shard { &self.shard_channels } else { &self.channels };
        map.iter().map(|entry| entry.key().clone()).collect()
    }

    /// How many clients are subscribed to a channel.
    pub(crate) fn subscriber_count(&self, kind: Kind, channel: &[u8]) -> usize {
        let map = if kind == Kind::Shard { &self.shard_channels } else { &self.channels };
        map.get(channel).map_or(0, |list| list.len())
    }

    /// How many different patterns have subscribers.
    pub(crate) fn pattern_count(&self) -> usize {
        self.patterns.read().len()
    }

    /// How many channels have subscribers.
    pub(crate) fn channel_count(&self, kind: Kind) -> usize {
        if kind == Kind::Shard { self.shard_channels.len() } else { self.channels.len() }
    }
}

fn deliver(subscribers: &Subscribers, message: &mut Encoded<'_>, limit: usize) -> usize {
    for client in subscribers {
        client.send(Mail::Push(message.for_client(client)), limit);
    }
    subscribers.len()
}

fn publish_counts(client: &ClientHandle, subscriptions: &Subscriptions) {
    client.stats.channels.store(subscriptions.channels.len(), Ordering::Relaxed);
    client.stats.patterns.store(subscriptions.patterns.len(), Ordering::Relaxed);
    client.stats.shard_channels.store(subscriptions.shard_channels.len(), Ordering::Relaxed);
}

/// The confirmation of a (un)subscription; without a name if there was nothing to unsubscribe from.
pub(crate) fn confirm(reply: &mut Reply<'_>, kind: Kind, subscribe: bool, name: Option<&[u8]>, left: usize) {
    reply.push(3);
    reply.bulk_str(kind.verb(subscribe));
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(left as i64);
}

#[cfg(test)]
#[path = "pubsub_tests.rs"]
mod tests;
