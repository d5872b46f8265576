//! A directory for one unit test.

use std::path::PathBuf;

/// A directory for one test, removed with it.
pub(crate) struct TestDir(pub(crate) PathBuf);

impl TestDir {
    /// `name` distinguishes it from those of the other tests of this process.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slotd-unit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory can be written to");
        Self(std::fs::canonicalize(path).expect("it was just made"))
    }

    /// How many files are in it.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(&self.0).expect("it is there").count()
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
