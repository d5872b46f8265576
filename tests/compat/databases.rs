//! Databases do not show each other's keys, however many databases there are.

use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;

/// The maximum of `databases`; Redis has no limit but that of its integers.
const MOST: u64 = 262_144;

#[test]
fn a_write_to_a_database_appears_in_no_other() {
    let node = NodeSpec::new(Binary::Slotd).with("databases", &MOST.to_string()).start();
    let mut client = node.client();
    // Numbers that differ in one bit only, up to the last.
    let numbers: Vec<u64> = [0].into_iter().chain((0..18).map(|bit| 1 << bit)).chain([MOST - 1]).collect();
    for number in &numbers {
        client.ok(&format!("SELECT {number}"));
        client.ok(&format!("MSET a {number} b {number} c {number}"));
    }
    for number in &numbers {
        client.ok(&format!("SELECT {number}"));
        assert_eq!(client.cmd("DBSIZE").int(), 3, "database {number}");
        let values: Vec<String> = client.cmd("MGET a b c").items().iter().map(Value::text).collect();
        assert_eq!(values, vec![number.to_string(); 3], "database {number}");
    }
    assert_eq!(client.cmd(&format!("SELECT {MOST}")).text(), "ERR DB index is out of range");
}

#[test]
fn more_databases_than_can_be_kept_apart_are_refused_at_start_with_their_limit() {
    if slotd_is_stock() {
        return;
    }
    let (status, log) = NodeSpec::new(Binary::Slotd).with("databases", &(MOST + 1).to_string()).prepare().run_to_end();
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("argument must be between 1 and 262144 inclusive"), "{log}");
}
