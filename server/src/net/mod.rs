//! Sockets of clients: the listeners, and one task per connection.
//!
//! Rank 10.

#![forbid(unsafe_code)]

mod buffers;
pub(crate) mod connection;
pub(crate) mod listener;
pub(crate) mod listening;
