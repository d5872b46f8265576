//! What a node of the cluster is, for people and scripts.

use std::net::{IpAddr, SocketAddr};

use crate::cluster::Cluster as Core;

/// What a node is in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves slots and takes writes.
    Primary,
    /// Copies a primary, and takes over when that fails.
    Replica,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}

/// Whether a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It serves.
    Running,
    /// It is paused: its sockets are open, but nothing of it runs.
    Paused,
    /// It has ended, and can be started again.
    Down,
}

impl NodeState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Down => "down",
        }
    }
}

/// One node of a running cluster.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// What the node is now.
    pub role: Role,
    /// `host:port` for clients.
    pub address: String,
    /// The port of `address`.
    pub port: u16,
    /// The port of the cluster bus.
    pub bus_port: u16,
    /// The node's id, 40 hexadecimal digits.
    pub id: String,
    /// Runs of slots as CLUSTER NODES writes them; a replica shows none.
    pub slots: Vec<String>,
    /// The id of a replica's primary.
    pub primary: Option<String>,
}

impl NodeInfo {
    pub(super) fn of(core: &Core, host: IpAddr, port: u16) -> Self {
        let view = core.view();
        let me = view.myself();
        Self {
            role: if me.is_primary() { Role::Primary } else { Role::Replica },
            address: SocketAddr::new(host, port).to_string(),
            port,
            bus_port: core.bus_port(),
            id: me.id.to_string(),
            slots: me.slots.iter().map(ToString::to_string).collect(),
            primary: me.primary.map(|id| id.to_string()),
        }
    }
}
