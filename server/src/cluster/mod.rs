//! The cluster side of a node: everything between the pure core in `gossip` and the world.
//!
//! [`driver`] is the only caller of [`gossip::Gossip`]: it passes it packets, link events and ticks, and performs its
//! effects in order ([`effects`]). [`outbox`] holds them back while nodes.conf is saved ([`saving`]), [`background`]
//! does the work that has to wait for commands, and [`asked`] is the workers' side. [`route`] answers "is this slot
//! served here?" from the published view, and [`names`] what a client is told of the other nodes. [`links`] are the bus
//! connections; [`resolve`] finds peers that announce names; [`local_buses`] finds peers of the same process, whose
//! links are [`pipe`]s. [`conf_file`] is nodes.conf on disk, [`commands`] are CLUSTER and its kin, [`migrate`] moves
//! keys between nodes.
//!
//! Invariants: only the core changes slot ownership; readers see an immutable view; state that the core wants durable
//! is on disk before the packets that depend on it leave. Lock order: barrier gate, then core, then slots; code that
//! performs effects never waits for a gate.
//!
//! Rank 9.

#![forbid(unsafe_code)]

mod asked;
mod background;
pub(crate) mod commands;
pub(crate) mod conf_file;
pub(crate) mod driver;
mod effects;
pub(crate) mod links;
pub(crate) mod local_buses;
pub(crate) mod migrate;
mod names;
mod outbox;
pub(crate) mod pipe;
mod reset;
pub(crate) mod resolve;
pub(crate) mod route;
mod saving;
mod shapes;
mod slot_stats;

/// What CLUSTER MEET adds to a client port to get the bus port (CLUSTER_PORT_INCR).
pub(crate) const BUS_PORT_OFFSET: i64 = 10_000;

pub(crate) use driver::{Cluster, DataLink, DataState, Place};
pub(crate) use local_buses::{Listener, LocalBuses};
