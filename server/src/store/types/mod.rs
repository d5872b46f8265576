//! The data types, one file (and folder) each. They return Rust values and know neither commands nor replies.

pub(crate) mod hash;
pub(crate) mod hyperloglog;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod set;
pub(crate) mod stream;
pub(crate) mod zset;
