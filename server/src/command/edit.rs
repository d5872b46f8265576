//! How a handler changes a collection: it does the change and names its event, and the rest follows.
//!
//! [`Data::edit`] finds the key, checks its type and lends the collection to a closure. The closure returns an
//! [`Edit`]: a result for the handler, and whether anything was changed, with the event for it. Everything else happens
//! here, in Redis's order: watchers and the event, the count of changes, and the removal of a key without elements,
//! with its `del`. So a handler can neither leave an empty collection behind nor change one silently.

use super::context::{Data, Key};
use super::effects::NotifyClass;
use super::error::{self, CmdError};
use crate::store::{CollectionType, EditGuard, Edited, EntryMut, Value};

/// What a closure did to a collection.
#[derive(Debug)]
#[must_use]
pub(crate) struct Edit<R> {
    result: R,
    outcome: Outcome,
}

/// What an edit came to.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Nothing,
    /// See [`Edit::unseen`].
    Unseen,
    Changed(Change),
}

#[derive(Clone, Copy, Debug)]
struct Change {
    class: NotifyClass,
    event: &'static str,
    /// How many changes it counts as.
    count: u64,
    /// Whether it may serve clients that wait for the key.
    serves: bool,
}

impl<R> Edit<R> {
    /// Nothing was changed.
    pub(crate) fn none(result: R) -> Self {
        Self { result, outcome: Outcome::Nothing }
    }

    /// Something may have been changed that is no change to WATCH, to clients that wait or to subscribers, as what a
    /// group has read. MIGRATE must learn of it all the same.
    pub(crate) fn unseen(result: R) -> Self {
        Self { result, outcome: Outcome::Unseen }
    }

    /// Something was changed: the event, and how many changes it counts as.
    pub(crate) fn of(class: NotifyClass, event: &'static str, count: usize, result: R) -> Self {
        Self { result, outcome: Outcome::Changed(Change { class, event, count: count as u64, serves: true }) }
    }

    /// The same change, which took only something away: it serves nobody who waits for the key.
    pub(crate) fn lessening(mut self) -> Self {
        if let Outcome::Changed(change) = &mut self.outcome {
            change.serves = false;
        }
        self
    }
}

impl Data<'_> {
    /// Changes the collection at a key; `None` if there is no such key. Announces the change, and removes the key if no
    /// element is left.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else.
    #[inline]
    pub(crate) fn edit<T: CollectionType, R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut T) -> Edit<R>,
    ) -> Result<Option<R>, CmdError> {
        let Some(entry) = self.get_mut(key) else { return Ok(None) };
        let mut guard: EditGuard<'_, T> = EntryMut::edit(entry).ok_or(error::WRONG_TYPE)?;
        let Edit { result, outcome } = edit(&mut guard);
        let edited = guard.finish();
        self.edited(key, outcome, edited);
        Ok(Some(result))
    }

    /// As [`Data::edit`], but creates the collection first if there is no such key. Clients that wait for such a key
    /// are notified.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else.
    #[inline]
    pub(crate) fn edit_or_create<T: CollectionType, R>(
        &mut self,
        key: &Key<'_>,
        create: impl FnOnce() -> T,
        edit: impl FnOnce(&mut T) -> Edit<R>,
    ) -> Result<R, CmdError> {
        if let Some(entry) = self.get_mut(key) {
            let mut guard: EditGuard<'_, T> = EntryMut::edit(entry).ok_or(error::WRONG_TYPE)?;
            let Edit { result, outcome } = edit(&mut guard);
            let edited = guard.finish();
            self.edited(key, outcome, edited);
            return Ok(result);
        }
        let mut value = create();
        let Edit { result, outcome } = edit(&mut value);
        if !value.is_empty() {
            value.settle();
            self.insert(key, Value::from(value.into()), None);
            self.edited(key, outcome, Edited { emptied: false });
        }
        Ok(result)
    }

    /// See [`Edit::unseen`].
    fn stir(&mut self, key: &Key<'_>) {
        let slot = self.slots.at(self.db, key.slot);
        if slot.is_observed() {
            slot.stir(key.bytes);
        }
    }

    /// Announces an edit.
    #[inline]
    fn edited(&mut self, key: &Key<'_>, outcome: Outcome, edited: Edited) {
        let Outcome::Changed(Change { class, event, count, serves }) = outcome else {
            debug_assert!(!edited.emptied, "whoever takes the last element says so");
            if edited.emptied {
                self.delete_even_expired(key);
            }
            if matches!(outcome, Outcome::Unseen) {
                self.stir(key);
            }
            return;
        };
        if edited.emptied {
            self.emptied(key, class, event);
        } else if serves {
            self.changed(key, class, event);
        } else {
            self.lessened(key, class, event);
        }
        self.effects.dirty = self.effects.dirty + count - 1;
    }
}
