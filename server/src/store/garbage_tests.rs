//! Which values count as freed lazily.

use super::super::hash::KeyHash;
use super::super::types::list::{List, ListOptions};
use super::super::types::set::{Set, SetLimits};
use super::super::{Cause, Collection, Slot, Value};
use super::*;
use crate::store::change::tests::{Witness, change};

fn removed(value: Value) -> Removed {
    let mut slot = Slot::EMPTY;
    slot.insert(KeyHash(7), b"k", value, None);
    slot.remove(KeyHash(7), change(b"k", Cause::Deleted), &mut Witness::default()).expect("it was added")
}

fn objects(value: impl Into<Collection>, lazily: bool) -> u64 {
    let mut garbage = Garbage::default();
    garbage.push(removed(Value::from(value.into())), lazily);
    assert!(!garbage.is_empty());
    garbage.objects()
}

fn table(members: usize) -> Set {
    let limits = SetLimits { max_ints: 0, max_packed: 0, max_value: 64, seed: 1 };
    let mut set = Set::new();
    for member in 0..members {
        set.add(member.to_string().as_bytes(), &limits);
    }
    set
}

fn list(nodes: usize) -> List {
    let mut list = List::new(ListOptions { fill: 2, ..ListOptions::default() });
    (0..2 * nodes).for_each(|element| list.push_back(element.to_string().as_bytes()));
    list
}

#[test]
fn a_value_counts_if_it_has_more_than_64_pieces_and_is_freed_lazily() {
    assert_eq!([64, 65].map(|members| objects(table(members), true)), [0, 1], "members of a table");
    assert_eq!([64, 65].map(|nodes| objects(list(nodes), true)), [0, 1], "nodes of a list, not its elements");
    assert_eq!(objects(table(65), false), 0, "nobody asked for it");
}

#[test]
fn packed_values_and_strings_are_one_piece() {
    let limits = SetLimits { max_ints: 512, max_packed: 0, max_value: 64, seed: 1 };
    let mut ints = Set::new();
    for member in 0..100 {
        ints.add(member.to_string().as_bytes(), &limits);
    }
    assert_eq!(objects(ints, true), 0, "an intset");
    let mut garbage = Garbage::default();
    garbage.push(removed(Value::Str(vec![0; 100_000])), true);
    assert_eq!(garbage.objects(), 0, "a string");
}

#[test]
fn what_is_taken_over_is_counted_with_it() {
    let mut all = Garbage::default();
    all.push(removed(Value::from(Collection::from(table(65)))), true);
    let mut more = Garbage::default();
    more.push(removed(Value::from(Collection::from(table(65)))), true);
    more.push(removed(Value::from(Collection::from(table(3)))), true);
    all.append(more);
    assert_eq!((all.objects(), all.values().len()), (2, 3));
}
