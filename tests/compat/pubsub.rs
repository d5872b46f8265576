//! Publish and subscribe, sharded channels, RESP3 pushes, keyspace notifications.

use crate::{check, check_with};

#[test]
fn subscriptions_and_messages() {
    check(
        r#"
== channels
@b SUBSCRIBE a
@b !send SUBSCRIBE b c
@b !read
@b !read
PUBLISH a hello
PUBLISH c ""
PUBLISH nobody x
@b !read
@b !read
@b !send UNSUBSCRIBE a b
@b !read
@b !read
PUBLISH a gone
@b !silent
@b UNSUBSCRIBE
@b !silent
@b UNSUBSCRIBE
@b UNSUBSCRIBE never
@b PUNSUBSCRIBE
@b SUNSUBSCRIBE
== the same channel twice counts once
@b SUBSCRIBE a
@b SUBSCRIBE a
PUBLISH a x
@b !read
@b !silent
== patterns
@b PSUBSCRIBE h?llo*
@b PSUBSCRIBE [ab]c
PUBLISH hello1 x
PUBLISH ac y
PUBLISH dc z
@b !read
@b !read
@b !silent
@b !send PUNSUBSCRIBE
@b !read
@b !read
@b PUNSUBSCRIBE
== both
@b SUBSCRIBE news
@b PSUBSCRIBE n*
PUBLISH news x
@b !read
@b !read
== binary
@b SUBSCRIBE "\x00\r\n"
PUBLISH "\x00\r\n" "\xff\x00"
@b !read
== order among subscribers
@b SUBSCRIBE ch
@c SUBSCRIBE ch
PUBLISH ch one
PUBLISH ch two
@b !read
@b !read
@c !read
@c !read
== arity
SUBSCRIBE
PSUBSCRIBE
SSUBSCRIBE
PUBLISH a
PUBLISH a b c
SPUBLISH a
"#,
    );
}

#[test]
fn what_a_subscribed_connection_may_do() {
    check(
        r#"
== RESP2
!resp2
SUBSCRIBE a
GET k
SET k v
PING
PING hello
ECHO x
MULTI
SUBSCRIBE b
nosuch
GET
QUIT
!closed
== RESET leaves
!resp2
SUBSCRIBE a
RESET
GET k
== sharded, RESP2
!resp2
SSUBSCRIBE a
GET k
PING
== RESP3 goes on as usual
!resp3
SUBSCRIBE a
GET k
SET k v
PING
PING hi
{7.2 ":1\r\n"} PUBLISH a to-myself
{7.2 ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$9\r\nto-myself\r\n"} !read
MULTI
PUBLISH a in-multi
{7.2 "*1\r\n:1\r\n"} EXEC
{7.2 ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$8\r\nin-multi\r\n"} !read
RESET
GET k
== patterns, RESP2
!resp2
PSUBSCRIBE *
PING
CLIENT ID
PUNSUBSCRIBE *
PING
"#,
    );
}

#[test]
fn pubsub_introspection() {
    check(
        r#"
PUBSUB
PUBSUB HELP
PUBSUB BAD
PUBSUB CHANNELS
PUBSUB NUMSUB
PUBSUB NUMSUB a b
PUBSUB NUMPAT
PUBSUB NUMPAT x
PUBSUB SHARDCHANNELS
PUBSUB SHARDNUMSUB
PUBSUB SHARDNUMSUB a
PUBSUB CHANNELS a b
@b SUBSCRIBE a
@b !send SUBSCRIBE ab b
@b !read
@b !read
@c SUBSCRIBE a
@c PSUBSCRIBE x*
@d PSUBSCRIBE x*
@d PSUBSCRIBE y*
@d SSUBSCRIBE s1
{sorted} PUBSUB CHANNELS
{sorted} PUBSUB CHANNELS a*
PUBSUB CHANNELS nothing
PUBSUB NUMSUB a ab b missing
PUBSUB NUMPAT
PUBSUB SHARDCHANNELS
PUBSUB SHARDCHANNELS z*
PUBSUB SHARDNUMSUB s1 s2
{fields pubsub_channels pubsub_patterns} INFO stats
"#,
    );
}

#[test]
fn sharded_channels() {
    check(
        r#"
@b SSUBSCRIBE a
@b !send SSUBSCRIBE b c
@b !read
@b !read
SPUBLISH a hello
SPUBLISH nobody x
PUBLISH a not-sharded
@b !read
@b !silent
@b SUBSCRIBE a
SPUBLISH a sharded
PUBLISH a plain
@b !read
@b !read
@b !send SUNSUBSCRIBE a b
@b !read
@b !read
@b SUNSUBSCRIBE
@b SUNSUBSCRIBE
@b SUNSUBSCRIBE x
SPUBLISH a gone
@b !silent
MULTI
SSUBSCRIBE a
SPUBLISH a x
EXEC
"#,
    );
}

#[test]
fn keyspace_notifications() {
    check_with(
        &[("notify-keyspace-events", "KEA")],
        r#"
== strings
@b PSUBSCRIBE __key*__:*
SET k v
@b !read
@b !read
SET k v EX 100
@b !read
@b !read
@b !read
@b !read
INCR n
@b !read
@b !read
APPEND k x
@b !read
@b !read
SETRANGE k 0 y
@b !read
@b !read
INCRBYFLOAT n 1.5
@b !read
@b !read
GETDEL k
@b !read
@b !read
DEL n
@b !read
@b !read
DEL missing
MSET a 1 b 2
@b !read
@b !read
@b !read
@b !read
GETEX a EX 100
@b !read
@b !read
GETEX a PERSIST
@b !read
@b !read
GETSET a 2
@b !read
@b !read
@b !silent
== keys
SET k v
@b PSUBSCRIBE __key*__:*
EXPIRE k 100
@b !read
@b !read
PERSIST k
@b !read
@b !read
RENAME k k2
@b !read
@b !read
@b !read
@b !read
COPY k2 k3
@b !read
@b !read
MOVE k3 1
@b !read
@b !read
@b !read
@b !read
PEXPIREAT k2 1
@b !read
@b !read
!let dump DUMP missing
SET d v
@b !read
@b !read
!let dump DUMP d
RESTORE r 0 $dump
@b !read
@b !read
@b !silent
== lists
@b PSUBSCRIBE __keyevent@0__:*
RPUSH l 1 2 3
@b !read
LPUSH l 0
@b !read
LPOP l
@b !read
RPOP l
@b !read
LSET l 0 x
@b !read
LINSERT l BEFORE x y
@b !read
LREM l 0 y
@b !read
LTRIM l 0 0
@b !read
LMOVE l m LEFT RIGHT
@b !read
@b !read
@b !read
RPOPLPUSH m m
@b !read
@b !read
LPOP m
@b !read
@b !read
RPUSH q a
@b !read
LTRIM q 5 6
@b !read
@b !read
RPUSH q a
@b !read
LREM q 0 a
@b !read
@b !read
LMPOP 1 missing LEFT
RPUSH q a b
@b !read
LMPOP 1 q LEFT COUNT 2
@b !read
@b !read
@b !silent
== expired, seen lazily and by the cycle
@b PSUBSCRIBE __keyevent@0__:expired
SET k v PX 10
@b !read
SET k v PX 10
!sleep 20
GET k
@b !read
== a blocked client's pop
@b PSUBSCRIBE __keyevent@0__:*
@c !send BLPOP l 0
!blocked 1
RPUSH l v
@c !read
@b !read
@b !read
@b !read
== selected classes only
!config notify-keyspace-events El
@b PSUBSCRIBE __key*__:*
SET k v
RPUSH l v
@b !read
DEL l
@b !silent
CONFIG GET notify-keyspace-events
== key misses and new keys
!config notify-keyspace-events KEmn
@b PSUBSCRIBE __key*__:*
GET nothing
@b !read
@b !read
SET new v
@b !read
@b !read
SET new w
@b !silent
"#,
    );
}

#[test]
fn notification_flags_read_back_as_redis_writes_them() {
    check(
        r#"
CONFIG SET notify-keyspace-events KEA
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events AKE
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events g$lshzxetdmnKE
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events Kg
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events ""
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events Q
CONFIG SET notify-keyspace-events KEAmn
CONFIG GET notify-keyspace-events
"#,
    );
}
