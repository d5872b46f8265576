//! Tests of `entry`: every form in every layout, and every move between them.

use proptest::prelude::*;

use super::word::{TAG_END, Word};
use super::*;
use crate::store::collection::CollectionType;
use crate::store::edit::EditGuard;
use crate::store::encoding::element::Element;
use crate::store::ledger::Ledger;
use crate::store::parts::Parts;
use crate::store::types::hash::{Hash, HashLimits};
use crate::store::types::list::{List, ListOptions};
use crate::store::types::set::Set;
use crate::store::value::{Encoding, Type};

fn bytes_of(entry: &Entry) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    entry.as_ref().value().string_bytes(&mut digits).expect("a string").to_vec()
}

fn list_of(elements: &[&str]) -> Value {
    let mut list = List::new(ListOptions::default());
    for element in elements {
        list.push_back(element.as_bytes());
    }
    Value::from(list)
}

#[test]
fn sixteen_and_sixteen_bytes_take_one_block_of_48_with_room_for_an_expiry() {
    let key = b"key:000000000001";
    let mut entry = Entry::new_string(key, StringValue::Bytes(b"val:000000000001"), None, AccessClock::default());
    assert_eq!(entry.as_ref().shape().size(), 48);
    let block = entry.block;
    entry.set_expire(Some(123));
    assert_eq!((entry.block, entry.as_ref().shape().size()), (block, 48), "the spare word became the expiry");
    assert_eq!(entry.as_ref().expire_at(), Some(123));
    assert_eq!((entry.as_ref().key(), bytes_of(&entry)), (&key[..], b"val:000000000001".to_vec()));
    entry.set_string(StringValue::Bytes(b"VAL:000000000002"));
    assert_eq!(entry.block, block, "a value of the same size is written in place");
    entry.set_expire(None);
    assert_eq!((entry.as_ref().expire_at(), entry.block), (None, block));
}

/// A string that was stored with the buffer it arrived in, a little of which is something else.
fn lent(value: &[u8]) -> (Bytes, Bytes) {
    let whole = Bytes::from([b"head".as_slice(), value, b"tail"].concat());
    let value = whole.slice(4..4 + value.len());
    (whole, value)
}

#[test]
fn a_long_string_keeps_the_buffer_it_came_in() {
    let value = vec![b'v'; 10_000];
    let (whole, part) = lent(&value);
    let mut entry = Entry::new_string(b"k", StringValue::Lent(&part), Some(5), AccessClock::default());
    drop(part);
    assert_eq!((bytes_of(&entry), entry.as_ref().expire_at()), (value.clone(), Some(5)));
    assert!(matches!(entry.as_ref().value(), ValueRef::Str(bytes) if whole.as_ptr_range().contains(&bytes.as_ptr())));
    assert_eq!((entry.as_ref().ty(), entry.as_ref().encoding()), (Type::String, Encoding::Raw));
    assert!(entry.as_ref().memory() >= value.len());
    entry.set_expire(Some(7));
    let mut entry = entry.into_key(b"another");
    assert_eq!((bytes_of(&entry), entry.as_ref().expire_at()), (value.clone(), Some(7)));
    let (_, again) = lent(&value);
    entry.set_string(StringValue::Lent(&again));
    assert_eq!(bytes_of(&entry.as_ref().duplicate(b"third")), value);
    assert_eq!(entry.append(b"x"), Some(10_001));
    assert_eq!(bytes_of(&entry), [value.as_slice(), b"x"].concat());
    entry.set_string(StringValue::Lent(&again));
    entry.extend_to(10_002);
    assert_eq!(bytes_of(&entry), [value.as_slice(), b"\0\0"].concat());
    entry.set_string(StringValue::Lent(&again));
    assert!(matches!(entry.into_value(), Value::Str(bytes) if bytes == value));
    assert!(again == value && whole.len() == 10_008, "who else reads it is not disturbed");
}

/// A snapshot beside which a long string is set anew copies nothing. Another key has a buffer of its own.
#[test]
fn a_snapshot_shares_a_kept_buffer_and_another_key_does_not() {
    let value = vec![b'v'; 10_000];
    let (whole, part) = lent(&value);
    let mut entry = Entry::new_string(b"k", StringValue::Lent(&part), None, AccessClock::default());
    drop(part);
    let is_shared = |entry: &Entry| matches!(entry.as_ref().value(), ValueRef::Str(bytes) if whole.as_ptr_range().contains(&bytes.as_ptr()));
    let (kept, copy) = (entry.as_ref().share(), entry.as_ref().duplicate(b"other"));
    assert!(is_shared(&kept) && !is_shared(&copy));
    assert_eq!(entry.append(b"x"), Some(10_001));
    assert!(is_shared(&kept) && !is_shared(&entry));
    assert_eq!((bytes_of(&kept), bytes_of(&copy)), (value.clone(), value));
    drop((entry, kept));
    assert!(whole.is_unique());
}

#[test]
fn a_kept_buffer_is_freed_with_its_entry_and_when_it_is_replaced() {
    let (whole, part) = lent(&[b'v'; 1_000]);
    let mut entry = Entry::new_string(b"k", StringValue::Lent(&part), None, AccessClock::default());
    drop(part);
    assert!(!whole.is_unique());
    entry.set_string(StringValue::Int(1));
    assert!(whole.is_unique());
    entry.set_string(StringValue::Lent(&whole.slice(4..)));
    assert!(!whole.is_unique());
    drop(entry);
    assert!(whole.is_unique());
}

#[test]
fn counters_change_in_place() {
    let mut entry = Entry::new_string(b"counter", StringValue::Int(i64::MIN), None, AccessClock::default());
    let block = entry.block;
    for n in [0, -1, i64::MAX] {
        entry.set_string(StringValue::Int(n));
        assert!(matches!(entry.as_ref().value(), ValueRef::Int(m) if m == n));
    }
    assert_eq!(entry.block, block);
    assert_eq!(entry.as_ref().encoding(), Encoding::Int);
}

#[test]
fn encodings_are_told_as_redis_tells_them() {
    let mut entry = Entry::new_string(b"k", StringValue::encode(b"12"), None, AccessClock::default());
    assert_eq!(entry.as_ref().encoding().name(), "int");
    entry.set_string(StringValue::encode(b"012"));
    assert_eq!(entry.as_ref().encoding().name(), "embstr");
    assert_eq!(entry.append(b"x"), Some(4));
    assert_eq!(entry.as_ref().encoding().name(), "raw", "APPEND makes raw strings");
    entry.set_string(StringValue::Bytes(&[b'x'; 44]));
    assert_eq!(entry.as_ref().encoding().name(), "embstr");
    entry.set_string(StringValue::Bytes(&[b'x'; 45]));
    assert_eq!(entry.as_ref().encoding().name(), "raw");
    entry.set_value(list_of(&["a"]));
    assert_eq!((entry.as_ref().encoding().name(), entry.as_ref().ty().name()), ("quicklist", "list"));
    assert_eq!(entry.append(b"x"), None, "a list has no bytes");
}

#[test]
fn appending_grows_by_doubling() {
    let mut entry = Entry::new_string(b"log", StringValue::Bytes(b""), None, AccessClock::default());
    let (mut moves, mut capacity) = (0, 0);
    for i in 1..=100_000 {
        assert_eq!(entry.append(b"x"), Some(i));
        let now = entry.heap_mut().map_or(0, |buffer| buffer.capacity());
        moves += usize::from(now != capacity);
        capacity = now;
    }
    assert!(moves < 20, "{moves} buffers for 100,000 appended bytes");
}

#[test]
fn keys_longer_than_the_header_can_tell_are_kept() {
    for len in [0, 1, 65_535, 65_536, 300_000] {
        let key = vec![7; len];
        let mut entry = Entry::new_string(&key, StringValue::Bytes(b"v"), Some(1), AccessClock::default());
        entry.append(&[1; 300]);
        entry.set_expire(Some(2));
        assert!(entry.as_ref().key() == key && entry.as_ref().expire_at() == Some(2));
        let entry = entry.into_key(b"short");
        assert_eq!((entry.as_ref().key(), bytes_of(&entry).len()), (&b"short"[..], 301));
    }
}

#[test]
fn a_list_moves_with_its_entry() {
    let mut entry = Entry::new(b"list", list_of(&["a", "b"]), None, AccessClock::from_bits(77));
    entry.set_expire(Some(9));
    let copy = entry.as_ref().duplicate(b"copy");
    let mut word = Word::new(entry, 5);
    word.collection_mut().and_then(List::of_mut).expect("a list").push_back(b"c");
    let length = |entry: EntryRef<'_>| entry.collection::<List>().expect("it was made a list").len();
    assert_eq!(word.entry().map(length), Some(3));
    assert_eq!((length(copy.as_ref()), copy.as_ref().expire_at()), (2, Some(9)), "a copy does not follow");
    assert_eq!(copy.as_ref().access(), AccessClock::from_bits(77));
    assert_eq!(copy.into_value().as_ref().collection::<List>().map(List::len), Some(2));
}

#[test]
fn words_carry_every_tag_and_survive_moving_entries() {
    for tag in [0, 1, 0xffff, 0x10000, TAG_END - 1] {
        let mut word = Word::new(Entry::new_string(b"k", StringValue::Int(1), None, AccessClock::default()), tag);
        word.update(|entry| entry.set_string(StringValue::Bytes(&[b'x'; 1000])));
        assert_eq!(word.tag(), tag);
        assert!(word.holds(b"k") && !word.holds(b"kk") && !word.is_empty());
        let entry = word.take().expect("an entry");
        assert!(word.is_empty() && bytes_of(&entry).len() == 1000);
    }
}

#[test]
fn an_entry_whose_change_unwinds_is_gone_and_not_freed_twice() {
    let mut word = Word::new(Entry::new_string(b"k", StringValue::Bytes(&[1; 999]), None, AccessClock::default()), 3);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| word.update(|_| panic!("inside a change"))));
    assert!(unwound.is_err() && word.is_empty());
}

#[test]
fn idle_times_wrap_with_the_clock() {
    let (early, late) = (AccessClock::from_bits(0x00ff_fff0), AccessClock::from_bits(0x10));
    assert_eq!(late.seconds_since(early), 0x20);
    assert_eq!(AccessClock::at(1_700_000_000_999).bits(), 0x6553_f100 & 0x00ff_ffff);
}

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<u8>),
    Int(i64),
    Append(Vec<u8>),
    Write { at: usize, byte: u8 },
    Expire(Option<i64>),
    Rename(Vec<u8>),
    List,
    Hash(Vec<u8>),
    Field(Vec<u8>),
    Copy,
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 240..270),
        prop::collection::vec(any::<u8>(), 0..3000),
    ];
    prop_oneof![
        4 => bytes.clone().prop_map(Change::Set),
        1 => any::<i64>().prop_map(Change::Int),
        3 => bytes.clone().prop_map(Change::Append),
        2 => (0usize..600, any::<u8>()).prop_map(|(at, byte)| Change::Write { at, byte }),
        2 => any::<Option<i32>>().prop_map(|at| Change::Expire(at.map(i64::from))),
        1 => bytes.clone().prop_map(Change::Rename),
        1 => Just(Change::List),
        2 => bytes.clone().prop_map(Change::Hash),
        2 => bytes.prop_map(Change::Field),
        1 => Just(Change::Copy),
    ]
}

/// A hash with one field, which is packed if the value is short.
fn hash_of(value: &[u8]) -> Hash {
    let mut hash = Hash::new();
    hash.set(b"f", value, &HashLimits::default());
    hash
}

fn field_of(entry: EntryRef<'_>) -> Option<Vec<u8>> {
    entry.collection::<Hash>().and_then(|hash| hash.get(b"f")).map(Element::to_vec)
}

#[test]
fn a_small_collection_lies_in_its_entry_and_a_grown_one_in_its_box() {
    let limits = HashLimits { max_value: 300, ..HashLimits::default() };
    let mut word = Word::new(Entry::new(b"key", hash_of(b"v").into(), Some(7), AccessClock::default()), 3);
    for len in [0, 100, INLINE_MAX - 6, INLINE_MAX - 5, INLINE_MAX - 4, 300, 1] {
        let text = vec![b'x'; len];
        let mut hash = hash_of(b"v");
        hash.set(b"f", &text, &limits);
        hash.settle();
        let (bytes, outside) = (hash.packed().expect("it is packed").bytes.len(), hash.heap_bytes());
        word.update(|entry| entry.set_unpacked(&mut hash));
        let entry = word.entry().expect("it is there");
        let inside = bytes <= INLINE_MAX;
        assert_eq!((entry.packed().is_some(), entry.header().is_light()), (inside, inside), "{len} bytes of text");
        let more = if inside { 0 } else { good_size(size_of::<Collection>()) + outside };
        assert_eq!(entry.memory(), entry.shape().memory() + more);
        assert_eq!((field_of(entry), entry.ty(), entry.expire_at()), (Some(text), Type::Hash, Some(7)));
        assert!(entry.collection::<Set>().is_none() && entry.collection::<List>().is_none());
        assert_eq!(word.collection_mut().is_none(), inside);
    }
}

#[test]
fn an_edit_that_unwinds_ends_as_any_other() {
    let (mut ledger, mut parts) = (Ledger::EMPTY, Parts::NONE);
    let mut word = Word::new(Entry::new(b"key", hash_of(b"old").into(), None, AccessClock::default()), 3);
    let before = word.entry().map_or(0, EntryRef::memory);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut guard = EditGuard::<Hash>::new(&mut word, &mut ledger, &mut parts, 3).expect("a hash");
        guard.set(b"f", b"new", &HashLimits::default());
        panic!("inside an edit");
    }));
    assert!(unwound.is_err());
    let entry = word.entry().expect("it is there");
    // The guard ends the edit, as it does for a value in its box.
    assert_eq!((field_of(entry).as_deref(), entry.memory()), (Some(&b"new"[..]), before));
}

proptest! {
    #[test]
    fn an_entry_is_what_was_put_into_it(key in prop::collection::vec(any::<u8>(), 0..64), changes in prop::collection::vec(change(), 0..40)) {
        let mut key = key;
        let (mut value, mut expire, mut field) = (Some(Vec::new()), None, None);
        let mut entry = Entry::new_string(&key, StringValue::Bytes(b""), None, AccessClock::from_bits(9));
        for change in changes {
            match change {
                Change::Set(bytes) => {
                    entry.set_string(StringValue::encode(&bytes));
                    value = Some(bytes);
                }
                Change::Int(n) => {
                    entry.set_string(StringValue::Int(n));
                    value = Some(n.to_string().into_bytes());
                }
                Change::Append(bytes) => {
                    if let Some(value) = &mut value {
                        value.extend_from_slice(&bytes);
                    }
                    prop_assert_eq!(entry.append(&bytes), value.as_ref().map(Vec::len));
                }
                Change::Write { at, byte } => {
                    if let Some(value) = &mut value {
                        value.resize(value.len().max(at + 1), 0);
                        value[at] = byte;
                        entry.extend_to(at + 1);
                        let mut word = Word::new(entry, 1);
                        word.bytes_mut().expect("a string")[at] = byte;
                        entry = word.take().expect("it is there");
                    }
                }
                Change::Expire(at) => {
                    entry.set_expire(at);
                    expire = at;
                }
                Change::Rename(new) => {
                    entry = entry.into_key(&new);
                    key = new;
                }
                Change::List => {
                    entry.set_value(list_of(&["a"]));
                    value = None;
                }
                Change::Hash(bytes) => {
                    entry.set_value(hash_of(&bytes).into());
                    (value, field) = (None, Some(bytes));
                }
                Change::Field(bytes) if entry.as_ref().packed().is_some() => {
                    entry.set_unpacked(&mut hash_of(&bytes));
                    field = Some(bytes);
                }
                Change::Field(_) => {}
                Change::Copy => entry = entry.as_ref().duplicate(&key),
            }
            if entry.as_ref().ty() != Type::Hash {
                field = None;
            }
            let seen = entry.as_ref();
            prop_assert_eq!(seen.key(), &key);
            prop_assert_eq!(seen.expire_at(), expire);
            prop_assert_eq!(seen.access(), AccessClock::from_bits(9));
            prop_assert_eq!(value.is_some(), seen.ty() == Type::String);
            prop_assert_eq!(field_of(seen), field.clone());
            if let Some(value) = &value {
                prop_assert_eq!(&bytes_of(&entry), value);
            }
        }
    }
}

#[test]
fn sizes_are_rounded_as_the_allocator_rounds_them() {
    for size in (9..140_000).chain([200_000, 1_000_000, 33_333_333]) {
        assert_eq!(spent(size), crate::base::allocator::size_class(size), "{size} bytes");
    }
}
