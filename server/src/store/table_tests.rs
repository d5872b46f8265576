//! Tests of `table`: its order, its counts, and finding everything again, however the hashes fall.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::store::entry::AccessClock;
use crate::store::value::StringValue;

fn entry(key: &[u8]) -> Entry {
    Entry::new_string(key, StringValue::Int(1), None, AccessClock::default())
}

fn key(i: u64) -> Vec<u8> {
    i.to_le_bytes().to_vec()
}

fn spread(i: u64) -> u32 {
    (mix(i) >> 44) as u32
}

impl Table {
    /// Every rule of the file's essay, checked word by word.
    fn check(&self) {
        let mut sum = 0;
        let mut at = 0;
        while at < TAG_END {
            let (segment, end) = self.segment_and_end(at);
            let words = self.segment(segment);
            let (mut previous, mut after_gap) = (None, 0);
            for (index, word) in words.as_slice().iter().enumerate() {
                if word.is_empty() {
                    after_gap = index + 1;
                    continue;
                }
                let tag = word.tag();
                assert!((at..end).contains(&tag), "a segment holds the tags of its range");
                assert!(previous <= Some(tag), "tags ascend");
                previous = Some(tag);
                let home = words.home(tag);
                assert!(home <= index, "no word is before its home");
                assert!(after_gap <= home, "no gap between a home and its word");
                sum += 1;
            }
            let occupied = words.as_slice().iter().filter(|word| !word.is_empty()).count();
            assert_eq!(occupied, words.len as usize);
            assert!(words.len <= capacity(words.total()));
            at = end;
        }
        assert_eq!(sum, self.len());
        assert_eq!(self.iter().count(), self.len());
    }
}

fn fill_and_empty(count: u64, tag: impl Fn(u64) -> u32) {
    let mut table = Table::EMPTY;
    for i in 0..count {
        assert!(table.find(tag(i), &key(i)).is_none());
        let at = table.insert(tag(i), entry(&key(i)));
        assert_eq!(table.entry(at).key(), key(i));
        if i.is_power_of_two() || i % 1000 == 999 {
            table.check();
        }
    }
    for i in 0..count {
        let at = table.find(tag(i), &key(i)).expect("it was inserted");
        assert_eq!(table.entry(at).key(), key(i));
    }
    for i in 0..count {
        let at = table.find(tag(i), &key(i)).expect("it is still there");
        assert_eq!(table.remove(at).as_ref().key(), key(i));
        if i % 1000 == 999 || count - i < 10 {
            table.check();
        }
    }
    assert!(table.len() == 0 && table.directory.is_none() && table.root.total() == 0, "nothing is kept");
}

#[test]
fn a_table_of_any_size_finds_its_keys() {
    for count in [1, 2, 3, 61, 1000, 3584, 3585, 40_000] {
        fill_and_empty(count, spread);
    }
}

#[test]
fn the_worst_hashes_cost_time_but_never_correctness() {
    fill_and_empty(4000, |_| 0);
    fill_and_empty(1000, |_| TAG_END - 1);
    fill_and_empty(1000, |i| if i % 2 == 0 { 0 } else { TAG_END - 1 });
    fill_and_empty(6000, |i| TAG_END - 1 - (i as u32 % 64));
    fill_and_empty(10_000, |i| (i as u32) & 0xff);
}

#[test]
fn visiting_in_steps_returns_each_key_once_and_keeps_tags_together() {
    let mut table = Table::EMPTY;
    for i in 0..30_000 {
        table.insert(spread(i % 10_000), entry(&key(i)));
    }
    for count in [1, 10, 1000, 100_000] {
        let (mut seen, mut from, mut steps) = (BTreeSet::new(), Some(0), 0);
        while let Some(at) = from {
            from = table.visit(at, count, |entry| assert!(seen.insert(entry.key().to_vec())));
            steps += 1;
            assert!(seen.len() >= (count * steps).min(30_000));
        }
        assert_eq!(seen.len(), 30_000);
    }
}

#[test]
fn a_scan_returns_what_stays_while_the_table_splits_and_empties() {
    let mut table = Table::EMPTY;
    for i in 0..500 {
        table.insert(spread(i), entry(&key(i)));
    }
    let (mut seen, mut from, mut next) = (BTreeSet::new(), Some(0), 500);
    while let Some(at) = from {
        from = table.visit(at, 10, |entry| assert!(seen.insert(entry.key().to_vec()), "no key twice"));
        // Grow to several segments first, then shrink again; the first 500 stay.
        for i in next..next + 1000 {
            if next < 30_000 {
                table.insert(spread(i), entry(&key(i)));
            } else if let Some(found) = table.find(spread(i - 29_500), &key(i - 29_500)).filter(|_| i >= 30_000) {
                table.remove(found);
            }
        }
        next += 1000;
    }
    table.check();
    assert!((0..500).all(|i| seen.contains(&key(i))));
    assert!(table.directory.is_some());
}

#[test]
fn samples_reach_every_part_of_the_table() {
    for count in [1, 10, 500, 20_000] {
        let mut table = Table::EMPTY;
        (0..count).for_each(|i| {
            table.insert(spread(i), entry(&key(i)));
        });
        let seen: BTreeSet<Vec<u8>> =
            (0..4000).filter_map(|seed| table.sample(seed)).map(|entry| entry.key().to_vec()).collect();
        assert!(seen.len() as u64 >= count.min(500) * 9 / 10, "{} of {count}", seen.len());
    }
    assert!(Table::EMPTY.sample(1).is_none());
}

#[test]
fn a_nearly_empty_directory_still_gives_samples() {
    let mut table = Table::EMPTY;
    (0..50_000).for_each(|i| {
        table.insert(spread(i), entry(&key(i)));
    });
    for i in 1..50_000 {
        let at = table.find(spread(i), &key(i)).expect("inserted");
        table.remove(at);
    }
    assert!((0..100).all(|seed| table.sample(seed).is_some_and(|entry| entry.key() == key(0))));
}

#[test]
fn usual_slots_are_nine_tenths_full() {
    let (mut entries, mut words) = (0, 0);
    for table_number in 0..200u64 {
        let mut table = Table::EMPTY;
        let count = 45 + mix(table_number) % 32;
        (0..count).for_each(|i| {
            table.insert(spread(table_number << 32 | i), entry(&key(i)));
        });
        entries += count;
        words += table.root.total() as u64;
    }
    assert!(words * 8 < entries * 95 / 10, "{:.2} bytes per key", words as f64 * 8.0 / entries as f64);
}

proptest! {
    #[test]
    fn a_table_is_a_set_in_tag_order(
        operations in prop::collection::vec((any::<bool>(), 0u64..400), 0..1500),
        tags in prop_oneof![Just(1u32), Just(64), Just(TAG_END)],
    ) {
        let (mut table, mut model) = (Table::EMPTY, BTreeSet::new());
        let tag = |i: u64| spread(i) / (TAG_END / tags);
        for (insert, i) in operations {
            let found = table.find(tag(i), &key(i));
            prop_assert_eq!(found.is_some(), model.contains(&i));
            match found {
                None if insert => {
                    table.insert(tag(i), entry(&key(i)));
                    model.insert(i);
                }
                Some(at) if !insert => {
                    table.remove(at);
                    model.remove(&i);
                }
                None | Some(_) => {}
            }
        }
        table.check();
        let mut keys: Vec<_> = model.into_iter().map(|i| (tag(i), key(i))).collect();
        let mut seen = Vec::new();
        table.visit(0, usize::MAX, |entry| seen.push(entry.key().to_vec()));
        keys.sort();
        let mut seen: Vec<_> = seen.into_iter().map(|k| (tag(u64::from_le_bytes(k[..].try_into().unwrap())), k)).collect();
        prop_assert!(seen.is_sorted_by_key(|(tag, _)| *tag));
        seen.sort();
        prop_assert_eq!(seen, keys);
    }
}
