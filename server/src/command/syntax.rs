//! The compact argument syntax of a command, parsed only when COMMAND DOCS asks.
