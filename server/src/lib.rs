//! slotd: a native, Redis Cluster-compatible server, as a library.
//!
//! A [`node::Node`] is a value: it owns its data, its sockets and its files, reads time from the clock it was given, and stops when
//! dropped. Several live in one process and share its threads. The modules have ranks; each uses only lower ones:
//!
//! ```text
//! 0 base  1 store  2 command  3 commands  4 engine  5 persistence  6 replication  7 cluster  8 net, ops  9 node, signals, embedded, healthcheck, cli
//! ```

pub mod base;
pub mod store;

pub mod command;
pub mod commands;

pub mod engine;

pub mod persistence;

pub mod replication;

pub mod cluster;

pub mod net;
pub mod ops;

pub mod cli;
pub mod embedded;
pub mod healthcheck;
pub mod logging;
pub mod node;
pub mod signals;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
