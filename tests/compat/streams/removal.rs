//! XDELEX, XACKDEL, and KEEPREF, DELREF and ACKED of XADD and XTRIM. They are those of Redis 8.2, which has no server
//! here: what is expected was written down from its documentation (redis.io), and where that is silent by the analogy
//! with XDEL, XACK and a plain trim. The texts of errors are of the latter kind.

use super::both;
use crate::check;
use crate::numeric_arguments::VALUES;

#[test]
fn entries_are_removed_with_regard_to_references() {
    both(
        r#"
!resp2
# Nothing is there.
{7.2 "*2\r\n:-1\r\n:-1\r\n"} XDELEX none IDS 2 1-1 2-1
{7.2 "*1\r\n:-1\r\n"} XACKDEL none g IDS 1 1-1
{7.2 "$3\r\n1-1\r\n"} XADD s 1-1 f v
{7.2 "$3\r\n2-1\r\n"} XADD s 2-1 f v
{7.2 "$3\r\n3-1\r\n"} XADD s 3-1 f v
{7.2 "$3\r\n4-1\r\n"} XADD s 4-1 f v
{7.2 "$3\r\n5-1\r\n"} XADD s 5-1 f v
# Without groups nothing refers to an entry.
{7.2 "*1\r\n:1\r\n"} XDELEX s ACKED IDS 1 5-1
{7.2 "*1\r\n:-1\r\n"} XACKDEL s g IDS 1 4-1
{7.2 "+OK\r\n"} XGROUP CREATE s g 0
{7.2 "+OK\r\n"} XGROUP CREATE s h 0
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a COUNT 3 STREAMS s >
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP h a COUNT 2 STREAMS s >
# Pending in both groups, not read by one, not read by any, no entry.
{7.2 "*4\r\n:2\r\n:2\r\n:2\r\n:-1\r\n"} XDELEX s ACKED IDS 4 1-1 3-1 4-1 9-1
{7.2 ":1\r\n"} XACK s g 1-1
{7.2 "*1\r\n:2\r\n"} XDELEX s ACKED IDS 1 1-1
{7.2 ":1\r\n"} XACK s h 1-1
{7.2 "*1\r\n:1\r\n"} XDELEX s acked ids 1 1-1
# The entry goes, what is pending stays.
{7.2 "*1\r\n:1\r\n"} XDELEX s IDS 1 2-1
{7.2 "*4\r\n:2\r\n$3\r\n2-1\r\n$3\r\n3-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n"} XPENDING s g
# There is no entry any more, but there are references.
{7.2 "*1\r\n:-1\r\n"} XDELEX s KEEPREF IDS 1 2-1
{7.2 "*1\r\n:-1\r\n"} XDELEX s ACKED IDS 1 2-1
{7.2 "*4\r\n:1\r\n$3\r\n2-1\r\n$3\r\n2-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"} XPENDING s h
{7.2 "*1\r\n:-1\r\n"} XDELEX s DELREF IDS 1 2-1
{7.2 "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"} XPENDING s h
{7.2 "*4\r\n:1\r\n$3\r\n3-1\r\n$3\r\n3-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"} XPENDING s g
{7.2 ":2\r\n"} XLEN s
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP h a STREAMS s >
# Acknowledged, and not removed before the other group has acknowledged it.
{7.2 "*2\r\n:2\r\n:-1\r\n"} XACKDEL s g ACKED IDS 2 3-1 4-1
{7.2 ":2\r\n"} XLEN s
{7.2 "*3\r\n:1\r\n:2\r\n:-1\r\n"} XACKDEL s h ACKED IDS 3 3-1 4-1 9-1
{7.2 ":1\r\n"} XLEN s
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g b STREAMS s >
{7.2 "*1\r\n:-1\r\n"} XACKDEL s x IDS 1 4-1
{7.2 "*1\r\n$3\r\n4-1\r\n"} XCLAIM s h c 0 4-1 FORCE JUSTID
{7.2 "*1\r\n:1\r\n"} XACKDEL s g DELREF IDS 1 4-1
{7.2 "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"} XPENDING s h
{7.2 ":0\r\n"} XLEN s
# What is pending of an entry that is gone can be acknowledged.
{7.2 "$3\r\n6-1\r\n"} XADD s 6-1 f v
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n6-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a STREAMS s >
{7.2 ":1\r\n"} XDEL s 6-1
{7.2 "*2\r\n:1\r\n:-1\r\n"} XACKDEL s g IDS 2 6-1 6-1
# Words in any order, and wrong ones.
{7.2 "$3\r\n7-1\r\n"} XADD s 7-1 f v
{7.2 "$3\r\n8-1\r\n"} XADD s 8-1 f v
{7.2 "*1\r\n:1\r\n"} XDELEX s IDS 1 7-1 KEEPREF
{7.2 "*2\r\n:1\r\n:-1\r\n"} XDELEX s IDS 2 8-1 8-1
{7.2 "*1\r\n:-1\r\n"} XDELEX s IDS 1 8
{7.2 "-ERR wrong number of arguments for 'xdelex' command\r\n"} XDELEX s
{7.2 "-ERR wrong number of arguments for 'xdelex' command\r\n"} XDELEX s IDS 1
{7.2 "-ERR wrong number of arguments for 'xackdel' command\r\n"} XACKDEL s g IDS 1
{7.2 "-ERR The `numids` parameter must match the number of arguments\r\n"} XDELEX s IDS 2 1-1
{7.2 "-ERR syntax error\r\n"} XDELEX s IDS 1 1-1 2-1
{7.2 "-ERR The `numids` parameter must match the number of arguments\r\n"} XDELEX s IDS 9223372036854775807 1-1
{7.2 "-ERR syntax error\r\n"} XDELEX s KEEPREF DELREF IDS 1 1-1
{7.2 "-ERR syntax error\r\n"} XDELEX s KEEPREF 1 1-1
{7.2 "-ERR syntax error\r\n"} XDELEX s KEEPREF DELREF ACKED
{7.2 "-ERR syntax error\r\n"} XDELEX s IDS 1 1-1 IDS 1 1-1
{7.2 "-ERR syntax error\r\n"} XDELEX s NONSENSE IDS 1 1-1
{7.2 "-ERR Invalid stream ID specified as stream command argument\r\n"} XDELEX s IDS 1 x
{7.2 "-ERR Invalid stream ID specified as stream command argument\r\n"} XDELEX s IDS 2 8-1 -
{7.2 "*1\r\n:-1\r\n"} XDELEX none IDS 1 x
{7.2 "-ERR Invalid stream ID specified as stream command argument\r\n"} XACKDEL s g IDS 1 x
{7.2 "*1\r\n:-1\r\n"} XACKDEL s none IDS 1 x
{7.2 "+OK\r\n"} SET k v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} XDELEX k IDS 1 1-1
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} XACKDEL k g IDS 1 1-1
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n+RW\r\n+delete\r\n"} COMMAND GETKEYSANDFLAGS XDELEX s IDS 1 1-1
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n+RW\r\n+update\r\n+delete\r\n"} COMMAND GETKEYSANDFLAGS XACKDEL s g IDS 1 1-1
"#,
    );
}

#[test]
fn entries_are_trimmed_with_regard_to_references() {
    check(
        r#"
!resp2
{7.2 "$3\r\n1-1\r\n"} XADD s 1-1 f v
{7.2 "$3\r\n2-1\r\n"} XADD s 2-1 f v
{7.2 "$3\r\n3-1\r\n"} XADD s 3-1 f v
{7.2 "$3\r\n4-1\r\n"} XADD s 4-1 f v
# Without groups these words say nothing.
{7.2 ":1\r\n"} XTRIM s MAXLEN 3 ACKED
{7.2 "$3\r\n5-1\r\n"} XADD s DELREF MAXLEN 3 5-1 f v
{7.2 "+OK\r\n"} XGROUP CREATE s g 0
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a COUNT 2 STREAMS s >
# 3-1 and 4-1 are pending, 5-1 is not read.
{7.2 ":0\r\n"} XTRIM s MAXLEN 0 ACKED
{7.2 ":1\r\n"} XACK s g 4-1
# The oldest that may go: 4-1.
{7.2 ":1\r\n"} XTRIM s MAXLEN 1 ACKED
{7.2 ":2\r\n"} XLEN s
{7.2 "$3\r\n6-1\r\n"} XADD s ACKED MAXLEN 1 6-1 f v
{7.2 ":3\r\n"} XLEN s
{7.2 ":1\r\n"} XTRIM s KEEPREF MAXLEN 2
{7.2 "*4\r\n:1\r\n$3\r\n3-1\r\n$3\r\n3-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"} XPENDING s g
# What was gone before is no matter of a trim.
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n6-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a STREAMS s >
{7.2 ":1\r\n"} XTRIM s MINID 6 DELREF
{7.2 "*4\r\n:2\r\n$3\r\n3-1\r\n$3\r\n6-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n"} XPENDING s g
{7.2 "$3\r\n7-1\r\n"} XADD s NOMKSTREAM DELREF MAXLEN = 1 7-1 f v
{7.2 "*4\r\n:1\r\n$3\r\n3-1\r\n$3\r\n3-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"} XPENDING s g
{7.2 ":1\r\n"} XACK s g 3-1
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a STREAMS s >
{7.2 ":0\r\n"} XTRIM s MINID 9 ACKED
{7.2 ":1\r\n"} XACK s g 7-1
{7.2 ":1\r\n"} XTRIM s MINID ~ 9 LIMIT 100 ACKED
{7.2 ":0\r\n"} XLEN s
{7.2 "-ERR wrong number of arguments for 'xtrim' command\r\n"} XTRIM s ACKED
{7.2 "-ERR syntax error\r\n"} XTRIM s ACKED DELREF
{7.2 "-ERR syntax error\r\n"} XTRIM s ACKED KEEPREF MAXLEN 1
{7.2 "-ERR syntax error, XTRIM must be called with a trimming strategy\r\n"} XTRIM s ACKED LIMIT 0
{7.2 "-ERR syntax error\r\n"} XADD s ACKED KEEPREF 9-1 f v
{7.2 "-ERR wrong number of arguments for 'xadd' command\r\n"} XADD s ACKED
{7.2 "-ERR wrong number of arguments for 'xadd' command\r\n"} XADD s KEEPREF 9-1 f
{7.2 "$3\r\n9-1\r\n"} XADD s KEEPREF 9-1 KEEPREF ACKED
{7.2 "*1\r\n*2\r\n$3\r\n9-1\r\n*2\r\n$7\r\nKEEPREF\r\n$5\r\nACKED\r\n"} XRANGE s - +
"#,
    );
}

/// Whole nodes go, and only those that no group needs.
#[test]
fn whole_nodes_are_trimmed_with_regard_to_references() {
    crate::check_with(
        &[("stream-node-max-entries", "2")],
        r#"
!resp2
{7.2 "$3\r\n1-1\r\n"} XADD s 1-1 f v
{7.2 "$3\r\n2-1\r\n"} XADD s 2-1 f v
{7.2 "$3\r\n3-1\r\n"} XADD s 3-1 f v
{7.2 "$3\r\n4-1\r\n"} XADD s 4-1 f v
{7.2 "$3\r\n5-1\r\n"} XADD s 5-1 f v
{7.2 "$3\r\n6-1\r\n"} XADD s 6-1 f v
{7.2 "+OK\r\n"} XGROUP CREATE s g 0
{7.2 "*1\r\n*2\r\n$1\r\ns\r\n*5\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"} XREADGROUP GROUP g a COUNT 5 STREAMS s >
{7.2 ":4\r\n"} XACK s g 2-1 3-1 4-1 5-1
{7.2 ":0\r\n"} XTRIM s MAXLEN ~ 4 ACKED
{7.2 ":2\r\n"} XTRIM s MAXLEN ~ 0 ACKED
{7.2 ":2\r\n"} XTRIM s MAXLEN ~ 0 DELREF LIMIT 3
{7.2 "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"} XPENDING s g
{7.2 ":2\r\n"} XLEN s
"#,
    );
}

/// The number of ids, with all values that are easily mishandled. There are two ids.
#[test]
fn the_number_of_ids_is_that_of_the_words() {
    let mut script = "!resp2\n{7.2 \"+OK\\r\\n\"} XGROUP CREATE s g 0 MKSTREAM\n".to_owned();
    for value in VALUES {
        let reply = match value.trim_matches('"').parse::<i64>() {
            Ok(1) if *value == "1" => "-ERR syntax error",
            Ok(2) => "*2\\r\\n:-1\\r\\n:-1",
            Ok(3..) if !value.contains(['+', ' ']) => "-ERR The `numids` parameter must match the number of arguments",
            _ => "-ERR Number of IDs must be a positive integer",
        };
        for command in ["XDELEX s", "XACKDEL s g"] {
            script.push_str(&format!("{{7.2 \"{reply}\\r\\n\"}} {command} ACKED IDS {value} 1-1 2-1\n"));
        }
    }
    check(&script);
}
