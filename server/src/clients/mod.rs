//! The commands by which a client manages its own connection: HELLO, AUTH, SELECT, CLIENT, SUBSCRIBE, MONITOR, CLIENT
//! TRACKING.
//!
//! The state of a connection is in [`crate::session`], below the engine; this room has only the commands.
//!
//! Rank 10.

#![forbid(unsafe_code)]

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod monitor;
pub(crate) mod pubsub;
pub(crate) mod tracking;
