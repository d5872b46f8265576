//! Tests of the table: a model under random operations, its shape, its bytes, and what clones and cursors promise.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;

impl Members {
    /// Every rule of the essays.
    pub(super) fn check(&self) {
        self.tree.check(&self.tags);
        assert_eq!(self.tree.iter().map(chunk::Chunk::len).sum::<usize>(), self.len());
    }
}

fn filled(values: Values, count: usize) -> Members {
    let mut table = Members::new(values, 7);
    for i in 0..count {
        let value = if values == Values::Kept { format!("val:{i:012}") } else { String::new() };
        assert!(table.set(format!("field:{i:010}").as_bytes(), value.as_bytes()));
    }
    table
}

#[test]
fn a_big_table_spends_little_on_an_element() {
    for (count, most_hash, most_set) in [(2_000, 46.0, 28.0), (20_000, 45.0, 27.0), (300_000, 45.0, 26.5)] {
        let per_element = |table: &Members| table.heap_bytes() as f64 / table.len() as f64;
        let (hash, set) = (filled(Values::Kept, count), filled(Values::None, count));
        hash.check();
        set.check();
        let (hash, set) = (per_element(&hash), per_element(&set));
        assert!(hash <= most_hash && set <= most_set, "{count} elements: {hash:.1} with value, {set:.1} without");
    }
}

#[test]
fn shrinking_gives_memory_back() {
    let mut table = filled(Values::Kept, 100_000);
    let full = table.heap_bytes();
    for i in 0..100_000 {
        if i % 500 != 0 {
            assert!(table.remove(format!("field:{i:010}").as_bytes()));
        }
    }
    table.check();
    assert_eq!(table.len(), 200);
    assert!(table.heap_bytes() < full / 100, "{} of {full}", table.heap_bytes());
    assert!(matches!(table.tree, Tree::One(_)));
    assert!((0..200).all(|i| table.contains(format!("field:{:010}", i * 500).as_bytes())));
}

#[test]
fn a_clone_costs_little_and_a_write_after_it_copies_little() {
    let mut table = filled(Values::Kept, 400_000);
    let Tree::Many(root) = &table.tree else { panic!("there are many chunks") };
    assert!(size_of_val(&**root) + spent(root_len(&table) * 12) < 4096, "a clone copies the root alone");
    let snapshot = table.clone();
    let largest = table.tree.iter().map(chunk::Chunk::weight).max();
    assert!(largest.is_some_and(|bytes| bytes <= 64 * 1024), "{largest:?}");
    assert!(!table.set(b"field:0000000001", b"changed"));
    assert!(table.remove(b"field:0000000002"));
    let shared = table.tree.iter().zip(snapshot.tree.iter()).filter(|(a, b)| std::ptr::eq(*a, *b)).count();
    assert!(shared >= table.tree.iter().count() - 2, "all other chunks stay shared");
    assert_eq!(snapshot.get(b"field:0000000001").map(|member| member.value), Some(&b"val:000000000001"[..]));
    assert_eq!(snapshot.len(), 400_000);
    table.check();
    snapshot.check();
}

fn root_len(table: &Members) -> usize {
    table.tree.iter().count().div_ceil(200)
}

#[test]
fn long_elements_are_kept_outside_and_found() {
    let mut table = Members::new(Values::Kept, 1);
    for i in 0..3000_usize {
        let (field, value) = (format!("{i}").repeat(1 + i % 7 * 60), vec![b'v'; i % 9 * 400]);
        assert!(table.set(field.as_bytes(), &value));
    }
    table.check();
    for i in 0..3000_usize {
        let field = format!("{i}").repeat(1 + i % 7 * 60);
        assert_eq!(table.get(field.as_bytes()).map(|member| member.value.len()), Some(i % 9 * 400));
        assert!(!table.set(field.as_bytes(), &vec![b'w'; (i + 4) % 9 * 400]));
    }
    table.check();
    let before = table.heap_bytes();
    assert!(table.set(b"huge", &vec![b'x'; 10 << 20]));
    assert!(table.heap_bytes() >= before + (10 << 20));
    assert!(table.remove(b"huge"));
    table.check();
}

#[test]
fn values_that_change_their_length_leave_no_waste_behind() {
    let mut table = filled(Values::Kept, 5_000);
    let before = table.heap_bytes();
    for round in 0..20_usize {
        for i in 0..5_000 {
            let value = vec![b'a'; (i + round * 7) % 40];
            assert!(!table.set(format!("field:{i:010}").as_bytes(), &value));
        }
    }
    table.check();
    assert!(table.heap_bytes() < before * 5 / 3, "{} after {before}", table.heap_bytes());
}

#[test]
fn a_cursor_survives_growing_and_shrinking() {
    let mut table = filled(Values::None, 3_000);
    let stays: Vec<Vec<u8>> =
        (0..3_000).filter(|i| i % 3 == 0).map(|i| format!("field:{i:010}").into_bytes()).collect();
    let (mut seen, mut from, mut step) = (HashMap::<Vec<u8>, usize>::new(), 0, 0);
    loop {
        let next = table.visit(from, 10, |member| *seen.entry(member.field.to_vec()).or_default() += 1);
        let Some(next) = next else { break };
        assert!(next > from, "a cursor moves on and is never 0");
        from = next;
        step += 1;
        // First it grows much, then it shrinks to what stays.
        if step < 30 {
            (0..2_000).for_each(|i| assert!(table.set(format!("new:{step}:{i}").as_bytes(), b"")));
        } else {
            let gone: Vec<Vec<u8>> = table
                .iter()
                .filter(|member| !stays.iter().any(|field| field == member.field))
                .take(4_000)
                .map(|member| member.field.to_vec())
                .collect();
            gone.iter().for_each(|field| assert!(table.remove(field)));
        }
    }
    table.check();
    assert_eq!(table.len(), stays.len());
    assert!(stays.iter().all(|field| seen.get(field) == Some(&1)), "each exactly once");
}

#[test]
fn a_visit_of_everything_is_one_call() {
    let table = filled(Values::None, 2_500);
    let mut seen = BTreeSet::new();
    assert_eq!(table.visit(0, usize::MAX, |member| assert!(seen.insert(member.field))), None);
    assert_eq!(seen.len(), 2_500);
    assert_eq!(Members::new(Values::None, 0).visit(0, 1, |_| panic!("there is none")), None);
    for from in [1, u32::MAX, u32::MAX - 1, 1 << 31] {
        let mut rest = 0;
        assert_eq!(table.visit(from, usize::MAX, |_| rest += 1), None);
        assert!(rest <= 2_500 && (from < 2 || rest < 2_500));
    }
}

#[test]
fn every_element_is_drawn_equally_often() {
    for count in [1_usize, 3, 100, 5_000] {
        let table = filled(Values::None, count);
        let (mut rng, mut drawn) = (Rng::new(3), HashMap::<&[u8], u32>::new());
        let draws = 200 * count;
        for _ in 0..draws {
            let spot = table.sample(|| rng.next_u64()).expect("there are elements");
            *drawn.entry(table.at(spot).expect("it was drawn").field).or_default() += 1;
        }
        assert_eq!(drawn.len(), count, "each is drawn");
        let square: f64 = drawn.values().map(|times| (f64::from(*times) - 200.0).powi(2) / 200.0).sum();
        // The mean is `count - 1`, its deviation the root of twice that.
        let bound = count as f64 + 6.0 * (2.0 * count as f64).sqrt();
        assert!(square <= bound, "{count} elements: chi-square {square:.0}, above {bound:.0}");
    }
    assert_eq!(Members::new(Values::None, 1).sample(|| 0), None);
}

#[test]
fn distinct_draws_are_distinct_and_of_the_number_wanted() {
    let table = filled(Values::None, 3_000);
    let mut rng = Rng::new(5);
    for count in [0, 1, 10, 999, 1_001, 2_999, 3_000, 9_000] {
        let spots = table.sample_distinct(count, || rng.next_u64());
        assert_eq!(spots.len(), count.min(3_000));
        let fields: BTreeSet<&[u8]> =
            spots.iter().filter_map(|spot| table.at(*spot)).map(|member| member.field).collect();
        assert_eq!(fields.len(), spots.len(), "{count} distinct ones");
    }
}

#[test]
fn a_draw_ends_even_if_the_randomness_is_bad() {
    let mut table = filled(Values::None, 5_000);
    for random in [0, u64::MAX, 1 << 63] {
        assert!(table.sample(|| random).is_some_and(|spot| table.at(spot).is_some()));
    }
    (1..5_000).for_each(|i| assert!(table.remove(format!("field:{i:010}").as_bytes())));
    assert!(table.sample(|| 0).is_some());
}

#[derive(Clone, Debug)]
enum Op {
    Set(u16, usize),
    Remove(u16),
    Fill(u16, u16, usize),
    Drain(u16, u16),
    Clone,
    Scan(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![8 => 0usize..40, 2 => 100usize..300, 1 => 900usize..1100, 1 => Just(5_000)];
    prop_oneof![
        8 => (0u16..400, len.clone()).prop_map(|(field, len)| Op::Set(field, len)),
        6 => (0u16..400).prop_map(Op::Remove),
        2 => (0u16..6000, 0u16..3000, len).prop_map(|(from, count, len)| Op::Fill(from, count, len)),
        2 => (0u16..6000, 0u16..4000).prop_map(|(from, count)| Op::Drain(from, count)),
        1 => Just(Op::Clone),
        2 => (1usize..500).prop_map(Op::Scan),
    ]
}

fn name(number: u16) -> Vec<u8> {
    // Lengths on both sides of a head of one byte, and some beyond what is kept inline.
    let pad = match number % 50 {
        0 => 2_000,
        n => usize::from(n) * 3,
    };
    [number.to_string().as_bytes(), &vec![b'.'; pad]].concat()
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn scanned(table: &Members, count: usize) -> Model {
    let (mut seen, mut from) = (Model::new(), 0);
    loop {
        let next = table.visit(from, count, |member| {
            assert_eq!(seen.insert(member.field.to_vec(), member.value.to_vec()), None, "each once");
        });
        match next {
            Some(next) => from = next,
            None => return seen,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_operations_agree_with_a_map(
        values in prop_oneof![Just(Values::Kept), Just(Values::None)],
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let (mut table, mut model) = (Members::new(values, 9), Model::new());
        let mut held = Vec::new();
        let set = |table: &mut Members, model: &mut Model, field: u16, len: usize| {
            let value = vec![b'v'; if values == Values::Kept { len } else { 0 }];
            let created = table.set(&name(field), &value);
            assert_eq!(created, model.insert(name(field), value).is_none());
        };
        let remove = |table: &mut Members, model: &mut Model, field: u16| {
            assert_eq!(table.remove(&name(field)), model.remove(&name(field)).is_some());
        };
        for op in &ops {
            match *op {
                Op::Set(field, len) => set(&mut table, &mut model, field, len),
                Op::Remove(field) => remove(&mut table, &mut model, field),
                Op::Fill(from, count, len) => {
                    (from..from + count).for_each(|field| set(&mut table, &mut model, field, len));
                }
                Op::Drain(from, count) => (from..from + count).for_each(|field| remove(&mut table, &mut model, field)),
                Op::Clone => held.push((table.clone(), model.clone())),
                Op::Scan(count) => prop_assert_eq!(&scanned(&table, count), &model),
            }
            prop_assert_eq!(table.len(), model.len());
        }
        held.push((table, model));
        for (table, model) in &held {
            table.check();
            prop_assert_eq!(&scanned(table, 100), model);
            let found = model.iter().all(|(field, value)| {
                table.get(field).is_some_and(|member| member.field == field && member.value == value)
            });
            prop_assert!(found);
            prop_assert_eq!(table.iter().count(), model.len());
        }
    }
}

/// Elements that come in the order of their hashes pile up at the end of a chunk.
#[test]
fn a_table_that_is_filled_in_the_order_of_another_has_an_order_of_its_own() {
    let texts = |table: &Members| table.iter().map(|member| member.field.to_vec()).collect::<Vec<_>>();
    let mut first = Members::new(Values::None, 7);
    for number in 0..1000 {
        first.set(format!("member{number}").as_bytes(), b"");
    }
    let order = texts(&first);
    let mut second = Members::new(Values::None, 7);
    order.iter().for_each(|text| assert!(second.set(text, b"")));
    let places: Vec<usize> = texts(&second).iter().filter_map(|text| order.iter().position(|it| it == text)).collect();
    assert_eq!(places.len(), order.len());
    let rising = places.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((400..600).contains(&rising), "{rising} of 999 follow their predecessors");
}

/// A writer beside a snapshot copies what the snapshot still needs, and nothing else.
#[test]
fn a_clone_that_is_consumed_lets_go_of_each_part_behind_its_turn() {
    let mut table = Members::new(Values::Kept, 7);
    (0..400_000).for_each(|n: u32| assert!(table.set(format!("field:{n}").as_bytes(), &n.to_le_bytes())));
    let before: Vec<Vec<u8>> = table.iter().map(|member| member.field.to_vec()).collect();
    let clone = table.clone();
    // Some regions are no longer the same.
    before[..10].iter().for_each(|field| assert!(table.remove(field)));
    let (chunks, mut passed) = (table.tree.iter().count(), 0);
    assert_eq!(table.tree.shared(), chunks - 1, "of {chunks}");
    let (mut at, mut shared) = (0, usize::MAX);
    let consumed: Result<(), ()> = clone.consume(|member| {
        assert_eq!(member.field, before[at]);
        at += 1;
        if at.is_multiple_of(20_000) {
            let now = table.tree.shared();
            passed += usize::from(now < shared);
            shared = now;
        }
        Ok(())
    });
    assert_eq!((consumed, at, table.tree.shared()), (Ok(()), before.len(), 0));
    assert!(passed >= 4, "it was let go of in {passed} steps");
}

#[test]
fn an_error_ends_consuming() {
    let mut table = Members::new(Values::None, 7);
    (0..10_000).for_each(|n: u32| assert!(table.set(format!("member:{n}").as_bytes(), b"")));
    let (clone, mut calls) = (table.clone(), 0);
    let result = clone.consume(|_| {
        calls += 1;
        if calls < 5000 { Ok(()) } else { Err("full") }
    });
    assert_eq!((result, calls, table.len(), table.tree.shared()), (Err("full"), 5000, 10_000, 0));
}
