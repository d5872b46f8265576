//! The `slotd` binary. Everything is the library's; only the allocator is chosen here, since there is one per program.

use std::process::ExitCode;

use slotd::cli::{self, Allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    cli::main()
}
