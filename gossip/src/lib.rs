//! Redis Cluster as a state machine without I/O.
//!
//! # How to drive it
//! [`Gossip`] holds everything one node knows about its cluster and decides everything it does there. It reads no
//! clock, opens no socket and touches no file: a driver tells it what happened and when, and performs its effects.
//! There are four kinds of method:
//!
//! * **inputs**, things that happen: [`Gossip::handle_packet`], [`Gossip::handle_link_accepted`],
//!   [`Gossip::handle_link_connected`], [`Gossip::handle_link_closed`], [`Gossip::handle_tick`] (no later than
//!   [`Gossip::next_timeout`]), [`Gossip::set_replication`] (the replication offset);
//! * **commands** of the administrator: [`Gossip::meet`], [`Gossip::add_slots`], [`Gossip::failover`], ..., which
//!   return a typed [`Error`];
//! * **outputs**: after *every* input or command drain [`Gossip::poll_effect`] and perform the effects in order.
//!   `PersistNodesConf` precedes the packets that depend on it: epochs and votes are durable before they are sent;
//! * **getters**: [`Gossip::view`] for routing and for the CLUSTER commands, [`Gossip::serve_until_ms`] for the write
//!   lease.
//!
//! # The write lease
//! A primary may serve a write only while `now < serve_until_ms()` and the view says `ok`. The lease makes a frozen
//! primary (SIGSTOP, a paused VM) harmless; see `lease.rs`. The check must use a reading of the clock that was made
//! *after* the command was read from the socket; otherwise a write queued during a freeze slips through.
//!
//! # Determinism
//! Same seed, same inputs, same effects: no hash map order, no clock, no external randomness. The simulator depends on
//! it.
//!
//! # Map
//! State: `node` (nodes, table), `role`, `ownership` (slots), `link`, `state` (the struct's life, `cluster_state`),
//! `lease`. Input: `receive/*`, one file per kind of message. Decisions: `failure` (PFAIL, FAIL), `election`,
//! `manual_failover`, `data_loss`, `replica_migration`, `epoch`, `commands`, `founding`, `timer` (the periodic work).
//! Output: `send`, `announce`, `event`, `persist` (with `nodes_conf`), `view`. Rules that differ from Redis 7.0.15 say
//! so, with the bug that they avoid.

#![forbid(unsafe_code)]

mod announce;
mod commands;
mod config;
mod data_loss;
mod election;
mod epoch;
mod error;
mod event;
mod failure;
mod founding;
mod lease;
mod link;
mod manual_failover;
mod node;
pub mod nodes_conf;
mod ownership;
mod persist;
mod receive;
mod replica_migration;
mod rng;
mod role;
mod send;
mod state;
mod timer;
mod view;

pub use commands::Bump;
pub use config::{Announce, Config, UnixMillis};
pub use error::Error;
pub use event::{Effect, Level};
pub use founding::Founder;
pub use link::LinkId;
pub use manual_failover::FailoverMode;
pub use nodes_conf::NodesConfError;
pub use state::{Gossip, Replication};
pub use view::{LinkView, NodeView, Stats, View};
