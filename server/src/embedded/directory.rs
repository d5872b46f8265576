//! Where the nodes of a cluster keep their files: a directory that was named, or one below the system's temporary directory that goes
//! with the cluster.

use std::path::{Path, PathBuf};

/// The directory of a cluster.
pub(super) enum Directory {
    /// Stays when the cluster is gone.
    Given(PathBuf),
    /// Is removed with this value.
    Temporary(PathBuf),
}

impl Directory {
    /// The named directory, or a new temporary one.
    pub(super) fn new(given: Option<&Path>) -> Self {
        match given {
            Some(dir) => Self::Given(dir.to_owned()),
            None => Self::Temporary(std::env::temp_dir().join(format!(
                "slotd-cluster-{}-{:x}",
                std::process::id(),
                unique()
            ))),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            // Left behind, it is only litter.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Tells apart temporary directories of one process.
fn unique() -> u64 {
    crate::base::rng::Rng::os_seed().unwrap_or_default()
}
