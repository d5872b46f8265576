//! What a session keeps of its transaction: the commands queued for EXEC, and the watched keys.

use std::sync::Arc;

use protocol::resp::OwnedArgs;
use protocol::slot::SlotId;
use smallvec::SmallVec;

use crate::store::{KeyHash, WatchFlag};

/// A transaction being queued.
#[derive(Debug, Default)]
pub(crate) struct Multi {
    pub queue: Vec<Queued>,
    /// A command was refused while queueing; EXEC will abort.
    pub aborted: bool,
    /// The database that the queue has selected, if it has.
    pub selected: Option<usize>,
    /// Bytes of all queued words, bounded by the query buffer limit.
    pub bytes: usize,
}

impl Multi {
    /// What the queue takes, bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes + self.queue.len() * size_of::<Queued>()
    }
}

/// One watched key.
#[derive(Debug)]
pub(crate) struct Watched {
    pub db: usize,
    pub slot: SlotId,
    pub key: Box<[u8]>,
    pub flag: Arc<WatchFlag>,
    /// This node or its primary owned the slot. If it no longer does, the key is elsewhere and may change there
    /// unnoticed.
    pub served: bool,
}

/// A queued command: its number in the registry, its words and its keys.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub command: usize,
    pub args: OwnedArgs,
    pub keys: SmallVec<[QueuedKey; 1]>,
}

/// A key of a queued command, with what was computed for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuedKey {
    /// Index of the word in the command.
    pub position: u32,
    pub slot: SlotId,
    pub hash: KeyHash,
    pub is_channel: bool,
}
