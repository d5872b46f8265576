//! `daemonize yes`: the process goes to the background.
//!
//! Redis forks and goes on in the child. Here the child is the same program started once more, with a first word that only it is given:
//! a process that has not started a thread yet could fork, but not without `unsafe`, and a new program cannot inherit half of anything. The parent
//! has read the configuration already, so that an error in it is told on the terminal; it waits until the child serves (or has
//! failed, and says why), which is what a script that starts it wants to know.
//!
//! The child leaves the terminal's session at once, and its input, output and errors when it serves.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::console::Console;

/// The first word of a child's command line.
const CHILD: &str = "--in-background";
/// What a child writes to its output when it serves. No line of a log has such a byte.
const SERVES: u8 = 0;
/// How much of a child's output is kept for the case that it fails.
const KEPT: usize = 64 << 10;

/// Takes the mark off a child's command line, and leaves the terminal's session. `false`: this is no child.
pub(crate) fn is_child(words: &mut Vec<OsString>) -> bool {
    if words.first().is_none_or(|word| word != CHILD) {
        return false;
    }
    words.remove(0);
    // Fails for the leader of a group, who is in front of a terminal of its own: then there is none to leave.
    let _ = rustix::process::setsid();
    true
}

/// The child serves: lets the parent end, and lets go of its terminal.
///
/// # Errors
/// As the system says.
pub(crate) fn serves(console: &Console) -> io::Result<()> {
    console.settle();
    // Not through the console, which may not have come to it when the output is let go of.
    rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), &[SERVES]))?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

/// Starts the program once more in the background, with `stdin` as its input, and waits until it serves; the exit status.
/// `show`: what it prints until then is for the user. Otherwise it is its log, which is shown only if it fails.
///
/// # Errors
/// As the system says; nothing was started then.
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
        // A child that ended before it read everything says why by its status.
        let _ = pipe.write_all(text);
    }
    let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
    let mut pipe = child.stdout.take().expect("asked for above");
    loop {
        let len = pipe.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        // A line that was printed in the same moment may stand behind it.
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
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
