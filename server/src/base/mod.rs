//! Rank 0: what every other room may use and what uses none of them.
//!
//! Clocks and random numbers are values here, never globals, so that a whole node can be driven by a test's clock and
//! replayed from a seed. Number and float texts follow Redis to the byte because clients see them.

pub mod allocator;
pub mod clock;
pub mod glob;
pub mod limits;
pub mod longdouble;
pub mod nearest;
pub mod number;
pub mod parking;
pub mod rng;
pub mod sha1;
#[cfg(test)]
pub(crate) mod test_dir;
