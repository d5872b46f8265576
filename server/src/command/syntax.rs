//! The compact argument syntax of a command, parsed only when COMMAND DOCS asks.
//!
//! ```text
//! name:type              an argument; types are those of COMMAND DOCS (key, string, integer, double, pattern, unix-time)
//! TOKEN=name:type        the same after a token
//! 'TOKEN                 a token alone, named after itself in lower case
//! name:<a|b>             one of these
//! name:{a b}             a block
//! [a]                    optional
//! a+  a+-                repeated; with its token repeated too
//! a@6.2.0                only since that version, after any of the above but inside `[]`
//! ```
