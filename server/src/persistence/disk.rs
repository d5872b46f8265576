//! The snapshot on disk: written to a temporary file, flushed to disk, renamed, and the directory flushed too.
//!
//! So at any moment there is a complete file: the old one or the new one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::{Load, Loaded, Onto};
use super::rdb_loader::LoadError;
use super::temporary;
use crate::config::os_reason;
use crate::engine::Engine;

/// Bytes that are read at once.
const READ_CHUNK: usize = 256 * 1024;

/// A file that becomes visible only when it is complete.
pub(crate) struct NewFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl NewFile {
    /// Starts writing a file that will become `target`.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub(crate) fn create(target: &Path) -> io::Result<Self> {
        let (file, temporary) = temporary::create(target)
            .map_err(|error| told(&error, format_args!("Failed opening the temp RDB file for saving")))?;
        Ok(Self { file, temporary, target: target.to_owned(), committed: false })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The system's error; most often the disk is full.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(|error| told(&error, format_args!("Write error saving DB on disk(write)")))
    }

    /// The temporary name of the file.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the bytes to disk.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all().map_err(|error| told(&error, format_args!("Write error saving DB on disk(fsync)")))
    }

    /// Renames the file to its final name; call [`NewFile::sync`] first.
    ///
    /// # Errors
    /// The system's error; the old file is still there then.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.target).map_err(|error| {
            let (from, to) = (self.temporary.display(), self.target.display());
            told(&error, format_args!("Error moving temp DB file {from} on the final destination {to}"))
        })?;
        self.committed = true;
        let directory = self.target.parent().unwrap_or_else(|| Path::new("."));
        File::open(directory)?.sync_all()
    }
}

/// An error, with a description of the step that failed.
fn told(error: &io::Error, what: std::fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {}", os_reason(error)))
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.committed {
            // A leftover temporary file does no harm.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Loads a file. `None`: there is none. `progress` is called with the bytes read and their total.
///
/// # Errors
/// The file is damaged, holds types that slotd lacks, or cannot be read.
pub(crate) fn load(
    engine: &Arc<Engine>,
    path: &Path,
    (drop_expired, onto): (bool, Onto),
    mut progress: impl FnMut(u64, u64),
) -> Result<Option<Loaded>, LoadError> {
    let failed = |error: io::Error| LoadError::Io(format!("it cannot be read: {}", os_reason(&error)));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let total = file.metadata().map_or(0, |data| data.len());
    let mut load = Load::new(engine.clone(), drop_expired).onto(onto);
    let mut buffer = vec![0; READ_CHUNK];
    let mut read = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        read += count as u64;
        let _pass = engine.barrier.enter(engine.loader_gate());
        if load.feed(&buffer[..count], engine.clock.now_ms())? {
            break;
        }
        progress(read, total);
    }
    load.finish().map(|finished| Some(finished.loaded))
}
