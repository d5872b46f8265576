//! Jobs that cannot run: their requester is always notified, whatever went wrong. Large keys: they delay nobody.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use protocol::slot::{SlotId, key_slot};

use super::*;
use crate::testing::Bench;

/// Reports how it ended.
struct Told(&'static str, Sender<(&'static str, Result<(), String>)>);

impl SnapshotJob for Told {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self) {}

    fn chunk(&mut self, _bytes: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce {
        Box::new(move || self.1.send((self.0, result.map_err(|error| error.to_string()))).expect("the test waits"))
    }
}

#[test]
fn jobs_behind_one_that_gets_no_thread_are_told_so_as_well() {
    let bench = Bench::new();
    let snapshots = Snapshots::new(bench.engine.clone());
    let (told, outcomes) = channel();
    let job = |name| Box::new(Told(name, told.clone())) as Box<dyn SnapshotJob>;
    // The first one is on its way to a thread, and others queue behind it.
    let first = job("first");
    snapshots.begin(&mut snapshots.schedule.lock(), Some(&*first));
    snapshots.submit(job("second"));
    snapshots.submit(job("third"));
    snapshots.fail_all(Some(first), &io::Error::new(io::ErrorKind::WouldBlock, "no more threads"));
    for name in ["first", "second", "third"] {
        let reason = "Can't start a thread to save: no more threads".to_owned();
        assert_eq!(outcomes.try_recv(), Ok((name, Err(reason))));
    }
    assert!(!snapshots.is_busy());
    snapshots.submit(job("next"));
    assert_eq!(outcomes.recv_timeout(Duration::from_secs(30)), Ok(("next", Ok(()))));
}

/// A writer of a large collection waits for a share of it, not until it is written.
#[test]
fn what_is_large_is_written_when_its_slot_is_free() {
    let mut bench = Bench::new();
    let members: Vec<String> = (0..20_000).map(|n| format!("member:{n}")).collect();
    for part in members.chunks(1000) {
        bench.run(&format!("SADD {{a}}large {}", part.join(" ")));
    }
    for n in 0..50 {
        bench.run(&format!("SET {{a}}small:{n} {}", "x".repeat(4000)));
    }
    let (cut, slot) = (bench.engine.keyspace.cut(), key_slot(b"a"));
    let (mut out, mut bytes, mut keys, mut large) = (RdbWriter::new(false, true), Vec::new(), 0, 0);
    loop {
        let step = read_step(&mut bench.engine.keyspace.lock_cut(&cut, 0, slot), &mut out);
        let locked = out.take();
        assert!(locked.len() <= 2 * STEP_BYTES, "{} bytes under the lock", locked.len());
        bytes.extend(locked);
        keys += step.keys;
        for entry in step.large {
            assert_eq!(entry.as_ref().key(), b"{a}large");
            large += 1;
            // The slot is free, and what is shared stays as it was.
            bench.run("DEL {a}large {a}small:49");
            out.entry(entry.as_ref());
            bytes.extend(out.take());
        }
        if step.done {
            break;
        }
    }
    assert_eq!((keys, large), (51, 1));
    bytes.extend(out.finish());
    for text in ["{a}large".to_owned(), "member:19999".to_owned(), "{a}small:49".to_owned()] {
        assert!(bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text} is missing");
    }
}

/// The bytes of a slot as a snapshot writes them.
fn written(bench: &Bench, cut: &Cut, slot: SlotId) -> Vec<u8> {
    let mut out = RdbWriter::new(false, true);
    loop {
        let step = read_step(&mut bench.engine.keyspace.lock_cut(cut, 0, slot), &mut out);
        step.large.iter().for_each(|entry| out.entry(entry.as_ref()));
        if step.done {
            return out.take();
        }
    }
}

/// Keys of one tag are read together.
#[test]
fn large_keys_of_one_tag_are_all_written() {
    let mut bench = Bench::new();
    let mut known = HashMap::new();
    let (one, other) = (0..)
        .find_map(|number| {
            let key = format!("{{a}}{number}");
            let tag = bench.engine.keyspace.hash(key.as_bytes()).tag();
            known.insert(tag, key.clone()).map(|before| (before, key))
        })
        .expect("there are a million tags");
    let value = "x".repeat(STEP_BYTES + 1);
    for changes in [false, true] {
        for key in [&one, &other] {
            assert_eq!(bench.run(&format!("SET {key} {value}")), "+OK");
        }
        let cut = bench.engine.keyspace.cut();
        if changes {
            assert!(
                bench.run(&format!("APPEND {one} y")).starts_with(':') && bench.run(&format!("DEL {other}")) == ":1"
            );
        }
        let bytes = written(&bench, &cut, key_slot(b"a"));
        for key in [&one, &other] {
            assert!(bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{key} is missing, {changes}");
        }
    }
}

/// A memory limit must not evict keys for what only a snapshot needs.
#[test]
fn what_only_a_snapshot_has_is_counted_until_it_is_written() {
    let mut bench = Bench::new();
    let members: Vec<String> = (0..20_000).map(|n| format!("member:{n}")).collect();
    for part in members.chunks(1000) {
        bench.run(&format!("SADD {{a}}large {}", part.join(" ")));
    }
    let (cut, slot) = (bench.engine.keyspace.cut(), key_slot(b"a"));
    // It goes in two steps.
    assert_eq!(bench.run("EXPIRE {a}large 100"), ":1");
    assert_eq!(bench.run("DEL {a}large"), ":1");
    let kept = bench.engine.keyspace.kept_bytes();
    let step = read_step(&mut bench.engine.keyspace.lock_cut(&cut, 0, slot), &mut RdbWriter::new(false, true));
    assert!(kept > 100_000 && step.large.len() == 1, "{kept} bytes");
    assert_eq!(bench.engine.keyspace.kept_bytes(), kept, "it is still to be written");
    drop(step);
    assert_eq!(bench.engine.keyspace.kept_bytes(), 0);
    written(&bench, &cut, slot);
    drop(cut);
    // The same of a long string, whose buffer a snapshot shares only with what goes.
    bench.run(&format!("SET {{a}}string {}", "x".repeat(2 * STEP_BYTES)));
    let cut = bench.engine.keyspace.cut();
    assert_eq!((bench.run("EXPIRE {a}string 100"), bench.run("DEL {a}string")), (":1".to_owned(), ":1".to_owned()));
    assert!(bench.engine.keyspace.kept_bytes() > 2 * STEP_BYTES as u64);
    written(&bench, &cut, slot);
    assert_eq!(bench.engine.keyspace.kept_bytes(), 0);
}

/// What was freed already is not counted as what only a snapshot has: a memory limit would be passed by as much.
#[test]
fn what_is_counted_shrinks_with_what_is_left_to_be_written() {
    let mut bench = Bench::new();
    let members: Vec<String> = (0..60_000).map(|n| format!("a-longer-member:{n:08}")).collect();
    for part in members.chunks(1000) {
        bench.run(&format!("SADD {{a}}large {}", part.join(" ")));
    }
    let cut = bench.engine.keyspace.cut();
    assert_eq!(bench.run("DEL {a}large"), ":1");
    let whole = bench.engine.keyspace.kept_bytes();
    let mut out = RdbWriter::new(false, true);
    let mut step = read_step(&mut bench.engine.keyspace.lock_cut(&cut, 0, key_slot(b"a")), &mut out);
    let (entry, mut written, mut steps) = (step.large.remove(0), 0, 0);
    let result = out.entry_by(entry, |chunk| {
        written += chunk.len() as u64;
        steps += 1;
        let kept = bench.engine.keyspace.kept_bytes();
        assert!(kept <= whole - written.min(whole), "{kept} bytes of {whole} with {written} written");
        Ok::<(), ()>(())
    });
    assert_eq!((result, bench.engine.keyspace.kept_bytes()), (Ok(()), 0));
    assert!(steps > 10 && written > whole / 2, "{steps} steps, {written} bytes of {whole}");
}

/// Has room for some chunks, and reports how many it was given, the longest of them, and how it ended.
struct Narrow {
    room: usize,
    chunks: usize,
    longest: usize,
    told: Sender<(usize, usize, Result<(), String>)>,
}

impl SnapshotJob for Narrow {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self) {}

    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.chunks += 1;
        self.longest = self.longest.max(bytes.capacity());
        if self.chunks > self.room { Err(io::Error::other("no room")) } else { Ok(()) }
    }

    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce {
        let outcome = (self.chunks, self.longest, result.map_err(|error| error.to_string()));
        Box::new(move || self.told.send(outcome).expect("the test waits"))
    }
}

#[test]
fn a_large_key_is_passed_on_while_it_is_written() {
    let mut bench = Bench::new();
    let members: Vec<String> = (0..60_000).map(|n| format!("a-longer-member:{n:08}")).collect();
    for part in members.chunks(1000) {
        bench.run(&format!("SADD large {}", part.join(" ")));
    }
    let snapshots = Snapshots::new(bench.engine.clone());
    let (told, outcomes) = channel();
    let outcome = |room| {
        snapshots.submit(Box::new(Narrow { room, chunks: 0, longest: 0, told: told.clone() }));
        outcomes.recv_timeout(Duration::from_secs(30)).expect("it ends")
    };
    let (chunks, longest, result) = outcome(usize::MAX);
    assert_eq!(result, Ok(()));
    assert!(chunks > 10 && longest <= 256 * 1024, "{chunks} chunks of up to {longest} bytes");
    let (chunks, _, result) = outcome(3);
    assert_eq!((chunks, result), (4, Err("no room".to_owned())), "a full disk ends it within the key");
    assert!(bench.run("SADD large one-more") == ":1" && outcome(usize::MAX).2.is_ok(), "the next one is complete");
}

/// Says when it gets its first chunk, and takes it when it is told to.
struct Waits {
    got: Sender<()>,
    go_on: Receiver<()>,
    chunks: usize,
    told: Sender<(usize, Result<(), String>)>,
}

impl SnapshotJob for Waits {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self) {}

    fn chunk(&mut self, _bytes: Vec<u8>) -> io::Result<()> {
        self.chunks += 1;
        if self.chunks == 1 {
            self.got.send(()).expect("the test waits");
            self.go_on.recv().expect("the test says so");
        }
        Ok(())
    }

    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce {
        let outcome = (self.chunks, result.map_err(|error| error.to_string()));
        Box::new(move || self.told.send(outcome).expect("the test waits"))
    }
}

#[test]
fn a_job_that_is_cancelled_ends_within_a_large_key() {
    for kind in ["SADD large", "RPUSH large", "ZADD large", "HSET large"] {
        let mut bench = Bench::new();
        let words: Vec<String> = (0..60_000).map(|n| format!("{n} a-longer-member:{n:08}")).collect();
        for part in words.chunks(500) {
            bench.run(&format!("{kind} {}", part.join(" ")));
        }
        let snapshots = Snapshots::new(bench.engine.clone());
        let ((got, has_got), (go, go_on), (told, outcomes)) = (channel(), channel(), channel());
        snapshots.submit(Box::new(Waits { got, go_on, chunks: 0, told }));
        has_got.recv_timeout(Duration::from_secs(30)).expect("there is a chunk");
        // The slot is free, and what was not yet written is copied.
        assert_eq!(bench.run("DEL large"), ":1");
        snapshots.cancel_all();
        go.send(()).expect("the job waits");
        let outcome = outcomes.recv_timeout(Duration::from_secs(30)).expect("it ends");
        assert_eq!(outcome, (1, Err("cancelled".to_owned())), "{kind}");
        assert_eq!(bench.engine.keyspace.kept_bytes(), 0, "{kind}");
    }
}
