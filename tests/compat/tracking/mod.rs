//! Client-side caching: CLIENT TRACKING and its family, and the messages to tracking clients.
//!
//! Messages come between replies, so these scripts have a runner of their own: after each command everything that has
//! arrived on every connection is recorded, and the whole is compared with stock Redis. A line is `name command`, and
//! the last character of a name is the protocol of that connection: `a3 GET k`. `$name` stands for the id of a
//! connection, `!sleep ms` for time, `name !close` for its end, and `name !pipeline a; b` sends several commands at
//! once. The deliberate differences are in `nodes.rs`.

mod nodes;
mod stage;

use std::fmt::Write as _;

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::split_line;
use integration::wait::{secs, wait_until};
use stage::{check, in_both_protocols};

#[test]
fn options_and_their_errors() {
    let mut script = String::from("== options\nr2 PING\n");
    for options in [
        "ON x",
        "ON PREFIX a",
        "ON PREFIX",
        "ON REDIRECT",
        "ON REDIRECT 0",
        "ON REDIRECT -1",
        "ON REDIRECT x",
        "ON REDIRECT 999999",
        "ON REDIRECT $r2 REDIRECT $r2",
        "ON OPTIN OPTOUT",
        "ON BCAST OPTIN",
        "ON BCAST OPTOUT NOLOOP",
        "x",
        "x REDIRECT $r2",
        "x BCAST PREFIX a",
        "OFF PREFIX a",
        "OFF REDIRECT 999999",
        "off bcast",
        "ON BCAST PREFIX a PREFIX ab",
        "ON BCAST PREFIX ab PREFIX c PREFIX a",
        "ON BCAST PREFIX a PREFIX a",
        r#"ON BCAST PREFIX "x\x00y" PREFIX x"#,
        r#"ON BCAST PREFIX "a\r\nb" PREFIX a"#,
        r#"ON BCAST PREFIX "" PREFIX a"#,
        "ON BCAST PREFIX foo PREFIX bar PREFIX b\u{e4}r",
        "ON BCAST PREFIX foobar",
        "ON BCAST PREFIX ba PREFIX x PREFIX xy",
        "ON BCAST PREFIX new",
        "ON BCAST PREFIX foo",
        "ON",
        "ON OPTIN",
        "ON BCAST NOLOOP",
        "ON BCAST REDIRECT $r2",
        "ON BCAST",
        "OFF",
        "OFF",
        "ON OPTIN",
        "ON OPTOUT",
        "ON BCAST",
        "ON",
        "ON OPTOUT NOLOOP",
        "ON OPTIN",
        "on noloop redirect $r2",
        "ON REDIRECT $a",
        "OFF",
    ] {
        let _ =
            writeln!(script, "a CLIENT TRACKING {options}\na CLIENT TRACKINGINFO\na CLIENT GETREDIR\na CLIENT INFO");
    }
    check(&in_both_protocols(&script));
}

#[test]
fn caching_holds_for_the_next_command_or_transaction() {
    let mut script =
        String::from("== without tracking\na CLIENT CACHING YES\na CLIENT CACHING NO\na CLIENT CACHING x\n");
    script.push_str("a CLIENT TRACKING ON\na CLIENT CACHING YES\na CLIENT CACHING NO\na CLIENT CACHING x\n");
    for (mode, word) in [("OPTIN", "YES"), ("OPTOUT", "NO")] {
        let _ = writeln!(script, "== {mode}\na CLIENT TRACKING ON {mode}\na CLIENT CACHING YES\na CLIENT CACHING NO");
        for command in [
            "GET k",
            "SET k 1",
            "PING",
            "nosuch",
            "CLIENT NOSUCH",
            "CLIENT",
            "CLIENT GETNAME",
            "CLIENT GETNAME x",
            "CLIENT CACHING x",
            "GET",
            "GET k x",
            "RPUSH k 1",
            "CLIENT TRACKING ON",
            "CLIENT TRACKING OFF",
            "RESET",
        ] {
            let back = if command == "RESET" { "HELLO 3" } else { "PING" };
            let _ = writeln!(
                script,
                "a CLIENT TRACKING ON {mode}\na CLIENT CACHING {word}\na {command}\na CLIENT TRACKINGINFO\na {back}"
            );
        }
        for queued in ["GET k", "CLIENT CACHING NO", "CLIENT CACHING YES", "CLIENT TRACKINGINFO"] {
            let _ = writeln!(
                script,
                "a CLIENT TRACKING ON {mode}\na CLIENT CACHING {word}\na MULTI\na {queued}\na CLIENT TRACKINGINFO\na GET j\na EXEC"
            );
            script.push_str("a CLIENT TRACKINGINFO\nw2 MSET k 1 j 1\n");
        }
        let _ = writeln!(script, "a CLIENT CACHING {word}\na MULTI\na nosuch\na EXEC\na CLIENT TRACKINGINFO");
        let _ = writeln!(script, "a CLIENT CACHING {word}\na MULTI\na GET k\na DISCARD\na CLIENT TRACKINGINFO");
        let _ = writeln!(
            script,
            "a CLIENT CACHING {word}\na GET k\na GET j\nw2 MSET k 1 j 1\na GET k\na GET j\nw2 MSET k 1 j 1"
        );
    }
    check(&in_both_protocols(&script));
}

#[test]
fn a_reader_is_told_once_of_a_change_by_anybody() {
    check(
        r"
== by others
a3 CLIENT TRACKING ON
w2 MSET k 1 j 1
a3 GET k
a3 MGET k j none
w2 SET k 2
w2 SET k 3
w3 DEL j
w3 SET none 1
a3 GET k
w2 GET k
w2 SET other 1
b3 CLIENT TRACKING ON
b3 GET k
w2 SET k 4
== in another database
a3 CLIENT TRACKING ON
a3 GET k
w2 SELECT 1
w2 SET k 1
a3 GET k
w2 SWAPDB 0 1
w2 SET k 2
== its own changes
a3 CLIENT TRACKING ON
a3 SET k 1
a3 GET k
a3 SET k 2
a3 !pipeline GET k; SET k 3; GET k; SET k 4; SET k 5; PING
a3 MULTI
a3 GET k
a3 SET k 6
a3 GET k
a3 SET j 1
a3 EXEC
a3 SET k 7
a3 MULTI
a3 SET k 8
a3 PING
a3 EXEC
== not its own with NOLOOP
a3 CLIENT TRACKING ON NOLOOP
a3 GET k
a3 SET k 1
w2 SET k 2
a3 GET k
w2 SET k 3
a3 GET k
w2 SET k 4
== what is no read
a3 CLIENT TRACKING ON
a3 WATCH k
a3 UNWATCH
a3 SET k 1
a3 GETSET k 2
a3 GETEX k
a3 SETRANGE k 0 x
a3 GET
w2 SET k 3
a3 SCAN 0
a3 KEYS *
a3 RANDOMKEY
w2 SET k 4
== what is a read
a3 CLIENT TRACKING ON
w2 RPUSH l a b
a3 GET l
w2 RPUSH l c
a3 LRANGE l 0 -1
w2 LPOP l
a3 GETRANGE k x y
w2 SET k 1
a3 EXISTS k
w2 SET k 1
a3 TYPE k
w2 SET k 1
a3 TTL k
w2 SET k 1
a3 OBJECT ENCODING k
w2 SET k 1
a3 TOUCH k
w2 SET k 1
a3 STRLEN k
w2 SET k 1
a3 LCS k j
w2 SET k 1
w2 SET j 1
a3 LPOS l a
w2 LSET l 0 z
== off, on, off
a3 CLIENT TRACKING ON
a3 GET k
a3 CLIENT TRACKING OFF
a3 CLIENT TRACKING ON
w2 SET k 1
a3 GET k
a3 CLIENT TRACKING OFF
w2 SET k 1
a3 CLIENT TRACKING ON
a3 GET k
a3 RESET
a3 HELLO 3
w2 SET k 1
a3 CLIENT TRACKING ON
a3 GET k
a3 HELLO 2
w2 SET k 1
a3 GET k
a3 HELLO 3
w2 SET k 1
",
    );
}

/// Commands that change `k`, `t` (which expires), `l` (a list of three) and `one` (of one), or that do not after all.
const CHANGES: &str = r#"
SET k 1; SET k 1 XX; SET k 1 NX; SET none 1 XX; SET k 1 GET; SET k 1 EX 100; SETNX k 1; SETNX none 1; SETEX k 100 1
PSETEX k 100000 1; GETSET k 1; GETDEL k; GETDEL none; GETEX k; GETEX k EX 100; GETEX t PERSIST; GETEX k PERSIST
GETEX k EXAT 1; MSET k 1 none 1; MSETNX k 1 none 1; MSETNX none 1 none2 2; APPEND k x; APPEND k ""; APPEND none x
SETRANGE k 0 x; SETRANGE k 0 ""; SETRANGE none 5 x; INCR k; INCR none; DECRBY k 2; INCRBYFLOAT k 1.5; DEL k; DEL none
UNLINK k none l; EXPIRE k 100; EXPIRE none 100; EXPIRE k 100 XX; PEXPIRE t 50; EXPIREAT k 1; PERSIST t; PERSIST k
RENAME k none; RENAME k l; RENAME k k; RENAME none k; RENAMENX k l; RENAMENX k none; COPY k none; COPY k l
COPY k l REPLACE; MOVE k 1; MOVE none 1; LPUSH l 1; RPUSH none 1; LPUSHX none 1; RPUSHX l 1; LPUSH k 1; LPOP l
LPOP none; RPOP l 5; LPOP l 0; LSET l 0 x; LSET l 9 x; LREM l 0 a; LREM l 0 zz; LTRIM l 0 -1; LTRIM l 5 6
LTRIM none 0 1; LINSERT l BEFORE a x; LINSERT l BEFORE zz x; LMOVE l none LEFT RIGHT; LMOVE l l LEFT RIGHT
LMOVE one one LEFT RIGHT; RPOPLPUSH l none; RPOPLPUSH none l; LMPOP 2 none l LEFT; BLPOP l 0.01; BLPOP none 0.01
BRPOPLPUSH l k 0.01; BLMOVE l one LEFT LEFT 0.01; BLMPOP 0.01 1 l RIGHT COUNT 9; TOUCH k; GET k; INCR l
"#;

/// Every command that changes something, and whether a reader of its keys is notified.
#[test]
fn every_change_of_a_key_is_told_and_nothing_else() {
    let mut script = String::new();
    for command in CHANGES.lines().flat_map(|line| line.split("; ")).filter(|command| !command.is_empty()) {
        let _ = writeln!(
            script,
            "== {command}\nw2 FLUSHDB\nw2 MSET k 1\nw2 SET t 1 EX 1000\nw2 RPUSH l a b c\nw2 RPUSH one 1\na3 CLIENT TRACKING ON\nb3 CLIENT TRACKING ON BCAST"
        );
        for key in ["k", "t", "l", "one", "none", "none2"] {
            let _ = writeln!(script, "a3 EXISTS {key}");
        }
        let _ = writeln!(script, "w2 {command}\nw2 MSET k 0 t 0 l 0 one 0 none 0 none2 0");
    }
    check(&script);
}

#[test]
fn who_hears_instead_hears_in_its_own_protocol() {
    let mut script = String::new();
    for (tracker, listener) in [("a2", "r2"), ("a2", "r3"), ("a3", "r2"), ("a3", "r3")] {
        let _ = write!(
            script,
            "
== {tracker} to {listener}
{listener} PING
{tracker} CLIENT TRACKING ON REDIRECT ${listener}
{tracker} CLIENT GETREDIR
{tracker} GET k
w2 SET k 1
{listener} SUBSCRIBE other
{tracker} GET k
w2 SET k 2
{tracker} GET k
{tracker} SET k 3
{tracker} CLIENT INFO
{listener} UNSUBSCRIBE
{tracker} GET k
w2 SET k 4
{listener} PSUBSCRIBE x*
b3 CLIENT TRACKING ON REDIRECT ${listener} NOLOOP
b3 GET j
{tracker} GET k
w2 MSET k 5 j 1
{tracker} CLIENT TRACKING OFF
{tracker} CLIENT TRACKING ON BCAST REDIRECT ${listener} PREFIX k
{tracker} MSET k1 1 k2 2 j 3
{tracker} CLIENT TRACKING OFF
{tracker} CLIENT TRACKING ON REDIRECT ${listener}
{tracker} GET k
{tracker} GET j
{listener} !close
w2 SET k 6
{tracker} CLIENT TRACKINGINFO
{tracker} CLIENT INFO
{tracker} CLIENT GETREDIR
w2 SET j 7
{tracker} GET k
w2 FLUSHALL
{tracker} CLIENT TRACKING ON
{tracker} CLIENT TRACKINGINFO
{tracker} GET k
w2 SET k 8
"
        );
    }
    check(&script);
}

#[test]
fn broadcasts_come_once_for_what_came_together() {
    check(
        r"
== everything
a3 CLIENT TRACKING ON BCAST
w2 SET k 1
w2 !pipeline SET b 1; SET a 1; GET c; SET b 2
w2 MULTI
w2 SET x 1
w2 SET y 1
w2 EXEC
a3 !pipeline GET k; SET k 2; SET a 1; PING
a3 MULTI
a3 SET k 1
a3 GET k
a3 EXEC
a3 GET k
w2 GET k
w2 DEL none
w2 DEL k a b
== prefixes
a3 CLIENT TRACKING ON BCAST PREFIX b: PREFIX a:
a3 CLIENT TRACKING ON BCAST PREFIX c:
b3 CLIENT TRACKING ON BCAST PREFIX a: NOLOOP
w2 MSET a:2 1 a:1 1 b:1 1 c:1 1 d:1 1
b3 MSET a:1 1 a:2 2
b3 !pipeline SET a:1 1; SET b:1 1
w2 SET a: 1
w2 SET a 1
b3 CLIENT TRACKING OFF
w2 SET a:1 1
a3 CLIENT TRACKING OFF
w2 SET a:1 1
a3 CLIENT TRACKING ON BCAST PREFIX d:
w2 MSET a:1 1 d:1 2
w2 FLUSHALL
w2 SET d: 1
a3 !close
w2 SET d: 1
== no change of its own, but what another one changed after it
a3 CLIENT TRACKING ON BCAST NOLOOP
a3 SET k 1
w2 SET k 1
a3 MSET k 1 j 1
== a key that was read before
a3 CLIENT TRACKING ON
a3 GET k
a3 CLIENT TRACKING OFF
a3 CLIENT TRACKING ON BCAST PREFIX x
w2 SET k 1
a3 CLIENT TRACKING OFF
a3 CLIENT TRACKING ON
w2 SET k 1
",
    );
}

#[test]
fn keys_whose_time_has_come_are_told_whoever_finds_out() {
    check(
        r"
== the cycle
a3 CLIENT TRACKING ON
b3 CLIENT TRACKING ON BCAST
w2 SET k 1 PX 50
a3 GET k
!sleep 400
== the reader itself
w2 DEBUG SET-ACTIVE-EXPIRE 0
a3 CLIENT TRACKING ON
w2 SET k 1 PX 20
a3 GET k
!sleep 30
a3 GET k
w2 SET k 2
== the reader itself with NOLOOP
w2 DEBUG SET-ACTIVE-EXPIRE 0
a3 CLIENT TRACKING ON NOLOOP
b3 CLIENT TRACKING ON BCAST NOLOOP
w2 SET k 1 PX 20
a3 GET k
!sleep 30
a3 GET k
w2 SET k 1 PX 20
!sleep 30
b3 GET k
== others
w2 DEBUG SET-ACTIVE-EXPIRE 0
a3 CLIENT TRACKING ON
b3 CLIENT TRACKING ON BCAST
w2 MSET k 1 j 1
w2 PEXPIRE k 20
w2 PEXPIRE j 20
a3 MGET k j
!sleep 30
w2 EXISTS k
w2 SET j 2
w2 SET k 1 PX 20
a3 GET k
!sleep 30
w2 KEYS *
w2 SCAN 0
w2 RANDOMKEY
w2 SET k 1
",
    );
}

#[test]
fn emptying_tells_everybody_to_forget_everything() {
    check(
        r"
== FLUSHALL and FLUSHDB
a3 CLIENT TRACKING ON
a2 CLIENT TRACKING ON
b3 CLIENT TRACKING ON BCAST PREFIX x
c3 CLIENT TRACKING ON NOLOOP
d3 PING
a3 GET k
w2 FLUSHALL
w2 FLUSHDB ASYNC
w2 SELECT 3
w2 FLUSHDB
c3 FLUSHALL
w2 FLUSHALL nonsense
a3 GET k
a3 FLUSHALL
a3 SET k 1
a3 !pipeline GET k; FLUSHDB; PING
a3 MULTI
a3 GET k
a3 FLUSHDB
a3 SET k 1
a3 GET k
a3 EXEC
a3 SET k 2
== DEBUG RELOAD
a3 CLIENT TRACKING ON
a3 SET k 1
a3 GET k
w2 DEBUG RELOAD
w2 SET k 2
",
    );
}

#[test]
fn what_waited_is_told_behind_its_reply() {
    let replies = |binary: Binary| {
        let node = NodeSpec::new(binary).start();
        let (mut waiting, mut writer) = (node.client(), node.client());
        writer.cmd("RPUSH to a");
        for line in ["HELLO 3", "CLIENT TRACKING ON", "LRANGE to 0 -1"] {
            assert!(!waiting.cmd(line).is_error());
        }
        waiting.send(&split_line("BLMOVE from to LEFT LEFT 0")).expect("sent");
        wait_until("it waits", secs(10), || node.info("blocked_clients") == "1");
        writer.cmd("RPUSH from x");
        [(); 2].map(|()| waiting.frame(secs(10)).expect("a frame").escape_ascii().to_string())
    };
    assert_eq!(replies(Binary::Stock), replies(Binary::Slotd));
}

#[test]
fn the_table_keeps_to_its_limit_and_tells_what_it_drops() {
    let told = |binary: Binary, tracking: &str| {
        let node = NodeSpec::new(binary).start();
        let mut admin = node.admin();
        let mut client = node.client();
        // A dropped key is no client's own change, so a client with NOLOOP is notified of it, too.
        for line in ["HELLO 3", tracking] {
            assert!(!client.cmd(line).is_error());
        }
        let keys = |node: &Node| node.info("tracking_total_keys");
        for number in 0..300 {
            client.call(&["GET", &format!("k{number}")]);
        }
        assert_eq!((keys(&node).as_str(), node.info("tracking_total_items").as_str()), ("300", "300"));
        admin.ok("CONFIG SET tracking-table-max-keys 50");
        let invalid = b">2\r\n$10\r\ninvalidate\r\n*1\r\n";
        let mut dropped: Vec<_> = (0..250).map(|_| client.frame(secs(10)).expect("a push")).collect();
        assert!(dropped.iter().all(|frame| frame.starts_with(invalid)));
        dropped.sort();
        dropped.dedup();
        // From here on, one key is dropped for each that is added.
        client.call(&["GET", "new"]);
        client.send(&["PING"]).expect("sent");
        let push = client.frame(secs(10)).expect("a push");
        assert!(push.starts_with(invalid));
        assert_eq!(client.frame(secs(10)).expect("a reply"), b"+PONG\r\n");
        (dropped.len(), keys(&node))
    };
    assert_eq!(told(Binary::Stock, "CLIENT TRACKING ON"), (250, "50".to_owned()));
    assert_eq!(told(Binary::Slotd, "CLIENT TRACKING ON"), (250, "50".to_owned()));
    // Redis does not notify it of keys that are dropped during its own commands, and sends nothing later about those
    // keys either.
    assert_eq!(told(Binary::Slotd, "CLIENT TRACKING ON NOLOOP"), (250, "50".to_owned()));
}

#[test]
fn info_counts_clients_keys_readers_and_prefixes() {
    let counts = |binary: Binary| {
        let node = NodeSpec::new(binary).start();
        let mut seen = Vec::new();
        let mut clients = [(); 4].map(|()| node.client());
        for (client, line) in [
            (0, "CLIENT TRACKING ON"),
            (1, "CLIENT TRACKING ON"),
            (0, "MGET a b c"),
            (1, "MGET b c d"),
            (0, "GET a"),
            (2, "CLIENT TRACKING ON BCAST"),
            (3, "CLIENT TRACKING ON BCAST PREFIX x PREFIX y"),
            (2, "CLIENT TRACKING ON BCAST PREFIX x"),
            (2, "GET a"),
            (3, "SET b 1"),
            (3, "CLIENT TRACKING OFF"),
            (3, "CLIENT TRACKING OFF"),
            (0, "CLIENT TRACKING OFF"),
            (3, "SET c 1"),
            (2, "RESET"),
            (0, "CLIENT TRACKING ON"),
            (3, "FLUSHDB"),
        ] {
            let reply = clients[client].cmd(line).is_error();
            let fields = ["tracking_clients", "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"];
            seen.push((line, reply, fields.map(|field| node.info(field))));
        }
        drop(clients);
        wait_until("nobody tracks", secs(10), || node.info("tracking_clients") == "0");
        seen
    };
    assert_eq!(counts(Binary::Stock), counts(Binary::Slotd));
}
