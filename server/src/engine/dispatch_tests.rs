//! Tests of the way from bytes to executed commands.

use crate::engine::testing::Bench;

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
