//! The script language of the compatibility tests, and the runner that plays a script to one server.
//!
//! A script is text, one step per line, so that a hundred commands cost a hundred short lines:
//!
//! ```text
//! == a title                       a new case: connections are closed, all keys are removed
//! # a comment
//! SET key "a value\r\n"            a command with redis-cli's quoting; its reply is compared byte for byte
//! {near 50} PTTL key               the same, through a normaliser (see `normalise.rs`)
//! @b BLPOP list 0                  on a second connection named b (the nameless one is `a`); reads the reply
//! @b !send BLPOP list 0            sends and does not read
//! @b !read                         reads one reply or push
//! @b !silent                       nothing must come within 80 ms
//! @b !raw "*1\r\n$4\r\nPING\r\n"   bytes as they are (connections named raw* are not switched to RESP3)
//! @b !closed                       reads until the server closes, and compares all that came
//! @b !close                        closes from this side
//! !blocked 1                       waits until the server counts one blocked client
//! !sleep 20                        milliseconds
//! !times 200 RPUSH l item:%d       the command 200 times with %d = 0, 1, ...; only the last reply is compared
//! !let dump DUMP key               keeps the reply's bytes; `$dump` as an argument stands for them
//! !config name value               CONFIG SET until the end of the case
//! !resp2 / !resp3                  the rest of the case runs in this protocol only
//! ```
//!
//! `$port` stands for the server's port, `$id:b` for the client id of connection b, `$addr:b` for its address. Blank
//! lines are ignored. The runner never judges: it records what arrives. `main.rs` compares two such transcripts.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use integration::client::{Client, Silence};
use integration::node::{Node, info_field};
use integration::resp::{Value, encode, parse, split_line};
use integration::wait::secs;

use crate::normalise::Normaliser;

/// How long a reply may take in a script, until the first one is missing.
const REPLY_LIMIT: Duration = secs(8);
/// How long later ones may take: a server that hangs once would otherwise delay the test for minutes.
const IMPATIENT_LIMIT: Duration = Duration::from_millis(300);
/// How long `!silent` listens.
const SILENCE: Duration = Duration::from_millis(80);

/// What came back for one line of the script.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Line number in the script, from 1.
    pub(crate) line: usize,
    /// Case and command, for the report.
    pub(crate) what: String,
    /// The bytes of the reply, or a note why there are none.
    pub(crate) reply: Vec<u8>,
    pub(crate) normaliser: Normaliser,
}

/// The protocol that connections are switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

/// Plays `script` to `node` and returns the replies.
pub(crate) fn play(node: &Node, script: &str, protocol: Protocol) -> Vec<Record> {
    let mut player = Player::new(node, protocol);
    player.begin_case("");
    for (index, text) in script.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(title) = text.strip_prefix("== ") {
            player.begin_case(title);
        } else {
            player.line = index + 1;
            player.step(text);
        }
    }
    player.begin_case("");
    player.records
}

struct Player<'a> {
    node: &'a Node,
    protocol: Protocol,
    title: String,
    line: usize,
    skip: bool,
    connections: HashMap<String, Client>,
    variables: HashMap<String, Vec<u8>>,
    changed_config: Vec<(Vec<u8>, Vec<u8>)>,
    records: Vec<Record>,
    limit: Duration,
    /// One connection for everything that is not part of the script, so that it changes no count in the middle of a
    /// case.
    control: Client,
}

impl<'a> Player<'a> {
    fn new(node: &'a Node, protocol: Protocol) -> Self {
        Self {
            node,
            protocol,
            title: String::new(),
            line: 0,
            skip: false,
            connections: HashMap::new(),
            variables: HashMap::new(),
            changed_config: Vec::new(),
            records: Vec::new(),
            limit: REPLY_LIMIT,
            control: node.admin(),
        }
    }

    /// A command of the runner itself. It may fail: the script may just have paused or stopped the server.
    fn control<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Option<Value> {
        let reply = self.control.try_call_within(args, secs(2)).ok();
        if reply.is_none() {
            // A late reply would be taken for the next command's.
            self.control = self.node.admin();
        }
        reply
    }

    /// Waits until the server has noticed that the script's connections are closed.
    fn wait_alone(&mut self) {
        for _ in 0..100 {
            let list = self.control(&["CLIENT", "LIST"]).map(|v| v.text()).unwrap_or_default();
            if list.lines().count() <= 1 {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn begin_case(&mut self, title: &str) {
        self.connections.clear();
        self.variables.clear();
        self.wait_alone();
        for (name, value) in std::mem::take(&mut self.changed_config).into_iter().rev() {
            self.control(&[b"CONFIG", &b"SET"[..], &name, &value]);
        }
        self.control(&["FLUSHALL"]);
        self.title = title.to_owned();
        self.skip = false;
    }

    fn step(&mut self, text: &str) {
        let (name, rest) = match text.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').unwrap_or_else(|| panic!("line {}: nothing after @name", self.line)),
            None => ("a", text),
        };
        let (normaliser, rest) = Normaliser::split(rest.trim());
        match rest.strip_prefix('!') {
            Some(verb) if !self.skip || verb.starts_with("resp") => self.verb(name, verb, normaliser, text),
            None if !self.skip => {
                let reply = self.exchange(name, rest);
                self.record(text, reply, normaliser);
            }
            _ => {}
        }
    }

    fn record(&mut self, text: &str, reply: Vec<u8>, normaliser: Normaliser) {
        if reply.ends_with(SILENT) && !text.contains("!silent") {
            self.limit = IMPATIENT_LIMIT;
        }
        let what = format!("{:?} [{}] {text}", self.protocol, self.title);
        self.records.push(Record { line: self.line, what, reply, normaliser });
    }

    fn verb(&mut self, name: &str, verb: &str, normaliser: Normaliser, text: &str) {
        let (word, rest) = verb.split_once(' ').unwrap_or((verb, ""));
        match word {
            "send" => {
                let args = self.arguments(rest);
                let _ = self.connection(name).send(&args);
            }
            "raw" => {
                let bytes = split_line(rest).concat();
                let _ = self.connection(name).send_raw(&bytes);
            }
            "read" => {
                let limit = self.limit;
                let reply = frame(self.connection(name), limit);
                self.record(text, reply, normaliser);
            }
            "silent" => {
                let reply = frame(self.connection(name), SILENCE);
                self.record(text, reply, normaliser);
            }
            "closed" => {
                let limit = self.limit;
                let reply = until_closed(self.connection(name), limit);
                self.connections.remove(name);
                self.record(text, reply, normaliser);
            }
            "close" => drop(self.connections.remove(name)),
            "blocked" => self.wait_blocked(rest, text),
            "sleep" => thread::sleep(Duration::from_millis(rest.parse().expect("milliseconds"))),
            "times" => self.times(name, rest, text, normaliser),
            "let" => self.keep(name, rest, text, normaliser),
            "config" => self.config(rest),
            "resp2" => self.skip = self.protocol != Protocol::Resp2,
            "resp3" => self.skip = self.protocol != Protocol::Resp3,
            other => panic!("line {}: unknown verb !{other}", self.line),
        }
    }

    fn exchange(&mut self, name: &str, command: &str) -> Vec<u8> {
        let args = self.arguments(command);
        let limit = self.limit;
        let connection = self.connection(name);
        if connection.send(&args).is_err() {
            return b"(the connection is broken)".to_vec();
        }
        let reply = frame(connection, limit);
        if reply.first() == Some(&b'(') {
            self.connections.remove(name);
        }
        reply
    }

    fn connection(&mut self, name: &str) -> &mut Client {
        let (node, protocol) = (self.node, self.protocol);
        self.connections.entry(name.to_owned()).or_insert_with(|| {
            let mut client = node.client();
            if protocol == Protocol::Resp3 && !name.starts_with("raw") {
                let _ = client.try_call(&["HELLO", "3"]);
            }
            client
        })
    }

    /// Splits the words of a command and replaces `$variables`.
    fn arguments(&mut self, command: &str) -> Vec<Vec<u8>> {
        let words = split_line(command);
        words.into_iter().map(|word| self.replaced(&word).unwrap_or(word)).collect()
    }

    fn replaced(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(word).ok()?.strip_prefix('$')?;
        if name == "port" {
            return Some(self.node.port().to_string().into_bytes());
        }
        if let Some(other) = name.strip_prefix("id:") {
            let id = self.connection(other).try_call(&["CLIENT", "ID"]).ok()?;
            return Some(id.text().into_bytes());
        }
        if let Some(other) = name.strip_prefix("addr:") {
            return Some(self.connection(other).local_addr().to_string().into_bytes());
        }
        self.variables.get(name).cloned()
    }

    fn wait_blocked(&mut self, count: &str, text: &str) {
        let deadline = Instant::now() + self.limit;
        loop {
            let info = self.control(&["INFO", "clients"]).map(|v| v.text()).unwrap_or_default();
            let seen = info_field(&info, "blocked_clients").unwrap_or_default();
            if seen == count || Instant::now() > deadline {
                if seen != count {
                    self.limit = IMPATIENT_LIMIT;
                }
                self.record(text, format!("({seen} clients are blocked)").into_bytes(), Normaliser::Exact);
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn times(&mut self, name: &str, rest: &str, text: &str, normaliser: Normaliser) {
        let (count, command) = rest.split_once(' ').expect("!times count command");
        let count: usize = count.parse().expect("a number of times");
        let bytes: Vec<u8> =
            (0..count).flat_map(|i| encode(&split_line(&command.replace("%d", &i.to_string())))).collect();
        let limit = self.limit;
        let connection = self.connection(name);
        let _ = connection.send_raw(&bytes);
        let mut reply = Vec::new();
        for _ in 0..count {
            reply = frame(connection, limit);
            if reply.first() == Some(&b'(') {
                break;
            }
        }
        self.record(text, reply, normaliser);
    }

    fn keep(&mut self, name: &str, rest: &str, text: &str, normaliser: Normaliser) {
        let (variable, command) = rest.split_once(' ').expect("!let name command");
        let reply = self.exchange(name, command);
        let bytes = match parse(&reply) {
            Ok((Value::Bulk(bytes), _)) => bytes,
            Ok((other, _)) => other.text().into_bytes(),
            Err(_) => Vec::new(),
        };
        self.variables.insert(variable.to_owned(), bytes);
        self.record(text, reply, normaliser);
    }

    fn config(&mut self, rest: &str) {
        let words = split_line(rest);
        if let Some(Value::Array(pair)) = self.control(&[b"CONFIG", &b"GET"[..], &words[0]])
            && pair.len() == 2
        {
            self.changed_config.push((words[0].clone(), pair[1].text().into_bytes()));
        }
        let reply = self.control(&[b"CONFIG", &b"SET"[..], &words[0], &words[1]]);
        let said = reply.map_or_else(|| "no reply".to_owned(), |v| format!("{v:?}"));
        self.record(&format!("!config {rest}"), said.into_bytes(), Normaliser::Exact);
    }
}

/// The record for a reply that did not come.
const SILENT: &[u8] = b"(silence)";

/// The next reply's bytes, or a note in parentheses (no reply begins with one).
fn frame(connection: &mut Client, limit: Duration) -> Vec<u8> {
    match connection.frame(limit) {
        Ok(bytes) => bytes,
        Err(Silence::Timeout) => SILENT.to_vec(),
        Err(Silence::Closed(rest)) => [b"(closed after) ", &rest[..]].concat(),
        Err(Silence::Broken(line)) => format!("(no RESP: {line})").into_bytes(),
    }
}

fn until_closed(connection: &mut Client, limit: Duration) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let bytes = frame(connection, limit);
        let ended = bytes.first() == Some(&b'(');
        said.extend_from_slice(&bytes);
        if ended {
            return said;
        }
    }
}
