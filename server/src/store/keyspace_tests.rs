//! Tests of `keyspace`: counts and maps follow the slots, zeroed cells are empty cells, hashing is keyed.

use std::collections::HashSet;
use std::mem::ManuallyDrop;

use protocol::slot::key_slot;

use super::*;
use crate::store::{StringValue, Ttl};

fn set(keyspace: &Keyspace, db: usize, key: &[u8], ttl: Ttl) {
    let hash = keyspace.hash(key);
    keyspace.lock(db, key_slot(key)).set_string(hash, key, StringValue::encode(key), ttl);
}

#[test]
fn keys_are_found_and_counted() {
    let keyspace = Keyspace::new(2, 1);
    for i in 0..20_000 {
        set(&keyspace, 0, format!("key:{i}").as_bytes(), if i % 4 == 0 { Ttl::At(5) } else { Ttl::Clear });
    }
    assert_eq!((keyspace.len(0), keyspace.expires_len(0), keyspace.len(1)), (20_000, 5_000, 0));
    for i in 0..20_000 {
        let key = format!("key:{i}").into_bytes();
        let slot = keyspace.lock(0, key_slot(&key));
        assert_eq!(slot.get(keyspace.hash(&key), &key).map(|entry| entry.key().to_vec()), Some(key));
    }
    let sum: usize = keyspace.occupied(0).map(|slot| keyspace.lock(0, slot).len()).sum();
    assert_eq!(sum, 20_000);
    for slot in keyspace.with_expiry(0, SlotId::FIRST) {
        keyspace.lock(0, slot).expire_due(6, usize::MAX, |_, _| {});
    }
    assert_eq!((keyspace.len(0), keyspace.expires_len(0)), (15_000, 0));
    assert_eq!(keyspace.with_expiry(0, SlotId::FIRST).count(), 0);
    for slot in SlotId::all() {
        drop(keyspace.lock(0, slot).clear());
    }
    assert_eq!((keyspace.len(0), keyspace.occupied(0).count()), (0, 0));
}

#[test]
fn a_zeroed_cell_is_the_empty_cell() {
    let made = SlotCell { slot: Mutex::new(Slot::EMPTY), keys: AtomicU32::new(0), expires: AtomicU32::new(0) };
    let database = Database::new();
    let zeroed = &database.cells[0];
    assert!(zeroed.slot.try_lock().is_some_and(|slot| slot.is_empty() && slot.epoch() == 0 && slot.expires_len() == 0));
    // Padding may differ, so the parts are compared: the lock's state and the pointers that must be null.
    let made = ManuallyDrop::new(made);
    assert!(!made.slot.is_locked() && !zeroed.slot.is_locked());
}

#[test]
fn hashes_depend_on_the_seed_and_spread() {
    let (one, two) = (Keyspace::new(1, 1), Keyspace::new(1, 2));
    assert_ne!(one.hash(b"key"), two.hash(b"key"));
    let keys = (0..100_000).map(|i| format!("key:{i:012}"));
    let hashes: HashSet<u64> = keys.map(|key| one.hash(key.as_bytes()).0).collect();
    assert_eq!(hashes.len(), 100_000);
    let mut tags = vec![0u32; 1024];
    for hash in hashes {
        tags[(hash >> 54) as usize] += 1;
    }
    assert!(tags.iter().all(|&count| (40..200).contains(&count)), "the top bits decide the place in the table");
}
