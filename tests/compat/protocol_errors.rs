//! Malformed requests: the error as Redis words it, then the connection is closed; inline commands; pipelines; limits.

use crate::{check, check_with};

#[test]
fn malformed_multibulk_requests() {
    check(
        r#"
== length of the array
@raw1 !raw "*abc\r\n"
@raw1 !closed
@raw2 !raw "*1048577\r\n"
@raw2 !silent
@raw2b !raw "*2147483648\r\n"
@raw2b !closed
@raw3 !raw "*-10\r\n*1\r\n$4\r\nPING\r\n"
@raw3 !read
@raw4 !raw "*0\r\n*1\r\n$4\r\nPING\r\n"
@raw4 !read
@raw5 !raw "*\r\n"
@raw5 !closed
@raw6 !raw "* 1\r\n"
@raw6 !closed
@raw7 !raw "*99999999999999999999\r\n"
@raw7 !closed
@raw8 !raw "*01\r\n"
@raw8 !closed
@raw9 !raw "*+1\r\n"
@raw9 !closed
== length of a bulk
@raw1 !raw "*1\r\n$abc\r\n"
@raw1 !closed
@raw2 !raw "*1\r\n$-1\r\n"
@raw2 !closed
@raw3 !raw "*1\r\n$536870913\r\n"
@raw3 !closed
@raw4 !raw "*1\r\nPING\r\n"
@raw4 !closed
@raw5 !raw "*2\r\n$3\r\nGET\r\n:1\r\n"
@raw5 !closed
@raw6 !raw "*1\r\n$\r\n"
@raw6 !closed
@raw7 !raw "*1\r\n$ 4\r\nPING\r\n"
@raw7 !closed
@raw8 !raw "*1\r\n$99999999999999999999\r\n"
@raw8 !closed
@raw9 !raw "*1\r\n\x00\r\n"
@raw9 !silent
== zero-length name
@raw1 !raw "*1\r\n$0\r\n\r\n"
@raw1 !read
@raw1 PING
== commands before the error are answered
@raw1 !raw "*1\r\n$4\r\nPING\r\n*1\r\nbad\r\n"
@raw1 !closed
== others are untouched
@raw1 PING
@raw2 !raw "*bad\r\n"
@raw2 !closed
@raw1 PING
== a bulk may end in anything, as in Redis
@raw1 !raw "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n"
@raw1 !read
@raw1 !read
"#,
    );
}

#[test]
fn inline_commands() {
    check(
        r#"
@raw1 !raw "PING\r\n"
@raw1 !read
@raw1 !raw "PING\n"
@raw1 !read
@raw1 !raw "\r\n\r\nPING\r\n"
@raw1 !read
@raw1 !raw "   SET   k    v  \r\n"
@raw1 !read
@raw1 !raw "GET k\r\n"
@raw1 !read
@raw1 !raw "SET q \"a b\\x41\\n\"\r\nGET q\r\n"
@raw1 !read
@raw1 !read
@raw1 !raw "SET q 'it''s'\r\n"
@raw1 !closed
@raw2 !raw "SET q \"unbalanced\r\n"
@raw2 !closed
@raw3 !raw "SET q 'unbalanced\r\n"
@raw3 !closed
@raw4 !raw "SET q \"a\"b\r\n"
@raw4 !closed
@raw5 !raw "nosuch a b\r\n"
@raw5 !read
@raw5 !raw "GET\r\n"
@raw5 !read
@raw5 !raw "ECHO 'a\\'b'\r\n"
@raw5 !read
@raw5 !raw "ECHO \"\"\r\n"
@raw5 !read
@raw5 !raw "\"PING\"\r\n"
@raw5 !read
@raw5 !raw "PING\tx\r\n"
@raw5 !read
@raw6 !raw "QUIT\r\n"
@raw6 !closed
"#,
    );
}

#[test]
fn web_traffic_is_refused() {
    check(
        r#"
@raw1 !raw "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n"
@raw1 !closed
@raw2 !raw "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
@raw2 !closed
@raw3 !raw "host: localhost\r\n"
@raw3 !closed
"#,
    );
}

#[test]
fn pipelines_and_pieces() {
    check(
        r#"
== many at once
@raw1 !raw "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*1\r\n$4\r\nPING\r\n"
@raw1 !read
@raw1 !read
@raw1 !read
@raw1 !read
@raw1 !read
== in pieces
@raw1 !raw "*3\r\n$3\r\nS"
!sleep 20
@raw1 !raw "ET\r\n$1\r"
!sleep 20
@raw1 !raw "\na\r\n$5\r\nhe"
!sleep 20
@raw1 !silent
@raw1 !raw "llo\r"
!sleep 20
@raw1 !raw "\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
@raw1 !read
@raw1 !read
== a transaction in one packet
@raw1 !raw "MULTI\r\nSET x 1\r\nINCR x\r\nEXEC\r\n"
@raw1 !read
@raw1 !read
@raw1 !read
@raw1 !read
== QUIT in the middle: what follows is not run
@raw1 !raw "SET y 1\r\nQUIT\r\nSET y 2\r\n"
@raw1 !closed
GET y
"#,
    );
}

#[test]
fn limits_before_authentication() {
    check_with(
        &[("requirepass", "secret")],
        r#"
@raw1 !raw "*11\r\n"
@raw1 !closed
@raw2 !raw "*10\r\n$16385\r\n"
@raw2 !closed
@raw3 !raw "*1\r\n$16384\r\n"
@raw3 !silent
@raw4 AUTH secret
@raw4 !raw "*11\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"
@raw4 !read
"#,
    );
}

#[test]
fn proto_max_bulk_len_is_obeyed() {
    check_with(
        &[("proto-max-bulk-len", "1mb")],
        r#"
@raw1 !raw "*2\r\n$3\r\nGET\r\n$1048577\r\n"
@raw1 !closed
@raw2 !raw "*2\r\n$3\r\nGET\r\n$1048576\r\n"
@raw2 !silent
SETRANGE k 1048575 x
SETRANGE k 1048576 x
APPEND k y
STRLEN k
SETRANGE k 1048570 abcdefgh
"#,
    );
}

#[test]
fn replies_in_resp3_have_their_own_types() {
    check(
        r#"
GET missing
LPOP missing
LPOP missing 1
BLPOP missing 0.01
LCS missing missing2 IDX
MGET missing
CONFIG GET maxmemory
LMPOP 1 missing LEFT
LPOS missing x
MSET a ohmy b my
LCS a b IDX WITHMATCHLEN
MULTI
GET missing
EXEC
WATCH a
@b SET a 1
MULTI
EXEC
{shape} COMMAND DOCS nosuch
PUBSUB NUMSUB a
CLIENT GETNAME
{type} RANDOMKEY
"#,
    );
}
