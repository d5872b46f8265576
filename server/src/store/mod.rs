//! Rank 2: the data, and nothing but the data. No tokio, clock, configuration or RESP: time, seeds and limits are
//! passed as arguments.
//!
//! ```text
//! Keyspace ── databases ── 16,384 slot cells, each a lock around a Slot ── Table ── Words ── Entry ── Value
//!                │                                    │
//!                └ counts, occupancy maps             └ Parts (boxed, rarely there): ExpiryIndex, that of hashes with
//!                                                       fields that expire, Waiters, Watchers, SnapshotState
//! ```
//! The slot is the unit of everything: of locking, expiry, scanning, snapshots and deletion (see `slot`). A key's whole
//! state lives in its slot; no other map is keyed by the names of keys. `keyspace` finds and locks slots; `table` and
//! `entry` are how keys are laid out in memory (58 to 63 bytes for 16 + 16); `value` and `collection` are what they
//! hold; [`types`] and [`encoding`] how collections are built; `edit` how they are changed; `change` who learns of
//! that; `ledger` how many bytes they take; [`payload`] how values become bytes and come back. `parts` is what most
//! slots do not need; `evict` is which key makes room; `scan` is the cursor over all slots, `snapshot` the
//! point-in-time view, `leaving` what is to be removed from a slot that is locked. `unsafe` code is in `entry` alone,
//! except for the allocation of zeroed cells in `keyspace`.

mod change;
mod collection;
mod edit;
pub(crate) mod encoding;
pub(crate) mod entry;
pub(crate) mod evict;
mod expiry;
mod garbage;
mod hash;
mod keyspace;
mod leaving;
mod ledger;
mod lfu;
mod parts;
pub(crate) mod payload;
mod scan;
mod slot;
mod snapshot;
mod table;
pub(crate) mod types;
mod value;
mod waiters;
mod watchers;

pub(crate) use change::{Cause, Change, Door};
pub use collection::Collection;
pub(crate) use collection::{CollectionRef, CollectionType};
pub(crate) use edit::{EditGuard, Edited};
pub(crate) use entry::{AccessClock, EntryRef};
pub(crate) use expiry::PLACE as EXPIRY_PLACE;
pub(crate) use garbage::Garbage;
pub(crate) use hash::KeyHash;
pub(crate) use keyspace::{Cut, Hints, KeptSlot, Keyspace, Peek, SlotGuard};
pub(crate) use lfu::Lfu;
pub(crate) use scan::ScanCursor;
pub(crate) use slot::{Cleared, EntryMut, Removed, Slot, Ttl};
pub(crate) use snapshot::Apart;
#[cfg(test)]
pub(crate) use snapshot::AtCut;
pub(crate) use table::PLACE as TABLE_PLACE;
pub(crate) use value::{Encoding, StringValue, Type};
pub use value::{Value, ValueRef};
pub(crate) use waiters::{BlockToken, Waiter, Wake};
pub(crate) use watchers::{Spoiled, WatchFlag};
