//! Tests of `bulk`: a table made at once is one that was filled step by step, and expiries set at once are those that
//! were set one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Member, NEVER};
use super::*;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, UnixMillis)>;

fn contents(table: &Members) -> Model {
    let mut all = Model::new();
    for Member { field, value, at } in table.iter() {
        assert_eq!(all.insert(field.to_vec(), (value.to_vec(), at)), None, "fields are distinct");
    }
    all
}

fn made(model: &Model, values: Values) -> Members {
    let mut bulk = Bulk::new(values, 7);
    model.iter().for_each(|(field, (value, at))| bulk.push(field, value, *at));
    let (table, repeated) = bulk.finish();
    assert_eq!(repeated, 0);
    table
}

fn numbered(count: usize, value: usize) -> Model {
    let element = |i: usize| (format!("field:{i:010}").into_bytes(), (vec![b'v'; value], NEVER));
    (0..count).map(element).collect()
}

#[test]
fn a_table_made_at_once_holds_everything_and_spends_little() {
    for (count, most) in [(0, 0.0), (1, 400.0), (200, 60.0), (2_000, 28.0), (20_000, 27.0), (300_000, 26.5)] {
        let model = numbered(count, 0);
        let table = made(&model, Values::None);
        table.check();
        assert!(contents(&table) == model);
        assert!(model.keys().all(|field| table.contains(field)) && !table.contains(b"another"));
        let per_element = table.heap_bytes() as f64 / count.max(1) as f64;
        assert!(count == 0 || per_element <= most, "{count} elements: {per_element:.1} bytes each");
    }
}

#[test]
fn a_table_made_of_another_and_more_holds_both() {
    for (count, more) in [(1, 0), (1, 3), (300, 1), (20_000, 20_000), (50_000, 10)] {
        let model = numbered(count, 0);
        let mut table = made(&model, Values::None);
        table.set(&vec![b'x'; INLINE_MAX + 1], b"");
        let mut bulk = Bulk::with_all_of(&table, more).expect("they are few");
        let mut expected = contents(&table);
        for i in 0..more {
            let field = format!("more:{i}").into_bytes();
            bulk.push(&field, b"", NEVER);
            expected.insert(field, (Vec::new(), NEVER));
        }
        // Those that are there already change nothing.
        model.keys().take(100).for_each(|field| bulk.push(field, b"", NEVER));
        let (both, repeated) = bulk.finish();
        assert_eq!(repeated, count.min(100));
        both.check();
        assert!(contents(&both) == expected, "{count} and {more}");
    }
}

#[test]
fn a_table_made_at_once_goes_on_as_any_other() {
    let mut table = made(&numbered(20_000, 10), Values::Kept);
    let snapshot = table.clone();
    for i in 0..20_000 {
        let field = format!("field:{i:010}").into_bytes();
        match i % 3 {
            0 => assert!(table.remove(&field)),
            1 => assert!(!table.set(&field, b"another, longer value")),
            _ => assert!(table.set(format!("more:{i}").as_bytes(), b"")),
        }
    }
    table.check();
    snapshot.check();
    assert_eq!((table.len(), snapshot.len()), (20_000 - 6_667 + 6_666, 20_000));
}

#[test]
fn of_elements_with_one_text_the_first_stays() {
    let mut bulk = Bulk::new(Values::Kept, 7);
    for round in 0..3 {
        for i in 0..5_000_usize {
            // Some are short first and then too long for a chunk, and some the other way round.
            let value = format!("{round}").repeat(1 + (i + round * 2) % 5 * 200);
            bulk.push(format!("f{i}").as_bytes(), value.as_bytes(), NEVER);
        }
    }
    let (table, repeated) = bulk.finish();
    table.check();
    assert_eq!((table.len(), repeated), (5_000, 10_000));
    assert!(table.iter().all(|member| member.value.iter().all(|byte| *byte == b'0')));
}

#[test]
fn what_is_left_out_takes_no_room() {
    let table = |copies: usize| {
        let mut bulk = Bulk::new(Values::None, 7);
        (0..600 * copies).for_each(|i| bulk.push(format!("member:{}", i % 600).as_bytes(), b"", NEVER));
        bulk.finish().0
    };
    assert_eq!(table(100).heap_bytes(), table(1).heap_bytes());
}

#[test]
fn more_elements_than_may_wait_are_added() {
    let mut bulk = Bulk::new(Values::None, 7);
    let count = WAITING + 5_000;
    (0..count).for_each(|i| bulk.push(format!("{i}").as_bytes(), b"", NEVER));
    bulk.push(b"0", b"", NEVER);
    bulk.push(format!("{}", count - 1).as_bytes(), b"", NEVER);
    let (table, repeated) = bulk.finish();
    table.check();
    assert_eq!((table.len(), repeated), (count, 2));
}

#[test]
fn expiries_of_a_full_table_are_set_and_taken_away_at_once() {
    let fields: Vec<Vec<u8>> = numbered(100_000, 3).into_keys().collect();
    let mut table = made(&numbered(100_000, 3), Values::Kept);
    let before = table.heap_bytes();
    let snapshot = table.clone();
    let moved = table.set_expiries(fields.len(), |number| &fields[number], |number, _| 1 + number as UnixMillis);
    table.check();
    assert_eq!(moved.len(), 100_000);
    let expiry = |table: &Members, i: usize| table.get(&fields[i]).map(|member| member.at);
    assert!((0..100_000).all(|i| expiry(&table, i) == Some(1 + i as UnixMillis)));
    assert!(moved.iter().all(|moved| moved.old == NEVER && moved.new != NEVER));
    let again = table.set_expiries(fields.len(), |number| &fields[number], |_, old| old);
    assert!(again.is_empty(), "nothing has changed");
    let moved = table.set_expiries(fields.len(), |number| &fields[number], |_, old| old + 1);
    assert!(moved.len() == 100_000 && moved.iter().all(|moved| moved.new == moved.old + 1));
    table.check();
    table.set_expiries(fields.len(), |number| &fields[number], |_, _| NEVER);
    table.check();
    assert!(contents(&table) == contents(&snapshot), "a snapshot does not change");
    assert!(table.heap_bytes() <= before * 5 / 4, "{} after {before}", table.heap_bytes());
}

#[test]
fn a_text_that_is_asked_for_again_is_asked_with_what_was_said_before() {
    let mut table = made(&numbered(3_000, 0), Values::Kept);
    let texts: [&[u8]; 4] = [b"field:0000000007", b"missing", b"field:0000000007", b"field:0000000008"];
    let mut asked = Vec::new();
    let moved = table.set_expiries(
        texts.len(),
        |number| texts[number],
        |number, old| {
            asked.push((number, old));
            old + 10
        },
    );
    asked.sort_unstable();
    assert_eq!(asked, [(0, 0), (2, 10), (3, 0)]);
    assert_eq!(table.get(texts[0]).map(|member| member.at), Some(20));
    assert_eq!(moved.len(), 2, "one change for a text, however often it is asked for");
}

fn elements() -> impl Strategy<Value = Model> {
    let text = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    let value = prop_oneof![text(20), text(600)];
    let at = prop_oneof![Just(NEVER), 1..1000_i64];
    prop::collection::btree_map(prop_oneof![text(3), text(30), text(600)], (value, at), 0..400)
}

proptest! {
    #[test]
    fn any_elements_make_a_table(model in elements()) {
        let table = made(&model, Values::Kept);
        table.check();
        prop_assert_eq!(contents(&table), model);
    }

    #[test]
    fn expiries_set_at_once_are_those_set_one_by_one(
        model in elements(), chosen in prop::collection::vec((any::<u16>(), 0..1000_i64), 0..600),
    ) {
        let fields: Vec<&Vec<u8>> = model.keys().collect();
        let missing = b"a text that is no field".to_vec();
        let text = |number: usize| fields.get(usize::from(chosen[number].0) % (fields.len() + 1)).copied().unwrap_or(&missing);
        let mut table = made(&model, Values::Kept);
        let mut expected = model.clone();
        for (number, (_, at)) in chosen.iter().enumerate() {
            expected.entry(text(number).clone()).and_modify(|(_, old)| *old = *at);
        }
        let moved = table.set_expiries(chosen.len(), |number| text(number), |number, _| chosen[number].1);
        table.check();
        prop_assert_eq!(contents(&table), expected.clone());
        let differing = model.iter().filter(|(field, (_, at))| expected[*field].1 != *at).count();
        prop_assert_eq!(moved.len(), differing);
    }
}
