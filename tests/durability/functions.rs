//! Libraries of functions are data: saved, loaded, sent in a full sync and replicated, in both roles with stock Redis.

use std::fs;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::redis_cli::redis_cli;
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use crate::{PAIRS, wait_link_up};

/// A library whose function returns `text`.
fn code(library: &str, function: &str, text: &str) -> String {
    format!("#!lua name={library}\nredis.register_function('{function}', function(k, a) return '{text}' end)")
}

#[track_caller]
fn load(client: &mut Client, library: &str, function: &str, text: &str) {
    let code = code(library, function, text);
    assert_eq!(client.call(&["FUNCTION", "LOAD", "REPLACE", &code]).text(), library);
}

#[track_caller]
fn says(client: &mut Client, function: &str) -> String {
    client.call(&["FCALL", function, "0"]).text()
}

/// The libraries with their code, in an order of their own: a dictionary's in Redis.
fn libraries(client: &mut Client) -> Vec<String> {
    let mut all: Vec<String> =
        client.cmd("FUNCTION LIST WITHCODE").items().iter().map(|library| format!("{library:?}")).collect();
    all.sort();
    all
}

#[test]
fn files_with_functions_are_exchangeable_with_stock_redis() {
    for (writer, reader) in PAIRS {
        let source = NodeSpec::new(writer).start();
        let mut client = source.client();
        load(&mut client, "one", "f", "first");
        load(&mut client, "two", "g", &"long ".repeat(100));
        client.ok("SET k v");
        client.ok("SAVE");
        let bytes = fs::read(source.dir().join("dump.rdb")).expect("SAVE wrote it");
        let target = NodeSpec::new(reader).with_file("dump.rdb", &bytes).start();
        let mut reading = target.client();
        assert_eq!(libraries(&mut reading), libraries(&mut client), "{writer:?} to {reader:?}");
        assert_eq!(says(&mut reading, "f"), "first");
        assert_eq!(reading.cmd("GET k").text(), "v");
        // Their payloads are equal, too.
        reading.ok("FUNCTION DELETE two");
        client.ok("FUNCTION DELETE two");
        assert_eq!(reading.cmd("FUNCTION DUMP"), client.cmd("FUNCTION DUMP"));
    }
}

#[test]
fn functions_survive_a_stop_and_flushall() {
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    let mut client = node.client();
    load(&mut client, "lib", "f", "here");
    client.ok("SET k v");
    client.ok("FLUSHALL");
    assert_eq!(says(&mut client, "f"), "here");
    // The empty file that FLUSHALL has written.
    let bytes = fs::read(node.dir().join("dump.rdb")).expect("FLUSHALL wrote it");
    let other = NodeSpec::new(Binary::Slotd).with_file("dump.rdb", &bytes).start();
    assert_eq!(says(&mut other.client(), "f"), "here");
    client.ok("DEBUG RELOAD");
    assert_eq!(says(&mut client, "f"), "here");
    load(&mut client, "lib2", "g", "there");
    node.signal("TERM");
    node.wait_end(secs(30));
    node.restart();
    let mut client = node.client();
    assert_eq!((says(&mut client, "f"), says(&mut client, "g")), ("here".to_owned(), "there".to_owned()));
}

#[track_caller]
fn same_libraries(primary: &Node, replica: &Node, what: &str) {
    let (mut one, mut other) = (primary.client(), replica.client());
    wait_until(&format!("the replica to have the libraries after {what}"), secs(20), || {
        libraries(&mut one) == libraries(&mut other)
    });
}

#[test]
fn replicas_get_functions_by_full_sync_and_by_the_stream() {
    for (primary, replica) in PAIRS {
        let node = |binary| NodeSpec::new(binary).with("repl-diskless-sync-delay", "0").start();
        let (primary, replica) = (node(primary), node(replica));
        let mut client = primary.client();
        load(&mut client, "one", "f", "first");
        // What the replica has goes with its data.
        load(&mut replica.client(), "old", "g", "gone");
        replica.client().ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        wait_link_up(&replica);
        same_libraries(&primary, &replica, "the full sync");
        load(&mut client, "two", "g", "second");
        same_libraries(&primary, &replica, "LOAD");
        load(&mut client, "two", "h", "other");
        same_libraries(&primary, &replica, "LOAD REPLACE");
        let Value::Bulk(dump) = client.cmd("FUNCTION DUMP") else { panic!("no payload") };
        client.ok("FUNCTION DELETE one");
        same_libraries(&primary, &replica, "DELETE");
        client.ok("FLUSHALL");
        same_libraries(&primary, &replica, "FLUSHALL");
        client.ok("FUNCTION FLUSH");
        same_libraries(&primary, &replica, "FLUSH");
        let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &dump];
        assert!(client.call(&words).is_ok());
        same_libraries(&primary, &replica, "RESTORE");
        client.cmd("MULTI");
        client.cmd("FUNCTION DELETE one");
        client.cmd("SET k v");
        client.cmd("EXEC");
        same_libraries(&primary, &replica, "a transaction");
        // One that does not say that it writes nothing is refused on a replica.
        assert_eq!(says(&mut replica.client(), "h"), "READONLY You can't write against a read only replica.");
    }
}

#[test]
fn redis_cli_takes_functions_alone() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    load(&mut client, "lib", "f", "here");
    client.ok("SET k v");
    let path = node.dir().join("functions.rdb");
    let port = node.port().to_string();
    redis_cli(&["-p", &port, "--functions-rdb", &path.display().to_string()]).expect_success();
    let bytes = fs::read(&path).expect("redis-cli wrote it");
    let other = NodeSpec::new(Binary::Stock).with_file("dump.rdb", &bytes).start();
    assert_eq!(says(&mut other.client(), "f"), "here");
    assert_eq!(other.cmd("DBSIZE").int(), 0);
}
