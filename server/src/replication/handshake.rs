//! The replica's half of the conversation until data flows: lines in, bytes to send out.
//!
//! PING, AUTH, REPLCONF, PSYNC, in Redis's order. The last steps are sent together, and their replies come in order.
//! Without I/O: the driver owns the socket and the timeouts.
//!
//! In a cluster, the node at the primary's address is also asked who it is (CLUSTER MYID). A primary that has lost its
//! files comes back as another node, without keys; if it does so before it is missed, Redis's replica drops all keys to
//! become its copy, and is then elected with none.

use super::history::{MAX_OFFSET, ReplId};
use crate::base::readable::readable;

/// What a replica announces about itself, and where it wants to continue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduction {
    /// User and password; the user may be missing.
    pub auth: Option<(Option<Vec<u8>>, Vec<u8>)>,
    pub port: u16,
    pub announce_ip: Option<String>,
    /// The history to continue and the position in it; `None` asks for everything.
    pub resume: Option<(ReplId, i64)>,
    /// The primary hands over to its replica (FAILOVER).
    pub failover: bool,
    /// The id that the primary has in the cluster.
    pub primary_id: Option<String>,
}

/// The primary's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Everything follows, as a payload.
    Full { id: ReplId, offset: i64 },
    /// The stream follows where it stopped, maybe under a new id.
    Continue { id: Option<ReplId> },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait for the next line.
    Wait,
    Send(Vec<u8>),
    Done(Answer),
    /// Give up and try again; the text says why. `later`: the primary is there but not ready.
    Fail {
        text: String,
        later: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ping,
    Auth,
    Port,
    Ip,
    Capa,
    /// The length of the id, and the id.
    IdLength,
    Id,
    Psync,
}

/// One handshake.
pub(crate) struct Handshake {
    introduction: Introduction,
    stage: Stage,
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

impl Handshake {
    /// Begins; the bytes are to be sent first.
    pub(crate) fn start(introduction: Introduction) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        command(&mut out, &[b"PING"]);
        (Self { introduction, stage: Stage::Ping }, out)
    }

    /// The stage of the handshake, for logs.
    pub(crate) fn is_waiting_for_psync(&self) -> bool {
        self.stage == Stage::Psync
    }

    /// Takes a line, without its end.
    pub(crate) fn line(&mut self, line: &[u8]) -> Step {
        let text = String::from_utf8_lossy(line).into_owned();
        let refused = line.first() == Some(&b'-');
        match self.stage {
            Stage::Ping => {
                // Errors that only say that a password is needed, or that PING is not permitted, still show that the
                // primary is alive.
                let alive = text.starts_with("-NOAUTH")
                    || text.starts_with("-NOPERM")
                    || text.starts_with("-ERR operation not permitted");
                if line.first() != Some(&b'+') && !alive {
                    let later = text.starts_with("-LOADING");
                    return fail(format!("Error reply to PING from master: '{}'", readable(line)), later);
                }
                self.introduce()
            }
            Stage::Auth if refused => fail(format!("Unable to AUTH to MASTER: {}", readable(line)), false),
            Stage::Auth => self.advance(Stage::Port),
            // If the primary does not know an option, the handshake goes on without it.
            Stage::Port => self.advance(if self.introduction.announce_ip.is_some() { Stage::Ip } else { Stage::Capa }),
            Stage::Ip => self.advance(Stage::Capa),
            Stage::Capa if self.introduction.primary_id.is_some() => self.advance(Stage::IdLength),
            Stage::Capa => self.psync(),
            Stage::IdLength if text.starts_with("-LOADING") || text.starts_with("-BUSY ") => {
                fail(format!("Error reply to CLUSTER MYID from master: {}", readable(line)), true)
            }
            // It may not, or need not, say who it is.
            Stage::IdLength if refused => self.psync(),
            Stage::IdLength if line == b"$40" => self.advance(Stage::Id),
            Stage::IdLength => fail("The reply to CLUSTER MYID from master is no node id".to_owned(), true),
            Stage::Id => self.meet(&text),
            // Newlines keep the link alive while the primary prepares.
            Stage::Psync if line.is_empty() => Step::Wait,
            Stage::Psync => answer(&text),
        }
    }

    fn advance(&mut self, stage: Stage) -> Step {
        self.stage = stage;
        Step::Wait
    }

    fn introduce(&mut self) -> Step {
        let mut out = Vec::new();
        let me = &self.introduction;
        self.stage = if me.auth.is_some() { Stage::Auth } else { Stage::Port };
        if let Some((user, password)) = &me.auth {
            match user {
                Some(user) => command(&mut out, &[b"AUTH", user, password]),
                None => command(&mut out, &[b"AUTH", password]),
            }
        }
        command(&mut out, &[b"REPLCONF", b"listening-port", me.port.to_string().as_bytes()]);
        if let Some(ip) = &me.announce_ip {
            command(&mut out, &[b"REPLCONF", b"ip-address", ip.as_bytes()]);
        }
        // The version of Valkey whose files can be read; without it, Valkey 9 sends no hash whose fields expire. Redis
        // has taken the capabilities when it refuses the last pair.
        command(&mut out, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"version", b"9.1.2"]);
        if self.introduction.primary_id.is_some() {
            command(&mut out, &[b"CLUSTER", b"MYID"]);
        }
        Step::Send(out)
    }

    /// The node at the primary's address says who it is.
    fn meet(&mut self, id: &str) -> Step {
        match &self.introduction.primary_id {
            Some(expected) if expected != id => fail(
                format!(
                    "The node at the address of our master is {}, not our master {expected}: it is not followed",
                    readable(id.as_bytes())
                ),
                true,
            ),
            _ => self.psync(),
        }
    }

    fn psync(&mut self) -> Step {
        self.stage = Stage::Psync;
        let (id, from) = match &self.introduction.resume {
            Some((id, position)) => (id.to_vec(), (position + 1).to_string()),
            None => (b"?".to_vec(), "-1".to_owned()),
        };
        let mut out = Vec::new();
        if self.introduction.failover {
            command(&mut out, &[b"PSYNC", &id, from.as_bytes(), b"FAILOVER"]);
        } else {
            command(&mut out, &[b"PSYNC", &id, from.as_bytes()]);
        }
        Step::Send(out)
    }
}

fn fail(text: String, later: bool) -> Step {
    Step::Fail { text, later }
}

/// The answer to PSYNC.
fn answer(text: &str) -> Step {
    let mut words = text.split(' ');
    match words.next() {
        Some("+FULLRESYNC") => {
            let id = words.next().and_then(|id| ReplId::try_from(id.as_bytes()).ok());
            let offset = words.next().and_then(|offset| offset.parse::<i64>().ok());
            match (id, offset.filter(|offset| (0..=MAX_OFFSET).contains(offset))) {
                (Some(id), Some(offset)) => Step::Done(Answer::Full { id, offset }),
                _ => fail("Master replied with wrong +FULLRESYNC syntax.".to_owned(), false),
            }
        }
        Some("+CONTINUE") => {
            let id = words.next().and_then(|id| ReplId::try_from(id.as_bytes()).ok());
            Step::Done(Answer::Continue { id })
        }
        Some("-NOMASTERLINK" | "-LOADING") => {
            let text = readable(text.as_bytes());
            fail(format!("Master is currently unable to PSYNC but should be in the future: {text}"), true)
        }
        _ => fail(format!("Unexpected reply to PSYNC from master: {}", readable(text.as_bytes())), false),
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
