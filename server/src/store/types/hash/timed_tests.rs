//! Tests of hashes whose fields expire: a model under random operations and time, through both forms and back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::payload;
use crate::store::value::Encoding;
use crate::store::{Value, ValueRef};

/// Fields with their values and expiries.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)>;

fn contents(hash: &Hash) -> Model {
    let mut all = Model::new();
    hash.view().for_each_timed(|field, value, at| {
        assert_eq!(all.insert(field.to_vec(), (value.to_vec(), at)), None, "fields are distinct");
    });
    all
}

fn order(hash: &Hash) -> Vec<String> {
    let mut order = Vec::new();
    hash.view().for_each(|field, _| order.push(String::from_utf8(field.to_vec()).expect("text")));
    order
}

#[test]
fn fields_that_expire_stand_in_front_in_the_order_of_their_times() {
    let limits = HashLimits::default();
    let mut hash = Hash::new();
    for field in ["a", "b", "c", "d"] {
        hash.set(field.as_bytes(), b"v", &limits);
    }
    hash.set_expiry(b"c", Some(50), &limits);
    hash.set_expiry(b"a", Some(40), &limits);
    hash.set_expiry(b"d", Some(50), &limits);
    assert_eq!((order(&hash), hash.next_expiry()), (["a", "d", "c", "b"].map(str::to_owned).to_vec(), Some(40)));
    assert_eq!(hash.view().encoding(), Encoding::ListPackEx);
    hash.set(b"a", b"w", &limits);
    assert_eq!(order(&hash), ["d", "c", "b", "a"], "it does not expire any more");
    assert_eq!(hash.take_due(51, 9), ExpiredFields { fields: vec![(*b"d").into(), (*b"c").into()], latest: 50 });
    hash.settle();
    assert_eq!((hash.view().encoding(), hash.next_expiry(), hash.len()), (Encoding::ListPack, None, 2));
}

#[test]
fn a_hash_without_field_expiries_is_as_small_as_before() {
    let limits = HashLimits::default();
    let mut hash = Hash::new();
    hash.set(b"f", b"v", &limits);
    hash.settle();
    let before = hash.heap_bytes();
    hash.set_expiry(b"f", Some(5), &limits);
    hash.settle();
    assert!(hash.heap_bytes() > before);
    hash.set_expiry(b"f", None, &limits);
    hash.settle();
    assert_eq!(hash.heap_bytes(), before);
}

#[test]
fn many_expiries_set_at_once_are_due_in_their_order() {
    let limits = HashLimits::default();
    for count in [10, 400, 5_000_usize] {
        let fields: Vec<Vec<u8>> = (0..count).map(|i| format!("f{i}").into_bytes()).collect();
        let mut hash = Hash::new();
        fields.iter().for_each(|field| _ = hash.set(field, b"v", &limits));
        hash.set_expiry(&fields[3], Some(7), &limits);
        let mut told = 0;
        hash.set_expiries(
            count,
            |number| &fields[number],
            &limits,
            |number, old| {
                told += usize::from(old == if number == 3 { Some(7) } else { None });
                (number % 2 == 0).then_some(1_000 + (count - number) as i64)
            },
        );
        hash.settle();
        assert_eq!(told, count, "each is asked for with what it was");
        assert_eq!(hash.next_expiry(), Some(1_000 + (count - (count - 2)) as i64));
        let due = hash.take_due(i64::MAX >> 20, count);
        let expected: Vec<Box<[u8]>> = fields.iter().rev().skip(1).step_by(2).map(|field| (**field).into()).collect();
        assert!(due.fields == expected, "{count}");
        hash.settle();
        assert_eq!((hash.len(), hash.next_expiry()), (count / 2, None));
        assert!(contents(&hash).values().all(|(value, at)| value == b"v" && at.is_none()));
    }
}

#[test]
fn the_latest_times_are_kept_exactly() {
    let limits = HashLimits { max_entries: 0, ..HashLimits::default() };
    let latest = (1 << 46) - 1;
    let mut hash = Hash::new();
    hash.set(b"f", b"v", &limits);
    hash.set(b"g", b"v", &limits);
    hash.set_expiry(b"f", Some(latest), &limits);
    hash.set_expiry(b"g", Some(latest - 5), &limits);
    assert_eq!(hash.view().get_timed(b"f").and_then(|(_, at)| at), Some(latest));
    assert!(hash.take_due(latest + 1, 9).fields.is_empty(), "beyond the range of the index nothing is due");
    let copy = through_a_payload(&hash);
    assert_eq!(contents(&copy), contents(&hash));
    hash.set_expiry(b"f", None, &limits);
    hash.remove(b"g");
    hash.settle();
    assert_eq!(hash.next_expiry(), None);
}

fn through_a_payload(hash: &Hash) -> Hash {
    let value = Value::from(hash.clone());
    let bytes = payload::dump(&value.as_ref());
    let limits = payload::PayloadLimits::default();
    let read = payload::restore(&bytes, &limits, true).expect("what was dumped can be restored");
    let ValueRef::Collection(collection) = read.as_ref() else { panic!("no collection") };
    <Hash as crate::store::CollectionType>::of(collection).map(HashRef::to_hash).expect("it is a hash")
}

#[derive(Clone, Debug)]
enum Op {
    Set(u8, usize),
    Keep(u8, usize),
    Until(u8, usize, UnixMillis),
    Expire(u8, UnixMillis),
    Persist(u8),
    Remove(u8),
    Time(UnixMillis, usize),
    Limits(usize, usize),
    Clone,
    Dump,
}

fn op() -> impl Strategy<Value = Op> {
    let len = || prop_oneof![4 => 0usize..30, 1 => 480usize..560];
    prop_oneof![
        6 => (0u8..40, len()).prop_map(|(field, len)| Op::Set(field, len)),
        3 => (0u8..40, len()).prop_map(|(field, len)| Op::Keep(field, len)),
        3 => (0u8..40, len(), 1i64..100).prop_map(|(field, len, at)| Op::Until(field, len, at)),
        9 => (0u8..40, 1i64..100).prop_map(|(field, at)| Op::Expire(field, at)),
        3 => (0u8..40).prop_map(Op::Persist),
        4 => (0u8..40).prop_map(Op::Remove),
        2 => (0i64..20, 0usize..9).prop_map(|(step, budget)| Op::Time(step, budget)),
        1 => (0usize..60, 1usize..600).prop_map(|(entries, value)| Op::Limits(entries, value)),
        1 => Just(Op::Clone),
        1 => Just(Op::Dump),
    ]
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_map_of_times(entries in 0usize..40, ops in prop::collection::vec(op(), 1..250)) {
        let mut limits = HashLimits { max_entries: entries, max_value: 25, seed: 3 };
        let (mut hash, mut model, mut now) = (Hash::new(), Model::new(), 0);
        let mut held = Vec::new();
        for op in &ops {
            match *op {
                Op::Set(field, len) => {
                    let (field, value) = (field.to_string().into_bytes(), vec![b'x'; len]);
                    let is_new = hash.set(&field, &value, &limits);
                    prop_assert_eq!(is_new, model.insert(field, (value, None)).is_none());
                }
                Op::Keep(field, len) => {
                    let (field, value) = (field.to_string().into_bytes(), vec![b'y'; len]);
                    let is_new = hash.set_keeping(&field, &value, &limits);
                    prop_assert_eq!(is_new, !model.contains_key(&field));
                    let at = model.get(&field).and_then(|(_, at)| *at);
                    model.insert(field, (value, at));
                }
                Op::Until(field, len, at) => {
                    let (field, value) = (field.to_string().into_bytes(), vec![b'z'; len]);
                    let is_new = hash.set_until(&field, &value, at, &limits);
                    prop_assert_eq!(is_new, model.insert(field, (value, Some(at))).is_none());
                }
                Op::Expire(field, at) => {
                    let field = field.to_string().into_bytes();
                    prop_assert_eq!(hash.set_expiry(&field, Some(at), &limits), model.contains_key(&field));
                    model.entry(field).and_modify(|(_, old)| *old = Some(at));
                }
                Op::Persist(field) => {
                    let field = field.to_string().into_bytes();
                    prop_assert_eq!(hash.set_expiry(&field, None, &limits), model.contains_key(&field));
                    model.entry(field).and_modify(|(_, old)| *old = None);
                }
                Op::Remove(field) => {
                    let field = field.to_string().into_bytes();
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                }
                Op::Time(step, budget) => {
                    now += step;
                    let hidden = |at: Option<UnixMillis>| at.is_some_and(|at| at < now);
                    let wanted: Vec<_> = model.iter().filter(|(_, (_, at))| !hidden(*at)).map(|(f, _)| f.clone()).collect();
                    let mut seen: Vec<_> = hash.view().seen(now).pairs().iter().map(|(field, _)| field.to_vec()).collect();
                    seen.sort();
                    prop_assert_eq!(seen, wanted);
                    let due = model.values().filter(|(_, at)| hidden(*at)).count();
                    let ExpiredFields { fields, latest } = hash.take_due(now, budget);
                    prop_assert_eq!(fields.len(), due.min(budget));
                    let last = fields.iter().filter_map(|field| model.remove(&**field)?.1).max();
                    prop_assert!(last.is_none_or(|last| last == latest));
                    let next = model.values().filter_map(|(_, at)| *at).min();
                    prop_assert!(last.is_none_or(|last| next.is_none_or(|next| last <= next)), "the first go first");
                }
                Op::Limits(max_entries, max_value) => limits = HashLimits { max_entries, max_value, ..limits },
                Op::Clone => held.push((hash.clone(), model.clone())),
                Op::Dump if model.is_empty() => {}
                Op::Dump => hash = through_a_payload(&hash),
            }
            hash.settle();
            prop_assert_eq!(hash.len(), model.len());
            prop_assert_eq!(hash.next_expiry(), model.values().filter_map(|(_, at)| *at).min());
        }
        held.push((hash, model));
        for (hash, model) in &held {
            prop_assert_eq!(&contents(hash), model);
            for (field, (value, at)) in model {
                prop_assert_eq!(hash.view().get_timed(field).map(|(value, at)| (value.to_vec(), at)), Some((value.clone(), *at)));
            }
        }
    }
}
