//! The data commands, one file per family: the table of declarations on top, the handlers below.
//!
//! A handler parses its words into a form that cannot express nonsense, works on the store's types, notes effects and writes its
//! reply. It never looks at the clock, the configuration or a socket: what it needs is in its context.
//!
//! Rank 3.

pub mod list_moves;
pub mod lists;
pub mod strings;
