//! Compact encodings: how collections are laid out in memory and, since the RDB format stores them as they are, on
//! disk.
//!
//! What arrives from outside (RESTORE, RDB files, full sync) is validated whole before it becomes a value, so that
//! every function on a value may rely on its invariants.

pub(crate) mod element;
pub(crate) mod listpack;
pub(crate) mod ziplist;

/// Bytes from outside that are not what they claim to be; says which rule they break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt encoding: {0}")]
pub struct Corrupt(pub &'static str);
