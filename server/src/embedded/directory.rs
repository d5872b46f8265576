//! Where the nodes of a cluster keep their files: a directory that was named, or one below the system's temporary
//! directory that is removed with the cluster.
//!
//! A process that crashes leaves its temporary directory behind, and the next cluster of the same user removes it. How
//! does that cluster know that the owner is dead? A process id is not enough: it may belong to another process by now,
//! or come from another container. So the owner holds a lock on a file in its directory, and the kernel drops the lock
//! when the process ends, for whatever reason.
//!
//! Invariants: only the holder of its lock removes a directory. A directory without a lock file is left alone, because
//! it is not ours or is still being made. Links and directories of other users are left alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ClusterError;

/// How the names of temporary directories begin.
const PREFIX: &str = "slotd-cluster-";
/// The locked file shows that the owner is alive.
const LOCK: &str = "lock";
/// How many new names are tried, if another cluster removes the directory before it is locked.
const ATTEMPTS: usize = 8;
/// Directories that are removed at one start; more would delay the cluster.
const CLEARED_AT_ONCE: usize = 64;

/// The directory of a cluster.
pub(super) enum Directory {
    /// Stays when the cluster is gone.
    Given(PathBuf),
    /// Removed with this value, and the lock with it.
    Temporary { path: PathBuf, _lock: File },
}

impl Directory {
    /// The named directory, or a new temporary one; then what crashed processes left is removed.
    pub(super) fn open(given: Option<&Path>) -> Result<Self, ClusterError> {
        if let Some(dir) = given {
            return Ok(Self::Given(dir.to_owned()));
        }
        let parent = std::env::temp_dir();
        let (path, lock) = create(&parent)
            .map_err(ClusterError::system(format!("making a temporary directory in {}", parent.display())))?;
        clear_abandoned(&parent, &lock);
        Ok(Self::Temporary { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given(path) | Self::Temporary { path, .. } => path,
        }
    }

    /// Removes a temporary directory.
    pub(super) fn remove(&self) {
        if let Self::Temporary { path, .. } = self {
            // If this fails the next cluster tries again.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes a new directory that other users cannot read, and locks it.
fn create(parent: &Path) -> io::Result<(PathBuf, File)> {
    for _ in 0..ATTEMPTS {
        let unique = crate::base::rng::Rng::os_seed().map_err(|error| io::Error::other(error.to_string()))?;
        let path = parent.join(format!("{PREFIX}{}-{unique:x}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        // Until it is locked, the file looks as if its owner were dead, and another cluster may lock it and remove the
        // directory.
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.join(LOCK))?;
        let still_there =
            |lock: &File| Ok::<_, io::Error>(path.join(LOCK).symlink_metadata()?.ino() == lock.metadata()?.ino());
        if lock.try_lock().is_ok() && still_there(&lock).unwrap_or(false) {
            return Ok((path, lock));
        }
    }
    Err(io::Error::from(io::ErrorKind::ResourceBusy))
}

/// Removes directories whose owners are dead and whose user is that of `own`. What cannot be read or removed is left
/// alone.
fn clear_abandoned(parent: &Path, own: &File) {
    let Ok(user) = own.metadata().map(|about| about.uid()) else { return };
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for entry in ours.take(CLEARED_AT_ONCE) {
        if let Some(_lock) = lock_abandoned(&entry.path(), user) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Locks a directory of this user whose owner is dead.
fn lock_abandoned(path: &Path, user: u32) -> Option<File> {
    let about = path.symlink_metadata().ok()?;
    if !about.is_dir() || about.uid() != user {
        return None;
    }
    let file = path.join(LOCK);
    let about = file.symlink_metadata().ok()?;
    if !about.is_file() || about.uid() != user {
        return None;
    }
    let lock = OpenOptions::new().write(true).open(file).ok()?;
    lock.try_lock().ok()?;
    Some(lock)
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
