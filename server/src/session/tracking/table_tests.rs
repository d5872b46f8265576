//! The table keeps each reader of a key once, returns each once, and counts correctly.

use std::collections::BTreeSet;

use super::*;

fn filled(keys: usize) -> Table {
    let table = Table::new();
    (0..keys).for_each(|number| table.add(format!("key:{number}").as_bytes(), 1, |_| true));
    table
}

#[test]
fn a_key_is_handed_out_once_with_each_of_its_readers() {
    let table = Table::new();
    for client in [3, 1, 3, 2] {
        table.add(b"k", client, |_| true);
    }
    table.add(b"other", 1, |_| true);
    assert_eq!((table.keys(), table.items()), (2, 4));
    assert_eq!(table.take(b"k").as_slice(), [1, 2, 3]);
    assert!(table.take(b"k").is_empty());
    assert_eq!((table.keys(), table.items()), (1, 1));
}

#[test]
fn every_key_is_found_after_others_have_left() {
    let table = filled(1000);
    for number in (0..1000).step_by(3) {
        assert_eq!(table.take(format!("key:{number}").as_bytes()).len(), 1);
    }
    for number in 0..1000 {
        let readers = table.take(format!("key:{number}").as_bytes());
        assert_eq!(readers.len(), usize::from(number % 3 != 0), "key:{number}");
    }
    assert_eq!((table.keys(), table.items()), (0, 0));
}

#[test]
fn chance_takes_every_key_in_the_end_and_not_the_oldest_first() {
    let table = filled(500);
    let mut rng = crate::base::rng::Rng::new(1);
    let taken: Vec<_> = std::iter::from_fn(|| table.take_any(rng.next_u64())).map(|(key, _)| key).collect();
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 500);
    let early = taken[..100].iter().filter(|key| key.len() <= "key:99".len()).count();
    assert!(early < 60, "{early} of the first hundred are the oldest");
    assert_eq!((table.keys(), table.items()), (0, 0));
}

#[test]
fn only_the_keys_of_the_slots_asked_for_are_taken() {
    let table = filled(2000);
    let lost = |slot: SlotId| slot.get().is_multiple_of(2);
    let taken: Vec<_> = table.take_slots(&lost).flatten().collect();
    assert!(taken.iter().all(|(key, readers)| lost(key_slot(key)) && readers.len() == 1));
    assert_eq!(taken.len() + table.keys(), 2000);
    assert_eq!(table.take_slots(&|_| true).flatten().count(), 2000 - taken.len());
    assert_eq!((table.keys(), table.items()), (0, 0));
}

#[test]
fn readers_that_are_gone_do_not_pile_up() {
    let table = Table::new();
    for client in 0..100_000 {
        // Each client is gone when the next one comes; the first hundred stay.
        table.add(b"k", client, |other| other < 100);
    }
    assert!(table.items() < 400, "{}", table.items());
    let readers = table.take(b"k");
    assert!((0..100).all(|client| readers.contains(&client)) && readers.contains(&99_999));
    assert_eq!((table.keys(), table.items()), (0, 0));
}

#[test]
fn memory_is_given_back() {
    let table = filled(10_000);
    (0..10_000).for_each(|number| drop(table.take(format!("key:{number}").as_bytes())));
    assert!(table.parts.iter().all(|part| part.lock().entries.capacity() <= 64));
    let table = filled(10_000);
    table.clear();
    assert_eq!((table.keys(), table.items()), (0, 0));
    assert!(table.parts.iter().all(|part| part.lock().entries.capacity() == 0));
}
