//! Temporary files beside the data set's: the next snapshot, and a snapshot in transit between two nodes.
//!
//! Their names begin as Redis's do, `temp-<process id>`. Nodes of one process may share a directory, and processes of
//! several containers may share a directory and a process id, so the name alone proves nothing. A file belongs to its
//! creator as long as it is locked: a name whose file another process has locked is skipped. An unlocked file was left
//! by a crashed process, and is reused by the next process with the same id, which in a container is the next start.
//! (Redis leaves such files too.)

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::os_reason;

/// How many names are tried. Each save into one directory uses one at a time.
const NAMES: u32 = 1024;

/// A new, empty file beside `target`, for reading and writing, and its name.
///
/// # Errors
/// The system's error; most often the directory is not writable.
pub(crate) fn create(target: &Path) -> io::Result<(File, PathBuf)> {
    let mut number = 0;
    loop {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let path = target.with_file_name(format!("temp-{}{suffix}.rdb", std::process::id()));
        match take(&path) {
            Ok(Some(file)) => return Ok((file, path)),
            Ok(None) if number < NAMES => number += 1,
            Ok(None) => {
                return Err(io::Error::other(format!("{} and {NAMES} names like it are in use", path.display())));
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{}: {}", path.display(), os_reason(&error))));
            }
        }
    }
}

/// Opens and locks the file of this name, unless it is locked already.
fn take(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks: the name has to suffice.
        Err(TryLockError::Error(_)) => {}
    }
    // Its previous owner may have renamed or removed it after it was opened here.
    match path.symlink_metadata() {
        Ok(there) if there.ino() == file.metadata()?.ino() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    file.set_len(0)?;
    Ok(Some(file))
}

/// The same without a name: however the process ends, nothing is left in the directory.
///
/// # Errors
/// As [`create`].
pub(crate) fn nameless(target: &Path) -> io::Result<File> {
    let (file, path) = create(target)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

#[cfg(test)]
#[path = "temporary_tests.rs"]
mod tests;
