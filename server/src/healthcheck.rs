//! `slotd healthcheck`: whether a node on this machine serves, as an exit status for container engines and supervisors.
//!
//! Two questions are kept apart, because their cures differ. *Alive* (the default): the node answers PING. A node that asks for a
//! password, loads its snapshot or lost its cluster is alive; restarting it would not help. *Ready* (`--ready`): clients are
//! served here, which needs the cluster in order, every slot covered, and a replica's link up.
//!
//! It is a program of a few milliseconds that asks one node and ends, so it uses blocking sockets and no runtime. Whatever the
//! answer is, it comes within [`Probe::timeout`].

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use clap::Parser;
use protocol::resp::{ReplyParser, Value};
use protocol::slot::SLOT_COUNT;

/// Where a node listens if nobody said otherwise.
const NODE_PORT: u16 = 6379;
/// Where the first node of `slotd cluster` listens then.
const CLUSTER_PORT: u16 = 7000;
/// INFO and CLUSTER INFO are a few KiB; whoever sends more is no node.
const LONGEST_REPLY: usize = 1 << 20;

/// Ask a node on this machine whether it is alive, or ready to serve.
///
/// Ends with status 0 if it is and 1 if not, and says in one line what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "slotd healthcheck",
    no_binary_name = true,
    disable_version_flag = true,
    after_help = "Without --port: SLOTD_PORT of the environment, else 6379, else 7000.\n\
                  The password is taken from REDISCLI_AUTH; without it, a node that asks for one is alive, but cannot be called ready."
)]
pub struct Probe {
    /// Name or address of the node.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port for clients.
    #[arg(long, env = "SLOTD_PORT")]
    pub port: Option<u16>,
    /// Also ask whether the cluster is in order, all slots are covered, and a replica is in sync.
    #[arg(long)]
    pub ready: bool,
    /// Longest wait, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub timeout: u64,
    /// Password of the user `default`.
    #[arg(skip)]
    pub password: Option<OsString>,
}

impl Probe {
    /// Asks. The line to print, on success and on failure.
    ///
    /// # Errors
    /// The node is not alive, or not ready.
    pub fn run(&self) -> Result<String, String> {
        let deadline = Instant::now() + Duration::from_millis(self.timeout);
        let mut node = self.connect(deadline)?;
        if let Some(password) = self.password.as_ref().filter(|password| !password.is_empty()) {
            // A node without a password refuses one, which does not matter here.
            node.ask(&[b"AUTH", password.as_bytes()])?;
        }
        let pong = node.ask(&[b"PING"])?;
        let address = node.address.clone();
        match (&pong, pong.as_error()) {
            (Value::Simple(text), _) if text == b"PONG" => {}
            (_, Some(error)) if self.ready => return Err(format!("{address}: {}", String::from_utf8_lossy(error))),
            // It answers, and says why it does not serve.
            (_, Some(error)) => return Ok(format!("{address} is alive: {}", String::from_utf8_lossy(error))),
            _ => return Err(format!("{address} does not answer as a node does")),
        }
        if !self.ready {
            return Ok(format!("{address} is alive"));
        }
        match why_not_ready(&mut node)? {
            Some(reason) => Err(format!("{address} is not ready: {reason}")),
            None => Ok(format!("{address} is ready")),
        }
    }

    fn connect(&self, deadline: Instant) -> Result<Connection, String> {
        match self.port {
            Some(port) => Connection::open(&self.host, port, deadline),
            None => Connection::open(&self.host, NODE_PORT, deadline).or_else(|first| {
                Connection::open(&self.host, CLUSTER_PORT, deadline).map_err(|second| format!("{first}; {second}"))
            }),
        }
    }
}

/// What keeps the node from serving all its clients.
fn why_not_ready(node: &mut Connection) -> Result<Option<String>, String> {
    let info = node.text(&[b"INFO"])?;
    if field(&info, "loading") == Some("1") {
        return Ok(Some("it loads its snapshot".to_owned()));
    }
    if field(&info, "role") == Some("slave") && field(&info, "master_link_status") != Some("up") {
        return Ok(Some("its link to the primary is down".to_owned()));
    }
    if field(&info, "cluster_enabled") != Some("1") {
        return Ok(None);
    }
    let cluster = node.text(&[b"CLUSTER", b"INFO"])?;
    let state = field(&cluster, "cluster_state").unwrap_or("unknown");
    let covered = field(&cluster, "cluster_slots_ok").and_then(|slots| slots.parse().ok()).unwrap_or(0);
    Ok(if state != "ok" {
        Some(format!("cluster_state:{state}"))
    } else if covered < SLOT_COUNT {
        Some(format!("{covered} of {SLOT_COUNT} slots are served"))
    } else {
        None
    })
}

/// The value of a field in the lines of INFO or CLUSTER INFO.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// A connection to one node, with one deadline for all that is said over it.
struct Connection {
    stream: TcpStream,
    address: String,
    deadline: Instant,
}

impl Connection {
    fn open(host: &str, port: u16, deadline: Instant) -> Result<Self, String> {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let failed = |error: std::io::Error| format!("{address}: {error}");
        let mut last = format!("{address}: no such host");
        for target in (host, port).to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&target, left(deadline).map_err(failed)?) {
                Ok(stream) => return Ok(Self { stream, address, deadline }),
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }

    /// The lines of a text reply.
    fn text(&mut self, words: &[&[u8]]) -> Result<String, String> {
        let reply = self.ask(words)?;
        match (reply.as_bytes(), reply.as_error()) {
            (Some(text), _) => Ok(String::from_utf8_lossy(text).into_owned()),
            (_, Some(error)) => Err(format!("{}: {}", self.address, String::from_utf8_lossy(error))),
            _ => Err(format!("{} does not answer as a node does", self.address)),
        }
    }

    fn ask(&mut self, words: &[&[u8]]) -> Result<Value, String> {
        self.exchange(words).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                format!("{}: no answer in time", self.address)
            }
            _ => format!("{}: {error}", self.address),
        })
    }

    fn exchange(&mut self, words: &[&[u8]]) -> std::io::Result<Value> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write_all(&request)?;
        let (mut parser, mut input, mut chunk) = (ReplyParser::new(), Vec::new(), [0; 4096]);
        loop {
            match parser.parse(&input) {
                Ok(Some((value, _))) => return Ok(value),
                Ok(None) if input.len() < LONGEST_REPLY => {}
                Ok(None) | Err(_) => {
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no node's answer"));
                }
            }
            self.stream.set_read_timeout(Some(left(self.deadline)?))?;
            let got = self.stream.read(&mut chunk)?;
            if got == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            input.extend_from_slice(&chunk[..got]);
        }
    }
}

/// The time until the deadline, which is never zero: to a socket, zero would mean no limit.
fn left(deadline: Instant) -> std::io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
#[path = "healthcheck_tests.rs"]
mod tests;
