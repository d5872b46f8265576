//! The commands by which a client speaks of its own connection: HELLO, AUTH, SELECT, CLIENT, SUBSCRIBE, CLIENT TRACKING.
//!
//! What a connection is stands in [`crate::session`], below the engine; here is only what its client can say.
//!
//! Rank 10.

#![forbid(unsafe_code)]

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod pubsub;
pub(crate) mod tracking;
