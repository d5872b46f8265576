//! Reads that wait: what wakes them, what they get, and how they end.

use super::both;

#[test]
fn a_read_waits_for_entries() {
    both(
        r#"
== an entry
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
XADD s 1-1 f v
@b !read
== what came before does not count
XADD s 1-1 f v
@b !send XREAD BLOCK 0 STREAMS s $
!blocked 1
XADD s 1-2 f v
@b !read
== what $ meant stays
XADD s 5-1 f v
@b !send XREAD BLOCK 0 STREAMS s t $ $
!blocked 1
DEL s
XADD s 1-1 f v
@b !silent
XADD s 6-1 f w
@b !read
== one of several
@b !send XREAD COUNT 5 BLOCK 0 STREAMS s t u 0 0 0
!blocked 1
XADD t 1-1 f v
@b !read
XADD s 1-1 f v
@b !silent
== several clients
@b !send XREAD BLOCK 0 STREAMS s $
!blocked 1
@c !send XREAD BLOCK 0 STREAMS s 5
!blocked 2
@d !send XREAD BLOCK 0 STREAMS s 0
!blocked 3
XADD s 1-1 f v
@b !read
@d !read
@c !silent
XADD s 5-1 f v
@c !read
== a transaction
@b !send XREAD BLOCK 0 STREAMS s 0
@c !send XREAD COUNT 1 BLOCK 0 STREAMS s 0
!blocked 2
MULTI
XADD s 1-1 f v
XADD s 1-2 f v
EXEC
@b !read
@c !read
== an entry that is deleted at once
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
MULTI
XADD s 1-1 f v
XDEL s 1-1
EXEC
@b !read
== an entry that is trimmed at once
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
XADD s MAXLEN 0 1-1 f v
@b !read
== a key that is gone at once
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
MULTI
XADD s 1-1 f v
DEL s
EXEC
@b !silent
SET s v
DEL s
XADD s 2-1 f v
@b !read
== a key that is moved into place
XADD t 1-1 f v
@b !send XREAD BLOCK 0 STREAMS s 0
@c !send XREAD BLOCK 0 STREAMS u 0
!blocked 2
COPY t u
@c !read
RENAME t s
@b !read
== what adds no entry wakes nobody
XADD s 1-1 f v
XADD s 5-1 f v
XDEL s 5-1
XGROUP CREATE s g 1-1
@b !send XREAD BLOCK 0 STREAMS s 5-0
!blocked 1
@c !send XREADGROUP GROUP g me BLOCK 0 STREAMS s >
!blocked 2
EXPIRE s 100
PERSIST s
XDEL s 1-1
@b !silent
@c !silent
XADD s 6-1 f v
@b !read
@c !read
== what adds no entry wakes nobody, trimming neither
XADD s 1-1 f v
XADD s 5-1 f v
XDEL s 5-1
@b !send XREAD BLOCK 0 STREAMS s 5-0
!blocked 1
XTRIM s MAXLEN 0
@b !silent
XADD s 6-1 f v
@b !read
== a last id that is set
XADD s 1-1 f v
@b !send XREAD BLOCK 0 STREAMS s $
!blocked 1
XSETID s 5-1
@b !silent
XADD s 6-1 f v
@b !read
== the end of waiting
XREAD BLOCK 10 STREAMS s $
XREAD BLOCK 1 STREAMS s t 0 0
@b {any} !let id CLIENT ID
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
CLIENT UNBLOCK $id
@b !read
@b !send XREAD BLOCK 0 STREAMS s 0
!blocked 1
CLIENT UNBLOCK $id ERROR
@b !read
== in a transaction
MULTI
XREAD BLOCK 0 STREAMS s 0
XGROUP CREATE s g 0 MKSTREAM
XREADGROUP GROUP g c BLOCK 0 STREAMS s >
EXEC
"#,
    );
}

#[test]
fn a_group_read_waits_for_entries() {
    both(
        r#"
== an entry
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
XADD s 1-1 f v
@b !read
XPENDING s g
{consumers} XINFO GROUPS s
== entries go to one consumer each
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
@c !send XREADGROUP GROUP g bob BLOCK 0 STREAMS s >
!blocked 2
XADD s 1-1 f v
@b !read
@c !silent
XADD s 1-2 f v
@c !read
XPENDING s g
== without acknowledgement
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 NOACK STREAMS s >
!blocked 1
XADD s 1-1 f v
@b !read
XPENDING s g
{consumers} XINFO GROUPS s
== in a transaction
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice COUNT 1 BLOCK 0 STREAMS s >
@c !send XREADGROUP GROUP g bob BLOCK 0 STREAMS s >
!blocked 2
MULTI
XADD s 1-1 f v
XADD s 1-2 f v
EXEC
{shape} @b !read
{shape} @c !read
{consumers} XINFO GROUPS s
== history does not wait
XGROUP CREATE s g $ MKSTREAM
XREADGROUP GROUP g alice BLOCK 0 STREAMS s 0
XREADGROUP GROUP g alice BLOCK 10 STREAMS s >
== the key is deleted
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
DEL s
@b !read
== the key is another type's
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
SET s v
@b !read
== the key is renamed
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
RENAME s t
@b !read
== another stream without the group
XGROUP CREATE s g $ MKSTREAM
XADD t 1-1 f v
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
RENAME t s
@b !read
== the group is destroyed
XGROUP CREATE s g $ MKSTREAM
XGROUP CREATE s h $
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
XGROUP DESTROY s h
@b !silent
XGROUP DESTROY s g
@b !read
== all keys are removed
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
FLUSHALL
@b !read
== databases are swapped
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
SWAPDB 0 1
@b !read
== the key expires
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
PEXPIREAT s 1
@b !read
== one of two keys is deleted
XGROUP CREATE s g $ MKSTREAM
XGROUP CREATE t g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s t > >
!blocked 1
DEL t
@b !read
XADD s 1-1 f v
@b !silent
== a key that is there again
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
MULTI
DEL s
XGROUP CREATE s g 0 MKSTREAM
XADD s 1-1 f v
EXEC
@b !read
== the group's place is set back
XGROUP CREATE s g $ MKSTREAM
XADD s 1-1 f v
XGROUP SETID s g $
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
XGROUP SETID s g 0
@b !silent
XADD s 1-2 f v
@b !read
== an entry that is trimmed at once
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
XADD s MAXLEN 0 1-1 f v
@b !read
{consumers} XINFO GROUPS s
== the end of waiting
XGROUP CREATE s g $ MKSTREAM
XREADGROUP GROUP g alice BLOCK 10 STREAMS s >
@b {any} !let id CLIENT ID
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
CLIENT UNBLOCK $id
@b !read
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
@b !close
!blocked 0
XADD s 1-1 f v
{consumers} XINFO GROUPS s
"#,
    );
}

#[test]
fn a_reader_has_one_reply_when_its_node_becomes_a_replica() {
    both(
        r#"
== a read
@b !send XREAD BLOCK 0 STREAMS s $
!blocked 1
REPLICAOF 127.0.0.1 1
@b !read
@b PING
!blocked 0
REPLICAOF NO ONE
XADD s 1-1 f v
@b !silent
== a read of a group
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
@c !send XREADGROUP GROUP g bob NOACK BLOCK 10000 STREAMS s >
!blocked 2
REPLICAOF 127.0.0.1 1
@b !read
@c !read
@b PING
@c PING
!blocked 0
REPLICAOF NO ONE
XADD s 1-1 f v
@b !silent
@c !silent
{consumers} XINFO GROUPS s
== several keys
XGROUP CREATE s g $ MKSTREAM
XGROUP CREATE t g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s t > >
!blocked 1
REPLICAOF 127.0.0.1 1
@b !read
@b PING
REPLICAOF NO ONE
"#,
    );
}

#[test]
fn a_reader_has_one_reply_when_what_it_waits_for_goes() {
    both(
        r#"
== both keys are deleted at once
XGROUP CREATE s g $ MKSTREAM
XGROUP CREATE t g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s t > >
!blocked 1
DEL s t
@b !read
@b PING
== the group is destroyed, and the key deleted
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
MULTI
XGROUP DESTROY s g
DEL s
EXEC
@b !read
@b PING
== the group is destroyed and made again
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
MULTI
XGROUP DESTROY s g
XGROUP CREATE s g $
EXEC
@b !silent
XADD s 1-1 f v
@b !read
@b PING
== an entry, and then the key is deleted
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
MULTI
XADD s 1-1 f v
DEL s
EXEC
@b !read
@b PING
== the key becomes another type's, and a stream again
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
MULTI
DEL s
RPUSH s a
DEL s
XGROUP CREATE s g $ MKSTREAM
EXEC
@b !silent
XADD s 1-1 f v
@b !read
@b PING
== a read without a group outlives its key
XADD s 1-1 f v
@b !send XREAD BLOCK 0 STREAMS s $
!blocked 1
DEL s
SET s v
@b !silent
DEL s
XADD s 2-1 f v
@b !read
@b PING
== a stream that is named twice
@b !send XREAD BLOCK 0 STREAMS s s 5 0
@c !send XREAD BLOCK 0 STREAMS s t s 0 0 3
!blocked 2
XADD s 1-1 f v
@c !read
@b !silent
XADD s 6-1 f v
@b !read
== readers that wait for the same, and others between them
XGROUP CREATE s g $ MKSTREAM
XGROUP CREATE s h $
XGROUP CREATE t g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
!blocked 1
@c !send XREADGROUP GROUP g bob BLOCK 0 STREAMS s >
!blocked 2
@d !send XREADGROUP GROUP h carol BLOCK 0 STREAMS s >
!blocked 3
@e !send XREADGROUP GROUP g carol BLOCK 0 STREAMS s t > >
!blocked 4
@f !send XREAD BLOCK 0 STREAMS s $
!blocked 5
@g !send XREAD BLOCK 0 STREAMS s 3-0
!blocked 6
@h !send XREAD BLOCK 0 STREAMS s 3-0
!blocked 7
@i !send XREAD BLOCK 0 STREAMS s 2-0
!blocked 8
XADD s 1-1 f v
@b !read
@d !read
@f !read
XADD s 2-1 f v
@c !read
@i !read
@e !silent
@g !silent
XADD s 4-1 f v
@e !read
@g !read
@h !read
!blocked 0
== two readers of one group
XGROUP CREATE s g $ MKSTREAM
@b !send XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
@c !send XREADGROUP GROUP g bob BLOCK 0 STREAMS s >
!blocked 2
XGROUP DESTROY s g
@b !read
@c !read
@b PING
@c PING
!blocked 0
"#,
    );
}
