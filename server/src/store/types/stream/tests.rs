//! Streams against a model of vectors and maps, under random operations with nodes so small that there are many.

use std::collections::BTreeMap;

use super::*;
use crate::store::payload::{PayloadLimits, dump, restore};
use crate::store::{Value, ValueRef};
use proptest::prelude::*;

type Texts = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(texts: &Texts) -> Vec<(&[u8], &[u8])> {
    texts.iter().map(|(name, value)| (&**name, &**value)).collect()
}

fn texts(entry: Entry<'_>) -> (StreamId, Texts) {
    (entry.id, entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

fn all(log: &Log) -> Vec<(StreamId, Texts)> {
    log.range(StreamId::MIN, StreamId::MAX).map(texts).collect()
}

fn written(ms: u64, seq: u64) -> Option<WrittenId> {
    Some(WrittenId { id: StreamId::new(ms, seq), has_seq: true })
}

fn add(stream: &mut Stream, ms: u64, seq: u64) {
    let entry: &[(&[u8], &[u8])] = &[(b"f", b"v")];
    stream.log_mut().add(written(ms, seq), entry, &StreamLimits::default(), 0).expect("it is greater");
}

/// What is known of a group: owners and deliveries of what is pending.
type ModelGroup = (StreamId, BTreeMap<StreamId, (Vec<u8>, u64)>);

#[derive(Clone, Debug, Default)]
struct Model {
    entries: BTreeMap<StreamId, Texts>,
    last_id: StreamId,
    groups: BTreeMap<Vec<u8>, ModelGroup>,
}

#[derive(Clone, Debug)]
enum Op {
    Add { ms: u64, texts: Texts },
    AddNow { texts: Texts },
    Delete { at: usize },
    Trim { keep: u64, whole: bool },
    TrimFrom { at: usize, whole: bool },
    AddGroup { name: u8 },
    RemoveGroup { name: u8 },
    Deliver { name: u8, consumer: u8, count: usize },
    Acknowledge { name: u8, at: usize },
    RemoveConsumer { name: u8, consumer: u8 },
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    let word = prop_oneof![
        Just(b"f".to_vec()),
        Just(b"12".to_vec()),
        Just(b"-70000".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
        (0..200usize).prop_map(|len| vec![b'w'; len]),
    ];
    let field = prop_oneof![Just(b"f".to_vec()), Just(b"12".to_vec()), Just(b"g".to_vec())];
    let texts = prop::collection::vec((field, word), 1..4);
    prop_oneof![
        4 => (0..4u64, texts.clone()).prop_map(|(ms, texts)| Op::Add { ms, texts }),
        4 => texts.prop_map(|texts| Op::AddNow { texts }),
        3 => any::<usize>().prop_map(|at| Op::Delete { at }),
        1 => (0..30u64, any::<bool>()).prop_map(|(keep, whole)| Op::Trim { keep, whole }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(at, whole)| Op::TrimFrom { at, whole }),
        1 => (0..3u8).prop_map(|name| Op::AddGroup { name }),
        1 => (0..9u8).prop_map(|name| Op::RemoveGroup { name }),
        4 => (0..3u8, 0..3u8, 0..9usize).prop_map(|(name, consumer, count)| Op::Deliver { name, consumer, count }),
        3 => (0..3u8, any::<usize>()).prop_map(|(name, at)| Op::Acknowledge { name, at }),
        1 => (0..3u8, 0..6u8).prop_map(|(name, consumer)| Op::RemoveConsumer { name, consumer }),
        1 => Just(Op::Reload),
    ]
}

fn nth<K: Copy, V>(map: &BTreeMap<K, V>, at: usize) -> Option<K> {
    map.keys().nth(at.checked_rem(map.len())?).copied()
}

fn apply(stream: &mut Stream, model: &mut Model, op: &Op) {
    let limits = StreamLimits { node_bytes: 300, node_entries: 5 };
    match op {
        Op::Add { ms, texts } => {
            let id = StreamId::new(model.last_id.ms + ms, if *ms == 0 { model.last_id.seq + 3 } else { 7 });
            let wanted = Some(WrittenId { id, has_seq: true });
            assert_eq!(stream.log_mut().add(wanted, &*pairs(texts), &limits, 5), Ok(id));
            assert_eq!(stream.log_mut().add(wanted, &*pairs(texts), &limits, 5), Err(NotAdded::NotGreater));
            model.entries.insert(id, texts.clone());
            model.last_id = id;
        }
        Op::AddNow { texts } => {
            let id = stream.log_mut().add(None, &*pairs(texts), &limits, 5).expect("there is a next id");
            assert!(id > model.last_id && id.ms == model.last_id.ms.max(5));
            model.entries.insert(id, texts.clone());
            model.last_id = id;
        }
        Op::Delete { at } => {
            let id = nth(&model.entries, *at).unwrap_or_default();
            assert_eq!(stream.log_mut().delete(id), model.entries.remove(&id).is_some());
            assert!(!stream.log_mut().delete(id));
            stream.log_mut().deleted();
        }
        Op::Trim { keep, whole } => {
            let trim = Trim { keep: Keep::Last(*keep), whole_nodes: *whole, limit: 0 };
            let removed = stream.log_mut().trim(trim);
            let most = (model.entries.len() as u64).saturating_sub(*keep);
            assert!(if *whole { removed <= most } else { removed == most });
            (0..removed).for_each(|_| drop(model.entries.pop_first()));
        }
        Op::TrimFrom { at, whole } => {
            let first = nth(&model.entries, *at).unwrap_or(StreamId::MAX);
            let trim = Trim { keep: Keep::From(first), whole_nodes: *whole, limit: 0 };
            let removed = stream.log_mut().trim(trim);
            let most = model.entries.range(..first).count() as u64;
            assert!(if *whole { removed <= most } else { removed == most });
            (0..removed).for_each(|_| drop(model.entries.pop_first()));
        }
        Op::Reload => {
            let reloaded = restored(&dump(&Value::from(stream.clone()).as_ref()));
            *stream = stream_in(&reloaded).clone();
        }
        Op::AddGroup { .. }
        | Op::RemoveGroup { .. }
        | Op::Deliver { .. }
        | Op::Acknowledge { .. }
        | Op::RemoveConsumer { .. } => apply_to_group(stream, model, op),
    }
}

fn apply_to_group(stream: &mut Stream, model: &mut Model, op: &Op) {
    match *op {
        Op::AddGroup { name } => {
            let fresh = model.groups.insert(vec![name], (StreamId::MIN, BTreeMap::new()));
            assert_eq!(stream.add_group(&[name], Group::new(StreamId::MIN, 0)), fresh.is_none());
            if let Some(old) = fresh {
                model.groups.insert(vec![name], old);
            }
        }
        Op::RemoveGroup { name } => {
            assert_eq!(stream.remove_group(&[name]), model.groups.remove(&[name][..]).is_some());
        }
        Op::Deliver { name, consumer, count } => {
            let mut seen = Vec::new();
            let delivered = stream.edit_group(&[name], |group, log| {
                group.add_consumer(&[consumer], 1);
                let consumer = &group.consumer(&[consumer]).expect("it is there").0.clone();
                group.deliver(log, Delivery { consumer, count, noack: false, now: 2 }, |entry, last_id| {
                    assert_eq!(entry.id, last_id);
                    seen.push(entry.id);
                })
            });
            let Some((last_id, pending)) = model.groups.get_mut(&[name][..]) else {
                assert_eq!(delivered, None);
                return;
            };
            let after = (std::ops::Bound::Excluded(*last_id), std::ops::Bound::Unbounded);
            let want: Vec<StreamId> = model.entries.range(after).take(count).map(|(id, _)| *id).collect();
            assert_eq!((delivered, &seen), (Some(want.len()), &want));
            *last_id = want.last().copied().unwrap_or(*last_id);
            want.iter().for_each(|id| _ = pending.insert(*id, (vec![consumer], 1)));
        }
        Op::Acknowledge { name, at } => {
            let Some((_, pending)) = model.groups.get_mut(&[name][..]) else { return };
            let id = nth(pending, at).unwrap_or_default();
            let acknowledged = stream.edit_group(&[name], |group, _| group.acknowledge(id));
            assert_eq!(acknowledged, Some(pending.remove(&id).is_some()));
        }
        Op::RemoveConsumer { name, consumer } => {
            let removed = stream.edit_group(&[name], |group, _| group.remove_consumer(&[consumer])).flatten();
            let Some((_, pending)) = model.groups.get_mut(&[name][..]) else { return };
            let before = pending.len();
            pending.retain(|_, (owner, _)| *owner != [consumer]);
            assert_eq!(removed.unwrap_or(0), before - pending.len());
        }
        _ => unreachable!("only changes of groups come here"),
    }
}

fn restored(payload: &[u8]) -> Value {
    restore(payload, &PayloadLimits::default(), true).expect("what is dumped can be restored")
}

fn stream_in(value: &Value) -> &Stream {
    value.as_ref().collection::<Stream>().expect("it is a stream")
}

fn check(stream: &Stream, model: &Model) {
    let log = stream.log();
    assert_eq!(log.len(), model.entries.len() as u64);
    assert_eq!(all(log), model.entries.clone().into_iter().collect::<Vec<_>>());
    let mut back: Vec<_> = log.range_back(StreamId::MIN, StreamId::MAX).map(texts).collect();
    back.reverse();
    assert_eq!(back, all(log));
    assert_eq!(log.counters().last_id, model.last_id);
    assert_eq!(log.counters().first_id, model.entries.first_key_value().map_or(StreamId::MIN, |(id, _)| *id));
    assert_eq!(log.last_live(), model.entries.last_key_value().map(|(id, _)| *id));
    if let Some(id) = nth(&model.entries, model.entries.len() / 2) {
        assert_eq!(log.get(id).map(texts), model.entries.get(&id).map(|texts| (id, texts.clone())));
        let ends = (StreamId::new(id.ms, 0), StreamId::new(id.ms, u64::MAX));
        let want: Vec<StreamId> = model.entries.range(ends.0..=ends.1).map(|(id, _)| *id).collect();
        assert_eq!(log.range(ends.0, ends.1).map(|entry| entry.id).collect::<Vec<_>>(), want);
        let back: Vec<StreamId> = log.range_back(ends.0, ends.1).map(|entry| entry.id).collect();
        assert_eq!(back, want.into_iter().rev().collect::<Vec<_>>());
    }
    assert_eq!(stream.group_count(), model.groups.len());
    for ((name, group), (want_name, (last_id, pending))) in stream.groups().zip(&model.groups) {
        assert_eq!((&**name, group.last_id), (&**want_name, *last_id));
        let got: BTreeMap<_, _> =
            group.pending_from(StreamId::MIN).map(|(id, p)| (id, (p.owner.to_vec(), p.deliveries))).collect();
        assert_eq!(got, *pending);
        let mut owned: Vec<_> = group.consumers().flat_map(|(_, c)| c.pending_from(StreamId::MIN)).collect();
        owned.sort();
        assert!(owned.iter().eq(pending.keys()));
    }
}

/// Bytes counted anew.
fn recounted(stream: &Stream) -> usize {
    let copy = Stream(Box::new(Body { log: stream.0.log.clone(), groups: stream.0.groups.clone() }));
    let Body { log, groups } = &*copy.0;
    let groups = groups.as_ref().map_or(0, |groups| {
        let each = |(name, group): (&Name, &Arc<Group>)| weight(group) + group::name_memory(name);
        spent(size_of::<Groups>()) + groups.groups.memory() + groups.groups.iter().map(each).sum::<usize>()
    });
    let nodes: usize = log.nodes.iter().map(|(_, node)| node.memory()).sum();
    spent(size_of::<Body>()) + log.nodes.memory() + nodes + groups
}

/// The nodes of Redis's radix tree, counted anew.
fn radix_nodes(log: &Log) -> usize {
    let mut keys = ChunkMap::default();
    let each = log.nodes.iter().map(|(id, _)| {
        keys.insert(*id, ());
        radix::nodes_of(&keys, *id)
    });
    radix::EMPTY + each.sum::<usize>()
}

proptest! {
    #[test]
    fn it_is_an_ordered_log_with_groups(ops in prop::collection::vec(op(), 1..120)) {
        let (mut stream, mut model) = (Stream::new(), Model::default());
        let mut snapshots = Vec::new();
        for (step, op) in ops.iter().enumerate() {
            if step % 7 == 0 {
                snapshots.push((stream.clone(), model.clone()));
            }
            apply(&mut stream, &mut model, op);
            check(&stream, &model);
            prop_assert_eq!(stream.log().radix_tree_nodes(), radix_nodes(stream.log()));
            // A copy of a map has no spare room, so only what nodes and groups take is counted anew.
            let maps = |stream: &Stream| stream.0.log.nodes.memory()
                + stream.0.groups.as_ref().map_or(0, |groups| groups.groups.memory());
            let copy = stream.clone();
            prop_assert_eq!(stream.heap_bytes() - maps(&stream), recounted(&stream) - maps(&copy));
        }
        for (snapshot, model) in &snapshots {
            check(snapshot, model);
        }
        let payload = dump(&Value::from(stream.clone()).as_ref());
        let again = restored(&payload);
        check(stream_in(&again), &model);
        prop_assert_eq!(dump(&again.as_ref()), payload);
    }
}

#[test]
fn a_stream_is_small() {
    assert_eq!(size_of::<Stream>(), size_of::<usize>());
    let mut stream = Stream::new();
    for number in 0..10u64 {
        let (user, state) = (format!("u{number:07}"), format!("s{number}"));
        let entry: &[(&[u8], &[u8])] = &[(b"user", user.as_bytes()), (b"state", state.as_bytes())];
        let id = written(1_700_000_000_000 + number * 250, 1);
        stream.log_mut().add(id, entry, &StreamLimits::default(), 0).expect("it is greater");
    }
    assert!(stream.heap_bytes() <= 600, "{}", stream.heap_bytes());
}

#[test]
fn a_full_node_keeps_no_spare_room() {
    let mut stream = Stream::new();
    (1..=101).for_each(|ms| add(&mut stream, ms, 0));
    assert_eq!(stream.log().node_count(), 2);
    let (_, pack) = stream.log().saved_nodes().next().expect("there are nodes");
    assert!(pack.allocated_bytes() - pack.byte_len() < pack.byte_len() / 4);
}

#[test]
fn ids_end_at_the_greatest() {
    let entry: &[(&[u8], &[u8])] = &[(b"f", b"v")];
    let mut stream = Stream::new();
    let log = stream.log_mut();
    let limits = StreamLimits::default();
    assert_eq!(log.add(written(u64::MAX, u64::MAX - 1), entry, &limits, 0), Ok(StreamId::new(u64::MAX, u64::MAX - 1)));
    assert_eq!(log.add(None, entry, &limits, i64::MAX), Ok(StreamId::MAX));
    assert_eq!(log.add(None, entry, &limits, i64::MAX), Err(NotAdded::Exhausted));
    assert_eq!(all(log).len(), 2);
}

#[test]
fn stale_nodes_do_not_hide_later_entries() {
    // XSETID may set the last id back to before entries that are deleted, but still in a node.
    let mut stream = Stream::new();
    (1..=3).for_each(|ms| add(&mut stream, ms, 0));
    assert!(stream.log_mut().delete(StreamId::new(3, 0)));
    let trim = Trim { keep: Keep::From(StreamId::new(3, 0)), whole_nodes: false, limit: 0 };
    assert_eq!(stream.log_mut().trim(trim), 2);
    assert_eq!((stream.log().len(), stream.log().node_count()), (0, 1));
    *stream.log_mut().counters_mut() = Counters::default();
    add(&mut stream, 2, 0);
    assert_eq!(stream.log().range(StreamId::MIN, StreamId::MAX).count(), 1);
    let payload = dump(&Value::from(stream).as_ref());
    assert_eq!(stream_in(&restored(&payload)).len(), 1);
}

#[test]
fn a_snapshot_of_many_nodes_shares_them() {
    let mut stream = Stream::new();
    let limits = StreamLimits { node_bytes: 0, node_entries: 1 };
    let entry: &[(&[u8], &[u8])] = &[(b"f", b"v")];
    for ms in 1..=10_000 {
        stream.log_mut().add(written(ms, 0), entry, &limits, 0).expect("it is greater");
    }
    let snapshot = stream.clone();
    assert!(stream.log_mut().delete(StreamId::new(5_000, 0)));
    let shared = |a: &Log, b: &Log| a.nodes.iter().zip(b.nodes.iter()).filter(|(a, b)| Arc::ptr_eq(a.1, b.1)).count();
    assert!(shared(snapshot.log(), stream.log()) >= 4_990);
    assert_eq!((snapshot.len(), stream.len()), (10_000, 9_999));
    assert!(matches!(Value::from(snapshot).as_ref(), ValueRef::Collection(_)));
}
