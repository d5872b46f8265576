//! Why a command was refused. A refused command changes nothing: all checks come before the first change.
//!
//! The texts are those of Redis after `-ERR `, so the server can pass them on unchanged.

use protocol::slot::SlotId;

/// A refused command of the administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Invalid node address specified: {0}:{1}")]
    InvalidAddress(String, i64),
    #[error("Unknown node {0}")]
    UnknownNode(String),
    /// The same, in the words of SETSLOT MIGRATING and IMPORTING.
    #[error("I don't know about node {0}")]
    UnfamiliarNode(String),
    #[error("I tried hard but I can't forget myself...")]
    ForgetMyself,
    #[error("Can't forget my master!")]
    ForgetMyPrimary,
    #[error("Slot {0} is already unassigned")]
    SlotUnassigned(SlotId),
    #[error("Slot {0} is already busy")]
    SlotBusy(SlotId),
    #[error("Slot {0} specified multiple times")]
    SlotRepeated(SlotId),
    #[error("Please use SETSLOT only with masters.")]
    SetSlotOnReplica,
    #[error("I'm not the owner of hash slot {0}")]
    NotOwner(SlotId),
    #[error("I'm already the owner of hash slot {0}")]
    AlreadyOwner(SlotId),
    #[error("Target node is not a master")]
    TargetNotPrimary,
    #[error("Can't assign hashslot {0} to a different node while I still hold keys for this hash slot.")]
    SlotHasKeys(SlotId),
    #[error("DB must be empty to perform CLUSTER FLUSHSLOTS.")]
    FlushWithKeys,
    #[error("Can't replicate myself")]
    ReplicateMyself,
    #[error("I can only replicate a master, not a replica.")]
    ReplicateReplica,
    #[error("To set a master the node must be empty and without assigned slots.")]
    NotEmpty,
    #[error("The specified node is not a master")]
    NotPrimary,
    #[error("You should send CLUSTER FAILOVER to a replica")]
    FailoverOnPrimary,
    #[error("I'm a replica but my master is unknown to me")]
    PrimaryUnknown,
    #[error("Master is down or failed, please use CLUSTER FAILOVER FORCE")]
    PrimaryDown,
    #[error("The user can assign a config epoch only when the node does not know any other node.")]
    EpochWithPeers,
    #[error("Node config epoch is already non-zero")]
    EpochAlreadySet,
    #[error("CLUSTER RESET can't be called with master nodes containing keys")]
    ResetWithKeys,
}
