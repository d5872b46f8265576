//! SORT and SORT_RO beside Redis: orders, patterns, parts, targets, and cluster mode.
//!
//! Sorted sets are not looked at afterwards: Redis turns small ones into the large form when it sorts them.

use crate::numeric_arguments::VALUES;
use crate::{check, check_with};

#[test]
fn a_stored_list_has_nodes_of_the_default_size() {
    check_with(
        &[("list-max-listpack-size", "3"), ("list-compress-depth", "1")],
        r#"
RPUSH l 9 8 7 6 5 4 3 2 1 10 11 12
DUMP l
SORT l STORE d
DUMP d
OBJECT ENCODING d
RPUSH d 13 14
DUMP d
COPY d e
LPUSH e 0
DUMP e
SORT e DESC STORE e
DUMP e
"#,
    );
}

#[test]
fn elements_are_sorted() {
    check(
        r#"
== numbers
SORT
SORT none
RPUSH l 3 1 2 10 -5 1.5 2 1e1 0x10 " 7" -inf inf "" -0
SORT l
SORT l ASC
SORT l desc
SORT l DESC ASC
SORT l LIMIT 1 3
SORT l LIMIT 12 100
SORT l LIMIT 14 1
SORT l LIMIT 0 0
SORT l LIMIT 2 -1
SORT l LIMIT -3 2
SORT l LIMIT 9223372036854775807 9223372036854775807
SORT l LIMIT 1
SORT l LIMIT x 1
SORT l LIMIT 1 x
SORT l nonsense
SORT_RO l DESC LIMIT 0 5
SORT_RO l STORE d
SORT l STORE d
LRANGE d 0 -1
SORT l DESC LIMIT 2 3 STORE l
LRANGE l 0 -1
RPUSH m 1 abc
SORT m
SORT m LIMIT 0 0
SORT m BY nosort
RPUSH n nan
SORT n
RPUSH o "1 "
SORT o
RPUSH p "1\x00x" 0
SORT p
== texts
RPUSH l b a B A aa "" 10 9 "a\x00z" "a\x00b" abcdefghij abcdefghi "\xff" "\xc3\xa9"
SORT l ALPHA
SORT l ALPHA DESC
SORT l alpha LIMIT 2 5
SORT l ALPHA STORE d
LRANGE d 0 -1
SORT l ALPHA DESC STORE d
LRANGE d 0 -1
== sets
SADD s 5 3 4 1 2
SORT s
SORT s DESC LIMIT 1 2
SADD t b c a 10
SORT t
SORT t ALPHA
SORT t BY nosort STORE d
LRANGE d 0 -1
SORT t BY nosort DESC STORE d
LRANGE d 0 -1
{sorted} SORT t BY nosort
== sorted sets
ZADD z 10 1 9 2 8 3 7 d 6 e
SORT z BY nosort
SORT z BY nosort DESC
SORT z BY nosort LIMIT 1 2
SORT z BY nosort DESC LIMIT 1 2
SORT z BY nosort LIMIT 9 2
SORT z BY nosort STORE d
LRANGE d 0 -1
SORT z
SORT z ALPHA DESC
SORT z GET # BY nosort
== other types
SET k v
SORT k
HSET h f v
SORT h
SORT_RO h nonsense
SORT k STORE d
"#,
    );
}

#[test]
fn elements_are_sorted_by_other_keys() {
    check(
        r#"
== BY
RPUSH l 1 2 3 4 5
MSET w1 30 w2 10 w3 20 w5 10
SORT l BY w*
SORT l BY w* DESC
SORT l BY w* LIMIT 1 2
SORT l BY w* ALPHA
SORT l BY w* ALPHA DESC
SORT l BY w* STORE d
LRANGE d 0 -1
SORT l BY w* ALPHA STORE d
LRANGE d 0 -1
SORT l BY none*
SORT l BY *
SORT l BY #
SORT l BY # DESC
SORT l BY nosort DESC LIMIT 1 2
SORT l BY nosort BY w*
SORT l BY w* BY nosort
SORT l BY
SET w4 abc
SORT l BY w*
SORT l BY w* ALPHA
RPUSH w2x 1
SORT l BY w*x
HSET h1 f 3 -> 9
HSET h2 f 2 -> 8
HSET h3 f 1
SORT l BY h*->f
SORT l BY h*->f DESC
SORT l BY h*->nosuch
SORT l BY h*->
SORT l BY h*->->
SORT l BY w*->f
== GET
RPUSH l 2 1 3
MSET v1 one v2 two x1y between
HSET h1 f first g other
SORT l GET v*
SORT l GET v* GET # GET h*->f
SORT l get nosuch GET #
SORT l GET x*y GET # DESC LIMIT 0 2
SORT l GET h* GET h*-> GET h*->f*
SORT l BY nosort GET #
SORT l GET
SORT l GET v* STORE d
LRANGE d 0 -1
SORT l GET # GET v* BY nosort STORE d
LRANGE d 0 -1
SORT_RO l GET v* DESC
SORT none GET v*
SORT none GET v* STORE d
EXISTS d
SORT none STORE d
PEXPIREAT v1 1
SORT l GET v*
== what is stored
SADD s 1 2 3
SORT s STORE d
SORT s LIMIT 5 1 STORE d
EXISTS d
SET d v
SORT s STORE d
TYPE d
OBJECT ENCODING d
EXPIRE d 100
SORT s STORE d
TTL d
SORT s STORE s
LRANGE s 0 -1
SORT s STORE
SORT s STORE a STORE b
EXISTS a b
== clients that wait
RPUSH l 2 1
@b !send BLPOP d 0
!blocked 1
SORT l STORE d
@b !read
LRANGE d 0 -1
@b !send BLPOP d e 0
!blocked 1
DEL d
SORT l GET w* STORE e
@b !read
== transactions
RPUSH l 2 1
MSET w1 5 w2 4
MULTI
SORT l BY w* GET w* GET #
SORT l STORE d
SORT_RO d BY w*
EXEC
WATCH d
@b SORT l BY w* STORE d
MULTI
PING
EXEC
== keys
COMMAND GETKEYS SORT l
COMMAND GETKEYSANDFLAGS SORT l BY w_* STORE d
COMMAND GETKEYSANDFLAGS SORT l STORE STORE d
COMMAND GETKEYSANDFLAGS SORT l STORE a STORE d
COMMAND GETKEYS SORT l STORE
COMMAND GETKEYS SORT l LIMIT STORE a STORE b
COMMAND GETKEYS SORT l GET STORE BY STORE x
COMMAND GETKEYSANDFLAGS SORT_RO l BY a STORE d
"#,
    );
}

/// In cluster mode, patterns are refused: their keys may be anywhere.
#[test]
fn patterns_are_refused_in_cluster_mode() {
    check_with(
        &[("cluster-enabled", "yes")],
        r#"
CLUSTER ADDSLOTSRANGE 0 16383
!sleep 2500
RPUSH {l} 3 1 2
SORT {l}
SORT {l} DESC STORE {l}d
LRANGE {l}d 0 -1
SORT {l} STORE d
SORT {l} BY nosort
SORT {l} BY #
SORT {l} BY w*
SORT {l} BY {l}w*
SORT {l} GET #
SORT {l} GET {l}*
SORT {l} GET x
SORT_RO {l} GET a*
SORT_RO {l} BY a*
SORT {l} BY a* nonsense
SORT {l} nonsense BY a*
MULTI
SORT {l} BY w*
SORT {l} ALPHA
EXEC
"#,
    );
}

#[test]
fn numbers_of_sort() {
    let mut script = String::new();
    for value in VALUES {
        for template in [
            "SORT l LIMIT # 2",
            "SORT l LIMIT 1 #",
            "SORT l BY nosort DESC LIMIT # #",
            "SORT l BY w* LIMIT # 1 STORE d",
        ] {
            script.push_str(&format!("DEL l d\nRPUSH l 3 1 2\n{}\nLRANGE d 0 -1\n", template.replace('#', value)));
        }
        // Redis 7.0 does not reset the C library's error number, so a number that is too large spoils later ones.
        script.push_str(&format!("DEL l\nRPUSH l 3 {value} 1\nSORT l\nSORT l DESC ALPHA\n"));
    }
    check(&script);
}
