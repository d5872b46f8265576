//! Redis Cluster as a state machine without I/O.

pub mod nodes_conf;
