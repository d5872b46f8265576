//! Files beside the data set's: what becomes the next snapshot, and what waits on its way between two nodes.
//!
//! Their names begin as Redis's, `temp-<process id>`. Nodes of one process may share a directory, and processes of several containers
//! may share a directory and a process id, so the name alone says nothing. A file is its maker's as long as it is locked: a name whose
//! file somebody else has locked is passed over. One that nobody has locked was left by a process that crashed, and is used
//! again by the next process of the same id, which in a container is the next start. (Redis leaves such files too.)

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many names are tried. Everybody who saves into one directory at a time has one.
const NAMES: u32 = 1024;

/// A new, empty file beside `target`, for reading and writing, and its name.
///
/// # Errors
/// As the system says: most often the directory is not writable.
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
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
}

/// The file of this name, if nobody else has it.
fn take(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system without locks: there the name has to do.
        Err(TryLockError::Error(_)) => {}
    }
    // Whoever had it until now may have put it in its place, or removed it, after it was opened here.
    match path.symlink_metadata() {
        Ok(there) if there.ino() == file.metadata()?.ino() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    file.set_len(0)?;
    Ok(Some(file))
}

/// The same without a name: whatever ends the process, nothing is left in the directory.
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
