//! Hashes as bytes: what stock Redis 7.0.15 wrote, recorded; older forms; and payloads that are refused.

use proptest::prelude::*;
use protocol::rdb::{Reader, Writer, opcode};

use super::*;
use crate::base::sha1::{sha1, to_hex};
use crate::store::payload::digest::Digest;
use crate::store::payload::{PayloadLimits, dump, read_whole, restore};
use crate::store::value::Encoding;
use crate::store::{Value, ValueRef};

fn value_of(pairs: &[(&[u8], &[u8])]) -> Value {
    let mut hash = Hash::new();
    pairs.iter().for_each(|(field, value)| assert!(hash.set(field, value, &HashLimits::default())));
    Value::from(hash)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn hash_in(value: &Value) -> HashRef<'_> {
    value.as_ref().collection::<Hash>().expect("it is a hash")
}

#[test]
fn hashes_are_dumped_and_digested_as_redis_does() {
    let (x64, x65) = ([b'x'; 64], [b'x'; 65]);
    let recorded: &[(&[(&[u8], &[u8])], &str, &str)] = &[
        (
            &[(b"a", b"1")],
            "100c0c00000002008161020101ff0a0084a693e8aa17e4db",
            "626a7b57a269f8f179a44902458ecb2f5920d35d",
        ),
        (
            &[(b"a", b"1"), (b"b", b"text"), (b"300", b"-70000")],
            "101d1d00000006008161020101816202847465787405c12c02f290eefe04ff0a003e99479efcd2439e",
            "da79e0d7d416179125699aa6b802ed9e52a4472c",
        ),
        (&[(b"", b"")], "100b0b000000020080018001ff0a00305d383469b00871", "058444ed2da4cc3f4acabd165ff3435028ac510b"),
        (
            &[(b"f", &x64)],
            "10c313404d0b4d0000000200816602e04078e036000142ff0a00d29928e2acb4c742",
            "be528a839f1f38e7190d38c540087a66cfd4c046",
        ),
        (
            &[(b"zeta", b"0"), (b"alpha", b"12345678901"), (b"z", b"9223372036854775807")],
            "102d2d0000000600847a65746105000185616c70686106f4351cdcdf0200000009817a02f4ffffffffffffff7f09ff0a00fca195b875403097",
            "d415a243a4cac24c2f4c9b89aa45376e2fdcb202",
        ),
        (
            &[(b"f", &x65)],
            "04010166c3094041017878e034000178780a00f106d1071b265c18",
            "4167a732860530249276d3e47807adb1e9e613a5",
        ),
    ];
    for (pairs, bytes, digest) in recorded {
        let value = value_of(pairs);
        assert_eq!(hex(&dump(&value.as_ref())), *bytes);
        assert_eq!(Digest::of_value(&value.as_ref(), false).to_hex(), *digest);
    }
    let (fields, values): (Vec<String>, Vec<String>) =
        (0..100_u64).map(|i| (format!("field{i}"), (i * i * i).to_string())).unzip();
    let pairs: Vec<(&[u8], &[u8])> =
        fields.iter().zip(&values).map(|(field, value)| (field.as_bytes(), value.as_bytes())).collect();
    let value = value_of(&pairs);
    assert_eq!(to_hex(&sha1(&dump(&value.as_ref()))), "ec258b74749f20cd5e0327ecf4ddcda55d5a508e");
    assert_eq!(Digest::of_value(&value.as_ref(), false).to_hex(), "6e023014f492ddffdd748c299d9f25549cba44a9");
}

/// The four forms of `{a: 1, bc: text}`.
fn forms() -> [(u8, Vec<u8>); 4] {
    let string = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
    [
        (opcode::TYPE_HASH, b"\x02\x01a\x011\x02bc\x04text".to_vec()),
        (opcode::TYPE_HASH_ZIPMAP, string(b"\x02\x01a\x01\x001\x02bc\x04\x02text??\xff")),
        (opcode::TYPE_HASH_ZIPLIST, string(b"\x1a\0\0\0\x13\0\0\0\x04\0\x00\x01a\x03\xf2\x02\x02bc\x04\x04text\xff")),
        (opcode::TYPE_HASH_LISTPACK, string(b"\x16\0\0\0\x04\0\x81a\x02\x01\x01\x82bc\x03\x84text\x05\xff")),
    ]
}

#[test]
fn every_form_is_read_and_obeys_the_limits() {
    let want = value_of(&[(b"a", b"1"), (b"bc", b"text")]);
    for (kind, body) in forms() {
        let read = |limits: HashLimits| {
            let limits = PayloadLimits { hash: limits, ..PayloadLimits::default() };
            read_whole(kind, &body, &limits).unwrap_or_else(|error| panic!("type {kind}: {error}"))
        };
        let value = read(HashLimits::default());
        assert_eq!(hex(&dump(&value.as_ref())), hex(&dump(&want.as_ref())), "type {kind}");
        let table = read(HashLimits { max_entries: 1, ..HashLimits::default() });
        assert_eq!(hash_in(&table).encoding(), Encoding::HashTable, "type {kind}");
        assert_eq!(Digest::of_value(&table.as_ref(), false), Digest::of_value(&want.as_ref(), false));
        // Redis looks at the lengths only where it has to copy the strings anyway.
        let long = read(HashLimits { max_value: 3, ..HashLimits::default() });
        let copied = matches!(kind, opcode::TYPE_HASH | opcode::TYPE_HASH_ZIPMAP);
        assert_eq!(hash_in(&long).encoding() == Encoding::HashTable, copied, "type {kind}");
    }
}

#[test]
fn hashes_without_fields_or_with_a_field_twice_are_refused() {
    let refused =
        |kind, body: &[u8]| read_whole(kind, body, &PayloadLimits::default()).map(|_| ()).expect_err("it is not valid");
    assert_eq!(refused(opcode::TYPE_HASH, b"\x00"), PayloadError::Empty);
    assert_eq!(refused(opcode::TYPE_HASH_ZIPMAP, b"\x02\x00\xff"), PayloadError::Empty);
    assert_eq!(refused(opcode::TYPE_HASH_LISTPACK, b"\x07\x07\0\0\0\0\0\xff"), PayloadError::Empty);
    assert_eq!(refused(opcode::TYPE_HASH, b"\x02\x01a\x011\x01a\x012"), TWICE.into());
    assert_eq!(refused(opcode::TYPE_HASH_ZIPMAP, b"\x0c\x02\x01a\x01\x001\x01a\x01\x002\xff"), TWICE.into());
    let odd = b"\x0a\x0a\0\0\0\x01\0\x81a\x02\xff";
    assert_eq!(refused(opcode::TYPE_HASH_LISTPACK, odd), Corrupt("hash field without value").into());
    for count in [2_u32, 40, 700] {
        // The last field is the first again, as a number and as a text.
        let mut listpack = Listpack::new();
        for field in (0..count).chain([0]) {
            listpack.push_back(field.to_string().as_bytes());
            listpack.push_back(b"v");
        }
        let mut body = Writer::new();
        body.string(&listpack.to_bytes());
        assert_eq!(refused(opcode::TYPE_HASH_LISTPACK, &body.into_vec()), TWICE.into(), "{count} fields");
    }
    let mut body = vec![0x81];
    body.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(refused(opcode::TYPE_HASH, &body), PayloadError::Read(_)), "a count alone costs nothing");
}

/// The payloads of hashes in Redis's corrupt-dump suite.
#[rustfmt::skip]
const CORRUPT: &[(&str, &str)] = &[
    ("hash with valid zip list header, invalid entry len", "0d1b1b00000016000000040000026100040262000414630004026400ff0900d910549215f55f52"),
    ("invalid zlbytes header", "0d1b2500000016000000040000026100040262000402630004026400ff0900b7f76e9f434314c6"),
    ("valid zipped hash header, dup records", "0d1b1b00000016000000040000026100040262000402610004026400ff0900a1983678cc8e932e"),
    ("hash ziplist with duplicate records", "0d3d3d0000003a000000141300f502f502f202535f3104f302f302f702f702f802025f3704f102f102f602025f3504f402025f3304fa02025f3904f902f9ff0900b548de6231d0e563"),
    ("hash listpack with duplicate records", "101717000000040082610003826200038261000382640003ff0a00c0cfa687e5a7c5be"),
    ("hash listpack with duplicate records - convert", "101717000000040082610003826200038261000382640003ff0a00c0cfa687e5a7c5be"),
    ("hash empty zipmap", "090200ff0900c0f1b8674c16ace3"),
    ("fuzzer findings - encoded entry header reach outside the allocation", "0d191900000016000000060000f102f102f202025f31049902f3ff0900c5b810c08af916df"),
    ("fuzzer findings - uneven entry count in hash", "0d3d3d00000038000000140000f202025f31041c02f702f102f102f502f502f402025f3304f602025f3504f802025f3704f902f902f302f302fa02025f39ff090073b768c897248e88"),
    ("fuzzer findings - hash ziplist too long entry len", "0d3d3d0000003a000000141300f502f502f202535f3104f302f302f702f702f802025f3704f102f102f602025f3504f402025f3304fa02025f3904f902f9ff0900b548de6231d0e563"),
    ("fuzzer findings - empty hash ziplist", "04c0010900f68ab67a8587724d"),
    ("fuzzer findings - hash with len of 0", "04c0210900f68ab67a8587724d"),
    ("fuzzer findings - hash listpack first element too long entry len", "1015150000000600f00100010101825f310302010201ff0a0094210afa06529f44"),
    ("fuzzer findings - lpFind invalid access", "1039390000001400060106010301825f33030701825f370300010001040104010901825f39030501825f3503080108010101825f31030201f001ff0a0029d7e452797a9582"),
];

#[test]
fn payloads_that_once_broke_servers_are_refused() {
    for (name, payload) in CORRUPT {
        let result = restore(&unhex(payload), &PayloadLimits::default(), false);
        assert!(!matches!(result, Ok(_) | Err(PayloadError::Footer)), "{name}: {result:?}");
    }
}

fn any_hash() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..12),
        (0usize..1500).prop_map(|len| b"na".repeat(len)),
    ];
    (prop::collection::btree_map(text.clone(), text, 1..60), 0usize..80).prop_map(|(pairs, max_entries)| {
        let (mut hash, limits) = (Hash::new(), HashLimits { max_entries, ..HashLimits::default() });
        pairs.iter().for_each(|(field, value)| assert!(hash.set(field, value, &limits)));
        Value::from(hash)
    })
}

fn digest(value: &ValueRef<'_>) -> Digest {
    Digest::of_value(value, false)
}

proptest! {
    #[test]
    fn every_hash_is_read_back(value in any_hash()) {
        let back = restore(&dump(&value.as_ref()), &PayloadLimits::default(), true).expect("it was just dumped");
        prop_assert_eq!(digest(&back.as_ref()), digest(&value.as_ref()));
    }

    #[test]
    fn damaged_hashes_never_panic_and_what_passes_is_whole(
        value in any_hash(),
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
            Just(opcode::TYPE_HASH), Just(opcode::TYPE_HASH_ZIPMAP), Just(opcode::TYPE_HASH_ZIPLIST),
            Just(opcode::TYPE_HASH_LISTPACK),
        ],
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = crate::store::payload::read(kind, &mut Reader::new(&body), &PayloadLimits::default());
    }
}

/// Three packed fields, two of which expire, as Redis 8.0.6 dumped them.
const TRIPLES: &[u8] = b"\x19\x00@\x94R\xa3\x03\x00\x0011\x00\x00\x00\t\x00\x82cc\x03\x03\x01\xf4\x00@\x94R\xa3\x03\x00\x00\t\x82bb\x03\xf1\xceV\x03\xf4\x00P9'\x8c\x04\x00\x00\t\x82aa\x03\x01\x01\x00\x01\xff\x0c\x00\xc9i\xea\x7fv%\xde\x88";
/// The same, as Valkey 9.1.2 dumped it.
const VALKEY: &[u8] = b"\x16\x03\x02aa\xc0\x01\xff\xff\xff\xff\xff\xff\xff\xff\x02bb\xc1\xceV\x00P9'\x8c\x04\x00\x00\x02cc\xc0\x03\x00@\x94R\xa3\x03\x00\x00P\x00l$\x92\x91\xd5&\xf6\xda";
/// A table of two fields, one of which expires, as Redis 8.0.6 dumped it.
const METADATA: &[u8] = b"\x18\x00P9'\x8c\x04\x00\x00\x02\x01\x02bb\xc3\t@d\x01xx\xe0W\x00\x01xx\x00\x02aa\xc0\x01\x0c\x00'\xb1S\xa8\xf7\x1f\xf8F";

fn times(value: &Value) -> Vec<(String, Option<i64>)> {
    let mut times = Vec::new();
    let text = |field: Element<'_>| String::from_utf8(field.to_vec()).expect("text");
    hash_in(value).for_each_timed(|field, _, at| times.push((text(field), at)));
    times.sort();
    times
}

#[test]
fn fields_that_expire_are_read_in_both_dialects_and_written_as_redis_8_does() {
    let limits = PayloadLimits::default();
    let (early, late) = (Some(4_000_000_000_000), Some(5_000_000_000_000));
    for bytes in [TRIPLES, VALKEY] {
        let value = restore(bytes, &limits, true).expect("it was recorded");
        let expected = [("aa", None), ("bb", late), ("cc", early)].map(|(field, at)| (field.to_owned(), at));
        assert_eq!(times(&value), expected);
        assert_eq!(dump(&value.as_ref()), TRIPLES, "{}", hex(bytes));
        let digest = Digest::of_value(&value.as_ref(), false);
        assert_eq!(digest.to_hex(), "7067fa7ec86995ead5841776ff317834b12783d4");
    }
    let value = restore(METADATA, &limits, true).expect("it was recorded");
    assert_eq!(times(&value), [("aa".to_owned(), None), ("bb".to_owned(), late)]);
    // Read under these limits it is packed, and written under others it is a table again.
    let small = PayloadLimits { hash: HashLimits { max_entries: 1, ..limits.hash }, ..limits };
    let table = restore(METADATA, &small, true).expect("it was recorded");
    assert_eq!(hash_in(&table).encoding(), Encoding::HashTable);
    let again = dump(&table.as_ref());
    assert_eq!((again[0], again.len()), (opcode::TYPE_HASH_METADATA, METADATA.len()));
    assert_eq!(times(&restore(&again, &limits, true).expect("it was dumped")), times(&value));
}

#[test]
fn forms_of_release_candidates_are_read() {
    let mut out = Writer::new();
    out.length(2);
    for (at, field) in [(0, "a"), (4_000_000_000_000, "b")] {
        out.length(at);
        out.string(field.as_bytes());
        out.string(b"v");
    }
    let read = |object_type, out: Writer| read_whole(object_type, &out.into_vec(), &PayloadLimits::default());
    let value = read(opcode::TYPE_HASH_METADATA_PRE_GA, out).expect("it is well formed");
    assert_eq!(times(&value), [("a".to_owned(), None), ("b".to_owned(), Some(4_000_000_000_000))]);
    let mut out = Writer::new();
    let mut listpack = Listpack::new();
    [b"f", b"v"].iter().for_each(|text| listpack.push_back(*text));
    listpack.push_back_int(70);
    out.string(&listpack.to_bytes());
    let value = read(opcode::TYPE_HASH_LISTPACK_EX_PRE_GA, out).expect("it is well formed");
    assert_eq!(times(&value), [("f".to_owned(), Some(70))]);
}

#[test]
fn damaged_expiries_are_refused() {
    let refused = |entries: &[(&str, Option<i64>)]| {
        let mut listpack = Listpack::new();
        for (text, number) in entries {
            match number {
                Some(number) => listpack.push_back_int(*number),
                None => listpack.push_back(text.as_bytes()),
            }
        }
        let mut out = Writer::new();
        out.i64_le(5);
        out.string(&listpack.to_bytes());
        read_whole(opcode::TYPE_HASH_LISTPACK_EX, &out.into_vec(), &PayloadLimits::default()).is_err()
    };
    let text = |text| (text, None);
    let time = |at| ("", Some(at));
    assert!(!refused(&[text("f"), text("v"), time(5), text("g"), text("v"), time(0)]));
    assert!(refused(&[text("f"), text("v"), time(0), text("g"), text("v"), time(5)]), "not in order");
    assert!(refused(&[text("f"), text("v"), time(6), text("g"), text("v"), time(5)]), "not in order");
    assert!(refused(&[text("f"), text("v"), time(5), text("f"), text("v"), time(0)]), "twice");
    assert!(refused(&[text("f"), text("v"), time(-5)]), "negative");
    assert!(refused(&[text("f"), text("v"), text("x")]), "no number");
    assert!(refused(&[text("f"), text("v")]), "no time");
    assert!(refused(&[]), "no field");
}
