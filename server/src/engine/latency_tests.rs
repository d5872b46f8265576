//! Which calls count as a latency, and as one of how long: what Redis 7.0.15 counts.

use super::*;
use crate::testing::{Bench, Client};

/// How many calls of a command count (`config|get` for a subcommand).
#[track_caller]
fn calls(engine: &Engine, name: &str) -> u64 {
    let command = engine.registry.iter().find(|command| command.full_name == name).expect("a command");
    engine.latencies.of(command.index).map_or(0, |latencies| latencies.total())
}

/// The statistics of a command: how often it was called and has failed, and how often its latency was counted.
fn counted(bench: &Bench, name: &str) -> [u64; 3] {
    let command = bench.engine.registry.find(name.as_bytes()).expect("a command");
    let stats = bench.engine.stats.command(command.index);
    let [called, failed] = [&stats.calls, &stats.failed].map(|counter| counter.load(Ordering::Relaxed));
    [called, failed, calls(&bench.engine, name)]
}

/// A client that waits for the first element of `list`.
fn waiting(bench: &Bench) -> Client {
    let mut client = bench.connect();
    assert_eq!(client.run(&bench.engine, "BLPOP list 0"), "");
    client
}

#[test]
fn every_call_that_ran_counts_and_none_that_was_refused() {
    let mut bench = Bench::new();
    for line in ["SET k v", "SET k v", "GET k", "INCR k", "GET", "nosuch", "CONFIG GET save", "CLIENT ID", "CLIENT NO"]
    {
        bench.run(line);
    }
    let engine = &bench.engine;
    assert_eq!(["set", "get", "incr"].map(|name| calls(engine, name)), [2, 1, 1], "a failure is a call");
    assert_eq!(["config", "config|get", "client", "client|id"].map(|name| calls(engine, name)), [0, 1, 0, 1]);
}

#[test]
fn a_pipeline_counts_each_of_its_commands() {
    let mut bench = Bench::new();
    let mut pipeline = [b"SET k v\r\n".repeat(100), b"GET k\r\n".repeat(3), b"BLPOP list 0\r\n".to_vec()].concat();
    bench.client.feed(&bench.engine, &mut pipeline);
    assert_eq!(["set", "get", "blpop"].map(|name| calls(&bench.engine, name)), [100, 3, 0]);
    bench.connect().run(&bench.engine, "RPUSH list a");
    assert_eq!(calls(&bench.engine, "blpop"), 1, "when it is served");
}

#[test]
fn a_blocked_command_counts_once_when_it_is_served_and_not_when_its_time_is_up() {
    let mut bench = Bench::new();
    let mut first = waiting(&bench);
    assert_eq!(counted(&bench, "blpop"), [1, 0, 0]);
    bench.run("RPUSH list a");
    assert!(first.late_reply(&bench.engine).is_some());
    assert_eq!(counted(&bench, "blpop"), [1, 0, 1]);

    let mut second = waiting(&bench);
    let parked = second.session.parked.clone().expect("it waits");
    assert_eq!(parked.token.abandon_unless_claimed(), Some(true), "as at its timeout");
    bench.engine.unpark(&mut second.session);
    assert_eq!(counted(&bench, "blpop"), [2, 0, 1]);
}

#[test]
fn a_command_that_client_unblock_ends_counts_and_has_failed() {
    let mut bench = Bench::new();
    for (round, reason) in [(1, "TIMEOUT"), (2, "ERROR")] {
        let mut client = waiting(&bench);
        let id = client.session.handle.id;
        assert_eq!(bench.run(&format!("CLIENT UNBLOCK {id} {reason}")), ":1");
        assert!(client.late_reply(&bench.engine).is_some());
        assert_eq!(counted(&bench, "blpop"), [round, round, round], "{reason}");
    }
    let mut blmove = bench.connect();
    bench.run("SET {l}text x");
    assert_eq!(blmove.run(&bench.engine, "BLMOVE {l}list {l}text LEFT LEFT 0"), "");
    bench.run("RPUSH {l}list a");
    assert!(blmove.late_reply(&bench.engine).is_some_and(|reply| reply.starts_with("-WRONGTYPE")));
    assert_eq!(counted(&bench, "blmove"), [1, 1, 1], "so does one that fails when it is served");
}

#[test]
fn what_a_blocked_command_took_before_it_waited_counts_as_well() {
    let mut bench = Bench::new();
    let client = waiting(&bench);
    let parked = client.session.parked.as_ref().expect("it waits");
    parked.ran_us.store(70, Ordering::Relaxed);
    bench.clock.advance_ms(5000);
    bench.run("RPUSH list a");
    let index = bench.engine.registry.find(b"blpop").expect("a command").index;
    let latencies = bench.engine.latencies.of(index).expect("it was served");
    assert_eq!(latencies.percentile(50.0), 70_143, "but not that it waited");
}

#[test]
fn transactions_and_scripts_count_and_so_do_their_commands() {
    let mut bench = Bench::new();
    for line in ["MULTI", "SET k v", "BLPOP list 0", "EXEC"] {
        bench.run(line);
    }
    assert_eq!(["multi", "set", "blpop", "exec"].map(|name| calls(&bench.engine, name)), [1, 1, 1, 1]);
    bench.run(r#"EVAL "redis.call('SET', KEYS[1], 'v')" 1 k"#);
    assert_eq!(["set", "eval"].map(|name| calls(&bench.engine, name)), [2, 1]);
}

#[test]
fn a_reply_that_comes_later_has_taken_all_the_time_until_then() {
    let mut bench = Bench::new();
    let index = bench.engine.registry.find(b"flushall").expect("a command").index;
    let owed = Owed { command: index, ran_us: 20, since_us: bench.engine.clock.monotonic_us() };
    bench.engine.owe_latency(&mut bench.client.session, owed);
    bench.clock.advance_ms(3);
    bench.engine.end_wait(&mut bench.client.session);
    bench.engine.end_wait(&mut bench.client.session);
    let latencies = bench.engine.latencies.of(index).expect("it has ended");
    assert_eq!((latencies.total(), latencies.percentile(50.0)), (1, 3_031_039));
    assert_eq!(bench.engine.stats.command(index).usec.load(Ordering::Relaxed), 3000, "its first part was counted");
}

#[test]
fn threads_count_by_themselves_and_are_added_up() {
    let latencies = Latencies::new(3, 4, true);
    std::thread::scope(|scope| {
        for gate in 0..4 {
            let latencies = &latencies;
            scope.spawn(move || (0..1000).for_each(|_| latencies.count(gate, 1, 2, 1000 << gate)));
        }
    });
    let all = latencies.of(1).expect("it was called");
    assert_eq!((all.total(), all.steps().len()), (8000, 4));
    assert!(latencies.of(0).is_none() && latencies.of(2).is_none());
    latencies.reset();
    assert!(latencies.of(1).is_none(), "as if it had never been called");
}

#[test]
fn nothing_is_kept_of_calls_while_tracking_is_off() {
    let mut bench = Bench::with(&[("latency-tracking", "no")]);
    bench.run("SET k v");
    assert_eq!(calls(&bench.engine, "set"), 0);
    assert!(bench.engine.latencies.threads.iter().all(|thread| thread.get().is_none()), "nor is memory taken");
    assert_eq!(bench.run("CONFIG SET latency-tracking yes"), "+OK");
    bench.engine.reload_hot();
    bench.run("SET k v");
    assert_eq!(calls(&bench.engine, "set"), 1);
    assert_eq!(bench.run("CONFIG RESETSTAT"), "+OK");
    assert_eq!(calls(&bench.engine, "set"), 0);
}
