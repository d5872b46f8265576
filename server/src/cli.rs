//! The command line: what the words after `slotd` ask for.
//!
//! `slotd [redis.conf] [--directive value ...]` is read as redis-server reads it, because start scripts and test suites
//! depend on all its quirks (`config::file::options_text`); no flag parser reproduces them. `slotd cluster` is slotd's
//! own (`cli/cluster.rs`). Below the command line is the environment (`cli/environment.rs`): every directive can be a
//! variable. Reading both has no effects: the result says what to do, and [`main`] does it.
//! Two more things belong to the command line: hiding passwords on it (`title`), and running it again in the background
//! (`background`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::Parser as _;

use crate::base::nearest::nearest;
use crate::config::REDIS_VERSION;
use crate::config::file::{Sources, options_text};
use crate::healthcheck::Probe;

mod aliases;
mod background;
mod cluster;
mod console;
mod doctor;
mod environment;
mod forming;
mod handover;
mod logs;
mod node_list;
mod run;
mod run_cluster;
mod run_node;
#[cfg(test)]
mod scripted;
mod title;
mod variables;
mod wait;

pub use crate::base::allocator::Allocator;
pub(crate) use cluster::{ClusterArgs, Settled};
use doctor::Doctor;
use environment::Environment;
use handover::Handover;
pub use run::main;
use variables::Variables;
use wait::Waiting;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Run one node.
    Node(NodeArgs),
    /// Run a whole cluster in this process.
    Cluster(ClusterArgs),
    /// Ask a node how it is.
    Healthcheck(Probe),
    /// Hand the slots of a primary over.
    Handover(Handover),
    /// Wait until nodes are ready.
    Wait(Waiting),
    /// Examine a cluster.
    Doctor(Doctor),
    /// Print this to standard output and end.
    Print(String),
    /// Print this to standard error and end with another status than 1.
    Refused {
        /// What is wrong.
        text: String,
        /// The exit status.
        status: u8,
    },
}

/// `slotd [redis.conf] [--directive value ...] [-]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeArgs {
    /// The configuration file, as it was written.
    pub config_file: Option<PathBuf>,
    /// Whether more configuration comes from standard input.
    pub read_stdin: bool,
    /// Directives, as lines of configuration.
    pub options: Vec<u8>,
    /// What the environment says.
    pub environment: Environment,
}

/// The default of a container: it is reached only over its network, and whoever sets a password is asked for it.
const IN_CONTAINER: &[u8] = b"protected-mode no\n";

impl NodeArgs {
    /// The sources for [`crate::config::Config::load`]; `stdin` is what was read if `read_stdin` asked for it.
    pub(crate) fn sources(&self, stdin: Option<Vec<u8>>) -> Sources {
        let mut environment = self.environment.clone();
        environment.yield_to(&self.options);
        Sources {
            defaults: if environment.container { IN_CONTAINER } else { b"" },
            file: self.config_file.clone(),
            stdin,
            environment: environment.directives,
            options: self.options.clone(),
            here: None,
        }
    }
}

/// Words that are not configuration files.
const SUBCOMMANDS: [&str; 7] = ["cluster", "doctor", "handover", "healthcheck", "help", "version", "wait"];

const HELP: &str = "\
slotd - a Redis Cluster-compatible server

Usage:
  slotd [redis.conf] [--directive value ...] [-]   run one node ('-' reads more configuration from standard input)
  slotd cluster [--shards 3] [--replicas 1] [--port 7000] [--host ADDR] [--password WORD] [--dir DIR] [--json]
                [--directive value ...]            run a whole cluster in one process
  slotd cluster --help                             all about that
  slotd healthcheck [--port PORT] [--ready]        ask a node whether it is alive, or ready; exit status 0 or 1
  slotd handover [--port PORT] [--timeout 20]      let a replica take over from a primary that is to be stopped; exit
                                                   status 0, 1 if it still has its slots, 2 for wrong usage, or 3
                                                   if the outcome could not be written
  slotd wait [--nodes HOST:PORT,...] [--timeout 60]
                                                   wait until nodes are ready; exit status 0, 1, or 2 for wrong usage
  slotd doctor [--nodes HOST:PORT] [--fix] [--json]
                                                   what a cluster would lose, and what is wrong with it; exit status 0, 1 if
                                                   something is found, 2 if that cannot be found out
  slotd --version
  slotd --help

Every directive of redis.conf may be given as --directive value, or in the environment as SLOTD_DIRECTIVE=value, with
underscores: SLOTD_MAXMEMORY_POLICY=allkeys-lru. Options win over variables, and both over the file. A directive that is
known and has no effect here says so in the log.

Environment:
  SLOTD_PASSWORD, SLOTD_PASSWORD_FILE              password for clients and among nodes, or the file that holds it; any
                                                   directive that is a secret may be in a file: SLOTD_REQUIREPASS_FILE
  SLOTD_MODE=cluster                               without other words: run slotd cluster, with SLOTD_SHARDS,
                                                   SLOTD_REPLICAS, SLOTD_PORT and SLOTD_DIR
  SLOTD_INCLUDE                                    file with further directives
  SLOTD_CLUSTER_NODES=HOST:PORT,...                the nodes of a cluster, this one included, which they form by themselves:
                                                   SLOTD_CLUSTER_REPLICAS (1) for each primary; the first node of the
                                                   list makes it, or the one that SLOTD_CLUSTER_CREATOR names

Examples:
  slotd                                            a node on port 6379
  slotd /etc/redis/6379.conf --loglevel verbose
  slotd --port 7000 --cluster-enabled yes --dir /var/lib/slotd
  slotd --port 7001 --replicaof 127.0.0.1 7000
  echo 'maxmemory 128mb' | slotd -
  slotd --log-format json
  slotd --port 7000 --daemonize yes --pidfile /run/slotd.pid
  slotd cluster                                    3 primaries with a replica each, on ports 7000 to 7005
";

/// Reads the command line: the program's name as it was called, the words after it, and the environment.
///
/// # Errors
/// The text for standard error before ending with status 1. Directives are not checked here; loading them does
/// that.
pub(crate) fn parse(program: &OsStr, arguments: Vec<OsString>, variables: &Variables) -> Result<Invocation, String> {
    let first = arguments.first().map(|argument| argument.as_bytes()).unwrap_or_default();
    match first {
        b"-v" | b"--version" => return Ok(Invocation::Print(version())),
        b"-h" | b"--help" => return Ok(Invocation::Print(HELP.to_owned())),
        b"--test-memory" | b"--check-system" => {
            let option = String::from_utf8_lossy(first);
            return Err(format!("{option} is not supported by slotd"));
        }
        // Under the name redis-server there are no subcommands; these words would be configuration files.
        b"cluster" if !is_redis_server(program) => return cluster::parse(&arguments[1..], variables),
        b"help" if !is_redis_server(program) => return Ok(Invocation::Print(HELP.to_owned())),
        b"version" if !is_redis_server(program) => return Ok(Invocation::Print(version())),
        b"doctor" | b"handover" | b"wait" if !is_redis_server(program) => {
            let password = password_of(variables, &environment::of_nodes(variables));
            let parse = match first {
                b"doctor" => doctor::parse,
                b"handover" => handover::parse,
                _ => wait::parse,
            };
            return parse(&arguments[1..], variables, password);
        }
        b"healthcheck" if !is_redis_server(program) => return parse_healthcheck(&arguments[1..], variables),
        _ if !is_redis_server(program) && environment::asks_for_cluster(variables)? => {
            return cluster::parse(&arguments, variables);
        }
        _ => {}
    }
    let has_file = !first.is_empty() && first[0] != b'-';
    let mut arguments = arguments.into_iter();
    let mut node = NodeArgs { environment: Environment::read(variables, false)?, ..NodeArgs::default() };
    if has_file {
        node.config_file = arguments.next().map(PathBuf::from);
    }
    let arguments: Vec<Vec<u8>> = arguments.map(OsString::into_vec).collect();
    (node.options, node.read_stdin) = options_text(&arguments);
    Ok(Invocation::Node(node))
}

/// A hint after an error with this command line, if there is one: a word that is no file may be a mistyped subcommand,
/// and an option that is no directive may belong to `slotd cluster`.
pub(crate) fn hint(program: &OsStr, arguments: &[OsString]) -> Option<String> {
    let first = arguments.first()?.to_str().filter(|_| !is_redis_server(program))?;
    if let Some(option) = arguments.iter().find(|argument| cluster::is_own_option(argument)) {
        return Some(format!("{} is an option of slotd cluster", option.display()));
    }
    let meant = nearest(first, SUBCOMMANDS)?;
    Some(format!("slotd has no subcommand '{first}'. Did you mean 'slotd {meant}'?"))
}

/// One line in the form of `redis-server --version`, whose `v=` scripts look for, with slotd's own version behind it.
pub(crate) fn version() -> String {
    let bits = usize::BITS;
    let own = env!("CARGO_PKG_VERSION");
    format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc=mimalloc bits={bits} build=0 slotd={own}\n")
}

fn is_redis_server(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("redis-server"))
}

/// The password for nodes: what redis-cli takes, or what a node takes.
fn password_of(variables: &Variables, known: &Environment) -> Option<OsString> {
    let said = variables::set(variables, "REDISCLI_AUTH").map(<[u8]>::to_vec);
    said.or_else(|| known.password()).map(OsString::from_vec)
}

fn parse_healthcheck(arguments: &[OsString], variables: &Variables) -> Result<Invocation, String> {
    match Probe::try_parse_from(arguments) {
        Ok(mut probe) => {
            let known = environment::of_nodes(variables);
            if probe.port.is_none() {
                probe.port = known.port.map_or_else(|| environment::said_port(variables), |port| Ok(Some(port)))?;
            }
            probe.password = password_of(variables, &known);
            Ok(Invocation::Healthcheck(probe))
        }
        Err(error) => refusal(&error, 1),
    }
}

/// What it comes to that clap does not read some words: the help that they ask for, or what is wrong with them, and the
/// exit status.
fn refusal(error: &clap::Error, status: u8) -> Result<Invocation, String> {
    let text = error.render().to_string();
    match status {
        _ if error.kind() == clap::error::ErrorKind::DisplayHelp => Ok(Invocation::Print(text)),
        1 => Err(text),
        status => Ok(Invocation::Refused { text, status }),
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
