//! The command line: what the words after `slotd` ask for.
//!
//! `slotd [redis.conf] [--directive value ...]` is read as redis-server reads it, because start scripts and test suites
//! depend on its every quirk ([`crate::engine::config::file::options_text`]); no parser of flags can do that. `slotd
//! cluster` is slotd's own: its few flags are clap's business, and whatever is no flag of it is a directive for every
//! node. Reading does nothing: the result says what to do, and `main` does it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use crate::engine::config::REDIS_VERSION;
use crate::engine::config::file::{Sources, options_text};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run one node.
    Node(NodeArgs),
    /// Run a whole cluster in this process.
    Cluster(ClusterArgs),
    /// Print this to standard output and be done.
    Print(String),
}

/// `slotd [redis.conf] [--directive value ...] [-]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeArgs {
    /// The configuration file, as it was written.
    pub config_file: Option<PathBuf>,
    /// Whether more configuration comes from standard input.
    pub read_stdin: bool,
    /// Directives, as lines of configuration.
    pub options: Vec<u8>,
}

impl NodeArgs {
    /// What [`crate::engine::config::Config::load`] takes; `stdin` is what was read if `read_stdin` asked for it.
    pub fn into_sources(self, stdin: Option<Vec<u8>>) -> Sources {
        Sources { file: self.config_file, stdin, options: self.options }
    }
}

/// `slotd cluster ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterArgs {
    /// Number of primaries, each with its share of the slots.
    pub shards: u16,
    /// Replicas of each primary.
    pub replicas: u16,
    /// Port of the first node, the others follow; 0 takes free ports.
    pub port: u16,
    /// Where the nodes keep their files, one directory each; without it, nothing outlives the process.
    pub dir: Option<PathBuf>,
    /// Print JSON for scripts.
    pub json: bool,
    /// Directives for every node, as lines of configuration.
    pub options: Vec<u8>,
}

impl ClusterArgs {
    /// How many nodes that makes.
    pub fn nodes(&self) -> usize {
        usize::from(self.shards) * (usize::from(self.replicas) + 1)
    }
}

/// Start a Redis Cluster in one process.
///
/// Every node has its own port, bus, data and directory; clients see a cluster of ordinary Redis nodes. Prints a line for
/// each node and then "ready", when every node says cluster_state:ok and every replica is online.
#[derive(Debug, Parser)]
#[command(
    name = "slotd cluster",
    no_binary_name = true,
    disable_version_flag = true,
    override_usage = "slotd cluster [--shards N] [--replicas N] [--port PORT] [--dir DIR] [--json] [--directive value ...]",
    after_help = "Any other --name is a directive of redis.conf for every node.\n\n\
                  Examples:\n  \
                  slotd cluster\n  \
                  slotd cluster --shards 5 --replicas 0 --port 0 --json\n  \
                  slotd cluster --dir ./data --cluster-node-timeout 2000 --save 60 1\n  \
                  redis-cli -c -p 7000"
)]
struct ClusterFlags {
    /// Number of primaries.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    shards: u16,
    /// Replicas of each primary.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=100))]
    replicas: u16,
    /// Port of the first node, the others follow; 0 takes free ports.
    #[arg(long, default_value_t = 7000)]
    port: u16,
    /// Directory for the nodes' files; without it they are temporary.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// The most nodes of one process.
const CLUSTER_NODES_MAX: usize = 1000;
/// The bus listens this far above the client port.
const BUS_PORT_OFFSET: usize = 10000;

const HELP: &str = "\
slotd - a Redis Cluster-compatible server

Usage:
  slotd [redis.conf] [--directive value ...] [-]   run one node ('-' reads more configuration from standard input)
  slotd cluster [--shards 3] [--replicas 1] [--port 7000] [--dir DIR] [--json] [--directive value ...]
                                                   run a whole cluster in one process
  slotd cluster --help                             all about that
  slotd --version
  slotd --help

Every directive of redis.conf may be given as --directive value; later ones win over the file.

Examples:
  slotd                                            a node on port 6379
  slotd /etc/redis/6379.conf --loglevel verbose
  slotd --port 7000 --cluster-enabled yes --dir /var/lib/slotd
  slotd --port 7001 --replicaof 127.0.0.1 7000
  echo 'maxmemory 128mb' | slotd -
  slotd --log-format json
  slotd cluster                                    3 primaries with a replica each, on ports 7000 to 7005
";

/// Reads the command line: the program's name as it was called, and the words after it.
///
/// # Errors
/// What to print to standard error before ending with status 1. Directives are not judged here: only loading them is.
pub fn parse(program: &OsStr, arguments: Vec<OsString>) -> Result<Invocation, String> {
    let first = arguments.first().map(|argument| argument.as_bytes()).unwrap_or_default();
    match first {
        b"-v" | b"--version" => return Ok(Invocation::Print(version())),
        b"-h" | b"--help" => return Ok(Invocation::Print(HELP.to_owned())),
        b"--test-memory" | b"--check-system" => {
            let option = String::from_utf8_lossy(first);
            return Err(format!("{option} is not supported by slotd"));
        }
        // As redis-server there are no subcommands, so this would be a configuration file.
        b"cluster" if !is_redis_server(program) => return parse_cluster(&arguments[1..]),
        _ => {}
    }
    let has_file = !first.is_empty() && first[0] != b'-';
    let mut arguments = arguments.into_iter();
    let mut node = NodeArgs::default();
    if has_file {
        node.config_file = arguments.next().map(PathBuf::from);
    }
    let arguments: Vec<Vec<u8>> = arguments.map(OsString::into_vec).collect();
    (node.options, node.read_stdin) = options_text(&arguments);
    Ok(Invocation::Node(node))
}

/// One line in the form of `redis-server --version`, whose `v=` scripts look for, with slotd's own version behind it.
pub fn version() -> String {
    let bits = usize::BITS;
    let own = env!("CARGO_PKG_VERSION");
    format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc=mimalloc bits={bits} build=0 slotd={own}\n")
}

fn is_redis_server(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("redis-server"))
}

fn parse_cluster(arguments: &[OsString]) -> Result<Invocation, String> {
    let (flags, directives) = split_cluster(arguments);
    let flags = match ClusterFlags::try_parse_from(flags) {
        Ok(flags) => flags,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(error.render().to_string()),
    };
    let (options, read_stdin) = options_text(&directives);
    if read_stdin {
        return Err("slotd cluster reads no configuration from standard input".into());
    }
    let ClusterFlags { shards, replicas, port, dir, json } = flags;
    let cluster = ClusterArgs { shards, replicas, port, dir, json, options };
    let nodes = cluster.nodes();
    if nodes > CLUSTER_NODES_MAX {
        return Err(format!("{nodes} nodes are more than one process runs ({CLUSTER_NODES_MAX})"));
    }
    let last_bus_port = usize::from(port) + nodes - 1 + BUS_PORT_OFFSET;
    if port != 0 && last_bus_port > usize::from(u16::MAX) {
        let most = usize::from(u16::MAX) - BUS_PORT_OFFSET - nodes + 1;
        return Err(format!(
            "--port {port} leaves no room for {nodes} nodes and their bus ports ({BUS_PORT_OFFSET} above): {most} is the most"
        ));
    }
    Ok(Invocation::Cluster(cluster))
}

/// Parts the flags of `slotd cluster` from directives. A directive goes on to the next word that starts with `--`.
fn split_cluster(arguments: &[OsString]) -> (Vec<OsString>, Vec<Vec<u8>>) {
    let command = ClusterFlags::command();
    let takes_value = |name: &[u8]| {
        let argument = command.get_arguments().find(|a| a.get_long().is_some_and(|long| long.as_bytes() == name))?;
        Some(argument.get_action().takes_values())
    };
    let (mut flags, mut directives) = (Vec::new(), Vec::new());
    let mut in_directive = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        let long = bytes.strip_prefix(b"--").map(|long| long.split(|b| *b == b'=').next().unwrap_or(long));
        match long.map(|name| (name, takes_value(name))) {
            Some((name, Some(takes_value))) => {
                in_directive = false;
                flags.push(word.clone());
                if takes_value && name.len() + 2 == bytes.len() {
                    flags.extend(words.next().cloned());
                }
            }
            Some((b"help", None)) => flags.push(word.clone()),
            Some((_, None)) => {
                in_directive = true;
                directives.push(bytes.to_vec());
            }
            None if in_directive => directives.push(bytes.to_vec()),
            None => flags.push(word.clone()),
        }
    }
    (flags, directives)
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
