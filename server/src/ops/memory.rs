//! MEMORY: what a key and its value cost, and reports about the memory of the node.

use protocol::resp::Args;

use super::info::report;
use crate::base::allocator;
use crate::base::number::parse_i64;
use crate::command::{Arity, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, Outcome, error, help};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::runtime::process::Process;

/// The commands on keys.
pub(crate) static KEYED: &[Declared<KeyedFn>] =
    &[Declared::sub("MEMORY", "USAGE", Arity::at_least(3), Group::Server, Flags::READONLY, usage as KeyedFn)
        .since("4.0.0")
        .summary("Estimate the memory usage of a key")
        .complexity("O(N) where N is the number of samples.")
        .keys(&[KeySpec::at(2).ro()])
        .syntax("key:key [SAMPLES=count:integer]")];

/// The container.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("MEMORY", Arity::at_least(2), Group::Server, Flags::CONTAINER, container as SessionFn)
        .since("4.0.0")
        .summary("A container for memory diagnostics commands")
        .complexity("Depends on subcommand."),
    Declared::sub(
        "MEMORY",
        "HELP",
        Arity::exactly(2),
        Group::Server,
        Flags::LOADING.and(Flags::STALE),
        help as SessionFn,
    )
    .since("4.0.0")
    .summary("Show helpful text about the different subcommands"),
    about_node("STATS", stats).summary("Show memory usage details").complexity("O(1)"),
    about_node("DOCTOR", doctor).summary("Outputs memory problems report").complexity("O(1)"),
    about_node("MALLOC-STATS", malloc_stats)
        .summary("Show allocator internal stats")
        .complexity("Depends on how much memory is allocated, could be slow"),
    Declared::sub("MEMORY", "PURGE", Arity::exactly(2), Group::Server, Flags::NONE, purge as SessionFn)
        .since("4.0.0")
        .summary("Ask the allocator to release memory")
        .complexity("Depends on how much memory is allocated, could be slow")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
];

/// A subcommand that reports about the node.
const fn about_node(name: &'static str, handler: SessionFn) -> Declared<SessionFn> {
    Declared::sub("MEMORY", name, Arity::exactly(2), Group::Server, Flags::NONE, handler).since("4.0.0").tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ])
}

fn stats(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    report::stats(ctx.engine, ctx.now, &mut ctx.reply);
    Ok(Handled::Done)
}

fn doctor(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.verbatim(*b"txt", report::doctor(ctx.engine, ctx.now).as_bytes());
    Ok(Handled::Done)
}

/// The allocator belongs to the process, and so do its figures.
fn malloc_stats(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let memory = Process::memory();
    let text = format!(
        "___ Begin mimalloc statistics ___\nAllocated: {}, resident: {}\n--- End mimalloc statistics ---\n",
        memory.used, memory.resident
    );
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}

/// Returns what the calling thread's heap and abandoned heaps can spare; the other threads do so by themselves.
fn purge(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    allocator::collect();
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn container(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

/// Every collection knows its size without visiting its elements, so SAMPLES is only checked.
fn usage(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let mut at = 3;
    while let Some(word) = args.get(at) {
        let count = args.get(at + 1).filter(|_| word.eq_ignore_ascii_case(b"SAMPLES")).ok_or(error::SYNTAX)?;
        if parse_i64(count).ok_or(error::NOT_INTEGER)? < 0 {
            return Err(error::SYNTAX);
        }
        at += 2;
    }
    let key = ctx.data.key(&args[2]);
    match ctx.data.peek(&key) {
        Some(entry) => ctx.reply.int(entry.footprint() as i64),
        None => ctx.reply.null(),
    }
    Ok(Outcome::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    const LINES: &[&str] = &[
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Attempt to purge dirty pages for reclamation by the allocator.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value. Nested values are",
        "    sampled up to <count> times (default: 5, 0 means sample all).",
    ];
    help::write(&mut ctx.reply, "MEMORY", LINES);
    Ok(Handled::Done)
}
