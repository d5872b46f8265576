//! A start that fails takes away from the directory that was named what it made there.
//!
//! What a failed start leaves behind misleads the next one: a directory of a node that never belonged to the cluster makes it one of
//! another shape. So what is not there yet is noted before the start, and of it only what a start makes is removed: each nodes.conf, then
//! directories, if nothing else is in them. Logs and data stay, whoever wrote them. A nodes.conf that somebody has locked is that of
//! another process which started in the same directory at the same time, and runs.

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
    /// Notes what is not there. A temporary directory goes as a whole, so there is nothing to note.
    pub(super) fn ahead_of(process: &Process, options: &Options) -> Self {
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        if options.dir.is_some() {
            for member in &process.members {
                // A configuration that is wrong makes nothing.
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

    /// Removes what has been made since, once the nodes have ended.
    pub(super) fn remove(&self) {
        // What is not there, or holds something else, stays as it is.
        for file in &self.files {
            // Locked while it is removed, so that nobody begins to use it in between.
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
