//! What is answered while somebody else has the node for itself, and what is not.

use super::*;
use crate::command::Flags;
use crate::engine::handler::Handler;
use crate::engine::state::{PauseKind, PausePurpose};
use crate::testing::{Bench, Client, START, bulks};

/// Sends requests to a client whose gate is closed. Why processing stopped, the replies, and what is left of the
/// requests.
fn send(bench: &Bench, client: &mut Client, requests: &[u8]) -> (Next, String, Vec<u8>) {
    let mut input = requests.to_vec();
    let pass = bench.engine.barrier.enter(client.session.gate);
    let (next, replies) = client.process(&bench.engine, &mut input);
    drop(pass);
    (next, replies, input)
}

fn requests(commands: &[&[&str]]) -> Vec<u8> {
    commands.iter().flat_map(|words| bulks(words)).collect()
}

#[test]
fn what_touches_no_data_names_no_keys_and_writes_nothing() {
    let bench = Bench::new();
    let outside = bench.engine.registry.iter().filter(|command| command.traits.has(Traits::TOUCHES_NO_DATA));
    let mut count = 0;
    for command in outside {
        count += 1;
        assert!(matches!(command.handler, Handler::Session(_) | Handler::Service { .. }), "{}", command.full_name);
        assert!(command.spec.keys.is_empty(), "{}", command.full_name);
        assert!(!command.flags.any(Flags::WRITE.and(Flags::EXCLUSIVE).and(Flags::BLOCKING)), "{}", command.full_name);
    }
    assert!(count > 15, "{count}");
}

#[test]
fn what_touches_no_data_is_answered_while_all_slots_are_locked_and_the_gate_is_closed() {
    let mut bench = Bench::new();
    // INFO looks at such keys, if it can.
    assert_eq!(bench.run("SET key value EX 100"), "+OK");
    let slots: Vec<_> = bench.engine.keyspace.occupied(0).map(|slot| bench.engine.keyspace.lock(0, slot)).collect();
    let id = bench.connect().session.handle.id.to_string();
    let commands: [&[&str]; 20] = [
        &["PING"],
        &["ECHO", "text"],
        &["SELECT", "1"],
        &["AUTH", "wrong"],
        &["HELLO", "3", "SETNAME", "name"],
        &["READONLY"],
        &["INFO"],
        &["INFO", "everything"],
        &["CLIENT", "ID"],
        &["CLIENT", "INFO"],
        &["CLIENT", "LIST"],
        &["CLIENT", "GETNAME"],
        &["CLIENT", "SETNAME", "name"],
        &["CLIENT", "SETINFO", "lib-name", "lib"],
        &["CLIENT", "NO-EVICT", "on"],
        &["CLIENT", "UNBLOCK", &id],
        &["CLIENT", "KILL", "ID", &id],
        &["COMMAND", "COUNT"],
        &["COMMAND", "GETKEYS", "GET", "key"],
        &["QUIT"],
    ];
    for words in commands {
        let mut client = bench.connect();
        let (next, reply, left) = send(&bench, &mut client, &bulks(words));
        assert!(matches!(next, Next::Input { .. } | Next::Close), "{words:?} waits");
        assert!(!reply.is_empty() && left.is_empty(), "{words:?}: {reply}");
    }
    drop(slots);
}

#[test]
fn replies_keep_their_order() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let all = requests(&[&["PING", "1"], &["ECHO", "2"], &["SET", "key", "3"], &["PING", "4"]]);
    let (next, replies, left) = send(&bench, &mut client, &all);
    assert!(matches!(next, Next::Held(Held::Gate(gate)) if gate == client.session.gate));
    assert_eq!((&*replies, &left), ("$1\r\n1\r\n$1\r\n2\r\n", &requests(&[&["SET", "key", "3"], &["PING", "4"]])));
    let mut left = left;
    assert_eq!(client.feed(&bench.engine, &mut left), "+OK\r\n$1\r\n4\r\n");
}

#[test]
fn a_transaction_is_queued_in_its_order() {
    let bench = Bench::new();
    let mut client = bench.connect();
    assert_eq!(client.run(&bench.engine, "MULTI"), "+OK");
    let (next, replies, mut left) = send(&bench, &mut client, &requests(&[&["PING"], &["EXEC"]]));
    assert!(matches!(next, Next::Held(Held::Gate(_))) && replies.is_empty(), "{replies}");
    assert_eq!(client.feed(&bench.engine, &mut left), "+QUEUED\r\n*1\r\n+PONG\r\n");
}

#[test]
fn all_other_gates_are_passed_as_always() {
    let bench = Bench::with(&[("requirepass", "secret")]);
    let mut client = bench.connect();
    client.session.authenticated = false;
    let (_, replies, left) = send(&bench, &mut client, &requests(&[&["PING"], &["AUTH", "secret"], &["PING"]]));
    assert_eq!(replies, "-NOAUTH Authentication required.\r\n+OK\r\n+PONG\r\n");
    assert!(left.is_empty());
    bench.engine.state.pause(PausePurpose::Client, PauseKind::All, START + 1000);
    let (next, replies, left) = send(&bench, &mut client, &bulks(&["PING"]));
    assert!(matches!(next, Next::Held(Held::Pause(_))) && replies.is_empty() && left.is_empty());
    bench.engine.state.unpause(PausePurpose::Client);
    // Also what waited for the end of the pause.
    let args = client.session.postponed.take().expect("it is kept");
    let (pass, mut out) = (bench.engine.barrier.enter(client.session.gate), Vec::new());
    assert!(matches!(bench.engine.retry(&mut client.session, args.view(), &mut out), Next::Flush));
    assert_eq!(out, b"+PONG\r\n");
    drop(pass);
}

#[test]
fn an_inline_request_is_read_once() {
    let bench = Bench::new();
    let mut client = bench.connect();
    let (next, replies, left) = send(&bench, &mut client, b"PING\r\nSET key \"a\\x20b\"\r\nPING\r\n");
    assert!(matches!(next, Next::Held(Held::Gate(_))));
    assert_eq!((&*replies, &*left), ("+PONG\r\n", b"PING\r\n".as_slice()));
    let args = client.session.postponed.take().expect("it is kept");
    assert_eq!(args.view().iter().collect::<Vec<_>>(), [b"SET".as_slice(), b"key", b"a b"]);
}

#[test]
fn a_request_that_comes_in_two_parts_is_answered_when_it_is_whole() {
    let bench = Bench::new();
    let whole = requests(&[&["PING"], &["ECHO", "text"]]);
    for at in 1..whole.len() {
        let mut client = bench.connect();
        let (next, first, mut rest) = send(&bench, &mut client, &whole[..at]);
        assert!(matches!(next, Next::Input { .. }), "cut at {at}");
        rest.extend_from_slice(&whole[at..]);
        let (_, second, left) = send(&bench, &mut client, &rest);
        assert_eq!((first + &second, left.len()), ("+PONG\r\n$4\r\ntext\r\n".to_owned(), 0), "cut at {at}");
    }
    let (next, replies, _) = send(&bench, &mut bench.connect(), b"*1\r\nPING\r\n");
    assert!(matches!(next, Next::Close) && replies.starts_with("-ERR Protocol error"), "{replies}");
}

/// An inline command is unescaped where it stands, so it must not be read from there again.
#[test]
fn an_inline_command_behind_an_empty_request_is_not_unescaped_twice() {
    let mut bench = Bench::new();
    let mut client = bench.connect();
    let (next, replies, left) = send(&bench, &mut client, b"*0\r\nSET key \"\\\\x41\"\r\n");
    assert!(matches!(next, Next::Held(Held::Gate(_))), "it needs the gate");
    assert_eq!((replies.as_str(), left.len()), ("", 0));
    let args = client.session.postponed.take().expect("it is kept");
    let mut out = Vec::new();
    bench.engine.retry(&mut client.session, args.view(), &mut out);
    assert_eq!(out, b"+OK\r\n");
    assert_eq!(bench.run("GET key"), "$4\r\n\\x41");
}
