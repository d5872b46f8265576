//! Tests of reading and printing values, against what Redis 7.0.15 answers.

use super::*;
use crate::config::{ids, table};
use proptest::prelude::*;

fn read_one(id: crate::config::directive::DirectiveId, word: &str) -> Result<String, String> {
    let directive = id.directive();
    let current = Value::default_of(directive);
    let around = Surroundings { current: &current, directory: Path::new("/"), append: false };
    let words: Vec<&[u8]> = if directive.kind.takes_many_words() {
        word.split(' ').map(str::as_bytes).collect()
    } else {
        vec![word.as_bytes()]
    };
    let value = read(directive, &words, &around).map_err(Reason::into_owned)?;
    Ok(String::from_utf8_lossy(&print(directive.kind, &value)).into_owned())
}

#[track_caller]
fn refused(id: crate::config::directive::DirectiveId, word: &str, reason: &str) {
    assert_eq!(read_one(id, word), Err(reason.to_owned()), "{}", id.directive().name);
}

#[track_caller]
fn accepted(id: crate::config::directive::DirectiveId, word: &str, printed: &str) {
    assert_eq!(read_one(id, word).as_deref(), Ok(printed), "{}", id.directive().name);
}

#[test]
fn every_default_reads_back_as_itself() {
    for (_, directive) in table::all() {
        assert!(directive.doc.len() > 5, "{} has no description", directive.name);
        let default = Value::default_of(directive);
        let printed = print(directive.kind, &default);
        let words: Vec<&[u8]> =
            if directive.kind.takes_many_words() { printed.split(|b| *b == b' ').collect() } else { vec![&printed] };
        let around = Surroundings { current: &default, directory: Path::new("/"), append: false };
        match directive.kind {
            Kind::Directory => assert_eq!(read(directive, &words, &around), Ok(Value::text("/"))),
            // There is no word for "never set".
            Kind::Primary => assert_eq!(read(directive, &[b"no", b"one"], &around), Ok(default.clone())),
            _ => assert_eq!(read(directive, &words, &around), Ok(default.clone()), "{}", directive.name),
        }
    }
}

#[test]
fn numbers_and_their_refusals() {
    refused(ids::PORT, "abc", "argument couldn't be parsed into an integer");
    refused(ids::PORT, "99999", "argument must be between 0 and 65535 inclusive");
    refused(ids::PORT, "07", "argument couldn't be parsed into an integer");
    refused(
        ids::LIST_MAX_LISTPACK_SIZE,
        "99999999999",
        "argument must be between -2147483648 and 2147483647 inclusive",
    );
    refused(ids::MAXCLIENTS, "0", "argument must be between 1 and 4294967295 inclusive");
    accepted(ids::SLOWLOG_LOG_SLOWER_THAN, "-1", "-1");
}

#[test]
fn memory_units_are_decimal_without_b_and_binary_with_it() {
    for (word, bytes) in [("1k", "1000"), ("1kb", "1024"), ("2MB", "2097152"), ("3g", "3000000000"), ("7b", "7")] {
        accepted(ids::MAXMEMORY, word, bytes);
    }
    accepted(ids::MAXMEMORY, "18446744073709551615", "18446744073709551615");
    refused(ids::MAXMEMORY, "1kk", "argument must be a memory value");
    refused(ids::MAXMEMORY, "-1", "argument must be a memory value");
    refused(ids::PROTO_MAX_BULK_LEN, "1", "argument must be between 1048576 and 9223372036854775807 inclusive");
}

#[test]
fn percentages() {
    accepted(ids::MAXMEMORY_CLIENTS, "5%", "5%");
    accepted(ids::MAXMEMORY_CLIENTS, "1mb", "1048576");
    refused(ids::MAXMEMORY_CLIENTS, "200%", "percentage argument must be less or equal to 100");
    refused(ids::MAXMEMORY_CLIENTS, "abc", "argument must be a memory or percent value");
}

#[test]
fn octal_permissions() {
    accepted(ids::UNIXSOCKETPERM, "700", "700");
    refused(ids::UNIXSOCKETPERM, "9", "argument couldn't be parsed as an octal number");
    refused(ids::UNIXSOCKETPERM, "1000", "argument must be between 0 and 777 inclusive");
}

#[test]
fn names_and_flags() {
    accepted(ids::OOM_SCORE_ADJ, "relative", "yes");
    accepted(ids::LOGLEVEL, "VERBOSE", "verbose");
    refused(ids::LOGLEVEL, "foo", "argument(s) must be one of the following: debug, verbose, notice, warning");
    accepted(ids::SHUTDOWN_ON_SIGTERM, "force now", "now force");
    accepted(ids::SHUTDOWN_ON_SIGTERM, "default", "default");
    refused(ids::SHUTDOWN_ON_SIGTERM, "save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously");
}

#[test]
fn keyspace_events_print_as_redis_does() {
    accepted(ids::NOTIFY_KEYSPACE_EVENTS, "KEAx", "AKE");
    accepted(ids::NOTIFY_KEYSPACE_EVENTS, "AKEmndxte", "AKEm");
    accepted(ids::NOTIFY_KEYSPACE_EVENTS, "nglE", "glnE");
    refused(ids::NOTIFY_KEYSPACE_EVENTS, "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

#[test]
fn save_points() {
    accepted(ids::SAVE, "", "");
    accepted(ids::SAVE, "900 1 60 0", "900 1 60 0");
    for word in ["a b", "1", "0 1", "1 -1", " 900  1"] {
        refused(ids::SAVE, word, "Invalid save parameters");
    }
}

#[test]
fn buffer_limits_keep_the_classes_that_are_not_named() {
    accepted(
        ids::CLIENT_OUTPUT_BUFFER_LIMIT,
        "replica 1kb 0 0",
        "normal 0 0 0 slave 1024 0 0 pubsub 33554432 8388608 60",
    );
    let count = "Wrong number of arguments in buffer limit configuration.";
    refused(ids::CLIENT_OUTPUT_BUFFER_LIMIT, "normal 0 0", count);
    let class = "Invalid client class specified in buffer limit configuration.";
    refused(ids::CLIENT_OUTPUT_BUFFER_LIMIT, "foo 0 0 0", class);
    let number = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    refused(ids::CLIENT_OUTPUT_BUFFER_LIMIT, "normal 0 0 -1", number);
}

#[test]
fn other_lists() {
    refused(ids::OOM_SCORE_ADJ_VALUES, "1 2", "wrong number of arguments");
    let range = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    refused(ids::OOM_SCORE_ADJ_VALUES, "1 2 9999", range);
    accepted(ids::REPLICAOF, "::1 7000", "::1 7000");
    accepted(ids::REPLICAOF, "no one", "");
    refused(ids::REPLICAOF, "a b", "Invalid master port");
    refused(ids::REPLICAOF, "a", "wrong number of arguments");
    accepted(ids::LATENCY_TRACKING_INFO_PERCENTILES, "50 99.99 100.0", "50 99.99 100");
    let range = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    refused(ids::LATENCY_TRACKING_INFO_PERCENTILES, "101", range);
    accepted(ids::BIND, "127.0.0.1 -::1", "127.0.0.1 -::1");
    let many = ["127.0.0.1"; 17].join(" ");
    refused(ids::BIND, &many, "Too many bind addresses specified.");
}

#[test]
fn texts_with_rules() {
    refused(ids::DBFILENAME, "a/b", "dbfilename can't be a path, just a filename");
    refused(ids::APPENDFILENAME, "", "appendfilename can't be empty");
    let host = "Hostnames may only contain alphanumeric characters, hyphens or dots";
    refused(ids::CLUSTER_ANNOUNCE_HOSTNAME, "a_b", host);
    accepted(ids::CLUSTER_ANNOUNCE_HOSTNAME, "node-1.example", "node-1.example");
    refused(ids::CLUSTER_ANNOUNCE_HOSTNAME, &"a".repeat(256), "Hostnames must be less than 256 characters");
    assert!(read_one(ids::CLUSTER_ANNOUNCE_HUMAN_NODENAME, "a b").is_err(), "would break nodes.conf");
    assert!(read_one(ids::CLUSTER_ANNOUNCE_IP, "10.0.0.1\nmyself").is_err(), "would break nodes.conf");
    let title = "template format is invalid or contains unknown variables";
    for template in ["{foo}", "{title", "{title}", "  ", ""] {
        refused(ids::PROC_TITLE_TEMPLATE, template, title);
    }
    for template in ["--my--title--template", "{{x", "{port} {config-file}"] {
        accepted(ids::PROC_TITLE_TEMPLATE, template, template);
    }
    assert_eq!(read_one(ids::ACTIVEDEFRAG, "no").as_deref(), Ok("no"));
    assert!(
        read_one(ids::ACTIVEDEFRAG, "yes").is_err_and(|e| e.starts_with("Active defragmentation cannot be enabled"))
    );
}

#[test]
fn directories_must_exist_and_become_absolute() {
    let directive = ids::DIR.directive();
    let current = Value::Text(None);
    let here = tempdir();
    std::fs::write(here.join("file"), b"").expect("writable");
    std::fs::create_dir(here.join("sub")).expect("writable");
    let around = Surroundings { current: &current, directory: &here, append: false };
    let dir = |word: &str| read(directive, &[word.as_bytes()], &around);
    assert_eq!(dir("./sub/../sub").map(|v| path_of(v.bytes()).to_owned()), Ok(here.join("sub")));
    assert_eq!(dir("nowhere"), Err("No such file or directory".into()));
    assert_eq!(dir("file"), Err("Not a directory".into()));
    std::fs::remove_dir_all(&here).expect("removable");
}

/// A fresh directory of this test.
fn tempdir() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("slotd-config-value-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("the temporary directory is writable");
    std::fs::canonicalize(path).expect("it was just made")
}

proptest! {
    /// Reading is total, and a value that was read prints as text that reads as the same value.
    #[test]
    fn reading_any_words_is_total(index in 0..table::COUNT, words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6)) {
        let (_, directive) = table::all().nth(index).expect("in range");
        let current = Value::default_of(directive);
        let around = Surroundings { current: &current, directory: Path::new("/"), append: false };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        if let Ok(value) = read(directive, &words, &around) {
            let _ = print(directive.kind, &value);
        }
    }

    #[test]
    fn memory_with_unit_reads_back(bytes: i64) {
        let text = memory_with_unit(bytes);
        prop_assert_eq!(parse_memory(&text), Some(bytes as u64));
    }
}
