//! `slotd cluster`: nodes that share a process end, pause and come back one by one, as processes would.

use std::time::Instant;

use integration::node::NodeSpec;
use integration::one_process::{OneProcess, TestDir};
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::{secs, wait_until};

/// Three primaries, node 0 to 2, with one replica each, node 3 to 5.
const TIMEOUT: &[&str] = &["--cluster-node-timeout", "1000"];

/// A key of the first primary's slots.
const KEY: &str = "{bar}key";

/// Waits until a node's port is no longer listened on.
#[track_caller]
fn wait_gone(cluster: &OneProcess, node: usize) {
    wait_until(&format!("node {node} to refuse connections"), secs(20), || !cluster.accepts(node));
}

#[test]
fn whatever_ends_a_node_ends_it_alone_and_its_replica_takes_over() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let mut cluster = OneProcess::start(&temporary, TIMEOUT);
    assert!(cluster.cmd(0, &format!("SET {KEY} 1")).is_ok());
    assert_eq!(cluster.cmd(0, "WAIT 1 5000").int(), 1);
    // The first of the two serves, the other one is its replica; they swap roles every time.
    let mut pair = (0, 3);
    let ends = [
        ("SHUTDOWN NOSAVE", "ended"),
        ("SHUTDOWN NOW", "ended"),
        ("SLOTD NODE KILL", "killed"),
        ("SLOTD NODE STOP", "stopped"),
        ("", "killed"),
    ];
    for (end, event) in ends {
        let (serving, replica) = pair;
        cluster.wait_serving(1, serving);
        wait_until("the replica to be in sync", secs(40), || {
            cluster.cmd(replica, "INFO replication").text().contains("master_link_status:up")
        });
        let mut idle = cluster.client(serving);
        assert_eq!(idle.cmd("PING").text(), "PONG");
        if end.is_empty() {
            // From another node, named by its port.
            let order = format!("SLOTD NODE KILL {}", cluster.ports[serving]);
            assert!(cluster.cmd(1, &order).is_ok());
        } else {
            let mut asking = cluster.client(serving);
            asking.send(&end.split(' ').collect::<Vec<_>>()).expect("the command is sent");
            asking.expect_close(secs(20));
        }
        idle.expect_close(secs(20));
        cluster.expect_event(serving, event);
        wait_gone(&cluster, serving);
        cluster.wait_serving(1, replica);
        cluster.wait_serving(replica, replica);
        assert_eq!(cluster.cmd(replica, &format!("GET {KEY}")).text(), "1", "after {end}");
        assert!(cluster.cmd(replica, &format!("SET {KEY} 1")).is_ok(), "after {end}");
        assert!(cluster.is_running());

        assert!(cluster.cmd(1, &format!("SLOTD NODE RESTART {}", cluster.id(serving))).is_ok());
        cluster.expect_event(serving, "started");
        assert_eq!(cluster.cmd(serving, "CLUSTER MYID").text(), cluster.id(serving));
        pair = (replica, serving);
    }
}

#[test]
fn a_node_that_cannot_keep_its_nodes_conf_ends_alone() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().display().to_string();
    let mut cluster = OneProcess::start(&temporary, &["--dir", &data, "--replicas", "0"]);
    std::fs::remove_dir_all(dir.path().join("node-2")).expect("its directory goes");
    cluster.client(2).send(&["CLUSTER", "SAVECONFIG"]).expect("the command is sent");
    let event = cluster.expect_event(2, "ended");
    assert_eq!(event["status"], 1);
    wait_gone(&cluster, 2);
    assert_eq!(cluster.cmd(0, "PING").text(), "PONG");
    // The exit status of the process shows that something went wrong.
    cluster.signal("TERM");
    assert_eq!(cluster.wait_end(), Some(1));
}

#[test]
fn a_node_that_cannot_save_does_not_stop_and_the_process_goes_on_for_it() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().display().to_string();
    let mut cluster = OneProcess::start(&temporary, &["--dir", &data, "--replicas", "0", "--save", "3600 1"]);
    assert!(cluster.cmd(0, &format!("SET {KEY} 1")).is_ok());
    // The file cannot be renamed to its final name.
    let in_the_way = dir.path().join("node-0/dump.rdb");
    std::fs::create_dir(&in_the_way).expect("the node's directory is writable");
    std::fs::write(in_the_way.join("x"), b"").expect("writable");
    let refused = cluster.cmd(1, &format!("SLOTD NODE STOP {}", cluster.ports[0]));
    assert!(refused.is_error() && refused.text().contains("could not save"), "{refused:?}");
    assert_eq!(cluster.cmd(0, &format!("GET {KEY}")).text(), "1");

    cluster.signal("TERM");
    for node in [1, 2] {
        cluster.expect_event(node, "stopped");
    }
    assert!(cluster.is_running());
    assert_eq!(cluster.cmd(0, "PING").text(), "PONG");
    std::fs::remove_dir_all(&in_the_way).expect("it was there");
    cluster.signal("TERM");
    assert_eq!(cluster.wait_end(), Some(0));
    let again = OneProcess::start(&temporary, &["--dir", &data, "--replicas", "0"]);
    assert_eq!(again.cmd(0, &format!("GET {KEY}")).text(), "1");
}

#[test]
fn when_the_last_node_is_down_the_process_ends_and_nothing_is_left() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let mut cluster = OneProcess::start(&temporary, &["--shards", "3", "--replicas", "0"]);
    for node in [1, 0, 2] {
        assert!(cluster.is_running());
        cluster.client(node).send(&["SHUTDOWN", "NOSAVE"]).expect("the command is sent");
        cluster.expect_event(node, "ended");
    }
    assert_eq!(cluster.wait_end(), Some(0));
    assert_eq!(temporary.names(), [""; 0]);
}

#[test]
fn a_killed_node_has_what_was_saved_and_a_stopped_one_saves() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().display().to_string();
    let mut cluster = OneProcess::start(&temporary, &["--dir", &data, "--replicas", "0", "--save", "3600 1"]);
    let set =
        |cluster: &OneProcess, key: &str| assert!(cluster.cmd(0, &format!("SET {{bar}}{key} 1")).is_ok(), "{key}");
    let has = |cluster: &OneProcess, key: &str| {
        let got = |cluster: &OneProcess| cluster.cmd(0, &format!("GET {{bar}}{key}"));
        wait_until("the node to serve", secs(20), || !got(cluster).is_error());
        got(cluster).text() == "1"
    };
    let order = |cluster: &mut OneProcess, order: &str, events: &[&str]| {
        let line = format!("SLOTD NODE {order} {}", cluster.ports[0]);
        assert!(cluster.cmd(1, &line).is_ok(), "{line}");
        events.iter().for_each(|event| drop(cluster.expect_event(0, event)));
    };
    set(&cluster, "saved");
    assert!(cluster.cmd(0, "SAVE").is_ok());
    set(&cluster, "lost");
    order(&mut cluster, "KILL", &["killed"]);
    order(&mut cluster, "RESTART", &["started"]);
    assert!(has(&cluster, "saved"));
    assert!(!has(&cluster, "lost"), "a kill saved");

    set(&cluster, "kept");
    order(&mut cluster, "STOP", &["stopped"]);
    order(&mut cluster, "RESTART", &["started"]);
    assert!(has(&cluster, "kept"), "a stop did not save");
    set(&cluster, "kept2");
    order(&mut cluster, "RESTART", &["started"]);
    assert!(has(&cluster, "kept2"), "a restart did not save");
}

#[test]
fn a_paused_node_is_silent_for_clients_and_peers_until_its_time_is_over() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let mut cluster = OneProcess::start(&temporary, TIMEOUT);
    let mut before = cluster.client(0);
    assert_eq!(before.cmd("PING").text(), "PONG");
    let began = Instant::now();
    assert!(cluster.cmd(1, &format!("SLOTD NODE PAUSE 60000 {}", cluster.ports[0])).is_ok());
    cluster.expect_event(0, "paused");
    // The kernel accepts connections and data for it.
    let mut during = cluster.client(0);
    for client in [&mut before, &mut during] {
        client.send(&["PING"]).expect("the kernel takes it");
    }
    cluster.wait_serving(1, 3);
    assert!(before.arrived().is_none() && during.arrived().is_none(), "a paused node answered");
    assert!(cluster.line_of(1, 0).is_some_and(|line| line.has("fail")));
    let states = cluster.cmd(1, "SLOTD NODE LIST");
    let states: Vec<String> = states.items().iter().map(|node| node.items()[2].text()).collect();
    assert_eq!(states, ["paused", "running", "running", "running", "running", "running"]);

    assert!(began.elapsed() < secs(60));
    assert!(cluster.cmd(1, &format!("SLOTD NODE RESUME {}", cluster.id(0))).is_ok());
    cluster.expect_event(0, "resumed");
    for client in [&mut before, &mut during] {
        assert_eq!(client.reply(secs(20)).expect("what came meanwhile is answered").text(), "PONG");
    }
    wait_until("it to follow its successor", secs(40), || cluster.line_of(1, 0).is_some_and(|line| line.has("slave")));

    // Ended by the pause's own timer, not from outside.
    let mut asking = cluster.client(2);
    let began = Instant::now();
    assert_eq!(asking.call(&["SLOTD", "NODE", "PAUSE", "300"]).text(), "OK");
    assert!(began.elapsed().as_millis() >= 300, "it answered while it was paused");
}

#[test]
fn only_a_one_process_cluster_that_nobody_else_reaches_takes_orders() {
    if slotd_is_stock() {
        return;
    }
    let alone = NodeSpec::new(Binary::Slotd).start();
    let refused = alone.cmd("SLOTD NODE KILL").text();
    assert!(refused.contains("enable-test-commands"), "{refused}");
    for line in ["DEBUG RESTART", "DEBUG CRASH-AND-RECOVER 0"] {
        let why =
            "ERR failed to restart the server: only the nodes of `slotd cluster` are started again in their process.";
        assert_eq!(alone.cmd(line).text(), why, "{line}");
    }
    let alone = NodeSpec::new(Binary::Slotd).with("enable-test-commands", "yes").start();
    let refused = alone.cmd("SLOTD NODE KILL").text();
    assert!(refused.contains("one node alone"), "{refused}");
    assert!(alone.cmd("CONFIG SET enable-test-commands no").is_error());

    let temporary = TestDir::new();
    let args = ["--replicas", "0", "--enable-test-commands", "no"];
    let mut cluster = OneProcess::start(&temporary, &args);
    let refused = cluster.cmd(0, "SLOTD NODE KILL").text();
    assert!(refused.contains("enable-test-commands"), "{refused}");
    assert!(cluster.is_running() && cluster.accepts(0));
    drop(cluster);

    let cluster = OneProcess::start(&temporary, &["--replicas", "0"]);
    for (line, text) in [
        ("SLOTD NODE KILL 1", "No such node"),
        ("SLOTD NODE KILL zzzzzzzz", "No such node"),
        ("SLOTD NODE PAUSE 0", "above 0"),
        ("SLOTD NODE PAUSE x", "not an integer"),
        ("SLOTD NODE PAUSE", "unknown subcommand or wrong number of arguments for 'PAUSE'. Try SLOTD NODE HELP."),
        ("SLOTD NODE FREEZE", "unknown subcommand or wrong number of arguments for 'FREEZE'. Try SLOTD NODE HELP."),
        ("SLOTD NODES", "unknown subcommand or wrong number of arguments for 'NODES'. Try SLOTD HELP."),
    ] {
        let reply = cluster.cmd(0, line);
        assert!(reply.is_error() && reply.text().contains(text), "{line}: {reply:?}");
    }
    let mut client = cluster.client(0);
    client.ok("MULTI");
    assert!(client.cmd("SLOTD NODE KILL").is_error());
    drop(client);
    // A test that kills the wrong node is told so.
    assert!(cluster.cmd(0, &format!("SLOTD NODE KILL {}", cluster.ports[1])).is_ok());
    for order in ["KILL", "STOP"] {
        let refused = cluster.cmd(0, &format!("SLOTD NODE {order} {}", cluster.ports[1])).text();
        assert_eq!(refused, "ERR node 1 is down", "{order}");
    }
}

#[test]
fn a_signal_while_forming_leaves_nothing_behind() {
    if slotd_is_stock() {
        return;
    }
    for (signal, wait_ms) in [("INT", 0), ("TERM", 0), ("TERM", 20), ("INT", 60)] {
        let temporary = TestDir::new();
        let mut cluster = OneProcess::spawn(&temporary, &["--shards", "10", "--replicas", "2"]);
        wait_until("the first files", secs(20), || !temporary.names().is_empty());
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        cluster.signal(signal);
        assert_eq!(cluster.wait_end(), Some(0), "SIG{signal} after {wait_ms} ms");
        assert_eq!(temporary.names(), [""; 0], "SIG{signal} after {wait_ms} ms");
    }
}

#[test]
fn what_a_crash_left_is_cleared_away_by_the_next_start_and_what_lives_is_not() {
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let few = ["--shards", "3", "--replicas", "0"];
    let mut crashed = OneProcess::start(&temporary, &few);
    let left = temporary.names();
    crashed.signal("KILL");
    crashed.wait_end();
    assert_eq!(temporary.names(), left);

    let alive = OneProcess::start(&temporary, &few);
    let lives = temporary.names();
    assert_eq!(lives.len(), 1);
    assert_ne!(lives, left);
    let another = OneProcess::start(&temporary, &few);
    assert_eq!(temporary.names().len(), 2);
    assert!(temporary.names().contains(&lives[0]), "the directory of a living cluster is gone");
    assert_eq!(alive.cmd(0, "PING").text(), "PONG");
    drop(another);
}

#[test]
fn a_cluster_comes_back_from_its_directory_on_other_ports() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().display().to_string();
    let args = ["--dir", &data, "--save", "3600 1"];
    let mut first = OneProcess::start(&temporary, &args);
    assert!(first.cmd(0, &format!("SET {KEY} 1")).is_ok());
    let (ports, ids) = (first.ports.clone(), (0..6).map(|node| first.id(node).to_owned()).collect::<Vec<_>>());
    // Other processes have the old ports when it comes back.
    let taken: Vec<_> = {
        first.signal("TERM");
        assert_eq!(first.wait_end(), Some(0));
        ports.iter().map(|port| std::net::TcpListener::bind(("127.0.0.1", *port))).collect()
    };
    let mut second = OneProcess::start(&temporary, &args);
    assert_eq!((0..6).map(|node| second.id(node).to_owned()).collect::<Vec<_>>(), ids);
    assert!(second.ports.iter().all(|port| !ports.contains(port)), "{:?} and {ports:?}", second.ports);
    second.wait_serving(1, 0);
    assert_eq!(second.cmd(0, &format!("GET {KEY}")).text(), "1");
    for asked in 0..6 {
        for about in 0..6 {
            let line = second.line_of(asked, about).expect("everybody knows everybody");
            assert_eq!(line.port, second.ports[about], "node {asked} about node {about}");
        }
    }
    drop(taken);
    second.signal("TERM");
    assert_eq!(second.wait_end(), Some(0));
    // And on the requested ports.
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let base = (0..1000)
        .map(|_| integration::ports::lease())
        .find(|lease| (1..6).all(|more| is_free(lease.port() + more) && is_free(lease.bus_port() + more)))
        .expect("six free ports in a row");
    let last = OneProcess::start(&temporary, &["--dir", &data, "--port", &base.port().to_string()]);
    assert_eq!(last.ports, (0..6).map(|more| base.port() + more).collect::<Vec<_>>());
    assert_eq!(last.cmd(0, &format!("GET {KEY}")).text(), "1");
}
