//! What a node runs on: the threads of the process, groups of tasks, descriptors, memory, CPU and networks.
//!
//! The nodes of a process share all of it. This room does not know what a node is; it counts and distributes.
//!
//! Rank 2.

#![forbid(unsafe_code)]

pub(crate) mod descriptors;
pub(crate) mod kept_links;
pub(crate) mod process;
pub(crate) mod routes;
pub(crate) mod share;
pub(crate) mod task_group;
pub(crate) mod threads;
