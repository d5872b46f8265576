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
