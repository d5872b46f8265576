//! Every numeric argument of every command, with all values that are easily mishandled: the limits of the integer types
//! and their neighbours, the limit of strings, words that are no numbers, and words that look like one.
//!
//! The scripts are generated: a template names a command with `#` in place of one argument. A case is one template with
//! all values; the keys are set anew before each value, so that earlier values have no effect. The replies of
//! containers to wrong numbers of arguments are tested in the same manner. the number of their arguments is tried in
//! the same manner.

use std::fmt::Write as _;

use crate::check;

/// As a script writes them.
pub(crate) const VALUES: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "2147483646",
    "2147483647",
    "2147483648",
    "-2147483647",
    "-2147483648",
    "-2147483649",
    "4294967294",
    "4294967295",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551614",
    "18446744073709551615",
    "18446744073709551616",
    "536870911",
    "536870912",
    "536870913",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-0",
    r#""""#,
    "0x1",
    r#"" 1""#,
    r#""1 ""#,
    "+1",
    "01",
    "1.5",
    r#""1\x00""#,
    r#""\x00""#,
    "a",
];

/// The last place in the longest string.
const LONGEST: &str = "536870911";

/// Makes the keys that the templates name.
const KEYS: &str = "FLUSHALL\nMSET k hello k2 yellow n 10\nRPUSH l a b c b d\nHSET h n 10 f v\n";

/// What works, but takes up to half a gigabyte on both servers, and as much for the reply.
fn takes_all_memory(template: &str, value: &str) -> bool {
    let is_far_bit = value.parse().is_ok_and(|bit: u64| (1 << 27..1 << 32).contains(&bit));
    template.starts_with("SETRANGE") && template.ends_with('x') && value == LONGEST
        || ["SETBIT k #", "BITFIELD k SET u8 #", "BITFIELD none OVERFLOW FAIL"]
            .iter()
            .any(|head| template.starts_with(head))
            && is_far_bit
}

/// Plays the templates, one per line.
fn check_numbers(templates: &str) {
    check_numbers_with(templates, |_| "");
}

/// Plays the templates, one per line; `normaliser` gives the prefix of the line for a value.
fn check_numbers_with(templates: &str, normaliser: fn(&str) -> &'static str) {
    let mut script = String::new();
    for template in templates.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(script, "== {template}\n{KEYS}!let dump DUMP k");
        for value in VALUES {
            if takes_all_memory(template, value) {
                continue;
            }
            let (line, normaliser) = (template.replace('#', value), normaliser(value));
            let _ = writeln!(script, "{KEYS}{normaliser}{line}\nMGET k n\nLRANGE l 0 -1\nHMGET h n f");
        }
    }
    check(&script);
}

/// Redis 7.0 takes a time that is too large for one in the past; 7.2 refuses it.
fn refused_beyond_all_time(seconds: &str) -> &'static str {
    let beyond = seconds.parse::<f64>().is_ok_and(|seconds| seconds * 1000.0 >= i64::MAX as f64);
    if beyond { r#"{7.2 "-ERR timeout is out of range\r\n"} "# } else { "" }
}

#[test]
fn numbers_of_strings() {
    check_numbers(
        "INCRBY n #
        DECRBY n #
        INCRBYFLOAT n #
        SETRANGE k # x
        SETRANGE k # \"\"
        SETRANGE none # \"\"
        GETRANGE k # 2
        GETRANGE k 0 #
        SUBSTR k # 2
        SUBSTR k -3 #
        LCS k k2 IDX MINMATCHLEN #",
    );
}

#[test]
fn numbers_of_bits() {
    check_numbers(
        "SETBIT k # 1
        SETBIT k # 0
        SETBIT k 3 #
        GETBIT k #
        GETBIT n #
        GETBIT none #
        BITCOUNT k # 2
        BITCOUNT k 0 #
        BITCOUNT k # -1 BIT
        BITCOUNT k -3 # BIT
        BITCOUNT none # 2
        BITPOS k #
        BITPOS k 1 #
        BITPOS k 0 # 2
        BITPOS k 1 0 #
        BITPOS k 0 # -1 BIT
        BITPOS k 0 3 # BIT
        BITPOS none 0 #
        BITFIELD k GET u8 #
        BITFIELD k GET i64 #
        BITFIELD k SET u8 0 #
        BITFIELD k SET i8 0 #
        BITFIELD k SET i64 3 #
        BITFIELD k OVERFLOW SAT SET u8 0 #
        BITFIELD k OVERFLOW SAT SET i8 0 #
        BITFIELD k OVERFLOW FAIL SET i63 0 #
        BITFIELD k INCRBY u8 0 #
        BITFIELD k OVERFLOW SAT INCRBY i8 0 #
        BITFIELD k OVERFLOW SAT INCRBY u63 0 #
        BITFIELD k OVERFLOW SAT INCRBY i64 0 #
        BITFIELD k OVERFLOW FAIL INCRBY i64 0 #
        BITFIELD k SET u8 # 1
        BITFIELD none OVERFLOW FAIL INCRBY i8 # 128
        BITFIELD_RO k GET u8 #",
    );
}

/// A product of index and width beyond 64 bits wraps around in Redis; slotd refuses it.
#[test]
fn indexes_and_widths_of_fields() {
    let mut script = String::from("SET k hello\n");
    let wraps = ["-9223372036854775808", "-9223372036854775807"];
    for value in VALUES.iter().filter(|value| !wraps.contains(value)) {
        let index = if let Some(rest) = value.strip_prefix('"') { format!("\"#{rest}") } else { format!("#{value}") };
        let _ = writeln!(script, "BITFIELD k GET u8 {index}\nBITFIELD_RO k GET i64 {index}\nBITFIELD k GET u1 {index}");
        if !value.starts_with('"') {
            let _ = writeln!(script, "BITFIELD k GET i{value} 0 GET u{value} 1");
        }
        if value.parse().is_ok_and(|index: i64| index < 1 << 20) {
            let _ = writeln!(script, "BITFIELD k SET i7 {index} 5");
        }
    }
    check(&script);
}

#[test]
fn numbers_that_strings_hold() {
    let mut script = String::new();
    for value in VALUES {
        let _ = writeln!(script, "== {value}");
        for command in ["INCR", "DECR", "INCRBYFLOAT"] {
            let by = if command == "INCRBYFLOAT" { " 1" } else { "" };
            let _ = writeln!(script, "SET k {value}\n{command} k{by}\nGET k\nOBJECT ENCODING k");
        }
    }
    check(&script);
}

#[test]
fn numbers_of_lists() {
    check_numbers(
        "LRANGE l # 2
        LRANGE l 0 #
        LTRIM l # 5
        LTRIM l 0 #
        LINDEX l #
        LSET l # x
        LREM l # b
        LPOS l b RANK #
        LPOS l b COUNT #
        LPOS l b MAXLEN #
        LPOS l b RANK # COUNT 0
        LPOS l b RANK -1 COUNT #
        LPOP l #
        RPOP l #
        LPOP none #
        LMPOP # l LEFT
        LMPOP 1 l LEFT COUNT #
        LMPOP 1 none LEFT COUNT #
        LMPOP # none LEFT",
    );
}

/// Counts of picks that Redis would answer from gigabytes of memory.
fn picks_too_many(value: &str) -> bool {
    value.parse().is_ok_and(|count: i64| count < -(1 << 24))
}

#[test]
fn numbers_of_hashes() {
    check_numbers(
        "HINCRBY h n #
        HINCRBY h f #
        HINCRBY none n #
        HINCRBYFLOAT h n #
        HINCRBYFLOAT h f #
        HINCRBYFLOAT none n #
        HRANDFIELD none #
        HSCAN h #
        HSCAN h 0 COUNT #
        HSCAN none #
        HSCAN none 0 COUNT #",
    );
    let mut script = String::new();
    for value in VALUES.iter().filter(|value| !picks_too_many(value)) {
        let _ = writeln!(script, "DEL h\nHSET h f v\nHRANDFIELD h {value}\nHRANDFIELD h {value} WITHVALUES");
    }
    // Two that are refused by both.
    script.push_str("HRANDFIELD h -9223372036854775808\nHRANDFIELD h -9223372036854775807 WITHVALUES\n");
    check(&script);
}

#[test]
fn numbers_that_fields_hold() {
    let mut script = String::new();
    for value in VALUES {
        let _ =
            writeln!(script, "DEL h\nHSET h f {value}\nHINCRBY h f 1\nHGET h f\nHINCRBYFLOAT h f 1\nHGET h f\nDUMP h");
    }
    check(&script);
}

#[test]
fn numbers_of_commands_that_wait() {
    check_numbers(
        "BLMPOP 0.01 # l LEFT
        BLMPOP 0.01 1 l LEFT COUNT #",
    );
    check_numbers_with(
        "BLMPOP # 1 l LEFT
        BLPOP l #
        BRPOP l #
        BLMOVE l l2 LEFT RIGHT #
        BRPOPLPUSH l l2 #",
        refused_beyond_all_time,
    );
}

#[test]
fn numbers_of_expiries() {
    // A short relative time might be over before the next command, or not.
    check_numbers(
        "EXPIRE none #
        EXPIRE k # NX
        EXPIRE k # GT
        EXPIREAT k #
        PEXPIRE none #
        PEXPIREAT k #
        SET k v EX #
        SET k v EXAT #
        SET k v PXAT #
        SET none v PX # XX
        SETEX k # v
        GETEX k EX #
        GETEX k EXAT #
        GETEX k PXAT #
        GETEX none PX #
        RESTORE r # $dump ABSTTL
        RESTORE r 0 $dump IDLETIME #
        RESTORE r 0 $dump FREQ #
        RESTORE k # $dump",
    );
}

#[test]
fn numbers_of_databases() {
    check_numbers(
        "COPY k k3 DB #
        COPY none k3 DB #
        MOVE k #
        SWAPDB # 0
        SWAPDB 0 #",
    );
    let mut script = String::new();
    for value in VALUES {
        let _ = writeln!(script, "== SELECT {value}\nSELECT {value}\nSELECT 0\n{{near 0}} DBSIZE");
    }
    check(&script);
}

/// On an empty database, so that the results do not depend on the order of keys.
#[test]
fn numbers_of_scans() {
    let mut script = String::new();
    for value in VALUES {
        let _ = writeln!(script, "SCAN {value}\nSCAN 0 COUNT {value}\nSCAN {value} COUNT 7");
    }
    check(&script);
}

#[test]
fn numbers_of_what_serves_the_connection() {
    check_numbers(
        "CLIENT UNBLOCK #
        CLIENT NO-EVICT #
        CLIENT KILL ID # SKIPME yes TYPE replica
        COMMAND GETKEYS LMPOP # a b
        COMMAND GETKEYS BLMPOP 0 # a b
        COMMAND GETKEYSANDFLAGS LMPOP # a b
        MEMORY USAGE none SAMPLES #
        REPLICAOF host #x
        CLUSTER KEYSLOT #
        MIGRATE 127.0.0.1 1 none # 10
        MIGRATE 127.0.0.1 1 none 0 #",
    );
}

/// Sizes beyond a `u64` wrap around in Redis; slotd refuses them.
#[test]
fn numbers_of_directives() {
    let whole = "timeout tcp-keepalive list-max-listpack-size list-compress-depth repl-timeout slowlog-max-len lfu-log-factor \
                 cluster-node-timeout cluster-migration-barrier maxmemory-samples databases hz";
    let sizes = "maxmemory hash-max-listpack-value client-query-buffer-limit proto-max-bulk-len repl-backlog-size";
    let mut script = String::new();
    for (names, is_size) in [(whole, false), (sizes, true)] {
        for name in names.split_whitespace() {
            for value in VALUES.iter().filter(|value| !(is_size && **value == "18446744073709551616")) {
                let _ = writeln!(script, "CONFIG SET {name} {value}\nCONFIG GET {name}");
            }
        }
    }
    for line in [
        r#"appendfsync "no\x00x""#,
        r#"lazyfree-lazy-expire "yes\x00x""#,
        r#"unixsocketperm "7\x00x""#,
        r#"hz "1\x00""#,
        r#"loglevel "\x00""#,
        r#"shutdown-on-sigterm "save\x00x now""#,
        r#"notify-keyspace-events "K\x00x""#,
        r#"save "60\x00 1""#,
        r#"client-output-buffer-limit "normal\x00x 0 0 0""#,
        r#"oom-score-adj-values "1\x00 2 3""#,
        r#"latency-tracking-info-percentiles "50\x00 99""#,
    ] {
        let name = line.split(' ').next().unwrap_or_default();
        let _ = writeln!(script, "CONFIG SET {line}\nCONFIG GET {name}");
    }
    check(&script);
}

#[test]
fn a_backlog_is_made_no_smaller_than_it_can_be() {
    let mut script = String::new();
    for size in ["1", "2", "100", "16383", "16384", "16385", "1kb", "1mb", "0", "-1", "1.5", "x"] {
        let _ = writeln!(script, "CONFIG SET repl-backlog-size {size}\nCONFIG GET repl-backlog-size");
    }
    check(&script);
}

#[test]
fn containers_name_what_is_wrong_with_the_number_of_words() {
    let subcommands = [
        "PUBSUB NUMSUB NUMPAT CHANNELS SHARDCHANNELS SHARDNUMSUB HELP NONE",
        "CLIENT GETNAME SETNAME GETREDIR UNPAUSE INFO TRACKINGINFO CACHING UNBLOCK NO-EVICT HELP NONE",
        "CONFIG GET SET HELP NONE",
        "COMMAND COUNT GETKEYS GETKEYSANDFLAGS LIST HELP NONE",
        "OBJECT ENCODING FREQ IDLETIME REFCOUNT HELP NONE",
        "MEMORY USAGE STATS DOCTOR PURGE MALLOC-STATS HELP NONE",
        "CLUSTER INFO KEYSLOT NODES SETSLOT NONE",
    ];
    let mut script = String::new();
    for line in subcommands {
        let mut words = line.split(' ');
        let container = words.next().unwrap_or_default();
        if container != "COMMAND" {
            let _ = writeln!(script, "{container}");
        }
        for subcommand in words {
            // As written: some errors repeat it.
            for name in
                [subcommand.to_owned(), subcommand.to_lowercase(), subcommand[..1].to_lowercase() + &subcommand[1..]]
            {
                // Without words, the replies of some are about the client or the node itself.
                let has_reply_of_its_own =
                    ["GETNAME", "GETREDIR", "INFO", "COUNT", "HELP", "LIST", "STATS", "MALLOC-STATS"];
                let least = usize::from(has_reply_of_its_own.contains(&subcommand));
                for count in least..5 {
                    let _ = writeln!(script, "{container} {name}{}", " x".repeat(count));
                }
            }
        }
    }
    check(&script);
}
