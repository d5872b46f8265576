//! Every way in which a key changes or goes, against all parties that must learn of it: each cell of this matrix is
//! compared with Redis.
//!
//! A cause is what one client does. The observers ([`observers`]) are transactions that watch, a client blocked on a
//! key, keyspace events, clients that cache, the count of changes, and a replica. They all observe the same cause at
//! once, on slotd and on stock Redis, and their reports are compared as text. Where Redis sends no notification, slotd
//! sends none.
//!
//! What a running snapshot keeps is in [`snapshot`], what a full sync does in [`full_sync`]; what only a cluster can do
//! to a key is in `tests/cluster/changes.rs` and `tests/cluster/watch.rs`.

mod full_sync;
mod observers;
mod snapshot;

use std::thread;
use std::time::Duration;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::{Value, split_line};
use integration::wait::{secs, wait_until};

use observers::{Observers, contents};

/// The data before a cause: a string, a list of one element, a key that expires late, another list, and a sorted set.
const KEYS: [&str; 5] = ["SET k v", "RPUSH l a", "SET t v EX 1000", "RPUSH other b", "ZADD z 1 a 2 b 3 c"];

/// What another client does. Lines are commands; `dump:k` stands for the payload of `k`, `target:` for another node.
/// Keys expire only when they are accessed, except between `!active` and the end of the cause.
const CAUSES: &[&str] = &[
    "GET k",
    "SET k v",
    "SET k w KEEPTTL",
    "SET k v EX 1000",
    "SETRANGE k 1 x",
    "MSET k 1 none 1",
    "GETSET k w",
    "DEL k l t",
    "UNLINK k l t",
    "DEL none",
    "GETDEL k",
    "APPEND k x",
    "INCR none",
    "INCRBYFLOAT none 1.5",
    "GETEX t PERSIST",
    "GETEX k PXAT 1",
    "PERSIST t",
    "PERSIST k",
    "EXPIRE k 100",
    "PEXPIRE k -1",
    "PEXPIRE l -1",
    "EXPIREAT l 1",
    "SET k v PXAT 1",
    "PEXPIRE k 1\n!later",
    "PEXPIRE k 1\n!later\nGET k",
    "PEXPIRE l 1\n!later\nRPUSH l b",
    "PEXPIRE k 1\n!later\nDEL k",
    "PEXPIRE k 1\n!later\nRENAME l k",
    "PEXPIRE k 1\n!later\nSCAN 0",
    "PEXPIRE k 1\n!active",
    "PEXPIRE l 1\n!active",
    "CONFIG SET lazyfree-lazy-expire yes\nPEXPIRE k 1\n!later\nGET k",
    "CONFIG SET lazyfree-lazy-expire yes\nPEXPIRE k 1\n!active",
    "CONFIG SET maxmemory-policy volatile-ttl maxmemory 1\nGET k\nCONFIG SET maxmemory 0",
    "CONFIG SET lazyfree-lazy-eviction yes maxmemory-policy volatile-lru maxmemory 1\nGET k\nCONFIG SET maxmemory 0",
    "RENAME k none",
    "RENAME l none",
    "RENAME l k",
    "RENAME k l",
    "RENAMENX k l",
    "RENAME k k",
    "COPY k none",
    "COPY l none",
    "COPY l k REPLACE",
    "COPY l l DB 1",
    "MOVE k 1",
    "MOVE l 1",
    "RESTORE k 0 dump:k",
    "RESTORE k 0 dump:k REPLACE",
    "RESTORE l 0 dump:k REPLACE",
    "RESTORE none 0 dump:k",
    "RESTORE none 0 dump:l",
    "RESTORE k 1 dump:k REPLACE ABSTTL",
    "RESTORE none 1 dump:k REPLACE ABSTTL",
    "LPOP l",
    "RPOP l 5",
    "LMPOP 2 none l LEFT",
    "LREM l 0 a",
    "LREM l 0 nothing",
    "LTRIM l 1 0",
    "LTRIM l 0 -1",
    "LSET l 0 a",
    "LINSERT l BEFORE a z",
    "LMOVE l other LEFT RIGHT",
    "LMOVE l none LEFT RIGHT",
    "RPOPLPUSH l l",
    "BLPOP l 0",
    "BLMOVE l none LEFT LEFT 0",
    "RPUSH none a",
    "RPUSH none a b c",
    "LPUSHX none a",
    "ZADD z 1 a",
    "ZADD z 5 a 6 d 3 c",
    "ZADD none 1 a 2 b",
    "ZADD k 1 a",
    "ZINCRBY z 1 a",
    "ZREM z a b",
    "ZREM z a b c",
    "ZPOPMIN z 2",
    "ZPOPMAX z 5",
    "ZMPOP 2 none z MAX COUNT 2",
    "BZPOPMIN none z 0",
    "BZMPOP 0 1 z MIN COUNT 3",
    "ZREMRANGEBYRANK z 0 1",
    "ZREMRANGEBYSCORE z -inf inf",
    "ZREMRANGEBYLEX z [a [b",
    "ZRANGESTORE k z 0 1",
    "ZRANGESTORE none z 0 -1",
    "ZRANGESTORE l z 7 8",
    "ZUNIONSTORE none 2 z z",
    "ZINTERSTORE k 1 z",
    "ZDIFFSTORE z 2 z z",
    "PEXPIRE z 1\n!later\nZADD z 1 m",
    "PEXPIRE k 1\n!later\nZUNIONSTORE k 1 z",
    "COPY z none",
    "RENAME z k",
    "MIGRATE target: z 0 5000",
    "MIGRATE target: k 0 5000 REPLACE",
    "MIGRATE target: l 0 5000 COPY REPLACE",
    "MIGRATE target: \"\" 0 5000 REPLACE KEYS k l none",
    "FLUSHDB",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "SELECT 1\nFLUSHDB",
    "SWAPDB 0 1",
    "SELECT 1\nSET none v\nSWAPDB 0 1",
    "SELECT 1\nRPUSH none v\nSWAPDB 0 1",
    "SWAPDB 0 0",
    "DEBUG RELOAD",
    "MULTI\nDEL k\nFLUSHALL\nEXEC",
    "MULTI\nSET k 1\nRENAME k none\nDEL none\nEXEC",
    "TOUCH k",
    "OBJECT ENCODING k",
];

/// A node, its replica, and a node to send keys to.
struct Stage {
    node: Node,
    replica: Node,
    target: Node,
}

impl Stage {
    fn new(binary: Binary) -> Self {
        let spec = |binary| NodeSpec::new(binary).with("repl-diskless-sync-delay", "0");
        let node = spec(binary).with("enable-debug-command", "yes").with("notify-keyspace-events", "KEAn").start();
        let replica = spec(Binary::Stock).with("replicaof", &format!("127.0.0.1 {}", node.port())).start();
        wait_until("the replica to be in step", secs(20), || replica.info("master_link_status") == "up");
        let target = NodeSpec::new(Binary::Stock).start();
        Self { node, replica, target }
    }

    /// The reports of all observers of one cause.
    fn outcome(&self, cause: &str, blocked: bool) -> String {
        let mut actor = self.node.client();
        let dumps = prepare(&mut actor);
        let mut observers = Observers::new(&self.node, blocked);
        for line in cause.lines() {
            perform(&mut actor, &dumps, &line.replace("target:", &self.target.addr().replace(':', " ")));
        }
        let told = observers.told(&self.node);
        // The replica's position is read with the offset of the asking client's own writes.
        for line in ["CONFIG SET lazyfree-lazy-expire no", "DEBUG SET-ACTIVE-EXPIRE 0", "SELECT 9", "SET mark v"] {
            actor.ok(line);
        }
        assert_eq!(actor.cmd("WAIT 1 10000").int(), 1, "the replica has everything");
        format!("{cause:?}, blocked: {blocked}\n{told}replica: {}", contents(&self.replica))
    }
}

/// Sets the keys; returns the payloads of `k` and `l`.
fn prepare(actor: &mut Client) -> [Vec<u8>; 2] {
    for line in ["FLUSHALL", "DEBUG SET-ACTIVE-EXPIRE 0"] {
        actor.ok(line);
    }
    KEYS.iter().for_each(|line| drop(actor.cmd(line)));
    ["DUMP k", "DUMP l"].map(|line| match actor.cmd(line) {
        Value::Bulk(payload) => payload,
        reply => panic!("{reply:?}"),
    })
}

/// Performs one line of a cause.
fn perform(actor: &mut Client, [k, l]: &[Vec<u8>; 2], line: &str) {
    match line {
        "!later" => thread::sleep(Duration::from_millis(20)),
        "!active" => {
            let expired = |actor: &mut Client| {
                integration::node::info_field(&actor.cmd("INFO stats").text(), "expired_keys").expect("a count")
            };
            let before = expired(actor);
            actor.ok("DEBUG SET-ACTIVE-EXPIRE 1");
            wait_until("the key to expire", secs(10), || expired(actor) != before);
        }
        _ => {
            let words: Vec<Vec<u8>> = split_line(line)
                .into_iter()
                .map(|word| match &*word {
                    b"dump:k" => k.clone(),
                    b"dump:l" => l.clone(),
                    _ => word,
                })
                .collect();
            actor.call(&words);
        }
    }
}

/// When a swap of databases wakes a client, Redis 7.0 pops for it without notifying clients that cache the key. Redis 8
/// notifies them, as slotd does.
fn is_played(cause: &str, blocked: bool) -> bool {
    !(blocked && cause.contains("SWAPDB"))
}

fn outcomes(binary: Binary) -> Vec<String> {
    let stage = Stage::new(binary);
    let both = CAUSES.iter().flat_map(|cause| [(cause, false), (cause, true)]);
    both.filter(|(cause, blocked)| is_played(cause, *blocked))
        .map(|(cause, blocked)| stage.outcome(cause, blocked))
        .collect()
}

/// Redis 8.0.6 and Valkey 9.1.2, where Redis 7.0 pops without a notification: see [`is_played`].
#[test]
fn who_caches_a_key_is_told_when_an_exchange_of_databases_serves_a_blocked_client() {
    if integration::oracle::slotd_is_stock() {
        return;
    }
    let told = Stage::new(Binary::Slotd).outcome("SWAPDB 0 1", true);
    for line in ["waits for l in 1: [l a]", "changes: 1", "caches by reads: [invalidate [l]]", "watches l in 1: aborts"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn every_observer_learns_of_every_cause_as_with_redis() {
    let (stock, slotd) = thread::scope(|scope| {
        let stock = scope.spawn(|| outcomes(Binary::Stock));
        let slotd = scope.spawn(|| outcomes(Binary::Slotd));
        (stock.join().expect("the oracle answers"), slotd.join().expect("slotd answers"))
    });
    let differing: Vec<String> = stock
        .iter()
        .zip(&slotd)
        .filter(|(stock, slotd)| stock != slotd)
        .map(|(stock, slotd)| format!("Redis: {stock}\nslotd: {slotd}\n"))
        .collect();
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}
