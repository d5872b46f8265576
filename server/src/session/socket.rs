//! A handle of a connection's socket, with which a command can look whether its client is still there.
//!
//! A connection reads its socket between commands, so a command knows only what had arrived when it began to wait. Few
//! commands need to know more: see [`Traits::NEEDS_ITS_SENDER`](crate::command::Traits::NEEDS_ITS_SENDER). The handle
//! is a descriptor of its own, made when the first of them comes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// See the essay of this file.
#[derive(Debug)]
pub(crate) struct SocketHandle(OwnedFd);

impl SocketHandle {
    /// Another handle of this socket.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn of(socket: impl AsFd) -> io::Result<Self> {
        socket.as_fd().try_clone_to_owned().map(Self)
    }

    /// Whether the other side has closed the connection, or ended its sending half. A socket that cannot be asked
    /// counts as left.
    pub(crate) fn is_left(&self) -> bool {
        let mut asked = [PollFd::new(&self.0, PollFlags::RDHUP)];
        loop {
            match poll(&mut asked, Some(&Timespec::default())) {
                Ok(count) => return count > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
