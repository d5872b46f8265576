//! SCAN: its options and errors. What a full iteration returns is compared as a set, since cursors are the server's
//! own.

use std::collections::BTreeSet;

use integration::node::NodeSpec;
use integration::oracle::Binary;

use crate::check;

#[test]
fn options_and_errors() {
    check(
        r#"
SCAN
SCAN 0
SCAN abc
SCAN -1
SCAN 0 COUNT
SCAN 0 COUNT 0
SCAN 0 COUNT -5
SCAN 0 COUNT abc
SCAN 0 MATCH
SCAN 0 BAD x
SCAN 0 TYPE
SCAN 18446744073709551616
SCAN "0 "
SCAN 0 COUNT 100
SCAN 0 TYPE nosuchtype
SET k v
RPUSH l a
SCAN 0 COUNT 100 TYPE string
SCAN 0 COUNT 100 TYPE list
SCAN 0 COUNT 100 TYPE LIST
HSET h f v
SCAN 0 COUNT 100 TYPE hash
SCAN 0 COUNT 100 MATCH k*
SCAN 0 COUNT 100 MATCH k* TYPE string
SCAN 0 count 100 match x* type string
SCAN 0 COUNT 9223372036854775807 MATCH k
SCAN 0 COUNT 9223372036854775808
{sorted} SCAN 0 COUNT 100
SET gone v PX 1
!sleep 5
SCAN 0 COUNT 100 MATCH gone
"#,
    );
}

/// The guarantee of SCAN: a key that exists during the whole iteration is returned, also while other keys come and go.
#[test]
fn a_full_iteration_returns_every_key_that_stays() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    for i in 0..5_000 {
        client.ok(&format!("SET stays:{i} v"));
    }
    let (mut seen, mut cursor, mut round) = (BTreeSet::new(), "0".to_owned(), 0);
    loop {
        let reply = client.cmd(&format!("SCAN {cursor} MATCH stays:* COUNT 50"));
        seen.extend(reply.items()[1].items().iter().map(integration::resp::Value::text));
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
        for i in 0..40 {
            client.ok(&format!("SET comes:{round}:{i} v"));
            client.cmd(&format!("DEL comes:{}:{i}", round - 3));
        }
        round += 1;
        assert!(round < 20_000, "the iteration ends");
    }
    assert_eq!(seen.len(), 5_000);
}

#[test]
fn counts_are_hints_and_every_key_comes_once_when_nothing_changes() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    for i in 0..1_000 {
        client.ok(&format!("SET k:{i} v"));
    }
    for count in [1, 10, 1_000, 100_000] {
        let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let reply = client.cmd(&format!("SCAN {cursor} COUNT {count}"));
            seen.extend(reply.items()[1].items().iter().map(integration::resp::Value::text));
            cursor = reply.items()[0].text();
            if cursor == "0" {
                break;
            }
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (1_000, 1_000), "COUNT {count}");
    }
}
