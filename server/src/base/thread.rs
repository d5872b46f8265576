//! Threads for work that may take long or has to wait.
//!
//! They begin here, since the allocator counts by threads ([`super::allocator`]): what one has not added to the count
//! when it ends would be missing for ever. Threads of a runtime end with [`super::allocator::tell_rest`]; those that
//! live as long as the process need neither.

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
