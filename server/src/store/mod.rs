//! Rank 1: the data, and nothing but the data. No tokio, clock, configuration or RESP: time, seeds and limits are arguments.

pub mod encoding;
pub mod types;
