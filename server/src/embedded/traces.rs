//! Removes from a named directory what a failed start created there.
//!
//! What a failed start leaves behind would mislead the next one: a directory of a node that never joined makes it look
//! like a cluster of another shape. So the start first notes what does not exist yet, and on failure removes only those
//! things: each nodes.conf, then directories, if nothing else is in them. Logs and data always stay. A locked
//! nodes.conf belongs to another running process that started in the same directory at the same time.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Options;
use super::process::Process;
use crate::config::ids;

/// What a start may make.
pub(super) struct Traces {
    files: Vec<PathBuf>,
    /// The innermost first.
    dirs: Vec<PathBuf>,
}

impl Traces {
    /// Notes what does not exist. A temporary directory is removed as a whole, so nothing is noted.
    pub(super) fn ahead_of(process: &Process, options: &Options) -> Self {
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        if options.dir.is_some() {
            for member in &process.members {
                // A wrong configuration creates nothing.
                files.extend(member.config().ok().map(|config| config.path(ids::CLUSTER_CONFIG_FILE)));
                dirs.push(member.dir().to_owned());
            }
            dirs.extend(process.directory.path().ancestors().map(Path::to_owned));
        }
        let missing = |path: &PathBuf| !path.as_os_str().is_empty() && !path.exists();
        files.retain(missing);
        dirs.retain(missing);
        Self { files, dirs }
    }

    /// Removes what was created since, once the nodes have ended.
    pub(super) fn remove(&self) {
        // What is missing, or holds something else, stays as it is.
        for file in &self.files {
            // Locked while it is removed, so that no other process begins to use it in between.
            if let Ok(held) = File::open(file)
                && held.try_lock().is_ok()
            {
                let _ = std::fs::remove_file(file);
            }
        }
        for dir in &self.dirs {
            let _ = std::fs::remove_dir(dir);
        }
    }
}
