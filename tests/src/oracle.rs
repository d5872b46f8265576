//! The server that a test starts: slotd, the program under test, or the stock `redis-server`, which defines what is
//! right.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::redis_cli::oracle_script;

/// The kinds of server that the harness starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The server under test: `$SLOTD_BIN`, or the `slotd` that cargo built beside this test.
    Slotd,
    /// The stock `redis-server` of Debian (7.0.15): `$REDIS_SERVER_BIN`, or the one on the path.
    Stock,
    /// A server that the oracle script runs under this name: `redis8` or `valkey9`.
    Later(&'static str),
}

impl Binary {
    /// Path of the executable.
    ///
    /// # Panics
    /// When slotd has not been built, or there is no script for a later version.
    pub fn path(self) -> PathBuf {
        match self {
            Self::Stock => env::var_os("REDIS_SERVER_BIN").map_or_else(|| PathBuf::from("redis-server"), PathBuf::from),
            Self::Slotd => env::var_os("SLOTD_BIN").map_or_else(built_slotd, PathBuf::from),
            Self::Later(_) => oracle_script().expect("an oracle: set ORACLE to its path"),
        }
    }

    /// The words between the executable and the server's own arguments.
    pub fn first_words(self) -> Option<&'static str> {
        match self {
            Self::Slotd | Self::Stock => None,
            Self::Later(name) => Some(name),
        }
    }

    /// Whether this server is stock Redis. Also true for [`Binary::Slotd`] while the tests are proven on the oracle.
    pub fn is_stock(self) -> bool {
        self == Self::Stock || slotd_is_stock()
    }
}

/// Whether `SLOTD_BIN` names a stock Redis: then expectations that go beyond 7.0.15 are left out.
pub fn slotd_is_stock() -> bool {
    static STOCK: OnceLock<bool> = OnceLock::new();
    *STOCK.get_or_init(|| {
        let output = Command::new(Binary::Slotd.path()).arg("--version").output().expect("the server under test runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("malloc=jemalloc") && !text.to_lowercase().contains("slotd")
    })
}

/// `target/<profile>/slotd`, relative to the running test `target/<profile>/deps/<test>`.
fn built_slotd() -> PathBuf {
    let mut path = env::current_exe().expect("a test knows its own path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("slotd");
    assert!(path.exists(), "{} is missing: build it with `cargo build -p slotd`, or set SLOTD_BIN", path.display());
    path
}
