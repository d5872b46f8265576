//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use integration::node::NodeSpec;
use integration::oracle::Binary;

use crate::{check, check_with};

#[test]
fn a_protected_command_is_refused_before_it_is_queued() {
    check_with(
        &[("enable-debug-command", "no")],
        r#"
DEBUG SLEEP 0
DEBUG
MULTI
DEBUG SLEEP 0
EXEC
!config requirepass secret
@b DEBUG SLEEP 0
@b PING
"#,
    );
}

#[test]
fn the_client_list_tells_of_a_spoiled_transaction() {
    check(
        r#"
WATCH k
@b {fields flags multi} CLIENT LIST ID $id:a
@b SET k 1
@b {fields flags multi} CLIENT LIST ID $id:a
MULTI
@b {fields flags multi} CLIENT LIST ID $id:a
SET k 2
SET k 3
@b {fields flags multi} CLIENT LIST ID $id:a
EXEC
@b {fields flags multi} CLIENT LIST ID $id:a
GET k
WATCH k
SET k 4
UNWATCH
@b {fields flags multi} CLIENT LIST ID $id:a
MULTI
SET k 5
@b {fields flags multi} CLIENT LIST ID $id:a
NOSUCH
SET k 6
@b {fields flags multi} CLIENT LIST ID $id:a
DISCARD
"#,
    );
}

#[test]
fn a_key_that_was_expired_when_it_was_watched() {
    let head = "DEBUG SET-ACTIVE-EXPIRE 0\nSET x foo PX 1\n!sleep 5\nWATCH x\n";
    let tail = "MULTI\nPING\nEXEC\nDEBUG SET-ACTIVE-EXPIRE 1\n";
    let steps = [
        "",
        "DEL x\n",
        "GET x\n",
        "FLUSHDB\n",
        "FLUSHALL\n",
        "SET x bar\n",
        "DEL x\nSET x bar\n",
        "DEL x\nSET x bar\nDEL x\n",
        "PERSIST x\n",
        "EXPIRE x 100\n",
        "RENAME x y\n",
        "SET y z\nRENAME y x\n",
        "SWAPDB 0 1\n",
        "SWAPDB 0 1\nSWAPDB 0 1\n",
        "@b SELECT 1\n@b SET x there\nSWAPDB 0 1\n",
        "@b SELECT 1\n@b SET x there PX 1\n!sleep 5\nSWAPDB 0 1\n",
    ];
    let script: String =
        steps.iter().map(|step| format!("== {}\n{head}{step}{tail}", step.replace('\n', "; "))).collect();
    let other = "== nothing, then an expired key\nDEBUG SET-ACTIVE-EXPIRE 0\n@b SELECT 1\n@b SET x foo PX 1\n!sleep 5\nWATCH x\nSWAPDB 0 1\n";
    check(&format!("{script}{other}{tail}"));
}

#[test]
fn queueing_and_execution() {
    check(
        r#"
== plain
MULTI
SET a 1
INCR a
GET a
LRANGE missing 0 -1
EXEC
GET a
== empty
MULTI
EXEC
== states
EXEC
DISCARD
MULTI
MULTI
SET a 1
EXEC
GET a
MULTI
SET a 2
DISCARD
GET a
EXEC
MULTI x
EXEC x
MULTI
EXEC x
EXEC
MULTI
DISCARD x
DISCARD
== errors while queueing abort
MULTI
SET a
SET a 2
EXEC
GET a
MULTI
NOSUCHCOMMAND a b
EXEC
MULTI
GET
DISCARD
MULTI
SET a 3
EXEC
GET a
MULTI
CONFIG BOGUS
EXEC
MULTI
OBJECT
EXEC
== errors while running do not
SET s v
MULTI
LPUSH s x
SET t w
INCR s
GET t
EXEC
== commands that are refused inside
MULTI
WATCH a
SUBSCRIBE c
SET x y
EXEC
GET x
MULTI
MULTI
EXEC
MULTI
UNWATCH
EXEC
MULTI
PING
ECHO hi
SELECT 1
SET k one
SELECT 0
EXISTS k
EXEC
GET k
MULTI
SELECT 1
EXEC
GET k
SELECT 0
== RESET inside
MULTI
SET a 9
RESET
EXEC
!resp2
GET a
== QUIT inside
MULTI
SET q 1
QUIT
!closed
GET q
"#,
    );
}

#[test]
fn watched_keys() {
    check(
        r#"
== untouched
SET a 1
WATCH a
MULTI
SET a 2
EXEC
GET a
== touched by another
WATCH a
@b SET a 9
MULTI
SET a 2
EXEC
GET a
MULTI
SET a 3
EXEC
== touched by myself
SET a 1
WATCH a
SET a 2
MULTI
SET a 3
EXEC
GET a
== UNWATCH and DISCARD forget
WATCH a
@b SET a 5
UNWATCH
MULTI
PING
EXEC
WATCH a
@b SET a 6
MULTI
DISCARD
MULTI
PING
EXEC
== EXEC forgets
WATCH a
MULTI
EXEC
@b SET a 7
MULTI
PING
EXEC
== several keys, missing keys
WATCH x y z
@b SET z 1
MULTI
PING
EXEC
WATCH missing
@b DEL missing
MULTI
PING
EXEC
WATCH missing
@b SET missing v
@b DEL missing
MULTI
PING
EXEC
== no change, no abort
SET a v
WATCH a
@b GET a
@b LPUSH a x
@b SETNX a w
@b DEL other
@b EXPIRE other 10
MULTI
PING
EXEC
== expiry commands touch
SET a v
WATCH a
@b EXPIRE a 100
MULTI
PING
EXEC
WATCH a
@b PERSIST a
MULTI
PING
EXEC
WATCH a
@b PERSIST a
MULTI
PING
EXEC
== lists
RPUSH l a b c
WATCH l
@b LTRIM l 0 -1
MULTI
PING
EXEC
WATCH l
@b LPOP l
MULTI
PING
EXEC
WATCH l
@b LREM l 0 missing
MULTI
PING
EXEC
== flushes
SET a 1
WATCH a
@b FLUSHALL
MULTI
PING
EXEC
WATCH a
@b FLUSHALL
MULTI
PING
EXEC
SET a 1
WATCH a
@b FLUSHDB
MULTI
PING
EXEC
SET a 1
WATCH a
@b SELECT 1
@b FLUSHDB
MULTI
PING
EXEC
== SWAPDB touches keys that exist in either
SET a 1
WATCH a
@b SWAPDB 0 1
MULTI
PING
EXEC
WATCH nowhere
@b SWAPDB 0 1
MULTI
PING
EXEC
== databases are apart
WATCH a
@b SELECT 1
@b SET a other
MULTI
PING
EXEC
== RENAME, COPY, MOVE
SET src v
WATCH src
@b SELECT 0
@b RENAME src dst
MULTI
PING
EXEC
WATCH dst2
@b COPY dst dst2
MULTI
PING
EXEC
WATCH dst2
@b MOVE dst2 1
MULTI
PING
EXEC
== expired key
SET e v PX 10
WATCH e
!sleep 20
MULTI
PING
EXEC
DEBUG SET-ACTIVE-EXPIRE 0
SET e v PX 1
!sleep 10
WATCH e
MULTI
PING
EXEC
DEBUG SET-ACTIVE-EXPIRE 1
== arity and order
WATCH
UNWATCH x
MULTI
WATCH a
EXEC
"#,
    );
}

#[test]
fn a_transaction_is_atomic_for_others() {
    check(
        r#"
MULTI
SET a 1
@b GET a
SET b 2
@b MGET a b
EXEC
@b MGET a b
== a blocked client is served after the whole of EXEC
@b !send BLPOP l 0
!blocked 1
MULTI
RPUSH l 1
RPUSH l 2
LPUSH l 0
LRANGE l 0 -1
EXEC
@b !read
LRANGE l 0 -1
== publish inside
@b SUBSCRIBE ch
MULTI
PUBLISH ch m
SET x 1
EXEC
@b !read
"#,
    );
}

/// CLIENT LIST shows what a transaction has queued, and nothing once it has ended.
#[test]
fn the_memory_of_a_queue_is_shown_and_given_back() {
    let server = NodeSpec::new(Binary::Slotd).start();
    let (mut client, mut other) = (server.client(), server.client());
    let id = client.cmd("CLIENT ID").int();
    let mut queued = || {
        let line = other.cmd(&format!("CLIENT LIST ID {id}")).text();
        let field = line.split(' ').find_map(|field| field.strip_prefix("multi-mem=")).expect("the field");
        field.parse::<usize>().expect("a number")
    };
    for end in ["EXEC", "DISCARD", "RESET"] {
        assert_eq!(queued(), 0);
        client.cmd("MULTI");
        client.cmd(&format!("SET key {}", "x".repeat(10_000)));
        let first = queued();
        assert!((10_000..20_000).contains(&first), "{first}");
        client.cmd(&format!("SET key {}", "x".repeat(10_000)));
        assert!(queued() >= first + 10_000);
        client.cmd(end);
    }
    assert_eq!(queued(), 0);
}
