//! Sorted sets beside Redis: every command and option, in the small and the large form.
//!
//! The scripts are in files by subject. [`both`] plays a script twice: once as it is, and once with limits that turn
//! every set into the large form at once.

mod algebra;
mod basics;
mod numbers;
mod pops;
mod ranges;
mod samples;

use crate::check_with;

/// Plays a script with small sets in one block, and again with all of them in the large form.
#[track_caller]
fn both(script: &str) {
    check_with(&[], script);
    check_with(&[("zset-max-listpack-entries", "0")], script);
}
