//! `slotd healthcheck`: whether a node on this machine serves, as an exit status for container engines and supervisors.
//!
//! Two questions are separate, because their cures differ. *Alive* (the default): the node answers PING. A node that
//! asks for a password, loads its snapshot or lost its cluster is alive; restarting it would not help. *Ready*
//! (`--ready`): clients are served here, which needs an intact cluster, every slot covered, and a replica's link up.
//!
//! A cluster in one container is alive as long as any of its nodes is: killing single nodes is what it is for.
//!
//! The program runs for a few milliseconds, so it uses blocking sockets and no runtime. Whatever the answer is, it
//! comes within [`Probe::timeout`].

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::iter;
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::base::readable::readable;
use crate::base::thread;
use clap::Parser;
use protocol::resp::{ReplyParser, Value};
use protocol::slot::SLOT_COUNT;

/// The port of a node by default.
pub(crate) const NODE_PORT: u16 = 6379;
/// The ports of `slotd cluster` by default.
pub(crate) const CLUSTER_PORTS: Ports = Ports { first: 7000, last: 7005 };
/// The most nodes that are asked.
const PORTS_MAX: u16 = 100;
/// The system's error for a port on which nothing listens.
const REFUSED: &str = "Connection refused";
/// A hint if nothing listens on the default ports.
const OTHER_PORT: &str = ". SLOTD_PORT or --port names another port, or the ports of a cluster: 7000-7005";
/// INFO and CLUSTER INFO are a few KiB; a longer reply is not from a node.
const LONGEST_REPLY: usize = 1 << 20;

/// Ask a node on this machine whether it is alive, or ready to serve.
///
/// Ends with status 0 if it is and 1 if not, and says in one line what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "slotd healthcheck",
    no_binary_name = true,
    disable_version_flag = true,
    after_help = "Several ports, as 7000-7005: alive if any node is, ready if all are.\n\
                  Without --port: SLOTD_PORT of the environment; else alive if a node is at 6379 or any at 7000-7005, and --ready asks\n\
                  6379, else 7000.\n\
                  The password is taken from REDISCLI_AUTH, else from the variables that a node takes it from (SLOTD_PASSWORD,\n\
                  SLOTD_PASSWORD_FILE, SLOTD_REQUIREPASS); without it, a node that asks for one is alive, but cannot be called ready."
)]
pub(crate) struct Probe {
    /// Name or address of the node.
    #[arg(long, default_value = "127.0.0.1", value_parser = host)]
    pub host: String,
    /// Port for clients, or those of a cluster: 7000-7005.
    #[arg(long, allow_hyphen_values = true)]
    pub port: Option<Ports>,
    /// Also ask whether the cluster is in order, all slots are covered, and a replica is in sync.
    #[arg(long)]
    pub ready: bool,
    /// Longest wait, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub timeout: u64,
    /// Password of the user `default`.
    #[arg(skip)]
    pub password: Option<OsString>,
    /// How many nodes it must know to be ready.
    #[arg(skip)]
    pub members: u64,
}

/// Ports that follow each other: those of one node, or of the nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// This many ports, as far as there are so many.
    pub(crate) fn starting_at(first: u16, count: usize) -> Self {
        let more = u16::try_from(count.saturating_sub(1)).unwrap_or(PORTS_MAX).min(PORTS_MAX - 1);
        Self { first, last: first.saturating_add(more) }
    }

    /// The only one, or the first.
    pub(crate) fn first(self) -> u16 {
        self.first
    }

    /// How many they are.
    pub(crate) fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |word: &str| word.parse().ok().filter(|port: &u16| *port > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last && last - first < PORTS_MAX => Ok(Self { first, last }),
            _ => {
                Err(format!("give a port from 1 to 65535, or at most {PORTS_MAX} that follow each other, as 7000-7005"))
            }
        }
    }
}

impl Probe {
    /// Asks; returns the line to print.
    ///
    /// # Errors
    /// The line to print if the node is not alive, or not ready.
    pub(crate) fn run(&self) -> Result<String, String> {
        let deadline = Instant::now() + Duration::from_millis(self.timeout);
        match self.port {
            Some(Ports { first, last }) if first == last => {
                Connection::open(&self.host, first, deadline).and_then(|node| self.ask(node))
            }
            Some(Ports { first, last }) if self.ready => self.ask_all(first..=last, deadline),
            Some(Ports { first, last }) => self.ask_any(first..=last, deadline),
            None if self.ready => {
                let node = Connection::open(&self.host, NODE_PORT, deadline).or_else(|first| {
                    let second = Connection::open(&self.host, CLUSTER_PORTS.first, deadline);
                    second.map_err(|second| format!("{first}; {second}{OTHER_PORT}"))
                });
                node.and_then(|node| self.ask(node))
            }
            None => {
                let ports = iter::once(NODE_PORT).chain(CLUSTER_PORTS.first..=CLUSTER_PORTS.last);
                self.ask_any(ports, deadline).map_err(|problem| format!("{problem}{OTHER_PORT}"))
            }
        }
    }

    /// Finds a node that is alive. All are asked at once, because a frozen one would use up the time.
    fn ask_any(&self, ports: impl Iterator<Item = u16>, deadline: Instant) -> Result<String, String> {
        let (ports, mut problems): (Vec<u16>, _) = (ports.collect(), Vec::new());
        for outcome in self.outcomes(ports.iter().copied(), deadline) {
            match outcome {
                Ok(line) => return Ok(line),
                Err(problem) => problems.push(problem),
            }
        }
        // A node that listens and does not answer is better to report than one that does not listen.
        problems.retain(|problem: &String| !problem.contains(REFUSED));
        if problems.is_empty() {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            return Err(format!("{}: {REFUSED} at {}", self.host, ports.join(", ")));
        }
        Err(problems.join("; "))
    }

    /// Whether every node is ready.
    fn ask_all(&self, ports: RangeInclusive<u16>, deadline: Instant) -> Result<String, String> {
        let ready = format!("{}: {} to {} are ready", self.host, ports.start(), ports.end());
        self.outcomes(ports, deadline).into_iter().collect::<Result<Vec<_>, _>>().map(|_| ready)
    }

    /// The outcomes of all nodes, in the order in which they arrive.
    fn outcomes(&self, ports: impl Iterator<Item = u16>, deadline: Instant) -> mpsc::Receiver<Result<String, String>> {
        let (tell, told) = mpsc::channel();
        for port in ports {
            let (probe, tell, failed) = (self.clone(), tell.clone(), tell.clone());
            let ask = move || {
                let outcome = Connection::open(&probe.host, port, deadline).and_then(|node| probe.ask(node));
                // The receiver may have heard enough.
                let _ = tell.send(outcome);
            };
            if let Err(error) = thread::spawn("healthcheck", ask) {
                let _ = failed.send(Err(format!("starting a thread: {error}")));
            }
        }
        told
    }

    fn ask(&self, mut node: Connection) -> Result<String, String> {
        let refusal = self.password.as_ref().map_or(Ok(None), |password| node.refusal_of(password))?;
        let pong = node.ask(&[b"PING"])?;
        let address = node.address.clone();
        let error = pong.as_error().map(|error| refusal.as_deref().unwrap_or(error));
        match (&pong, error) {
            (Value::Simple(text), _) if text == b"PONG" => {}
            (_, Some(error)) if self.ready => return Err(format!("{address}: {}", readable(error))),
            // It answers, and says why it does not serve.
            (_, Some(error)) => return Ok(format!("{address} is alive: {}", readable(error))),
            _ => return Err(format!("{address} does not answer as a node does")),
        }
        if !self.ready {
            return Ok(format!("{address} is alive"));
        }
        match why_not_ready(&mut node, self.members)? {
            Some(reason) => Err(format!("{address} is not ready: {reason}")),
            None => Ok(format!("{address} is ready")),
        }
    }
}

/// What keeps the node from serving all its clients, or from knowing so many nodes.
fn why_not_ready(node: &mut Connection, members: u64) -> Result<Option<String>, String> {
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
    let known = field(&cluster, "cluster_known_nodes").and_then(|nodes| nodes.parse().ok()).unwrap_or(0);
    Ok(if known < members {
        Some(format!("it knows {known} of {members} nodes"))
    } else if state != "ok" {
        Some(format!("cluster_state:{state}"))
    } else if covered < SLOT_COUNT {
        Some(format!("{covered} of {SLOT_COUNT} slots are served"))
    } else {
        None
    })
}

/// A name or an address; the brackets of one of IPv6 may stay around it.
fn host(text: &str) -> Result<String, String> {
    Ok(text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).to_owned())
}

/// The value of a field in the lines of INFO or CLUSTER INFO.
pub(crate) fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// A host and a port as people write them.
pub(crate) fn address_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// How the error ends of a node that is connected and does not answer.
pub(crate) const NO_ANSWER: &str = "no answer in time";

/// A connection to one node, with one deadline for everything.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    deadline: Instant,
}

impl Connection {
    /// Connects to the first of a host's addresses that takes the connection.
    ///
    /// # Errors
    /// The address, and why not.
    pub(crate) fn open(host: &str, port: u16, deadline: Instant) -> Result<Self, String> {
        let address = address_of(host, port);
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

    /// Shows a password, if there is one.
    ///
    /// # Errors
    /// It is wrong. That a node asks for none does not matter.
    pub(crate) fn authenticate(&mut self, password: &OsStr) -> Result<(), String> {
        match self.refusal_of(password)? {
            Some(error) => Err(format!("{}: {}", self.address, readable(&error))),
            None => Ok(()),
        }
    }

    /// What the node says if the password is wrong.
    fn refusal_of(&mut self, password: &OsStr) -> Result<Option<Vec<u8>>, String> {
        if password.is_empty() {
            return Ok(None);
        }
        let answer = self.ask(&[b"AUTH", password.as_bytes()])?;
        // The error of a node without a password does not matter.
        Ok(answer.as_error().filter(|error| error.starts_with(b"WRONGPASS")).map(<[u8]>::to_vec))
    }

    /// Whether a node lets everyone in, although there is a password to show.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub(crate) fn asks_for_none(&mut self, password: &OsStr) -> Result<bool, String> {
        if password.is_empty() {
            return Ok(false);
        }
        let answer = self.ask(&[b"AUTH", password.as_bytes()])?;
        let text = String::from_utf8_lossy(answer.as_error().unwrap_or_default()).into_owned();
        // Before Redis 6 it was the latter.
        Ok(["without any password", "no password is set"].iter().any(|part| text.contains(part)))
    }

    /// The address at which the node was reached.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn ip(&self) -> Result<String, String> {
        let peer = self.stream.peer_addr().map_err(|error| format!("{}: {error}", self.address))?;
        Ok(peer.ip().to_canonical().to_string())
    }

    /// The lines of a text reply.
    ///
    /// # Errors
    /// As [`Connection::ask`], or an error of the node.
    pub(crate) fn text(&mut self, words: &[&[u8]]) -> Result<String, String> {
        let reply = self.ask(words)?;
        match (&reply, reply.as_error()) {
            (Value::Bulk(text) | Value::Verbatim(_, text), _) => Ok(String::from_utf8_lossy(text).into_owned()),
            (_, Some(error)) => Err(format!("{}: {}", self.address, readable(error))),
            _ => Err(format!("{} does not answer as a node does", self.address)),
        }
    }

    /// The reply to a command.
    ///
    /// # Errors
    /// The node's address, and that it did not answer in time or not as a node does.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Result<Value, String> {
        self.exchange(words).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                format!("{}: {NO_ANSWER}", self.address)
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
