//! Lists without blocking: every command, option and edge, and the shapes that node sizes and big elements give.

use crate::check;

#[test]
fn pushes_pops_and_lengths() {
    check(
        r#"
== arity
LPUSH
LPUSH l
RPUSH l
LPUSHX l
RPUSHX l
LPOP
RPOP
LPOP l 1 2
LLEN
LLEN a b
LRANGE l 0
LINDEX l
LSET l 0
LINSERT l BEFORE a
LREM l 0
LTRIM l 0
LPOS l
LMOVE a b LEFT
RPOPLPUSH a
LMPOP 1 a
== push
LPUSH l a
LPUSH l b c d
RPUSH l e f
LRANGE l 0 -1
LLEN l
LLEN missing
LPUSHX l x
RPUSHX l y z
LPUSHX missing x
RPUSHX missing x
EXISTS missing
LRANGE l 0 -1
RPUSH bin "\x00\xff" "" "\r\n" 123 -5 99999999999 1.5
LRANGE bin 0 -1
== pop
RPUSH l 1 2 3 4 5 6 7 8 9
LPOP l
RPOP l
LPOP l 2
RPOP l 2
LPOP l 0
RPOP l 0
LPOP missing
RPOP missing
LPOP missing 0
LPOP missing 3
RPOP missing 3
LPOP l -1
RPOP l -1
LPOP l abc
LPOP missing abc
LPOP missing -1
LPOP l 9223372036854775808
LPOP l 9223372036854775807
EXISTS l
RPUSH l a
LPOP l
EXISTS l
RPUSH l a b
RPOP l 5
TYPE l
SET s v
LPOP s
LPOP s 1
LPOP s 0
LPOP s -1
RPOP s 1
LPUSH s a
RPUSH s a
LPUSHX s a
RPUSHX s a
LLEN s
"#,
    );
}

#[test]
fn ranges_indexes_and_changes() {
    check(
        r#"
== LRANGE
RPUSH l 0 1 2 3 4 5 6 7 8 9
LRANGE l 0 -1
LRANGE l 3 5
LRANGE l -3 -1
LRANGE l 5 3
LRANGE l -100 100
LRANGE l 100 200
LRANGE l -1 -3
LRANGE l -100 -50
LRANGE l 9223372036854775807 -9223372036854775808
LRANGE l -9223372036854775808 9223372036854775807
LRANGE l a 1
LRANGE l 1 a
LRANGE l 0 9223372036854775808
LRANGE missing 0 -1
LRANGE missing a -1
SET s v
LRANGE s 0 -1
LRANGE s a -1
== LINDEX
RPUSH l a b c
LINDEX l 0
LINDEX l 2
LINDEX l 3
LINDEX l -1
LINDEX l -3
LINDEX l -4
LINDEX l abc
LINDEX l 9223372036854775807
LINDEX l -9223372036854775808
LINDEX missing 0
LINDEX missing abc
SET s v
LINDEX s 0
LINDEX s abc
== LSET
RPUSH l a b c
LSET l 0 A
LSET l -1 C
LSET l 3 x
LSET l -4 x
LSET l abc x
LSET missing 0 x
LSET missing abc x
LRANGE l 0 -1
LSET l 1 ""
LSET l 1 12345
LRANGE l 0 -1
SET s v
LSET s 0 x
LSET s abc x
== LINSERT
RPUSH l a b c b
LINSERT l BEFORE b X
LINSERT l AFTER b Y
LINSERT l before a Z
LINSERT l aFtEr c W
LINSERT l BEFORE missing Q
LINSERT missing BEFORE a b
LINSERT l BAD a b
LINSERT missing BAD a b
LRANGE l 0 -1
SET s v
LINSERT s BEFORE a b
LINSERT s BAD a b
RPUSH n 1 2 3
LINSERT n BEFORE 2 1.5
LINSERT n AFTER 3 4
LRANGE n 0 -1
== LREM
RPUSH l a b a c a d a
LREM l 2 a
LRANGE l 0 -1
LREM l -1 a
LRANGE l 0 -1
LREM l 0 a
LRANGE l 0 -1
LREM l 0 missing
LREM missing 0 a
LREM l abc a
LREM missing abc a
LREM l 0 b
LREM l 0 c
LREM l 0 d
EXISTS l
RPUSH n 1 2 1 01 1
LREM n 0 1
LRANGE n 0 -1
LREM n -9223372036854775808 2
LREM n 9223372036854775807 01
EXISTS n
RPUSH l a a a
LREM l -5 a
SET s v
LREM s 0 a
== LTRIM
RPUSH l 0 1 2 3 4 5
LTRIM l 1 4
LRANGE l 0 -1
LTRIM l 0 -1
LTRIM l -2 -1
LRANGE l 0 -1
LTRIM l 5 10
EXISTS l
RPUSH l a b c
LTRIM l 2 1
EXISTS l
RPUSH l a b c
LTRIM l -100 100
LLEN l
LTRIM l a 1
LTRIM l 1 a
LTRIM missing 0 1
LTRIM missing a 1
SET s v
LTRIM s 0 1
"#,
    );
}

#[test]
fn lpos_with_every_option() {
    check(
        r#"
RPUSH l a b c d 1 2 3 4 3 3 3 a
LPOS l a
LPOS l 3
LPOS l missing
LPOS missing a
LPOS l 3 RANK 1
LPOS l 3 RANK 2
LPOS l 3 RANK 5
LPOS l 3 RANK -1
LPOS l 3 RANK -2
LPOS l 3 RANK -100
LPOS l 3 RANK 0
LPOS l 3 RANK abc
LPOS l 3 RANK -9223372036854775808
LPOS l 3 RANK 9223372036854775807
LPOS l 3 COUNT 0
LPOS l 3 COUNT 2
LPOS l 3 COUNT 100
LPOS l 3 COUNT -1
LPOS l 3 COUNT abc
LPOS l missing COUNT 0
LPOS l missing COUNT 1
LPOS missing a COUNT 0
LPOS l 3 RANK -1 COUNT 2
LPOS l 3 RANK 2 COUNT 2
LPOS l 3 COUNT 2 RANK 2
LPOS l 3 MAXLEN 0
LPOS l 3 MAXLEN 5
LPOS l 3 MAXLEN 7
LPOS l 3 MAXLEN 8 COUNT 0
LPOS l 3 MAXLEN 3 RANK -1 COUNT 0
LPOS l a MAXLEN 1
LPOS l b MAXLEN 1
LPOS l 3 MAXLEN -1
LPOS l 3 MAXLEN abc
LPOS l 3 RANK
LPOS l 3 COUNT
LPOS l 3 BAD 1
LPOS l 3 rank 2 count 0 maxlen 9
LPOS l 3 RANK 1 RANK 2
LPOS missing a RANK 0
LPOS missing a COUNT -1
SET s v
LPOS s a
LPOS s a RANK 0
"#,
    );
}

#[test]
fn moves_between_lists() {
    check(
        r#"
== LMOVE
RPUSH a 1 2 3
LMOVE a b LEFT RIGHT
LMOVE a b RIGHT LEFT
LMOVE a b left left
LRANGE a 0 -1
LRANGE b 0 -1
EXISTS a
LMOVE a b LEFT LEFT
LMOVE missing other LEFT RIGHT
EXISTS other
LMOVE b b LEFT RIGHT
LRANGE b 0 -1
LMOVE b b RIGHT RIGHT
LMOVE b b LEFT LEFT
LRANGE b 0 -1
LMOVE a b UP DOWN
LMOVE a b LEFT DOWN
LMOVE a b LEFT RIGHT extra
RPUSH one x
LMOVE one one LEFT RIGHT
LRANGE one 0 -1
SET s v
LMOVE s b LEFT LEFT
LMOVE b s LEFT LEFT
LMOVE missing s LEFT LEFT
LRANGE b 0 -1
== RPOPLPUSH
RPUSH a 1 2 3
RPOPLPUSH a b
RPOPLPUSH a b
RPOPLPUSH a a
RPOPLPUSH a b
EXISTS a
RPOPLPUSH a b
RPOPLPUSH b b
LRANGE b 0 -1
SET s v
RPOPLPUSH s b
RPOPLPUSH b s
RPOPLPUSH missing s
LLEN b
== LMPOP
RPUSH a 1 2 3
RPUSH b x y z
LMPOP 1 a LEFT
LMPOP 1 a RIGHT
LMPOP 2 a b LEFT COUNT 10
LMPOP 2 a b LEFT COUNT 2
LMPOP 2 a b RIGHT COUNT 2
LMPOP 2 a b LEFT
EXISTS a b
LMPOP 0 a LEFT
LMPOP -1 a LEFT
LMPOP abc a LEFT
LMPOP 3 a b LEFT
LMPOP 2 a LEFT
LMPOP 1 a BAD
LMPOP 1 a LEFT COUNT 0
LMPOP 1 a LEFT COUNT -1
LMPOP 1 a LEFT COUNT abc
LMPOP 1 a LEFT COUNT
LMPOP 1 a LEFT COUNT 1 COUNT 1
LMPOP 1 a LEFT BAD 1
LMPOP 1 a
LMPOP 9223372036854775807 a LEFT
LMPOP 4294967295 a LEFT
LMPOP 1 a LEFT COUNT 9223372036854775807
SET s v
LMPOP 1 s LEFT
LMPOP 2 missing s LEFT
RPUSH l a
LMPOP 2 l s LEFT
"#,
    );
}

#[test]
fn node_limits_and_big_elements() {
    check(
        r#"
== many entries
!times 500 RPUSH l item:%d
LLEN l
OBJECT ENCODING l
LINDEX l 0
LINDEX l 250
LINDEX l -1
LRANGE l 100 110
LPOS l item:333
LREM l 0 item:250
LINSERT l BEFORE item:251 inserted
LRANGE l 245 255
LSET l 100 changed
LINDEX l 100
LTRIM l 50 -50
LLEN l
LRANGE l 0 2
LRANGE l -3 -1
LRANGE l 0 -1
LPOP l 100
RPOP l 100
LRANGE l 0 -1
== small nodes
!config list-max-listpack-size 3
!times 50 RPUSH l %d
!times 50 LPUSH l -%d
LRANGE l 0 -1
LINSERT l AFTER 25 x
LINSERT l BEFORE -25 y
LREM l 1 10
LREM l -1 -10
LSET l 50 middle
LRANGE l 0 -1
LTRIM l 10 -11
LRANGE l 0 -1
LPOS l 20
LPOS l 20 RANK -1
LMOVE l m LEFT RIGHT
LMOVE l m RIGHT LEFT
LRANGE m 0 -1
OBJECT ENCODING l
DEBUG LISTPACK l
== big elements
SETRANGE big 9999 x
!let value GET big
RPUSH l small $value small2
LRANGE l 0 -1
LINSERT l BEFORE small2 mid
LSET l 0 $value
LINDEX l 0
LREM l 1 $value
LLEN l
LPOS l $value
LSET l 0 tiny
LRANGE l 0 -1
RPOPLPUSH l l
== compression
!config list-compress-depth 1
!config list-max-listpack-size 16
!times 300 RPUSH l this-is-a-rather-compressible-element-%d
LINDEX l 150
LRANGE l 140 160
LSET l 150 changed
LINSERT l AFTER changed more
LREM l 0 this-is-a-rather-compressible-element-10
LRANGE l 0 -1
LTRIM l 20 -20
LRANGE l 0 -1
"#,
    );
}

#[test]
fn large_ranges_are_whole() {
    check(
        r#"
!times 5000 RPUSH l element-number-%d
LRANGE l 0 -1
LRANGE l 2000 2999
LINDEX l 2500
LPOS l element-number-4999
LPOS l element-number-1 RANK -1
LREM l -1 element-number-2500
LLEN l
LTRIM l 1000 3999
LRANGE l 0 5
LRANGE l -5 -1
"#,
    );
}
