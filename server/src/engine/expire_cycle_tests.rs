//! What the expiry cycle removes, announces, and leaves alone.

use std::sync::atomic::Ordering;

use protocol::slot::key_slot;

use crate::engine::state::{PauseKind, PausePurpose};
use crate::testing::{Bench, START};

fn bench_with_due_keys(count: usize) -> Bench {
    let mut bench = Bench::new();
    for number in 0..count {
        bench.run(&format!("SET k{number} v PX 100"));
    }
    bench.run("SET stays v");
    bench.run("SET later v PX 1000");
    bench.propagated();
    bench.events();
    bench
}

#[test]
fn due_keys_go_and_are_announced() {
    let mut bench = bench_with_due_keys(1);
    assert_eq!(bench.engine.expire_cycle(100), 0, "not due yet");
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(100), 1);
    assert_eq!(bench.propagated(), ["DEL k0"]);
    assert_eq!(bench.events(), ["expired k0"]);
    assert_eq!(bench.run("DBSIZE"), ":2");
    assert_eq!(bench.engine.stats.expired_keys.load(Ordering::Relaxed), 1);
}

#[test]
fn a_budget_is_kept_and_the_next_cycle_goes_on() {
    let mut bench = bench_with_due_keys(50);
    bench.run("SELECT 3");
    bench.run("SET other v PX 1");
    bench.clock.advance_ms(200);
    let mut rounds = Vec::new();
    loop {
        match bench.engine.expire_cycle(20) {
            0 => break,
            removed => rounds.push(removed),
        }
    }
    assert_eq!(rounds, [20, 20, 11]);
    assert_eq!(bench.run("DBSIZE"), ":0");
}

#[test]
fn many_due_keys_of_one_slot_go_in_one_cycle() {
    let mut bench = Bench::new();
    for number in 0..200 {
        bench.run(&format!("SET {{tag}}{number} v PX 100"));
    }
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(1000), 200);
}

#[test]
fn replicas_paused_nodes_and_debugging_remove_nothing() {
    let mut bench = bench_with_due_keys(1);
    bench.clock.advance_ms(200);
    bench.engine.state.replica.store(true, Ordering::Relaxed);
    assert_eq!(bench.engine.expire_cycle(10), 0, "the primary says when");
    assert_eq!(bench.run("GET k0"), "$-1", "though it is hidden");
    bench.engine.state.replica.store(false, Ordering::Relaxed);
    bench.engine.state.pause(PausePurpose::Client, PauseKind::Writes, START + 1000);
    assert_eq!(bench.engine.expire_cycle(10), 0, "nothing changes while writes are paused");
    bench.engine.state.unpause(PausePurpose::Client);
    bench.engine.state.active_expire.store(false, Ordering::Relaxed);
    assert_eq!(bench.engine.expire_cycle(10), 0, "DEBUG SET-ACTIVE-EXPIRE 0");
    bench.engine.state.active_expire.store(true, Ordering::Relaxed);
    assert_eq!(bench.engine.expire_cycle(10), 1);
}

#[test]
fn watchers_learn_of_it() {
    let mut bench = Bench::new();
    let mut other = bench.connect();
    bench.run("SET k v PX 100");
    assert_eq!(other.run(&bench.engine, "WATCH k"), "+OK");
    bench.clock.advance_ms(200);
    bench.engine.expire_cycle(10);
    other.run(&bench.engine, "MULTI");
    other.run(&bench.engine, "PING");
    assert_eq!(other.run(&bench.engine, "EXEC"), "*-1");
}

#[test]
fn a_slot_that_is_held_is_passed_over_and_comes_first_the_next_time() {
    let mut bench = Bench::new();
    bench.run("SET {a}1 v PX 100");
    bench.run("SET {b}1 v PX 100");
    bench.run("SET {b}2 v PX 100");
    bench.clock.advance_ms(101);
    let held = bench.engine.keyspace.lock(0, key_slot(b"{a}1"));
    assert_eq!(bench.engine.expire_cycle(100), 2, "it waits for nobody, and goes on with the others");
    assert_eq!(bench.engine.expire_cycle(100), 0);
    drop(held);
    assert_eq!(bench.engine.expire_cycle(100), 1);
    assert_eq!(bench.run("DBSIZE"), ":0");
    assert!(bench.engine.state.expire_missed.lock().is_empty());
}

#[test]
fn slots_that_are_held_are_remembered_over_a_cycle_that_is_cut_short() {
    let bench = bench_with_due_keys(20);
    bench.clock.advance_ms(200);
    let held: Vec<_> = (0..10).map(|number| key_slot(format!("k{number}").as_bytes())).collect();
    let mut held: Vec<_> = held.into_iter().map(|slot| bench.engine.keyspace.lock(0, slot)).collect();
    assert_eq!(bench.engine.expire_cycle(100), 10);
    held.clear();
    // The barrier is held: nothing can be removed, and nothing is forgotten.
    bench.engine.barrier.enter(0).exclusive(|_| assert_eq!(bench.engine.expire_cycle(100), 0));
    assert_eq!(bench.engine.expire_cycle(4), 4);
    assert_eq!(bench.engine.expire_cycle(100), 6);
}

#[test]
fn a_large_list_that_expires_is_removed_at_once() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.run(&format!("RPUSH list{}", " element".repeat(1000)));
    }
    bench.run("PEXPIRE list 100");
    bench.propagated();
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(100), 1);
    assert_eq!(bench.propagated(), ["DEL list"]);
    assert_eq!(bench.run("DBSIZE"), ":0");
}

#[test]
fn a_slot_in_which_nothing_is_due_is_not_touched() {
    let mut bench = Bench::new();
    bench.run("SET {a}1 v PX 1000");
    bench.run("SET {b}1 v PX 100");
    bench.clock.advance_ms(101);
    let held = bench.engine.keyspace.lock(0, key_slot(b"{a}1"));
    assert_eq!(bench.engine.expire_cycle(100), 1);
    assert!(bench.engine.state.expire_missed.lock().is_empty(), "it was not asked for");
    drop(held);
    bench.clock.advance_ms(900);
    assert_eq!(bench.engine.expire_cycle(100), 1);
}

#[test]
fn a_slot_in_which_nothing_is_due_any_more_is_not_touched() {
    let commands = [
        ["PEXPIRE {a}k 5000", "PERSIST {a}k", "SET {a}k w", "SET {a}k w PX 5000"],
        ["GETEX {a}k PERSIST", "DEL {a}k", "UNLINK {a}k", "FLUSHALL"],
        ["FLUSHDB ASYNC", "MOVE {a}k 2", "SWAPDB 0 2", "RENAME {a}k {b}k"],
        ["RENAME {a}other {a}k", "SETRANGE {a}k 0 w", "GETDEL {a}k", "COPY {a}other {a}k REPLACE"],
    ];
    for command in commands.as_flattened() {
        let mut bench = Bench::new();
        bench.run("SET {a}k v PX 100");
        bench.run("SET {a}other v PX 5000");
        // It leaves the expiry as it is.
        let same = command.starts_with("SETRANGE");
        let reply = bench.run(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
        bench.clock.advance_ms(101);
        let held = bench.engine.keyspace.lock(0, key_slot(b"{a}k"));
        bench.engine.expire_cycle(100);
        assert_eq!(!bench.engine.state.expire_missed.lock().is_empty(), same, "{command}");
        drop(held);
    }
}

/// Makes a key `{b}k` due in the last step, by which its slot must be known as one with something due.
fn goes_with_the_cycle(commands: &[&str]) {
    let mut bench = Bench::new();
    // What expires later in the same slot, and in another database, is not what the cycle should go by.
    bench.run("SET {b}later v PX 100000");
    for command in commands {
        let reply = bench.run(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    bench.clock.advance_ms(101);
    assert_eq!(bench.engine.expire_cycle(100), 1, "{commands:?}");
    assert_eq!(bench.engine.expire_cycle(100), 0, "{commands:?}");
}

#[test]
fn whatever_gives_a_key_its_expiry_the_cycle_finds_it() {
    goes_with_the_cycle(&["SET {b}k v PX 100"]);
    goes_with_the_cycle(&["SET {b}k v", "PEXPIRE {b}k 100"]);
    goes_with_the_cycle(&["SET {b}k v PX 5000", "PEXPIRE {b}k 100"]);
    goes_with_the_cycle(&["SET {b}k v PX 5000", "SET {b}k w PX 100"]);
    goes_with_the_cycle(&["SET {b}k v PX 5000", "PERSIST {b}k", "GETEX {b}k PX 100"]);
    goes_with_the_cycle(&["SET {b}k v PX 5", "DEL {b}k", "SET {b}k v PX 100"]);
    goes_with_the_cycle(&["SET {b}j v PX 100", "RENAME {b}j {b}k"]);
    goes_with_the_cycle(&["SET {b}j v PX 100", "COPY {b}j {b}k", "PERSIST {b}j"]);
    goes_with_the_cycle(&["SET {b}k v PX 100", "MOVE {b}k 2"]);
    goes_with_the_cycle(&["SET {b}k v PX 100", "SWAPDB 0 2"]);
    goes_with_the_cycle(&["FLUSHALL", "SET {b}k v PX 100"]);
    goes_with_the_cycle(&["RPUSH {b}k v", "PEXPIRE {b}k 100"]);
    goes_with_the_cycle(&["HSET {b}k f v g w", "HPEXPIRE {b}k 100 FIELDS 1 f"]);
    goes_with_the_cycle(&["HSET {b}k f v g w", "HPEXPIRE {b}k 9000 FIELDS 1 f", "HPEXPIRE {b}k 100 FIELDS 1 f"]);
    goes_with_the_cycle(&["HSET {b}k f v", "PEXPIRE {b}k 9000", "HPEXPIRE {b}k 100 FIELDS 1 f"]);
}
