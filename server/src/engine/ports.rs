//! The traits through which higher ranks plug into the engine.

use protocol::resp::Args;
use protocol::slot::SlotId;

use crate::command::CmdError;
use crate::session::client::ClientHandle;

/// A question to the cluster: may this node serve this slot for this command?
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RouteAsk<'a> {
    pub slot: SlotId,
    /// The command (or any command of the transaction) writes.
    pub write: bool,
    /// It is a script that does not say whether it writes.
    pub may_write: bool,
    /// The client sent READONLY.
    pub readonly: bool,
    /// The client sent ASKING, or the command implies it.
    pub asking: bool,
    /// The "key" is a shard channel.
    pub channel: bool,
    /// The command is MIGRATE, which works on this node's side of an open slot.
    pub migrate: bool,
    /// Who asks: a redirection may name the other node in a way that is right for this client.
    pub client: Option<&'a ClientHandle>,
}

/// The cluster's answer.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Serve,
    /// The slot is leaving: keys that are still here are served; a missing one is answered with this redirection.
    Migrating(CmdError),
    /// The slot is arriving and the client was redirected here: serve, unless several keys are named and some are
    /// missing.
    Importing,
    /// Not served here: MOVED, ASK, CLUSTERDOWN.
    Refuse(CmdError),
}

/// Tells where slots are served. Reads published state only; called for every keyed command of a cluster node.
pub(crate) trait Router: Send + Sync {
    fn route(&self, ask: &RouteAsk<'_>) -> Route;
    /// Whether this node or its primary owns the slot.
    fn serves(&self, slot: SlotId) -> bool;
    /// Called when the commands of a transaction are done: saves and publishes their changes before EXEC replies.
    fn conclude(&self);
    /// Sends a published message to the other nodes; `shard` is set for SPUBLISH.
    fn relay(&self, channel: &[u8], message: &[u8], shard: Option<SlotId>);
}

/// Work on the file on disk that is done once no thread waits for the barrier any more.
pub(crate) type FileWork = Box<dyn FnOnce() + Send>;

/// The data set's file on disk.
pub(crate) trait Disk: Send + Sync {
    /// All keys of all databases were just removed (FLUSHALL). Called under the barrier; the returned work empties the
    /// file too.
    fn flushed_all(&self) -> Option<FileWork>;
}

/// Receives what is propagated to replicas (and later to the append-only file).
pub(crate) trait Feed: Send + Sync {
    /// Appends commands, each in its database, as one unit: nothing comes between them, and two or more are wrapped in
    /// MULTI/EXEC. Called under the locks of the slots that were changed.
    fn append(&self, ops: &[(usize, Args<'_>)]);
    /// The offset after everything appended so far.
    fn offset(&self) -> i64;
    /// How many replicas are connected.
    fn replicas(&self) -> usize;
    /// How many replicas are connected with a lag of at most `max_lag` seconds (min-replicas-to-write).
    fn good_replicas(&self, max_lag_s: i64) -> usize;
}
