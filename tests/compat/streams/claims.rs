//! XCLAIM and XAUTOCLAIM: every option, and entries that are gone.

use super::both;

#[test]
fn pending_entries_are_claimed() {
    both(
        r#"
== arguments
XCLAIM
XCLAIM s g c 0
XCLAIM s g c 0 1-1
XGROUP CREATE s g 0 MKSTREAM
XCLAIM s nogroup c 0 1-1
XCLAIM s g c a 1-1
XCLAIM s g c 0 bad
XCLAIM s g c 0 1-1 bad
XCLAIM s g c 0 1-1 IDLE
XCLAIM s g c 0 1-1 IDLE a
XCLAIM s g c 0 1-1 TIME a
XCLAIM s g c 0 1-1 RETRYCOUNT a
XCLAIM s g c 0 1-1 LASTID bad
XCLAIM s g c 0 FORCE
XCLAIM s g c -1 1-1
{consumers} XINFO GROUPS s
SET str v
XCLAIM str g c 0 1-1
== claims
!times 6 XADD s 1-%d f v%d
XGROUP CREATE s g 0
XREADGROUP GROUP g alice COUNT 3 STREAMS s >
XCLAIM s g bob 0 1-1
XCLAIM s g bob 0 1-1 1-1 1-2
XCLAIM s g bob 100000 1-0
XCLAIM s g carol 100000 1-0
XCLAIM s g bob 0 1-5
XCLAIM s g bob 0 1-5 FORCE
XCLAIM s g bob 0 1-4 FORCE JUSTID
XCLAIM s g bob 0 9-9 FORCE
XCLAIM s g alice 0 1-1 JUSTID
XCLAIM s g alice 0 1-1 1-2 IDLE 5000 RETRYCOUNT 7
{shape} XPENDING s g - + 10
XCLAIM s g alice 4000 1-1 TIME 1000
{shape} XPENDING s g IDLE 100000 - + 10
XCLAIM s g alice 0 1-1 RETRYCOUNT -5
XCLAIM s g alice 0 1-1 TIME -1
XCLAIM s g alice 0 1-1 TIME 9223372036854775807
XCLAIM s g alice 0 1-1 IDLE -9223372036854775808
XCLAIM s g alice 0 1-1 IDLE 9223372036854775807 RETRYCOUNT 9223372036854775807
XCLAIM s g alice 0 1-1
XCLAIM s g alice 0 1-1 LASTID 1-0
{consumers} XINFO GROUPS s
XCLAIM s g alice 0 5-5 LASTID 1-4
{consumers} XINFO GROUPS s
XPENDING s g
XDEL s 1-1 1-4
XCLAIM s g bob 0 1-1 1-2 1-4
XPENDING s g
XCLAIM s g dave 0 9-9
{consumers} XINFO GROUPS s
"#,
    );
}

#[test]
fn pending_entries_are_claimed_in_order() {
    both(
        r#"
== arguments
XAUTOCLAIM
XAUTOCLAIM s g c 0
XAUTOCLAIM s g c 0 0
XGROUP CREATE s g 0 MKSTREAM
XAUTOCLAIM s nogroup c 0 0
XAUTOCLAIM s g c a 0
XAUTOCLAIM s g c 0 bad
XAUTOCLAIM s g c 0 (18446744073709551615-18446744073709551615
XAUTOCLAIM s g c 0 0 COUNT
XAUTOCLAIM s g c 0 0 COUNT a
XAUTOCLAIM s g c 0 0 COUNT 0
XAUTOCLAIM s g c 0 0 COUNT -1
XAUTOCLAIM s g c 0 0 COUNT 9223372036854775807
XAUTOCLAIM s g c 0 0 nonsense
XAUTOCLAIM s g c -5 -
{consumers} XINFO GROUPS s
SET str v
XAUTOCLAIM str g c 0 0
== claims
!times 9 XADD s 1-%d f v%d
XGROUP CREATE s g 0
XREADGROUP GROUP g alice STREAMS s >
XAUTOCLAIM s g bob 0 0 COUNT 2
XAUTOCLAIM s g bob 0 1-2 COUNT 2 JUSTID
XAUTOCLAIM s g bob 0 (1-4 COUNT 2
XAUTOCLAIM s g bob 0 +
XAUTOCLAIM s g bob 0 7-7
XAUTOCLAIM s g carol 100000 0
XAUTOCLAIM s g carol 100000 0 COUNT 1
XPENDING s g
XDEL s 1-1 1-3 1-5
XAUTOCLAIM s g dave 0 0 COUNT 3
XPENDING s g
XAUTOCLAIM s g dave 0 1-3
XPENDING s g
XAUTOCLAIM s g dave 0 0 justid
XTRIM s MAXLEN 0
XAUTOCLAIM s g dave 0 0 JUSTID COUNT 2
XAUTOCLAIM s g dave 0 0 JUSTID
XPENDING s g
== few of many
!times 60 XADD s 1-%d f v%d
XGROUP CREATE s g 0
XREADGROUP GROUP g alice STREAMS s >
XAUTOCLAIM s g bob 100000 0 COUNT 3
XAUTOCLAIM s g bob 100000 1-30 COUNT 3
"#,
    );
}
