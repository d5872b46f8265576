//! MONITOR: which commands are shown, in which form, and beside which replies.

use std::collections::HashMap;
use std::thread;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::{Value, encode};
use integration::wait::{secs, wait_until};

use crate::normalise::shown;
use crate::{check, check_with};

#[test]
fn what_is_executed_is_shown_as_it_was_sent() {
    check(
        r#"
PING
@m MONITOR
SeT k "v\x00\n\r\t\a\b\"\\\xff\xe9 '"
@m {monitor} !read
SET n 12 EX 100
@m {monitor} !read
INCRBYFLOAT n 1.5
@m {monitor} !read
PING ""
@m {monitor} !read
!raw "ping \"a b\"\r\n"
@m {monitor} !read
!read
GET n
@m {monitor} !read
LPUSH n a
@m {monitor} !read
SELECT 3
@m {monitor} !read
GET n
@m {monitor} !read
SELECT 0
@m {monitor} !read
SELECT 99
@m {monitor} !read
READONLY
@m {monitor} !read
CLIENT SETNAME me
@m {monitor} !read
{any} CLIENT ID
@m {monitor} !read
{any} INFO server
@m {monitor} !read
{any} COMMAND COUNT
@m {monitor} !read
DBSIZE
@m {monitor} !read
{shape} SCAN 0 COUNT 100
@m {monitor} !read
SORT missing
@m {monitor} !read
SWAPDB 0 1
@m {monitor} !read
FLUSHALL
@m {monitor} !read
FLUSHDB ASYNC
@m {monitor} !read
PUBLISH c m
@m {monitor} !read
{any} LASTSAVE
@m {monitor} !read
{any} LOLWUT
@m {monitor} !read
WAIT 0 0
@m {monitor} !read
RESTORE k 0 x
@m {monitor} !read
OBJECT HELP
@m {monitor} !read
MEMORY USAGE missing
@m {monitor} !read
CLIENT REPLY SKIP
@m {monitor} !read
"#,
    );
}

#[test]
fn what_a_gate_refuses_and_what_an_administrator_does_is_not_shown() {
    check(
        r#"
PING
@m MONITOR
NOSUCH
GET
CONFIG GET maxmemory
CONFIG SET maxmemory 0
{any} CLIENT LIST
CLIENT KILL ID 99999
CLIENT NO-EVICT off
CLIENT PAUSE 0
CLIENT UNPAUSE
DEBUG SLEEP 0
{any} SAVE
REPLICAOF NO ONE
SHUTDOWN ABORT
@m !silent
PING
@m {monitor} !read
@raw1 PING
@m {any} !read
@raw1 QUIT
@m {monitor} !read
@raw1 !closed
@m !silent
"#,
    );
}

#[test]
fn passwords_are_redacted() {
    check_with(
        &[("requirepass", "secret")],
        r#"
@raw1 MONITOR
@raw1 AUTH secret
@raw1 MONITOR
@raw2 GET k
@raw2 AUTH wrong
@raw1 {monitor} !read
@raw2 AUTH default wrong
@raw1 {monitor} !read
@raw2 AUTH secret
@raw1 {monitor} !read
@raw2 {shape} HELLO 2 AUTH default secret SETNAME x
@raw1 {monitor} !read
@raw2 MIGRATE 127.0.0.1 1 k 0 10 AUTH secret
@raw1 {monitor} !read
@raw2 MIGRATE 127.0.0.1 1 "" 0 10 AUTH2 user secret KEYS a
@raw1 {monitor} !read
@raw2 MULTI
@raw1 {monitor} !read
@raw2 AUTH secret
@raw2 EXEC
@raw1 {monitor} !read
@raw1 {monitor} !read
"#,
    );
}

#[test]
fn a_transaction_is_shown_when_it_runs() {
    check(
        r#"
@b PING
PING
@m MONITOR
MULTI
@m {monitor} !read
SET k v
CONFIG GET save
SELECT 2
DBSIZE
PING
@m !silent
EXEC
@m {monitor} !read
@m {monitor} !read
@m {monitor} !read
@m {monitor} !read
@m {monitor} !read
SELECT 0
@m {monitor} !read
MULTI
@m {monitor} !read
GET k
NOSUCH
EXEC
@m {monitor} !read
MULTI
@m {monitor} !read
GET k
DISCARD
@m {monitor} !read
EXEC
@m {monitor} !read
EXEC x
@m {monitor} !read
WATCH k
@m {monitor} !read
@b SET k w
@m {monitor} !read
MULTI
@m {monitor} !read
GET k
EXEC
@m {monitor} !read
MULTI
@m {monitor} !read
MONITOR
GET k
EXEC
@m {monitor} !read
@m {monitor} !read
@m !silent
"#,
    );
}

#[test]
fn a_command_that_waits_is_shown_when_it_comes() {
    check(
        r#"
@b PING
PING
@m MONITOR
!send BLPOP list 0
@m {monitor} !read
@b RPUSH list a
@m {monitor} !read
!read
@b LPUSH list b
@m {monitor} !read
BLPOP list 0
@m {monitor} !read
@b CLIENT PAUSE 200
!send PING
@m !silent
!read
@m {monitor} !read
@b SET k string
@m {monitor} !read
@b XGROUP CREATE s g $ MKSTREAM
@m {monitor} !read
!send XREADGROUP GROUP g c BLOCK 0 STREAMS s >
@m {monitor} !read
@b DEL s
@m {monitor} !read
!read
@m !silent
"#,
    );
}

#[test]
fn a_monitor_sends_commands_that_touch_no_keys_and_sees_them_after_their_replies() {
    check(
        r#"
PING
@m MONITOR
@m !send MONITOR
@m !silent
@m PING
@m {monitor} !read
@m GET k
@m SET k v
@m PUBLISH c m
@m BLPOP k 1
@m !silent
@m !raw "PING\r\nPING x\r\nSELECT 2\r\nSELECT 0\r\n"
@m !read
@m {monitor} !read
@m !read
@m {monitor} !read
@m !read
@m {monitor} !read
@m !read
@m {monitor} !read
@m MULTI
@m {monitor} !read
@m GET k
@m EXEC
@m {monitor} !read
@m !send CLIENT REPLY OFF
@m !send PING
PING
@m !silent
@m CLIENT REPLY ON
@m {monitor} !read
@m !send CLIENT REPLY SKIP
@m {monitor} !read
@m !send PING
PING
@m {monitor} !read
@m SUBSCRIBE c
@m {monitor} !read
@m GET k
PUBLISH c x
@m !read
@m {monitor} !read
@m UNSUBSCRIBE
@m {monitor} !read
"#,
    );
}

#[test]
fn a_pause_does_not_hold_a_monitor_back() {
    check(
        r#"
PING
@m MONITOR
CLIENT PAUSE 2000
@m PING
@m {monitor} !read
CLIENT UNPAUSE
"#,
    );
}

#[test]
fn reset_quit_and_kill_end_it() {
    check(
        r#"
== RESET
PING
@m MONITOR
PING
@m {monitor} !read
@m RESET
PING
@m !silent
@m GET k
== QUIT
PING
@m MONITOR
@m QUIT
@m !closed
== KILL
PING
@m MONITOR
{fields flags sub} CLIENT LIST TYPE normal
{fields flags} CLIENT LIST TYPE replica
CLIENT KILL TYPE replica
CLIENT KILL TYPE normal
@m !closed
== of a subscriber
@s SUBSCRIBE c
!resp2
@s MONITOR
== of a subscriber in RESP3
!resp3
@s SUBSCRIBE c
@s MONITOR
@s PING
@s {monitor} !read
"#,
    );
}

#[test]
fn idle_monitors_stay() {
    check_with(
        &[("timeout", "1")],
        r#"
@m MONITOR
!sleep 2500
{any} PING
@m {any} !read
"#,
    );
}

/// Puts a connection into monitor mode.
fn monitor_of(node: &Node) -> Client {
    let mut monitor = node.client();
    monitor.ok("MONITOR");
    monitor
}

/// Lines until one with this word, as client address and words.
fn lines_until(monitor: &mut Client, last: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    loop {
        let line = monitor.frame(secs(20)).expect("a line");
        let (_, _, words) = shown(&line).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&line)));
        let text = String::from_utf8(line).expect("text");
        let from = text.split(['[', ']']).nth(1).expect("an address").to_owned();
        let is_last = words.contains(last);
        lines.push((from, words));
        if is_last {
            return lines;
        }
    }
}

#[test]
fn each_connection_is_shown_in_its_order_each_key_in_the_order_of_its_changes_and_all_monitors_the_same() {
    const CLIENTS: usize = 12;
    const ROUNDS: usize = 300;
    let node = NodeSpec::new(Binary::Slotd).start();
    let (mut monitor, mut second) = (monitor_of(&node), monitor_of(&node));
    let clients: Vec<Client> = (0..CLIENTS).map(|_| node.client()).collect();
    let ends: Vec<usize> = thread::scope(|scope| {
        let send = |(number, mut client): (usize, Client)| {
            scope.spawn(move || {
                let mut last = 0;
                for round in 0..ROUNDS {
                    let requests = [
                        encode(&["ECHO", &format!("{number}:{round}")]),
                        encode(&["RPUSH", "all", &format!("{number}:{round}")]),
                    ];
                    client.send_raw(&requests.concat()).expect("sent");
                    client.reply(secs(20)).expect("a reply");
                    last = client.reply(secs(20)).expect("a reply").int() as usize;
                }
                last
            })
        };
        let threads: Vec<_> = clients.into_iter().enumerate().map(send).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert_eq!(ends.iter().max(), Some(&(CLIENTS * ROUNDS)));
    node.client().cmd("ECHO the-end");
    let lines = lines_until(&mut monitor, "the-end");
    assert_eq!(lines, lines_until(&mut second, "the-end"));
    let mut of: HashMap<&str, Vec<&str>> = HashMap::new();
    lines.iter().for_each(|(from, words)| of.entry(from).or_default().push(words));
    assert_eq!(of.len(), CLIENTS + 1);
    for words in of.values().filter(|words| words.len() > 1) {
        let number = words[0].split(['"', ':']).nth(3).expect("a number");
        let sent =
            |round| [format!("\"ECHO\" \"{number}:{round}\""), format!("\"RPUSH\" \"all\" \"{number}:{round}\"")];
        assert_eq!(*words, (0..ROUNDS).flat_map(sent).collect::<Vec<_>>());
    }
    let pushed: Vec<String> = node.cmd("LRANGE all 0 -1").items().iter().map(Value::text).collect();
    let shown: Vec<&str> = lines.iter().filter_map(|(_, words)| words.strip_prefix("\"RPUSH\" \"all\" ")).collect();
    assert_eq!(shown.iter().map(|word| word.trim_matches('"')).collect::<Vec<_>>(), pushed);
}

#[test]
fn a_replica_shows_what_its_primary_sends() {
    let (primary, replica) = (NodeSpec::new(Binary::Slotd).start(), NodeSpec::new(Binary::Slotd).start());
    replica.client().ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_until("the link", secs(20), || replica.info("master_link_status") == "up");
    let mut monitor = monitor_of(&replica);
    let mut client = primary.client();
    client.ok("SET key value");
    client.ok("SET last value");
    let lines = lines_until(&mut monitor, "\"last\"");
    let of_key = lines.iter().find(|(_, words)| words == "\"SET\" \"key\" \"value\"").expect("it is shown");
    assert_eq!(of_key.0, format!("0 127.0.0.1:{}", primary.port()));
}
