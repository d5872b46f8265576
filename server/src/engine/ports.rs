//! The traits through which higher ranks plug into the engine.

use protocol::resp::Args;
use protocol::slot::SlotId;

use crate::command::CmdError;

/// A question to the cluster: may this node serve that slot for this command?
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteAsk {
    pub slot: SlotId,
    /// The command (or any command of the transaction) writes.
    pub write: bool,
    /// The client said READONLY.
    pub readonly: bool,
    /// The client said ASKING, or the command implies it.
    pub asking: bool,
    /// The "key" is a shard channel.
    pub channel: bool,
    /// The command is MIGRATE, which works on this node's side of an open slot.
    pub migrate: bool,
}

/// The cluster's answer.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Serve,
    /// The slot is leaving: serve keys that are still here, answer with this redirection for a missing one.
    Migrating(CmdError),
    /// The slot is arriving and the client was sent here: serve, unless several keys are named and some are missing.
    Importing,
    /// Not here: MOVED, ASK, CLUSTERDOWN.
    Refuse(CmdError),
}

/// Says where slots are served. Reads only published state; called for every keyed command of a cluster node.
pub(crate) trait Router: Send + Sync {
    fn route(&self, ask: &RouteAsk) -> Route;
    /// Whether this node or its primary owns the slot.
    fn serves(&self, slot: SlotId) -> bool;
    /// The commands of a transaction are done: saves and publishes what they changed, before it answers.
    fn conclude(&self);
    /// Sends a published message to the other nodes; `shard` is set for SPUBLISH.
    fn relay(&self, channel: &[u8], message: &[u8], shard: Option<SlotId>);
}

/// What is left to do for the file on disk once nobody waits for the barrier any more.
pub(crate) type FileWork = Box<dyn FnOnce() + Send>;

/// The data set's file on disk.
pub(crate) trait Disk: Send + Sync {
    /// All keys of all databases were just removed (FLUSHALL). Called under the barrier; what it returns makes the file say the same.
    fn flushed_all(&self) -> Option<FileWork>;
}

/// Takes what is to be propagated to replicas (and later to the append-only file).
pub(crate) trait Feed: Send + Sync {
    /// Appends commands, each in its database, as one unit: nothing else comes between them, and more than one are wrapped in
    /// MULTI/EXEC. Called under the locks of the slots that were changed.
    fn append(&self, ops: &[(usize, Args<'_>)]);
    /// The offset after everything appended so far.
    fn offset(&self) -> i64;
    /// How many replicas are connected with a lag of at most `max_lag` seconds (min-replicas-to-write).
    fn good_replicas(&self, max_lag_s: i64) -> usize;
}
