//! Streams beside Redis: every command and option, in nodes of the usual size and in very small ones.
//!
//! The scripts are in files by subject. [`both`] plays a script twice: once as it is, and once with nodes of two
//! entries, so that most of what is done concerns several. The times of entries and of deliveries differ between two
//! servers, so ids are given, and idle times are compared by their shape.

mod blocking;
mod claims;
mod entries;
mod groups;
mod ids;
mod numbers;
mod removal;

use crate::check_with;

/// Plays a script with usual nodes, and again with very small ones.
#[track_caller]
fn both(script: &str) {
    check_with(&[], script);
    check_with(&[("stream-node-max-entries", "2")], script);
}
