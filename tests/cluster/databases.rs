//! Several databases in cluster mode (`cluster-databases`, Valkey 9): a slot has keys in each of them. They move, go,
//! and are replicated together.
//!
//! What is asked of two nodes is asked of Valkey's own, too. The replies of one node are compared in
//! `tests/compat/cluster_databases.rs`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::redis_cli::{Cli, cluster_cli_of};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

const MANY: (&str, &str) = ("cluster-databases", "16");
/// The slot of `k`.
pub(crate) const SLOT: u16 = 7629;

fn many(binary: Binary) -> NodeSpec {
    NodeSpec::cluster(binary, 2_000).with(MANY.0, MANY.1)
}

/// Two nodes that share the slots; the first one has `SLOT`.
pub(crate) struct Pair {
    pub(crate) source: Node,
    pub(crate) target: Node,
}

impl Pair {
    fn new(binary: Binary) -> Self {
        Self::of(|| many(binary))
    }

    pub(crate) fn of(spec: impl Fn() -> NodeSpec) -> Self {
        let (source, target) = (spec().start(), spec().start());
        source.client().ok("CLUSTER ADDSLOTSRANGE 0 8191");
        target.client().ok("CLUSTER ADDSLOTSRANGE 8192 16383");
        source.client().ok("CLUSTER SET-CONFIG-EPOCH 1");
        target.client().ok("CLUSTER SET-CONFIG-EPOCH 2");
        source.client().ok(&format!("CLUSTER MEET 127.0.0.1 {} {}", target.port(), target.bus_port()));
        wait_until("the cluster to be formed", secs(20), || {
            [&source, &target].iter().all(|node| {
                let info = node.cmd("CLUSTER INFO").text();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
            })
        });
        Self { source, target }
    }

    /// Opens the slot, on its way from the source to the target.
    pub(crate) fn open(&self) {
        let (from, to) = (id(&self.source), id(&self.target));
        self.target.client().ok(&format!("CLUSTER SETSLOT {SLOT} IMPORTING {from}"));
        self.source.client().ok(&format!("CLUSTER SETSLOT {SLOT} MIGRATING {to}"));
    }

    fn migrate(&self, client: &mut Client, key: &str, db: usize) -> String {
        client.cmd(&format!("MIGRATE 127.0.0.1 {} {key} {db} 5000", self.target.port())).text()
    }
}

fn id(node: &Node) -> String {
    node.cmd("CLUSTER MYID").text()
}

/// Sets keys in databases: `[(0, "a"), (3, "b")]`.
fn set(client: &mut Client, keys: &[(usize, &str)]) {
    for (db, key) in keys {
        client.ok(&format!("SELECT {db}"));
        client.ok(&format!("SET {key} {db}"));
    }
    client.ok("SELECT 0");
}

/// The databases that have keys, and how many: `0:2 5:1`.
fn sizes(node: &Node) -> String {
    let info = node.cmd("INFO keyspace").text();
    let lines = info.lines().filter_map(|line| line.strip_prefix("db"));
    let one = |line: &str| {
        let (db, rest) = line.split_once(":keys=").expect("dbN:keys=");
        format!("{db}:{}", rest.split(',').next().unwrap_or_default())
    };
    lines.map(one).collect::<Vec<_>>().join(" ")
}

/// The first word of an error, or the value.
fn brief(reply: &Value) -> String {
    match reply {
        Value::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
        Value::Null => "nothing".to_owned(),
        other => other.text(),
    }
}

/// Asserts what lines are answered, `brief`ly.
#[track_caller]
fn expect(client: &mut Client, script: &[(&str, &str)]) {
    for (line, wanted) in script {
        assert_eq!(brief(&client.cmd(line)), *wanted, "{line}");
    }
}

/// An open slot serves what it has in each database, and asks the target for the rest of each.
fn keys_are_looked_for_in_their_database(binary: Binary) {
    let pair = Pair::new(binary);
    let mut source = pair.source.client();
    set(&mut source, &[(0, "k"), (0, "{k}b"), (1, "k"), (2, "{k}x")]);
    // Queued before the slot is open, so all are checked by EXEC alone.
    let mut queues: Vec<Client> = (0..3).map(|_| pair.source.client()).collect();
    let queued = [
        (&["MULTI", "SELECT 1", "GET k", "SELECT 0", "GET {k}b"][..], ""),
        (&["MULTI", "SELECT 5", "GET k"], "ASK"),
        (&["MULTI", "GET k", "SELECT 5", "GET k"], "TRYAGAIN"),
    ];
    for (client, (lines, _)) in queues.iter_mut().zip(queued) {
        lines.iter().for_each(|line| assert!(!client.cmd(line).is_error(), "{line}"));
    }
    pair.open();
    for (client, (lines, wanted)) in queues.iter_mut().zip(queued) {
        match client.cmd("EXEC") {
            Value::Array(replies) => assert_eq!((replies[1].text().as_str(), wanted), ("1", "")),
            refused => assert_eq!(brief(&refused), wanted, "{lines:?}"),
        }
    }
    expect(
        &mut source,
        &[
            ("GET k", "0"),
            ("GET {k}x", "ASK"),
            ("MGET k {k}x", "TRYAGAIN"),
            ("SELECT 1", "OK"),
            ("GET k", "1"),
            ("GET {k}b", "ASK"),
            ("SELECT 5", "OK"),
            ("SET k v", "ASK"),
            ("MGET k {k}b", "ASK"),
            ("WATCH k", "ASK"),
            ("SELECT 2", "OK"),
            ("GET {k}x", "2"),
        ],
    );
    let mut target = pair.target.client();
    let asking = |target: &mut Client, script: &[(&str, &str)]| {
        for step in script {
            target.ok("ASKING");
            expect(target, &[*step]);
        }
    };
    target.ok("SELECT 3");
    expect(&mut target, &[("GET k", "MOVED")]);
    asking(&mut target, &[("SET k v", "OK"), ("GET k", "v"), ("MGET k {k}b", "TRYAGAIN")]);
    target.ok("SELECT 4");
    asking(&mut target, &[("GET k", "nothing")]);
}

/// Whether both databases of a cross-database command have their keys here cannot be told from one of them.
fn no_key_crosses_databases_in_an_open_slot(binary: Binary) {
    let pair = Pair::new(binary);
    let mut source = pair.source.client();
    set(&mut source, &[(0, "k"), (0, "{k}b"), (1, "k")]);
    pair.open();
    expect(
        &mut source,
        &[
            ("MOVE k 3", "TRYAGAIN"),
            ("MOVE {k}none 3", "TRYAGAIN"),
            ("COPY k k DB 1 REPLACE", "TRYAGAIN"),
            ("COPY k k DB 4", "TRYAGAIN"),
            ("COPY k {k}b DB 0 DB 1 REPLACE", "TRYAGAIN"),
            ("COPY k {k}b REPLACE", "1"),
            ("COPY k {k}b REPLACE DB 0", "1"),
            ("MULTI", "OK"),
            ("MOVE k 1", "TRYAGAIN"),
            ("EXEC", "EXECABORT"),
        ],
    );
    let mut target = pair.target.client();
    target.ok("ASKING");
    target.ok("SET k v");
    for line in ["MOVE k 3", "COPY k k DB 3"] {
        target.ok("ASKING");
        expect(&mut target, &[(line, "TRYAGAIN")]);
    }
    source.ok(&format!("CLUSTER SETSLOT {SLOT} STABLE"));
    expect(&mut source, &[("MOVE k 3", "1"), ("COPY {k}b k DB 4", "1")]);
}

/// A slot has moved when no database of the source has any of its keys.
fn a_slot_moves_with_its_keys_in_every_database(binary: Binary) {
    let pair = Pair::new(binary);
    let mut source = pair.source.client();
    set(&mut source, &[(0, "k"), (0, "{k}b"), (1, "k"), (2, "{k}x")]);
    pair.open();
    let over = format!("CLUSTER SETSLOT {SLOT} NODE {}", id(&pair.target));
    assert_eq!(pair.migrate(&mut source, "k", 0), "OK");
    assert_eq!(pair.migrate(&mut source, "{k}b", 7), "OK", "the target's database is another one");
    source.ok("SELECT 1");
    assert_eq!(pair.migrate(&mut source, "k", 1), "OK");
    assert_eq!(pair.migrate(&mut source, "{k}x", 1), "NOKEY", "it is in another database");
    assert_eq!(
        source.cmd(&over).text(),
        format!("ERR Can't assign hashslot {SLOT} to a different node while I still hold keys for this hash slot.")
    );
    source.ok("SELECT 2");
    assert_eq!(pair.migrate(&mut source, "{k}x", 2), "OK");
    pair.target.client().ok(&over);
    source.ok(&over);
    assert_eq!((sizes(&pair.source), sizes(&pair.target)), (String::new(), "0:1 1:1 2:1 7:1".to_owned()));
    expect(&mut pair.target.client(), &[("GET k", "0"), ("SELECT 7", "OK"), ("GET {k}b", "0")]);
}

/// With stock nodes they get into the database that the connection had selected before, if need be over others.
#[test]
fn keys_get_into_no_other_database_than_the_one_that_is_named() {
    if slotd_is_stock() {
        return;
    }
    let pair = Pair::new(Binary::Slotd);
    let mut source = pair.source.client();
    set(&mut source, &[(0, "k"), (7, "k"), (7, "{k}b")]);
    pair.open();
    source.ok("SELECT 7");
    assert_eq!(pair.migrate(&mut source, "k", 7), "OK");
    source.ok("SELECT 0");
    let refused = "ERR Target instance replied with error: ERR DB index is out of range";
    for _ in 0..2 {
        let line = format!("MIGRATE 127.0.0.1 {} k 16 5000 REPLACE", pair.target.port());
        assert_eq!(source.cmd(&line).text(), refused);
        assert_eq!((sizes(&pair.source), sizes(&pair.target)), ("0:1 7:1".to_owned(), "7:1".to_owned()));
    }
    let mut target = pair.target.client();
    target.ok("SELECT 7");
    target.ok("ASKING");
    expect(&mut target, &[("GET k", "7")]);
    assert_eq!(pair.migrate(&mut source, "k", 0), "OK");
}

/// Another node takes a slot over: its keys are deleted, clients wait elsewhere, and transactions on it fail.
fn a_lost_slot_loses_its_keys_in_every_database(binary: Binary) {
    let pair = Pair::new(binary);
    let mut source = pair.source.client();
    set(&mut source, &[(0, "k"), (1, "k"), (5, "k"), (5, "bar"), (9, "{k}9")]);
    let in_db = |db: usize, line: &str| {
        let mut client = pair.source.client();
        client.ok(&format!("SELECT {db}"));
        client.send(&line.split(' ').collect::<Vec<_>>()).expect("it is connected");
        client
    };
    let mut waiting: Vec<Client> = [0, 1, 5, 12].iter().map(|db| in_db(*db, "BLPOP {k}list 0")).collect();
    let mut watching: Vec<Client> = [0, 1, 5].iter().map(|db| in_db(*db, "WATCH k")).collect();
    for client in &mut watching {
        assert!(client.reply(secs(5)).expect("a reply").is_ok());
    }
    wait_until("them to wait", secs(5), || pair.source.info("blocked_clients") == "4");
    pair.target.client().ok(&format!("CLUSTER SETSLOT {SLOT} IMPORTING {}", id(&pair.source)));
    pair.target.client().ok(&format!("CLUSTER SETSLOT {SLOT} NODE {}", id(&pair.target)));
    // `bar` is in another slot of the same node.
    wait_until("the keys to be deleted", secs(10), || sizes(&pair.source) == "5:1");
    for client in &mut waiting {
        assert_eq!(brief(&client.reply(secs(5)).expect("a reply")), "MOVED");
    }
    for client in &mut watching {
        client.ok("MULTI");
        assert_eq!(client.cmd("PING").text(), "QUEUED");
        assert!(matches!(client.cmd("EXEC"), Value::Null));
    }
}

/// A node that starts with a file takes the slots of its keys, whichever databases they are in.
fn a_file_is_loaded_with_all_databases_or_not_at_all(binary: Binary) {
    let node = many(binary).start();
    let mut client = node.client();
    client.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    wait_until("the node to serve", secs(10), || client.cmd("SET k 0").is_ok());
    set(&mut client, &[(9, "foo"), (15, "bar")]);
    client.ok("SAVE");
    let file = fs::read(node.dir().join("dump.rdb")).expect("it was saved");
    let again = many(binary).with_file("dump.rdb", &file).start();
    assert_eq!(sizes(&again), "0:1 9:1 15:1");
    let nodes = again.cmd("CLUSTER NODES").text();
    for slot in ["5061", "7629", "12182"] {
        assert!(nodes.split_whitespace().any(|word| word == slot), "{nodes}");
    }
    let fewer = NodeSpec::cluster(binary, 2_000).with("cluster-databases", "15").with_file("dump.rdb", &file);
    let (status, log) = fewer.prepare().run_to_end();
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("configured to handle more than 15 databases. Exiting"), "{log}");
}

/// What a node that has keys in some database is not allowed to do.
fn a_node_is_empty_if_all_its_databases_are(binary: Binary) {
    let pair = Pair::new(binary);
    let mut source = pair.source.client();
    set(&mut source, &[(9, "k")]);
    assert_eq!(
        source.cmd("CLUSTER RESET").text(),
        "ERR CLUSTER RESET can't be called with master nodes containing keys"
    );
    assert_eq!(source.cmd("CLUSTER FLUSHSLOTS").text(), "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
    source.ok("CLUSTER DELSLOTSRANGE 0 8191");
    assert!(source.cmd(&format!("CLUSTER REPLICATE {}", id(&pair.target))).is_error(), "it has keys");
    source.ok("FLUSHALL");
    source.ok("CLUSTER RESET");
}

/// A test of two nodes, for slotd and for Valkey.
macro_rules! with_both {
    ($($rule:ident, $of_valkey:ident;)*) => {
        mod slotd {
            $(#[test]
            fn $rule() {
                if !super::slotd_is_stock() {
                    super::$rule(super::Binary::Slotd);
                }
            })*
        }

        mod valkey {
            $(#[test]
            #[ignore = "needs valkey 9: tests/run flows"]
            fn $of_valkey() {
                super::$rule(super::Binary::Later("valkey9"));
            })*
        }
    };
}

with_both! {
    keys_are_looked_for_in_their_database, valkey_looks_for_keys_in_their_database;
    no_key_crosses_databases_in_an_open_slot, no_key_of_valkey_crosses_databases_in_an_open_slot;
    a_slot_moves_with_its_keys_in_every_database, a_slot_of_valkey_moves_with_its_keys_in_every_database;
    a_lost_slot_loses_its_keys_in_every_database, a_lost_slot_of_valkey_loses_its_keys_in_every_database;
    a_file_is_loaded_with_all_databases_or_not_at_all, a_file_is_loaded_by_valkey_with_all_databases_or_not_at_all;
    a_node_is_empty_if_all_its_databases_are, a_node_of_valkey_is_empty_if_all_its_databases_are;
}

/// Three primaries with a replica each, and 40 keys in each of four databases.
fn filled() -> (Cluster, usize) {
    let cluster = ClusterSpec::new(3, 1).with(MANY.0, MANY.1).with("save", "3600 1").create();
    for db in [0, 1, 7, 15] {
        for number in 0..40 {
            let key = format!("key:{number}");
            let mut owner = cluster.connect(cluster.owner_of(integration::resp::key_slot(key.as_bytes())));
            owner.ok(&format!("SELECT {db}"));
            owner.ok(&format!("SET {key} {db}-{number}"));
        }
    }
    (cluster, 40)
}

/// Asserts that the keys of [`filled`] are at the owners of their slots, and nowhere else.
#[track_caller]
fn verify(cluster: &Cluster, keys: usize) {
    for db in [0, 1, 7, 15] {
        let mut found = 0;
        for primary in cluster.primaries() {
            let mut client = cluster.connect(primary);
            client.ok(&format!("SELECT {db}"));
            found += client.cmd("DBSIZE").int();
        }
        assert_eq!(found, keys as i64, "database {db}");
        for number in 0..keys {
            let key = format!("key:{number}");
            let mut owner = cluster.connect(cluster.owner_of(integration::resp::key_slot(key.as_bytes())));
            owner.ok(&format!("SELECT {db}"));
            assert_eq!(owner.cmd(&format!("GET {key}")).text(), format!("{db}-{number}"));
        }
    }
}

#[test]
fn replicas_have_every_database_and_serve_it_after_a_failover_and_a_restart() {
    if slotd_is_stock() {
        return;
    }
    let (mut cluster, keys) = filled();
    let replica = cluster.replicas_of(0)[0];
    wait_until("the replica to have it all", secs(20), || sizes(&cluster.nodes[0]) == sizes(&cluster.nodes[replica]));
    let (mut writer, mut reader) = (cluster.connect(0), cluster.connect(replica));
    reader.ok("READONLY");
    for client in [&mut writer, &mut reader] {
        client.ok("SELECT 7");
    }
    let (bar, timed) = (cluster.owner_of(5061), "SET bar v PX 100");
    assert_eq!(bar, 0);
    let before = reader.cmd("DBSIZE").int();
    assert!(before > 0);
    writer.ok(timed);
    wait_until("the key to expire at both", secs(10), || {
        writer.cmd("DBSIZE").int() == before && reader.cmd("DBSIZE").int() == before
    });
    // A full sync as well as the stream.
    cluster.nodes[replica].client().ok("DEBUG RELOAD");
    cluster.nodes[0].kill();
    assert_eq!(cluster.wait_promotion(&[replica], crate::FAILOVER_LIMIT), replica);
    cluster.nodes[0].restart();
    cluster.wait_stable();
    verify(&cluster, keys);
    wait_until("the new replica to have it all", secs(20), || {
        sizes(&cluster.nodes[0]) == sizes(&cluster.nodes[replica])
    });
    cluster.nodes.iter_mut().for_each(Node::terminate);
    cluster.nodes.iter_mut().for_each(Node::spawn);
    cluster.nodes.iter_mut().for_each(Node::wait_ready);
    cluster.wait_stable();
    verify(&cluster, keys);
}

#[test]
fn a_reset_replica_is_empty_in_every_database() {
    if slotd_is_stock() {
        return;
    }
    let (cluster, _) = filled();
    let replica = cluster.replicas_of(0)[0];
    wait_until("the replica to have it all", secs(20), || sizes(&cluster.nodes[0]) == sizes(&cluster.nodes[replica]));
    cluster.nodes[replica].client().ok("CLUSTER RESET");
    assert_eq!(sizes(&cluster.nodes[replica]), "");
}

/// A replica with fewer databases would have to put keys into a wrong one, or to leave them out.
#[test]
fn a_replica_with_fewer_databases_does_not_take_what_it_has_no_place_for() {
    if slotd_is_stock() {
        return;
    }
    let primary = many(Binary::Slotd).start();
    let replica = NodeSpec::cluster(Binary::Slotd, 2_000).with("cluster-databases", "4").start();
    let mut client = primary.client();
    client.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    client.ok(&format!("CLUSTER MEET 127.0.0.1 {} {}", replica.port(), replica.bus_port()));
    let knows = |node: &Node| node.cmd("CLUSTER INFO").text().contains("cluster_known_nodes:2");
    wait_until("them to know each other", secs(20), || knows(&primary) && knows(&replica));
    wait_until("the replica to follow", secs(20), || {
        replica.cmd(&format!("CLUSTER REPLICATE {}", id(&primary))).is_ok()
    });
    wait_until("the link", secs(20), || replica.info("master_link_status") == "up");
    set(&mut client, &[(0, "k"), (3, "k")]);
    wait_until("the keys", secs(20), || sizes(&replica) == "0:1 3:1");
    // What comes before it in the same transaction is not applied either.
    for line in ["MULTI", "SET {k}0 v", "SELECT 8", "SET {k}8 v", "EXEC", "SET {k}9 v", "SELECT 1", "SET {k}1 v"] {
        assert!(!client.cmd(line).is_error(), "{line}");
    }
    wait_until("the link to break off", secs(20), || replica.info("master_link_status") == "down");
    wait_until("it to be told", secs(20), || {
        replica.log().contains("== CRITICAL == The master writes to database 8, and this server has 4")
    });
    assert_eq!(sizes(&replica), "0:1 3:1");
}

/// Moves a slot with its keys in all databases, as `valkey-cli --cluster reshard` does.
pub(crate) fn move_slot(slot: u16, (from, to): (&Node, &Node), databases: usize) {
    let (from_id, to_id) = (id(from), id(to));
    to.client().ok(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    from.client().ok(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    let mut client = from.client();
    for db in 0..databases {
        client.ok(&format!("SELECT {db}"));
        loop {
            let keys = client.cmd(&format!("CLUSTER GETKEYSINSLOT {slot} 2"));
            let names: Vec<String> = keys.items().iter().map(Value::text).collect();
            if names.is_empty() {
                break;
            }
            let line = format!("MIGRATE 127.0.0.1 {} \"\" {db} 5000 KEYS {}", to.port(), names.join(" "));
            let reply = client.cmd(&line);
            // A node that did not get to run for a while serves nothing until it has heard from the other one.
            let is_late = matches!(&reply, Value::Error(text) if text.contains("CLUSTERDOWN"));
            assert!(is_late || ["OK", "NOKEY"].contains(&brief(&reply).as_str()), "{line}: {reply:?}");
        }
    }
    to.client().ok(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
    from.client().ok(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
}

/// Says that it is over when it is dropped, also by a failure of the test.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts keys of one slot up in several databases, directly and in transactions that select, wherever the slot is.
/// Returns how far it has counted.
fn count_up(ports: [u16; 2], databases: &[usize], over: &AtomicBool) -> Vec<i64> {
    let links = |port: &u16| (Client::connect(*port).expect("it runs"), Client::connect(*port).expect("it runs"));
    let mut links: Vec<(Client, Client)> = ports.iter().map(links).collect();
    let mut counts = vec![0; databases.len()];
    let (mut at, mut asking, mut turn) = (0, false, 0);
    while !over.load(Ordering::Relaxed) {
        let which = turn / 2 % databases.len();
        let (db, key) = (databases[which], format!("{{k}}{}", turn % 5));
        let (plain, selecting) = &mut links[at];
        let reply = if turn % 2 == 0 || asking {
            plain.ok(&format!("SELECT {db}"));
            if asking {
                plain.ok("ASKING");
            }
            plain.cmd(&format!("INCR {key}"))
        } else {
            selecting.ok("SELECT 15");
            selecting.ok("MULTI");
            selecting.cmd(&format!("SELECT {db}"));
            match selecting.cmd(&format!("INCR {key}")) {
                refused @ Value::Error(_) => {
                    selecting.ok("DISCARD");
                    refused
                }
                _ => match selecting.cmd("EXEC") {
                    Value::Array(mut replies) => replies.remove(1),
                    refused => refused,
                },
            }
        };
        asking = false;
        match &reply {
            Value::Int(_) => {
                counts[which] += 1;
                turn += 1;
            }
            Value::Error(text) if text.starts_with("ASK ") || text.starts_with("MOVED ") => {
                asking = text.starts_with("ASK ");
                at = ports.iter().position(|port| text.ends_with(&format!(":{port}"))).expect("one of the two");
            }
            // A node that did not get to run for a while serves nothing until it has heard from the other one.
            Value::Error(text) if text.starts_with("CLUSTERDOWN ") || text.starts_with("TRYAGAIN ") => {}
            other => panic!("{other:?}"),
        }
    }
    counts
}

#[test]
fn no_write_to_any_database_is_lost_while_its_slot_moves() {
    if slotd_is_stock() {
        return;
    }
    let pair = Pair::new(Binary::Slotd);
    let (ports, databases) = ([pair.source.port(), pair.target.port()], [0, 1, 6, 15]);
    let over = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        let writer = scope.spawn(|| count_up(ports, &databases, &over));
        let end = Over(&over);
        for _ in 0..10 {
            move_slot(SLOT, (&pair.source, &pair.target), 16);
            move_slot(SLOT, (&pair.target, &pair.source), 16);
        }
        drop(end);
        writer.join().expect("every reply is one that a client understands")
    });
    let mut client = pair.source.client();
    for (db, count) in databases.iter().zip(counts) {
        client.ok(&format!("SELECT {db}"));
        let sum: i64 = (0..5).map(|n| client.cmd(&format!("GET {{k}}{n}")).text().parse().unwrap_or(0)).sum();
        assert_eq!(sum, count, "database {db}");
        assert!(count > 10, "database {db}: {count}");
    }
    assert_eq!(sizes(&pair.target), "");
}

fn all_keys_are_resharded(cli: Cli) {
    let (cluster, keys) = filled();
    let seed = cluster.nodes[0].addr();
    let (from, to) = (cluster.id(0), cluster.id(1));
    let some = ["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "2000"];
    cluster_cli_of(cli, &[&["reshard", &seed], &some[..]].concat()).expect_success();
    cluster.wait_stable();
    verify(&cluster, keys);
    cluster_cli_of(cli, &["rebalance", &seed]).expect_success();
    cluster.wait_stable();
    verify(&cluster, keys);
    cluster_cli_of(cli, &["check", &seed]).expect_success().expect("[OK] All 16384 slots covered.");
}

#[test]
#[ignore = "needs valkey-cli 9: tests/run flows"]
fn valkey_cli_reshards_the_keys_of_every_database() {
    all_keys_are_resharded(Cli::Later("valkey9-cli"));
}
