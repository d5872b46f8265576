//! What one client is subscribed to.
//!
//! It belongs to the client's handle, not its session, since the cluster ends shard subscriptions from outside when
//! their slot leaves.

use std::collections::BTreeMap;

/// Names in the order in which a client subscribed to them; they are confirmed in that order when they end.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each name with the number of its subscription. Numbers grow.
    names: BTreeMap<Box<[u8]>, u64>,
}

impl Names {
    /// Whether a name is there.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    /// Adds a name that is not there yet.
    pub(crate) fn insert(&mut self, name: &[u8], number: u64) {
        self.names.insert(name.into(), number);
    }

    /// Takes a name out; its number, if it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<u64> {
        self.names.remove(name)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// All of them.
    pub(crate) fn in_order(&self) -> Vec<Box<[u8]>> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(_, number)| **number);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

/// What one client is subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub channels: Names,
    pub patterns: Names,
    pub shard_channels: Names,
}

/// The three name spaces of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    /// The names of this kind.
    pub(crate) fn set(self, subscriptions: &mut Subscriptions) -> &mut Names {
        match self {
            Self::Channel => &mut subscriptions.channels,
            Self::Pattern => &mut subscriptions.patterns,
            Self::Shard => &mut subscriptions.shard_channels,
        }
    }
    /// The word of the confirmation.
    pub(crate) fn verb(self, subscribe: bool) -> &'static str {
        match (self, subscribe) {
            (Self::Channel, true) => "subscribe",
            (Self::Channel, false) => "unsubscribe",
            (Self::Pattern, true) => "psubscribe",
            (Self::Pattern, false) => "punsubscribe",
            (Self::Shard, true) => "ssubscribe",
            (Self::Shard, false) => "sunsubscribe",
        }
    }
}
