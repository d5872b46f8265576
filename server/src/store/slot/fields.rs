//! Fields of hashes that expire, as a slot sees them.
//!
//! The slot keeps an index of the hashes that have such fields, each with the first of their expiries
//! ([`super::Parts::fields`]). Whatever changes a hash keeps the index up to date; here it is asked what is due.

use protocol::slot::SlotId;

use super::super::types::hash::{ExpiredFields, Hash};
use super::{Cause, Change, Door, EntryMut, ExpiryIndex, KeyHash, Slot, Type, UnixMillis};

impl Slot {
    /// Number of hashes with fields that expire.
    #[inline]
    pub(crate) fn timed_len(&self) -> usize {
        self.parts.fields().map_or(0, ExpiryIndex::len)
    }

    /// Whether nothing in the slot expires, and it has no other rarer part either.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.parts.is_none()
    }

    /// Whether fields of one of its hashes are expired at `now`.
    #[inline]
    pub(crate) fn has_due_fields(&self, now: UnixMillis) -> bool {
        self.parts.fields().is_some_and(|index| index.first_due(now).is_some())
    }

    /// Removes up to `budget` fields of hashes that are expired at `now`, a hash after the other. Returns how many:
    /// less than the budget means that no more are due. `home` is the database and the slot.
    pub(crate) fn expire_due_fields(
        &mut self,
        home: (usize, SlotId),
        now: UnixMillis,
        budget: usize,
        door: &mut impl Door,
    ) -> usize {
        let mut done = 0;
        while done < budget
            && let Some(due) = self.parts.fields().and_then(|index| index.first_due(now))
        {
            let at = self
                .table
                .find_by(due.tag, |entry| due.matches(entry.next_field_expiry()))
                .expect("a record in the index belongs to a hash");
            done += EntryMut { slot: self, at, tag: due.tag }.expire_fields(home, now, budget - done, door);
        }
        done
    }

    /// Removes up to `budget` expired fields of the hash at this key, if it is one. The cause is the expiry, whatever
    /// `change` says. Returns whether the key is gone with its last field.
    pub(crate) fn expire_fields_of(
        &mut self,
        hash: KeyHash,
        change: Change<'_>,
        now: UnixMillis,
        budget: usize,
        door: &mut impl Door,
    ) -> bool {
        let Some(entry) = self.get_mut(hash, change.key) else { return false };
        if entry.as_ref().next_field_expiry().is_none_or(|at| at >= now) {
            return false;
        }
        entry.expire_fields((change.db, change.slot), now, budget, door);
        !self.contains(hash, change.key)
    }
}

impl EntryMut<'_> {
    /// Removes up to `budget` fields of a hash that are expired at `now`, and the key with the last of them. Returns
    /// how many.
    fn expire_fields(self, home: (usize, SlotId), now: UnixMillis, budget: usize, door: &mut impl Door) -> usize {
        let EntryMut { slot, at, tag } = self;
        let Some(mut hash) = (EntryMut { slot: &mut *slot, at, tag }).edit::<Hash>() else { return 0 };
        let ExpiredFields { fields, latest } = hash.take_due(now, budget);
        let edited = hash.finish();
        let key: Box<[u8]> = slot.table.entry(at).key().into();
        door.fields_expired(home.0, &key, &fields);
        let cause = if edited.emptied { Cause::LastFieldExpired(latest) } else { Cause::FieldsExpired(latest) };
        let change = Change { db: home.0, slot: home.1, key: &key, cause };
        let mut now = None;
        if edited.emptied {
            drop(EntryMut { slot: &mut *slot, at, tag }.detach());
        } else {
            now = Some(Type::Hash);
        }
        slot.tell(change, edited.emptied, now, door);
        fields.len()
    }
}
