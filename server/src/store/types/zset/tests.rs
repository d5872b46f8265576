//! A sorted set agrees with a model under any operations, in both forms and while snapshots share its parts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::number::parse_f64;

/// Members and their scores.
type Model = BTreeMap<Vec<u8>, f64>;

#[derive(Clone, Debug)]
enum Op {
    Set(u16, i8),
    /// Members whose scores ascend or descend.
    Fill {
        from: u16,
        count: u16,
        step: i8,
    },
    Remove(u16),
    RemoveRange {
        start: u16,
        count: u16,
    },
    PopFirst(u8),
    Pack,
    Snapshot,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..1500_u16, any::<i8>()).prop_map(|(member, score)| Op::Set(member, score)),
        2 => (0..1500_u16, 1..400_u16, -1..=1_i8).prop_map(|(from, count, step)| Op::Fill { from, count, step }),
        4 => (0..1500_u16).prop_map(Op::Remove),
        1 => (0..1000_u16, 1..200_u16).prop_map(|(start, count)| Op::RemoveRange { start, count }),
        1 => any::<u8>().prop_map(Op::PopFirst),
        1 => Just(Op::Pack),
        1 => Just(Op::Snapshot),
    ]
}

/// A member; some are long, and some are integers.
fn name(number: u16) -> Vec<u8> {
    match number % 50 {
        7 => format!("{number}:{}", "long".repeat(usize::from(number))).into_bytes(),
        8..20 => number.to_string().into_bytes(),
        _ => format!("member:{number}").into_bytes(),
    }
}

fn sorted(model: &Model) -> Vec<(f64, Vec<u8>)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    all
}

fn listed(zset: &ZSet, start: usize, count: usize, reversed: bool) -> Vec<(f64, Vec<u8>)> {
    let mut all = Vec::new();
    zset.range(start, count, reversed, |member, score| all.push((score, member.to_vec())));
    all
}

fn compare(zset: &ZSet, model: &Model) {
    zset.check();
    let expected = sorted(model);
    assert_eq!(listed(zset, 0, zset.len(), false), expected);
    let (start, count) = (expected.len() / 3, expected.len() / 2);
    let backwards: Vec<_> = expected.iter().rev().skip(start).take(count).cloned().collect();
    assert_eq!(listed(zset, start, count, true), backwards);
    for (rank, (score, member)) in expected.iter().enumerate().step_by(37) {
        assert_eq!(zset.view().rank(member), Some((rank, *score)));
    }
    let mut scanned = BTreeMap::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        cursor = zset.view().scan(from, 10, |member, score| {
            let score = parse_f64(&score.to_text()).expect("a score");
            assert!(scanned.insert(member.to_vec(), score).is_none());
        });
    }
    assert_eq!(&scanned, model);
}

fn apply(zset: &mut ZSet, model: &mut Model, op: &Op, options: &ZSetOptions) {
    let mut set = |member: Vec<u8>, score: f64| {
        zset.update(&member, options, |_| Some(score));
        model.insert(member, score);
    };
    match *op {
        Op::Set(member, score) => set(name(member), f64::from(score) / 4.0),
        Op::Fill { from, count, step } => {
            (0..count).for_each(|at| set(name(from + at), f64::from(i32::from(at) * i32::from(step))));
        }
        Op::Remove(member) => assert_eq!(zset.remove(&name(member)), model.remove(&name(member))),
        Op::RemoveRange { start, count } => {
            let (start, count) = (usize::from(start), usize::from(count));
            sorted(model).iter().skip(start).take(count).for_each(|(_, member)| _ = model.remove(member));
            zset.remove_range(start..start + count);
        }
        Op::PopFirst(count) => {
            let count = usize::from(count);
            sorted(model).iter().take(count).for_each(|(_, member)| _ = model.remove(member));
            zset.remove_range(0..count);
        }
        Op::Pack => zset.pack(options),
        Op::Snapshot => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sorted_set_agrees_with_a_model(ops in prop::collection::vec(op(), 1..60), max_entries in 0..200_usize) {
        let options = ZSetOptions { max_entries, max_value: 64, seed: 5 };
        let (mut zset, mut model) = (ZSet::new(), Model::new());
        let mut snapshots = Vec::new();
        for op in &ops {
            apply(&mut zset, &mut model, op, &options);
            compare(&zset, &model);
            if matches!(op, Op::Snapshot) {
                snapshots.push((zset.clone(), model.clone()));
            }
        }
        for (zset, model) in &snapshots {
            compare(zset, model);
        }
    }

    #[test]
    fn ranges_by_score_and_member_are_those_of_a_filter(
        elements in prop::collection::btree_map(0..400_u16, 0..9_i8, 0..300),
        bounds in (-1..10_i8, -1..10_i8, any::<bool>(), any::<bool>()),
        max_entries in prop_oneof![Just(0_usize), Just(1000)],
    ) {
        let (min, max, min_excluded, max_excluded) = bounds;
        let options = ZSetOptions { max_entries, max_value: 10_000, seed: 5 };
        let (mut zset, mut flat) = (ZSet::new(), ZSet::new());
        for (member, score) in &elements {
            zset.insert(f64::from(*score), &name(*member), &options);
            flat.insert(1.0, &name(*member), &options);
        }
        let bounds = ScoreBounds { min: f64::from(min), max: f64::from(max), min_excluded, max_excluded };
        let within = |score: f64| bounds.reaches(score) && !bounds.exceeded_by(score);
        let expected = elements.values().filter(|score| within(f64::from(**score))).count();
        let range = zset.view().score_range(&bounds);
        prop_assert_eq!(range.len(), expected);
        prop_assert!(listed(&zset, range.start, range.len(), false).iter().all(|(score, _)| within(*score)));

        let (low, high) = (name(min.unsigned_abs().into()), name(u16::from(max.unsigned_abs()) * 40));
        let bound = |member, excluded| if excluded { LexBound::Excluding(member) } else { LexBound::Including(member) };
        let bounds = LexBounds { min: bound(&low, min_excluded), max: bound(&high, max_excluded) };
        let expected = elements.keys().filter(|member| {
            let member = name(**member);
            bounds.reaches(&member) && !bounds.exceeded_by(&member)
        }).count();
        prop_assert_eq!(flat.view().lex_range(&bounds, false).len(), expected);
        prop_assert_eq!(flat.view().lex_range(&bounds, true), flat.view().lex_range(&bounds, false));
    }
}

/// A set of `count` elements in the large form.
fn large(count: usize) -> ZSet {
    let options = ZSetOptions { max_entries: 0, max_value: 64, seed: 9 };
    let mut zset = ZSet::new();
    for number in 0..count {
        zset.insert((number * 7919 % 1_000_003) as f64, format!("member:{number:09}").as_bytes(), &options);
    }
    zset
}

#[test]
fn a_large_set_spends_little_more_than_its_elements() {
    let zset = large(100_000);
    let each = zset.heap_bytes() as f64 / 100_000.0;
    assert!(each < 52.0, "{each} bytes per element of 16 bytes and a score");
}

#[test]
fn elements_that_come_in_order_fill_their_leaves() {
    for descending in [false, true] {
        let options = ZSetOptions { max_entries: 0, max_value: 64, seed: 9 };
        let mut zset = ZSet::new();
        for number in 0..50_000_i32 {
            let score = f64::from(if descending { -number } else { number });
            zset.insert(score, format!("member:{number:09}").as_bytes(), &options);
        }
        zset.check();
        let each = zset.heap_bytes() as f64 / 50_000.0;
        assert!(each < 45.0, "{each} bytes per element, descending: {descending}");
    }
}

#[test]
fn what_was_removed_gives_its_memory_back() {
    let mut zset = large(100_000);
    let full = zset.heap_bytes();
    zset.remove_range(1000..100_000);
    zset.check();
    assert!(zset.heap_bytes() < full / 25, "{} of {full}", zset.heap_bytes());
}

#[test]
fn a_write_beside_a_snapshot_copies_little_of_a_large_set() {
    let mut zset = large(100_000);
    let snapshot = zset.clone();
    let before = zset.heap_bytes();
    let options = ZSetOptions::default();
    zset.update(b"member:000000500", &options, |_| Some(1.5));
    zset.remove(b"member:000000700");
    zset.insert(3.5, b"another", &options);
    assert!(zset.heap_bytes().abs_diff(before) < 64 * 1024);
    snapshot.check();
    assert_eq!(snapshot.len(), 100_000);
    assert_eq!(snapshot.score(b"member:000000700"), Some((700 * 7919 % 1_000_003) as f64));
}

#[test]
fn scores_are_stored_as_redis_stores_them() {
    let mut zset = ZSet::new();
    let options = ZSetOptions::default();
    let limit = 4_611_686_018_427_387_904.0; // 2^62
    for (member, score) in [
        ("zero", -0.0),
        ("a", 1.5),
        ("b", -limit),
        ("c", limit),
        ("d", limit * 1.5),
        ("e", f64::INFINITY),
        ("f", f64::NEG_INFINITY),
        ("g", 0.1),
    ] {
        zset.insert(score, member.as_bytes(), &options);
        assert_eq!(zset.score(member.as_bytes()), Some(score));
    }
    let texts: Vec<_> =
        zset.view().as_pack().expect("it is small").iter().skip(1).step_by(2).map(Element::to_vec).collect();
    let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
    assert_eq!(
        texts,
        [
            "-inf",
            "-4611686018427387904",
            "0",
            "0.10000000000000001",
            "1.5",
            "4611686018427387904",
            "6.9175290276410819e+18",
            "inf"
        ]
    );
}
