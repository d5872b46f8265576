//! What commands leave behind besides their reply: what is propagated and which events are published. The expected
//! lines were recorded from Redis 7.0.15, on its replication link and with `notify-keyspace-events KEAnm`.

use crate::testing::{Bench, START};

/// Runs commands and compares reply, propagation and events of the last one.
#[track_caller]
fn check(before: &[&str], line: &str, reply: &str, propagated: &[&str], events: &[&str]) {
    let mut bench = Bench::new();
    for line in before {
        bench.run(line);
    }
    check_on(&mut bench, line, reply, propagated, events);
}

#[track_caller]
fn check_on(bench: &mut Bench, line: &str, reply: &str, propagated: &[&str], events: &[&str]) {
    let (got_reply, got_propagated, got_events) = bench.trace(line);
    assert_eq!(got_reply, reply, "reply to {line}");
    assert_eq!(got_propagated, propagated, "propagated by {line}");
    assert_eq!(got_events, events, "events of {line}");
}

#[test]
fn set_is_propagated_with_an_absolute_expiry_and_without_get() {
    check(&[], "SET k v", "+OK", &["SET k v"], &["new k", "set k"]);
    check(&["SET k old"], "SET k v", "+OK", &["SET k v"], &["set k"]);
    let at = START + 10_000;
    check(&[], "SET k v EX 10", "+OK", &[&format!("SET k v PXAT {at}")], &["new k", "set k", "expire k"]);
    check(&["SET k 1"], "SET k v XX GET", "$1\r\n1", &["SET k v XX"], &["set k"]);
    check(&["SET k 1"], "SET k v GET PX 10000", "$1\r\n1", &[&format!("SET k v PXAT {at}")], &["set k", "expire k"]);
    check(&["SET k 1"], "SET k v NX", "$-1", &[], &[]);
    check(&["SET k 1"], "SET k v NX GET", "$1\r\n1", &[], &[]);
    check(&[], "SETEX k 10 v", "+OK", &[&format!("SET k v PXAT {at}")], &["new k", "set k", "expire k"]);
    check(&[], "PSETEX k 10000 v", "+OK", &[&format!("SET k v PXAT {at}")], &["new k", "set k", "expire k"]);
    check(&[], "SETNX k v", ":1", &["SETNX k v"], &["new k", "set k"]);
    check(&[], "GETSET k v", "$-1", &["SET k v"], &["keymiss k", "new k", "set k"]);
}

#[test]
fn reads_that_write_are_propagated_as_what_they_did() {
    let at = START + 10_000;
    check(&["SET k v"], "GETEX k EX 10", "$1\r\nv", &[&format!("PEXPIREAT k {at}")], &["expire k"]);
    check(&["SET k v"], "GETEX k", "$1\r\nv", &[], &[]);
    check(&["SET k v"], "GETEX k PERSIST", "$1\r\nv", &[], &[]);
    check(&["SET k v EX 5"], "GETEX k PERSIST", "$1\r\nv", &["PERSIST k"], &["persist k"]);
    check(&["SET k v"], "GETEX k EXAT 1", "$1\r\nv", &["DEL k"], &["del k"]);
    check(&["SET k v"], "GETDEL k", "$1\r\nv", &["DEL k"], &["del k"]);
    check(&[], "GETDEL k", "$-1", &[], &["keymiss k"]);
}

#[test]
fn counters_and_ranges() {
    check(&[], "INCR n", ":1", &["INCR n"], &["new n", "incrby n"]);
    check(&["SET n 5"], "DECRBY n 7", ":-2", &["DECRBY n 7"], &["incrby n"]);
    check(&["SET n 1"], "INCRBYFLOAT n 0.5", "$3\r\n1.5", &["SET n 1.5 KEEPTTL"], &["incrbyfloat n"]);
    check(&[], "APPEND k ab", ":2", &["APPEND k ab"], &["new k", "append k"]);
    check(&[], "SETRANGE k 1 a", ":2", &["SETRANGE k 1 a"], &["new k", "setrange k"]);
    check(&["SET k v"], "SETRANGE k 1 \"\"", ":1", &[], &[]);
    check(&[], "MSET a 1 b 2", "+OK", &["MSET a 1 b 2"], &["new a", "set a", "new b", "set b"]);
    check(&["SET b 1"], "MSETNX a 1 b 2", ":0", &[], &[]);
}

#[test]
fn bits() {
    check(&[], "SETBIT k 5 0", ":0", &["SETBIT k 5 0"], &["new k", "setbit k"]);
    check(&["SETBIT k 5 1"], "SETBIT k 5 1", ":1", &[], &[]);
    check(&["SETBIT k 5 1"], "SETBIT k 8 0", ":0", &["SETBIT k 8 0"], &["setbit k"]);
    check(&[], "GETBIT k 1", ":0", &[], &["keymiss k"]);
    check(&["SET a b"], "BITOP NOT d a", ":1", &["BITOP NOT d a"], &["new d", "set d"]);
    check(&["SET d b"], "BITOP AND d a", ":0", &["BITOP AND d a"], &["keymiss a", "del d"]);
    check(&[], "BITOP AND d a", ":0", &[], &["keymiss a"]);
    check(&[], "BITFIELD k SET u8 0 0", "*1\r\n:0", &["BITFIELD k SET u8 0 0"], &["new k", "setbit k"]);
    check(&["SETBIT k 9 0"], "BITFIELD k SET u8 0 0", "*1\r\n:0", &[], &[]);
    // The key is there, so replicas must have it; Redis forgets them.
    let fails = "BITFIELD k OVERFLOW FAIL SET u8 0 256";
    check(&[], fails, "*1\r\n$-1", &[fails], &["new k"]);
    check(&["SETBIT k 0 1"], fails, "*1\r\n$-1", &[], &[]);
    check(&[], "BITFIELD k GET u8 0", "*1\r\n:0", &[], &["keymiss k"]);
}

#[test]
fn hyperloglogs() {
    check(&[], "PFADD h", ":1", &["PFADD h"], &["new h", "pfadd h"]);
    check(&["PFADD h a"], "PFADD h a", ":0", &[], &[]);
    check(&["PFADD h a"], "PFADD h b c", ":1", &["PFADD h b c"], &["pfadd h"]);
    check(&["PFADD h a"], "PFCOUNT h", ":1", &["PFCOUNT h"], &[]);
    check(&["PFADD h a", "PFCOUNT h"], "PFCOUNT h", ":1", &[], &[]);
    check(&["PFADD h a"], "PFCOUNT h i", ":1", &[], &["keymiss i"]);
    check(&["PFADD h a"], "PFMERGE i h", "+OK", &["PFMERGE i h"], &["keymiss i", "new i", "pfadd i"]);
    check(&["PFADD h a"], "PFDEBUG TODENSE h", ":1", &["PFDEBUG TODENSE h"], &[]);
    check(&["PFADD h a", "PFDEBUG TODENSE h"], "PFDEBUG TODENSE h", ":0", &[], &[]);
    check(&["PFADD h a"], "PFDEBUG ENCODING h", "+sparse", &[], &[]);
    let mut bench = Bench::new();
    bench.run("PFADD h a b c d");
    assert_eq!(bench.engine.state.dirty.load(std::sync::atomic::Ordering::Relaxed), 5, "the key and its elements");
}

#[test]
fn expiry_is_propagated_as_a_point_in_time_or_as_a_deletion() {
    let at = format!("PEXPIREAT k {}", START + 10_000);
    check(&["SET k v"], "EXPIRE k 10", ":1", &[&at], &["expire k"]);
    check(&["SET k v"], "EXPIRE k 10 NX", ":1", &[&format!("{at} NX")], &["expire k"]);
    check(&["SET k v"], "PEXPIREAT k 1000000010000", ":1", &[&at], &["expire k"]);
    check(&["SET k v"], "EXPIRE k -1", ":1", &["DEL k"], &["del k"]);
    check(&["SET k v"], "EXPIREAT k 1", ":1", &["DEL k"], &["del k"]);
    check(&["SET k v EX 5"], "PERSIST k", ":1", &["PERSIST k"], &["persist k"]);
    check(&["SET k v"], "PERSIST k", ":0", &[], &[]);
    let mut lazy = Bench::with(&[("lazyfree-lazy-expire", "yes")]);
    lazy.run("SET k v");
    check_on(&mut lazy, "EXPIRE k 0", ":1", &["UNLINK k"], &["del k"]);
}

#[test]
fn an_expired_key_is_deleted_before_the_command_that_met_it() {
    for (line, reply, propagated, events) in [
        ("GET k", "$-1", &["DEL k"][..], &["expired k", "keymiss k"][..]),
        ("SET k v", "+OK", &["MULTI", "DEL k", "SET k v", "EXEC"], &["expired k", "new k", "set k"]),
        ("SET k v XX", "$-1", &["DEL k"], &["expired k"]),
        ("INCR k", ":1", &["MULTI", "DEL k", "INCR k", "EXEC"], &["expired k", "new k", "incrby k"]),
        ("DEL k", ":0", &["DEL k"], &["expired k"]),
        ("EXISTS k", ":0", &["DEL k"], &["expired k", "keymiss k"]),
        ("RENAME k j", "-ERR no such key", &["DEL k"], &["expired k"]),
        ("SCAN 0", "*2\r\n$1\r\n0\r\n*0", &["DEL k"], &["expired k"]),
    ] {
        let mut bench = Bench::new();
        bench.run("SET k 1 PX 100");
        bench.clock.advance_ms(101);
        check_on(&mut bench, line, reply, propagated, events);
        let expired = bench.engine.stats.expired_keys.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(expired, 1, "{line}");
    }
}

#[test]
fn expired_keys_that_scan_and_randomkey_meet_go_one_by_one() {
    for line in ["SCAN 0", "RANDOMKEY"] {
        let mut bench = Bench::new();
        bench.run("MSET a 1 b 2");
        bench.run("PEXPIRE a 1");
        bench.run("PEXPIRE b 1");
        bench.clock.advance_ms(2);
        let (_, mut propagated, mut events) = bench.trace(line);
        propagated.sort();
        events.sort();
        assert_eq!(propagated, ["DEL a", "DEL b"], "not within MULTI: {line}");
        assert_eq!(events, ["expired a", "expired b"], "{line}");
        assert_eq!(bench.run("DBSIZE"), ":0");
    }
}

#[test]
fn keys_that_go_and_come() {
    check(&["SET a 1", "SET b 1"], "DEL a b c", ":2", &["DEL a b c"], &["del a", "del b"]);
    check(&["SET a 1"], "UNLINK a", ":1", &["UNLINK a"], &["del a"]);
    check(&["SET a 1"], "RENAME a b", "+OK", &["RENAME a b"], &["new b", "rename_from a", "rename_to b"]);
    check(&["SET a 1", "SET b 2"], "RENAMENX a b", ":0", &[], &[]);
    check(&["SET a 1"], "RENAME a a", "+OK", &[], &[]);
    check(&["SET a 1"], "COPY a b", ":1", &["COPY a b"], &["new b", "copy_to b"]);
    check(&["SET a 1"], "COPY a b DB 1", ":1", &["COPY a b DB 1"], &["new b @1", "copy_to b @1"]);
    check(&["SET a 1"], "MOVE a 2", ":1", &["MOVE a 2"], &["new a @2", "move_from a", "move_to a @2"]);
    check(&[], "FLUSHALL", "+OK", &["FLUSHALL"], &[]);
    check(&["SET a 1"], "FLUSHDB ASYNC", "+OK", &["FLUSHDB ASYNC"], &[]);
    check(&["SET a 1"], "SWAPDB 0 1", "+OK", &["SWAPDB 0 1"], &[]);
}

#[test]
fn restore_is_propagated_with_an_absolute_expiry() {
    let mut bench = Bench::new();
    // "v" as Redis 7.0.15 dumps it, quoted.
    let payload = r#""\x00\x01v\n\x00\x91\b\xce\xb2\x198\x8a\xce""#;
    bench.run("SET k v");
    let dump = bench.run("DUMP k");
    assert!(dump.starts_with("$13\r\n"), "{dump}");
    let (reply, propagated, events) = bench.trace(&format!("RESTORE n 1000 {payload} REPLACE"));
    assert_eq!(reply, "+OK");
    assert_eq!(events, ["new n", "restore n"]);
    assert!(propagated[0].starts_with(&format!("RESTORE n {} ", START + 1000)), "{propagated:?}");
    assert!(propagated[0].ends_with(" REPLACE ABSTTL"), "{propagated:?}");
    let past = format!("RESTORE n 1 {payload} REPLACE ABSTTL");
    check_on(&mut bench, &past, "+OK", &["DEL n"], &["del n"]);
    check_on(&mut bench, &past, "+OK", &[], &[]);
}

#[test]
fn a_list_that_appears_serves_who_waits_for_it() {
    for (before, line) in [
        (&["RPUSH src x"][..], "RENAME src dst"),
        (&["RPUSH src x"], "COPY src dst"),
        (&["SELECT 1", "RPUSH dst x"], "MOVE dst 0"),
        (&["SELECT 1", "RPUSH dst x"], "SWAPDB 0 1"),
        (&["SELECT 1", "RPUSH src x"], "COPY src dst DB 0"),
    ] {
        let mut bench = Bench::new();
        let mut waiter = bench.connect();
        assert_eq!(waiter.run(&bench.engine, "BLPOP dst 0"), "", "{line}: it waits");
        for line in before {
            bench.run(line);
        }
        bench.run(line);
        let served = waiter.late_reply(&bench.engine);
        assert_eq!(served.as_deref(), Some("*2\r\n$3\r\ndst\r\n$1\r\nx"), "{line}");
    }
}

#[test]
fn watched_keys_that_change_fail_the_transaction() {
    for (line, changes) in [
        ("SET k v", true),
        ("GET k", false),
        ("EXPIRE k 10", true),
        ("PERSIST k", false),
        ("DEL k", true),
        ("RENAME k j", true),
        ("RENAME other k", true),
        ("COPY other k REPLACE", true),
        ("MOVE k 1", true),
        ("FLUSHALL", true),
        ("SWAPDB 0 1", true),
        ("SWAPDB 1 2", false),
        ("GETEX k", false),
        ("APPEND k x", true),
        ("SETRANGE k 0 \"\"", false),
        ("TOUCH k", false),
    ] {
        let mut bench = Bench::new();
        bench.run("MSET k v other w");
        let mut watcher = bench.connect();
        watcher.run(&bench.engine, "WATCH k");
        bench.run(line);
        watcher.run(&bench.engine, "MULTI");
        watcher.run(&bench.engine, "PING");
        let reply = watcher.run(&bench.engine, "EXEC");
        assert_eq!(reply == "*-1", changes, "{line}");
    }
}

#[test]
fn a_flush_fails_no_transaction_that_watches_what_was_not_there() {
    let mut bench = Bench::new();
    bench.run("SET {k}other v");
    let mut watcher = bench.connect();
    watcher.run(&bench.engine, "WATCH {k}");
    bench.run("FLUSHALL");
    watcher.run(&bench.engine, "MULTI");
    assert_eq!(watcher.run(&bench.engine, "EXEC"), "*0");
}

#[test]
fn scan_returns_every_key_once_and_its_filters_filter() {
    let mut bench = Bench::new();
    for number in 0..300 {
        bench.run(&format!("SET key:{number} v"));
    }
    bench.run("RPUSH list x");
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let reply = bench.run(&format!("SCAN {cursor} COUNT 7"));
        let mut lines = reply.split("\r\n").skip(2);
        cursor = lines.next().expect("a cursor").to_owned();
        seen.extend(lines.skip(1).skip(1).step_by(2).map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!((all, seen.len()), (301, 301));
    assert_eq!(bench.run("SCAN 0 COUNT 1000 TYPE LIST"), "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nlist");
    assert_eq!(bench.run("SCAN 0 COUNT 1000 MATCH key:29"), "*2\r\n$1\r\n0\r\n*1\r\n$6\r\nkey:29");
    assert_eq!(bench.run("SCAN 0 COUNT 1000 TYPE none"), "*2\r\n$1\r\n0\r\n*0");
}

#[test]
fn cluster_mode_has_one_database() {
    let mut bench = Bench::with(&[("cluster-enabled", "yes")]);
    bench.run("SET k v");
    assert_eq!(bench.run("MOVE k 1"), "-ERR MOVE is not allowed in cluster mode");
    assert_eq!(bench.run("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode");
    assert_eq!(bench.run("COPY k {k}2 DB 1"), "-ERR Copying to another database is not allowed in cluster mode");
    assert_eq!(bench.run("COPY k {k}2 DB 0"), ":1");
}

#[test]
fn cluster_mode_has_as_many_databases_as_it_is_told() {
    let mut bench = Bench::with(&[("cluster-enabled", "yes"), ("cluster-databases", "20")]);
    assert_eq!(bench.run("SELECT 20"), "-ERR DB index is out of range");
    for line in ["SET k v", "SELECT 17", "SET k w"] {
        assert_eq!(bench.run(line), "+OK");
    }
    assert_eq!((bench.run("MOVE k 0"), bench.run("MOVE k 18")), (":0".to_owned(), ":1".to_owned()));
    assert_eq!(bench.run("MOVE k 20"), "-ERR DB index is out of range");
    assert_eq!(bench.run("SELECT 18"), "+OK");
    bench.propagated();
    assert_eq!(bench.run("COPY k {k}2 DB 1"), ":1");
    assert_eq!(bench.propagated(), ["18: COPY k {k}2 DB 1"]);
    assert_eq!(bench.run("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode");
    let slot = protocol::slot::key_slot(b"k");
    assert!(bench.engine.keyspace.slot_has_keys(slot));
    assert_eq!(bench.engine.keyspace.used().collect::<Vec<_>>(), [0, 1, 17, 18]);
    assert_eq!(bench.run(&format!("CLUSTER FLUSHSLOT {slot}")), "+OK");
    assert!(!bench.engine.keyspace.has_keys(), "of no database");
    let deleted = bench.propagated().into_iter().filter(|line| line.contains("DEL"));
    assert_eq!(deleted.collect::<Vec<_>>(), ["DEL k", "1: DEL {k}2", "18: DEL k"]);
}

#[test]
fn frequency_is_counted_under_an_lfu_policy_only() {
    let mut bench = Bench::with(&[("maxmemory-policy", "allkeys-lfu"), ("lfu-log-factor", "0")]);
    bench.run("SET k v");
    assert_eq!(bench.run("OBJECT FREQ k"), ":5");
    bench.run("GET k");
    assert_eq!(bench.run("OBJECT FREQ k"), ":6");
    bench.run("SET k w");
    assert_eq!(bench.run("OBJECT FREQ k"), ":7");
    bench.clock.advance_ms(120_000);
    assert_eq!(bench.run("OBJECT FREQ k"), ":5");
    assert!(bench.run("OBJECT IDLETIME k").starts_with("-ERR An LFU"));
    let mut timed = Bench::new();
    timed.run("SET k v");
    timed.clock.advance_ms(5000);
    assert_eq!(timed.run("OBJECT IDLETIME k"), ":5");
    timed.run("GET k");
    assert_eq!(timed.run("OBJECT IDLETIME k"), ":0");
    assert!(timed.run("OBJECT FREQ k").starts_with("-ERR An LFU"));
}
