//! Rules of the loader: what the writer writes comes back, whole or in pieces; damaged bytes give an error and nothing
//! worse; unsupported types are named.

use proptest::prelude::*;

use super::*;
use crate::persistence::rdb_writer::{RdbWriter, SavedHistory};
use crate::store::types::list::{List, ListOptions};
use crate::store::{CollectionRef, Keyspace, ValueRef};
use protocol::rdb::opcode;
use protocol::slot::key_slot;

type Plain = (usize, Vec<u8>, Vec<Vec<u8>>, Option<i64>);

fn fill(keyspace: &Keyspace, keys: &[Plain]) {
    for (db, key, parts, expire) in keys {
        let value = match parts.as_slice() {
            [one] => Value::string(one.clone()),
            many => {
                let mut list = List::new(ListOptions::default());
                for part in many {
                    list.push_back(part);
                }
                Value::from(list)
            }
        };
        keyspace.lock(*db, key_slot(key)).insert(keyspace.hash(key), key, value, *expire);
    }
}

fn file(keyspace: &Keyspace) -> Vec<u8> {
    let mut writer = RdbWriter::new(true, true);
    let history = SavedHistory { stream_db: 0, repl_id: [b'a'; 40], repl_offset: 77 };
    writer.header(opcode::VERSION, "7.2.4", 1_700_000_000, 1, Some(&history));
    let mut bytes = Vec::new();
    for db in 0..keyspace.databases() {
        if keyspace.is_empty(db) {
            continue;
        }
        writer.database(db, keyspace.len(db), keyspace.expires_len(db));
        for slot in keyspace.occupied(db) {
            keyspace.lock(db, slot).iter().for_each(|entry| writer.entry(entry));
            bytes.extend(writer.take());
        }
    }
    bytes.extend(writer.finish());
    bytes
}

fn plain(value: &Value) -> Vec<Vec<u8>> {
    match value.as_ref() {
        ValueRef::Collection(CollectionRef::List(list)) => list.to_vec(),
        // Damage can turn a value into one of another type.
        other @ ValueRef::Collection(_) => vec![payload::dump(&other)],
        other => {
            let mut digits = itoa::Buffer::new();
            vec![other.string_bytes(&mut digits).expect("a string").to_vec()]
        }
    }
}

/// Loads in pieces of `piece` bytes. Returns the keys, sorted, and whether the end was reached.
fn load(bytes: &[u8], piece: usize) -> Result<(Vec<Plain>, bool), LoadError> {
    load_with(Loader::new(16, PayloadLimits::default()), bytes, piece)
}

fn load_with(mut loader: Loader, bytes: &[u8], piece: usize) -> Result<(Vec<Plain>, bool), LoadError> {
    let (mut keys, mut db, mut ended) = (Vec::new(), 0, false);
    for chunk in bytes.chunks(piece.max(1)) {
        loader.feed(chunk);
        while let Some(record) = loader.next_record()? {
            match record {
                Record::Select(number) => db = number,
                Record::Key { key, value, expire } => keys.push((db, key, plain(&value), expire)),
                Record::End { checked } => ended = checked,
                Record::Aux { .. } | Record::EmptyKey | Record::Passed | Record::Function { .. } => {}
            }
        }
    }
    keys.sort();
    Ok((keys, ended))
}

fn keys() -> impl Strategy<Value = Vec<Plain>> {
    let text = || {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
            Just(vec![b'x'; 300]),
        ]
    };
    let one = (0usize..16, text(), proptest::collection::vec(text(), 1..6), proptest::option::of(0i64..i64::MAX));
    proptest::collection::vec(one, 0..20).prop_map(|mut keys| {
        keys.sort();
        keys.dedup_by(|a, b| (a.0, &a.1) == (b.0, &b.1));
        keys
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_comes_back_in_pieces_of_any_size(keys in keys(), piece in 1usize..400) {
        let keyspace = Keyspace::new(16, 7);
        fill(&keyspace, &keys);
        let (loaded, ended) = load(&file(&keyspace), piece).expect("our own file");
        prop_assert!(ended, "the checksum was there and right");
        prop_assert_eq!(loaded, keys);
    }

    #[test]
    fn damage_is_an_error_or_a_short_read_but_never_a_different_data_set(
        keys in keys(), at in any::<prop::sample::Index>(), flip in 1u8..=255, piece in 1usize..4000
    ) {
        let keyspace = Keyspace::new(16, 7);
        fill(&keyspace, &keys);
        let mut bytes = file(&keyspace);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // A flipped checksum of zero would mean "not checked": one chance in 2^64, and the data would be right.
        if let Ok((_, ended)) = load(&bytes, piece) {
            prop_assert!(!ended, "the checksum was accepted");
        }
    }

    /// A check gives the same result as a load, as early, and finds the same end.
    #[test]
    fn a_check_agrees_with_the_load(
        keys in keys(), damage in proptest::option::of((any::<prop::sample::Index>(), 1u8..=255)), piece in 1usize..4000
    ) {
        let keyspace = Keyspace::new(16, 7);
        fill(&keyspace, &keys);
        let mut bytes = file(&keyspace);
        if let Some((at, flip)) = damage {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.extend_from_slice(b"rest");
        let mut checking = Loader::checking(16, PayloadLimits::default());
        let (mut ended, mut damaged) = (false, false);
        for chunk in bytes.chunks(piece) {
            checking.feed(chunk);
            loop {
                match checking.next_record() {
                    Ok(Some(Record::End { .. })) => ended = true,
                    Ok(Some(record)) => {
                        let decoded = matches!(record, Record::Key { .. });
                        prop_assert!(!decoded);
                    }
                    Ok(None) => break,
                    Err(_) => { damaged = true; break; }
                }
            }
            if damaged { break; }
        }
        let loads = matches!(load(&bytes, piece), Ok((_, true)));
        prop_assert_eq!(ended, loads);
        if ended {
            prop_assert_eq!(checking.rest_len(), 4);
        }
    }

    /// Damage that the checksum does not reveal, since it was recomputed or is not verified, is reported, or the result
    /// is a complete data set: one that can be saved and comes back the same.
    #[test]
    fn damage_behind_a_right_checksum_is_named_or_a_whole_data_set(
        keys in keys(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..4), 1..5),
        piece in 1usize..4000
    ) {
        let keyspace = Keyspace::new(16, 7);
        fill(&keyspace, &keys);
        let mut bytes = file(&keyspace);
        bytes.truncate(bytes.len() - 8);
        for (at, byte, how) in damage {
            let at = 9 + at.index(bytes.len() - 9);
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.drain(at..bytes.len().min(at + usize::from(byte) % 9))),
            }
            if bytes.len() < 10 {
                bytes.push(opcode::EOF);
            }
        }
        let sum = crc64::checksum(&bytes);
        let unread = [&bytes[..], b"no sum!!"].concat();
        bytes.extend(sum.to_le_bytes());
        let result = load(&bytes, piece);
        let trusted = load_with(Loader::new(16, PayloadLimits::default()).verifying(false), &unread, piece);
        match (&result, &trusted) {
            (Ok((keys, ended)), Ok((same, _))) if *ended => prop_assert_eq!(keys, same),
            (Err(error), Err(same)) if !matches!(error, LoadError::Checksum { .. }) => prop_assert_eq!(error, same),
            // The end mark came too early or never, and no checksum follows.
            _ => {}
        }
        if let Ok((mut keys, _)) = trusted {
            // A file that contains a key twice is refused by the load (`LoadError::Duplicate`).
            keys.dedup_by(|a, b| (a.0, &a.1) == (b.0, &b.1));
            let again = Keyspace::new(16, 7);
            fill(&again, &keys);
            let (loaded, ended) = load(&file(&again), piece).expect("our own file");
            prop_assert!(ended);
            prop_assert_eq!(loaded, keys);
        }
    }

    #[test]
    fn any_bytes_are_survived(head in any::<bool>(), bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut all = if head { b"REDIS0010".to_vec() } else { Vec::new() };
        all.extend(bytes);
        let _ = load(&all, 64);
    }
}

#[test]
fn types_that_we_cannot_hold_are_named() {
    let mut bytes = b"REDIS0010".to_vec();
    bytes.extend([opcode::TYPE_MODULE_2, 1, b's', 0]);
    let error = load(&bytes, 100).expect_err("a module");
    assert!(error.to_string().contains("type module is not supported"), "{error}");
    let mut checking = Loader::checking(16, PayloadLimits::default());
    checking.feed(&bytes);
    assert_eq!(checking.next_record().expect_err("a module"), error);
}

#[test]
fn modules_and_functions_of_candidates_are_refused_by_name() {
    for (code, word) in [(opcode::MODULE_AUX, "module"), (opcode::FUNCTION_PRE_GA, "function")] {
        let mut bytes = b"REDIS0010".to_vec();
        bytes.push(code);
        assert!(load(&bytes, 100).expect_err("refused").to_string().contains(word));
    }
}

#[test]
fn announced_lengths_allocate_nothing() {
    let mut bytes = b"REDIS0010".to_vec();
    bytes.extend([opcode::TYPE_STRING, 0x81, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert!(load(&bytes, 100).expect_err("a key of a terabyte").to_string().contains("too long"));
    let mut bytes = b"REDIS0010".to_vec();
    bytes.extend([opcode::TYPE_LIST, 1, b'l', 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert!(load(&bytes, 100).expect("it may still come").0.is_empty());
}

#[test]
fn versions_and_signatures_are_checked() {
    assert_eq!(load(b"REDIS0099", 100).expect_err("the future"), LoadError::Version(99));
    assert_eq!(load(b"RODIS0010", 100).expect_err("no RDB file"), LoadError::Signature);
}

#[test]
fn what_follows_the_end_is_left_over() {
    let mut bytes = file(&Keyspace::new(16, 7));
    bytes.extend_from_slice(b"more");
    let mut loader = Loader::new(16, PayloadLimits::default());
    loader.feed(&bytes);
    while let Some(record) = loader.next_record().expect("our own file") {
        if matches!(record, Record::End { .. }) {
            break;
        }
    }
    assert_eq!(loader.into_rest(), b"more");
}
