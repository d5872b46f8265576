//! nodes.conf on disk: read once, locked against a second node, replaced as a whole.
//!
//! A new text is written to a temporary file, flushed, and renamed over the old one, so that a crash leaves either the
//! old or the new file (redis#10924). The lock is an advisory one on the file itself, as stock nodes take it. A
//! replacement is a new inode, so it is locked before it gets the name.
//!
//! A file that is deleted with its process is overwritten in place. Creating and deleting files is most of the cost of
//! a save, and it costs more when many were just deleted: nodes of one process that save at once would delay each
//! other.
//!
//! A full disk has no room for a second file. That must not end a node, least of all every node of a machine at the
//! moment when one of them has died and the others have to record that. So the text is then written over the old one,
//! in the blocks that the file already has. One write covers the old text to its end; if the old text is longer, the
//! rest becomes line ends, which every reader skips. The file is never truncated, since that would give blocks away. Up
//! to a page, which is a few dozen nodes, a killed process leaves one text or the other; only a power failure at that
//! moment can mix them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use gossip::NodesConfError;
use gossip::nodes_conf::NodesConf;
use nix::errno::Errno;
use protocol::bus::NodeFlags;

use crate::config::os_reason;

/// The most bytes of a nodes.conf that are read: far more than the largest cluster writes.
const MAX_BYTES: u64 = 256 << 20;

/// Why nodes.conf cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfFileError {
    /// Another node has it.
    #[error(
        "Sorry, the cluster configuration file {0} is already used by a different Redis Cluster node. Please make sure that different nodes use different cluster configuration files: give each a directory (dir), in containers a volume, of its own."
    )]
    InUse(PathBuf),
    /// The system refuses.
    #[error("Can't open {} in order to acquire a lock: {}", .path.display(), os_reason(.error))]
    Io { path: PathBuf, error: io::Error },
    /// The file can be opened but not replaced, which every change of the cluster's state needs.
    #[error("Fatal: can't update cluster config file {}: {}", .path.display(), os_reason(.error))]
    Fixed { path: PathBuf, error: io::Error },
}

/// The open and locked nodes.conf of one node.
#[derive(Debug)]
pub(crate) struct ConfFile {
    path: PathBuf,
    /// Holds the lock on the current inode.
    locked: File,
    /// Files that were replaced. Closing one frees its blocks, which takes longer than the rest of a save, so it is
    /// left to a caller that nothing waits for ([`ConfFile::take_replaced`]).
    replaced: Vec<File>,
    /// Descriptors in reserve, to be closed when the process has run out of them: a save must not fail for lack of one.
    spare: Vec<File>,
    /// The text must survive the process, and the machine.
    durable: bool,
}

/// Where the text is kept.
pub(crate) trait ConfStore: Send + std::fmt::Debug {
    /// See [`ConfFile::save`].
    ///
    /// # Errors
    /// See [`ConfFile::save`].
    fn save(&mut self, text: &str, fsync: bool) -> io::Result<Saved>;

    /// See [`ConfFile::take_replaced`].
    fn take_replaced(&mut self) -> Vec<File>;
}

impl ConfStore for ConfFile {
    fn save(&mut self, text: &str, fsync: bool) -> io::Result<Saved> {
        ConfFile::save(self, text, fsync)
    }

    fn take_replaced(&mut self) -> Vec<File> {
        ConfFile::take_replaced(self)
    }
}

/// How a text was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// In the normal way for this file.
    Usual,
    /// Over the old text: there is no room for a new file.
    Overwritten,
}

/// The unit in which file systems allocate room, and within which a write is not interrupted.
const PAGE: usize = 4096;

/// Descriptors that a save needs at once: the new file, and the directory.
const SPARE: usize = 2;

/// How many replaced files are kept open at most.
const KEPT: usize = 16;

impl ConfFile {
    /// Opens (or creates) and locks the file, and reads it. An empty text means a new node. Without `durable` a save
    /// does not wait for the disk, and a failed save may leave anything.
    ///
    /// # Errors
    /// [`ConfFileError`]; the file is untouched.
    pub(crate) fn open(path: &Path, durable: bool) -> Result<(Self, Vec<u8>), ConfFileError> {
        let io_error = |error| ConfFileError::Io { path: path.to_owned(), error };
        let mut file = loop {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io_error)?;
            lock(&file).map_err(|problem| match problem {
                TryLockError::WouldBlock => ConfFileError::InUse(path.to_owned()),
                TryLockError::Error(error) => io_error(error),
            })?;
            // Another node may have replaced the file in between; then this is a lock on what is no file any more.
            let inode = |status: std::fs::Metadata| (status.dev(), status.ino());
            if std::fs::metadata(path).is_ok_and(|now| file.metadata().is_ok_and(|own| inode(own) == inode(now))) {
                break file;
            }
        };
        let mut text = Vec::new();
        (&mut file).take(MAX_BYTES).read_to_end(&mut text).map_err(io_error)?;
        // A file that is overwritten in place needs no further descriptor for a save.
        let spare = if durable { spare() } else { Vec::new() };
        Ok((Self { path: path.to_owned(), locked: file, replaced: Vec::new(), spare, durable }, text))
    }

    /// Replaces the text with itself: a node that cannot save its votes and epochs should not begin to serve.
    ///
    /// # Errors
    /// [`ConfFileError::Fixed`]; the file is as it was.
    pub(crate) fn prove_writable(&mut self, text: &[u8]) -> Result<(), ConfFileError> {
        let path = self.path.clone();
        // With fsync: if a power failure emptied the replacement, a vote would be forgotten.
        self.save_bytes(text, true).map(drop).map_err(|error| ConfFileError::Fixed { path, error })
    }

    /// Replaces the text, in place if the disk is full. With `fsync` it is on disk when this returns, unless the file
    /// need not be durable.
    ///
    /// # Errors
    /// The system's error; the old text is still in place, if the file is durable.
    pub(crate) fn save(&mut self, text: &str, fsync: bool) -> io::Result<Saved> {
        self.save_bytes(text.as_bytes(), fsync)
    }

    fn save_bytes(&mut self, text: &[u8], fsync: bool) -> io::Result<Saved> {
        if !self.durable {
            self.write_in_place(text)?;
            reserve(&self.locked, text.len());
            return Ok(Saved::Usual);
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".tmp-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let mut result = self.replace(&temporary, text, fsync);
        if result.as_ref().is_err_and(is_out_of_descriptors) {
            self.replaced.clear();
            self.spare.clear();
            result = self.replace(&temporary, text, fsync);
        }
        if self.spare.len() < SPARE {
            self.spare = spare();
        }
        let Err(error) = result else { return Ok(Saved::Usual) };
        // The rest of the failed attempt is of no use.
        let _ = std::fs::remove_file(&temporary);
        if is_out_of_room(&error) && self.overwrite(text, fsync).is_ok() {
            return Ok(Saved::Overwritten);
        }
        Err(error)
    }

    fn replace(&mut self, temporary: &Path, text: &[u8], fsync: bool) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(temporary)?;
        lock(&file).map_err(|problem| match problem {
            TryLockError::WouldBlock => io::Error::from(io::ErrorKind::ResourceBusy),
            TryLockError::Error(error) => error,
        })?;
        file.write_all(text)?;
        reserve(&file, text.len());
        if fsync {
            file.sync_all()?;
        }
        std::fs::rename(temporary, &self.path)?;
        if self.replaced.len() == KEPT {
            self.replaced.clear();
        }
        self.replaced.push(std::mem::replace(&mut self.locked, file));
        if fsync && let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Overwrites the whole old text. If that is longer, the rest becomes line ends: truncating the file would give
    /// away blocks that a full disk may not have later.
    fn write_in_place(&self, text: &[u8]) -> io::Result<()> {
        let old_length = self.locked.metadata()?.len().min(MAX_BYTES);
        let mut new = text.to_vec();
        new.resize(text.len().max(usize::try_from(old_length).unwrap_or(0)), b'\n');
        self.locked.write_all_at(&new, 0)
    }

    /// Overwrites the old text, within the blocks that the file has.
    fn overwrite(&self, text: &[u8], fsync: bool) -> io::Result<()> {
        let status = self.locked.metadata()?;
        let room = usize::try_from(status.blocks().saturating_mul(512)).unwrap_or(usize::MAX);
        let old_length = usize::try_from(status.len().min(MAX_BYTES)).unwrap_or(0);
        if text.len().max(old_length) > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut old = vec![0; old_length];
        self.locked.read_exact_at(&mut old, 0)?;
        let done = self.write_in_place(text).and_then(|()| if fsync { self.locked.sync_all() } else { Ok(()) });
        if done.is_err() {
            // A file system that never overwrites in place has no room for this either. Half a text must not stay in
            // the file.
            let _ = self.locked.write_all_at(&old, 0).and_then(|()| self.locked.set_len(old_length as u64));
        }
        done
    }

    /// The files that saves have replaced since the last call, to be closed later.
    pub(crate) fn take_replaced(&mut self) -> Vec<File> {
        std::mem::take(&mut self.replaced)
    }
}

/// Whether this text is that of a new node: empty, or what a crash of a stock node leaves behind.
pub(crate) fn is_new(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

/// Whether this text is that of a replica.
///
/// # Errors
/// The text is damaged.
pub(crate) fn is_of_replica(text: &[u8]) -> Result<bool, NodesConfError> {
    if is_new(text) {
        return Ok(false);
    }
    let conf = NodesConf::parse(text)?;
    Ok(conf.nodes.iter().any(|line| line.flags.contains(NodeFlags::MYSELF) && line.replica_of.is_some()))
}

/// Whether the process, or the system, has too many files open: a later attempt may succeed.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// Whether the disk, or the user's part of it, is full.
fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT))
}

/// Reserves room for the text to grow a little in place: flags and epochs of failed nodes take a few bytes each. A text
/// that leaves that much of its last page free needs nothing.
fn reserve(file: &File, length: usize) {
    let wanted = length + length / 8 + 512;
    if wanted > length.next_multiple_of(PAGE) {
        reserve_blocks(file, wanted);
    }
}

/// If this fails, there is only the present room: no save fails for that.
#[cfg(target_os = "linux")]
fn reserve_blocks(file: &File, wanted: usize) {
    use nix::fcntl::{FallocateFlags, fallocate};
    if let Ok(wanted) = i64::try_from(wanted) {
        let _ = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, wanted);
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve_blocks(_file: &File, _wanted: usize) {}

fn spare() -> Vec<File> {
    (0..SPARE).map_while(|_| File::open("/dev/null").ok()).collect()
}

fn lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

#[cfg(test)]
#[path = "conf_file_tests.rs"]
mod tests;
