//! Cursors, and what an iteration returns.

use super::*;
use crate::testing::Bench;

#[test]
fn every_slot_has_a_tag_of_its_own() {
    for slot in SlotId::all() {
        let tag = tag_of(slot);
        assert!(tag.len() == TAG_LEN && tag.bytes().all(|letter| (b'`'..=b'o').contains(&letter)), "{tag}");
        assert_eq!(key_slot(format!("0-{{{tag}}}-7").as_bytes()), slot, "{tag}");
    }
}

/// The cursor and the keys of a reply.
fn parts(reply: &str) -> (String, Vec<String>) {
    let lines: Vec<&str> = reply.split("\r\n").collect();
    let keys = lines[4..].chunks(2).map(|pair| pair[1].to_owned()).collect();
    (lines[2].to_owned(), keys)
}

fn clustered() -> Bench {
    Bench::with(&[("cluster-enabled", "yes")])
}

#[test]
fn an_iteration_returns_every_key_once_and_ends() {
    let mut bench = clustered();
    let mut all: Vec<String> = (0..300).map(|index| format!("key:{index}")).collect();
    all.extend((0..300).map(|index| format!("{{t}}{index}")));
    for key in &all {
        bench.run(&format!("SET {key} v"));
    }
    for count in [1, 7, 1000] {
        let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
        loop {
            let (next, keys) = parts(&bench.run(&format!("CLUSTERSCAN {cursor} COUNT {count}")));
            found.extend(keys);
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        found.sort();
        all.sort();
        assert_eq!(found, all, "{count} at a time");
    }
}

#[test]
fn one_slot_is_iterated_alone() {
    let mut bench = clustered();
    for key in ["{t}1", "{t}2", "other"] {
        bench.run(&format!("SET {key} v"));
    }
    let slot = key_slot(b"t").get();
    let (cursor, keys) = parts(&bench.run(&format!("CLUSTERSCAN 0 SLOT {slot}")));
    assert_eq!((key_slot(cursor.as_bytes()).get(), keys.len()), (slot, 0));
    let (end, mut keys) = parts(&bench.run(&format!("CLUSTERSCAN {cursor} SLOT {slot} COUNT 9")));
    keys.sort();
    assert_eq!((end.as_str(), keys), ("0", vec!["{t}1".to_owned(), "{t}2".to_owned()]));
    assert_eq!(
        bench.run(&format!("CLUSTERSCAN {cursor} SLOT {}", slot + 1)),
        "-ERR Cursor slot mismatch with SLOT argument"
    );
}

#[test]
fn a_position_of_another_node_begins_its_slot_anew() {
    let mut bench = clustered();
    for index in 0..50 {
        bench.run(&format!("SET {{t}}{index} v"));
    }
    let tag = tag_of(key_slot(b"t"));
    let (cursor, first) = parts(&bench.run(&format!("CLUSTERSCAN 0-{{{tag}}}-0 COUNT 10")));
    assert_eq!(first.len(), 10);
    let (mark, rest) = cursor.split_once('-').expect("two parts");
    let (_, second) = parts(&bench.run(&format!("CLUSTERSCAN {mark}-{rest} COUNT 10")));
    assert!(second.iter().all(|key| !first.contains(key)));
    let (_, again) = parts(&bench.run(&format!("CLUSTERSCAN {mark}x-{rest} COUNT 10")));
    assert_eq!(again, first);
}

#[test]
fn a_type_that_does_not_exist_is_an_error_where_it_stands() {
    let mut bench = clustered();
    let unknown = "-ERR unknown type name 'nosuch'";
    assert_eq!(bench.run("CLUSTERSCAN 0 TYPE nosuch COUNT x"), unknown);
    assert_eq!(bench.run("CLUSTERSCAN x TYPE nosuch"), unknown);
    assert_eq!(bench.run("CLUSTERSCAN 0 COUNT x TYPE nosuch"), "-ERR value is not an integer or out of range");
    assert_eq!(bench.run("CLUSTERSCAN 0 TYPE"), "-ERR syntax error");
    for ty in Type::ALL {
        assert!(bench.run(&format!("CLUSTERSCAN 0 TYPE {}", ty.name().to_uppercase())).starts_with("*2"), "{ty:?}");
    }
    assert_eq!(bench.run("SCAN 0 TYPE nosuch COUNT 100000"), "*2\r\n$1\r\n0\r\n*0", "as in Redis");
}

#[test]
fn cursors_are_read_strictly() {
    let mut bench = clustered();
    for wrong in ["x", "1", "00", "0-{t}", "0-{t}-x", "-1-{t}-0", "0-{t}-0-0", "0-{t}-", "0-{t}--1"] {
        assert_eq!(bench.run(&format!("CLUSTERSCAN {wrong}")), "-ERR Invalid cursor", "{wrong}");
    }
    for right in ["0-{t}-0", "x-{t}-99999999999999999999", "0-t-0"] {
        assert!(bench.run(&format!("CLUSTERSCAN {right}")).starts_with("*2"), "{right}");
    }
    assert_eq!(Bench::new().run("CLUSTERSCAN 0"), "-ERR This instance has cluster support disabled");
}
