//! Pops: at once, from one of several keys, and waiting for a key.

use super::both;

#[test]
fn the_first_and_last_members_are_popped() {
    both(
        r#"
== arity and numbers
ZPOPMIN
ZPOPMIN z 1 2
ZPOPMAX z 1 2
ZPOPMIN z a
ZPOPMIN z -1
ZPOPMAX z ""
ZPOPMIN z 9223372036854775808
ZPOPMIN missing
ZPOPMIN missing 0
ZPOPMIN missing 3
SET s v
ZPOPMIN s
ZPOPMAX s 0
ZPOPMAX s a
== pops
ZADD z 1 a 2 b 2.5 c 4 d 5 e 5 f
ZPOPMIN z
ZPOPMAX z
ZPOPMIN z 0
ZPOPMAX z 0
ZPOPMIN z 1
ZPOPMAX z 2
ZPOPMIN z 9223372036854775807
EXISTS z
ZADD z 1 a
ZPOPMAX z
EXISTS z
== ZMPOP
ZMPOP
ZMPOP 1 z
ZMPOP 0 z MIN
ZMPOP -1 z MIN
ZMPOP a z MIN
ZMPOP 2 z MIN
ZMPOP 1 z LEFT
ZMPOP 1 z MIN COUNT
ZMPOP 1 z MIN COUNT 0
ZMPOP 1 z MIN COUNT -1
ZMPOP 1 z MIN COUNT a
ZMPOP 1 z MIN COUNT 1 COUNT 1
ZMPOP 1 z MIN nonsense 1
ZMPOP 2 z y MIN
ZADD y 1 a 2 b 3 c 4 d
ZMPOP 2 z y MIN
ZMPOP 2 z y max count 2
ZMPOP 2 z y MAX COUNT 100
EXISTS y
SET s v
ZMPOP 2 s y MIN
ZMPOP 2 z s MIN
ZADD z 1 a
ZMPOP 2 z s MIN
"#,
    );
}

#[test]
fn a_pop_waits_for_a_key() {
    both(
        r#"
== arguments
BZPOPMIN
BZPOPMIN z
BZPOPMIN z a
BZPOPMIN z -1
BZPOPMAX z nan
BZMPOP
BZMPOP 0 1 z
BZMPOP 0 0 z MIN
BZMPOP a 1 z MIN
BZMPOP a 0 z MIN
BZMPOP -1 1 z MIN
BZMPOP 0 1 z LEFT
BZMPOP 0 1 z MIN COUNT 0
BZMPOP 0 1 z MIN COUNT 1 x
BZPOPMIN z 0.01
BZPOPMAX z y 0.01
BZMPOP 0.01 2 z y MAX
SET s v
BZPOPMIN s 0
BZPOPMIN z s 0
BZMPOP 0 1 s MIN
== there is something
ZADD z 1 a 2 b 3 c
ZADD y 4 d 5 e
BZPOPMIN z 0
BZPOPMAX y z 0
BZMPOP 0 2 x z MIN
BZMPOP 0 2 x z MAX COUNT 10
BZPOPMIN x y 0
EXISTS z y
== there is nothing yet
@b !send BZPOPMIN x z 0
!blocked 1
ZADD z 3 c 1 a 2 b
@b !read
ZRANGE z 0 -1
@b !send BZPOPMAX q p 0
!blocked 1
ZADD p 3 c 1 a 2 b
@b !read
@b !send BZMPOP 0 2 m n MAX COUNT 2
!blocked 1
ZADD n 3 c 1 a 2 b
@b !read
ZRANGE n 0 -1
== first come, first served
@b !send BZPOPMIN z 0
!blocked 1
@c !send BZPOPMAX z 0
!blocked 2
@d !send BZMPOP 0 1 z MIN COUNT 5
!blocked 3
ZADD z 1 a
@b !read
@c !silent
ZADD z 1 a 2 b 3 c
@c !read
@d !read
EXISTS z
== other types do not wake it
@b !send BZPOPMIN z 0
!blocked 1
LPUSH z a
@b !silent
DEL z
SET z v
@b !silent
DEL z
ZADD z 7 seven
@b !read
== all ways in which a set can appear
ZADD src 1 a 2 b
@b !send BZPOPMIN z 0
!blocked 1
ZRANGESTORE z src 0 -1
@b !read
@b !send BZPOPMIN z2 0
!blocked 1
COPY src z2
@b !read
@b !send BZPOPMIN z3 0
!blocked 1
RENAME src z3
@b !read
@b !send BZPOPMAX z4 0
!blocked 1
ZUNIONSTORE z4 1 z3
@b !read
!let dump DUMP z3
@b !send BZPOPMAX z5 0
!blocked 1
RESTORE z5 0 $dump
@b !read
@b !send BZPOPMAX z6 0
!blocked 1
ZINCRBY z6 3 m
@b !read
== in transactions
@b !send BZPOPMIN z 0
!blocked 1
MULTI
ZADD z 1 a 2 b
ZREM z a
BZPOPMIN none 0
BZMPOP 0 1 none MIN
EXEC
@b !read
MULTI
BZPOPMIN z 0
BZMPOP 0 1 z MIN
EXEC
== two types wait for one key
@b !send BZPOPMIN k 0
!blocked 1
@c !send BLPOP k 0
!blocked 2
RPUSH k a b
@c !read
@b !silent
DEL k
ZADD k 1 m
@b !read
"#,
    );
}
