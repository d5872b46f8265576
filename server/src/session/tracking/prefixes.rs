//! Prefixes of the broadcasting mode, and the keys that changed under each since its clients were last notified.
//!
//! A client in this mode is notified of every change of a key that begins with one of its prefixes, whether it has read
//! the key or not. Changes are collected for each prefix and announced at the end of a batch of commands, so that a
//! pipeline makes one message. Each key is stored with the client that changed it last, for clients that do not want to
//! hear of their own changes.
//!
//! A key costs one look-up for each length that prefixes have, not for each prefix.
//!
//! Redis: tracking.c, the prefix table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::session::client::ClientId;

/// How many names there are of each length.
#[derive(Debug, Default)]
struct Lengths(BTreeMap<usize, usize>);

impl Lengths {
    fn add(&mut self, length: usize) {
        *self.0.entry(length).or_default() += 1;
    }

    fn remove(&mut self, length: usize) {
        if let Some(count) = self.0.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&length);
            }
        }
    }

    /// The beginnings of `word` that have the length of a name, the shortest first.
    fn beginnings<'a>(&self, word: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.0.range(..=word.len()).map(|(&length, _)| &word[..length])
    }
}

/// The prefixes of one client.
#[derive(Debug, Default)]
pub(crate) struct OwnPrefixes {
    names: BTreeSet<Box<[u8]>>,
    lengths: Lengths,
}

impl OwnPrefixes {
    /// Adds a prefix; `false` if it was there.
    pub(crate) fn insert(&mut self, name: &[u8]) -> bool {
        let fresh = self.names.insert(name.into());
        if fresh {
            self.lengths.add(name.len());
        }
        fresh
    }

    /// All of them, in the order of their bytes.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }

    /// The first prefix that begins with `word`, or with which `word` begins.
    pub(crate) fn overlap(&self, word: &[u8]) -> Option<&[u8]> {
        let shorter = self.lengths.beginnings(word).find_map(|beginning| self.names.get(beginning));
        let longer = || {
            self.names
                .range::<[u8], _>((Bound::Included(word), Bound::Unbounded))
                .next()
                .filter(|name| name.starts_with(word))
        };
        shorter.or_else(longer).map(|name| &**name)
    }
}

/// Keys with the client that changed each last; 0 is none.
pub(super) type Changed = BTreeMap<Box<[u8]>, ClientId>;

#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<ClientId>,
    changed: Changed,
}

/// What the clients of one prefix are to be notified of.
pub(crate) struct News {
    pub clients: Vec<ClientId>,
    pub changed: Changed,
}

/// The prefixes of a node.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    lengths: Lengths,
}

impl Prefixes {
    pub(crate) fn len(&self) -> usize {
        self.prefixes.len()
    }

    pub(crate) fn add(&mut self, name: &[u8], client: ClientId) {
        let prefix = match self.prefixes.get_mut(name) {
            Some(prefix) => prefix,
            None => {
                self.lengths.add(name.len());
                self.prefixes.entry(name.into()).or_default()
            }
        };
        prefix.clients.insert(client);
    }

    pub(crate) fn remove(&mut self, name: &[u8], client: ClientId) {
        let Some(prefix) = self.prefixes.get_mut(name) else { return };
        prefix.clients.remove(&client);
        if prefix.clients.is_empty() {
            self.prefixes.remove(name);
            self.lengths.remove(name.len());
        }
    }

    /// Notes that `by` has changed a key; returns whether any client is to be notified.
    pub(crate) fn note(&mut self, key: &[u8], by: ClientId) -> bool {
        let mut noted = false;
        for beginning in self.lengths.beginnings(key) {
            if let Some(prefix) = self.prefixes.get_mut(beginning) {
                prefix.changed.insert(key.into(), by);
                noted = true;
            }
        }
        noted
    }

    /// Takes what is to be announced, in the order of the prefixes.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        let with_news = self.prefixes.values_mut().filter(|prefix| !prefix.changed.is_empty());
        let news = |prefix: &mut Prefix| News {
            clients: prefix.clients.iter().copied().collect(),
            changed: std::mem::take(&mut prefix.changed),
        };
        with_news.map(news).collect()
    }
}

#[cfg(test)]
#[path = "prefixes_tests.rs"]
mod tests;
