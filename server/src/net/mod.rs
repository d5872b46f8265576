//! Sockets of clients: the workers' threads, the listeners, and one task per connection.
//!
//! Rank 8.

mod buffers;
pub mod connection;
pub mod listener;
pub mod listening;

pub use crate::engine::threads as workers;
