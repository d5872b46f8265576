//! What may go and what stays, against a plain reading of the rules.

use std::collections::BTreeSet;

use super::super::{Delivery, StreamLimits, WrittenId};
use super::*;
use crate::store::Value;
use crate::store::payload::{PayloadLimits, dump, restore};
use proptest::prelude::*;

const ENTRY: &[(&[u8], &[u8])] = &[(b"f", b"v")];

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 1)
}

/// A stream of so many entries in nodes of three. Each group has read so many, and acknowledged every `every`-th.
fn stream(entries: u64, groups: &[(u64, u64)]) -> Stream {
    let mut stream = Stream::new();
    let limits = StreamLimits { node_entries: 3, ..StreamLimits::default() };
    for ms in 1..=entries {
        stream.log_mut().add(Some(WrittenId { id: id(ms), has_seq: true }), ENTRY, &limits, 0).expect("it is greater");
    }
    for (number, (read, every)) in groups.iter().enumerate() {
        let name = format!("g{number}");
        stream.add_group(name.as_bytes(), Group::new(StreamId::MIN, 0));
        stream.edit_group(name.as_bytes(), |group, log| {
            let consumer = group.add_consumer(b"c", 1).expect("it is new");
            let delivery = Delivery { consumer: &consumer, count: *read as usize, noack: false, now: 1 };
            group.deliver(log, delivery, |_, _| ());
            (1..=*read).filter(|ms| ms % every == 0).for_each(|ms| _ = group.acknowledge(id(ms)));
        });
    }
    stream
}

fn left(stream: &Stream) -> BTreeSet<u64> {
    stream.log().range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id.ms).collect()
}

fn pending(stream: &Stream) -> Vec<BTreeSet<u64>> {
    stream.groups().map(|(_, group)| group.pending_from(StreamId::MIN).map(|(id, _)| id.ms).collect()).collect()
}

/// What is counted is what a fresh copy of the same data takes.
fn check(stream: &Stream) {
    let value = Value::from(stream.clone());
    let payload = dump(&value.as_ref());
    let again = restore(&payload, &PayloadLimits::default(), true).expect("it is well-formed");
    assert_eq!(dump(&again.as_ref()), payload);
    assert_eq!(stream.log().len(), left(stream).len() as u64);
    let first = stream.log().range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id);
    assert_eq!(stream.log().counters().first_id, first);
}

#[test]
fn an_entry_that_a_group_has_not_read_or_acknowledged_is_needed() {
    let mut stream = stream(4, &[(3, 2), (2, 1)]);
    let mut removal = Removal::default();
    let found: Vec<_> = [1, 2, 3, 4, 9].map(|ms| stream.remove(id(ms), References::Respect, &mut removal)).to_vec();
    use Removed::*;
    assert_eq!(found, [Needed, Gone, Needed, Needed, Missing]);
    assert_eq!((removal.deleted, removal.released), (vec![id(2)], vec![]));
}

#[test]
fn references_to_an_entry_that_is_gone_can_still_be_removed() {
    let mut stream = stream(3, &[(3, 9)]);
    let mut removal = Removal::default();
    assert_eq!(stream.remove(id(2), References::Keep, &mut removal), Removed::Gone);
    assert_eq!(pending(&stream), [BTreeSet::from([1, 2, 3])]);
    assert_eq!(stream.remove(id(2), References::Remove, &mut removal), Removed::Missing);
    assert_eq!(pending(&stream), [BTreeSet::from([1, 3])]);
    assert_eq!(removal.released, [(Name::from(&b"g0"[..]), id(2))]);
}

#[test]
fn a_trim_of_whole_nodes_does_not_make_up_for_old_entries_with_newer_ones() {
    let mut stream = stream(10, &[(10, 2)]);
    let removal = stream.trim(Trim { keep: Keep::Last(6), whole_nodes: true, limit: 0 }, References::Respect);
    assert_eq!((removal.count(), left(&stream).len()), (0, 10), "2, 4, 6 and 8 are to go, and no whole node");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_trim_removes_what_its_references_allow(
        entries in 0..20u64,
        groups in prop::collection::vec((0..20u64, 1..4u64), 0..3),
        keep in prop_oneof![(0..20u64).prop_map(Keep::Last), (0..20u64).prop_map(|ms| Keep::From(id(ms)))],
        whole_nodes: bool,
        how in 0..3usize,
    ) {
        let references = [References::Keep, References::Remove, References::Respect][how];
        let mut trimmed = stream(entries, &groups);
        let (all, waiting) = (left(&trimmed), pending(&trimmed));
        let read = |ms: u64| groups.iter().all(|(read, _)| *read >= ms);
        let needed = |ms: u64| !read(ms) || waiting.iter().any(|group| group.contains(&ms));
        let removal = trimmed.trim(Trim { keep, whole_nodes, limit: 0 }, references);
        check(&trimmed);
        let gone: BTreeSet<u64> = all.difference(&left(&trimmed)).copied().collect();
        prop_assert_eq!(gone.len() as u64, removal.count());
        // The same by the rules.
        let mut expected = BTreeSet::new();
        for ms in &all {
            let is_enough = match keep {
                Keep::Last(max) => all.len() as u64 - expected.len() as u64 <= max,
                Keep::From(first) => id(*ms) >= first,
            };
            let stays = references == References::Respect && needed(*ms);
            if !is_enough && !stays {
                expected.insert(*ms);
            }
        }
        prop_assert!(if whole_nodes { gone.is_subset(&expected) } else { gone == expected }, "{gone:?} {expected:?}");
        for (before, after) in waiting.iter().zip(pending(&trimmed)) {
            let released = before.difference(&after).copied().collect::<BTreeSet<u64>>();
            let wanted = if references == References::Remove { before & &gone } else { BTreeSet::new() };
            prop_assert_eq!(released, wanted);
        }
    }
}
