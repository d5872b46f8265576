//! The machine that runs scripts: their world, the functions of `redis`, and the stack that they run on.

mod api;
mod functions;
mod protected;
mod register;
mod sandbox;
mod tables;
mod vm;

use std::ffi::CStr;

pub(crate) use vm::{Vm, VmKind, VmOptions};

/// What errors call a script's text.
const CHUNK_NAME: &CStr = c"@user_script";

#[cfg(test)]
#[path = "sandbox_tests.rs"]
mod sandbox_tests;
#[cfg(test)]
#[path = "vm_tests.rs"]
mod tests;
