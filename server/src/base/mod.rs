//! Rank 0: what every other room may use, and what itself uses none of them.
//!
//! Clocks and random numbers are values here, never globals, so that a whole node can be driven by a test's clock and
//! replayed from a seed. Number and float texts follow Redis to the byte because clients see them.

pub(crate) mod allocator;
pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod contention;
pub(crate) mod geohash;
pub(crate) mod glob;
pub(crate) mod histogram;
pub(crate) mod limits;
pub(crate) mod longdouble;
pub(crate) mod mapping;
pub(crate) mod nearest;
pub(crate) mod network;
pub(crate) mod number;
pub(crate) mod parking;
pub(crate) mod readable;
pub(crate) mod rng;
pub(crate) mod sha1;
#[cfg(test)]
pub(crate) mod test_dir;
pub(crate) mod thread;
