//! Files in which snapshots wait on their way between two nodes.
//!
//! Such a file loses its name as soon as it has been made: whatever ends the process, nothing is left in the directory.

use std::fs::{File, OpenOptions};
use std::io;

use crate::engine::Engine;
use crate::engine::config::ids;

/// How many names are tried: a file of another process may have one.
const NAMES: u32 = 16;

/// A new file beside the one that snapshots are saved to, for reading and writing.
///
/// # Errors
/// As the system says: most often the directory is not writable.
pub(super) fn nameless(engine: &Engine) -> io::Result<File> {
    let target = engine.config.path(ids::DBFILENAME);
    let (seconds, process) = (engine.clock.now_ms() / 1000, std::process::id());
    let mut number = 0;
    loop {
        // Several nodes of one process may share a directory.
        let path = target.with_file_name(format!("temp-{seconds}.{process}-{number}.rdb"));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => number += 1,
            Err(error) => return Err(error),
        }
    }
}
