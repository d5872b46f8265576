//! Who watches a key: the optimistic lock behind WATCH and EXEC.
//!
//! A session has one [`WatchFlag`]; the slot of each watched key holds a share of it. Whoever changes the key (in
//! whatever way, by whatever command) announces it through [`super::Slot::touch`], which raises the flags of that key;
//! EXEC looks at its own flag and nothing else. A flag once raised stays so; a session that watches anew takes a new
//! flag.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether any key that a session watches was changed.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// A flag that is down.
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks the session's transaction as one that must not run.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether a watched key was changed.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
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

    /// Adds a session; does nothing if it watches the key already.
    pub(crate) fn add(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        let flags = match self.flags.get_mut(key) {
            Some(flags) => flags,
            None => self.flags.entry(key.into()).or_default(),
        };
        if !flags.iter().any(|other| Arc::ptr_eq(other, flag)) {
            flags.push(Arc::clone(flag));
        }
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

    /// Raises the flags of a key. They stay, so that their sessions can take them off; raising again does no harm.
    pub(crate) fn touch(&self, key: &[u8]) {
        for flag in self.flags.get(key).into_iter().flatten() {
            flag.raise();
        }
    }
}

#[cfg(test)]
#[path = "watchers_tests.rs"]
mod tests;
