//! CLUSTER FLUSHSLOT, CLUSTER SLOT-STATS and CLUSTERSCAN, which Redis 7.0 lacks: the replies are those of Valkey 9.1.2.

use crate::{check, check_with};

#[test]
fn flushslot() {
    check_with(
        &[("cluster-enabled", "yes")],
        r#"
CLUSTER ADDSLOTSRANGE 0 16383
!sleep 2500
SET foo 1
RPUSH {foo}l a b
SET bar 2
{7.2 "-ERR wrong number of arguments for 'cluster|flushslot' command\r\n"} CLUSTER FLUSHSLOT
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT x
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT 16384
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT -1
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT 012182
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT 18446744073709551616
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT ""
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER FLUSHSLOT 99999 foo
{7.2 "-ERR syntax error\r\n"} CLUSTER FLUSHSLOT 12182 foo
{7.2 "-ERR unknown subcommand or wrong number of arguments for 'FLUSHSLOT'. Try CLUSTER HELP.\r\n"} CLUSTER FLUSHSLOT 12182 SYNC x
{7.2 ":2\r\n"} CLUSTER COUNTKEYSINSLOT 12182
{7.2 "+OK\r\n"} CLUSTER FLUSHSLOT 12182
{7.2 ":0\r\n"} CLUSTER COUNTKEYSINSLOT 12182
{7.2 "$1\r\n2\r\n"} GET bar
SET foo 1
{7.2 "+OK\r\n"} CLUSTER FLUSHSLOT 12182 ASYNC
{7.2 "+OK\r\n"} CLUSTER FLUSHSLOT 12182 sync
{7.2 ":0\r\n"} EXISTS foo
SET foo 1
MULTI
{7.2 "+QUEUED\r\n"} CLUSTER FLUSHSLOT 12182
{7.2 "+QUEUED\r\n"} EXISTS foo
{7.2 "*2\r\n+OK\r\n:0\r\n"} EXEC
"#,
    );
}

#[test]
fn slot_stats() {
    check_with(
        &[("cluster-enabled", "yes")],
        r#"
CLUSTER ADDSLOTSRANGE 0 16383
CLUSTER DELSLOTS 1
!sleep 2500
CONFIG SET cluster-require-full-coverage no
{7.2 "+OK\r\n"} SET foo 1
{7.2 "+OK\r\n"} SET {foo}2 1
{7.2 "+OK\r\n"} SET bar 2
{7.2 "-ERR wrong number of arguments for 'cluster|slot-stats' command\r\n"} CLUSTER SLOT-STATS
{7.2 "-ERR wrong number of arguments for 'cluster|slot-stats' command\r\n"} CLUSTER SLOT-STATS ORDERBY
{7.2 "-ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0
{7.2 "-ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0 1 2
{7.2 "-ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.\r\n"} CLUSTER SLOT-STATS OTHER 0 1
{7.2 "-ERR Start slot number 1 is greater than end slot number 0\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 1 0
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER SLOT-STATS SLOTSRANGE x 0
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0 16384
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTER SLOT-STATS SLOTSRANGE -1 3
{7.2 "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT 0
{7.2 "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT 16385
{7.2 "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT x
{7.2 "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT -1
{7.2 "-ERR syntax error\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT
{7.2 "-ERR syntax error\r\n"} CLUSTER SLOT-STATS ORDERBY key-count OTHER
{7.2 "-ERR Multiple filters of the same type are disallowed.\r\n"} CLUSTER SLOT-STATS ORDERBY key-count LIMIT 2 LIMIT 3
{7.2 "-ERR Multiple filters of the same type are disallowed.\r\n"} CLUSTER SLOT-STATS ORDERBY key-count ASC DESC
{7.2 "-ERR Unrecognized sort metric for ORDERBY.\r\n"} CLUSTER SLOT-STATS ORDERBY other LIMIT 2
{7.2 "-ERR Unrecognized sort metric for ORDERBY.\r\n"} CLUSTER SLOT-STATS ORDERBY cpu-usec LIMIT 2
!resp2
{7.2 "*1\r\n*2\r\n:0\r\n*2\r\n$9\r\nkey-count\r\n:0\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0 1
{7.2 "*2\r\n*2\r\n:12182\r\n*2\r\n$9\r\nkey-count\r\n:2\r\n*2\r\n:5061\r\n*2\r\n$9\r\nkey-count\r\n:1\r\n"} CLUSTER SLOT-STATS orderby key-count limit 2
{7.2 "*2\r\n*2\r\n:0\r\n*2\r\n$9\r\nkey-count\r\n:0\r\n*2\r\n:2\r\n*2\r\n$9\r\nkey-count\r\n:0\r\n"} CLUSTER SLOT-STATS ORDERBY key-count ASC LIMIT 2
!resp3
{7.2 "*1\r\n*2\r\n:12182\r\n%1\r\n$9\r\nkey-count\r\n:2\r\n"} CLUSTER SLOT-STATS ORDERBY key-count DESC LIMIT 1
{7.2 "*1\r\n*2\r\n:0\r\n%1\r\n$9\r\nkey-count\r\n:0\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0 1
"#,
    );
}

#[test]
fn without_a_cluster_there_are_none() {
    check(
        r#"
{7.2 "-ERR This instance has cluster support disabled\r\n"} CLUSTERSCAN 0
{7.2 "-ERR This instance has cluster support disabled\r\n"} CLUSTER FLUSHSLOT 0
{7.2 "-ERR This instance has cluster support disabled\r\n"} CLUSTER SLOT-STATS SLOTSRANGE 0 1
"#,
    );
}

#[test]
fn cluster_scan() {
    check_with(
        &[("cluster-enabled", "yes")],
        r#"
CLUSTER ADDSLOTSRANGE 0 16383
!sleep 2500
{7.2 "-ERR wrong number of arguments for 'clusterscan' command\r\n"} CLUSTERSCAN
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN x
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN 1
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN 00
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN ""
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN 0-{06S}
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN 0-{06S}-x
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN -1-{06S}-0
{7.2 "-ERR Invalid cursor\r\n"} CLUSTERSCAN 0-{06S}-0-0
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTERSCAN 0 SLOT x
{7.2 "-ERR Invalid or out of range slot\r\n"} CLUSTERSCAN 0 SLOT 16384
{7.2 "-ERR syntax error\r\n"} CLUSTERSCAN 0 OTHER
{7.2 "-ERR syntax error\r\n"} CLUSTERSCAN 0 OTHER x
{7.2 "-ERR syntax error\r\n"} CLUSTERSCAN 0 MATCH
{7.2 "-ERR syntax error\r\n"} CLUSTERSCAN 0 COUNT 0
{7.2 "-ERR value is not an integer or out of range\r\n"} CLUSTERSCAN 0 COUNT x
{7.2 "-ERR unknown type name 'nosuch'\r\n"} CLUSTERSCAN 0 TYPE nosuch COUNT x
{7.2 "-ERR unknown type name ''\r\n"} CLUSTERSCAN x TYPE ""
{7.2 "-ERR value is not an integer or out of range\r\n"} CLUSTERSCAN 0 COUNT x TYPE nosuch
{7.2 "*2\r\n$1\r\n0\r\n*0\r\n"} CLUSTERSCAN 0-{foo}-0 SLOT 12182 TYPE STREAM
{7.2 "-ERR Cursor slot mismatch with SLOT argument\r\n"} CLUSTERSCAN 0-{foo}-0 SLOT 5
{7.2 "+OK\r\n"} SET foo 1
{7.2 ":1\r\n"} SADD {foo}set a
{7.2 "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nfoo\r\n"} CLUSTERSCAN 0-{foo}-0 SLOT 12182 TYPE string
{7.2 "*2\r\n$1\r\n0\r\n*1\r\n$8\r\n{foo}set\r\n"} CLUSTERSCAN 0-{06S}-0 MATCH *set COUNT 100
{7.2 "*2\r\n$1\r\n0\r\n*0\r\n"} CLUSTERSCAN 0-{bar}-0 SLOT 5061
{7.2 "+OK\r\n"} MULTI
{7.2 "+QUEUED\r\n"} CLUSTERSCAN 0-{foo}-0 TYPE set
{7.2 "*1\r\n*2\r\n$1\r\n0\r\n*1\r\n$8\r\n{foo}set\r\n"} EXEC
"#,
    );
}
