//! The sessions that watch a key: the optimistic lock behind WATCH and EXEC.
//!
//! A session has a [`WatchFlag`] for each watched key, shared with the key's slot. Every change of the key, by whatever
//! command or other cause, is announced through [`super::Slot::written`]. That raises the flags of the key, and with
//! them the session's [`Spoiled`], so that EXEC need not check all flags of a session. A raised flag stays raised; a
//! session that watches again gets new ones.
//!
//! A key that had expired before it was watched counts as absent, so its later removal is no change. Until then its
//! flag is *stale*. So it is with fields of a hash that had expired by then: whoever looks at the hash next removes
//! them, and so does the expiry cycle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::base::clock::UnixMillis;

const DOWN: u8 = 0;
const STALE: u8 = 1;
const RAISED: u8 = 2;

/// Whether any key that a session watches was changed: its transaction must not run.
#[derive(Debug, Default)]
pub(crate) struct Spoiled(AtomicBool);

impl Spoiled {
    /// Whether a watched key was changed.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether a key that a session watches was changed.
#[derive(Debug, Default)]
pub(crate) struct WatchFlag {
    state: AtomicU8,
    /// When the key was watched. What had expired by then was gone to the session.
    since: UnixMillis,
    /// To MIGRATE: fields of the hash have expired since.
    has_lost_fields: AtomicBool,
    /// Shared by all flags of a session.
    transaction: Option<Arc<Spoiled>>,
}

impl WatchFlag {
    /// A flag that is not raised, of MIGRATE: it belongs to no transaction.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A session's flag that is not raised; `stale`: the key exists, but has expired; `since`: now.
    pub(crate) fn of(transaction: &Arc<Spoiled>, stale: bool, since: UnixMillis) -> Self {
        let state = AtomicU8::new(if stale { STALE } else { DOWN });
        Self { state, since, has_lost_fields: AtomicBool::default(), transaction: Some(transaction.clone()) }
    }

    /// Marks the session's transaction as one that must not run.
    pub(crate) fn raise(&self) {
        self.state.store(RAISED, Ordering::Release);
        if let Some(transaction) = &self.transaction {
            transaction.0.store(true, Ordering::Release);
        }
    }

    /// The key was changed in a way that WATCH does not count as a change, as when a group reads a stream. Whoever
    /// moves the key elsewhere must know.
    pub(crate) fn stir(&self) {
        if self.transaction.is_none() {
            self.raise();
        }
    }

    /// Whether both are of the same session.
    fn is_of_session(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let same = |(ours, theirs)| Arc::ptr_eq(ours, theirs);
        Arc::ptr_eq(self, other) || self.transaction.as_ref().zip(other.transaction.as_ref()).is_some_and(same)
    }

    /// Whether a watched key was changed.
    pub(crate) fn is_raised(&self) -> bool {
        self.state.load(Ordering::Acquire) == RAISED
    }

    /// Whether fields of the hash have expired, of which MIGRATE need not know.
    #[cfg(test)]
    pub(crate) fn has_lost_fields(&self) -> bool {
        self.has_lost_fields.load(Ordering::Acquire)
    }

    /// Whether the key had expired before it was watched, and still exists.
    pub(crate) fn is_stale(&self) -> bool {
        self.state.load(Ordering::Acquire) == STALE
    }

    /// Fields of the hash have expired, the last of them at `latest`, and were removed; `gone`: all that it had.
    ///
    /// To MIGRATE that is no change: the copy has the times as well, and its fields expire at the target.
    pub(crate) fn touch_fields(&self, gone: bool, latest: UnixMillis) {
        if self.transaction.is_none() {
            self.has_lost_fields.store(true, Ordering::Release);
            return;
        }
        if self.is_stale() {
            // To the session there is no key.
            self.state.store(if gone { DOWN } else { STALE }, Ordering::Release);
        } else if latest >= self.since {
            self.raise();
        }
    }

    /// The key was changed, or is gone.
    pub(crate) fn touch(&self, gone: bool) {
        if gone && self.is_stale() { self.state.store(DOWN, Ordering::Release) } else { self.raise() }
    }

    /// The key's database is swapped for another. `here`: the key exists now; `coming`: it exists in the other one, and
    /// whether it has expired there. Expired keys count as absent (Redis: `touchAllWatchedKeysInDb`).
    pub(crate) fn swap(&self, here: bool, coming: Option<bool>) {
        match (self.is_stale(), coming) {
            (true, None) => self.state.store(DOWN, Ordering::Release),
            (true, Some(true)) => {}
            (false, Some(true)) if !here && !self.is_raised() => self.state.store(STALE, Ordering::Release),
            (false, None) if !here => {}
            (true | false, _) => self.raise(),
        }
    }
}

/// The watched keys of a slot.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    flags: BTreeMap<Box<[u8]>, Vec<Arc<WatchFlag>>>,
}

impl Watchers {
    pub(crate) fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.flags.keys().map(|key| &**key)
    }

    /// Every watched key with its flags.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[Arc<WatchFlag>])> {
        self.flags.iter().map(|(key, flags)| (&**key, &**flags))
    }

    /// Adds a session. `false`: it watches the key already, and nothing is done.
    pub(crate) fn add(&mut self, key: &[u8], flag: &Arc<WatchFlag>) -> bool {
        let flags = match self.flags.get_mut(key) {
            Some(flags) => flags,
            None => self.flags.entry(key.into()).or_default(),
        };
        let fresh = !flags.iter().any(|other| other.is_of_session(flag));
        if fresh {
            flags.push(Arc::clone(flag));
        }
        fresh
    }

    /// Removes a session from a key.
    pub(crate) fn remove(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        if let Some(flags) = self.flags.get_mut(key) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                self.flags.remove(key);
            }
        }
    }

    /// The flags of a key. Raised ones stay until their sessions remove them; raising a flag again does no harm.
    pub(crate) fn of(&self, key: &[u8]) -> &[Arc<WatchFlag>] {
        self.flags.get(key).map_or(&[], |flags| flags)
    }
}

#[cfg(test)]
#[path = "watchers_tests.rs"]
mod tests;
