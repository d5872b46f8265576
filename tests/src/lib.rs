//! The harness of the black-box suites: starts real servers, talks to them, checks what they reply.
//!
//! Everything here works on *processes* and *bytes*. A [`node::Node`] is a running server, slotd or the stock
//! `redis-server` (the oracle), on ports of its own and in a directory of its own; a [`client::Client`] is a socket
//! that keeps the exact bytes of each reply; [`cluster::Cluster`] forms a cluster with the stock
//! `redis-cli --cluster create`, as users do.
//!
//! Two decisions hold everywhere:
//!
//! * **The harness shares no code with what it tests.** RESP, hash slots and `CLUSTER NODES` are read by small readers
//!   written here, so that a mistake in the server's own codec cannot cancel itself out.
//! * **The tests are proven on the oracle.** With `SLOTD_BIN=/usr/bin/redis-server` the suites run stock Redis against
//!   itself and must pass; a test that fails there is wrong about Redis.
//!
//! Nothing sleeps for a fixed time to wait for an event: [`wait::wait_until`] polls with a limit and names what it
//! waited for.

pub mod client;
pub mod cluster;
pub mod cluster_client;
pub mod load;
pub mod node;
pub mod one_process;
pub mod oracle;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod redis_cli;
pub mod resp;
pub mod wait;
