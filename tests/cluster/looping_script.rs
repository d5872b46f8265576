//! A script that loops stops its slot, and nothing else.
//!
//! It is played on one node, in a cluster of six processes and in one of six nodes in one process, with a node timeout
//! of a second. The script's slot answers `BUSY`; other slots of its node, and the other nodes, answer at once. It is
//! killed from a connection of its own worker. Once it has written it cannot be killed, and SHUTDOWN NOSAVE ends its
//! node all the same. In a cluster nobody suspects the node, and epochs and roles are the same as before.

use std::thread;
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::cluster::{ClusterSpec, NodeLine, parse_nodes};
use integration::node::{Node, NodeSpec};
use integration::one_process::{OneProcess, TestDir};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// Loops if it is told to; with a key of which it has written before.
const LOOP: &str = "if ARGV[1]=='loop' then while true do end end return redis.call('incr',KEYS[1])";
const WRITES_AND_LOOPS: &str =
    "redis.call('incr',KEYS[1]) if ARGV[1]=='loop' then while true do end end return redis.call('get',KEYS[1])";
const READS_AND_LOOPS: &str = "if ARGV[1]=='loop' then while true do end end return redis.call('get',KEYS[1])";
/// How long the script loops in a cluster: several node timeouts.
const LONG: Duration = secs(5);
/// The limit for a reply that does not wait for the script, on a machine that does other things too.
const SOON: Duration = secs(1);
/// The script's key, and another one of its node.
const KEY: &str = "{bar}key";
const OTHER: &str = "bar:other";
const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const KILLED: &str = "ERR Script killed by user with SCRIPT KILL...";

fn eval(client: &mut Client, script: &str, key: &str, arg: &str) -> Value {
    client.call(&["EVAL", script, "1", key, arg])
}

/// Starts a script that loops, and returns its client.
#[track_caller]
fn start_loop(connect: &dyn Fn() -> Client, script: &str) -> Client {
    // The first time a script is alone in its node, if that is no cluster.
    assert!(!eval(&mut connect(), script, KEY, "x").is_error());
    let mut client = connect();
    client.send(&["EVAL", script, "1", KEY, "loop"]).expect("it is sent");
    wait_until("the script to run", secs(20), || connect().cmd(&format!("GET {KEY}")).text() == BUSY);
    client
}

/// Asks for something that does not depend on the script.
#[track_caller]
fn answers(client: &mut Client, line: &str) -> Value {
    let asked = Instant::now();
    let reply = client.cmd(line);
    assert!(!reply.is_error(), "{line}: {reply:?}");
    assert!(asked.elapsed() < SOON, "{line} took {:?}", asked.elapsed());
    reply
}

/// The node of the script: its slot is busy, others are served, and it can be killed.
#[track_caller]
fn other_slots_are_served(connect: &dyn Fn() -> Client) {
    connect().ok("CONFIG SET busy-reply-threshold 100");
    let mut looping = start_loop(connect, LOOP);
    let mut client = connect();
    assert_eq!(client.cmd(&format!("INCR {KEY}")).text(), BUSY);
    assert_eq!(client.cmd(&format!("EVAL return(1) 1 {KEY}")).text(), BUSY);
    let began = Instant::now();
    while began.elapsed() < LONG {
        answers(&mut client, &format!("SET {OTHER} v"));
        answers(&mut client, &format!("GET {OTHER}"));
        answers(&mut client, "PING");
        answers(&mut client, "INFO");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(looping.arrived().is_none(), "it loops");
    client.ok("SCRIPT KILL");
    let reply = looping.reply(secs(5)).expect("it is killed").text();
    assert!(reply.starts_with(KILLED), "{reply}");
    assert_eq!(client.cmd("SCRIPT KILL").text(), "NOTBUSY No scripts in execution right now.");
    assert_eq!(client.cmd(&format!("GET {KEY}")).text(), "1");
    // A client that goes leaves its script running.
    drop(start_loop(connect, LOOP));
    assert_eq!(client.cmd(&format!("GET {KEY}")).text(), BUSY);
    client.ok("SCRIPT KILL");
    wait_until("the script to end", secs(20), || client.cmd(&format!("GET {KEY}")).text() == "2");
}

/// A script that has written can only be ended with its node.
#[track_caller]
fn a_script_that_has_written_ends_with_its_node(connect: &dyn Fn() -> Client) {
    connect().ok("CONFIG SET busy-reply-threshold 100");
    let _looping = start_loop(connect, WRITES_AND_LOOPS);
    let mut client = connect();
    let reply = client.cmd("SCRIPT KILL").text();
    assert!(reply.starts_with("UNKILLABLE Sorry the script already executed write commands"), "{reply}");
    assert_eq!(client.cmd(&format!("GET {KEY}")).text(), BUSY);
    answers(&mut client, &format!("SET {OTHER} v"));
    client.send(&["SHUTDOWN", "NOSAVE"]).expect("it is sent");
    client.expect_close(secs(20));
}

#[test]
fn one_node_serves_its_other_slots() {
    if slotd_is_stock() {
        return;
    }
    let mut node = NodeSpec::new(Binary::Slotd).start();
    other_slots_are_served(&|| node.client());
    a_script_that_has_written_ends_with_its_node(&|| node.client());
    node.wait_end(secs(20));
}

#[test]
fn a_script_that_is_alone_is_ended_with_its_node() {
    if slotd_is_stock() {
        return;
    }
    let mut node = NodeSpec::new(Binary::Slotd).with("busy-reply-threshold", "100").start();
    let mut looping = node.client();
    looping.send(&["EVAL", "while true do end", "0"]).expect("it is sent");
    let mut client = node.client();
    wait_until("the script to run", secs(20), || client.cmd("GET k").text() == BUSY);
    // As in Redis, what makes no sense before the script has ended is refused, and the rest is answered.
    for line in ["MULTI", "AUTH x", "HELLO 3", "SCRIPT KILL"] {
        let reply = node.client().cmd(line);
        assert_ne!(reply.text(), BUSY, "{line}");
    }
    assert!(looping.reply(secs(5)).expect("it is killed").text().starts_with(KILLED));
    let log = node.log();
    assert!(log.contains("Slow script detected: still in execution after "), "{log}");
    assert!(log.contains("Lua script killed by user with SCRIPT KILL."), "{log}");
    // One that has written is found, and ended with its client.
    let mut looping = node.client();
    let id = looping.cmd("CLIENT ID").int();
    looping.send(&["EVAL", "redis.call('set','k',1) while true do end", "0"]).expect("it is sent");
    let mut client = node.client();
    wait_until("the script to run", secs(20), || client.cmd("GET k").text() == BUSY);
    assert!(client.cmd("SCRIPT KILL").text().starts_with("UNKILLABLE"));
    for line in ["SHUTDOWN", "SHUTDOWN SAVE", "WATCH k", "PING"] {
        assert_eq!(client.cmd(line).text(), BUSY, "{line}");
    }
    assert_eq!(client.cmd("RESET").text(), "RESET");
    assert!(client.cmd("INFO server").text().contains("redis_version"));
    assert!(client.cmd("CLIENT LIST").text().contains(&format!("id={id} ")));
    assert_eq!(client.cmd(&format!("CLIENT KILL ID {id}")).int(), 1);
    looping.expect_close(secs(5));
    wait_until("the script to end", secs(5), || client.cmd("GET k").text() == "1");
    let mut looping = node.client();
    looping.send(&["EVAL", "redis.call('set','k',1) while true do end", "0"]).expect("it is sent");
    wait_until("the script to run", secs(20), || client.cmd("GET k").text() == BUSY);
    client.send(&["SHUTDOWN", "NOSAVE"]).expect("it is sent");
    client.expect_close(secs(20));
    node.wait_end(secs(20));
}

/// As in Redis, which this test also passes.
#[test]
fn a_script_in_a_transaction_can_be_killed() {
    let node = NodeSpec::new(Binary::Slotd).with("busy-reply-threshold", "100").start();
    let mut client = node.client();
    for function in [false, true] {
        let (command, begin) = if function { ("FCALL", "FUNCTION") } else { ("EVAL", "SCRIPT") };
        let mut looping = node.client();
        let code = "#!lua name=lib\nredis.register_function('loop', function() while true do end end)";
        let name = if function { "loop" } else { "while true do end" };
        if function {
            assert_eq!(looping.call(&["FUNCTION", "LOAD", code]).text(), "lib");
        }
        looping.ok("MULTI");
        for words in [&["INCR", "k"][..], &[command, name, "1", "k"], &["INCR", "k"]] {
            assert_eq!(looping.call(words).text(), "QUEUED");
        }
        looping.send(&["EXEC"]).expect("it is sent");
        wait_until("the script to run", secs(20), || client.cmd("GET k").text().starts_with("BUSY "));
        let ended = client.call(&[begin, "KILL"]);
        assert_eq!(ended.text(), "OK");
        let reply = looping.reply(secs(5)).expect("it is killed");
        let replies = reply.items();
        assert_eq!(replies.len(), 3);
        assert!(replies[1].text().starts_with(KILLED), "{:?}", replies[1]);
        assert_eq!(replies[0].int() + 1, replies[2].int());
        assert_eq!(client.call(&[begin, "KILL"]).text(), "NOTBUSY No scripts in execution right now.");
    }
    assert_eq!(client.cmd("GET k").text(), "4");
    let stats = client.cmd("INFO commandstats").text();
    assert!(stats.contains("cmdstat_exec:calls=2,") && stats.contains("cmdstat_eval:calls=1,"), "{stats}");
}

#[test]
fn a_node_changes_its_role_although_a_script_loops() {
    if slotd_is_stock() {
        return;
    }
    let (node, primary) = (NodeSpec::new(Binary::Slotd).start(), NodeSpec::new(Binary::Slotd).start());
    let port = primary.port().to_string();
    for (command, script, target, role) in [
        ("EVAL", WRITES_AND_LOOPS, ["127.0.0.1", &*port], "slave"),
        ("EVAL_RO", READS_AND_LOOPS, ["NO", "ONE"], "master"),
    ] {
        let (mut looping, mut client) = (node.client(), node.client());
        assert!(!looping.call(&[command, script, "1", KEY, "x"]).is_error());
        looping.send(&[command, script, "1", KEY, "loop"]).expect("it is sent");
        thread::sleep(Duration::from_millis(200));
        client.send(&["REPLICAOF", target[0], target[1]]).expect("it is sent");
        let reply = looping.reply(secs(10)).expect("it ends").text();
        assert!(reply.starts_with("ERR The script was ended because its node changes its role"), "{reply}");
        assert_eq!(client.reply(secs(10)).expect("it is done").text(), "OK");
        assert_eq!(client.cmd("ROLE").items()[0].text(), role);
    }
}

/// Machines of all workers forget what SCRIPT FLUSH flushes.
#[test]
fn the_memory_of_flushed_scripts_comes_back() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut clients: Vec<Client> = (0..20).map(|_| node.client()).collect();
    let lua = |client: &mut Client| {
        let info = client.cmd("INFO memory").text();
        let value =
            info.split("used_memory_vm_eval:").nth(1).and_then(|rest| rest.split('\r').next()?.parse::<u64>().ok());
        value.expect("it is told")
    };
    for client in &mut clients {
        for number in 0..100 {
            client.call(&["EVAL", &format!("local t = '{number}{}' return 1", "x".repeat(10_000)), "0"]);
        }
    }
    let before = lua(&mut clients[0]);
    assert!(before > 1_000_000, "{before}");
    clients[0].ok("SCRIPT FLUSH");
    wait_until("the memory to come back", secs(10), || lua(&mut clients[0]) < 700_000);
}

#[test]
fn an_orderly_stop_lets_a_script_come_to_its_end_that_has_written() {
    if slotd_is_stock() {
        return;
    }
    let mut node = NodeSpec::new(Binary::Slotd).with("save", "3600 1").start();
    let long = "redis.call('set',KEYS[1],1) local t=os.clock() while os.clock()-t<1 do end redis.call('set',KEYS[2],1) \
                return 'done'";
    let reading = "local t=os.clock() while os.clock()-t<30 do end";
    let mut writer = node.client();
    writer.send(&["EVAL", long, "2", "a", "b"]).expect("it is sent");
    thread::sleep(Duration::from_millis(300));
    node.signal("TERM");
    assert_eq!(writer.reply(secs(10)).expect("it comes to its end").text(), "done");
    node.wait_end(secs(20));
    node.restart();
    let mut client = node.client();
    assert_eq!((client.cmd("GET a").text(), client.cmd("GET b").text()), ("1".to_owned(), "1".to_owned()));
    let mut reader = node.client();
    reader.send(&["EVAL", reading, "0"]).expect("it is sent");
    thread::sleep(Duration::from_millis(300));
    node.signal("TERM");
    // It need not wait for this one.
    node.wait_end(secs(9));
}

#[test]
fn a_script_whose_connection_breaks_comes_to_its_end() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let long =
        "redis.call('set',KEYS[1],1) local t=os.clock() while os.clock()-t<0.5 do end redis.call('set',KEYS[2],1)";
    let mut writer = node.client();
    // Unread input makes the system send a reset.
    writer.send(&["PING"]).expect("it is sent");
    thread::sleep(Duration::from_millis(100));
    writer.send(&["EVAL", long, "2", "a", "b"]).expect("it is sent");
    thread::sleep(Duration::from_millis(100));
    drop(writer);
    wait_until("the script to end", secs(20), || node.client().cmd("EXISTS a b").int() == 2);
}

#[test]
fn the_reply_of_a_suspended_script_is_as_that_of_any_command() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).with("client-output-buffer-limit", "normal 200000 0 0").start();
    let mut client = node.client();
    let long = "local t=os.clock() while os.clock()-t<0.1 do end return KEYS[1]";
    for (mode, before) in [("SKIP", "skipped"), ("OFF", "off")] {
        client.send(&["CLIENT", "REPLY", mode]).expect("it is sent");
        client.send(&["EVAL", long, "1", before]).expect("it is sent");
        client.send(&["CLIENT", "REPLY", "ON"]).expect("it is sent");
        assert_eq!(client.reply(secs(10)).expect("that of the last").text(), "OK", "{mode}");
    }
    let usec: u64 = client
        .cmd("INFO commandstats")
        .text()
        .split("cmdstat_eval:calls=2,usec=")
        .nth(1)
        .and_then(|rest| rest.split(',').next()?.parse().ok())
        .expect("it was called twice");
    assert!(usec >= 150_000, "{usec}");
    // What a script reads is not sent, so the limit of what a client may leave unread is not its limit.
    client.cmd("SETRANGE big 999999 x");
    let reads = "redis.call('set',KEYS[1],1) local l=#redis.call('get',KEYS[2]) redis.call('set',KEYS[3],l) return l";
    assert_eq!(client.call(&["EVAL", reads, "3", "m", "big", "n"]).int(), 1_000_000);
}

/// What each node thinks of all nodes.
fn order(connect: &dyn Fn(usize) -> Client) -> Vec<Vec<String>> {
    let shown = |line: &NodeLine| format!("{} {} {:?} {}", line.id, line.is_primary(), line.primary, line.epoch);
    let seen = |node| {
        let mut lines: Vec<_> = parse_nodes(&connect(node).cmd("CLUSTER NODES").text()).iter().map(shown).collect();
        lines.sort();
        lines
    };
    (0..6).map(seen).collect()
}

#[track_caller]
fn no_node_notices(connect: &(dyn Fn(usize) -> Client + Sync)) {
    let before = order(connect);
    thread::scope(|scope| {
        let script = scope.spawn(|| other_slots_are_served(&|| connect(0)));
        let mut clients: Vec<Client> = (1..6).map(connect).collect();
        while !script.is_finished() {
            answers(&mut clients[0], "SET c value");
            answers(&mut clients[1], "SET foo value");
            for client in &mut clients {
                let seen = parse_nodes(&answers(client, "CLUSTER NODES").text());
                let suspect = seen.iter().find(|line| line.has("fail?") || line.has("fail"));
                assert!(suspect.is_none(), "{suspect:?} is suspected");
            }
            thread::sleep(Duration::from_millis(50));
        }
        script.join().expect("the script's node serves");
    });
    assert_eq!(order(connect), before, "epochs and roles");
}

#[test]
fn six_processes_do_not_notice_a_script_that_loops() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 1).node_timeout_ms(1000).create();
    let ports: Vec<u16> = cluster.nodes.iter().map(Node::port).collect();
    no_node_notices(&|node| Client::connect(ports[node]).expect("the node accepts"));
}

#[test]
fn six_nodes_of_one_process_do_not_notice_a_script_that_loops() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let cluster = OneProcess::start(&temporary, &["--cluster-node-timeout", "1000"]);
    no_node_notices(&|node| Client::connect(cluster.ports[node]).expect("the node accepts"));
}
