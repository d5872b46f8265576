//! Lines and who gets them.

use super::*;

fn client(id: u64) -> Arc<ClientHandle> {
    ClientHandle::new(id, String::new(), String::new(), -1, 0)
}

fn line(text: &str) -> Line {
    let mut line = Line::new();
    line.text().extend_from_slice(text.as_bytes());
    line
}

fn received(client: &ClientHandle) -> Vec<String> {
    let mut lines = Vec::new();
    client.take_pushes(|bytes| lines.push(String::from_utf8_lossy(bytes).into_owned()));
    lines
}

#[test]
fn a_line_begins_with_seconds_and_six_digits_of_their_fraction() {
    assert_eq!(line("x").stamped(1_700_000_000_000_042), "+1700000000.000042 x");
    assert_eq!(line("x").stamped(999_999), "+0.999999 x");
    assert_eq!(line("x").stamped(i64::MAX), "+9223372036854.775807 x");
}

#[test]
fn every_monitor_gets_a_line_once_until_it_leaves() {
    let (monitors, a, b) = (Monitors::default(), client(1), client(2));
    assert!(!monitors.any());
    monitors.join(&a);
    monitors.join(&a);
    monitors.join(&b);
    assert!(monitors.send(line("one"), || 0, None, 0).is_empty());
    monitors.send(line("two"), || 0, Some(&a), 0);
    monitors.leave(&b);
    monitors.send(line("three"), || 0, None, 0);
    assert_eq!(received(&a), ["+0.000000 one", "+0.000000 three"]);
    assert_eq!(received(&b), ["+0.000000 one", "+0.000000 two"]);
    assert!(monitors.any());
    monitors.leave(&a);
    assert!(!monitors.any(), "nobody listens");
}

#[test]
fn a_monitor_that_does_not_read_is_closed_at_the_limit_and_reported_once() {
    let (monitors, reads, sleeps) = (Monitors::default(), client(1), client(2));
    monitors.join(&reads);
    monitors.join(&sleeps);
    for round in 0..10 {
        let closed = monitors.send(line(&"x".repeat(100)), || 0, None, 500);
        received(&reads);
        let ids: Vec<u64> = closed.iter().map(|client| client.id).collect();
        assert_eq!(ids, if round == 4 { vec![2] } else { vec![] }, "{round}");
    }
    assert!(sleeps.is_killed() && !reads.is_killed());
    assert!(received(&sleeps).len() <= 4, "what it was sent after its end is not kept");
}
