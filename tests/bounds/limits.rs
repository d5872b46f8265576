//! `client-output-buffer-limit` and `client-query-buffer-limit` apply at the moment when a buffer grows, whatever makes
//! it grow.

use std::time::Duration;

use integration::client::Client;
use integration::node::Node;
use integration::oracle::slotd_is_stock;
use integration::resp::encode;
use integration::wait::{secs, wait_until};

use crate::{MIB, request_of, start};

/// A server whose clients may be sent 10 MB, with a string and a list of 4 MiB each.
fn limited() -> Node {
    let node = start();
    let mut client = node.client();
    client.ok("CONFIG SET client-output-buffer-limit \"normal 10mb 0 0\"");
    client.send_raw(&request_of(&["SET", "k"], 4 << 20)).expect("sent");
    assert!(client.reply(secs(20)).expect("a reply").is_ok());
    for _ in 0..20 {
        client.send_raw(&request_of(&["RPUSH", "list"], 1 << 20)).expect("sent");
        client.reply(secs(20)).expect("a reply");
    }
    node
}

#[test]
fn a_reply_beyond_the_output_limit_closes_the_client_and_is_not_held() {
    let mget: Vec<&str> = ["MGET"].into_iter().chain(["k"; 200]).collect();
    let exec =
        [encode(&["MULTI"]), encode(&["GET", "k"]).repeat(200), encode(&["SET", "done", "EXEC"]), encode(&["EXEC"])];
    let cases = [
        ("MGET", encode(&mget)),
        ("LRANGE", encode(&["LRANGE", "list", "0", "-1"])),
        ("EXEC", exec.concat()),
        (
            "MGET in EXEC",
            [encode(&["MULTI"]), encode(&mget), encode(&["SET", "done", "MGET in EXEC"]), encode(&["EXEC"])].concat(),
        ),
    ];
    let node = limited();
    let before = node.resident("VmHWM");
    for (what, request) in cases {
        let mut client = node.client();
        client.send_raw(&request).expect("sent");
        let said = client.expect_close(secs(20));
        assert!(said.len() < 10_000, "{what}: {} bytes were sent", said.len());
        if what.ends_with("EXEC") {
            assert_eq!(node.cmd("GET done").text(), what, "a transaction is carried out whole all the same");
        }
    }
    let most = node.resident("VmHWM") - before;
    // The limit, a reply that reaches it, and the copy made by growing.
    assert!(most <= 60 * MIB, "{most} bytes at most");
    assert_eq!(node.log().matches("for overcoming of output buffer limits").count(), 4);
    assert_eq!(node.cmd("STRLEN k").text(), (4 << 20).to_string(), "others are served");
}

#[test]
fn a_reply_within_the_output_limit_is_sent_however_slowly_it_is_read() {
    let node = limited();
    let mut client = node.client();
    client.send(&["MGET", "k", "k"]).expect("sent");
    std::thread::sleep(Duration::from_secs(2));
    // `*2`, and twice a header of ten bytes, the string and the end of the line.
    assert_eq!(client.frame(secs(20)).expect("a reply").len(), 4 + 2 * (10 + (4 << 20) + 2));
}

#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let node = start();
    node.client().ok("CONFIG SET client-output-buffer-limit \"pubsub 8mb 0 0\"");
    let before = node.resident("VmHWM");
    let mut subscriber = node.client();
    subscriber.cmd("SUBSCRIBE news");
    let mut publisher = node.client();
    let message = request_of(&["PUBLISH", "news"], 1 << 20);
    let mut receivers = 1;
    for _ in 0..100 {
        publisher.send_raw(&message).expect("sent");
        receivers = publisher.reply(secs(20)).expect("a reply").int();
    }
    assert_eq!(receivers, 0);
    let most = node.resident("VmHWM") - before;
    assert!(most <= 40 * MIB, "{most} bytes at most");
}

/// Sends until the server closes the connection; returns whether it did within `bytes`.
fn closes_within(client: &mut Client, bytes: usize) -> bool {
    let chunk = [b'x'; 64 << 10];
    for _ in 0..bytes / chunk.len() {
        if client.send_raw(&chunk).is_err() {
            return true;
        }
    }
    false
}

#[test]
fn a_client_that_sends_more_than_its_query_limit_is_closed() {
    let node = start();
    node.client().ok("CONFIG SET client-query-buffer-limit 1mb");
    let argument = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n";
    for (what, first) in [("alone", Vec::new()), ("behind a blocked command", encode(&["BLPOP", "nothing", "0"]))] {
        let mut client = node.client();
        client.send_raw(&[first, argument.to_vec()].concat()).expect("sent");
        assert!(closes_within(&mut client, 50 << 20), "{what}");
    }
    if !slotd_is_stock() {
        // Since Redis 7.2 commands queued for EXEC count as well.
        let mut client = node.client();
        client.ok("MULTI");
        let queued = request_of(&["SET", "k"], 60_000);
        assert!((0..1000).any(|_| client.send_raw(&queued).is_err()), "in MULTI");
    }
    wait_until("the log to tell of it", secs(5), || {
        let wanted = if slotd_is_stock() { 2 } else { 3 };
        node.log().matches("Closing client that reached max query buffer length").count() == wanted
    });
    // A long command within the limit is not affected.
    let mut client = node.client();
    client.send_raw(&request_of(&["SET", "k"], 900_000)).expect("sent");
    assert!(client.reply(secs(20)).expect("a reply").is_ok());
}

#[test]
fn what_clients_hold_is_shown() {
    let node = start();
    let field = |line: &str, name: &str| -> usize {
        let value = line.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).expect("a field");
        value.parse().expect("a number")
    };
    let line_of = |client: &Client| {
        let (list, address) = (node.cmd("CLIENT LIST").text(), format!(" addr={} ", client.local_addr()));
        list.lines().find(|line| line.contains(&address)).expect("the client is listed").to_owned()
    };
    let mut sender = node.client();
    sender
        .send_raw(&[b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n".to_vec(), vec![b'v'; 500_000]].concat())
        .expect("sent");
    wait_until("qbuf to tell what was sent", secs(10), || {
        (500_000..510_000).contains(&field(&line_of(&sender), "qbuf"))
    });
    assert!(field(&line_of(&sender), "tot-mem") >= 500_000);
    let recent = |name: &str| node.info(name).parse::<usize>().expect("a number");
    assert!(recent("client_recent_max_input_buffer") >= 500_000);

    let mut reader = node.client();
    reader.send_raw(&request_of(&["SET", "big"], 20 << 20)).expect("sent");
    assert!(reader.reply(secs(20)).expect("a reply").is_ok());
    reader.send(&["GET", "big"]).expect("sent");
    wait_until("omem to tell what is unread", secs(10), || field(&line_of(&reader), "omem") >= 1 << 20);
    wait_until("INFO to tell of it", secs(10), || recent("client_recent_max_output_buffer") >= 1 << 20);
    reader.frame(secs(20)).expect("a reply");
    wait_until("omem to be nothing again", secs(10), || field(&line_of(&reader), "omem") == 0);
}

/// Echoes a megabyte so often; all replies come.
fn echo(client: &mut Client, times: usize) {
    let message = request_of(&["ECHO"], 1 << 20);
    for _ in 0..times {
        client.send_raw(&message).expect("sent");
        client.reply(secs(20)).expect("a reply");
    }
}

#[test]
fn a_monitor_that_does_not_read_is_closed() {
    // Where ordinary clients have no limit, that of subscribers holds; in Redis such a monitor is never closed.
    let limits: &[&str] = if slotd_is_stock() { &["normal 8mb 0 0"] } else { &["pubsub 8mb 0 0", "normal 8mb 0 0"] };
    for limit in limits {
        let node = start();
        node.client().ok(&format!("CONFIG SET client-output-buffer-limit \"{limit}\""));
        let before = node.resident("VmHWM");
        let (mut monitor, mut reader) = (node.client(), node.client());
        monitor.ok("MONITOR");
        reader.ok("MONITOR");
        let mut client = node.client();
        for _ in 0..100 {
            echo(&mut client, 1);
            assert!(reader.frame(secs(20)).expect("a line").len() > 1 << 20, "one that reads gets all");
        }
        monitor.expect_close(secs(20));
        let most = node.resident("VmHWM") - before;
        assert!(most <= 60 * MIB, "{most} bytes at most");
        assert_eq!(node.log().matches("for overcoming of output buffer limits").count(), 1);
        assert_eq!(node.info("connected_clients"), "3", "the reader, the client, and who asks");
    }
}

#[test]
fn a_command_too_long_for_every_monitor_closes_them_and_is_executed() {
    if slotd_is_stock() {
        return;
    }
    let node = start();
    let mut monitor = node.client();
    monitor.ok("MONITOR");
    let before = node.resident("VmHWM");
    echo(&mut node.client(), 1);
    assert!(monitor.frame(secs(20)).expect("a line").len() > 1 << 20);
    let mut client = node.client();
    client.send_raw(&request_of(&["SET", "k"], 100 << 20)).expect("sent");
    assert!(client.reply(secs(60)).expect("a reply").is_ok());
    monitor.expect_close(secs(20));
    let most = node.resident("VmHWM") - before;
    assert!(most <= 200 * MIB, "{most} bytes for a value of 100 MiB and a line that is not built");
}
