//! The parts that most slots do not need, behind one pointer: the expiry index, waiters, watchers, a running snapshot,
//! and the hashes whose fields expire.
//!
//! Where keys expire at all they are usually many, so the expiry index is stored here directly; the rest is boxed once
//! more. An empty part is freed, and the last one frees the box.

use super::expiry::ExpiryIndex;
use super::snapshot::SnapshotState;
use super::waiters::Waiters;
use super::watchers::Watchers;
use crate::base::clock::UnixMillis;

/// The rarer parts of a slot. All zero is a slot without any.
#[derive(Debug)]
pub(super) struct Parts(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    expiry: ExpiryIndex,
    extra: Option<Box<Extra>>,
}

/// Parts of slots with waiters, watchers, a snapshot or hashes whose fields expire.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) waiters: Waiters,
    pub(super) watchers: Watchers,
    pub(super) snapshot: Option<SnapshotState>,
    /// The hashes whose fields expire, each with the first of these expiries.
    pub(super) fields: ExpiryIndex,
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

    /// The index of hashes whose fields expire.
    #[inline]
    pub(super) fn fields(&self) -> Option<&ExpiryIndex> {
        self.extra().map(|extra| &extra.fields)
    }

    /// Notes that the first expiry of a hash's fields is another than before.
    #[cold]
    pub(super) fn move_field_expiry(&mut self, old: Option<UnixMillis>, new: Option<UnixMillis>, tag: u32) {
        let known = self.extra_or_new().fields.change(old, new, tag);
        debug_assert!(known, "a hash whose fields expire is in the index");
        self.tidy();
    }

    /// Replaces the index of hashes.
    pub(super) fn replace_fields(&mut self, index: ExpiryIndex) {
        if self.extra().is_some() || index.len() > 0 {
            self.extra_or_new().fields = index;
            self.tidy();
        }
    }

    /// Takes the index of hashes out.
    pub(super) fn take_fields(&mut self) -> ExpiryIndex {
        let taken = self.extra_mut().map(|extra| std::mem::take(&mut extra.fields)).unwrap_or_default();
        self.tidy();
        taken
    }

    /// The instant at which the first key or field expires, for [`super::expiry::is_due`].
    #[inline]
    pub(super) fn first_instant(&self) -> u64 {
        let Some(inner) = &self.0 else { return u64::MAX };
        let fields = inner.extra.as_ref().map_or(u64::MAX, |extra| extra.fields.first_instant());
        inner.expiry.first_instant().min(fields)
    }

    /// Whether there are none.
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
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
        let unused = |extra: &Extra| {
            let Extra { waiters, watchers, snapshot, fields } = extra;
            waiters.is_empty() && watchers.is_empty() && snapshot.is_none() && fields.len() == 0
        };
        if inner.extra.as_deref().is_some_and(unused) {
            inner.extra = None;
        }
        if inner.extra.is_none() && inner.expiry.len() == 0 {
            self.0 = None;
        }
    }
}
