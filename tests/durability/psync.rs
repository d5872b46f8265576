//! Replication with stock Redis in both roles: full and partial resynchronisation, chains, role changes, FAILOVER.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_for, wait_ok, wait_until};

use crate::{PAIRS, fill_with_everything, nodes_conf_of_a_replica, wait_link_up, wait_same_data};

fn server(binary: Binary) -> Node {
    NodeSpec::new(binary).with("repl-diskless-sync-delay", "0").with("repl-backlog-size", "2mb").start()
}

/// Makes one the replica of the other and waits until both report it: a replica whose link is up is not yet online at
/// its primary. A stock primary first has to notice that the process which wrote the snapshot has ended, and to hear
/// from the replica once more.
fn follow(replica: &Node, primary: &Node) {
    assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    wait_link_up(replica);
    let online = format!("port={},state=online,", replica.port());
    wait_ok("the primary to know its replica online", secs(30), || {
        let replication = primary.cmd("INFO replication").text();
        if replication.contains(&online) { Ok(()) } else { Err(replication) }
    });
}

fn count(node: &Node, field: &str) -> i64 {
    node.info(field).parse().unwrap_or(-1)
}

#[test]
fn a_full_resynchronisation_carries_everything() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        fill_with_everything(&mut primary.client());
        replica.cmd("SET leftover gone");
        follow(&replica, &primary);
        wait_same_data(&primary, &replica);
        assert_eq!(count(&primary, "sync_full"), 1);
        assert_eq!(replica.info("role"), "slave");
        assert_eq!(primary.info("connected_slaves"), "1");
        assert_eq!(primary.info("master_replid"), replica.info("master_replid"));
        assert_eq!(replica.cmd("SET k v").text(), "READONLY You can't write against a read only replica.");
        let role = replica.cmd("ROLE");
        assert_eq!(role.items()[0].text(), "slave");
        assert_eq!(role.items()[3].text(), "connected");
        // The primary lists a replica once it has acknowledged its snapshot.
        wait_until("the primary to list it", secs(10), || primary.cmd("ROLE").items()[2].items().len() == 1);
    }
}

/// As in Redis, CLIENT LIST shows what a replica sends on its link, so that nobody takes it for an idle client.
#[test]
fn the_link_of_a_replica_is_a_client_that_is_heard() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        follow(&replica, &primary);
        let number = |line: &str, field: &str| {
            let words = line.split(' ').filter_map(|word| word.split_once('='));
            words.filter(|(name, _)| *name == field).find_map(|(_, value)| value.parse::<i64>().ok())
        };
        wait_until("the link to be older than the last acknowledgement", secs(30), || {
            let line = primary.cmd("CLIENT LIST TYPE replica").text();
            let (age, idle) = (number(&line, "age").unwrap_or(0), number(&line, "idle").unwrap_or(i64::MAX));
            line.contains("cmd=replconf ") && age >= 3 && idle < age
        });
    }
}

/// The stream of writes after the snapshot: every kind of change, as Redis propagates it.
#[test]
fn the_stream_carries_every_kind_of_write() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        follow(&replica, &primary);
        let mut client = primary.client();
        fill_with_everything(&mut client);
        for line in EVERY_KIND_OF_WRITE {
            let reply = client.cmd(line);
            assert!(!reply.is_error(), "{line}: {reply:?}");
        }
        let mut blocked = primary.client();
        blocked.send(&["BLPOP", "served", "0"]).expect("sent");
        wait_until("the client to block", secs(5), || primary.info("blocked_clients") == "1");
        client.cmd("RPUSH served a b");
        assert_eq!(blocked.reply(secs(5)).expect("an element").items()[1].text(), "a");
        wait_same_data(&primary, &replica);
        assert_eq!(replica.cmd("LRANGE served 0 -1").items().len(), 1);
        let at = |node: &Node| node.cmd("PEXPIRETIME relative").int();
        assert_eq!(at(&primary), at(&replica), "expiries are propagated as instants");
        wait_until("offsets to meet", secs(10), || {
            primary.info("master_repl_offset") == replica.info("slave_repl_offset")
        });
    }
}

/// CLIENT KILL of the link to the primary, in a transaction during which the stream went on: what the link had read by
/// then is not applied. The suite's `05-slave-selection` depends on it: the replica must not win by that data.
#[test]
fn a_link_that_was_killed_applies_nothing_more() {
    for (primary, replica) in PAIRS {
        // Which of two ready events is seen first is left to chance.
        for round in 0..6 {
            let (primary, replica) = (server(primary), server(replica));
            follow(&replica, &primary);
            let mut client = replica.client();
            let kill = format!("CLIENT KILL 127.0.0.1:{}", primary.port());
            for line in ["MULTI", "DEBUG SLEEP 0.2", &kill] {
                client.cmd(line);
            }
            client.send(&["EXEC"]).expect("sent");
            std::thread::sleep(Duration::from_millis(50));
            for key in 0..100 {
                primary.cmd(&format!("SET {key} v"));
            }
            // It accepts no new link from now on.
            primary.cmd("CLIENT PAUSE 60000");
            let replies = client.reply(secs(5)).expect("the reply of EXEC");
            assert!(replies.items().iter().all(integration::resp::Value::is_ok), "{replies:?}");
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(client.cmd("EXISTS 0 99").int(), 0, "round {round}");
        }
    }
}

const EVERY_KIND_OF_WRITE: &[&str] = &[
    "SET a 1 EX 100",
    "SET relative v PX 123456",
    "SET a 2 KEEPTTL",
    "GETEX a EX 1000",
    "GETEX a PERSIST",
    "INCR a",
    "INCRBYFLOAT f 1.5",
    "INCRBYFLOAT f 0.1",
    "APPEND s hello",
    "SETRANGE s 3 XYZ",
    "GETDEL s",
    "MSET m1 1 m2 2",
    "MSETNX m3 3 m4 4",
    "EXPIRE m1 1000",
    "PEXPIREAT m2 33177117420123",
    "PERSIST m1",
    "EXPIRE m3 -1",
    "RENAME m4 m5",
    "COPY m5 m6",
    "RPUSH l 1 2 3 4 5 6",
    "LPUSH l 0",
    "LPOP l",
    "LPOP l 2",
    "LMOVE l l2 LEFT RIGHT",
    "RPOPLPUSH l l3",
    "BLMOVE l l2 LEFT RIGHT 0",
    "LMPOP 2 nothing l LEFT COUNT 1",
    "RPUSH l x y x z x",
    "LREM l -2 x",
    "LSET l 0 changed",
    "LINSERT l BEFORE changed inserted",
    "LTRIM l 0 2",
    "SADD set a b c d e f 1 2 3",
    "SREM set a",
    "SPOP set",
    "SPOP set 3",
    "SADD ints 1 2 3 4",
    "SPOP ints 2",
    "SMOVE set moved b",
    "SUNIONSTORE all set ints moved",
    "SINTERSTORE both all ints",
    "SDIFFSTORE rest all both",
    "SPOP moved 10",
    "HSET h a 1 b 2",
    "HINCRBY h a 5",
    "HINCRBYFLOAT h b 0.25",
    "HSETNX h c 3",
    "HDEL h a missing",
    "MULTI",
    "SET t1 1",
    "INCR t1",
    "RPUSH t2 a",
    "EXEC",
    "SELECT 5",
    "SET in-five v",
    "MOVE in-five 6",
    "SELECT 6",
    "SET in-six v",
    "SWAPDB 6 7",
    "SELECT 7",
    "SET more v",
    "FLUSHDB",
    "SET after v",
    "SELECT 0",
    "UNLINK m6 l3",
];

/// After a short break the replica asks for what it missed, and gets only that.
#[test]
fn a_broken_link_is_resumed_from_the_backlog() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        fill_with_everything(&mut primary.client());
        follow(&replica, &primary);
        wait_same_data(&primary, &replica);
        for round in 1..=3 {
            primary.cmd("CLIENT KILL TYPE replica");
            let mut client = primary.client();
            for i in 0..200 {
                client.ok(&format!("SET missed:{round}:{i} v"));
            }
            wait_until("the partial resynchronisation", secs(20), || count(&primary, "sync_partial_ok") >= round);
            wait_same_data(&primary, &replica);
        }
        assert_eq!(count(&primary, "sync_full"), 1, "never a second full one");
    }
}

/// More was missed than the backlog holds: a full resynchronisation, and the same data again.
#[test]
fn a_backlog_that_is_too_short_means_a_full_resynchronisation() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        primary.cmd("CONFIG SET repl-backlog-size 16kb");
        follow(&replica, &primary);
        replica.freeze();
        primary.cmd("CLIENT KILL TYPE replica");
        let mut client = primary.client();
        for i in 0..100 {
            client.call(&["SET", &format!("k:{i}"), &"x".repeat(2_000)]);
        }
        replica.thaw();
        wait_until("the second full resynchronisation", secs(30), || count(&primary, "sync_full") == 2);
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
    }
}

/// PSYNC2: when the primary is replaced, its other replica continues with the new one without a full resynchronisation.
#[test]
fn siblings_resume_from_a_promoted_replica() {
    for (primary, replica) in PAIRS {
        let (old, new, sibling) = (server(primary), server(replica), server(primary));
        fill_with_everything(&mut old.client());
        follow(&new, &old);
        follow(&sibling, &old);
        wait_same_data(&old, &new);
        wait_same_data(&old, &sibling);
        let replid = old.info("master_replid");
        // No pings that only one of them has: stop the old one's first.
        old.cmd("CONFIG SET repl-ping-replica-period 3600");
        wait_ok("equal offsets", secs(10), || {
            let offsets = [&new, &sibling].map(|n| n.info("slave_repl_offset"));
            if offsets[0] == offsets[1] && !offsets[0].is_empty() { Ok(()) } else { Err(offsets) }
        });
        assert!(new.cmd("REPLICAOF NO ONE").is_ok());
        assert_eq!(new.info("master_replid2"), replid, "the old history is remembered");
        assert!(new.cmd("SET after promotion").is_ok());
        follow(&sibling, &new);
        wait_same_data(&new, &sibling);
        assert_eq!((count(&new, "sync_full"), count(&new, "sync_partial_ok")), (0, 1));
        assert_eq!(new.info("role"), "master");
    }
}

/// A replica of a replica gets the same stream, with the same id and offsets.
#[test]
fn chains_of_replicas_share_one_history() {
    for (outer, inner) in PAIRS {
        let (top, middle, bottom) = (server(outer), server(inner), server(outer));
        fill_with_everything(&mut top.client());
        follow(&middle, &top);
        follow(&bottom, &middle);
        let mut client = top.client();
        for i in 0..100 {
            client.ok(&format!("SET later:{i} v"));
        }
        wait_same_data(&top, &bottom);
        assert_eq!(top.info("master_replid"), bottom.info("master_replid"));
        middle.cmd("CLIENT KILL TYPE replica");
        client.ok("SET last v");
        wait_same_data(&top, &bottom);
    }
}

/// A restarted replica that saved at its end continues where it stopped.
#[test]
fn a_replica_resumes_after_an_orderly_restart() {
    for (primary, replica) in PAIRS {
        let primary = server(primary);
        let mut replica = NodeSpec::new(replica).with("save", "3600 1").with("repl-diskless-sync-delay", "0").prepare();
        replica.set_directive("replicaof", &format!("127.0.0.1 {}", primary.port()));
        replica.restart();
        wait_link_up(&replica);
        fill_with_everything(&mut primary.client());
        wait_same_data(&primary, &replica);
        replica.terminate();
        assert!(primary.cmd("SET meanwhile v").is_ok());
        replica.restart();
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
        assert_eq!((count(&primary, "sync_full"), count(&primary, "sync_partial_ok")), (1, 1));
    }
}

/// The replica resumes with a key that the primary must not forget silently: later changes would be made to the dead
/// value, and be lost with it.
#[test]
fn what_expires_while_a_primary_is_down_is_deleted_on_its_replicas() {
    for (primary, replica) in PAIRS {
        let mut primary = NodeSpec::new(primary).with("save", "3600 1").with("repl-diskless-sync-delay", "0").prepare();
        primary.restart();
        let replica = server(replica);
        follow(&replica, &primary);
        for line in ["HSET session user alice", "SET other v", "SET gone v PX 1500", "PEXPIRE session 1500"] {
            assert!(!primary.cmd(line).is_error());
        }
        wait_same_data(&primary, &replica);
        primary.terminate();
        std::thread::sleep(Duration::from_millis(1600));
        primary.restart();
        wait_link_up(&replica);
        assert_eq!(count(&primary, "sync_full"), 0, "the replica resumed");
        assert_eq!(primary.cmd("HSET session user bob").int(), 1, "a new hash");
        let seen = || replica.cmd("HGET session user").text() == "bob" && replica.cmd("DBSIZE").int() == 2;
        wait_until("the replica to have the new hash, and no old key", secs(10), seen);
        assert_eq!(replica.cmd("PTTL session").int(), -1);
        wait_same_data(&primary, &replica);
    }
}

/// FAILOVER: the roles are swapped between two writes, and nothing is lost.
#[test]
fn failover_exchanges_the_roles() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        fill_with_everything(&mut primary.client());
        follow(&replica, &primary);
        wait_same_data(&primary, &replica);
        assert_eq!(primary.cmd("FAILOVER ABORT").text(), "ERR No failover in progress.");
        assert!(primary.cmd(&format!("FAILOVER TO 127.0.0.1 {}", replica.port())).is_ok());
        wait_until("the roles to change", secs(20), || {
            primary.info("role") == "slave" && replica.info("role") == "master"
        });
        wait_link_up(&primary);
        assert!(replica.cmd("SET new-primary v").is_ok());
        wait_same_data(&primary, &replica);
        assert_eq!(count(&replica, "sync_full"), 0, "the old primary resumed");
    }
}

/// The primary decides about expiry: the replica hides expired keys, and deletes them when told.
#[test]
fn replicas_hide_expired_keys_and_wait_for_the_deletion() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        follow(&replica, &primary);
        primary.cmd("DEBUG SET-ACTIVE-EXPIRE 0");
        assert!(primary.cmd("SET short v PX 50").is_ok());
        wait_until("the key to arrive", secs(10), || replica.cmd("DBSIZE").int() == 1);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(replica.cmd("GET short").text(), "");
        assert_eq!(replica.cmd("DBSIZE").int(), 1, "still there until the primary says DEL");
        primary.cmd("GET short");
        wait_until("the deletion to arrive", secs(10), || replica.cmd("DBSIZE").int() == 0);
    }
}

/// A node that is configured as a replica is one from its first reply.
#[test]
fn a_configured_replica_is_never_a_primary() {
    let lone = || NodeSpec::new(Binary::Slotd).with("replicaof", "127.0.0.1 1");
    let member =
        || NodeSpec::cluster(Binary::Slotd, 15_000).with_file("nodes.conf", nodes_conf_of_a_replica().as_bytes());
    for round in 0..20 {
        for spec in [lone(), member()] {
            let mut node = spec.prepare();
            node.spawn();
            let mut first = wait_for("the port to open", secs(20), || Client::connect(node.port()).ok());
            assert_eq!(first.cmd("ROLE").items()[0].text(), "slave", "round {round}");
        }
    }
}

/// A pause and DEBUG SLEEP hold a replica's stream back as well; tests use that to make a replica lag.
#[test]
fn a_pause_holds_the_stream_back() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        follow(&replica, &primary);
        let mut client = primary.client();
        client.ok("SET before v");
        wait_same_data(&primary, &replica);
        let mut write = || {
            client.ok("MULTI");
            client.cmd("INCR counter");
            client.cmd("RPUSH list a b");
            client.cmd("EXEC");
            client.ok("SET after v");
            client.cmd("WAIT 1 300").int()
        };
        assert!(replica.cmd("CLIENT PAUSE 600000 WRITE").is_ok());
        assert_eq!(write(), 0, "nobody has acknowledged it");
        assert_eq!(replica.cmd("DBSIZE").int(), 1);
        assert!(replica.cmd("CLIENT UNPAUSE").is_ok());
        wait_same_data(&primary, &replica);
        assert_eq!(replica.cmd("GET counter").text(), "1", "nothing is applied twice");
        let mut sleeper = replica.client();
        sleeper.send(&["DEBUG", "SLEEP", "4"]).expect("sent");
        wait_until("the replica to sleep", secs(10), || {
            let mut other = replica.client();
            other.send(&["PING"]).expect("sent");
            other.reply(Duration::from_millis(300)).is_err()
        });
        assert_eq!(write(), 0, "it sleeps");
        assert!(sleeper.reply(secs(10)).expect("awake").is_ok());
        wait_same_data(&primary, &replica);
        assert_eq!(replica.cmd("GET counter").text(), "2");
    }
}

/// The writes of a client that goes on during the full resynchronisation are all on the replica in the end.
#[test]
fn writes_during_a_full_resynchronisation_are_not_lost() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (server(primary), server(replica));
        let mut client = primary.client();
        for i in 0..50_000 {
            client
                .send(&["SET", &format!("bulk:{i}"), "some value that takes a little room in the snapshot"])
                .expect("sent");
            if i % 500 == 499 {
                (0..500).for_each(|_| assert!(client.reply(secs(10)).expect("OK").is_ok()));
            }
        }
        replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        for i in 0..2_000 {
            client.call(&["SET", &format!("during:{i}"), "v"]);
            client.call(&["INCR", "counter"]);
            client.call(&["RPUSH", "log", &i.to_string()]);
        }
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
        assert_eq!(replica.cmd("GET counter").text(), "2000");
    }
}

/// A replica that lacks a command of its primary must not go on without it: if it skipped one, the two would silently
/// differ.
#[test]
fn a_command_that_this_server_lacks_is_not_skipped() {
    if slotd_is_stock() {
        // It lacks nothing.
        return;
    }
    // One that its primary knows by another name.
    let spec = NodeSpec::new(Binary::Stock).with("repl-diskless-sync-delay", "0");
    let mut primary = spec.with_file("renamed.conf", b"rename-command append nosuch\n").prepare();
    primary.set_file(&primary.dir().join("renamed.conf"));
    primary.restart();
    let replica = server(Binary::Slotd);
    follow(&replica, &primary);
    primary.cmd("SET before 1");
    wait_same_data(&primary, &replica);
    assert_eq!(primary.cmd("NOSUCH key value").int(), 5);
    primary.cmd("SET after 1");
    wait_until("the link to go down", secs(10), || replica.info("master_link_status") == "down");
    let log = replica.log();
    assert!(
        log.contains("== CRITICAL == This replica is sending an error to its master: 'ERR unknown command"),
        "{log}"
    );
    // It retries, since the primary may be another one some day, but not without a pause.
    std::thread::sleep(secs(2));
    let attempts = replica.log().matches("MASTER <-> REPLICA sync started").count();
    assert!((2..30).contains(&attempts), "{attempts} attempts in two seconds");
    wait_until("the link to be down", secs(10), || replica.info("master_link_status") == "down");
    assert_eq!(replica.cmd("EXISTS before after").int(), 1, "what came before stays, what came after is not applied");
}

/// The next request that a replica sends to the primary played by a test.
pub(crate) fn request(from: &mut impl BufRead) -> Vec<String> {
    let mut line = || {
        let mut line = String::new();
        assert!(from.read_line(&mut line).expect("the replica goes on") > 0, "the replica hung up");
        line.trim_end().to_owned()
    };
    // A replica that empties itself or loads shows with empty lines that it is alive.
    let first = std::iter::repeat_with(&mut line).find(|line| !line.is_empty()).expect("there is no end");
    let words: usize = first.strip_prefix('*').and_then(|n| n.parse().ok()).expect("an array");
    (0..words).map(|_| (line(), line()).1).collect()
}

/// A replica of a primary that the test plays. It has loaded an empty snapshot, and its first acknowledgement was read.
struct Loaded {
    /// Ends with it.
    _node: Node,
    socket: TcpStream,
    requests: BufReader<TcpStream>,
}

impl Loaded {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let node = server(Binary::Slotd);
        node.cmd(&format!("REPLICAOF 127.0.0.1 {}", listener.local_addr().expect("bound").port()));
        let (mut socket, _) = listener.accept().expect("the replica connects");
        socket.set_read_timeout(Some(secs(20))).expect("an option of every socket");
        let mut requests = BufReader::new(socket.try_clone().expect("a second handle"));
        loop {
            match request(&mut requests)[0].to_ascii_lowercase().as_str() {
                "ping" => socket.write_all(b"+PONG\r\n"),
                "replconf" => socket.write_all(b"+OK\r\n"),
                "psync" => break,
                other => panic!("{other} in a handshake"),
            }
            .expect("the replica listens");
        }
        let (id, mark) = ("a".repeat(40), "m".repeat(40));
        let answer = [b"+FULLRESYNC ", id.as_bytes(), b" 7\r\n$EOF:", mark.as_bytes(), b"\r\n"].concat();
        // The shortest snapshot: no key, and no checksum.
        let snapshot = [b"REDIS0010\xff\0\0\0\0\0\0\0\0", mark.as_bytes()].concat();
        socket.write_all(&[answer, snapshot].concat()).expect("the replica listens");
        let mut loaded = Self { _node: node, socket, requests };
        assert_eq!(loaded.acknowledged(), "7");
        loaded
    }

    /// The offset that it acknowledges next.
    fn acknowledged(&mut self) -> String {
        match &*request(&mut self.requests) {
            [replconf, ack, offset] if replconf == "REPLCONF" && ack == "ACK" => offset.clone(),
            other => panic!("{other:?} from a replica that has loaded"),
        }
    }

    /// Sends the shortest piece of a stream, and waits until it is acknowledged.
    fn send_byte(&mut self) {
        self.socket.write_all(b"\n").expect("the replica listens");
        while self.acknowledged() != "8" {}
    }
}

/// Ends a connection when it is dropped, also by a test that fails.
struct HangUp(TcpStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A stock primary accepts no acknowledgement before it has noticed that its snapshot's process has ended: the first
/// one is lost. The replica repeats it soon, so that it is not without writes for a second. How fast that is shows
/// beside a replica that has heard from its primary, and acknowledges once a second.
#[test]
fn a_primary_that_missed_the_first_acknowledgement_gets_others_soon() {
    let usual = AtomicUsize::new(0);
    let (mut heard, mut loaded) = (Loaded::new(), Loaded::new());
    heard.send_byte();
    let hang_up = HangUp(heard.socket.try_clone().expect("a second handle"));
    std::thread::scope(|scope| {
        let hang_up = hang_up;
        scope.spawn(|| {
            // Until the test hangs up.
            while heard.requests.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
                assert_eq!(heard.acknowledged(), "8");
                usual.fetch_add(1, Ordering::SeqCst);
            }
        });
        let before = usual.load(Ordering::SeqCst);
        (0..8).for_each(|_| assert_eq!(loaded.acknowledged(), "7"));
        let meanwhile = usual.load(Ordering::SeqCst) - before;
        // From the first byte on the primary need not be sent so many acknowledgements.
        loaded.send_byte();
        let before = usual.load(Ordering::SeqCst);
        (0..4).for_each(|_| assert_eq!(loaded.acknowledged(), "8"));
        let later = usual.load(Ordering::SeqCst) - before;
        drop(hang_up);
        assert!(meanwhile <= 4, "eight early ones while others sent {meanwhile}");
        assert!(later >= 1, "four while others sent {later}");
    });
}
