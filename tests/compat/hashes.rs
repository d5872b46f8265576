//! Hashes: every command, option and edge, packed and as a table.

use crate::{check, check_with};

#[test]
fn setting_reading_and_removing_fields() {
    check(
        r#"
== arity
HSET
HSET h
HSET h f
HSET h f v g
HMSET h
HMSET h f
HMSET h f v g
HSETNX h f
HSETNX h f v w
HGET h
HGET h f g
HMGET h
HDEL h
HLEN
HLEN h g
HSTRLEN h
HEXISTS h
HGETALL
HGETALL h g
HKEYS
HVALS h g
HINCRBY h f
HINCRBYFLOAT h f
HRANDFIELD
HSCAN h
== set and get
HSET h a 1
HSET h a 2 b 3 c 4
HSET h a 2 a 3 a 4
HMSET h d 5 e 6
HMSET h d 5
HGET h a
HGET h missing
HGET missing a
HMGET h a b missing c
HMGET missing a b
HSETNX h a 9
HSETNX h f 9
HSETNX fresh f 9
HGETALL h
HGETALL fresh
HKEYS h
HVALS h
HLEN h
HLEN missing
HGETALL missing
HKEYS missing
HVALS missing
HEXISTS h a
HEXISTS h missing
HEXISTS missing a
HSTRLEN h a
HSTRLEN h missing
HSTRLEN missing a
TYPE h
OBJECT ENCODING h
OBJECT REFCOUNT h
EXISTS h missing
== bytes of any kind
HSET h "" "" "\x00\xff" "\r\n" 123 -5 -0 007 1.5 99999999999
HSET h 9223372036854775807 -9223372036854775808 9223372036854775808 x
HGETALL h
HGET h ""
HGET h "\x00\xff"
HSTRLEN h ""
HSTRLEN h 9223372036854775807
HSTRLEN h 1.5
HGET h 0123
HGET h 123
HMGET h 123 0123 +123 " 123"
HEXISTS h 9223372036854775807
HDEL h 123 -0
HGETALL h
DUMP h
== remove
HSET h a 1 b 2 c 3 d 4
HDEL h a
HDEL h a missing
HDEL h b b c
HDEL missing a
HGETALL h
HDEL h d
EXISTS h
HSET h a 1 b 2
HDEL h a b c
TYPE h
HGETALL h
== wrong type
SET s v
RPUSH l a
HSET s f v
HSET s f v g
HSETNX s f v
HMSET s f v
HGET s f
HMGET s f g
HDEL s f
HLEN s
HSTRLEN s f
HEXISTS s f
HGETALL s
HKEYS l
HVALS l
HINCRBY s f 1
HINCRBY s f x
HINCRBYFLOAT s f 1
HINCRBYFLOAT s f x
HRANDFIELD s
HRANDFIELD s 1
HRANDFIELD s 0
HRANDFIELD s 1 x
HSCAN s 0
HSCAN s x
HSCAN s 0 COUNT 0
HSET h f v
GET h
APPEND h x
INCR h
LPUSH h a
LLEN h
LRANGE h 0 -1
SETRANGE h 0 x
GETSET h x
STRLEN h
LMOVE h l LEFT LEFT
LMOVE l h LEFT LEFT
MGET h s
SET h v
TYPE h
"#,
    );
}

#[test]
fn counting_in_fields() {
    check(
        r#"
== HINCRBY
HINCRBY h n 5
HINCRBY h n -7
HINCRBY h n 0
HGETALL h
HINCRBY h n 9223372036854775807
HINCRBY h n 2
HINCRBY h n -9223372036854775808
HINCRBY h n -9223372036854775808
HSET h max 9223372036854775807 min -9223372036854775808 text abc float 1.5 space " 1" zero 007 empty ""
HINCRBY h max 1
HINCRBY h max 0
HINCRBY h min -1
HINCRBY h min 1
HINCRBY h text 1
HINCRBY h float 1
HINCRBY h space 1
HINCRBY h zero 1
HINCRBY h empty 1
HINCRBY h n x
HINCRBY h n ""
HINCRBY h n 1.5
HINCRBY h n " 1"
HINCRBY h n +1
HINCRBY h n 9223372036854775808
HINCRBY h n -9223372036854775809
HINCRBY fresh n x
EXISTS fresh
HGETALL h
== HINCRBYFLOAT
HINCRBYFLOAT f n 1.5
HINCRBYFLOAT f n 0.1
HINCRBYFLOAT f n -1.6
HINCRBYFLOAT f n 5e3
HINCRBYFLOAT f n 1e-5
HINCRBYFLOAT f n 3.0
HGETALL f
HINCRBYFLOAT f n inf
HINCRBYFLOAT f n -inf
HINCRBYFLOAT f n nan
HINCRBYFLOAT f n x
HINCRBYFLOAT f n ""
HINCRBYFLOAT f n " 1"
HINCRBYFLOAT f n "1 "
HINCRBYFLOAT f n 0x10
HINCRBYFLOAT f n 1e400
HINCRBYFLOAT f n 1e5000
HINCRBYFLOAT f huge 1e308
HINCRBYFLOAT f huge 1e4932
HINCRBYFLOAT f huge 1e4932
HSET f text abc int 10 empty "" inf inf nan nan max 9223372036854775807
HINCRBYFLOAT f text 1
HINCRBYFLOAT f int 1
HINCRBYFLOAT f int 1.25
HINCRBYFLOAT f empty 1
HINCRBYFLOAT f inf 1
HINCRBYFLOAT f nan 1
HINCRBYFLOAT f max 1
HINCRBYFLOAT f max 0.5
HINCRBYFLOAT fresh n x
HINCRBYFLOAT fresh n inf
EXISTS fresh
HINCRBYFLOAT fresh n 10.50
HGET fresh n
HINCRBY fresh n 1
OBJECT ENCODING f
{sorted} HGETALL f
"#,
    );
}

#[test]
fn hashes_change_their_encoding_at_the_limits_of_the_configuration() {
    check(
        r#"
== value and field of 64 bytes
HSET h f 0123456789012345678901234567890123456789012345678901234567890123
OBJECT ENCODING h
HSET h 0123456789012345678901234567890123456789012345678901234567890123 v
OBJECT ENCODING h
HSET h f 01234567890123456789012345678901234567890123456789012345678901234
OBJECT ENCODING h
HSET h f 1
OBJECT ENCODING h
{sorted} HGETALL h
HSET g 01234567890123456789012345678901234567890123456789012345678901234 1
OBJECT ENCODING g
HSET m a 1 b 2 f 01234567890123456789012345678901234567890123456789012345678901234 c 3
OBJECT ENCODING m
HSETNX x f 01234567890123456789012345678901234567890123456789012345678901234
OBJECT ENCODING x
== so many fields
!times 512 HSET h f%d v
OBJECT ENCODING h
HSET h f0 w
OBJECT ENCODING h
HSET h more v
OBJECT ENCODING h
!times 500 HDEL h f%d
HLEN h
OBJECT ENCODING h
{sorted} HGETALL h
{sorted} HKEYS h
{sorted} HVALS h
HGET h f505
HMGET h f505 f1 more
HSTRLEN h f505
HEXISTS h f505
HINCRBY h n 5
HINCRBY h n 500
HINCRBYFLOAT h n 0.5
HSETNX h n 1
HSETNX h o 1
HDEL h f505 f506 f505
HLEN h
DEBUG DIGEST-VALUE h
== smaller limits
!config hash-max-listpack-entries 2
!config hash-max-listpack-value 4
HSET h a 1 b 2
OBJECT ENCODING h
HSET h c 3
OBJECT ENCODING h
HSET g a 1234
OBJECT ENCODING g
HINCRBY g a 9000
OBJECT ENCODING g
HINCRBYFLOAT g a 0.5
OBJECT ENCODING g
CONFIG GET hash-max-ziplist-entries
CONFIG GET hash-max-ziplist-value
CONFIG GET hash-max-listpack-entries
== the other spelling
!config hash-max-ziplist-entries 0
HSET h a 1
OBJECT ENCODING h
!config hash-max-ziplist-entries 3
!config hash-max-ziplist-value 1
HSET g a 1
OBJECT ENCODING g
HSET g a 12
OBJECT ENCODING g
== what is already packed is looked at again when it is changed
HSET h a 12345 b 2 c 3
!config hash-max-listpack-value 4
OBJECT ENCODING h
HSET h a 1
OBJECT ENCODING h
HSET h b 12345
OBJECT ENCODING h
HSET g a 1 b 2 c 3
!config hash-max-listpack-entries 2
HSET g a 2
OBJECT ENCODING g
HDEL g a
HSET g a 2
OBJECT ENCODING g
== values of the directives
CONFIG SET hash-max-listpack-entries -1
CONFIG SET hash-max-listpack-entries x
CONFIG SET hash-max-listpack-value -1
CONFIG SET hash-max-listpack-value x
"#,
    );
}

#[test]
fn the_long_fields_and_values_of_a_table() {
    let long = "v".repeat(3000);
    let script = format!(
        "== long\nHSET h f {long}\nHGET h f\nHSET h {long} x\nHGET h {long}\nHSTRLEN h f\nHSET h f short\nHGET h f\n\
         HSET h f {long}{long}\nHSTRLEN h f\nHINCRBY h f 1\nHDEL h {long}\nHGETALL h\nHDEL h f\nEXISTS h\n"
    );
    check(&script);
}

#[test]
fn random_fields() {
    check(
        r#"
== arguments
HRANDFIELD missing
HRANDFIELD missing 1
HRANDFIELD missing 0
HRANDFIELD missing -5
HRANDFIELD missing 5 WITHVALUES
HRANDFIELD missing x
HRANDFIELD missing 5 x
HSET h a 1
HRANDFIELD h
HRANDFIELD h 1
HRANDFIELD h 0
HRANDFIELD h 0 WITHVALUES
HRANDFIELD h -3
HRANDFIELD h -3 WITHVALUES
HRANDFIELD h 3 WITHVALUES
HRANDFIELD h 1 withvalues
HRANDFIELD h 1 WITHVALUES x
HRANDFIELD h 1 nonsense
HRANDFIELD h WITHVALUES
HRANDFIELD h x
HRANDFIELD h ""
HRANDFIELD h " 1"
HRANDFIELD h 1.5
HRANDFIELD h 9223372036854775807
HRANDFIELD h 9223372036854775808
HRANDFIELD h -9223372036854775808
HRANDFIELD h -9223372036854775809
HRANDFIELD h 9223372036854775807 WITHVALUES
HRANDFIELD h -9223372036854775807 WITHVALUES
HRANDFIELD h 4611686018427387903 WITHVALUES
HRANDFIELD h 4611686018427387904 WITHVALUES
HRANDFIELD h -4611686018427387904 WITHVALUES
HRANDFIELD h 4294967296
== all of a packed hash
HSET h a 1 b 2 c 3
HRANDFIELD h 3
HRANDFIELD h 9 WITHVALUES
{shape} HRANDFIELD h 2
{shape} HRANDFIELD h 2 WITHVALUES
{shape} HRANDFIELD h -7
{shape} HRANDFIELD h -7 WITHVALUES
== a table
!times 600 HSET h f%d %d
OBJECT ENCODING h
{sorted} HRANDFIELD h 600
{shape} HRANDFIELD h 599 WITHVALUES
{shape} HRANDFIELD h 300
{shape} HRANDFIELD h 10 WITHVALUES
{shape} HRANDFIELD h -1000 WITHVALUES
{type} HRANDFIELD h
"#,
    );
}

#[test]
fn walks_over_fields() {
    check(
        r#"
== packed
HSCAN missing 0
HSCAN missing x
HSCAN missing 0 COUNT 0
HSCAN missing 0 nonsense
HSET h a 1 b 2 abc 3 12 4 123 5
HSCAN h 0
HSCAN h 17
HSCAN h 0 COUNT 1
HSCAN h 0 COUNT 0
HSCAN h 0 COUNT -1
HSCAN h 0 COUNT x
HSCAN h 0 COUNT 9223372036854775807
HSCAN h 0 COUNT 9223372036854775808
HSCAN h 0 COUNT
HSCAN h 0 MATCH a*
HSCAN h 0 MATCH *
HSCAN h 0 MATCH 12*
HSCAN h 0 MATCH [1]2?
HSCAN h 0 MATCH
HSCAN h 0 MATCH a* COUNT 1 MATCH b*
HSCAN h 0 TYPE hash
HSCAN h 0 nonsense
HSCAN h x
HSCAN h ""
HSCAN h -1
HSCAN h 18446744073709551615
HSCAN h 18446744073709551616
HSCAN h 1.5
HSCAN h " 1"
== a table
!times 600 HSET h f%d %d
{sorted} HSCAN h 0 COUNT 100000 MATCH f1*
{sorted} HSCAN h 0 COUNT 100000 MATCH f59?
{type} HSCAN h 0
== what redis 7.4 added
HSET h a 1 b 2
{7.2 "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"} HSCAN h 0 NOVALUES
{7.2 "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"} HSCAN h 0 NOVALUES MATCH b COUNT 3
"#,
    );
}

#[test]
fn commands_of_all_types_on_hashes() {
    check(
        r#"
== keys
HSET h a 1 b 2
COPY h g
HSET g c 3
HGETALL h
RENAME h k
HGETALL k
EXPIRE k 100
HSET k d 4
{near 1} TTL k
PERSIST k
DEL g
{any} OBJECT IDLETIME k
TOUCH k
SCAN 0 TYPE hash COUNT 100
SCAN 0 TYPE HASH COUNT 100
SCAN 0 TYPE list COUNT 100
DEBUG DIGEST-VALUE k
DEBUG DIGEST
UNLINK k
EXISTS k
== DUMP and RESTORE
HSET h a 1 b text 300 -70000
DUMP h
!let dump DUMP h
RESTORE g 0 $dump
HGETALL g
RESTORE g 0 $dump
RESTORE g 0 $dump REPLACE
OBJECT ENCODING g
!config hash-max-listpack-entries 2
RESTORE t 0 $dump
OBJECT ENCODING t
{sorted} HGETALL t
HSET one f vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv
DUMP one
== DEBUG
HSET h a 1
DEBUG LISTPACK h
DEBUG LISTPACK missing
HSET t a vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv
DEBUG LISTPACK t
== blocked clients of lists do not want a hash
@b !send BLPOP k 0
!blocked 1
HSET k f v
@b !silent
DEL k
RPUSH k a
@b !read
== in a transaction
MULTI
HSET h a 1
HINCRBY h a 5
HGETALL h
HDEL h a
EXEC
EXISTS h
WATCH h
MULTI
HLEN h
@b HSET h a 1
EXEC
WATCH h
MULTI
HLEN h
@b HDEL h missing
EXEC
"#,
    );
}

#[test]
fn events_of_hashes() {
    check_with(
        &[("notify-keyspace-events", "KEA")],
        r#"
== events
@s PSUBSCRIBE *
HSET h a 1 b 2
@s !read
@s !read
HSETNX h a 2
HSETNX h c 2
@s !read
@s !read
HMSET h c 3
@s !read
@s !read
HINCRBY h a 5
@s !read
@s !read
HINCRBYFLOAT h a 1.5
@s !read
@s !read
HDEL h missing
HDEL h a
@s !read
@s !read
HDEL h b c
@s !read
@s !read
@s !read
@s !read
@s !silent
"#,
    );
}
