//! RESTORE payloads: any bytes are refused or give a value that is whole, can be changed like any other, and is dumped
//! and restored to an equal one. The checksum is skipped, as a mutated input would never pass it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slotd::parts::stream::{
    Delivery, Group, Keep, Pending, References, Removal, Stream, StreamId, StreamLimits, Trim,
};
use slotd::parts::{
    Collection, Digest, Hash, HashLimits, List, ListOptions, PayloadLimits, Set, SetLimits, Value, ValueRef, ZSet,
    ZSetOptions, dump, restore,
};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, payload)) = data.split_first() else { return };
    let list = ListOptions {
        fill: i16::from(choice & 0x0f) - 5,
        compress_depth: u16::from(choice >> 4 & 3),
        packed_threshold: if choice & 0x40 == 0 { 1 << 30 } else { 40 },
    };
    let zset = ZSetOptions { max_entries: usize::from(choice >> 3), ..ZSetOptions::default() };
    let hash = HashLimits { max_entries: usize::from(choice & 0x0f) * 20, max_value: 40, seed: 1 };
    let entries = usize::from(choice & 0x0f);
    let set = SetLimits { max_ints: entries * 20, max_packed: entries * 3, max_value: 40, seed: 1 };
    let limits = PayloadLimits { list, hash, set, zset, ..PayloadLimits::default() };
    let Ok(mut value) = restore(payload, &limits, false) else { return };
    if let Value::Collection(collection) = &mut value {
        match &mut **collection {
            Collection::List(list) => exercise(list, payload),
            Collection::ZSet(zset) => exercise_zset(zset, payload),
            Collection::Hash(hash) => exercise_hash(hash, &limits.hash, payload),
            Collection::Set(set) => exercise_set(set, &limits.set, payload),
            Collection::Stream(stream) => exercise_stream(stream, payload),
        }
        if collection.is_empty() {
            return;
        }
    }
    let again = restore(&dump(&value.as_ref()), &limits, true).expect("what is dumped can be restored");
    assert_eq!(digest(&again.as_ref()), digest(&value.as_ref()));
});

/// Does to the list what the input says, and checks that its length is always true.
fn exercise(list: &mut List, script: &[u8]) {
    for step in script.chunks_exact(2).take(64) {
        let (op, at) = (step[0], i64::from(step[1] as i8));
        match op % 8 {
            0 => list.push_front(script),
            1 => list.push_back(&step[..1]),
            2 => drop(list.pop_front()),
            3 => drop(list.pop_back()),
            4 => drop(list.set(at, script)),
            5 => drop(list.remove(&step[1..], at)),
            6 => drop(list.remove_range(usize::from(step[1]), 3)),
            _ => {
                if let Some(pivot) = list.with_index(at, |element| element.to_vec()) {
                    assert!(list.insert_after(&pivot, step));
                }
            }
        }
        let mut counted = 0;
        list.range(0, usize::MAX, |_| counted += 1);
        assert_eq!(counted, list.len());
    }
}

/// The same for a sorted set.
fn exercise_zset(zset: &mut ZSet, script: &[u8]) {
    let options = ZSetOptions { max_entries: 20, max_value: 40, seed: 1 };
    for step in script.chunks_exact(3).take(64) {
        let (op, at, score) = (step[0], usize::from(step[1]), f64::from(step[2] as i8) / 2.0);
        match op % 5 {
            0 => _ = zset.update(&script[..at.min(script.len())], &options, |_| Some(score)),
            1 => {
                let sum = |old: Option<f64>| Some(old.unwrap_or(0.0) + score).filter(|new| !new.is_nan());
                _ = zset.update(&step[1..], &options, sum);
            }
            2 => _ = zset.remove(&step[1..]),
            3 => zset.remove_range(at..at + 2),
            _ => zset.pack(&options),
        }
        let (mut counted, mut last) = (0, f64::NEG_INFINITY);
        zset.for_each(|_, score| {
            assert!(last <= score);
            (counted, last) = (counted + 1, score);
        });
        assert_eq!(counted, zset.len());
    }
}

/// The same for a hash.
fn exercise_hash(hash: &mut Hash, limits: &HashLimits, script: &[u8]) {
    for step in script.chunks_exact(2).take(64) {
        let (before, at) = (hash.len(), i64::from(step[1]) * 1000);
        let added = match step[0] % 10 {
            0 => isize::from(hash.set(&step[1..], script, limits)),
            1 => isize::from(hash.set(step, &step[..1], limits)),
            2 => -isize::from(hash.remove(&step[1..])),
            3 => -isize::from(hash.remove(step)),
            4 => isize::from(hash.set_until(&step[1..], script, at, limits)),
            5 => isize::from(hash.set_until(step, &step[1..], at, limits)),
            6 => isize::from(hash.set_keeping(&step[1..], step, limits)),
            7 | 8 => {
                hash.set_expiry(&step[1..], (step[0] > 99).then_some(at), limits);
                0
            }
            _ => {
                let budget = usize::from(step[0] / 10);
                let due = hash.take_due(at, budget).fields.len();
                assert!(due <= budget);
                assert!(due == budget || hash.next_expiry().is_none_or(|next| next >= at), "all that was due is taken");
                -(due as isize)
            }
        };
        hash.settle();
        assert_eq!(before.checked_add_signed(added), Some(hash.len()));
    }
}

/// The same for a set.
fn exercise_set(set: &mut Set, limits: &SetLimits, script: &[u8]) {
    for step in script.chunks_exact(2).take(64) {
        let (before, number) = (set.len(), (i64::from(step[1]) << (step[0] / 5)).to_string());
        let added = match step[0] % 5 {
            0 => isize::from(set.add(number.as_bytes(), limits)),
            1 => isize::from(set.add(step, limits)),
            2 => isize::from(set.add(script, limits)),
            3 => -isize::from(set.remove(number.as_bytes())),
            _ => -isize::from(set.remove(step)),
        };
        set.settle();
        assert_eq!(before.checked_add_signed(added), Some(set.len()));
    }
}

/// The same for a stream.
fn exercise_stream(stream: &mut Stream, script: &[u8]) {
    let limits = StreamLimits { node_bytes: 200, node_entries: 3 };
    for step in script.chunks_exact(2).take(64) {
        let (op, at) = (step[0], usize::from(step[1]));
        let id = stream.log().range(StreamId::MIN, StreamId::MAX).nth(at % 8).map_or(StreamId::MIN, |entry| entry.id);
        let name = stream.groups().next().map_or_else(|| b"group".to_vec(), |(name, _)| name.to_vec());
        let references = [References::Keep, References::Remove, References::Respect][usize::from(op) / 9 % 3];
        let keep = if op > 99 { Keep::From(id) } else { Keep::Last(at as u64) };
        match op % 9 {
            0 => _ = stream.log_mut().add(None, &[(&step[..1], script)][..], &limits, 1),
            1 => {
                stream.log_mut().delete(id);
                stream.log_mut().deleted();
            }
            2 => _ = stream.log_mut().trim(Trim { keep: Keep::Last(at as u64), whole_nodes: op > 99, limit: 0 }),
            3 => _ = stream.log_mut().trim(Trim { keep: Keep::From(id), whole_nodes: op > 99, limit: 0 }),
            4 => _ = stream.add_group(&name, Group::new(id, -1)),
            5 => _ = stream.edit_group(&name, |group, log| {
                group.add_consumer(step, 1);
                let consumer = &group.consumer(step).expect("it was added").0.clone();
                group.deliver(log, Delivery { consumer, count: at, noack: op > 99, now: 1 }, |_, _| ());
                if log.get(id).is_some() {
                    let pending = Pending::new(1, 1, consumer);
                    group.set_pending(id, pending);
                }
            }),
            6 => {
                _ = stream.remove(id, references, &mut Removal::default());
                stream.log_mut().deleted();
            }
            7 => _ = stream.trim(Trim { keep, whole_nodes: at > 99, limit: u64::from(op) / 50 }, references),
            _ => _ = stream.edit_group(&name, |group, log| {
                group.acknowledge(id);
                group.lag(log);
                let first = group.consumers().next().map(|(name, _)| name.to_vec());
                first.filter(|_| at > 200).map(|name| group.remove_consumer(&name))
            }),
        }
        let log = stream.log();
        assert_eq!(log.range(StreamId::MIN, StreamId::MAX).count() as u64, log.len());
        assert_eq!(log.range_back(StreamId::MIN, StreamId::MAX).count() as u64, log.len());
        for (_, group) in stream.groups() {
            let owned: usize = group.consumers().map(|(_, consumer)| consumer.pending_count()).sum();
            assert_eq!(owned, group.pending_count());
        }
    }
}

fn digest(value: &ValueRef<'_>) -> Digest {
    Digest::of_value(value, false)
}
