//! What `slotd` does when it is called: it reads its command line and acts on it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use super::console::Console;
use super::doctor::{self, Doctor};
use super::run_cluster::run_cluster;
use super::run_node::run_node;
use super::{Invocation, background, parse, title, variables};
use crate::config::{Config, ids, os_reason};
use crate::logging::NodeLog;
use crate::signals::Signals;

/// Runs the program; its exit status.
pub fn main() -> ExitCode {
    let began = Instant::now();
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let mut words: Vec<OsString> = words.collect();
    let visible = title::hide_passwords(&program, &words).err();
    let in_background = background::is_child(&mut words);
    let console = Console::new();
    console.report_panics();
    let call = Call { program, words, in_background, visible, console };
    let outcome = match parse(&call.program, call.words.clone(), &variables::of_process()) {
        Ok(Invocation::Node(args)) => run_node(args, &call),
        Ok(Invocation::Cluster(args)) => run_cluster(&args, &call, began),
        Ok(Invocation::Healthcheck(probe)) => Ok(tell(&call.console, probe.run()).0),
        Ok(Invocation::Handover(handover)) => Ok(match tell(&call.console, handover.run()) {
            (_, false) => UNWRITTEN,
            (status, true) => status,
        }),
        Ok(Invocation::Wait(waiting)) => {
            let report = |line: &str| call.console.report(&format!("{line}\n"));
            let outcome = waiting.run(|line| report(&line));
            let (Ok(line) | Err(line)) = &outcome;
            report(line);
            Ok(u8::from(outcome.is_err()))
        }
        Ok(Invocation::Doctor(doctor)) => Ok(examine(&doctor, &call.console)),
        Ok(Invocation::Refused { text, status }) => {
            let is_written = !doctor::wants_json(&call.words) || call.console.print(&doctor::json_of(&text));
            call.console.report(&format!("{}\n", text.trim_end()));
            Ok(if is_written { status } else { UNWRITTEN })
        }
        Ok(Invocation::Print(text)) => Ok(u8::from(!call.console.print(&text))),
        Err(text) => Err(text),
    };
    let status = outcome.unwrap_or_else(|text| {
        call.console.err.put(format!("{text}\n"));
        1
    });
    call.console.settle();
    ExitCode::from(status)
}

/// The exit status of `slotd doctor` and `slotd handover` if their outcome could not be written.
const UNWRITTEN: u8 = 3;

/// Prints the one line of a command that serves nobody, and so may wait until it is read; the exit status, and whether
/// the line was written.
fn tell(console: &Console, outcome: Result<String, String>) -> (u8, bool) {
    match outcome {
        Ok(line) => (0, console.print(&format!("{line}\n"))),
        Err(line) => {
            console.report(&format!("{line}\n"));
            (1, true)
        }
    }
}

/// Examines a cluster and prints what was found; the exit status.
fn examine(doctor: &Doctor, console: &Console) -> u8 {
    let report = |text: &str| console.report(&format!("{}\n", text.trim_end()));
    let mut written = true;
    let outcome = doctor.run(|line| {
        if doctor.json {
            report(&line);
        } else {
            written &= console.print(&format!("{line}\n"));
        }
    });
    let status = match outcome {
        Ok((text, status)) => {
            written &= console.print(&text);
            status
        }
        Err((reason, status)) => {
            report(&reason);
            if doctor.json {
                written &= console.print(&doctor::json_of(&reason));
            }
            status
        }
    };
    if written { status } else { UNWRITTEN }
}

/// How the program was called.
pub(super) struct Call {
    pub(super) program: OsString,
    pub(super) words: Vec<OsString>,
    /// This is the background process of `daemonize yes`.
    pub(super) in_background: bool,
    /// Why the passwords on the command line could not be hidden.
    visible: Option<std::io::Error>,
    pub(super) console: Console,
}

impl Call {
    /// If the node is to run in the background, starts that process; returns the exit status of this one then.
    pub(super) fn send_to_background(
        &self,
        config: &Config,
        stdin: Option<&[u8]>,
        show: bool,
    ) -> Result<Option<u8>, String> {
        if self.in_background || !config.bool(ids::DAEMONIZE) {
            return Ok(None);
        }
        let status = background::start(&self.program, &self.words, stdin, show, &self.console);
        status.map(Some).map_err(|error| format!("Going to the background: {error}"))
    }

    /// Warns of settings that do not work as expected.
    pub(super) fn warn(&self, config: &Config, log: &NodeLog) {
        for warning in config.without_effect() {
            log.warning(format_args!("{warning}"));
        }
        if let Some(error) = &self.visible {
            log.warning(format_args!(
                "WARNING The passwords on the command line can be seen in the process list: {error}"
            ));
        }
    }

    /// The process serves clients: a waiting parent may end.
    pub(super) fn serves(&self) -> Result<(), String> {
        if self.in_background {
            background::serves(&self.console).map_err(|error| format!("Leaving the terminal: {error}"))?;
        }
        Ok(())
    }
}

/// Switches transparent huge pages off for this process, as `disable-thp` asks.
///
/// The allocator asks for them, and the first touch of each thread's heap then clears 2 MB: 12 MB and up to 4 ms for an
/// empty node. No test with four million keys was faster with them. If the kernel cannot switch them off, the process
/// goes on.
pub(super) fn keep_pages_small(config: &Config) {
    if config.bool(ids::DISABLE_THP) {
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}

/// The file that `pidfile` names, removed when the process ends in order.
pub(super) struct PidFile(std::path::PathBuf);

impl PidFile {
    /// A pid file that cannot be written is left out, as in Redis.
    pub(super) fn create(config: &Config, log: &NodeLog) -> Option<Self> {
        let path = match (config.bytes(ids::PIDFILE).is_empty(), config.bool(ids::DAEMONIZE)) {
            (false, _) => config.path(ids::PIDFILE),
            (true, true) => std::path::PathBuf::from("/var/run/redis.pid"),
            (true, false) => return None,
        };
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                log.warning(format_args!("Failed to write PID file {}: {}", path.display(), os_reason(&error)));
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A runtime for the main thread, which only waits.
pub(super) fn waiting_room() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// From here on the process handles signals itself.
pub(super) fn listen(room: &tokio::runtime::Runtime) -> Result<Signals, String> {
    let _inside = room.enter();
    Signals::new().map_err(|error| format!("Waiting for signals: {error}"))
}
