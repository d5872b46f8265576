//! Hash tests: a model under random operations through the change of encoding, and the shape of both forms.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::store::value::Encoding;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn limits(max_entries: usize, max_value: usize) -> HashLimits {
    HashLimits { max_entries, max_value, seed: 3 }
}

fn contents(hash: &Hash) -> Model {
    let mut all = Model::new();
    hash.view()
        .for_each(|field, value| assert_eq!(all.insert(field.to_vec(), value.to_vec()), None, "fields are distinct"));
    all
}

#[test]
fn a_hash_is_small() {
    assert_eq!(size_of::<Hash>(), 32);
    let mut hash = Hash::new();
    for i in 0..5 {
        hash.set(format!("field{i:03}").as_bytes(), format!("v{i:05}{:010}", 12345).as_bytes(), &HashLimits::default());
    }
    hash.settle();
    // Five times 9 and 17 bytes, rounded by the allocator.
    assert_eq!(hash.heap_bytes(), 160);
}

#[test]
fn many_fields_at_once_are_as_if_they_were_set_one_by_one() {
    for limits in [limits(9, 9), limits(300, 9), limits(5_000, 9), HashLimits::default()] {
        for count in [1, 255, 256, 700, 3_000] {
            let long = "x".repeat(20_000);
            let name = |i: usize| if i % 100 == 7 { format!("{long}{}", i % 7) } else { (i % 270).to_string() };
            let value = |i: usize| if i % 11 == 3 { format!("{long}{i}") } else { format!("v{i}") };
            let pairs: Vec<(String, String)> = (0..count).map(|i| (name(i), value(i))).collect();
            let pair = |at: usize| (pairs[at].0.as_bytes(), pairs[at].1.as_bytes());
            let (mut at_once, mut grown) = (Hash::new(), Hash::new());
            let created = at_once.set_all(count, pair, &limits);
            assert_eq!(created, (0..count).map(pair).filter(|(f, v)| grown.set(f, v, &limits)).count());
            let encoding = |hash: &Hash| hash.view().encoding();
            assert_eq!((contents(&at_once), encoding(&at_once)), (contents(&grown), encoding(&grown)), "{count}");
            assert_eq!(at_once.set_all(count, pair, &limits), 0);
        }
    }
}

#[test]
fn a_hash_becomes_a_table_beyond_either_limit_and_stays_one() {
    let encoding = |max_entries, max_value, pairs: &[(&[u8], &[u8])]| {
        let mut hash = Hash::new();
        for (field, value) in pairs {
            hash.set(field, value, &limits(max_entries, max_value));
        }
        hash.view().encoding()
    };
    assert_eq!(encoding(2, 4, &[(b"a", b"1"), (b"b", b"1234")]), Encoding::ListPack);
    assert_eq!(encoding(2, 4, &[(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]), Encoding::ListPack);
    assert_eq!(encoding(2, 4, &[(b"a", b"1"), (b"b", b"1"), (b"c", b"1")]), Encoding::HashTable);
    assert_eq!(encoding(1, 4, &[(b"a", b"1"), (b"a", b"2")]), Encoding::ListPack);
    assert_eq!(encoding(2, 4, &[(b"a", b"12345")]), Encoding::HashTable);
    assert_eq!(encoding(2, 4, &[(b"fieldname", b"1")]), Encoding::HashTable);
    assert_eq!(encoding(0, 4, &[(b"a", b"1")]), Encoding::HashTable);
    let mut hash = Hash::new();
    hash.set(b"a", b"1", &limits(9, 4));
    hash.set(b"b", b"1", &limits(9, 4));
    hash.set(b"a", b"2", &limits(1, 4));
    assert_eq!(hash.view().encoding(), Encoding::HashTable, "the limit was lowered meanwhile");
    let mut hash = Hash::new();
    hash.set(b"a", b"too long", &limits(9, 4));
    hash.set(b"a", b"1", &limits(9, 4));
    assert_eq!(hash.view().encoding(), Encoding::HashTable);
}

#[test]
fn a_packed_hash_keeps_the_order_of_insertion() {
    let mut hash = Hash::new();
    for field in ["b", "a", "c", "b"] {
        hash.set(field.as_bytes(), b"1", &HashLimits::default());
    }
    hash.remove(b"a");
    hash.set(b"a", b"2", &HashLimits::default());
    let mut order = Vec::new();
    hash.view().for_each(|field, _| order.push(field.to_vec()));
    assert_eq!(order, [b"b", b"c", b"a"]);
}

#[test]
fn picks_are_of_the_number_wanted_and_distinct_if_they_must_be() {
    for count in [10, 600] {
        let mut hash = Hash::new();
        (0..count).for_each(|i: usize| assert!(hash.set(i.to_string().as_bytes(), b"v", &HashLimits::default())));
        let mut rng = Rng::new(1);
        for wanted in [0, 1, count / 4, count - 1, count, count + 9] {
            let mut picked = Model::new();
            hash.view().pick_distinct(
                wanted,
                || rng.next_u64(),
                |field, value| {
                    assert_eq!(picked.insert(field.to_vec(), value.to_vec()), None);
                },
            );
            assert_eq!(picked.len(), wanted.min(count));
        }
        let mut times = 0;
        hash.view().pick_many(
            3 * count,
            || rng.next_u64(),
            |field, _| {
                times += 1;
                field.text_len() > 0 && times < 2 * count
            },
        );
        assert_eq!(times, 2 * count, "it ends when it is enough");
        let mut one = 0;
        hash.view().pick(|| rng.next_u64(), |_, _| one += 1);
        assert_eq!(one, 1);
    }
    Hash::new().view().pick(|| 0, |_, _| panic!("there is none"));
    Hash::new().view().pick_many(5, || 0, |_, _| panic!("there is none"));
}

#[derive(Clone, Debug)]
enum Op {
    Set(u8, usize),
    SetInt(u8, i64),
    Remove(u8),
    Limits(usize, usize),
    Clone,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u8..60, 0usize..30).prop_map(|(field, len)| Op::Set(field, len)),
        2 => (0u8..60, any::<i64>()).prop_map(|(field, value)| Op::SetInt(field, value)),
        6 => (0u8..60).prop_map(Op::Remove),
        1 => (0usize..60, 1usize..40).prop_map(|(entries, value)| Op::Limits(entries, value)),
        1 => Just(Op::Clone),
    ]
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_map(entries in 0usize..40, ops in prop::collection::vec(op(), 1..200)) {
        let (mut hash, mut model, mut limits) = (Hash::new(), Model::new(), limits(entries, 25));
        let mut held = Vec::new();
        for op in &ops {
            match *op {
                Op::Set(field, len) => {
                    let (field, value) = (field.to_string().into_bytes(), vec![b'x'; len]);
                    let created = hash.set(&field, &value, &limits);
                    prop_assert_eq!(created, model.insert(field, value).is_none());
                }
                Op::SetInt(field, value) => {
                    let (field, value) = (format!("f{field}").into_bytes(), value.to_string().into_bytes());
                    let created = hash.set(&field, &value, &limits);
                    prop_assert_eq!(created, model.insert(field, value).is_none());
                }
                Op::Remove(field) => {
                    let field = field.to_string().into_bytes();
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                }
                Op::Limits(max_entries, max_value) => limits = HashLimits { max_entries, max_value, ..limits },
                Op::Clone => held.push((hash.clone(), model.clone())),
            }
            hash.settle();
            prop_assert_eq!(hash.len(), model.len());
        }
        held.push((hash, model));
        for (hash, model) in &held {
            prop_assert_eq!(&contents(hash), model);
            let found = model.iter().all(|(field, value)| hash.get(field).is_some_and(|v| v.to_vec() == *value));
            prop_assert!(found);
        }
    }
}
