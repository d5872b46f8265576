//! INFO: sections and the fields whose values are the same for two servers of equal history.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::secs;

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
    let told = ["keyspace_hits:", "keyspace_misses:", "rdb_changes_since_last_save:"];
    text.lines().filter(|line| told.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

/// Lookups and changes are added to the shared counters once per run of commands, which must not be visible.
#[test]
fn what_was_done_before_info_is_counted_by_it() {
    let mut plain = vec!["SET a 1"; 40];
    plain.extend(["GET a", "GET a", "GET missing", "RPUSH l 1 2 3", "INFO stats", "GET a", "INFO everything"]);
    let multi = ["MULTI", "SET a 1", "GET a", "GET missing", "DEL a", "INFO everything", "EXEC", "INFO everything"];
    let parked = ["BLPOP nothing 0.01", "INFO everything"];
    for commands in [&plain[..], &multi, &parked] {
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

/// Objects that INFO counts as freed lazily, after one way to lose them. Redis frees on another thread, hence the
/// pause.
fn freed_lazily(way: &str) -> String {
    let keys = "
!config set-max-intset-entries 0
!config list-max-listpack-size 1
!config stream-node-max-entries 1
DEL s h z l x
!times 200 SADD s m%d
!times 600 HSET h f%d v
!times 200 ZADD z %d m%d
!times 65 RPUSH l e%d
!times 64 RPUSH short e%d
!times 100 XADD x %d-1 f v
XGROUP CREATE x g 0
HSET small f v
SET string v
CONFIG RESETSTAT";
    format!("{keys}\n{way}\n!sleep 30\n{{fields lazyfree_pending_objects lazyfreed_objects}} INFO memory\n")
}

#[test]
fn values_count_as_freed_lazily_if_they_have_many_pieces() {
    let user_del = "!config lazyfree-lazy-user-del yes";
    let server_del = "!config lazyfree-lazy-server-del yes";
    let ways = [
        "UNLINK s h z l x short small string".to_owned(),
        "DEL s h z l x short small string".to_owned(),
        format!("{user_del}\nDEL s h z l x short small string none"),
        format!("{server_del}\nDEL s h"),
        "SET s v\nRENAME string h".to_owned(),
        format!("{server_del}\nSET s v\nSET h v KEEPTTL\nSETEX z 100 v\nTTL z\nMSET l v string v"),
        format!("{server_del}\nEXPIRE s 100\nSET s v KEEPTTL\n{{near 100}} TTL s\nEXPIRE h 100\nSET h v\nTTL h"),
        format!(
            "{server_del}\nRENAME string h\nCOPY small s REPLACE\nSORT l ALPHA LIMIT 0 1 STORE z\nSINTERSTORE x none"
        ),
        format!(
            "{server_del}\nZREMRANGEBYRANK z 0 -1\nLTRIM l 1 0\nZPOPMIN z 500\nXTRIM x MAXLEN 0\nXGROUP DESTROY x g"
        ),
        "!let dump DUMP small\nRESTORE s 0 $dump REPLACE".to_owned(),
        format!("{server_del}\n!let dump DUMP small\nRESTORE s 0 $dump REPLACE\nRESTORE h 0 $dump REPLACE"),
        "!config lazyfree-lazy-expire yes\nEXPIRE s -1\nPEXPIRE h 1\n!sleep 20\nEXISTS h\nPEXPIRE z 1\n!sleep 300"
            .to_owned(),
        "PEXPIRE h 1\nPEXPIRE z 1\n!sleep 20\nEXISTS h".to_owned(),
        "FLUSHALL ASYNC".to_owned(),
        "FLUSHALL".to_owned(),
        "!config lazyfree-lazy-user-flush yes\nSELECT 3\nSET a v\nFLUSHDB".to_owned(),
        "!config lazyfree-lazy-user-flush yes\nFLUSHDB SYNC".to_owned(),
        "MULTI\nUNLINK s\nFLUSHDB ASYNC\nEXEC".to_owned(),
        "UNLINK s h\n!sleep 30\nCONFIG RESETSTAT".to_owned(),
    ];
    let script: String =
        ways.iter().map(|way| format!("== {}\n{}", way.replace('\n', "; "), freed_lazily(way))).collect();
    check(&script);
}
