//! Operating a node: shutting it down, looking into it, and what must be done now and then.
//!
//! ```text
//! shutdown    ends a node in order, for SHUTDOWN and for signals    attempt  who decides how a shutdown ends
//!                                                                   settle   waits for writes that are under way
//! debug       DEBUG, for tests                                      memory   what a key costs
//! neighbours  SLOTD NODE, for tests of a cluster in one process     lolwut   LOLWUT
//! cron        what nobody asks for: rates, expiry, clients that are idle or do not read
//! ```
//!
//! Rank 8: uses persistence and replication, and nothing uses it but the node.

mod attempt;
pub mod commands;
mod cron;
mod debug;
mod lolwut;
pub mod memory;
pub mod neighbours;
mod settle;
pub mod shutdown;

use std::sync::{Arc, OnceLock, Weak};

use protocol::resp::Args;

use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::engine::session::{Service, SessionCtx, SessionResult};
use crate::engine::threads::Spawner;
use crate::persistence::Persistence;
use crate::replication::Replication;
use attempt::Progress;
use neighbours::Neighbours;

/// The operator's side of one node.
pub struct Ops {
    me: Weak<Ops>,
    engine: Arc<Engine>,
    persistence: Arc<Persistence>,
    replication: Arc<Replication>,
    /// The cluster side, if cluster mode is on; for DEBUG.
    cluster: OnceLock<Weak<Cluster>>,
    /// The nodes that share this process, if it has several.
    neighbours: OnceLock<Arc<dyn Neighbours>>,
    /// The shutdown that is going on, if one is, and the thread that it goes on on.
    progress: Progress,
    control: OnceLock<Spawner>,
}

impl Ops {
    pub fn new(engine: Arc<Engine>, persistence: Arc<Persistence>, replication: Arc<Replication>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            engine,
            persistence,
            replication,
            cluster: OnceLock::new(),
            neighbours: OnceLock::new(),
            progress: Progress::default(),
            control: OnceLock::new(),
        })
    }

    /// Plugs in the other nodes of the process. What is plugged in must not own this node.
    pub fn set_neighbours(&self, neighbours: Arc<dyn Neighbours>) {
        assert!(self.neighbours.set(neighbours).is_ok(), "a node is wired once");
    }

    /// Plugs in the cluster.
    pub fn set_cluster(&self, cluster: &Arc<Cluster>) {
        assert!(self.cluster.set(Arc::downgrade(cluster)).is_ok(), "a node is wired once");
    }
}

impl Service for Ops {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        (commands::COMMANDS[index].handler)(self, ctx, args)
    }
}
