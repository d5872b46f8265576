//! Tests of the harness itself: a wrong harness would make every other test worthless.

mod port_probe;

use integration::client::{Client, Silence};
use integration::cluster::parse_nodes;
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::ports;
use integration::redis_cli::redis_cli;
use integration::resp::{ParseError, Value, encode, key_slot, parse, split_line};
use integration::wait::secs;

#[test]
fn replies_of_both_protocols_are_read_with_their_exact_length() {
    let cases: [(&[u8], Value); 9] = [
        (b"+OK\r\n", Value::Simple("OK".into())),
        (b"-ERR no\r\n", Value::Error("ERR no".into())),
        (b":-5\r\n", Value::Int(-5)),
        (b"$3\r\na\r\n\r\n", Value::Bulk(b"a\r\n".to_vec())),
        (b"$-1\r\n", Value::Null),
        (b"*2\r\n:1\r\n*-1\r\n", Value::Array(vec![Value::Int(1), Value::Null])),
        (b"%1\r\n+a\r\n#t\r\n", Value::Map(vec![(Value::Simple("a".into()), Value::Bool(true))])),
        (b">1\r\n_\r\n", Value::Push(vec![Value::Null])),
        (b",1.5\r\n", Value::Double("1.5".into())),
    ];
    for (bytes, expected) in cases {
        let mut more = bytes.to_vec();
        more.extend_from_slice(b"+next\r\n");
        assert_eq!(parse(&more), Ok((expected, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Err(ParseError::Incomplete), "{} cut at {cut}", bytes.escape_ascii());
        }
    }
    assert!(matches!(parse(b"?\r\n"), Err(ParseError::Broken(_))));
}

#[test]
fn command_lines_are_split_as_redis_cli_does() {
    assert_eq!(split_line(r#"SET "a b\x00\n" 'c\'d' """#), [&b"SET"[..], b"a b\x00\n", b"c'd", b""]);
    assert_eq!(encode(&["PING"]), b"*1\r\n$4\r\nPING\r\n");
}

#[test]
fn hash_slots_are_those_of_the_cluster_specification() {
    assert_eq!(key_slot(b"123456789"), 0x31C3);
    assert_eq!(key_slot(b"foo"), 12182);
    assert_eq!(key_slot(b"a{foo}b{bar}"), 12182);
    assert_eq!(key_slot(b"foo{}{bar}"), 8363);
}

#[test]
fn two_leases_never_share_a_port() {
    let leases: Vec<_> = (0..20).map(|_| ports::lease()).collect();
    for (i, a) in leases.iter().enumerate() {
        assert!(a.bus_port() < 55_535);
        assert!(leases[i + 1..].iter().all(|b| b.port() != a.port() && b.bus_port() != a.port()));
    }
}

#[test]
fn a_node_starts_answers_freezes_and_ends() {
    let mut node = NodeSpec::new(Binary::Stock).with("maxmemory", "50mb").start();
    assert_eq!(node.cmd("CONFIG GET maxmemory").items()[1].text(), "52428800");
    let cli = redis_cli(&["-p", &node.port().to_string(), "ping"]).expect_success();
    assert_eq!(cli.stdout.trim(), "PONG");
    let mut client = node.client();
    node.freeze();
    client.send(&["PING"]).expect("the socket's buffer takes it");
    assert!(matches!(client.reply(std::time::Duration::from_millis(100)), Err(Silence::Timeout)));
    node.thaw();
    assert_eq!(client.reply(secs(5)).expect("the reply of before").text(), "PONG");
    node.kill();
    assert!(Client::connect(node.port()).is_err());
    assert!(node.log().contains("Ready to accept connections"));
    node.restart();
    assert_eq!(node.cmd("PING").text(), "PONG");
}

#[test]
fn cluster_nodes_lines_are_read_field_by_field() {
    let id = "07c37dfeb235213a872192d90877d0cd55635b91";
    let primary = "e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca";
    let text = format!(
        "{id} 127.0.0.1:30004@31004,host slave,fail? {primary} 0 1426238317239 4 connected\n\
         {primary} 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 5470 [5471->-{id}]\n"
    );
    let lines = parse_nodes(&text);
    assert_eq!((lines[0].port, lines[0].bus_port, lines[0].primary.as_deref()), (30004, 31004, Some(primary)));
    assert!(lines[0].has("fail?") && !lines[0].has("fail"));
    assert_eq!(lines[1].slot_count(), 5462);
    assert_eq!(lines[1].open_slots, [format!("[5471->-{id}]")]);
}
