//! `slotd handover`: a primary gives its slots to a replica, before it is stopped.
//!
//! An orderly shutdown lets the replicas catch up, but its shard is without a primary until the others have noticed and
//! elected one: as long as the node timeout, and a little more. Whoever stops a node on purpose, as Kubernetes does to
//! move a pod, can spare clients that. This is `CLUSTER FAILOVER` at the right replica: the primary holds writes back
//! until the replica has all of them, and not one is lost or refused.
//!
//! It is made for hooks that run before the end of a container: it never does anything to a node that is no primary,
//! says in one line what it did, and comes to an end. If a replica is known and away, it waits for it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use clap::Parser;
use protocol::resp::Value;

use super::environment::said_port;
use super::variables::Variables;
use super::wait::WRONG_USAGE;
use super::{Invocation, refusal};
use crate::base::readable::readable;
use crate::healthcheck::{Connection, NO_ANSWER, NODE_PORT, Ports, address_of, field};

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a replica may take to become the primary: it gives up after five seconds.
const TAKEOVER: Duration = Duration::from_millis(5500);
/// How often replicas may try in vain. The primary holds all writes back while one tries.
const TRIES: usize = 2;

/// Hand the slots of a primary over to one of its replicas, so that it can be stopped without an interruption.
///
/// Ends with status 0 if the node has no slots (any more) or nobody could take them, 1 if it still has them at the end,
/// 2 if the command line is wrong, 3 if the outcome could not be written; says in one line what was done.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "slotd handover",
    no_binary_name = true,
    disable_version_flag = true,
    after_help = "Without --port: SLOTD_PORT of the environment, else 6379. The password is taken as by slotd healthcheck: from\n\
                  REDISCLI_AUTH, SLOTD_PASSWORD or SLOTD_PASSWORD_FILE.\n\n\
                  In Kubernetes:\n  \
                  lifecycle: {preStop: {exec: {command: [slotd, handover]}}}"
)]
struct Flags {
    /// Name or address of the node.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port for clients.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Longest wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// What is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handover {
    /// Where the node is.
    pub host: String,
    /// Its port for clients.
    pub port: u16,
    /// The longest wait.
    pub patience: Duration,
    /// How long one replica may take.
    pub takeover: Duration,
    /// The password of clients, which is that of the replicas, too.
    pub password: Option<OsString>,
}

pub(super) fn parse(
    arguments: &[OsString],
    variables: &Variables,
    password: Option<OsString>,
) -> Result<Invocation, String> {
    match Flags::try_parse_from(arguments) {
        Ok(Flags { host, port, timeout }) => {
            let said = || said_port(variables).ok().flatten().map(Ports::first);
            let port = port.or_else(said).unwrap_or(NODE_PORT);
            let patience = Duration::from_secs(timeout);
            Ok(Invocation::Handover(Handover { host, port, patience, takeover: TAKEOVER, password }))
        }
        Err(error) => refusal(&error, WRONG_USAGE),
    }
}

/// What a node says of itself.
enum Standing {
    /// There is nothing that it could hand over, or nobody to hand it to; why.
    Free(&'static str),
    /// It is a primary with slots, whose replicas that are online are these: the one that has most comes first.
    Primary(Vec<(String, u16)>),
}

impl Handover {
    /// Hands over; returns the line to print.
    ///
    /// # Errors
    /// The line to print if the node still is a primary with slots, or does not answer.
    pub(crate) fn run(&self) -> Result<String, String> {
        let began = Instant::now();
        let end = began + self.patience;
        let own = address_of(&self.host, self.port);
        let mut taker: Option<String> = None;
        let mut problem: Option<String> = None;
        let mut in_vain = 0;
        let failed = |problem: Option<String>| {
            let problem = problem.as_deref().unwrap_or("none of its replicas is online");
            Err(format!("{own}: not handed over in {} s: {problem}", self.patience.as_secs()))
        };
        loop {
            match self.standing(end) {
                // That there was no time left for an answer says less than what was answered before.
                Err(_) if problem.is_some() && Instant::now() >= end => return failed(problem),
                Err(error) if is_passing(&error) => problem = Some(error),
                Err(error) => {
                    let reason = error.strip_prefix(&format!("{own}: ")).unwrap_or(&error);
                    return Err(format!("{own}: not handed over: {reason}"));
                }
                Ok(Standing::Free(reason)) => {
                    return Ok(taker.map_or_else(
                        || format!("{own}: nothing to hand over, it {reason}"),
                        |taker| format!("{own}: handed over to {taker} in {:.1} s", began.elapsed().as_secs_f64()),
                    ));
                }
                Ok(Standing::Primary(replicas)) => {
                    for (host, port) in &replicas {
                        match self.ask_to_take_over(host, *port, end) {
                            Ok(true) => {
                                taker = Some(address_of(host, *port));
                                break;
                            }
                            Ok(false) => {
                                in_vain += 1;
                                let (why, is_busy) = self.why_in_vain(&address_of(host, *port), end);
                                if is_busy || in_vain >= TRIES {
                                    let seconds = began.elapsed().as_secs_f64();
                                    return Err(format!("{own}: not handed over in {seconds:.1} s: {why}"));
                                }
                                problem = Some(why);
                            }
                            Err(error) if Instant::now() < end => problem = Some(error),
                            Err(_) => {}
                        }
                    }
                }
            }
            if Instant::now() + PAUSE >= end {
                return failed(problem);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn open(&self, host: &str, port: u16, end: Instant) -> Result<Connection, String> {
        let mut node = Connection::open(host, port, end.min(Instant::now() + ANSWER))?;
        if let Some(password) = &self.password {
            node.authenticate(password)?;
        }
        Ok(node)
    }

    fn standing(&self, end: Instant) -> Result<Standing, String> {
        let mut node = self.open(&self.host, self.port, end)?;
        let info = node.text(&[b"INFO"])?;
        if field(&info, "role") != Some("master") {
            return Ok(Standing::Free("is a replica"));
        }
        if field(&info, "cluster_enabled") != Some("1") {
            return Ok(Standing::Free("is in no cluster"));
        }
        let nodes = node.text(&[b"CLUSTER", b"NODES"])?;
        let mine = nodes.lines().find(|line| words(line, 2).contains("myself")).unwrap_or_default();
        if words(mine, 8).is_empty() {
            return Ok(Standing::Free("has no slots"));
        }
        let id = words(mine, 0);
        if !nodes.lines().any(|line| words(line, 3) == id) {
            return Ok(Standing::Free("has no replica"));
        }
        let mut replicas: Vec<(u64, String, u16)> = info.lines().filter_map(online_replica).collect();
        replicas.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Standing::Primary(replicas.into_iter().map(|(_, host, port)| (host, port)).collect()))
    }

    /// Lets a replica take over, and waits until this node has become its replica; whether it has.
    ///
    /// A replica that is frozen would find the order in its socket when it wakes, and take over long after it was said
    /// that it did not. So it gets the order only if it has answered on the same connection.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    fn ask_to_take_over(&self, host: &str, port: u16, end: Instant) -> Result<bool, String> {
        let address = address_of(host, port);
        let mut replica = self.open(host, port, end)?;
        for words in [&[b"PING".as_slice()][..], &[b"CLUSTER", b"FAILOVER"]] {
            if let Some(error) = replica.ask(words)?.as_error() {
                return Err(format!("{address}: {}", readable(error)));
            }
        }
        let until = end.min(Instant::now() + self.takeover);
        while Instant::now() < until {
            match self.standing(end) {
                Ok(Standing::Free(_)) => return Ok(true),
                Err(error) if !is_passing(&error) => return Err(error),
                Ok(Standing::Primary(_)) | Err(_) => std::thread::sleep(PAUSE / 4),
            }
        }
        Ok(false)
    }

    /// Why a replica has not taken over, and whether it will not either if it is asked again: a script that has written
    /// must end first. A script stops its slots alone, and INFO is answered beside it; so this asks for what a node
    /// does only when no script runs. In a cluster it is refused then, and it would change nothing.
    fn why_in_vain(&self, replica: &str, end: Instant) -> (String, bool) {
        let reply = self.open(&self.host, self.port, end).and_then(|mut node| node.ask(&[b"SWAPDB", b"0", b"0"]));
        match reply.as_ref().map(Value::as_error) {
            Ok(Some(error)) if error.starts_with(b"BUSY ") => {
                (format!("{replica} cannot take over: {}", readable(error)), true)
            }
            _ => (format!("{replica} did not take over"), false),
        }
    }
}

/// Whether it may be different a moment later: a long command or a script has the node, or it loads its data.
fn is_passing(error: &str) -> bool {
    error.ends_with(NO_ANSWER) || [": BUSY ", ": LOADING "].iter().any(|code| error.contains(code))
}

/// A word of a line of CLUSTER NODES; empty if it has fewer.
fn words(line: &str, number: usize) -> &str {
    line.split_ascii_whitespace().nth(number).unwrap_or_default()
}

/// `slave0:ip=10.0.0.1,port=6379,state=online,offset=14,lag=0`: the offset, the address and the port.
fn online_replica(line: &str) -> Option<(u64, String, u16)> {
    let (name, fields) = line.trim_end().split_once(':')?;
    let number = name.strip_prefix("slave")?;
    if number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let value = |wanted: &str| {
        let pairs = fields.split(',').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    if value("state")? != "online" {
        return None;
    }
    Some((value("offset")?.parse().ok()?, value("ip")?.to_owned(), value("port")?.parse().ok()?))
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
