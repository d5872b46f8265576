//! What changing a hash leaves behind besides the reply. The expected lines were recorded from Redis 7.0.15, on its
//! replication link and with `notify-keyspace-events KEAnm`.

use crate::testing::Bench;

/// Runs commands, then one more whose propagation and events are compared.
#[track_caller]
fn check(before: &[&str], line: &str, propagated: &[&str], events: &[&str]) {
    let mut bench = Bench::new();
    for line in before {
        bench.run(line);
    }
    let (_, got_propagated, got_events) = bench.trace(line);
    assert_eq!(got_propagated, propagated, "propagated by {line}");
    assert_eq!(got_events, events, "events of {line}");
}

#[test]
fn a_changed_hash_is_propagated_as_sent_and_announced_once() {
    check(&[], "HSET h a 1 b 2", &["HSET h a 1 b 2"], &["new h", "hset h"]);
    check(&["HSET h a 1"], "HMSET h a 2", &["HMSET h a 2"], &["hset h"]);
    check(&[], "HSETNX h a 1", &["HSETNX h a 1"], &["new h", "hset h"]);
    check(&["HSET h a 1"], "HINCRBY h a 2", &["HINCRBY h a 2"], &["hincrby h"]);
    check(&["HSET h a 1 b 2"], "HDEL h a x", &["HDEL h a x"], &["hdel h"]);
}

#[test]
fn a_sum_of_floats_is_propagated_as_the_result() {
    check(&["HSET h a 1"], "HINCRBYFLOAT h a 0.5", &["HSET h a 1.5"], &["hincrbyfloat h"]);
    check(&[], "HINCRBYFLOAT h a 3.0", &["HSET h a 3"], &["new h", "hincrbyfloat h"]);
}

#[test]
fn a_hash_that_lost_its_last_field_is_gone_and_its_end_is_the_last_event() {
    check(&["HSET h a 1"], "HDEL h a", &["HDEL h a"], &["hdel h", "del h"]);
}

#[test]
fn what_changes_no_field_is_not_announced() {
    for line in ["HSETNX h a 2", "HDEL h x", "HINCRBY h a x", "HINCRBY h text 1", "HINCRBYFLOAT h text 1", "HLEN h"] {
        check(&["HSET h a 1 text abc"], line, &[], &[]);
    }
    for line in ["HSET s a 1", "HDEL s a", "HINCRBY s a 1", "HINCRBYFLOAT s a 1"] {
        check(&["SET s v"], line, &[], &[]);
    }
    check(&[], "HINCRBY h a x", &[], &[]);
    check(&[], "HDEL h a", &[], &[]);
}
