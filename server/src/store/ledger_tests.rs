//! The counts are right: after any changes the bytes of a slot are the sum over its entries, and the published counts
//! are those of the slot.

use proptest::prelude::*;
use protocol::slot::key_slot;

use crate::base::rng::Rng;
use crate::store::change::Cause;
use crate::store::change::tests::{Witness, change};
use crate::store::types::hash::{Hash, HashLimits};
use crate::store::types::list::{List, ListOptions};
use crate::store::types::set::{Set, SetLimits};
use crate::store::types::stream::{Delivery, Group, Keep, Stream, StreamId, StreamLimits, Trim};
use crate::store::types::zset::{ZSet, ZSetOptions};
use crate::store::{CollectionType, EntryMut, EntryRef, Keyspace, StringValue, Ttl, Value};

/// An operation on a key.
#[derive(Clone, Debug)]
enum Op {
    Set { len: usize, ttl: Option<i64> },
    SetInt(i64),
    Lend { len: usize },
    Append { len: usize },
    WriteAt { at: usize },
    Expire(Option<i64>),
    MakeList { fill: i16, depth: u16 },
    PushFront { len: usize },
    PushBack { len: usize, times: usize },
    Pop { front: bool, times: usize },
    SetAt { at: i64, len: usize },
    InsertAfterFirst { len: usize },
    RemoveRange { start: usize, count: usize },
    SetField { field: u16, len: usize, times: usize, entries: usize },
    RemoveFields { field: u16, times: usize },
    ExpireFields { field: u16, times: usize, at: Option<i64> },
    MakeZSet,
    AddScored { from: usize, times: usize, len: usize },
    PopScored { first: bool, times: usize },
    RemoveScored { member: usize },
    Pack,
    AddMembers { first: u16, len: usize, times: usize, limit: usize },
    RemoveMembers { first: u16, len: usize, times: usize },
    PopMembers { count: usize, seed: u64 },
    MakeStream,
    AddEntries { len: usize, times: usize, node_entries: u64 },
    DeleteEntries { every: usize, from: usize },
    TrimEntries { keep: u64 },
    Deliver { consumer: u8, count: usize },
    Acknowledge { count: usize },
    Remove,
    MoveTo { key: u8 },
    CopyTo { key: u8 },
    Cut,
    Step,
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    let member_len = || prop_oneof![2 => Just(0_usize), 2 => 1..40_usize, 1 => 1_000..2_000_usize];
    let len = || prop_oneof![4 => 0..40_usize, 2 => 200..400_usize, 1 => 5_000..100_000_usize];
    prop_oneof![
        (len(), proptest::option::of(0..1000_i64)).prop_map(|(len, ttl)| Op::Set { len, ttl }),
        any::<i64>().prop_map(Op::SetInt),
        (20_000..90_000_usize).prop_map(|len| Op::Lend { len }),
        len().prop_map(|len| Op::Append { len }),
        (0..400_usize).prop_map(|at| Op::WriteAt { at }),
        proptest::option::of(0..1000_i64).prop_map(Op::Expire),
        (prop_oneof![Just(-2_i16), Just(-1), 1..5_i16], 0..3_u16)
            .prop_map(|(fill, depth)| Op::MakeList { fill, depth }),
        len().prop_map(|len| Op::PushFront { len }),
        (len(), 1..40_usize).prop_map(|(len, times)| Op::PushBack { len, times }),
        (any::<bool>(), 1..30_usize).prop_map(|(front, times)| Op::Pop { front, times }),
        (-20..20_i64, len()).prop_map(|(at, len)| Op::SetAt { at, len }),
        len().prop_map(|len| Op::InsertAfterFirst { len }),
        (0..20_usize, 1..30_usize).prop_map(|(start, count)| Op::RemoveRange { start, count }),
        (0..2000_u16, len(), prop_oneof![3 => Just(1_usize), 1 => 1..600_usize], 0..40_usize)
            .prop_map(|(field, len, times, entries)| Op::SetField { field, len: len % 2_000, times, entries }),
        (0..2000_u16, 1..900_usize).prop_map(|(field, times)| Op::RemoveFields { field, times }),
        (0..2000_u16, 1..100_usize, proptest::option::of(1..1000_i64))
            .prop_map(|(field, times, at)| Op::ExpireFields { field, times, at }),
        Just(Op::MakeZSet),
        (0..300_usize, 1..250_usize, 0..100_usize).prop_map(|(from, times, len)| Op::AddScored { from, times, len }),
        (any::<bool>(), 1..150_usize).prop_map(|(first, times)| Op::PopScored { first, times }),
        (0..300_usize).prop_map(|member| Op::RemoveScored { member }),
        Just(Op::Pack),
        (0..600_u16, member_len(), prop_oneof![3 => Just(1_usize), 1 => 1..600_usize], 0..40_usize)
            .prop_map(|(first, len, times, limit)| Op::AddMembers { first, len, times, limit }),
        (0..600_u16, member_len(), 1..300_usize).prop_map(|(first, len, times)| Op::RemoveMembers {
            first,
            len,
            times
        }),
        (0..300_usize, any::<u64>()).prop_map(|(count, seed)| Op::PopMembers { count, seed }),
        Just(Op::MakeStream),
        (0..300_usize, 1..200_usize, 1..40_u64).prop_map(|(len, times, node_entries)| Op::AddEntries {
            len,
            times,
            node_entries
        }),
        (1..5_usize, 0..100_usize).prop_map(|(every, from)| Op::DeleteEntries { every, from }),
        (0..200_u64).prop_map(|keep| Op::TrimEntries { keep }),
        (0..4_u8, 0..150_usize).prop_map(|(consumer, count)| Op::Deliver { consumer, count }),
        (0..150_usize).prop_map(|count| Op::Acknowledge { count }),
        Just(Op::Remove),
        (0..6_u8).prop_map(|key| Op::MoveTo { key }),
        (0..6_u8).prop_map(|key| Op::CopyTo { key }),
        Just(Op::Cut),
        Just(Op::Step),
        Just(Op::Clear),
    ]
}

/// Keys of one slot; the last one is too long for the entry's header.
fn key(number: u8) -> Vec<u8> {
    let mut key = format!("{{tag}}{number}").into_bytes();
    if number == 5 {
        key.resize(70_000, b'x');
    }
    key
}

/// Changes the collection at a key, if there is one of that type; an emptied key is removed.
fn edit<T: CollectionType>(keyspace: &Keyspace, key: &[u8], work: impl FnOnce(&mut T)) {
    let (hash, mut slot) = (keyspace.hash(key), keyspace.lock(0, key_slot(key)));
    let Some(mut guard) = slot.get_mut(hash, key).and_then(EntryMut::edit::<T>) else { return };
    work(&mut guard);
    if guard.finish().emptied {
        slot.remove(hash, change(key, Cause::Deleted), &mut Witness::default());
    }
}

fn edit_op(keyspace: &Keyspace, key: &[u8], op: &Op) {
    let text = |len: usize| vec![b'e'; len];
    edit(keyspace, key, |list: &mut List| match *op {
        Op::PushFront { len } => list.push_front(&text(len)),
        Op::PushBack { len, times } => (0..times).for_each(|_| list.push_back(&text(len))),
        Op::Pop { front: true, times } => (0..times).for_each(|_| drop(list.pop_front())),
        Op::Pop { front: false, times } => (0..times).for_each(|_| drop(list.pop_back())),
        Op::SetAt { at, len } => drop(list.set(at, &text(len))),
        Op::InsertAfterFirst { len } => {
            let mut first = Vec::new();
            list.range(0, 1, |element| first = element.to_vec());
            list.insert_after(&first, &text(len));
        }
        Op::RemoveRange { start, count } => drop(list.remove_range(start, count)),
        _ => unreachable!("only edits of lists come here"),
    });
}

/// Changes the hash at a key, or makes one there; an emptied key is removed.
fn hash_op(keyspace: &Keyspace, key: &[u8], op: &Op) {
    let name = |field: u16, at: usize| format!("field {}", usize::from(field) + at).into_bytes();
    let work = |hash: &mut Hash| match *op {
        Op::SetField { field, len, times, entries } => {
            let limits = HashLimits { max_entries: entries, max_value: 64, seed: 1 };
            for at in 0..times {
                hash.set(&name(field, at), &vec![b'v'; len], &limits);
            }
        }
        Op::RemoveFields { field, times } => {
            for at in 0..times {
                hash.remove(&name(field, at));
            }
        }
        Op::ExpireFields { field, times, at } => {
            let limits = HashLimits { max_entries: 20, ..HashLimits::default() };
            for at_field in 0..times {
                hash.set(&name(field, at_field), b"v", &limits);
                hash.set_expiry(&name(field, at_field), at, &limits);
            }
        }
        _ => unreachable!("only edits of hashes come here"),
    };
    let (hash, mut slot) = (keyspace.hash(key), keyspace.lock(0, key_slot(key)));
    if slot.get(hash, key).is_none() {
        let mut value = Hash::new();
        work(&mut value);
        if !value.is_empty() {
            value.settle();
            slot.insert(hash, key, Value::from(value), None);
        }
        return;
    }
    let Some(mut guard) = slot.get_mut(hash, key).and_then(EntryMut::edit::<Hash>) else { return };
    work(&mut guard);
    if guard.finish().emptied {
        slot.remove(hash, change(key, Cause::Deleted), &mut Witness::default());
    }
}

fn edit_zset(keyspace: &Keyspace, key: &[u8], op: &Op) {
    let options = ZSetOptions { max_entries: 40, ..ZSetOptions::default() };
    edit(keyspace, key, |zset: &mut ZSet| match *op {
        Op::AddScored { from, times, len } => (from..from + times).for_each(|number| {
            let member = format!("{number}{}", "m".repeat(len));
            zset.update(member.as_bytes(), &options, |_| Some((number * 7919 % 1003) as f64));
        }),
        Op::PopScored { first, times } => {
            let start = if first { 0 } else { zset.len().saturating_sub(times) };
            zset.remove_range(start..start + times);
        }
        Op::RemoveScored { member } => _ = zset.remove(member.to_string().as_bytes()),
        Op::Pack => zset.pack(&options),
        _ => unreachable!("only edits of sorted sets come here"),
    });
}

/// Changes the set at a key, or makes one there; an emptied key is removed.
fn set_op(keyspace: &Keyspace, key: &[u8], op: &Op) {
    // Without a text behind it, a member is an integer.
    let member = |first: u16, at: usize, len: usize| format!("{}{}", usize::from(first) + at, "m".repeat(len));
    let work = |set: &mut Set| match *op {
        Op::AddMembers { first, len, times, limit } => {
            let limits = SetLimits { max_ints: limit, max_packed: limit / 2, max_value: 64, seed: 1 };
            for at in 0..times {
                set.add(member(first, at, len).as_bytes(), &limits);
            }
        }
        Op::RemoveMembers { first, len, times } => {
            for at in 0..times {
                set.remove(member(first, at, len).as_bytes());
            }
        }
        Op::PopMembers { count, seed } => {
            let mut rng = Rng::new(seed);
            set.pop_many(count, || rng.next_u64(), |_| ());
        }
        _ => unreachable!("only edits of sets come here"),
    };
    let (hash, mut slot) = (keyspace.hash(key), keyspace.lock(0, key_slot(key)));
    if slot.get(hash, key).is_none() {
        let mut value = Set::new();
        work(&mut value);
        if !value.is_empty() {
            value.settle();
            slot.insert(hash, key, Value::from(value), None);
        }
        return;
    }
    let Some(mut guard) = slot.get_mut(hash, key).and_then(EntryMut::edit::<Set>) else { return };
    work(&mut guard);
    if guard.finish().emptied {
        slot.remove(hash, change(key, Cause::Deleted), &mut Witness::default());
    }
}

/// Changes the stream at a key.
fn edit_stream(keyspace: &Keyspace, key: &[u8], op: &Op) {
    edit(keyspace, key, |stream: &mut Stream| match *op {
        Op::AddEntries { len, times, node_entries } => {
            let (value, limits) = (vec![b'v'; len], StreamLimits { node_entries, ..StreamLimits::default() });
            let entry: &[(&[u8], &[u8])] = &[(b"field", &value)];
            (0..times).for_each(|_| _ = stream.log_mut().add(None, entry, &limits, 1));
        }
        Op::DeleteEntries { every, from } => {
            let ids = stream.log().range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id);
            let ids: Vec<StreamId> = ids.skip(from).step_by(every).collect();
            ids.iter().for_each(|id| assert!(stream.log_mut().delete(*id)));
        }
        Op::TrimEntries { keep } => {
            stream.log_mut().trim(Trim { keep: Keep::Last(keep), whole_nodes: keep % 2 == 0, limit: 0 });
        }
        Op::Deliver { consumer, count } => {
            stream.add_group(b"group", Group::new(StreamId::MIN, 0));
            stream.edit_group(b"group", |group, log| {
                group.add_consumer(&[consumer; 40], 1);
                let consumer = &group.consumer(&[consumer; 40]).expect("it is there").0.clone();
                group.deliver(log, Delivery { consumer, count, noack: false, now: 1 }, |_, _| ());
            });
        }
        Op::Acknowledge { count } => drop(stream.edit_group(b"group", |group, _| {
            let ids: Vec<StreamId> = group.pending_from(StreamId::MIN).map(|(id, _)| id).take(count).collect();
            ids.iter().for_each(|id| assert!(group.acknowledge(*id)));
            if count > 140 {
                group.remove_consumer(&[1; 40]);
            }
        })),
        _ => unreachable!("only edits of streams come here"),
    });
}

fn apply(keyspace: &Keyspace, name: u8, op: &Op, cut: &mut Option<crate::store::Cut>) {
    let (key, text) = (key(name), |len: usize| vec![b'v'; len]);
    let (hash, id) = (keyspace.hash(&key), key_slot(&key));
    let slot = || keyspace.lock(0, id);
    match op {
        Op::Set { len, ttl } => {
            let ttl = ttl.map_or(Ttl::Clear, Ttl::At);
            slot().set_string(hash, &key, StringValue::Bytes(&text(*len)), ttl);
        }
        Op::SetInt(number) => drop(slot().set_string(hash, &key, StringValue::Int(*number), Ttl::Keep)),
        Op::Lend { len } => {
            slot().set_string(hash, &key, StringValue::Lent(&text(*len).into()), Ttl::Keep);
        }
        Op::Append { len } => drop(slot().get_mut(hash, &key).map(|mut entry| entry.append(&text(*len)))),
        Op::WriteAt { at } => {
            if let Some(bytes) = slot().get_mut(hash, &key).as_mut().and_then(|entry| entry.bytes_mut(*at + 1)) {
                bytes[*at] = b'w';
            }
        }
        Op::Expire(at) => drop(slot().set_expire(hash, &key, *at)),
        Op::MakeList { fill, depth } => {
            let mut list = List::new(ListOptions { fill: *fill, compress_depth: *depth, ..ListOptions::default() });
            list.push_back(b"first");
            slot().insert(hash, &key, Value::from(list), None);
        }
        Op::MakeZSet => {
            let mut zset = ZSet::new();
            zset.insert(1.5, b"first", &ZSetOptions::default());
            slot().insert(hash, &key, Value::from(zset), None);
        }
        Op::AddScored { .. } | Op::PopScored { .. } | Op::RemoveScored { .. } | Op::Pack => {
            edit_zset(keyspace, &key, op);
        }
        Op::MakeStream => drop(slot().insert(hash, &key, Value::from(Stream::new()), None)),
        Op::AddEntries { .. }
        | Op::DeleteEntries { .. }
        | Op::TrimEntries { .. }
        | Op::Deliver { .. }
        | Op::Acknowledge { .. } => edit_stream(keyspace, &key, op),
        Op::Remove => drop(slot().remove(hash, change(&key, Cause::Deleted), &mut Witness::default())),
        Op::MoveTo { key: to } => {
            let (to, mut slot) = (self::key(*to), slot());
            if let Some(moved) = slot.remove(hash, change(&key, Cause::Deleted), &mut Witness::default()) {
                slot.put(keyspace.hash(&to), &to, moved);
            }
        }
        Op::CopyTo { key: to } => {
            let (to, mut slot) = (self::key(*to), slot());
            if let Some(copy) = slot.get(hash, &key).map(|entry| crate::store::Removed::copy_of(entry, &to)) {
                slot.put(keyspace.hash(&to), &to, copy);
            }
        }
        Op::Cut => *cut = Some(keyspace.cut()),
        Op::Step => {
            if let Some(cut) = cut {
                keyspace.lock_cut(cut, 0, id).snapshot_step(2, |_| ());
            }
        }
        Op::Clear => drop(slot().clear(0, |key| keyspace.hash(key), &mut Witness::default())),
        Op::PushFront { .. }
        | Op::PushBack { .. }
        | Op::Pop { .. }
        | Op::SetAt { .. }
        | Op::InsertAfterFirst { .. }
        | Op::RemoveRange { .. } => edit_op(keyspace, &key, op),
        Op::SetField { .. } | Op::RemoveFields { .. } | Op::ExpireFields { .. } => hash_op(keyspace, &key, op),
        Op::AddMembers { .. } | Op::RemoveMembers { .. } | Op::PopMembers { .. } => set_op(keyspace, &key, op),
    }
}

/// Compares the published counts with the real ones.
fn check(keyspace: &Keyspace, after: &Op) {
    let id = key_slot(&key(0));
    let published = (keyspace.slot_bytes(0, id), keyspace.slot_len(0, id), keyspace.expires_len(0));
    let slot = keyspace.lock(0, id);
    let sum: usize = slot.iter().map(EntryRef::memory).sum();
    assert_eq!((slot.bytes(), slot.len(), slot.expires_len()), (sum as u64, slot.iter().count(), published.2));
    assert_eq!((published.0, published.1), (slot.bytes(), slot.len()), "published after {after:?}");
    let expiring = slot.iter().filter(|entry| entry.expire_at().is_some()).count();
    assert_eq!(slot.expires_len(), expiring, "after {after:?}");
    let timed = slot.iter().filter(|entry| entry.next_field_expiry().is_some()).count();
    assert_eq!(slot.timed_len(), timed, "after {after:?}");
}

/// Whatever expires is found by its record in an index.
fn expire_all(keyspace: &Keyspace) {
    let id = key_slot(&key(0));
    let mut slot = keyspace.lock(0, id);
    let mut door = Witness::default();
    assert!(slot.expire_due_fields((0, id), i64::MAX, usize::MAX, &mut door) < usize::MAX);
    slot.expire_due((0, id), i64::MAX, usize::MAX, &mut door);
    assert!(slot.iter().all(|entry| entry.expire_at().is_none() && entry.next_field_expiry().is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_bytes_of_a_slot_are_the_sum_over_its_entries(ops in prop::collection::vec((0..6_u8, op()), 1..80)) {
        let keyspace = Keyspace::new(1, 7);
        let mut cut = None;
        for (name, op) in &ops {
            apply(&keyspace, *name, op, &mut cut);
            check(&keyspace, op);
        }
        expire_all(&keyspace);
    }
}

#[test]
fn a_slot_that_takes_the_keys_of_another_takes_their_bytes() {
    let (ours, fresh) = (Keyspace::new(1, 7), Keyspace::new(1, 7).sibling());
    let fill = |keyspace: &Keyspace, name: u8, len: usize| {
        let key = key(name);
        keyspace.lock(0, key_slot(&key)).set_string(
            keyspace.hash(&key),
            &key,
            StringValue::Bytes(&vec![b'v'; len]),
            Ttl::Clear,
        );
    };
    fill(&ours, 0, 10);
    fill(&fresh, 1, 1000);
    fill(&fresh, 2, 100);
    let id = key_slot(&key(0));
    let theirs = fresh.slot_bytes(0, id);
    drop(ours.lock(0, id).replace_with(0, &mut fresh.lock(0, id), |key| ours.hash(key), &mut Witness::default()));
    assert_eq!((ours.slot_bytes(0, id), ours.slot_len(0, id)), (theirs, 2));
    assert_eq!((fresh.slot_bytes(0, id), fresh.slot_len(0, id)), (0, 0));
    assert!(ours.bytes(0) > theirs, "the table counts as well");
}
