//! The slotd node as a library: every room of the server, by rank.

pub mod base;
pub mod engine;
pub mod store;
