//! Scripts: Lua programs that run inside a node, and can be stopped at any moment without losing what they are in.
//!
//! A script runs in a [`Vm`], on a stack of its own. It is a value that the engine drives: it runs until it wants a
//! command to be executed, has used up its share of time, or is done, and each time hands the thread back
//! ([`Turn`]). So a script never reaches into the engine: it cannot take a lock, reach a socket or see the clock, and a
//! worker that drives a script which takes long serves its other connections meanwhile.
//!
//! This room knows Lua, the API that Redis gives to scripts, and how values become replies. What a command does, who
//! may call it and what is propagated are the engine's matter.
//!
//! Rank 2. Redis: script_lua.c, eval.c.

mod alone;
mod convert;
mod errors;
mod library;
mod libs;
mod lua;
mod machine;
mod pool;
mod result;
mod source;
mod words;

pub use alone::Alone;
pub(crate) use errors::Errors;
pub(crate) use library::{BAD_NAME, Function, LastFunction, Library, Program, Registered, is_name};
pub(crate) use lua::Turn;
pub(crate) use machine::{Vm, VmKind, VmOptions};
pub(crate) use pool::VmPool;
pub(crate) use source::{ByDigest, Script, ScriptFlags, Sha};
