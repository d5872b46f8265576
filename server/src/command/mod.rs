//! The command framework: what a command *is*, before any command exists.
//!
//! A command is declared once, as a `const` entry beside its handler: name, arity, flags, key specs, group, since,
//! summary, complexity and a one-line argument syntax ([`spec::Spec`]). Everything else derives from that entry:
//! COMMAND INFO, DOCS and GETKEYS, the arity check, cluster routing, which slots are locked, what MULTI admits. One key
//! extractor ([`keys`]) feeds routing, locking and GETKEYS alike: if there were two, they would disagree one day, and
//! that would be a security hole.
//!
//! A handler never performs effects. It changes the slots that were locked for it, writes its reply, and notes in
//! [`effects::Effects`] what else must follow (propagation, keyspace events, keys that became ready). The engine drains
//! those under the same lock, so that the order of execution is the order of replication.
//!
//! Rank 3: may use `base` and `store`, and is used by `commands` and everything above.

#![forbid(unsafe_code)]

pub(crate) mod absent;
mod categories;
pub(crate) mod context;
mod door;
pub(crate) mod edit;
pub(crate) mod effects;
pub(crate) mod error;
pub(crate) mod help;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod locked;
pub(crate) mod outcome;
pub(crate) mod spec;
pub(crate) mod syntax;

pub(crate) use categories::Categories;
pub(crate) use context::{Data, DataLimits, Key, KeyedCtx, KeyspaceCtx, KnownKey, KnownKeys, Role};
pub(crate) use edit::Edit;
pub(crate) use effects::{Effects, Event, Listeners, NotifyClass};
pub(crate) use error::CmdError;
pub(crate) use locked::{KeptSlots, LockPlan, Locked};
pub(crate) use outcome::{BlockSpec, CmdResult, Outcome, TimeoutReply};
pub(crate) use spec::{Arity, Declared, Flags, Group, KeyFlags, KeySpec, Spec, Traits};

/// A synchronous handler that runs under the locks of the slots its keys live in.
pub(crate) type KeyedFn = for<'c, 'a> fn(&'c mut KeyedCtx<'_>, protocol::resp::Args<'a>) -> CmdResult;
/// A synchronous handler that visits slots one at a time, or all of them under the barrier.
pub(crate) type KeyspaceFn = for<'c, 'a> fn(&'c mut KeyspaceCtx<'_>, protocol::resp::Args<'a>) -> CmdResult;
