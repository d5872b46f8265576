//! Every numeric argument of the commands on sorted sets, with all values that are easily mishandled.

use std::fmt::Write as _;

use crate::numeric_arguments::VALUES;
use crate::{check, check_with};

/// Plays templates with each value in the place of `#`, on fresh keys.
fn script(templates: &str) -> String {
    let mut script = String::new();
    for template in templates.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(script, "== {template}");
        for value in VALUES {
            let line = template.replace('#', value);
            let _ = writeln!(script, "FLUSHALL\nZADD z 1 a 2 b 2.5 c 3 d -1 e inf f\n{line}\nZRANGE z 0 -1 WITHSCORES");
        }
    }
    script
}

fn both(templates: &str) {
    check(&script(templates));
    check_with(&[("zset-max-listpack-entries", "0")], &script(templates));
}

#[test]
fn numbers_of_scores() {
    both(
        "ZADD z # a
        ZADD z # new
        ZADD z INCR # a
        ZADD z GT CH # b
        ZINCRBY z # b
        ZINCRBY z # f
        ZINCRBY none # b",
    );
}

#[test]
fn numbers_of_ranges() {
    both(
        "ZRANGE z # 2
        ZRANGE z 0 #
        ZRANGE z # -1 REV WITHSCORES
        ZREVRANGE z # 2
        ZREVRANGE z 0 #
        ZRANGEBYSCORE z # inf
        ZRANGEBYSCORE z -inf #
        ZRANGEBYSCORE z -inf inf LIMIT # 2
        ZRANGEBYSCORE z -inf inf LIMIT 1 #
        ZREVRANGEBYSCORE z inf -inf LIMIT # 2
        ZREVRANGEBYSCORE z # -inf
        ZRANGE z # inf BYSCORE
        ZRANGE z inf -inf BYSCORE REV LIMIT 1 #
        ZRANGE z - + BYLEX LIMIT # 1
        ZRANGE z 0 -1 LIMIT 0 #
        ZCOUNT z # inf
        ZCOUNT z -inf #
        ZREMRANGEBYRANK z # 1
        ZREMRANGEBYRANK z 0 #
        ZREMRANGEBYSCORE z # inf
        ZREMRANGEBYSCORE z -inf #
        ZRANGESTORE d z # -1
        ZRANGESTORE d z -inf # BYSCORE LIMIT 0 2",
    );
}

#[test]
fn numbers_of_pops_and_unions() {
    both(
        "ZPOPMIN z #
        ZPOPMAX z #
        ZPOPMAX none #
        ZMPOP # z MIN
        ZMPOP 1 z MAX COUNT #
        ZMPOP 1 none MAX COUNT #
        BZMPOP 0.01 # z MIN
        BZMPOP 0.01 1 z MIN COUNT #
        ZUNION # z y
        ZUNION 1 z WEIGHTS # WITHSCORES
        ZUNIONSTORE d # z
        ZINTER 2 z z WEIGHTS 1 # WITHSCORES
        ZDIFFSTORE d # z
        ZINTERCARD # z
        ZINTERCARD 1 z LIMIT #
        ZSCAN none #
        ZSCAN none 0 COUNT #",
    );
}

/// More than so many random members are refused, where Redis fills its memory.
#[test]
fn numbers_of_random_members() {
    let mut script = String::new();
    for value in VALUES.iter().filter(|value| !value.starts_with("-2") && !value.starts_with("-9")) {
        let _ = writeln!(
            script,
            "ZRANDMEMBER none {value}\nZADD z 1 a\nZRANDMEMBER z {value}\nZRANDMEMBER z {value} WITHSCORES"
        );
    }
    check(&script);
}
