//! Scripted clusters: each test names the rule that it defends.

mod failover;
mod formation;
mod net;
