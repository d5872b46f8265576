//! What commands with conditions reply, propagate and announce; digests are those that XXH3's authors publish.

use xxhash_rust::xxh3::xxh3_64;

use crate::testing::Bench;

#[track_caller]
fn check(before: &[&str], line: &str, reply: &str, propagated: &[&str], events: &[&str]) {
    let mut bench = Bench::new();
    for line in before {
        bench.run(line);
    }
    let (got_reply, got_propagated, got_events) = bench.trace(line);
    assert_eq!(got_reply, reply, "{line}");
    assert_eq!(got_propagated, propagated, "propagated by {line}");
    assert_eq!(got_events, events, "events of {line}");
}

#[test]
fn the_digest_is_that_of_xxh3() {
    assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    let mut bench = Bench::new();
    bench.run("SET k v");
    let reply = bench.run("DIGEST k");
    assert_eq!(reply, format!("$16\r\n{:016x}", xxh3_64(b"v")));
    bench.run("SET n 12345");
    assert_eq!(bench.run("DIGEST n"), format!("$16\r\n{:016x}", xxh3_64(b"12345")));
    assert_eq!(bench.run("DIGEST none"), "$-1");
    bench.run("RPUSH l 1");
    assert!(bench.run("DIGEST l").starts_with("-WRONGTYPE"));
}

#[test]
fn set_obeys_a_comparison_and_propagates_without_it() {
    let digest = format!("{:016x}", xxh3_64(b"v"));
    let upper = digest.to_uppercase();
    let set = &["SET k w"];
    let event = &["set k"];
    check(&["SET k v"], "SET k w IFEQ v", "+OK", set, event);
    check(&["SET k v"], "SET k w IFEQ x", "$-1", &[], &[]);
    check(&[], "SET k w IFEQ x", "$-1", &[], &[]);
    check(&["SET k v"], "SET k w IFNE x", "+OK", set, event);
    check(&["SET k v"], "SET k w IFNE v", "$-1", &[], &[]);
    check(&[], "SET k w IFNE x", "+OK", set, &["new k", "set k"]);
    check(&["SET k v"], &format!("SET k w IFDEQ {digest}"), "+OK", set, event);
    check(&["SET k v"], &format!("SET k w IFDEQ {upper}"), "+OK", set, event);
    check(&["SET k x"], &format!("SET k w IFDEQ {digest}"), "$-1", &[], &[]);
    check(&["SET k x"], &format!("SET k w IFDNE {digest}"), "+OK", set, event);
    check(&["SET k v"], &format!("SET k w IFDNE {digest}"), "$-1", &[], &[]);
    check(&["SET k v"], "SET k w GET IFEQ v", "$1\r\nv", set, event);
    check(&["SET k v EX 100"], "SET k w IFEQ v KEEPTTL", "+OK", &["SET k w KEEPTTL"], event);
    check(&["SET k v"], "SET k w IFEQ v PX 5000", "+OK", &["SET k w PXAT 1000000005000"], &["set k", "expire k"]);
    check(&["SET k v"], "SET k w IFDEQ abc", "-ERR digest must be exactly 16 hexadecimal characters", &[], &[]);
    check(
        &["RPUSH k v"],
        "SET k w IFNE v",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
        &[],
        &[],
    );
}

#[test]
fn a_key_is_deleted_if_it_is_what_the_client_believes() {
    let digest = format!("{:016x}", xxh3_64(b"v"));
    let (gone, event) = (&["DEL k"], &["del k"]);
    for line in ["DELIFEQ k v", "DELEX k", "DELEX k IFEQ v", "DELEX k ifne x", &format!("DELEX k IFDEQ {digest}")] {
        check(&["SET k v"], line, ":1", gone, event);
        check(&[], line, ":0", &[], &[]);
    }
    for line in ["DELIFEQ k x", "DELEX k IFEQ x", "DELEX k IFNE v", &format!("DELEX k IFDNE {digest}")] {
        check(&["SET k v"], line, ":0", &[], &[]);
    }
    check(&["RPUSH k v"], "DELEX k", ":1", gone, event);
    check(
        &["RPUSH k v"],
        "DELEX k IFNE v",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
        &[],
        &[],
    );
    check(&[], "DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command", &[], &[]);
    check(&[], "DELEX k NX x", "-ERR syntax error", &[], &[]);
}

#[test]
fn msetex_is_propagated_in_words_that_every_server_knows() {
    let events = &["new a", "set a", "new b", "set b"];
    check(&[], "MSETEX 2 a 1 b 2", ":1", &["MSET a 1 b 2"], events);
    check(&[], "MSETEX 2 a 1 b 2 KEEPTTL NX", ":1", &["MULTI", "SET a 1 KEEPTTL", "SET b 2 KEEPTTL", "EXEC"], events);
    check(&["SET a 0"], "MSETEX 1 a 1 XX PX 5000", ":1", &["SET a 1 PXAT 1000000005000"], &["set a", "expire a"]);
    check(&["SET a 0"], "MSETEX 2 a 1 b 2 XX", ":0", &[], &[]);
    check(&["SET b 0"], "MSETEX 2 a 1 b 2 NX", ":0", &[], &[]);
}
