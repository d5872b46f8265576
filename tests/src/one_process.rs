//! `slotd cluster`: all nodes of a cluster in one process, watched through what it prints and through its nodes' ports.
//!
//! The process gets a directory for temporary files of its own, so that a test sees what is left in it. Dropping a
//! [`OneProcess`] kills the process and removes the directory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value as Json;

use crate::client::Client;
use crate::cluster::{NodeLine, parse_nodes};
use crate::oracle::Binary;
use crate::resp::Value;
use crate::wait::{secs, wait_until};

/// How long a cluster may take until it is ready, on a busy machine.
const START_LIMIT: Duration = secs(60);

/// A directory below the temporary one, removed with this value.
#[derive(Debug)]
pub struct TestDir(PathBuf);

impl TestDir {
    /// A new, empty directory.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("slotd-test-{}-one-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The names in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the directory is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Default for TestDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A `slotd cluster` that runs or ran.
#[derive(Debug)]
pub struct OneProcess {
    child: Child,
    lines: Receiver<String>,
    /// Client ports, in order; empty before the cluster is ready.
    pub ports: Vec<u16>,
    ids: Vec<String>,
}

impl OneProcess {
    /// Starts `slotd cluster --json` with these arguments, on free ports if they name none, and waits until it is
    /// ready.
    #[track_caller]
    pub fn start(temporary: &TestDir, args: &[&str]) -> Self {
        let mut this = Self::spawn(temporary, args);
        this.wait_ready();
        this
    }

    /// Waits until a cluster that was spawned is ready.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let ready = self.next_line(START_LIMIT).expect("the cluster says that it is ready");
        let nodes = ready["nodes"].as_array().expect("the nodes").clone();
        self.ports = nodes.iter().map(|node| node["port"].as_u64().expect("a port") as u16).collect();
        self.ids = nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect();
    }

    /// The same without waiting.
    pub fn spawn(temporary: &TestDir, args: &[&str]) -> Self {
        Self::spawn_as(Command::new(Binary::Slotd.path()), temporary, args)
    }

    /// The same with so many file descriptors, which the process cannot raise.
    pub fn spawn_with_descriptors(limit: usize, temporary: &TestDir, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!(
            "ulimit -n {limit} && drop='setpriv --bounding-set=-sys_resource' && \
             if $drop true 2>/dev/null; then exec $drop \"$0\" \"$@\"; else exec \"$0\" \"$@\"; fi"
        ));
        shell.arg(Binary::Slotd.path());
        Self::spawn_as(shell, temporary, args)
    }

    fn spawn_as(mut command: Command, temporary: &TestDir, args: &[&str]) -> Self {
        let mut child = command
            .args(["cluster", "--json"])
            .args(if args.contains(&"--port") { &[][..] } else { &["--port", "0"] })
            .args(args)
            .env("TMPDIR", temporary.path())
            .current_dir(temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("slotd runs");
        let out = child.stdout.take().expect("piped");
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let Ok(line) = line else { return };
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, ports: Vec::new(), ids: Vec::new() }
    }

    /// The next line that it prints; `None` when it has ended.
    ///
    /// # Panics
    /// When none comes within the limit.
    #[track_caller]
    pub fn next_line(&mut self, limit: Duration) -> Option<Json> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"))),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was printed within {limit:?}"),
        }
    }

    /// The next event that it prints must be this one.
    #[track_caller]
    pub fn expect_event(&mut self, node: usize, event: &str) -> Json {
        let line = self.next_line(secs(20)).expect("the process goes on");
        assert_eq!((&line["event"], &line["node"]), (&Json::from(event), &Json::from(node)), "{line}");
        assert_eq!(line["address"], Json::from(format!("127.0.0.1:{}", self.ports[node])), "{line}");
        assert_eq!(line["id"], Json::from(self.ids[node].clone()), "{line}");
        line
    }

    /// A node's id.
    pub fn id(&self, node: usize) -> &str {
        &self.ids[node]
    }

    /// A new connection to a node.
    #[track_caller]
    pub fn client(&self, node: usize) -> Client {
        Client::connect(self.ports[node]).unwrap_or_else(|e| panic!("node {node}: {e}"))
    }

    /// Whether a node accepts connections.
    pub fn accepts(&self, node: usize) -> bool {
        Client::connect(self.ports[node]).is_ok()
    }

    /// One command to a node over a connection of its own.
    #[track_caller]
    pub fn cmd(&self, node: usize, line: &str) -> Value {
        self.client(node).cmd(line)
    }

    /// CLUSTER NODES as a node sees it: the line of the node number `about`, if it knows it.
    #[track_caller]
    pub fn line_of(&self, asked: usize, about: usize) -> Option<NodeLine> {
        let lines = parse_nodes(&self.cmd(asked, "CLUSTER NODES").text());
        lines.into_iter().find(|line| line.id == self.ids[about])
    }

    /// Waits until a node reports `cluster_state:ok` and knows this node as a primary with slots.
    #[track_caller]
    pub fn wait_serving(&self, asked: usize, primary: usize) {
        wait_until(&format!("node {asked} to see node {primary} serve"), secs(40), || {
            let serves =
                self.line_of(asked, primary).is_some_and(|line| line.is_live_primary() && line.slot_count() > 0);
            serves && self.cmd(asked, "CLUSTER INFO").text().contains("cluster_state:ok")
        });
    }

    /// Sends a signal by name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(status.success(), "kill -{name} {pid}");
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("own child").is_none()
    }

    /// File descriptors that the process has open.
    pub fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(path).expect("a process of ours").count()
    }

    /// Waits for the end of the process; its exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        let mut status = None;
        let child = &mut self.child;
        wait_until("the process to end", secs(30), || {
            status = child.try_wait().expect("own child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for OneProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
