//! The engine's side of the door ([`Door`]): what must follow from a change becomes a note in [`Effects`], to be
//! drained before the slot is unlocked.
//!
//! This file derives what follows from the cause of a change. The name of a *command's* event, and the number of
//! changes it counts as, are known only to its handler: [`Effects::count`].

use protocol::resp::OwnedArgs;

use super::effects::{Effects, Invalid, NotifyClass};
use crate::store::{Cause, Change, Door, Removed, ValueRef};

impl Door for Effects {
    fn pass(&mut self, change: Change<'_>, awaited: bool) {
        let Change { db, key, cause, slot: _ } = change;
        self.invalidate(Invalid { key, by_nobody: cause.is_unasked() });
        if awaited {
            self.note_ready(db, key);
        }
        match cause {
            Cause::Written | Cause::Lessened | Cause::Deleted | Cause::FieldsExpired(_) => {}
            Cause::LastFieldExpired(_) => self.notify(NotifyClass::Generic, "del", db, key),
            Cause::Moved => self.propagate_deletion(db, b"DEL", key),
            Cause::Expired => {
                self.propagate_deletion(db, if self.lazy_expire { b"UNLINK" } else { b"DEL" }, key);
                self.notify(NotifyClass::Expired, "expired", db, key);
                self.expired += 1;
            }
            Cause::Evicted => {
                self.propagate_deletion(db, if self.lazy_eviction { b"UNLINK" } else { b"DEL" }, key);
                self.notify(NotifyClass::Evicted, "evicted", db, key);
            }
        }
    }

    fn fields_expired(&mut self, db: usize, key: &[u8], fields: &[Box<[u8]>]) {
        /// Fields that one HDEL names.
        const NAMED: usize = 512;
        self.expired_fields += fields.len() as u32;
        self.notify(NotifyClass::Hash, "hexpired", db, key);
        if self.propagating {
            for fields in fields.chunks(NAMED) {
                let words: Vec<&[u8]> = [b"HDEL", key].into_iter().chain(fields.iter().map(|field| &**field)).collect();
                self.propagate_before(db, OwnedArgs::from_slices(&words));
            }
        }
    }

    fn flushed(&mut self) {
        self.invalidate_all();
    }

    fn ready(&mut self, db: usize, key: &[u8]) {
        self.note_ready(db, key);
    }

    /// Strings are dropped at once: keeping them costs more than freeing them.
    #[inline]
    fn discard(&mut self, removed: Removed, cause: Cause) {
        let lazily = match cause {
            Cause::Expired | Cause::FieldsExpired(_) | Cause::LastFieldExpired(_) => self.lazy_expire,
            Cause::Written | Cause::Lessened | Cause::Deleted | Cause::Moved => self.lazy_server_del,
            Cause::Evicted => self.lazy_eviction,
        };
        self.discard_as(removed, lazily);
    }
}

impl Effects {
    /// Drops a removed value when no slot is locked. `lazily`: in Redis that happens beside its commands.
    #[inline]
    pub(crate) fn discard_as(&mut self, removed: Removed, lazily: bool) {
        match removed.value() {
            ValueRef::Int(_) | ValueRef::Str(_) => drop(removed),
            ValueRef::Collection(_) => self.keep_for_later(removed, lazily),
        }
    }

    /// Propagates the deletion of a key that no command deletes, before the command that found it.
    fn propagate_deletion(&mut self, db: usize, verb: &[u8], key: &[u8]) {
        if self.propagating {
            self.propagate_before(db, OwnedArgs::from_slices(&[verb, key]));
        }
    }
}
