//! Tests of `compaction`: it runs once after a change that has come to rest, and never while keys pour in.

use super::*;

fn visited(compaction: &mut Compaction, keys: usize, calls: usize) -> usize {
    (0..calls).map(|_| compaction.next_slots(keys, 4096).count()).sum()
}

#[test]
fn a_filled_database_is_compacted_twice_and_then_left_alone() {
    let mut compaction = Compaction::default();
    assert_eq!(visited(&mut compaction, 1_000_000, 1), 0, "it may still be growing");
    assert_eq!(visited(&mut compaction, 1_000_000, 4), SLOT_COUNT);
    assert_eq!(visited(&mut compaction, 1_000_500, 40), SLOT_COUNT);
    assert_eq!(visited(&mut compaction, 500_000, 1), 0);
    assert_eq!(visited(&mut compaction, 500_000, 40), 2 * SLOT_COUNT, "deleting leaves holes too");
}

#[test]
fn nothing_is_done_while_keys_pour_in_or_while_there_are_few() {
    let mut compaction = Compaction::default();
    assert_eq!((0..100).map(|i| visited(&mut compaction, i * 20_000, 1)).sum::<usize>(), 0);
    let mut compaction = Compaction::default();
    assert_eq!(visited(&mut compaction, 10_000, 100), 0);
}

#[test]
fn every_slot_comes_up_in_each_pass() {
    let mut compaction = Compaction::default();
    compaction.next_slots(100_000, 1000).for_each(drop);
    let mut seen: Vec<u16> = (0..17).flat_map(|_| compaction.next_slots(100_000, 1000)).map(SlotId::get).collect();
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..SLOT_COUNT as u16));
}
