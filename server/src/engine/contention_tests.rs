//! A wait is counted once, where it happens; a thread that need not wait counts nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::slot::key_slot;

use crate::engine::Engine;
use crate::engine::dispatch::Next;
use crate::engine::held::Held;
use crate::engine::state::{PauseKind, PausePurpose};
use crate::testing::{Bench, Client, START, bulks};

/// The counters that are not zero.
fn counted(engine: &Engine) -> Vec<(&'static str, u64)> {
    engine.contention().iter().map(|(name, waits)| (*name, waits.get())).filter(|(_, count)| *count > 0).collect()
}

/// Sends a command that is held back.
fn held(bench: &Bench, client: &mut Client, words: &[&str]) -> Held {
    match client.process(&bench.engine, &mut bulks(words)).0 {
        Next::Held(held) => held,
        _ => panic!("{words:?} was to be held back"),
    }
}

/// Runs `f` while another thread holds `key`'s slot, which it releases once a wait for it was counted.
fn while_locked(bench: &Bench, key: &'static [u8], f: impl FnOnce()) {
    let (engine, (locked, is_locked)) = (Arc::clone(&bench.engine), std::sync::mpsc::channel());
    let other = std::thread::spawn(move || {
        let before = engine.keyspace.waits().get();
        let _guard = engine.keyspace.lock(0, key_slot(key));
        locked.send(()).expect("the test waits");
        let began = Instant::now();
        while engine.keyspace.waits().get() == before {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody waited for the slot");
            std::thread::sleep(Duration::from_micros(10));
        }
    });
    is_locked.recv().expect("the other thread has the slot");
    f();
    other.join().expect("no panic");
}

#[test]
fn who_need_not_wait_counts_nothing() {
    let mut bench = Bench::new();
    for line in [
        "SET key 1",
        "GET key",
        "MSET key 1 other 2",
        "RPUSH list a b",
        "BLPOP list 0",
        "WATCH key other",
        "MULTI",
        "INCR key",
        "SWAPDB 0 1",
        "EXEC",
        "KEYS *",
        "SCAN 0",
        "INFO",
        "SWAPDB 0 1",
        "FLUSHALL",
    ] {
        bench.run(line);
        assert_eq!(counted(&bench.engine), [], "{line}");
    }
}

#[test]
fn a_slot_that_is_waited_for_counts_once() {
    let mut bench = Bench::new();
    // Not left to the commands below, which may all be parked: KEYS visits only slots with keys.
    bench.run("SET key 0");
    for (count, words) in
        [&["SET", "key", "1"][..], &["MSET", "key", "1", "other", "2"], &["WATCH", "other", "key"], &["KEYS", "*"]]
            .into_iter()
            .enumerate()
    {
        // If the other thread is slow, the command is parked after all; it was one wait all the same.
        while_locked(&bench, b"key", || {
            bench.connect().process(&bench.engine, &mut bulks(words));
        });
        assert_eq!(counted(&bench.engine), [("slot_waits", count as u64 + 1)], "{words:?}");
    }
}

#[test]
fn a_thread_that_waits_as_long_as_it_takes_counts_once() {
    let bench = Bench::new();
    while_locked(&bench, b"key", || drop(bench.engine.keyspace.lock(0, key_slot(b"key"))));
    assert_eq!(counted(&bench.engine), [("slot_waits", 1)]);
}

#[test]
fn the_control_thread_counts_once_however_often_it_tries() {
    let bench = Bench::new();
    let _guard = bench.engine.keyspace.lock(0, key_slot(b"key"));
    let entered = bench.engine.tries().enter().expect("nobody is exclusive");
    assert!(entered.slot(0, key_slot(b"key")).is_none());
    assert_eq!(counted(&bench.engine), [("slot_waits", 1)]);
}

#[tokio::test]
async fn a_command_that_is_set_aside_counts_as_a_retry() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let guard = bench.engine.keyspace.lock(0, key_slot(b"key"));
    let slot = held(&bench, &mut client, &["SET", "key", "1"]);
    drop(guard);
    bench.engine.held_over(slot).await;
    assert_eq!(counted(&bench.engine), [("slot_waits", 1), ("slot_retries", 1)]);
    bench.engine.reset_stats();

    let pass = bench.engine.barrier.enter(client.session.gate);
    let gate = held(&bench, &mut bench.connect(), &["SET", "key", "1"]);
    drop(pass);
    bench.engine.held_over(gate).await;
    assert_eq!(counted(&bench.engine), [("gate_waits", 1), ("gate_retries", 1)]);
}

#[test]
fn who_wants_to_be_alone_counts_those_whom_it_waits_for() {
    let bench = Bench::new();
    let _long = bench.engine.barrier.enter(bench.engine.loader_gate());
    held(&bench, &mut bench.connect(), &["FLUSHALL"]);
    assert_eq!(counted(&bench.engine), [("exclusive_waits", 1)]);
}

#[tokio::test]
async fn a_pause_is_no_contention() {
    let bench = Bench::new();
    bench.engine.state.pause(PausePurpose::Client, PauseKind::All, START + 1);
    let pause = held(&bench, &mut bench.connect(), &["SET", "key", "1"]);
    assert_eq!(pause, Held::Pause(START + 1));
    bench.clock.set_wall_ms(START + 2);
    bench.engine.held_over(pause).await;
    assert_eq!(counted(&bench.engine), []);
}

#[test]
fn resetting_the_statistics_resets_what_was_counted() {
    let bench = Bench::new();
    bench.engine.contention().iter().for_each(|(_, waits)| waits.count());
    assert_eq!(counted(&bench.engine).len(), bench.engine.contention().len());
    bench.engine.reset_stats();
    assert_eq!(counted(&bench.engine), []);
}
