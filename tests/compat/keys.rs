//! Generic key commands: existence, renaming, databases, deletion.

use crate::check;

#[test]
fn del_exists_type_touch_rename_copy() {
    check(
        r#"
== arity
DEL
UNLINK
EXISTS
TYPE
TYPE a b
TOUCH
RENAME a
RENAMENX a
COPY a
PERSIST
RANDOMKEY x
KEYS
DBSIZE x
OBJECT
OBJECT ENCODING
DUMP
RESTORE a 0
SELECT
SWAPDB 0
MOVE a
== DEL UNLINK EXISTS TOUCH
MSET a 1 b 2 c 3
RPUSH l x
DEL a missing b
EXISTS a b c l l l
UNLINK c l l
EXISTS c l
TOUCH a
MSET a 1 b 2
TOUCH a b missing a
DEL a a
== TYPE
SET s v
RPUSH l v
TYPE s
TYPE l
TYPE missing
== RENAME
SET a 1
RENAME a b
GET b
EXISTS a
RENAME missing x
RENAME b b
RENAME missing missing
RPUSH l x
RENAME l b
TYPE b
SET t v EX 100
RENAME t u
{near 1} TTL u
SET w 1 EX 100
SET z 2
RENAME z w
TTL w
== RENAMENX
SET a 1
SET b 2
RENAMENX a b
RENAMENX a c
GET c
RENAMENX missing x
RENAMENX b b
RENAMENX c c
== COPY
SET a 1
COPY a b
COPY a b
SET a 2
COPY a b REPLACE
GET b
COPY a a
COPY a a REPLACE
COPY missing b
COPY missing b REPLACE
GET b
COPY a c DB 1
SELECT 1
GET c
SELECT 0
COPY a a DB 1
COPY a a DB 1
COPY a a DB 1 REPLACE
COPY a a DB 0
COPY a c DB
COPY a c DB abc
COPY a c DB -1
COPY a c DB 16
COPY a c DB 9999999999
COPY a c BAD
COPY a d replace db 2
RPUSH l 1 2 3
COPY l l2
LPUSH l 0
LRANGE l2 0 -1
SET t v EX 100
COPY t t2
{near 1} TTL t2
"#,
    );
}

#[test]
fn databases() {
    check(
        r#"
== SELECT
SELECT 0
SET k zero
SELECT 1
GET k
SET k one
SELECT 15
SELECT 16
SELECT -1
SELECT abc
SELECT 1.5
SELECT 99999999999999999999
SELECT 2147483648
SELECT ""
DBSIZE
SELECT 1
DBSIZE
FLUSHDB
DBSIZE
SELECT 0
DBSIZE
== MOVE
SET k v
MOVE k 1
EXISTS k
SELECT 1
GET k
SELECT 0
SET k w
MOVE k 1
GET k
MOVE k 0
MOVE missing 1
MOVE k 16
MOVE k abc
MOVE k -1
SET t v EX 100
MOVE t 3
SELECT 3
{near 1} TTL t
== SWAPDB
SET k zero
SELECT 1
SET k one
SWAPDB 0 1
GET k
SELECT 0
GET k
SWAPDB 0 0
SWAPDB 0 16
SWAPDB 16 0
SWAPDB -1 0
SWAPDB abc 0
SWAPDB 0 abc
SWAPDB 0
== FLUSHALL FLUSHDB
MSET a 1 b 2
SELECT 2
SET c 3
FLUSHDB
DBSIZE
SELECT 0
DBSIZE
SELECT 2
SET c 3
FLUSHALL
DBSIZE
SELECT 0
DBSIZE
FLUSHALL ASYNC
FLUSHALL SYNC
FLUSHALL BAD
FLUSHALL SYNC ASYNC
FLUSHDB ASYNC
FLUSHDB sync
FLUSHDB BAD
FLUSHDB ASYNC SYNC
"#,
    );
}

#[test]
fn keys_and_randomkey() {
    check(
        r#"
RANDOMKEY
KEYS *
SET only v
RANDOMKEY
KEYS *
FLUSHALL
MSET hello 1 hallo 2 hxllo 3 hllo 4 heello 5 "h*llo" 6 "h[llo" 7 "a\\b" 8 "" 9
{sorted} KEYS *
{sorted} KEYS h?llo
{sorted} KEYS h*llo
{sorted} KEYS h[ae]llo
{sorted} KEYS h[^e]llo
{sorted} KEYS h[a-e]llo
{sorted} KEYS h[e-a]llo
{sorted} KEYS "h\\*llo"
{sorted} KEYS "h\\[llo"
{sorted} KEYS "a\\\\b"
{sorted} KEYS "h[llo"
{sorted} KEYS "h[\\]x]llo"
{sorted} KEYS "[h]*"
{sorted} KEYS "h[a"
{sorted} KEYS "h["
{sorted} KEYS "h[^"
{sorted} KEYS "h\\"
{sorted} KEYS ""
{sorted} KEYS ?
{sorted} KEYS ?????
{sorted} KEYS h**l**o
{sorted} KEYS HELLO
{sorted} KEYS "*[l][l][o]"
{sorted} KEYS nothing*
{type} RANDOMKEY
DBSIZE
SET exp v PX 1
!sleep 5
{sorted} KEYS e*
"#,
    );
}

#[test]
fn object_commands() {
    check(
        r#"
OBJECT HELP
OBJECT ENCODING missing
OBJECT REFCOUNT missing
OBJECT IDLETIME missing
OBJECT FREQ missing
SET k v
OBJECT ENCODING k
OBJECT REFCOUNT k
{near 1} OBJECT IDLETIME k
OBJECT FREQ k
OBJECT BAD k
OBJECT ENCODING k extra
OBJECT encoding k
RPUSH l a b
OBJECT ENCODING l
!times 1000 RPUSH l %d
OBJECT ENCODING l
OBJECT HELP extra
"#,
    );
}

#[test]
fn lazy_expiry_hides_keys_everywhere() {
    check(
        r#"
DEBUG SET-ACTIVE-EXPIRE 0
SET k v PX 1
RPUSH l a
PEXPIRE l 1
!sleep 10
GET k
SET k v PX 1
!sleep 10
EXISTS k
TYPE l
LLEN l
SET k v PX 1
!sleep 10
RENAME k x
COPY k x
DUMP k
OBJECT ENCODING k
TOUCH k
DEL k
PERSIST k
TTL k
EXPIRE k 10
SET k v PX 1
!sleep 10
DEL k
SET k 5 PX 1
!sleep 10
INCR k
TTL k
SET k v PX 1
!sleep 10
SETNX k w
SET k v PX 1
!sleep 10
SET k w XX
SET k v PX 1
!sleep 10
APPEND k w
SET k v PX 1
!sleep 10
RANDOMKEY
KEYS *
DEBUG SET-ACTIVE-EXPIRE 1
"#,
    );
}
