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

/// What XINFO STREAM FULL says of groups and consumers. Later versions tell more of consumers than 7.0.
pub(crate) const FULL: &str = r#"== full
!times 15 XADD s 1-%d f v%d
XDEL s 1-0 1-14
XINFO STREAM s
XINFO STREAM s FULL
XGROUP CREATE s g 1-2
XGROUP CREATE s h $
XINFO STREAM s FULL
XINFO STREAM s full count 2
XINFO STREAM s FULL COUNT 0
XINFO STREAM s FULL COUNT -1
XREADGROUP GROUP g alice COUNT 12 STREAMS s >
XGROUP CREATECONSUMER s g bob
{shape} XINFO STREAM s FULL
{shape} XINFO STREAM s FULL COUNT 3
{shape} XINFO STREAM s FULL COUNT 0
{shape} XINFO CONSUMERS s g
XINFO CONSUMERS s h
"#;
