//! The core's output: one ordered list of effects.
//!
//! The driver drains it with [`crate::Gossip::poll_effect`] after every input and performs the effects **in order**.
//! The safety of the whole protocol rests on the order: within one input [`Effect::PersistNodesConf`] comes first, so
//! an epoch or a vote is on disk before any packet that mentions it leaves. A driver that cannot save must stop the
//! process (as Redis does), not go on with the list.

use std::sync::Arc;

use protocol::bus::{IpText, NodeId};
use protocol::slot::SlotBitmap;

use crate::config::UnixMillis;
use crate::link::LinkId;

/// Redis's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replace nodes.conf by this text (write a temporary file, rename it). With `fsync` it has to be on disk before
    /// the next effect is performed: it holds an epoch, a vote or an ownership that the following packets rely on.
    PersistNodesConf {
        text: String,
        fsync: bool,
    },
    /// Open a connection to a bus port. Report the result with `handle_link_connected` or `handle_link_closed`.
    Connect {
        link: LinkId,
        ip: IpText,
        port: u16,
    },
    /// Append to the link's output. If the link is gone, drop the packet silently.
    Send {
        link: LinkId,
        bytes: Arc<[u8]>,
    },
    /// Close the connection. No `handle_link_closed` is expected for it (one is harmless).
    Close {
        link: LinkId,
    },
    /// This node became a primary: stop replicating, start a new replication history.
    Promoted,
    /// This node was a primary and is a replica now; a `ReplicateFrom` follows (at once, or when the address is known).
    Demoted,
    /// Replicate from this node at this address. Repeated whenever the primary or its address changes. From here on,
    /// facts about another primary are ignored (see [`crate::Replication`]).
    ReplicateFrom {
        id: NodeId,
        ip: IpText,
        port: u16,
    },
    /// CLUSTER RESET of a replica: drop the whole data set.
    FlushData,
    /// These slots belong to another shard now while this node stays a primary: delete their keys (and propagate that
    /// to the replicas), and redirect clients blocked on them.
    SlotsLost(Box<SlotBitmap>),
    /// These slots changed owners: shard channels in them lose their subscribers (SUNSUBSCRIBE pushes).
    ShardChannelsLost(Box<SlotBitmap>),
    /// `cluster_state` as clients see it.
    StateChanged {
        ok: bool,
    },
    /// Manual failover: hold back writes, expiry and eviction until then, and call `handle_writes_paused`.
    PauseWrites {
        until: UnixMillis,
    },
    /// The manual failover is over, successful or not.
    UnpauseWrites,
    /// A message for the local subscribers.
    Publish {
        channel: Vec<u8>,
        message: Vec<u8>,
        sharded: bool,
    },
    Log {
        level: Level,
        text: String,
    },
    /// The roles, owners, addresses or health in [`crate::Gossip::view`] changed. Lesser changes are reported by
    /// [`crate::Gossip::take_details_change`].
    ViewChanged,
}
