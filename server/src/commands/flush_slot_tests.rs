//! What removing a slot's keys leaves behind.

use crate::testing::Bench;

#[test]
fn every_key_of_the_slot_and_no_other_is_removed_and_propagated() {
    let mut bench = Bench::with(&[("cluster-enabled", "yes")]);
    for index in 0..600 {
        bench.run(&format!("SET {{t}}{index} v"));
    }
    bench.run("SET other v");
    bench.run("LPUSH {t}list a");
    bench.propagated();
    bench.events();
    let slot = protocol::slot::key_slot(b"t").get();
    assert_eq!(bench.run(&format!("CLUSTER FLUSHSLOT {slot} ASYNC")), "+OK");
    let mut deleted: Vec<String> =
        bench.propagated().into_iter().filter(|line| line != "MULTI" && line != "EXEC").collect();
    deleted.sort();
    deleted.dedup();
    assert_eq!(deleted.len(), 601);
    assert!(deleted.iter().all(|line| line.starts_with("DEL {t}")), "{deleted:?}");
    assert_eq!(bench.events(), Vec::<String>::new());
    assert_eq!((bench.run("DBSIZE"), bench.run("GET other")), (":1".to_owned(), "$1\r\nv".to_owned()));
    assert_eq!(bench.run(&format!("CLUSTER FLUSHSLOT {slot}")), "+OK");
    assert_eq!(bench.propagated(), Vec::<String>::new(), "there was nothing left");
}

#[test]
fn a_transaction_keeps_its_order() {
    let mut bench = Bench::with(&[("cluster-enabled", "yes")]);
    let slot = protocol::slot::key_slot(b"t").get();
    bench.run("SET {t}1 v");
    bench.propagated();
    for line in ["MULTI", "SET {t}2 v", &format!("CLUSTER FLUSHSLOT {slot}"), "SET {t}3 v"] {
        bench.run(line);
    }
    bench.run("EXEC");
    let propagated = bench.propagated();
    assert_eq!(propagated.len(), 6, "{propagated:?}");
    assert_eq!((propagated[1].as_str(), propagated[4].as_str()), ("SET {t}2 v", "SET {t}3 v"));
}

#[test]
fn a_watched_key_has_changed() {
    let mut bench = Bench::with(&[("cluster-enabled", "yes")]);
    let slot = protocol::slot::key_slot(b"t").get();
    let mut other = bench.connect();
    bench.run("SET {t} v");
    bench.run("WATCH {t}");
    bench.run("MULTI");
    other.run(&bench.engine, &format!("CLUSTER FLUSHSLOT {slot}"));
    assert_eq!(bench.run("EXEC"), "*-1");
}
