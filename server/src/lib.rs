//! slotd: a native, Redis Cluster-compatible server, as a library.
//!
//! [`embedded`] runs a whole cluster inside another program; [`cli`] is the program `slotd`. Everything else is
//! internal.
//!
//! A node is a value: it owns its data, its sockets and its files, reads time from the clock it was given, and stops
//! when dropped. Several nodes live in one process and share its threads. The modules have ranks; each uses only lower
//! ones:
//!
//! ```text
//! 0 base  1 logging      2 store, runtime, script  3 command   4 commands, config   5 session  6 engine
//! 7 persistence  8 replication  9 cluster  10 clients, net, ops  11 node, signals, embedded, healthcheck, cli
//! ```

#![warn(missing_docs)]

mod base;
mod clients;
mod cluster;
mod command;
mod commands;
mod config;
mod engine;
mod healthcheck;
mod logging;
mod net;
mod node;
mod ops;
mod persistence;
mod replication;
mod runtime;
mod script;
mod session;
mod signals;
mod store;

pub mod cli;
pub mod embedded;
#[doc(hidden)]
pub mod parts;

#[cfg(test)]
mod testing;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
