//! What commands on sorted sets leave behind besides the reply. The expected lines were recorded from Redis 7.0.15: its
//! append-only file, and its events with `notify-keyspace-events KEAnm`.

use crate::testing::{Bench, check_effects};

const Z: &str = "ZADD z 1 a 2 b 3 c";

#[test]
fn what_adds_and_removes_is_announced_if_it_did() {
    check_effects(&[], "ZADD z 1 a", &["ZADD z 1 a"], &["new z", "zadd z"]);
    check_effects(&[Z], "ZADD z 1 a", &[], &[]);
    check_effects(&[Z], "ZADD z 2 a", &["ZADD z 2 a"], &["zadd z"]);
    check_effects(&[Z], "ZADD z 2 a 4 d 3 c", &["ZADD z 2 a 4 d 3 c"], &["zadd z"]);
    check_effects(&[Z], "ZADD z CH XX 9 a 9 x", &["ZADD z CH XX 9 a 9 x"], &["zadd z"]);
    check_effects(&[], "ZADD z XX 1 a", &[], &[]);
    check_effects(&[Z], "ZADD z NX 5 a", &[], &[]);
    check_effects(&[Z], "ZADD z INCR 5 a", &["ZADD z INCR 5 a"], &["zincr z"]);
    check_effects(&[Z], "ZADD z GT INCR -5 a", &[], &[]);
    check_effects(&[Z], "ZINCRBY z 5 a", &["ZINCRBY z 5 a"], &["zincr z"]);
    check_effects(&[Z], "ZINCRBY z 0 a", &[], &[]);
    check_effects(&[], "ZINCRBY z 5 a", &["ZINCRBY z 5 a"], &["new z", "zincr z"]);
    check_effects(&[Z], "ZREM z a x b", &["ZREM z a x b"], &["zrem z"]);
    check_effects(&[Z], "ZREM z x", &[], &[]);
    check_effects(&[Z], "ZREM z a b c", &["ZREM z a b c"], &["zrem z", "del z"]);
    check_effects(&[Z], "ZREMRANGEBYRANK z 0 1", &["ZREMRANGEBYRANK z 0 1"], &["zremrangebyrank z"]);
    check_effects(&[Z], "ZREMRANGEBYRANK z 0 -1", &["ZREMRANGEBYRANK z 0 -1"], &["zremrangebyrank z", "del z"]);
    check_effects(&[Z], "ZREMRANGEBYSCORE z 2 3", &["ZREMRANGEBYSCORE z 2 3"], &["zremrangebyscore z"]);
    check_effects(&[Z], "ZREMRANGEBYSCORE z 7 8", &[], &[]);
    check_effects(&[Z], "ZREMRANGEBYLEX z - +", &["ZREMRANGEBYLEX z - +"], &["zremrangebylex z", "del z"]);
}

#[test]
fn a_pop_is_propagated_as_the_pop_of_one_set() {
    check_effects(&[Z], "ZPOPMIN z", &["ZPOPMIN z"], &["zpopmin z"]);
    check_effects(&[Z], "ZPOPMAX z 2", &["ZPOPMAX z 2"], &["zpopmax z"]);
    check_effects(&[Z], "ZPOPMIN z 9", &["ZPOPMIN z 9"], &["zpopmin z", "del z"]);
    check_effects(&[Z], "ZPOPMIN z 0", &[], &[]);
    check_effects(&[Z], "ZMPOP 2 x z MIN", &["ZPOPMIN z 1"], &["zpopmin z"]);
    check_effects(&[Z], "ZMPOP 1 z MAX COUNT 9", &["ZPOPMAX z 3"], &["zpopmax z", "del z"]);
    check_effects(&[Z], "BZPOPMIN z 0", &["ZPOPMIN z"], &["zpopmin z"]);
    check_effects(&[Z], "BZPOPMAX x z 0", &["ZPOPMAX z"], &["zpopmax z"]);
    check_effects(&[Z], "BZMPOP 0 1 z MIN", &["ZPOPMIN z 1"], &["zpopmin z"]);
    check_effects(&[Z], "BZMPOP 0 1 z MIN COUNT 2", &["ZPOPMIN z 2"], &["zpopmin z"]);
    check_effects(&[Z], "ZPOPMIN x", &[], &[]);
    check_effects(&["SET s v"], "ZPOPMIN s", &[], &[]);
}

#[test]
fn a_stored_result_replaces_a_key_without_a_trace_of_the_old_one() {
    check_effects(&[Z], "ZRANGESTORE d z 0 1", &["ZRANGESTORE d z 0 1"], &["new d", "zrangestore d"]);
    check_effects(&[Z], "ZRANGESTORE d z 7 8", &[], &[]);
    check_effects(&[Z, "SET d v"], "ZRANGESTORE d z 7 8", &["ZRANGESTORE d z 7 8"], &["del d"]);
    check_effects(&[Z, "SET d v"], "ZRANGESTORE d z 0 0", &["ZRANGESTORE d z 0 0"], &["zrangestore d"]);
    check_effects(&[Z], "ZUNIONSTORE d 1 z", &["ZUNIONSTORE d 1 z"], &["new d", "zunionstore d"]);
    check_effects(&[Z], "ZINTERSTORE d 1 z", &["ZINTERSTORE d 1 z"], &["new d", "zinterstore d"]);
    check_effects(&[Z], "ZDIFFSTORE d 1 z", &["ZDIFFSTORE d 1 z"], &["new d", "zdiffstore d"]);
    check_effects(&[Z, "SET d v"], "ZDIFFSTORE d 2 z z", &["ZDIFFSTORE d 2 z z"], &["del d"]);
    check_effects(&[Z], "ZUNIONSTORE z 1 x", &["ZUNIONSTORE z 1 x"], &["keymiss x", "del z"]);
    check_effects(&[Z], "ZRANGESTORE d x 0 1", &[], &["keymiss x"]);
}

#[test]
fn a_missing_key_is_a_miss_and_another_type_nothing() {
    check_effects(&[Z], "ZUNION 2 z x", &[], &["keymiss x"]);
    check_effects(&[Z], "ZRANGE x 0 -1", &[], &["keymiss x"]);
    check_effects(&[Z], "ZSCORE x a", &[], &["keymiss x"]);
    check_effects(&[Z], "ZRANDMEMBER x", &[], &["keymiss x"]);
    check_effects(&[Z], "ZSCAN x 0", &[], &["keymiss x"]);
    check_effects(&[Z], "ZINTERCARD 2 x y", &[], &["keymiss x", "keymiss y"]);
    check_effects(&[Z], "ZRANK x a", &[], &["keymiss x"]);
    check_effects(&[Z], "ZCOUNT x 0 1", &[], &["keymiss x"]);
    check_effects(&["SET s v"], "ZADD s 1 a", &[], &[]);
}

/// Recorded from Valkey 9.1.2: Redis 7.0 does not know the option.
#[test]
fn a_rank_comes_with_its_score_if_that_is_asked_for() {
    let mut bench = Bench::new();
    bench.run("ZADD z 1 a 2.5 b");
    for (line, reply) in [
        ("ZRANK z b WITHSCORE", "*2\r\n:1\r\n$3\r\n2.5"),
        ("ZREVRANK z a withscore", "*2\r\n:1\r\n$1\r\n1"),
        ("ZRANK z x WITHSCORE", "*-1"),
        ("ZRANK none x WITHSCORE", "*-1"),
        ("ZRANK z x", "$-1"),
        ("ZRANK z a x", "-ERR syntax error"),
        ("ZRANK z a WITHSCORE y", "-ERR wrong number of arguments for 'zrank' command"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
}
