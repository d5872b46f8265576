//! Tests of `keyspace`: counts and maps follow the slots, zeroed cells are empty cells, hashing is keyed.

use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use protocol::slot::key_slot;

use super::*;
use crate::store::change::tests::{Witness, change};
use crate::store::{BlockToken, Cause, StringValue, Ttl, Type, Waiter, Wake, WatchFlag};

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
        keyspace.lock(0, slot).expire_due((0, slot), 6, usize::MAX, &mut Witness::default());
    }
    assert_eq!((keyspace.len(0), keyspace.expires_len(0)), (15_000, 0));
    assert_eq!(keyspace.with_expiry(0, SlotId::FIRST).count(), 0);
    for slot in SlotId::all() {
        drop(keyspace.lock(0, slot).clear(0, |key| keyspace.hash(key), &mut Witness::default()));
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

#[test]
fn counts_are_right_whoever_writes_at_the_same_time() {
    let keyspace = Keyspace::new(1, 9);
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let keyspace = &keyspace;
            scope.spawn(move || {
                for i in 0..20_000u64 {
                    let key = (mix(worker << 32 | i) % 3000).to_le_bytes();
                    let hash = keyspace.hash(&key);
                    let mut slot = keyspace.lock(0, key_slot(&key));
                    match i % 3 {
                        0 => drop(slot.remove(hash, change(&key, Cause::Deleted), &mut Witness::default())),
                        1 => _ = slot.set_string(hash, &key, StringValue::Int(1), Ttl::Clear),
                        _ => _ = slot.set_string(hash, &key, StringValue::Bytes(&key), Ttl::At(7)),
                    }
                }
            });
        }
    });
    let slots: Vec<SlotId> = SlotId::all().filter(|slot| !keyspace.lock(0, *slot).is_empty()).collect();
    assert_eq!(keyspace.occupied(0).collect::<Vec<_>>(), slots);
    let expiring = SlotId::all().filter(|slot| keyspace.lock(0, *slot).expires_len() > 0);
    assert!(keyspace.with_expiry(0, SlotId::FIRST).eq(expiring));
    let first_is = |slot: &SlotId, at| keyspace.lock(0, *slot).next_expiry() == Some(at);
    assert_eq!(keyspace.due(0, SlotId::FIRST, 7).count(), 0, "a key lives through that millisecond");
    assert!(keyspace.due(0, SlotId::FIRST, 8).eq(SlotId::all().filter(|slot| first_is(slot, 7))));
    assert_eq!(keyspace.len(0), slots.iter().map(|slot| keyspace.lock(0, *slot).len()).sum::<usize>());
    assert_eq!(keyspace.len(0), slots.iter().map(|slot| keyspace.slot_len(0, *slot)).sum::<usize>());
    assert_eq!(keyspace.expires_len(0), slots.iter().map(|slot| keyspace.lock(0, *slot).expires_len()).sum::<usize>());
}

#[test]
fn a_hint_does_not_wait_for_a_locked_slot() {
    let keyspace = Keyspace::new(1, 9);
    let guard = keyspace.lock(0, SlotId::FIRST);
    assert!(keyspace.hints(0).peek(SlotId::FIRST).is_none() && guard.id() == SlotId::FIRST);
    drop(guard);
    assert!(keyspace.hints(0).peek(SlotId::FIRST).is_some());
    assert!(
        Keyspace::new(1, 9).hints(0).peek(SlotId::FIRST).is_none(),
        "a database that was never used is not made for a hint"
    );
}

#[test]
fn a_question_about_all_databases_makes_none() {
    let keyspace = Keyspace::new(5, 1);
    let slot = key_slot(b"a");
    assert!(!keyspace.has_keys() && !keyspace.slot_has_keys(slot));
    assert_eq!(keyspace.used().count(), 0);
    set(&keyspace, 3, b"a", Ttl::Keep);
    assert!(keyspace.has_keys() && keyspace.slot_has_keys(slot) && !keyspace.slot_has_keys(key_slot(b"b")));
    assert_eq!(keyspace.used().collect::<Vec<_>>(), [3]);
}

#[test]
fn swapping_databases_moves_keys_and_leaves_clients() {
    let mut witness = Witness::default();
    let keyspace = Keyspace::new(3, 1);
    let flag = Arc::new(WatchFlag::new());
    set(&keyspace, 0, b"a", Ttl::At(5));
    keyspace.lock(0, key_slot(b"k")).watch(b"k", &flag);
    for (db, key) in [(2, b"a"), (0, b"k")] {
        let waiter = Waiter { token: Arc::new(BlockToken::new(Wake::on(Type::String))), request: Arc::new(()) };
        keyspace.lock(db, key_slot(key)).wait(key, waiter);
    }
    keyspace.swap_databases(0, 2, 0, &mut witness);
    assert_eq!((keyspace.len(0), keyspace.len(2), keyspace.expires_len(2)), (0, 1, 1));
    assert_eq!(witness.ready, [(2, b"a".to_vec())], "only who waits for what has come is told");
    assert_eq!(keyspace.lock(0, key_slot(b"k")).watched_keys().count(), 1);
    assert_eq!(keyspace.lock(2, key_slot(b"k")).watched_keys().count(), 0);
    keyspace.swap_databases(0, 0, 0, &mut witness);
    keyspace.swap_databases(1, 1, 0, &mut witness);
    assert_eq!(keyspace.len(2), 1);
}

#[test]
fn what_was_left_for_a_slot_is_carried_out_although_databases_are_swapped() {
    let keyspace = Keyspace::new(2, 1);
    let (id, flag) = (key_slot(b"k"), Arc::new(WatchFlag::new()));
    keyspace.lock(0, id).watch(b"k", &flag);
    // As SWAPDB locks it while it exchanges the clients of two slots.
    let database = keyspace.databases[0].get().expect("it was used");
    let locked = database.cells[id.index()].slot.lock();
    keyspace.unwatch(0, id, (*b"k").into(), flag);
    drop(locked);
    set(&keyspace, 1, b"other", Ttl::Clear);
    keyspace.swap_databases(0, 1, 0, &mut Witness::default());
    assert!((0..2).all(|db| !keyspace.lock(db, id).is_observed()));
    assert!(keyspace.databases.iter().filter_map(OnceLock::get).all(|database| database.leaving.take_all().is_empty()));
}

#[test]
fn nothing_of_who_leaves_stays_in_a_slot_whoever_has_it() {
    const ROUNDS: usize = 2_000;
    let keyspace = Keyspace::new(1, 1);
    let id = key_slot(b"k");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let keyspace = &keyspace;
            scope.spawn(move || {
                let key = [b'k', b'0' + thread % 2];
                for _ in 0..ROUNDS {
                    let (flag, token) = (Arc::new(WatchFlag::new()), Arc::new(BlockToken::new(Wake::on(Type::String))));
                    {
                        let mut slot = keyspace.lock(0, id);
                        slot.watch(&key, &flag);
                        slot.wait(&key, Waiter { token: token.clone(), request: Arc::new(()) });
                    }
                    token.abandon();
                    keyspace.unwatch(0, id, key.into(), flag);
                    keyspace.stop_waiting(0, id, &key, &token);
                }
            });
        }
    });
    assert!(!keyspace.lock(0, id).is_observed());
    assert!(keyspace.databases[0].get().expect("it was used").leaving.take_all().is_empty());
}

#[test]
fn random_slots_are_weighted_by_their_keys() {
    let keyspace = Keyspace::new(1, 1);
    assert_eq!(keyspace.random_slot(0, 1), None);
    for i in 0..990 {
        set(&keyspace, 0, format!("{{many}}{i}").as_bytes(), Ttl::Clear);
    }
    for i in 0..10 {
        set(&keyspace, 0, format!("few:{i}").as_bytes(), Ttl::Clear);
    }
    let many = (0..1000).filter(|seed| keyspace.random_slot(0, *seed) == Some(key_slot(b"{many}"))).count();
    assert!((960..1000).contains(&many), "{many} of 1000");
}

/// Reads everything that the cut's slots have for the snapshot of a database.
fn emit(keyspace: &Keyspace, cut: &Cut, db: usize) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for slot in keyspace.cut_slots(cut, db) {
        while !keyspace.lock_cut(cut, db, slot).snapshot_step(3, |entry| keys.push(entry.as_ref().key().to_vec())) {}
    }
    keys.sort();
    keys
}

#[test]
fn a_cut_tells_every_database_as_it_was_numbered_then() {
    let keyspace = Keyspace::new(2, 1);
    let keys: Vec<Vec<u8>> = (100..200).map(|i| format!("key:{i}").into_bytes()).collect();
    for key in &keys {
        set(&keyspace, 0, key, Ttl::Clear);
    }
    set(&keyspace, 1, b"other", Ttl::Clear);
    let cut = keyspace.cut();
    keyspace.swap_databases(0, 1, 0, &mut Witness::default());
    set(&keyspace, 0, b"new", Ttl::Clear);
    for slot in SlotId::all() {
        drop(keyspace.lock(1, slot).clear(0, |key| keyspace.hash(key), &mut Witness::default()));
    }
    assert_eq!(keyspace.len(1), 0, "flushed after the cut");
    assert_eq!(emit(&keyspace, &cut, 0), keys);
    assert_eq!(emit(&keyspace, &cut, 1), [b"other"]);
    assert_eq!((emit(&keyspace, &cut, 0).len(), keyspace.occupied(1).count()), (0, 0), "nothing is left behind");
}

#[test]
fn a_snapshot_that_was_given_up_does_not_harm_the_next() {
    let keyspace = Keyspace::new(1, 1);
    let keys: Vec<Vec<u8>> = (100..200).map(|i| format!("key:{i}").into_bytes()).collect();
    for key in &keys {
        set(&keyspace, 0, key, Ttl::Clear);
    }
    for given_up in 0..5 {
        let cut = keyspace.cut();
        for slot in keyspace.cut_slots(&cut, 0).take(given_up * 20) {
            keyspace.lock_cut(&cut, 0, slot).snapshot_step(1, |_| {});
        }
        keys.iter().step_by(3).for_each(|key| set(&keyspace, 0, key, Ttl::Clear));
        let cut = keyspace.cut();
        assert_eq!(emit(&keyspace, &cut, 0), keys);
    }
}

/// A full sync that replaces the data set in the middle of a snapshot.
#[test]
fn replaced_slots_do_not_show_in_a_running_snapshot() {
    for cuts_before in 0..3 {
        let keyspace = Keyspace::new(1, 1);
        (0..100).for_each(|i| set(&keyspace, 0, format!("old:{i}").as_bytes(), Ttl::Clear));
        for _ in 0..cuts_before {
            let cut = keyspace.cut();
            assert_eq!(emit(&keyspace, &cut, 0).len(), 100);
        }
        let cut = keyspace.cut();
        let fresh = keyspace.sibling();
        (0..100).for_each(|i| set(&fresh, 0, format!("new:{i}").as_bytes(), Ttl::At(5)));
        for slot in SlotId::all() {
            drop(keyspace.lock(0, slot).replace_with(
                0,
                &mut fresh.lock(0, slot),
                |key| keyspace.hash(key),
                &mut Witness::default(),
            ));
        }
        assert_eq!((keyspace.len(0), keyspace.expires_len(0), fresh.len(0)), (100, 100, 0));
        set(&keyspace, 0, b"new:1", Ttl::Clear);
        assert_eq!(keyspace.lock(0, key_slot(b"new:2")).get(keyspace.hash(b"new:2"), b"new:2").map(|_| ()), Some(()));
        let told = emit(&keyspace, &cut, 0);
        assert!(told.len() == 100 && told.iter().all(|key| key.starts_with(b"old:")), "{}", told.len());
        let next = keyspace.cut();
        let told = emit(&keyspace, &next, 0);
        assert!(told.len() == 100 && told.iter().all(|key| key.starts_with(b"new:")), "{}", told.len());
    }
}
