//! Listpack tests: the exact bytes, a model of `Vec<Vec<u8>>` under random operations, and hostile input.

use super::*;
use crate::store::encoding::element::Needle;
use proptest::prelude::*;

fn pack(texts: &[&[u8]]) -> Listpack {
    let mut out = Listpack::new();
    for text in texts {
        out.push_back(text);
    }
    out
}

fn texts(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(Element::to_vec).collect()
}

#[test]
fn bytes_are_those_of_redis() {
    // The payload of DUMP after RPUSH l a 1 -1 "" on 7.0.15, without its RDB framing.
    let want = [22, 0, 0, 0, 4, 0, 0x81, b'a', 2, 1, 1, 0xdf, 0xff, 2, 0x80, 1, 0xff];
    let mut want = want.to_vec();
    want[0] = want.len() as u8;
    assert_eq!(pack(&[b"a", b"1", b"-1", b""]).to_bytes(), want);
}

#[test]
fn every_integer_width_has_its_header() {
    for (value, header) in [
        (0, 0x00),
        (127, 0x7f),
        (128, 0xc0),
        (-1, 0xdf),
        (-4096, 0xd0),
        (4095, 0xcf),
        (4096, 0xf1),
        (-32768, 0xf1),
        (32768, 0xf2),
        (-8_388_608, 0xf2),
        (8_388_608, 0xf3),
        (i64::from(i32::MIN), 0xf3),
        (i64::from(i32::MAX) + 1, 0xf4),
        (i64::MIN, 0xf4),
    ] {
        let listpack = pack(&[value.to_string().as_bytes()]);
        assert_eq!(listpack.to_bytes()[6], header, "{value}");
        assert!(matches!(listpack.front(), Some(Element::Int(v)) if v == value), "{value}");
    }
}

#[test]
fn every_text_width_has_its_header_and_back_length() {
    for (len, header, back) in [
        (63, 0x80 | 63, 1),
        (64, 0xe0, 1),
        (125, 0xe0, 1),
        (126, 0xe0, 2),
        (4095, 0xef, 2),
        (4096, 0xf0, 2),
        (16_377, 0xf0, 2),
        (16_378, 0xf0, 3),
        (2_097_145, 0xf0, 3),
        (2_097_146, 0xf0, 4),
    ] {
        let text = vec![b'x'; len];
        let listpack = pack(&[&text]);
        let bytes = listpack.to_bytes();
        assert_eq!(bytes[6], header, "{len}");
        let header_len = match header {
            0xf0 => 5,
            0xe0.. => 2,
            _ => 1,
        };
        assert_eq!(bytes.len(), FRAME_BYTES + header_len + len + back, "{len}");
        assert_eq!(listpack.back(), Some(Element::Bytes(&text)));
        assert_eq!(Listpack::from_bytes(&bytes).as_ref(), Ok(&listpack));
    }
}

#[test]
fn more_entries_than_the_count_field_holds_are_counted() {
    let mut listpack = Listpack::new();
    (0..65_535).for_each(|_| listpack.push_back(b"7"));
    let bytes = listpack.to_bytes();
    assert_eq!(&bytes[4..6], &[0xff, 0xff]);
    assert_eq!(Listpack::from_bytes(&bytes).map(|l| l.len()), Ok(65_535));
}

#[test]
fn each_broken_rule_is_named() {
    let check = |damage: &dyn Fn(&mut Vec<u8>), want: &'static str| {
        let mut bytes = pack(&[b"hello", b"12345"]).to_bytes();
        damage(&mut bytes);
        assert_eq!(validate(&bytes), Err(Corrupt(want)));
    };
    check(&|b| b.truncate(6), "listpack too short or too long");
    check(&|b| b[0] -= 1, "listpack size differs from its header");
    check(&|b| *b.last_mut().expect("not empty") = 0, "listpack without terminator");
    check(&|b| b[4] = 3, "listpack count differs from its header");
    check(&|b| b[6] = 0xbf, "listpack entry malformed");
    check(&|b| b[6] = 0xf7, "listpack entry malformed");
    check(&|b| b[6] = 0xff, "listpack entry malformed");
    check(&|b| b[12] = 5, "listpack entry malformed");
    check(&|b| b[12] |= 0x80, "listpack entry malformed");
    let huge = [14, 0, 0, 0, 1, 0, 0xf0, 0xff, 0xff, 0xff, 0xff, b'x', 1, 0xff];
    assert_eq!(validate(&huge), Err(Corrupt("listpack entry malformed")));
}

#[test]
fn pushes_at_both_ends_do_not_move_everything_each_time() {
    let mut listpack = Listpack::new();
    let mut moves = 0;
    let mut place = (listpack.buf.as_ptr(), listpack.start);
    for i in 0..2000u32 {
        let text = format!("element{i}");
        let before = listpack.start;
        if i % 2 == 0 {
            listpack.push_front(text.as_bytes());
        } else {
            listpack.push_back(text.as_bytes());
        }
        let grown = before - before.min(listpack.start);
        if listpack.buf.as_ptr() != place.0 || (listpack.start != before && grown > 20) || listpack.start > before {
            moves += 1;
        }
        place = (listpack.buf.as_ptr(), listpack.start);
    }
    assert!(moves < 40, "{moves} moves for 2000 pushes");
}

#[test]
fn a_queue_stays_within_its_memory() {
    let mut listpack = Listpack::new();
    for i in 0..100_000u32 {
        listpack.push_back(format!("job:{i}").as_bytes());
        if i >= 50 {
            listpack.drop_front();
        }
    }
    assert!(listpack.allocated_bytes() < 2500, "{} bytes for 50 elements", listpack.allocated_bytes());
}

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    PopBack,
    PopFront,
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    SplitAndAppend(usize),
    Shrink,
    Find(Vec<u8>),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-c]{0,3}".prop_map(String::into_bytes),
        any::<i64>().prop_map(|v| v.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|v| v.to_string().into_bytes()),
        (0usize..6000).prop_map(|len| vec![b'z'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => text().prop_map(Op::PushBack),
        4 => text().prop_map(Op::PushFront),
        2 => Just(Op::PopBack),
        2 => Just(Op::PopFront),
        2 => (any::<usize>(), text()).prop_map(|(i, t)| Op::Insert(i, t)),
        2 => (any::<usize>(), text()).prop_map(|(i, t)| Op::Replace(i, t)),
        1 => (any::<usize>(), 0usize..5).prop_map(|(i, n)| Op::Remove(i, n)),
        1 => any::<usize>().prop_map(Op::SplitAndAppend),
        1 => Just(Op::Shrink),
        1 => text().prop_map(Op::Find),
    ]
}

fn apply(op: &Op, listpack: &mut Listpack, model: &mut Vec<Vec<u8>>) {
    match op {
        Op::PushBack(t) => {
            listpack.push_back(t);
            model.push(t.clone());
        }
        Op::PushFront(t) => {
            listpack.push_front(t);
            model.insert(0, t.clone());
        }
        Op::PopBack => {
            assert_eq!(listpack.back().map(Element::to_vec), model.last().cloned());
            if model.pop().is_some() {
                listpack.drop_back();
            }
        }
        Op::PopFront => {
            assert_eq!(listpack.front().map(Element::to_vec), model.first().cloned());
            if !model.is_empty() {
                model.remove(0);
                listpack.drop_front();
            }
        }
        Op::Insert(i, t) => {
            let at = i % (model.len() + 1);
            listpack.insert(listpack.seek(at), t);
            model.insert(at, t.clone());
        }
        Op::Replace(i, t) if !model.is_empty() => {
            let at = i % model.len();
            listpack.replace(listpack.seek(at), t);
            model[at].clone_from(t);
        }
        Op::Remove(i, n) => {
            let at = i % (model.len() + 1);
            let end = (at + n).min(model.len());
            assert_eq!(listpack.remove(listpack.seek(at), *n), end - at);
            model.drain(at..end);
        }
        Op::SplitAndAppend(i) => {
            let tail = listpack.split_off(i % (model.len() + 1));
            assert_eq!(listpack.len() + tail.len(), model.len());
            listpack.append(&tail);
        }
        Op::Shrink => listpack.shrink_to_fit(),
        Op::Find(t) => {
            let found = listpack.find(&Needle::new(t), 0, 0).map(|(i, _)| i);
            assert_eq!(found, model.iter().position(|m| m == t));
        }
        Op::Replace(..) => {}
    }
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_vector(ops in proptest::collection::vec(op(), 1..80)) {
        let (mut listpack, mut model) = (Listpack::new(), Vec::new());
        for op in &ops {
            apply(op, &mut listpack, &mut model);
            prop_assert_eq!(listpack.len(), model.len());
        }
        prop_assert_eq!(texts(&listpack), model.clone());
        let reversed: Vec<Vec<u8>> = listpack.iter().rev().map(Element::to_vec).collect();
        prop_assert!(reversed.iter().eq(model.iter().rev()));
        let bytes = listpack.to_bytes();
        prop_assert_eq!(bytes.len(), listpack.byte_len());
        prop_assert_eq!(Listpack::from_bytes(&bytes), Ok(listpack.clone()));
    }

    #[test]
    fn damaged_bytes_never_panic_and_what_passes_is_sound(
        contents in proptest::collection::vec(text(), 0..12),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..3),
    ) {
        let mut listpack = Listpack::new();
        for text in &contents {
            listpack.push_back(text);
        }
        let mut bytes = listpack.to_bytes();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Ok(loaded) = Listpack::from_bytes(&bytes) {
            prop_assert_eq!(loaded.iter().count(), loaded.len());
            prop_assert_eq!(loaded.iter().rev().count(), loaded.len());
        }
    }

    #[test]
    fn random_entries_never_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = ((FRAME_BYTES + body.len()) as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0xff, 0xff]);
        bytes.extend_from_slice(&body);
        bytes.push(TERMINATOR);
        let _ = validate(&bytes);
    }
}
