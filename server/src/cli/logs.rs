//! The log of the process, and where it goes.

use std::io::Write;
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;

use super::console::Console;
use crate::base::clock::{Clock, SystemClock};
use crate::config::{Config, ids, os_reason};
use crate::logging::outlet::Outlet;
use crate::logging::{self, Format, Level, LineLayer, Lines, LogSettings, NodeLog};

/// Installs the process's log, which follows `loglevel` and `log-format` from then on.
pub(super) fn start_log(config: &Config, clock: &Arc<dyn Clock>, console: &Console) -> Result<NodeLog, String> {
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
        let path = config.path(ids::LOGFILE);
        let file = logging::open(&path).map_err(|error| logging::not_opened(&path, &os_reason(&error)))?;
        let outlet = Outlet::file(file);
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

/// Standard error, with what is logged while all nodes start or stop held back: some of Redis's warnings are normal
/// then for every node, and worth reading only if something went wrong.
#[derive(Clone)]
pub(super) struct Held {
    /// Whether to hold lines back: only at level `warning`. At any other level the user wants to see all.
    works: bool,
    lines: Arc<std::sync::Mutex<Option<Vec<u8>>>>,
    err: Outlet,
}

/// Bytes of lines that are held back; with more, all of them are written.
const HELD_MAX: usize = 1 << 20;

impl Held {
    pub(super) fn new(works: bool, err: Outlet) -> Self {
        Self { works, lines: Arc::default(), err }
    }

    pub(super) fn lines(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn hold(&self) {
        *self.lines() = self.works.then(Vec::new);
    }

    /// All went well: drops the lines that were held back.
    pub(super) fn forget(&self) {
        *self.lines() = None;
    }

    pub(super) fn show(&self) {
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

/// The log of a whole cluster goes to standard error, since standard output describes the cluster.
pub(super) fn log_of_cluster(config: &Config, out: Held) -> Result<NodeLog, String> {
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
