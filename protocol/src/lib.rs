//! What the bytes mean.

pub mod bus;
