//! Entries: adding, reading, deleting and trimming them, and what is known of their ids.

use super::both;
use crate::{check, check_with};

#[test]
fn entries_are_added_and_read_in_both_directions() {
    both(
        r#"
== arity and types
XADD
XADD s
XADD s *
XADD s * f
XADD s * f v g
XADD s 1-1
XADD s 1-1 f
XLEN
XLEN s t
XRANGE s -
XREVRANGE s +
SET str v
XADD str 1-1 f v
XADD str NOMKSTREAM 1-1 f v
XLEN str
XRANGE str - +
XRANGE str - + COUNT 0
XREVRANGE str + -
XDEL str 1-1
XTRIM str MAXLEN 0
XSETID str 1-1
XREAD STREAMS str 0
== missing keys
XADD s NOMKSTREAM 1-1 f v
XLEN s
XRANGE s - +
XRANGE s - + COUNT 0
XREVRANGE s + -
XDEL s 1-1
XDEL s bad
XTRIM s MAXLEN 0
XSETID s 1-1
EXISTS s
TYPE s
== fields
XADD s 1-1 f v
XADD s 1-2 f w
XADD s 2-0 g v f w
XADD s 2-1 f v g w h x
XADD s 3 f v f w
XADD s 3-7 12 -70000
XADD s 3-8 "" ""
XADD s 9-0 f "a long value that is longer than sixty-three bytes, so that it needs two bytes of length"
XADD s NOMKSTREAM 10-0 f v
XLEN s
TYPE s
OBJECT ENCODING s
XRANGE s - +
XREVRANGE s + -
DUMP s
DEBUG DIGEST-VALUE s
== ranges
!times 20 XADD s %d-5 f v%d
XADD s 1-1 f v
XADD s 30-1 f v
XRANGE s 3 5
XRANGE s 3-5 5-5
XRANGE s 3-6 5-4
XRANGE s (3-5 (5-5
XRANGE s (3 (5
XRANGE s ( +
XRANGE s - (
XRANGE s (- +
XRANGE s - (+
XRANGE s (18446744073709551615-18446744073709551615 +
XRANGE s - (0-0
XRANGE s - (0
XRANGE s + -
XRANGE s 5 3
XRANGE s 100 +
XRANGE s - + COUNT 2
XRANGE s - + COUNT 0
XRANGE s - + COUNT -1
XRANGE s - + COUNT 2 COUNT 3
XRANGE s - + COUNT
XRANGE s - + COUNT a
XRANGE s - + LIMIT 2
XREVRANGE s 5 3
XREVRANGE s (5-5 (3-5
XREVRANGE s + - COUNT 3
XREVRANGE s 4 - COUNT 3
XREVRANGE s + - COUNT 0
XREVRANGE s - +
XRANGE missing - (0-0
"#,
    );
}

#[test]
fn entries_are_deleted_from_nodes() {
    both(
        r#"
== deletes
!times 9 XADD s 5-%d f v%d
XADD s 6-1 f v
XDEL s 1-1
XDEL s 5-3 5-3
XDEL s 5-3
XDEL s 5-2 bad
XDEL s 5-1 6-1 5-2 5-9
XLEN s
XRANGE s - +
XREVRANGE s + -
XINFO STREAM s
DUMP s
XDEL s 5-4 5-5 5-6 5-7 5-8
XLEN s
XINFO STREAM s
EXISTS s
XRANGE s - +
DUMP s
XADD s 6-1 f v
XADD s 6-* f v
XINFO STREAM s
== an empty stream remains
XADD s 1-1 f v
XDEL s 1-1
EXISTS s
XADD s 1-1 f v
XADD s 0-9 f v
XADD s 1-* f v
XLEN s
DEL s
XADD s 0-1 f v
== copies
XADD s 1-1 f v
XADD s 1-2 f v
COPY s t
XDEL s 1-1
XADD t 1-3 f w
XRANGE s - +
XRANGE t - +
RENAME t u
XRANGE u - +
"#,
    );
}

#[test]
fn a_trim_drops_what_redis_drops() {
    both(
        r#"
== arguments
XADD s 1-1 f v
XTRIM s
XTRIM s MAXLEN
XTRIM s MAXLEN a
XTRIM s MAXLEN -1
XTRIM s MAXLEN ~
XTRIM s MAXLEN = -1
XTRIM s MAXLEN ~ a
XTRIM s MINID bad
XTRIM s MINID ~ -
XTRIM s LIMIT 1
XTRIM s LIMIT 0
XTRIM s nonsense 1
XTRIM s MAXLEN 1 MINID 1
XTRIM s MAXLEN 1 MAXLEN 1
XTRIM s MAXLEN 1 LIMIT 1
XTRIM s MAXLEN = 1 LIMIT 1
XTRIM s MAXLEN ~ 1 LIMIT -1
XTRIM s MAXLEN ~ 1 LIMIT a
XTRIM s MAXLEN ~ 1 LIMIT
XTRIM s MAXLEN 1 1-1
XADD s LIMIT 1 2-1 f v
XADD s LIMIT 0 2-1 f v
XADD s MAXLEN 1 LIMIT 5 2-1 f v
XADD s MAXLEN 1 MINID 5 2-1 f v
XADD s MAXLEN -1 2-1 f v
XADD s MAXLEN ~ f v
XADD s MAXLEN 1 f v
XADD s nomkstream NOMKSTREAM 3-1 f v
XADD s maxlen 2 4-1 f v
XRANGE s - +
== exact
!times 12 XADD s 5-%d f v%d
XADD s 6-1 f v
XTRIM s MAXLEN 9
XTRIM s MAXLEN = 8
XTRIM s MAXLEN 100
XRANGE s - +
DUMP s
XINFO STREAM s
XTRIM s MINID 5-8
XRANGE s - +
XTRIM s MINID 5-8
XTRIM s MINID = 5-10
DUMP s
XINFO STREAM s
XTRIM s MINID 7
XLEN s
XINFO STREAM s
DUMP s
== whole nodes
!times 12 XADD s 5-%d f v%d
XADD s 6-1 f v
XTRIM s MAXLEN ~ 9
XTRIM s MAXLEN ~ 7 LIMIT 1
XTRIM s MAXLEN ~ 7 LIMIT 2
XTRIM s MAXLEN ~ 1 LIMIT 0
XTRIM s MINID ~ 5-11
XRANGE s - +
DUMP s
== with an entry
!times 9 XADD s MAXLEN 3 5-%d f v%d
XADD s MAXLEN 0 6-1 f v
XLEN s
XINFO STREAM s
!times 9 XADD s MAXLEN ~ 3 7-%d f v%d
XRANGE s - +
!times 9 XADD s MINID 8-5 8-%d f v%d
XRANGE s - +
!times 9 XADD s MINID ~ 9-5 LIMIT 2 9-%d f v%d
XRANGE s - +
DUMP s
== trims among deleted entries
!times 6 XADD s 1-%d f v%d
XDEL s 1-5
XTRIM s MINID 1-5
DUMP s
XINFO STREAM s
XADD s 1-9 f v
XRANGE s - +
DUMP s
"#,
    );
}

#[test]
fn nodes_have_the_configured_size() {
    let script = r#"
== nodes
!times 130 XADD s %d-1 f v%d
!times 30 XADD t %d-1 field-number-one value-%d another-field value-%d
XADD t 100-1 f "a value"
XADD u 1-1 f v
XADD u 2-1 f v g w
XINFO STREAM s
XINFO STREAM t
XINFO STREAM u
DUMP s
DUMP t
DUMP u
"#;
    check(script);
    for (bytes, entries) in [("0", "0"), ("100", "100"), ("1", "0"), ("0", "1"), ("600", "7")] {
        check_with(&[("stream-node-max-bytes", bytes), ("stream-node-max-entries", entries)], script);
    }
    check(
        r#"
== settings change
!config stream-node-max-entries 3
!times 5 XADD s 1-%d f v
!config stream-node-max-entries 100
!times 5 XADD s 2-%d f v
!config stream-node-max-bytes 10
XADD s 3-1 f v
XINFO STREAM s
DUMP s
CONFIG SET stream-node-max-entries -1
CONFIG GET stream-node-max-entries
"#,
    );
}

#[test]
fn streams_are_dumped_and_restored() {
    both(
        r#"
== payloads
!times 5 XADD s 1-%d f v%d
XDEL s 1-2
XGROUP CREATE s g 0
XGROUP CREATE s h $ ENTRIESREAD 3
!let dump DUMP s
RESTORE t 0 $dump
XCLAIM t g alice 0 1-1 1-3 TIME 1000 RETRYCOUNT 300 FORCE JUSTID LASTID 1-3
XRANGE t - +
XINFO GROUPS t
XPENDING t g
XPENDING t h
DEBUG DIGEST-VALUE s t
RESTORE t 0 $dump
RESTORE t 1000000 $dump REPLACE
XADD t 1-4 f v
XADD t 1-* f v
XACK t g 1-1
XREADGROUP GROUP h bob STREAMS t >
DEL t
RESTORE t 0 "\x13\x00"
RESTORE t 0 "$dump"
"#,
    );
}

#[test]
fn reading_several_streams() {
    both(
        r#"
== arguments
XREAD
XREAD STREAMS s
XREAD COUNT 1 STREAMS
XREAD STREAMS s t 0
XREAD BLOCK 1 STREAMS s t 0
XREAD COUNT 1
XREAD COUNT a STREAMS s 0
XREAD BLOCK a STREAMS s 0
XREAD BLOCK -1 STREAMS s 0
XREAD BLOCK 1.5 STREAMS s 0
XREAD GROUP g c STREAMS s 0
XREAD NOACK STREAMS s 0
XREAD nonsense STREAMS s 0
XREAD STREAMS s >
XREAD STREAMS s -
XREAD STREAMS s bad
XREAD STREAMS s 1-*
SET str v
XREAD STREAMS str 0
XREAD STREAMS s str 0 0
== reads
!times 6 XADD s 1-%d f v%d
!times 6 XADD t 2-%d f w%d
XREAD STREAMS s 0
XREAD STREAMS s 1-3
XREAD STREAMS s 1-5
XREAD STREAMS s $
XREAD STREAMS s t 0 0
XREAD STREAMS s t 9 0
XREAD STREAMS missing t $ 2-3
XREAD COUNT 2 STREAMS s t 0 0
XREAD count 0 streams s 1-4
XREAD COUNT -5 STREAMS s 1-4
XREAD COUNT 1 COUNT 2 STREAMS s 0
XREAD STREAMS s s 1-4 1-3
XREAD STREAMS s 18446744073709551615-18446744073709551615
XREAD BLOCK 10 STREAMS s 1-4
XREAD BLOCK 10 STREAMS s $
XREAD STREAMS streams 0
XDEL s 1-5
XREAD STREAMS s 1-4
XREAD BLOCK 10 STREAMS s 1-4
"#,
    );
}

#[test]
fn the_last_id_is_set() {
    both(
        r#"
== arguments
XSETID
XSETID s
XSETID s 1-1
XADD s 5-1 f v
XADD s 5-2 f v
XSETID s bad
XSETID s $
XSETID s 5
XSETID s 5-1
XSETID s 9-0 ENTRIESADDED
XSETID s 9-0 ENTRIESADDED a
XSETID s 9-0 ENTRIESADDED -1
XSETID s 9-0 ENTRIESADDED 1
XSETID s 9-0 MAXDELETEDID 9-1
XSETID s 9-0 MAXDELETEDID bad
XSETID s 9-0 nonsense 1
XINFO STREAM s
XSETID s 9-0
XINFO STREAM s
XADD s 8-0 f v
XADD s 9-1 f v
XSETID s 10-0 ENTRIESADDED 50 MAXDELETEDID 3-3
XINFO STREAM s
XSETID s 10-0 maxdeletedid 0-0 entriesadded 60
XINFO STREAM s
XDEL s 9-1
XSETID s 9-0
XSETID s 9-5
DUMP s
XDEL s 5-1 5-2
XSETID s 1-0 ENTRIESADDED 0
XSETID s 9-2 ENTRIESADDED 0
XINFO STREAM s
XADD s 9-3 f v
XRANGE s - +
"#,
    );
}
