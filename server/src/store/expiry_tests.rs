//! Tests of `expiry`: the index is a sorted multiset of (instant, tag), exact and compact.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_key_lives_through_the_millisecond_of_its_expiry() {
    let mut index = ExpiryIndex::<Vec<u64>>::default();
    index.insert(1000, 5);
    assert_eq!(index.first_due(1000), None);
    assert_eq!(index.first_due(1001).map(|due| due.tag), Some(5));
    assert_eq!(index.first(), Some(1000));
}

#[test]
fn what_expires_beyond_the_range_never_does_and_can_be_removed() {
    let mut index = ExpiryIndex::<Vec<u64>>::default();
    index.insert(i64::MAX, 1);
    assert_eq!(index.first_due(i64::MAX), None);
    assert!(index.remove(i64::MAX, 1) && index.len() == 0);
    index.insert(-5, 1);
    assert!(index.first_due(1).is_some_and(|due| due.matches(Some(-5))), "before 1970 is due");
    assert!(index.remove(-5, 1) && !index.remove(-5, 1));
}

#[test]
fn setting_an_expiry_again_and_again_costs_no_memory() {
    let mut index = ExpiryIndex::<Vec<u64>>::default();
    for at in 0..100_000 {
        index.insert(at, 7);
        assert!(at == 0 || index.remove(at - 1, 7));
    }
    assert_eq!((index.len(), index.runs.len()), (1, 1));
    assert!(index.runs[0].run.capacity() < 32);
}

#[test]
fn records_are_packed() {
    let mut index = ExpiryIndex::<Vec<u64>>::default();
    (0..60).for_each(|i| index.insert(1_700_000_000_000 + i * 7919 % 61, i as u32));
    let words: usize = index.runs.iter().map(|piece| piece.run.capacity()).sum();
    assert!(words <= 75, "{words} words for 60 records");
}

/// What always holds.
fn check(index: &ExpiryIndex) {
    let runs = || index.runs.iter().map(|piece| &piece.run);
    assert!(runs().all(|run| !run.is_empty() && run.len() <= RUN && run.is_sorted()));
    assert!(runs().is_sorted_by(|a, b| a.last() <= b.first()));
    assert_eq!(index.first, runs().next().map_or(u64::MAX, |run| run[0]));
    assert!(index.runs.iter().all(|piece| piece.first == piece.run[0]));
    assert_eq!(runs().map(Vec::len).sum::<usize>(), index.len());
}

proptest! {
    #[test]
    fn an_expiry_that_is_shifted_is_one_that_was_removed_and_added(
        before in prop::collection::vec((0..2000_i64, 0..3_u32), 1..3000),
        shifts in prop::collection::vec((0..3000_usize, 0..2000_i64), 1..200),
    ) {
        let mut before = before;
        let mut index = ExpiryIndex::<Vec<u64>>::default();
        before.iter().for_each(|(at, tag)| index.insert(*at, *tag));
        for (which, new) in shifts {
            let which = which % before.len();
            let (old, tag) = before[which];
            prop_assert!(index.shift(old, new, tag));
            prop_assert!(!index.shift(5000, 1, tag), "it is not there");
            before[which].0 = new;
            check(&index);
        }
        let mut records: Vec<u64> = before.iter().map(|(at, tag)| record(*at, *tag)).collect();
        records.sort_unstable();
        prop_assert!(index.runs.iter().flat_map(|piece| piece.run.iter()).copied().eq(records));
    }

    #[test]
    fn many_changes_at_once_are_those_made_one_by_one(
        before in prop::collection::vec((0..50_i64, 0..50_u32), 0..3000), part in 1..40_usize, shift in 0..60_i64,
    ) {
        let mut index = ExpiryIndex::of(before.iter().copied());
        let mut expected = index.clone();
        let changed = before.iter().enumerate().filter(|(at, _)| at % part == 0);
        let changes: Vec<_> = changed.map(|(at, (old, tag))| match at % 3 {
            0 => (Some(*old), Some(old + shift), *tag),
            1 => (Some(*old), None, *tag),
            _ => (None, Some(old + shift), *tag),
        }).collect();
        for (old, new, tag) in &changes {
            old.iter().for_each(|at| assert!(expected.remove(*at, *tag)));
            new.iter().for_each(|at| expected.insert(*at, *tag));
        }
        index.change_many(changes.into_iter());
        check(&index);
        let records = |index: &ExpiryIndex| index.runs.iter().flat_map(|piece| piece.run.clone()).collect::<Vec<u64>>();
        prop_assert_eq!(records(&index), records(&expected));
        prop_assert_eq!(index.len(), expected.len());
    }
}

#[test]
fn an_index_made_at_once_is_that_of_additions() {
    for count in [0, 1, 383, 384, 385, 2000_u32] {
        let expiries = (0..count).map(|i| (i64::from(i * 7919 % 61), i));
        let (mut index, mut other) =
            (ExpiryIndex::<Vec<u64>>::of(expiries.clone()), ExpiryIndex::<Vec<u64>>::default());
        expiries.clone().for_each(|(at, tag)| other.insert(at, tag));
        check(&index);
        let records = |index: &ExpiryIndex| index.runs.iter().flat_map(|piece| piece.run.clone()).collect::<Vec<_>>();
        assert_eq!(records(&index), records(&other));
        index.insert(30, 5);
        assert!(expiries.clone().all(|(at, tag)| index.remove(at, tag)));
        check(&index);
        assert_eq!(index.len(), 1);
    }
}

proptest! {
    #[test]
    fn the_index_is_a_sorted_multiset(operations in prop::collection::vec((0u8..3, 0i64..40, 0u32..4), 0..3000)) {
        let (mut index, mut model) = (ExpiryIndex::<Vec<u64>>::default(), BTreeMap::<(i64, u32), usize>::new());
        for (operation, at, tag) in operations {
            if operation < 2 {
                index.insert(at, tag);
                *model.entry((at, tag)).or_default() += 1;
            } else {
                let count = model.get(&(at, tag)).copied().unwrap_or(0);
                prop_assert_eq!(index.remove(at, tag), count > 0);
                if count > 1 {
                    model.insert((at, tag), count - 1);
                } else {
                    model.remove(&(at, tag));
                }
            }
            prop_assert_eq!(index.len(), model.values().sum::<usize>());
            prop_assert_eq!(index.first(), model.keys().next().map(|(at, _)| *at));
        }
        check(&index);
    }
}

/// [`PLACE`] is what an index takes for each of its keys, on average.
#[test]
fn an_index_of_any_length_has_little_unused_room() {
    let (mut records, mut spent, mut counted) = (Vec::new(), 0, 0);
    for len in 1..=RUN {
        insert_sorted(&mut records, len as u64);
        let bytes = records.capacity() * size_of::<u64>();
        assert_eq!(good_size(bytes), bytes, "the allocator would give {len} records more room");
        (spent, counted) = (spent + bytes, counted + len);
    }
    assert!(spent < PLACE * counted, "{spent} bytes for {counted} records");
}
