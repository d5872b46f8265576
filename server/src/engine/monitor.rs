//! MONITOR: which commands are shown to monitors, when, and how.
//!
//! As in Redis (`call`, `replicationFeedMonitors`), a command is shown after it was executed, whatever it replied, but
//! not if a gate refused it, not while data are loaded, and not if it is an administrator's. A command of a transaction
//! is shown when EXEC runs it, and EXEC follows. The words are those of the request, passwords left out.
//!
//! A keyed command is shown under the locks of its slots. So the lines about one key are in the order in which its
//! commands were executed, and those of one connection in the order of its requests; how lines about different slots
//! follow each other is left to the threads. When a client has its reply, the line is in every monitor's mailbox.
//!
//! A monitor that does not read is closed at the hard limit of its class of `client-output-buffer-limit`. Redis's
//! default for that class is no limit, and a monitor is sent what all others send: where the class has no limit, that
//! of subscribers holds.

use std::sync::atomic::Ordering;

use protocol::resp::Args;

use super::Engine;
use super::handler::Command;
use crate::command::{CmdError, Flags};
use crate::config::words::quote_to;
use crate::session::monitors::Line;
use crate::session::{ReplyMode, Session};

/// The commands that no monitor sees.
const UNSEEN: Flags = Flags::ADMIN.and(Flags::SKIP_MONITOR);
/// The commands that a monitor may not send: to Redis it is a replica, which gets its data otherwise.
const OF_KEYS: Flags = Flags::READONLY.and(Flags::WRITE).and(Flags::MAY_REPLICATE);

impl Engine {
    /// Puts a session into monitor mode.
    pub(crate) fn start_monitoring(&self, session: &mut Session) {
        session.is_monitor = true;
        session.handle.stats.monitor.store(true, Ordering::Relaxed);
        self.note_replies_of_monitor(session);
    }

    /// Ends monitor mode.
    pub(crate) fn stop_monitoring(&self, session: &mut Session) {
        if std::mem::take(&mut session.is_monitor) {
            session.handle.stats.monitor.store(false, Ordering::Relaxed);
            self.monitors.leave(&session.handle);
        }
    }

    /// A monitor gets no lines while CLIENT REPLY is off.
    pub(crate) fn note_replies_of_monitor(&self, session: &Session) {
        if session.is_monitor && session.reply_mode != ReplyMode::Off {
            self.monitors.join(&session.handle);
        } else if session.is_monitor {
            self.monitors.leave(&session.handle);
        }
    }

    /// Refuses what a monitor may not send.
    #[cold]
    pub(super) fn monitor_gate(&self, command: &Command) -> Result<(), CmdError> {
        if command.flags.any(OF_KEYS) {
            return Err(CmdError::text("ERR Replica can't interact with the keyspace"));
        }
        Ok(())
    }

    /// Shows a command that was executed to the monitors. `out` is where its client's replies go.
    #[cold]
    #[inline(never)]
    pub(super) fn show(&self, session: &mut Session, command: &Command, args: Args<'_>, out: &mut Vec<u8>) {
        let is_shown = std::mem::take(&mut session.is_shown);
        if is_shown || command.flags.any(UNSEEN) || self.state.loading.load(Ordering::Relaxed) {
            return;
        }
        let limit = self.hot.load().monitor_output_limit;
        let line = line_of(session, command, args, (None, limit));
        let is_silent = matches!(session.reply_mode, ReplyMode::Off | ReplyMode::Skip) || session.close_after_reply;
        let but = (session.is_monitor && is_silent).then_some(&session.handle);
        for client in self.monitors.send(line, || self.clock.now_us(), but, limit) {
            self.close_slow_reader(&client);
        }
        // A monitor's own command: the line follows the reply, also in a pipeline.
        if session.is_monitor && session.reply_mode == ReplyMode::On && !session.in_exec {
            session.handle.take_pushes(|bytes| out.extend_from_slice(bytes));
        }
    }
}

/// Who sends what a script calls.
const SCRIPT: &str = "lua";

impl Engine {
    /// Shows a script that is about to run, so that its line precedes those of the commands that it calls. If it has to
    /// wait and runs again, it is not shown again.
    pub(super) fn show_script(&self, session: &mut Session, command: &Command, args: Args<'_>) {
        if self.monitors.any() && !std::mem::replace(&mut session.is_shown, true) {
            self.send_line(session, command, args, None);
        }
    }

    /// Shows a command that a script has called.
    pub(super) fn show_called(&self, session: &Session, command: &Command, args: Args<'_>) {
        if self.monitors.any() && !command.flags.any(UNSEEN) {
            self.send_line(session, command, args, Some(SCRIPT));
        }
    }

    #[cold]
    fn send_line(&self, session: &Session, command: &Command, args: Args<'_>, sender: Option<&str>) {
        let limit = self.hot.load().monitor_output_limit;
        let line = line_of(session, command, args, (sender, limit));
        for client in self.monitors.send(line, || self.clock.now_us(), None, limit) {
            self.close_slow_reader(&client);
        }
    }
}

/// The line about a command. Without a sender, that is the session's client. One that exceeds the limit (0: none)
/// disconnects every monitor, so its rest is left out.
fn line_of(session: &Session, command: &Command, args: Args<'_>, (sender, limit): (Option<&str>, usize)) -> Line {
    let secrets = command.spec.secrets_fn.map_or_else(Vec::new, |find| find(args));
    let mut line = Line::new();
    let text = line.text();
    match sender {
        Some(sender) => text.extend_from_slice(format!("[{} {sender}]", session.db).as_bytes()),
        None => text.extend_from_slice(format!("[{} {}]", session.db, session.handle.addr).as_bytes()),
    }
    for (position, word) in args.iter().enumerate() {
        if limit != 0 && text.len() > limit {
            break;
        }
        text.push(b' ');
        // Every byte of a word takes one of the line at least.
        let word = if limit == 0 { word } else { &word[..word.len().min(limit)] };
        let is_secret = secrets.binary_search(&position).is_ok();
        quote_to(text, if is_secret { b"(redacted)" } else { word });
    }
    text.extend_from_slice(b"\r\n");
    line
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
