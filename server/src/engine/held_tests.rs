//! What holds a command back, and that it runs when that is over.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use protocol::resp::OwnedArgs;
use protocol::slot::key_slot;

use super::*;
use crate::command::error;
use crate::engine::call::Call;
use crate::engine::dispatch::Next;
use crate::engine::ports::{Route, RouteAsk, Router};
use crate::testing::{Bench, Client, bulks};

/// Sends commands to a client; returns what holds the first of them back, if anything does, and the replies.
fn send(bench: &Bench, client: &mut Client, commands: &[&[&str]]) -> (Option<Held>, String) {
    let mut input = commands.iter().map(|words| bulks(words)).collect::<Vec<_>>().concat();
    let (next, replies) = client.process(&bench.engine, &mut input);
    (if let Next::Held(held) = next { Some(held) } else { None }, replies)
}

/// Runs the command that was held back.
fn again(bench: &Bench, client: &mut Client) -> (Option<Held>, String) {
    let args = client.session.postponed.take().expect("a command is held back");
    let mut out = Vec::new();
    let next = bench.engine.retry(&mut client.session, args.view(), &mut out);
    let held = if let Next::Held(held) = next { Some(held) } else { None };
    if held.is_some() {
        client.session.postponed = Some(args);
    }
    (held, String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn a_command_whose_slot_is_locked_is_parked_and_runs_afterwards() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    for (name, commands, reply) in [
        ("one key", &[&["SET", "key", "1"][..]][..], "+OK\r\n"),
        ("several keys", &[&["MSET", "key", "1", "other", "2"]], "+OK\r\n"),
        ("a transaction", &[&["MULTI"], &["GET", "key"], &["EXEC"]], "*1\r\n$1\r\n1\r\n"),
        ("a watch", &[&["WATCH", "other", "key"]], "+OK\r\n"),
        ("all keys", &[&["KEYS", "ke*"]], "*1\r\n$3\r\nkey\r\n"),
    ] {
        let mut client = bench.connect();
        let guard = bench.engine.keyspace.lock(0, slot);
        assert_eq!(send(&bench, &mut client, commands).0, Some(Held::Slot(0, slot)), "{name}");
        assert_eq!(again(&bench, &mut client).0, Some(Held::Slot(0, slot)), "{name}");
        drop(guard);
        assert_eq!(again(&bench, &mut client), (None, reply.to_owned()), "{name}");
        assert_eq!(client.session.attempts, 0, "{name}");
    }
}

/// A slot that another thread has locked, until it is released, or until who waits for it has waited for too long.
struct Long {
    release: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Long {
    fn hold(bench: &Bench, slot: SlotId) -> Self {
        let engine = Arc::clone(&bench.engine);
        let ((locked, is_locked), (release, released)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            let _guard = engine.keyspace.lock(0, slot);
            locked.send(()).expect("the test waits");
            let _ = released.recv_timeout(Duration::from_secs(5));
        });
        is_locked.recv().expect("the other thread has the slot");
        Self { release, thread }
    }

    /// Releases the slot. `what` is not to have waited for it.
    fn end(self, bench: &Bench, slot: SlotId, what: &str) {
        assert!(bench.engine.keyspace.try_lock(0, slot).is_none(), "{what} waited for the slot");
        self.release.send(()).expect("the other thread waits");
        self.thread.join().expect("no panic");
    }
}

#[test]
fn who_forgets_what_it_watched_does_not_wait_for_a_slot() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let ways: [(&str, &[&[&str]], &str); 4] = [
        ("UNWATCH", &[&["UNWATCH"]], "+OK\r\n"),
        ("DISCARD", &[&["MULTI"], &["DISCARD"]], "+OK\r\n+OK\r\n"),
        ("RESET", &[&["RESET"]], "+RESET\r\n"),
        ("an aborted EXEC", &[&["MULTI"], &["GET"], &["EXEC"]], "-EXECABORT "),
    ];
    for (way, commands, reply) in ways {
        let mut client = bench.connect();
        send(&bench, &mut client, &[&["WATCH", "key", "other"]]);
        let long = Long::hold(&bench, slot);
        let (held, replies) = send(&bench, &mut client, commands);
        assert!(held.is_none() && replies.contains(reply), "{way}: {replies}");
        // What is left of it is of no effect: whoever changes the key now spoils nothing.
        send(&bench, &mut client, &[&["WATCH", "other"], &["MULTI"]]);
        long.end(&bench, slot, way);
        send(&bench, &mut bench.connect(), &[&["SET", "key", way]]);
        assert_eq!(send(&bench, &mut client, &[&["EXEC"]]).1, "*0\r\n", "{way}");
        assert!(!bench.engine.keyspace.lock(0, slot).is_observed(), "{way} leaves nothing in the slot");
    }
    let mut client = bench.connect();
    send(&bench, &mut client, &[&["WATCH", "key"]]);
    let long = Long::hold(&bench, slot);
    bench.engine.end_session(&mut client.session);
    long.end(&bench, slot, "the end of a connection");
    assert!(!bench.engine.keyspace.lock(0, slot).is_observed(), "a connection leaves nothing in the slot");
}

#[test]
fn who_stops_waiting_for_a_key_does_not_wait_for_its_slot() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let leaves: [(&str, fn(&Bench, &mut Client)); 2] = [
        ("a time-out", |bench, client| {
            let parked = client.session.parked.clone().expect("it is blocked");
            assert!(parked.leave(crate::session::client::Mail::Reply(Vec::new())).is_some());
            bench.engine.unpark(&mut client.session);
        }),
        ("the end of a connection", |bench, client| bench.engine.end_session(&mut client.session)),
    ];
    for (what, leave) in leaves {
        let (mut first, mut second) = (bench.connect(), bench.connect());
        for client in [&mut first, &mut second] {
            send(&bench, client, &[&["BLPOP", "other", "key", "0"]]);
        }
        let long = Long::hold(&bench, slot);
        leave(&bench, &mut first);
        long.end(&bench, slot, what);
        assert_eq!(bench.engine.clients.blocked.load(Ordering::Relaxed), 1, "{what}");
        // The one behind has its turn, and nobody is left in any queue.
        assert_eq!(send(&bench, &mut bench.connect(), &[&["RPUSH", "key", "1"], &["LLEN", "key"]]).1, ":1\r\n:0\r\n");
        bench.engine.unpark(&mut second.session);
        for key in [b"key".as_slice(), b"other"] {
            assert!(!bench.engine.keyspace.lock(0, key_slot(key)).is_observed(), "{what} leaves nothing in a slot");
        }
    }
}

#[test]
fn who_needs_another_slot_is_not_held_back() {
    let bench = Bench::new();
    let _guard = bench.engine.keyspace.lock(0, key_slot(b"key"));
    let mut client = bench.connect();
    let commands: [&[&str]; 3] = [&["SET", "other", "1"], &["DBSIZE"], &["PING"]];
    assert_eq!(send(&bench, &mut client, &commands), (None, "+OK\r\n:1\r\n+PONG\r\n".to_owned()));
}

#[test]
fn what_stands_behind_a_held_command_stays_behind_it() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let guard = bench.engine.keyspace.lock(0, key_slot(b"key"));
    let (held, replies) = send(&bench, &mut client, &[&["PING"], &["SET", "key", "1"], &["SET", "other", "2"]]);
    assert_eq!((held.is_some(), &*replies), (true, "+PONG\r\n"));
    drop(guard);
    assert!(
        !bench.engine.keyspace.lock(0, key_slot(b"other")).contains(bench.engine.keyspace.hash(b"other"), b"other")
    );
}

#[test]
fn a_closed_gate_leaves_the_input_alone() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let pass = bench.engine.barrier.enter(client.session.gate);
    let mut input = bulks(&["SET", "key", "1"]);
    let (next, replies) = client.process(&bench.engine, &mut input);
    assert!(matches!(next, Next::Held(Held::Gate(gate)) if gate == client.session.gate));
    assert_eq!((&*replies, input), ("", bulks(&["SET", "key", "1"])));
    drop(pass);
}

#[test]
fn who_needs_the_node_alone_does_not_wait_for_a_long_command() {
    let bench = Bench::new();
    let mut client = bench.connect();
    for commands in [&[&["FLUSHALL"][..]][..], &[&["MULTI"], &["DBSIZE"], &["EXEC"]]] {
        let gate = bench.engine.loader_gate();
        let long = bench.engine.barrier.enter(gate);
        assert_eq!(send(&bench, &mut client, commands).0, Some(Held::Alone(gate)), "the gate that is in the way");
        // All other commands go on meanwhile.
        assert!(bench.engine.barrier.try_enter(client.session.gate).is_some());
        drop(long);
        assert!(again(&bench, &mut client).0.is_none());
    }
}

#[test]
fn a_command_that_came_in_vain_too_often_waits_for_its_turn() {
    let bench = Bench::new();
    let mut client = bench.connect();
    client.session.attempts = ATTEMPTS;
    let (engine, (locked, is_locked)) = (Arc::clone(&bench.engine), std::sync::mpsc::channel());
    let long = std::thread::spawn(move || {
        let _guard = engine.keyspace.lock(0, key_slot(b"key"));
        locked.send(()).expect("the test waits");
        // Longer than the patience for any command.
        std::thread::sleep(VISIT_PATIENCE * 4);
    });
    is_locked.recv().expect("the other thread has the slot");
    assert_eq!(send(&bench, &mut client, &[&["SET", "key", "1"]]), (None, "+OK\r\n".to_owned()));
    long.join().expect("no panic");
}

/// The commands of others have seen that time meanwhile.
#[test]
fn a_command_that_waited_for_long_sees_the_time_at_which_it_runs() {
    let cases: [(&str, &[&[&str]], &str); 6] = [
        ("one key", &[&["GET", "key"]], "$-1\r\n"),
        ("several keys", &[&["MGET", "other", "key"]], "*2\r\n$-1\r\n$-1\r\n"),
        ("a transaction", &[&["MULTI"], &["GET", "key"], &["EXEC"]], "*1\r\n$-1\r\n"),
        ("a transaction that is alone", &[&["MULTI"], &["GET", "key"], &["DBSIZE"], &["EXEC"]], "*2\r\n$-1\r\n:1\r\n"),
        ("any key", &[&["SORT", "list", "BY", "nosort", "GET", "k*"]], "*1\r\n$-1\r\n"),
        ("every key", &[&["SWAPDB", "0", "1"], &["GET", "key"]], "$-1\r\n"),
    ];
    for (name, commands, reply) in cases {
        let mut bench = Bench::new();
        bench.run("RPUSH list ey");
        bench.run("SET key 1 PX 100");
        bench.run("EXPIRE list 1000");
        let mut client = bench.connect();
        client.session.attempts = ATTEMPTS;
        let (engine, clock) = (Arc::clone(&bench.engine), Arc::clone(&bench.clock));
        let (locked, is_locked) = std::sync::mpsc::channel();
        let long = std::thread::spawn(move || {
            let _pass = engine.barrier.enter(engine.background_gate());
            let _guard = engine.keyspace.lock(0, key_slot(b"key"));
            locked.send(()).expect("the test waits");
            std::thread::sleep(VISIT_PATIENCE * 4);
            clock.advance_ms(200);
        });
        is_locked.recv().expect("the other thread has the slot");
        let (held, replies) = send(&bench, &mut client, commands);
        long.join().expect("no panic");
        assert_eq!(held, None, "{name}");
        assert!(replies.ends_with(reply), "{name}: {replies}");
    }
}

#[tokio::test]
#[expect(clippy::await_holding_invalid_type, reason = "the slot is to be locked while others wait for it")]
async fn who_waits_for_a_slot_is_called_when_it_is_unlocked() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let engine = Arc::clone(&bench.engine);
    // A free slot is not waited for.
    engine.held_over(Held::Slot(0, slot)).await;
    let guard = engine.keyspace.lock(0, slot);
    let mut over = Box::pin(engine.held_over(Held::Slot(0, slot)));
    let mut also = Box::pin(engine.held_over(Held::Slot(0, slot)));
    assert!(futures_pending(&mut over).await && futures_pending(&mut also).await);
    drop(guard);
    // Counts are published as usual while tickets wait.
    assert_eq!(engine.keyspace.slot_len(0, slot), 0);
    let both = async { tokio::join!(over, also) };
    tokio::time::timeout(LOOK_AGAIN / 2, both).await.expect("both were called");
    assert_eq!(engine.keyspace.slot_len(0, slot), 0);
}

/// Whether a future is not ready at once.
async fn futures_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Hundreds of commands may wait for one slot, and each attempt blocks their worker for a moment.
#[tokio::test]
async fn nothing_is_tried_again_while_the_slot_is_still_held() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let long = Long::hold(&bench, slot);
    let mut over = Box::pin(bench.engine.held_over(Held::Slot(0, slot)));
    assert!(tokio::time::timeout(LOOK_AGAIN * 4, over.as_mut()).await.is_err(), "it is held");
    long.end(&bench, slot, "nobody");
    tokio::time::timeout(Duration::from_secs(5), over).await.expect("the end of it is noticed");
}

/// A patience that leaves nothing to wait for a slot that is awaited already, however slow this machine is.
const LONG_PATIENCE: Duration = Duration::from_millis(4);

/// Thousands of commands may come for a slot that is held for long, and each wait blocks their worker.
#[test]
fn only_the_first_waits_for_a_slot_that_is_held_for_long() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let long = bench.engine.keyspace.lock(0, slot);
    let mut client = bench.connect();
    assert_eq!(send(&bench, &mut client, &[&["GET", "key"]]).0, Some(Held::Slot(0, slot)));
    let waker = std::task::Waker::noop();
    let ticket = Ticket::new(waker);
    assert!(bench.engine.keyspace.park(0, slot, &ticket));
    let begun = std::time::Instant::now();
    for _ in 0..1_000 {
        assert!(bench.engine.keyspace.lock_within(0, slot, LONG_PATIENCE).is_none());
    }
    // Waiting each time would take four seconds.
    assert!(begun.elapsed() < LONG_PATIENCE * 500, "{:?}", begun.elapsed());
    drop(long);
    assert!(ticket.is_called());
    assert!(bench.engine.keyspace.lock_within(0, slot, LONG_PATIENCE).is_some());
}

/// A command that was held ends as any other: pushes behind its own reply, and no reply beyond the output limit.
#[test]
fn a_command_that_was_held_ends_as_any_other() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let mut client = bench.connect();
    client.run(&bench.engine, "HELLO 3");
    client.run(&bench.engine, "SUBSCRIBE __keyevent@0__:set");
    let guard = bench.engine.keyspace.lock(0, slot);
    assert_eq!(send(&bench, &mut client, &[&["SET", "key", "value"]]).0, Some(Held::Slot(0, slot)));
    drop(guard);
    let (_, replies) = again(&bench, &mut client);
    assert_eq!(replies, "+OK\r\n>3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$3\r\nkey\r\n");

    let mut bench = Bench::with(&[("client-output-buffer-limit", "normal 100kb 0 0")]);
    bench.run(&format!("SET key {}", "x".repeat(200_000)));
    let mut client = bench.connect();
    let guard = bench.engine.keyspace.lock(0, slot);
    assert_eq!(send(&bench, &mut client, &[&["GET", "key"]]).0, Some(Held::Slot(0, slot)));
    drop(guard);
    let args = client.session.postponed.take().expect("a command is held back");
    let next = bench.engine.retry(&mut client.session, args.view(), &mut Vec::new());
    assert!(matches!(next, Next::Close) && client.session.over_limit);
}

/// A command that is held has done nothing: what changes before WATCH is answered is no change.
#[test]
fn a_watch_that_is_held_watches_nothing() {
    let bench = Bench::new();
    let slot = key_slot(b"key");
    let (mut client, mut other) = (bench.connect(), bench.connect());
    let guard = bench.engine.keyspace.lock(0, slot);
    assert_eq!(send(&bench, &mut client, &[&["WATCH", "other", "key"]]).0, Some(Held::Slot(0, slot)));
    assert_eq!(other.run(&bench.engine, "SET other 1"), "+OK");
    drop(guard);
    assert_eq!(again(&bench, &mut client), (None, "+OK\r\n".to_owned()));
    let transaction: [&[&str]; 3] = [&["MULTI"], &["GET", "other"], &["EXEC"]];
    assert_eq!(send(&bench, &mut client, &transaction).1, "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n");
}

/// Many commands may want the node alone while one takes long; the workers that they came to serve others meanwhile.
#[tokio::test]
#[expect(clippy::await_holding_invalid_type, reason = "the gate is to be closed while a command waits for it")]
async fn nobody_asks_to_be_alone_again_while_the_same_batch_has_a_gate() {
    let mut bench = Bench::new();
    let mut client = bench.connect();
    let gate = bench.engine.control_gate();
    let busy = bench.engine.barrier.enter(gate);
    let held = send(&bench, &mut client, &[&["SWAPDB", "0", "1"]]).0.expect("another thread is under way");
    assert_eq!(held, Held::Alone(gate));
    let mut over = Box::pin(bench.engine.held_over(held));
    assert!(tokio::time::timeout(GATE_LOOK * 20, over.as_mut()).await.is_err(), "it is under way still");
    drop(busy);
    // The next batch is another one, even if nobody sees the gate open in between.
    let busy = bench.engine.barrier.enter(gate);
    tokio::time::timeout(Duration::from_secs(5), over).await.expect("it is tried again");
    drop(busy);
    assert_eq!(again(&bench, &mut client), (None, "+OK\r\n".to_owned()));
    assert_eq!(bench.run("PING"), "+PONG");
}

/// So SETSLOT MIGRATING is answered only when no command runs that was routed before it.
#[tokio::test]
#[expect(clippy::await_holding_invalid_type, reason = "the gate is to be closed while another task waits for it")]
async fn what_was_published_is_seen_by_all_once_the_batches_under_way_have_ended() {
    let bench = Bench::new();
    tokio::time::timeout(Duration::from_secs(5), bench.engine.begun_over()).await.expect("nothing is under way");
    let busy = bench.engine.barrier.enter(0);
    let mut over = Box::pin(bench.engine.begun_over());
    assert!(tokio::time::timeout(GATE_LOOK * 5, over.as_mut()).await.is_err(), "it is under way still");
    drop(busy);
    // The next batch is another one, even if nobody sees the gate open in between.
    let busy = bench.engine.barrier.enter(0);
    tokio::time::timeout(Duration::from_secs(5), over).await.expect("that batch has ended");
    drop(busy);
}

/// A cluster that loses all slots after so many questions.
struct Losing(AtomicUsize);

impl Router for Losing {
    fn route(&self, _: &RouteAsk<'_>) -> Route {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 { Route::Serve } else { Route::Refuse(error::moved(1, "127.0.0.1", 7001)) }
    }

    fn serves(&self, _: SlotId) -> bool {
        true
    }

    fn conclude(&self) {}

    fn relay(&self, _: &[u8], _: &[u8], _: Option<SlotId>) {}
}

#[test]
fn a_command_whose_slot_moves_while_it_waits_to_be_alone_does_not_run() {
    for (routed, commands) in [
        // Each command of a transaction is routed when it is queued, and EXEC once more.
        (2, &[&["MULTI"][..], &["SET", "key", "1"], &["DBSIZE"], &["EXEC"]][..]),
        (1, &[&["SORT", "key", "BY", "nosort", "GET", "x*", "STORE", "key"]]),
    ] {
        let bench = Bench::new();
        let router: Arc<dyn Router> = Arc::new(Losing(AtomicUsize::new(routed)));
        bench.engine.set_router(Arc::downgrade(&router));
        let mut client = bench.connect();
        assert_eq!(send(&bench, &mut client, commands).0, Some(Held::Again), "{commands:?}");
        let (held, reply) = again(&bench, &mut client);
        assert_eq!(held, None, "{commands:?}");
        assert!(reply.starts_with("-MOVED 1 127.0.0.1:7001"), "{commands:?}: {reply}");
        assert!(bench.engine.keyspace.is_empty(0), "{commands:?}");
    }
}

#[test]
fn a_command_that_became_alone_obeys_the_state_that_the_node_has_by_then() {
    let bench = Bench::new();
    let (client, engine) = (bench.connect(), &bench.engine);
    let hot = engine.hot.load();
    let words = OwnedArgs::from_slices(&[b"FLUSHALL".as_slice()]);
    let command = engine.registry.find(b"FLUSHALL").expect("it is registered");
    let call = Call { command, args: words.view(), keys: &[], hot: &hot, moving: None, now: engine.clock.now_ms() };
    assert!(matches!(engine.regate(&client.session, &call), Ok(None)));
    engine.state.replica.store(true, Ordering::Relaxed);
    assert!(matches!(engine.regate(&client.session, &call), Err(Held::Again)), "it would not reach the new primary");
}

/// The view is published before a long command lets the node change its role.
#[test]
fn a_write_to_a_replica_that_is_being_promoted_waits() {
    let bench = Bench::new();
    bench.engine.state.replica.store(true, Ordering::Relaxed);
    let readonly = "-READONLY You can't write against a read only replica.\r\n";
    assert_eq!(send(&bench, &mut bench.connect(), &[&["SET", "key", "1"]]), (None, readonly.to_owned()));
    let router: Arc<dyn Router> = Arc::new(Losing(AtomicUsize::new(usize::MAX)));
    bench.engine.set_router(Arc::downgrade(&router));
    assert_eq!(send(&bench, &mut bench.connect(), &[&["FLUSHALL"]]), (None, readonly.to_owned()), "it has no key");
    let script = &["EVAL", "return redis.call('set',KEYS[1],'1')", "1", "key"][..];
    let (mut client, mut of_script, mut of_queue) = (bench.connect(), bench.connect(), bench.connect());
    assert_eq!(send(&bench, &mut client, &[&["SET", "key", "1"]]).0, Some(Held::Role));
    assert_eq!(send(&bench, &mut of_script, &[script]).0, Some(Held::Role), "it does not say what it does");
    let queued = "+OK\r\n+QUEUED\r\n".to_owned();
    assert_eq!(send(&bench, &mut of_queue, &[&["MULTI"], script, &["EXEC"]]), (Some(Held::Role), queued));
    let reads = &["EVAL_RO", "return redis.call('get',KEYS[1])", "1", "key"][..];
    assert_eq!(send(&bench, &mut bench.connect(), &[reads]), (None, "$-1\r\n".to_owned()));
    let refused = send(&bench, &mut bench.connect(), &[&["READONLY"], script]);
    assert!(refused.0.is_none() && refused.1.starts_with("+OK\r\n-READONLY "), "it asks replicas: {refused:?}");
    bench.engine.state.replica.store(false, Ordering::Relaxed);
    assert_eq!(again(&bench, &mut client), (None, "+OK\r\n".to_owned()));
    assert_eq!(again(&bench, &mut of_script), (None, "+OK\r\n".to_owned()));
    assert_eq!(again(&bench, &mut of_queue), (None, "*1\r\n+OK\r\n".to_owned()));
}
