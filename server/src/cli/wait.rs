//! `slotd wait`: waits until nodes are ready, for scripts that start a cluster and want to use it.
//!
//! Every node is asked what `slotd healthcheck --ready` asks, and whether it knows as many nodes as are waited for: two
//! halves that do not know each other yet are no cluster. All must be ready in one round, because what was ready may be
//! so no longer. Progress goes to standard error, a line whenever something has changed; the outcome is the last line.

use std::ffi::OsString;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Parser;

use super::environment::{own_node, said_nodes};
use super::node_list::{Address, NodeList};
use super::variables::Variables;
use super::{Invocation, refusal};
use crate::base::thread;
use crate::healthcheck::Probe;

/// The exit status for a command line that cannot be read.
pub(super) const WRONG_USAGE: u8 = 2;
/// The time between two rounds.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one node may take to answer. At the end, too, it gets the lesser time: what it lacks is to be said.
const ANSWER_MS: (u64, u64) = (500, 2000);
/// How much longer a round lasts, so that a node's own words for its silence arrive.
const GRACE: Duration = Duration::from_millis(100);

/// Wait until nodes are ready: each answers, its cluster is in order with all slots covered, a replica's link is up.
///
/// Says on standard error what it waits for. Ends with status 0 when all are ready, 1 when they were not in time, 2 if
/// the command line is wrong.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "slotd wait",
    no_binary_name = true,
    disable_version_flag = true,
    after_help = "Without --nodes: SLOTD_CLUSTER_NODES of the environment, else the node of this machine at SLOTD_PORT, 6379, or 7000\n\
                  with SLOTD_MODE=cluster. The password is taken as by slotd healthcheck: from REDISCLI_AUTH, SLOTD_PASSWORD or\n\
                  SLOTD_PASSWORD_FILE.\n\n\
                  Examples:\n  \
                  slotd wait --nodes node1:7000,node2:7000,node3:7000\n  \
                  slotd wait --nodes 127.0.0.1:7000 --timeout 10 && redis-cli -c -p 7000"
)]
struct Flags {
    /// Nodes, as host:port,host:port; port 6379 if none is said.
    #[arg(long, value_name = "NODES")]
    nodes: Option<NodeList>,
    /// Longest wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: u64,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The nodes.
    pub nodes: Vec<Address>,
    /// The longest wait.
    pub patience: Duration,
    /// The password of clients.
    pub password: Option<OsString>,
}

pub(super) fn parse(
    arguments: &[OsString],
    variables: &Variables,
    password: Option<OsString>,
) -> Result<Invocation, String> {
    let Flags { nodes, timeout } = match Flags::try_parse_from(arguments) {
        Ok(flags) => flags,
        Err(error) => return refusal(&error, WRONG_USAGE),
    };
    Ok(match nodes_to_ask(nodes, variables) {
        Ok(nodes) => Invocation::Wait(Waiting { nodes, patience: Duration::from_secs(timeout), password }),
        Err(text) => Invocation::Refused { text, status: WRONG_USAGE },
    })
}

/// The nodes that the command line names, or else the environment; or else the one that a server would be which is
/// started in this environment.
///
/// # Errors
/// What is wrong with those of the environment.
pub(super) fn nodes_to_ask(named: Option<NodeList>, variables: &Variables) -> Result<Vec<Address>, String> {
    match named.map(Ok).or_else(|| said_nodes(variables)) {
        Some(Ok(NodeList(nodes))) => Ok(nodes),
        Some(Err(reason)) => Err(format!("SLOTD_CLUSTER_NODES: {reason}")),
        None => Ok(vec![own_node(variables)]),
    }
}

/// Nodes that are asked: a thread for each, which nothing can stop while it looks up a name.
struct Asked {
    /// Whether a node's thread has not answered yet.
    busy: Vec<bool>,
    answer: mpsc::Sender<(usize, Option<String>)>,
    answers: mpsc::Receiver<(usize, Option<String>)>,
}

impl Asked {
    fn new(nodes: usize) -> Self {
        let (answer, answers) = mpsc::channel();
        Self { busy: vec![false; nodes], answer, answers }
    }
}

impl Waiting {
    /// Waits; `tell` gets a line whenever something has changed. Returns the line to print.
    ///
    /// # Errors
    /// The lines to print if the nodes were not ready in time: what each of them lacked.
    pub(crate) fn run(&self, mut tell: impl FnMut(String)) -> Result<String, String> {
        let began = Instant::now();
        let (mut said, mut asked) = (String::new(), Asked::new(self.nodes.len()));
        loop {
            let left = self.patience.saturating_sub(began.elapsed());
            let problems = self.problems(left.as_millis() as u64, &mut asked);
            if problems.is_empty() {
                let (nodes, seconds) = (counted(self.nodes.len()), began.elapsed().as_secs_f64());
                return Ok(format!("{nodes} ready after {seconds:.1} s"));
            }
            let line = progress(self.nodes.len(), &problems);
            if began.elapsed() + PAUSE >= self.patience {
                let seconds = self.patience.as_secs();
                let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
                return Err(format!("not ready after {seconds} s:{}", lines.concat()));
            }
            if line != said {
                tell(line.clone());
                said = line;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What keeps the nodes from being ready, in their order. All are asked at once; one whose name is still looked up
    /// since an earlier round is not asked again.
    fn problems(&self, left_ms: u64, asked: &mut Asked) -> Vec<String> {
        let answer_ms = left_ms.clamp(ANSWER_MS.0, ANSWER_MS.1);
        let until = Instant::now() + Duration::from_millis(answer_ms) + GRACE;
        let mut found: Vec<Option<String>> =
            self.nodes.iter().map(|address| Some(format!("{address}: its name is being looked up"))).collect();
        for (index, address) in self.nodes.iter().enumerate() {
            if std::mem::replace(&mut asked.busy[index], true) {
                continue;
            }
            let (answer, probe) = (asked.answer.clone(), self.probe(address, answer_ms));
            let ask = move || {
                // The receiver may have stopped to wait.
                let _ = answer.send((index, probe.run().err()));
            };
            if let Err(error) = thread::spawn("wait", ask) {
                asked.busy[index] = false;
                found[index] = Some(format!("{address}: starting a thread: {error}"));
            }
        }
        while asked.busy.contains(&true) {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((index, why)) = asked.answers.recv_timeout(left) else { break };
            asked.busy[index] = false;
            found[index] = why;
        }
        found.into_iter().flatten().collect()
    }

    fn probe(&self, address: &Address, answer_ms: u64) -> Probe {
        Probe {
            host: address.host.clone(),
            port: address.port.to_string().parse().ok(),
            ready: true,
            timeout: answer_ms,
            password: self.password.clone(),
            members: self.nodes.len() as u64,
        }
    }
}

fn counted(nodes: usize) -> String {
    if nodes == 1 { "1 node is".to_owned() } else { format!("{nodes} nodes are") }
}

/// `2 of 6 nodes are ready; node3:6379: Connection refused (and 3 more)`
fn progress(nodes: usize, problems: &[String]) -> String {
    let first = problems.first().map_or("", String::as_str);
    let more = problems.len().saturating_sub(1);
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("{} of {nodes} ready; {first}{more}", nodes - problems.len())
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
