//! Tests of a node's life: that it ends, and that nothing of it remains.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::*;
use crate::base::clock::SystemClock;
use crate::base::test_dir::TestDir;
use crate::config::file::Sources;

const SOON: Duration = Duration::from_secs(20);

fn start(threads: &Arc<Threads>, dir: &TestDir, port: u16, bus: u16) -> Node {
    let config = Config::new(&dir.0);
    let options = format!("bind 127.0.0.1\nport {port}\ncluster-port {bus}\ncluster-enabled yes\nsave \"\"\n");
    config.load(&Sources { options: options.into_bytes(), ..Sources::default() }).expect("the directives are right");
    let environment = Environment {
        threads: threads.clone(),
        clock: Arc::new(SystemClock::new()),
        log: NodeLog::new(None),
        ephemeral: true,
        buses: Arc::default(),
        registry: commands(),
    };
    Node::start(&environment, config).expect("the node starts")
}

fn connect(port: u16) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", port)).expect("the node accepts");
    client.set_read_timeout(Some(SOON)).expect("the socket takes a timeout");
    client
}

fn ping(client: &mut TcpStream) {
    client.write_all(b"PING\r\n").expect("the socket takes a line");
    let mut reply = [0; 7];
    client.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn native_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[test]
fn a_node_that_ended_leaves_nothing_behind_and_its_port_can_be_bound_at_once() {
    let threads = Arc::new(Threads::start(2).expect("threads"));
    let dir = TestDir::new("ends");
    let first = start(&threads, &dir, 0, 0);
    let (port, bus) = (first.port(), first.cluster().expect("cluster mode is on").bus_port());
    drop(first);
    threads.settle();
    let (fds, native) = (descriptors(), native_threads());
    for round in 0..20 {
        let node = start(&threads, &dir, port, bus);
        let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(port)).collect();
        clients.iter_mut().for_each(ping);
        if round % 2 == 1 {
            node.pause();
        }
        let engine = Arc::downgrade(node.engine());
        let tasks = node.engine().state.tasks.clone();
        assert!(tasks.len() >= clients.len());
        drop(node);
        assert!(tasks.is_empty(), "round {round}: {} tasks are left", tasks.len());
        assert_eq!(engine.strong_count(), 0, "round {round}: somebody still holds the engine");
        for client in &mut clients {
            // End of file or a reset, as from a process that was killed.
            assert!(!matches!(client.read(&mut [0; 8]), Ok(1..)), "round {round}: the socket is still open");
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "round {round}: somebody still listens");
    }
    threads.settle();
    for worker in 0..threads.workers() {
        assert_eq!(threads.worker(worker).load(), 0, "tasks on worker {worker}");
    }
    assert_eq!(threads.control().load(), 0, "tasks on the control thread");
    assert!(native_threads() <= native, "{native} threads before, {} now", native_threads());
    assert!(descriptors() <= fds, "{fds} descriptors before, {} now", descriptors());
}

#[test]
fn a_paused_node_accepts_and_takes_in_but_answers_only_when_it_goes_on() {
    let threads = Arc::new(Threads::start(1).expect("threads"));
    let (dir, other_dir) = (TestDir::new("paused"), TestDir::new("awake"));
    let (node, other) = (start(&threads, &dir, 0, 0), start(&threads, &other_dir, 0, 0));
    let (mut before, mut neighbour) = (connect(node.port()), connect(other.port()));
    ping(&mut before);
    node.pause();
    assert!(node.is_paused() && !other.is_paused());
    let mut after = connect(node.port());
    for client in [&mut before, &mut after] {
        client.write_all(b"PING\r\n").expect("the kernel takes it");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("the socket takes a timeout");
        let problem = client.read(&mut [0; 8]).expect_err("a paused node says nothing");
        assert!(matches!(problem.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{problem}");
    }
    // The thread that they share is free.
    let began = Instant::now();
    ping(&mut neighbour);
    assert!(began.elapsed() < SOON);
    node.resume();
    for client in [&mut before, &mut after] {
        client.set_read_timeout(Some(SOON)).expect("the socket takes a timeout");
        let mut reply = [0; 7];
        client.read_exact(&mut reply).expect("what came meanwhile is answered now");
        assert_eq!(&reply, b"+PONG\r\n");
        ping(client);
    }
}
