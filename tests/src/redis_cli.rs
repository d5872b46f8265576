//! The stock `redis-cli`, with which people build and repair clusters.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The result of a run of redis-cli.
#[derive(Debug, Clone)]
pub struct CliOutput {
    pub stdout: String,
    pub stderr: String,
    /// Exit code; 124 when its time limit ended it.
    pub code: i32,
}

impl CliOutput {
    /// Both streams, for searching.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Asserts that it succeeded.
    ///
    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, 0, "redis-cli failed:\n{}", self.text());
        self
    }

    /// Asserts that the output holds this text.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect(self, text: &str) -> Self {
        assert!(self.text().contains(text), "redis-cli did not say {text:?}:\n{}", self.text());
        self
    }
}

/// A command-line client: the stock `redis-cli` of the machine, or one of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cli {
    /// Debian's redis-cli 7.0.15.
    Stock,
    /// A client that the oracle script runs under this name (`redis8-cli`, `valkey9-cli`).
    Later(&'static str),
}

impl Cli {
    /// The words that start it.
    ///
    /// # Panics
    /// When it is a later one and there is no oracle script.
    fn words(self) -> Vec<PathBuf> {
        match self {
            Self::Stock => vec!["redis-cli".into()],
            Self::Later(name) => vec![oracle_script().expect("an oracle: set ORACLE to its path"), name.into()],
        }
    }
}

/// The script that runs later versions of Redis and Valkey: `$ORACLE`, or the one beside the project.
pub fn oracle_script() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles/oracle");
    let path = env::var_os("ORACLE").map_or_else(beside, PathBuf::from);
    path.exists().then_some(path)
}

/// Runs `redis-cli` with these arguments and at most `limit_s` seconds.
pub fn redis_cli_within<S: AsRef<str>>(args: &[S], limit_s: u32) -> CliOutput {
    run(Cli::Stock, args, limit_s)
}

/// Runs a client with these arguments and at most `limit_s` seconds.
///
/// # Panics
/// When it is not installed.
pub fn run<S: AsRef<str>>(cli: Cli, args: &[S], limit_s: u32) -> CliOutput {
    let asks = args.first().is_some_and(|a| a.as_ref() == "--cluster");
    // `--cluster fix` asks some of its questions even with --cluster-yes.
    run_with_input(cli, args, if asks { b"yes\nyes\nyes\nyes\n" } else { b"" }, limit_s)
}

/// The same, with something to read.
///
/// # Panics
/// When it is not installed.
pub fn run_with_input<S: AsRef<str>>(cli: Cli, args: &[S], input: &[u8], limit_s: u32) -> CliOutput {
    let mut child = Command::new("timeout")
        .arg(limit_s.to_string())
        .args(cli.words())
        .args(args.iter().map(AsRef::as_ref))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli runs: Debian's package redis-tools");
    let mut stdin = child.stdin.take().expect("piped");
    let output = thread::scope(|scope| {
        // A redis-cli that reads nothing may have already ended. It must not wait for its output to be read meanwhile.
        scope.spawn(move || _ = stdin.write_all(input));
        child.wait_with_output().expect("redis-cli ends")
    });
    CliOutput {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Runs `redis-cli` with these arguments, at most 90 seconds.
pub fn redis_cli<S: AsRef<str>>(args: &[S]) -> CliOutput {
    redis_cli_within(args, 90)
}

/// Runs `redis-cli --cluster ...` answering every question with yes.
pub fn cluster_cli<S: AsRef<str>>(args: &[S]) -> CliOutput {
    cluster_cli_of(Cli::Stock, args)
}

/// [`cluster_cli`] with another client.
pub fn cluster_cli_of<S: AsRef<str>>(cli: Cli, args: &[S]) -> CliOutput {
    let mut all = vec!["--cluster"];
    all.extend(args.iter().map(AsRef::as_ref));
    all.push("--cluster-yes");
    run(cli, &all, 90)
}
