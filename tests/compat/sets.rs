//! Sets: every command, option and edge, as intset and as hash table. The order of a table differs between any two
//! servers, so what depends on it is compared sorted.

use std::fmt::Write as _;

use crate::numeric_arguments::VALUES;
use crate::{check, check_with};

#[test]
fn adding_removing_and_testing_members() {
    check(
        r#"
== arity
SADD
SADD s
SREM s
SISMEMBER s
SISMEMBER s a b
SMISMEMBER s
SCARD
SCARD s t
SMEMBERS
SMEMBERS s t
SMOVE s t
SMOVE s t a b
SPOP
SRANDMEMBER
SSCAN s
SINTER
SINTERSTORE d
SINTERCARD 1
SUNION
SUNIONSTORE d
SDIFF
SDIFFSTORE d
== add and test
SADD s a
SADD s a b c b
SADD s a b
SCARD s
SCARD missing
{sorted} SMEMBERS s
SMEMBERS missing
SISMEMBER s a
SISMEMBER s x
SISMEMBER missing a
SMISMEMBER s a x b a
SMISMEMBER missing a b
TYPE s
{listpack} OBJECT ENCODING s
OBJECT REFCOUNT s
EXISTS s missing
== remove
SADD s a b c
SREM s x
SREM s a x a
SREM missing a
{sorted} SMEMBERS s
SREM s b c d e
EXISTS s
SADD s 1 2 3
SREM s 2
SMEMBERS s
SREM s x 01 " 1"
SREM s 1 3
TYPE s
== integers
SADD s 3 1 2 -5
SMEMBERS s
{listpack} OBJECT ENCODING s
SADD s 32767 -32768
SADD s 32768
SADD s -2147483649
SADD s 9223372036854775807 -9223372036854775808
SMEMBERS s
{listpack} OBJECT ENCODING s
SISMEMBER s 32768
SISMEMBER s 032768
SISMEMBER s 9223372036854775807
SISMEMBER s 9223372036854775808
SISMEMBER s x
SISMEMBER s ""
SMISMEMBER s 1 +1 -5 x 32767
DUMP s
SREM s 9223372036854775807 -9223372036854775808 -2147483649 32768
DUMP s
SADD s 9223372036854775808
{listpack} OBJECT ENCODING s
SREM s 9223372036854775808
{listpack} OBJECT ENCODING s
{sorted} SMEMBERS s
== what is no integer
SADD s 01
{listpack} OBJECT ENCODING s
SADD t -0
{listpack} OBJECT ENCODING t
SADD u 1.5 "" "\x00\xff\r\n" " 1"
{sorted} SMEMBERS u
SISMEMBER u ""
SISMEMBER u "\x00\xff\r\n"
{listpack} OBJECT ENCODING u
== wrong type
SET s v
RPUSH l a
SADD t a
SADD s a
SREM s a
SISMEMBER s a
SMISMEMBER s a b
SCARD l
SMEMBERS l
SPOP s
SPOP s 1
SPOP s 0
SPOP s x
SPOP s -1
SRANDMEMBER s
SRANDMEMBER s 1
SRANDMEMBER s 0
SRANDMEMBER s x
SSCAN s 0
SSCAN s x
SSCAN s 0 COUNT 0
SMOVE s t a
SMOVE t s a
SMOVE t s x
SMOVE missing s a
SMOVE s s a
SINTER t s
SINTER missing s
SINTER s missing
SINTERSTORE d t s
SINTERSTORE s missing
EXISTS s
SET s v
SINTERCARD 2 t s
SUNION t s
SUNION missing l
SUNIONSTORE d t s
SDIFF s t
SDIFF t s
SDIFF missing s
SDIFFSTORE d t l
EXISTS d
GET t
INCR t
LPUSH t a
HGET t a
LLEN t
STRLEN t
SET t v
TYPE t
"#,
    );
}

#[test]
fn moving_members() {
    check(
        r#"
== to another set
SADD s a b 1
SADD t b c
SMOVE s t a
{sorted} SMEMBERS s
{sorted} SMEMBERS t
SMOVE s t b
{sorted} SMEMBERS s
{sorted} SMEMBERS t
SMOVE s t x
SMOVE s t 1
EXISTS s
SMOVE s t 1
SMOVE missing t a
SMOVE t new c
SMEMBERS new
{listpack} OBJECT ENCODING new
== to the same set
SADD s a b
SMOVE s s a
SMOVE s s x
{sorted} SMEMBERS s
== integers
SADD s 1 2 3
SADD t 4
SMOVE s t 2
SMEMBERS s
SMEMBERS t
{listpack} OBJECT ENCODING t
SADD u x
SMOVE u t x
{listpack} OBJECT ENCODING t
SMOVE s v 1
{listpack} OBJECT ENCODING v
"#,
    );
}

#[test]
fn combining_sets() {
    check(
        r#"
== integers come in order
SADD a 1 2 3 4 5
SADD b 4 3 2 9
SADD c 3 4 100000 -7
SINTER a
SINTER a b
SINTER a b c
SINTER b a a b c c
SINTER a missing
SINTER missing
SINTER a d missing
SUNION a b c
SUNION a
SUNION missing
SUNION missing a missing a
SDIFF a
SDIFF a b
SDIFF a b c
SDIFF b a
SDIFF a a
SDIFF a b a
SDIFF a missing
SDIFF missing a
SDIFF missing
SINTERSTORE d a b
SMEMBERS d
{listpack} OBJECT ENCODING d
SUNIONSTORE d a c
SMEMBERS d
DUMP d
SDIFFSTORE d a b
SMEMBERS d
SDIFFSTORE d a a
EXISTS d
SINTERSTORE d a missing
SUNIONSTORE d missing missing
SUNIONSTORE a a b
SMEMBERS a
SINTERSTORE a a b c
SMEMBERS a
SDIFFSTORE a a c
EXISTS a
== over keys of other types
SADD a 1 2
SET d v
EXPIRE d 100
SUNIONSTORE d a
TTL d
TYPE d
RPUSH l x
SINTERSTORE l a a
SMEMBERS l
SET e v
SDIFFSTORE e a a
EXISTS e
SET e v
SINTERSTORE e a missing
EXISTS e
== texts
SADD a x y z 1 2
SADD b y z 2 3
SADD c z
{sorted} SINTER a b
SINTER a b c
{sorted} SUNION a b c
{sorted} SDIFF a b
{sorted} SDIFF a c
SDIFF c a
SINTERSTORE d a b c
SMEMBERS d
{sorted} SUNION a d
SUNIONSTORE d a b c
{sorted} SMEMBERS d
{listpack} OBJECT ENCODING d
SADD n 1 2
SINTERSTORE d a n
{listpack} OBJECT ENCODING d
SMEMBERS d
SDIFFSTORE d n a
EXISTS d
SUNIONSTORE d n
{listpack} OBJECT ENCODING d
SADD m 1 2 x
SREM m x
{listpack} OBJECT ENCODING m
SUNIONSTORE d m
{listpack} OBJECT ENCODING d
SINTERSTORE d m n
{listpack} OBJECT ENCODING d
SDIFFSTORE d m missing
{listpack} OBJECT ENCODING d
== the way of a difference shows in the encoding
SADD first 1 2 3 x
!times 40 SADD other%d x
SDIFFSTORE d first other0
{listpack} OBJECT ENCODING d
SDIFFSTORE d first other0 other1 other2 other3
{listpack} OBJECT ENCODING d
SADD big x a b c d e f g h i j k
SDIFFSTORE d first big
{listpack} OBJECT ENCODING d
SDIFFSTORE d first other1 other2 other3 other4 other5 other6 other7 other8 other9
{listpack} OBJECT ENCODING d
{sorted} SMEMBERS d
SDIFFSTORE d first other1 first
EXISTS d
== big sets
!times 700 SADD a %d
!times 900 SADD b m%d
!times 300 SADD b %d
{listpack} OBJECT ENCODING a
SINTERCARD 2 a b
SINTERSTORE d a b
{listpack} OBJECT ENCODING d
SMEMBERS d
SUNIONSTORE d a b
SCARD d
{sorted} SUNION a b
SDIFFSTORE d b a
SCARD d
{sorted} SMEMBERS d
SDIFFSTORE d a b
{listpack} OBJECT ENCODING d
SMEMBERS d
SUNIONSTORE a a b
SCARD a
"#,
    );
}

#[test]
fn counting_an_intersection() {
    check(
        r#"
== keys
SADD a 1 2 3 4 5
SADD b 2 3 4 9
SINTERCARD 1 a
SINTERCARD 2 a b
SINTERCARD 2 a missing
SINTERCARD 2 missing missing
SINTERCARD 2 a b LIMIT 2
SINTERCARD 2 a b limit 3
SINTERCARD 2 a b LIMIT 0
SINTERCARD 2 a b LIMIT 100
SINTERCARD 2 a missing LIMIT 1
SINTERCARD 2 a b LIMIT 2 LIMIT 1
SINTERCARD 2 a b LIMIT -1
SINTERCARD 2 a b LIMIT x
SINTERCARD 2 a b LIMIT
SINTERCARD 2 a b NONSENSE
SINTERCARD 2 a b NONSENSE 1
SINTERCARD 2 a b c
SINTERCARD 2 a
SINTERCARD 0 a
SINTERCARD 0
SINTERCARD -1 a
SINTERCARD x a
SINTERCARD 3 a b LIMIT 1
SINTERCARD 3 a b LIMIT
SINTERCARD 9223372036854775807 a b
COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1
COMMAND GETKEYS SINTERCARD 5 a b
COMMAND GETKEYS SINTERSTORE d a b
COMMAND GETKEYS SUNION a b
COMMAND GETKEYSANDFLAGS SUNIONSTORE d a b
COMMAND GETKEYSANDFLAGS SINTERSTORE d a b
COMMAND GETKEYSANDFLAGS SMOVE a b m
"#,
    );
}

#[test]
fn sets_change_their_encoding_at_the_limits_of_the_configuration() {
    check(
        r#"
== so many integers
!times 512 SADD s %d
{listpack} OBJECT ENCODING s
SADD s 5
{listpack} OBJECT ENCODING s
SADD s 512
{listpack} OBJECT ENCODING s
!times 100 SREM s %d
{listpack} OBJECT ENCODING s
{sorted} SMEMBERS s
SISMEMBER s 511
SISMEMBER s 99
DEBUG DIGEST-VALUE s
== a text among many integers
!times 300 SADD s %d
SADD s x
{listpack} OBJECT ENCODING s
SCARD s
{sorted} SMEMBERS s
== smaller limits
!config set-max-intset-entries 2
SADD s 1 2
{listpack} OBJECT ENCODING s
SADD s 3
{listpack} OBJECT ENCODING s
SREM s 3
{listpack} OBJECT ENCODING s
SADD t 1
SADD u 2 3
SUNIONSTORE d t u
{listpack} OBJECT ENCODING d
!config set-max-intset-entries 0
SADD v 1
{listpack} OBJECT ENCODING v
!config set-max-intset-entries 1000
!times 900 SADD w %d
{listpack} OBJECT ENCODING w
!config set-max-intset-entries 5
{listpack} OBJECT ENCODING w
SREM w 1
{listpack} OBJECT ENCODING w
SADD w 5
{listpack} OBJECT ENCODING w
SADD w 5000
{listpack} OBJECT ENCODING w
CONFIG GET set-max-intset-entries
CONFIG SET set-max-intset-entries -1
CONFIG SET set-max-intset-entries x
== long members
SADD s 0123456789012345678901234567890123456789012345678901234567890123456789
{listpack} OBJECT ENCODING s
SADD s short
{sorted} SMEMBERS s
SISMEMBER s 0123456789012345678901234567890123456789012345678901234567890123456789
!times 200 SADD t name%d
SCARD t
{sorted} SMEMBERS t
DEBUG DIGEST-VALUE t
"#,
    );
    let long = "v".repeat(3000);
    check(&format!("== long\nSADD s {long}\nSADD s {long} {long}a\nSISMEMBER s {long}\nSREM s {long}\nSMEMBERS s\n"));
}

#[test]
fn popping_members() {
    check(
        r#"
== one
SADD s a
SPOP s
EXISTS s
SPOP s
SPOP missing
SADD s 1
SPOP s
EXISTS s
== several
SPOP missing 3
SPOP missing 0
SADD s 1 2 3
SPOP s 0
SPOP s -1
SPOP s x
SPOP s ""
SPOP s 1.5
SPOP s 9223372036854775808
SPOP s 1 2
SPOP s x 2
SPOP s 3
EXISTS s
SADD s 1 2 3
SPOP s 9223372036854775807
EXISTS s
SADD s a b c
{sorted} SPOP s 5
EXISTS s
== some of them
SADD s 1 2 3 4 5 6 7
{shape} SPOP s 3
SCARD s
{listpack} OBJECT ENCODING s
{shape} SPOP s 1
SCARD s
SADD t a b c d e 1
{shape} SPOP t 4
SCARD t
{type} SPOP t
SCARD t
!times 2000 SADD u m%d
{shape} SPOP u 1500
SCARD u
{shape} SPOP u 3
{type} SPOP u
SCARD u
{shape} SPOP u 1000
EXISTS u
!times 600 SADD v %d
{shape} SPOP v 500
{7.2 "$8\r\nlistpack\r\n"} OBJECT ENCODING v
{shape} SPOP v 85
{7.2 "$8\r\nlistpack\r\n"} OBJECT ENCODING v
SCARD v
!times 600 SADD w %d
{shape} SPOP w 499
{listpack} OBJECT ENCODING w
"#,
    );
}

#[test]
fn random_members() {
    check(
        r#"
== arguments
SRANDMEMBER missing
SRANDMEMBER missing 1
SRANDMEMBER missing 0
SRANDMEMBER missing -5
SRANDMEMBER missing x
SRANDMEMBER missing 5 x
SADD s a
SRANDMEMBER s
SRANDMEMBER s 1
SRANDMEMBER s 0
SRANDMEMBER s -3
SRANDMEMBER s 3
SRANDMEMBER s 1 2
SRANDMEMBER s x 2
SRANDMEMBER s x
SRANDMEMBER s ""
SRANDMEMBER s 1.5
SRANDMEMBER s 9223372036854775807
SRANDMEMBER s 9223372036854775808
SRANDMEMBER s -9223372036854775808
SRANDMEMBER s 4294967296
SADD n 1 2 3
SRANDMEMBER n 3
SRANDMEMBER n 9
{shape} SRANDMEMBER n 2
{shape} SRANDMEMBER n -7
{type} SRANDMEMBER n
== a table
!times 600 SADD s m%d
{sorted} SRANDMEMBER s 600
{shape} SRANDMEMBER s 599
{shape} SRANDMEMBER s 300
{shape} SRANDMEMBER s 10
{shape} SRANDMEMBER s -1000
{type} SRANDMEMBER s
SCARD s
"#,
    );
}

#[test]
fn numbers_of_sets() {
    let mut script = String::new();
    // Redis builds the whole reply of the most negative counts in memory.
    let few = |value: &str| value.parse::<i64>().is_ok_and(|count| (-1 << 24..0).contains(&count));
    let templates = [
        "{shape} SPOP s #",
        "SPOP missing #",
        "{shape} SRANDMEMBER s #",
        "SRANDMEMBER missing #",
        "SINTERCARD # s t",
        "SINTERCARD 2 s t LIMIT #",
        "SSCAN s #",
        "SSCAN s 0 COUNT #",
        "SSCAN missing #",
        "SADD s #",
        "SADD n #",
        "SISMEMBER n #",
        "SREM n #",
    ];
    for template in templates {
        let _ = writeln!(script, "== {template}");
        for value in VALUES {
            let negative = value.parse::<i64>().is_ok_and(|count| count < 0 && count != i64::MIN);
            if template.contains("SRANDMEMBER s") && negative && !few(value) {
                continue;
            }
            let _ = writeln!(script, "FLUSHALL\nSADD s 1 2 3\nSADD t 2 3 4\nSADD n 0 1 2 2147483648");
            let _ = writeln!(
                script,
                "{}\nSCARD s\n{{sorted}} SMEMBERS n\n{{listpack}} OBJECT ENCODING n",
                template.replace('#', value)
            );
        }
    }
    check(&script);
}

#[test]
fn walks_over_members() {
    check(
        r#"
== small
SSCAN missing 0
SSCAN missing x
SSCAN missing 0 COUNT 0
SSCAN missing 0 nonsense
SADD s 1 2 12 123
SSCAN s 0
SSCAN s 17
SSCAN s 0 COUNT 1
SSCAN s 0 COUNT 0
SSCAN s 0 COUNT -1
SSCAN s 0 COUNT x
SSCAN s 0 COUNT
SSCAN s 0 MATCH 1*
SSCAN s 0 MATCH *
SSCAN s 0 MATCH [1]2?
SSCAN s 0 MATCH
SSCAN s 0 MATCH a* COUNT 1 MATCH 2*
SSCAN s 0 TYPE set
SSCAN s 0 nonsense
SSCAN s x
SSCAN s ""
SSCAN s -1
SSCAN s 18446744073709551616
SADD t a
SSCAN t 0
SSCAN t 0 MATCH b
== a table
!times 600 SADD s m%d
{sorted} SSCAN s 0 COUNT 100000 MATCH m1*
{sorted} SSCAN s 0 COUNT 100000 MATCH m59?
{type} SSCAN s 0
== what redis 7.4 added
SADD s a
{7.2 "-ERR NOVALUES option can only be used in HSCAN\r\n"} SSCAN s 0 NOVALUES
"#,
    );
}

#[test]
fn commands_of_all_types_on_sets() {
    check(
        r#"
== keys
SADD s a b 1
COPY s t
SADD t c
{sorted} SMEMBERS s
RENAME s k
{sorted} SMEMBERS k
EXPIRE k 100
SADD k d
{near 1} TTL k
PERSIST k
DEL t
{any} OBJECT IDLETIME k
TOUCH k
SCAN 0 TYPE set COUNT 100
SCAN 0 TYPE SET COUNT 100
SCAN 0 TYPE list COUNT 100
DEBUG DIGEST-VALUE k
DEBUG DIGEST
UNLINK k
EXISTS k
== DUMP and RESTORE
SADD s 1 2 300000
DUMP s
!let dump DUMP s
RESTORE t 0 $dump
SMEMBERS t
RESTORE t 0 $dump
RESTORE t 0 $dump REPLACE
{listpack} OBJECT ENCODING t
!config set-max-intset-entries 2
RESTORE u 0 $dump
{listpack} OBJECT ENCODING u
{sorted} SMEMBERS u
SADD one text
DUMP one
!let dump DUMP one
RESTORE n 0 $dump
SMEMBERS n
{listpack} OBJECT ENCODING n
SADD i x 1
SREM i x
DUMP i
!let dump DUMP i
RESTORE j 0 $dump
{listpack} OBJECT ENCODING j
== in a transaction
MULTI
SADD s a
SADD t a b
SINTER s t
SUNIONSTORE d s t
SMOVE t d b
SPOP s
EXEC
EXISTS s
WATCH t
MULTI
SCARD t
@b SADD t c
EXEC
WATCH t
MULTI
SCARD t
@b SADD t c
EXEC
"#,
    );
}

#[test]
fn events_of_sets() {
    check_with(
        &[("notify-keyspace-events", "KEA")],
        r#"
== events
@s PSUBSCRIBE *
SADD s a b
@s !read
@s !read
SADD s a
SREM s x
SREM s a
@s !read
@s !read
SMOVE s t b
@s !read
@s !read
@s !read
@s !read
@s !read
@s !read
SPOP t
@s !read
@s !read
@s !read
@s !read
SADD u 1 2 3
@s !read
@s !read
{shape} SPOP u 2
@s !read
@s !read
SINTERSTORE d u
@s !read
@s !read
SUNIONSTORE d u
@s !read
@s !read
SDIFFSTORE d u
@s !read
@s !read
SDIFFSTORE d u u
@s !read
@s !read
@s !silent
"#,
    );
}

#[test]
fn sets_are_inputs_of_sorted_sets() {
    check(
        r#"
== each member has the score 1
SADD s a b c
SADD n 1 2 3
ZADD z 2 b 3 c 5 1
ZUNION 2 s z WITHSCORES
ZUNION 2 n z WITHSCORES
ZUNION 1 s WITHSCORES
ZUNION 2 s s WEIGHTS 2 3 WITHSCORES
ZINTER 2 s z WITHSCORES
ZINTER 2 z n WEIGHTS 2 0.5 WITHSCORES
ZINTER 2 s z AGGREGATE MAX WITHSCORES
ZINTERCARD 2 s z
ZINTERCARD 2 s z LIMIT 1
ZDIFF 2 s z WITHSCORES
ZDIFF 2 z s WITHSCORES
ZUNIONSTORE d 3 s n z AGGREGATE MIN
ZRANGE d 0 -1 WITHSCORES
ZINTERSTORE s 2 s z
ZRANGE s 0 -1 WITHSCORES
ZDIFFSTORE n 2 n z
ZRANGE n 0 -1 WITHSCORES
TYPE n
ZRANGE z 0 -1
SADD m x
ZRANGE m 0 -1
ZADD m 1 x
ZCARD m
SADD z x
SCARD z
"#,
    );
}
