//! List tests: a model under random operations with limits so small that many nodes exist, and the shape of the nodes.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::*;
use proptest::prelude::*;

fn text(element: Element<'_>) -> Vec<u8> {
    element.to_vec()
}

fn options(fill: i16, compress_depth: u16) -> ListOptions {
    ListOptions { fill, compress_depth, ..ListOptions::default() }
}

fn filled(options: ListOptions, values: impl IntoIterator<Item = String>) -> List {
    let mut list = List::new(options);
    for value in values {
        list.push_back(value.as_bytes());
    }
    list.settle();
    list
}

/// Checks the invariants that the module's essay states.
fn check_invariants(list: &List) {
    assert_eq!(list.nodes.iter().map(Node::count).sum::<usize>(), list.len());
    assert!(list.nodes.iter().all(|node| node.count() > 0), "no node is empty");
    let (nodes, depth) = (list.nodes.len(), usize::from(list.options.compress_depth));
    for (i, node) in list.nodes.iter().enumerate() {
        let inner = depth > 0 && i >= depth && i + depth < nodes;
        assert!(inner || !node.is_compressed(), "node {i} of {nodes} is compressed at depth {depth}");
    }
}

#[test]
fn a_list_is_small() {
    assert_eq!(size_of::<List>(), 32);
    assert_eq!(size_of::<Node>(), 32);
    let mut list = List::new(ListOptions::default());
    list.push_back(b"0123456789");
    let bytes = size_of::<List>() + list.heap_bytes();
    assert!(bytes <= 96, "{bytes}");
}

#[test]
fn nodes_fill_up_to_the_limit_of_redis() {
    // The output of DEBUG OBJECT on 7.0.15 for the same pushes.
    let list = filled(options(-2, 0), (0..1000).map(|i| format!("{i:020}x")[..20].to_owned()));
    assert_eq!(
        list.info().to_string(),
        "ql_nodes:3 ql_avg_node:333.33 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:22021"
    );
    assert_eq!(filled(options(3, 0), (0..10).map(|i| i.to_string())).node_count(), 4);
}

#[test]
fn a_huge_element_gets_a_plain_node() {
    let mut list = List::new(ListOptions { packed_threshold: 10, ..ListOptions::default() });
    list.push_back(b"a");
    list.push_back(b"0123456789");
    list.push_back(b"b");
    assert_eq!(list.node_count(), 3);
    assert!(matches!(list.saved_nodes().nth(1), Some(NodeBytes::Plain(b"0123456789"))));
    assert!(list.set(1, b"now small"));
    assert!(list.set(0, b"now it is huge"));
    assert_eq!(list.to_vec(), [&b"now it is huge"[..], b"now small", b"b"]);
    assert!(list.insert_before(b"b", b"another huge one"));
    assert_eq!(list.len(), 4);
    check_invariants(&list);
}

#[test]
fn inner_nodes_are_compressed_and_read_all_the_same() {
    let list = filled(options(4, 1), (0..100).map(|i| format!("{i:03} {}", "abc".repeat(40))));
    let compressed = list.nodes.iter().filter(|node| node.is_compressed()).count();
    assert_eq!(compressed, 23);
    check_invariants(&list);
    assert_eq!(list.with_index(50, |e| e.to_vec()[..3].to_vec()), Some(b"050".to_vec()));
    assert!(list.heap_bytes() < list.info().uncompressed_bytes / 2);
}

#[test]
fn popping_down_decompresses_what_becomes_an_end() {
    let mut list = filled(options(4, 2), (0..60).map(|i| format!("{i:03} {}", "abc".repeat(40))));
    for i in 0..60 {
        let popped = if i % 3 == 0 { list.pop_back() } else { list.pop_front() };
        assert!(popped.is_some());
        check_invariants(&list);
    }
    assert!(list.is_empty());
    assert_eq!(list.pop_front(), None);
}

#[test]
fn a_clone_does_not_see_later_changes() {
    let mut list = filled(options(4, 1), (0..40).map(|i| format!("element {i}")));
    let snapshot = list.clone();
    let before = snapshot.to_vec();
    list.push_front(b"new");
    list.pop_back();
    list.set(20, b"changed");
    list.insert_after(b"element 10", b"inserted");
    list.remove(b"element 5", 0);
    list.trim(3, 20);
    assert_eq!(snapshot.to_vec(), before);
    check_invariants(&snapshot);
}

#[test]
fn ends_of_a_walk_are_respected() {
    let list = filled(options(2, 0), (0..9).map(|i| i.to_string()));
    let mut seen = Vec::new();
    list.walk(7, |at, element| {
        seen.push((at, element.to_vec()));
        ControlFlow::Continue(())
    });
    assert_eq!(seen, [(7, b"7".to_vec()), (8, b"8".to_vec())]);
    seen.clear();
    list.walk_back(usize::MAX, |at, element| {
        seen.push((at, element.to_vec()));
        if at == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, [(8, b"8".to_vec()), (7, b"7".to_vec())]);
    List::new(options(2, 0)).walk_back(0, |_, _| panic!("there is nothing to walk"));
}

#[test]
fn indexes_outside_are_refused() {
    let mut list = filled(options(2, 0), (0..3).map(|i| i.to_string()));
    for index in [3, -4, i64::MIN, i64::MAX] {
        assert_eq!(list.with_index(index, |_| ()), None);
        assert!(!list.set(index, b"x"));
    }
    assert_eq!(list.remove_range(5, 1), 0);
    assert_eq!(list.remove_range(1, usize::MAX), 2);
}

#[test]
fn an_inner_node_keeps_no_spare_room() {
    let list = filled(options(-2, 0), (0..5000).map(|i| format!("element {i:010}")));
    let slack: usize = list
        .nodes
        .iter()
        .skip(1)
        .take(list.node_count() - 2)
        .map(|n| n.heap_bytes() - n.byte_len().min(n.heap_bytes()))
        .sum();
    assert!(slack < list.info().uncompressed_bytes / 8, "{slack} bytes of slack");
}

#[derive(Clone, Debug)]
enum Op {
    PushFront(String),
    PushBack(String),
    PopFront,
    PopBack,
    Insert(bool, String, String),
    Set(i64, String),
    Remove(String, i64),
    RemoveRange(usize, usize),
    Trim(usize, usize),
    Index(i64),
    Range(usize, usize),
    CloneAndGoOn,
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[0-3]|[a-c]".prop_map(|s| s),
        2 => (-70_000i64..70_000).prop_map(|v| v.to_string()),
        2 => (0usize..40).prop_map(|n| "long ".repeat(n)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => value().prop_map(Op::PushFront),
        6 => value().prop_map(Op::PushBack),
        2 => Just(Op::PopFront),
        2 => Just(Op::PopBack),
        4 => (any::<bool>(), value(), value()).prop_map(|(before, pivot, v)| Op::Insert(before, pivot, v)),
        2 => (-30i64..30, value()).prop_map(|(i, v)| Op::Set(i, v)),
        1 => (value(), -4i64..4).prop_map(|(v, n)| Op::Remove(v, n)),
        1 => (0usize..30, 0usize..10).prop_map(|(s, n)| Op::RemoveRange(s, n)),
        1 => (0usize..4, 10usize..60).prop_map(|(s, n)| Op::Trim(s, n)),
        1 => (-40i64..40).prop_map(Op::Index),
        1 => (0usize..40, 0usize..40).prop_map(|(s, n)| Op::Range(s, n)),
        1 => Just(Op::CloneAndGoOn),
    ]
}

type Model = VecDeque<Vec<u8>>;

fn model_position(model: &Model, index: i64) -> Option<usize> {
    let at = if index < 0 { index + model.len() as i64 } else { index };
    usize::try_from(at).ok().filter(|&at| at < model.len())
}

fn model_remove(model: &mut Model, value: &[u8], count: i64) -> usize {
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut hits: Vec<usize> = (0..model.len()).filter(|&i| model[i] == value).collect();
    if count < 0 {
        hits.drain(..hits.len().saturating_sub(limit));
    } else {
        hits.truncate(limit);
    }
    for &at in hits.iter().rev() {
        model.remove(at);
    }
    hits.len()
}

fn apply(op: &Op, list: &mut List, model: &mut Model) {
    match op {
        Op::PushFront(v) => {
            list.push_front(v.as_bytes());
            model.push_front(v.clone().into());
        }
        Op::PushBack(v) => {
            list.push_back(v.as_bytes());
            model.push_back(v.clone().into());
        }
        Op::PopFront => assert_eq!(list.pop_front_with(text), model.pop_front()),
        Op::PopBack => assert_eq!(list.pop_back_with(text), model.pop_back()),
        Op::Insert(before, pivot, v) => {
            let found = model.iter().position(|m| m == pivot.as_bytes());
            let inserted = if *before {
                list.insert_before(pivot.as_bytes(), v.as_bytes())
            } else {
                list.insert_after(pivot.as_bytes(), v.as_bytes())
            };
            assert_eq!(inserted, found.is_some());
            if let Some(at) = found {
                model.insert(at + usize::from(!before), v.clone().into());
            }
        }
        Op::Set(i, v) => {
            let at = model_position(model, *i);
            assert_eq!(list.set(*i, v.as_bytes()), at.is_some());
            if let Some(at) = at {
                model[at] = v.clone().into();
            }
        }
        Op::Remove(v, n) => assert_eq!(list.remove(v.as_bytes(), *n), model_remove(model, v.as_bytes(), *n)),
        Op::RemoveRange(s, n) => {
            let start = (*s).min(model.len());
            let end = (start + n).min(model.len());
            assert_eq!(list.remove_range(*s, *n), model.drain(start..end).count());
        }
        Op::Trim(s, n) => {
            list.trim(*s, *n);
            model.truncate(s + n);
            model.drain(..(*s).min(model.len()));
        }
        Op::Index(i) => {
            assert_eq!(list.with_index(*i, text), model_position(model, *i).map(|at| model[at].clone()));
        }
        Op::Range(s, n) => {
            let mut got = Vec::new();
            list.range(*s, *n, |e| got.push(e.to_vec()));
            assert!(got.iter().eq(model.iter().skip(*s).take(*n)));
        }
        Op::CloneAndGoOn => {
            // The original is dropped while the clone changes, so they must not share anything that changes.
            *list = list.clone();
        }
    }
}

fn any_options() -> impl Strategy<Value = ListOptions> {
    (prop_oneof![1i16..6, -5i16..0], 0u16..3, prop_oneof![Just(1u32 << 30), 4u32..120])
        .prop_map(|(fill, compress_depth, packed_threshold)| ListOptions { fill, compress_depth, packed_threshold })
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_deque(options in any_options(), ops in proptest::collection::vec(op(), 1..120)) {
        let (mut list, mut model) = (List::new(options), Model::new());
        let mut held = Vec::new();
        for op in &ops {
            if matches!(op, Op::CloneAndGoOn) {
                held.push((list.clone(), model.clone()));
            }
            apply(op, &mut list, &mut model);
            prop_assert_eq!(list.len(), model.len());
            check_invariants(&list);
            list.settle();
            prop_assert_eq!(list.heap_bytes(), list.nodes.counted());
        }
        held.push((list, model));
        for (list, model) in &held {
            prop_assert!(list.to_vec().iter().eq(model.iter()));
            let mut reversed = Vec::new();
            list.walk_back(usize::MAX, |_, e| {
                reversed.push(e.to_vec());
                ControlFlow::Continue(())
            });
            prop_assert!(reversed.iter().eq(model.iter().rev()));
        }
    }
}
