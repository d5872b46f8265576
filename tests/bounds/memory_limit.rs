//! `maxmemory` under load: what several clients write at once stays below it, and what is in use stays.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use crate::{KIB, MIB};

fn number(node: &Node, field: &str) -> u64 {
    node.info(field).parse().expect("a number")
}

/// A node that may use so much more than it does at its start.
fn limited(policy: &str, room: u64) -> (Node, u64) {
    let node = NodeSpec::new(Binary::Slotd).with("maxmemory-policy", policy).with("save", "").start();
    let limit = number(&node, "used_memory") + room;
    node.cmd(&format!("CONFIG SET maxmemory {limit}"));
    (node, limit)
}

/// Sends requests in one go and reads their replies; returns how many were errors.
fn pipeline(client: &mut Client, requests: &[Vec<u8>]) -> usize {
    client.send_raw(&requests.concat()).expect("sent");
    requests.iter().filter(|_| client.reply(secs(30)).expect("a reply").is_error()).count()
}

fn request(words: &[&str]) -> Vec<u8> {
    integration::resp::encode(words)
}

/// How long each thread of a node has worked, or has waited for a processor to work on, by its number.
fn busy(node: &Node) -> BTreeMap<OsString, Duration> {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.pid())).expect("the server runs").flatten();
    let time = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let times = text.split(' ').take(2).filter_map(|nanos| nanos.parse::<u64>().ok());
        Some((task.file_name(), Duration::from_nanos(times.sum())))
    };
    tasks.filter_map(time).collect()
}

/// Nobody sends a command that could make room: a thread of the node does, without pauses, and serves others as well.
#[test]
fn a_lowered_limit_is_reached_at_once_on_an_idle_node() {
    let node = NodeSpec::new(Binary::Slotd).with("maxmemory-policy", "allkeys-random").with("save", "").start();
    let mut client = node.client();
    let value = "v".repeat(100);
    for part in 0..200 {
        let requests: Vec<_> =
            (0..1000).map(|number| request(&["SET", &format!("k{part}:{number}"), &value])).collect();
        assert_eq!(pipeline(&mut client, &requests), 0);
    }
    let limit = number(&node, "used_memory") / 4;
    let (before, began) = (busy(&node), Instant::now());
    client.ok(&format!("CONFIG SET maxmemory {limit}"));
    wait_until("the limit to be reached", secs(60), || number(&node, "used_memory") <= limit + 256 * KIB);
    let took = began.elapsed();
    let worked =
        busy(&node).into_iter().map(|(thread, time)| time.saturating_sub(before.get(&thread).copied().unwrap_or(time)));
    let most = worked.max().expect("a thread");
    assert!(number(&node, "evicted_keys") > 100_000, "it was much to do");
    // At first the thread waits for a tick.
    assert!(most > took * 2 / 5, "of {took:?} no thread worked longer than {most:?}");
}

#[test]
fn writers_of_ten_times_the_limit_stay_below_it_under_every_policy() {
    const ROOM: u64 = 4 * MIB;
    const CLIENTS: usize = 12;
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let (node, limit) = limited(policy, ROOM);
        let value = "v".repeat(500);
        let per_client = 10 * ROOM as usize / value.len() / CLIENTS;
        let resident = node.resident("VmRSS");
        thread::scope(|scope| {
            for writer in 0..CLIENTS {
                let (node, value) = (&node, value.as_str());
                scope.spawn(move || {
                    let mut client = node.client();
                    for part in 0..per_client / 50 {
                        let key = |number: usize| format!("k:{writer}:{part}:{number}");
                        let requests: Vec<_> =
                            (0..50).map(|number| request(&["SET", &key(number), value, "EX", "10000"])).collect();
                        assert_eq!(pipeline(&mut client, &requests), 0, "{policy}: there is always something to evict");
                    }
                });
            }
            // Buffers of a dozen pipelines come and go, and each thread counts by itself.
            for _ in 0..20 {
                let used = number(&node, "used_memory");
                assert!(used < limit + MIB, "{policy}: {used} of {limit}");
                thread::sleep(Duration::from_millis(20));
            }
        });
        let used = number(&node, "used_memory");
        assert!(used < limit + 256 * KIB, "{policy}: {used} of {limit}");
        assert!(used > limit - ROOM / 2, "{policy}: no more than necessary is evicted: {used} of {limit}");
        let grown = node.resident("VmRSS").saturating_sub(resident);
        assert!(grown < 4 * ROOM, "{policy}: {grown} resident");
        assert!(number(&node, "evicted_keys") > (CLIENTS * per_client) as u64 / 2, "{policy}");
    }
}

#[test]
fn transactions_and_single_commands_evict_side_by_side() {
    let (node, limit) = limited("allkeys-lru", 2 * MIB);
    thread::scope(|scope| {
        for writer in 0..12 {
            let node = &node;
            scope.spawn(move || {
                let mut client = node.client();
                let value = "v".repeat(300);
                for part in 0..60 {
                    let key = |number: usize| format!("k:{writer}:{part}:{number}");
                    if writer % 2 == 0 {
                        let requests: Vec<_> = (0..40).map(|number| request(&["SET", &key(number), &value])).collect();
                        assert_eq!(pipeline(&mut client, &requests), 0);
                        continue;
                    }
                    client.ok("MULTI");
                    (0..40).for_each(|number| _ = client.call(&["SET", &key(number), &value]));
                    let done = client.call(&["EXEC"]);
                    assert_eq!(done.items().len(), 40);
                    assert!(done.items().iter().all(|reply| !reply.is_error()));
                }
            });
        }
    });
    assert!(number(&node, "used_memory") < limit + 512 * KIB);
    assert!(number(&node, "evicted_keys") > 10_000);
}

/// How many of the keys that are in use are left when others have come, in percent.
fn left_of_those_in_use(policy: &str) -> usize {
    const HOT: usize = 1500;
    let (node, _) = limited(policy, 3 * MIB);
    let mut client = node.client();
    let value = "v".repeat(300);
    let write = |client: &mut Client, name: &str, count: usize| {
        let requests: Vec<_> = (0..count).map(|number| request(&["SET", &format!("{name}{number}"), &value])).collect();
        requests.chunks(100).for_each(|part| assert_eq!(pipeline(client, part), 0));
    };
    // Idle times are counted in seconds.
    let pause = || thread::sleep(Duration::from_millis(2100));
    write(&mut client, "hot", HOT);
    write(&mut client, "cold", 4500);
    pause();
    let reads: Vec<_> = (0..HOT).map(|number| request(&["GET", &format!("hot{number}")])).collect();
    (0..20).for_each(|_| assert_eq!(pipeline(&mut client, &reads), 0));
    pause();
    write(&mut client, "new", 4500);
    let exists = |number: &usize| client.call(&["EXISTS", &format!("hot{number}")]) == Value::Int(1);
    (0..HOT).filter(exists).count() * 100 / HOT
}

#[test]
fn keys_in_use_stay_when_memory_is_full() {
    let (lru, lfu, random) = (
        left_of_those_in_use("allkeys-lru"),
        left_of_those_in_use("allkeys-lfu"),
        left_of_those_in_use("allkeys-random"),
    );
    assert!(lru >= 90 && lfu >= 90, "lru {lru}%, lfu {lfu}%");
    assert!(random < 75, "random {random}%");
}

#[test]
fn a_snapshot_does_not_empty_a_full_node() {
    if slotd_is_stock() {
        return;
    }
    let (node, _) = limited("allkeys-lru", 20 * MIB);
    let mut client = node.client();
    let value = "v".repeat(1000);
    let set = |number: usize| request(&["SET", &format!("k{number}"), &value]);
    (0..250).for_each(|part| {
        let requests: Vec<_> = (0..100).map(|number| set(part * 100 + number)).collect();
        assert_eq!(pipeline(&mut client, &requests), 0);
    });
    let before = number(&node, "evicted_keys");
    node.cmd("CONFIG SET rdb-key-save-delay 1000");
    node.cmd("BGSAVE");
    // What is overwritten is kept for the snapshot. Evicting others would not free it.
    let requests: Vec<_> = (20_000..22_000).map(set).collect();
    requests.chunks(100).for_each(|part| assert_eq!(pipeline(&mut client, part), 0));
    let evicted = number(&node, "evicted_keys") - before;
    assert!(evicted < 4000, "{evicted} keys were evicted for 2000 that were written");
    assert!(number(&node, "rdb_bgsave_in_progress") == 1 || evicted > 0, "the snapshot runs meanwhile");
}
