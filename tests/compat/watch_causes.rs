//! WATCH against every way in which a key changes or goes: EXEC aborts where Redis aborts, and only there.
//!
//! The scripts of `transactions.rs` ask how WATCH works; here is the matrix of causes and keys. A cause is what another client does while the
//! key is watched. (What only a cluster can do to a key is in `tests/cluster/watch.rs`.)

use std::thread;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

/// What is there before: a string, a list of one element, a key whose time is far away, and one in another database.
const KEYS: [&str; 4] = ["SET k v", "RPUSH l a", "SET t v EX 1000", "RPUSH other b"];

/// What another client does. Lines are commands; `dump:` stands for the payload of `k`.
const CAUSES: &[&str] = &[
    "GET k",
    "SET k v",
    "SET k w KEEPTTL",
    "DEL k l t",
    "UNLINK k l t",
    "GETDEL k",
    "APPEND k x",
    "INCR none",
    "GETEX t PERSIST",
    "GETEX k PXAT 1",
    "PERSIST t",
    "EXPIRE k 100",
    "PEXPIRE k -1",
    "EXPIREAT l 1",
    "SET k v PXAT 1",
    "PEXPIRE k 1\n!later",
    "PEXPIRE none 1\n!later",
    "RENAME k none",
    "RENAME l k",
    "RENAMENX k l",
    "COPY k none",
    "COPY l k REPLACE",
    "MOVE k 1",
    "RESTORE k 0 dump:k",
    "RESTORE k 0 dump:k REPLACE",
    "RESTORE none 0 dump:k",
    "RESTORE k 1 dump:k REPLACE ABSTTL",
    "LPOP l",
    "RPOP l 5",
    "LMPOP 2 none l LEFT",
    "LREM l 0 a",
    "LREM l 0 nothing",
    "LTRIM l 1 0",
    "LSET l 0 a",
    "LMOVE l other LEFT RIGHT",
    "RPOPLPUSH l l",
    "BLPOP l 0",
    "BLMOVE l none LEFT LEFT 0",
    "RPUSH none a",
    "FLUSHDB",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "SELECT 1\nFLUSHDB",
    "SWAPDB 0 1",
    "SELECT 1\nSET none v\nSWAPDB 0 1",
    "SWAPDB 0 0",
    "DEBUG RELOAD",
    "MULTI\nDEL k\nFLUSHALL\nEXEC",
    "TOUCH k",
    "OBJECT ENCODING k",
];

fn play(client: &mut Client, dump: &[u8], line: &str) {
    if line == "!later" {
        thread::sleep(std::time::Duration::from_millis(20));
        return;
    }
    let words: Vec<Vec<u8>> = integration::resp::split_line(line)
        .into_iter()
        .map(|word| if word == b"dump:k" { dump.to_vec() } else { word })
        .collect();
    client.call(&words);
}

/// Whether EXEC ran, for one cause and one watched key.
fn outcome(node: &Node, cause: &str, watched: &str) -> String {
    let (mut watcher, mut other) = (node.client(), node.client());
    other.ok("FLUSHALL");
    KEYS.iter().for_each(|line| drop(other.cmd(line)));
    let dump = match other.cmd("DUMP k") {
        integration::resp::Value::Bulk(payload) => payload,
        reply => panic!("{reply:?}"),
    };
    watcher.ok(&format!("WATCH {watched}"));
    watcher.ok("MULTI");
    watcher.cmd("PING");
    cause.lines().for_each(|line| play(&mut other, &dump, line));
    format!("{cause:?} on {watched}: {:?}", watcher.cmd("EXEC"))
}

fn outcomes(binary: Binary) -> Vec<String> {
    let node = NodeSpec::new(binary).with("enable-debug-command", "yes").start();
    let watched = ["k", "l", "t", "none"];
    CAUSES.iter().flat_map(|cause| watched.map(|key| outcome(&node, cause, key))).collect()
}

#[test]
fn exec_aborts_for_every_cause_for_which_redis_aborts_and_for_no_other() {
    let (stock, slotd) = thread::scope(|scope| {
        let stock = scope.spawn(|| outcomes(Binary::Stock));
        let slotd = scope.spawn(|| outcomes(Binary::Slotd));
        (stock.join().expect("the oracle answers"), slotd.join().expect("slotd answers"))
    });
    let differing: Vec<_> = stock.iter().zip(&slotd).filter(|(stock, slotd)| stock != slotd).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

/// A full sync replaces everything: what was watched is gone, even if it comes back with the same value.
#[test]
fn exec_aborts_when_a_full_sync_takes_the_watched_key() {
    let primary = NodeSpec::new(Binary::Stock).with("repl-diskless-sync-delay", "0").start();
    assert!(primary.cmd("SET shared v").is_ok());
    let replica = NodeSpec::new(Binary::Slotd).start();
    for line in ["SET shared v", "SET gone v"] {
        assert!(replica.cmd(line).is_ok());
    }
    let mut watchers = ["shared", "gone", "none"].map(|key| {
        let mut client = replica.client();
        client.ok(&format!("WATCH {key}"));
        client.ok("MULTI");
        client.cmd("PING");
        client
    });
    assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    wait_until("the link to be up", secs(20), || replica.info("master_link_status") == "up");
    let [shared, gone, none] = watchers.each_mut().map(|client| client.cmd("EXEC"));
    assert_eq!(shared, integration::resp::Value::Null, "it was taken");
    assert_eq!(gone, integration::resp::Value::Null, "it was taken");
    assert_eq!(none.items().len(), 1, "nothing has happened to it: {none:?}");
    // A promotion changes nobody's keys.
    let mut watcher = replica.client();
    watcher.ok("WATCH shared");
    watcher.ok("MULTI");
    watcher.cmd("PING");
    assert!(replica.cmd("REPLICAOF NO ONE").is_ok());
    assert_eq!(watcher.cmd("EXEC").items().len(), 1);
}
