//! Freeze a primary, queue a write on an open connection, let a replica take over, wake the primary: an OK must be
//! true.
//!
//! Stock Redis fails this: the woken process reads its socket before it hears that it was replaced, replies OK, and
//! then discards the write when it becomes a replica. slotd must hear from a majority again before it serves a write
//! after such a pause. The test proves itself against stock Redis, where it must find losses.

use std::time::Duration;

use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::key_slot;
use integration::wait::{secs, wait_until};

use crate::rounds;

#[test]
fn a_woken_primary_never_acknowledges_a_write_that_is_then_gone() {
    let cluster = ClusterSpec::new(3, 1).node_timeout_ms(1_500).create();
    let library = "#!lua name=lib\nredis.register_function('put',function(k,v) return redis.call('SET',k[1],v[1]) end)";
    for primary in cluster.primaries() {
        cluster.connect(primary).call(&["FUNCTION", "LOAD", library]);
    }
    let (mut acknowledged, mut lost) = (0, Vec::new());
    for round in 1..=rounds("FREEZE_ROUNDS") {
        let primaries = cluster.primaries();
        let victim = primaries[round % primaries.len()];
        if let Some(key) = frozen_write(&cluster, victim, round) {
            acknowledged += 1;
            let value = cluster.client().call(&["GET", &key]).text();
            if value != format!("value-{round}") {
                lost.push(key);
            }
        }
    }
    println!("{acknowledged} queued writes were acknowledged, {} of them lost", lost.len());
    if slotd_is_stock() {
        assert!(!lost.is_empty(), "stock Redis loses such writes; a test that does not see it is blind");
    } else {
        assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    }
}

/// Writes, and then takes a second of the processor.
const LONG: &str = "redis.call('SET',KEYS[1],ARGV[1]) local t=os.clock() while os.clock()-t<1 do end return \
                    redis.status_reply('OK')";

/// One round; returns the key if its write was acknowledged.
fn frozen_write(cluster: &Cluster, victim: usize, round: usize) -> Option<String> {
    let mine = cluster.myself(victim);
    let key = (0..)
        .map(|i| format!("frozen:{round}:{i}"))
        .find(|k| mine.owns(key_slot(k.as_bytes())))
        .expect("it owns slots");
    let replicas = cluster.replicas_of(victim);
    let mut client = cluster.connect(victim);
    client.cmd("PING");
    let value = format!("value-{round}");
    let script = "return redis.call('SET',KEYS[1],ARGV[1])";
    let write = match round % 4 {
        0 => vec!["SET", &key, &value],
        1 => vec!["EVAL", script, "1", &key, &value],
        2 => vec!["FCALL", "put", "1", &key, &value],
        // This one is in its midst, and has written, when the node is frozen.
        _ => vec!["EVAL", LONG, "1", &key, &value],
    };
    let is_begun = write[1] == LONG;
    if !is_begun {
        cluster.nodes[victim].freeze();
    }
    client.send(&write).expect("the socket's buffer takes it");
    if is_begun {
        std::thread::sleep(Duration::from_millis(200));
        cluster.nodes[victim].freeze();
    }
    let promoted = cluster.wait_promotion(&replicas, secs(40));
    cluster.nodes[victim].thaw();
    // MOVED, CLUSTERDOWN, READONLY or a closed connection are all correct answers.
    let reply = client.reply(secs(20));
    wait_until("the woken primary to follow", secs(60), || cluster.replicas_of(promoted).contains(&victim));
    cluster.wait_stable();
    reply.is_ok_and(|r| r.is_ok()).then_some(key)
}
