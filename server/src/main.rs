//! The `slotd` binary. The library does everything; only the allocator is chosen here, since a program has one.

use std::process::ExitCode;

use slotd::cli::{self, Allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    cli::main()
}
