//! Pack tests: the listpack that one becomes, a model of `Vec<Vec<u8>>` under random operations, and how much is
//! allocated.

use proptest::prelude::*;

use super::*;

fn texts(pack: PackRef<'_>) -> Vec<Vec<u8>> {
    pack.iter().map(Element::to_vec).collect()
}

/// Texts of all kinds of entries: integers of each width, and texts with headers of one, two and five bytes.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-5000..5000i64).prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..70),
        (4090..4100usize).prop_map(|len| vec![b'x'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Push(Vec<u8>),
    PushInt(i64),
    Insert(usize, Vec<u8>),
    InsertInt(usize, i64),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Tighten,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        text().prop_map(Op::Push),
        any::<i64>().prop_map(Op::PushInt),
        (any::<usize>(), text()).prop_map(|(at, text)| Op::Insert(at, text)),
        (any::<usize>(), any::<i64>()).prop_map(|(at, value)| Op::InsertInt(at, value)),
        (any::<usize>(), text()).prop_map(|(at, text)| Op::Replace(at, text)),
        (any::<usize>(), 0..4usize).prop_map(|(at, count)| Op::Remove(at, count)),
        Just(Op::Tighten),
    ]
}

/// Does to a pack and to its model what `op` says; positions count modulo the number of elements.
fn apply(op: Op, pack: &mut Pack, model: &mut Vec<Vec<u8>>) {
    let place = |at: usize, model: &[Vec<u8>]| at % (model.len() + 1);
    let decimal = |value: i64| value.to_string().into_bytes();
    match op {
        Op::Push(text) => {
            pack.push_back(&text);
            model.push(text);
        }
        Op::PushInt(value) => {
            pack.push_back_int(value);
            model.push(decimal(value));
        }
        Op::Insert(at, text) => {
            let at = place(at, model);
            pack.insert(pack.view().seek(at), &text);
            model.insert(at, text);
        }
        Op::InsertInt(at, value) => {
            let at = place(at, model);
            pack.insert_int(pack.view().seek(at), value);
            model.insert(at, decimal(value));
        }
        Op::Replace(at, text) if !model.is_empty() => {
            let at = at % model.len();
            pack.replace(pack.view().seek(at), &text);
            model[at] = text;
        }
        Op::Replace(..) => {}
        Op::Remove(at, count) => {
            let at = place(at, model);
            pack.remove(pack.view().seek(at), count);
            model.drain(at..(at + count).min(model.len()));
        }
        Op::Tighten => pack.tighten(),
    }
}

proptest! {
    #[test]
    fn a_pack_is_a_sequence_of_texts(ops in prop::collection::vec(op(), 0..40)) {
        let (mut pack, mut model) = (Pack::new(), Vec::new());
        for op in ops {
            apply(op, &mut pack, &mut model);
            prop_assert_eq!(texts(pack.view()), model.clone());
            prop_assert_eq!(pack.len(), model.len());
            let copy = PackRef::of_bytes(pack.view().bytes()).to_pack();
            prop_assert_eq!((copy.len(), texts(copy.view())), (model.len(), model.clone()));
        }
        for (at, text) in model.iter().enumerate() {
            let first = model.iter().position(|other| other == text);
            let found = pack.view().find(&Needle::new(text));
            prop_assert_eq!(found, first.map(|first| pack.view().seek(first)));
            prop_assert_eq!(pack.view().element(pack.view().seek(at)).to_vec(), text.clone());
        }
    }

    #[test]
    fn it_is_saved_as_the_listpack_that_redis_keeps(all in prop::collection::vec(text(), 0..40)) {
        let (mut pack, mut listpack) = (Pack::new(), Listpack::new());
        for text in &all {
            pack.push_back(text);
            listpack.push_back(text);
        }
        prop_assert_eq!(pack.view().serialise(), listpack.to_bytes());
        prop_assert!(listpack.byte_len() <= pack.serialised_max());
        let read = Pack::of_listpack(&listpack);
        prop_assert_eq!(read.view().bytes(), pack.view().bytes());
    }
}

#[test]
fn pairs_are_found_by_their_first_element_only() {
    let mut pack = Pack::new();
    for text in [b"a", b"b", b"b", b"a", b"7", b"8"] {
        pack.push_back(text);
    }
    let value = |field: &[u8]| {
        let (_, second) = pack.view().find_pair(&Needle::new(field))?;
        Some(pack.view().element(second).to_vec())
    };
    assert_eq!(value(b"a").as_deref(), Some(&b"b"[..]));
    assert_eq!(value(b"b").as_deref(), Some(&b"a"[..]));
    assert_eq!(value(b"7").as_deref(), Some(&b"8"[..]));
    assert_eq!((value(b"8"), value(b"")), (None, None));
    assert_eq!(pack.view().pairs().count(), 3);
}

#[test]
fn spare_room_is_the_rounding_of_the_allocator() {
    let mut pack = Pack::new();
    for number in 0..10_000 {
        pack.push_back_int(number);
        assert_eq!(pack.allocated_bytes(), good_size(pack.view().bytes().len()), "after {number}");
    }
    pack.remove(0, 9_990);
    pack.tighten();
    assert_eq!(pack.allocated_bytes(), good_size(pack.view().bytes().len()));
}
