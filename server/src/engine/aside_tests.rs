//! A reply waits for what is done aside, and nobody else does.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;

use super::*;
use crate::engine::dispatch::Next;
use crate::engine::handler::ReplyFuture;
use crate::engine::ports::{Disk, FileWork};
use crate::testing::{Bench, Client, bulks};
use protocol::slot::key_slot;

/// A disk that takes until it is told.
struct SlowDisk(Mutex<Vec<Receiver<()>>>);

impl Disk for SlowDisk {
    fn flushed_all(&self) -> Option<FileWork> {
        let done = self.0.lock().pop()?;
        Some(Box::new(move || {
            let _ = done.recv();
        }))
    }
}

/// A bench with a disk that writes so many files, and what ends the writing of each.
fn bench(files: usize) -> (Bench, Arc<SlowDisk>, Vec<Sender<()>>) {
    let bench = Bench::new();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..files).map(|_| channel()).unzip();
    let disk = Arc::new(SlowDisk(Mutex::new(receivers.into_iter().rev().collect())));
    let plugged: Arc<dyn Disk> = disk.clone();
    bench.engine.set_disk(Arc::downgrade(&plugged));
    (bench, disk, senders)
}

/// Sends requests that end with a reply that comes later: what was answered before, and that reply.
fn send(bench: &Bench, client: &mut Client, input: &mut Vec<u8>) -> (String, ReplyFuture) {
    match client.process(&bench.engine, input) {
        (Next::Wait(reply), before) => (before, reply),
        (_, replies) => panic!("it does not wait for the disk: {replies}"),
    }
}

/// A slot that another thread has locked until it is told.
fn hold(bench: &Bench, key: &'static [u8]) -> (Sender<()>, std::thread::JoinHandle<()>) {
    let engine = bench.engine.clone();
    let ((release, released), (locked, is_locked)) = (channel::<()>(), channel());
    let thread = std::thread::spawn(move || {
        let _guard = engine.keyspace.lock(0, key_slot(key));
        locked.send(()).expect("the test waits");
        let _ = released.recv_timeout(std::time::Duration::from_secs(5));
    });
    is_locked.recv().expect("the other thread has the slot");
    (release, thread)
}

async fn is_pending(future: &mut ReplyFuture) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_flush_is_answered_when_the_file_is_written_and_nobody_else_waits() {
    let transaction = [&["MULTI"][..], &["FLUSHALL"], &["EXEC"]];
    let ways: [(&[&[&str]], &str, &[u8]); 2] =
        [(&[&["FLUSHALL"]], "", b"+OK\r\n"), (&transaction, "+OK\r\n+QUEUED\r\n", b"*1\r\n+OK\r\n")];
    for (commands, before, after) in ways {
        let (mut bench, _disk, done) = bench(1);
        assert_eq!(bench.run("SET key value"), "+OK");
        let mut client = bench.connect();
        let mut input = commands.iter().flat_map(|words| bulks(words)).collect();
        let (replies, mut reply) = send(&bench, &mut client, &mut input);
        assert_eq!(replies, before);
        assert!(is_pending(&mut reply).await);
        // Its gate is open, and the barrier is to be had.
        assert_eq!(bench.run("EXISTS key"), ":0");
        assert_eq!(bench.run("SWAPDB 0 1"), "+OK");
        done[0].send(()).expect("somebody writes");
        assert_eq!(reply.await, after);
    }
}

#[tokio::test]
async fn two_flushes_of_a_pipeline_have_their_turn_one_after_the_other() {
    let (bench, disk, done) = bench(2);
    let mut client = bench.connect();
    let mut input = [bulks(&["FLUSHALL"]), bulks(&["FLUSHALL"]), bulks(&["PING"])].concat();
    for (round, done) in done.iter().enumerate() {
        let (_, mut reply) = send(&bench, &mut client, &mut input);
        assert!(is_pending(&mut reply).await);
        assert_eq!(disk.0.lock().len(), 1 - round, "the second one begins when the first one is answered");
        done.send(()).expect("somebody writes");
        assert_eq!(reply.await, b"+OK\r\n");
    }
    assert_eq!(client.feed(&bench.engine, &mut input), "+PONG\r\n");
}

#[tokio::test]
async fn a_flush_whose_client_goes_is_written_all_the_same() {
    let (bench, _disk, done) = bench(1);
    let mut client = bench.connect();
    let (_, reply) = send(&bench, &mut client, &mut bulks(&["FLUSHALL"]));
    drop(reply);
    bench.engine.end_session(&mut client.session);
    done[0].send(()).expect("somebody writes");
    assert!(bench.engine.state.tasks.wait_empty(std::time::Duration::from_secs(10)), "the thread ends");
}

#[tokio::test]
async fn who_serves_a_client_that_needs_another_slot_does_not_wait_for_it() {
    let push = [&["RPUSH", "source", "1", "2"][..]];
    let transaction = [&["MULTI"][..], &["RPUSH", "source", "1", "2"], &["EXEC"]];
    let alone = [&["MULTI"][..], &["DBSIZE"], &["RPUSH", "source", "1", "2"], &["EXEC"]];
    let ways: [(&[&[&str]], &[u8]); 3] =
        [(&push, b":2\r\n"), (&transaction, b"*1\r\n:2\r\n"), (&alone, b"*2\r\n:0\r\n:2\r\n")];
    for (commands, answer) in ways {
        let bench = Bench::new();
        let (mut waits, mut pops, mut pushes, mut other) =
            (bench.connect(), bench.connect(), bench.connect(), bench.connect());
        assert_eq!(waits.run(&bench.engine, "BLMOVE source destination LEFT RIGHT 0"), "");
        // Behind the first one, and not served before it.
        assert_eq!(pops.run(&bench.engine, "BLPOP source 0"), "");
        let (release, thread) = hold(&bench, b"destination");
        let mut input = commands.iter().flat_map(|words| bulks(words)).collect();
        let (_, mut reply) = send(&bench, &mut pushes, &mut input);
        assert!(is_pending(&mut reply).await);
        assert!(bench.engine.keyspace.try_lock(0, key_slot(b"destination")).is_none(), "the slot was waited for");
        assert_eq!(other.run(&bench.engine, "SET other 1"), "+OK");
        assert!(waits.late_reply(&bench.engine).is_none() && pops.late_reply(&bench.engine).is_none());
        release.send(()).expect("somebody has the slot");
        thread.join().expect("no panic");
        assert_eq!(reply.await, answer);
        // Both were served before the reply.
        assert_eq!(waits.late_reply(&bench.engine).as_deref(), Some("$1\r\n1"));
        assert_eq!(pops.late_reply(&bench.engine).as_deref(), Some("*2\r\n$6\r\nsource\r\n$1\r\n2"));
        assert_eq!(other.run(&bench.engine, "EXISTS source destination"), ":1");
    }
}

#[tokio::test]
async fn a_client_is_served_although_the_one_that_made_its_key_ready_goes() {
    let bench = Bench::new();
    let (mut waits, mut pushes) = (bench.connect(), bench.connect());
    assert_eq!(waits.run(&bench.engine, "BLMOVE source destination LEFT RIGHT 0"), "");
    let (release, thread) = hold(&bench, b"destination");
    let (_, reply) = send(&bench, &mut pushes, &mut bulks(&["RPUSH", "source", "1"]));
    drop(reply);
    bench.engine.end_session(&mut pushes.session);
    release.send(()).expect("somebody has the slot");
    thread.join().expect("no panic");
    assert!(bench.engine.state.tasks.wait_empty(std::time::Duration::from_secs(10)), "the thread ends");
    assert_eq!(waits.late_reply(&bench.engine).as_deref(), Some("$1\r\n1"));
}

/// What a served client makes ready must reach its own waiters, although a later client has to be served by a thread.
#[tokio::test]
async fn what_was_made_ready_before_a_slot_was_missing_is_served_too() {
    let bench = Bench::new();
    let [mut moves, mut pops, mut stuck, mut pushes] = [(); 4].map(|()| bench.connect());
    assert_eq!(moves.run(&bench.engine, "BLMOVE source middle LEFT RIGHT 0"), "");
    assert_eq!(pops.run(&bench.engine, "BLPOP middle 0"), "");
    assert_eq!(stuck.run(&bench.engine, "BLMOVE source destination LEFT RIGHT 0"), "");
    let (release, thread) = hold(&bench, b"destination");
    let (_, reply) = send(&bench, &mut pushes, &mut bulks(&["RPUSH", "source", "1", "2"]));
    release.send(()).expect("somebody has the slot");
    thread.join().expect("no panic");
    assert_eq!(reply.await, b":2\r\n");
    assert_eq!(moves.late_reply(&bench.engine).as_deref(), Some("$1\r\n1"));
    assert_eq!(pops.late_reply(&bench.engine).as_deref(), Some("*2\r\n$6\r\nmiddle\r\n$1\r\n1"));
    assert_eq!(stuck.late_reply(&bench.engine).as_deref(), Some("$1\r\n2"));
}
