//! Functions in an engine: what FUNCTION propagates, and how functions run and are killed.

use std::sync::Arc;

use protocol::resp::OwnedArgs;

use super::tests::{go_on, suspended};
use crate::engine::dispatch::Next;
use crate::engine::held::Held;
use crate::testing::{Bench, bulks};

const LIBRARY: &str = "#!lua name=lib\n\
    redis.register_function('bump', function(k) return redis.call('incr', k[1]) end)\n\
    redis.register_function{function_name='see', callback=function(k) return redis.call('get', k[1]) end, \
    flags={'no-writes'}}\n\
    redis.register_function('spin', function(k, a) if a[1] == '1' then while true do end end return 0 end)\n\
    redis.register_function('mark', function(k) redis.call('incr', k[1]) while true do end end)";

/// A bench with the library.
fn bench() -> Bench {
    let bench = Bench::new();
    let mut client = bench.connect();
    let (_, reply) = client.process(&bench.engine, &mut bulks(&["FUNCTION", "LOAD", LIBRARY]));
    assert_eq!(reply, "$3\r\nlib\r\n");
    bench.propagated();
    bench
}

#[test]
fn changes_of_libraries_are_propagated_as_they_were_sent() {
    let bench = Bench::new();
    let code = "#!lua name=a\nredis.register_function('f', function() end)";
    let mut client = bench.connect();
    let mut send = |words: &[&str]| client.process(&bench.engine, &mut bulks(words)).1;
    assert_eq!(send(&["FUNCTION", "LOAD", code]), "$1\r\na\r\n");
    assert!(send(&["FUNCTION", "LOAD", code]).starts_with('-'));
    assert!(send(&["FUNCTION", "DELETE", "none"]).starts_with('-'));
    assert_eq!(send(&["FUNCTION", "LOAD", "REPLACE", code]), "$1\r\na\r\n");
    assert_eq!(send(&["FUNCTION", "DELETE", "a"]), "+OK\r\n");
    assert_eq!(send(&["FUNCTION", "FLUSH", "ASYNC"]), "+OK\r\n");
    let told = [
        format!("FUNCTION LOAD {}", code.as_bytes().escape_ascii()),
        format!("FUNCTION LOAD REPLACE {}", code.as_bytes().escape_ascii()),
        "FUNCTION DELETE a".to_owned(),
        "FUNCTION FLUSH ASYNC".to_owned(),
    ];
    assert_eq!(bench.propagated(), told);
}

#[test]
fn a_change_in_a_transaction_is_a_part_of_it() {
    let mut bench = bench();
    bench.run("MULTI");
    bench.run("SET k 1");
    bench.run("FUNCTION DELETE lib");
    bench.run("FCALL bump 1 k");
    assert_eq!(bench.run("EXEC"), "*3\r\n+OK\r\n+OK\r\n-ERR Function not found");
    assert_eq!(bench.propagated(), ["MULTI", "SET k 1", "FUNCTION DELETE lib", "EXEC"]);
}

#[test]
fn what_a_function_changes_is_propagated_and_functions_are_not_keys() {
    let mut bench = bench();
    let (reply, propagated, _) = bench.trace("FCALL bump 1 k");
    assert_eq!((reply.as_str(), propagated), (":1", vec!["incr k".to_owned()]));
    assert_eq!(bench.run("FCALL_RO see 1 k"), "$1\r\n1");
    assert!(bench.run("FCALL_RO bump 1 k").starts_with("-ERR Can not execute a script with write flag"));
    assert_eq!(bench.run("FLUSHALL"), "+OK");
    assert_eq!(bench.run("DBSIZE"), ":0");
    assert_eq!(bench.run("FCALL BUMP 1 k"), ":1");
}

#[test]
fn every_machine_loads_a_library_by_itself() {
    let bench = bench();
    for run in 1..4 {
        // Each client of a bench has machines of its own.
        let mut client = bench.connect();
        assert_eq!(client.process(&bench.engine, &mut bulks(&["FCALL", "bump", "1", "k"])).1, format!(":{run}\r\n"));
    }
}

#[test]
fn a_function_is_killed_as_a_function() {
    let mut bench = bench();
    assert_eq!(bench.run("FCALL spin 1 k 0"), ":0");
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["FCALL", "spin", "1", "k", "1"]);
    bench.clock.advance_ms(10_000);
    let busy = "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    assert_eq!(bench.run("SCRIPT KILL"), busy);
    assert_eq!(bench.run("GET other"), "$-1");
    let stats = bench.run("FUNCTION STATS");
    assert!(
        stats.contains("spin\r\n$7\r\ncommand\r\n*5\r\n$5\r\nFCALL\r\n$4\r\nspin\r\n$1\r\n1\r\n$1\r\nk"),
        "{stats}"
    );
    assert_eq!(bench.run("FUNCTION KILL"), "+OK");
    assert!(go_on(&bench, &mut client, run).starts_with("-ERR Script killed by user with SCRIPT KILL..."));
    assert_eq!(bench.run("FUNCTION KILL"), "-NOTBUSY No scripts in execution right now.");
    assert!(bench.run("FUNCTION STATS").contains("running_script\r\n$-1\r\n"));
    let mut client = bench.connect();
    let run = suspended(&bench, &mut client, &["FCALL", "mark", "1", "k"]);
    assert!(bench.run("FUNCTION KILL").starts_with("-UNKILLABLE"));
    drop(run);
    assert_eq!(bench.propagated(), ["incr k"]);
}

#[test]
fn code_runs_once_however_often_its_command_has_to_wait() {
    let mut bench = bench();
    assert_eq!(bench.run("FCALL spin 1 k 0"), ":0");
    let payload = bench.engine.scripts.functions.current().dump();
    let mut busy = bench.connect();
    let run = suspended(&bench, &mut busy, &["FCALL", "spin", "1", "k", "1"]);
    let code = b"#!lua name=other\nredis.register_function('f', function() end)";
    let (load, restore) =
        ([b"FUNCTION".as_slice(), b"LOAD", code], [b"FUNCTION".as_slice(), b"RESTORE", payload.as_slice(), b"REPLACE"]);
    let mut clients = [(bench.connect(), &load[..]), (bench.connect(), &restore[..])];
    for (client, words) in &mut clients {
        assert!(matches!(client.process(&bench.engine, &mut request(words)).0, Next::Held(Held::Alone(_))));
        assert!(client.session.prepared.is_some());
        let again = OwnedArgs::from_slices(words);
        let mut out = Vec::new();
        let next = bench.engine.retry(&mut client.session, again.view(), &mut out);
        assert!(matches!(next, Next::Held(Held::Alone(_))));
        // A command with other words makes its own.
        let next = client.process(&bench.engine, &mut request(&[b"FUNCTION", b"LOAD", b"wrong"]));
        assert!(next.1.starts_with("-ERR Missing library metadata"), "{}", next.1);
        assert!(client.session.prepared.is_none());
        assert!(matches!(client.process(&bench.engine, &mut request(words)).0, Next::Held(Held::Alone(_))));
    }
    assert_eq!(bench.run("FUNCTION KILL"), "+OK");
    go_on(&bench, &mut busy, run);
    for ((client, words), wanted) in clients.iter_mut().zip(["$5\r\nother\r\n", "+OK\r\n"]) {
        let mut out = Vec::new();
        bench.engine.retry(&mut client.session, OwnedArgs::from_slices(words).view(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }
    assert_eq!(bench.run("FCALL f 0"), "$-1");
    assert_eq!(bench.run("FCALL bump 1 k"), ":1");
}

#[test]
fn the_function_that_was_called_last_is_the_one_that_there_is_now() {
    let bench = bench();
    let mut client = bench.connect();
    let library =
        |reply: &str| format!("#!lua name=other\nredis.register_function('f', function() return '{reply}' end)");
    let mut run = |words: &[&[u8]]| client.process(&bench.engine, &mut request(words)).1;
    let load = |reply: &str| [b"FUNCTION".to_vec(), b"LOAD".to_vec(), b"REPLACE".to_vec(), library(reply).into_bytes()];
    for reply in ["one", "two"] {
        let words = load(reply);
        assert_eq!(run(&words.each_ref().map(Vec::as_slice)), "$5\r\nother\r\n");
        for _ in 0..3 {
            assert_eq!(run(&[b"FCALL", b"f", b"0"]), format!("$3\r\n{reply}\r\n"));
            assert_eq!(run(&[b"FCALL", b"F", b"0"]), format!("$3\r\n{reply}\r\n"), "names have no case");
        }
    }
    let before = Arc::downgrade(bench.engine.scripts.functions.current().iter().last().expect("there is one"));
    assert_eq!(run(&[b"FUNCTION", b"DELETE", b"other"]), "+OK\r\n");
    assert!(before.upgrade().is_none(), "a client that called it does not keep it");
    assert_eq!(run(&[b"FCALL", b"f", b"0"]), "-ERR Function not found\r\n");
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let word = |word: &&[u8]| [format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat();
    [format!("*{}\r\n", words.len()).into_bytes(), words.iter().flat_map(word).collect()].concat()
}

#[test]
fn a_payload_restores_what_was_dumped() {
    let mut bench = bench();
    let mut client = bench.connect();
    let payload = bench.engine.scripts.functions.current().dump();
    let mut restore =
        |policy: &[u8]| client.process(&bench.engine, &mut request(&[b"FUNCTION", b"RESTORE", &payload, policy])).1;
    assert_eq!(restore(b"APPEND"), "-ERR Library lib already exists\r\n");
    assert_eq!(restore(b"REPLACE"), "+OK\r\n");
    assert_eq!(restore(b"FLUSH"), "+OK\r\n");
    for cut in 0..payload.len() {
        let reply = client.process(&bench.engine, &mut request(&[b"FUNCTION", b"RESTORE", &payload[..cut]])).1;
        assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong\r\n");
    }
    assert_eq!(bench.run("FCALL bump 1 k"), ":1");
}
