//! The position of a message that a client's own command causes: with RESP3 after the reply of that command, never
//! inside it.
//!
//! Redis 7.0.15 writes the message where it is published: inside the array of EXEC, or between a command and its reply,
//! where a client takes it for the reply. Redis 7.2 and later and Valkey write it after the reply. With RESP2 only a
//! transaction can cause this, and there slotd follows 7.0.15.

use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::{Value, parse, split_line};
use integration::wait::secs;

use crate::check;

/// Sends the commands at once; returns the replies and pushes as text.
fn play(client: &mut integration::client::Client, commands: &[&str], frames: usize) -> Vec<String> {
    for line in commands {
        client.send(&split_line(line)).expect("sent");
    }
    (0..frames).map(|_| String::from_utf8_lossy(&client.frame(secs(10)).expect("a frame")).into_owned()).collect()
}

fn message(channel: &str, text: &str) -> String {
    format!(">3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{text}\r\n", channel.len(), text.len())
}

#[test]
fn a_push_never_stands_within_a_reply() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    assert!(!client.cmd("HELLO 3").is_error());
    play(&mut client, &["SUBSCRIBE a"], 1);
    assert_eq!(
        play(&mut client, &["MULTI", "PING", "PUBLISH a x", "PING", "EXEC"], 6)[4..],
        ["*3\r\n+PONG\r\n:1\r\n+PONG\r\n".to_owned(), message("a", "x")]
    );
    assert_eq!(
        play(&mut client, &["PING", "PUBLISH a y", "PING"], 4),
        ["+PONG\r\n".to_owned(), ":1\r\n".to_owned(), message("a", "y"), "+PONG\r\n".to_owned()]
    );
    // Confirmations are the replies of their commands.
    assert_eq!(
        play(&mut client, &["MULTI", "SUBSCRIBE b", "PUBLISH b m", "UNSUBSCRIBE b", "PING", "EXEC"], 7)[5..],
        [
            "*4\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n:1\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n+PONG\r\n".to_owned(),
            message("b", "m")
        ]
    );
    play(&mut client, &["CONFIG SET notify-keyspace-events KEA", "SUBSCRIBE __keyspace@0__:k"], 2);
    let set = message("__keyspace@0__:k", "set");
    assert_eq!(
        play(&mut client, &["SET k 1", "SET k 2"], 4),
        ["+OK\r\n".to_owned(), set.clone(), "+OK\r\n".to_owned(), set.clone()]
    );
    assert_eq!(
        play(&mut client, &["MULTI", "SET k 1", "GET k", "EXEC"], 5)[3..],
        ["*2\r\n+OK\r\n$1\r\n1\r\n".to_owned(), set.clone()]
    );
    // Pushes are not replies, so CLIENT REPLY OFF does not suppress them.
    assert_eq!(play(&mut client, &["CLIENT REPLY OFF", "SET k 4"], 1), [set]);
}

#[test]
fn messages_of_other_clients_come_between_replies() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    assert!(!client.cmd("HELLO 3").is_error());
    play(&mut client, &["SUBSCRIBE a"], 1);
    let mut other = node.client();
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for i in 0..500 {
                other.cmd(&format!("PUBLISH a {i}"));
            }
        });
        let (mut pushes, mut replies) = (0, 0);
        for _ in 0..500 {
            for line in ["MULTI", "PING", "PING", "EXEC"] {
                client.send(&split_line(line)).expect("sent");
            }
            while replies < 4 {
                let frame = client.frame(secs(10)).expect("a frame");
                match parse(&frame).expect("a frame").0 {
                    Value::Push(_) => pushes += 1,
                    Value::Array(items) => {
                        assert_eq!(items.len(), 2);
                        assert!(items.iter().all(|item| item.text() == "PONG"), "{items:?}");
                        replies += 1;
                    }
                    _ => replies += 1,
                }
            }
            replies = 0;
        }
        publisher.join().expect("the publisher ends");
        while pushes < 500 {
            client.frame(secs(10)).expect("a push");
            pushes += 1;
        }
    });
}

#[test]
fn with_resp2_a_transaction_reads_its_own_message_as_in_7_0() {
    check(
        "
== a transaction that publishes to itself
!resp2
MULTI
SUBSCRIBE b
PUBLISH b m
UNSUBSCRIBE b
PING
EXEC
!read
",
    );
}
