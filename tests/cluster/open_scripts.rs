//! Scripts in a slot that moves: each of their commands looks for its keys as one outside of a script does.
//!
//! Only the key that a script declares is looked for before it runs. One that it does not declare, has in another
//! database or has deleted itself may be at the other node when a command asks for it. Checked on stock nodes as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

use crate::databases::{Over, Pair, SLOT};

/// What a script is answered: of an error the code, or that the key is not here.
#[track_caller]
fn expect(client: &mut Client, script: &str, keys: &[&str], wanted: &str) {
    let count = keys.len().to_string();
    let reply = client.call(&[&["EVAL", script, &count], keys].concat());
    let brief = match &reply {
        Value::Error(text) if text.to_lowercase().contains("attempted to access a non local key") => {
            "elsewhere".to_owned()
        }
        Value::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
        Value::Null => "nothing".to_owned(),
        value => value.text(),
    };
    assert_eq!(brief, wanted, "{script} {keys:?}: {reply:?}");
}

const GET: &str = "return redis.call('GET', KEYS[1])";
const REPLACE: &str = "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], 'x')";

fn commands_look_for_their_keys(binary: Binary) {
    let pair = Pair::of(|| NodeSpec::cluster(binary, 2_000));
    let (mut source, mut target) = (pair.source.client(), pair.target.client());
    for key in ["k", "{k}2", "{k}3"] {
        source.ok(&format!("SET {key} v"));
    }
    pair.open();
    // The second time, slotd knows what a script needs.
    for _ in 0..2 {
        expect(&mut source, GET, &["k"], "v");
        expect(&mut source, GET, &["{k}none"], "ASK");
        expect(&mut source, "return redis.call('GET', '{k}none')", &["k"], "elsewhere");
        expect(&mut source, "return redis.call('SET', '{k}none', 'x')", &["k"], "elsewhere");
        expect(&mut source, "return redis.call('SET', '{k}none', 'x')", &[], "elsewhere");
        expect(&mut source, "return redis.call('GET', 'k')", &[], "v");
        expect(&mut source, "return #redis.call('MGET', 'k', '{k}3')", &["k"], "2");
        expect(&mut source, "return redis.call('MGET', 'k', '{k}none')", &["k"], "elsewhere");
        expect(&mut source, "return redis.pcall('GET', '{k}none').err and 'caught'", &["k"], "caught");
    }
    expect(&mut source, REPLACE, &["{k}2"], "elsewhere");
    assert_eq!(source.cmd("CLUSTER COUNTKEYSINSLOT 7629").int(), 2, "it has deleted the key");
    expect(&mut target, GET, &["k"], "MOVED");
    for (script, keys, wanted) in [
        (GET, &["k"][..], "nothing"),
        ("return redis.call('SET', KEYS[1], 't')", &["{k}none"], "OK"),
        (GET, &["{k}none"], "t"),
        (REPLACE, &["{k}none"], "OK"),
        ("return redis.call('MGET', KEYS[1], KEYS[2])", &["{k}none", "{k}x"], "TRYAGAIN"),
        ("return redis.call('MGET', KEYS[1], '{k}x')", &["{k}none"], "elsewhere"),
        ("return redis.call('GET', 'k')", &[], "nothing"),
    ] {
        target.ok("ASKING");
        expect(&mut target, script, keys, wanted);
    }
}

#[test]
fn commands_of_scripts_look_for_their_keys() {
    commands_look_for_their_keys(Binary::Slotd);
}

#[test]
fn commands_of_stock_scripts_look_for_their_keys() {
    commands_look_for_their_keys(Binary::Stock);
}

fn databases_are_looked_into(binary: Binary) {
    let pair = Pair::of(|| NodeSpec::cluster(binary, 2_000).with("cluster-databases", "16"));
    let mut source = pair.source.client();
    source.ok("SET k 0");
    source.ok("SELECT 1");
    source.ok("SET k 1");
    source.ok("SELECT 0");
    let moves = "return redis.call('MOVE', KEYS[1], '6')";
    expect(&mut source, "redis.call('SELECT', '3') return redis.call('SET', KEYS[1], 'v')", &["{k}3"], "OK");
    expect(&mut source, moves, &["k"], "1");
    expect(&mut source, "redis.call('SELECT', '6') return redis.call('MOVE', KEYS[1], '0')", &["k"], "1");
    assert_eq!(source.cmd("GET k").text(), "0", "a script selects for itself");
    pair.open();
    for _ in 0..2 {
        expect(&mut source, "redis.call('SELECT', '1') return redis.call('GET', KEYS[1])", &["k"], "1");
        expect(&mut source, "redis.call('SELECT', '5') return redis.call('GET', KEYS[1])", &["k"], "elsewhere");
        expect(&mut source, "redis.call('SELECT', '5') return redis.call('SET', KEYS[1], 'x')", &["k"], "elsewhere");
        expect(&mut source, moves, &["k"], "elsewhere");
        expect(&mut source, "return redis.call('COPY', KEYS[1], KEYS[1], 'DB', '7')", &["k"], "elsewhere");
    }
    source.ok("SELECT 5");
    expect(&mut source, "redis.call('SELECT', '1') return redis.call('GET', KEYS[1])", &["k"], "ASK");
}

#[test]
fn scripts_look_into_their_databases() {
    if !slotd_is_stock() {
        databases_are_looked_into(Binary::Slotd);
    }
}

#[test]
#[ignore = "needs valkey 9: tests/run flows"]
fn scripts_of_valkey_look_into_their_databases() {
    databases_are_looked_into(Binary::Later("valkey9"));
}

fn keys_of_a_command_are_in_one_slot_of_this_node(binary: Binary) {
    let node = NodeSpec::cluster(binary, 2_000).with("cluster-require-full-coverage", "no").start();
    let mut client = node.client();
    client.ok("CLUSTER ADDSLOTSRANGE 0 8191");
    wait_until("the slots to be served", secs(20), || client.cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    for (script, keys, wanted) in [
        ("return redis.call('MGET', 'bar', '{bar}1', 'b')", &["bar"][..], "elsewhere"),
        ("#!lua flags=allow-cross-slot-keys\nreturn redis.call('MSET', 'bar', '2', 'b', '3')", &[], "elsewhere"),
        ("return redis.call('GET', 'foo')", &["bar"], "elsewhere"),
        ("#!lua\nreturn redis.call('GET', 'foo')", &["bar"], "elsewhere"),
        ("return redis.call('SPUBLISH', 'foo', 'x')", &[], "elsewhere"),
        ("return redis.call('SPUBLISH', 'bar', 'x')", &[], "0"),
        ("redis.call('GET', 'bar') return redis.call('GET', 'b')", &["bar"], "nothing"),
        ("#!lua\nredis.call('GET', 'bar') return redis.call('GET', 'b')", &["bar"], "ERR"),
        ("#!lua flags=allow-cross-slot-keys\nredis.call('GET', 'bar') return redis.call('GET', 'b')", &[], "nothing"),
    ] {
        expect(&mut client, script, keys, wanted);
    }
}

#[test]
fn keys_of_a_scripts_command_are_in_one_slot_of_this_node() {
    if !slotd_is_stock() {
        keys_of_a_command_are_in_one_slot_of_this_node(Binary::Slotd);
    }
}

#[test]
fn keys_of_a_stock_scripts_command_are_in_one_slot_of_this_node() {
    keys_of_a_command_are_in_one_slot_of_this_node(Binary::Stock);
}

/// Counts a key up by scripts, wherever it is. Returns how far it has counted.
fn count_up(ports: [u16; 2], over: &AtomicBool) -> i64 {
    const COUNT: &str = "redis.call('INCR', KEYS[1]) return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let mut links = ports.map(|port| Client::connect(port).expect("it runs"));
    let (mut count, mut at, mut asking) = (0, 0, false);
    while !over.load(Ordering::Relaxed) {
        if asking {
            links[at].ok("ASKING");
        }
        asking = false;
        match links[at].call(&["EVAL", COUNT, "1", "k", "1"]) {
            Value::Int(now) => {
                count += 2;
                assert_eq!(now, count);
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
    count
}

/// MIGRATE sends a copy and removes the key later; a script must not write to it in between.
#[test]
fn no_write_of_a_script_is_lost_while_its_slot_moves() {
    let pair = Pair::of(|| NodeSpec::cluster(Binary::Slotd, 2_000));
    let ports = [pair.source.port(), pair.target.port()];
    let over = AtomicBool::new(false);
    let count = thread::scope(|scope| {
        let writer = scope.spawn(|| count_up(ports, &over));
        let end = Over(&over);
        for _ in 0..20 {
            crate::databases::move_slot(SLOT, (&pair.source, &pair.target), 1);
            crate::databases::move_slot(SLOT, (&pair.target, &pair.source), 1);
        }
        drop(end);
        writer.join().expect("every reply is one that a client understands")
    });
    assert!(count > 100, "{count}");
    assert_eq!(pair.source.cmd("GET k").text(), count.to_string());
}
