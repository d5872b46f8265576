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
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::RwLock;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::{SlotId, key_slot};

use super::client::subscriptions::{Kind, Subscriptions};
use super::client::{ClientHandle, Mail};
use crate::base::glob;

/// The subscribers of one name, in the order in which they came. Each has a number, under which it is found when it
/// leaves. It leaves a gap then, and the gaps are closed when there are more of them than subscribers. So coming and
/// leaving cost the same however many there are, and a subscriber takes 16 bytes.
#[derive(Default)]
struct Subscribers {
    /// In the order of their numbers.
    places: Vec<(u64, Option<Arc<ClientHandle>>)>,
    gaps: usize,
}

impl Subscribers {
    /// Adds a client under a number above all others.
    fn add(&mut self, number: u64, client: &Arc<ClientHandle>) {
        self.places.push((number, Some(client.clone())));
    }

    fn remove(&mut self, number: u64) {
        let Ok(at) = self.places.binary_search_by_key(&number, |place| place.0) else { return };
        self.gaps += usize::from(self.places[at].1.take().is_some());
        if 2 * self.gaps > self.places.len() {
            self.places.retain(|place| place.1.is_some());
            self.places.shrink_to(2 * self.places.len());
            self.gaps = 0;
        }
    }

    fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<ClientHandle>> {
        self.places.iter().filter_map(|place| place.1.as_ref())
    }
}

/// The subscribers of a node.
#[derive(Default)]
pub(crate) struct PubSub {
    /// How many subscriptions there have been.
    numbers: AtomicU64,
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
        if kind.set(&mut subscriptions).contains(name) {
            return false;
        }
        let add = |list: &mut Subscribers| {
            // Numbered here, since the list is in this thread's hands: so numbers grow in it.
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            list.add(number, client);
            number
        };
        let number = match kind {
            Kind::Channel => add(&mut self.channels.entry(name.into()).or_default()),
            Kind::Shard => add(&mut self.shard_channels.entry(name.into()).or_default()),
            Kind::Pattern => add(self.patterns.write().entry(name.into()).or_default()),
        };
        kind.set(&mut subscriptions).insert(name, number);
        publish_counts(client, &subscriptions);
        true
    }

    /// Unsubscribes a client; `false` if it was not subscribed.
    pub(crate) fn unsubscribe(&self, client: &Arc<ClientHandle>, kind: Kind, name: &[u8]) -> bool {
        let mut subscriptions = client.subscriptions.lock();
        let Some(number) = kind.set(&mut subscriptions).remove(name) else { return false };
        let is_last = |list: &mut Subscribers| {
            list.remove(number);
            list.len() == 0
        };
        match kind {
            Kind::Channel => drop(self.channels.remove_if_mut(name, |_, list| is_last(list))),
            Kind::Shard => drop(self.shard_channels.remove_if_mut(name, |_, list| is_last(list))),
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                if patterns.get_mut(name).is_some_and(is_last) {
                    patterns.remove(name);
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
            for client in subscribers.iter() {
                if self.unsubscribe(client, Kind::Shard, &channel) {
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
    for client in subscribers.iter() {
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
