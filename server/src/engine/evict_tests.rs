//! What is evicted, what is refused instead, and who learns of it. The bench has an allocator that does not tell, so
//! only keys count here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::slot::{SlotId, key_slot};

use crate::command::error;
use crate::engine::info::{InfoSource, InfoWriter};
use crate::engine::ports::{Route, RouteAsk, Router};
use crate::engine::state::{PauseKind, PausePurpose};
use crate::runtime::share::OwnMemory;
use crate::testing::{Bench, START};

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
const POLICIES: [&str; 7] =
    ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"];

/// A bench whose memory is full with `k0`, `k1` and so on, the odd ones with an expiry.
fn full(policy: &str) -> Bench {
    let mut bench = Bench::with(&[("maxmemory-policy", policy)]);
    for number in 0..100 {
        let expiry = if number % 2 == 1 { format!(" EX {}", 1000 + number) } else { String::new() };
        bench.run(&format!("SET k{number} {}{expiry}", "v".repeat(100)));
    }
    let used = bench.engine.limited_memory();
    assert_eq!(limit(&mut bench, used), "+OK");
    bench.propagated();
    bench.events();
    bench
}

/// Sets the limit.
fn limit(bench: &mut Bench, bytes: u64) -> String {
    let reply = bench.run(&format!("CONFIG SET maxmemory {bytes}"));
    bench.engine.reload_hot();
    reply
}

fn evicted(bench: &Bench) -> u64 {
    bench.engine.stats.evicted_keys.load(Ordering::Relaxed)
}

#[test]
fn without_a_policy_what_may_need_memory_is_refused() {
    let mut bench = full("noeviction");
    assert_eq!(bench.run("SET new value"), "+OK", "the limit is reached, but not exceeded");
    for line in ["SET k0 v", "LPUSH list a", "INCR n", "SETRANGE k0 0 x"] {
        assert_eq!(bench.run(line), OOM, "{line}");
    }
    for (line, reply) in [("GET k1", "$100"), ("DEL k3", ":1"), ("SET k0 x", "+OK"), ("PING", "+PONG")] {
        assert!(bench.run(line).starts_with(reply), "{line}");
    }
    assert_eq!(evicted(&bench), 0);
}

/// A cluster that has one slot here.
struct OneSlot(SlotId);

impl Router for OneSlot {
    fn route(&self, ask: &RouteAsk<'_>) -> Route {
        if ask.slot == self.0 { Route::Serve } else { Route::Refuse(error::moved(1, "127.0.0.1", 7001)) }
    }

    fn serves(&self, slot: SlotId) -> bool {
        slot == self.0
    }

    fn conclude(&self) {}

    fn relay(&self, _: &[u8], _: &[u8], _: Option<SlotId>) {}
}

/// Redis asks where a command is served before it evicts (`processCommand`).
#[test]
fn a_command_that_is_refused_before_it_needs_memory_evicts_nothing() {
    let mut bench = full("allkeys-random");
    let used = bench.engine.limited_memory();
    assert_eq!(limit(&mut bench, used / 2), "+OK");
    let router: Arc<dyn Router> = Arc::new(OneSlot(key_slot(b"k0")));
    bench.engine.set_router(Arc::downgrade(&router));
    for (line, problem) in [
        ("SET k1 v", "-MOVED 1 127.0.0.1:7001"),
        ("GET k1", "-MOVED 1 127.0.0.1:7001"),
        ("MSET k0 v k1 w", "-CROSSSLOT"),
        ("SET k0", "-ERR wrong number of arguments"),
        ("NOSUCHCOMMAND", "-ERR unknown command"),
    ] {
        let reply = bench.run(line);
        assert!(reply.starts_with(problem), "{line}: {reply}");
        assert_eq!(evicted(&bench), 0, "{line}");
    }
    bench.run("GET k0");
    assert!(evicted(&bench) > 0, "a command that is served makes room");
}

/// A replica that has so much yet to read.
struct SlowReplica(i64);

impl InfoSource for SlowReplica {
    fn section(&self, _: &str, _: &mut InfoWriter) -> bool {
        false
    }

    fn number(&self, field: &str) -> Option<i64> {
        (field == "mem_clients_slaves").then_some(self.0)
    }
}

#[test]
fn what_a_slow_replica_has_yet_to_read_is_memory_of_its_node_alone() {
    let bench = full("allkeys-lru");
    let keys = bench.engine.own_bytes();
    let replica: Arc<dyn InfoSource> = Arc::new(SlowReplica(1 << 30));
    bench.engine.info.add_source(Arc::downgrade(&replica));
    assert_eq!(bench.engine.own_bytes(), keys + (1 << 30), "so it is no part of what all nodes of a process share");
}

#[test]
fn every_policy_keeps_memory_below_the_limit() {
    for policy in POLICIES {
        let mut bench = full(policy);
        let limit = bench.engine.config.memory(crate::config::ids::MAXMEMORY);
        for number in 0..300 {
            let reply = bench.run(&format!("SET new{number} {} EX 5000", "w".repeat(100)));
            assert_eq!(reply, "+OK", "{policy}");
            let used = bench.engine.limited_memory();
            assert!(used <= limit + 1000, "{policy}: {used} of {limit} after {number}");
        }
        assert!(evicted(&bench) > 200, "{policy}");
        if policy.starts_with("volatile") {
            let left = (0..100).step_by(2).filter(|number| bench.run(&format!("EXISTS k{number}")) == ":1");
            assert_eq!(left.count(), 50, "{policy} evicts no key without an expiry");
        }
    }
}

#[test]
fn keys_without_an_expiry_are_not_evicted_for_want_of_others() {
    let mut bench = full("volatile-lru");
    let replies: Vec<String> =
        (0..200).map(|number| bench.run(&format!("SET new{number} {}", "w".repeat(100)))).collect();
    assert_eq!(replies.last().map(String::as_str), Some(OOM));
    assert_eq!(evicted(&bench), 50, "all that had an expiry");
    assert!(replies.iter().filter(|reply| *reply == "+OK").count() >= 40);
}

#[test]
fn an_evicted_key_is_announced_before_the_command_that_needs_its_room() {
    for (lazily, verb) in [("no", "DEL"), ("yes", "UNLINK")] {
        let mut bench = full("volatile-ttl");
        bench.run(&format!("CONFIG SET lazyfree-lazy-eviction {lazily}"));
        bench.engine.reload_hot();
        bench.run("SET a b");
        bench.propagated();
        bench.events();
        bench.run("SET c d");
        let propagated = bench.propagated();
        let key = propagated[0].strip_prefix(&format!("{verb} ")).expect("a key goes first");
        assert_eq!(propagated[1..], ["SET c d"]);
        assert_eq!(bench.events(), [&format!("evicted {key}"), "new c", "set c"]);
    }
}

#[test]
fn watchers_learn_of_an_eviction() {
    let mut bench = full("volatile-ttl");
    let mut other = bench.connect();
    let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    other.run(&bench.engine, &format!("WATCH {}", keys.join(" ")));
    other.run(&bench.engine, "MULTI");
    bench.run("SET a b");
    bench.run("SET c d");
    assert_eq!(bench.run(&format!("EXISTS {}", keys.join(" "))), ":99");
    assert_eq!(other.run(&bench.engine, "EXEC"), "*-1");
}

#[test]
fn what_was_not_used_for_long_goes_first() {
    let mut bench = full("allkeys-lru");
    bench.run("CONFIG SET maxmemory-samples 64");
    bench.engine.reload_hot();
    bench.clock.advance_ms(100_000);
    for number in 0..50 {
        bench.run(&format!("GET k{number}"));
    }
    bench.clock.advance_ms(10_000);
    for number in 0..40 {
        bench.run(&format!("SET new{number} {}", "w".repeat(100)));
    }
    let left = (0..50).filter(|number| bench.run(&format!("EXISTS k{number}")) == ":1").count();
    assert!(left >= 48, "{left} of 50 keys in use are left");
    assert!((30..=45).contains(&evicted(&bench)), "{}", evicted(&bench));
}

#[test]
fn a_transaction_is_refused_as_a_whole() {
    let mut bench = full("noeviction");
    assert_eq!(bench.run("MULTI"), "+OK");
    assert_eq!(bench.run("SET a b"), "+QUEUED");
    let mut other = bench.connect();
    other.run(&bench.engine, "SET x y");
    let because =
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(bench.run("EXEC"), because);
    assert_eq!(bench.run("MULTI"), "+OK");
    assert_eq!(bench.run("GET k1"), OOM, "a queue needs memory");
    assert_eq!(bench.run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(bench.run("MULTI"), "+OK");
    assert_eq!(bench.run("DISCARD"), "+OK");
}

#[test]
fn nothing_is_evicted_or_refused_where_nothing_may_change() {
    let mut bench = full("allkeys-lru");
    bench.run("SET a b");
    bench.engine.state.replica.store(true, Ordering::Relaxed);
    bench.engine.state.primary_link_up.store(true, Ordering::Relaxed);
    bench.run("GET k1");
    assert_eq!(evicted(&bench), 0, "a replica follows its primary");
    bench.engine.state.replica.store(false, Ordering::Relaxed);
    bench.engine.state.pause(PausePurpose::Client, PauseKind::Writes, START + 10_000);
    bench.run("GET k1");
    bench.engine.eviction.begin();
    assert!(!bench.engine.evict_cycle());
    assert_eq!(evicted(&bench), 0, "paused");
    bench.engine.state.unpause(PausePurpose::Client);
    bench.run("GET k1");
    assert_eq!(evicted(&bench), 1);
}

#[test]
fn a_writable_replica_refuses_writes_if_it_is_told_to_look_at_the_limit() {
    let mut bench = full("allkeys-lru");
    bench.run("CONFIG SET replica-ignore-maxmemory no replica-read-only no");
    bench.engine.reload_hot();
    bench.engine.state.replica.store(true, Ordering::Relaxed);
    bench.engine.state.primary_link_up.store(true, Ordering::Relaxed);
    assert_eq!(bench.run("SET a b"), "+OK");
    assert_eq!(bench.run("SET a b"), OOM);
    assert_eq!(evicted(&bench), 0);
}

#[test]
fn nothing_is_evicted_for_a_client_without_a_password_and_it_is_told_that() {
    let mut bench = full("allkeys-lru");
    bench.run("CONFIG SET requirepass secret");
    limit(&mut bench, 1);
    let mut stranger = bench.connect();
    stranger.session.authenticated = false;
    for line in ["SET k0 v", "GET k0", "EVAL x 0", "MULTI"] {
        assert_eq!(stranger.run(&bench.engine, line), "-NOAUTH Authentication required.", "{line}");
    }
    for line in ["AUTH wrong", "HELLO 3 AUTH default wrong"] {
        assert!(stranger.run(&bench.engine, line).starts_with("-WRONGPASS"), "{line}");
    }
    assert_eq!(evicted(&bench), 0);
    bench.run("GET k0");
    assert!(evicted(&bench) > 0, "now there is somebody who may ask for room");
}

#[test]
fn cron_goes_on_with_what_commands_have_left() {
    let mut bench = full("allkeys-random");
    bench.run("CONFIG SET maxmemory-eviction-tenacity 100");
    limit(&mut bench, 1);
    bench.engine.eviction.begin();
    let mut rounds = 0;
    while bench.engine.evict_cycle() {
        rounds += 1;
        assert!(rounds < 1000);
    }
    assert_eq!(bench.run("DBSIZE"), ":0");
    assert_eq!(bench.propagated().len(), 100);
    assert!(!bench.engine.evict_cycle(), "nothing is due");
}

#[test]
fn no_key_goes_for_what_is_being_freed_already() {
    /// Garbage that takes its time.
    struct Slow(std::sync::mpsc::Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    let mut bench = full("allkeys-random");
    limit(&mut bench, 1);
    bench.engine.eviction.begin();
    let (end, slow) = std::sync::mpsc::channel();
    bench.engine.freeing.free_elsewhere(Slow(slow), 0);
    assert!(!bench.engine.evict_cycle() && bench.engine.eviction_is_due(), "later");
    assert_eq!(evicted(&bench), 0);
    drop(end);
    while bench.engine.freeing.is_under_way() {
        std::thread::yield_now();
    }
    bench.engine.evict_cycle();
    assert_eq!(evicted(&bench), 100);
}

#[test]
fn a_slot_that_is_locked_is_passed_over_and_its_command_runs() {
    let mut bench = Bench::with(&[("maxmemory-policy", "allkeys-lru")]);
    bench.run(&format!("SET {{a}}1 {}", "v".repeat(2000)));
    let used = bench.engine.limited_memory();
    limit(&mut bench, used - 10);
    let engine = bench.engine.clone();
    let held = engine.keyspace.lock(0, key_slot(b"{a}"));
    assert_eq!(bench.run("SET {b}1 v"), "+OK", "there is something to evict, only not now");
    drop(held);
    assert_eq!(bench.run("SET {b}2 v"), "+OK");
    assert!(evicted(&bench) > 0, "now there was something");
}

#[test]
fn while_all_that_could_go_is_locked_the_limit_is_exceeded_by_little() {
    let mut bench = Bench::with(&[("maxmemory-policy", "volatile-lru")]);
    bench.run(&format!("SET {{a}}1 {} EX 1000", "v".repeat(4000)));
    let bytes = bench.engine.limited_memory();
    limit(&mut bench, bytes);
    let engine = bench.engine.clone();
    let held = engine.keyspace.lock(0, key_slot(b"{a}"));
    let set = |number: usize| format!("SET {{b}}{number} {}", "w".repeat(50));
    let replies: Vec<String> = (0..100).map(|number| bench.run(&set(number))).collect();
    assert_eq!((replies[0].as_str(), replies[99].as_str()), ("+OK", OOM));
    assert!(bench.engine.limited_memory() <= bytes + bytes / 16 + 200);
    drop(held);
    assert_eq!(bench.run(&set(100)), "+OK");
    assert_eq!(bench.run("EXISTS {a}1"), ":0", "now it has made room");
}

#[test]
fn slots_of_one_key_are_sampled_as_often_as_is_wanted() {
    let mut bench = Bench::with(&[("maxmemory-policy", "allkeys-lru")]);
    let set = |number: usize| format!("SET k{number} {}", "v".repeat(100));
    (0..600).for_each(|number| _ = bench.run(&set(number)));
    bench.clock.advance_ms(100_000);
    (0..150).for_each(|number| _ = bench.run(&format!("GET k{number}")));
    bench.clock.advance_ms(100_000);
    let bytes = bench.engine.limited_memory();
    limit(&mut bench, bytes);
    (600..1050).for_each(|number| _ = bench.run(&set(number)));
    let left = (0..150).filter(|number| bench.run(&format!("EXISTS k{number}")) == ":1").count();
    assert!(left >= 120, "{left} of 150 keys in use are left of 600, 450 of which went");
}

#[test]
fn keys_of_all_databases_make_room() {
    let mut bench = Bench::with(&[("maxmemory-policy", "allkeys-lru")]);
    for db in 0..16 {
        bench.run(&format!("SELECT {db}"));
        (0..20).for_each(|number| _ = bench.run(&format!("SET k{number} {}", "v".repeat(100))));
    }
    let used = bench.engine.limited_memory();
    limit(&mut bench, used / 2);
    bench.engine.eviction.begin();
    while bench.engine.evict_cycle() {}
    let left: Vec<usize> = (0..16).map(|db| bench.engine.keyspace.len(db)).collect();
    assert!(left.iter().all(|keys| (1..20).contains(keys)), "{left:?}");
    assert!(bench.engine.limited_memory() <= used / 2);
}

#[test]
fn values_that_only_a_snapshot_needs_do_not_count() {
    let mut bench = full("allkeys-lru");
    let cut = bench.engine.keyspace.cut();
    for number in 0..10 {
        bench.run(&format!("SET k{number} {}", "x".repeat(100)));
    }
    assert!(bench.engine.uncounted_memory() >= 1000);
    for slot in bench.engine.keyspace.cut_slots(&cut, 0).collect::<Vec<_>>() {
        let mut slot = bench.engine.keyspace.lock_cut(&cut, 0, slot);
        while !slot.snapshot_step(100, |_| ()) {}
    }
    assert_eq!(bench.engine.uncounted_memory(), 0);
}

#[test]
fn a_script_is_judged_by_its_start() {
    let mut bench = full("noeviction");
    bench.run("SET a b");
    let refused = bench.run("EVAL \"return redis.call('set', KEYS[1], 'v')\" 1 x");
    assert!(refused.starts_with("-OOM command not allowed when used memory > 'maxmemory'."), "{refused}");
    let script = "redis.call('del', KEYS[1]); return redis.call('set', KEYS[1], 'v')";
    assert_eq!(bench.run(&format!("EVAL \"{script}\" 1 k1")), "+OK", "it has written before");
    assert_eq!(bench.run(&format!("SET b {}", "x".repeat(500))), "+OK", "there was room again");
    let flags = |flags: &str| format!("EVAL \"#!lua{flags}\\nreturn redis.call('get', KEYS[1])\" 1 none");
    assert_eq!(bench.run(&flags("")), OOM, "its flags do not say that it may");
    assert_eq!(bench.run(&flags(" flags=allow-oom")), "$-1");
    assert_eq!(bench.run(&flags(" flags=no-writes")), "$-1");
    assert_eq!(bench.run("EVAL \"#!lua flags=allow-oom\\nreturn redis.call('set', KEYS[1], 'v')\" 1 x"), "+OK");
}

#[test]
fn the_time_above_the_limit_is_measured() {
    let mut bench = full("noeviction");
    bench.clock.advance_ms(1000);
    bench.run("SET a b");
    bench.run("GET a");
    bench.clock.advance_ms(50);
    let now = bench.engine.clock.monotonic_us();
    assert_eq!(bench.engine.eviction.exceeded_ms(now), (50, 50));
    limit(&mut bench, 1 << 30);
    bench.run("GET a");
    bench.clock.advance_ms(50);
    let now = bench.engine.clock.monotonic_us();
    assert_eq!(bench.engine.eviction.exceeded_ms(now), (0, 50));
}
