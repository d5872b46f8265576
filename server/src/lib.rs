//! The slotd node as a library: every room of the server, by rank.

pub mod base;
pub mod cli;
pub mod engine;
pub mod logging;
pub mod store;
