//! What a handler returns: done, or "park me until one of these keys has something".
//!
//! Blocking is a returned value, never a wait inside a handler. The engine registers the waiter in the slots while they
//! are still locked, so no change can slip in between the check and the registration. When a change of a key concerns
//! the waiter, the same command is executed again under the lock of that change. If it still has to wait, it blocks
//! again and keeps its place in the queue.

use std::ops::Range;

use protocol::resp::OwnedArgs;

use super::error::CmdError;
use crate::store::Wake;

/// How a parked command waits.
#[derive(Clone, Debug)]
pub(crate) struct BlockSpec {
    /// Positions among the command's words of the keys waited for, in order of preference.
    pub keys: smallvec::SmallVec<[u32; 4]>,
    /// Milliseconds to wait; `None` is for ever.
    pub timeout_ms: Option<u64>,
    /// What wakes the command.
    pub wake: Wake,
    /// The words for running again, if the original ones would mean something else by then (the `$` of XREAD). The
    /// positions of the keys are the same.
    pub resume: Option<OwnedArgs>,
    /// The positions of words that decide whether the command finds anything. Where one finds nothing, another of the
    /// same name with the same words there need not look. `None`: every one has to look.
    pub alike: Option<Range<usize>>,
    /// The reply when the timeout expires.
    pub on_timeout: TimeoutReply,
}

/// The reply of a blocking command whose timeout expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutReply {
    /// `*-1` (RESP3: `_`).
    NullArray,
    /// `$-1` (RESP3: `_`).
    Null,
}

/// The outcome of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The reply is written.
    Done,
    /// Nothing is written; wait. Boxed: few commands wait, and every command returns an outcome.
    Block(Box<BlockSpec>),
}

/// A handler's result; an error is written to the client by the engine.
pub(crate) type CmdResult = Result<Outcome, CmdError>;

// Copied several times for every command.
const _: () = assert!(size_of::<CmdResult>() <= 32);

/// Shorthand for a handler that has written its reply.
pub(crate) const DONE: CmdResult = Ok(Outcome::Done);
