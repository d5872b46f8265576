//! The `slotd` binary: command line, log, signals; everything else is the library's.
//!
//! A node starts as redis-server does, so that scripts and test suites that watch its log find the lines they wait for:
//! first the configuration (an error in it goes to standard error and ends the process with status 1), then the sockets,
//! then `Ready to accept connections`.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slotd::base::allocator::Allocator;
use slotd::base::clock::{Clock, SystemClock};
use slotd::cli::console::Console;
use slotd::cli::{self, ClusterArgs, Invocation, NodeArgs, Settled, background, title};
use slotd::embedded;
use slotd::engine::Engine;
use slotd::engine::config::file::LoadError;
use slotd::engine::config::{Config, REDIS_VERSION, ids};
use slotd::engine::descriptors;
use slotd::engine::threads::Threads;
use slotd::healthcheck::Probe;
use slotd::logging::outlet::Outlet;
use slotd::logging::{self, Format, Level, LineLayer, Lines, LogSettings, NodeLog};
use slotd::node::{Environment, Node, StartError};
use slotd::signals::{Ending, Signals};
use tracing_subscriber::layer::SubscriberExt;

/// Back to the beginning of the terminal's line, and what stands there goes.
const CLEAR_LINE: &str = "\r\x1b[K";

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let began = Instant::now();
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let mut words: Vec<OsString> = words.collect();
    let visible = title::hide_passwords(&program, &words).err();
    let in_background = background::is_child(&mut words);
    let console = Console::new();
    console.report_panics();
    let call = Call { program, words, in_background, visible, console };
    let outcome = match cli::parse(&call.program, call.words.clone()) {
        Ok(Invocation::Node(args)) => run_node(args, &call),
        Ok(Invocation::Cluster(args)) => run_cluster(&args, &call, began),
        Ok(Invocation::Healthcheck(probe)) => {
            let password = std::env::var_os("REDISCLI_AUTH");
            Probe { password, ..probe }.run().map(|line| {
                call.console.out.put(format!("{line}\n"));
                0
            })
        }
        Ok(Invocation::Print(text)) => {
            call.console.out.put(text);
            Ok(0)
        }
        Err(text) => Err(text),
    };
    let status = outcome.unwrap_or_else(|text| {
        call.console.err.put(format!("{text}\n"));
        1
    });
    call.console.settle();
    ExitCode::from(status)
}

/// How the program was called.
struct Call {
    program: OsString,
    words: Vec<OsString>,
    /// This is the process that `daemonize yes` asks for.
    in_background: bool,
    /// Why the passwords on the command line could not be hidden.
    visible: Option<std::io::Error>,
    console: Console,
}

impl Call {
    /// Whether somebody else has to run in the background; the exit status of this process then.
    fn send_to_background(&self, config: &Config, stdin: Option<&[u8]>, show: bool) -> Result<Option<u8>, String> {
        if self.in_background || !config.bool(ids::DAEMONIZE) {
            return Ok(None);
        }
        let status = background::start(&self.program, &self.words, stdin, show, &self.console);
        status.map(Some).map_err(|error| format!("Going to the background: {error}"))
    }

    /// Warns of what is not as one may expect.
    fn warn(&self, config: &Config, log: &NodeLog) {
        for warning in config.without_effect() {
            log.warning(format_args!("{warning}"));
        }
        if let Some(error) = &self.visible {
            log.warning(format_args!(
                "WARNING The passwords on the command line can be seen in the process list: {error}"
            ));
        }
    }

    /// The process serves clients, and who waits for it may go on.
    fn serves(&self) -> Result<(), String> {
        if self.in_background {
            background::serves(&self.console).map_err(|error| format!("Leaving the terminal: {error}"))?;
        }
        Ok(())
    }
}

/// Runs one node until a signal or a command ends it; the exit status. The error is for standard error: there was no log yet.
fn run_node(args: NodeArgs, call: &Call) -> Result<u8, String> {
    let nothing_said = args == NodeArgs::default();
    let (config, stdin) = load_config(args, call)?;
    if let Some(status) = call.send_to_background(&config, stdin.as_deref(), false)? {
        return Ok(status);
    }
    keep_pages_small(&config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = start_log(&config, &clock, &call.console)?;
    log_start(&log, nothing_said.then_some(&call.program));
    call.warn(&config, &log);
    if config.int(ids::PORT) == 0 {
        log.warning(format_args!("Configured to not listen anywhere, exiting."));
        return Ok(1);
    }

    if let Err(too_few) = descriptors::make_room_to_start(&config, &log) {
        log.warning(format_args!("{too_few}"));
        return Ok(1);
    }
    let about = About::of(&config);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Nodes live on these threads but do not keep them: they stop when this goes, after the node.
    let threads = Arc::new(Threads::start(workers).map_err(|error| format!("Starting threads: {error}"))?);
    let give_back = threads.give_back_memory();
    let environment = Environment { threads, clock, log: log.clone(), ephemeral: false, buses: Arc::default() };
    let room = waiting_room().map_err(|error| format!("Starting the runtime: {error}"))?;
    let mut signals = listen(&room)?;
    let started = signals.attend_start(&room, &log, || call.console.settle(), || Node::start(&environment, config));
    let node = match started.map_err(|error| format!("Starting a thread: {error}"))? {
        Ok(node) => node,
        // Told in the log and not on standard error, as by Redis: its test suite takes a word there for a crash.
        Err(error) => {
            match &error {
                StartError::Bind(problem) => {
                    log.warning(format_args!("Warning: {problem}"));
                    log.warning(format_args!("Failed listening on port {} (TCP), aborting.", problem.port));
                }
                StartError::Bus(problem) => {
                    log.warning(format_args!("Warning: {problem}"));
                    log.warning(format_args!("Failed listening on port {} (cluster), aborting.", problem.port));
                }
                other => log.warning(format_args!("{other}")),
            }
            return Ok(1);
        }
    };
    let pid_file = PidFile::create(&node.engine().config, &log);
    about.log_mode(&log, node.port());
    log.warning(format_args!("Server initialized"));
    log.notice(format_args!("Ready to accept connections"));
    show_title(call, node.engine())?;

    let ended = async {
        tokio::select! {
            status = node.engine().state.stop_requested() => status,
            // The data on disk were loaded by this thread.
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

/// Switches transparent huge pages off for this process, as `disable-thp` asks.
///
/// The allocator asks for them, and the first touch of each thread's heap then clears 2 MB: 12 MB and up to 4 ms for a node
/// that holds nothing yet. No test of four million keys was faster with them. A kernel that cannot is no reason to stop.
fn keep_pages_small(config: &Config) {
    if config.bool(ids::DISABLE_THP) {
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}

/// Shows the title, and another one when CONFIG SET changes it.
fn show_title(call: &Call, engine: &Arc<Engine>) -> Result<(), String> {
    let (title, config) = (call.program.to_string_lossy().into_owned(), &engine.config);
    let listen = move |config: &Config| {
        let first = config.bind_addresses().first().map(|name| name.trim_start_matches('-').to_owned());
        format!("{}:{}", first.unwrap_or_else(|| "*".to_owned()), config.int(ids::PORT))
    };
    // Where the process list cannot be written to, there is no title.
    let _ = title::set(config, &title, &listen(config));
    call.serves()?;
    config.on_change(&[ids::PROC_TITLE_TEMPLATE], move |config, _| {
        let _ = title::set(config, &title, &listen(config));
        Ok(())
    });
    Ok(())
}

/// The configuration, and what standard input had of it.
fn load_config(mut args: NodeArgs, call: &Call) -> Result<(Config, Option<Vec<u8>>), String> {
    let here = std::env::current_dir().map_err(|error| format!("The working directory is gone: {error}"))?;
    let mut stdin = None;
    if std::mem::take(&mut args.read_stdin) {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map_err(|error| format!("Reading standard input: {error}"))?;
        stdin = Some(text);
    }
    let config = Config::new(here);
    config.load(&args.into_sources(stdin.clone())).map_err(|error| {
        let helpful = matches!(error, LoadError::Open { .. } | LoadError::Option { .. });
        match cli::hint(&call.program, &call.words).filter(|_| helpful) {
            Some(hint) => format!("{error}\n{hint}"),
            None => error.to_string(),
        }
    })?;
    Ok((config, stdin))
}

/// Installs the process's log, which follows `loglevel` and `log-format` from then on.
fn start_log(config: &Config, clock: &Arc<dyn Clock>, console: &Console) -> Result<NodeLog, String> {
    let settings = LogSettings::new(Format::Redis, Level::Notice);
    let log = NodeLog::new(None);
    let follow = {
        let (settings, log) = (Arc::clone(&settings), log.clone());
        move |config: &Config| {
            let level = Level::from_number(config.int(ids::LOGLEVEL));
            log.set_level(level);
            settings.set_level(level);
            settings.set_format(Format::from_number(config.int(ids::LOG_FORMAT)));
        }
    };
    follow(config);
    config.on_change(&[ids::LOGLEVEL, ids::LOG_FORMAT], move |config, _| {
        follow(config);
        Ok(())
    });
    let out = if config.bytes(ids::LOGFILE).is_empty() {
        console.out.clone()
    } else {
        let file = logging::open(&config.path(ids::LOGFILE));
        let outlet = Outlet::file(file.map_err(|error| format!("Can't open the log file: {error}"))?);
        console.also_settle(&outlet);
        outlet
    };
    let lines = log_lines(settings, clock);
    lines.confess_to(&out);
    print_log(lines, Box::new(out))?;
    Ok(log)
}

fn log_lines(settings: Arc<LogSettings>, clock: &Arc<dyn Clock>) -> Arc<Lines> {
    let clock = Arc::clone(clock);
    Lines::new(settings, move || clock.now_ms())
}

/// The one log of this process.
fn print_log(lines: Arc<Lines>, out: Box<dyn Write + Send>) -> Result<(), String> {
    let layer = LineLayer::new(lines, out);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .map_err(|error| error.to_string())
}

/// `bare`: the program's name, if nothing was said of the configuration.
fn log_start(log: &NodeLog, bare: Option<&OsStr>) {
    log.warning(format_args!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"));
    log.warning(format_args!(
        "Redis version={REDIS_VERSION}, bits={}, commit=00000000, modified=0, pid={}, just started (slotd {})",
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

/// What the log says of a node when it has started.
struct About {
    mode: &'static str,
    /// Say it in the lines that Redis has beside its logo.
    show_logo: bool,
}

impl About {
    fn of(config: &Config) -> Self {
        let to_terminal = config.bytes(ids::LOGFILE).is_empty() && std::io::stdout().is_terminal();
        Self {
            mode: if config.bool(ids::CLUSTER_ENABLED) { "cluster" } else { "standalone" },
            show_logo: to_terminal || config.bool(ids::ALWAYS_SHOW_LOGO),
        }
    }

    fn log_mode(&self, log: &NodeLog, port: u16) {
        if !self.show_logo {
            return log.notice(format_args!("Running mode={}, port={port}.", self.mode));
        }
        log.notice(format_args!("slotd {}, as Redis {REDIS_VERSION}", env!("CARGO_PKG_VERSION")));
        log.notice(format_args!("Running in {} mode", self.mode));
        log.notice(format_args!("Port: {port}"));
        log.notice(format_args!("PID: {}", std::process::id()));
    }
}

/// The file that `pidfile` names, removed when the process ends in order.
struct PidFile(std::path::PathBuf);

impl PidFile {
    /// A file that cannot be written is none, as with Redis.
    fn create(config: &Config, log: &NodeLog) -> Option<Self> {
        let path = match (config.bytes(ids::PIDFILE).is_empty(), config.bool(ids::DAEMONIZE)) {
            (false, _) => config.path(ids::PIDFILE),
            (true, true) => std::path::PathBuf::from("/var/run/redis.pid"),
            (true, false) => return None,
        };
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                log.warning(format_args!("Failed to write PID file: {error}"));
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A runtime for the main thread, which only waits.
fn waiting_room() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// From here on signals are ours.
fn listen(room: &tokio::runtime::Runtime) -> Result<Signals, String> {
    let _inside = room.enter();
    Signals::new().map_err(|error| format!("Waiting for signals: {error}"))
}

/// Runs a whole cluster until a signal ends it.
fn run_cluster(args: &ClusterArgs, call: &Call, began: Instant) -> Result<u8, String> {
    let Settled { directives, config } = args.settle()?;
    if let Some(status) = call.send_to_background(&config, None, true)? {
        return Ok(status);
    }
    keep_pages_small(&config);
    let console = &call.console;
    let held = Held::new(config.int(ids::LOGLEVEL) == Level::Warning as i64, console.err.clone());
    let log = log_of_cluster(&config, held.clone())?;
    call.warn(&config, &log);
    held.hold();
    let pid_file = PidFile::create(&config, &log);
    let mut options = embedded::Options::new()
        .shards(usize::from(args.shards))
        .replicas(usize::from(args.replicas))
        .port(args.port)
        .directives(directives);
    if let Some(dir) = &args.dir {
        options = options.dir(dir);
    }
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        let err = console.err.clone();
        options = options.on_progress(move |progress| err.put(format!("{CLEAR_LINE}{progress}")));
    }
    waiting_room().map_err(|error| format!("Starting the runtime: {error}"))?.block_on(async {
        let mut signals = Signals::new().map_err(|error| format!("Waiting for signals: {error}"))?;
        let mut starting = embedded::Cluster::start_async(options);
        let cluster = tokio::select! {
            cluster = &mut starting => {
                if terminal && began.elapsed() > Duration::from_secs(1) {
                    console.err.put(CLEAR_LINE);
                }
                cluster.map_err(|problem| {
                    held.show();
                    problem.to_string()
                })?
            }
            _ = signals.next() => {
                // Nothing is left behind when this is done; who cannot wait says so again.
                or_exit(&mut signals, move || drop(starting), || console.settle()).await;
                return Ok(0);
            }
        };
        let events = cluster.events();
        let first = cluster.nodes().first().map_or_else(String::new, |node| node.address.clone());
        // Where the process list cannot be written to, there is no title.
        let _ = title::set(&config, &format!("{} cluster", call.program.display()), &first);
        held.forget();
        if args.json {
            console.out.on_loss(|lines| format!("{{\"event\":\"dropped\",\"lines\":{lines}}}\n"));
        }
        console.out.put(ready_text(&cluster, args.json, began));
        call.serves()?;
        let status = watch_cluster(Arc::new(cluster), events, signals, args.json, &held, console).await;
        drop(pid_file);
        Ok(status)
    })
}

/// Standard error, with what is logged while all nodes come or go kept back: among the warnings of Redis are some that every node has
/// then, and they are worth reading only if something went wrong.
#[derive(Clone)]
struct Held {
    /// Who asks for another level than `warning` wants to see all.
    works: bool,
    lines: Arc<std::sync::Mutex<Option<Vec<u8>>>>,
    err: Outlet,
}

/// Bytes of lines that are kept back; more of them go on.
const HELD_MAX: usize = 1 << 20;

impl Held {
    fn new(works: bool, err: Outlet) -> Self {
        Self { works, lines: Arc::default(), err }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn hold(&self) {
        *self.lines() = self.works.then(Vec::new);
    }

    /// All went well.
    fn forget(&self) {
        *self.lines() = None;
    }

    fn show(&self) {
        self.err.put(self.lines().take().unwrap_or_default());
    }
}

impl Write for Held {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        match &mut *self.lines() {
            Some(lines) if lines.len() + text.len() <= HELD_MAX => lines.extend_from_slice(text),
            _ => self.err.put(text),
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of a whole cluster: to standard error, since standard output says what the cluster is.
fn log_of_cluster(config: &Config, out: Held) -> Result<NodeLog, String> {
    let level = Level::from_number(config.int(ids::LOGLEVEL));
    let settings = LogSettings::new(Format::from_number(config.int(ids::LOG_FORMAT)), level);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let lines = log_lines(settings, &clock);
    lines.confess_to(&out.err);
    print_log(lines, Box::new(out))?;
    let log = NodeLog::new(None);
    log.set_level(level);
    let local =
        config.bind_addresses().iter().all(|name| name.starts_with("127.") || name == "::1" || name == "localhost");
    if config.bool(ids::PROTECTED_MODE) && config.bytes(ids::REQUIREPASS).is_empty() && !local {
        log.warning(format_args!(
            "WARNING Protected mode: without a password only clients of this machine are served. Give --password, or --protected-mode no."
        ));
    }
    Ok(log)
}

/// What the cluster is, and that it is ready.
fn ready_text(cluster: &embedded::Cluster, json: bool, began: Instant) -> String {
    let elapsed = began.elapsed().as_millis();
    let nodes = cluster.nodes();
    if json {
        let text = serde_json::json!({ "ready_ms": elapsed, "pid": std::process::id(), "nodes": nodes });
        return format!("{text}\n");
    }
    let mut text = String::new();
    for node in &nodes {
        let what = match &node.primary {
            Some(primary) => format!("replicates {}", &primary[..8]),
            None => format!("slots {}", node.slots.join(" ")),
        };
        text.push_str(&format!("{:7} {:21} {} {what}\n", node.role, node.address, &node.id[..8]));
    }
    text.push_str(&format!("ready {elapsed} ms\n"));
    text
}

/// Says what happens to nodes, until a signal or the end of the last node ends the cluster. The exit status.
async fn watch_cluster(
    cluster: Arc<embedded::Cluster>,
    mut events: embedded::Events,
    mut signals: Signals,
    json: bool,
    held: &Held,
    console: &Console,
) -> u8 {
    let mut status = 0;
    while !cluster.is_down() {
        tokio::select! {
            signal = signals.next() => {
                held.hold();
                let stopping = cluster.clone();
                let tidy = || {
                    cluster.remove_temporary();
                    console.settle();
                };
                let outcome = or_exit(&mut signals, move || stopping.shutdown(signal), tidy).await;
                if let Some(Err(problem)) = outcome {
                    held.show();
                    console.err.put(format!("{problem}\n"));
                    continue;
                }
                return status;
            }
            Some(event) = events.next() => status = status.max(take_event(&event, json, console)),
        }
    }
    // The last node may be down before its end is told.
    cluster.settle();
    while let Some(event) = events.next_now() {
        status = status.max(take_event(&event, json, console));
    }
    if !json {
        console.out.put("all nodes are down\n");
    }
    status
}

/// Prints what has happened; the exit status that the process has because of it.
fn take_event(event: &embedded::Event, json: bool, console: &Console) -> u8 {
    let text = if json { serde_json::json!(event).to_string() } else { event.to_string() };
    console.out.put(format!("{text}\n"));
    match event.kind {
        embedded::EventKind::Ended { status } => u8::try_from(status).unwrap_or(1),
        _ => 0,
    }
}

/// Does something that takes a while; SIGINT meanwhile ends the process at once, as it ends a stock server that is stopping. `tidy` removes
/// what would be left behind then.
async fn or_exit<T: Send + 'static>(
    signals: &mut Signals,
    act: impl FnOnce() -> T + Send + 'static,
    tidy: impl FnOnce(),
) -> Option<T> {
    tokio::select! {
        done = tokio::task::spawn_blocking(act) => done.ok(),
        () = signals.interrupted() => {
            tidy();
            std::process::exit(1)
        }
    }
}
