//! Several databases of a cluster node, played beside Valkey 9.1.2 (`cluster-databases`), and the one database of a
//! cluster node of Redis beside Redis. Slots that move between nodes: `tests/cluster/databases.rs`.

use integration::oracle::Binary;

use crate::{check_with, compare};

/// Valkey reports the cluster as down for two seconds after a start, whatever the slots.
const FORMED: &str = "CLUSTER ADDSLOTSRANGE 0 16383\n!sleep 2500\n";

/// Plays a script beside Valkey, on nodes that serve all slots and have 16 databases.
#[track_caller]
fn check_many(directives: &[(&str, &str)], script: &str) {
    let many = [("cluster-enabled", "yes"), ("cluster-databases", "16")];
    compare(Binary::Later("valkey9"), &[&many[..], directives].concat(), &format!("{FORMED}{script}"));
}

#[test]
fn one_database_is_that_of_redis() {
    check_with(
        &[("cluster-enabled", "yes")],
        &format!(
            r#"
{FORMED}
SELECT 0
SELECT 1
SELECT 16
SELECT -1
SELECT x
SELECT 99999999999
SET k v
MOVE k 0
MOVE k 1
MOVE k 16
MOVE k x
COPY k {{k}}2 DB 0
COPY k {{k}}2 DB 1
COPY k {{k}}2 DB 16
COPY k {{k}}2 DB x
SWAPDB 0 1
MULTI
SELECT 1
GET k
EXEC
"#
        ),
    );
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn databases_are_selected_within_the_count() {
    check_many(
        &[],
        r#"
CONFIG GET cluster-databases
CONFIG GET databases
SELECT 1
SELECT 15
SELECT 16
SELECT -1
SELECT x
SELECT 99999999999
DBSIZE
SET k 15
SELECT 0
DBSIZE
GET k
RESET
GET k
MULTI
SELECT 15
GET k
SELECT 16
GET k
SELECT 3
SET k 3
EXEC
DBSIZE
KEYS *
RANDOMKEY
SCAN 0
SELECT 4
KEYS *
RANDOMKEY
"#,
    );
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn keys_move_and_are_copied_between_databases() {
    check_many(
        &[],
        r#"
SET k v PX 1000000
RPUSH {k}l a b
MOVE k 1
MOVE k 1
MOVE k 0
MOVE k 16
MOVE k -1
MOVE k x
MOVE k
COPY {k}l k DB 1
COPY {k}l k DB 1 REPLACE
COPY {k}l {k}l DB 2
COPY {k}l {k}l DB 0
COPY {k}l {k}l DB 16
COPY {k}l {k}l DB x
COPY {k}l {k}l DB
COPY {k}l other DB 2
COPY nothing {k}l DB 2
SWAPDB 0 1
SWAPDB 0 16
SWAPDB 0 x
SELECT 1
LRANGE k 0 -1
MOVE k 0
SELECT 2
LRANGE {k}l 0 -1
SELECT 0
LRANGE k 0 -1
"#,
    );
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn slots_are_counted_in_the_selected_database_and_measured_in_all() {
    check_many(
        &[],
        r#"
SET k 0
SET {k}b 0
SELECT 3
SET k 3
SELECT 9
RPUSH k a b c
CLUSTER COUNTKEYSINSLOT 7629
CLUSTER GETKEYSINSLOT 7629 10
CLUSTER SLOT-STATS SLOTSRANGE 7629 7629
CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1
SELECT 3
CLUSTER COUNTKEYSINSLOT 7629
CLUSTER GETKEYSINSLOT 7629 10
SELECT 4
CLUSTER COUNTKEYSINSLOT 7629
CLUSTER GETKEYSINSLOT 7629 10
SELECT 0
CLUSTER COUNTKEYSINSLOT 7629
FLUSHDB
CLUSTER COUNTKEYSINSLOT 7629
CLUSTER SLOT-STATS SLOTSRANGE 7629 7629
CLUSTER RESET
CLUSTER FLUSHSLOTS
SET other 0
SELECT 5
CLUSTER FLUSHSLOT 7629
CLUSTER SLOT-STATS SLOTSRANGE 7629 7629
SELECT 9
EXISTS k
FLUSHALL
SELECT 0
EXISTS other
"#,
    );
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn clients_wait_watch_and_listen_in_their_databases() {
    check_many(
        &[("notify-keyspace-events", "KEA")],
        r#"
== waiting
@b SELECT 3
@b !send BLPOP k 0
!blocked 1
RPUSH k zero
SELECT 3
RPUSH k three
@b !read
SELECT 0
LRANGE k 0 -1
== served by a key that comes from elsewhere
@b SELECT 3
@b !send BLPOP k 0
!blocked 1
RPUSH k zero
MOVE k 3
@b !read
@b !send BLPOP k 0
!blocked 1
RPUSH {k}2 copy
COPY {k}2 k DB 3
@b !read
== watching
@b SELECT 2
@b WATCH k
SET k v
@b MULTI
@b PING
@b EXEC
@b WATCH k
SELECT 2
SET k v
@b MULTI
@b PING
@b EXEC
@b WATCH k
@b SELECT 7
SET k w
@b MULTI
@b PING
@b EXEC
@b SELECT 2
@b WATCH k
CLUSTER FLUSHSLOT 7629
@b MULTI
@b PING
@b EXEC
== events name the database
@b PSUBSCRIBE __key*
SELECT 5
SET k v
@b !read
@b !read
MOVE k 6
@b !read
@b !read
@b !read
@b !read
== a cached key
@b !resp3
@b CLIENT TRACKING ON
@b SELECT 5
@b GET k
SELECT 4
SET k v
@b !read
@b !silent
"#,
    );
}
