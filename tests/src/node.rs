//! One running server, in a directory and on ports of its own.
//!
//! A [`Node`] owns its process: dropping it kills the process by its pid and removes the directory; when a test fails,
//! the end of its log is printed. Directory and ports outlive the process, so a node can be killed and started again as
//! the same member of its cluster. Signals go through `kill(1)`: the harness needs no unsafe code.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::oracle::Binary;
use crate::ports::{self, PortLease};
use crate::resp::Value;
use crate::wait::{secs, wait_until};

/// How long a server may take until it answers PING.
const START_LIMIT: Duration = secs(30);

/// What to start.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    binary: Binary,
    directives: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    /// The configuration file.
    file: Option<PathBuf>,
    descriptors: Option<String>,
}

impl NodeSpec {
    /// A lone server that saves nothing by itself.
    pub fn new(binary: Binary) -> Self {
        Self { binary, directives: Vec::new(), variables: Vec::new(), files: Vec::new(), file: None, descriptors: None }
            .with("save", "")
            .with("enable-debug-command", "yes")
    }

    /// A cluster member with this node timeout in milliseconds.
    pub fn cluster(binary: Binary, node_timeout_ms: u32) -> Self {
        Self::new(binary)
            .with("cluster-enabled", "yes")
            .with("cluster-node-timeout", &node_timeout_ms.to_string())
            .with("repl-diskless-sync-delay", "0")
    }

    /// Adds `--name value` to the command line, or replaces it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.directives.retain(|(known, _)| known != name);
        self.directives.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file into the node's directory before it starts.
    #[must_use]
    pub fn with_file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_vec()));
        self
    }

    /// Limits the file descriptors of the process, with the arguments of `ulimit`: `-n 128`, or `-Sn 128` for the soft
    /// limit alone. The process loses the right to raise the hard limit, which it has where tests run as root.
    #[must_use]
    pub fn with_descriptors(mut self, limit: &str) -> Self {
        self.descriptors = Some(limit.to_owned());
        self
    }

    /// Which server this is.
    pub fn binary(&self) -> Binary {
        self.binary
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn start(self) -> Node {
        let mut node = self.prepare();
        node.spawn();
        node.wait_ready();
        node
    }

    /// Takes ports and a directory, and does not start the process.
    pub fn prepare(self) -> Node {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let lease = ports::lease();
        let name = format!("slotd-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).expect("the temporary directory is writable");
        for (file, bytes) in &self.files {
            fs::write(dir.join(file), bytes).expect("the node's directory is writable");
        }
        Node { spec: self, lease, dir, child: None }
    }
}

/// A server that runs or ran. See the module's essay.
#[derive(Debug)]
pub struct Node {
    spec: NodeSpec,
    lease: PortLease,
    dir: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// The client port.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// The bus port.
    pub fn bus_port(&self) -> u16 {
        self.lease.bus_port()
    }

    /// `127.0.0.1:port`.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The working directory: nodes.conf, dump.rdb, log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which server this is.
    pub fn binary(&self) -> Binary {
        self.spec.binary
    }

    /// Whether the process has been started and not been killed by the test.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Changes a directive for the next start.
    pub fn set_directive(&mut self, name: &str, value: &str) {
        self.spec = self.spec.clone().with(name, value);
    }

    /// Adds a variable to the environment of the next start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.spec.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts with this configuration file from the next start on.
    pub fn set_file(&mut self, file: &Path) {
        self.spec.file = Some(file.to_owned());
    }

    /// Changes the server program for the next start, directory and ports being kept.
    pub fn set_binary(&mut self, binary: Binary) {
        self.spec.binary = binary;
    }

    /// Starts the process and does not wait for it.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "node {} runs already", self.port());
        let log =
            OpenOptions::new().create(true).append(true).open(self.dir.join("log")).expect("the log can be opened");
        self.child = Some(self.command(log).spawn().unwrap_or_else(|e| panic!("{:?}: {e}", self.spec.binary.path())));
    }

    fn command(&self, log: File) -> Command {
        let mut command = match &self.spec.descriptors {
            None => Command::new(self.spec.binary.path()),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!(
                    "ulimit {limit} && drop='setpriv --bounding-set=-sys_resource' && \
                     if $drop true 2>/dev/null; then exec $drop \"$0\" \"$@\"; else exec \"$0\" \"$@\"; fi"
                ));
                shell.arg(self.spec.binary.path());
                shell
            }
        };
        command.args(self.spec.binary.first_words()).args(&self.spec.file);
        command.arg("--port").arg(self.port().to_string()).arg("--dir").arg(&self.dir);
        command.args(["--bind", "127.0.0.1", "--daemonize", "no"]);
        for (name, value) in &self.spec.directives {
            command.arg(format!("--{name}")).arg(value);
        }
        command.envs(self.spec.variables.iter().map(|(name, value)| (name, value)));
        let errors = log.try_clone().expect("a log handle can be cloned");
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(log).stderr(errors);
        command
    }

    /// Starts the process again and waits until it answers.
    #[track_caller]
    pub fn restart(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Runs the server until it ends by itself, for starts that must be refused; returns its exit code and the text of
    /// its log.
    ///
    /// # Panics
    /// When it is still running after 20 seconds.
    #[track_caller]
    pub fn run_to_end(&mut self) -> (Option<i32>, String) {
        self.spawn();
        let mut status = None;
        let child = self.child.as_mut().expect("just started");
        wait_until("the server to refuse its start", secs(20), || {
            status = child.try_wait().expect("own child");
            status.is_some()
        });
        self.child = None;
        (status.and_then(|s| s.code()), self.log())
    }

    /// Waits until the server answers PING.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let port = self.port();
        let child = self.child.as_mut().expect("a started node");
        let mut ended = None;
        wait_until(&format!("node {port} to answer PING"), START_LIMIT, || {
            ended = child.try_wait().expect("own child");
            ended.is_some() || Client::connect(port).is_ok_and(|mut c| c.try_call(&["PING"]).is_ok_and(|r| is_up(&r)))
        });
        if let Some(status) = ended {
            self.child = None;
            panic!("node {port} ended with {status}: {}", self.log_tail(20));
        }
    }

    /// The process id.
    ///
    /// # Panics
    /// When the node does not run.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running node").id()
    }

    /// Sends a signal by name (`KILL`, `STOP`, `CONT`, `TERM`).
    ///
    /// # Panics
    /// When the node does not run.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill runs");
        assert!(status.success(), "kill -{name} {}", self.pid());
    }

    /// `kill -9` and reap.
    #[track_caller]
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// SIGTERM: an orderly end, with its final save if `save` points are set.
    #[track_caller]
    pub fn terminate(&mut self) {
        self.end("TERM");
    }

    #[track_caller]
    fn end(&mut self, signal: &str) {
        self.signal(signal);
        self.wait_end(secs(20));
    }

    /// Whether the process has ended, by itself or by the test.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn has_ended(&mut self) -> bool {
        if self.child.as_mut().is_some_and(|child| child.try_wait().expect("own child").is_some()) {
            self.child = None;
        }
        self.child.is_none()
    }

    /// Waits until the process has ended by itself, as after SHUTDOWN; its exit code.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    #[track_caller]
    pub fn wait_end(&mut self, limit: Duration) -> Option<i32> {
        let port = self.port();
        let child = self.child.as_mut().expect("a running node");
        let mut ended = None;
        wait_until(&format!("node {port} to end"), limit, || {
            ended = child.try_wait().expect("own child");
            ended.is_some()
        });
        self.child = None;
        ended.and_then(|status| status.code())
    }

    /// Stops the process, as a VM pause does.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal("STOP");
        // Stopping is asynchronous: the test may only go on when the process has really stopped.
        wait_until("the process to stand", secs(5), || self.process_state() == Some('T'));
    }

    /// Lets it run again.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Resident memory in bytes: `VmRSS` now, or `VmHWM`, the most there ever was.
    ///
    /// # Panics
    /// When the node does not run.
    #[track_caller]
    pub fn resident(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running node");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a field");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    fn process_state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When the server does not accept it.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.port()).unwrap_or_else(|e| panic!("node {}: {e}", self.port()))
    }

    /// A new connection that has given the password, if the node has one.
    #[track_caller]
    pub fn admin(&self) -> Client {
        let mut client = self.client();
        if let Some((_, password)) = self.spec.directives.iter().find(|(name, _)| name == "requirepass") {
            client.call(&["AUTH", password]);
        }
        client
    }

    /// One command over a connection of its own, with redis-cli's quoting.
    #[track_caller]
    pub fn cmd(&self, line: &str) -> Value {
        self.admin().cmd(line)
    }

    /// Like [`Node::cmd`], `None` when the node is dead or frozen.
    pub fn try_cmd(&self, line: &str) -> Option<Value> {
        let mut client = Client::connect(self.port()).ok()?;
        client.try_call_within(&crate::resp::split_line(line), secs(2)).ok()
    }

    /// A field of INFO, empty when it is absent.
    #[track_caller]
    pub fn info(&self, field: &str) -> String {
        info_field(&self.cmd("INFO everything").text(), field).unwrap_or_default()
    }

    /// Everything the server has printed.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("log")).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// The value of `field:value` in the text of INFO or CLUSTER INFO.
pub fn info_field(text: &str, field: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(|v| v.trim_end().to_owned()))
}

/// A server that still loads replies LOADING; one with a password replies NOAUTH, and is up.
fn is_up(reply: &Value) -> bool {
    reply.text() == "PONG" || reply.text().starts_with("NOAUTH")
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let text =
                format!("--- node {} ({:?}), end of its log:\n{}\n", self.port(), self.spec.binary, self.log_tail(25));
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        if std::env::var_os("KEEP_NODES").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
