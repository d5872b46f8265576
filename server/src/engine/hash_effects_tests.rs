//! What changing a hash leaves behind besides the reply. The expected lines were recorded from Redis 7.0.15, on its
//! replication link and with `notify-keyspace-events KEAnm`.

use crate::testing::check_effects;

#[test]
fn a_changed_hash_is_propagated_as_sent_and_announced_once() {
    check_effects(&[], "HSET h a 1 b 2", &["HSET h a 1 b 2"], &["new h", "hset h"]);
    check_effects(&["HSET h a 1"], "HMSET h a 2", &["HMSET h a 2"], &["hset h"]);
    check_effects(&[], "HSETNX h a 1", &["HSETNX h a 1"], &["new h", "hset h"]);
    check_effects(&["HSET h a 1"], "HINCRBY h a 2", &["HINCRBY h a 2"], &["hincrby h"]);
    check_effects(&["HSET h a 1 b 2"], "HDEL h a x", &["HDEL h a x"], &["hdel h"]);
}

#[test]
fn a_sum_of_floats_is_propagated_as_the_result() {
    check_effects(&["HSET h a 1"], "HINCRBYFLOAT h a 0.5", &["HSET h a 1.5"], &["hincrbyfloat h"]);
    check_effects(&[], "HINCRBYFLOAT h a 3.0", &["HSET h a 3"], &["new h", "hincrbyfloat h"]);
}

#[test]
fn a_hash_that_lost_its_last_field_is_gone_and_its_end_is_the_last_event() {
    check_effects(&["HSET h a 1"], "HDEL h a", &["HDEL h a"], &["hdel h", "del h"]);
}

#[test]
fn what_changes_no_field_is_not_announced() {
    for line in ["HSETNX h a 2", "HDEL h x", "HINCRBY h a x", "HINCRBY h text 1", "HINCRBYFLOAT h text 1", "HLEN h"] {
        check_effects(&["HSET h a 1 text abc"], line, &[], &[]);
    }
    for line in ["HSET s a 1", "HDEL s a", "HINCRBY s a 1", "HINCRBYFLOAT s a 1"] {
        check_effects(&["SET s v"], line, &[], &[]);
    }
    check_effects(&[], "HINCRBY h a x", &[], &[]);
    check_effects(&[], "HDEL h a", &[], &[]);
}
