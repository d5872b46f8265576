//! LATENCY HISTOGRAM: how long commands took, since the start or the last CONFIG RESETSTAT.
//!
//! Percentiles of the same figures stand in INFO latencystats; both are the engine's
//! ([`Latencies`](crate::engine::latency::Latencies)). The other subcommands of Redis look at the events of its latency
//! monitor, which slotd does not have.

use protocol::resp::Args;

use super::introspect::look_up;
use crate::command::{Arity, Declared, Flags, Group, Traits, error, help};
use crate::engine::handler::{Command, Handled, SessionCtx, SessionFn, SessionResult};

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("LATENCY", Arity::at_least(2), Group::Server, Flags::CONTAINER, container as SessionFn)
        .since("2.8.13")
        .summary("A container for latency diagnostics commands")
        .complexity("Depends on subcommand."),
    Declared::sub("LATENCY", "HISTOGRAM", Arity::at_least(2), Group::Server, ADMIN, histogram as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("7.0.0")
        .summary("Return the cumulative distribution of latencies of a subset of commands or all.")
        .complexity("O(N) where N is the number of commands with latency information being retrieved.")
        .syntax("[command:string+]")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    Declared::sub(
        "LATENCY",
        "HELP",
        Arity::exactly(2),
        Group::Server,
        Flags::LOADING.and(Flags::STALE),
        help as SessionFn,
    )
    .since("2.8.13")
    .summary("Show helpful text about the different subcommands.")
    .complexity("O(1)"),
];

fn container(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

/// The named commands, in this order; a container stands for its subcommands. Names that no command has are passed
/// over, and so are commands that were not called.
fn histogram(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let engine = ctx.engine;
    let registry = &*engine.registry;
    let mut asked: Vec<&Command> = Vec::new();
    if args.len() == 2 {
        asked.extend(registry.iter());
    }
    for command in args.iter().skip(2).filter_map(|name| look_up(registry, name)) {
        asked.extend(command.subcommands.iter().map(|&index| registry.by_index(index)));
        asked.push(command);
    }
    // What is printed of each, and not its counters, which take 24 KiB: a name may come again and again.
    let told = |command: &'_ Command| {
        let latencies = engine.latencies.of(command.index)?;
        Some((latencies.total(), latencies.steps()))
    };
    let called: Vec<_> = asked.into_iter().filter_map(|command| Some((command, told(command)?))).collect();
    ctx.reply.map(called.len());
    for (command, (total, steps)) in called {
        ctx.reply.bulk(command.full_name.as_bytes());
        ctx.reply.map(2);
        ctx.reply.bulk(b"calls");
        ctx.reply.int(total as i64);
        ctx.reply.bulk(b"histogram_usec");
        ctx.reply.map(steps.len());
        for (us, calls) in steps {
            ctx.reply.int(us as i64);
            ctx.reply.int(calls as i64);
        }
    }
    Ok(Handled::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    const LINES: &[&str] = &[
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
        "    If no commands are specified then all histograms are replied.",
    ];
    help::write(&mut ctx.reply, "LATENCY", LINES);
    Ok(Handled::Done)
}
