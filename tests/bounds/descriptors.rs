//! File descriptors: a server adapts to the limit, and clients cannot use up what the cluster and files need.

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

fn maxclients(client: &mut Client) -> String {
    match client.cmd("CONFIG GET maxclients") {
        Value::Array(items) => items[1].text(),
        other => panic!("CONFIG GET: {other:?}"),
    }
}

#[test]
fn maxclients_is_fitted_to_the_descriptors_there_are() {
    let node = NodeSpec::new(Binary::Slotd).with_descriptors("-n 128").start();
    let mut client = node.client();
    assert_eq!(maxclients(&mut client), "96");
    for line in [
        "You requested maxclients of 10000 requiring at least 10032 max file descriptors.",
        "Server can't set maximum open files to 10032 because of OS error: Operation not permitted.",
        "Current maximum open files is 128. maxclients has been reduced to 96 to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'.",
    ] {
        assert!(node.log().contains(line), "{line}");
    }
    let refused = client.cmd("CONFIG SET maxclients 200").text();
    assert_eq!(
        refused,
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with 96"
    );
    client.ok("CONFIG SET maxclients 50");
    assert_eq!(maxclients(&mut client), "50");
}

#[test]
fn the_soft_limit_is_raised() {
    let node = NodeSpec::new(Binary::Slotd).with_descriptors("-Sn 300").with("maxclients", "500").start();
    assert!(node.log().contains("Increased maximum number of open files to 532 (it was originally set to 300)."));
    assert_eq!(maxclients(&mut node.client()), "500");
}

#[test]
fn too_few_descriptors_to_start_are_a_reason() {
    // With fewer than eight, stock Redis exits before it checks.
    for limit in [8, 10, 12, 15, 18, 20, 22, 24, 25, 28, 32] {
        let mut node = NodeSpec::new(Binary::Slotd).with_descriptors(&format!("-n {limit}")).prepare();
        let (status, log) = node.run_to_end();
        assert_eq!(status, Some(1), "{limit}");
        let reason = format!(
            "Your current 'ulimit -n' of {limit} is not enough for the server to start. Please increase your open file limit to at least 10032. Exiting."
        );
        assert!(log.contains(&reason), "{limit}: {log}");
    }
}

#[test]
fn a_low_soft_limit_stops_nobody() {
    let node = NodeSpec::new(Binary::Slotd).with_descriptors("-Sn 16").with("maxclients", "500").start();
    assert!(node.log().contains("Increased maximum number of open files to 532 (it was originally set to 16)."));
    assert_eq!(maxclients(&mut node.client()), "500");
}

#[test]
fn a_client_too_many_is_told_so() {
    for (spec, text) in [
        (NodeSpec::new(Binary::Slotd), "-ERR max number of clients reached\r\n"),
        (NodeSpec::cluster(Binary::Slotd, 2000), "-ERR max number of clients + cluster connections reached\r\n"),
    ] {
        let node = spec.with("maxclients", "5").start();
        let kept: Vec<Client> = (0..5).map(|_| node.client()).collect();
        wait_until("the sixth to be refused", secs(10), || {
            let mut sixth = node.client();
            sixth.frame(secs(5)).is_ok_and(|frame| frame == text.as_bytes())
        });
        drop(kept);
        wait_until("a place to be free", secs(10), || node.try_cmd("PING").is_some_and(|reply| reply.text() == "PONG"));
    }
}

/// Opens connections that send nothing, until `count` were tried.
fn idle(node: &Node, count: usize) -> Vec<Client> {
    (0..count).filter_map(|_| Client::connect(node.port()).ok()).collect()
}

#[test]
fn idle_connections_leave_descriptors_for_the_cluster_and_for_files() {
    let node = NodeSpec::cluster(Binary::Slotd, 2000).with_descriptors("-n 150").with("requirepass", "x").start();
    let mut admin = node.admin();
    let idle = idle(&node, 300);
    // The node saves its configuration of the cluster, and its data.
    assert!(admin.cmd("CLUSTER BUMPEPOCH").text().starts_with("BUMPED"));
    admin.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    assert!(!admin.cmd("BGSAVE").is_error());
    wait_until("the data to be saved", secs(20), || {
        let info = admin.cmd("INFO persistence").text();
        info.contains("rdb_last_bgsave_status:ok") && node.dir().join("dump.rdb").exists()
    });
    drop(idle);
    wait_until("clients to be accepted again", secs(20), || {
        node.try_cmd("PING").is_some_and(|reply| reply.text().starts_with("NOAUTH"))
    });
    let complaints = node.log().matches("Accepting client connection").count();
    assert!(complaints <= if slotd_is_stock() { 1000 } else { 20 }, "{complaints} lines about one thing");
}

#[test]
fn who_refuses_clients_below_maxclients_says_once_that_descriptors_are_lacking() {
    if slotd_is_stock() {
        return; // Redis gives clients every descriptor
    }
    let node = NodeSpec::new(Binary::Slotd).with_descriptors("-n 70").start();
    let mut admin = node.client();
    assert_eq!(maxclients(&mut admin), "38");
    let mut idle = idle(&node, 60);
    let mut refused = 0;
    wait_until("more to be refused than maxclients would", secs(20), || {
        refused += idle.iter_mut().filter_map(Client::arrived).count();
        refused > 60 - 37
    });
    let why = "Clients are refused although there are fewer than maxclients: of 70 open files, the last 12 are kept for \
               files and the cluster. If you need more clients increase 'ulimit -n'.";
    assert_eq!(node.log().matches(why).count(), 1, "{}", node.log());
}

/// Connections that a client makes the node open use descriptors as well: peers it is told to meet, targets of MIGRATE.
#[test]
fn connections_that_clients_ask_for_leave_descriptors_for_files() {
    if slotd_is_stock() {
        return; // Redis lets links of the bus have every descriptor
    }
    let node = NodeSpec::cluster(Binary::Slotd, 15_000).with_descriptors("-n 150").start();
    let mut admin = node.admin();
    admin.ok("CLUSTER ADDSLOTSRANGE 0 16383");
    admin.ok("SET key value");
    // A listener that accepts nothing.
    let silent = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let mut movers: Vec<Client> = (0..60).map(|_| node.client()).collect();
    for mover in &mut movers {
        mover.send(&["MIGRATE", "127.0.0.1", &port.to_string(), "key", "0", "20000"]).expect("the node reads");
    }
    for host in 1..=120 {
        admin.ok(&format!("CLUSTER MEET 127.0.3.{host} 7000 {port}"));
    }
    let open = || std::fs::read_dir(format!("/proc/{}/fd", node.pid())).map_or(0, Iterator::count);
    wait_until("the descriptors that may be taken to be taken", secs(10), || open() >= 138);
    assert!(admin.cmd("CLUSTER BUMPEPOCH").text().starts_with("BUMPED"));
    assert!(!admin.cmd("BGSAVE").is_error());
    wait_until("the data to be saved", secs(20), || {
        admin.cmd("INFO persistence").text().contains("rdb_bgsave_in_progress:0")
            && node.dir().join("dump.rdb").exists()
    });
    assert!(open() <= 140, "{} of 150 descriptors", open());
}
