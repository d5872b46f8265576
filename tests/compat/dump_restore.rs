//! DUMP and RESTORE: the payload is equal to Redis's, byte for byte, and each server restores the other's.

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::Value;

use crate::check;

#[test]
fn payloads_are_equal_byte_for_byte() {
    check(
        r#"
== strings
SET k v
DUMP k
SET k ""
DUMP k
SET k 0
DUMP k
SET k 127
DUMP k
SET k 128
DUMP k
SET k -128
DUMP k
SET k -129
DUMP k
SET k 32767
DUMP k
SET k 32768
DUMP k
SET k 2147483647
DUMP k
SET k 2147483648
DUMP k
SET k -2147483648
DUMP k
SET k 9223372036854775807
DUMP k
SET k 12a
DUMP k
SET k 0123
DUMP k
SET k "binary\x00\xff"
DUMP k
SET k 0123456789012345678901234567890123456789012345678901234567890123456789
DUMP k
DUMP missing
SET t v EX 100
DUMP t
APPEND n 12
DUMP n
== lists
RPUSH l a
DUMP l
RPUSH l 1 -1 127 128 4095 4096 32768 -32769 8388608 2147483648 9223372036854775807 -9223372036854775808
DUMP l
RPUSH l "" 0123 1.5 "\x00"
DUMP l
!config list-max-listpack-size 2
RPUSH m 1 2 3 4 5
DUMP m
"#,
    );
}

#[test]
fn restore_options_and_errors() {
    check(
        r#"
SET k value
!let dump DUMP k
RESTORE k 0 $dump
RESTORE k 0 $dump REPLACE
RESTORE k2 0 $dump
GET k2
TTL k2
RESTORE k3 100000 $dump
{near 500} PTTL k3
RESTORE k4 -1 $dump
RESTORE k4 abc $dump
RESTORE k4 9223372036854775808 $dump
RESTORE k4 33177117420000 $dump ABSTTL
PEXPIRETIME k4
RESTORE k5 1 $dump ABSTTL
EXISTS k5
RESTORE k4 1 $dump ABSTTL REPLACE
EXISTS k4
RESTORE k6 0 $dump ABSTTL
TTL k6
RESTORE k7 0 $dump IDLETIME 100
{near 1} OBJECT IDLETIME k7
RESTORE k8 0 $dump IDLETIME -1
RESTORE k8 0 $dump IDLETIME abc
RESTORE k8 0 $dump IDLETIME
RESTORE k8 0 $dump FREQ 5
RESTORE k9 0 $dump FREQ -1
RESTORE k9 0 $dump FREQ 256
RESTORE k9 0 $dump FREQ 5 IDLETIME 5
RESTORE k9 0 $dump IDLETIME 5 FREQ 5
RESTORE k9 0 $dump BAD
RESTORE k9 0 $dump replace absttl
RESTORE bad 0 garbage
RESTORE bad 0 ""
RESTORE bad 0 "\x00\x03abc\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"
RESTORE bad 0 "\x00\x03abc\x0a\x00\x01\x02\x03\x04\x05\x06\x07\x08"
RESTORE bad 0 "\x00\xff"
RESTORE k 0 garbage
RESTORE k 0 garbage REPLACE
RESTORE zm1 0 "\x09\x07\xfe\x01a\x01\x00b\xff\x0a\x00(\xfb\xb6C\x9cR\x8b\x07"
RESTORE zm2 0 "\x09\x07\xff\x01a\x01\x00b\xff\x0a\x00\x8c\x0fP\xb4Rp\xf1\x18"
RESTORE zm3 0 "\x09\x07\x01\x01a\x01\x00b\xff\x0a\x00Q\x1aC\x9e\x1bQa\xfc"
RESTORE zm4 0 "\x09\x07\x02\x01a\x01\x00b\xff\x0a\x00\xbd\x07h\x86H6\xef\xdd"
EXISTS bad
RPUSH l a b c
!let dump DUMP l
RESTORE l2 0 $dump
LRANGE l2 0 -1
RESTORE k2 0 $dump REPLACE
TYPE k2
OBJECT ENCODING k2
"#,
    );
}

/// A payload of one server can be restored by the other, however it was compressed.
#[test]
fn payloads_go_both_ways() {
    let stock = NodeSpec::new(Binary::Stock).start();
    let slotd = NodeSpec::new(Binary::Slotd).start();
    for node in [&stock, &slotd] {
        let mut client = node.client();
        for i in 0..400 {
            client.cmd(&format!("RPUSH list a-rather-repetitive-element-with-number-{i}"));
        }
        client.call(&["SET", "compressible", &"abcabcabd".repeat(5_000)]);
        client.call(&["SET", "flat", &"x".repeat(100_000)]);
        client.call(&["RPUSH", "big", &"y".repeat(20_000), "small", &"z".repeat(70_000)]);
        client.cmd("SET number 12345");
    }
    for key in ["list", "compressible", "flat", "big", "number"] {
        carry(&stock, &slotd, key);
        carry(&slotd, &stock, key);
    }
}

#[track_caller]
fn carry(from: &Node, to: &Node, key: &str) {
    let Value::Bulk(payload) = from.cmd(&format!("DUMP {key}")) else { panic!("{key} is there") };
    let mut client = to.client();
    let reply = client.call(&[b"RESTORE", b"carried", &b"0"[..], &payload, b"REPLACE"]);
    assert!(reply.is_ok(), "{key}: {reply:?}");
    let read = |node: &Node, name: &str| match node.cmd(&format!("TYPE {name}")).text().as_str() {
        "list" => node.cmd(&format!("LRANGE {name} 0 -1")),
        _ => node.cmd(&format!("GET {name}")),
    };
    assert!(read(from, key) == read(to, "carried"), "{key} came out different");
}

/// A payload of a sorted set in one listpack; the checksum is that of nothing.
fn small_zset(elements: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut entries = Vec::new();
    for text in elements.iter().flat_map(|(member, score)| [member, score]) {
        let start = entries.len();
        match text.len() {
            len @ 0..=63 => entries.push(0x80 | len as u8),
            len => entries.extend([0xe0 | (len >> 8) as u8, len as u8]),
        }
        entries.extend_from_slice(text);
        // The length of an entry, seven bits per byte, to be read from its end.
        match entries.len() - start {
            len @ 0..=127 => entries.push(len as u8),
            len => entries.extend([(len >> 7) as u8, len as u8 | 0x80]),
        }
    }
    let total = 6 + entries.len() + 1;
    let mut payload = vec![0x11];
    match total {
        0..=63 => payload.push(total as u8),
        _ => payload.extend([0x40 | (total >> 8) as u8, total as u8]),
    }
    payload.extend((total as u32).to_le_bytes());
    payload.extend((2 * elements.len() as u16).to_le_bytes());
    payload.extend(entries);
    payload.extend([0xff, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    payload
}

fn quoted(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("\\x{byte:02x}"))
}

/// Redis reads scores of a listpack with `strtod`, and does not ask whether it has read all of the text.
#[test]
fn scores_of_small_sorted_sets_are_read_as_numbers_whatever_their_text() {
    let long = [&b"1"[..].repeat(126), &b"e9"[..]].concat();
    let texts: [&[u8]; 42] = [
        b"2.50",
        b"1e1",
        b" 3",
        b"\t3",
        b"3 ",
        b"3x",
        b"x",
        b"",
        b"0x10",
        b"0x1.8p3",
        b"0x1p2000",
        b"0x1p-2000",
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"inf",
        b"+inf",
        b"-INFINITY",
        b"infinityx",
        b"1e",
        b"1e+",
        b"1e5x",
        b"+5",
        b"--5",
        b".",
        b".5",
        b"5.",
        b"007",
        b"1_0",
        b"1,5",
        b"0",
        b"0x",
        b"-0x",
        b"0xg",
        b"-0",
        b"+0",
        b"9223372036854775808",
        b"4.9e-324",
        b"1.7976931348623157e309",
        &[b'7'; 200],
        &long,
        b"1.0000000000000000000001",
    ];
    let mut script = "DEBUG SET-SKIP-CHECKSUM-VALIDATION 1\n".to_owned();
    for text in texts {
        let payload = quoted(&small_zset(&[(b"a", text)]));
        script +=
            &format!("RESTORE z 0 \"{payload}\" REPLACE\nZSCORE z a\nZRANGE z 0 -1 WITHSCORES\nZSCAN z 0\nDUMP z\n");
        script += "ZADD z 1e5 b\nZRANGE z 0 -1 WITHSCORES\nZINCRBY z 1 b\nDUMP z\n";
    }
    script += "\
== what Redis takes, although it is no sorted set
{7.2 \"-ERR Bad data format\\r\\n\"} RESTORE z 0 \"NAN\"
{7.2 \"-ERR Bad data format\\r\\n\"} RESTORE z 0 \"ORDER\"
";
    script = script.replace("NAN", &quoted(&small_zset(&[(b"a", b"nan")])));
    script = script.replace("ORDER", &quoted(&small_zset(&[(b"a", b"2"), (b"b", b"1")])));
    check(&script);
}
