//! What a writable replica removes by itself.

use std::sync::atomic::Ordering;

use super::*;
use crate::testing::Bench;

/// A replica that its clients may write to, with a key `theirs` of its primary that expires with the others.
fn replica() -> Bench {
    let mut bench = Bench::with(&[("replica-read-only", "no")]);
    bench.run("SET theirs v PX 100");
    bench.engine.state.replica.store(true, Ordering::Relaxed);
    bench.engine.state.primary_link_up.store(true, Ordering::Relaxed);
    bench.propagated();
    bench.events();
    bench
}

fn remembered(bench: &Bench) -> usize {
    bench.engine.local_expiries.len()
}

#[test]
fn a_replica_removes_keys_to_which_its_clients_gave_an_expiry() {
    let mut bench = replica();
    bench.run("SET ours v PX 100");
    assert_eq!(remembered(&bench), 1);
    assert_eq!(bench.engine.expire_cycle(100), 0, "not due yet");
    bench.propagated();
    bench.events();
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(100), 1);
    assert_eq!(bench.propagated(), [""; 0], "nobody else has the key");
    assert_eq!(bench.events(), ["expired ours"]);
    assert_eq!(bench.engine.stats.expired_keys.load(Ordering::Relaxed), 1);
    assert_eq!(bench.run("DBSIZE"), ":1", "the primary says when the other goes");
    assert_eq!(remembered(&bench), 0);
}

#[test]
fn every_way_to_give_an_expiry_is_noted() {
    for (number, line) in [
        "SET k v EX 1",
        "SETEX k 1 v",
        "EXPIRE base 1",
        "PEXPIREAT base 1000000001000",
        "GETEX base EX 1",
        "COPY expiring k",
        "COPY expiring k DB 3",
        "RENAME expiring k",
        "MOVE expiring 3",
    ]
    .into_iter()
    .enumerate()
    {
        let mut bench = replica();
        bench.engine.state.replica.store(false, Ordering::Relaxed);
        bench.run("SET base v");
        bench.run("SET expiring v EX 1");
        bench.engine.state.replica.store(true, Ordering::Relaxed);
        assert!(!bench.run(line).starts_with('-'), "{line}");
        assert_eq!(remembered(&bench), 1, "{number}: {line}");
    }
}

#[test]
fn a_write_that_leaves_the_expiry_alone_is_none_of_them() {
    let mut bench = replica();
    bench.run("APPEND theirs w");
    bench.run("SET plain v");
    bench.run("GET theirs");
    assert_eq!(remembered(&bench), 0);
}

#[test]
fn a_key_that_no_longer_expires_is_forgotten() {
    let mut bench = replica();
    bench.run("SET ours v PX 100");
    bench.run("PERSIST ours");
    assert_eq!(bench.engine.expire_cycle(100), 0);
    assert_eq!(remembered(&bench), 0);
    bench.run("SET ours v PX 100");
    bench.run("PEXPIRE ours 1000");
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(100), 0, "its last expiry counts");
    assert_eq!(remembered(&bench), 1);
}

#[test]
fn promotion_and_new_data_make_the_list_void() {
    let mut bench = replica();
    bench.run("SET ours v PX 100");
    drop(bench.engine.flush(0..1));
    assert_eq!(remembered(&bench), 0, "a full sync");
    bench.run("SET ours v PX 100");
    bench.engine.state.replica.store(false, Ordering::Relaxed);
    bench.engine.expire_cycle(100);
    assert_eq!(remembered(&bench), 0, "a promotion");
}

#[test]
fn the_list_is_bounded_and_looked_through_in_rounds() {
    let list = LocalExpiries::default();
    let long = vec![b'k'; MOST_BYTES / 2];
    list.add(0, &long);
    list.add(1, &long);
    assert_eq!(list.len(), 1, "no place for the second one");
    list.remove(&(0, long.into()));
    for key in [b"a", b"b", b"c"] {
        list.add(0, key);
        list.add(0, key);
    }
    let some = |count| list.some(count).into_iter().map(|(_, key)| key[0]).collect::<Vec<u8>>();
    assert_eq!([some(2), some(2), some(2)], [b"ab".to_vec(), b"c".to_vec(), b"ab".to_vec()]);
    list.forget();
    assert_eq!((list.len(), list.some(9).len()), (0, 0));
}
