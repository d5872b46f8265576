//! What monitors are shown.

use super::*;
use crate::testing::{Bench, Client};

/// The lines that a client was sent since the last call, without their times.
fn lines(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    client.session.handle.take_pushes(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (stamp, rest) = text.split_once(' ').expect("a time and the rest");
        assert!(stamp.starts_with("+1000000000.") && stamp.len() == 18, "{stamp}");
        lines.push(rest.trim_end().split_once("] ").expect("an address").1.to_owned());
    });
    lines
}

/// A bench with a monitor.
fn watched() -> (Bench, Client) {
    let bench = Bench::new();
    let mut monitor = bench.connect();
    assert_eq!(monitor.run(&bench.engine, "MONITOR"), "+OK");
    (bench, monitor)
}

#[test]
fn a_command_is_shown_once_however_often_it_waits() {
    let (mut bench, monitor) = watched();
    bench.run("BLPOP list 0");
    assert_eq!(lines(&monitor), [r#""BLPOP" "list" "0""#]);
    let mut other = bench.connect();
    other.run(&bench.engine, "RPUSH list a");
    assert_eq!(lines(&monitor), [r#""RPUSH" "list" "a""#]);
}

#[test]
fn a_command_that_runs_again_from_the_start_is_not_shown_again() {
    let (bench, monitor) = watched();
    let mut client = bench.connect();
    client.session.is_shown = true;
    client.run(&bench.engine, "GET key");
    client.run(&bench.engine, "GET other");
    assert_eq!(lines(&monitor), [r#""GET" "other""#]);
}

#[test]
fn passwords_are_shown_to_nobody() {
    let (bench, monitor) = watched();
    let mut client = bench.connect();
    for line in [
        "AUTH secret",
        "AUTH default secret",
        "AUTH a b secret",
        "HELLO 2 AUTH default secret SETNAME auth",
        "HELLO 2 SETNAME auth AUTH default secret",
        "HELLO 2 AUTH default secret AUTH default secret",
        "HELLO 2 AUTH",
        "MIGRATE host 1 k 0 1 AUTH secret",
        "MIGRATE host 1 k 0 1 COPY REPLACE AUTH2 user secret",
        "MIGRATE host 1 k 0 1 AUTH",
    ] {
        client.run(&bench.engine, line);
    }
    let shown = lines(&monitor);
    assert_eq!(shown.len(), 10);
    assert!(shown.iter().all(|line| !line.contains("secret")), "{shown:?}");
    assert_eq!(shown[3], r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "auth""#);
}

#[test]
fn nothing_is_shown_while_data_are_loaded() {
    let (bench, monitor) = watched();
    let mut client = bench.connect();
    bench.engine.state.loading.store(true, Ordering::Relaxed);
    client.run(&bench.engine, "PING");
    bench.engine.state.loading.store(false, Ordering::Relaxed);
    client.run(&bench.engine, "ECHO x");
    assert_eq!(lines(&monitor), [r#""ECHO" "x""#]);
}

#[test]
fn a_session_that_ends_leaves_the_monitors() {
    let (bench, mut monitor) = watched();
    bench.engine.end_session(&mut monitor.session);
    assert!(!bench.engine.monitors.any());
}

#[test]
fn a_line_longer_than_the_limit_is_not_built() {
    let (bench, monitor) = watched();
    let word = "x".repeat(1000);
    let args = protocol::resp::OwnedArgs::from_slices(&["ECHO", &word, &word]);
    let command = bench.engine.registry.find(b"echo").expect("it is there");
    let mut line = line_of(&monitor.session, command, args.view(), (None, 100));
    assert!((100..200).contains(&line.text().len()), "{}", line.text().len());
}
