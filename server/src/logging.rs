//! The log: Redis's line format by default, one JSON object per line by option.
//!
//! `4242:M 20 Nov 2026 18:30:44.260 * Ready to accept connections` is process id, role (`M` primary, `S` replica, `C`
//! child or not started yet, `X` sentinel in Redis), time, level (`.` debug, `-` verbose, `*` notice, `#` warning) and
//! message. People grep for these lines, and the test suites of Redis wait for some of them.
//!
//! There are two halves, which are connected only through `tracing`:
//! - **Writing to the log** is for library code: [`NodeLog`] is the log of one node. It knows the node's name, role and
//!   `loglevel`, which all differ between the nodes of a process, and emits plain `tracing` events with the fields
//!   `node` and `role`. Without a subscriber they go nowhere, so an embedded cluster is silent unless its program
//!   listens. This half uses nothing of slotd and may be used by every module.
//! - **Printing it** is for `main`, the only place that installs a subscriber: a `tracing` layer, [`LineLayer`], that
//!   writes lines to standard output or to `logfile`. A node that shares its process adds its file to each event.
//!   Logging never waits for the reader ([`outlet`]).
//!
//! Times are always UTC: local time would need `localtime_r`, which is unsafe beside threads that change the
//! environment, and servers run in UTC. A message is one line: control characters are escaped, since parts of it may
//! come from a client.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

pub(crate) mod outlet;

use outlet::Outlet;

/// Target of the events of [`NodeLog`], whose level was already checked.
const NODE_TARGET: &str = "slotd::node";

/// How many bytes of the last warning are kept.
const WARNING_KEPT: usize = 512;

/// The levels of `loglevel`, numbered as the directive's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// For developers.
    Debug = 0,
    /// Much, rarely useful.
    Verbose = 1,
    /// What is useful in production.
    Notice = 2,
    /// Only what is important or wrong.
    Warning = 3,
    /// Nothing at all. No message has this level.
    Nothing = 4,
}

impl Level {
    /// The level with the number that the `loglevel` directive has.
    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            i64::MIN..=0 => Self::Debug,
            1 => Self::Verbose,
            2 => Self::Notice,
            3 => Self::Warning,
            _ => Self::Nothing,
        }
    }

    fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::TRACE => Self::Debug,
            tracing::Level::DEBUG => Self::Verbose,
            tracing::Level::INFO => Self::Notice,
            _ => Self::Warning,
        }
    }

    const fn sign(self) -> char {
        match self {
            Self::Debug => '.',
            Self::Verbose => '-',
            Self::Notice => '*',
            Self::Warning | Self::Nothing => '#',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Verbose => "verbose",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Nothing => "nothing",
        }
    }
}

/// The meaning of the letter behind the process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `C`: not serving yet.
    Starting = 0,
    /// `M`.
    Primary = 1,
    /// `S`.
    Replica = 2,
}

impl Role {
    const fn letter(number: u8) -> &'static str {
        match number {
            1 => "M",
            2 => "S",
            _ => "C",
        }
    }
}

/// The log of one node. Clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct NodeLog(Arc<Node>);

#[derive(Debug)]
struct Node {
    name: Option<String>,
    /// Where its lines go, if not to the log of the process.
    file: Option<PathBuf>,
    role: AtomicU8,
    level: AtomicU8,
    last_warning: Mutex<Option<String>>,
}

impl NodeLog {
    /// A log at level notice. `name` tells the nodes of one process apart; a node that is alone needs none.
    pub(crate) fn new(name: Option<String>) -> Self {
        Self::to_file(name, None)
    }

    /// The same, with a file of its own.
    pub(crate) fn to_file(name: Option<String>, file: Option<PathBuf>) -> Self {
        Self(Arc::new(Node {
            name,
            file,
            role: AtomicU8::new(Role::Starting as u8),
            level: AtomicU8::new(Level::Notice as u8),
            last_warning: Mutex::default(),
        }))
    }

    /// Sets the role letter of the following lines.
    pub(crate) fn set_role(&self, role: Role) {
        self.0.role.store(role as u8, Ordering::Relaxed);
    }

    /// Sets the level that is logged from now on.
    pub(crate) fn set_level(&self, level: Level) {
        self.0.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether messages of this level are logged.
    #[inline]
    pub(crate) fn is_enabled(&self, level: Level) -> bool {
        level as u8 >= self.0.level.load(Ordering::Relaxed)
    }

    /// Logs for developers: `log.debug(format_args!("took {ms} ms"))`.
    pub(crate) fn debug(&self, message: fmt::Arguments<'_>) {
        if self.is_enabled(Level::Debug) {
            tracing::event!(target: NODE_TARGET, tracing::Level::TRACE, node = self.name(), file = self.file(), role = self.letter(), "{message}");
        }
    }

    /// Logs what is rarely useful.
    pub(crate) fn verbose(&self, message: fmt::Arguments<'_>) {
        if self.is_enabled(Level::Verbose) {
            tracing::event!(target: NODE_TARGET, tracing::Level::DEBUG, node = self.name(), file = self.file(), role = self.letter(), "{message}");
        }
    }

    /// Logs what is useful in production.
    pub(crate) fn notice(&self, message: fmt::Arguments<'_>) {
        if self.is_enabled(Level::Notice) {
            tracing::event!(target: NODE_TARGET, tracing::Level::INFO, node = self.name(), file = self.file(), role = self.letter(), "{message}");
        }
    }

    /// Logs what is important or wrong.
    pub(crate) fn warning(&self, message: fmt::Arguments<'_>) {
        let mut text = message.to_string();
        text.truncate(text.floor_char_boundary(WARNING_KEPT));
        *self.0.last_warning.lock() = Some(text);
        if self.is_enabled(Level::Warning) {
            tracing::event!(target: NODE_TARGET, tracing::Level::WARN, node = self.name(), file = self.file(), role = self.letter(), "{message}");
        }
    }

    /// The last warning, to explain why a node is not as it should be.
    pub(crate) fn last_warning(&self) -> Option<String> {
        self.0.last_warning.lock().clone()
    }

    fn file(&self) -> Option<&str> {
        self.0.file.as_deref().and_then(Path::to_str)
    }

    fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    fn letter(&self) -> &'static str {
        Role::letter(self.0.role.load(Ordering::Relaxed))
    }
}

/// Form of a line, numbered as the values of the directive `log-format` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Redis's.
    Redis = 0,
    /// One JSON object.
    Json = 1,
}

impl Format {
    /// The format with the number that the `log-format` directive has.
    pub(crate) fn from_number(number: i64) -> Self {
        if number == Self::Json as i64 { Self::Json } else { Self::Redis }
    }
}

/// The settings of the printing that may change at run time. Shared by `main` and the layer.
#[derive(Debug)]
pub(crate) struct LogSettings {
    format: AtomicU8,
    level: AtomicU8,
}

impl LogSettings {
    /// Settings to share with a [`LineLayer`]. `level` applies to events that belong to no node.
    pub(crate) fn new(format: Format, level: Level) -> Arc<Self> {
        Arc::new(Self { format: AtomicU8::new(format as u8), level: AtomicU8::new(level as u8) })
    }

    /// Changes the form of the lines that follow.
    pub(crate) fn set_format(&self, format: Format) {
        self.format.store(format as u8, Ordering::Relaxed);
    }

    /// Sets the least level of events that belong to no node.
    pub(crate) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }
}

/// Opens the file that `logfile` names, for appending.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open(logfile: &Path) -> io::Result<File> {
    let is_fifo = std::fs::metadata(logfile).is_ok_and(|metadata| metadata.file_type().is_fifo());
    // A named pipe that is also opened for reading does not wait for its reader.
    OpenOptions::new().append(true).create(!is_fifo).read(is_fifo).open(logfile)
}

/// Redis's text for a log file that cannot be opened, and which file that is.
pub(crate) fn not_opened(logfile: &Path, reason: &str) -> String {
    format!("Can't open the log file: {reason}\nlogfile {}: give a file in a directory that exists", logfile.display())
}

/// The time as milliseconds since 1970.
pub(crate) type NowFn = dyn Fn() -> i64 + Send + Sync;

/// Where lines go: one place, except for nodes that have files of their own. Those are opened at their first line.
struct Outputs {
    default: Box<dyn Write + Send>,
    /// The files of the nodes of this process.
    files: BTreeMap<String, Outlet>,
}

impl Outputs {
    fn of(&mut self, file: Option<&str>, lines: &Arc<Lines>) -> &mut dyn Write {
        let Some(path) = file else { return &mut self.default };
        if !self.files.contains_key(path) {
            match open(Path::new(path)) {
                Ok(file) => {
                    let outlet = Outlet::file(file);
                    lines.confess_to(&outlet);
                    self.files.insert(path.to_owned(), outlet)
                }
                // A line in the wrong place is better than a lost one.
                Err(_) => return &mut self.default,
            };
        }
        self.files.get_mut(path).expect("it was just opened or was there")
    }
}

/// Makes lines of events.
pub(crate) struct Lines {
    settings: Arc<LogSettings>,
    now: Box<NowFn>,
    pid: u32,
}

impl Lines {
    /// Lines in the form that the settings ask for, telling the time by `now`.
    pub(crate) fn new(settings: Arc<LogSettings>, now: impl Fn() -> i64 + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { settings, now: Box::new(now), pid: std::process::id() })
    }

    /// Makes the outlet report in a log line how many lines it dropped.
    pub(crate) fn confess_to(self: &Arc<Self>, outlet: &Outlet) {
        let lines = Arc::clone(self);
        outlet.on_loss(move |lost| {
            let message = format!("{lost} log lines were dropped: nobody read the log");
            lines.line(&Record { message, ..Record::default() }, Level::Warning)
        });
    }

    fn line(&self, record: &Record, level: Level) -> String {
        let now = (self.now)();
        if self.settings.format.load(Ordering::Relaxed) == Format::Json as u8 {
            return json_line(record, level, self.pid, now);
        }
        let mut line = format!("{}:{} {} {} ", self.pid, record.letter(), redis_time(now), level.sign());
        if let Some(node) = &record.node {
            let _ = write!(line, "[{}] ", Escaped(node));
        }
        let _ = write!(line, "{}", Escaped(&record.message));
        for (name, value) in &record.others {
            let _ = write!(line, " {name}={}", Escaped(value));
        }
        line.push('\n');
        line
    }
}

/// Prints events as lines.
pub(crate) struct LineLayer {
    lines: Arc<Lines>,
    out: Mutex<Outputs>,
}

impl LineLayer {
    /// Prints to `out`.
    pub(crate) fn new(lines: Arc<Lines>, out: Box<dyn Write + Send>) -> Self {
        Self { lines, out: Mutex::new(Outputs { default: out, files: BTreeMap::new() }) }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(*metadata.level());
        match metadata.target() {
            NODE_TARGET => true,
            target if is_ours(target) => level as u8 >= self.lines.settings.level.load(Ordering::Relaxed),
            _ => level == Level::Warning && self.lines.settings.level.load(Ordering::Relaxed) <= level as u8,
        }
    }
}

/// Whether an event comes from this project, whose levels are Redis's; of libraries only warnings are printed.
fn is_ours(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    matches!(root, "slotd" | "gossip" | "protocol")
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // Levels change at run time, so the answer for our own events must not be cached.
        if is_ours(metadata.target()) {
            tracing::subscriber::Interest::sometimes()
        } else if self.wants(metadata) {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        let line = self.lines.line(&record, Level::of(*event.metadata().level()));
        let mut outputs = self.out.lock();
        let out = outputs.of(record.file.as_deref(), &self.lines);
        // If the log cannot be written, there is nowhere to report it; the server goes on, as Redis does.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Record {
    node: Option<String>,
    file: Option<String>,
    role: Option<String>,
    message: String,
    others: BTreeMap<&'static str, String>,
}

impl Record {
    /// The role letter: that of the node, or else of a primary, for a process without a node.
    fn letter(&self) -> &str {
        self.role.as_deref().unwrap_or("M")
    }

    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "node" => self.node = Some(value),
            "file" => self.file = Some(value),
            "role" => self.role = Some(value),
            name => {
                self.others.insert(name, value);
            }
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[derive(serde::Serialize)]
struct JsonLine<'a> {
    time: String,
    level: &'static str,
    pid: u32,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    message: &'a str,
    #[serde(flatten)]
    others: &'a BTreeMap<&'static str, String>,
}

fn json_line(record: &Record, level: Level, pid: u32, now: i64) -> String {
    let line = JsonLine {
        time: iso_time(now),
        level: level.name(),
        pid,
        role: record.letter(),
        node: record.node.as_deref(),
        message: &record.message,
        others: &record.others,
    };
    let mut text = serde_json::to_string(&line).expect("strings and numbers are always JSON");
    text.push('\n');
    text
}

/// Text with its control characters escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A time of the civil calendar, in UTC.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    /// Milliseconds since midnight.
    ms: i64,
}

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Civil {
    /// Counts years from March, so that the leap day is the last of its year, in eras of 400 years, which all have the
    /// same number of days.
    fn of(unix_ms: i64) -> Self {
        const ERA_DAYS: i64 = 146_097;
        /// From 1 March of year 0 to 1 January 1970.
        const EPOCH_DAYS: i64 = 719_468;
        let days = unix_ms.div_euclid(DAY_MS) + EPOCH_DAYS;
        let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months from March have 31, 30, 31, 30, 31 days, again and again: 153 days in five months.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12;
        Self {
            year: era * 400 + year_of_era + i64::from(month < 2),
            month: month as usize,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            ms: unix_ms.rem_euclid(DAY_MS),
        }
    }

    fn clock(&self) -> String {
        let (seconds, ms) = (self.ms / 1000, self.ms % 1000);
        format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

fn redis_time(unix_ms: i64) -> String {
    let civil = Civil::of(unix_ms);
    format!("{:02} {} {} {}", civil.day, MONTHS[civil.month], civil.year, civil.clock())
}

fn iso_time(unix_ms: i64) -> String {
    let civil = Civil::of(unix_ms);
    format!("{:04}-{:02}-{:02}T{}Z", civil.year, civil.month + 1, civil.day, civil.clock())
}

#[cfg(test)]
#[path = "logging_tests.rs"]
mod tests;
