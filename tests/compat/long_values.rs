//! Very long values: they are stored in the buffer that they arrived in, which must not be visible.

use crate::check;

/// Long enough to be executed from a buffer of its own.
const LONG: usize = 300_000;

#[test]
fn a_long_value_is_set_changed_and_moved_as_any_other() {
    let value = "v".repeat(LONG);
    let other = "w".repeat(LONG + 7);
    check(&format!(
        r"== every way to set one
SET k {value}
GET k
STRLEN k
OBJECT ENCODING k
SET k {other} EX 100 GET
TTL k
SET k {value} KEEPTTL
TTL k
SET k {value} NX
SET none {value} XX
SETEX e 100 {value}
PSETEX p 100000 {other}
SETNX n {value}
SETNX n {other}
GETSET n {other}
MSET a {value} b {other} c short
MGET a b c
SET k {value} EX
SET k {value} EX 0
SET k {value} WRONG
GET k
== every way to change one
SET k {value}
APPEND k tail
GETRANGE k -6 -1
SET k {value}
SETRANGE k 5 xyz
GETRANGE k 0 10
SET k {value}
SETRANGE k {LONG} xyz
STRLEN k
SET k {value}
INCR k
RPUSH k x
SET k short
GET k
SET k {value}
SET k {other}
STRLEN k
== every way to move one
SET k {value}
RENAME k l
COPY l m
GETDEL l
GET m
EXPIRE m 100
PERSIST m
MOVE m 3
SELECT 3
GET m
DUMP m
DEL m
EXISTS m
== in a transaction, watched, and elsewhere than a string
WATCH k
SET k {value}
MULTI
SET k {other}
EXEC
STRLEN k
MULTI
SET k {value}
STRLEN k
APPEND k x
EXEC
RPUSH list {value}
LINDEX list 0
SET list {value} GET
LPUSH other {other} {value}
LLEN other
PING {value}
ECHO {other}
"
    ));
}

#[test]
fn what_a_long_request_causes_comes_behind_its_reply() {
    let value = "v".repeat(LONG);
    check(&format!(
        r"== in the same connection and in others
!resp3
CLIENT TRACKING ON
GET k
!send SET k {value}
!read
!read
@b SUBSCRIBE c
PUBLISH c {value}
@b !read
GET k
@b2 SET k {value} EX 100
!read
== pipelined
!raw {}
!read
!read
!read
",
        raw(&value)
    ));
}

/// A short request, a long one and a short one at once.
fn raw(value: &str) -> String {
    format!(
        r#""PING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n""#,
        value.len()
    )
}
