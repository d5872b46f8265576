//! What changing a collection leaves behind besides the reply. The expected lines were recorded from Redis 7.0.15, on
//! its replication link and with `notify-keyspace-events KEAnm`.

use crate::testing::Bench;

/// Runs commands, then one more whose propagation and events are compared.
#[track_caller]
fn check(before: &[&str], line: &str, propagated: &[&str], events: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for line in before {
        bench.run(line);
    }
    let (_, got_propagated, got_events) = bench.trace(line);
    assert_eq!(got_propagated, propagated, "propagated by {line}");
    assert_eq!(got_events, events, "events of {line}");
    bench
}

#[test]
fn a_collection_that_is_made_is_announced_as_new() {
    check(&[], "RPUSH l a b", &["RPUSH l a b"], &["new l", "rpush l"]);
    check(&["RPUSH l a"], "LPUSH l b", &["LPUSH l b"], &["lpush l"]);
    check(&[], "RPUSHX l a", &[], &[]);
    check(&["RPUSH s a b"], "LMOVE s d LEFT RIGHT", &["LMOVE s d LEFT RIGHT"], &["new d", "rpush d", "lpop s"]);
}

#[test]
fn a_key_whose_collection_was_emptied_is_gone_and_its_end_is_the_last_event() {
    for (line, events) in [
        ("LPOP l", &["lpop l", "del l"][..]),
        ("RPOP l 5", &["rpop l", "del l"]),
        ("LREM l 0 a", &["lrem l", "del l"]),
        ("LTRIM l 5 9", &["ltrim l", "del l"]),
        ("LMPOP 1 l LEFT COUNT 9", &["lpop l", "del l"]),
        ("BLPOP l 0", &["lpop l", "del l"]),
        ("RPOPLPUSH l d", &["new d", "lpush d", "rpop l", "del l"]),
    ] {
        let mut bench = Bench::new();
        bench.run("RPUSH l a");
        let (_, _, got) = bench.trace(line);
        assert_eq!(got, events, "events of {line}");
        assert_eq!(bench.run("EXISTS l"), ":0", "after {line}");
    }
}

#[test]
fn a_rotated_list_of_one_element_is_never_empty() {
    let mut bench = check(&["RPUSH l a"], "RPOPLPUSH l l", &["RPOPLPUSH l l"], &["lpush l", "rpop l"]);
    assert_eq!(bench.run("LLEN l"), ":1");
}

#[test]
fn an_edit_that_changes_nothing_is_not_announced() {
    for line in ["LREM l 0 x", "LINSERT l BEFORE x y", "LSET l 9 x", "LPOP l 0"] {
        check(&["RPUSH l a"], line, &[], &[]);
    }
    // Redis announces a LTRIM that trims nothing, but does not count it as a change.
    check(&["RPUSH l a"], "LTRIM l 0 -1", &[], &["ltrim l"]);
}

#[test]
fn a_push_onto_a_string_changes_nothing() {
    for line in ["LPUSH k a", "LPOP k", "LSET k 0 a", "LMOVE l k LEFT LEFT"] {
        let mut bench = check(&["SET k v", "RPUSH l a"], line, &[], &[]);
        assert_eq!((bench.run("GET k"), bench.run("LLEN l")), ("$1\r\nv".to_owned(), ":1".to_owned()), "{line}");
    }
}
