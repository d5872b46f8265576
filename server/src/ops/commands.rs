//! TIME, LOLWUT, SHUTDOWN, DEBUG and SLOTD: the table, and the small ones.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::shutdown::parse;
use super::{Ops, debug, lolwut, neighbours};
use crate::base::number::parse_i64;
use crate::command::{Arity, Declared, Flags, Group, Spec, Traits, error};
use crate::config::ids;
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

/// A handler of this subsystem.
pub(crate) type OpsFn = for<'c, 'x, 'e, 'a> fn(&Ops, &'c mut SessionCtx<'x, 'e>, Args<'a>) -> SessionResult;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// The commands of this subsystem.
pub(crate) static COMMANDS: &[Declared<OpsFn>] = &[
    Declared::new(
        "TIME",
        Arity::exactly(1),
        Group::Server,
        Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        time as OpsFn,
    )
    .traits(Traits::TOUCHES_NO_DATA)
    .since("2.6.0")
    .summary("Return the current server time")
    .tips(&["nondeterministic_output"]),
    Declared::new("LOLWUT", Arity::at_least(1), Group::Server, Flags::READONLY.and(Flags::FAST), lolwut as OpsFn)
        .since("5.0.0")
        .summary("Display some computer art and the Redis version")
        .complexity("")
        .syntax("[VERSION=version:integer]"),
    Declared::new(
        "SHUTDOWN",
        Arity::at_least(1),
        Group::Server,
        ADMIN.and(Flags::NO_MULTI).and(Flags::ALLOW_BUSY),
        shutdown as OpsFn,
    )
    .traits(Traits::TOUCHES_NO_DATA)
    .summary("Synchronously save the dataset to disk and then shut down the server")
    .complexity(
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    )
    .syntax("[nosave_save:<'nosave|'save>] ['now@7.0.0] ['force@7.0.0] ['abort@7.0.0]")
    .history(&[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")]),
    Declared::new("DEBUG", Arity::at_least(2), Group::Server, ADMIN.and(Flags::PROTECTED), debug::debug as OpsFn)
        .summary("A container for debugging commands")
        .complexity("Depends on subcommand.")
        .syscmd(),
    // Not in Redis's list of commands, which clients compare with what they know.
    Declared::new(
        "SLOTD",
        Arity::at_least(2),
        Group::Server,
        ADMIN.and(Flags::NO_MULTI).and(Flags::HIDDEN),
        neighbours::slotd as OpsFn,
    )
    .summary("A container for slotd's own commands")
    .complexity("Depends on subcommand."),
];

/// The specs, in the order of the handlers' indexes.
pub(crate) fn specs() -> Vec<&'static Spec> {
    COMMANDS.iter().map(|declared| &declared.spec).collect()
}

fn time(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let now_us = ops.engine.clock.now_us();
    ctx.reply.array(2);
    ctx.reply.bulk_int(now_us / 1_000_000);
    ctx.reply.bulk_int(now_us % 1_000_000);
    Ok(Handled::Done)
}

fn lolwut(_ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mut version = 7;
    let mut rest = args.skip(1);
    if args.len() >= 3 && args[1].eq_ignore_ascii_case(b"VERSION") {
        version = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
        rest = args.skip(3);
    }
    let announced = ctx.engine.config.string(ids::SERVER_VERSION_ANNOUNCED);
    let text = lolwut::draw(version, rest, &announced, &mut ctx.session.rng)?;
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}

fn shutdown(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let Some(flags) = parse(args)? else {
        if !ops.abort_shutdown() {
            return Err(error::NO_SHUTDOWN);
        }
        ctx.reply.ok();
        return Ok(Handled::Done);
    };
    // Half of what a script does would be saved.
    if let Some(busy) = ctx.engine.busy_with_script().filter(|_| !flags.nosave) {
        return Err(busy);
    }
    let (protocol, verdict) = (ctx.session.protocol, ops.shutdown(flags, true));
    Ok(Handled::Wait(Box::pin(async move {
        let mut out = Vec::new();
        if verdict.wait().await {
            // Success has no reply: the connection closes.
            std::future::pending::<()>().await;
        }
        Reply::new(&mut out, protocol).error(error::SHUTDOWN_FAILED.as_bytes());
        out
    })))
}
