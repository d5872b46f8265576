//! Threads for work that may take long or has to wait.
//!
//! All of them begin here, since the allocator counts by threads ([`super::allocator`]): what one has not added to the
//! count when it ends would be missing for ever.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::allocator;

/// Starts a thread of this name.
///
/// # Errors
/// The system has no thread left; `work` was dropped.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        let _told = allocator::Told;
        work()
    })
}
