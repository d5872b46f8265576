//! INFO: sections and the fields whose values are the same for two servers of equal history.

use std::time::Duration;

use integration::client::Client;
use integration::node::{NodeSpec, info_field};
use integration::oracle::Binary;
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use crate::{check, check_with};

#[test]
fn sections_and_stable_fields() {
    check(
        r#"
{fields redis_mode tcp_port_ multiplexing_api configured_hz} INFO server
{fields role connected_slaves master_failover_state second_repl_offset repl_backlog_active repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen} INFO replication
{fields cluster_enabled} INFO cluster
{fields loading rdb_bgsave_in_progress rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec aof_enabled aof_rewrite_in_progress aof_last_bgrewrite_status async_loading} INFO persistence
{fields connected_clients blocked_clients tracking_clients clients_in_timeout_table cluster_connections maxclients} INFO clients
{fields maxmemory maxmemory_human maxmemory_policy} INFO memory
INFO keyspace
SET a 1
SET b 1 EX 100
{keys} INFO keyspace
SELECT 3
SET c 1
{keys} INFO keyspace
{any} INFO
{any} INFO everything
{any} INFO all
{any} INFO default
INFO nosuchsection
{keys} INFO keyspace cluster
{keys} INFO CLUSTER KEYSPACE
"#,
    );
}

#[test]
fn counters_count_what_redis_counts() {
    check(
        r#"
CONFIG RESETSTAT
SET a 1
GET a
GET missing
GET missing
INCR a
LPUSH a x
nosuch
GET
EXISTS a missing
TTL a
TYPE missing
OBJECT ENCODING missing
{fields keyspace_hits keyspace_misses expired_keys evicted_keys total_error_replies rejected_connections sync_full sync_partial_ok sync_partial_err} INFO stats
{fields errorstat_ERR errorstat_WRONGTYPE} INFO errorstats
CONFIG RESETSTAT
{fields keyspace_hits keyspace_misses total_error_replies} INFO stats
INFO errorstats
"#,
    );
}

/// What INFO reports about lookups and changes after these commands, all sent in one write.
fn told_at_once(binary: Binary, commands: &[&str]) -> Vec<String> {
    let node = NodeSpec::new(binary).with("save", "").start();
    let mut client = node.client();
    let replies = commands.len();
    client.send_raw((commands.join("\r\n") + "\r\n").as_bytes()).expect("sent");
    let frames: Vec<_> = (0..replies).map(|_| client.frame(secs(10)).expect("a reply")).collect();
    let text = String::from_utf8_lossy(&frames.concat()).into_owned();
    let told = ["keyspace_hits:", "keyspace_misses:", "rdb_changes_since_last_save:", "total_commands_processed:"];
    text.lines().filter(|line| told.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

/// Lookups and changes are added to the shared counters once per run of commands, which must not be visible.
#[test]
fn what_was_done_before_info_is_counted_by_it() {
    let mut plain = vec!["SET a 1"; 40];
    plain.extend(["GET a", "GET a", "GET missing", "RPUSH l 1 2 3", "INFO stats", "GET a", "INFO everything"]);
    let multi = ["MULTI", "SET a 1", "GET a", "GET missing", "DEL a", "INFO everything", "EXEC", "INFO everything"];
    let parked = ["BLPOP nothing 0.01", "INFO everything"];
    let reset = ["PING", "PING", "CONFIG RESETSTAT", "PING", "GET a", "INFO everything"];
    for commands in [&plain[..], &multi, &parked, &reset] {
        let stock = told_at_once(Binary::Stock, commands);
        assert!(stock.len() >= 3, "{stock:?}");
        assert_eq!(told_at_once(Binary::Slotd, commands), stock, "{commands:?}");
    }
}

#[test]
fn command_statistics_have_their_shape() {
    check(
        r#"
CONFIG RESETSTAT
SET a 1
SET a 1
GET
CLIENT SETNAME x
CONFIG GET maxmemory
{names} INFO commandstats
{counts set get client|setname config|get config|resetstat} INFO commandstats
"#,
    );
}

#[test]
fn a_blocked_command_that_ends_with_an_error_has_failed() {
    check(
        r#"
@b {type} !let id CLIENT ID
CONFIG RESETSTAT
@b !send BLPOP l 0
!blocked 1
CLIENT UNBLOCK $id ERROR
@b !read
@b !send BRPOP l 0
!blocked 1
REPLICAOF 127.0.0.1 1
@b !read
REPLICAOF NO ONE
{fields errorstat_UNBLOCKED} INFO errorstats
{counts blpop brpop} INFO commandstats
"#,
    );
}

#[test]
fn exec_on_a_replica_that_lost_its_primary() {
    check(
        r#"
CONFIG SET replica-serve-stale-data no
MULTI
GET a
@b MULTI
@b CONFIG GET port
@c MULTI
@d REPLICAOF 127.0.0.1 1
EXEC
EXEC
{shape} @b EXEC
@c EXEC
GET a
REPLICAOF NO ONE
CONFIG SET replica-serve-stale-data yes
"#,
    );
}

#[test]
fn replication_section_of_a_replica_without_a_primary() {
    check_with(
        &[("replicaof", "127.0.0.1 1")],
        r#"
{fields role master_host master_port master_link_status slave_read_only slave_priority replica_announced connected_slaves master_sync_in_progress} INFO replication
SET a 1
DEL a
GET a
MULTI
SET a 1
EXEC
CONFIG SET replica-read-only no
SET a 1
GET a
CONFIG SET replica-read-only yes
CONFIG SET replica-serve-stale-data no
GET a
PING
INFO nosuch
CONFIG SET replica-serve-stale-data yes
{shape} ROLE
"#,
    );
}

/// Commands within EXEC count as commands, as do EXEC and MULTI; those that are refused do not.
#[test]
fn what_exec_runs_is_counted() {
    check(
        r#"
CONFIG RESETSTAT
MULTI
SET a 1
GET a
INCR a
EXEC
{fields total_commands_processed} INFO stats
MULTI
SET a 1
DISCARD
GET
{fields total_commands_processed} INFO stats
"#,
    );
}

/// Ways to lose values: directives, and commands; `DUMP key` is followed by a RESTORE of `small` over it.
const WAYS: [(&[&str], &[&str]); 18] = [
    (&[], &["UNLINK s h z l x short small string"]),
    (&[], &["DEL s h z l x short small string"]),
    (&["lazyfree-lazy-user-del"], &["DEL s h z l x short small string none"]),
    (&["lazyfree-lazy-server-del"], &["DEL s h"]),
    (&[], &["SET s v", "RENAME string h"]),
    (&["lazyfree-lazy-server-del"], &["SET s v", "SET h v KEEPTTL", "SETEX z 100 v", "MSET l v string v"]),
    (&["lazyfree-lazy-server-del"], &["EXPIRE s 100", "SET s v KEEPTTL", "EXPIRE h 100", "SET h v", "TTL h"]),
    (
        &["lazyfree-lazy-server-del"],
        &["RENAME string h", "COPY small s REPLACE", "SORT l ALPHA LIMIT 0 1 STORE z", "SINTERSTORE x none"],
    ),
    (
        &["lazyfree-lazy-server-del"],
        &["ZREMRANGEBYRANK z 0 -1", "LTRIM l 1 0", "XTRIM x MAXLEN 0", "XGROUP DESTROY x g"],
    ),
    (&[], &["RESTORE s"]),
    (&["lazyfree-lazy-server-del"], &["RESTORE s", "RESTORE h"]),
    (
        &["lazyfree-lazy-expire"],
        &["EXPIRE s -1", "PEXPIRE h 1", "sleep 20", "EXISTS h", "PEXPIRE z 1", "sleep 20", "EXISTS z"],
    ),
    (&[], &["PEXPIRE h 1", "PEXPIRE z 1", "sleep 20", "EXISTS h"]),
    (&[], &["FLUSHALL ASYNC"]),
    (&[], &["FLUSHALL"]),
    (&["lazyfree-lazy-user-flush"], &["SELECT 3", "SET a v", "FLUSHDB", "SELECT 0"]),
    (&["lazyfree-lazy-user-flush"], &["FLUSHDB SYNC"]),
    (&[], &["MULTI", "UNLINK s", "FLUSHDB ASYNC", "EXEC"]),
];

/// Waits until nothing is about to be freed, since Redis does that on another thread; returns how much was.
fn lazily_freed(client: &mut Client) -> String {
    let mut told = String::new();
    wait_until("the end of lazy freeing", secs(10), || {
        told = client.cmd("INFO memory").text();
        info_field(&told, "lazyfree_pending_objects").as_deref() == Some("0")
    });
    info_field(&told, "lazyfreed_objects").unwrap_or_default()
}

fn lose_values(binary: Binary) -> Vec<String> {
    let node = NodeSpec::new(binary)
        .with("set-max-intset-entries", "0")
        .with("list-max-listpack-size", "1")
        .with("stream-node-max-entries", "1")
        .start();
    let mut client = node.client();
    let lose = |(directives, commands): &(&[&str], &[&str])| {
        client.ok("FLUSHALL");
        let many = |name: &str, per: fn(usize) -> Vec<String>, count| -> Vec<String> {
            name.split(' ').map(str::to_owned).chain((0..count).flat_map(per)).collect()
        };
        client.call(&many("SADD s", |n| vec![format!("m{n}")], 200));
        client.call(&many("HSET h", |n| vec![format!("f{n}"), "v".to_owned()], 600));
        client.call(&many("ZADD z", |n| vec![n.to_string(), format!("m{n}")], 200));
        client.call(&many("RPUSH l", |n| vec![format!("e{n}")], 65));
        client.call(&many("RPUSH short", |n| vec![format!("e{n}")], 64));
        (1..=100).for_each(|id| drop(client.cmd(&format!("XADD x {id}-1 f v"))));
        ["XGROUP CREATE x g 0", "HSET small f v", "SET string v"].iter().for_each(|line| drop(client.cmd(line)));
        let dump = client.cmd("DUMP small");
        lazily_freed(&mut client);
        client.ok("CONFIG RESETSTAT");
        directives.iter().for_each(|name| client.ok(&format!("CONFIG SET {name} yes")));
        for line in *commands {
            if let Some(ms) = line.strip_prefix("sleep ") {
                std::thread::sleep(Duration::from_millis(ms.parse().expect("a number")));
            } else if let (Some(key), Value::Bulk(payload)) = (line.strip_prefix("RESTORE "), &dump) {
                assert!(client.call(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"]).is_ok());
            } else {
                client.cmd(line);
            }
        }
        let freed = lazily_freed(&mut client);
        directives.iter().for_each(|name| client.ok(&format!("CONFIG SET {name} no")));
        client.ok("CONFIG RESETSTAT");
        format!("{directives:?} {commands:?}: {freed}, then {}", lazily_freed(&mut client))
    };
    WAYS.iter().map(lose).collect()
}

#[test]
fn values_count_as_freed_lazily_if_they_have_many_pieces() {
    let stock = lose_values(Binary::Stock);
    assert!(stock[0].ends_with(": 5, then 0"), "{}", stock[0]);
    assert_eq!(lose_values(Binary::Slotd), stock);
}
