//! Tests of nodes that end and come back while the others go on, as their program sees them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::super::{Cluster, NodeHandle, NodeState, Role};
use super::*;
use crate::runtime::task_group::Phase;

const SOON: Duration = Duration::from_secs(60);

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn native_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One command, its reply thrown away.
fn send(port: u16, line: &str) -> std::io::Result<usize> {
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(format!("{line}\r\n").as_bytes())?;
    client.read(&mut [0; 64])
}

fn engines(cluster: &Cluster) -> Vec<std::sync::Weak<crate::engine::Engine>> {
    cluster.process.members.iter().filter_map(Member::node).map(|node| Arc::downgrade(node.engine())).collect()
}

#[test]
fn a_node_that_is_killed_and_restarted_many_times_leaves_no_task_thread_or_descriptor() {
    let options = Options::new().shards(3).replicas(1).directive("cluster-node-timeout", "1000");
    let cluster = Cluster::start(options).expect("it starts");
    let addresses: Vec<String> = (0..6).map(|node| cluster.node(node).address()).collect();
    // One round first, so that one-time allocations are made.
    cluster.node(5).kill();
    cluster.node(5).restart().expect("it starts again");
    cluster.wait_ready(SOON).expect("ready");
    let (fds, native) = (descriptors(), native_threads());
    for round in 0..20 {
        // A replica: killed primaries cost an election each.
        let node = cluster.node(
            (0..6)
                .rev()
                .find(|node| cluster.node(*node).info().is_some_and(|info| info.role == Role::Replica))
                .expect("there are replicas"),
        );
        let engine = Arc::downgrade(cluster.process.members[node.index()].node().expect("it runs").engine());
        if round % 3 == 0 {
            node.pause().expect("it runs");
        }
        node.kill();
        assert_eq!(node.state(), NodeState::Down);
        assert_eq!(engine.strong_count(), 0, "round {round}: somebody still holds the node's data");
        assert!(send(node.port(), "PING").is_err(), "round {round}: somebody still listens");
        node.restart().expect("its ports were kept for it");
        assert_eq!(node.address(), addresses[node.index()]);
        cluster.wait_ready(SOON).expect("ready");
    }
    wait_for("links of killed nodes to go", || descriptors() <= fds && native_threads() <= native);

    let (left, threads) = (engines(&cluster), cluster.process.threads.clone());
    cluster.stop().expect("nothing is to be saved");
    assert!(cluster.is_down());
    threads.settle();
    // The task that watches the nodes learns of their end one turn later.
    wait_for("every task to end", || (0..threads.workers()).all(|worker| threads.worker(worker).load() == 0));
    wait_for("every task to end", || threads.control().load() == 0);
    assert!(left.iter().all(|engine| engine.strong_count() == 0));
}

/// Every node of a cluster that ends is halted while its first node is still being waited for: none may find that
/// another one is gone.
fn all_are_halted_before_one_is_ended(end: impl FnOnce(Cluster) + Send + 'static) {
    let cluster = Cluster::start(Options::new().shards(6).replicas(1)).expect("it starts");
    let process = cluster.process.clone();
    let nodes: Vec<Arc<Node>> = process.members.iter().filter_map(Member::node).collect();
    assert_eq!(nodes.len(), 12);
    // A thread of the first node, which holds its end up.
    let held = nodes[0].engine().state.tasks.enter();
    let ending = std::thread::spawn(move || end(cluster));
    let is_over = |node: &Arc<Node>| node.engine().state.tasks.phase() == Phase::Over;
    wait_for("the nodes to be halted", || nodes.iter().all(is_over));
    assert!(process.members[1].node().is_some(), "the first is waited for, and no other has ended");
    drop(held);
    ending.join().expect("it ends");
    assert!(process.members.iter().all(|member| member.node().is_none()));
}

#[test]
fn nodes_that_stop_together_do_not_look_for_each_other() {
    all_are_halted_before_one_is_ended(|cluster| cluster.stop().expect("nothing is to be saved"));
}

#[test]
fn nodes_that_are_dropped_together_do_not_look_for_each_other() {
    all_are_halted_before_one_is_ended(drop);
}

/// A primary that shuts down waits until its replicas have what it has acknowledged, here for as long as it takes.
#[test]
fn nodes_that_stop_together_under_writes_do_not_wait_in_vain() {
    let options = Options::new().replicas(1).directive("shutdown-timeout", "100000");
    let cluster = Cluster::start(options).expect("it starts");
    let process = cluster.process.clone();
    let ports: Vec<u16> = (0..3).map(|index| cluster.node(index).port()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = ports
        .into_iter()
        .map(|port| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
                let (mut key, mut reply) = (0, [0; 64]);
                while !stop.load(Ordering::SeqCst) {
                    // Half of them are refused, since their slots are elsewhere.
                    key += 1;
                    if write!(client, "SET key:{key} value\r\n").is_err()
                        || !client.read(&mut reply).is_ok_and(|n| n > 0)
                    {
                        break;
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    let stopping = std::thread::spawn(move || cluster.stop());
    wait_for("the nodes to stop", || stopping.is_finished());
    stopping.join().expect("it ends").expect("nothing is to be saved");
    stop.store(true, Ordering::SeqCst);
    assert!(process.members.iter().all(|member| member.node().is_none()));
    writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
}

#[test]
fn events_tell_what_happened_in_its_order() {
    let cluster = Cluster::start(Options::new().replicas(0)).expect("it starts");
    let mut events = cluster.events();
    let node = cluster.node(1);
    node.pause().expect("it runs");
    node.resume().expect("it runs");
    node.resume().expect("a second time is no event");
    node.kill();
    node.kill();
    assert!(matches!(node.pause(), Err(ClusterError::NodeDown(1))));
    node.stop().expect("a node that is down is stopped");
    node.restart().expect("it starts");
    node.pause_for(Duration::from_millis(20)).expect("it runs");
    wait_for("its time to be over", || node.state() == NodeState::Running);
    // A pause that was ended must not be ended again by its timer, nor a later pause by an earlier one's timer.
    node.pause_for(Duration::from_millis(50)).expect("it runs");
    node.resume().expect("it runs");
    node.pause().expect("it runs");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(node.state(), NodeState::Paused);
    node.stop().expect("a paused node goes on so far");
    assert!(send(cluster.node(0).port(), "SHUTDOWN NOSAVE").is_ok_and(|count| count == 0), "it answered");
    wait_for("the other to end", || cluster.node(0).state() == NodeState::Down);
    drop(cluster);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let told = runtime.block_on(async {
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            told.push((event.node, event.kind));
        }
        told
    });
    use EventKind::{Ended, Killed, Paused, Resumed, Started, Stopped};
    let first = [Paused, Resumed, Killed, Started, Paused, Resumed, Paused, Resumed, Paused, Stopped];
    let mut expected: Vec<_> = first.into_iter().map(|kind| (1, kind)).collect();
    expected.push((0, Ended { status: 0 }));
    assert_eq!(told, expected);
}

#[test]
fn a_start_that_is_given_up_leaves_nothing_running() {
    let native = native_threads();
    for wait_ms in [0, 5, 30] {
        let starting = Cluster::start_async(Options::new().shards(5).replicas(1));
        let dir = starting.directory().expect("it has begun");
        std::thread::sleep(Duration::from_millis(wait_ms));
        drop(starting);
        assert!(!dir.exists(), "{} is left", dir.display());
    }
    wait_for("threads to end", || native_threads() <= native);
}

#[test]
fn the_latest_pause_rules_and_no_timer_of_an_earlier_one_is_left() {
    const LONG: Duration = Duration::from_secs(100_000);
    let cluster = Cluster::start(Options::new().shards(1).replicas(0)).expect("it starts");
    let (node, control) = (cluster.node(0), cluster.process.threads.control().clone());
    let idle = control.load();
    let timers = |count: usize| wait_for("timers to end", || control.load() == idle + count);
    node.pause_for(Duration::from_millis(1)).expect("it runs");
    (0..50).for_each(|_| node.pause_for(LONG).expect("it runs"));
    timers(1);
    assert_eq!(node.state(), NodeState::Paused);
    node.pause_for(Duration::from_millis(10)).expect("it runs");
    wait_for("the last pause to end", || node.state() == NodeState::Running);
    timers(0);
    for end in [NodeHandle::resume, NodeHandle::pause] {
        node.pause_for(LONG).expect("it runs");
        end(&node).expect("it runs");
        timers(0);
    }
    node.pause_for(LONG).expect("it runs");
    node.kill();
    wait_for("all tasks to end", || control.load() == 0);
}

#[test]
fn debug_starts_a_node_of_the_process_again() {
    let cluster = Cluster::start(Options::new().shards(1).replicas(0).directive("enable-debug-command", "yes"));
    let cluster = cluster.expect("it starts");
    let (node, mut events) = (cluster.node(0), cluster.events());
    let address = node.address();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (line, told) in [
        ("DEBUG RESTART", &[EventKind::Started][..]),
        ("DEBUG CRASH-AND-RECOVER 1", &[EventKind::Killed, EventKind::Started]),
    ] {
        let answer = send(node.port(), line);
        assert!(answer.as_ref().is_ok_and(|count| *count == 0), "{line}: {answer:?}");
        for kind in told {
            assert_eq!(runtime.block_on(events.next()).map(|event| event.kind), Some(kind.clone()), "{line}");
        }
        assert_eq!((node.state(), node.address()), (NodeState::Running, address.clone()));
    }
}
