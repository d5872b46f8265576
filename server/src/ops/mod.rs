//! Operating a node: shutting it down, inspecting it, and periodic work.
//!
//! ```text
//! shutdown    ends a node in order, for SHUTDOWN and for signals    attempt  decides how a shutdown ends
//! |                                                                  settle   waits for writes that are under way
//! debug       DEBUG, for tests (with debug_replies)                 memory   MEMORY USAGE
//! neighbours  SLOTD NODE, for tests of a cluster in one process     lolwut   LOLWUT
//! contention  SLOTD CONTENTION: who waited for whom
//! config      CONFIG                                                info     INFO
//! introspect  COMMAND                                               latency  LATENCY
//! cron        periodic work: rates, expiry, clients that are idle or do not read
//! ```
//!
//! Rank 10: uses persistence and replication; only the node uses it.

#![forbid(unsafe_code)]

mod attempt;
pub(crate) mod commands;
pub(crate) mod config;
mod contention;
mod cron;
mod debug;
mod debug_entries;
mod debug_replies;
pub(crate) mod info;
pub(crate) mod introspect;
pub(crate) mod latency;
mod lolwut;
pub(crate) mod memory;
pub(crate) mod neighbours;
mod settle;
pub(crate) mod shutdown;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

use protocol::resp::Args;

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::engine::handler::{Service, SessionCtx, SessionResult};
use crate::persistence::Persistence;
use crate::replication::Replication;
use crate::runtime::threads::Spawner;
use attempt::Progress;
use neighbours::Neighbours;

/// The operator's side of one node.
pub(crate) struct Ops {
    me: Weak<Ops>,
    engine: Arc<Engine>,
    persistence: Arc<Persistence>,
    replication: Arc<Replication>,
    /// The cluster side, if cluster mode is on; for DEBUG.
    cluster: OnceLock<Weak<Cluster>>,
    /// The nodes that share this process, if it has several.
    neighbours: OnceLock<Arc<dyn Neighbours>>,
    /// The running shutdown, if any, and the thread that it runs on.
    progress: Progress,
    control: OnceLock<Spawner>,
    /// Whether a task makes room.
    evicting: AtomicBool,
}

impl Ops {
    pub(crate) fn new(engine: Arc<Engine>, persistence: Arc<Persistence>, replication: Arc<Replication>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            engine,
            persistence,
            replication,
            cluster: OnceLock::new(),
            neighbours: OnceLock::new(),
            progress: Progress::default(),
            control: OnceLock::new(),
            evicting: AtomicBool::new(false),
        })
    }

    /// Plugs in the other nodes of the process. The plug must not own this node.
    pub(crate) fn set_neighbours(&self, neighbours: Arc<dyn Neighbours>) {
        assert!(self.neighbours.set(neighbours).is_ok(), "a node is wired once");
    }

    /// Plugs in the cluster.
    pub(crate) fn set_cluster(&self, cluster: &Arc<Cluster>) {
        assert!(self.cluster.set(Arc::downgrade(cluster)).is_ok(), "a node is wired once");
    }
}

impl Service for Ops {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        (commands::COMMANDS[index].handler)(self, ctx, args)
    }
}
