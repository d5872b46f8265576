//! The parts that most slots do not need, behind one pointer: the expiry index, waiters, watchers, and a running
//! snapshot.
//!
//! Where keys expire at all they are usually many, so the expiry index is stored here directly; the rest is boxed once
//! more. An empty part is freed, and the last one frees the box.

use super::expiry::ExpiryIndex;
use super::snapshot::SnapshotState;
use super::waiters::Waiters;
use super::watchers::Watchers;

/// The rarer parts of a slot. All zero is a slot without any.
#[derive(Debug)]
pub(super) struct Parts(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    expiry: ExpiryIndex,
    extra: Option<Box<Extra>>,
}

/// Parts of slots with waiters, watchers or a snapshot.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) waiters: Waiters,
    pub(super) watchers: Watchers,
    pub(super) snapshot: Option<SnapshotState>,
}

impl Parts {
    pub(super) const NONE: Parts = Parts(None);

    #[inline]
    pub(super) fn expiry(&self) -> Option<&ExpiryIndex> {
        self.0.as_ref().map(|inner| &inner.expiry)
    }

    /// The index, to add or remove records (call [`Parts::tidy`] afterwards).
    pub(super) fn expiry_mut(&mut self) -> &mut ExpiryIndex {
        &mut self.0.get_or_insert_default().expiry
    }

    /// Replaces the index.
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

    /// Frees empty parts.
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
