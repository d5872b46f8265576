//! Random members where their choice does not show, and scans of sets that are passed on whole.

use super::both;
use crate::check;

#[test]
fn random_members() {
    both(
        r#"
== arguments
ZRANDMEMBER
ZRANDMEMBER z a
ZRANDMEMBER z 1 x
ZRANDMEMBER z 1 WITHSCORES x
ZRANDMEMBER z 9223372036854775808
ZRANDMEMBER z -9223372036854775808
ZRANDMEMBER z -9223372036854775807 WITHSCORES
ZRANDMEMBER z 9223372036854775807 WITHSCORES
ZRANDMEMBER z 4611686018427387903 WITHSCORES
ZRANDMEMBER z 1 WITHSCORES
ZRANDMEMBER missing
ZRANDMEMBER missing 0
ZRANDMEMBER missing -5
SET s v
ZRANDMEMBER s
ZRANDMEMBER s 1
ZRANDMEMBER s a
== one member
ZADD z 1.5 a
ZRANDMEMBER z
ZRANDMEMBER z 0
ZRANDMEMBER z 1
ZRANDMEMBER z 5
ZRANDMEMBER z -3
ZRANDMEMBER z -3 WITHSCORES
ZRANDMEMBER z 3 withscores
ZADD n 1 12
ZRANDMEMBER n
ZRANDMEMBER n -2 WITHSCORES
== an empty count
ZADD z 1 a 2 b
ZRANDMEMBER z 0
ZRANDMEMBER z 0 WITHSCORES
ZRANDMEMBER z -0
"#,
    );
}

#[test]
fn all_members_of_a_small_set_come_in_the_order_of_redis() {
    check(
        r#"
== listpack
ZADD z 1 a 2 b 3 c
ZRANDMEMBER z 3
ZRANDMEMBER z 10 WITHSCORES
ZRANDMEMBER z 4611686018427387903 WITHSCORES
"#,
    );
}

#[test]
fn a_small_set_tells_its_scores_as_they_are_stored() {
    check(
        r#"
== scores as another version wrote them
RESTORE z 0 "\x11''\x00\x00\x00\x08\x00\x81a\x02\x82-0\x03\x81b\x02\x832.1\x04\x81c\x02\x842.50\x05\x81e\x02\x831e1\x04\xff\x0a\x00\x0e\xe9\x91\xa3\xce\xf3\x92v"
ZSCAN z 0
ZRANGE z 0 -1 WITHSCORES
ZADD z 3 d
ZSCAN z 0
ZINCRBY z 1 b
ZSCAN z 0
"#,
    );
}

#[test]
fn scans() {
    both(
        r#"
== arguments
ZSCAN
ZSCAN z
ZSCAN z a
ZSCAN z -1
ZSCAN z ""
ZSCAN z 0 COUNT
ZSCAN z 0 nonsense 1
ZSCAN z 0 COUNT 0
ZADD z 1 a
ZSCAN z a
ZSCAN z 0 COUNT
ZSCAN z 0 COUNT 0
ZSCAN z 0 COUNT -1
ZSCAN z 0 COUNT a
ZSCAN z 0 TYPE zset
ZSCAN z 0 nonsense 1
ZSCAN missing 0
ZSCAN missing 0 COUNT a
SET s v
ZSCAN s 0
ZSCAN s a
== one member
ZADD z 2.5 a
ZSCAN z 0
ZSCAN z 0 MATCH a*
ZSCAN z 0 MATCH b*
ZSCAN z 0 COUNT 100 MATCH *
ZADD n 1e17 5
ZSCAN n 0
ZADD m 1e300 m
ZSCAN m 0
ZADD i inf i
ZSCAN i 0
ZADD l 0.1 l
ZSCAN l 0
ZADD o -0 o
ZSCAN o 0
"#,
    );
    check(
        r#"
== a small set is passed on whole
ZADD z 1 a 2 b 3 c 4 ab
ZSCAN z 0
ZSCAN z 0 COUNT 1
ZSCAN z 0 MATCH a*
ZSCAN z 77
"#,
    );
}
