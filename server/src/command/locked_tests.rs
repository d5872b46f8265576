//! Tests of `locked`: each slot once, in ascending order, and found quickly however many there are.

use std::time::{Duration, Instant};

use protocol::slot::SLOT_COUNT;

use super::*;

fn slot(number: usize) -> SlotId {
    SlotId::new(number as u16).expect("a slot's number")
}

fn planned(places: impl IntoIterator<Item = (usize, usize)>) -> LockPlan {
    let mut plan = LockPlan::default();
    places.into_iter().for_each(|(db, number)| plan.add(db, slot(number)));
    plan
}

fn places(locked: &Locked<'_>) -> Vec<Place> {
    match locked {
        Locked::One(place, _) => vec![*place],
        Locked::Many(guards, places) => {
            assert_eq!(guards.len(), places.len());
            places.to_vec()
        }
    }
}

#[test]
fn slots_are_locked_once_and_ascending_whether_they_are_few_or_many() {
    let keyspace = Keyspace::new(2, 1);
    // Descending, in two databases, everything twice.
    for count in [1, 2, LockPlan::FEW / 2, LockPlan::FEW, 1000] {
        let all = || (0..count).rev().flat_map(|number| [(1, number), (0, number), (1, number)]);
        let plan = planned(all());
        assert_eq!(plan.is_many(), 2 * count > LockPlan::FEW, "{count}");
        let locked = plan.lock(&keyspace);
        let expected: Vec<Place> = (0..2).flat_map(|db| (0..count).map(move |n| place(db, slot(n)))).collect();
        assert_eq!(places(&locked), expected, "{count}");
        assert!(locked.holds(&planned(all())) && !locked.holds(&planned([(0, 16_000)])));
        assert!(locked.get(1, slot(count - 1)).is_some() && locked.get(0, slot(count)).is_none());
    }
}

#[test]
fn a_locked_slot_is_found_as_fast_among_all_as_among_few() {
    let keyspace = Keyspace::new(1, 1);
    let time = |slots: usize| {
        let locked = planned((0..slots).map(|number| (0, number))).lock(&keyspace);
        let run = || {
            let start = Instant::now();
            let found = (0..SLOT_COUNT).filter(|number| locked.get(0, slot(number * 7919 % slots)).is_some());
            assert_eq!(found.count(), SLOT_COUNT);
            start.elapsed()
        };
        (0..10).map(|_| run()).fold(Duration::MAX, Duration::min)
    };
    let (few, all) = (time(LockPlan::FEW), time(SLOT_COUNT));
    // A linear search would take 256 times as long.
    assert!(all < 20 * few, "{all:?} among all, {few:?} among few");
}
