//! nodes.conf on disk: read once, locked against a second node, replaced whole.
//!
//! A new text is written beside, flushed, and renamed over the old one, so that a crash leaves either the old or the new file
//! (Redis: redis#10924). The lock is an advisory one on the file itself, as stock nodes take it; a replaced file is a new inode,
//! so the replacement is locked before it gets the name.
//!
//! A file that goes with its process anyway is written in place. Making and deleting files is most of what a save costs, and it costs
//! more when many have just been deleted: nodes of one process that save at once would hold each other up.
//!
//! A full disk has no room for a second file. It must not end a node, still less all nodes of a machine at the moment when one of them
//! has died and the others have to write that down. So the text is then written over the old one, in the blocks that the file has
//! already. One write covers the old text to its end: what is longer in the old text becomes line ends, which every reader passes over. It is
//! never cut, since that would give blocks away. Up to a page, which is a few dozen nodes, a killed process leaves one text or
//! the other; only the loss of power in that moment can mix them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use gossip::NodesConfError;
use gossip::nodes_conf::NodesConf;
use nix::errno::Errno;
use protocol::bus::NodeFlags;

/// The most bytes of a nodes.conf that are read: far beyond what the largest cluster writes.
const MAX_BYTES: u64 = 256 << 20;

/// Why nodes.conf cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfFileError {
    /// Another node has it.
    #[error(
        "Sorry, the cluster configuration file {0} is already used by a different Redis Cluster node. Please make sure that different nodes use different cluster configuration files."
    )]
    InUse(PathBuf),
    /// The system refuses.
    #[error("Can't open {path} in order to acquire a lock: {error}")]
    Io { path: PathBuf, error: io::Error },
    /// It can be opened but not replaced, which every change of the cluster's state needs.
    #[error("Fatal: can't update cluster config file {path}: {error}")]
    Fixed { path: PathBuf, error: io::Error },
}

/// The open and locked nodes.conf of one node.
#[derive(Debug)]
pub(crate) struct ConfFile {
    path: PathBuf,
    /// Holds the lock on the current inode.
    locked: File,
    /// Files that were replaced. Closing one frees its blocks, which takes the file system longer than all the rest of a save; so
    /// it is left to whoever is not waited for ([`ConfFile::take_replaced`]).
    replaced: Vec<File>,
    /// Open for nothing else than to be closed when there are no more descriptors: a save must not fail for want of one.
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

/// How a text came to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// As this file is saved as a rule.
    Usual,
    /// Over the old text: there is no room for a new file.
    Overwritten,
}

/// The unit in which file systems hand out room, and in which a write is not interrupted.
const PAGE: usize = 4096;

/// Descriptors that a save takes at once: the new file, and the folder.
const SPARE: usize = 2;

/// Replaced files that are kept open at most.
const KEPT: usize = 16;

impl ConfFile {
    /// Opens (or makes) and locks the file, and reads it. An empty text means a new node. Without `durable` a save
    /// does not wait for the disk, and what a save leaves that fails can be anything.
    ///
    /// # Errors
    /// [`ConfFileError`]; the file is untouched.
    pub(crate) fn open(path: &Path, durable: bool) -> Result<(Self, Vec<u8>), ConfFileError> {
        let io_error = |error| ConfFileError::Io { path: path.to_owned(), error };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io_error)?;
        lock(&file).map_err(|problem| match problem {
            TryLockError::WouldBlock => ConfFileError::InUse(path.to_owned()),
            TryLockError::Error(error) => io_error(error),
        })?;
        let mut text = Vec::new();
        (&mut file).take(MAX_BYTES).read_to_end(&mut text).map_err(io_error)?;
        // A file that is written in place takes no descriptor for a save.
        let spare = if durable { spare() } else { Vec::new() };
        Ok((Self { path: path.to_owned(), locked: file, replaced: Vec::new(), spare, durable }, text))
    }

    /// Replaces the text with itself: a node that cannot keep its votes and epochs should not begin to serve.
    ///
    /// # Errors
    /// [`ConfFileError::Fixed`]; the file is as it was.
    pub(crate) fn prove_writable(&mut self, text: &[u8]) -> Result<(), ConfFileError> {
        let path = self.path.clone();
        // On disk, since it replaces what was: a file that a power failure empties would forget a vote.
        self.save_bytes(text, true).map(drop).map_err(|error| ConfFileError::Fixed { path, error })
    }

    /// Replaces the text, in place if the disk is full. With `fsync` it is on disk when this returns, unless the file need not be
    /// durable.
    ///
    /// # Errors
    /// As the system says; the old text is still in place, if the file is durable.
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
        // What is left of the attempt is of no use to anybody.
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

    /// Writes over the old text, all of it: what is longer in the old one becomes line ends, since cutting the file would give away
    /// blocks that a full disk may not have later.
    fn write_in_place(&self, text: &[u8]) -> io::Result<()> {
        let old_length = self.locked.metadata()?.len().min(MAX_BYTES);
        let mut new = text.to_vec();
        new.resize(text.len().max(usize::try_from(old_length).unwrap_or(0)), b'\n');
        self.locked.write_all_at(&new, 0)
    }

    /// Writes over the old text, within the blocks that the file has.
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
            // A file system that never writes in place has no room for this either. What it did take must not stay as half a text.
            let _ = self.locked.write_all_at(&old, 0).and_then(|()| self.locked.set_len(old_length as u64));
        }
        done
    }

    /// What the saves since the last call replaced, to be dropped at leisure.
    pub(crate) fn take_replaced(&mut self) -> Vec<File> {
        std::mem::take(&mut self.replaced)
    }
}

/// Whether this text is that of a new node: empty, or what a crash of a stock node leaves behind.
pub(crate) fn is_new(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

/// Whether the node that this text belongs to was a replica.
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

/// Whether the process, or the system, has too many files open: the next moment may be better.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// Whether the disk, or the user's part of it, is full.
fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT))
}

/// Sees to it that the text can grow a little where it stands: flags and epochs of nodes that fail take a few bytes each. A text that
/// leaves that much of its last page free needs nothing.
fn reserve(file: &File, length: usize) {
    let wanted = length + length / 8 + 512;
    if wanted > length.next_multiple_of(PAGE) {
        reserve_blocks(file, wanted);
    }
}

/// Without it there is as much room as there is: no save fails for that.
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
