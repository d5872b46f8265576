//! What most slots do without, behind one pointer: when keys expire, who waits for keys or watches them, and a snapshot
//! under way.
//!
//! Expiries are frequent where there are any, so their index lies here itself; the rest is boxed once more. A part that
//! has become empty is given up, and the last one takes the box with it.

use super::expiry::ExpiryIndex;
use super::snapshot::SnapshotState;
use super::waiters::Waiters;
use super::watchers::Watchers;

/// The rarer parts of a slot. All zero is that of a slot that has none.
#[derive(Debug)]
pub(super) struct Parts(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    expiry: ExpiryIndex,
    extra: Option<Box<Extra>>,
}

/// What only slots have that somebody waits for, watches or saves.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) waiters: Waiters,
    pub(super) watchers: Watchers,
    pub(super) snapshot: Option<SnapshotState>,
}

impl Parts {
    #[cfg(test)]
    pub(super) const NONE: Parts = Parts(None);

    #[inline]
    pub(super) fn expiry(&self) -> Option<&ExpiryIndex> {
        self.0.as_ref().map(|inner| &inner.expiry)
    }

    /// The index, to add to it, or to take from it ([`Parts::tidy`] follows).
    pub(super) fn expiry_mut(&mut self) -> &mut ExpiryIndex {
        &mut self.0.get_or_insert_default().expiry
    }

    /// Puts an index in the place of the present one.
    pub(super) fn replace_expiry(&mut self, index: ExpiryIndex) {
        if self.0.is_some() || index.len() > 0 {
            *self.expiry_mut() = index;
            self.tidy();
        }
    }

    /// Takes the index out.
    pub(super) fn take_expiry(&mut self) -> ExpiryIndex {
        let taken = self.0.as_mut().map(|inner| std::mem::take(&mut inner.expiry)).unwrap_or_default();
        self.tidy();
        taken
    }

    #[inline]
    pub(super) fn extra(&self) -> Option<&Extra> {
        self.0.as_ref()?.extra.as_deref()
    }

    #[inline]
    pub(super) fn extra_mut(&mut self) -> Option<&mut Extra> {
        self.0.as_mut()?.extra.as_deref_mut()
    }

    /// The rest, to add to it.
    pub(super) fn extra_or_new(&mut self) -> &mut Extra {
        self.0.get_or_insert_default().extra.get_or_insert_default()
    }

    /// Gives up what is empty.
    pub(super) fn tidy(&mut self) {
        let Some(inner) = &mut self.0 else { return };
        let unused = |extra: &Extra| extra.waiters.is_empty() && extra.watchers.is_empty() && extra.snapshot.is_none();
        if inner.extra.as_deref().is_some_and(unused) {
            inner.extra = None;
        }
        if inner.extra.is_none() && inner.expiry.len() == 0 {
            self.0 = None;
        }
    }
}
