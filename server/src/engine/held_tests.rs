//! What holds a command back, and that it runs when that is over.

use std::sync::Arc;

use protocol::slot::key_slot;

use super::*;
use crate::engine::dispatch::Next;
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
        let long = bench.engine.barrier.enter(bench.engine.loader_gate());
        assert_eq!(send(&bench, &mut client, commands).0, Some(Held::Gate(client.session.gate)));
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

#[tokio::test]
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
