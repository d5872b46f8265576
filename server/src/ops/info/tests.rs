//! Selection of sections and the format of values.

use super::*;
use crate::testing::{Bench, START};

fn sections(words: &[&str]) -> Vec<&'static str> {
    let wanted = Wanted::of(words.iter().map(|word| word.as_bytes()));
    SECTIONS.iter().filter(|section| wanted.has(section)).map(|section| section.name).collect()
}

#[test]
fn without_arguments_the_default_sections_are_printed() {
    let default = [
        "server",
        "clients",
        "memory",
        "persistence",
        "stats",
        "replication",
        "cpu",
        "modules",
        "errorstats",
        "cluster",
        "keyspace",
    ];
    assert_eq!(sections(&[]), default);
    assert_eq!(sections(&["DEFAULT"]), default);
}

#[test]
fn sections_add_up_in_their_own_order() {
    assert_eq!(sections(&["Keyspace", "server", "server"]), ["server", "keyspace"]);
    assert!(sections(&["nosuch"]).is_empty());
    assert_eq!(sections(&["default", "commandstats"]).len(), 12);
    assert_eq!(sections(&["all"]).len(), SECTIONS.len());
    assert_eq!(sections(&["everything"]).len(), SECTIONS.len());
}

#[test]
fn names_of_clients_cannot_forge_lines() {
    assert_eq!(safe_name("a:b#c\r\nd"), "a_b_c__d");
}

#[test]
fn amounts_are_printed_for_people_as_redis_does() {
    for (bytes, text) in [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (916_360, "894.88K"),
        (12_128_256, "11.57M"),
        (25_323_552_768, "23.58G"),
    ] {
        assert_eq!(human_bytes(bytes), text);
    }
}

/// Expiries span all of i64; a sum of a few of them does not fit.
#[test]
fn the_average_time_to_live_of_distant_expiries_fits() {
    let mut bench = Bench::new();
    for key in ["a", "b", "c"] {
        bench.run(&format!("SET {key} v PXAT 9223372036854775807"));
    }
    let mut out = InfoWriter::default();
    lists::keyspace(&bench.engine, &mut out);
    assert_eq!(out.into_text(), format!("db0:keys=3,expires=3,avg_ttl={}\r\n", i64::MAX - START));
}

/// A command that is used to find out why a node is slow must not wait for the slow command.
#[test]
fn info_does_not_wait_for_a_slot_that_is_held() {
    let mut bench = Bench::new();
    bench.run("SET k v PX 1000");
    let held = bench.engine.keyspace.lock(0, protocol::slot::key_slot(b"k"));
    let mut out = InfoWriter::default();
    lists::keyspace(&bench.engine, &mut out);
    assert_eq!(out.into_text(), "db0:keys=1,expires=1,avg_ttl=0\r\n");
    drop(held);
}
