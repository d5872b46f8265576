//! Sets as bytes: what stock Redis 7.0.15 and 8.0.6 wrote, recorded; and payloads that are refused.

use proptest::prelude::*;

use super::*;
use crate::store::payload::digest::Digest;
use crate::store::payload::{PayloadLimits, dump, dump_as, read_whole, restore};
use crate::store::value::Encoding;
use crate::store::{Value, ValueRef};

fn value_of<M: AsRef<[u8]>>(members: &[M]) -> Value {
    let mut set = Set::new();
    members.iter().for_each(|member| assert!(set.add(member.as_ref(), &SetLimits::default())));
    Value::from(set)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn set_in(value: &Value) -> SetRef<'_> {
    value.as_ref().collection::<Set>().expect("it is a set")
}

fn digest(value: &ValueRef<'_>) -> Digest {
    Digest::of_value(value, false)
}

#[test]
fn sets_are_dumped_and_digested_as_redis_does() {
    let x65 = "x".repeat(65);
    let recorded: &[(&[&str], &str, &str)] = &[
        (
            &["1", "2", "3"],
            "0b0e02000000030000000100020003000a00a5025ce26d6e4d1b",
            "2a462a3f51a1db89738ebbeef0c47ce1bbc85246",
        ),
        (
            &["1", "-40000"],
            "0b100400000002000000c063ffff010000000a00ea3b7e7be620ef61",
            "3fe1006fdf0f707e75c5b3af6e7f61693012be52",
        ),
        (
            &["5000000000", "0", "-1"],
            "0bc31720040800000003200300ffa000200a800003f2052a0120090a0043f0e955ca5af46b",
            "de1fd888d18062654514446f2a3a1f9db1708204",
        ),
        (&["a"], "020101610a006296e97e44d21a6d", "344e2dce84032272e136053b2083009290148e5e"),
        (&[""], "0201000a00674268fb7bdc4a3c", "68806a1720cdce83323ea7080c09f2e808baeeef"),
        (&[&x65], "0201c3094041017878e034000178780a000f046685e65faf85", "ca7e8824ba246143f8af6c471e0aadd837398bd5"),
    ];
    for (members, bytes, want) in recorded {
        let value = value_of(members);
        assert_eq!(hex(&dump(&value.as_ref())), *bytes);
        assert_eq!(digest(&value.as_ref()).to_hex(), *want);
        let back = restore(&unhex(bytes), &PayloadLimits::default(), true).expect("Redis wrote it");
        assert_eq!(digest(&back.as_ref()).to_hex(), *want);
    }
    // The order of these is that of a table, in Redis as here.
    let cubes: Vec<String> = (0..300_u64).map(|i| (i * i * i).to_string()).collect();
    let names: Vec<String> = (0..600).map(|i| format!("m{i}")).collect();
    assert_eq!(digest(&value_of(&cubes).as_ref()).to_hex(), "be44a7752e5e87087252d3b6d3de3004db9cc822");
    assert_eq!(digest(&value_of(&names).as_ref()).to_hex(), "c56d3f42794a2c10083dc404b113e5e0eac3277b");
    let mixed = "02030474657874c00101610a00bc25ec63bfc7fa60";
    let mixed = restore(&unhex(mixed), &PayloadLimits::default(), true).expect("Redis wrote it");
    assert_eq!(digest(&mixed.as_ref()), digest(&value_of(&["a", "1", "text"]).as_ref()));
}

/// Recorded from Redis 8.0.6.
#[test]
fn a_small_set_is_a_listpack_for_readers_that_know_redis_7_2() {
    let mut set = Set::new();
    set.expect(7, b"c", &SetLimits::default());
    for member in ["c", "b", "a", "5", "4", "007", "3", "z"] {
        set.add(member.as_bytes(), &SetLimits::default());
    }
    set.remove(b"a");
    let want = "141b1b00000007008163028162020501040183303037040301817a02ff";
    let written = |value: &Value| {
        let mut out = Writer::new();
        dump_as(&value.as_ref(), Vintage::Redis72, &mut out);
        out.into_vec()
    };
    let value = Value::from(set);
    let payload = written(&value);
    let (body, footer) = payload.split_at(payload.len() - 10);
    assert_eq!((hex(body).as_str(), hex(&footer[..2]).as_str()), (want, "0b00"));
    assert_eq!(dump(&value.as_ref())[0], opcode::TYPE_SET, "nothing is known of the reader of DUMP");
    for other in [value_of(&["1", "2"]), value_of(&["x".repeat(65)])] {
        assert_eq!(written(&other), dump(&other.as_ref()), "the forms of intsets and tables are older");
    }
}

#[test]
fn every_form_is_read_and_obeys_the_limits() {
    let string = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
    let forms = [
        (opcode::TYPE_SET, b"\x03\xc0\x01\xc0\x02\xc0\x03".to_vec(), Encoding::IntSet),
        (opcode::TYPE_SET_INTSET, string(b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0"), Encoding::IntSet),
        (opcode::TYPE_SET_LISTPACK, string(b"\x0d\0\0\0\x03\0\x01\x01\x02\x01\x03\x01\xff"), Encoding::ListPack),
    ];
    let want = digest(&value_of(&["1", "2", "3"]).as_ref());
    for (kind, body, encoding) in forms {
        for (max_ints, max_packed) in [(512, 128), (3, 3), (2, 128), (2, 2)] {
            let limits = SetLimits { max_ints, max_packed, ..SetLimits::default() };
            let limits = PayloadLimits { set: limits, ..PayloadLimits::default() };
            let value = read_whole(kind, &body, &limits).unwrap_or_else(|error| panic!("type {kind}: {error}"));
            let is_small = if kind == opcode::TYPE_SET_LISTPACK { max_packed >= 3 } else { max_ints >= 3 };
            let encoding = if is_small { encoding } else { Encoding::HashTable };
            assert_eq!(set_in(&value).encoding(), encoding, "type {kind}, {max_ints} integers");
            assert_eq!(digest(&value.as_ref()), want);
        }
    }
    let read = |body: &[u8]| read_whole(opcode::TYPE_SET, body, &PayloadLimits::default()).expect("it is valid");
    assert_eq!(set_in(&read(b"\x02\x01a\xc0\x01")).encoding(), Encoding::ListPack);
}

#[test]
fn sets_without_members_or_with_a_member_twice_are_refused() {
    let refused =
        |kind, body: &[u8]| read_whole(kind, body, &PayloadLimits::default()).map(|_| ()).expect_err("it is not valid");
    assert_eq!(refused(opcode::TYPE_SET, b"\x00"), PayloadError::Empty);
    assert_eq!(refused(opcode::TYPE_SET_LISTPACK, b"\x07\x07\0\0\0\0\0\xff"), PayloadError::Empty);
    assert_eq!(refused(opcode::TYPE_SET_INTSET, b"\x08\x02\0\0\0\0\0\0\0"), Corrupt("intset without integers").into());
    assert_eq!(refused(opcode::TYPE_SET, b"\x02\x01a\x01a"), TWICE.into());
    assert_eq!(refused(opcode::TYPE_SET, b"\x02\xc0\x01\x011"), TWICE.into());
    for count in [2_u32, 40, 700] {
        // The last member is the first again.
        let (mut listpack, mut plain) = (Listpack::new(), Writer::new());
        plain.length(u64::from(count) + 1);
        for member in (0..count).chain([0]) {
            listpack.push_back(format!("m{member}").as_bytes());
            plain.string(format!("m{member}").as_bytes());
        }
        let mut body = Writer::new();
        body.string(&listpack.to_bytes());
        assert_eq!(refused(opcode::TYPE_SET_LISTPACK, &body.into_vec()), TWICE.into(), "{count} members");
        assert_eq!(refused(opcode::TYPE_SET, &plain.into_vec()), TWICE.into(), "{count} members");
    }
    let mut body = vec![0x81];
    body.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(refused(opcode::TYPE_SET, &body), PayloadError::Read(_)), "a count alone costs nothing");
}

#[test]
fn a_payload_that_once_broke_servers_is_refused() {
    // In Redis's corrupt-dump suite: "fuzzer findings - dict init to huge size".
    let result = restore(&unhex("0281c000025f31c0020900b21be5172e15f46c"), &PayloadLimits::default(), false);
    assert!(!matches!(result, Ok(_) | Err(PayloadError::Footer)), "{result:?}");
}

fn any_set() -> impl Strategy<Value = Value> {
    let ints = prop::collection::btree_set(any::<i64>().prop_map(|number| number.to_string().into_bytes()), 1..40);
    let texts = prop_oneof![
        (-100..100_i64).prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..12),
        (0usize..1500).prop_map(|len| b"na".repeat(len)),
    ];
    let members = prop_oneof![ints, prop::collection::btree_set(texts, 1..60)];
    (members, 0usize..80, 0usize..80).prop_map(|(members, max_ints, max_packed)| {
        let (mut set, limits) = (Set::new(), SetLimits { max_ints, max_packed, ..SetLimits::default() });
        members.iter().for_each(|member| assert!(set.add(member, &limits)));
        Value::from(set)
    })
}

proptest! {
    #[test]
    fn every_set_is_read_back(value in any_set()) {
        for vintage in [Vintage::Redis70, Vintage::Redis72] {
            let mut payload = Writer::new();
            dump_as(&value.as_ref(), vintage, &mut payload);
            let back = restore(payload.as_slice(), &PayloadLimits::default(), true).expect("it was just dumped");
            prop_assert_eq!(digest(&back.as_ref()), digest(&value.as_ref()));
        }
    }

    #[test]
    fn damaged_sets_never_panic_and_what_passes_is_whole(
        value in any_set(),
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut payload = dump(&value.as_ref());
        for (at, byte) in flips {
            let at = 1 + at % (payload.len() - 1);
            payload[at] = byte;
        }
        if let Ok(loaded) = restore(&payload, &PayloadLimits::default(), false) {
            let again = restore(&dump(&loaded.as_ref()), &PayloadLimits::default(), true);
            prop_assert_eq!(digest(&again.expect("what was accepted can be dumped").as_ref()), digest(&loaded.as_ref()));
        }
    }

    #[test]
    fn random_bodies_never_panic(
        kind in prop_oneof![
            Just(opcode::TYPE_SET), Just(opcode::TYPE_SET_INTSET), Just(opcode::TYPE_SET_LISTPACK),
        ],
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = crate::store::payload::read(kind, &mut Reader::new(&body), &PayloadLimits::default());
    }
}
