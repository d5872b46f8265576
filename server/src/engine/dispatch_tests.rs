//! Tests of the path from bytes to executed commands.

use crate::engine::state::{PauseKind, PausePurpose};
use crate::testing::{Bench, START, bulks};

#[test]
fn a_request_split_over_two_reads_is_whole() {
    let requests = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nPING\r\n";
    for at in 0..=requests.len() {
        let bench = Bench::new();
        let mut client = bench.connect();
        let replies = client.feed_split(&bench.engine, requests, at);
        assert_eq!(replies, "+OK\r\n$5\r\nvalue\r\n+PONG\r\n", "split at {at}");
    }
}

#[test]
fn time_passes_within_a_pipeline() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("SET key value PX 50"), "+OK");
    bench.clock.advance_ms(51);
    assert_eq!(bench.run("GET key"), "$-1");
}

/// More requests than a window holds, of several kinds, many words, and with what the parser skips in between.
fn pipeline() -> (Vec<u8>, String) {
    let (mut requests, mut replies) = (Vec::new(), String::new());
    for round in 0..12 {
        let key = format!("key:{round}");
        requests.extend(bulks(&["SET", &key, "value"]));
        requests.extend(b"*0\r\n\r\n");
        requests.extend(bulks(&["mget", &key, "none", &key]));
        requests.extend(format!("APPEND {key} \"\\x21\"\r\n").as_bytes());
        requests.extend(bulks(&["NOSUCH", &key]));
        requests.extend(bulks(&["GET", &key]));
        requests.extend(bulks(&["GET"]));
        replies.push_str("+OK\r\n*3\r\n$5\r\nvalue\r\n$-1\r\n$5\r\nvalue\r\n:6\r\n");
        replies.push_str(&format!("-ERR unknown command 'NOSUCH', with args beginning with: '{key}' \r\n"));
        replies.push_str("$6\r\nvalue!\r\n-ERR wrong number of arguments for 'get' command\r\n");
    }
    let many: Vec<String> = std::iter::once("DEL".to_owned()).chain((0..300).map(|n| format!("key:{n}"))).collect();
    requests.extend(bulks(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    replies.push_str(":12\r\n");
    (requests, replies)
}

#[test]
fn a_long_pipeline_gives_the_same_replies_wherever_a_read_cuts_it() {
    let (requests, replies) = pipeline();
    for at in (0..=requests.len()).step_by(7) {
        let bench = Bench::new();
        assert_eq!(bench.connect().feed_split(&bench.engine, &requests, at), replies, "split at {at}");
    }
}

#[test]
fn limits_follow_authentication_within_a_pipeline() {
    let bench = Bench::with(&[("requirepass", "secret")]);
    let mut client = bench.connect();
    client.session.authenticated = false;
    // Before AUTH, no argument may have more than 16,384 bytes.
    let large = "x".repeat(20_000);
    let requests = [bulks(&["AUTH", "secret"]), bulks(&["SET", "key", &large]), bulks(&["STRLEN", "key"])].concat();
    assert_eq!(client.feed_split(&bench.engine, &requests, 0), "+OK\r\n+OK\r\n:20000\r\n");
    let requests = [bulks(&["RESET"]), bulks(&["SET", "key", &large])].concat();
    let replies = client.feed_split(&bench.engine, &requests, 0);
    assert_eq!(replies, "+RESET\r\n-ERR Protocol error: unauthenticated bulk length\r\n");
}

#[test]
fn what_stands_behind_a_command_that_waits_is_read_again() {
    let bench = Bench::new();
    let (mut waiting, mut other) = (bench.connect(), bench.connect());
    let first = bulks(&["BLPOP", "list", "0"]);
    let behind = [bulks(&["SET", "key", "value"]), bulks(&["GET", "key"])].concat();
    // The last request is incomplete when the first one blocks.
    for cut in 0..behind.len() {
        let mut held = [&first[..], &behind[..cut]].concat();
        let replies = waiting.feed(&bench.engine, &mut held);
        assert_eq!((replies.as_str(), held.as_slice()), ("", &behind[..cut]), "only the first request is used up");
        assert_eq!(other.run(&bench.engine, "RPUSH list element"), ":1");
        assert!(waiting.late_reply(&bench.engine).is_some());
        held.extend_from_slice(&behind[cut..]);
        assert_eq!(waiting.feed(&bench.engine, &mut held), "+OK\r\n$5\r\nvalue\r\n");
        assert!(held.is_empty());
    }
}

#[test]
fn a_database_selected_within_a_pipeline_is_the_one_that_is_used() {
    let bench = Bench::new();
    let requests = [
        bulks(&["SET", "key", "zero"]),
        bulks(&["SELECT", "3"]),
        bulks(&["GET", "key"]),
        bulks(&["SET", "key", "three"]),
        bulks(&["SELECT", "0"]),
        bulks(&["GET", "key"]),
    ]
    .concat();
    let replies = bench.connect().feed_split(&bench.engine, &requests, 0);
    assert_eq!(replies, "+OK\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$4\r\nzero\r\n");
}

#[test]
fn every_call_of_a_run_is_counted_for_its_command() {
    let bench = Bench::new();
    let requests = [bulks(&["SET", "key", "value"]), bulks(&["GET", "key"]).repeat(40), bulks(&["GET"])].concat();
    bench.connect().feed_split(&bench.engine, &requests, 0);
    let calls = |name: &str| {
        let command = bench.engine.registry.find(name.as_bytes()).expect("a command");
        bench.engine.stats.command(command.index).calls.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!((calls("SET"), calls("GET")), (1, 40));
}

#[test]
fn a_command_that_is_held_back_is_read_once() {
    let bench = Bench::new();
    let mut other = bench.connect();
    bench.engine.state.pause(PausePurpose::Client, PauseKind::Writes, START + 100_000);
    // Unescaping changes the buffer: read a second time, the words would be others.
    let mut held = b"SET key \"a\\\\x41 \\\"b\\\"\"\r\nGET key\r\n".to_vec();
    assert_eq!(other.feed(&bench.engine, &mut held), "");
    let postponed = other.session.postponed.take().expect("a write is held back");
    assert_eq!(&postponed[2], b"a\\x41 \"b\"");
    assert_eq!(held, b"GET key\r\n");
}
