//! Compact encodings: how collections are laid out in memory and, since the RDB format stores them as they are, on
//! disk.
//!
//! Bytes from outside (RESTORE, RDB files, full sync) are validated completely before they become a value, so that
//! every function on a value may rely on its invariants.

pub(crate) mod element;
pub(in crate::store) mod ending;
pub(crate) mod intset;
pub(crate) mod listpack;
pub(crate) mod pack;
pub(crate) mod ziplist;
pub(crate) mod zipmap;

/// Bytes from outside that are not valid; names the rule that they break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt encoding: {0}")]
pub struct Corrupt(pub &'static str);
