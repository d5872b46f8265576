//! As `numeric_arguments.rs`, for commands about the server, its replicas and its cluster. Each line undoes the effect
//! of a value that is accepted.

use std::fmt::Write as _;

use crate::numeric_arguments::VALUES;
use crate::{check, check_with};

/// The lines with each of the values in place of `#`. For a line that begins with `-`, numeric values are left out.
fn with_values(lines: &str) -> String {
    let mut script = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line, no_numbers) = line.strip_prefix('-').map_or((line, false), |line| (line, true));
        let _ = writeln!(script, "== {line}");
        let left_out = |value: &str| {
            // Redis truncates the first to 32 bits, and accepts 1 as a port; and there may be clients with the ids 1
            // and 2.
            no_numbers && value.parse::<i64>().is_ok()
                || line.starts_with("CLUSTER MEET") && value == "-9223372036854775807"
                || line.ends_with("REDIRECT #") && ["1", "2"].contains(&value)
        };
        for value in VALUES.iter().filter(|value| !left_out(value)) {
            for one in line.split(';').map(str::trim) {
                let _ = writeln!(script, "{}", one.replace('#', value));
            }
        }
    }
    script
}

#[test]
fn numbers_of_what_serves_the_server() {
    check(&with_values(
        "WAIT 0 #
        WAIT # 1
        CLIENT PAUSE # WRITE; CLIENT UNPAUSE; SET k v
        CLIENT PAUSE # NONE
        -CLIENT PAUSE #
        CLIENT LIST ID # x
        CLIENT TRACKING OFF REDIRECT #
        {shape} @raw1 HELLO #
        {shape} LOLWUT VERSION #
        -LOLWUT VERSION 5 #
        -LOLWUT VERSION 6 1 #
        DEBUG SET-ACTIVE-EXPIRE #; DEBUG SET-ACTIVE-EXPIRE 1
        DEBUG HTSTATS #
        DEBUG SET-SKIP-CHECKSUM-VALIDATION #; DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
        DEBUG PAUSE-CRON #; DEBUG PAUSE-CRON 0
        DEBUG QUICKLIST-PACKED-THRESHOLD #; DEBUG QUICKLIST-PACKED-THRESHOLD 0
        DEBUG DROP-CLUSTER-PACKET-FILTER #; DEBUG DROP-CLUSTER-PACKET-FILTER -1
        -DEBUG RESTART #
        -DEBUG CRASH-AND-RECOVER #",
    ));
}

#[test]
fn numbers_of_replication() {
    check(&with_values(
        "FAILOVER TIMEOUT #
        FAILOVER TO 127.0.0.1 #
        FAILOVER TO 127.0.0.1 # TIMEOUT 1
        FAILOVER TO 127.0.0.1 1 TIMEOUT #
        FAILOVER TO 127.0.0.1 1 TIMEOUT # FORCE
        FAILOVER ABORT #
        @r REPLCONF listening-port #
        @r REPLCONF ip-address #
        @r REPLCONF rdb-only #
        -REPLICAOF 127.0.0.1 #",
    ));
}

#[test]
fn numbers_of_the_cluster() {
    let node = "0123456789012345678901234567890123456789";
    check_with(
        &[("cluster-enabled", "yes")],
        &with_values(&format!(
            "CLUSTER KEYSLOT #
            CLUSTER COUNTKEYSINSLOT #
            CLUSTER GETKEYSINSLOT # 1
            CLUSTER GETKEYSINSLOT 0 #
            CLUSTER ADDSLOTS #; CLUSTER FLUSHSLOTS
            CLUSTER ADDSLOTS 3 #; CLUSTER FLUSHSLOTS
            CLUSTER DELSLOTS #
            CLUSTER ADDSLOTSRANGE # 5; CLUSTER FLUSHSLOTS
            CLUSTER ADDSLOTSRANGE 0 #; CLUSTER FLUSHSLOTS
            CLUSTER DELSLOTSRANGE # 5
            CLUSTER DELSLOTSRANGE 0 #
            CLUSTER SETSLOT # STABLE
            CLUSTER SETSLOT # NODE {node}
            CLUSTER SETSLOT # IMPORTING {node}
            CLUSTER SETSLOT # MIGRATING {node}
            CLUSTER COUNT-FAILURE-REPORTS #
            CLUSTER FORGET #
            CLUSTER SET-CONFIG-EPOCH #; CLUSTER RESET HARD
            CLUSTER MEET 127.0.0.1 #; CLUSTER RESET
            CLUSTER MEET 127.0.0.1 1 #; CLUSTER RESET"
        )),
    );
}
