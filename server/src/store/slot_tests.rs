//! Tests of `slot`: against a model of plain maps, with the SCAN guarantee checked while keys come and go.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::value::Encoding;
use super::*;
use crate::store::Wake;
use crate::store::change::tests::{Witness, change};
use crate::store::edit::Edited;
use crate::store::hash::mix;
use crate::store::types::list::{List, ListOptions};

fn key(i: u8) -> Vec<u8> {
    format!("key:{i}").into_bytes()
}

fn hash(key: &[u8]) -> KeyHash {
    KeyHash(key.iter().fold(7, |state, &byte| mix(state ^ byte as u64)))
}

fn string(entry: EntryRef<'_>) -> Vec<u8> {
    entry.value().string_bytes(&mut itoa::Buffer::new()).expect("a string").to_vec()
}

#[test]
fn a_slot_is_small() {
    assert_eq!(size_of::<Slot>(), 48);
}

#[test]
fn set_keeps_clears_or_replaces_the_expiry_as_told() {
    let mut slot = Slot::EMPTY;
    let h = hash(b"k");
    assert!(!slot.set_string(h, b"k", StringValue::Int(1), Ttl::At(50)));
    assert_eq!((slot.get(h, b"k").and_then(EntryRef::expire_at), slot.expires_len()), (Some(50), 1));
    assert!(slot.set_string(h, b"k", StringValue::Int(2), Ttl::Keep));
    assert_eq!((slot.get(h, b"k").and_then(EntryRef::expire_at), slot.next_expiry()), (Some(50), Some(50)));
    assert!(slot.set_string(h, b"k", StringValue::Int(3), Ttl::At(70)));
    assert_eq!((slot.next_expiry(), slot.expires_len()), (Some(70), 1));
    assert!(slot.set_string(h, b"k", StringValue::Int(4), Ttl::Clear));
    assert_eq!((slot.get(h, b"k").and_then(EntryRef::expire_at), slot.expires_len()), (None, 0));
}

#[test]
fn due_keys_leave_in_order_and_within_the_budget() {
    let mut slot = Slot::EMPTY;
    for i in 0..100u8 {
        slot.set_string(hash(&key(i)), &key(i), StringValue::Int(1), Ttl::At(1000 - i as i64));
    }
    let (mut witness, home) = (Witness::default(), (0, SlotId::FIRST));
    assert_eq!(slot.expire_due(home, 951, 20, &mut witness), 20);
    assert_eq!(slot.expire_due(home, 951, 100, &mut witness), 30);
    let order: Vec<_> = witness.removed.iter().map(Removed::expire_at).collect();
    assert!(order.is_sorted() && order.first() == Some(&Some(901)) && order.last() == Some(&Some(950)));
    assert_eq!((slot.len(), slot.expires_len()), (50, 50));
    assert!(!slot.expire_if_due(hash(&key(0)), change(&key(0), Cause::Expired), 1000, &mut witness));
    assert!(slot.expire_if_due(hash(&key(0)), change(&key(0), Cause::Expired), 1001, &mut witness));
}

#[test]
fn access_stamps_and_get_does_not() {
    let mut slot = Slot::EMPTY;
    let h = hash(b"k");
    slot.set_clock(AccessClock::from_bits(5));
    slot.set_string(h, b"k", StringValue::Int(1), Ttl::Clear);
    slot.set_clock(AccessClock::from_bits(9));
    assert_eq!(slot.get(h, b"k").map(EntryRef::access), Some(AccessClock::from_bits(5)));
    assert_eq!(slot.access(h, b"k").map(EntryRef::access), Some(AccessClock::from_bits(9)));
}

#[test]
fn a_moved_key_keeps_expiry_encoding_and_access_time() {
    let mut slot = Slot::EMPTY;
    slot.set_string(hash(b"a"), b"a", StringValue::Bytes(b"x"), Ttl::At(50));
    slot.set_string(hash(b"b"), b"b", StringValue::Bytes(b"old"), Ttl::At(9));
    slot.get_mut(hash(b"a"), b"a").expect("there").append(b"y");
    let moved = slot.remove(hash(b"a"), change(b"a", Cause::Deleted), &mut Witness::default()).expect("there");
    let replaced = slot.put(hash(b"b"), b"b", moved).expect("it was there");
    assert_eq!(string(replaced.entry()), b"old");
    let entry = slot.get(hash(b"b"), b"b").expect("there");
    assert_eq!((entry.key(), string(entry), entry.encoding()), (&b"b"[..], b"xy".to_vec(), Encoding::Raw));
    assert_eq!((entry.expire_at(), slot.len(), slot.expires_len()), (Some(50), 1, 1));
}

#[test]
fn lists_change_in_place() {
    let mut slot = Slot::EMPTY;
    let h = hash(b"l");
    let mut list = List::new(ListOptions::default());
    list.push_back(b"a");
    slot.insert(h, b"l", Value::from(list), Some(5));
    let mut entry = slot.get_mut(h, b"l").expect("there");
    assert!(entry.bytes_mut(1).is_none() && entry.append(b"x").is_none(), "not a string");
    let mut list = entry.edit::<List>().expect("a list");
    list.push_back(b"b");
    assert_eq!(list.finish(), Edited { emptied: false });
    let entry = slot.get_mut(h, b"l").expect("there");
    assert!(entry.as_ref().collection::<List>().is_some_and(|list| list.len() == 2));
    assert_eq!(entry.detach().expire_at(), Some(5));
    assert_eq!((slot.len(), slot.expires_len()), (0, 0));
}

#[test]
fn waiters_and_watchers_cost_nothing_once_they_are_gone() {
    let mut slot = Slot::EMPTY;
    let waiter = Waiter { token: Arc::new(BlockToken::new(Wake::on(Type::String))), request: Arc::new(()) };
    let flag = Arc::new(WatchFlag::new());
    slot.wait(b"k", waiter.clone());
    slot.watch(b"k", &flag);
    assert!(slot.has_waiters() && slot.waiters_after(b"k", 0).count() == 1);
    slot.written(hash(b"k"), change(b"k", Cause::Written), &mut Witness::default());
    assert!(flag.is_raised());
    slot.stop_waiting(b"k", &waiter.token);
    slot.unwatch(b"k", &flag);
    assert!(slot.parts.extra().is_none());
}

/// An operation on a slot and its model.
#[derive(Clone, Debug)]
enum Op {
    Set { key: u8, value: Vec<u8>, ttl: Option<i64> },
    Insert { key: u8, value: i64, expire: Option<i64> },
    Append { key: u8, value: Vec<u8> },
    WriteAt { key: u8, at: usize, byte: u8 },
    Remove { key: u8 },
    Expire { key: u8, at: Option<i64> },
    Rename { from: u8, to: u8 },
    PopDue { now: i64 },
    ScanStep { count: usize },
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    let ttl = prop::option::of(0i64..50);
    let value = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        12 => (any::<u8>(), value.clone(), ttl.clone()).prop_map(|(key, value, ttl)| Op::Set { key, value, ttl }),
        4 => (any::<u8>(), any::<i64>(), ttl.clone()).prop_map(|(key, value, expire)| Op::Insert { key, value, expire }),
        3 => (any::<u8>(), value).prop_map(|(key, value)| Op::Append { key, value }),
        2 => (any::<u8>(), 0usize..400, any::<u8>()).prop_map(|(key, at, byte)| Op::WriteAt { key, at, byte }),
        5 => any::<u8>().prop_map(|key| Op::Remove { key }),
        4 => (any::<u8>(), ttl).prop_map(|(key, at)| Op::Expire { key, at }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Op::Rename { from, to }),
        2 => (0i64..50).prop_map(|now| Op::PopDue { now }),
        6 => (1usize..20).prop_map(|count| Op::ScanStep { count }),
        1 => Just(Op::Clear),
    ]
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// Does the operation to both. Shared with the tests of `snapshot`.
fn apply(slot: &mut Slot, model: &mut Model, op: &Op) {
    match op {
        Op::Set { key: k, value, ttl } => {
            let (k, ttl) = (key(*k), ttl.map_or(Ttl::Clear, Ttl::At));
            let existed = slot.set_string(hash(&k), &k, StringValue::encode(value), ttl);
            let expire = if let Ttl::At(at) = ttl { Some(at) } else { None };
            assert_eq!(existed, model.insert(k, (value.clone(), expire)).is_some());
        }
        Op::Insert { key: k, value, expire } => {
            let k = key(*k);
            let removed = slot.insert(hash(&k), &k, Value::Int(*value), *expire);
            let old = model.insert(k, (value.to_string().into_bytes(), *expire));
            assert_eq!(removed.map(|removed| (string(removed.entry()), removed.expire_at())), old);
        }
        Op::Append { key: k, value } => {
            let k = key(*k);
            let len = slot.get_mut(hash(&k), &k).and_then(|mut entry| entry.append(value));
            let old = model.get_mut(&k).map(|(old, _)| {
                old.extend_from_slice(value);
                old.len()
            });
            assert_eq!(len, old);
        }
        Op::WriteAt { key: k, at, byte } => {
            let k = key(*k);
            if let Some(mut entry) = slot.get_mut(hash(&k), &k) {
                entry.bytes_mut(at + 1).expect("a string")[*at] = *byte;
            }
            if let Some((old, _)) = model.get_mut(&k) {
                old.resize(old.len().max(at + 1), 0);
                old[*at] = *byte;
            }
        }
        Op::Remove { key: k } => {
            let k = key(*k);
            let removed = slot.remove(hash(&k), change(&k, Cause::Deleted), &mut Witness::default());
            let removed = removed.map(|removed| (string(removed.entry()), removed.expire_at()));
            assert_eq!(removed, model.remove(&k));
        }
        Op::Expire { key: k, at } => {
            let k = key(*k);
            let known = model.get_mut(&k).map(|(_, expire)| *expire = *at).is_some();
            assert_eq!(slot.set_expire(hash(&k), &k, *at), known);
        }
        Op::Rename { from, to } => {
            let (from, to) = (key(*from), key(*to));
            if let Some(moved) = slot.remove(hash(&from), change(&from, Cause::Deleted), &mut Witness::default()) {
                slot.put(hash(&to), &to, moved);
                let value = model.remove(&from).expect("the slot had it");
                model.insert(to, value);
            }
        }
        Op::PopDue { now } => {
            let first = model.values().filter_map(|(_, expire)| *expire).min().filter(|at| at < now);
            let mut witness = Witness::default();
            assert_eq!(slot.expire_due((0, SlotId::FIRST), *now, 1, &mut witness), usize::from(first.is_some()));
            if let Some(removed) = witness.removed.first() {
                assert_eq!(model.remove(removed.key()), Some((string(removed.entry()), first)));
            }
        }
        Op::ScanStep { .. } => {}
        Op::Clear => {
            drop(slot.clear(0, hash, &mut Witness::default()));
            model.clear();
        }
    }
}

fn contents(slot: &Slot) -> Model {
    slot.iter().map(|entry| (entry.key().to_vec(), (string(entry), entry.expire_at()))).collect()
}

fn check(slot: &Slot, model: &Model) {
    assert_eq!(&contents(slot), model);
    assert_eq!(slot.len(), model.len());
    assert_eq!(slot.expires_len(), model.values().filter(|(_, expire)| expire.is_some()).count());
    assert_eq!(slot.next_expiry(), model.values().filter_map(|(_, expire)| *expire).min());
    for key in model.keys() {
        assert!(slot.get(hash(key), key).is_some_and(|entry| entry.key() == key));
    }
}

/// Keys that were there through a whole iteration, and what the iteration returned.
#[derive(Default)]
struct Scan {
    position: u32,
    stayed: BTreeSet<Vec<u8>>,
    returned: Vec<Vec<u8>>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_slot_is_a_map_and_scan_keeps_its_promise(ops in prop::collection::vec(op(), 0..400)) {
        let (mut slot, mut model, mut scan) = (Slot::EMPTY, Model::new(), None::<Scan>);
        for op in &ops {
            apply(&mut slot, &mut model, op);
            if let Some(scan) = &mut scan {
                scan.stayed.retain(|key| model.contains_key(key));
            }
            if let Op::ScanStep { count } = op {
                let state = scan.get_or_insert_with(|| Scan { stayed: model.keys().cloned().collect(), ..Scan::default() });
                let next = slot.scan(state.position, *count, |entry| state.returned.push(entry.key().to_vec()));
                if let Some(position) = next {
                    state.position = position;
                } else {
                    let state = scan.take().expect("it is under way");
                    prop_assert!(state.stayed.iter().all(|key| state.returned.contains(key)), "a key that stays is returned");
                    for key in &state.stayed {
                        prop_assert_eq!(state.returned.iter().filter(|other| *other == key).count(), 1);
                    }
                }
            }
        }
        check(&slot, &model);
    }
}

mod snapshots {
    //! The snapshot's promise: whatever is written between its steps, it has the state at the cut, each key once.

    use super::*;

    /// Writes and steps in any order between the cut and the end; sometimes the snapshot is abandoned for a new cut.
    #[derive(Clone, Debug)]
    enum Event {
        Write(Op),
        Step(usize),
        Cut,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![8 => op().prop_map(Event::Write), 4 => (1usize..12).prop_map(Event::Step), 1 => Just(Event::Cut)]
    }

    fn step(slot: &mut Slot, limit: usize, emitted: &mut Model) -> bool {
        slot.snapshot_step(limit, |entry| {
            let entry = entry.as_ref();
            let key = entry.key().to_vec();
            let twice = emitted.insert(key, (string(entry), entry.expire_at()));
            assert_eq!(twice, None, "a key is handed out once");
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_snapshot_is_the_state_at_its_cut(
            before in prop::collection::vec(op(), 0..300),
            events in prop::collection::vec(event(), 0..200),
        ) {
            let (mut slot, mut model, mut epoch) = (Slot::EMPTY, Model::new(), 1);
            for op in &before {
                apply(&mut slot, &mut model, op);
            }
            slot.join_cut(epoch, &Arc::default());
            let (mut at_cut, mut emitted) = (model.clone(), Model::new());
            for event in &events {
                match event {
                    Event::Write(op) => apply(&mut slot, &mut model, op),
                    Event::Step(limit) => {
                        if step(&mut slot, *limit, &mut emitted) {
                            prop_assert_eq!(&emitted, &at_cut);
                            prop_assert!(!slot.snapshot_pending());
                        }
                    }
                    Event::Cut => {
                        epoch += 1;
                        slot.join_cut(epoch, &Arc::default());
                        (at_cut, emitted) = (model.clone(), Model::new());
                    }
                }
            }
            while !step(&mut slot, 7, &mut emitted) {}
            prop_assert_eq!(&emitted, &at_cut);
            let cut = slot.cut();
            prop_assert!(slot.iter().all(|entry| entry.cut() == cut) && slot.parts.extra().is_none(), "all is settled");
            check(&slot, &model);
        }
    }

    #[test]
    fn lists_are_told_as_they_were() {
        let mut slot = Slot::EMPTY;
        let h = hash(b"l");
        let mut list = List::new(ListOptions::default());
        list.push_back(b"a");
        slot.insert(h, b"l", Value::from(list), None);
        slot.join_cut(1, &Arc::default());
        for _ in 0..3 {
            slot.get_mut(h, b"l").expect("there").edit::<List>().expect("a list").push_back(b"b");
        }
        let mut lengths = Vec::new();
        let done = slot.snapshot_step(10, |entry| {
            if let Some(list) = entry.as_ref().collection::<List>() {
                lengths.push(list.len());
            }
        });
        assert!(done && lengths == [1]);
        assert_eq!(slot.get(h, b"l").and_then(EntryRef::collection::<List>).map(List::len), Some(4));
    }

    /// A long string that was changed has been copied once, while its writer waited, and is not copied again.
    #[test]
    fn what_was_kept_is_handed_over() {
        let mut slot = Slot::EMPTY;
        let h = hash(b"s");
        slot.insert(h, b"s", Value::Str(vec![b'a'; 100_000]), None);
        slot.join_cut(1, &Arc::default());
        assert_eq!(slot.get_mut(h, b"s").expect("there").append(b"b"), Some(100_001));
        let mut passed = Vec::new();
        let done = slot.snapshot_step(10, |entry| match entry {
            AtCut::Kept(entry) => passed.push(entry),
            AtCut::Present(entry) => panic!("{:?} has been changed", entry.key()),
        });
        assert!(done && passed.len() == 1);
        assert!(matches!(passed[0].as_ref().value(), ValueRef::Str(bytes) if bytes == vec![b'a'; 100_000]));
    }
}
