//! A program that is expected to end by itself: what it printed, how it ended, and how long that took.
//!
//! For starts that must be refused, and for command lines that only print something. A process that must keep running
//! is a [`crate::node`].

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::secs;

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it printed to standard output.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Ended {
    /// The messages of a log on standard output, without process id, role, time and level.
    pub fn messages(&self) -> Vec<&str> {
        self.stdout.lines().filter_map(|line| line.splitn(7, ' ').nth(6)).collect()
    }
}

/// Runs a program in `dir` until it ends.
///
/// # Panics
/// When it cannot be started, or runs for longer than 20 seconds.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(program: &Path, args: &[S], dir: &Path) -> Ended {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let code = wait(&mut child, began);
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("reading a pipe does not panic")).into_owned()
    };
    Ended { code, took: began.elapsed(), stdout: text(stdout), stderr: text(stderr) }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            // Bytes before an error are still returned.
            let _ = pipe.read_to_end(&mut text);
        }
        text
    })
}

#[track_caller]
fn wait(child: &mut Child, began: Instant) -> Option<i32> {
    loop {
        if let Some(status) = child.try_wait().expect("own child") {
            return status.code();
        }
        if began.elapsed() > secs(20) {
            let _ = child.kill();
            panic!("process {} is still running after {:?}", child.id(), began.elapsed());
        }
        thread::sleep(Duration::from_millis(2));
    }
}
