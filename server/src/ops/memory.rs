//! MEMORY USAGE: what a key and its value cost.

use protocol::resp::Args;

use crate::base::number::parse_i64;
use crate::command::{Arity, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, Outcome, error, help};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};

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
];

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
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value. Nested values are",
        "    sampled up to <count> times (default: 5, 0 means sample all).",
    ];
    help::write(&mut ctx.reply, "MEMORY", LINES);
    Ok(Handled::Done)
}
