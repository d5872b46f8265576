//! What a handler hands back: done, or "park me until one of these keys has something".
//!
//! Blocking is a returned value, never a wait inside a handler. The engine registers the waiter in the slots whose locks are
//! still held, so nothing can slip in between the look and the registration; when a key becomes ready, the same command is
//! executed again under the lock of the write that made it ready.

use super::error::CmdError;
use crate::store::Type;

/// How a parked command waits.
#[derive(Clone, Debug)]
pub struct BlockSpec {
    /// Positions among the command's words of the keys waited for, in order of preference.
    pub keys: smallvec::SmallVec<[u32; 4]>,
    /// Milliseconds to wait; `None` is for ever.
    pub timeout_ms: Option<u64>,
    /// Only a key of this type wakes the command.
    pub awaited: Type,
    /// What the client reads when the time is up.
    pub on_timeout: TimeoutReply,
}

/// The reply of a blocking command whose time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReply {
    /// `*-1` (RESP3: `_`).
    NullArray,
    /// `$-1` (RESP3: `_`).
    Null,
}

/// What became of a command.
#[derive(Debug)]
pub enum Outcome {
    /// The reply is written.
    Done,
    /// Nothing is written; wait.
    Block(BlockSpec),
}

/// A handler's result; an error is written to the client by the engine.
pub type CmdResult = Result<Outcome, CmdError>;

/// Shorthand for a handler that has written its reply.
pub const DONE: CmdResult = Ok(Outcome::Done);
