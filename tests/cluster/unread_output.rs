//! slotd's output need not be read: a full pipe keeps no node from serving and no process from ending, and a closed
//! pipe ends nothing.
//!
//! The pipes have room for 64 KiB; each test prints more than that before it asks anything. (Stock Redis waits for its
//! reader.)

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::one_process::TestDir;
use integration::oracle::{Binary, slotd_is_stock};
use integration::ports;
use integration::wait::{secs, wait_until};

/// How long the end of a process may take.
const END_LIMIT: Duration = secs(10);
/// What a pipe holds.
const PIPE: usize = 64 << 10;
/// A pipe with fewer bytes than these is not full. A write that does not fit into the pipe's last page begins another
/// page, so the writes of a busy process fill its pages by half at least.
const FULL: usize = PIPE / 2;

/// A slotd process with pipes that are not read.
struct Unread {
    child: Child,
    /// The reading ends of the pipes, until they are closed.
    pipes: Option<(BufReader<ChildStdout>, ChildStderr)>,
    ports: Vec<u16>,
    /// For its files; removed with this value.
    _dir: TestDir,
}

impl Unread {
    fn spawn(words: &[&str]) -> Self {
        let dir = TestDir::new();
        let mut child = Command::new(Binary::Slotd.path())
            .args(words)
            .current_dir(dir.path())
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("slotd runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let err = child.stderr.take().expect("piped");
        Self { child, pipes: Some((out, err)), ports: Vec::new(), _dir: dir }
    }

    /// A cluster that logs much; only its ready line is read.
    fn cluster() -> Self {
        let mut this = Self::spawn(&["cluster", "--json", "--port", "0", "--loglevel", "debug"]);
        let mut line = String::new();
        let (out, _) = this.pipes.as_mut().expect("open");
        out.read_line(&mut line).expect("the cluster says that it is ready");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let nodes = ready["nodes"].as_array().expect("the nodes");
        this.ports = nodes.iter().map(|node| node["port"].as_u64().expect("a port") as u16).collect();
        this
    }

    fn client(&self, node: usize) -> Client {
        Client::connect(self.ports[node]).unwrap_or_else(|error| panic!("node {node}: {error}"))
    }

    /// Orders that make a cluster print more than a pipe holds, to standard output and to its log.
    fn print_much(&self) {
        let mut asking = self.client(0);
        for round in 0..6 {
            assert!(asking.cmd(&format!("SLOTD NODE KILL {}", self.ports[5])).is_ok(), "round {round}");
            assert!(asking.cmd(&format!("SLOTD NODE RESTART {}", self.ports[5])).is_ok(), "round {round}");
            for _ in 0..100 {
                assert!(asking.cmd(&format!("SLOTD NODE PAUSE 1 {}", self.ports[4])).is_ok(), "round {round}");
            }
        }
        (0..6).for_each(|node| self.log_much(node));
    }

    /// Makes a node log more than half of what a pipe holds: it warns of each client that sends HTTP.
    fn log_much(&self, node: usize) {
        for _ in 0..120 {
            let mut browser = self.client(node);
            browser.send_raw(b"POST / HTTP/1.1\r\n").expect("it is sent");
            browser.expect_close(secs(20));
        }
    }

    #[track_caller]
    fn all_answer(&self) {
        for node in 0..self.ports.len() {
            assert_eq!(self.client(node).cmd("PING").text(), "PONG", "node {node}");
        }
    }

    /// Ends the process by a signal; returns its exit code.
    #[track_caller]
    fn end(&mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let began = Instant::now();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill runs").success());
        let mut status = None;
        wait_until(&format!("the process to end by {signal}"), secs(20), || {
            status = self.child.try_wait().expect("own child");
            status.is_some()
        });
        assert!(began.elapsed() < END_LIMIT, "{:?}", began.elapsed());
        status.and_then(|status| status.code())
    }

    /// What the pipes hold when the process has ended.
    fn left(&mut self) -> (String, String) {
        let (mut from_out, mut from_err) = self.pipes.take().expect("open");
        let (mut out, mut err) = (String::new(), String::new());
        from_out.read_to_string(&mut out).expect("text");
        from_err.read_to_string(&mut err).expect("text");
        (out, err)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_cluster_whose_output_nobody_reads_serves_and_ends() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster = Unread::cluster();
    cluster.print_much();
    cluster.all_answer();
    assert_eq!(cluster.end("TERM"), Some(0));
    let (out, err) = cluster.left();
    for (name, text) in [("standard output", out), ("standard error", err)] {
        assert!(text.len() >= FULL, "{name} was not full: {} bytes", text.len());
    }
}

#[test]
fn a_node_whose_log_nobody_reads_serves_and_ends() {
    if slotd_is_stock() {
        return;
    }
    let lease = ports::lease();
    let port = lease.port();
    let mut node = Unread::spawn(&["--port", &port.to_string(), "--save", ""]);
    node.ports = vec![port];
    wait_until("the node to serve", secs(20), || Client::connect(port).is_ok());
    (0..3).for_each(|_| node.log_much(0));
    node.all_answer();
    assert_eq!(node.end("TERM"), Some(0));
    let (out, _) = node.left();
    assert!(out.len() >= FULL, "the pipe was not full: {} bytes", out.len());
}

#[test]
fn the_last_lines_of_a_log_that_is_read_are_there_after_the_end() {
    if slotd_is_stock() {
        return;
    }
    let lease = ports::lease();
    let port = lease.port();
    let mut node = Unread::spawn(&["--port", &port.to_string()]);
    wait_until("the node to serve", secs(20), || Client::connect(port).is_ok());
    assert_eq!(node.end("TERM"), Some(0));
    assert!(node.left().0.trim_end().ends_with("Redis is now ready to exit, bye bye..."));
    // A start that fails says why, too.
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the node has gone");
    let mut refused = Unread::spawn(&["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    assert_eq!(refused.child.wait().expect("own child").code(), Some(1));
    assert!(refused.left().0.contains("Failed listening on port"), "{}", listener.local_addr().expect("bound"));
}

#[test]
fn readers_that_go_away_end_no_cluster() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster = Unread::cluster();
    cluster.pipes = None;
    cluster.print_much();
    cluster.all_answer();
    assert_eq!(cluster.end("TERM"), Some(0));
}

#[test]
fn output_that_cannot_be_written_is_no_crash() {
    if slotd_is_stock() {
        return;
    }
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("it is everywhere");
    for words in [
        &["--port", "65536"][..],
        &["cluster", "--shard", "3"],
        &["cluster", "--port", "65536"],
        &["cluster", "--host", "198.51.100.1"],
        &["healthcheck", "--port", "1", "--timeout", "1000"],
    ] {
        let status = Command::new(Binary::Slotd.path()).args(words).stdout(full()).stderr(full()).status();
        assert_eq!(status.expect("slotd runs").code(), Some(1), "{words:?}");
    }
}
