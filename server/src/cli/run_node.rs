//! Running one node: configuration, log, sockets, until a signal or a command ends it.
//!
//! A node starts as redis-server does, so that scripts and test suites that watch its log find the lines they wait for:
//! first the configuration (an error in it goes to standard error and ends the process with status 1), then the
//! sockets, then `Ready to accept connections`.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{IsTerminal, Read};
use std::sync::Arc;

use super::logs::start_log;
use super::run::{Call, PidFile, keep_pages_small, listen, waiting_room};
use super::{NodeArgs, forming, title};
use crate::base::clock::{Clock, SystemClock};
use crate::config::file::LoadError;
use crate::config::{Config, ids};
use crate::engine::Engine;
use crate::logging::NodeLog;
use crate::logging::outlet::Outlet;
use crate::node::{Environment, Node, StartError, commands};
use crate::runtime::descriptors;
use crate::runtime::threads::Threads;
use crate::signals::Ending;

/// Runs one node until a signal or a command ends it; returns the exit status. An error is for standard error: there is
/// no log yet.
pub(super) fn run_node(args: NodeArgs, call: &Call) -> Result<u8, String> {
    let nothing_said = args == NodeArgs::default();
    let said_in_environment = args.environment.summary();
    let formation = args.environment.formation.clone();
    let (config, stdin) = load_config(args, call)?;
    let seeds = forming::seeds_of(&config)?;
    if let Some(status) = call.send_to_background(&config, stdin.as_deref(), false)? {
        return Ok(status);
    }
    keep_pages_small(&config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = start_log(&config, &clock, &call.console)?;
    log_start(&log, &config.string(ids::SERVER_VERSION_ANNOUNCED), nothing_said.then_some(&call.program));
    if let Some(line) = said_in_environment {
        log.notice(format_args!("{line}"));
    }
    call.warn(&config, &log);
    let _held = hold_directory(&config, &log);
    let refusal = Refusal::new(call, &config, &log);
    if config.int(ids::PORT) == 0 {
        refusal.say(format_args!("Configured to not listen anywhere, exiting."));
        return Ok(1);
    }

    if let Err(too_few) = descriptors::make_room_to_start(config.int(ids::MAXCLIENTS) as u64, &log) {
        refusal.say(format_args!("{too_few}"));
        return Ok(1);
    }
    let about = About::of(&config);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Nodes live on these threads but do not own them: the threads stop when this is dropped, after the node.
    let threads = Arc::new(Threads::start(workers).map_err(|error| format!("Starting threads: {error}"))?);
    let give_back = threads.give_back_memory();
    let environment =
        Environment { threads, clock, log: log.clone(), ephemeral: false, buses: Arc::default(), registry: commands() };
    let room = waiting_room().map_err(|error| format!("Starting the runtime: {error}"))?;
    let mut signals = listen(&room)?;
    let started = signals.attend_start(&room, &log, || call.console.settle(), || Node::start(&environment, config));
    let node = match started.map_err(|error| format!("Starting a thread: {error}"))? {
        Ok(node) => node,
        Err(error) => {
            refusal.explain(&error);
            return Ok(1);
        }
    };
    let pid_file = PidFile::create(&node.engine().config, &log);
    about.log_mode(&log, node.port());
    log.warning(format_args!("Server initialized"));
    log.notice(format_args!("Ready to accept connections"));
    show_title(call, node.engine())?;
    if let Some(formation) = formation {
        forming::start(formation, &node, &log).map_err(|error| format!("Starting a thread: {error}"))?;
    }
    forming::seek(seeds, &node, &log).map_err(|error| format!("Starting a thread: {error}"))?;

    let ended = async {
        tokio::select! {
            status = node.engine().state.stop_requested() => status,
            // This thread has loaded the data on disk.
            never = give_back => match never {},
        }
    };
    let status = match room.block_on(signals.attend(&node, &log, ended)) {
        Ending::InOrder(status) => status,
        Ending::AtOnce => {
            node.persistence().remove_temporary();
            call.console.exit(1)
        }
    };
    drop(node);
    drop(pid_file);
    log.warning(format_args!("Redis is now ready to exit, bye bye..."));
    Ok(status as u8)
}

/// Holds the directory of a node until it ends, and warns if another one has it. In a cluster nodes.conf is held, and a
/// second node does not start; here it does, as in Redis, since both may save to files of different names.
fn hold_directory(config: &Config, log: &NodeLog) -> Option<File> {
    let directory = config.directory();
    let file = File::open(&directory).ok().filter(|_| !config.bool(ids::CLUSTER_ENABLED))?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock) => {
            let (place, name) = (directory.display(), config.string(ids::DBFILENAME));
            log.warning(format_args!(
                "WARNING another node works in {place}: of two that save to {name} there the last one wins. Give each a \
                 directory, or in containers a volume, of its own"
            ));
            None
        }
        Err(TryLockError::Error(_)) => None,
    }
}

/// Where a node says why it does not start: in its log. Not on standard error, as in Redis: its test suite takes any
/// output there for a crash. But in the background nobody sees a log that is a file, and the command that waits for
/// the node is to say why it failed.
struct Refusal<'a> {
    log: &'a NodeLog,
    /// Standard error, if the log alone is not enough.
    also: Option<&'a Outlet>,
}

impl<'a> Refusal<'a> {
    fn new(call: &'a Call, config: &Config, log: &'a NodeLog) -> Self {
        let hidden = call.in_background && !config.bytes(ids::LOGFILE).is_empty();
        Self { log, also: hidden.then_some(&call.console.err) }
    }

    fn say(&self, why: std::fmt::Arguments<'_>) {
        self.log.warning(why);
        if let Some(err) = self.also {
            err.put(format!("{why}\n"));
        }
    }

    /// Says why the node did not start, in Redis's words where it has some.
    fn explain(&self, error: &StartError) {
        let (problem, kind) = match error {
            StartError::Bind(problem) => (problem, "TCP"),
            StartError::Bus { problem, .. } => (problem, "cluster"),
            other => return self.say(format_args!("{other}")),
        };
        if !problem.is_taken() {
            let name = &problem.name;
            self.say(format_args!("bind {name}: give an address of this machine, or * for all that it has"));
        }
        self.say(format_args!("Warning: {problem}"));
        self.say(format_args!("Failed listening on port {} ({kind}), aborting.", problem.port));
    }
}

/// Sets the process title, and changes it when CONFIG SET does.
fn show_title(call: &Call, engine: &Arc<Engine>) -> Result<(), String> {
    let (title, config) = (call.program.to_string_lossy().into_owned(), &engine.config);
    let listen = move |config: &Config| {
        let first = config.bind_addresses().first().map(|name| name.trim_start_matches('-').to_owned());
        format!("{}:{}", first.unwrap_or_else(|| "*".to_owned()), config.int(ids::PORT))
    };
    // If the title cannot be written, there is none.
    let _ = title::set(config, &title, &listen(config));
    call.serves()?;
    config.on_change(&[ids::PROC_TITLE_TEMPLATE], move |config, _| {
        let _ = title::set(config, &title, &listen(config));
        Ok(())
    });
    Ok(())
}

/// Loads the configuration; returns it with what standard input held.
fn load_config(mut args: NodeArgs, call: &Call) -> Result<(Config, Option<Vec<u8>>), String> {
    let here = std::env::current_dir().map_err(|error| format!("The working directory is gone: {error}"))?;
    let mut stdin = None;
    if std::mem::take(&mut args.read_stdin) {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map_err(|error| format!("Reading standard input: {error}"))?;
        stdin = Some(text);
    }
    let config = Config::new(here);
    config.load(&args.sources(stdin.clone())).map_err(|error| {
        let helpful = matches!(error, LoadError::Open { .. } | LoadError::Option { .. });
        match super::hint(&call.program, &call.words).filter(|_| helpful) {
            Some(hint) => format!("{error}\n{hint}"),
            None => error.to_string(),
        }
    })?;
    args.environment.check_password(&config)?;
    if args.environment.formation.is_some() && !config.bool(ids::CLUSTER_ENABLED) {
        return Err("SLOTD_CLUSTER_NODES and 'cluster-enabled no' contradict each other: leave one of them out".into());
    }
    Ok((config, stdin))
}

/// `bare`: the program's name, if no configuration was given.
fn log_start(log: &NodeLog, version: &str, bare: Option<&OsStr>) {
    log.warning(format_args!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"));
    log.warning(format_args!(
        "Redis version={version}, bits={}, commit=00000000, modified=0, pid={}, just started (slotd {})",
        usize::BITS,
        std::process::id(),
        env!("CARGO_PKG_VERSION")
    ));
    match bare {
        None => log.warning(format_args!("Configuration loaded")),
        Some(program) => log.warning(format_args!(
            "Warning: no config file specified, using the default config. In order to specify a config file use {} \
             /path/to/redis.conf",
            program.display()
        )),
    }
}

/// What the log says of a node after its start.
struct About {
    mode: &'static str,
    /// `server-version-announced`
    version: Arc<str>,
    /// Log it in the lines that Redis prints beside its logo.
    show_logo: bool,
}

impl About {
    fn of(config: &Config) -> Self {
        let to_terminal = config.bytes(ids::LOGFILE).is_empty() && std::io::stdout().is_terminal();
        Self {
            mode: if config.bool(ids::CLUSTER_ENABLED) { "cluster" } else { "standalone" },
            version: config.string(ids::SERVER_VERSION_ANNOUNCED),
            show_logo: to_terminal || config.bool(ids::ALWAYS_SHOW_LOGO),
        }
    }

    fn log_mode(&self, log: &NodeLog, port: u16) {
        if !self.show_logo {
            return log.notice(format_args!("Running mode={}, port={port}.", self.mode));
        }
        log.notice(format_args!("slotd {}, as Redis {}", env!("CARGO_PKG_VERSION"), self.version));
        log.notice(format_args!("Running in {} mode", self.mode));
        log.notice(format_args!("Port: {port}"));
        log.notice(format_args!("PID: {}", std::process::id()));
    }
}
