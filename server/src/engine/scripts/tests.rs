//! Scripts in an engine: what they leave behind, when they run alone, and how they are suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::slot::SlotId;

use super::Phase;
use crate::base::clock::ManualClock;
use crate::command::error;
use crate::engine::dispatch::Next;
use crate::engine::handler::Continued;
use crate::engine::held::Held;
use crate::engine::ports::{Route, RouteAsk, Router};
use crate::script::Script;
use crate::testing::{Bench, Client, bulks};

/// A clock that goes on by itself.
struct Ticking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticking {
    fn start(clock: Arc<ManualClock>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                clock.advance_ms(1);
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn needs_all(bench: &Bench, text: &str) -> Option<bool> {
    bench.engine.scripts.cache.find(&Script::sha_of(text.as_bytes())).and_then(|script| script.reach.needs_all())
}

fn eval(bench: &mut Bench, text: &str, rest: &str) -> (String, Vec<String>) {
    let (reply, propagated, _) = bench.trace(&format!("EVAL \"{text}\" {rest}"));
    (reply, propagated)
}

#[test]
fn what_a_script_changes_is_propagated_as_one() {
    let mut bench = Bench::new();
    let (reply, propagated) =
        eval(&mut bench, "redis.call('set',KEYS[1],'v') return redis.call('incr',KEYS[2])", "2 a b");
    assert_eq!((reply.as_str(), propagated), (":1", ["MULTI", "set a v", "incr b", "EXEC"].map(String::from).to_vec()));
    let (_, propagated) = eval(&mut bench, "return redis.call('del',KEYS[1])", "1 a");
    assert_eq!(propagated, ["del a"]);
    let (_, propagated) = eval(&mut bench, "return redis.call('get',KEYS[1])", "1 a");
    assert!(propagated.is_empty());
    let muted = "redis.set_repl(redis.REPL_NONE) redis.call('set','a','1') redis.set_repl(redis.REPL_ALL)";
    let (_, propagated) = eval(&mut bench, &format!("{muted} return redis.call('set','b','1')"), "2 a b");
    assert_eq!(propagated, ["set b 1"]);
    let (reply, propagated) = eval(&mut bench, "redis.call('set','a','1') error('x')", "1 a");
    assert!(reply.starts_with("-ERR user_script:1: x script: "), "{reply}");
    assert_eq!(propagated, ["set a 1"]);
}

#[test]
fn a_script_that_declares_its_keys_runs_under_their_locks_from_its_second_time_on() {
    let mut bench = Bench::new();
    let text = "return redis.call('incr',KEYS[1])";
    assert_eq!(needs_all(&bench, text), None);
    for run in 1..4 {
        assert_eq!(eval(&mut bench, text, "1 n").0, format!(":{run}"));
        assert_eq!(needs_all(&bench, text), Some(false));
    }
}

#[test]
fn a_script_that_uses_other_keys_runs_alone() {
    let mut bench = Bench::new();
    for text in ["return redis.call('incr','n')", "redis.call('incr','n') return redis.call('dbsize')"] {
        for _ in 0..2 {
            assert!(eval(&mut bench, text, "0").0.starts_with(':'));
            assert_eq!(needs_all(&bench, text), Some(true));
        }
    }
    assert_eq!(bench.run("GET n"), "$1\r\n4");
}

#[test]
fn a_script_that_turns_out_to_need_more_begins_again_or_becomes_alone() {
    let mut bench = Bench::new();
    let again = "if ARGV[1]=='1' then return redis.call('incr','other') end return redis.call('incr',KEYS[1])";
    let (_, propagated) = eval(&mut bench, again, "1 k 0");
    assert_eq!((propagated, needs_all(&bench, again)), (vec!["incr k".to_owned()], Some(false)));
    let (reply, propagated) = eval(&mut bench, again, "1 k 1");
    assert_eq!((reply.as_str(), propagated), (":1", vec!["incr other".to_owned()]));
    assert_eq!(needs_all(&bench, again), Some(true));
    let later = "redis.call('incr',KEYS[1]) if ARGV[1]=='1' then return redis.call('incr','other') end return 0";
    assert_eq!(eval(&mut bench, later, "1 k 0").0, ":0");
    bench.propagated();
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["EVAL", later, "1", "k", "1"]);
    assert_eq!(go_on(&bench, &mut client, run), ":2\r\n");
    assert_eq!(bench.propagated(), ["MULTI", "incr k", "incr other", "EXEC"]);
    assert_eq!(needs_all(&bench, later), Some(true));
}

/// A script that declares a key, takes a while if it is told to, and then uses another one.
const WANTS_MORE: &str = "redis.call('incr',KEYS[1]) if ARGV[1]=='1' then local t=os.clock() while os.clock()-t<0.05 do \
                          end return redis.call('incr','more') end return 0";

#[test]
fn a_suspended_script_becomes_alone_where_it_is() {
    let mut bench = Bench::new();
    assert_eq!(eval(&mut bench, WANTS_MORE, "1 k 0").0, ":0");
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["EVAL", WANTS_MORE, "1", "k", "1"]);
    assert_eq!(needs_all(&bench, WANTS_MORE), Some(false));
    assert_eq!(go_on(&bench, &mut client, run), ":1\r\n");
    assert_eq!(needs_all(&bench, WANTS_MORE), Some(true));
    assert_eq!(bench.run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    assert_eq!(bench.run("FLUSHALL"), "+OK");
}

#[test]
fn of_two_suspended_scripts_that_need_more_one_gets_it() {
    let mut bench = Bench::new();
    assert_eq!(eval(&mut bench, WANTS_MORE, "1 k 0").0, ":0");
    let (mut one, mut two) = (bench.connect(), bench.connect());
    let first = suspended(&bench, &mut one, &["EVAL", WANTS_MORE, "1", "k", "1"]);
    let second = suspended(&bench, &mut two, &["EVAL", WANTS_MORE, "1", "l", "1"]);
    let wait = || std::thread::sleep(Duration::from_millis(60));
    // Both have used up their time, and call the command now.
    wait();
    let mut out = Vec::new();
    let first = first.go_on(&mut one.session, &mut out, None).expect("the other is suspended");
    assert!(go_on(&bench, &mut two, second).starts_with("-ERR Script accessed what it does not declare"));
    assert_eq!(go_on(&bench, &mut one, first), ":1\r\n");
    assert_eq!(bench.run("MGET k l more"), "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n1");
}

#[test]
fn a_script_in_a_transaction_is_a_part_of_it() {
    let mut bench = Bench::new();
    bench.run("MULTI");
    bench.run("SET a 1");
    bench.run("EVAL \"return redis.call('incr',KEYS[1])\" 1 a");
    bench.propagated();
    assert_eq!(bench.run("EXEC"), "*2\r\n+OK\r\n:2");
    assert_eq!(bench.propagated(), ["MULTI", "SET a 1", "incr a", "EXEC"]);
    bench.run("MULTI");
    bench.run("EVAL \"redis.set_repl(redis.REPL_NONE) return redis.call('incr',KEYS[1])\" 1 a");
    bench.run("INCR a");
    assert_eq!(bench.run("EXEC"), "*2\r\n:3\r\n:4");
    assert_eq!(bench.propagated(), ["INCR a"], "what the script says ends with it");
}

/// Queues these commands, and returns the transaction as it is suspended.
fn suspended_exec(bench: &Bench, client: &mut Client, queue: &[&[&str]]) -> Box<dyn Continued> {
    client.run(&bench.engine, "MULTI");
    for words in queue {
        assert_eq!(client.process(&bench.engine, &mut bulks(words)).1, "+QUEUED\r\n");
    }
    suspended(bench, client, &["EXEC"])
}

/// Takes its time.
const SLOW: &str = "local t=os.clock() while os.clock()-t<0.05 do end return redis.call('incr',KEYS[1])";

#[test]
fn a_transaction_goes_on_behind_a_script_that_was_suspended() {
    let mut bench = Bench::new();
    let mut waiter = bench.connect();
    assert!(matches!(waiter.process(&bench.engine, &mut bulks(&["BLPOP", "q", "0"])).0, Next::Blocked));
    let mut client = bench.connect();
    bench.propagated();
    let queue = [
        &["SELECT", "1"][..],
        &["SET", "a", "1"],
        &["EVAL", SLOW, "1", "a"],
        &["SELECT", "0"],
        &["RPUSH", "q", "v"],
        &["EVAL", SLOW, "1", "b"],
        &["GET", "nothing"],
    ];
    let run = suspended_exec(&bench, &mut client, &queue);
    assert!(bench.propagated().is_empty(), "all or nothing");
    let mut waits = bench.connect();
    assert!(matches!(waits.process(&bench.engine, &mut bulks(&["GET", "a"])).0, Next::Held(Held::Gate(_))));
    assert_eq!(go_on(&bench, &mut client, run), "*7\r\n+OK\r\n+OK\r\n:2\r\n+OK\r\n:1\r\n:1\r\n$-1\r\n");
    let told = ["MULTI", "1: SET a 1", "1: incr a", "RPUSH q v", "incr b", "EXEC", "LPOP q"];
    assert_eq!(bench.propagated(), told);
    assert_eq!(client.run(&bench.engine, "GET b"), "$1\r\n1", "the session is as before");
    assert_eq!(bench.run("FLUSHALL"), "+OK");
}

#[test]
fn a_script_in_a_transaction_can_be_killed_unless_it_has_written_itself() {
    let mut bench = Bench::new();
    let writes = "redis.call('incr',KEYS[1]) while true do end";
    for (text, answer) in [("while true do end", "+OK"), (writes, "-UNKILLABLE")] {
        let mut client = bench.connect();
        let queue = [&["INCR", "k"][..], &["EVAL", text, "1", "k"], &["INCR", "k"]];
        let mut run = suspended_exec(&bench, &mut client, &queue);
        assert!(bench.run("SCRIPT KILL").starts_with(answer));
        bench.clock.advance_ms(10_000);
        assert!(bench.run("GET k").starts_with("-BUSY Redis is busy running a script."));
        if answer != "+OK" {
            run.cancel();
        }
        let reply = go_on(&bench, &mut client, run);
        let lines: Vec<&str> = reply.split("\r\n").collect();
        assert_eq!((lines[0], lines.len()), ("*3", 5), "{reply}");
        assert!(lines[1].starts_with(':') && lines[2].starts_with("-ERR ") && lines[3].starts_with(':'), "{reply}");
        assert_eq!(bench.run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    }
    assert_eq!(bench.run("GET k"), "$1\r\n5");
}

#[test]
fn a_transaction_that_ends_with_its_node_is_propagated_as_far_as_it_came() {
    let mut bench = Bench::new();
    let mut client = bench.connect();
    bench.propagated();
    let queue =
        [&["INCR", "k"][..], &["EVAL", "redis.call('incr',KEYS[1]) while true do end", "1", "k"], &["INCR", "k"]];
    drop(suspended_exec(&bench, &mut client, &queue));
    assert_eq!(bench.propagated(), ["MULTI", "INCR k", "incr k", "EXEC"]);
    assert_eq!(bench.run("GET k"), "$1\r\n2", "the node is open again");
}

/// A cluster that has all slots until it is told that they have left.
#[derive(Default)]
struct Owner {
    has_lost_all: AtomicBool,
}

impl Router for Owner {
    fn route(&self, _: &RouteAsk<'_>) -> Route {
        if self.serves(SlotId::default()) { Route::Serve } else { Route::Refuse(error::moved(1, "127.0.0.1", 7001)) }
    }

    fn serves(&self, _: SlotId) -> bool {
        !self.has_lost_all.load(Ordering::Relaxed)
    }

    fn conclude(&self) {}

    fn relay(&self, _: &[u8], _: &[u8], _: Option<SlotId>) {}
}

/// A bench in a cluster.
fn clustered() -> (Bench, Arc<Owner>) {
    let (bench, owner) = (Bench::new(), Arc::new(Owner::default()));
    let router: Arc<dyn Router> = owner.clone();
    bench.engine.set_router(Arc::downgrade(&router));
    (bench, owner)
}

#[test]
fn a_script_whose_slot_leaves_ends_as_a_whole_and_its_client_is_sent_after_the_slot() {
    const PAUSE: &str = "local t=os.clock() while os.clock()-t<0.05 do end ";
    for (text, told) in [
        (&*format!("redis.call('incr',KEYS[1]) {PAUSE}return redis.call('incr',KEYS[1])"), 4),
        // It is refused before it has written, or has only read.
        (&*format!("{PAUSE}return redis.call('incr',KEYS[1])"), 0),
        (&*format!("{PAUSE}return redis.call('get',KEYS[1])"), 0),
    ] {
        let (bench, owner) = clustered();
        let mut client = bench.connect();
        let run = suspended(&bench, &mut client, &["EVAL", text, "1", "k"]);
        owner.has_lost_all.store(true, Ordering::Relaxed);
        assert_eq!(go_on(&bench, &mut client, run), "-MOVED 1 127.0.0.1:7001\r\n", "{text}");
        assert_eq!(bench.propagated().len(), told, "{text}");
        let queue = [&["EVAL", text, "1", "k"][..], &["INCR", "k"]];
        owner.has_lost_all.store(false, Ordering::Relaxed);
        let run = suspended_exec(&bench, &mut client, &queue);
        owner.has_lost_all.store(true, Ordering::Relaxed);
        assert_eq!(go_on(&bench, &mut client, run), "-MOVED 1 127.0.0.1:7001\r\n", "{text}");
    }
    // Nothing says beforehand which keys this one uses.
    let (bench, owner) = clustered();
    let mut client = bench.connect();
    let queue = [&["EVAL", "return redis.call('incr','k')", "0"][..], &["EVAL", &format!("{PAUSE}return 1"), "0"]];
    let run = suspended_exec(&bench, &mut client, &queue);
    owner.has_lost_all.store(true, Ordering::Relaxed);
    assert_eq!(go_on(&bench, &mut client, run), "-MOVED 1 127.0.0.1:7001\r\n");
}

#[test]
fn what_a_script_did_before_it_began_again_counts_once() {
    let (mut bench, _owner) = clustered();
    bench.run("SET k v");
    bench.run("GET k");
    let count = |bench: &Bench, name: &str| {
        let command = bench.engine.registry.find(name.as_bytes()).expect("it is registered");
        bench.engine.stats.command(command.index).calls.load(Ordering::Relaxed)
    };
    let before =
        (count(&bench, "GET"), count(&bench, "EXISTS"), bench.engine.stats.keyspace_hits.load(Ordering::Relaxed));
    let text = "redis.call('get',KEYS[1]) redis.pcall('nosuch') redis.pcall('llen',KEYS[1]) redis.pcall('select','99') \
                redis.call('exists','k') redis.call('get',KEYS[1]) return redis.call('dbsize')";
    assert_eq!(eval(&mut bench, text, "1 k").0, ":1");
    assert_eq!(needs_all(&bench, text), Some(true), "it began again");
    let after =
        (count(&bench, "GET"), count(&bench, "EXISTS"), bench.engine.stats.keyspace_hits.load(Ordering::Relaxed));
    assert_eq!(after, (before.0 + 2, before.1 + 1, before.2 + 4), "LLEN finds the key, too");
    assert_eq!(count(&bench, "DBSIZE"), 1);
    let errors = bench.engine.stats.errors();
    let errors = |wanted: &str| errors.iter().find(|(code, _)| code == wanted).map(|(_, count)| *count);
    assert_eq!((errors("ERR"), errors("WRONGTYPE")), (Some(2), Some(1)));
    let failed = |name: &str| {
        let command = bench.engine.registry.find(name.as_bytes()).expect("it is registered");
        bench.engine.stats.command(command.index).failed.load(Ordering::Relaxed)
    };
    assert_eq!((failed("LLEN"), failed("SELECT"), count(&bench, "LLEN")), (1, 1, 1));
}

/// Begins a script that loops, and returns it as it is suspended.
pub(super) fn suspended(bench: &Bench, client: &mut Client, words: &[&str]) -> Box<dyn Continued> {
    let _ticking = Ticking::start(bench.clock.clone());
    let (next, reply) = client.process(&bench.engine, &mut bulks(words));
    let Next::Continued(run) = next else { panic!("it is not suspended: {reply}") };
    assert!(reply.is_empty());
    run
}

pub(super) fn go_on(bench: &Bench, client: &mut Client, mut run: Box<dyn Continued>) -> String {
    let _ticking = Ticking::start(bench.clock.clone());
    let mut out = Vec::new();
    while let Some(rest) = run.go_on(&mut client.session, &mut out, None) {
        run = rest;
    }
    String::from_utf8_lossy(&out).into_owned()
}

const LOOP: &str = "if ARGV[1]=='1' then while true do end end return redis.call('incr',KEYS[1])";

#[test]
fn a_suspended_script_holds_its_slots_and_nothing_else() {
    let mut bench = Bench::new();
    assert_eq!(eval(&mut bench, LOOP, "1 k 0").0, ":1");
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["EVAL", LOOP, "1", "k", "1"]);
    assert_eq!(bench.run("SET other v"), "+OK");
    assert_eq!(bench.run("PING"), "+PONG");
    // As Celery stores results.
    for (line, reply) in [("MULTI", "+OK"), ("SETEX other 100 v", "+QUEUED"), ("PUBLISH other v", "+QUEUED")] {
        assert_eq!(bench.run(line), reply);
    }
    assert_eq!(bench.run("EXEC"), "*2\r\n+OK\r\n:0");
    let mut waits = bench.connect();
    assert!(matches!(waits.process(&bench.engine, &mut bulks(&["GET", "k"])).0, Next::Held(Held::Slot(0, _))));
    let mut alone = bench.connect();
    assert!(matches!(alone.process(&bench.engine, &mut bulks(&["FLUSHALL"])).0, Next::Held(Held::Alone(_))));
    assert_eq!(bench.run("SCRIPT KILL"), "+OK");
    assert!(go_on(&bench, &mut client, run).starts_with("-ERR Script killed by user with SCRIPT KILL..."));
    assert_eq!(bench.run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    assert_eq!(bench.run("GET k"), "$1\r\n1");
    assert_eq!(bench.run("FLUSHALL"), "+OK");
}

#[test]
fn a_suspended_script_that_is_alone_keeps_the_node_to_itself() {
    let mut bench = Bench::new();
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["EVAL", LOOP, "1", "k", "1"]);
    let mut waits = bench.connect();
    assert!(matches!(waits.process(&bench.engine, &mut bulks(&["GET", "other"])).0, Next::Held(Held::Gate(_))));
    bench.clock.advance_ms(10_000);
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    assert_eq!(bench.run("GET other"), busy);
    // What does not exist is told so, as in Redis, and a transaction can be given up.
    for (command, reply) in [
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("nosuch", "-ERR unknown command 'nosuch', with args beginning with: "),
        ("SCRIPT nosuch", "-ERR unknown subcommand 'nosuch'. Try SCRIPT HELP."),
        ("MULTI", "+OK"),
        ("GET other", busy),
        ("DISCARD", "+OK"),
        ("UNWATCH", "+OK"),
    ] {
        assert_eq!(bench.run(command), reply, "{command}");
    }
    assert_eq!(bench.run("SCRIPT KILL"), "+OK");
    assert!(go_on(&bench, &mut client, run).starts_with("-ERR Script killed"));
    assert_eq!(bench.run("GET other"), "$-1");
}

#[test]
fn a_script_that_has_written_cannot_be_killed_but_its_client_can() {
    let mut bench = Bench::new();
    let text = "redis.call('incr',KEYS[1]) if ARGV[1]=='1' then while true do end end return 0";
    assert_eq!(eval(&mut bench, text, "1 k 0").0, ":0");
    bench.propagated();
    for _ in 0..2 {
        let mut client = bench.connect();
        let mut run = suspended(&bench, &mut client, &["EVAL", text, "1", "k", "1"]);
        assert!(bench.run("SCRIPT KILL").starts_with("-UNKILLABLE"));
        assert!(bench.propagated().is_empty());
        // What it has done stays, and is told to replicas.
        run.cancel();
        assert!(go_on(&bench, &mut client, run).starts_with("-ERR The server is shutting down"));
        assert_eq!(bench.propagated(), ["incr k"]);
        assert_eq!(bench.run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    }
    assert_eq!(bench.run("GET k"), "$1\r\n3");
}

#[test]
fn a_suspended_script_ends_when_its_node_changes_its_role() {
    let bench = Bench::new();
    for text in ["while true do end", "redis.call('incr',KEYS[1]) while true do end"] {
        let mut client = bench.connect();
        let run = suspended(&bench, &mut client, &["EVAL", text, "1", "k"]);
        bench.engine.scripts.give_way(true);
        let reply = go_on(&bench, &mut client, run);
        assert!(reply.starts_with("-ERR The script was ended because its node changes its role"), "{reply}");
        bench.engine.scripts.give_way(false);
    }
}

#[test]
fn a_script_that_ends_with_its_node_is_propagated_as_far_as_it_came() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let text = "redis.call('incr',KEYS[1]) while true do end";
    drop(suspended(&bench, &mut client, &["EVAL", text, "1", "k"]));
    assert_eq!(bench.propagated(), ["incr k"]);
}

#[test]
fn what_a_suspended_script_has_changed_is_counted_when_it_ends() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("EVAL \"return redis.call('set',KEYS[1],'v')\" 1 k"), "+OK");
    let dirty = || bench.engine.state.dirty.load(Ordering::Relaxed);
    let before = dirty();
    let mut client = bench.connect();
    let text = "redis.call('incr',KEYS[1]) local t=os.clock() while os.clock()-t<0.05 do end return 0";
    let mut next = Next::Continued(suspended(&bench, &mut client, &["EVAL", text, "1", "n"]));
    while let Next::Continued(rest) = next {
        next = bench.engine.go_on(&mut client.session, rest, &mut Vec::new());
    }
    assert_eq!(dirty(), before + 1);
}

#[test]
fn who_waits_for_what_a_killed_client_has_written_is_served() {
    let mut bench = Bench::new();
    let text = "redis.call('rpush',KEYS[1],'v') if ARGV[1]=='1' then while true do end end return 0";
    for begins_alone in [true, false] {
        let mut waiter = bench.connect();
        let (next, _) = waiter.process(&bench.engine, &mut bulks(&["BLPOP", "q", "0"]));
        assert!(matches!(next, Next::Blocked));
        let mut client = bench.connect();
        bench.propagated();
        let mut run = suspended(&bench, &mut client, &["EVAL", text, "1", "q", "1"]);
        run.cancel();
        assert!(go_on(&bench, &mut client, run).starts_with("-ERR"));
        assert_eq!(bench.propagated(), ["rpush q v", "LPOP q"], "{begins_alone}");
        assert_eq!(bench.run("EXISTS q"), ":0");
        assert_eq!(eval(&mut bench, text, "1 other 0").0, ":0");
    }
}

#[test]
fn what_a_script_says_about_propagation_ends_with_it() {
    let mut bench = Bench::new();
    let text = "redis.call('rpush',KEYS[1],'v') redis.set_repl(redis.REPL_NONE) redis.call('publish','c','m') return \
                redis.call('set',KEYS[2],'x')";
    for _ in 0..2 {
        let mut waiter = bench.connect();
        waiter.process(&bench.engine, &mut bulks(&["BLPOP", "q", "0"]));
        let (reply, propagated) = eval(&mut bench, text, "2 q z");
        assert_eq!((reply.as_str(), propagated), ("+OK", ["rpush q v", "LPOP q"].map(String::from).to_vec()));
    }
}

#[test]
fn a_script_that_begins_again_finds_everything_as_at_first() {
    let mut bench = Bench::new();
    bench.run("SET k zero");
    bench.run("SELECT 1");
    bench.run("SET k one");
    bench.run("SELECT 0");
    let text = "local a=redis.call('get',KEYS[1]) if ARGV[1]=='1' then redis.call('select',1) end return \
                {a,redis.call('get',KEYS[1])}";
    assert_eq!(eval(&mut bench, text, "1 k 0").0, "*2\r\n$4\r\nzero\r\n$4\r\nzero");
    assert_eq!(eval(&mut bench, text, "1 k 1").0, "*2\r\n$4\r\nzero\r\n$3\r\none");
}

#[test]
fn a_script_that_has_published_does_not_begin_again() {
    let mut bench = Bench::new();
    let text = "if ARGV[1]=='1' then redis.call('publish','c','m') return redis.call('incr','other') end return 0";
    assert_eq!(eval(&mut bench, text, "1 k 0").0, ":0");
    let mut client = bench.connect();
    bench.propagated();
    let run = suspended(&bench, &mut client, &["EVAL", text, "1", "k", "1"]);
    assert_eq!(go_on(&bench, &mut client, run), ":1\r\n");
    assert_eq!(bench.propagated(), ["MULTI", "publish c m", "incr other", "EXEC"]);
}

#[test]
fn a_script_is_suspended_between_long_commands_too() {
    let mut bench = Bench::new();
    bench.run("SETRANGE k 20000000 x");
    let mut client = bench.connect();
    let text = "for i=1,100 do redis.call('bitcount',KEYS[1]) end return 'end'";
    let run = suspended(&bench, &mut client, &["EVAL", text, "1", "k"]);
    assert_eq!(bench.run("SCRIPT KILL"), "+OK");
    assert!(go_on(&bench, &mut client, run).starts_with("-ERR Script killed by user"));
}

#[test]
fn a_script_is_either_killed_or_has_written() {
    let killed = Phase::new(false);
    assert!(killed.kill() && killed.kill() && killed.is_killed());
    assert!(!killed.note_written() && !killed.has_written());
    let written = Phase::new(false);
    assert!(written.note_written() && written.note_written());
    assert!(!written.kill() && written.has_written() && !written.is_killed());
    assert!(!Phase::new(true).kill());
    for (phase, ends) in [(Phase::new(false), true), (Phase::new(true), false)] {
        phase.stop();
        assert_eq!((phase.is_stopped(), phase.note_written()), (ends, !ends));
    }
}

#[test]
fn commands_that_scripts_may_not_call_are_refused() {
    let mut bench = Bench::new();
    for (call, error) in [
        ("'nosuch'", "ERR Unknown Redis command called from script"),
        ("'get'", "ERR Wrong number of args calling Redis command from script"),
        ("'multi'", "ERR This Redis command is not allowed from script"),
        ("'eval','return 1','0'", "ERR This Redis command is not allowed from script"),
    ] {
        let reply = eval(&mut bench, &format!("return redis.pcall({call})"), "0").0;
        assert_eq!(reply, format!("-{error}"));
    }
    let reply = bench.run("EVAL_RO \"return redis.pcall('set','k','v')\" 1 k");
    assert_eq!(reply, "-ERR Write commands are not allowed from read-only scripts.");
}
