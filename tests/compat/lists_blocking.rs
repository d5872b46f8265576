//! Blocking list commands with several clients: which are served, in which order, and with which replies.

use crate::check;

#[test]
fn elements_at_hand_are_taken_at_once() {
    check(
        r#"
RPUSH l a b c d
BLPOP l 0
BRPOP l 0
BLPOP missing l 0
BLMOVE l m LEFT RIGHT 0
LRANGE m 0 -1
BRPOPLPUSH m m2 0
LRANGE m2 0 -1
RPUSH x 1 2 3
BLMPOP 0 2 missing x LEFT
BLMPOP 0 1 x RIGHT COUNT 5
EXISTS x
"#,
    );
}

#[test]
fn arguments_are_checked_before_blocking() {
    check(
        r#"
BLPOP
BLPOP l
BRPOP l
BLPOP l abc
BLPOP l -1
BLPOP l -0.5
{7.2 "-ERR timeout is out of range\r\n"} BLPOP l inf
BLPOP l nan
{7.2 "-ERR timeout is out of range\r\n"} BLPOP l 1e300
{7.2 "-ERR timeout is out of range\r\n"} BLPOP l 9223372036854775807
{7.2 "-ERR timeout is out of range\r\n"} BLPOP l 18446744073709551615
BRPOP l ""
BLMOVE a b LEFT
BLMOVE a b LEFT RIGHT
BLMOVE a b LEFT RIGHT abc
BLMOVE a b LEFT RIGHT -1
BLMOVE a b UP RIGHT 0
BLMOVE a b LEFT UP 0
BRPOPLPUSH a b
BRPOPLPUSH a b abc
BRPOPLPUSH a b -1
BLMPOP 0 1
BLMPOP 0 0 a LEFT
BLMPOP 0 -1 a LEFT
BLMPOP abc 1 a LEFT
BLMPOP -1 1 a LEFT
BLMPOP 0 1 a BAD
BLMPOP 0 2 a LEFT
BLMPOP 0 1 a LEFT COUNT 0
BLMPOP 0 1 a LEFT COUNT abc
BLMPOP 0 1 a LEFT COUNT 1 COUNT 1
BLMPOP 0 1 a LEFT COUNT
SET s v
BLPOP s 0
BRPOP missing s 0
BLMOVE s m LEFT LEFT 0
RPUSH l x
BLMOVE l s LEFT LEFT 0
BRPOPLPUSH l s 0
BLMPOP 0 2 missing s LEFT
LRANGE l 0 -1
"#,
    );
}

#[test]
fn timeouts_answer_nil() {
    check(
        r#"
BLPOP l 0.01
BRPOP l m 0.02
BLMOVE l m LEFT RIGHT 0.01
BRPOPLPUSH l m 0.01
BLMPOP 0.01 2 l m LEFT
BLPOP l 0.001
EXISTS l
"#,
    );
}

#[test]
fn clients_that_do_not_wait_for_each_other_are_queued_in_the_order_of_sending() {
    let round = "
DEL l
@b !send BLPOP l 0
@c !send BLPOP l 0
@d !send BLPOP l 0
RPUSH l 1 2 3
@b !read
@c !read
@d !read
";
    check(&round.repeat(60));
}

#[test]
fn a_push_serves_the_client_that_waited_longest() {
    check(
        r#"
== one waiter
@b !send BLPOP l 0
!blocked 1
RPUSH l v
@b !read
EXISTS l
== first in, first served
@b !send BLPOP l 0
!blocked 1
@c !send BLPOP l 0
!blocked 2
@d !send BRPOP l 0
!blocked 3
RPUSH l 1
@b !read
@c !silent
RPUSH l 2 3 4
@c !read
@d !read
LRANGE l 0 -1
== several keys
@b !send BLPOP k1 k2 k3 0
!blocked 1
RPUSH k2 v
@b !read
RPUSH k1 w
LRANGE k1 0 -1
== the first key of the command wins when both are pushed in a transaction
@b !send BLPOP k1 k2 0
!blocked 1
MULTI
RPUSH k2 x
RPUSH k1 y
EXEC
@b !read
EXISTS k1
EXISTS k2
== the key pushed first wins, also if the transaction does more than touch its keys
@b !send BLPOP k1 k2 0
!blocked 1
MULTI
DBSIZE
RPUSH k2 x
RPUSH k1 y
EXEC
@b !read
EXISTS k1
EXISTS k2
== a key that expires within its transaction serves nobody, and who waits keeps its place
DEBUG SET-ACTIVE-EXPIRE 0
@b !send BRPOP k 0
!blocked 1
@c !send BRPOP k 0
!blocked 2
MULTI
RPUSH k hello
PEXPIRE k 30
DEBUG SLEEP 0.1
EXEC
@b !silent
!blocked 2
EXISTS k
RPUSH k 1 2
@b !read
@c !read
DEBUG SET-ACTIVE-EXPIRE 1
== a key of another type before the one that is pushed
@b !send BLPOP k1 k2 0
!blocked 1
SET k1 string
RPUSH k2 x
@b !read
@c !send BLMPOP 0 2 k3 k2 LEFT
!blocked 1
SET k3 string
RPUSH k2 y
@c !read
== push several, pop from both ends
@b !send BLPOP l 0
!blocked 1
@c !send BRPOP l 0
!blocked 2
RPUSH l a b c
@b !read
@c !read
LRANGE l 0 -1
== LPUSH with several elements
@b !send BLPOP l 0
!blocked 1
LPUSH l a b c
@b !read
LRANGE l 0 -1
== in a pipeline after the blocking command
@b !raw "*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n*1\r\n$4\r\nPING\r\n"
!blocked 1
RPUSH l v
@b !read
@b !read
== the same key twice
@b !send BLPOP l l 0
!blocked 1
RPUSH l a b
@b !read
LRANGE l 0 -1
== a key of another type does not serve
@b !send BLPOP l 0
!blocked 1
SET l v
@b !silent
DEL l
RPUSH l x
@b !read
"#,
    );
}

#[test]
fn moves_block_and_chain() {
    check(
        r#"
== BLMOVE
@b !send BLMOVE src dst LEFT RIGHT 0
!blocked 1
RPUSH src v
@b !read
LRANGE dst 0 -1
EXISTS src
== BRPOPLPUSH
@b !send BRPOPLPUSH src dst 0
!blocked 1
RPUSH src a b
@b !read
LRANGE dst 0 -1
LRANGE src 0 -1
== a chain of moves
@b !send BLMOVE a b LEFT RIGHT 0
!blocked 1
@c !send BLMOVE b c LEFT RIGHT 0
!blocked 2
@d !send BLPOP c 0
!blocked 3
RPUSH a v
@b !read
@c !read
@d !read
EXISTS a b c
== to itself
@b !send BRPOPLPUSH l l 0
!blocked 1
RPUSH l v
@b !read
LRANGE l 0 -1
== destination of a wrong type
SET dst string
@b !send BLMOVE src dst LEFT RIGHT 0
!blocked 1
@c !send BLPOP src 0
!blocked 2
RPUSH src v
@b !read
@c !read
EXISTS src
== circular
@b !send BRPOPLPUSH l1 l2 0
!blocked 1
@c !send BRPOPLPUSH l2 l1 0
!blocked 2
RPUSH l1 foo
@b !read
@c !read
LRANGE l1 0 -1
LRANGE l2 0 -1
== BLMPOP
@b !send BLMPOP 0 2 a b LEFT COUNT 3
!blocked 1
RPUSH b 1 2 3 4 5
@b !read
LRANGE b 0 -1
@b !send BLMPOP 0 1 q RIGHT
!blocked 1
@c !send BLMPOP 0 1 q LEFT COUNT 10
!blocked 2
RPUSH q x y z
@b !read
@c !read
EXISTS q
"#,
    );
}

#[test]
fn other_ways_for_a_list_to_appear() {
    check(
        r#"
== RENAME
@b !send BLPOP l 0
!blocked 1
RPUSH other v
RENAME other l
@b !read
EXISTS l
== RENAMENX
@b !send BLPOP l 0
!blocked 1
RPUSH other v
RENAMENX other l
@b !read
== COPY
@b !send BLPOP l 0
!blocked 1
RPUSH other v
COPY other l
@b !read
EXISTS other
== RESTORE
RPUSH other v w
!let dump DUMP other
@b !send BLPOP l 0
!blocked 1
RESTORE l 0 $dump
@b !read
LRANGE l 0 -1
== LMOVE
RPUSH src v
@b !send BLPOP l 0
!blocked 1
LMOVE src l LEFT LEFT
@b !read
== LINSERT cannot
@b !send BLPOP l 0
!blocked 1
LINSERT l BEFORE a b
LPUSHX l x
@b !silent
LPUSH l x
@b !read
== MOVE from another database
SELECT 1
RPUSH l v
@b !send BLPOP l 0
!blocked 1
MOVE l 0
@b !read
== SWAPDB
SELECT 1
RPUSH l v
@b !send BLPOP l 0
!blocked 1
SWAPDB 0 1
@b !read
== MULTI: seen at EXEC, once
@b !send BLPOP l 0
!blocked 1
MULTI
RPUSH l a
DEL l
EXEC
@b !silent
MULTI
RPUSH l a
LPUSH l b
EXEC
@b !read
LRANGE l 0 -1
== what is ready first is served first, though its client waits for other keys as well
DEL l
@b !send BLPOP d a 0
!blocked 1
@c !send BRPOPLPUSH c d 0
!blocked 2
MULTI
RPUSH d 1 2
RPUSH c 3
EXEC
@b !read
@c !read
LRANGE d 0 -1
== an element that expires serves nobody
@b !send BLPOP l 0
!blocked 1
MULTI
RPUSH l a
PEXPIRE l 0
EXEC
@b !silent
RPUSH l z
@b !read
"#,
    );
}

#[test]
fn inside_a_transaction_nothing_blocks() {
    check(
        r#"
MULTI
BLPOP l 0
BRPOP l 0
BLMOVE l m LEFT RIGHT 0
BRPOPLPUSH l m 0
BLMPOP 0 1 l LEFT
EXEC
RPUSH l a b c
MULTI
BLPOP l 0
BLMOVE l m LEFT RIGHT 0
EXEC
"#,
    );
}

#[test]
fn waiting_clients_can_be_ended_from_outside() {
    check(
        r#"
== CLIENT UNBLOCK
@b !send BLPOP l 0
!blocked 1
CLIENT UNBLOCK 123456789
CLIENT UNBLOCK abc
CLIENT UNBLOCK
CLIENT UNBLOCK 1 BAD
== timeout
@b PING
@b {any} !let wid CLIENT ID
@b !send BLPOP l 0
!blocked 1
CLIENT UNBLOCK $wid
@b !read
CLIENT UNBLOCK $wid
== error
@b {any} !let wid CLIENT ID
@b !send BLMOVE l m LEFT RIGHT 0
!blocked 1
CLIENT UNBLOCK $wid ERROR
@b !read
@b PING
== explicit timeout
@b {any} !let wid CLIENT ID
@b !send BLMPOP 0 1 l LEFT
!blocked 1
CLIENT UNBLOCK $wid TIMEOUT
@b !read
== a client that left gets nothing, the next one does
@b !send BLPOP l 0
!blocked 1
@c !send BLPOP l 0
!blocked 2
@b !close
!blocked 1
RPUSH l v
@c !read
EXISTS l
== a killed client gets nothing
@b {any} !let wid CLIENT ID
@b !send BLPOP l 0
!blocked 1
CLIENT KILL ID $wid
@b !closed
!blocked 0
RPUSH l v
LRANGE l 0 -1
== many waiters and one push
@b !send BLPOP l 0
!blocked 1
@c !send BLPOP l 0
!blocked 2
@d !send BLPOP l 0
!blocked 3
@e !send BLPOP l 0
!blocked 4
RPUSH l 1 2 3 4 5
@b !read
@c !read
@d !read
@e !read
LRANGE l 0 -1
"#,
    );
}

#[test]
fn a_timeout_and_a_later_push_give_one_reply_each() {
    check(
        r#"
@b !send BLPOP l 0.05
@b !read
RPUSH l v
@b !silent
@b BLPOP l 0.05
EXISTS l
@b !send BLPOP l 0.3
!blocked 1
RPUSH l w
@b !read
!sleep 350
@b !silent
@b PING
"#,
    );
}

#[test]
fn a_flushed_or_expired_key_keeps_its_waiters() {
    check(
        r#"
@b !send BLPOP l 0
!blocked 1
FLUSHALL
FLUSHDB
DEL l
@b !silent
RPUSH l v
@b !read
"#,
    );
}

#[test]
fn a_node_that_becomes_a_replica_lets_nobody_wait() {
    check(
        r#"
== blocked
@b !send BLPOP l 0
!blocked 1
REPLICAOF 127.0.0.1 1
@b !read
!blocked 0
REPLICAOF NO ONE
== blocked, and writes are paused
@b !send BLPOP l 0
!blocked 1
CLIENT PAUSE 60000 WRITE
REPLICAOF 127.0.0.1 1
@b !read
CLIENT UNPAUSE
REPLICAOF NO ONE
== held back by a pause
CLIENT PAUSE 60000 WRITE
@b !send BLPOP l 0
!blocked 1
REPLICAOF 127.0.0.1 1
CLIENT UNPAUSE
@b !read
REPLICAOF NO ONE
"#,
    );
}

#[test]
fn what_waits_during_a_pause() {
    check(
        r#"
== a blocked client's time runs out
@b !send BLPOP l 0.1
!blocked 1
CLIENT PAUSE 60000 WRITE
@b !read
CLIENT UNPAUSE
== a client that is closed while it is held back
@b PING
CLIENT PAUSE 60000 WRITE
@b !send SET a 1
!blocked 1
CLIENT KILL TYPE normal SKIPME yes
@b !closed
CLIENT UNPAUSE
EXISTS a
== EXEC of reads goes through, BLPOP does not
CLIENT PAUSE 60000 WRITE
@b MULTI
@b GET a
@b EXEC
@b !send BLPOP l 0.05
@b !silent
CLIENT UNPAUSE
@b !read
== a transaction begun before the pause
@b MULTI
@b SET a 1
CLIENT PAUSE 60000 WRITE
@b !send EXEC
@b !silent
CLIENT UNPAUSE
@b !read
"#,
    );
}
