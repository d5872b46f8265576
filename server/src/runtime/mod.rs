//! What a node runs on: the threads of the process, groups of tasks, descriptors, memory and CPU.
//!
//! Several nodes of one process share all of it. Nothing here knows what a node is; it counts and hands out.
//!
//! Rank 2.

#![forbid(unsafe_code)]

pub(crate) mod descriptors;
pub(crate) mod process;
pub(crate) mod share;
pub(crate) mod task_group;
pub(crate) mod threads;
