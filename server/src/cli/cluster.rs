//! `slotd cluster`: clap reads its few flags; every other word is a directive for all nodes. What the flags leave open
//! the environment may say.
//!
//! What cannot work is refused here, before anything is started: an unknown option, with the nearest known one; and two
//! options that contradict each other, with the names of both. A directive that is valid for one node may be wrong for
//! several that share a machine; those are refused as well.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};

use super::environment::{Environment, REPLICAS, SHARDS};
use super::variables::Variables;
use super::{Invocation, refusal, version};
use crate::base::nearest::nearest;
use crate::config::directive::DirectiveId;
use crate::config::file::{LoadError, Sources, is_known, options_text};
use crate::config::{Config, ids, table, words};
use crate::embedded::{NODES_MAX, check_directives, check_ports};
use crate::healthcheck::Ports;

/// `slotd cluster ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterArgs {
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
    /// Address to listen on: `bind` in one word.
    pub host: Option<OsString>,
    /// Password of clients and among the nodes: `requirepass` and `masterauth` in one word.
    pub password: Option<OsString>,
    /// Directives for every node, as lines of configuration.
    pub options: Vec<u8>,
    /// What the environment says.
    pub environment: Environment,
}

/// Port of the first node, if nothing is said.
const PORT: u16 = 7000;

/// Start a Redis Cluster in one process.
///
/// Every node has its own port, bus, data and directory; clients see a cluster of ordinary Redis nodes. Prints a line
/// for each node and then "ready", when every node says cluster_state:ok and every replica is online.
#[derive(Debug, Parser)]
#[command(
    name = "slotd cluster",
    no_binary_name = true,
    disable_version_flag = true,
    override_usage = "slotd cluster [--shards N] [--replicas N] [--port PORT] [--host ADDR] [--password WORD] [--dir DIR] [--json]\n       \
                      [--directive value ...]",
    after_help = "Any other --name is a directive of redis.conf for every node. Defaults that differ from those of a node:\n  \
                  --cluster-node-timeout 2000   (milliseconds; 15000 on a node)\n  \
                  --bind 127.0.0.1\n  \
                  --loglevel warning            (to standard error, with the name of the node; --logfile: in each node's directory)\n  \
                  --save ''                     without --dir\n\
                  In the environment: SLOTD_SHARDS, SLOTD_REPLICAS, SLOTD_PORT, SLOTD_DIR, SLOTD_PASSWORD, SLOTD_PASSWORD_FILE, and every\n  \
                  directive (SLOTD_MAXMEMORY=100mb). With SLOTD_MODE=cluster this is what slotd alone does.\n\
                  A configuration file for every node, which also keeps a password off the command line: --include FILE\n\n\
                  Examples:\n  \
                  slotd cluster\n  \
                  slotd cluster --shards 5 --replicas 0 --port 0 --json\n  \
                  slotd cluster --dir ./data --cluster-node-timeout 5000 --save 60 1\n  \
                  redis-cli -c -p 7000"
)]
struct ClusterFlags {
    /// Number of primaries.
    #[arg(long, default_value_t = SHARDS, allow_hyphen_values = true, value_parser = number(1, 1000))]
    shards: u16,
    /// Replicas of each primary.
    #[arg(long, default_value_t = REPLICAS, allow_hyphen_values = true, value_parser = number(0, 100))]
    replicas: u16,
    /// Port of the first node, the others follow; 0 takes free ports.
    #[arg(long, default_value_t = PORT, allow_hyphen_values = true, value_parser = number(0, u16::MAX))]
    port: u16,
    /// Address to listen on, as --bind.
    #[arg(long, value_name = "ADDR")]
    host: Option<OsString>,
    /// Password for clients, as --requirepass, and among the nodes.
    #[arg(long, value_name = "WORD")]
    password: Option<OsString>,
    /// Directory for the nodes' files; without it they are temporary.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// Reads a number within a range; the error for any other word names the range.
fn number(least: u16, most: u16) -> impl Fn(&str) -> Result<u16, String> + Clone + Send + Sync + 'static {
    move |word| {
        let number = word.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("give a number from {least} to {most}"))
    }
}

/// What differs from the defaults of a node. All nodes run in one process, so none is ever unreachable by itself: a
/// short timeout costs nothing, and tests that kill a node need not wait long.
const DEFAULTS: &[u8] = b"cluster-enabled yes\ncluster-node-timeout 2000\nloglevel warning\nbind 127.0.0.1\n";
/// What differs from these in a container, which is reached only over its network.
const IN_CONTAINER: &[u8] = b"bind 0.0.0.0\nprotected-mode no\n";

pub(super) fn parse(arguments: &[OsString], variables: &Variables) -> Result<Invocation, String> {
    match arguments.first().map(|word| word.as_bytes()) {
        Some(b"--version" | b"-v" | b"version") => return Ok(Invocation::Print(version())),
        Some(b"help") => return parse(&["--help".into()], variables),
        _ => {}
    }
    let (flags, directives) = split(arguments)?;
    let asks_for_help = flags.iter().any(|flag| flag == "--help" || flag == "-h");
    let mut environment = if asks_for_help { Environment::default() } else { Environment::read(variables, true)? };
    let flags = match read_flags(flags, &mut environment) {
        Ok(flags) => flags,
        Err(error) => return refusal(&error, 1),
    };
    let (options, read_stdin) = options_text(&directives);
    if read_stdin {
        return Err(no_option(&"-".into()));
    }
    let ClusterFlags { shards, replicas, port, host, password, dir, json } = flags;
    let in_container = environment.container.then(|| PathBuf::from("."));
    let dir = dir.or_else(|| environment.dir.clone()).or(in_container);
    let cluster = ClusterArgs { shards, replicas, port, dir, json, host, password, options, environment };
    let nodes = cluster.nodes();
    if nodes > NODES_MAX {
        return Err(format!(
            "--shards {shards} --replicas {replicas} makes {nodes} nodes, more than one process runs ({NODES_MAX})"
        ));
    }
    if let Some((said, ports)) = cluster.environment.range.as_ref().filter(|(_, ports)| *ports != nodes) {
        return Err(format!(
            "{said} names {ports} ports, and {shards} shards with {replicas} replicas each are {nodes} nodes: name as many \
             ports, or the first one only"
        ));
    }
    Ok(Invocation::Cluster(cluster))
}

/// The flags; what they leave open the environment may say.
fn read_flags(words: Vec<OsString>, environment: &mut Environment) -> Result<ClusterFlags, clap::Error> {
    let found = ClusterFlags::command().try_get_matches_from(words)?;
    let mut flags = ClusterFlags::from_arg_matches(&found)?;
    let is_open = |name: &str| found.value_source(name) == Some(ValueSource::DefaultValue);
    let port = environment.port.map(Ports::first);
    // A range beside --port says nothing.
    environment.range = environment.range.take().filter(|_| is_open("port"));
    for (name, flag, said) in [
        ("shards", &mut flags.shards, environment.shards),
        ("replicas", &mut flags.replicas, environment.replicas),
        ("port", &mut flags.port, port),
    ] {
        *flag = said.filter(|_| is_open(name)).unwrap_or(*flag);
    }
    Ok(flags)
}

/// Whether a word is an option that only `slotd cluster` has.
pub(super) fn is_own_option(word: &OsString) -> bool {
    let Some(name) = word.as_bytes().strip_prefix(b"--") else { return false };
    let name = name.split(|byte| *byte == b'=').next().unwrap_or(name);
    flag(name).is_some() && table::find(name).is_none()
}

/// Whether the flag of this name takes a value, if there is such a flag.
fn flag(name: &[u8]) -> Option<bool> {
    let command = ClusterFlags::command();
    let argument = command.get_arguments().find(|a| a.get_long().is_some_and(|long| long.as_bytes() == name))?;
    Some(argument.get_action().takes_values())
}

/// Separates the flags of `slotd cluster` from directives. A directive extends to the next word that starts with `--`,
/// but its first value may itself start with `--`, as in redis-server.
fn split(arguments: &[OsString]) -> Result<(Vec<OsString>, Vec<Vec<u8>>), String> {
    let (mut flags, mut directives) = (Vec::new(), Vec::new());
    // Whether the words belong to a directive, and whether it still lacks a value.
    let (mut in_directive, mut lacks_value) = (false, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        let long = bytes.strip_prefix(b"--").map(|long| long.split(|b| *b == b'=').next().unwrap_or(long));
        match long.map(|name| (name, flag(name))) {
            Some((name, Some(takes_value))) => {
                in_directive = false;
                flags.push(word.clone());
                if takes_value && name.len() + 2 == bytes.len() {
                    flags.extend(words.next().cloned());
                }
            }
            Some((b"help", None)) => flags.push(word.clone()),
            Some((name, None)) => {
                let first = name.split(|byte| *byte == b' ').next().unwrap_or(name);
                let is_value = in_directive && lacks_value;
                if !is_value && !is_known(first) {
                    return Err(unknown(&String::from_utf8_lossy(first)));
                }
                (in_directive, lacks_value) = (true, !is_value && first.len() + 2 == bytes.len());
                directives.push(bytes.to_vec());
            }
            None if in_directive => {
                lacks_value = false;
                directives.push(bytes.to_vec());
            }
            None if bytes == b"-h" => flags.push(word.clone()),
            None => return Err(no_option(word)),
        }
    }
    Ok((flags, directives))
}

/// The error for a word that may be meant as a configuration file, which only a single node takes.
fn no_option(word: &OsString) -> String {
    let word = word.display();
    format!(
        "unexpected argument '{word}': slotd cluster takes options only. --include FILE reads a configuration file for every node; \
         slotd cluster --help says more"
    )
}

fn unknown(name: &str) -> String {
    let flags: Vec<String> =
        ClusterFlags::command().get_arguments().filter_map(|flag| flag.get_long().map(str::to_owned)).collect();
    let directives = table::all().flat_map(|(_, directive)| std::iter::once(directive.name).chain(directive.alias));
    let meant = nearest(name, flags.iter().map(String::as_str).chain(directives).chain(["help", "version"]));
    let meant = meant.map_or_else(String::new, |meant| format!(" Did you mean '--{meant}'?"));
    format!("unknown option '--{name}': neither an option of slotd cluster nor a directive of redis.conf.{meant}")
}

/// The configuration that the command line gives to every node.
pub(crate) struct Settled {
    /// Directives for every node, as lines of configuration.
    pub directives: Vec<u8>,
    /// The same, parsed.
    pub config: Config,
}

impl ClusterArgs {
    /// How many nodes there will be.
    pub(crate) fn nodes(&self) -> usize {
        usize::from(self.shards) * (usize::from(self.replicas) + 1)
    }

    /// Reads the directives, and checks them together with the flags.
    ///
    /// # Errors
    /// A directive that is not valid, or the names of two options that contradict each other.
    pub(crate) fn settle(&self) -> Result<Settled, String> {
        let mut directives = DEFAULTS.to_vec();
        if self.environment.container {
            directives.extend_from_slice(IN_CONTAINER);
        }
        directives.extend(self.variables()?);
        let mut say = |name: &str, value: &[u8]| {
            directives.extend([name.as_bytes(), b" ", &words::quote(value), b"\n"].concat());
        };
        if let Some(password) = &self.password {
            say("requirepass", password.as_bytes());
        }
        if let Some(host) = &self.host {
            say("bind", host.as_bytes());
        }
        directives.extend_from_slice(&self.options);
        directives.push(b'\n');
        let here = std::env::current_dir().map_err(|error| format!("the working directory is gone: {error}"))?;
        let config = Config::new(here);
        let sources = Sources { options: directives.clone(), ..Sources::default() };
        config.load_values(&sources).map_err(|error| match error {
            LoadError::Option { text, reason } => format!("--{text}: {reason}"),
            LoadError::Whole { reason, .. } => format!("slotd cluster: {reason}"),
            other => other.to_string(),
        })?;
        self.check_flags(&config)?;
        self.check_nodes(&config)?;
        self.environment.check_password(&config)?;
        let password = config.bytes(ids::REQUIREPASS);
        if !password.is_empty() && config.bytes(ids::MASTERAUTH).is_empty() {
            // The nodes are each other's clients.
            directives.extend([b"masterauth ", words::quote(&password).as_slice(), b"\n"].concat());
        }
        Ok(Settled { directives, config })
    }

    /// The lines of what the environment says and the command line does not.
    fn variables(&self) -> Result<Vec<u8>, String> {
        let mut environment = self.environment.clone();
        let mut options = self.options.clone();
        if self.password.is_some() {
            options.extend_from_slice(b"\nrequirepass \"\"\nmasterauth \"\"");
        }
        if self.host.is_some() {
            options.extend_from_slice(b"\nbind \"\"");
        }
        environment.yield_to(&options);
        let lines =
            environment.directives.iter().flat_map(|variable| [variable.line.as_slice(), b"\n"].concat()).collect();
        // They are loaded once by themselves, so that an error names the variable.
        let here = std::env::current_dir().map_err(|error| format!("the working directory is gone: {error}"))?;
        let sources = Sources { environment: environment.directives, ..Sources::default() };
        Config::new(here).load_values(&sources).map_err(|error| error.to_string())?;
        Ok(lines)
    }

    /// Checks flags and directives for contradictions.
    fn check_flags(&self, config: &Config) -> Result<(), String> {
        let differs = |flag: &Option<OsString>, directive| {
            flag.as_ref().is_some_and(|value| value.as_bytes() != &*config.bytes(directive))
        };
        let contradiction = |flag, directive: DirectiveId| {
            Err(format!("--{flag} and --{} contradict each other: give one of them", directive.directive().name))
        };
        if differs(&self.password, ids::REQUIREPASS) {
            return contradiction("password", ids::REQUIREPASS);
        }
        if differs(&self.host, ids::BIND) {
            return contradiction("host", ids::BIND);
        }
        if !config.bool(ids::CLUSTER_ENABLED) {
            return Err(
                "'slotd cluster' and '--cluster-enabled no' contradict each other: a lone node is 'slotd'".into()
            );
        }
        let (password, among_nodes) = (config.bytes(ids::REQUIREPASS), config.bytes(ids::MASTERAUTH));
        if !among_nodes.is_empty() && among_nodes != password {
            return Err(
                "--masterauth and --requirepass contradict each other: every node is a client of others, and would \
                        not be let in"
                    .into(),
            );
        }
        Ok(())
    }

    /// Checks for directives that several nodes cannot share.
    fn check_nodes(&self, config: &Config) -> Result<(), String> {
        let nodes = self.nodes();
        check_ports(self.port, nodes, config).map_err(|text| format!("--{text}"))?;
        check_directives(config, nodes, usize::from(self.replicas))?;
        for id in [ids::CLUSTER_PORT, ids::CLUSTER_ANNOUNCE_PORT, ids::CLUSTER_ANNOUNCE_BUS_PORT] {
            if nodes > 1 && config.int(id) != 0 {
                let (name, shards, replicas) = (id.directive().name, self.shards, self.replicas);
                return Err(format!(
                    "--{name} {} and --shards {shards} --replicas {replicas} contradict each other: {nodes} nodes cannot \
                     have the same port",
                    config.int(id)
                ));
            }
        }
        let file = config.string(ids::CLUSTER_CONFIG_FILE);
        if nodes > 1 && file.contains('/') {
            return Err(format!(
                "--cluster-config-file {file} names one file for {nodes} nodes: give a name without a directory"
            ));
        }
        Ok(())
    }
}
