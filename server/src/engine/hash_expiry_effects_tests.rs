//! What the expiry of fields leaves behind besides the reply. The expected lines were recorded from Redis 8.0.6, on its
//! replication link and with `notify-keyspace-events KEAnm`. One difference is meant: several fields that go at once
//! are propagated as one HDEL, as in Valkey, not as one each.

use std::sync::atomic::Ordering;

use crate::testing::{Bench, START, check_effects};

const TWO: &[&str] = &["HSET h a 1 b 2"];

#[test]
fn expiries_are_propagated_as_absolute_times_of_the_fields_that_took_them() {
    let (soon, later) = (START + 100_000, START + 500_000);
    for line in ["HEXPIRE h 100 FIELDS 2 a x", "HPEXPIRE h 100000 FIELDS 2 a x"] {
        check_effects(TWO, line, &[&format!("HPEXPIREAT h {soon} FIELDS 1 a")], &["hexpire h"]);
    }
    let line = format!("HEXPIREAT h {} NX FIELDS 2 a b", later / 1000);
    let before = ["HSET h a 1 b 2", "HEXPIRE h 1 FIELDS 1 a"];
    check_effects(&before, &line, &[&format!("HPEXPIREAT h {later} NX FIELDS 1 b")], &["hexpire h"]);
    check_effects(&before, "HPERSIST h FIELDS 2 a b", &["HPERSIST h FIELDS 2 a b"], &["hpersist h"]);
}

#[test]
fn a_time_that_has_passed_is_propagated_as_hdel() {
    check_effects(TWO, "HEXPIRE h 0 FIELDS 2 a x", &["HDEL h a"], &["hdel h"]);
    check_effects(TWO, "HPEXPIREAT h 1 FIELDS 2 a b", &["HDEL h a b"], &["hdel h", "del h"]);
    check_effects(TWO, "HGETEX h PXAT 1 FIELDS 2 a x", &["HDEL h a"], &["hdel h"]);
    check_effects(TWO, "HSETEX h EX 0 FIELDS 2 a 1 c 2", &["HDEL h a c"], &["hset h", "hdel h"]);
}

#[test]
fn the_commands_that_do_two_things_are_propagated_by_their_effects() {
    let at = START + 9_000;
    check_effects(TWO, "HGETDEL h FIELDS 2 a x", &["HDEL h a x"], &["hdel h"]);
    check_effects(TWO, "HGETDEL h FIELDS 2 a b", &["HDEL h a b"], &["hdel h", "del h"]);
    let expected = format!("HPEXPIREAT h {at} FIELDS 2 a x");
    check_effects(TWO, "HGETEX h EX 9 FIELDS 2 a x", &[&expected], &["hexpire h"]);
    let timed = ["HSETEX h EX 9 FIELDS 1 a 1"];
    check_effects(&timed, "HGETEX h PERSIST FIELDS 2 a x", &["HPERSIST h FIELDS 2 a x"], &["hpersist h"]);
    let expected = format!("HSETEX h FNX PXAT {at} FIELDS 1 a 1");
    check_effects(&[], "HSETEX h FNX EX 9 FIELDS 1 a 1", &[&expected], &["new h", "hset h", "hexpire h"]);
    let line = "HSETEX h KEEPTTL FIELDS 1 a 2";
    check_effects(&timed, line, &[line], &["hset h"]);
    check_effects(&timed, "HINCRBYFLOAT h a 1", &["HSETEX h KEEPTTL FIELDS 1 a 2"], &["hincrbyfloat h"]);
}

#[test]
fn changes_are_counted_as_redis_counts_them() {
    let cases = [
        ("HEXPIRE h 100 FIELDS 3 a b x", 2),
        ("HPERSIST h FIELDS 3 c d x", 1),
        ("HGETEX h PERSIST FIELDS 3 c d x", 2),
        ("HPEXPIREAT h 1 FIELDS 3 a b x", 2),
        ("HGETEX h PXAT 1 FIELDS 3 a b x", 2),
        ("HGETDEL h FIELDS 3 a b x", 2),
        ("HSETEX h EX 100 FIELDS 3 a 1 b 2 x 3", 3),
        ("HSETEX h PXAT 1 FIELDS 3 a 1 x 2 y 3", 3),
        ("HSETEX h PXAT 1 FIELDS 3 x 1 x 2 y 3", 3),
        ("HSETEX h PXAT 1 FIELDS 4 a 1 b 2 c 3 d 4", 4),
    ];
    for (line, changes) in cases {
        let mut bench = Bench::new();
        bench.run("HSET h a 1 b 2 c 3 d 4");
        bench.run("HEXPIRE h 100 FIELDS 2 c d");
        let before = bench.engine.state.dirty.load(Ordering::Relaxed);
        bench.run(line);
        assert_eq!(bench.engine.state.dirty.load(Ordering::Relaxed) - before, changes, "{line}");
    }
}

#[test]
fn fields_that_expire_while_a_hash_is_watched_change_it_and_those_of_before_do_not() {
    let mut bench = Bench::new();
    let mut watch = |stale: usize, more: &str| {
        let fields: Vec<String> = (0..stale).map(|field| format!("f{field}")).collect();
        bench.run(&format!("HSET h stays v later v {} v", fields.join(" v ")));
        bench.run(&format!("HPEXPIRE h 10 FIELDS {stale} {}", fields.join(" ")));
        bench.run(more);
        bench.clock.advance_ms(20);
        bench.run("WATCH h");
        bench.clock.advance_ms(20);
        // Each look removes a batch of what has expired.
        (0..3).for_each(|_| assert_eq!(bench.run("HGET h stays"), "$1\r\nv"));
        bench.run("MULTI");
        bench.run("PING");
        bench.run("EXEC")
    };
    assert_eq!(watch(600, "PING"), "*1\r\n+PONG");
    assert_eq!(watch(1, "HPEXPIRE h 30 FIELDS 1 later"), "*-1");
}

#[test]
fn what_changes_no_expiry_is_not_announced() {
    let lines = [
        "HEXPIRE h 9 XX FIELDS 1 a",
        "HEXPIRE h 0 XX FIELDS 1 a",
        "HPERSIST h FIELDS 1 a",
        "HGETEX h FIELDS 1 a",
        "HGETEX h PERSIST FIELDS 1 a",
        "HGETDEL h FIELDS 1 x",
        "HSETEX h FNX FIELDS 1 a 2",
        "HSETEX h FXX FIELDS 1 x 2",
        "HTTL h FIELDS 1 a",
    ];
    lines.iter().for_each(|line| check_effects(TWO, line, &[], &[]));
    check_effects(&[], "HSETEX h FXX FIELDS 1 x 2", &[], &[]);
    check_effects(&[], "HSETEX h PXAT 1 FIELDS 1 x 2", &[], &[]);
}

/// A hash with two fields, one of which has expired.
fn expired() -> Bench {
    let mut bench = Bench::new();
    bench.engine.state.active_expire.store(false, Ordering::Relaxed);
    bench.run("HSET h a 1 b 2");
    bench.run("HPEXPIRE h 10 FIELDS 1 a");
    bench.clock.advance_ms(11);
    bench
}

#[test]
fn an_expired_field_is_gone_for_every_command_and_goes_before_it() {
    let gone: &[&str] = &["HDEL h a"];
    for line in ["HGET h a", "HLEN h", "HGETALL h", "EXISTS h", "HSCAN h 0", "HEXISTS h a", "DUMP h", "TTL h"] {
        let mut bench = expired();
        let (_, propagated, events) = bench.trace(line);
        assert_eq!(
            (propagated, events),
            (gone.iter().map(|line| (*line).to_owned()).collect(), vec!["hexpired h".to_owned()]),
            "{line}"
        );
        assert_eq!(bench.run("HLEN h"), ":1");
        assert_eq!(bench.engine.stats.expired_subkeys.load(Ordering::Relaxed), 1);
    }
    let (_, propagated, events) = expired().trace("HINCRBY h a 5");
    assert_eq!(propagated, ["MULTI", "HDEL h a", "HINCRBY h a 5", "EXEC"]);
    assert_eq!(events, ["hexpired h", "hincrby h"]);
    assert_eq!(expired().run("HSETNX h a 3"), ":1");
    assert_eq!(expired().run("HSET h a 3"), ":1");
    assert_eq!(expired().run("HSETEX h FNX FIELDS 1 a 3"), ":1");
    assert_eq!(expired().run("HPERSIST h FIELDS 1 a"), "*1\r\n:-2");
}

#[test]
fn a_hash_ends_with_its_last_field() {
    let mut bench = expired();
    bench.run("HPEXPIRE h 10 FIELDS 1 b");
    bench.clock.advance_ms(11);
    let (_, propagated, events) = bench.trace("EXISTS h");
    assert_eq!(propagated, ["HDEL h b"]);
    assert_eq!(events, ["hexpired h", "del h", "keymiss h"]);
    assert_eq!(bench.run("HSET h c 1"), ":1");
    assert_eq!(bench.run("HPTTL h FIELDS 1 c"), "*1\r\n:-1");
}

#[test]
fn the_cycle_removes_what_no_command_looks_at() {
    let mut bench = Bench::new();
    for n in 0..1000 {
        bench.run(&format!(
            "HSET big f{n} a-value-long-enough-to-make-a-table-of-the-hash-as-it-has-more-than-64-bytes"
        ));
        bench.run(&format!("HPEXPIRE big {} FIELDS 1 f{n}", 1 + n % 50));
    }
    bench.run("HSETEX small PX 5 FIELDS 1 a 1");
    bench.clock.advance_ms(26);
    bench.propagated();
    assert_eq!(bench.engine.expire_cycle(10_000), 501);
    assert_eq!(bench.run("HLEN big"), ":500");
    assert_eq!(bench.run("EXISTS small"), ":0");
    bench.clock.advance_ms(1000);
    assert_eq!(bench.engine.expire_cycle(300), 300, "the budget counts fields");
    assert_eq!(bench.engine.expire_cycle(300), 200);
    assert_eq!(bench.run("EXISTS big"), ":0");
    assert_eq!(bench.engine.keyspace.timed_len(0), 0);
}

#[test]
fn a_look_removes_a_bounded_number_and_hides_the_rest() {
    let mut bench = Bench::new();
    let pairs: String = (0..1000).map(|n| format!(" f{n} v")).collect();
    bench.run(&format!("HSETEX h PX 5 FIELDS 1000{pairs}"));
    bench.run("HSET h last 1");
    bench.clock.advance_ms(6);
    assert_eq!(bench.run("HKEYS h"), "*1\r\n$4\r\nlast");
    assert_eq!(bench.run("HRANDFIELD h 5"), "*1\r\n$4\r\nlast");
    assert_eq!(bench.run("HLEN h"), format!(":{}", 1001 - 3 * 256));
    assert_eq!(bench.run("HSETNX h f999 w"), ":1", "a change meets no expired field");
    assert_eq!(bench.run("HLEN h"), ":2");
}
