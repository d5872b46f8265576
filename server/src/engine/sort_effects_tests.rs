//! What SORT leaves behind besides the reply, and that only patterns make it run alone.

use protocol::slot::key_slot;

use crate::testing::{Bench, check_effects};

#[test]
fn a_sort_is_propagated_if_it_stored() {
    let list = "RPUSH l 2 1";
    check_effects(&[list], "SORT l", &[], &[]);
    check_effects(&[list], "SORT l BY w* GET #", &[], &["keymiss w2", "keymiss w1"]);
    check_effects(&[list], "SORT l STORE d", &["SORT l STORE d"], &["new d", "sortstore d"]);
    check_effects(&[list, "SET d v"], "SORT l STORE d", &["SORT l STORE d"], &["sortstore d"]);
    check_effects(&[list, "SET d v"], "SORT l LIMIT 5 1 STORE d", &["SORT l LIMIT 5 1 STORE d"], &["del d"]);
    check_effects(&["SET d v"], "SORT l STORE d", &["SORT l STORE d"], &["keymiss l", "del d"]);
    check_effects(&[], "SORT l STORE d", &[], &["keymiss l"]);
    let by = "SORT l BY w* GET v* STORE d";
    check_effects(&[list, "MSET w1 2 w2 1 v1 a v2 b"], by, &[by], &["new d", "sortstore d"]);
}

#[test]
fn a_pattern_reaches_keys_of_any_slot() {
    let mut bench = Bench::new();
    bench.run("RPUSH l 2 1 3");
    bench.run("MSET w1 3 w2 2 w3 1 v1 a v2 b v3 c");
    assert_eq!(bench.run("SORT l BY w* GET v*"), "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na");
    bench.run("MULTI");
    bench.run("SORT l BY w* STORE d");
    assert_eq!(bench.run("EXEC"), "*1\r\n:3");
}

#[test]
fn without_patterns_other_slots_are_not_waited_for() {
    let mut bench = Bench::new();
    bench.run("RPUSH l 2 1");
    let engine = bench.engine.clone();
    let _other = engine.keyspace.lock(0, key_slot(b"other"));
    assert_eq!(bench.run("SORT l BY nosort GET # STORE d"), ":2");
}
