//! `daemonize yes`: the process goes to the background.
//!
//! Redis forks and goes on in the child. Here the child is the same program started again, with a first word that only
//! a child gets. Forking is possible for a process without threads, but only with `unsafe`; and a new program inherits
//! no half-finished state. The parent has already read the configuration, so errors in it appear on the terminal. It
//! waits until the child serves, or until it has failed and said why: a start script needs to know that.
//!
//! The child leaves the terminal's session at once. It lets go of the terminal's input, output and errors when it
//! serves.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use super::console::Console;

/// The first word of a child's command line.
const CHILD: &str = "--in-background";
/// What a child writes to its output when it serves. Log lines never contain this byte.
const SERVES: u8 = 0;
/// How much of a child's output is kept to be shown if it fails.
const KEPT: usize = 64 << 10;

/// Removes the mark from a child's command line, and leaves the terminal's session. `false`: this is no child.
pub(crate) fn is_child(words: &mut Vec<OsString>) -> bool {
    if words.first().is_none_or(|word| word != CHILD) {
        return false;
    }
    words.remove(0);
    // Fails for a process group leader, which runs in the foreground of its own terminal: it has no other session to
    // leave.
    let _ = rustix::process::setsid();
    true
}

/// The child serves: lets the parent end, and lets go of its terminal.
///
/// # Errors
/// The system's error.
pub(crate) fn serves(console: &Console) -> io::Result<()> {
    console.settle();
    // Written directly: the console may not have written it yet when the output is closed.
    rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), &[SERVES]))?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

/// Starts the program again in the background, with `stdin` as its input, and waits until it serves; returns the exit
/// status. With `show`, what the child prints until then is for the user. Otherwise it is the log, which is shown only
/// if the child fails.
///
/// # Errors
/// The system's error; nothing was started then.
pub(crate) fn start(
    program: &OsStr,
    words: &[OsString],
    stdin: Option<&[u8]>,
    show: bool,
    console: &Console,
) -> io::Result<u8> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg0(program)
        .arg(CHILD)
        .args(words)
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .spawn()?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        // If the child ended before it read everything, its status says why.
        let _ = pipe.write_all(text);
    }
    let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
    let mut pipe = child.stdout.take().expect("asked for above");
    loop {
        let len = pipe.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        // A line printed at the same moment may follow the byte.
        let serves = chunk[..len].contains(&SERVES);
        let text: Vec<u8> = chunk[..len].iter().copied().filter(|byte| *byte != SERVES).collect();
        if show {
            console.out.put(text);
        } else if kept.len() + text.len() <= KEPT {
            kept.extend_from_slice(&text);
        }
        if serves {
            return Ok(0);
        }
    }
    let status = child.wait()?;
    console.err.put(&kept);
    if let Some(signal) = status.signal() {
        console.err.put(format!("The process in the background was ended by signal {signal}\n"));
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
