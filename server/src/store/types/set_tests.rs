//! Set tests: a model under random operations through all changes of form, and what is picked and popped.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::store::Collection;

type Model = BTreeSet<Vec<u8>>;

fn limits(max_ints: usize, max_packed: usize, max_value: usize) -> SetLimits {
    SetLimits { max_ints, max_packed, max_value, seed: 3 }
}

fn contents(set: &Set) -> Model {
    let mut all = Model::new();
    set.iter().for_each(|member| assert!(all.insert(member.to_vec()), "members are distinct"));
    all
}

fn form(set: &Set) -> &'static str {
    match &set.0 {
        Form::Ints(_) => "intset",
        Form::Packed(_) => "listpack",
        Form::Table(_) => "table",
    }
}

fn set_of(members: &[&str], limits: &SetLimits) -> Set {
    let mut set = Set::new();
    members.iter().for_each(|member| _ = set.add(member.as_bytes(), limits));
    set
}

#[test]
fn many_members_at_once_are_as_if_they_were_added_one_by_one() {
    for limits in [limits(3, 9, 9), limits(5_000, 9, 9), limits(0, 5_000, 9), SetLimits::default()] {
        for count in [1, 255, 256, 700, 3_000] {
            let long = "x".repeat(20_000);
            let name = |i: usize| if i % 100 == 7 { format!("{long}{i}") } else { (i % 500).to_string() };
            let members: Vec<String> = (0..count).map(name).collect();
            let texts = || members.iter().map(String::as_bytes);
            let (mut at_once, mut grown) = (Set::new(), Set::new());
            for set in [&mut at_once, &mut grown] {
                set.expect(count, members[0].as_bytes(), &limits);
            }
            let added = at_once.add_all(count, texts(), &limits);
            assert_eq!(added, texts().filter(|member| grown.add(member, &limits)).count());
            assert_eq!((contents(&at_once), form(&at_once)), (contents(&grown), form(&grown)), "{count}");
            // And so are more of them, some of which are there.
            assert_eq!(at_once.add_all(count, texts(), &limits), 0);
            assert_eq!(at_once.add_all(1, [b"new".as_slice()].into_iter(), &limits), 1);
        }
    }
}

#[test]
fn an_iteration_goes_on_when_what_is_left_is_too_long_for_a_listpack() {
    let limits = limits(0, 128, 9);
    let long = "x".repeat(600);
    let all: Vec<String> = (0..600).map(|i| format!("{long}{i}")).collect();
    let mut set = set_of(&all.iter().map(String::as_str).collect::<Vec<_>>(), &limits);
    let (mut seen, mut rng) = (Model::new(), Rng::new(5));
    let from = set.view().visit(0, 50, |member| assert!(seen.insert(member.to_vec()))).expect("there are more");
    set.pop_many(590, || rng.next_u64(), |_| {});
    let set = set.remade(&limits);
    assert_eq!(set.view().visit(from, 600, |member| assert!(seen.insert(member.to_vec()))), None);
    assert!(contents(&set).is_subset(&seen));
}

#[test]
fn an_iteration_sees_what_stays_when_most_members_are_popped() {
    let limits = limits(0, 0, 9);
    let all: Vec<String> = (0..10_000).map(|i| format!("m{i}")).collect();
    let mut set = set_of(&all.iter().map(String::as_str).collect::<Vec<_>>(), &limits);
    let (mut seen, mut rng, mut at) = (Model::new(), Rng::new(5), Some(0));
    while let Some(from) = at {
        at = set.view().visit(from, 500, |member| assert!(seen.insert(member.to_vec()), "no member comes twice"));
        if set.len() > 100 {
            let count = set.len() / 2;
            set.pop_many(count, || rng.next_u64(), |_| {});
        }
    }
    assert!(set.len() < 1_000 && contents(&set).is_subset(&seen));
}

#[test]
fn a_set_that_is_gathered_has_the_form_of_one_that_grew() {
    for limits in [limits(3, 9, 9), limits(9, 3, 9), limits(0, 3, 2), limits(0, 0, 0), SetLimits::default()] {
        for count in [0, 1, 3, 4, 9, 10, 130, 600, 5_000] {
            for members in [
                (0..count).map(|i| i.to_string()).collect::<Vec<_>>(),
                (0..count).map(|i| format!("m{i}")).collect(),
                (0..count).map(|i| if i == count / 2 { "x".to_owned() } else { i.to_string() }).collect(),
            ] {
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                let expected = set_of(&members, &limits);
                let begins_with_int = members.first().is_some_and(|first| parse_i64(first.as_bytes()).is_some());
                let expected_form = if limits.max_ints == 0 && begins_with_int { "table" } else { form(&expected) };
                let mut gathered = Gathered::new(&limits);
                members.iter().chain(&members).for_each(|member| gathered.add(member.as_bytes()));
                let (set, repeated) = gathered.finish();
                assert_eq!((form(&set), repeated), (expected_form, members.len()), "{count} of {limits:?}");
                assert!(contents(&set) == contents(&expected));
            }
        }
    }
}

#[test]
fn sets_are_asked_for_many_members_at_once_and_say_what_they_say_one_by_one() {
    let small = limits(600, 600, 9);
    let of = |from: usize, to: usize, step: usize, limits: &SetLimits| {
        let mut set = Set::new();
        (from..to).step_by(step).for_each(|n| _ = set.add(n.to_string().as_bytes(), limits));
        set
    };
    for count in [1, 15, 16, 17, 40, 1_000] {
        let first = of(0, count, 1, &limits(0, 0, 9));
        // A table, an intset, and a listpack that has few of them.
        let packed = set_of(&["x", "0", "3", "16", "33", "999"], &small);
        let others = [of(0, 5_000, 3, &limits(0, 0, 9)), of(0, 1_500, 2, &limits(2_000, 0, 9)), packed];
        assert_eq!(others.each_ref().map(form), ["table", "intset", "listpack"]);
        for chosen in 0..1 << others.len() {
            let chosen: Vec<SetRef<'_>> =
                others.iter().enumerate().filter(|(at, _)| chosen & 1 << at != 0).map(|(_, set)| set.view()).collect();
            let wanted: Vec<Vec<u8>> = first
                .iter()
                .filter(|member| chosen.iter().all(|set| set.contains_element(*member)))
                .map(Element::to_vec)
                .collect();
            let mut found = Vec::new();
            first.view().intersect(&chosen, |member| {
                found.push(member.to_vec());
                true
            });
            assert_eq!(found, wanted, "in the same order");
            let (mut few, limit) = (Vec::new(), wanted.len().div_ceil(2));
            first.view().intersect(&chosen, |member| {
                few.push(member.to_vec());
                few.len() != limit
            });
            assert_eq!(few, wanted[..limit.min(wanted.len())], "it ends when it is enough");
            let is_alone = |member: &Element<'_>| !chosen.iter().any(|set| set.contains_element(*member));
            let wanted: Vec<Vec<u8>> = first.iter().filter(is_alone).map(Element::to_vec).collect();
            let mut left = Vec::new();
            first.view().subtract(&chosen, |member| left.push(member.to_vec()));
            assert_eq!(left, wanted, "what none of the others has");
        }
    }
}

/// Recorded from Redis 8.0.6 and Valkey 9.1.2, which agree: tests/compat/later.rs.
#[test]
fn an_intersection_of_integers_becomes_an_intset_only_at_the_end() {
    let result = |count: usize, limits: &SetLimits| {
        let mut gathered = Gathered::packed(limits);
        (0..count).rev().for_each(|i| gathered.add(i.to_string().as_bytes()));
        gathered.finish_with_ints()
    };
    assert_eq!(form(&result(3, &limits(3, 9, 9))), "intset");
    assert_eq!(form(&result(4, &limits(3, 9, 9))), "listpack", "too many for an intset, but not for a listpack");
    assert_eq!(form(&result(10, &limits(3, 9, 9))), "table");
    assert_eq!(form(&result(10, &limits(20, 9, 9))), "intset", "it was a table meanwhile");
    assert_eq!(contents(&result(600, &limits(700, 9, 9))), contents(&result(600, &limits(3, 9, 9))));
}

#[test]
fn a_set_is_small() {
    // The allocator rounds a collection of 40 bytes up to as many.
    assert!(size_of::<Collection>() <= 48);
    assert_eq!(Set::new().heap_bytes(), 0);
    let mut set = set_of(&["member-one", "member-two", "3"], &SetLimits::default());
    set.settle();
    assert_eq!(set.heap_bytes(), 32);
}

/// Recorded from Redis 8.0.6 and Valkey 9.1.2, which agree.
#[test]
fn a_set_changes_its_form_beyond_a_limit_and_never_goes_back() {
    assert_eq!(form(&set_of(&["1", "-2", "9223372036854775807"], &limits(3, 9, 9))), "intset");
    assert_eq!(form(&set_of(&["1", "2", "3", "4"], &limits(3, 9, 9))), "table", "an intset that is too big");
    assert_eq!(form(&set_of(&["1", "2", "a"], &limits(3, 3, 9))), "listpack");
    assert_eq!(form(&set_of(&["1", "2", "3", "a"], &limits(3, 3, 9))), "table");
    assert_eq!(form(&set_of(&["1", "2", "a", "b"], &limits(3, 3, 9))), "table");
    assert_eq!(form(&set_of(&["1", "2", "a", "a"], &limits(3, 3, 9))), "listpack");
    assert_eq!(form(&set_of(&["1", "0123456789"], &limits(3, 3, 9))), "table");
    assert_eq!(form(&set_of(&["1234567890", "2", "a"], &limits(3, 3, 9))), "table", "an integer that is too long");
    assert_eq!(form(&set_of(&["-12345678", "2", "a"], &limits(3, 3, 9))), "listpack");
    assert_eq!(form(&set_of(&["-123456789", "2", "a"], &limits(3, 3, 9))), "table");
    assert_eq!(form(&set_of(&["01"], &limits(3, 3, 9))), "listpack", "it is no canonical integer");
    assert_eq!(form(&set_of(&["1"], &limits(0, 3, 9))), "listpack", "no intsets are wanted");
    assert_eq!(form(&set_of(&["1"], &limits(0, 0, 0))), "table");
    assert_eq!(form(&set_of(&["", "a"], &limits(3, 3, 0))), "table");
    let mut set = set_of(&["1", "a"], &SetLimits::default());
    set.remove(b"a");
    set.add(b"2", &SetLimits::default());
    assert_eq!((form(&set), set.view().encoding().name()), ("listpack", "listpack"));
    assert_eq!(form(&Set::copy_of(set.view(), &SetLimits::default())), "intset", "a copy is made anew");
}

#[test]
fn a_member_that_is_there_changes_no_form_whatever_the_limits_became() {
    let mut set = set_of(&["abcdefgh", "b", "c"], &SetLimits::default());
    assert!(!set.add(b"abcdefgh", &limits(0, 1, 1)));
    assert_eq!(form(&set), "listpack");
    assert!(set.add(b"d", &limits(0, 1, 1)));
    assert_eq!(form(&set), "table");
    let mut set = set_of(&["1", "2", "3"], &SetLimits::default());
    assert!(!set.add(b"1", &limits(1, 9, 9)));
    assert_eq!(form(&set), "intset");
    assert!(set.add(b"4", &limits(1, 9, 9)));
    assert_eq!(form(&set), "table");
}

#[test]
fn members_that_are_announced_choose_the_form() {
    let expecting = |members: &[&str], count: usize, first: &str| {
        let limits = limits(3, 5, 9);
        let mut set = set_of(members, &limits);
        set.expect(count, first.as_bytes(), &limits);
        form(&set)
    };
    assert_eq!([3, 4, 5, 6].map(|count| expecting(&[], count, "1")), ["intset", "listpack", "listpack", "table"]);
    assert_eq!([3, 5, 6].map(|count| expecting(&[], count, "a")), ["listpack", "listpack", "table"]);
    assert_eq!([3, 4].map(|count| expecting(&["1"], count, "a")), ["intset", "table"], "whatever they are");
    assert_eq!([5, 6].map(|count| expecting(&["a"], count, "a")), ["listpack", "table"]);
}

#[test]
fn little_that_is_left_of_a_table_is_a_listpack_again() {
    let numbers: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let mut set = set_of(&numbers.iter().map(String::as_str).collect::<Vec<_>>(), &SetLimits::default());
    let mut rng = Rng::new(1);
    set.pop_many(400, || rng.next_u64(), |_| ());
    set = set.remade(&SetLimits::default());
    assert_eq!((form(&set), set.len()), ("table", 200));
    set.pop_many(190, || rng.next_u64(), |_| ());
    let before = contents(&set);
    set = set.remade(&SetLimits::default());
    assert_eq!(form(&set), "listpack", "integers, too");
    assert_eq!(contents(&set), before);
    let long = set_of(&["a-long-member", "b"], &limits(3, 9, 4)).remade(&limits(3, 9, 4));
    assert_eq!(form(&long), "table");
}

#[test]
fn picks_are_of_the_number_wanted_and_distinct_if_they_must_be() {
    for (prefix, count) in [("", 300), ("m", 100), ("m", 900)] {
        let mut set = Set::new();
        (0..count).for_each(|i: usize| assert!(set.add(format!("{prefix}{i}").as_bytes(), &SetLimits::default())));
        let mut rng = Rng::new(1);
        for wanted in [0, 1, count / 4, count - 1, count, count + 9] {
            let mut picked = Model::new();
            set.view().pick_distinct(wanted, || rng.next_u64(), |member| assert!(picked.insert(member.to_vec())));
            assert_eq!(picked.len(), wanted.min(count));
            assert!(picked.is_subset(&contents(&set)));
            let (mut rest, mut popped) = (set.clone(), Model::new());
            rest.pop_many(wanted, || rng.next_u64(), |member| assert!(popped.insert(member.to_vec())));
            assert_eq!(popped.len(), wanted.min(count));
            assert!(contents(&rest).is_disjoint(&popped));
            popped.extend(contents(&rest));
            assert_eq!(popped, contents(&set));
        }
        let mut times = 0;
        set.view().pick_many(
            3 * count,
            || rng.next_u64(),
            |member| {
                times += 1;
                member.text_len() > 0 && times < 2 * count
            },
        );
        assert_eq!(times, 2 * count, "it ends when it is enough");
    }
    assert_eq!(Set::new().view().pick(|| 0, |_| ()), None);
    Set::new().view().pick_many(5, || 0, |_| panic!("there is none"));
    assert_eq!(Set::new().pop(|| 0), None);
}

#[test]
fn every_member_is_popped_once() {
    for prefix in ["", "m"] {
        for count in [100, 900] {
            let (mut set, mut rng) = (Set::new(), Rng::new(2));
            (0..count).for_each(|i: usize| assert!(set.add(format!("{prefix}{i}").as_bytes(), &SetLimits::default())));
            let mut all = contents(&set);
            while let Some(member) = set.pop(|| rng.next_u64()) {
                assert!(all.remove(&member.as_element().to_vec()));
            }
            assert!(all.is_empty() && set.is_empty());
        }
    }
}

#[test]
fn a_walk_returns_every_member_once() {
    for (prefix, count) in [("", 300), ("m", 100), ("m", 9000)] {
        let mut set = Set::new();
        (0..count).for_each(|i: usize| assert!(set.add(format!("{prefix}{i}").as_bytes(), &SetLimits::default())));
        let (mut seen, mut from) = (Model::new(), Some(0));
        while let Some(cursor) = from {
            from = set.view().visit(cursor, 100, |member| assert!(seen.insert(member.to_vec())));
        }
        assert_eq!(seen, contents(&set));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(u8),
    AddInt(i64),
    Remove(u8),
    RemoveInt(i64),
    Pop(u64),
    PopMany(usize, u64),
    Limits(usize, usize, usize),
    Clone,
    Copy,
    Expect(usize),
    Remake,
}

fn op() -> impl Strategy<Value = Op> {
    let int = || prop_oneof![8 => -20..20_i64, 1 => any::<i64>()];
    prop_oneof![
        3 => (0u8..60).prop_map(Op::Add),
        9 => int().prop_map(Op::AddInt),
        3 => (0u8..60).prop_map(Op::Remove),
        3 => int().prop_map(Op::RemoveInt),
        1 => any::<u64>().prop_map(Op::Pop),
        1 => (0usize..6, any::<u64>()).prop_map(|(count, seed)| Op::PopMany(count, seed)),
        1 => (0usize..60, 0usize..60, 1usize..60).prop_map(|(ints, packed, value)| Op::Limits(ints, packed, value)),
        1 => Just(Op::Clone),
        1 => Just(Op::Copy),
        1 => (0usize..40).prop_map(Op::Expect),
        1 => Just(Op::Remake),
    ]
}

/// Texts of many lengths.
fn name(number: u8) -> Vec<u8> {
    format!("m{number}").repeat(1 + usize::from(number) / 8).into_bytes()
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_set(ints in 0usize..40, ops in prop::collection::vec(op(), 1..200)) {
        let (mut set, mut model, mut limits) = (Set::new(), Model::new(), limits(ints, 20, 12));
        let mut held = Vec::new();
        for op in &ops {
            match *op {
                Op::Add(number) => prop_assert_eq!(set.add(&name(number), &limits), model.insert(name(number))),
                Op::AddInt(number) => {
                    let text = number.to_string().into_bytes();
                    prop_assert_eq!(set.add_element(Element::Int(number), &limits), model.insert(text));
                }
                Op::Remove(number) => prop_assert_eq!(set.remove(&name(number)), model.remove(&name(number))),
                Op::RemoveInt(number) => {
                    let text = number.to_string().into_bytes();
                    prop_assert_eq!(set.remove(&text), model.remove(&text));
                    prop_assert!(!set.view().contains_element(Element::Int(number)));
                }
                Op::Pop(seed) => {
                    let member = set.pop(|| seed).map(|member| member.as_element().to_vec());
                    prop_assert_eq!(member.is_none(), model.is_empty());
                    prop_assert!(member.is_none_or(|member| model.remove(&member)));
                }
                Op::PopMany(count, seed) => {
                    let (mut rng, mut gone) = (Rng::new(seed), 0);
                    let before = model.len();
                    set.pop_many(count, || rng.next_u64(), |member| gone += usize::from(model.remove(&member.to_vec())));
                    prop_assert_eq!(gone, count.min(before));
                }
                Op::Limits(max_ints, max_packed, max_value) => {
                    limits = SetLimits { max_ints, max_packed, max_value, ..limits };
                }
                Op::Clone => held.push((set.clone(), model.clone())),
                Op::Copy => set = Set::copy_of(set.view(), &limits),
                Op::Expect(count) => set.expect(count, b"1", &limits),
                Op::Remake => set = set.remade(&limits),
            }
            set.settle();
            prop_assert_eq!(set.len(), model.len());
        }
        held.push((set, model));
        for (set, model) in &held {
            prop_assert_eq!(&contents(set), model);
            prop_assert!(model.iter().all(|member| set.view().contains(member)));
            prop_assert!(set.iter().all(|member| set.view().contains_element(member)));
        }
    }
}
