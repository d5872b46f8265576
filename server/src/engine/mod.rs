//! Rank 4: what turns requests into executed commands, and the services around that.

pub mod config;
